//go:build unix

package billing

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked means that another process uses the data directory. Two of them would sign top-ups with the same nonces and
// each would count only its own requests.
var ErrLocked = errors.New("the data directory is in use by another zgproxy")

const lockName = "zgproxy.lock"

// lockDir takes the directory for this process. The lock belongs to the open file: it goes with the process, however
// that ends, so no stale lock is ever left. The number in the file is for people only.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator's own data directory
	if err != nil {
		return nil, fmt.Errorf("open the lock file: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	for range 5 { // LockHolder has it for a moment
		if !errors.Is(err, unix.EWOULDBLOCK) {
			break
		}
		<-time.After(10 * time.Millisecond)
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		defer f.Close() //nolint:errcheck // nothing was written
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		return nil, fmt.Errorf("%w (process %s holds %s)", ErrLocked, holder(f), path)
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(fmt.Errorf("write the lock file: %w", err), f.Close())
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return nil, errors.Join(fmt.Errorf("write the lock file: %w", err), f.Close())
	}
	return f, nil
}

// holder reads the number of the process that wrote the lock file last.
func holder(f io.Reader) string {
	text, err := io.ReadAll(io.LimitReader(f, 32))
	pid := strings.TrimSpace(string(text))
	if err != nil || pid == "" {
		return "unknown"
	}
	return pid
}

// LockHolder reports whether a process uses the directory, and its number. It leaves no trace.
func LockHolder(dir string) (held bool, pid string) {
	f, err := os.Open(filepath.Join(dir, lockName)) //nolint:gosec // the operator's own data directory
	if err != nil {
		return false, ""
	}
	defer f.Close() //nolint:errcheck // read-only
	if !errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK) {
		return false, ""
	}
	return true, holder(f)
}
