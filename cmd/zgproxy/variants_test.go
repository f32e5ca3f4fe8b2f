package main

import (
	"strings"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// Contracts whose structs have more fields, and functions that revert without data: money comes back, nothing is paid in unless
// it is forced, and what cannot be read is named and keeps only that from being done which takes it.
func TestContractsThatHaveChanged(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.mineSteadily()
	ctx, alpha, beta := t.Context(), w.net.Providers[0].Address(), w.net.Providers[1].Address()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(w.net.Chain.Upgrade(ctx, simchain.Grown))
	const changed = "Account has 2 fields more than are known"
	w.must(args("account"), changed, "92.5 0G")
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
	w.must(args("refund 1 --yes"), "confirmed", "92.5 0G available")
	do(w.net.Chain.Refuse(ctx, "getLedger", nil))
	w.must(args("account"), "cannot be read")
	w.expect(exitFailure, args("refund 1 --yes"), "this takes the ledger, which cannot be read")
	for _, function := range []string{"getAllServices", "lockTime", "MIN_ACCOUNT_BALANCE", "getAccountsByUser", "getLedger"} {
		do(w.net.Chain.Permit(ctx, function))
	}

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
