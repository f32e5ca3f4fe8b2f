package private

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const asChild = "ZG_TEST_MEMORY"

// What is asked of the process holds for it, as the kernel says; tried in a process of its own, which ends with it.
func TestMemory(t *testing.T) {
	if os.Getenv(asChild) != "" {
		if err := Memory(); err != nil {
			t.Fatal(err)
		}
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil || limit.Cur != 0 {
			t.Fatalf("core dumps of up to %d bytes, %v", limit.Cur, err)
		}
		dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		if err != nil || dumpable != 0 {
			t.Fatalf("dumpable %d, %v", dumpable, err)
		}
		t.Log("kept to itself")
		return
	}
	for env, want := range map[string]bool{"GOTRACEBACK=all": true, "GOTRACEBACK=crash": false} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemory$", "-test.v") //nolint:gosec // this test
		cmd.Env = append(os.Environ(), asChild+"=1", env)
		out, err := cmd.CombinedOutput()
		if kept := err == nil && strings.Contains(string(out), "kept to itself"); kept != want {
			t.Errorf("%s: %v, %s", env, err, out)
		}
	}
}
