package billing

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

var (
	// ErrRestoring means that a restore was begun and not finished: what lies in the directory may be of two stores.
	ErrRestoring = errors.New("a restore of the spend store was not finished")
	// ErrNotCopy means that a file is no copy of a spend store.
	ErrNotCopy = errors.New("it is not a copy of a spend store")
)

// restoringName is the file that is there while a restore replaces the store, and comingName the store that is to come.
const (
	restoringName = "restoring"
	comingName    = storeName + ".coming"
)

// replacedFiles are what belongs to one store and is kept together.
var replacedFiles = []string{
	storeName, storeName + "-wal", storeName + "-shm", storeName + "-journal", openLogNames[0], openLogNames[1],
}

// Restored is what came of a restore.
type Restored struct {
	Copy
	At   time.Time
	Kept string // where what was replaced lies now; empty: there was nothing
}

// Restore puts a copy in the place of the spend store of a directory that no process uses: ErrLocked. The copy is
// checked before anything is touched, and marked; what it replaces is kept. A process that is killed in the middle of
// it leaves either the old store, or the new one, or ErrRestoring for whoever opens it, and Restore again ends that.
func Restore(ctx context.Context, dir, file string, now time.Time) (r Restored, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return r, fmt.Errorf("find the data directory: %w", err)
	}
	if err := ownDir(dir); err != nil { // links are moved aside with what was there
		return r, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	coming := filepath.Join(dir, comingName)
	parts := []string{coming, coming + "-journal", coming + "-wal", coming + "-shm"}
	if err := remove(parts...); err != nil {
		return r, err
	}
	if r.Copy, err = takeCopy(ctx, dir, file, coming, now); err != nil {
		return r, errors.Join(err, remove(parts...))
	}
	r.At = now
	atStep("coming")
	if err := replace(dir, &r); err != nil {
		return r, fmt.Errorf("put the copy in place: %w", err)
	}
	return r, nil
}

// takeCopy makes a checked and marked copy of a copy.
func takeCopy(ctx context.Context, dir, file, coming string, now time.Time) (Copy, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return Copy{}, fmt.Errorf("find the copy: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return Copy{}, fmt.Errorf("find the copy: %w", err)
	}
	if own, err := os.Stat(filepath.Join(dir, storeName)); err == nil && os.SameFile(info, own) {
		return Copy{}, fmt.Errorf("%s is the store itself: %w", file, ErrNotCopy)
	}
	f, err := os.OpenFile(coming, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator's own data directory
	if err != nil {
		return Copy{}, fmt.Errorf("write the copy: %w", err)
	}
	if err := f.Close(); err != nil {
		return Copy{}, fmt.Errorf("write the copy: %w", err)
	}
	if err := isStore(ctx, dsn(path, openMode(path, true), "_query_only=1"), badCopy(file)); err != nil {
		return Copy{}, fmt.Errorf("%s: %w", file, err)
	}
	if err := vacuumInto(ctx, dsn(path, openMode(path, true)), coming, badCopy(file)); err != nil {
		return Copy{}, fmt.Errorf("%s: %w", file, err)
	}
	c, err := finishCopy(ctx, coming, func(db *session) error {
		var made int64
		wallets := "|"
		err := errors.Join(
			db.query(`SELECT COALESCE(MAX(made_at), 0) FROM backups`, func(row []driver.Value) error {
				made, _ = row[0].(int64)
				return nil
			}),
			db.query(`SELECT wallet FROM nonces`, func(row []driver.Value) error {
				name, _ := row[0].(string)
				wallets += name + "|"
				return nil
			}))
		if err != nil {
			return err
		}
		_, err = db.exec(`INSERT INTO restores (restored_at, made_at, wallets) VALUES (?, ?, ?)`, micros(now), made, wallets)
		return err
	})
	if err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// isStore tells a spend store from other files.
func isStore(ctx context.Context, name string, d *damage) (err error) {
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var tables int
	err = db.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_schema
		WHERE type = 'table' AND name IN ('schema_version', 'requests')`).Scan(&tables)
	switch {
	case damaging(err) && resultCode(err)&0xff == codeNotDatabase:
		return fmt.Errorf("%w: %w", ErrNotCopy, err)
	case err != nil:
		return d.notice(err)
	case tables != 2:
		return ErrNotCopy
	}
	return nil
}

// replace keeps what is there and puts the coming store in its place. While it does, nobody may open what lies there: a
// log of the old store beside the new one would be taken for its own.
func replace(dir string, r *Restored) error {
	if err := begin(dir); err != nil {
		return err
	}
	atStep("begun")
	kept, err := keepDir(dir, r.At)
	if err != nil {
		return err
	}
	for _, name := range replacedFiles {
		err := os.Rename(filepath.Join(dir, name), filepath.Join(kept, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		}
		r.Kept = kept
		atStep("kept " + name)
	}
	if r.Kept == "" {
		if err := os.Remove(kept); err != nil {
			return err
		}
	} else if err := syncDir(kept); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, comingName), filepath.Join(dir, storeName)); err != nil {
		return err
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	atStep("placed")
	if err := os.Remove(filepath.Join(dir, restoringName)); err != nil {
		return err
	}
	return syncDir(dir)
}

// begin puts the mark of a restore on disk.
func begin(dir string) error {
	path := filepath.Join(dir, restoringName)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // the operator's own data directory
	if err != nil {
		return err
	}
	_, err = f.WriteString("A restore of the spend store was begun. While this file is here it was not finished: " +
		"zgproxy restore FILE again.\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(dir)
}

// keepDir makes a new directory for what is replaced.
func keepDir(dir string, now time.Time) (string, error) {
	base := filepath.Join(dir, "replaced-"+now.UTC().Format("20060102T150405Z"))
	for i := 1; ; i++ {
		path := base
		if i > 1 {
			path = fmt.Sprintf("%s-%d", base, i)
		}
		err := os.Mkdir(path, 0o700)
		if !errors.Is(err, fs.ErrExist) || i == 1000 {
			return path, err
		}
	}
}

// restoring tells of a restore that was not finished.
func restoring(dir string) error {
	path := filepath.Join(dir, restoringName)
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%w (%s): what lies there may be of two stores. Nothing is opened until zgproxy restore FILE "+
			"has been run again", ErrRestoring, path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for an unfinished restore: %w", err)
	}
	return nil
}

func remove(paths ...string) error {
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
