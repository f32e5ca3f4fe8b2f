package billing

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"modernc.org/sqlite"
)

// Copy is what is known of a copy of a spend store.
type Copy struct {
	Made     time.Time // as of when it is; zero: it does not say
	Requests int64
	Entries  int64 // of the journal
	Bytes    int64
}

// atStep is called at the moments at which tests kill the process.
var atStep = func(string) {}

// copyTime is how long a copy may take to be checked.
const copyTime = 10 * time.Minute

// Backup makes a copy of the spend store in a directory, with what is in the log of open requests, while a process uses
// it or none does. Whoever writes goes on writing; the copy is of one moment. It is a file that only its owner may
// read, whole and on disk when this returns, and it never takes the place of another: fs.ErrExist.
func Backup(ctx context.Context, dir, file string, now time.Time) (c Copy, err error) {
	if _, err := os.Lstat(file); err == nil {
		return c, fmt.Errorf("write %s: %w", file, fs.ErrExist)
	}
	source, done, err := readable(dir)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, done()) }()
	// The log comes first: what SQLite has taken over of it since is there twice, which changes nothing.
	left, err := readOpens(dir)
	if err != nil {
		return c, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return c, fmt.Errorf("make the directory for the copy: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".backup-*") // with mode 0600
	if err != nil {
		return c, fmt.Errorf("write the copy: %w", err)
	}
	tmp := f.Name()
	defer func() {
		err = errors.Join(err, remove(tmp, tmp+"-journal", tmp+"-wal", tmp+"-shm"))
	}()
	if err := f.Close(); err != nil {
		return c, fmt.Errorf("write the copy: %w", err)
	}
	if err := vacuumInto(ctx, source, tmp, &damage{log: zerolog.Nop(), path: filepath.Join(dir, storeName)}); err != nil {
		return c, err
	}
	atStep("copied")
	c, err = finishCopy(ctx, tmp, func(db *session) error {
		for _, r := range left {
			if _, err := r.insert(db, false); err != nil {
				return err
			}
			if err := r.grow(db); err != nil {
				return err
			}
		}
		_, err := db.exec(`INSERT OR REPLACE INTO backups (made_at) VALUES (?)`, micros(now))
		return err
	})
	if err != nil {
		return c, fmt.Errorf("make the copy: %w", err)
	}
	atStep("checked")
	if err := os.Link(tmp, file); err != nil { // which never replaces anything
		if errors.Is(err, fs.ErrExist) {
			err = fs.ErrExist
		}
		return c, fmt.Errorf("write %s: %w", file, err)
	}
	atStep("named")
	return c, syncDir(filepath.Dir(file))
}

// readable finds the store of a directory and says how to open it. Nobody begins to write it before done is called, if
// nobody does now.
func readable(dir string) (name string, done func() error, err error) {
	if err := restoring(dir); err != nil {
		return "", nil, err
	}
	path, err := filepath.Abs(filepath.Join(dir, storeName))
	if err != nil {
		return "", nil, fmt.Errorf("find the spend store: %w", err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil, fmt.Errorf("%w (%s)", ErrNoStore, path)
	} else if err != nil {
		return "", nil, fmt.Errorf("find the spend store: %w", err)
	}
	lock, err := lockDir(dir)
	switch {
	case errors.Is(err, ErrLocked):
		done = func() error { return nil }
	case err != nil:
		return "", nil, err
	default:
		done = lock.Close
	}
	return dsn(path, openMode(path, lock != nil)), done, nil
}

// openMode is how a store is opened that is only to be read. One that nobody has open has no log beside it, and is to
// get none.
func openMode(path string, alone bool) string {
	_, err := os.Stat(path + "-wal")
	switch {
	case err == nil:
		return "mode=ro"
	case alone:
		return "immutable=1"
	}
	return "mode=rw"
}

// vacuumInto writes what a store holds at one moment into an empty file.
func vacuumInto(ctx context.Context, name, file string, d *damage) (err error) {
	connector, err := sqlite.NewConnector(name)
	if err != nil {
		return fmt.Errorf("open the spend store: %w", err)
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return fmt.Errorf("open the spend store: %w", d.notice(err))
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	_, err = conn.(driver.ExecerContext).ExecContext(ctx, "VACUUM INTO ?", []driver.NamedValue{{Ordinal: 1, Value: file}})
	if err != nil {
		return fmt.Errorf("copy the spend store: %w", d.notice(err))
	}
	return nil
}

// finishCopy brings the schema of a copy up to date, changes it, checks it, and puts it on disk.
func finishCopy(ctx context.Context, file string, change func(*session) error) (c Copy, err error) {
	if err := migrateIn(ctx, file); err != nil {
		return c, err
	}
	d := badCopy(file)
	db, err := newSession(ctx, dsn(file, "_txlock=immediate", "_pragma=synchronous(FULL)"), d)
	if err != nil {
		return c, err
	}
	defer func() {
		if db != nil {
			err = errors.Join(err, db.close())
		}
	}()
	if _, err := db.exec("BEGIN IMMEDIATE"); err != nil {
		return c, err
	}
	if err := change(db); err != nil {
		return c, err
	}
	if _, err := db.exec("COMMIT"); err != nil {
		return c, err
	}
	done, problem, err := firstProblem(ctx, db.conn, "integrity_check", copyTime)
	switch {
	case err != nil:
		return c, err
	case problem != nil:
		return c, d.found(problem)
	case !done:
		return c, fmt.Errorf("the copy could not be checked in %s", copyTime)
	}
	err = db.query(`SELECT (SELECT COALESCE(MAX(made_at), 0) FROM backups), (SELECT COUNT(*) FROM requests),
		(SELECT COUNT(*) FROM journal)`,
		func(row []driver.Value) error {
			made, _ := row[0].(int64)
			c.Made = fromMicros(made)
			c.Requests, _ = row[1].(int64)
			c.Entries, _ = row[2].(int64)
			return nil
		})
	if err != nil {
		return c, err
	}
	err = db.close()
	if db = nil; err != nil {
		return c, err
	}
	c.Bytes, err = syncFile(file)
	return c, err
}

// badCopy is what is said of a copy that is damaged.
func badCopy(file string) *damage {
	return &damage{log: zerolog.Nop(), path: file, way: "This copy is of no use; nothing was changed."}
}

// syncFile puts a file on disk and says how large it is.
func syncFile(file string) (size int64, err error) {
	f, err := os.OpenFile(file, os.O_RDWR, 0) //nolint:gosec // a copy that was just made
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), f.Sync()
}

// readOpens reads the log of open requests beside whoever writes it.
func readOpens(dir string) (left []*request, err error) {
	for _, name := range openLogNames {
		data, err := os.ReadFile(filepath.Join(dir, name)) //nolint:gosec // the operator's own data directory
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the log of open requests: %w", err)
		}
		records, _, err := readRecords(data)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		left = append(left, records...)
	}
	return left, nil
}
