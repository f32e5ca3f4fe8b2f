package billing

import (
	"github.com/zgproxy/zgproxy/internal/zg"
)

// Why a sub-account that is low is not topped up. The set is bounded: it labels a metric.
const (
	refusalAutoFund = "auto_fund_off"
	refusalService  = "service_gone"
	refusalSigner   = "signer_not_acknowledged"
	refusalConsent  = "not_acknowledged"
	refusalDraining = "pending_refund"
	refusalNoLedger = "no_ledger"
	refusalLedger   = "ledger_low"
	refusalCap      = "daily_cap"
	// A short while ago; it is tried again.
	refusalSigning   = "signing_failed"
	refusalWallet    = "wallet_low" // it could not pay for gas
	refusalReverted  = "reverted"
	refusalCancelled = "cancelled" // not mined in time
)

// hintFor tells a caller, or the operator behind it, what to do about a sub-account that is low.
func hintFor(reason string) string {
	switch reason {
	case "":
		return "A top-up is expected; try again in a moment."
	case refusalAutoFund:
		return "Open it with a first transfer from your ledger, or let zgproxy do that with ZGPROXY_AUTO_FUND=true."
	case refusalService:
		return "The provider is no longer registered; use another one."
	case refusalSigner:
		return "The provider's signer is not vouched for, so it serves nobody; use another one."
	case refusalConsent:
		return "Its acknowledgement was taken back, so zgproxy does not fund it; transfer 0G to it yourself to give it again."
	case refusalDraining:
		return "A refund from it is under way, so zgproxy does not fund it; transfer 0G to it yourself to go on using it."
	case refusalNoLedger:
		return "The wallet has no ledger yet; deposit 0G into one first."
	case refusalLedger:
		return "The ledger has too little left for a top-up; deposit 0G into it."
	case refusalWallet:
		return "The wallet cannot pay for gas; send some 0G to it."
	case refusalCap:
		return "The daily limit for top-ups is used up (ZGPROXY_MAX_TOPUP_PER_DAY)."
	}
	return "Funding it failed; the log says why. It is tried again."
}

// facts are everything a funding decision depends on.
type facts struct {
	account    zg.SubAccount
	exists     bool
	owed       zg.Neuron // fees not taken on chain yet, no more of them than we witnessed
	held       zg.Neuron // upper bounds of the requests under way
	ledger     *zg.Ledger
	minAccount zg.Neuron // smallest first transfer
	service    zg.Service
	registered bool
	today      zg.Neuron // topped up in the last 24 hours, all providers together
	low, high  zg.Neuron
	dailyCap   zg.Neuron
	autoFund   bool   // missing sub-accounts may be opened
	blocked    string // why not to try yet: the last try failed a short while ago
}

// spendable is what is left of the sub-account once everything owed and under way is paid.
func (f *facts) spendable() zg.Neuron { return f.account.Locked().Sub(f.owed).Sub(f.held) }

// decide returns how much to transfer. Zero with a reason means that money is needed and must not be moved; zero without
// one, that none is needed.
//
// Requests under way make a top-up come earlier, never larger: a transfer lifts the sub-account to the high-water mark
// above what is owed, and no bound that a provider's price leads to can lift it beyond.
func (f *facts) decide() (amount zg.Neuron, refusal string) {
	if f.exists && !f.spendable().Less(f.low) {
		return zg.Neuron{}, ""
	}
	want := f.high.Add(f.owed).Sub(f.account.Locked())
	// Below half the distance between the marks a transfer is not worth its gas; more will be due soon.
	step := f.high.Sub(f.low).MulDiv(1, 2).Max(zg.NeuronOf(1))
	if !f.exists {
		want = want.Max(f.minAccount)
		step = step.Max(f.minAccount)
	}
	if want.Less(step) {
		return zg.Neuron{}, ""
	}
	switch {
	case !f.exists && !f.autoFund:
		return zg.Neuron{}, refusalAutoFund
	case !f.registered:
		return zg.Neuron{}, refusalService
	case !f.service.TEESignerAcknowledged:
		return zg.Neuron{}, refusalSigner
	case f.exists && !f.account.Acknowledged:
		// A transfer would give the consent again that the owner has taken back.
		return zg.Neuron{}, refusalConsent
	case !f.account.PendingRefund.IsZero():
		// The owner is taking the money out; a transfer would cancel that.
		return zg.Neuron{}, refusalDraining
	case f.ledger == nil:
		return zg.Neuron{}, refusalNoLedger
	case f.blocked != "":
		return zg.Neuron{}, f.blocked
	}
	if amount = want.Min(f.ledger.Available); amount.Less(step) {
		return zg.Neuron{}, refusalLedger
	}
	if amount = amount.Min(f.dailyCap.Sub(f.today)); amount.Less(step) {
		return zg.Neuron{}, refusalCap
	}
	return amount, ""
}

// witness follows what a provider may be owed by what we saw ourselves: the fees of our own requests less what it has
// taken from the sub-account since.
type witness struct {
	owed      zg.Neuron
	witnessed zg.Neuron // the book's sum when owed was last brought up to date
	locked    zg.Neuron // the sub-account then
}

// newWitness begins with the fees of recent requests, of which the provider may already have taken some: an upper bound
// until it says less itself. They were summed when the book had witnessed began.
func newWitness(recent, began zg.Neuron, s Sum, locked zg.Neuron, claim zg.Neuron, claimed bool) *witness {
	w := &witness{owed: recent, witnessed: began, locked: locked}
	w.update(s, locked)
	if claimed {
		w.owed = w.owed.Min(claim)
	}
	return w
}

// update counts new fees and what was taken since.
func (w *witness) update(s Sum, locked zg.Neuron) {
	w.owed = w.owed.Add(s.Witnessed.Sub(w.witnessed)).Sub(w.locked.Sub(locked))
	w.witnessed, w.locked = s.Witnessed, locked
}

// toppedUp keeps a transfer of our own from hiding what was taken meanwhile.
func (w *witness) toppedUp(amount zg.Neuron) { w.locked = w.locked.Add(amount) }
