package billing

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// The process may end at any point of a top-up: the next one brings it to its end, and the money moves once.
func TestTopUpCrashes(t *testing.T) {
	type point struct {
		name   string
		call   string // the process ends in this call …
		nth    int    // … the nth time
		after  bool   // after it took effect
		signed bool   // a top-up is on record then
	}
	for _, p := range []point{
		{name: "before it is signed", call: "Sign"},
		{name: "signed, not sent", call: "Broadcast", signed: true},
		{name: "signed, before the first look", call: "Receipt", signed: true},
		{name: "sent, not known", call: "Broadcast", after: true, signed: true},
		{name: "mined, not noted", call: "Receipt", nth: 1, signed: true},
		{name: "noted, not read again", call: "Holdings", nth: 1},
	} {
		t.Run(p.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				n := newNetwork(t)
				n.set(alice, "1")
				s, err := Open(t.Context(), dir, StoreOptions{})
				if err != nil {
					t.Fatal(err)
				}
				dead, calls := false, 0
				crash := errors.New("killed")
				n.hook = func(call string) error {
					if call == p.call && !p.after {
						dead = dead || calls == p.nth
						calls++
					}
					if dead {
						return crash
					}
					return nil
				}
				n.after = func() error {
					if dead = p.after; dead {
						return crash
					}
					return nil
				}
				_, stop := n.run(s, KeeperConfig{}, alice)
				advance(5 * time.Second)
				n.with(func() {
					if !dead {
						t.Errorf("the point was never reached")
					}
				})
				stopped(t, stop)
				if _, ok, err := s.unfinished(t.Context(), ""); err != nil || ok != p.signed {
					t.Errorf("a top-up is on record: %v (%v), want %v", ok, err, p.signed)
				}
				check(t, s)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}

				n.with(func() { n.hook, n.after = nil, nil })
				s = openStore(t, dir)
				k, stop := n.run(s, KeeperConfig{}, alice)
				advance(2 * time.Minute)
				if n.moved() != 1 || n.locked(alice) != "3" {
					t.Errorf("%d transfers, the account has %s 0G; want one and 3", n.moved(), n.locked(alice))
				}
				if tops := topUps(t, s); len(tops) != 1 || tops[0].State != EntryMined || len(tops[0].Txs) != 1 {
					t.Errorf("on record: %+v; want one top-up with one transaction, mined", tops)
				}
				if err := k.View().Err; err != nil {
					t.Errorf("View().Err = %v", err)
				}
				stopped(t, stop)
			})
		})
	}
}

// The store fails just when the signed top-up is recorded. Whether or not the record was kept, nothing is sent that is
// not recorded and the money moves once.
func TestTopUpStoreFails(t *testing.T) {
	for _, persisted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			n.set(alice, "1")
			s := openStore(t, t.TempDir())
			disk := faulty(t, s)
			n.hook = func(call string) error {
				switch call {
				case "Sign":
					disk.Store(&fault{at: "COMMIT", persisted: persisted})
				case "Holdings", "Receipt":
					disk.Store(nil)
				}
				return nil
			}
			_, stop := n.run(s, KeeperConfig{}, alice)
			if !persisted {
				n.with(func() {
					if len(n.sent) != 0 {
						t.Error("something was sent that is not recorded")
					}
					n.hook = nil
				})
				disk.Store(nil)
			}
			advance(2 * time.Minute)
			if n.moved() != 1 || n.locked(alice) != "3" || len(topUps(t, s)) != 1 {
				t.Errorf("persisted %v: %d transfers, %s 0G, %d on record; want one, 3, one", persisted, n.moved(), n.locked(alice), len(topUps(t, s)))
			}
			stopped(t, stop)
		})
	}
}

