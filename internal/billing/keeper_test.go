package billing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func TestKeeperFillsLowAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1.5")
		n.set(bob, "2")
		s := openStore(t, t.TempDir())
		reg := prometheus.NewRegistry()
		k, stop := n.run(s, KeeperConfig{Registerer: reg}, alice, bob, alice)
		advance(5 * time.Second)
		if got := n.locked(alice); got != "3" {
			t.Errorf("the low account has %s 0G, want 3", got)
		}
		if got := n.locked(bob); got != "2" {
			t.Errorf("the account at the mark has %s 0G, want it left alone", got)
		}
		v := k.View()
		if v.Err != nil || v.Providers[alice].Account.Locked() != og(t, "3") || !v.Providers[alice].Exists || v.Providers[alice].Reason != "" {
			t.Errorf("view %+v", v)
		}
		tops := topUps(t, s)
		if len(tops) != 1 || tops[0].State != EntryMined || tops[0].Intent.Amount != og(t, "1.5") || tops[0].EndedAt.IsZero() {
			t.Errorf("top-ups %+v, want one of 1.5 0G, mined", tops)
		}
		if err := testutil.GatherAndCompare(reg, strings.NewReader(fmt.Sprintf(`
# HELP zgproxy_balance_neuron What is in the sub-account with a provider and not under refund.
# TYPE zgproxy_balance_neuron gauge
zgproxy_balance_neuron{provider="%[2]s"} 2e+18
zgproxy_balance_neuron{provider="%[1]s"} 3e+18
# HELP zgproxy_ledger_available_neuron What is left in the ledger for top-ups.
# TYPE zgproxy_ledger_available_neuron gauge
zgproxy_ledger_available_neuron 9.85e+19
# HELP zgproxy_topups_total Top-ups of sub-accounts, by how they ended.
# TYPE zgproxy_topups_total counter
zgproxy_topups_total{outcome="mined",provider="%[1]s"} 1
# HELP zgproxy_wallet_neuron Balance of the wallet itself, which pays for gas.
# TYPE zgproxy_wallet_neuron gauge
zgproxy_wallet_neuron 1e+18
`, alice.Hex(), bob.Hex())), "zgproxy_balance_neuron", "zgproxy_ledger_available_neuron", "zgproxy_topups_total", "zgproxy_wallet_neuron"); err != nil {
			t.Error(err)
		}
		stopped(t, stop)
	})
}

func TestKeeperOpensMissingAccounts(t *testing.T) {
	for _, auto := range []zg.Neuron{{}, og(t, "6")} {
		t.Run(fmt.Sprintf("auto fund %s", auto), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				s := openStore(t, t.TempDir())
				k, stop := n.run(s, KeeperConfig{AutoFund: auto}, alice, bob)
				advance(time.Minute)
				want, reason := "0", refusalAutoFund
				if !auto.IsZero() {
					want, reason = "3", ""
				}
				for _, p := range []common.Address{alice, bob} {
					if got := n.locked(p); got != want || k.View().Providers[p].Reason != reason {
						t.Errorf("%s has %s 0G, reason %q; want %s, %q", p, got, k.View().Providers[p].Reason, want, reason)
					}
				}
				for i, tu := range topUps(t, s) {
					if want := uint64(6 - i); tu.Nonce != want {
						t.Errorf("top-up %d has nonce %d, want %d: one after the other", i, tu.Nonce, want)
					}
				}
				stopped(t, stop)
			})
		})
	}
}

// Whatever is spent, no more than the cap is moved in any 24 hours.
func TestKeeperDailyCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{Budget: Budget{Day: CapOf(og(t, "5"))}}, alice)
		for range 60 {
			advance(10 * time.Minute)
			n.set(alice, "1") // somebody takes it all, again and again
		}
		advance(time.Minute)
		sum := zg.Neuron{}
		for _, tu := range topUps(t, s) {
			sum = sum.Add(tu.Intent.Amount)
		}
		if sum != og(t, "5") {
			t.Errorf("%s 0G were moved in half a day, want the cap of 5", sum.Og())
		}
		if r := k.View().Providers[alice].Reason; r != refusalBudget+"day" {
			t.Errorf("reason %q, want %q", r, refusalBudget+"day")
		}
		advance(15 * time.Hour)
		if n.locked(alice) == "1" {
			t.Error("a day later nothing is moved")
		}
		stopped(t, stop)
	})
}

