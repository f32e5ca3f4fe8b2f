package billing

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	_ "modernc.org/sqlite" // the driver "sqlite" of database/sql

	"github.com/zgproxy/zgproxy/internal/crash"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const storeName = "spend.db"

// StoreOptions are the optional parts of a Store; the zero value works.
type StoreOptions struct {
	Log        zerolog.Logger
	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time      // nil: time.Now
}

// Store is the spend store: every request and every top-up, in SQLite. One process uses a data directory at a time.
type Store struct {
	lock    *os.File
	readers *sql.DB
	writer  *writer
	damage  *damage
	fees    atomic.Pointer[Unknown] // of a restored store; nil: it is none, or the owner has accepted it
	book    *Book
	recent  recent
	demands *demands // what requests need that the sub-accounts hold too little for
	// firstNew divides the requests of earlier processes from those of this one.
	firstNew int64
}

// Open opens the spend store in a directory, which is created (mode 0700) if missing, brings its schema up to date and
// starts its writer. Close stops it. The errors to tell apart are ErrLocked, ErrNewerSchema.
func Open(ctx context.Context, dir string, opts StoreOptions) (_ *Store, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the data directory: %w", err)
	}
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	s := &Store{book: newBook(), demands: newDemands()}
	if s.lock, err = lockDir(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.lock.Close())
		}
	}()
	if err := restoring(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, storeName)
	s.damage = &damage{log: opts.Log, path: path}
	defer func() { err = s.damage.notice(err) }()
	switch err := prepare(ctx, path); {
	case errors.Is(err, errEmpty), errors.Is(err, errBeheaded):
		return nil, s.damage.found(err)
	case err != nil:
		return nil, err
	}
	if err := s.examine(ctx); err != nil {
		return nil, err
	}
	opens, left, lost, err := openOpenLog(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, opens.close())
		}
	}()
	if err := syncDir(dir); err != nil {
		return nil, err
	}
	crash.Point("start/migrated")
	// The log file is folded back into the database about every 16 MiB.
	session, err := newSession(ctx, dsn(path, "_txlock=immediate", "_pragma=synchronous(NORMAL)", "_pragma=wal_autocheckpoint(4000)",
		"_pragma=journal_size_limit(67108864)", "_pragma=cache_size(-2048)"), s.damage)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, session.close())
		}
	}()
	s.writer = &writer{
		log: opts.Log, metrics: newStoreMetrics(opts.Registerer), session: session, damage: s.damage, opens: opens, sums: newSums(),
		next: &batch{done: make(chan struct{})}, stopped: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	s.damage.told = func(err error) {
		err = fmt.Errorf("%w: %w", ErrStore, err)
		s.writer.failure.Store(&err)
	}
	if lost > 0 {
		opts.Log.Warn().Int("bytes", lost).Msg("the end of the log of open requests is not whole; what it was to record was not sent")
	}
	if err := s.replay(left); err != nil {
		return nil, fmt.Errorf("take over the log of open requests: %w", err)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if err := s.load(opts.Now()); err != nil {
		return nil, s.damage.misread(ctx, fmt.Errorf("read the spend store: %w", err))
	}
	if err := s.loadRestored(); err != nil {
		return nil, fmt.Errorf("read the spend store: %w", err)
	}
	if s.readers, err = openWatched(dsn(path, "_query_only=1"), s.damage); err != nil {
		return nil, fmt.Errorf("open the spend store for reading: %w", err)
	}
	s.readers.SetMaxOpenConns(4)
	registerHolds(opts.Registerer, s.book)
	go s.writer.run()
	return s, nil
}

// examine looks whether the store is whole, as far as a start has time for that.
func (s *Store) examine(ctx context.Context) error {
	done, problem, err := examine(ctx, s.damage.path, "quick_check", checkTime)
	switch {
	case err != nil:
		return err
	case problem != nil:
		return s.damage.found(problem)
	case !done:
		s.damage.log.Warn().Dur("after", checkTime).Msg("the spend store is too large to be checked whole at a start; zgproxy doctor takes longer")
	}
	return nil
}

func dsn(path string, options ...string) string {
	all := append([]string{"_busy_timeout=5000", "_pragma=foreign_keys(1)"}, options...)
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + strings.Join(all, "&")
}

// prepare creates the database, readable by its owner only, where there is none, and brings it into WAL mode and to the
// current schema.
func prepare(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(path + "-wal"); err == nil {
			return errBeheaded
		}
		if err := create(ctx, path); err != nil {
			return fmt.Errorf("create the spend store: %w", err)
		}
	case err != nil:
		return fmt.Errorf("find the spend store: %w", err)
	case info.Size() == 0:
		return errEmpty
	}
	return migrateIn(ctx, path, "_pragma=journal_mode(WAL)")
}

// A store gets its name when there is something in it, so these are not how a new one looks: whoever takes one for new
// forgets what was spent.
var (
	errEmpty    = errors.New("the file is empty")
	errBeheaded = errors.New("the file is missing, and its log is there")
)

