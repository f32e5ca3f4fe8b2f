package billing

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// spend records a fee for alice that the provider will take.
func spend(t *testing.T, s *Store, id, fee string) {
	t.Helper()
	o := order(id, alice)
	o.Bound = og(t, fee)
	o.Price = zg.Price{Output: o.Bound}
	out := answered()
	out.Usage = zg.Usage{Seen: true, OutputTokens: 1}
	if b := mustOpen(t, NewMeter(s, MeterConfig{}), o).Close(out); b.Fee != o.Bound || b.Basis != zg.FeeExact {
		t.Fatalf("booked %+v, want exactly %s", b, fee)
	}
}

// accept is the owner accepting what is shown of alice.
func accept(t *testing.T, n *network, s *Store, k *Keeper) Accepted {
	t.Helper()
	a, err := s.Accept(alice, Acceptance{Drift: k.View().Providers[alice].Drift})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// reason is why alice is not topped up.
func reason(k *Keeper) string { return k.View().Providers[alice].Reason }

// A provider that takes more than we witnessed is not topped up until the owner accepts that, whatever it says and
// however often zgproxy starts.
func TestKeeperPausesOnDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		n := newNetwork(t)
		n.set(alice, "3")
		cfg := KeeperConfig{DriftTolerance: og(t, "0.1")}
		s, err := Open(t.Context(), dir, StoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		k, stop := n.run(s, cfg, alice)
		spend(t, s, "a", "0.2")
		n.set(alice, "2.75") // 0.05 more than that: tolerated
		advance(time.Minute)
		if d := k.View().Providers[alice].Drift; d != og(t, "0.05") || reason(k) != "" {
			t.Errorf("drift %s, reason %q; want 0.05 tolerated", d.Og(), reason(k))
		}
		n.set(alice, "1")
		advance(time.Minute)
		if d := k.View().Providers[alice].Drift; d != og(t, "1.8") || reason(k) != refusalDrift || n.moved() != 0 {
			t.Errorf("drift %s, reason %q, %d transfers; want 1.8 and a pause", d.Og(), reason(k), n.moved())
		}
		stopped(t, stop)
		check(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}

		s = openStore(t, dir)
		k, stop = n.run(s, cfg, alice)
		advance(time.Minute)
		if reason(k) != refusalDrift || n.moved() != 0 {
			t.Errorf("after a restart: reason %q, %d transfers; want the pause to last", reason(k), n.moved())
		}
		if a := accept(t, n, s, k); a.Drift != og(t, "1.8") {
			t.Errorf("accepted %+v", a)
		}
		advance(time.Minute)
		if n.moved() != 1 || n.locked(alice) != "3" || reason(k) != "" {
			t.Errorf("accepted: %d transfers, %s 0G, reason %q; want it topped up", n.moved(), n.locked(alice), reason(k))
		}
		stopped(t, stop)
	})
}

// A request under way hides no drift that was seen, and none is seen in what it may be.
func TestKeeperPausesOnDriftBesideRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{DriftTolerance: og(t, "0.1")}, alice)
		o := order("slow", alice)
		o.Bound = og(t, "1.5")
		o.Price = zg.Price{Output: o.Bound}
		r := mustOpen(t, NewMeter(s, MeterConfig{}), o)
		n.set(alice, "1.5") // the provider was done before we were
		advance(time.Minute)
		if reason(k) == refusalDrift {
			t.Error("what may be a request under way is taken for drift")
		}
		out := answered()
		out.Usage = zg.Usage{Seen: true, OutputTokens: 1}
		r.Close(out)
		advance(time.Minute)
		moved := n.moved()
		n.set(alice, "1") // now it takes what nobody asked for
		advance(time.Minute)
		o.ID = "another"
		r = mustOpen(t, NewMeter(s, MeterConfig{}), o)
		advance(time.Minute)
		if reason(k) != refusalDrift || n.moved() != moved {
			t.Errorf("beside a request: reason %q, %d more transfers; want the pause to last", reason(k), n.moved()-moved)
		}
		r.Close(Outcome{})
		stopped(t, stop)
	})
}

