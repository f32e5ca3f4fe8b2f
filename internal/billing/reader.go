package billing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The errors of OpenReadOnly, besides ErrNewerSchema.
var (
	// ErrNoStore means that nothing was ever recorded in the directory.
	ErrNoStore = errors.New("there is no spend store yet")
	// ErrOlderSchema means that an older zgproxy has written the spend store and no newer one has opened it since.
	ErrOlderSchema = errors.New("the spend store was written by an older zgproxy")
)

// Reader reads a spend store, of a running daemon or of none. It takes no lock, changes nothing and brings nothing up to
// date. Close it after use.
type Reader struct {
	store *Store // only its readers
}

// OpenReadOnly opens the spend store of a directory for reading. It creates neither the directory nor a store in it.
func OpenReadOnly(ctx context.Context, dir string) (_ *Reader, err error) {
	path, err := filepath.Abs(filepath.Join(dir, storeName))
	if err != nil {
		return nil, fmt.Errorf("find the spend store: %w", err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (%s)", ErrNoStore, path)
	} else if err != nil {
		return nil, fmt.Errorf("find the spend store: %w", err)
	}
	// A store that nobody has open has no log beside it. Opened the usual way even a reader would make one, and leave it.
	mode := "mode=ro"
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		mode = "immutable=1"
	}
	db, err := sql.Open("sqlite", dsn(path, mode, "_query_only=1"))
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
	return &Reader{store: &Store{readers: db, book: newBook()}}, nil
}

// Close ends the reading.
func (r *Reader) Close() error { return r.store.readers.Close() }

// HighestNonce is the highest nonce that a wallet has ever signed with; false if there is none. See JournalConfig for its name.
func (r *Reader) HighestNonce(ctx context.Context, wallet string) (uint64, bool, error) {
	return r.store.highestNonce(ctx, wallet)
}