// create makes a new store under another name and gives it its own when it is whole.
func create(ctx context.Context, path string) error {
	fresh := path + ".new"
	if err := remove(fresh, fresh+"-journal"); err != nil {
		return err
	}
	f, err := os.OpenFile(fresh, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator's own data directory
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := migrateIn(ctx, fresh, "_pragma=synchronous(OFF)"); err != nil { // it is put on disk as a whole
		return err
	}
	if _, err := syncFile(fresh); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// migrateIn brings the schema of a store up to date.
func migrateIn(ctx context.Context, path string, options ...string) (err error) {
	db, err := sql.Open("sqlite", dsn(path, append([]string{"_txlock=immediate"}, options...)...))
	if err != nil {
		return fmt.Errorf("open the spend store: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	return migrate(ctx, db)
}

// syncDir makes the names of new files durable.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the operator's own data directory
	if err != nil {
		return fmt.Errorf("open the data directory: %w", err)
	}
	if err := d.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync the data directory: %w", err), d.Close())
	}
	return d.Close()
}

// replay writes what an earlier process has admitted and not written. Only then is the log emptied; what is in it
// twice, or in the store already, changes nothing.
func (s *Store) replay(left []*request) error {
	if len(left) > 0 {
		ops := make([]op, 0, 2*len(left))
		for _, r := range left {
			ops = append(ops, op{open: r}, op{grow: r}) // it may be the later record of one that has grown
		}
		if err := s.writer.transaction(ops); err != nil {
			return err
		}
	}
	return s.writer.opens.clear()
}

// load builds the book from the totals, the open rows and what was spent in the last 24 hours: none of these grows with
// the number of requests.
func (s *Store) load(now time.Time) error {
	w := s.writer
	if err := w.readSums(w.session); err != nil {
		return err
	}
	for p, t := range w.totals {
		s.book.restore(p, t.fees, uint64(t.requests))
	}
	err := w.session.query(`SELECT provider, bound FROM requests WHERE state = 'open'`, func(row []driver.Value) error {
		p, bound, err := providerAmount(row)
		if err != nil {
			return err
		}
		s.book.hold(p, bound)
		return nil
	})
	if err != nil {
		return err
	}
	err = w.session.query(`SELECT provider, fees, quarter FROM spending WHERE quarter > ? ORDER BY quarter`, func(row []driver.Value) error {
		p, fees, err := providerAmount(row)
		if err != nil {
			return err
		}
		q, _ := row[2].(int64)
		s.book.clock = max(s.book.clock, q)
		s.book.count(p, q, fees)
		return nil
	}, micros(now)-day-quarter)
	if err != nil {
		return err
	}
	return w.session.query(`SELECT COALESCE(MAX(opened_at), 0) FROM requests`, func(row []driver.Value) error {
		w.lastOpened, _ = row[0].(int64)
		s.firstNew = w.lastOpened + 1
		return nil
	})
}

// providerAmount reads a provider and an amount from the first two columns.
func providerAmount(row []driver.Value) (common.Address, zg.Neuron, error) {
	name, _ := row[0].(string)
	if !common.IsHexAddress(name) {
		return common.Address{}, zg.Neuron{}, fmt.Errorf("%q is not an address", name)
	}
	var n zg.Neuron
	err := n.Scan(row[1])
	return common.HexToAddress(name), n, err
}

// Book is the sum of the store.
func (s *Store) Book() *Book { return s.book }

// Err is why the store cannot be written at the moment, or nil.
func (s *Store) Err() error {
	if e := s.writer.failure.Load(); e != nil {
		return *e
	}
	return nil
}

// Flush returns when everything queued before it is written, or with the reason why it is not.
func (s *Store) Flush() error { return s.writer.do(false, func(*session) error { return nil }) }

// Close writes what is queued, stops the writer and gives the directory free. The error says what could not be written.
func (s *Store) Close() error {
	w := s.writer
	w.end()
	var errs []error
	if n := len(w.kept); n > 0 {
		errs = append(errs, fmt.Errorf("%d records were not written; the next start books their requests at the upper bound: %w", n, s.Err()))
	} else {
		errs = append(errs, w.opens.clear())
	}
	return errors.Join(append(errs, w.opens.close(), s.readers.Close(), w.session.close(), s.lock.Close())...)
}

// abandonOpen records every request that an earlier process left open at its upper bound, and returns how many there
// were.
func (s *Store) abandonOpen(now time.Time) (int, error) {
	type left struct {
		opened   int64
		provider common.Address
		bound    zg.Neuron
		longest  time.Duration // of its job
	}
	var rows []left
	q := s.book.quarter(now)
	err := s.writer.do(false, func(db *session) error {
		err := db.query(`SELECT provider, bound, opened_at, service_type, route FROM requests WHERE state = 'open' AND opened_at < ?`, func(row []driver.Value) error {
			p, bound, err := providerAmount(row)
			if err != nil {
				return err
			}
			opened, _ := row[2].(int64)
			kind, _ := row[3].(string)
			path, _ := row[4].(string)
			rows = append(rows, left{opened, p, bound, jobTime(zg.ServiceType(kind), path)})
			return nil
		}, s.firstNew)
		if err != nil {
			return err
		}
		for _, r := range rows {
			var until any
			if r.longest > 0 { // it may have been begun
				until = micros(now.Add(r.longest))
			}
			if _, err := db.exec(`UPDATE requests SET state = 'abandoned', closed_at = ?, basis = ?, reason = ?, fee = bound, incomplete = 1,
				job_until = ? WHERE opened_at = ?`, micros(now), string(zg.FeeEstimated), ReasonProcessEnded, until, r.opened); err != nil {
				return err
			}
		}
		for _, r := range rows {
			s.writer.count(r.provider, r.bound, q)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("record what was left open: %w", err)
	}
	for _, r := range rows {
		s.book.close(r.provider, r.bound, r.bound, q)
	}
	return len(rows), nil
}