// A claim alone pauses too, and does so no longer than it is made.
func TestKeeperPausesOnClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		n.with(func() { n.claims[alice] = zg.Neuron{} })
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{DriftTolerance: og(t, "0.1")}, alice)
		spend(t, s, "a", "1.5")
		n.with(func() { n.claims[alice] = og(t, "900") })
		advance(time.Minute)
		if reason(k) != refusalDrift || n.moved() != 0 {
			t.Errorf("reason %q, %d transfers; want a pause", reason(k), n.moved())
		}
		n.with(func() { n.claims[alice] = og(t, "1.5") })
		advance(time.Minute)
		if n.moved() != 1 || n.locked(alice) != "4.5" {
			t.Errorf("%d transfers, %s 0G; want it lifted to 3 above what is owed", n.moved(), n.locked(alice))
		}
		stopped(t, stop)
	})
}

// Debits without events are counted for now, and for good when events fail to tell of them; one that the chain takes
// back is taken back.
func TestKeeperWithoutEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "5")
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{DriftTolerance: og(t, "0.1")}, alice)
		spend(t, s, "a", "0.5")
		silently := func(balance string) {
			n.set(alice, balance)
			n.with(func() { n.debits, n.changed = nil, make(map[common.Address]uint64) })
		}
		silently("4.5")
		advance(31 * time.Second)
		if pv := k.View().Providers[alice]; !pv.Owed.IsZero() || !pv.Settled.IsZero() {
			t.Errorf("at once: owed %s, settled %s; want the debit counted for now only", pv.Owed.Og(), pv.Settled.Og())
		}
		advance(10 * time.Minute)
		if pv := k.View().Providers[alice]; !pv.Owed.IsZero() || pv.Settled != og(t, "0.5") || !pv.Drift.IsZero() {
			t.Errorf("later: owed %s, settled %s, drift %s; want it settled", pv.Owed.Og(), pv.Settled.Og(), pv.Drift.Og())
		}
		silently("2.5")
		advance(31 * time.Second)
		if pv := k.View().Providers[alice]; pv.Drift != og(t, "2") {
			t.Errorf("two more taken: drift %s, want 2", pv.Drift.Og())
		}
		silently("4.5")
		advance(10 * time.Minute)
		if pv := k.View().Providers[alice]; !pv.Drift.IsZero() || reason(k) != "" {
			t.Errorf("and given back: drift %s, reason %q; want none", pv.Drift.Og(), reason(k))
		}
		// A node that cannot tell events at all.
		n.with(func() {
			n.hook = func(call string) error {
				if call == "Movements" {
					return errors.New("method not found")
				}
				return nil
			}
		})
		spend(t, s, "b", "0.5")
		silently("4")
		advance(10 * time.Minute)
		if pv := k.View().Providers[alice]; pv.Settled != og(t, "1") || !pv.Drift.IsZero() || k.View().Err != nil {
			t.Errorf("without eth_getLogs: settled %s, drift %s, Err %v", pv.Settled.Og(), pv.Drift.Og(), k.View().Err)
		}
		stopped(t, stop)
	})
}

