package billing

import (
	"fmt"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Demand is what a single request needs that its provider's sub-account holds too little for. It passes: the request is
// served, or its caller does not come back.
type Demand struct {
	Kind    zg.ServiceType
	Fee     zg.Neuron // of the request; zero: none waits
	Missing zg.Neuron // of what has to be there; zero: it is there
	Reason  string    // why it is not moved; empty: it is, or nothing is missing
	Hint    string    // what to do about that
}

// serve adds to what decide returned what a request needs that waits for money. That is moved whole or not at all: less
// of it would lie with the provider and help nobody.
func (f *facts) serve(in zg.Intent, refusal string) (zg.Intent, Demand) {
	d := Demand{Kind: f.demandKind, Fee: f.demand}
	if f.demand.IsZero() {
		return in, d
	}
	d.Missing = f.need().Add(f.owed).Sub(f.account.Locked())
	if f.exists && d.Missing.IsZero() {
		return in, d
	}
	if refusal == "" {
		refusal = f.forbidden()
	}
	if refusal != "" { // it keeps out whatever is asked for
		d.Reason, d.Hint = refusal, hintFor(refusal, f.provider)
		return in, d
	}
	least := d.Missing
	if !f.exists {
		least = least.Max(f.minAccount)
	}
	// Other requests go on, so a little more than what is missing now.
	amount := least.Add(f.high.Sub(f.low).MulDiv(1, 2))
	if in.Kind != "" {
		_, high := f.water()
		amount = amount.Max(high.Add(f.owed).Sub(f.account.Locked()))
	}
	if amount = amount.Min(f.room); amount.Less(least) {
		return in, f.tooDear(d, least, fmt.Sprintf("%s leaves %s 0G for transfers", transferVariable(f.roomLimit), f.room.Og()))
	}
	if !f.exists {
		if amount = amount.Min(f.openRoom); amount.Less(least) {
			return in, f.tooDear(d, least, fmt.Sprintf("ZGPROXY_AUTO_FUND leaves %s 0G for first transfers", f.openRoom.Og()))
		}
	}
	if f.ledger != nil && !f.ledger.Available.Less(least) {
		return zg.Intent{Kind: zg.IntentTransfer, Provider: f.provider, Amount: amount.Min(f.ledger.Available), Opening: !f.exists}, d
	}
	deposit, refusal := f.deposit(amount, least)
	if refusal != "" {
		return in, f.tooDear(d, least, fmt.Sprintf("the ledger holds %s 0G", f.available().Og()))
	}
	return deposit, d
}

// tooDear is a demand that what may be moved does not reach.
func (f *facts) tooDear(d Demand, least zg.Neuron, why string) Demand {
	d.Reason = refusalRequest
	fund := fmt.Sprintf("zgproxy fund %s %s", f.provider, inHundredths(least).Og())
	if more := inHundredths(least).Sub(f.available()); !more.IsZero() {
		fund = fmt.Sprintf("zgproxy deposit %s, then %s", inHundredths(more).Og(), fund)
	}
	d.Hint = fmt.Sprintf("A request of %s 0G waits for %s 0G more in the sub-account, and %s. Move the money yourself: %s. "+
		"Or use another provider, or a request that costs less.", d.Fee.Og(), least.Og(), why, fund)
	return d
}

// inHundredths rounds an amount up to what is easily typed.
func inHundredths(n zg.Neuron) zg.Neuron {
	const step = 10_000_000_000_000_000
	return n.Add(zg.NeuronOf(step-1)).MulDiv(1, step).Mul(step)
}
