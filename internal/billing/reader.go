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
)

// The errors of OpenReadOnly, besides ErrNewerSchema.
var (
	// ErrNoStore means that nothing was ever recorded in the directory.
	ErrNoStore = errors.New("there is no spend store yet")
	// ErrOlderSchema means that an older zgproxy has written the spend store and no newer one has opened it since.
	ErrOlderSchema = errors.New("the spend store was written by an older zgproxy")
)

// Reader reads a spend store, of a running daemon or of none. It takes no lock, changes nothing and brings nothing up
// to date. Close it after use.
type Reader struct {
	store *Store // only its readers
}

// OpenReadOnly opens the spend store of a directory for reading. It creates neither the directory nor a store in it.
func OpenReadOnly(ctx context.Context, dir string) (_ *Reader, err error) {
	path, err := filepath.Abs(filepath.Join(dir, storeName))
	if err != nil {
		return nil, fmt.Errorf("find the spend store: %w", err)
	}
	if err := restoring(filepath.Dir(path)); err != nil {
		return nil, err
	}
	d := &damage{log: zerolog.Nop(), path: path}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w (%s)", ErrNoStore, path)
	case err != nil:
		return nil, fmt.Errorf("find the spend store: %w", err)
	case info.Size() == 0:
		return nil, d.found(errEmpty)
	}
	// A store that nobody has open has no log beside it. Opened the usual way even a reader would make one, and leave it.
	mode := "mode=ro"
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		mode = "immutable=1"
	}
	db, err := openWatched(dsn(path, mode, "_query_only=1"), d)
	if err != nil {
		return nil, fmt.Errorf("open the spend store for reading: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	db.SetMaxOpenConns(1)
	all, err := allMigrations()
	if err != nil {
		return nil, err
	}
	var have int
	if err := db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM schema_version`).Scan(&have); err != nil {
		return nil, fmt.Errorf("read the version of the spend store %s: %w", path, err)
	}
	switch {
	case have > len(all):
		return nil, fmt.Errorf("%w: its schema is version %d, this program knows %d; use the newer program", ErrNewerSchema, have, len(all))
	case have < len(all):
		return nil, fmt.Errorf("%w: its schema is version %d, this program wants %d; zgproxy serve brings it up to date", ErrOlderSchema, have, len(all))
	}
	return &Reader{store: &Store{readers: db, book: newBook(), damage: d}}, nil
}

// Examine looks whether the store is whole, indexes included, for a limited time; it reports whether it got to the end.
// The error is ErrDamaged where it is not whole.
func (r *Reader) Examine(ctx context.Context, limit time.Duration) (done bool, err error) {
	conn, err := r.store.readers.Conn(ctx)
	if err != nil {
		return false, fmt.Errorf("open the spend store for reading: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var problem error
	err = conn.Raw(func(c any) (err error) {
		done, problem, err = firstProblem(ctx, c.(driver.Conn), "integrity_check", limit)
		return err
	})
	switch {
	case err != nil:
		return done, fmt.Errorf("check the spend store: %w", err)
	case problem != nil:
		return done, r.store.damage.found(problem)
	}
	return done, nil
}

// Close ends the reading.
func (r *Reader) Close() error { return r.store.readers.Close() }

// HighestNonce is the highest nonce that a wallet has ever signed with; false if there is none. See JournalConfig for
// its name.
func (r *Reader) HighestNonce(ctx context.Context, wallet string) (uint64, bool, error) {
	return r.store.highestNonce(ctx, wallet)
}
