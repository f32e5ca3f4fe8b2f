package billing

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// overBudget puts a shortage into words, and logs it when it is new.
func (m *Meter) overBudget(s *shortage) *Refused {
	r := &Refused{Kind: RefusalKind("budget_" + s.Limit.metric()), RetryAfter: s.wait}
	what := "The budget for fees"
	if s.Limit.byProvider() {
		what += " of provider " + m.name(s.Provider)
	}
	if s.Limit.byDay() {
		what += " in any 24 hours"
	}
	if s.Cap.Less(s.bound) {
		r.Message = fmt.Sprintf("%s is %s 0G, and this request alone may cost up to %s 0G.", what, s.Cap.Og(), s.bound.Og())
		r.Hint = fmt.Sprintf("Limit the answer (max_tokens), or raise %s and restart zgproxy.", s.Variable)
		return r
	}
	used := s.Spent.Add(s.Held)
	r.Message = fmt.Sprintf("%s is used up: of %s 0G, %s 0G are spent and %s 0G are held for requests under way. This request may cost up to %s 0G; %s 0G are missing.",
		what, s.Cap.Og(), s.Spent.Og(), s.Held.Og(), s.bound.Og(), used.Add(s.bound).Sub(s.Cap).Og())
	r.Hint = fmt.Sprintf("Limit the answer (max_tokens), or raise %s and restart zgproxy.", s.Variable)
	if s.wait > 0 {
		r.Hint = "Try again later. " + r.Hint
	}
	if s.first {
		ev := m.cfg.Log.Warn().Str("budget", s.Limit.metric()).Str("variable", s.Variable).Stringer("cap_neuron", s.Cap).
			Stringer("spent_neuron", s.Spent).Stringer("held_neuron", s.Held).Stringer("bound_neuron", s.bound)
		if s.Limit.byProvider() {
			ev = ev.Str("provider", m.name(s.Provider))
		}
		ev.Msg("a budget is reached; requests are refused")
	}
	return r
}

// BudgetsReached lists the limits on fees that let nothing through any more, or did not let through a request for which
// there still is no room.
func (m *Meter) BudgetsReached() []BudgetReached {
	var out []BudgetReached
	for _, s := range m.store.book.budgets(&m.cfg.Budgets.Fees, m.cfg.Now()) {
		if s.full {
			out = append(out, s.BudgetReached)
		}
	}
	slices.SortFunc(out, func(a, b BudgetReached) int {
		if c := strings.Compare(string(a.Limit), string(b.Limit)); c != 0 {
			return c
		}
		return bytes.Compare(a.Provider[:], b.Provider[:])
	})
	return out
}

// String says it in one line.
func (r BudgetReached) String() string {
	who := ""
	if r.Provider != (common.Address{}) {
		who = " of provider " + r.Provider.Hex()
	}
	return fmt.Sprintf("%s%s: %s of %s 0G spent, %s 0G held", r.Variable, who, r.Spent.Og(), r.Cap.Og(), r.Held.Og())
}

var budgetDesc = prometheus.NewDesc("zgproxy_budget_left_neuron",
	"What a budget still allows, less what is held for requests under way. Only for limits that are set.", []string{"budget", "provider"}, nil)

// budgetCollector reads what is left when it is scraped.
type budgetCollector struct{ meter *Meter }

func (c budgetCollector) Describe(out chan<- *prometheus.Desc) { out <- budgetDesc }

func (c budgetCollector) Collect(out chan<- prometheus.Metric) {
	m, now := c.meter, c.meter.cfg.Now()
	unknown := m.store.fees.Load()
	for _, r := range m.store.book.budgets(&m.cfg.Budgets.Fees, now) {
		provider := ""
		if r.Provider != (common.Address{}) {
			provider = r.Provider.Hex()
		}
		left := r.Cap.Sub(r.Spent.Add(r.Held))
		if unknown != nil && unknown.Fees(r.Limit.byDay(), now) {
			left = zg.Neuron{}
		}
		out <- prometheus.MustNewConstMetric(budgetDesc, prometheus.GaugeValue, left.Float(), r.Limit.metric(), provider)
	}
}