// A transaction that is not mined is replaced at the same nonce with higher fees, until one is.
func TestTopUpReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		n.minFee = 4
		var logged bytes.Buffer
		refused := errors.New("transaction underpriced")
		n.after = func() error { return refused }
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{Log: zerolog.New(zerolog.SyncWriter(&logged)).Level(zerolog.DebugLevel)}, alice)
		advance(80 * time.Second)
		if err := k.View().Err; !errors.Is(err, refused) {
			t.Errorf("View().Err = %v, want why the transaction is not taken", err)
		}
		if n := strings.Count(logged.String(), `"level":"warn"`); n != 1 {
			t.Errorf("a failure that lasts is logged %d times, want once:\n%s", n, &logged)
		}
		n.with(func() { n.after = nil })
		n.with(func() {
			if got := len(topUps(t, s)[0].Txs); got != 1 || len(n.sent) < 5 {
				t.Errorf("after 80 s: %d transactions, sent %d times; want one, sent again and again", got, len(n.sent))
			}
		})
		advance(5 * time.Minute)
		tops := topUps(t, s)
		if len(tops) != 1 || tops[0].State != EntryMined || len(tops[0].Txs) != 3 || n.locked(alice) != "3" || n.moved() != 1 {
			t.Fatalf("on record %+v, %d transfers, %s 0G; want one top-up, mined with its third transaction", tops, n.moved(), n.locked(alice))
		}
		for i, tx := range tops[0].Txs {
			if tx.Nonce != 5 || tx.FeeCap != zg.NeuronOf(uint64(2+i)) {
				t.Errorf("transaction %d has nonce %d and fee cap %v", i, tx.Nonce, tx.FeeCap)
			}
		}
		var block, cost string
		if err := s.readers.QueryRowContext(t.Context(), `SELECT block, gas_cost FROM journal_txs WHERE block IS NOT NULL`).Scan(&block, &cost); err != nil || cost != "374400" {
			t.Errorf("the mined one is recorded with block %s, cost %s (%v); want one with cost 374400", block, cost, err)
		}
		stopped(t, stop)
	})
}

// An earlier transaction of a top-up may win after it was replaced.
func TestTopUpEarlierOneWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		n.minFee = 100
		s := openStore(t, t.TempDir())
		_, stop := n.run(s, KeeperConfig{}, alice)
		advance(100 * time.Second)
		n.with(func() {
			for hash, tr := range n.mempool {
				if tr.Fee != 2 {
					delete(n.mempool, hash)
				}
			}
			n.minFee = 2
			n.mine()
		})
		advance(10 * time.Second)
		if tops := topUps(t, s); len(tops) != 1 || tops[0].State != EntryMined || len(tops[0].Txs) != 2 || n.moved() != 1 {
			t.Errorf("on record %+v, %d transfers; want one top-up, mined with its first of two", tops, n.moved())
		}
		stopped(t, stop)
	})
}

// Where no replacement can be signed, the transaction there is goes on being tried.
func TestTopUpNotReplaceable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		n.minFee = 3
		n.hook = func(call string) error {
			if call == "Replace" {
				return errors.New("the fee limit is reached")
			}
			return nil
		}
		s := openStore(t, t.TempDir())
		_, stop := n.run(s, KeeperConfig{}, alice)
		advance(10 * time.Minute)
		n.with(func() { n.minFee = 2 }) // gas is cheap again; the next sending of the same bytes is mined
		advance(time.Minute)
		if tops := topUps(t, s); len(tops) != 1 || tops[0].State != EntryMined || len(tops[0].Txs) != 1 {
			t.Errorf("on record %+v; want one top-up, mined with its only transaction", tops)
		}
		stopped(t, stop)
	})
}

// A transfer that reverts is recorded, and not repeated at once.
func TestTopUpReverted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		n.reverts = true
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{}, alice)
		advance(10 * time.Minute)
		tops := topUps(t, s)
		if len(tops) != 1 || tops[0].State != EntryReverted || tops[0].Reason == "" {
			t.Fatalf("on record %+v, want one top-up, reverted", tops)
		}
		if r := k.View().Providers[alice].Reason; r != refusalReverted {
			t.Errorf("reason %q, want %q", r, refusalReverted)
		}
		n.with(func() { n.reverts = false })
		advance(20 * time.Minute)
		if n.locked(alice) != "3" || len(topUps(t, s)) != 2 {
			t.Errorf("%s 0G after %d top-ups, want 3 after a second one", n.locked(alice), len(topUps(t, s)))
		}
		stopped(t, stop)
	})
}

