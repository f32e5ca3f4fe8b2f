package billing

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// says makes a network's nodes refuse transactions that pay less than a fee, in the given words.
func (n *network) says(why error, least uint64) {
	n.with(func() {
		n.hook = func(call string) error {
			if call == "Broadcast" && n.offered < least {
				return why
			}
			return nil
		}
	})
}

// A node that forgets transactions gets the same bytes again.
func TestJournalDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.forgets = true
		s := openStore(t, t.TempDir())
		a := n.attempt(n.journal(s, JournalConfig{}), deposit, OriginHand)
		advance(45 * time.Second)
		n.with(func() {
			if len(n.sent) != 5 {
				t.Errorf("sent %d times in 45 s, want every ten", len(n.sent))
			}
			for _, h := range n.sent {
				if h != n.sent[0] {
					t.Error("other bytes were sent")
				}
			}
			n.forgets = false
		})
		advance(10 * time.Second)
		a.wants(t, EntryMined, 1)
	})
}

// Bytes that are known already are as good as sent: the sender takes that for success, and nothing else happens.
func TestJournalAlreadyKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.closed = true
		s := openStore(t, t.TempDir())
		j := n.journal(s, JournalConfig{})
		a := n.attempt(j, deposit, OriginHand)
		advance(time.Second)
		a.stop() // the process ends; the pool keeps the transaction
		b := n.attempt(j, deposit, OriginHand)
		advance(time.Second)
		n.with(func() { n.closed = false; n.mine() })
		advance(5 * time.Second)
		b.wants(t, EntryMined, 1)
		if all := topUps(t, s); len(all) != 2 || len(all[1].Txs) != 1 || all[1].State != EntryMined {
			t.Errorf("on record: %+v", all)
		}
	})
}

// The node says that the nonce is used, because ours was mined a moment ago: its receipt is looked for, nothing is
// signed.
func TestJournalNonceTooLow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		s := openStore(t, t.TempDir())
		n.says(zg.ErrNonceTooLow, 100)
		var hidden map[common.Hash]*zg.Receipt
		a := n.attempt(n.journal(s, JournalConfig{}), deposit, OriginHand)
		n.with(func() {
			// It was mined, and the node that has the receipts does not know yet.
			e := topUps(t, s)[0]
			n.include(e.Txs[0].Hash, transfer{Kind: zg.IntentDeposit, Nonce: 5, Fee: 2})
			hidden, n.receipts = n.receipts, map[common.Hash]*zg.Receipt{}
		})
		advance(20 * time.Second)
		if !a.running() || len(topUps(t, s)[0].Txs) != 1 {
			t.Error("it was given up or replaced although it may be mined")
		}
		n.with(func() { n.receipts = hidden })
		advance(2 * time.Second)
		a.wants(t, EntryMined, 1)
	})
}

// A node that says so while the nonce is not used is not a reason to sign anything, however long it says so.
func TestJournalNonceTooLowIsNotReplaced(t *testing.T) {
	for _, why := range []error{zg.ErrNonceTooLow, zg.ErrNonceGap, zg.ErrInsufficientFunds} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			s := openStore(t, t.TempDir())
			n.says(why, 100)
			var told errs
			a := n.attempt(n.journal(s, JournalConfig{Report: told.report}), deposit, OriginHand)
			advance(time.Hour)
			if !a.running() || len(topUps(t, s)[0].Txs) != 1 || !errors.Is(told.last, why) {
				t.Errorf("running %v, %d transactions, reported %v; want one that goes on, and %v", a.running(), len(topUps(t, s)[0].Txs), told.last, why)
			}
			n.says(nil, 0)
			advance(11 * time.Second)
			a.wants(t, EntryMined, 1)
			if told.last != nil {
				t.Errorf("reported %v after the end", told.last)
			}
		})
	}
}

// Fees that a node refuses are raised at once, not when the patience is over.
func TestJournalUnderpriced(t *testing.T) {
	for _, why := range []error{zg.ErrUnderpriced, zg.ErrTipTooLow} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			s := openStore(t, t.TempDir())
			n.says(why, 5)
			j := n.journal(s, JournalConfig{})
			a := n.attempt(j, deposit, OriginHand)
			advance(10 * time.Second)
			a.wants(t, EntryMined, 4)
			if fee := a.entry.Txs[3].FeeCap; fee != zg.NeuronOf(5) || a.entry.Hash != a.entry.Txs[3].Hash {
				t.Errorf("mined with a fee of %s", fee)
			}
			if v := testutil.ToFloat64(j.metrics.replacements); v != 3 {
				t.Errorf("%v replacements are counted, want 3", v)
			}
		})
	}
}

