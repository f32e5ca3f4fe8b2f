package private

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Memory keeps what the process has in memory, keys among it, out of files and away from other programs of the same
// user: there are no core dumps, and on Linux no other process may attach to it or read its memory and environment
// under /proc, unless it is the superuser's. Programs that are started from here begin without it, but for the limit on
// core dumps.
//
// Whoever sets GOTRACEBACK=crash asks for a core dump, and gets it.
func Memory() error {
	if os.Getenv("GOTRACEBACK") == "crash" {
		return nil
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("read the limit on core dumps: %w", err)
	}
	limit.Cur = 0
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("turn core dumps off: %w", err)
	}
	return undumpable()
}
