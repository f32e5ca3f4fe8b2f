package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zgproxy/zgproxy/internal/billing"
)

// The checks of the data directory: whose it is, what room it has, and the spend store in it.

func checkDataDir(_ context.Context, d *doctor, _ *patient) finding {
	dir := d.cfg.DataDir
	if dir == "" {
		return because("machine.configuration", checkFail)
	}
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		parent := existing(dir)
		if err := unix.Access(parent, unix.W_OK|unix.X_OK); err != nil {
			return failed("Choose another one with ZGPROXY_DATA_DIR, or make it: mkdir -p -m 700 "+shellWord(dir), fmt.Sprintf("%s cannot be written: %v", parent, err), "%s is missing and cannot be made", dir)
		}
		return passed("%s is not there yet; zgproxy serve makes it", dir)
	}
	if errors.Is(err, fs.ErrPermission) {
		return unknown("machine.data_dir", asItsUser("the daemon's user"), "this user may not look at %s: %v", dir, err)
	}
	if err != nil {
		return failed("Choose another one with ZGPROXY_DATA_DIR.", err.Error(), "%s cannot be used", dir)
	}
	if !info.IsDir() {
		return failed("Choose another one with ZGPROXY_DATA_DIR.", "It is a file.", "%s is no directory", dir)
	}
	if owner, other := anotherUsers(info); other && os.Geteuid() != 0 {
		return unknown("machine.data_dir", asItsUser(fmt.Sprintf("user %d", owner)), "%s belongs to user %d, and this is user %d: whether the daemon can use it cannot be seen", dir, owner, os.Geteuid())
	}
	f, err := os.CreateTemp(dir, ".doctor-")
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if err != nil {
		return failed("chown "+strconv.Itoa(os.Getuid())+" "+shellWord(dir), err.Error(), "%s cannot be written", dir)
	}
	if owner, other := anotherUsers(info); other { // the superuser looks
		return warned(asItsUser(fmt.Sprintf("user %d", owner)), fmt.Sprintf("It belongs to user %d, and this is user %d.", owner, os.Geteuid()),
			"%s is another user's", dir)
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return warned("chmod 700 "+shellWord(dir), fmt.Sprintf("Its mode is %04o: others can put files there.", mode), "%s can be written by others", dir)
	}
	return passed("%s can be written", dir)
}

// anotherUsers is whose a file is, where it is not this user's.
func anotherUsers(info fs.FileInfo) (uid int, other bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), int(stat.Uid) != os.Geteuid()
}

// asItsUser is the advice for whoever is not the daemon's user. It is never to take the directory, and never to use another one:
// that would be a second set of books.
func asItsUser(user string) string {
	return "Run this as " + user + ", as with sudo -u, with the daemon's ZGPROXY_DATA_DIR and ZGPROXY_ENV_FILE."
}

// existing is the nearest directory above a path that is there.
func existing(path string) string {
	for {
		up := filepath.Dir(path)
		if _, err := os.Stat(up); err == nil || up == path {
			return up
		}
		path = up
	}
}

const (
	mebibyte  = 1 << 20
	leastDisk = 64 * mebibyte
	smallDisk = 512 * mebibyte
)

func checkDisk(_ context.Context, d *doctor, _ *patient) finding {
	dir := d.cfg.DataDir
	if _, err := os.Stat(dir); err != nil {
		dir = existing(dir)
	}
	n, err := d.free(dir)
	switch {
	case err != nil:
		return skipped("the room on the disk is not known: %v", err)
	case n < leastDisk:
		return failed("Make room on the disk of "+d.cfg.DataDir+".", "When nothing can be recorded, no request is served.", "%d MiB are free", n/mebibyte)
	case n < smallDisk:
		return warned("Make room on the disk of "+d.cfg.DataDir+".", "When nothing can be recorded, no request is served.", "%d MiB are free", n/mebibyte)
	}
	return passed("%d MiB are free", n/mebibyte)
}

// freeSpace is how many bytes this user may still write where a directory is.
func freeSpace(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil //nolint:gosec,unconvert,nolintlint // their types differ between systems, and are never negative
}

func checkStore(ctx context.Context, d *doctor, _ *patient) finding {
	r, err := billing.OpenReadOnly(ctx, d.cfg.DataDir)
	switch {
	case errors.Is(err, billing.ErrNoStore):
		return passed("empty: no requests yet")
	case errors.Is(err, billing.ErrOlderSchema):
		f := warned("zgproxy serve", err.Error(), "it is an older version's")
		f.cause = "machine.store"
		return f
	case errors.Is(err, billing.ErrNewerSchema):
		return failed("Use the newer zgproxy.", err.Error(), "it is a newer version's")
	case errors.Is(err, billing.ErrDamaged):
		return failed(restoreFix, err.Error(), "it is damaged")
	case err != nil && mayNotLook(d.cfg.DataDir):
		return unknown("machine.store", asItsUser("the daemon's user"), "this user may not read it: %v", err)
	case err != nil:
		return failed("Look whether the directory is the right one; else "+restoreFix, err.Error(), "it cannot be read")
	}
	d.store = r
	whole, err := r.Examine(ctx, storeCheckTime)
	if err != nil {
		return failed(restoreFix, err.Error(), "it is damaged")
	}
	if d.owed, err = r.Owed(ctx); err == nil {
		d.pins, d.suspended, err = r.Trust(ctx)
		if err == nil {
			d.accepted, err = r.Signers(ctx)
		}
	}
	if err != nil {
		return failed(restoreFix, err.Error(), "it can be opened and not be read")
	}
	if !whole {
		return passed("it can be read as far as %s go, and its schema is this version's", storeCheckTime)
	}
	return passed("it is whole, and its schema is this version's")
}

// mayNotLook reports whether what is in a directory is kept from this user.
func mayNotLook(dir string) bool {
	_, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrPermission) {
		return true
	}
	info, err := os.Stat(dir)
	if err != nil {
		return errors.Is(err, fs.ErrPermission)
	}
	_, other := anotherUsers(info)
	return other
}

const (
	restoreFix     = "stop the daemon, keep a copy of the directory, and: zgproxy restore FILE"
	storeCheckTime = 20 * time.Second
)
