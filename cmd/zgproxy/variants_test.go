package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// Contracts whose structs have more fields, and functions that revert without data: money comes back, nothing is paid in unless
// it is forced, and what cannot be read is named and keeps only that from being done which takes it.
func TestContractsThatHaveChanged(t *testing.T) {
	w := newWorld(t, devnet.Config{PriceFactor: 2500})
	w.mineSteadily()
	available := func() string {
		t.Helper()
		n, err := w.net.Chain.Available(t.Context(), devnet.Wallet())
		if err != nil {
			t.Fatal(err)
		}
		return short(n) + " 0G"
	}
	ctx, alpha, beta := t.Context(), w.net.Providers[0].Address(), w.net.Providers[1].Address()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(w.net.Chain.Upgrade(ctx, simchain.Grown))
	const changed = "Account has 2 fields more than are known"
	w.must(args("account"), changed, available())
	w.must(args("provider list"), "echo-1")
	w.must(args("doctor"), changed)
	w.expect(exitFailure, args("deposit 1 --yes"), changed, "--force")
	w.expect(exitFailure, args("fund "+alpha.Hex()+" 1 --yes"), changed, "--force")
	w.must(args("deposit 1 --yes --force"), changed, "confirmed")

	for _, function := range []string{"getAllServices", "lockTime", "MIN_ACCOUNT_BALANCE"} {
		do(w.net.Chain.Refuse(ctx, function, nil))
	}
	w.must(args("account"), "The services cannot be read", "The lock time cannot be read", "reverted without saying why")
	w.expect(exitFailure, args("provider list"), "reverted without saying why")
	w.expect(exitFailure, args("deposit 1 --yes"), "this takes the minimums, which cannot be read")
	w.must(args("retrieve "+alpha.Hex()+" --yes"), "How long the contract holds it cannot be read", "confirmed")
	if a := w.subAccount(alpha); !a.Locked().IsZero() || a.PendingRefund.IsZero() {
		t.Errorf("after the retrieval: %+v", a)
	}
	w.must(args("token revoke "+beta.Hex()+" 3 --yes"), "confirmed")
	do(w.net.Chain.Refuse(ctx, "getAccountsByUser", nil))
	w.expect(exitFailure, args("retrieve "+beta.Hex()+" --yes"), "this takes the sub-accounts, which cannot be read")
	w.must(args("refund 1 --yes"), "confirmed")
	w.must(args("account"), available())
	do(w.net.Chain.Refuse(ctx, "getLedger", nil))
	w.must(args("account"), "cannot be read")
	w.expect(exitFailure, args("refund 1 --yes"), "this takes the ledger, which cannot be read")
	for _, function := range []string{"getAllServices", "lockTime", "MIN_ACCOUNT_BALANCE", "getAccountsByUser", "getLedger"} {
		do(w.net.Chain.Permit(ctx, function))
	}

	for id, function := range []string{"ledgerAddress", "getServiceInfo"} { // whether the contracts belong together is not known
		do(w.net.Chain.Refuse(ctx, function, nil))
		w.must(args("account"), "The link between the contracts cannot be read", available())
		w.must(args("wallet balance"), "0G")
		w.must(args(fmt.Sprintf("token revoke %s %d --yes", beta.Hex(), 4+id)), "confirmed")
		w.must(args("refund 1 --yes"), "confirmed")
		w.expect(exitFailure, args("deposit 1 --yes --force"), "link between the contracts, which cannot be read")
		do(w.net.Chain.Permit(ctx, function))
	}

	do(w.net.Chain.Upgrade(ctx, simchain.Usual))
	w.changedBesideDaemon()
	do(w.net.Chain.Upgrade(ctx, simchain.Grown))

	// All of it, and with the ledger go the contract's records of what is revoked.
	for _, step := range []string{"asked back now", "paid out now"} {
		got := w.must(args("retrieve --all --yes"), step, "in one transaction", "confirmed")
		if n := strings.Count(got.stdout, "signed 0x"); n != 1 {
			t.Errorf("%d transactions, want one for all sub-accounts:\n%s", n, got.stdout)
		}
		do(w.net.Chain.AdvanceTime(24*time.Hour + time.Second))
	}
	got := w.expect(exitNotConfirmed, args("refund --all --yes"), "they would be valid again", "--revive-tokens")
	if strings.Contains(got.stdout, "signed") {
		t.Errorf("something was signed:\n%s", got.stdout)
	}
	w.must(args("refund --all --yes --revive-tokens"), "they would be valid again", "no ledger")
	if a, _, err := w.net.Chain.SubAccount(ctx, devnet.Wallet(), beta); err != nil || a.Balance != (zg.Neuron{}) {
		t.Errorf("afterwards: %+v, %v", a, err)
	}
}

