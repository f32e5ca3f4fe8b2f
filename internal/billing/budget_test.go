package billing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// noon is a time at the beginning of a quarter of an hour.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sized is an order with a bound of its own.
func sized(id string, p common.Address, bound zg.Neuron) Order {
	o := order(id, p)
	o.Bound = bound
	return o
}

// cost is an outcome that is recorded at exactly so much.
func cost(o Order, n uint64) (Order, Outcome) {
	o.Price = zg.Price{Output: zg.NeuronOf(1)}
	return o, Outcome{Status: 200, Reached: true, Complete: true, Usage: zg.Usage{Seen: true, OutputTokens: n}}
}

func mustRefuse(tb testing.TB, m *Meter, o Order, kind RefusalKind) Refused {
	tb.Helper()
	_, err := m.Open(context.Background(), o)
	var refused *Refused
	if !errors.As(err, &refused) || refused.Kind != kind {
		tb.Fatalf("Open(%s) = %v, want a refusal of kind %s", o.ID, err, kind)
	}
	return *refused
}

// A thousand requests at once, closed while others are admitted, overspend no budget by a single neuron.
func TestBudgetsHold(t *testing.T) {
	const n = 1000
	for name, budget := range map[string]Budget{
		"day":                        {Day: CapOf(zg.NeuronOf(50_000))},
		"total":                      {Total: CapOf(zg.NeuronOf(50_000))},
		"provider's day":             {ProviderDay: ProviderCaps{Each: CapOf(zg.NeuronOf(50_000))}},
		"provider's total":           {ProviderTotal: ProviderCaps{Except: map[common.Address]Cap{alice: CapOf(zg.NeuronOf(50_000))}}},
		"two, the smaller one holds": {Day: CapOf(zg.NeuronOf(90_000)), ProviderTotal: ProviderCaps{Each: CapOf(zg.NeuronOf(50_000))}},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			m := NewMeter(s, MeterConfig{Budgets: Budgets{Fees: budget}})
			book := s.Book()
			start, done := make(chan struct{}), make(chan struct{})
			var watch, wg sync.WaitGroup
			var most atomic.Uint64
			watch.Go(func() {
				for {
					book.mu.Lock()
					sum := book.sums[alice]
					used := sum.Fees.Add(sum.Held)
					book.mu.Unlock()
					if zg.NeuronOf(50_000).Less(used) {
						t.Errorf("%v are booked and held, the cap is 50000", used)
						return
					}
					select {
					case <-done:
						return
					default:
					}
				}
			})
			for i := range n {
				wg.Go(func() {
					<-start
					o, out := cost(sized(fmt.Sprint(i), alice, zg.NeuronOf(uint64(100+i%7))), uint64(50+i%53))
					r, err := m.Open(context.Background(), o)
					if err != nil {
						var refused *Refused
						if !errors.As(err, &refused) || !strings.HasPrefix(string(refused.Kind), "budget_") {
							t.Errorf("Open: %v", err)
						}
						return
					}
					most.Add(1)
					r.Close(out)
				})
			}
			close(start)
			wg.Wait()
			close(done)
			watch.Wait()
			sum := s.Book().Provider(alice)
			if zg.NeuronOf(50_000).Less(sum.Fees) || sum.Open != 0 || most.Load() == n {
				t.Errorf("booked %v of 50000 for %d requests, %d open; want some refused", sum.Fees, most.Load(), sum.Open)
			}
		})
	}
}

// Other providers' spending does not use up a provider's own budget, and does use up that of all.
func TestBudgetsApart(t *testing.T) {
	s := openStore(t, t.TempDir())
	m := NewMeter(s, MeterConfig{Budgets: Budgets{Fees: Budget{
		Day:         CapOf(zg.NeuronOf(150)),
		ProviderDay: ProviderCaps{Each: CapOf(zg.NeuronOf(100)), Except: map[common.Address]Cap{bob: {}}},
	}}})
	mustOpen(t, m, sized("a", alice, zg.NeuronOf(100)))
	mustRefuse(t, m, sized("b", alice, zg.NeuronOf(1)), RefusedProviderDay)
	r := mustOpen(t, m, sized("c", bob, zg.NeuronOf(50)))
	mustRefuse(t, m, sized("d", bob, zg.NeuronOf(1)), RefusedDay)
	r.Close(Outcome{}) // never reached: free
	mustOpen(t, m, sized("e", bob, zg.NeuronOf(50)))
}