// A provider for which nothing can be signed does not keep the others from being topped up.
func TestTopUpSigningFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		n.set(bob, "1.5")
		fail := true
		n.hook = func(call string) error {
			if call == "Sign" && fail { // the neediest
				fail = false
				return errors.New("execution reverted")
			}
			return nil
		}
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{}, alice, bob)
		advance(time.Second)
		if n.locked(alice) != "1" || n.locked(bob) != "3" || k.View().Providers[alice].Reason != refusalSigning {
			t.Errorf("alice %s, bob %s, reason %q; want 1, 3, %q", n.locked(alice), n.locked(bob), k.View().Providers[alice].Reason, refusalSigning)
		}
		advance(2 * time.Minute)
		if n.locked(alice) != "3" {
			t.Errorf("alice has %s 0G after the wait, want 3", n.locked(alice))
		}
		// A success ends the series: the next failure is waited for no longer than the first.
		n.set(alice, "1")
		n.with(func() { fail = true })
		k.Nudge()
		advance(5 * time.Second)
		if n.locked(alice) != "1" {
			t.Fatal("topped up although signing fails")
		}
		advance(95 * time.Second)
		if n.locked(alice) != "3" {
			t.Errorf("alice has %s 0G after the second wait, want 3", n.locked(alice))
		}
		stopped(t, stop)
	})
}

// Somebody else uses the nonce: the keeper signs nothing more by itself, and goes on reading, after a new start too,
// until the owner accepts it.
func TestTopUpForeignNonce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		n := newNetwork(t)
		n.set(alice, "1")
		n.minFee = 100
		s, err := Open(t.Context(), dir, StoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		k, stop := n.run(s, KeeperConfig{}, alice)
		advance(5 * time.Second)
		n.with(func() {
			n.nonce++
			n.block++
			n.minFee = 2
		})
		advance(20 * time.Second)
		if k.View().Foreign.Count() != 0 {
			t.Error("told of before the nodes had time to agree")
		}
		advance(20 * time.Second)
		if v := k.View(); v.Foreign.Count() != 1 || v.Foreign.Txs[0].Nonce != 5 || v.Err != nil || v.Providers[alice].Reason != refusalForeign {
			t.Errorf("foreign %+v, Err %v, reason %q", v.Foreign, v.Err, v.Providers[alice].Reason)
		}
		n.set(alice, "0.5")
		looks := n.looks()
		advance(2 * time.Minute)
		if v := k.View(); n.looks() < looks+3 || v.Providers[alice].Account.Locked() != og(t, "0.5") || n.moved() != 0 {
			t.Errorf("%d looks more, %s 0G seen, %d transfers; want it to go on reading", n.looks()-looks, v.Providers[alice].Account.Locked().Og(), n.moved())
		}
		stopped(t, stop)
		if tops := topUps(t, s); len(tops) != 1 || tops[0].State != EntrySuperseded || n.moved() != 0 {
			t.Errorf("on record %+v, %d transfers; want one top-up, superseded", tops, n.moved())
		}
		check(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, dir)
		k, stop = n.run(s, KeeperConfig{}, alice)
		advance(time.Minute)
		if n.moved() != 0 || k.View().Providers[alice].Reason != refusalForeign {
			t.Errorf("after a restart: %d transfers, reason %q; want it to be known still", n.moved(), k.View().Providers[alice].Reason)
		}
		if err := s.AcceptForeign("", 5, 1, time.Now()); err != nil {
			t.Error(err)
		}
		advance(time.Minute)
		if n.locked(alice) != "3" || n.moved() != 1 || k.View().Foreign.Count() != 0 {
			t.Errorf("accepted: %s 0G, %d transfers; want 3 and one", n.locked(alice), n.moved())
		}
		stopped(t, stop)
	})
}

// A node that knows the new nonce before it knows the receipt is no reason to stop.
func TestTopUpReceiptComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		s := openStore(t, t.TempDir())
		var late map[common.Hash]*zg.Receipt
		n.after = func() error {
			late, n.receipts = n.receipts, make(map[common.Hash]*zg.Receipt)
			return nil
		}
		k, stop := n.run(s, KeeperConfig{}, alice)
		advance(20 * time.Second)
		n.with(func() { n.receipts = late })
		advance(20 * time.Second)
		if tops := topUps(t, s); len(tops) != 1 || tops[0].State != EntryMined || k.View().Err != nil {
			t.Errorf("on record %+v, Err %v; want one top-up, mined", tops, k.View().Err)
		}
		stopped(t, stop)
	})
}