// A block's number is no state: while the accounts are read, a reorganisation may put another block there. What one look found
// at a number is not believed of another look at the same one.
func TestKeeperReadsTheSameBlockOfAnotherBranch(t *testing.T) {
	for _, blocks := range []uint64{0, 1} { // that follow on the new branch after the first look at it
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			n.set(alice, "5")
			s := openStore(t, t.TempDir())
			k, stop := n.run(s, KeeperConfig{DriftTolerance: og(t, "0.1")}, alice)
			spend(t, s, "a", "0.5")
			n.set(alice, "4.5")
			advance(31 * time.Second)
			elsewhere := func(balance string) {
				n.with(func() {
					n.debits, n.changed = nil, make(map[common.Address]uint64)
					n.accounts[alice] = zg.SubAccount{Provider: alice, Balance: og(t, balance), Acknowledged: true}
				})
				for before := n.looks(); n.looks() == before; {
					advance(time.Second)
				}
				n.blocks(blocks)
				advance(10 * time.Minute)
			}
			elsewhere("5")
			if pv := k.View().Providers[alice]; !pv.Debited.IsZero() || !pv.Drift.IsZero() {
				t.Errorf("%d blocks: debited %s, drift %s; want neither, the debit is gone",
					blocks, pv.Debited.Og(), pv.Drift.Og())
			}
			elsewhere("3")
			if pv := k.View().Providers[alice]; pv.Debited != og(t, "2") || pv.Drift != og(t, "1.5") {
				t.Errorf("%d blocks: debited %s, drift %s; want 2 and the 1.5 that nobody asked for", blocks, pv.Debited.Og(), pv.Drift.Og())
			}
			stopped(t, stop)
		})
	}
}

// What the owner does not know a provider as gets no top-up. The question is asked about the reading that the decision is made
// from, and where it cannot be answered, nothing is paid.
func TestKeeperPaysWhomTheOwnerKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		var code string
		var failed error
		n.with(func() {
			code = zg.SuspendedSigner
			n.services[alice] = zg.Service{Provider: alice, Type: zg.Chatbot, TEESignerAcknowledged: true, TEESigner: common.Address{2}}
		})
		cfg := KeeperConfig{Trusted: func(s zg.Service) (is string, err error) {
			n.with(func() {
				if is, err = code, failed; s.Provider != alice || s.TEESigner != (common.Address{2}) {
					t.Errorf("asked about %+v", s)
				}
			})
			return is, err
		}}
		k, stop := n.run(openStore(t, t.TempDir()), cfg, alice)
		defer stopped(t, stop)
		for _, tt := range []struct {
			code   string
			err    error
			reason string
		}{
			{zg.SuspendedSigner, nil, refusalSignerChange},
			{zg.SuspendedUnacked, nil, refusalSigner},
			{zg.SuspendedURL, nil, refusalSuspended},
			{"", errors.New("disk full"), refusalSigning},
		} {
			n.with(func() { code, failed = tt.code, tt.err })
			advance(5 * time.Minute)
			if reason(k) != tt.reason || n.moved() != 0 {
				t.Errorf("%q, %v: reason %q, %d transfers; want %q and none", tt.code, tt.err, reason(k), n.moved(), tt.reason)
			}
		}
		n.with(func() { code, failed = "", nil })
		advance(5 * time.Minute)
		if n.moved() != 1 || reason(k) != "" {
			t.Errorf("known: %d transfers, reason %q", n.moved(), reason(k))
		}
	})
}

// What a provider says it wants left is followed as far as the owner goes along with it, and remembered.
func TestKeeperLearnsReserves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		n := newNetwork(t)
		n.set(alice, "3")
		s, err := Open(t.Context(), dir, StoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		k, stop := n.run(s, KeeperConfig{MaxReserve: og(t, "4")}, alice)
		k.Learn(alice, wantsReserve(og(t, "4")))
		advance(time.Minute)
		if n.locked(alice) != "5.5" {
			t.Errorf("%s 0G, want 5.5: half a step above the reserve of 4, and a step more", n.locked(alice))
		}
		n.set(alice, "1.5")
		k.Learn(alice, wantsReserve(og(t, "1000")))
		advance(5 * time.Minute)
		if reason(k) != refusalReserve || n.locked(alice) != "1.5" {
			t.Errorf("reason %q, %s 0G; want nothing for a provider that wants 1000", reason(k), n.locked(alice))
		}
		stopped(t, stop)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, dir)
		k, stop = n.run(s, KeeperConfig{MaxReserve: og(t, "4")}, alice)
		if reason(k) != refusalReserve || k.View().Providers[alice].Reserve != og(t, "1000") || !k.View().Providers[alice].ReserveAt.IsZero() {
			t.Errorf("after a restart: %+v", k.View().Providers[alice])
		}
		k.Learn(alice, wantsReserve(og(t, "1")))
		advance(time.Minute)
		if n.locked(alice) != "3" {
			t.Errorf("%s 0G after the provider has come to its senses, want 3", n.locked(alice))
		}
		stopped(t, stop)
	})
}

