package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// othersWait is what everybody is told while transactions of another program wait, which nobody outbids.
func (w *world) othersWait() {
	w.Helper()
	alpha := w.net.Providers[0].Address()
	var hashes []common.Hash
	var nonce uint64
	for range 2 {
		tx, err := w.net.Chain.HoldTransfer(w.Context(), devnet.WalletKey(), alpha, zg.OneOG)
		if err != nil {
			w.Fatal(err)
		}
		hashes, nonce = append(hashes, tx.Hash()), tx.Nonce()
	}
	for path, words := range map[string]string{
		"/readyz": "2 transactions of this wallet that were not made here wait to be mined", "/v1/status": `"from_nonce":`,
		"/metrics": "zgproxy_foreign_waiting 2",
	} {
		w.eventually(path+" tells of it", func() error {
			if status, body := w.get(w.daemon.admin + path); status != 200 || !strings.Contains(body, words) {
				return fmt.Errorf("%d, without %q:\n%s", status, words, body)
			}
			return nil
		})
	}
	w.must(args("account"), "2 transactions of this wallet that were not made here wait", "Top-ups wait")
	w.must(args("deposit 1 --dry-run"), "not made here wait to be mined", "Nothing is signed before that")
	for _, line := range []string{"deposit 1 --yes", "deposit 1", "refund 1 --yes --json"} {
		w.expect(exitFailure, args(line), "not made here wait to be mined", "--wait")
	}
	w.must(args("doctor"), "2 transactions of this wallet", "wait to be mined and are not in the journal")
	// Whoever waits gets through after them.
	done := make(chan outcome, 1)
	go func() { done <- w.command(args("deposit 1 --yes --wait --json")...) }()
	if err := w.net.Chain.Release(w.Context()); err != nil {
		w.Fatal(err)
	}
	if m := decode[moneyReport](w, <-done); len(m.Transactions) != 1 || m.Transactions[0].Nonce != nonce+1 {
		w.Errorf("%+v, want nonce %d", m.Transactions, nonce+1)
	}
	f := w.foreign(2)
	for i, tx := range f.Transactions {
		if *tx.Hash != hashes[i] || tx.Amount != zg.OneOG {
			w.Errorf("%+v, want %s", tx, hashes[i])
		}
	}
	if out := w.net.Chain.Outbid(); len(out) > 0 {
		w.Errorf("outbid: %v", out)
	}
	w.must(args("wallet accept --yes"), "Accepted")
}

// besides is a second program that sends from the daemon's wallet every now and then, whatever the daemon does, and sees to it
// that each of its transactions is mined, before or after it has waited.
type besides struct {
	w     *world
	sent  []common.Hash
	moved zg.Neuron
}

func (b *besides) send(wait bool) {
	b.w.Helper()
	alpha := b.w.net.Providers[0].Address()
	amount := zg.OneOG.MulDiv(1, 10)
	tx, err := b.w.net.Chain.HoldTransfer(b.w.Context(), devnet.WalletKey(), alpha, amount)
	if err != nil {
		b.w.Fatal(err)
	}
	if wait {
		b.w.eventually("noticed", func() error {
			if _, body := b.w.get(b.w.daemon.admin + "/metrics"); !strings.Contains(body, "zgproxy_foreign_waiting 1") {
				return fmt.Errorf("%s", body)
			}
			return nil
		})
	}
	if err := b.w.net.Chain.Release(b.w.Context()); err != nil {
		b.w.Fatal(err)
	}
	b.sent, b.moved = append(b.sent, tx.Hash()), b.moved.Add(amount)
}

// A second program sends from the same key again and again while the daemon is asked for answers, tops up, and its owner moves
// money and accepts what the other one did: both get through, nothing is cancelled, the caps are kept, each transaction is named.
func TestBesideAnotherProgram(t *testing.T) {
	w := newWorld(t, devnet.Config{PriceFactor: 2500})
	beta := w.lorem()
	w.env = append(append(w.net.Env(), "ZGPROXY_PROVIDERS="+beta.Address().Hex()), transfersPerDay(zg.OneOG.Mul(8))...)
	d := w.inProcess()
	first, err := w.net.Chain.Client().BlockNumber(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.eventually("topped up once", func() error {
		r := decode[accountReport](w, w.must(args("account --json")))
		if s := r.sub(beta.Address()); s.Locked.Neuron != fullAmount {
			return errNotLookedAt
		}
		return nil
	})
	w.othersWait()
	other := &besides{w: w}
	named := map[string]bool{}
	for round := range 4 {
		other.send(round%2 == 0)
		w.must(args("deposit 0.5 --yes --wait"), "confirmed")
		h := &hostile{world: w, p: beta}
		h.spend() // makes a top-up necessary
		other.send(round%2 == 1)
		for _, tx := range w.foreign(2).Transactions {
			named[tx.Hash.Hex()] = tx.Kind == zg.IntentTransfer
		}
		w.must(args("wallet accept --yes"), "Accepted")
		w.eventually("topped up, or at the cap", func() error {
			r := decode[accountReport](w, w.must(args("account --json")))
			s := r.sub(beta.Address())
			if s.Low && s.Funding != "budget_transfers_day" {
				return fmt.Errorf("low: %q", s.Funding)
			}
			return nil
		})
	}
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
	if out := w.net.Chain.Outbid(); len(out) > 0 {
		t.Errorf("outbid: %v", out)
	}
	spent, _, err := w.net.Chain.Spending(t.Context(), devnet.Wallet(), 0)
	if err != nil {
		t.Fatal(err)
	}
	mined := map[common.Hash]bool{}
	for _, h := range spent.Hashes {
		mined[h] = true
	}
	for _, h := range other.sent {
		if !mined[h] || !named[h.Hex()] {
			t.Errorf("%s of the other program: mined %v, named as a transfer %v", h, mined[h], named[h.Hex()])
		}
	}
	if spent.Failed > 0 || strings.Contains(d.log.String(), "cancels\":true") {
		t.Errorf("%d failed", spent.Failed)
	}
	since, _, err := w.net.Chain.Spending(t.Context(), devnet.Wallet(), first)
	if err != nil {
		t.Fatal(err)
	}
	if all := since.Transfers; zg.OneOG.Mul(8).Less(all) || other.moved != zg.OneOG.MulDiv(8, 10) {
		t.Errorf("%s 0G went to providers in a day, by both, and 8 are allowed", all.Og())
	}
	if since.Deposits != zg.OneOG.Mul(3) {
		t.Errorf("%s 0G deposited, want the owner's 1 and 4 times 0.5", since.Deposits.Og())
	}
}