// The owner's limit on fees is never passed: the newest goes on being tried, and what holds it is named.
func TestJournalFeeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.feeCap = 4
		s := openStore(t, t.TempDir())
		n.says(zg.ErrUnderpriced, 6)
		var told errs
		a := n.attempt(n.journal(s, JournalConfig{Report: told.report}), deposit, OriginHand)
		advance(time.Hour)
		if txs := topUps(t, s)[0].Txs; !a.running() || len(txs) != 3 || txs[2].FeeCap != zg.NeuronOf(4) || txs[2].Cancels {
			t.Errorf("running %v, %d transactions; want three, the last at the limit", a.running(), len(txs))
		}
		if !errors.Is(told.last, zg.ErrFeeTooHigh) || !errors.Is(told.last, zg.ErrUnderpriced) {
			t.Errorf("reported %v, want both what the node says and that the limit is reached", told.last)
		}
		n.says(nil, 0)
		advance(11 * time.Second)
		a.wants(t, EntryMined, 3)
	})
}

// A call that no fee gets mined is given up: its nonce is used by something that moves nothing.
func TestJournalCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.minFee = 9 // 2 and six more are 8
		s := openStore(t, t.TempDir())
		in := zg.Intent{Kind: zg.IntentTransfer, Provider: alice, Amount: zg.OneOG, Opening: true}
		a := n.attempt(n.journal(s, JournalConfig{}), in, OriginHand)
		advance(7*90*time.Second - 5*time.Second)
		if e := topUps(t, s)[0]; len(e.Txs) != 7 || e.Txs[6].Cancels {
			t.Errorf("%d transactions before the last patience ends, want seven", len(e.Txs))
		}
		advance(10 * time.Second)
		a.wants(t, EntryCancelled, 8)
		if !a.entry.Txs[7].Cancels || a.entry.Reason == "" || a.entry.GasCost.IsZero() || n.moved() != 0 {
			t.Errorf("%+v, %d transfers", a.entry, n.moved())
		}
		if sum, err := s.Transferred(t.Context(), time.Time{}); err != nil || len(sum) != 0 {
			t.Errorf("what was cancelled counts: %v, %v", sum, err)
		}
	})
}

// After the cancellation was sent an earlier one may still win.
func TestJournalMinedAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.minFee = 100
		s := openStore(t, t.TempDir())
		in := zg.Intent{Kind: zg.IntentTransfer, Provider: alice, Amount: zg.OneOG, Opening: true}
		a := n.attempt(n.journal(s, JournalConfig{}), in, OriginHand)
		advance(7*90*time.Second + 5*time.Second)
		n.with(func() {
			e := topUps(t, s)[0]
			if len(e.Txs) != 8 || !e.Txs[7].Cancels {
				t.Fatalf("on record %+v; want a cancellation at the end", e)
			}
			n.include(e.Txs[3].Hash, n.mempool[e.Txs[3].Hash])
		})
		advance(2 * time.Second)
		a.wants(t, EntryMined, 8)
		if a.entry.Hash != a.entry.Txs[3].Hash || n.moved() != 1 || n.locked(alice) != "1" {
			t.Errorf("%+v, %d transfers", a.entry, n.moved())
		}
	})
}

// A cancellation that is not mined either is replaced, and stays one.
func TestJournalCancelReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.minFee = 11
		s := openStore(t, t.TempDir())
		a := n.attempt(n.journal(s, JournalConfig{}), deposit, OriginHand)
		advance(9*90*time.Second + 10*time.Second)
		a.wants(t, EntryCancelled, 10)
		for i, tx := range a.entry.Txs {
			if tx.Cancels != (i >= 7) || tx.Nonce != 5 {
				t.Errorf("transaction %d: %+v", i, tx)
			}
		}
	})
}

// Mined and reverted: the gas is counted, nothing is moved, and the entry says so.
func TestJournalReverted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.reverts = true
		s := openStore(t, t.TempDir())
		j := n.journal(s, JournalConfig{})
		a := n.attempt(j, transferOpening(alice), OriginHand)
		advance(2 * time.Second)
		a.wants(t, EntryReverted, 1)
		if a.entry.GasCost != zg.NeuronOf(2*93_600) || a.entry.Reason == "" || testutil.ToFloat64(j.metrics.gas) != 2*93_600 {
			t.Errorf("%+v", a.entry)
		}
		if b, err := s.lastBlock(t.Context(), ""); b != a.entry.Block || err != nil {
			t.Errorf("lastBlock = %d, %v", b, err)
		}
		if sum, err := s.Transferred(t.Context(), time.Time{}); err != nil || len(sum) != 0 {
			t.Errorf("Transferred = %v, %v", sum, err)
		}
	})
}

// The wallet cannot pay for gas: nothing is recorded, the reason is named, and it is tried again when it can.
func TestKeeperNamesAnEmptyWallet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		n.hook = func(call string) error {
			if call == "Sign" {
				return zg.ErrInsufficientFunds
			}
			return nil
		}
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{}, alice)
		advance(time.Second)
		if r := k.View().Providers[alice].Reason; r != refusalGas || len(topUps(t, s)) != 0 {
			t.Errorf("reason %q, %d on record; want %q and none", r, len(topUps(t, s)), refusalGas)
		}
		n.with(func() { n.hook = nil })
		advance(2 * time.Minute)
		if n.locked(alice) != "3" {
			t.Errorf("%s 0G, want 3", n.locked(alice))
		}
		stopped(t, stop)
	})
}

func transferOpening(p common.Address) zg.Intent {
	in := transferTo(p, zg.OneOG)
	in.Opening = true
	return in
}
