package billing

import (
	"testing"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func TestDecide(t *testing.T) {
	base := func() facts {
		return facts{
			account: zg.SubAccount{Balance: og(t, "1.5"), Acknowledged: true}, exists: true, ledger: &zg.Ledger{Available: og(t, "100")}, minAccount: zg.OneOG,
			service: zg.Service{TEESignerAcknowledged: true}, registered: true, low: og(t, "2"), high: og(t, "3"), dailyCap: og(t, "10"),
		}
	}
	missing := func(f *facts) { f.account, f.exists, f.autoFund = zg.SubAccount{}, false, true }
	tests := []struct {
		name   string
		change func(*facts)
		amount string
		reason string
	}{
		{"low", func(*facts) {}, "1.5", ""},
		{"at the mark", func(f *facts) { f.account.Balance = og(t, "2") }, "0", ""},
		{"a neuron below it", func(f *facts) { f.account.Balance = og(t, "1.999999999999999999") }, "1.000000000000000001", ""},
		{"owed", func(f *facts) { f.account.Balance, f.owed = og(t, "2.5"), og(t, "0.7") }, "1.2", ""},
		{"held", func(f *facts) { f.account.Balance, f.held = og(t, "2.4"), og(t, "0.7") }, "0.6", ""},
		{"held, but not worth the gas", func(f *facts) { f.account.Balance, f.held = og(t, "2.6"), og(t, "0.7") }, "0", ""},
		{"held far more than there is", func(f *facts) { f.account.Balance, f.held = og(t, "3"), zg.MaxNeuron }, "0", ""},
		{"missing", missing, "3", ""},
		{"missing, auto fund off", func(f *facts) { missing(f); f.autoFund = false }, "0", refusalAutoFund},
		{"missing, large minimum", func(f *facts) { missing(f); f.minAccount = og(t, "4") }, "4", ""},
		{"missing, minimum above the cap", func(f *facts) { missing(f); f.minAccount = og(t, "11") }, "0", refusalCap},
		{"refund under way", func(f *facts) { f.account.Balance, f.account.PendingRefund = og(t, "5"), og(t, "4") }, "0", refusalDraining},
		{"consent taken back", func(f *facts) { f.account.Acknowledged = false }, "0", refusalConsent},
		{"service gone", func(f *facts) { f.registered = false }, "0", refusalService},
		{"signer not vouched for", func(f *facts) { f.service.TEESignerAcknowledged = false }, "0", refusalSigner},
		{"no ledger", func(f *facts) { f.ledger = nil }, "0", refusalNoLedger},
		{"ledger nearly empty", func(f *facts) { f.ledger = &zg.Ledger{Available: og(t, "0.4")} }, "0", refusalLedger},
		{"ledger low", func(f *facts) { f.ledger = &zg.Ledger{Available: og(t, "0.9")} }, "0.9", ""},
		{"cap nearly used up", func(f *facts) { f.today = og(t, "9.6") }, "0", refusalCap},
		{"cap in part", func(f *facts) { f.today = og(t, "9") }, "1", ""},
		{"cap overdrawn", func(f *facts) { f.today = og(t, "12") }, "0", refusalCap},
		{"cap of zero", func(f *facts) { f.dailyCap = zg.Neuron{} }, "0", refusalCap},
		{"failed before", func(f *facts) { f.blocked = refusalReverted }, "0", refusalReverted},
		{"enough, whatever else is wrong", func(f *facts) { f.account.Balance, f.registered, f.ledger = og(t, "5"), false, nil }, "0", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := base()
			tt.change(&f)
			amount, reason := f.decide()
			if amount.Og() != tt.amount || reason != tt.reason {
				t.Errorf("decide = %s 0G, %q; want %s, %q", amount.Og(), reason, tt.amount, tt.reason)
			}
			if hintFor(reason) == "" {
				t.Errorf("no hint for %q", reason)
			}
		})
	}
}

func TestWitness(t *testing.T) {
	sum := func(n uint64) Sum { return Sum{Witnessed: zg.NeuronOf(n)} }
	at := zg.NeuronOf
	for _, tt := range []struct {
		name    string
		w       *witness
		want    uint64
		updates func(*witness)
	}{
		{name: "nothing known", w: newWitness(at(0), at(0), sum(0), at(100), at(0), false), want: 0},
		{name: "recent fees", w: newWitness(at(7), at(3), sum(3), at(100), at(0), false), want: 7},
		{name: "and what came since they were summed", w: newWitness(at(7), at(3), sum(5), at(100), at(0), false), want: 9},
		{name: "the provider says less", w: newWitness(at(7), at(3), sum(5), at(100), at(2), true), want: 2},
		{name: "the provider says more", w: newWitness(at(7), at(3), sum(5), at(100), at(50), true), want: 9},
		{name: "new fees and a debit", w: newWitness(at(7), at(0), sum(0), at(100), at(0), false), want: 4, updates: func(w *witness) {
			w.update(sum(2), at(100))
			w.update(sum(5), at(92))
		}},
		{name: "a debit larger than what was owed", w: newWitness(at(7), at(0), sum(0), at(100), at(0), false), want: 1, updates: func(w *witness) {
			w.update(sum(0), at(50))
			w.update(sum(1), at(50))
		}},
		{name: "somebody else's top-up", w: newWitness(at(7), at(0), sum(0), at(100), at(0), false), want: 7, updates: func(w *witness) {
			w.update(sum(0), at(150))
		}},
		{name: "a debit behind our top-up", w: newWitness(at(7), at(0), sum(0), at(100), at(0), false), want: 2, updates: func(w *witness) {
			w.toppedUp(at(20))
			w.update(sum(0), at(115))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.updates != nil {
				tt.updates(tt.w)
			}
			if tt.w.owed != at(tt.want) {
				t.Errorf("owed %v, want %d", tt.w.owed, tt.want)
			}
		})
	}
}
