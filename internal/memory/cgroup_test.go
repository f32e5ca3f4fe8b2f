package memory

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCgroupLimit(t *testing.T) {
	for _, tc := range []struct {
		name, self string
		files      map[string]string // below /sys/fs/cgroup
		want       int64
		from       string
	}{
		{"a container of version 2", "0::/\n", map[string]string{"memory.max": "536870912\n"}, 512 << 20, "memory.max"},
		{
			"a unit of systemd", "0::/system.slice/zgproxy.service\n",
			map[string]string{
				"system.slice/zgproxy.service/memory.max": "max\n", "system.slice/zgproxy.service/memory.high": "400000000\n",
				"system.slice/memory.max": "500000000\n",
			},
			400_000_000, "system.slice/zgproxy.service/memory.high",
		},
		{
			"the limit is its parent's", "0::/system.slice/zgproxy.service\n",
			map[string]string{"system.slice/zgproxy.service/memory.max": "max\n", "system.slice/memory.max": "500000000\n"},
			500_000_000, "system.slice/memory.max",
		},
		{"no limit", "0::/user.slice\n", map[string]string{"user.slice/memory.max": "max\n"}, 0, ""},
		{
			"version 1", "5:cpu,cpuacct:/a\n4:memory:/a/b\n0::/\n",
			map[string]string{"memory/a/b/memory.limit_in_bytes": "300000000\n", "memory/memory.limit_in_bytes": "9223372036854771712\n"},
			300_000_000, "memory/a/b/memory.limit_in_bytes",
		},
		{
			"version 1 in a container, with the path of the host", "4:memory:/docker/0123\n",
			map[string]string{"memory/memory.limit_in_bytes": "268435456\n"},
			256 << 20, "memory/memory.limit_in_bytes",
		},
		{"version 1 without a limit", "4:memory:/\n", map[string]string{"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0, ""},
		{
			"both, as on older systems", "4:memory:/x\n0::/x\n",
			map[string]string{"memory/x/memory.limit_in_bytes": "300000000\n", "unified/x/memory.max": "200000000\n"},
			200_000_000, "unified/x/memory.max",
		},
		{"a path that leads elsewhere", "0::/../../..\n", map[string]string{"memory.max": "1000000\n"}, 1_000_000, "memory.max"},
		{"nothing to be read", "what\n0::/x\n", nil, 0, ""},
		{"no number", "0::/\n", map[string]string{"memory.max": "-1\n", "memory.high": "lots\n"}, 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			proc, groups := t.TempDir(), t.TempDir()
			write := func(path, text string) {
				t.Helper()
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(filepath.Join(proc, "self/cgroup"), tc.self)
			for name, text := range tc.files {
				write(filepath.Join(groups, name), text)
			}
			from := tc.from
			if from != "" {
				from = filepath.Join(groups, from)
			}
			if n, at := CgroupLimit(proc, groups); n != tc.want || at != from {
				t.Errorf("%d from %q, want %d from %q", n, at, tc.want, from)
			}
		})
	}
	if n, at := CgroupLimit(t.TempDir(), t.TempDir()); n != 0 || at != "" {
		t.Errorf("without /proc: %d from %q", n, at)
	}
}
