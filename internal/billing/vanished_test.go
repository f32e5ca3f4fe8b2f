package billing

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// toppedUp has a keeper top a sub-account up to 3 0G, and look at it when that has ended and is some blocks deep.
func toppedUp(t *testing.T) (n *network, s *Store, k *Keeper, stop func() error) {
	t.Helper()
	n = newNetwork(t)
	n.set(alice, "1.5")
	s = openStore(t, t.TempDir())
	k, stop = n.run(s, KeeperConfig{DriftTolerance: og(t, "0.1")}, alice)
	advance(5 * time.Second)
	if n.locked(alice) != "3" {
		t.Fatalf("the account has %s 0G, want 3", n.locked(alice))
	}
	n.blocks(4)
	advance(31 * time.Second)
	return n, s, k, stop
}

// A reorganisation deeper than the confirmations takes a top-up back that had ended. That is no debit of the provider:
// the receipt is looked for again, the same bytes are sent, and gate and keeper go on agreeing.
func TestKeeperDeepReorg(t *testing.T) {
	for _, lost := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n, s, k, stop := toppedUp(t)
			n.with(func() { n.closed = true })
			n.reorg(5, lost)
			n.blocks(1)
			advance(31 * time.Second)
			if pv := k.View().Providers[alice]; !pv.Debited.IsZero() || !pv.Drift.IsZero() || n.locked(alice) != "1.5" {
				t.Errorf("debited %s, drift %s, %s 0G there; the transfer is gone, and nobody took anything", pv.Debited.Og(), pv.Drift.Og(), n.locked(alice))
			}
			n.with(func() { n.closed = false; n.mine() })
			advance(10 * time.Minute)
			all := topUps(t, s)
			if len(all) != 1 || all[0].State != EntryMined || len(all[0].Txs) != 1 || n.locked(alice) != "3" || n.moved() != 1 {
				t.Errorf("on record %+v, %s 0G there after %d transfers; want the one, again", all, n.locked(alice), n.moved())
			}
			for _, h := range n.sent {
				if h != n.sent[0] {
					t.Error("other bytes were sent")
				}
			}
			pv := k.View().Providers[alice]
			if !pv.Debited.IsZero() || !pv.Drift.IsZero() || !pv.Owed.IsZero() || pv.Reason != "" || k.View().Err != nil {
				t.Errorf("afterwards: debited %s, drift %s, owed %s, reason %q, Err %v", pv.Debited.Og(), pv.Drift.Og(), pv.Owed.Og(), pv.Reason, k.View().Err)
			}
			check(t, s)
			stopped(t, stop)
		})
	}
}

// What the provider took meanwhile is told apart from what the reorganisation took.
func TestKeeperDeepReorgBesideDebit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s, k, stop := toppedUp(t)
		spend(t, s, "a", "0.2")
		n.with(func() { n.closed = true })
		n.reorg(5, true)
		n.blocks(1)
		n.set(alice, "1.3")
		advance(31 * time.Second)
		n.with(func() { n.closed = false; n.mine() })
		advance(10 * time.Minute)
		pv := k.View().Providers[alice]
		if pv.Settled != og(t, "0.2") || !pv.Drift.IsZero() || !pv.Owed.IsZero() || n.locked(alice) != "2.8" || n.moved() != 1 {
			t.Errorf("settled %s, drift %s, owed %s, %s 0G after %d transfers",
				pv.Settled.Og(), pv.Drift.Og(), pv.Owed.Og(), n.locked(alice), n.moved())
		}
		check(t, s)
		stopped(t, stop)
	})
}

// A balance that falls again without an event, while what a reorganisation took is still missing, falls for another
// reason.
func TestKeeperMissesAReorgOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s, k, stop := toppedUp(t)
		n.with(func() { n.closed = true })
		n.reorg(5, true)
		n.blocks(1)
		advance(31 * time.Second)
		all, err := s.missing(t.Context(), "")
		if err != nil || len(all) != 0 {
			t.Errorf("%v is missing from what was recorded (%v); that was taken out once", all, err)
		}
		accounts, err := s.accounts()
		if err != nil || accounts[alice].balance != og(t, "1.5") {
			t.Errorf("recorded are %s 0G (%v)", accounts[alice].balance.Og(), err)
		}
		n.with(func() { n.closed = false; n.mine() })
		advance(5 * time.Minute)
		n.blocks(4)
		n.reorg(n.block-100, true) // and once more
		n.blocks(1)
		advance(5 * time.Minute)
		if pv := k.View().Providers[alice]; !pv.Debited.IsZero() || n.locked(alice) != "3" || len(topUps(t, s)) != 1 {
			t.Errorf("debited %s, %s 0G there, %d on record", pv.Debited.Og(), n.locked(alice), len(topUps(t, s)))
		}
		stopped(t, stop)
	})
}

// Somebody else's transaction takes the nonce of what the reorganisation took out: ours can never happen, and that is
// told.
func TestKeeperDeepReorgForeign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s, k, stop := toppedUp(t)
		n.reorg(5, true)
		n.abroad(common.Address{}, "0")
		advance(5 * time.Minute)
		pv := k.View().Providers[alice]
		if all := topUps(t, s); len(all) != 1 || all[0].State != EntrySuperseded || !pv.Debited.IsZero() || !pv.Drift.IsZero() || k.View().Foreign.Count() != 1 {
			t.Errorf("on record %+v, debited %s, drift %s, %d foreign; want it given up and the other one told of",
				all, pv.Debited.Og(), pv.Drift.Og(), k.View().Foreign.Count())
		}
		stopped(t, stop)
	})
}

// Where our own receipts cannot be read, a balance that fell without an event is nobody's debit yet.
func TestKeeperFallBooksNothingUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, k, stop := toppedUp(t)
		down := errors.New("no receipts here")
		n.with(func() {
			n.closed = true
			n.refuses("Receipt", down)
		})
		n.reorg(5, true)
		n.blocks(1)
		advance(10 * time.Minute)
		if v := k.View(); !errors.Is(v.Err, down) || !v.Providers[alice].Debited.IsZero() {
			t.Errorf("Err %v, debited %s; want nothing booked that was not looked for", v.Err, v.Providers[alice].Debited.Og())
		}
		n.with(func() { n.hook, n.closed = nil, false })
		advance(10 * time.Minute)
		if pv := k.View().Providers[alice]; !pv.Debited.IsZero() || n.locked(alice) != "3" || n.moved() != 1 {
			t.Errorf("debited %s, %s 0G after %d transfers", pv.Debited.Og(), n.locked(alice), n.moved())
		}
		stopped(t, stop)
	})
}

// A deposit that a reorganisation took shows in no sub-account. The wallet's nonce tells.
func TestKeeperDeepReorgOfDeposit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{}, alice)
		if _, err := k.journal.Do(t.Context(), zg.Intent{Kind: zg.IntentDeposit, Amount: og(t, "0.5")}, OriginHand, nil); err != nil {
			t.Fatal(err)
		}
		n.blocks(4)
		advance(31 * time.Second)
		n.reorg(5, true)
		n.blocks(1)
		advance(2 * time.Minute)
		if all := topUps(t, s); len(all) != 1 || all[0].State != EntryMined || all[0].Block <= 105 || len(n.sent) != 2 || n.sent[0] != n.sent[1] {
			t.Errorf("on record %+v, sent %d times; want the same bytes again", all, len(n.sent))
		}
		stopped(t, stop)
	})
}