// Every limit on transfers holds, each separately, whatever is taken.
func TestKeeperBudgets(t *testing.T) {
	for name, tt := range map[string]struct {
		budget Budget
		most   map[common.Address]string
		all    string
		reason string
	}{
		"day":            {budget: Budget{Day: CapOf(og(t, "5"))}, all: "5", reason: "budget_transfers_day"},
		"total":          {budget: Budget{Total: CapOf(og(t, "7"))}, all: "7", reason: "budget_transfers_total"},
		"provider day":   {budget: Budget{ProviderDay: ProviderCaps{Each: CapOf(og(t, "3"))}}, most: map[common.Address]string{alice: "3", bob: "3"}, reason: "budget_transfers_provider_day"},
		"provider total": {budget: Budget{ProviderTotal: ProviderCaps{Each: CapOf(og(t, "100")), Except: map[common.Address]Cap{alice: CapOf(og(t, "2"))}}}, most: map[common.Address]string{alice: "2", bob: "100"}, reason: "budget_transfers_provider_total"},
		"nothing":        {budget: Budget{Total: CapOf(zg.Neuron{})}, all: "0", reason: "budget_transfers_total"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.ledger.Available = og(t, "1000")
				s := openStore(t, t.TempDir())
				if _, set := tt.budget.Day.Limit(); !set {
					tt.budget.Day = CapOf(zg.MaxNeuron)
				}
				n.set(alice, "1")
				n.set(bob, "1")
				k, stop := n.run(s, KeeperConfig{Budget: tt.budget}, alice, bob)
				for range 40 {
					advance(10 * time.Minute)
					n.set(alice, "1")
					n.set(bob, "1")
				}
				advance(time.Minute)
				sums, err := s.Transferred(t.Context(), time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				if sum := sums[alice].All().Add(sums[bob].All()); tt.all != "" && sum != og(t, tt.all) {
					t.Errorf("%s 0G were moved, want exactly the limit of %s", sum.Og(), tt.all)
				}
				for p, most := range tt.most {
					if got := sums[p].All(); og(t, most).Less(got) || (p == alice && got != og(t, most)) {
						t.Errorf("%s got %s 0G, want at most %s", p, got.Og(), most)
					}
				}
				if reason(k) != tt.reason {
					t.Errorf("reason %q, want %q", reason(k), tt.reason)
				}
				stopped(t, stop)
			})
		})
	}
}

// The ledger is filled from the wallet where the owner said so: no more than that in all, and never below the floor.
func TestKeeperDeposits(t *testing.T) {
	for _, tt := range []struct{ fund, floor, wallet, want, reason string }{
		{"0", "0", "50", "0", refusalNoLedger},
		{"10", "0.5", "50", "3", ""},
		{"2", "0", "50", "0", refusalAutoFundCap},
		{"10", "48", "50", "0", refusalWallet},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.set(alice, "1")
				n.with(func() { n.ledger, n.wallet = nil, og(t, tt.wallet) })
				s := openStore(t, t.TempDir())
				k, stop := n.run(s, KeeperConfig{AutoFund: og(t, tt.fund), WalletFloor: og(t, tt.floor)}, alice)
				advance(5 * time.Minute)
				moved, err := s.AutoFunded(t.Context())
				if err != nil || moved.Deposits != og(t, tt.want) || reason(k) != tt.reason {
					t.Errorf("%s 0G were deposited, reason %q, %v; want %s, %q", moved.Deposits.Og(), reason(k), err, tt.want, tt.reason)
				}
				if tt.want != "0" && n.locked(alice) != "3" {
					t.Errorf("after the deposit the account has %s 0G, want 3", n.locked(alice))
				}
				stopped(t, stop)
			})
		})
	}
}

