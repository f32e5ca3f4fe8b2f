package main

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/memory"
)

// The collector keeps within nine tenths of what the control group lets the process have, and what is held within half
// of that, unless the operator has said something himself.
func TestLimitMemory(t *testing.T) {
	proc, groups := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(proc, "self"), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(proc, "self/cgroup"), "0::/\n")
	write(filepath.Join(groups, "memory.max"), "10000000000\n") // more than the tests use
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	held := func(configured config.ByteSize) int64 {
		return newMemory(config.Config{Memory: configured}, zerolog.Nop(), prometheus.NewRegistry()).Most(memory.Paid)
	}
	for _, tc := range []struct {
		name, said  string // GOMEMLIMIT
		set         bool
		want        int64
		large, held int64 // of a configured 64 GiB
		says        string
	}{
		{"not said", "", false, 9_000_000_000, 64 << 30, 4_500_000_000, "memory.max"},
		{"said", "off", true, math.MaxInt64, 64 << 30, 64 << 30, "GOMEMLIMIT"},
	} {
		debug.SetMemoryLimit(math.MaxInt64)
		t.Setenv(goMemLimit, tc.said)
		if !tc.set {
			if err := os.Unsetenv(goMemLimit); err != nil { // Setenv puts it back
				t.Fatal(err)
			}
		}
		var logs strings.Builder
		limitMemory(zerolog.New(&logs), proc, groups)
		if got := debug.SetMemoryLimit(-1); got != tc.want || !strings.Contains(logs.String(), tc.says) {
			t.Errorf("%s: a limit of %d, %s; want %d", tc.name, got, logs.String(), tc.want)
		}
		if got := held(config.ByteSize(tc.large)); got != tc.held {
			t.Errorf("%s: %d are held at most, want %d", tc.name, got, tc.held)
		}
		if got := held(64 << 20); got != 64<<20 {
			t.Errorf("%s: %d are held at most, want what is configured", tc.name, got)
		}
	}
}

func TestConnectionsFitIntoMemory(t *testing.T) {
	for most, want := range map[int64]int{512 << 20: 4096, 1 << 20: 8, 1 << 10: 4} {
		if got := (&daemon{memory: memory.New(most)}).headersFit(); got != want {
			t.Errorf("with %d bytes: %d connections, want %d", most, got, want)
		}
	}
}
