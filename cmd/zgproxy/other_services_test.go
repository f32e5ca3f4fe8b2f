package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// Money in sub-accounts of another service is told of with the way to get it, and is in no other figure.
func TestMoneyInAnotherService(t *testing.T) {
	holdings := func(total uint64) zg.Holdings {
		return zg.Holdings{
			Ledger:   &zg.Ledger{Available: zg.OneOG.Mul(5), Total: zg.OneOG.Mul(total)},
			Accounts: map[common.Address]zg.SubAccount{{1}: {Balance: zg.OneOG.Mul(3), PendingRefund: zg.OneOG}},
		}
	}
	told := func(h zg.Holdings) (string, accountReport) {
		r := report(config.Config{}, balances{holdings: h})
		i := slices.IndexFunc(r.Warnings, func(w string) bool { return strings.Contains(w, "fine-tuning") })
		if i < 0 {
			return "", r
		}
		return r.Warnings[i], r
	}
	w, r := told(holdings(10))
	if !strings.HasPrefix(w, "2 0G of the ledger's total") || !strings.Contains(w, "retrieve-fund --service fine-tuning") {
		t.Errorf("it says %q", w)
	}
	if r.Ledger.Other == nil || r.Ledger.Other.Og != "2" {
		t.Errorf("in other services: %+v", r.Ledger.Other)
	}
	r.Ledger.Available, r.Ledger.Total = money(zg.Neuron{}), *r.Ledger.Other
	if _, err := planRefund(&r, zg.Neuron{}, true); err == nil || !strings.Contains(explain(err).Hint, "retrieve-fund --service fine-tuning") {
		t.Errorf("refund --all: %v", err)
	}
	_, r = told(holdings(10))
	if r.Ledger.Available.Og != "5" || len(r.Accounts) != 1 || r.Accounts[0].Locked.Og != "2" {
		t.Errorf("counted as ours: %+v", r)
	}
	if w, _ := told(holdings(8)); w != "" {
		t.Errorf("nothing is elsewhere, and it says %q", w)
	}
	unread := holdings(10)
	unread.Accounts, unread.Unread = nil, map[zg.Part]string{zg.PartAccounts: "refused"}
	if w, _ := told(unread); w != "" {
		t.Errorf("the sub-accounts are not known, and it says %q", w)
	}
}
