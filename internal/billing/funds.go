package billing

import (
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// short says that a sub-account does not hold what its provider wants for a request; nil: it does, or nobody can tell.
// own is what of it the request itself costs, where that is what is missing.
//
// The provider serves while what is locked covers the fees it has not taken yet and its reserve. How much that is shows
// when it refuses, which costs nothing; where it has not just done so, nothing is refused that it may serve. A caller
// that waits as it was told gets through to the provider again.
func (m *Meter) short(o *Order, pv *ProviderView, now time.Time) (_ *Refused, own, missing zg.Neuron) {
	gate := zg.NeuronOf(1)
	if now.Sub(pv.ReserveAt) < fundingWait {
		gate = gate.Max(pv.Reserve)
	}
	unsettled := zg.Neuron{}
	if pv.UnsettledKnown {
		unsettled = pv.Unsettled
	}
	locked := pv.Account.Locked()
	if own = m.own(o, locked.Sub(unsettled), now); !own.IsZero() {
		reserve := zg.OneOG
		if !pv.ReserveAt.IsZero() {
			reserve = reserve.Max(pv.Reserve)
		}
		if need := reserve.Add(own); locked.Sub(unsettled).Less(need) {
			gate = gate.Max(need)
		} else {
			own = zg.Neuron{}
		}
	}
	gate = gate.Add(unsettled)
	if pv.Exists && !locked.Less(gate) {
		return nil, own, missing
	}
	r := &Refused{Kind: RefusedBalance, Message: fmt.Sprintf(
		"The sub-account with provider %s holds %s 0G; the provider serves from %s 0G, so %s 0G are missing.",
		m.name(o.Provider), locked.Og(), gate.Og(), gate.Sub(locked).Og())}
	if !own.IsZero() {
		r.Message = fmt.Sprintf("The sub-account with provider %s holds %s 0G; the provider serves a request like this from %s 0G (%s 0G for the request itself), "+
			"so %s 0G are missing. Nothing was sent.", m.name(o.Provider), locked.Og(), gate.Og(), own.Og(), gate.Sub(locked).Og())
	}
	if !pv.Exists {
		r.Kind, r.Message = RefusedAccount, fmt.Sprintf("There is no sub-account with provider %s yet.", m.name(o.Provider))
	}
	return r, own, gate.Sub(locked)
}

// own is what a request costs by itself, where it is known that the provider wants that to be there: it has said so of
// a request of this kind, or what is there does not even cover what such requests cost. Zero: it is not known.
func (m *Meter) own(o *Order, free zg.Neuron, now time.Time) zg.Neuron {
	ask := o.Ask
	if ask.IsZero() {
		ask = o.Bound
	}
	if wanted, live := m.store.demands.of(o.Provider, o.Type, now); live {
		return wanted.Min(ask)
	}
	if !o.Ask.IsZero() && free.Less(o.Ask) {
		return o.Ask.Min(o.Bound)
	}
	return zg.Neuron{}
}

// waitingPasses is for how long callers are told to come back while transactions of others wait. What has waited longer
// may wait for days.
const waitingPasses = 5 * time.Minute

// outageWait is how long a caller waits at most while the chain cannot be read.
const outageWait = time.Minute

// Funding says what has to happen before a provider serves again that refused, or would refuse, because of its
// sub-account, and how long to wait where that is nothing but waiting: only while money is on its way, or nobody has
// looked yet whether it can be. missing is how much the provider wants more, as far as that is known.
func (m *Meter) Funding(p common.Address, missing zg.Neuron) (hint string, wait time.Duration) {
	view := m.cfg.View()
	if view.ReadAt.IsZero() {
		return "zgproxy has not read the wallet's accounts yet; it tops up what is low when it has.", fundingWait
	}
	pv := view.Providers[p]
	switch {
	case pv.Reason == refusalUnread, pv.Reason == refusalEndpoint,
		pv.Reason == refusalWaiting && m.cfg.Now().Sub(view.Waiting.Since) < waitingPasses:
		return pv.hintForCaller(p) + pv.Failed.forCaller(), fundingWait
	case pv.Reason != "":
		return pv.hintForCaller(p) + pv.Failed.forCaller(), 0
	case m.store.demands.unanswered(p, view.ReadAt):
		return "zgproxy looks whether it can top it up; try again in a moment.", fundingWait
	case pv.Demand.Reason == refusalUnread, pv.Demand.Reason == refusalEndpoint:
		return pv.Demand.Hint, fundingWait
	case pv.Demand.Reason != "":
		return pv.Demand.Hint + pv.Failed.forCaller(), 0
	case pv.Planned:
		return "A top-up is expected; try again in a moment.", fundingWait
	case !pv.Watched.IsZero():
		return "The provider claims fees that it has just taken, as it does until its settlement is finished; try again in a moment.", fundingWait
	case errors.Is(view.Err, zg.ErrRPC):
		age := m.cfg.Now().Sub(view.ReadAt)
		wait = min(max(age, fundingWait), outageWait)
		return fmt.Sprintf("The wallet's accounts were read %s ago and cannot be read now, because the chain's endpoint fails; "+
			"what is low is topped up when it answers again. If it lasts, look at it: zgproxy doctor.", age.Round(time.Second)), wait
	}
	return fmt.Sprintf("By zgproxy's own book nothing is missing, so no top-up is due. Use another provider, or move the money yourself: zgproxy fund %s %s.",
		p, inHundredths(missing.Max(zg.NeuronOf(1))).Og()), 0
}
