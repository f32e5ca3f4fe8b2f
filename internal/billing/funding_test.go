package billing

import (
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func TestDecide(t *testing.T) {
	base := func() facts {
		return facts{
			provider: alice, account: zg.SubAccount{Balance: og(t, "1.5"), Acknowledged: true}, exists: true, ledger: &zg.Ledger{Available: og(t, "100")},
			minLedger: og(t, "3"), minAccount: zg.OneOG, service: zg.Service{TEESignerAcknowledged: true}, registered: true,
			low: og(t, "2"), high: og(t, "3"), maxReserve: og(t, "5"), room: og(t, "10"), roomLimit: LimitDay,
			spare: og(t, "50"), openRoom: og(t, "20"), fillRoom: og(t, "20"),
		}
	}
	missing := func(f *facts) { f.account, f.exists, f.autoFund = zg.SubAccount{}, false, true }
	noLedger := func(f *facts) { f.ledger, f.autoFund = nil, true }
	tests := []struct {
		name   string
		change func(*facts)
		amount string
		kind   zg.IntentKind // empty: transfer where there is an amount
		reason string
	}{
		{name: "low", change: func(*facts) {}, amount: "1.5"},
		{name: "at the mark", change: func(f *facts) { f.account.Balance = og(t, "2") }, amount: "0"},
		{name: "a neuron below it", change: func(f *facts) { f.account.Balance = og(t, "1.999999999999999999") }, amount: "1.000000000000000001"},
		{name: "owed", change: func(f *facts) { f.account.Balance, f.owed = og(t, "2.5"), og(t, "0.7") }, amount: "1.2"},
		{name: "held", change: func(f *facts) { f.account.Balance, f.held = og(t, "2.4"), og(t, "0.7") }, amount: "0.6"},
		{name: "held, but not worth the gas", change: func(f *facts) { f.account.Balance, f.held = og(t, "2.6"), og(t, "0.7") }, amount: "0"},
		{name: "held far more than there is", change: func(f *facts) { f.account.Balance, f.held = og(t, "3"), zg.MaxNeuron }, amount: "0"},
		{name: "missing", change: missing, amount: "3"},
		{name: "missing, auto fund off", change: func(f *facts) { missing(f); f.autoFund = false }, amount: "0", reason: refusalAutoFund},
		{name: "missing, auto fund used up", change: func(f *facts) { missing(f); f.openRoom = og(t, "0.4") }, amount: "0", reason: refusalAutoFundCap},
		{name: "missing, auto fund in part", change: func(f *facts) { missing(f); f.openRoom = og(t, "2.4") }, amount: "2.4"},
		{name: "missing, auto fund for a request or two", change: func(f *facts) { missing(f); f.openRoom = og(t, "1.9") }, amount: "0", reason: refusalAutoFundCap},
		{name: "missing, auto fund for the least transfer", change: func(f *facts) { missing(f); f.openRoom = zg.OneOG }, amount: "0", reason: refusalAutoFundCap},
		{name: "missing, a small budget", change: func(f *facts) { missing(f); f.room = og(t, "1.9") }, amount: "0", reason: refusalBudget + "day"},
		{name: "missing, and the provider wants more", change: func(f *facts) { missing(f); f.reserve, f.openRoom = og(t, "2.5"), og(t, "2.9") }, amount: "0", reason: refusalAutoFundCap},
		{name: "missing, little in the ledger", change: func(f *facts) { missing(f); f.ledger = &zg.Ledger{Available: og(t, "1.5")} }, amount: "1.5", kind: zg.IntentDeposit},
		{name: "missing, little in ledger and wallet", change: func(f *facts) {
			missing(f)
			f.ledger, f.spare = &zg.Ledger{Available: og(t, "1.5")}, og(t, "0.4")
		}, amount: "0", reason: refusalWallet},
		{name: "missing, large minimum", change: func(f *facts) { missing(f); f.minAccount = og(t, "4") }, amount: "4"},
		{name: "missing, minimum above the budget", change: func(f *facts) { missing(f); f.minAccount = og(t, "11") }, amount: "0", reason: refusalBudget + "day"},
		{name: "refund under way", change: func(f *facts) { f.account.Balance, f.account.PendingRefund = og(t, "5"), og(t, "4") }, amount: "0", reason: refusalDraining},
		{name: "consent taken back", change: func(f *facts) { f.account.Acknowledged = false }, amount: "0", reason: refusalConsent},
		{name: "service gone", change: func(f *facts) { f.registered = false }, amount: "0", reason: refusalService},
		{name: "signer not vouched for", change: func(f *facts) { f.service.TEESignerAcknowledged = false }, amount: "0", reason: refusalSigner},
		{name: "another signer", change: func(f *facts) { f.untrusted = zg.SuspendedSigner }, amount: "0", reason: refusalSignerChange},
		{name: "suspended", change: func(f *facts) { f.suspended, f.drift = true, true }, amount: "0", reason: refusalSuspended},
		{name: "suspended and missing", change: func(f *facts) { missing(f); f.suspended = true }, amount: "0", reason: refusalSuspended},
		{name: "drift", change: func(f *facts) { f.drift = true }, amount: "0", reason: refusalDrift},
		{name: "a provider that wants more", change: func(f *facts) { f.account.Balance, f.reserve = og(t, "2.4"), og(t, "2") }, amount: "1.1"},
		{name: "a provider that wants too much", change: func(f *facts) { f.reserve = zg.MaxNeuron }, amount: "0", reason: refusalReserve},
		{name: "a provider that wants less", change: func(f *facts) { f.reserve = og(t, "0.005") }, amount: "1.5"},
		{name: "no ledger", change: func(f *facts) { f.ledger = nil }, amount: "0", reason: refusalNoLedger},
		{name: "no ledger, to be opened", change: noLedger, amount: "3", kind: zg.IntentDeposit},
		{name: "no ledger, and no account", change: func(f *facts) { missing(f); noLedger(f); f.minAccount = og(t, "4") }, amount: "4", kind: zg.IntentDeposit},
		{name: "no ledger, auto fund used up", change: func(f *facts) { noLedger(f); f.fillRoom = og(t, "2.9") }, amount: "0", reason: refusalAutoFundCap},
		{name: "no ledger, empty wallet", change: func(f *facts) { noLedger(f); f.spare = og(t, "2.9") }, amount: "0", reason: refusalWallet},
		{name: "ledger nearly empty", change: func(f *facts) { f.ledger = &zg.Ledger{Available: og(t, "0.4")} }, amount: "0", reason: refusalLedger},
		{name: "ledger nearly empty, to be filled", change: func(f *facts) { f.ledger, f.autoFund = &zg.Ledger{Available: og(t, "0.4")}, true }, amount: "1.1", kind: zg.IntentDeposit},
		{name: "ledger nearly empty, the wallet too", change: func(f *facts) {
			f.ledger, f.autoFund, f.spare = &zg.Ledger{Available: og(t, "0.4")}, true, og(t, "0.3")
		}, amount: "0.3", kind: zg.IntentDeposit},
		{name: "ledger low", change: func(f *facts) { f.ledger = &zg.Ledger{Available: og(t, "0.9")} }, amount: "0.9"},
		{name: "budget nearly used up", change: func(f *facts) { f.room = og(t, "0.4") }, amount: "0", reason: refusalBudget + "day"},
		{name: "budget of one provider used up", change: func(f *facts) { f.room, f.roomLimit = zg.Neuron{}, LimitProviderTotal }, amount: "0", reason: refusalBudget + "provider_total"},
		{name: "budget in part", change: func(f *facts) { f.room = og(t, "1") }, amount: "1"},
		{name: "failed before", change: func(f *facts) { f.blocked = refusalReverted }, amount: "0", reason: refusalReverted},
		{name: "enough, whatever else is wrong", change: func(f *facts) { f.account.Balance, f.registered, f.ledger, f.drift = og(t, "5"), false, nil, true }, amount: "0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := base()
			tt.change(&f)
			in, reason := f.decide()
			kind := tt.kind
			if kind == "" && tt.amount != "0" {
				kind = zg.IntentTransfer
			}
			if in.Kind != kind || in.Amount.Og() != tt.amount || reason != tt.reason {
				t.Errorf("decide = %s %s 0G, %q; want %s %s, %q", in.Kind, in.Amount.Og(), reason, kind, tt.amount, tt.reason)
			}
			if in.Kind == zg.IntentTransfer && (in.Provider != alice || in.Opening == f.exists) {
				t.Errorf("decide = %+v", in)
			}
			// A deposit must lead to a transfer next, not to another deposit.
			if in.Kind == zg.IntentDeposit {
				if f.ledger == nil {
					f.ledger = &zg.Ledger{}
				}
				f.ledger = &zg.Ledger{Available: f.ledger.Available.Add(in.Amount)}
				f.fillRoom, f.spare = zg.Neuron{}, zg.Neuron{}
				if next, reason := f.decide(); next.Kind != zg.IntentTransfer {
					t.Errorf("after the deposit: %+v, %q; want a transfer", next, reason)
				}
			}
			if h := hintFor(reason, alice); reason != "" && (h == "" || strings.Contains(h, "the log") || strings.Contains(h, "("+reason+")")) {
				t.Errorf("hint for %q: %q", reason, h)
			}
		})
	}
}
