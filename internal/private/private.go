// Package private writes files that only their owner may read, and that are there whole or not at all, and keeps the
// process's memory to itself.
//
// It never reads what is in a file. When Write returns nil, file and name are on disk.
package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Write writes a file with mode 0600, in a directory that is made with mode 0700 if it is missing. Where there is a
// file already it fails with fs.ErrExist, or with replace puts the new one in its place.
func Write(path string, text []byte, replace bool) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory for %s: %w", path, err)
	}
	f, err := os.CreateTemp(dir, ".new-*") // with mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if rm := os.Remove(f.Name()); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
			err = errors.Join(err, rm)
		}
	}()
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if replace {
		err = os.Rename(f.Name(), path)
	} else {
		err = os.Link(f.Name(), path) // which never replaces anything
	}
	if err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = fs.ErrExist
		}
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncDir(dir)
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the directory of a file that the owner names
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Warning says that others may read a file or put something else into it, and what to do about it; empty: not so, or
// there is no such file. A group that may only read is the owner's decision.
func Warning(path string) string {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	switch mode := info.Mode().Perm(); {
	case mode&0o002 != 0:
		return fmt.Sprintf("every user of this machine can change the file %q; chmod 600 it", path)
	case mode&0o004 != 0:
		return fmt.Sprintf("every user of this machine can read the file %q; chmod 600 it", path)
	case mode&0o020 != 0:
		return fmt.Sprintf("others of its group can change the file %q; chmod 600 it", path)
	}
	return ""
}
