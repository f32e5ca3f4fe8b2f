package billing

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// claim has alice say what she has not taken yet.
func (n *network) claim(amount string) {
	n.with(func() { n.claims[alice] = og(n.t, amount) })
}

// A provider sends its settlement, waits for the receipt, and only then deletes what it has taken. Meanwhile its claim
// has the same fees again: that is no drift, and stops no top-up.
func TestSettlementUnderWayIsNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		n.claim("0")
		s := openStore(t, t.TempDir())
		reg := prometheus.NewPedanticRegistry()
		k, stop := n.run(s, KeeperConfig{DriftTolerance: og(t, "0.01"), Registerer: reg}, alice)
		spend(t, s, "a", "1.62")
		n.claim("1.62")
		advance(time.Minute)
		n.set(alice, "3")    // it was topped up to 4.62; now the debit is mined …
		advance(time.Minute) // … and the claim stays
		pv := k.View().Providers[alice]
		if !pv.Drift.IsZero() || pv.Watched != og(t, "1.62") || pv.WatchedSince.IsZero() || reason(k) != "" {
			t.Errorf("drift %s, watched %s since %v, reason %q; want 1.62 watched", pv.Drift.Og(), pv.Watched.Og(), pv.WatchedSince, reason(k))
		}
		if v := gauge(t, reg, "zgproxy_watched_neuron"); v != 1.62e18 {
			t.Errorf("the metric has %v", v)
		}
		before := n.moved()
		spend(t, s, "more", "1.2")
		n.claim("2.82")
		advance(time.Minute)
		if n.moved() != before+1 || n.locked(alice) != "4.2" || reason(k) != "" {
			t.Errorf("%d transfers, %s 0G, reason %q; want the top-up not to wait", n.moved()-before, n.locked(alice), reason(k))
		}

		// What is accepted now is nothing: there is no drift to accept.
		if a := accept(t, n, s, k); !a.Drift.IsZero() {
			t.Errorf("accepted %s 0G of a settlement under way", a.Drift.Og())
		}
		n.set(alice, "3")
		n.claim("0")
		advance(time.Minute)
		spend(t, s, "b", "0.00001")
		n.claim("0.7")
		advance(time.Minute)
		if pv := k.View().Providers[alice]; pv.Drift != og(t, "0.69999") || !pv.Watched.IsZero() {
			t.Errorf("drift %s, watched %s; want 0.69999 and nothing", pv.Drift.Og(), pv.Watched.Og())
		}
		n.set(alice, "1.5")
		advance(time.Minute)
		if reason(k) != refusalDrift {
			t.Errorf("reason %q, want top-ups stopped", reason(k))
		}
		stopped(t, stop)
	})
}

// An older zgproxy accepted what a settlement under way showed. It lapses when the claim falls without a debit, and
// with it what it would have hidden.
func TestAcceptedClaimLapses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		n.claim("0")
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{DriftTolerance: og(t, "0.01")}, alice)
		spend(t, s, "a", "1.62")
		n.set(alice, "1.38")
		n.claim("1.62")
		advance(time.Minute)
		if _, err := s.Accept(alice, Acceptance{Drift: og(t, "1.62")}); err != nil {
			t.Fatal(err)
		}
		advance(time.Minute)
		n.claim("0")
		advance(2 * settlementTime)
		spend(t, s, "b", "0.00001")
		n.claim("0.7")
		advance(time.Minute)
		if d := k.View().Providers[alice].Drift; d != og(t, "0.69999") {
			t.Errorf("drift %s, want 0.69999", d.Og())
		}
		stopped(t, stop)
	})
}