func TestBudgetWindow(t *testing.T) {
	s := openStore(t, t.TempDir())
	now := noon
	m := NewMeter(s, MeterConfig{Now: func() time.Time { return now }, Budgets: Budgets{Fees: Budget{Day: CapOf(zg.NeuronOf(100))}}})
	spend := func(id string, n uint64) {
		t.Helper()
		o, out := cost(sized(id, alice, zg.NeuronOf(n)), n)
		mustOpen(t, m, o).Close(out)
	}
	spend("a", 60)
	now = noon.Add(20 * time.Minute)
	spend("b", 40)
	refused := mustRefuse(t, m, sized("c", alice, zg.NeuronOf(60)), RefusedDay)
	if want := 24*time.Hour - 5*time.Minute; refused.RetryAfter != want {
		t.Errorf("a retry is advised after %v, want %v: when the first quarter of an hour is older than a day", refused.RetryAfter, want)
	}
	refused = mustRefuse(t, m, sized("d", alice, zg.NeuronOf(61)), RefusedDay)
	if want := 24 * time.Hour; refused.RetryAfter != want { // 24 h and 10 min, cut off
		t.Errorf("a retry is advised after %v, want %v", refused.RetryAfter, want)
	}
	if refused = mustRefuse(t, m, sized("e", alice, zg.NeuronOf(101)), RefusedDay); refused.RetryAfter != 0 || !strings.Contains(refused.Message, "this request alone") {
		t.Errorf("a request that never fits: %+v, want no advice to wait", refused)
	}
	// The clock is set back: nothing is forgotten, then or later.
	now = noon.Add(-48 * time.Hour)
	mustRefuse(t, m, sized("f", alice, zg.NeuronOf(1)), RefusedDay)
	now = noon.Add(24*time.Hour + 14*time.Minute)
	mustRefuse(t, m, sized("g", alice, zg.NeuronOf(1)), RefusedDay)
	now = noon.Add(24*time.Hour + 15*time.Minute)
	mustRefuse(t, m, sized("h", alice, zg.NeuronOf(61)), RefusedDay)
	spend("i", 60)
	if got, want := s.Book().Spent(alice, now), (Spent{zg.NeuronOf(160), zg.NeuronOf(160), zg.NeuronOf(100), zg.NeuronOf(100)}); got != want {
		t.Errorf("Spent = %+v, want %+v", got, want)
	}
	if got := s.Book().Burn(alice, now); got != zg.NeuronOf(60) {
		t.Errorf("Burn = %v, want 60", got)
	}
}

// What is held but not spent has room again soon; what is spent in total has not.
func TestBudgetWaits(t *testing.T) {
	s := openStore(t, t.TempDir())
	m := NewMeter(s, MeterConfig{Budgets: Budgets{Fees: Budget{Total: CapOf(zg.NeuronOf(100))}}})
	o, out := cost(sized("a", alice, zg.NeuronOf(90)), 80)
	r := mustOpen(t, m, o)
	if refused := mustRefuse(t, m, sized("b", alice, zg.NeuronOf(20)), RefusedTotal); refused.RetryAfter != fundingWait {
		t.Errorf("a retry is advised after %v, want %v", refused.RetryAfter, fundingWait)
	}
	r.Close(out)
	mustOpen(t, m, sized("c", alice, zg.NeuronOf(20)))
	refused := mustRefuse(t, m, sized("d", alice, zg.NeuronOf(30)), RefusedTotal)
	if refused.RetryAfter != 0 {
		t.Errorf("a retry is advised after %v although time does not help", refused.RetryAfter)
	}
	const message = "The budget for fees is used up: of 0.0000000000000001 0G, 0.00000000000000008 0G are spent and 0.00000000000000002 0G are held for requests under way. " +
		"This request may cost up to 0.00000000000000003 0G; 0.00000000000000003 0G are missing."
	if diff := cmp.Diff(message, refused.Message); diff != "" || !strings.Contains(refused.Hint, "ZGPROXY_BUDGET_FEES_TOTAL") {
		t.Errorf("message (-want +got):\n%s\nhint %q", diff, refused.Hint)
	}
}

func TestBudgetSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	budgets := Budgets{Fees: Budget{Day: CapOf(zg.NeuronOf(100)), ProviderTotal: ProviderCaps{Each: CapOf(zg.NeuronOf(120))}}}
	start := func(now time.Time) (*Store, *Meter) {
		t.Helper()
		s, err := Open(t.Context(), dir, StoreOptions{Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		m := NewMeter(s, MeterConfig{Now: func() time.Time { return now }, Budgets: budgets})
		if _, err := m.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s, m
	}
	stop := func(s *Store) {
		t.Helper()
		check(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, m := start(noon)
	o, out := cost(sized("a", alice, zg.NeuronOf(60)), 60)
	mustOpen(t, m, o).Close(out)
	mustOpen(t, m, sized("left open", alice, zg.NeuronOf(40)))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// The next start finds its clock a week back and is not fooled by it.
	s, m = start(noon.Add(-7 * 24 * time.Hour))
	mustRefuse(t, m, sized("b", alice, zg.NeuronOf(1)), RefusedDay)
	stop(s)
	s, m = start(noon.Add(25 * time.Hour))
	mustRefuse(t, m, sized("c", alice, zg.NeuronOf(21)), RefusedProviderTotal)
	mustRefuse(t, m, sized("d", bob, zg.NeuronOf(101)), RefusedDay)
	o, out = cost(sized("e", alice, zg.NeuronOf(20)), 20)
	mustOpen(t, m, o).Close(out)
	stop(s)
}

// A budget that is reached is logged once, listed until there is room, and shown as a metric.
func TestBudgetReached(t *testing.T) {
	s := openStore(t, t.TempDir())
	reg := prometheus.NewRegistry()
	var log bytes.Buffer
	m := NewMeter(s, MeterConfig{Log: zerolog.New(&log), Registerer: reg, Budgets: Budgets{Fees: Budget{
		Total: CapOf(zg.NeuronOf(1000)), ProviderDay: ProviderCaps{Each: CapOf(zg.NeuronOf(100))},
	}}})
	r := mustOpen(t, m, sized("a", alice, zg.NeuronOf(90)))
	if got := m.BudgetsReached(); len(got) != 0 {
		t.Errorf("reached: %v, want nothing yet", got)
	}
	for i := range 3 {
		mustRefuse(t, m, sized(fmt.Sprint("b", i), alice, zg.NeuronOf(20)), RefusedProviderDay)
	}
	mustOpen(t, m, sized("small", alice, zg.NeuronOf(1))) // does not end the matter
	mustRefuse(t, m, sized("c", alice, zg.NeuronOf(20)), RefusedProviderDay)
	if n := strings.Count(log.String(), "a budget is reached"); n != 1 || !strings.Contains(log.String(), alice.Hex()) {
		t.Errorf("logged %d times, want once, with the provider:\n%s", n, log.String())
	}
	want := []BudgetReached{{LimitProviderDay, alice, "ZGPROXY_BUDGET_PROVIDER_FEES_DAY", zg.NeuronOf(100), zg.Neuron{}, zg.NeuronOf(91)}}
	if diff := cmp.Diff(want, m.BudgetsReached(), compareAmounts); diff != "" {
		t.Errorf("BudgetsReached (-want +got):\n%s", diff)
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(fmt.Sprintf(`
# HELP zgproxy_budget_left_neuron What a budget still allows, less what is held for requests under way. Only for limits that are set.
# TYPE zgproxy_budget_left_neuron gauge
zgproxy_budget_left_neuron{budget="fees_total",provider=""} 909
zgproxy_budget_left_neuron{budget="provider_fees_day",provider="%s"} 9
# HELP zgproxy_meter_refusals_total Requests refused before anything was sent or spent.
# TYPE zgproxy_meter_refusals_total counter
zgproxy_meter_refusals_total{reason="budget_provider_fees_day"} 4
`, alice.Hex())), "zgproxy_budget_left_neuron", "zgproxy_meter_refusals_total"); err != nil {
		t.Error(err)
	}
	r.Close(Outcome{})
	if got := m.BudgetsReached(); len(got) != 0 {
		t.Errorf("reached: %v, want nothing any more", got)
	}
	o, out := cost(sized("d", alice, zg.NeuronOf(99)), 99)
	mustOpen(t, m, o).Close(out)
	mustRefuse(t, m, sized("e", alice, zg.NeuronOf(1)), RefusedProviderDay)
	if n := strings.Count(log.String(), "a budget is reached"); n != 2 {
		t.Errorf("logged %d times, want again", n)
	}
}

func TestBudgetLeft(t *testing.T) {
	b := Budget{
		Day: CapOf(zg.NeuronOf(10)), ProviderTotal: ProviderCaps{Each: CapOf(zg.NeuronOf(20)), Except: map[common.Address]Cap{bob: {}}},
	}
	for _, tt := range []struct {
		p       common.Address
		spent   Spent
		left    zg.Neuron
		closest Limit
	}{
		{alice, Spent{}, zg.NeuronOf(10), LimitDay},
		{alice, Spent{ProviderTotal: zg.NeuronOf(19)}, zg.NeuronOf(1), LimitProviderTotal},
		{bob, Spent{ProviderTotal: zg.NeuronOf(19), Day: zg.NeuronOf(4)}, zg.NeuronOf(6), LimitDay},
		{alice, Spent{Day: zg.NeuronOf(11)}, zg.Neuron{}, LimitDay},
	} {
		if left, closest := b.Left(tt.p, tt.spent); left != tt.left || closest != tt.closest {
			t.Errorf("Left(%s, %+v) = %v by %s, want %v by %s", tt.p, tt.spent, left, closest, tt.left, tt.closest)
		}
	}
	if left, closest := new(Budget).Left(alice, Spent{Total: zg.OneOG}); left != zg.MaxNeuron || closest != "" {
		t.Errorf("without limits %v are left by %q", left, closest)
	}
}

// Whatever is spent when, the window holds all of the last 24 hours and nothing that is more than a quarter of an hour
// older.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBook()
		type booking struct{ at, fee int64 }
		var all []booking
		now := noon
		for range rapid.IntRange(1, 60).Draw(t, "bookings") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(5*time.Hour)).Draw(t, "pause")))
			fee := rapid.Int64Range(0, 100).Draw(t, "fee")
			b.hold(alice, zg.NeuronOf(uint64(fee)))
			b.close(alice, zg.NeuronOf(uint64(fee)), zg.NeuronOf(uint64(fee)), b.quarter(now))
			all = append(all, booking{micros(now), fee})
			var least, most uint64
			for _, x := range all {
				if x.at > micros(now)-day {
					least += uint64(x.fee)
				}
				if x.at > micros(now)-day-quarter {
					most += uint64(x.fee)
				}
			}
			got := b.Spent(alice, now)
			if got.Day.Less(zg.NeuronOf(least)) || zg.NeuronOf(most).Less(got.Day) || got.Day != got.ProviderDay {
				t.Fatalf("the window has %v (provider: %v), want %d to %d", got.Day, got.ProviderDay, least, most)
			}
			if len(b.allDays.quarters) > 97 {
				t.Fatalf("the window has %d quarters of an hour", len(b.allDays.quarters))
			}
		}
	})
}
