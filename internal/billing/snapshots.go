package billing

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// SaveSnapshot keeps the last reading of something outside, as JSON, under a name. It returns when that is committed,
// but not synced: a reading that a power cut loses is read again.
func (s *Store) SaveSnapshot(name string, v any, at time.Time) error {
	value, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("save the snapshot %s: %w", name, err)
	}
	err = s.writer.do(false, func(db *session) error {
		_, err := db.exec(`INSERT INTO snapshots (name, value, read_at) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value, read_at = excluded.read_at`, name, string(value), micros(at))
		return err
	})
	if err != nil {
		return fmt.Errorf("save the snapshot %s: %w", name, err)
	}
	return nil
}

// LoadSnapshot reads what was saved last under a name into a pointer, and when that had been read from outside. Nothing
// is changed where there is none.
func (s *Store) LoadSnapshot(ctx context.Context, name string, into any) (at time.Time, found bool, err error) {
	var value string
	var read int64
	err = s.readers.QueryRowContext(ctx, `SELECT value, read_at FROM snapshots WHERE name = ?`, name).Scan(&value, &read)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, false, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(value), into)
	}
	if err != nil {
		return time.Time{}, false, fmt.Errorf("load the snapshot %s: %w", name, err)
	}
	return fromMicros(read), true, nil
}

// LoadSnapshot is Store.LoadSnapshot.
func (r *Reader) LoadSnapshot(ctx context.Context, name string, into any) (at time.Time, found bool, err error) {
	return r.store.LoadSnapshot(ctx, name, into)
}
