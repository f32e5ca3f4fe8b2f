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

// A block that is replaced before the transaction lies deep enough: the same bytes are sent again, and counted again.
func TestJournalReorg(t *testing.T) {
	for _, lost := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			s := openStore(t, t.TempDir())
			a := n.attempt(n.journal(s, JournalConfig{Confirmations: 5}), transferOpening(alice), OriginHand)
			n.blocks(2)
			advance(2 * time.Second)
			if e := topUps(t, s)[0]; e.State != EntrySigned || e.Block != 101 {
				t.Errorf("on record %+v, want it signed, seen in block 101", e)
			}
			if b, err := s.lastBlock(t.Context(), ""); b != 0 || err != nil {
				t.Errorf("lastBlock = %d, %v: it has not ended", b, err)
			}
			n.with(func() { n.closed = true })
			n.reorg(3, lost)
			advance(2 * time.Second)
			if e := topUps(t, s)[0]; e.State != EntrySigned || e.Block != 0 || e.Hash != (common.Hash{}) || !e.GasCost.IsZero() {
				t.Errorf("on record %+v, want it signed and in no block", e)
			}
			n.with(func() { n.closed = false; n.mine() })
			advance(11 * time.Second)
			n.blocks(3)
			advance(2 * time.Second)
			if !a.running() {
				t.Error("it ended one block early: it is counted again")
			}
			n.blocks(1)
			advance(2 * time.Second)
			a.wants(t, EntryMined, 1)
			if n.moved() != 1 || a.entry.Block <= 103 {
				t.Errorf("%d transfers, in block %d", n.moved(), a.entry.Block)
			}
			for _, h := range n.sent {
				if h != n.sent[0] {
					t.Error("other bytes were sent")
				}
			}
			if b, err := s.lastBlock(t.Context(), ""); b != a.entry.Block || err != nil {
				t.Errorf("lastBlock = %d, %v; want %d", b, err, a.entry.Block)
			}
		})
	}
}

// The transaction of somebody else takes the nonce in the new chain.
func TestJournalReorgForeign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		s := openStore(t, t.TempDir())
		a := n.attempt(n.journal(s, JournalConfig{Confirmations: 5}), transferOpening(alice), OriginHand)
		advance(2 * time.Second)
		n.with(func() { n.closed = true })
		n.reorg(1, true)
		n.with(func() { n.nonce++ })
		advance(40 * time.Second)
		if a.running() || !errors.Is(a.err, ErrForeignNonce) || a.entry.State != EntrySuperseded || a.entry.Block != 0 || n.moved() != 0 {
			t.Errorf("%+v, %v", a.entry, a.err)
		}
	})
}

// A receipt that contradicts the rest of what the node says ends nothing, and lets nothing be given up.
func TestJournalDoubtsReceipts(t *testing.T) {
	for name, lie := range map[string]func(n *network, first, second common.Hash){
		"of a block above the newest": func(n *network, _, second common.Hash) {
			n.receipts[second] = &zg.Receipt{Hash: second, OK: true, Block: n.block + 50}
			n.nonce++
		},
		"of a block below the one before": func(n *network, _, second common.Hash) {
			n.receipts[second] = &zg.Receipt{Hash: second, OK: true, Block: 90}
			n.nonce++
		},
		"of a nonce that is not used": func(n *network, _, second common.Hash) {
			n.receipts[second] = &zg.Receipt{Hash: second, OK: true, Block: n.block}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				s := openStore(t, t.TempDir())
				var told errs
				j := n.journal(s, JournalConfig{Report: told.report})
				first := n.attempt(j, deposit, OriginHand)
				advance(2 * time.Second)
				first.wants(t, EntryMined, 1)
				n.with(func() { n.forgets = true })
				second := n.attempt(j, deposit, OriginHand)
				hash := topUps(t, s)[0].Txs[0].Hash
				var before uint64
				n.with(func() {
					before = n.nonce
					lie(n, first.entry.Hash, hash)
				})
				advance(80 * time.Second)
				if !second.running() || !errors.Is(told.last, errDoubted) {
					t.Errorf("running %v, reported %v; want it to go on in doubt", second.running(), told.last)
				}
				n.with(func() {
					n.nonce, n.forgets = before, false
					delete(n.receipts, hash)
				})
				advance(12 * time.Second)
				second.wants(t, EntryMined, len(second.entry.Txs))
			})
		})
	}
}

