package route

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// offer is one of a provider that is named by a letter.
func offer(name string, in, out uint64) *Offer {
	svc := service(common.HexToAddress("0x"+name), zg.Chatbot, "m", in, out)
	return &Offer{Service: svc, Model: "m", Price: svc.Price(), Allowed: true, Signed: true, Label: svc.Provider.Hex()}
}

func testBoard(t *testing.T, cfg BoardConfig) *Board {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	cfg.Rand = r.IntN
	return NewBoard(cfg)
}

// pick picks one, which has to work.
func pick(t *testing.T, b *Board, offers ...*Offer) *Lease {
	t.Helper()
	l, err := b.Pick(t.Context(), b.Join(), offers, nil)
	if err != nil {
		t.Fatalf("Pick: %v", err)
	}
	return l
}

// busy is the error of a Pick that has to be refused.
func busy(t *testing.T, b *Board, offers ...*Offer) *Busy {
	t.Helper()
	l, err := b.Pick(t.Context(), b.Join(), offers, nil)
	e, ok := errors.AsType[*Busy](err)
	if !ok {
		t.Fatalf("Pick = %+v, %v, want a Busy", l, err)
	}
	return e
}

// serve has one request answered after so long.
func serve(t *testing.T, b *Board, firstByte time.Duration, offers ...*Offer) *Offer {
	t.Helper()
	l := pick(t, b, offers...)
	l.FirstByte(firstByte)
	l.Done(Succeeded, 0)
	return l.Offer
}

// pass lets the time of a synctest bubble pass.
func pass(d time.Duration) { <-time.After(d) }

func TestCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{}), offer("a", 1, 1)
		for range 2 {
			pick(t, b, a).Done(Failed, 0)
		}
		serve(t, b, time.Second, a)
		for range 2 {
			pick(t, b, a).Done(Failed, 0)
		}
		pick(t, b, a).Done(Neutral, 0) // neither here nor there
		early, late := pick(t, b, a), pick(t, b, a)
		early.Done(Failed, 0) // the third in a row

		// While it is down there is one probe at a time, after a wait that doubles up to 10 s.
		for _, ms := range []int{250, 500, 1000, 2000, 4000, 8000, 10000, 10000} {
			wait := time.Duration(ms) * time.Millisecond
			if e := busy(t, b, a); e.Cause != Down || e.RetryAfter != wait || e.Offer != a {
				t.Fatalf("Pick = %+v, want down for %s", e, wait)
			}
			pass(wait)
			probe := pick(t, b, a)
			if e := busy(t, b, a); e.Cause != Down {
				t.Fatalf("Pick beside a probe = %+v, want down", e)
			}
			probe.Done(Neutral, 0) // nothing is known: the next one is a probe again
			pick(t, b, a).Done(Failed, 0)
		}
		late.Done(Succeeded, 0) // began before it went down
		if e := busy(t, b, a); e.Cause != Down {
			t.Fatalf("after the end of an old request: %+v, want it still down", e)
		}
		pass(10 * time.Second)
		stale := pick(t, b, a)
		stale.Done(Succeeded, 0)
		stale.Done(Failed, 0) // a lease ends once
		for range 2 {
			pick(t, b, a).Done(Failed, 0)
		}
		if h := b.Health(a); h.State != "ok" || h.InFlight != 0 {
			t.Errorf("after it came back and two failures: %+v, want it ok and idle", h)
		}
	})
}

// What began before a provider went down and came back says nothing about it as it is now.
func TestOldFailuresDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{}), offer("a", 1, 1)
		var old []*Lease
		for range 2 * fewestFails {
			old = append(old, pick(t, b, a))
		}
		for _, l := range old[:fewestFails] {
			l.Done(Failed, 0)
		}
		pass(firstProbe)
		serve(t, b, time.Second, a)
		for _, l := range old[fewestFails:] {
			l.Done(Failed, 0)
		}
		if h := b.Health(a); h.State != "ok" {
			t.Errorf("health = %+v, want it ok", h)
		}
	})
}

