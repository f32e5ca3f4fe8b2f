package main

import (
	"strings"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// Without a daemon the account tells of what waits to be mined and was not made here, as it does beside one.
func TestAccountShowsWhatWaits(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.must(args("deposit 1 --yes")) // so that there is a spend store
	if r := decode[accountReport](w, w.must(args("account --json"))); r.Waiting != nil {
		t.Errorf("nothing waits: %+v", r.Waiting)
	}
	tx, err := w.net.Chain.HoldTransfer(t.Context(), devnet.WalletKey(), w.net.Providers[0].Address(), zg.OneOG)
	if err != nil {
		t.Fatal(err)
	}
	w.must(args("account"), "that was not made here waits to be mined", "Nothing is signed before that")
	if r := decode[accountReport](w, w.must(args("account --json"))); r.Waiting == nil || r.Waiting.Count != 1 || r.Waiting.From != tx.Nonce() {
		t.Errorf("%+v, want nonce %d", r.Waiting, tx.Nonce())
	}
	w.data = t.TempDir() // where nothing was ever recorded
	if r := decode[accountReport](w, w.must(args("account --json"))); r.Waiting == nil || r.Waiting.Count != 1 {
		t.Errorf("without a spend store: %+v", r.Waiting)
	}
}

// A person is told what has to end before his transaction is signed, and what keeps it; each of that once.
func TestProgressTellsOfAnEarlierTransaction(t *testing.T) {
	var p progress
	early := admin.Transaction{ID: 3, Kind: zg.IntentDeposit, Amount: zg.OneOG, State: "signed", Nonce: 7, Versions: 1, Earlier: true, Created: time.Now().Add(-time.Hour)}
	stuck := early
	stuck.Trouble = "another program's transaction with the same nonce waits (nonce 7, since 12:00)"
	for i, step := range []struct {
		tx          admin.Transaction
		says, waits string
	}{
		{early, "first an earlier transaction has to end: deposit of 1 0G into the ledger (nonce 7, signed 6", "waiting for the earlier transaction"},
		{stuck, "the earlier one does not go on for now: another program's transaction", "waiting for the earlier transaction"},
		{stuck, "", "waiting for the earlier transaction"},
		{admin.Transaction{ID: 4, State: "signed", Nonce: 8, Versions: 1}, "signed 0x", "sending"},
	} {
		line := p.next(step.tx)
		if !strings.Contains(line, step.says) || (line == "") != (step.says == "") || p.waitsFor(1) != step.waits {
			t.Errorf("%d: %q, %q; want %q, %q", i, line, p.waitsFor(1), step.says, step.waits)
		}
	}
}