// A reorg moves this one and the one before: the lower block is believed once it is true of both.
func TestJournalReorgMovesBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		s := openStore(t, t.TempDir())
		j := n.journal(s, JournalConfig{})
		first := n.attempt(j, deposit, OriginHand)
		advance(2 * time.Second)
		n.with(func() { n.closed = true })
		second := n.attempt(j, deposit, OriginHand)
		n.with(func() {
			n.receipts[first.entry.Hash] = &zg.Receipt{Hash: first.entry.Hash, OK: true, Block: 95}
			hash := topUps(t, s)[0].Txs[0].Hash
			n.receipts[hash] = &zg.Receipt{Hash: hash, OK: true, Block: 96}
			n.nonce++
		})
		advance(2 * time.Second)
		second.wants(t, EntryMined, 1)
		if all := topUps(t, s); all[1].Block != 95 || all[0].Block != 96 {
			t.Errorf("blocks %d and %d, want 95 and 96", all[1].Block, all[0].Block)
		}
	})
}

// A reorg deeper than the confirmations takes back what had ended. Before anything new is signed it is begun again,
// from the lowest nonce that is missing, and no nonce is ever signed with twice.
func TestJournalDeepReorg(t *testing.T) {
	for _, lost := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			s := openStore(t, t.TempDir())
			j := n.journal(s, JournalConfig{})
			for i, in := range []zg.Intent{transferOpening(alice), transferTo(alice, zg.OneOG), deposit} {
				if i == 2 {
					n.with(func() { n.reverts = true })
				}
				a := n.attempt(j, in, OriginHand)
				advance(2 * time.Second)
				if a.running() {
					t.Fatal("it has not ended")
				}
			}
			n.with(func() { n.reverts, n.closed = false, true })
			n.reorg(3, lost)
			if n.moved() != 0 {
				t.Fatalf("%d transfers after the reorg", n.moved())
			}
			auto := n.attempt(j, transferTo(alice, zg.OneOG), OriginAuto)
			a := n.attempt(j, deposit, OriginHand)
			advance(15 * time.Second)
			if all := topUps(t, s); !a.running() || len(all) != 3 || all[2].State != EntrySigned || all[2].Nonce != 5 {
				t.Errorf("on record %+v; want three, the first begun again", all)
			}
			check(t, s)
			n.with(func() { n.closed = false; n.mine() })
			advance(2 * time.Minute)
			a.wants(t, EntryMined, 1)
			if auto.running() || !errors.Is(auto.err, errOvertaken) {
				t.Errorf("what was decided before: %v", auto.err)
			}
			nonces := make(map[uint64]EntryState)
			for _, e := range topUps(t, s) {
				if _, twice := nonces[e.Nonce]; twice {
					t.Errorf("nonce %d was signed with twice", e.Nonce)
				}
				nonces[e.Nonce] = e.State
				if len(e.Txs) != 1 {
					t.Errorf("%d transactions of nonce %d", len(e.Txs), e.Nonce)
				}
			}
			if len(nonces) != 4 || nonces[5] != EntryMined || nonces[6] != EntryMined || nonces[7] != EntryMined || nonces[8] != EntryMined {
				t.Errorf("ends by nonce: %v", nonces)
			}
			if n.moved() != 2 || n.locked(alice) != "2" {
				t.Errorf("%d transfers, %s 0G; want two of 1 0G", n.moved(), n.locked(alice))
			}
			if gas := testutil.ToFloat64(j.metrics.gas); gas != 4*2*93_600 {
				t.Errorf("%v neuron of gas are counted, want that of four", gas)
			}
		})
	}
}

// A node that is behind says that nonces are free which are used. Nothing is signed with them.
func TestJournalNodeBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		s := openStore(t, t.TempDir())
		var told errs
		j := n.journal(s, JournalConfig{Report: told.report})
		for range 2 {
			a := n.attempt(j, deposit, OriginHand)
			advance(2 * time.Second)
			a.wants(t, EntryMined, 1)
		}
		behind := uint64(5)
		n.with(func() { n.lag = &behind })
		a := n.attempt(j, deposit, OriginHand)
		advance(5 * time.Minute)
		if all := topUps(t, s); !a.running() || len(all) != 2 || all[0].State != EntryMined || all[1].State != EntryMined || !errors.Is(told.last, errBehind) {
			t.Errorf("on record %+v, reported %v; want nothing new", all, told.last)
		}
		n.with(func() { n.lag = nil })
		advance(5 * time.Second)
		a.wants(t, EntryMined, 1)
		if a.entry.Nonce != 7 {
			t.Errorf("nonce %d, want 7", a.entry.Nonce)
		}
		// One that falls behind just when it is asked to sign.
		n.hook = func(call string) error {
			if call == "Sign" {
				n.lag = &behind
			}
			return nil
		}
		if _, err := j.Do(t.Context(), deposit, OriginHand, nil); !errors.Is(err, ErrNotSigned) || !errors.Is(err, errBehind) || len(topUps(t, s)) != 3 {
			t.Errorf("signed with a nonce that was used: %v", err)
		}
	})
}