// A node that lags behind shows the account without the money it got. It is not believed.
func TestKeeperIgnoresOldBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		n := newNetwork(t)
		n.set(alice, "1")
		old, err := n.Holdings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), dir, StoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		n.after = func() error { n.old = &old; return nil }
		k, stop := n.run(s, KeeperConfig{}, alice)
		advance(10 * time.Minute)
		if n.moved() != 1 {
			t.Errorf("%d transfers, want one", n.moved())
		}
		if err := k.View().Err; !errors.Is(err, errStale) {
			t.Errorf("View().Err = %v, want errStale", err)
		}
		stopped(t, stop)
		check(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}

		// Nor after a restart.
		s = openStore(t, dir)
		k, stop = n.run(s, KeeperConfig{}, alice)
		advance(10 * time.Minute)
		if n.moved() != 1 || !errors.Is(k.View().Err, errStale) {
			t.Errorf("after a restart: %d transfers, Err %v", n.moved(), k.View().Err)
		}
		n.with(func() { n.old = nil })
		advance(time.Minute)
		if err := k.View().Err; err != nil || n.moved() != 1 {
			t.Errorf("the node has caught up: %d transfers, Err %v", n.moved(), err)
		}
		stopped(t, stop)
	})
}

// Of two nodes that answer in turn, the one that lags is not listened to, top-up or not.
func TestKeeperNeverGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		old, err := n.Holdings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n.set(alice, "5") // the owner did that by hand
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{}, alice)
		n.with(func() { n.old = &old })
		advance(5 * time.Minute)
		if v := k.View(); n.moved() != 0 || !errors.Is(v.Err, errStale) || v.Providers[alice].Account.Locked() != og(t, "5") {
			t.Errorf("%d transfers, view %+v; want none and the newer state", n.moved(), v)
		}
		stopped(t, stop)
	})
}

// Nor is a node that does not have yet what the owner has moved by hand: it would be moved once more.
func TestKeeperSeesWhatWasMovedByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{}, alice)
		advance(time.Minute)
		n.set(alice, "1")
		old, err := n.Holdings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n.with(func() {
			n.hook = func(call string) error {
				if call == "Holdings" {
					return errors.New("not now")
				}
				return nil
			}
		})
		a := n.attempt(k.journal, zg.Intent{Kind: zg.IntentTransfer, Provider: alice, Amount: og(t, "2")}, OriginHand)
		advance(time.Minute)
		a.wants(t, EntryMined, 1)
		n.with(func() { n.hook, n.old = nil, &old })
		advance(5 * time.Minute)
		if n.moved() != 1 || !errors.Is(k.View().Err, errStale) {
			t.Errorf("%d transfers, Err %v; want the owner's, and nothing decided by what was before", n.moved(), k.View().Err)
		}
		n.with(func() { n.old = nil })
		advance(time.Minute)
		if err := k.View().Err; err != nil || n.moved() != 1 || n.locked(alice) != "3" {
			t.Errorf("the node has caught up: %d transfers, %s 0G, Err %v", n.moved(), n.locked(alice), err)
		}
		stopped(t, stop)
	})
}

// A whole transaction may go by while the accounts are read: they do not have yet what it moved, and the budget does.
func TestKeeperReadsAgainWhatATransactionOvertook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		n.asking, n.telling = 10*time.Second, time.Minute
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{Every: 5 * time.Second, Budget: Budget{Day: CapOf(og(t, "2"))}}, alice)
		for range 60 {
			advance(5 * time.Second)
			if r := k.View().Providers[alice].Reason; r != "" {
				t.Errorf("reason %q, with %s 0G in the sub-account", r, n.locked(alice))
				break
			}
		}
		if got := n.locked(alice); got != "3" {
			t.Errorf("the sub-account has %s 0G, want 3", got)
		}
		stopped(t, stop)
	})
}

// A provider that claims more than it is owed gets no more than what we know to have spent.
func TestKeeperDoesNotBelieveClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		n.with(func() { n.claims[alice] = og(t, "1000") })
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{Budget: Budget{Day: CapOf(og(t, "500"))}}, alice)
		advance(5 * time.Minute)
		if n.moved() != 0 {
			t.Fatalf("%d transfers for a mere claim", n.moved())
		}
		if pv := k.View().Providers[alice]; !pv.Owed.IsZero() || pv.Unsettled != og(t, "1000") || !pv.UnsettledKnown {
			t.Errorf("view %+v: the claim is to be shown and not believed", pv)
		}

		// 1.2 0G of fees that we do know, and an answer that claims to have cost far more than it can.
		m := NewMeter(s, MeterConfig{})
		for i, bound := range []string{"1.1", "0.1"} {
			o := order(fmt.Sprint(i), alice)
			o.Bound = og(t, bound)
			o.Price = zg.Price{Output: o.Bound}
			out := answered()
			out.Usage = zg.Usage{Seen: true, OutputTokens: uint64(1 + i*1_000_000)}
			mustOpen(t, m, o).Close(out)
		}
		advance(5 * time.Minute)
		if got := n.locked(alice); got != "4.2" {
			t.Errorf("the account was lifted to %s 0G, want high water plus what was witnessed: 4.2", got)
		}
		// The provider takes what it is owed; its claim stays.
		n.set(alice, "3")
		advance(5 * time.Minute)
		if pv := k.View().Providers[alice]; !pv.Owed.IsZero() || n.moved() != 1 {
			t.Errorf("after the debit %s 0G are still owed, %d transfers", pv.Owed.Og(), n.moved())
		}
		stopped(t, stop)
	})
}