// A clock that jumps ahead does not empty the window of a day.
func TestKeeperClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		start := time.Now()
		var ahead atomic.Int64
		n.with(func() { n.clock = func() time.Time { return time.Now() } })
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{Budget: Budget{Day: CapOf(og(t, "2"))}, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}, alice)
		advance(time.Minute)
		n.set(alice, "1")
		ahead.Store(int64(72 * time.Hour))
		advance(time.Hour)
		n.set(alice, "1")
		advance(time.Hour)
		if sums, err := s.Transferred(t.Context(), start.Add(-time.Hour)); err != nil || sums[alice].All() != og(t, "2") {
			t.Errorf("%v, %v were moved although the chain's clock did not jump; reason %q", sums, err, reason(k))
		}
		stopped(t, stop)
	})
}

// What was matched for one wallet means nothing for another.
func TestKeeperOfAnotherWallet(t *testing.T) {
	s := openStore(t, t.TempDir())
	for _, w := range []string{"1/a", "1/a", "1/b"} {
		if err := s.adopt(w); err != nil {
			t.Fatal(err)
		}
		all, err := s.accounts()
		if err != nil {
			t.Fatal(err)
		}
		if w == "1/b" && len(all) != 0 {
			t.Errorf("the accounts of another wallet are still there: %v", all)
		}
		if _, err := s.changeAccount(alice, func(a *account) { a.reserve = zg.OneOG }); err != nil {
			t.Fatal(err)
		}
	}
}

// Estimates are lowered to what the provider claims once nothing has moved for a while, and not by a claim that is
// lower because the provider has just taken its fees.
func TestKeeperCorrectsEstimates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "5")
		n.with(func() { n.claims[alice] = zg.Neuron{} })
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{DriftTolerance: og(t, "0.01")}, alice)
		advance(time.Minute)
		spend(t, s, "exact", "0.2")
		o := order("broken off", alice)
		o.Bound = og(t, "0.9")
		mustOpen(t, NewMeter(s, MeterConfig{}), o).Close(Outcome{Status: 200, Reached: true})
		n.with(func() { n.claims[alice] = og(t, "0.5") })
		advance(45 * time.Second)
		if pv := k.View().Providers[alice]; !pv.Corrected.IsZero() || pv.Owed != og(t, "0.5") {
			t.Errorf("at once: corrected %s, owed %s", pv.Corrected.Og(), pv.Owed.Og())
		}
		// It settles, and for a moment its claim is ahead of what the chain shows us.
		n.with(func() { n.claims[alice] = zg.Neuron{} })
		advance(40 * time.Second)
		n.set(alice, "4.5")
		advance(3 * time.Minute)
		if pv := k.View().Providers[alice]; !pv.Drift.IsZero() || pv.Corrected != og(t, "0.6") || pv.Settled != og(t, "0.5") || !pv.Owed.IsZero() {
			t.Errorf("in the end: drift %s, corrected %s, settled %s, owed %s; want nothing, 0.6, 0.5, nothing", pv.Drift.Og(), pv.Corrected.Og(), pv.Settled.Og(), pv.Owed.Og())
		}
		stopped(t, stop)
	})
}

// wantsReserve is a refusal that names a reserve and nothing else.
func wantsReserve(n zg.Neuron) Shortfall {
	return Shortfall{Type: zg.Chatbot, Detail: zg.RefusalDetail{Class: zg.RefusalBalance, Reserve: n}}
}
