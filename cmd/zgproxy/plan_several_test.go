package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/chain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// manySubs is a wallet with 0.5 0G free and 0.25 0G in each of so many sub-accounts.
func manySubs(tb testing.TB, count int) *accountReport {
	tb.Helper()
	r, _ := holding(tb, 0)
	one := r.Accounts[0]
	one.Refunds = []refundReport{{Amount: money(ogs(tb, "0.5"))}}
	one.PendingRefund, one.Locked = money(ogs(tb, "0.5")), money(ogs(tb, "0.25"))
	r.Accounts = nil
	for i := range count {
		one.Provider = admin.Address{Address: common.Address{0xaa, byte(i)}}
		r.Accounts = append(r.Accounts, one)
	}
	return r
}

// The contract takes twenty sub-accounts at a time. What a step shows is what the steps before it leave.
func TestRetrieveTogether(t *testing.T) {
	for count, want := range map[int][]int{1: {1}, 2: {2}, 20: {20}, 21: {20, 1}, 45: {20, 20, 5}} {
		r := manySubs(t, count)
		steps, err := planRetrieveAll(r)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		var asked []common.Address
		available := r.Ledger.Available.Neuron
		for _, s := range steps {
			of := s.order.Intent().Providers()
			got, asked = append(got, len(of)), append(asked, of...)
			last := s.changes[len(s.changes)-1]
			after := available.Add(ogs(t, "0.5").Mul(uint64(len(of))))
			if last.Name != "ledger, available" || last.Before.Neuron != available || last.After.Neuron != after {
				t.Errorf("of %d: the ledger goes from %s to %s, want %s to %s", count, last.Before.Og, last.After.Og, available.Og(), after.Og())
			}
			available = after
			if len(s.changes) != 2*len(of)+1 || s.order.MaxGas != chain.MaxGas(s.order.Intent(), len(of)) || s.maxGas != r.MaxGas.Mul(s.order.MaxGas) {
				t.Errorf("of %d: %d changes, gas %d", count, len(s.changes), s.order.MaxGas)
			}
		}
		all := slices.Clone(asked)
		slices.SortFunc(all, common.Address.Cmp)
		if d := cmp.Diff(want, got); d != "" || len(slices.Compact(all)) != count {
			t.Errorf("of %d (-want +got):\n%s and %d providers asked", count, d, len(all))
		}
	}
}

// Whoever has nothing to give now is left out and named, and does not keep the others from paying back.
func TestRetrieveLeavesOut(t *testing.T) {
	r := manySubs(t, 3)
	r.Accounts[1].Locked = money(zg.Neuron{})
	r.Accounts[1].Refunds[0].Wait = 7200
	r.Accounts[1].Refunds = []refundReport{{Amount: money(ogs(t, "0.5")), Wait: 7200}}
	r.Accounts[0].Refunds = []refundReport{{Amount: money(ogs(t, "0.5"))}}
	r.Accounts[2].Refunds = []refundReport{{Amount: money(ogs(t, "0.5"))}}
	steps, err := planRetrieveAll(r)
	if err != nil {
		t.Fatal(err)
	}
	want := []common.Address{r.Accounts[0].Provider.Address, r.Accounts[2].Provider.Address}
	if len(steps) != 1 || !slices.Equal(steps[0].order.Intent().Providers(), want) {
		t.Fatalf("%+v, want one step from %s", steps, want)
	}
	if text := strings.Join(steps[0].notes, "\n"); !strings.Contains(text, r.Accounts[1].Provider.Hex()+" is left out: 0.5 0G are on their way back already, the next in 2 h.") {
		t.Errorf("notes: %s", text)
	}
	if _, err := planRetrieve(r, want[0], r.Accounts[1].Provider.Address); err == nil || explain(err).Code != codeNothing {
		t.Errorf("asked for by name: %v, want a refusal", err)
	}
}

func TestRevokeTogether(t *testing.T) {
	r, p := holding(t)
	r.Accounts[0].Revoked = []int{2, 5}
	for _, tt := range []struct {
		ids, revoked []int
		title, note  string
	}{
		{[]int{1}, []int{1}, "Revoke session token 1 for ", ""},
		{[]int{1, 2, 7}, []int{1, 7}, "Revoke session tokens 1, 7 for ", "Revoked already: token 2."},
		{[]int{5, 2}, nil, "", ""},
	} {
		steps, err := planRevoke(r, p, slices.Clone(tt.ids))
		if err != nil || (len(steps) == 1) != (tt.revoked != nil) {
			t.Fatalf("%v: %d steps, %v", tt.ids, len(steps), err)
		}
		if len(steps) == 0 {
			continue
		}
		if s := steps[0]; !slices.Equal(s.order.TokenIDs, tt.revoked) || s.title != tt.title+p.Hex() || tt.note != "" && !slices.Contains(s.notes, tt.note) {
			t.Errorf("%v: %+v", tt.ids, s)
		}
	}
	tx := admin.Transaction{Kind: zg.IntentRevoke, Provider: &admin.Address{Address: p}, TokenIDs: []int{1, 7}}
	if got, want := transactionInWords(&tx), fmt.Sprintf("revocation of session tokens 1, 7 for %s", p.Hex()); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
