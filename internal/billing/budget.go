package billing

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Cap is a limit that may be absent; the zero value is no limit.
type Cap struct {
	most zg.Neuron
	set  bool
}

// CapOf is a limit of exactly so much. Zero allows nothing.
func CapOf(most zg.Neuron) Cap { return Cap{most, true} }

// Limit is the amount, and whether there is a limit at all.
func (c Cap) Limit() (zg.Neuron, bool) { return c.most, c.set }

// Left is how much may be added to what is used; MaxNeuron without a limit.
func (c Cap) Left(used zg.Neuron) zg.Neuron {
	if !c.set {
		return zg.MaxNeuron
	}
	return c.most.Sub(used)
}

// ProviderCaps are the same limit for every provider, with exceptions.
type ProviderCaps struct {
	Each   Cap
	Except map[common.Address]Cap
}

// For is the limit of one provider.
func (c ProviderCaps) For(p common.Address) Cap {
	if own, ok := c.Except[p]; ok {
		return own
	}
	return c.Each
}

// Budget limits one kind of spending: in any 24 hours and since the store began, all providers together and each of
// them.
type Budget struct {
	Day, Total                 Cap
	ProviderDay, ProviderTotal ProviderCaps
}

// Budgets are all limits that the owner has set. The zero value limits nothing.
type Budgets struct {
	Fees      Budget // what requests cost
	Transfers Budget // what is moved from the ledger to sub-accounts
}

// Limit names one of the four limits of a budget.
type Limit string

// The limits of a budget, in the order in which they are reported.
const (
	LimitTotal         Limit = "total"
	LimitProviderTotal Limit = "provider_total"
	LimitDay           Limit = "day"
	LimitProviderDay   Limit = "provider_day"
)

var limits = [...]Limit{LimitTotal, LimitProviderTotal, LimitDay, LimitProviderDay}

// byDay reports a limit that time gives room again.
func (l Limit) byDay() bool { return l == LimitDay || l == LimitProviderDay }

// byProvider reports a limit of one provider.
func (l Limit) byProvider() bool { return l == LimitProviderTotal || l == LimitProviderDay }

// metric is the limit's name in the budget of fees, as metrics and refusals have it.
func (l Limit) metric() string {
	switch l {
	case LimitTotal:
		return "fees_total"
	case LimitProviderTotal:
		return "provider_fees_total"
	case LimitDay:
		return "fees_day"
	case LimitProviderDay:
	}
	return "provider_fees_day"
}

// variable is the environment variable that sets the limit in the budget of fees.
func (l Limit) variable() string {
	switch l {
	case LimitTotal:
		return "ZGPROXY_BUDGET_FEES_TOTAL"
	case LimitProviderTotal:
		return "ZGPROXY_BUDGET_PROVIDER_FEES_TOTAL"
	case LimitDay:
		return "ZGPROXY_BUDGET_FEES_DAY"
	case LimitProviderDay:
	}
	return "ZGPROXY_BUDGET_PROVIDER_FEES_DAY"
}

// Cap is one limit as it holds for a provider.
func (b *Budget) Cap(l Limit, p common.Address) Cap {
	switch l {
	case LimitTotal:
		return b.Total
	case LimitProviderTotal:
		return b.ProviderTotal.For(p)
	case LimitDay:
		return b.Day
	case LimitProviderDay:
	}
	return b.ProviderDay.For(p)
}

// Left is how much more may be spent on a provider, and the limit that is the closest; MaxNeuron and no limit where
// none is set.
func (b *Budget) Left(p common.Address, s Spent) (left zg.Neuron, closest Limit) {
	left = zg.MaxNeuron
	for _, l := range limits {
		c := b.Cap(l, p)
		if n := c.Left(s.of(l)); c.set && (closest == "" || n.Less(left)) {
			left, closest = n, l
		}
	}
	return left, closest
}

// Spent is what counts against the four limits of a budget.
type Spent struct {
	Total, ProviderTotal, Day, ProviderDay zg.Neuron
}

func (s *Spent) of(l Limit) zg.Neuron {
	switch l {
	case LimitTotal:
		return s.Total
	case LimitProviderTotal:
		return s.ProviderTotal
	case LimitDay:
		return s.Day
	case LimitProviderDay:
	}
	return s.ProviderDay
}

// BudgetReached is a limit that does not let any more, or did not let the last request that was refused.
type BudgetReached struct {
	Limit    Limit
	Provider common.Address // zero: all providers together
	Variable string         // that sets it
	Cap      zg.Neuron
	Spent    zg.Neuron
	Held     zg.Neuron // for requests under way
}

// shortage is why a bound does not fit into a budget.
type shortage struct {
	BudgetReached
	bound zg.Neuron
	wait  time.Duration // until there may be room; 0: time does not help
	first bool          // nothing had been refused because of this limit just before
}