// A provider that does not say what it is owed is owed what we spent.
func TestKeeperCountsItselfWithoutClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		n := newNetwork(t)
		n.set(alice, "3")
		s, err := Open(t.Context(), dir, StoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		spend := func(s *Store, id, fee string) {
			o := order(id, alice)
			o.Bound = og(t, fee)
			mustOpen(t, NewMeter(s, MeterConfig{}), o).Close(Outcome{Status: 200, Reached: true, Complete: true})
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		_, stop := n.run(s, KeeperConfig{}, alice)
		stopped(t, stop)
		spend(s, "a", "0.9")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, dir)
		k, stop := n.run(s, KeeperConfig{}, alice)
		if got := k.View().Providers[alice].Owed.Og(); got != "0.9" {
			t.Errorf("after a restart %s 0G are owed, want 0.9", got)
		}
		if n.moved() != 0 {
			t.Error("2.1 0G is above the mark and was topped up")
		}
		spend(s, "b", "0.3")
		k.Nudge()
		advance(5 * time.Second)
		if got := n.locked(alice); got != "4.2" {
			t.Errorf("the account has %s 0G, want 4.2", got)
		}
		stopped(t, stop)
	})
}

// What a provider takes while a top-up of ours is under way is not hidden by it.
func TestKeeperSeesDebitsBehindTopUps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "2.2")
		n.after = func() error {
			a := n.accounts[alice]
			a.Balance = a.Balance.Sub(og(t, "0.5"))
			n.accounts[alice] = a
			n.debits = append(n.debits, zg.Settlement{Provider: alice, Amount: og(t, "0.5"), Block: n.block, Tx: common.Hash{9}})
			n.after = nil
			return nil
		}
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{}, alice)
		o := order("a", alice)
		o.Bound = og(t, "0.5")
		mustOpen(t, NewMeter(s, MeterConfig{}), o).Close(Outcome{Status: 200, Reached: true})
		k.Nudge()
		advance(5 * time.Second)
		if got, owed := n.locked(alice), k.View().Providers[alice].Owed; got != "3" || !owed.IsZero() {
			t.Errorf("the account has %s 0G and owes %s, want 3 and nothing", got, owed.Og())
		}
		stopped(t, stop)
	})
}

// Requests under way make a top-up come earlier, never larger.
func TestKeeperCountsHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "2.4")
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{}, alice)
		o := order("huge", alice)
		o.Bound = og(t, "1000")
		r := mustOpen(t, NewMeter(s, MeterConfig{}), o)
		k.Nudge()
		advance(5 * time.Minute)
		if got := n.locked(alice); got != "3" || n.moved() != 1 {
			t.Errorf("the account has %s 0G after %d transfers, want 3 after one", got, n.moved())
		}
		r.Close(Outcome{})
		stopped(t, stop)
	})
}

// What cannot be read is not known, and what is not known is not spent on.
func TestKeeperUnknownNeverSpends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		down := errors.New("connection refused")
		n.hook = func(string) error { return down }
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{AutoFund: zg.OneOG.Mul(100)}, alice, bob)
		advance(10 * time.Minute)
		if v := k.View(); !errors.Is(v.Err, down) || !v.ReadAt.IsZero() || len(v.Providers) != 0 {
			t.Errorf("view %+v, want nothing but the error", v)
		}
		if len(topUps(t, s)) != 0 {
			t.Error("something was signed")
		}
		if n.looks() > 30 {
			t.Errorf("%d reads of a node that is down in ten minutes", n.looks())
		}
		n.with(func() { n.hook = nil })
		advance(time.Minute)
		if k.View().Err != nil || n.locked(alice) != "3" {
			t.Errorf("the node is back: Err %v, %s 0G", k.View().Err, n.locked(alice))
		}
		stopped(t, stop)
	})
}

func TestKeeperNudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{Every: time.Hour}, alice)
		before := n.looks()
		for range 100 {
			k.Nudge()
			advance(100 * time.Millisecond)
		}
		if got := n.looks() - before; got < 3 || got > 6 {
			t.Errorf("%d looks for a hundred nudges in ten seconds, want about five", got)
		}
		before = n.looks()
		advance(30 * time.Minute)
		if n.looks() > before+1 {
			t.Errorf("%d looks without a nudge in half the interval", n.looks()-before)
		}
		stopped(t, stop)
	})
}

func TestKeeperStopsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		n.minFee = 1000 // never mined
		s := openStore(t, t.TempDir())
		_, stop := n.run(s, KeeperConfig{}, alice)
		advance(time.Second)
		start := time.Now()
		stopped(t, stop)
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %v to stop", took)
		}
		if _, ok, err := s.unfinished(context.Background(), ""); !ok || err != nil {
			t.Errorf("the top-up under way is not recorded: %v, %v", ok, err)
		}
	})
}
