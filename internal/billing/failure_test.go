package billing

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// fault makes the statements fail that begin with at, after they took effect if persisted is set.
type fault struct {
	at        string
	persisted bool
}

var errDisk = errors.New("disk I/O error")

// faultyConn is the writer's connection on a bad disk.
type faultyConn struct {
	driver.Conn
	fault *atomic.Pointer[fault]
}

func (c faultyConn) Prepare(query string) (driver.Stmt, error) {
	s, err := c.Conn.Prepare(query)
	return faultyStmt{s, query, c.fault}, err
}

func (c faultyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

type faultyStmt struct {
	driver.Stmt
	query string
	fault *atomic.Pointer[fault]
}

func (s faultyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	f := s.fault.Load()
	fails := f != nil && strings.HasPrefix(s.query, f.at)
	if fails && !f.persisted {
		return nil, errDisk
	}
	r, err := s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	if fails {
		return nil, errDisk
	}
	return r, err
}

func (s faultyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

// faulty gives the store a disk that fails on command.
func faulty(t *testing.T, s *Store) *atomic.Pointer[fault] {
	t.Helper()
	var f atomic.Pointer[fault]
	if err := s.writer.do(false, func(db *session) error {
		db.conn = faultyConn{db.conn, &f}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.writer.do(false, func(db *session) error {
		for query, stmt := range db.stmts { // prepared before
			db.stmts[query] = faultyStmt{stmt, query, &f}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return &f
}

// Wherever a commit fails, what was admitted before anybody knew is kept, as is what was closed meanwhile, and written
// when the disk is well again. Once it is known, requests are refused, and nothing is half written.
func TestStoreFailures(t *testing.T) {
	for _, at := range []string{"BEGIN", "INSERT INTO requests", "COMMIT"} {
		t.Run(at, func(t *testing.T) {
			var logged bytes.Buffer
			s, err := Open(t.Context(), t.TempDir(), StoreOptions{Log: zerolog.New(&logged)})
			if err != nil {
				t.Fatal(err)
			}
			m := NewMeter(s, MeterConfig{})
			running := mustOpen(t, m, order("running", alice))
			disk := faulty(t, s) // writes what is queued

			disk.Store(&fault{at: at})
			mustOpen(t, m, order("admitted", alice))
			if err := s.Flush(); !errors.Is(err, ErrStore) || !errors.Is(err, errDisk) {
				t.Fatalf("Flush on a bad disk: %v, want ErrStore and the cause", err)
			}
			_, err = m.Open(t.Context(), order("refused", alice))
			var refused *Refused
			if !errors.As(err, &refused) || refused.Kind != RefusedStore || !errors.Is(err, ErrStore) || !errors.Is(err, errDisk) {
				t.Fatalf("Open on a bad disk: %v, want it refused with ErrStore and the cause", err)
			}
			if !errors.Is(s.Err(), ErrStore) {
				t.Errorf("Err = %v, want ErrStore", s.Err())
			}
			if sum := s.Book().Provider(alice); sum.Open != 2 || sum.Held != order("", alice).Bound.Mul(2) {
				t.Errorf("the refused request is still held: %+v", sum)
			}
			if b := running.Close(answered()); b.Basis != zg.FeeExact {
				t.Errorf("Close on a bad disk booked %+v", b)
			}
			m.SetVerdict("running", verified(""))
			_, _ = m.Open(t.Context(), order("refused-2", alice)) // fails together with the close

			disk.Store(nil)
			if r := mustRecord(t, s, "running"); r.State != "closed" || r.Verdict != zg.VerdictVerified {
				t.Errorf("after the disk is well the request is %s, verdict %q", r.State, r.Verdict)
			}
			if err := s.Err(); err != nil {
				t.Errorf("Err = %v after a commit, want nil", err)
			}
			if r := mustRecord(t, s, "admitted"); r.State != "open" {
				t.Errorf("the request that was admitted is %s, want open", r.State)
			}
			if _, ok, err := s.Request(t.Context(), "refused"); ok || err != nil {
				t.Errorf("the refused request is in the store: %v, %v", ok, err)
			}
			check(t, s)
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if n := strings.Count(logged.String(), `"level":"error"`); n != 1 {
				t.Errorf("the failure is logged %d times, want once:\n%s", n, &logged)
			}
		})
	}
}

// The disk gets well without anybody asking for it.
func TestStoreRecoversByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, t.TempDir())
		m := NewMeter(s, MeterConfig{})
		disk := faulty(t, s)
		disk.Store(&fault{at: "COMMIT"})
		mustOpen(t, m, order("a", alice)).Close(answered())
		advance(time.Second)
		if !errors.Is(s.Err(), ErrStore) {
			t.Fatalf("Err = %v, want ErrStore", s.Err())
		}
		disk.Store(nil)
		advance(2 * time.Second)
		if err := s.Err(); err != nil {
			t.Errorf("Err = %v, want nil", err)
		}
		if r, ok, err := s.Request(t.Context(), "a"); !ok || err != nil || r.State != "closed" {
			t.Errorf("the request is %s; found %v, %v", r.State, ok, err)
		}
	})
}

// A commit that fails after it took effect is made again, and nothing counts twice or is forgotten.
func TestStoreFailedButPersisted(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMeter(s, MeterConfig{})
	disk := faulty(t, s)
	mustOpen(t, m, order("before", alice)).Close(answered())
	early := mustOpen(t, m, order("early", alice))
	check(t, s)
	disk.Store(&fault{at: "COMMIT", persisted: true})
	mustOpen(t, m, order("whole", alice)).Close(answered())
	late := mustOpen(t, m, order("late", alice))
	mustOpen(t, m, order("left", alice))
	early.Close(answered())
	if err := s.Flush(); !errors.Is(err, ErrStore) {
		t.Fatalf("Flush = %v, want ErrStore", err)
	}
	late.Close(answered())
	if _, err := m.Open(t.Context(), order("refused", alice)); !errors.Is(err, ErrStore) {
		t.Fatalf("Open = %v, want ErrStore", err)
	}
	if _, err := s.stageEntry("", zg.Intent{Kind: zg.IntentTransfer, Provider: alice, Amount: zg.OneOG}, OriginAuto, zg.SignedTx{Hash: common.Hash{1}, Raw: []byte{1}}, m.cfg.Now()); !errors.Is(err, ErrStore) {
		t.Fatalf("stageEntry = %v, want ErrStore", err)
	}
	disk.Store(nil)
	mustOpen(t, m, order("after", alice)).Close(answered())
	check(t, s)
	if sum := s.Book().Provider(alice); sum.Requests != 5 || sum.Open != 1 {
		t.Errorf("the book has %+v, want 5 requests and 1 open", sum)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	if n, err := NewMeter(s, MeterConfig{}).Recover(t.Context()); err != nil || n != 1 {
		t.Errorf("Recover = %d, %v; want 1", n, err)
	}
	if _, ok, err := s.unfinished(t.Context(), ""); err != nil || !ok {
		t.Errorf("the top-up that was persisted is not found: %v, %v", ok, err)
	}
}

// A full disk, as SQLite itself reports it. What cannot be closed is recorded at its bound by the next start.
func TestStoreFullDisk(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMeter(s, MeterConfig{})
	running := mustOpen(t, m, order("running", alice))
	if err := s.writer.do(false, func(db *session) error {
		return db.query("PRAGMA max_page_count = 1", func([]driver.Value) error { return nil }) // as large as it is
	}); err != nil {
		t.Fatal(err)
	}
	admitted := 1
	for ; ; admitted++ {
		if admitted > 1000 {
			t.Fatal("a thousand requests were admitted on a full disk")
		}
		_, err := m.Open(t.Context(), order(fmt.Sprintf("%s-%d", strings.Repeat("x", 500), admitted), alice))
		var refused *Refused
		if errors.As(err, &refused) && refused.Kind == RefusedStore && errors.Is(err, ErrStore) {
			break
		}
		if err != nil {
			t.Fatalf("Open on a full disk: %v", err)
		}
		if err := s.Flush(); err != nil && !errors.Is(err, ErrStore) {
			t.Fatalf("Flush on a full disk: %v", err)
		}
	}
	out := answered()
	out.Err = strings.Repeat("e", 8000)
	running.Close(out)
	if err := s.Flush(); !errors.Is(err, ErrStore) {
		t.Errorf("Flush = %v, want ErrStore", err)
	}
	if err := s.Close(); !errors.Is(err, ErrStore) {
		t.Errorf("Close = %v, want ErrStore and what was not written", err)
	}
	if _, err := m.Open(t.Context(), order("late", alice)); !errors.Is(err, ErrStore) {
		t.Errorf("Open on a closed store: %v, want ErrStore", err)
	}

	s = openStore(t, dir)
	if n, err := NewMeter(s, MeterConfig{}).Recover(t.Context()); err != nil || n != admitted {
		t.Errorf("Recover = %d, %v; want %d", n, err, admitted)
	}
}

// Only commits that carry a top-up are synced, and syncing is off again afterwards.
func TestStoreSyncsTopUps(t *testing.T) {
	s := openStore(t, t.TempDir())
	level := func(durable bool) (n int64) {
		t.Helper()
		if err := s.writer.do(durable, func(db *session) error {
			return db.query("PRAGMA main.synchronous", func(row []driver.Value) error { n, _ = row[0].(int64); return nil })
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	const normal, full = 1, 2
	for i, want := range []int64{normal, full, normal, full, full, normal} {
		if got := level(want == full); got != want {
			t.Errorf("transaction %d runs at synchronous=%d, want %d", i, got, want)
		}
	}
}

// A second unfinished top-up is refused by the store itself.
func TestStoreOneTopUpAtATime(t *testing.T) {
	s := openStore(t, t.TempDir())
	now := NewMeter(s, MeterConfig{}).cfg.Now()
	first, err := s.stageEntry("", zg.Intent{Kind: zg.IntentTransfer, Provider: alice, Amount: zg.OneOG}, OriginAuto, zg.SignedTx{Hash: common.Hash{1}, Nonce: 1, Raw: []byte{1}}, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.stageEntry("", zg.Intent{Kind: zg.IntentTransfer, Provider: bob, Amount: zg.OneOG}, OriginAuto, zg.SignedTx{Hash: common.Hash{2}, Nonce: 2, Raw: []byte{2}}, now); err == nil {
		t.Error("a second top-up was staged while the first is under way")
	}
	check(t, s)
	if err := s.endEntry(first.ID, EntrySigned, EntryMined, "", &zg.Receipt{Hash: common.Hash{1}, OK: true, Block: 12}, now); err != nil {
		t.Fatal(err)
	}
	if _, err := s.stageEntry("", zg.Intent{Kind: zg.IntentTransfer, Provider: bob, Amount: zg.OneOG}, OriginAuto, zg.SignedTx{Hash: common.Hash{2}, Nonce: 2, Raw: []byte{2}}, now); err != nil {
		t.Errorf("after the first has ended: %v", err)
	}
	if b, err := s.lastBlock(t.Context(), ""); err != nil || b != 12 {
		t.Errorf("lastBlock = %d, %v; want 12", b, err)
	}
}
