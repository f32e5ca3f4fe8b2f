package billing

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// fillForUsage puts four requests into a new store: three on one day, of them one estimated and one free, and one open
// on the next.
func fillForUsage(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMeter(s, MeterConfig{})
	exact, free := answered(), Outcome{Status: 429, Reached: true}
	lost := answered()
	lost.Usage, lost.Complete = zg.Usage{}, false
	mustOpen(t, m, order("exact", alice)).Close(exact)
	mustOpen(t, m, order("lost", alice)).Close(lost)
	other := order("free", bob)
	other.Model, other.Key = "lorem", ""
	mustOpen(t, m, other).Close(free)
	mustOpen(t, m, order("open", alice))
	check(t, s)
	day := time.Date(2026, 11, 1, 23, 0, 0, 0, time.UTC)
	if err := s.writer.do(false, func(db *session) error {
		for i, id := range []string{"exact", "lost", "free", "open"} {
			at := day.Add(time.Duration(i) * 20 * time.Minute) // the open one is after midnight
			if _, err := db.exec(`UPDATE requests SET opened_at = ? WHERE id = ?`, micros(at), id); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	s := fillForUsage(t, dir)
	fee := mustRecord(t, s, "exact").Fee
	bound := mustRecord(t, s, "lost").Bound
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	since := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	qwen := Usage{Requests: 2, InputTokens: 31, OutputTokens: 9, Fees: fee.Add(bound), Booked: fee.Add(bound), Estimated: 1, EstimatedFees: bound}
	all := qwen
	all.Requests, all.Open, all.Free = 3, 1, 1
	open := Usage{Day: "2026-11-02", Model: "qwen", Open: 1}
	named := func(u Usage, f func(*Usage)) Usage { f(&u); return u }
	for name, tt := range map[string]struct {
		since, until time.Time
		by           UsageBy
		want         []Usage
	}{
		"all of it": {since, time.Time{}, UsageBy{}, []Usage{all}},
		"by day and model": {since, time.Time{}, UsageBy{Day: true, Model: true}, []Usage{
			{Day: "2026-11-01", Model: "lorem", Requests: 1, Free: 1}, named(qwen, func(u *Usage) { u.Day, u.Model = "2026-11-01", "qwen" }), open,
		}},
		"by provider and key": {since, time.Time{}, UsageBy{Provider: true, Key: true}, []Usage{
			{Provider: bob.Hex(), Requests: 1, Free: 1}, named(qwen, func(u *Usage) { u.Provider, u.Key, u.Open = alice.Hex(), "abcdef01", 1 }),
		}},
		"until midnight": {since, since.AddDate(0, 0, 1), UsageBy{}, []Usage{named(all, func(u *Usage) { u.Open = 0 })}},
		"since midnight": {since.AddDate(0, 0, 1), time.Time{}, UsageBy{Day: true, Model: true}, []Usage{open}},
		"nothing":        {since.AddDate(1, 0, 0), time.Time{}, UsageBy{Day: true}, []Usage{}},
	} {
		got, err := r.Usage(t.Context(), tt.since, tt.until, tt.by)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tt.want, got, compareAmounts); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// filesIn lists a directory.
func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, 0, len(entries))
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestReaderLeavesNoTrace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := OpenReadOnly(t.Context(), dir); !errors.Is(err, ErrNoStore) {
		t.Fatalf("OpenReadOnly without a directory: %v, want ErrNoStore", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the directory was created (%v)", err)
	}
	s := fillForUsage(t, dir)
	read := func(when string) {
		t.Helper()
		before := filesIn(t, dir)
		r, err := OpenReadOnly(t.Context(), dir)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		got, err := r.Usage(t.Context(), time.Time{}, time.Time{}, UsageBy{})
		if err != nil || len(got) != 1 || got[0].Requests != 3 {
			t.Errorf("%s: %+v, %v; want 3 requests", when, got, err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if after := filesIn(t, dir); !slices.Equal(before, after) {
			t.Errorf("%s: the directory held %q, now %q", when, before, after)
		}
	}
	read("while a daemon has it open")
	if held, pid := LockHolder(dir); !held || pid != strconv.Itoa(os.Getpid()) {
		t.Errorf("LockHolder = %v, %q; want this process", held, pid)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	read("while nobody has it open")
	if held, _ := LockHolder(dir); held {
		t.Error("LockHolder finds one in a directory that nobody uses")
	}
}

func TestReaderKnowsItsSchema(t *testing.T) {
	for version, want := range map[int]error{99: ErrNewerSchema, 1: ErrOlderSchema} {
		dir := t.TempDir()
		s, err := Open(t.Context(), dir, StoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.writer.do(false, func(db *session) error {
			_, err := db.exec(`DELETE FROM schema_version`)
			if err == nil {
				_, err = db.exec(`INSERT INTO schema_version (version, name, applied_at) VALUES (?, 'another', 0)`, int64(version))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenReadOnly(t.Context(), dir); !errors.Is(err, want) {
			t.Errorf("version %d: %v, want %v", version, err, want)
		}
	}
}

// What a reader sums is what the book says.
func TestReaderAgreesWithTheBook(t *testing.T) {
	b := newBooks(t)
	b.exact()
	b.estimated()
	before := b.fees()
	b.look(nil)
	b.exact()
	b.take(zg.NeuronOf(1000))
	a := b.look(nil)
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for name, since := range map[string]time.Time{"ever": {}, "today": now.Add(-24 * time.Hour)} {
		if got, err := b.FeesBooked(t.Context(), since); err != nil || got[alice] != b.fees() || len(got) != 1 {
			t.Errorf("%s: %v, %v; want %s of alice", name, got, err, b.fees())
		}
	}
	if got, err := b.FeesBooked(t.Context(), now.Add(time.Hour)); err != nil || len(got) != 0 {
		t.Errorf("from the future: %v, %v", got, err)
	}
	owed, err := b.Owed(t.Context())
	if want := a.owed(b.fees(), zg.Neuron{}, false); err != nil || owed[alice] != want || want.IsZero() || len(owed) != 1 {
		t.Errorf("Owed = %v, %v; want %s of alice (%s booked before)", owed, err, want, before)
	}
}

func BenchmarkUsage(b *testing.B) {
	dir := b.TempDir()
	fill(b, dir, 100_000, 30, time.Now())
	for b.Loop() {
		r, err := OpenReadOnly(b.Context(), dir)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Usage(b.Context(), time.Time{}, time.Time{}, UsageBy{Day: true, Model: true}); err != nil {
			b.Fatal(err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// Where what was taken tells better than what was recorded, sums and receipts follow it. What counts against the
// budgets stays.
func TestUsageFollowsWhatIsTaken(t *testing.T) {
	b := newBooks(t)
	b.look(nil)
	exact, cut := b.exact(), b.estimated()
	bound := *mustRecord(t, b.Store, cut).Fee
	sum := func() Usage {
		t.Helper()
		all, err := b.Usage(t.Context(), time.Time{}, time.Time{}, UsageBy{})
		if err != nil || len(all) != 1 {
			t.Fatalf("%v, %v", all, err)
		}
		return all[0]
	}
	if u := sum(); u.Fees != fee.Add(bound) || u.Booked != u.Fees || u.Estimated != 1 || u.EstimatedFees != bound {
		t.Errorf("before: %+v", u)
	}
	// At rest the provider claims as much for each.
	b.look(func(r *reading) { r.claim, r.claimed, r.quiet = fee.Mul(2), true, true })
	if u := sum(); u.Fees != fee.Mul(2) || u.Booked != fee.Add(bound) || u.Estimated != 0 || !u.EstimatedFees.IsZero() {
		t.Errorf("claimed: %+v, want 2 fees, and what was booked as before", u)
	}
	if r, ok, err := b.Receipt(t.Context(), cut); err != nil || !ok || r.ExpectedFee == nil || *r.ExpectedFee != fee || r.Settled != nil || *r.Cost() != fee || *r.Fee != bound {
		t.Errorf("claimed: receipt %+v, %v", r, err)
	}
	b.take(fee.Mul(2))
	b.look(nil)
	if u := sum(); u.Fees != fee.Mul(2) || u.Booked != fee.Add(bound) {
		t.Errorf("taken: %+v", u)
	}
	for _, id := range []string{exact, cut} {
		if r, ok, err := b.Receipt(t.Context(), id); err != nil || !ok || r.ExpectedFee != nil || r.Settled == nil || *r.Cost() != fee {
			t.Errorf("taken: receipt of %s %+v, %v", id, r, err)
		}
	}
	if got := b.Book().Spent(alice, b.now); got.Total != fee.Add(bound) || got.Day != fee.Add(bound) {
		t.Errorf("the budgets count %+v, want what was booked", got)
	}
}

// A provider may delete what it has billed and never take it. That does not stay due for ever, also where nothing else
// is taken.
func TestFeesThatAreNeverTaken(t *testing.T) {
	b := newBooks(t)
	b.look(nil)
	deleted, kept := b.exact(), b.exact()
	quiet := func(r *reading) { r.claim, r.claimed, r.quiet = fee, true, true }
	b.now = b.now.Add(settleWithin - time.Minute)
	if a := b.look(quiet); a.unsettled(b.fees()) != fee.Mul(2) {
		t.Errorf("within the time of a settlement %s is due, want both fees", a.unsettled(b.fees()))
	}
	b.now = b.now.Add(2 * time.Minute)
	if a := b.look(func(r *reading) { quiet(r); r.quiet = false }); a.unsettled(b.fees()) != fee.Mul(2) {
		t.Errorf("while requests are under way %s is due, want both fees", a.unsettled(b.fees()))
	}
	if a := b.look(quiet); a.unsettled(b.fees()) != fee || !a.drift(b.fees(), zg.Neuron{}, fee).IsZero() {
		t.Errorf("%s is due, want one fee", a.unsettled(b.fees()))
	}
	r := mustRecord(t, b.Store, deleted)
	if r.State != "settled" || r.Settled == nil || !r.Settled.IsZero() || r.Settlement != "" || *r.Fee != fee {
		t.Errorf("the one that was never taken: %+v", r)
	}
	b.take(fee)
	if a := b.look(nil); !a.unmatched.IsZero() || !a.unsettled(b.fees()).IsZero() {
		t.Errorf("in the end %s unmatched, %s due", a.unmatched, a.unsettled(b.fees()))
	}
	if r := mustRecord(t, b.Store, kept); r.State != "settled" || *r.Settled != fee {
		t.Errorf("the other one: %+v", r)
	}
}
