package billing

import (
	"errors"
	"sync"
	"testing"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// What is held for a request grows with it within the budgets; it is closed within the last bound, and where the
// process ends before that, abandoned at it: whether SQLite has seen the growing or only the open log.
func TestReservationGrows(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	budgets := Budgets{Fees: Budget{Total: CapOf(og(t, "1"))}}
	m := NewMeter(s, MeterConfig{Budgets: budgets})
	small := func(id string) Order {
		o := order(id, alice)
		o.Bound = og(t, "0.1")
		return o
	}
	r, other := mustOpen(t, m, small("a")), mustOpen(t, m, small("b"))
	if err := errors.Join(r.Grow(og(t, "0.9")), r.Grow(og(t, "0.5"))); err != nil {
		t.Fatal(err)
	}
	refused, ok := errors.AsType[*Refused](other.Grow(og(t, "0.2")))
	if !ok || refused.Kind != RefusedTotal {
		t.Fatalf("growing above the budget: %v, want %s", refused, RefusedTotal)
	}
	if held := s.Book().Provider(alice).Held; held != og(t, "1") {
		t.Fatalf("%s 0G are held, want 1", held.Og())
	}
	check(t, s)
	if b := r.Close(Outcome{Reached: true}); b.Fee != og(t, "0.9") || b.Basis != zg.FeeEstimated {
		t.Errorf("booked %s 0G %s, want the bound in force, 0.9", b.Fee.Og(), b.Basis)
	}
	if err := r.Grow(og(t, "0.95")); !errors.Is(err, ErrReservationClosed) {
		t.Errorf("growing after the close: %v", err)
	}
	if b := other.Close(Outcome{}); !b.Fee.IsZero() {
		t.Errorf("booked %s 0G for what never left, want nothing", b.Fee.Og())
	}
	check(t, s)
	if rec := mustRecord(t, s, "a"); rec.Bound != og(t, "0.9") {
		t.Errorf("the record has bound %s, want 0.9", rec.Bound.Og())
	}

	m = NewMeter(s, MeterConfig{})
	seen := mustOpen(t, m, small("seen"))
	if err := errors.Join(seen.Grow(og(t, "2")), s.Flush(), seen.Grow(og(t, "10"))); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	release := hold(t, s)
	inLog := mustOpen(t, m, small("in the log"))
	if err := errors.Join(inLog.Grow(og(t, "3")), inLog.Grow(og(t, "20")), seen.Grow(og(t, "11"))); err != nil {
		t.Fatal(err)
	}
	left := crashed(t, dir)
	release()
	again, err := Open(t.Context(), left, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if held := again.Book().Provider(alice).Held; held != og(t, "31") {
		t.Errorf("after a crash %s 0G are held, want 31", held.Og())
	}
	check(t, again)
	if n, err := NewMeter(again, MeterConfig{}).Recover(t.Context()); n != 2 || err != nil {
		t.Errorf("Recover = %d, %v", n, err)
	}
	for id, want := range map[string]string{"seen": "11", "in the log": "20"} {
		if rec := mustRecord(t, again, id); rec.Fee == nil || *rec.Fee != og(t, want) || rec.State != "abandoned" {
			t.Errorf("%s: %+v, want it abandoned at %s 0G", id, rec, want)
		}
	}
	check(t, again)
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	seen.Close(Outcome{})
	inLog.Close(Outcome{})
}

// Growing and closing come from different goroutines: whoever is first, what is held is given back whole.
func TestReservationGrowsWhileItIsClosed(t *testing.T) {
	s := openStore(t, t.TempDir())
	m := NewMeter(s, MeterConfig{})
	for range 50 {
		r := mustOpen(t, m, order("x", alice))
		var wg sync.WaitGroup
		wg.Go(func() {
			for n := uint64(2); r.Grow(zg.OneOG.Mul(n)) == nil && n < 100; n++ {
			}
		})
		wg.Go(func() { r.Close(Outcome{Reached: true}) })
		wg.Wait()
	}
	if held := s.Book().Provider(alice).Held; !held.IsZero() {
		t.Errorf("%s 0G are still held", held.Og())
	}
	check(t, s)
}
