package memory

import (
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// unlimited is above what any machine has: the first version of control groups writes such a number for none.
const unlimited = 1 << 60

// CgroupLimit is how many bytes the control group of this process may use, of either version, and where that was read;
// 0: there is no limit, or none that can be read. proc and groups are /proc and /sys/fs/cgroup.
func CgroupLimit(proc, groups string) (limit int64, from string) {
	text, err := os.ReadFile(filepath.Join(proc, "self/cgroup")) //nolint:gosec // the system's own
	if err != nil {
		return 0, "" // not Linux, or hidden: there is nothing to go by
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		switch own := path.Clean("/" + fields[2]); {
		case fields[0] == "0" && fields[1] == "":
			for _, root := range []string{groups, filepath.Join(groups, "unified")} {
				limit, from = lowest(limit, from, root, own, "memory.max")
				limit, from = lowest(limit, from, root, own, "memory.high")
			}
		case hasController(fields[1], "memory"):
			limit, from = lowest(limit, from, filepath.Join(groups, "memory"), own, "memory.limit_in_bytes")
		}
	}
	return limit, from
}

func hasController(list, name string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

// lowest is the lowest limit from a group up to the root, or the one that is known already. In a container the group's
// own path may be that of the host, of which nothing is seen here; then the root is the container's.
func lowest(limit int64, from, root, group, name string) (int64, string) {
	for ; ; group = path.Dir(group) {
		file := filepath.Join(root, group, name)
		if text, err := os.ReadFile(file); err == nil { //nolint:gosec // below the root of the control groups
			n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
			if err == nil && n > 0 && n < unlimited && (limit == 0 || n < limit) { // else it is "max"
				limit, from = n, file
			}
		}
		if group == "/" || group == "." {
			return limit, from
		}
	}
}
