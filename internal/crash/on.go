//go:build crashpoints

package crash

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Enabled says whether points do anything in this build.
const Enabled = true

var (
	at, nth = target(os.Getenv("ZGPROXY_CRASH_AT"))
	list    = os.Getenv("ZGPROXY_CRASH_LIST")

	mu     sync.Mutex
	passed = make(map[string]int)
)

// The variables are this package's alone; the rest of the program would take them for typing errors.
func init() {
	for _, name := range []string{"ZGPROXY_CRASH_AT", "ZGPROXY_CRASH_LIST"} {
		if err := os.Unsetenv(name); err != nil {
			panic("crash: " + err.Error()) // a build for tests
		}
	}
}

func target(s string) (name string, n int) {
	name, count, _ := strings.Cut(s, ":")
	n, err := strconv.Atoi(count)
	if err != nil {
		n = 1
	}
	return name, n
}

// Point kills the process when this is the passing that the environment names.
func Point(name string) {
	if at == "" && list == "" {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	passed[name]++
	if list != "" && passed[name] == 1 {
		note(name)
	}
	if name == at && passed[name] == nth {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing more happens in this process
	}
}

func note(name string) {
	f, err := os.OpenFile(list, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(f, name)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		panic("crash: note a point: " + err.Error()) // a build for tests
	}
}
