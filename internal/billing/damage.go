package billing

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"modernc.org/sqlite"
)

// ErrDamaged means that the file of the spend store does not hold what was written to it. What it says of limits,
// nonces and debts is not to be relied on, so nothing is recorded in it any more, and nothing is spent.
var ErrDamaged = errors.New("the spend store is damaged")

// WayBack says what to do about a damaged store.
const WayBack = "Nothing is served and no money is moved. Stop zgproxy, keep a copy of its data directory, and put " +
	"the last backup in its place: zgproxy restore FILE. Without a backup see docs/backup.md."

// SQLite's result codes that mean damage. The first two have kinds of their own, told by higher bits.
const (
	codeCorrupt       = 11   // SQLITE_CORRUPT
	codeNotDatabase   = 26   // SQLITE_NOTADB
	codeShortRead     = 522  // SQLITE_IOERR_SHORT_READ
	codeCorruptSystem = 8458 // SQLITE_IOERR_CORRUPTFS
	codeInterrupted   = 9    // SQLITE_INTERRUPT
)

// damaging reports an error by which SQLite says that the file is not what it should be.
func damaging(err error) bool {
	switch code := resultCode(err); code {
	case codeShortRead, codeCorruptSystem:
		return true
	default:
		return code&0xff == codeCorrupt || code&0xff == codeNotDatabase
	}
}

// resultCode is SQLite's, or 0.
func resultCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()
	}
	return 0
}

// damage remembers that a store turned out to be damaged. It does not get well by itself: a later read that succeeds
// has met another page.
type damage struct {
	log  zerolog.Logger
	path string
	seen atomic.Pointer[error]
	told func(error) // once; may be nil
	way  string      // what to do about it; empty: WayBack
}

// err is what was found, or nil.
func (d *damage) err() error {
	if e := d.seen.Load(); e != nil {
		return *e
	}
	return nil
}

// notice looks at an error of SQLite and says what it means, where it means damage.
func (d *damage) notice(err error) error {
	if err == nil || !damaging(err) || errors.Is(err, ErrDamaged) {
		return err
	}
	return d.found(err)
}

// found records what is wrong with the store.
func (d *damage) found(cause error) error {
	err := fmt.Errorf("%w (%s): %w. %s", ErrDamaged, d.path, cause, cmp.Or(d.way, WayBack))
	if d.seen.CompareAndSwap(nil, &err) {
		d.log.Error().Err(cause).Str("file", d.path).
			Msg("the spend store is damaged: nothing is served and no money is moved until it was restored")
		if d.told != nil {
			d.told(err)
		}
	}
	return err
}

// misread says what it means that something that was read makes no sense: it is damage that SQLite does not see.
func (d *damage) misread(ctx context.Context, err error) error {
	if errors.Is(err, ErrDamaged) || resultCode(err) != 0 || ctx.Err() != nil {
		return err
	}
	return d.found(err)
}

// How long a start looks whether its store is whole. What a large one needs beyond that is left to doctor.
const checkTime = 10 * time.Second

// firstProblem is what a check of SQLite's finds first, or nil. It is not done where the time was up. The check is
// quick_check or integrity_check.
func firstProblem(
	ctx context.Context, conn driver.Conn, check string, limit time.Duration,
) (done bool, problem, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	rows, err := conn.(driver.QueryerContext).QueryContext(ctx, "PRAGMA "+check+"(1)", nil)
	if err == nil {
		row := make([]driver.Value, len(rows.Columns()))
		if err = rows.Next(row); err == nil {
			if text, _ := row[0].(string); text != "ok" {
				problem = errors.New(text)
			}
		}
		err = errors.Join(err, rows.Close())
	}
	switch {
	case err == nil:
		return true, problem, nil
	case damaging(err):
		return true, err, nil
	case errors.Is(err, io.EOF):
		return true, errors.New("the check says nothing"), nil
	case ctx.Err() != nil && (errors.Is(err, context.DeadlineExceeded) || resultCode(err)&0xff == codeInterrupted):
		return false, nil, nil
	}
	return false, nil, err
}

// examine looks whether a store is whole, for a limited time.
func examine(ctx context.Context, path, check string, limit time.Duration) (done bool, problem, err error) {
	connector, err := sqlite.NewConnector(dsn(path, "_query_only=1"))
	if err != nil {
		return false, nil, fmt.Errorf("open the spend store: %w", err)
	}
	conn, err := connector.Connect(ctx)
	switch {
	case damaging(err):
		return true, err, nil
	case err != nil:
		return false, nil, fmt.Errorf("open the spend store: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if done, problem, err = firstProblem(ctx, conn, check, limit); err != nil {
		err = fmt.Errorf("check the spend store: %w", err)
	}
	return done, problem, err
}