// A claim that never falls is drift once the time of a settlement is over, and after a restart, too.
func TestClaimThatStaysIsDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		n.claim("0")
		s := openStore(t, t.TempDir())
		_, stop := n.run(s, KeeperConfig{DriftTolerance: og(t, "0.01")}, alice)
		spend(t, s, "a", "1")
		n.set(alice, "2")
		n.claim("1")
		advance(time.Minute)
		stopped(t, stop)
		k, stop := n.run(s, KeeperConfig{DriftTolerance: og(t, "0.01")}, alice)
		advance(time.Minute)
		if pv := k.View().Providers[alice]; !pv.Drift.IsZero() || pv.Watched != og(t, "1") {
			t.Errorf("after a restart: drift %s, watched %s; want 1 watched", pv.Drift.Og(), pv.Watched.Og())
		}
		advance(settlementTime)
		pv := k.View().Providers[alice]
		if pv.Drift != og(t, "1") || !pv.DriftTaken.IsZero() || !pv.Watched.IsZero() {
			t.Errorf("drift %s, of it taken %s, watched %s; want 1, all of it claimed", pv.Drift.Og(), pv.DriftTaken.Og(), pv.Watched.Og())
		}
		stopped(t, stop)
	})
}

// A claim that still contains what was taken does not make an estimate look right: it is corrected by the claim after
// that.
func TestEstimatesWaitForASettlementUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "9")
		n.claim("0")
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{}, alice)
		spend(t, s, "a", "1")
		cut := order("cut", alice) // booked at its bound of 3; the provider has it at 0.4
		cut.Bound = og(t, "3")
		if b := mustOpen(t, NewMeter(s, MeterConfig{}), cut).Close(Outcome{Reached: true}); b.Fee != cut.Bound {
			t.Fatalf("booked %+v", b)
		}
		n.claim("1.4")
		n.set(alice, "8") // takes the first …
		advance(3 * time.Minute)
		n.claim("0.4") // … and deletes it long after that
		advance(3 * time.Minute)
		if pv := k.View().Providers[alice]; pv.Corrected != og(t, "2.6") || !pv.Drift.IsZero() {
			t.Errorf("corrected by %s, drift %s; want 2.6 and none", pv.Corrected.Og(), pv.Drift.Og())
		}
		stopped(t, stop)
	})
}

// Debits again and again do not keep a claim unexplained for ever, and never explain more than was debited.
func TestFlightIsBounded(t *testing.T) {
	one, now := zg.OneOG, time.Unix(1_000_000, 0)
	var f flight
	f.saw(zg.Neuron{}, one, true, now)
	for range 59 {
		now = now.Add(time.Minute)
		f.saw(one, one.Mul(2), true, now)
		f.watch(one, now)
		if got := f.excuse(one.Mul(9), zg.Neuron{}, now); one.Mul(2).Less(got) {
			t.Fatalf("excused %s of a claim of 2", got.Og())
		}
		if got := f.excuse(one, zg.Neuron{}, now); got != one {
			t.Fatalf("excused %s, want 1", got.Og())
		}
	}
	now = now.Add(2 * time.Minute)
	f.saw(one, one.Mul(2), true, now)
	f.watch(one, now)
	if got := f.excuse(one, zg.Neuron{}, now); !got.IsZero() {
		t.Errorf("after an hour at which no look fitted %s are excused", got.Og())
	}
	f.watch(zg.Neuron{}, now)
	f.watch(one, now)
	if got := f.excuse(one, zg.Neuron{}, now); got != one {
		t.Errorf("excused %s after a look that fitted, want 1", got.Og())
	}
}

// Of a settlement that is reflected in parts, only the rest is excused.
func TestPartialSettlementLandsInParts(t *testing.T) {
	one, now := zg.OneOG, time.Unix(1_000_000, 0)
	var f flight
	f.saw(zg.Neuron{}, one.Mul(10), true, now)
	f.saw(one.Mul(6), one.Mul(10), true, now)
	f.saw(zg.Neuron{}, one.Mul(7), true, now)
	if f.total() != one.Mul(3) {
		t.Errorf("in flight %s, want 3", f.total().Og())
	}
	f.saw(zg.Neuron{}, one.Mul(9), true, now.Add(settlementTime))
	if !f.total().IsZero() {
		t.Errorf("in flight %s after the time of a settlement", f.total().Og())
	}
}
