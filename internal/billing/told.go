package billing

import (
	"sync"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Where a fee comes from that the provider told in neuron, beside the usage of its answer.
const (
	ReasonTold           = "told"            // the provider told it
	ReasonToldDisagrees  = "told_disagrees"  // it did, and the usage it told leads to another one
	ReasonToldUnreadable = "told_unreadable" // it told something that is no amount; the fee is by the usage
)

// ToldFee is what an answer says it is charged, in neuron. Only what is generated as sound comes with it.
type ToldFee struct {
	Seen bool // something was said
	Bad  bool // which is no amount, or several
	Fee  zg.Neuron
}

// told records what the provider says it charges, where that is within the bound: it knows its prices better than a
// catalogue that was read before, and may take no more than that without being noticed. What the usage leads to is
// compared with it.
func (m *Meter) told(o *Order, out *Outcome, b Booking) Booking {
	t := out.Told
	if !t.Seen || b.Basis == zg.FeeFree {
		return b
	}
	ours, known := zg.Fee(o.Type, o.Price, out.Usage)
	outcome := "booked"
	switch {
	case t.Bad:
		outcome = "unreadable"
		if b.Reason == "" {
			b.Reason = ReasonToldUnreadable
		}
	case o.Bound.Less(t.Fee):
		outcome = "above_bound"
		b = Booking{Fee: o.Bound, Basis: zg.FeeEstimated, Reason: ReasonAboveBound, Claimed: t.Fee}
		if !t.Fee.Less(absurd) {
			b.Reason = ReasonAbsurd
		}
	default:
		b = Booking{Fee: t.Fee, Basis: zg.FeeExact, Reason: ReasonTold}
		if known && !agree(o, t.Fee, ours, out.Usage.Seconds) {
			outcome, b.Reason = "disagrees", ReasonToldDisagrees
		}
	}
	m.metrics.told.WithLabelValues(m.name(o.Provider), outcome).Inc()
	if outcome != "booked" && m.tolds.first(m.name(o.Provider)+" "+outcome) {
		m.cfg.Log.Warn().Str("request_id", o.ID).Str("provider", m.name(o.Provider)).Str("model", o.Model).Str("outcome", outcome).
			Stringer("told_neuron", t.Fee).Stringer("by_usage_neuron", ours).Stringer("booked_neuron", b.Fee).
			Msg("a provider states a fee that does not match the usage it reports, or that is not a fee; logged once, and counted in zgproxy_told_fees_total")
	}
	return b
}

// agree reports whether a told fee is what the usage leads to. Where only the highest price is known it may be less,
// where the price is in dollars it follows their worth, and sound that became longer than providers make it is charged
// at their longest.
func agree(o *Order, told, ours zg.Neuron, seconds float64) bool {
	return told == ours || (o.Price.Highest && told.Less(ours)) || (o.Price.Floating && told.Less(ours.Mul(2)) && ours.Less(told.Mul(2))) ||
		(seconds > reservedSeconds && told == o.Price.Output.Mul(reservedSeconds))
}

// onces remembers what was said.
type onces struct{ said sync.Map }

func (o *onces) first(what string) bool {
	_, before := o.said.LoadOrStore(what, struct{}{})
	return !before
}

// ReadToldFee reads the values of a header in which a fee is told: one amount in digits, and nothing else.
func ReadToldFee(values []string) ToldFee {
	if len(values) == 0 {
		return ToldFee{}
	}
	fee, err := zg.ParseNeuron(values[0])
	if len(values) > 1 || err != nil {
		return ToldFee{Seen: true, Bad: true}
	}
	return ToldFee{Seen: true, Fee: fee}
}
