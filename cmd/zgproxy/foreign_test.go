package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// copied makes a copy of the data directory, which nobody uses meanwhile.
func (w *world) copied() string {
	w.Helper()
	dir := w.TempDir()
	if err := os.CopyFS(dir, os.DirFS(w.data)); err != nil {
		w.Fatal(err)
	}
	return dir
}

// foreign waits until so many transactions are known that were made elsewhere, each with what it did.
func (w *world) foreign(count int) *admin.Foreign {
	w.Helper()
	var found *admin.Foreign
	w.eventually(fmt.Sprintf("%d foreign transactions named", count), func() error {
		r := decode[accountReport](w, w.must(args("account --json")))
		if r.Foreign == nil || len(r.Foreign.Transactions) != count {
			return fmt.Errorf("%+v", r.Foreign)
		}
		for _, tx := range r.Foreign.Transactions {
			if tx.Hash == nil || tx.Block == 0 {
				return fmt.Errorf("nonce %d is not named", tx.Nonce)
			}
		}
		found = r.Foreign
		return nil
	})
	return found
}

// transferred is what counts against the limit of a day's transfers.
func (w *world) transferred() zg.Neuron {
	w.Helper()
	r := decode[accountReport](w, w.must(args("account --json")))
	return transfersUsed(w.T, &r)
}

func transfersUsed(t *testing.T, r *accountReport) zg.Neuron {
	t.Helper()
	for _, l := range r.Limits {
		if l.Name == "ZGPROXY_BUDGET_TRANSFERS_DAY" {
			return l.Used.Neuron
		}
	}
	t.Fatal("there is no limit on a day's transfers")
	return zg.Neuron{}
}

// sentElsewhere has another program send from the same wallet while the daemon runs: it is told of everywhere, and counts.
func (w *world) sentElsewhere() {
	w.Helper()
	before := w.transferred()
	alpha := w.net.Providers[0].Address()
	for range 3 {
		if err := w.net.Chain.Transfer(w.Context(), devnet.WalletKey(), alpha, zg.OneOG.Mul(5)); err != nil {
			w.Fatal(err)
		}
	}
	f := w.foreign(3)
	for _, tx := range f.Transactions {
		if tx.Kind != zg.IntentTransfer || tx.Amount != zg.OneOG.Mul(5) || tx.Provider == nil || tx.Provider.Address != alpha || tx.Reverted {
			w.Errorf("%+v", tx)
		}
	}
	if after := w.transferred(); f.Transferred != zg.OneOG.Mul(15) || after != before.Add(zg.OneOG.Mul(15)) {
		w.Errorf("%s 0G went to providers elsewhere, and %s count instead of %s before", f.Transferred.Og(), after.Og(), before.Og())
	}
	hash := f.Transactions[2].Hash.Hex()
	for path, words := range map[string][]string{
		"/readyz":    {"3 transactions that are not from here", hash, "zgproxy wallet accept"},
		"/v1/status": {`"count":3`, hash},
		"/metrics":   {"zgproxy_foreign_transactions 3"},
	} {
		w.eventually(path+" tells of it", func() error {
			status, body := w.get(w.daemon.admin + path)
			for _, say := range words {
				if status != 200 || !strings.Contains(strings.ReplaceAll(body, `": `, `":`), say) {
					return fmt.Errorf("%d, without %q:\n%s", status, say, body)
				}
			}
			return nil
		})
	}
	w.must(args("account"), "15 0G of it went to providers", "zgproxy wallet accept", hash)
	w.must(args("deposit 1 --yes"), "3 transactions of this wallet were not made here", "confirmed")
	w.must(args("wallet accept --dry-run"), "transfer of 5 0G to a provider "+alpha.Hex(), hash)
	w.expect(exitNotConfirmed, args("wallet accept"), "no terminal")
	got := decode[walletAcceptReport](w, w.must(args("wallet accept --yes --json")))
	if got.Accepted.Count != 3 || got.Accepted.Transferred != zg.OneOG.Mul(15) || got.DryRun {
		w.Errorf("accepted %+v", got)
	}
	w.must(args("wallet accept"), "There is nothing to accept")
	if after := w.transferred(); after != before.Add(zg.OneOG.Mul(15)) {
		w.Errorf("accepted, %s 0G count", after.Og())
	}
	w.eventually("accepted", func() error {
		if _, body := w.get(w.daemon.admin + "/metrics"); !strings.Contains(body, "zgproxy_foreign_transactions 0") {
			return fmt.Errorf("%s", body)
		}
		return nil
	})
}

// restored puts an older copy of the data directory back. What was done since is not in it, so nothing is topped up before
// the owner accepts that; and it counts.
func (w *world) restored(older string) {
	w.Helper()
	w.data = older
	w.must(args("wallet accept --dry-run"), "deposit of 5 0G", "transfer of 5 0G", "to providers", "15 0G")
	nonce, err := w.net.Chain.Client().NonceAt(w.Context(), devnet.Wallet(), nil)
	if err != nil {
		w.Fatal(err)
	}
	w.env = append(w.env, "ZGPROXY_LOW_WATER=4", "ZGPROXY_HIGH_WATER=5")
	w.child()
	gamma := w.net.Providers[2].Address()
	w.foreign(5)
	w.eventually("held up", func() error {
		r := decode[accountReport](w, w.must(args("account --json")))
		if s := r.sub(gamma); s.Funding != "foreign_transactions" || !strings.Contains(s.Note, "zgproxy wallet accept") {
			return fmt.Errorf("%q, %q", s.Funding, s.Note)
		}
		return nil
	})
	if after, err := w.net.Chain.Client().NonceAt(w.Context(), devnet.Wallet(), nil); err != nil || after != nonce {
		w.Errorf("%d transactions before, and %d now, %v: one was made automatically", nonce, after, err)
	}
	if n := w.transferred(); n != zg.OneOG.Mul(15) {
		w.Errorf("%s 0G count", n.Og())
	}
	w.must(args("wallet accept --yes"), "Accepted")
	w.eventually("topped up", func() error {
		r := decode[accountReport](w, w.must(args("account --json")))
		if s := r.sub(gamma); s.Locked.Og != "5" || r.Foreign != nil {
			return fmt.Errorf("%s 0G, %q", s.Locked.Og, s.Funding)
		}
		return nil
	})
}