// A probe may be a stream of minutes. Once it has begun it keeps nobody out; only one request at a time waits for that.
func TestAProbeThatAnswersKeepsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{}), offer("a", 1, 1)
		for range fewestFails {
			pick(t, b, a).Done(Failed, 0)
		}
		pass(firstProbe)
		long := pick(t, b, a)
		long.FirstByte(time.Second)
		next := pick(t, b, a)
		if e := busy(t, b, a); e.Cause != Down {
			t.Fatalf("Pick beside a probe without a first byte = %+v, want down", e)
		}
		next.Done(Failed, 0)
		if e := busy(t, b, a); e.Cause != Down || e.RetryAfter != 2*firstProbe {
			t.Fatalf("after a probe that failed: %+v, want it down for twice as long", e)
		}
		long.Done(Succeeded, 0)
		for range 2 {
			next = pick(t, b, a)
		}
		next.Done(Failed, 0)
		if h := b.Health(a); h.State != "ok" {
			t.Errorf("after a probe that succeeded and a failure: %+v, want it ok", h)
		}
	})
}

func TestPauses(t *testing.T) {
	const hour = time.Hour
	for _, tc := range []struct {
		name   string
		result Result
		wait   time.Duration
		want   time.Duration
	}{
		{"told to wait", Limited, 7 * time.Second, 7 * time.Second},
		{"told to come back some time", Limited, 0, time.Second},
		{"refused", Refused, 0, 30 * time.Second},
		{"banned", Refused, 59 * time.Minute, 59 * time.Minute},
		{"told to wait for ever", Limited, 100 * hour, hour},
		{"does not know its own model", Unsupported, 0, hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, a, other := testBoard(t, BoardConfig{}), offer("a", 1, 1), offer("b", 9, 9)
				sibling := *a
				sibling.Model = "another"
				pick(t, b, a).Done(tc.result, tc.wait)
				if e := busy(t, b, a); e.Cause != Paused || e.RetryAfter != tc.want {
					t.Errorf("Pick = %+v, want it paused for %s", e, tc.want)
				}
				if got := serve(t, b, time.Second, a, other); got != other {
					t.Errorf("Pick = %s, want the other one", got.Label)
				}
				if _, err := b.Pick(t.Context(), b.Join(), []*Offer{&sibling}, nil); (err == nil) != (tc.result == Unsupported) {
					t.Errorf("Pick of another model there: %v", err)
				}
				pass(tc.want)
				serve(t, b, time.Second, a)
				if got := b.Health(a).SuccessRate; got != 1 {
					t.Errorf("its success rate is %g, want 1: none of this is a failure", got)
				}
			})
		})
	}
}

// One prompt that no provider can do anything with says nothing about any of them.
func TestNeutralChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a, c := testBoard(t, BoardConfig{Policy: Balanced}), offer("a", 1, 1), offer("c", 1, 1)
		serve(t, b, 100*time.Millisecond, a)
		serve(t, b, 100*time.Millisecond, c)
		ha, hc := b.Health(a), b.Health(c)
		for range 100 {
			l := pick(t, b, a, c)
			l.FirstByte(time.Millisecond) // how quickly it was refused
			l.Done(Neutral, time.Hour)
		}
		if got := b.Health(a); got.State != ha.State || got.SuccessRate != ha.SuccessRate || got.FirstByteMS != ha.FirstByteMS || got.InFlight != 0 {
			t.Errorf("health = %+v, was %+v", got, ha)
		}
		if got := b.Health(c); got.SuccessRate != hc.SuccessRate || got.FirstByteMS != hc.FirstByteMS {
			t.Errorf("health = %+v, was %+v", got, hc)
		}
	})
}

func TestAllTried(t *testing.T) {
	b, a := testBoard(t, BoardConfig{}), offer("a", 1, 1)
	_, err := b.Pick(t.Context(), b.Join(), []*Offer{a}, []*Offer{a})
	if e, ok := errors.AsType[*Busy](err); !ok || e.Offer != nil || e.RetryAfter <= 0 {
		t.Errorf("Pick of none = %v, want a Busy about nobody", err)
	}
	if h := b.Health(a); h.State != "untried" || h.SuccessRate != 1 || h.Until != nil {
		t.Errorf("Health = %+v", h)
	}
}

func TestBusyIsAboutTheFirstToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBoard(t, BoardConfig{})
		a, c, d := offer("a", 1, 1), offer("c", 1, 1), offer("d", 1, 1)
		pick(t, b, a).Done(Refused, 0)
		pick(t, b, c).Done(Limited, 5*time.Second)
		pick(t, b, d).Done(Limited, 9*time.Second)
		if e := busy(t, b, a, c, d); e.Offer != c || e.RetryAfter != 5*time.Second || e.Cause != Paused {
			t.Errorf("Pick = %+v, want the one that is back in 5 s", e)
		}
	})
}