// A reorg under a transaction that is under way takes the one before it along: the gap is filled with that one's bytes.
func TestJournalGap(t *testing.T) {
	for _, lost := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			s := openStore(t, t.TempDir())
			j := n.journal(s, JournalConfig{})
			first := n.attempt(j, transferOpening(alice), OriginHand)
			advance(2 * time.Second)
			first.wants(t, EntryMined, 1)
			n.with(func() { n.minFee = 100 })
			second := n.attempt(j, transferTo(alice, zg.OneOG), OriginHand)
			advance(2 * time.Second)
			n.reorg(1, lost)
			n.with(func() { n.minFee = 2; n.mine() })
			advance(time.Minute)
			second.wants(t, EntryMined, 1)
			if n.moved() != 2 || n.locked(alice) != "2" || len(topUps(t, s)) != 2 {
				t.Errorf("%d transfers, %s 0G, %d on record; want each once", n.moved(), n.locked(alice), len(topUps(t, s)))
			}
			for _, e := range topUps(t, s) {
				if e.State != EntryMined || len(e.Txs) != 1 || e.Block == 0 {
					t.Errorf("on record %+v", e)
				}
			}
		})
	}
}

// A nonce is missing that the journal knows nothing of: it waits, says so, and signs nothing else.
func TestJournalUnknownGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		s := openStore(t, t.TempDir())
		var told errs
		j := n.journal(s, JournalConfig{Report: told.report})
		n.with(func() { n.closed = true })
		a := n.attempt(j, deposit, OriginHand)
		n.with(func() { n.nonce-- }) // what the owner sent with another program is gone from the chain
		advance(10 * time.Minute)
		if e := topUps(t, s)[0]; !a.running() || len(e.Txs) != 1 || !errors.Is(told.last, errGap) {
			t.Errorf("running %v, %d transactions, reported %v; want it to wait", a.running(), len(e.Txs), told.last)
		}
		b := n.attempt(j, deposit, OriginHand)
		n.with(func() { n.nonce++; n.closed = false; n.mine() })
		advance(15 * time.Second)
		a.wants(t, EntryMined, 1)
		b.wants(t, EntryMined, 1)

		n.with(func() { n.nonce -= 3 })
		c := n.attempt(j, deposit, OriginHand)
		advance(10 * time.Minute)
		if !c.running() || len(topUps(t, s)) != 2 || !errors.Is(told.last, errGap) {
			t.Errorf("running %v, %d on record, reported %v; want nothing signed", c.running(), len(topUps(t, s)), told.last)
		}
		n.with(func() { n.nonce += 3 })
		advance(15 * time.Second)
		c.wants(t, EntryMined, 1)
	})
}

// What another program had superseded may come back with a reorg: its nonce is not signed with again either.
func TestJournalSupersededComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		s := openStore(t, t.TempDir())
		j := n.journal(s, JournalConfig{})
		n.with(func() { n.closed = true })
		a := n.attempt(j, transferOpening(alice), OriginHand)
		n.with(func() { n.nonce++; clear(n.mempool) })
		advance(40 * time.Second)
		if a.running() || !errors.Is(a.err, ErrForeignNonce) {
			t.Fatalf("%+v, %v", a.entry, a.err)
		}
		n.with(func() { n.nonce--; n.block++; n.closed = false })
		b := n.attempt(j, deposit, OriginHand)
		advance(time.Minute)
		b.wants(t, EntryMined, 1)
		if all := topUps(t, s); len(all) != 2 || all[1].State != EntryMined || all[1].Nonce != 5 || all[0].Nonce != 6 || n.moved() != 1 {
			t.Errorf("on record %+v, %d transfers", all, n.moved())
		}
	})
}
