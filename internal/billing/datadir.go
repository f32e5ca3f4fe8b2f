package billing

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// makeDir makes the data directory, as ownDir does. What this program writes must be there and nowhere else, so a
// symbolic link under one of its names is refused: the log of open requests would go where the link leads, over
// whatever is there.
func makeDir(dir string) error {
	if err := ownDir(dir); err != nil {
		return err
	}
	for _, name := range append([]string{storeName, storeName + "-wal", storeName + "-shm", lockName}, openLogNames[:]...) {
		path := filepath.Join(dir, name)
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("look at the data directory: %w", err)
		case info.Mode()&fs.ModeSymlink != 0:
			return fmt.Errorf("%s is a symbolic link, which zgproxy does not make: put the file itself there, or remove the link",
				path)
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is not a file: remove it", path)
		}
	}
	return nil
}

// ownDir makes a directory and sees to it that nobody else decides what is in it: it is made with mode 0700, one that
// others may write to is closed to them, and where that is not ours to do it is refused.
func ownDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create the data directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at the data directory: %w", err)
	}
	mode := info.Mode().Perm()
	owner, known := info.Sys().(*syscall.Stat_t)
	switch {
	case mode&0o022 == 0:
	case !known || int(owner.Uid) == os.Geteuid():
		if err := os.Chmod(dir, mode&^0o022); err != nil {
			return fmt.Errorf("others may write to the data directory (mode %04o), and that cannot be changed: %w", mode, err)
		}
	case mode&0o002 != 0: // a group that somebody else has set up, as volumes of containers have, is his decision
		return fmt.Errorf("every user of this machine may write to the data directory %s (mode %04o), which belongs to user %d: "+
			"choose another one with ZGPROXY_DATA_DIR", dir, mode, owner.Uid)
	}
	return nil
}