// changedBesideDaemon replaces the contracts while the daemon runs: nothing is moved automatically, what is covered is
// served, money comes back, and all is as it was when the contracts are.
func (w *world) changedBesideDaemon() {
	w.Helper()
	do := func(err error) {
		w.Helper()
		if err != nil {
			w.Fatal(err)
		}
	}
	ctx, chain, beta := w.Context(), w.net.Chain, w.net.Providers[1].Address()
	d := w.inProcess()
	spent := func() simchain.Spending {
		s, _, err := chain.Spending(ctx, devnet.Wallet(), 0)
		do(err)
		return s
	}
	standing := func(funding string, full bool) {
		w.Helper()
		w.eventually("funding "+funding, func() error {
			r := decode[accountReport](w, w.must(args("account --json")))
			s := r.sub(beta)
			if s.Owed == nil {
				return errNotLookedAt
			}
			if s.Funding != funding || full && s.Locked.Neuron.Sub(s.Owed.Neuron).Less(zg.OneOG.Mul(2)) {
				return fmt.Errorf("%q, %s 0G there, %s 0G owed", s.Funding, s.Locked.Og, s.Owed.Og)
			}
			return nil
		})
	}
	served := func(body string) {
		w.Helper()
		if resp, answer := w.post("/v1/chat/completions", "application/json", []byte(body)); resp.StatusCode != http.StatusOK {
			w.Fatalf("%d %s", resp.StatusCode, answer)
		}
	}
	served(spendBody)
	standing("", true)
	for i, v := range []simchain.Variant{simchain.Grown, simchain.Older} {
		do(chain.Upgrade(ctx, v))
		w.eventually("noticed", func() error {
			if _, body := w.get(d.admin + "/v1/status"); !strings.Contains(body, "than are known") {
				return errors.New(body)
			}
			return nil
		})
		before, back := spent(), w.net.Providers[2+i].Address()
		served(spendBody)
		standing("contracts_changed", false)
		served(smallBody)
		if code, body := w.get(d.admin + "/readyz"); code != http.StatusOK || !strings.Contains(body, "not the ones that this zgproxy knows") {
			w.Errorf("/readyz: %d %s", code, body)
		}
		// Paused, or refused without a word: the way out takes none of it.
		do(chain.Refuse(ctx, "transferFund", crypto.Keccak256([]byte("Paused()"))[:4]))
		for _, function := range []string{"ledgerAddress", "getServiceInfo", "depositFund", "MIN_ACCOUNT_BALANCE"} {
			do(chain.Refuse(ctx, function, nil))
		}
		w.must(args("retrieve "+back.Hex()+" --yes"), "confirmed")
		asked := 2
		if v != simchain.Older { // which has no such function
			w.must(args("token revoke "+back.Hex()+" 3 --yes"), "confirmed")
			asked++
		}
		w.must(args("refund 1 --yes"), "confirmed")
		if a := w.subAccount(back); !a.Locked().IsZero() || a.PendingRefund.IsZero() {
			w.Errorf("%s: asked back, and there is %+v", v, a)
		}
		served(smallBody)
		if after := spent(); after.Transactions != before.Transactions+asked || after.Transfers != before.Transfers {
			w.Errorf("%s: %d transactions, %d were asked for; %s 0G were transferred", v, after.Transactions-before.Transactions, asked,
				after.Transfers.Sub(before.Transfers).Og())
		}
		for _, function := range []string{"transferFund", "ledgerAddress", "getServiceInfo", "depositFund", "MIN_ACCOUNT_BALANCE"} {
			do(chain.Permit(ctx, function))
		}
		do(chain.Upgrade(ctx, simchain.Usual))
		standing("", true)
		if after := spent(); !before.By[beta].Less(after.By[beta]) {
			w.Errorf("%s: nothing was topped up afterwards", v)
		}
	}
	if err := d.stop(); err != nil {
		w.Errorf("the daemon ended with %v", err)
	}
}