func TestPickNeedsNoMemoryButTheLease(t *testing.T) {
	b := testBoard(t, BoardConfig{Funded: func(common.Address) bool { return true }})
	offers := []*Offer{offer("a", 1, 1), offer("b", 1, 1), offer("c", 1, 1)}
	for _, o := range offers {
		o.Limits.RequestsPerMinute = 1 << 40
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() {
		l, err := b.Pick(ctx, b.Join(), offers, nil)
		if err != nil {
			t.Fatal(err)
		}
		l.FirstByte(time.Millisecond)
		l.Done(Succeeded, 0)
	}); n > 2 {
		t.Errorf("%g allocations a request, want no more than 2", n)
	}
}

func TestManyAtOnce(t *testing.T) {
	b := NewBoard(BoardConfig{Registerer: prometheus.NewRegistry(), Wait: time.Millisecond})
	offers := []*Offer{offer("a", 1, 1), offer("b", 1, 1), offer("c", 1, 1)}
	offers[1].Limits.RequestsPerMinute = 600
	table := tableOf(offers...)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				l, err := b.Pick(t.Context(), b.Join(), offers, nil)
				if err != nil {
					continue
				}
				l.FirstByte(time.Duration(j))
				l.Allowance(Allowance{Limit: 600, Remaining: uint64(j), Reset: time.Millisecond})
				b.Verdict(l.Offer.Service.Provider, zg.VerdictVerified)
				if _, err := b.Explain(table, Query{Type: zg.Chatbot, Model: "m"}); err != nil {
					t.Error(err)
				}
				l.Done(Result((i+j)%4), time.Microsecond)
			}
		})
	}
	wg.Wait()
	for _, o := range offers {
		if h := b.Health(o); h.InFlight != 0 {
			t.Errorf("%s has %d requests under way after all have ended", o.Label, h.InFlight)
		}
	}
}

func TestBoardMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewPedanticRegistry()
		b, a := testBoard(t, BoardConfig{Registerer: reg}), offer("a", 1, 1)
		serve(t, b, 500*time.Millisecond, a)
		pick(t, b, a).Done(Limited, time.Minute)
		for range 2 {
			if e := busy(t, b, a); e.Cause != Paused {
				t.Errorf("Pick = %+v, want it paused", e)
			}
		}
		b.Health(offer("b", 1, 1)) // looking leaves no trace
		problems, err := testutil.GatherAndLint(reg)
		if err != nil || len(problems) > 0 {
			t.Errorf("metrics: %v, %v", problems, err)
		}
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				name := f.GetName()
				for _, l := range m.GetLabel() {
					switch l.GetName() {
					case "provider":
						if l.GetValue() != a.Label {
							t.Errorf("%s is about %s", name, l.GetValue())
						}
					default:
						name += " " + l.GetValue()
					}
				}
				got[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
		for name, want := range map[string]float64{
			"zgproxy_route_provider_state paused": 1, "zgproxy_route_provider_state ok": 0, "zgproxy_route_provider_success_ratio": 1,
			"zgproxy_route_provider_first_byte_seconds": .5, "zgproxy_route_provider_in_flight": 0, "zgproxy_route_picks_total": 2,
			"zgproxy_route_held_back_total paused": 2, "zgproxy_route_held_back_total down": 0,
		} {
			if v, ok := got[name]; !ok || v != want {
				t.Errorf("%s = %s, want %g", name, strconv.FormatFloat(v, 'g', -1, 64), want)
			}
		}
	})
}

// The word that an attempt was refused for is told as long as the pause is the refusal's.
func TestAPauseTellsItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{}), offer("a", 1, 1)
		one, two := pick(t, b, a), pick(t, b, a)
		one.Because("future")
		one.Done(Refused, time.Minute)
		if e := busy(t, b, a); e.Why != "future" || e.Offer != a {
			t.Errorf("Pick = %+v, want it to say why", e)
		}
		if why := b.record(a.Label).heldWhy(a, b.record(a.Label).held(a, time.Now())); !strings.Contains(why, "refused us (future)") {
			t.Errorf("explained with %q", why)
		}
		two.Done(Limited, 2*time.Minute)
		if e := busy(t, b, a); e.Why != "" || e.RetryAfter != 2*time.Minute {
			t.Errorf("Pick = %+v, want the longer pause, which is not the refusal's", e)
		}
	})
}
