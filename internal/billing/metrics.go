package billing

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// register adds collectors where there is somewhere to add them. Two rooms that claim one name are a mistake in the
// wiring, which should not survive the first start.
func register(reg prometheus.Registerer, collectors ...prometheus.Collector) {
	if reg != nil {
		reg.MustRegister(collectors...)
	}
}

type storeMetrics struct {
	commit prometheus.Histogram
	size   prometheus.Histogram
}

func newStoreMetrics(reg prometheus.Registerer) *storeMetrics {
	m := &storeMetrics{
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "zgproxy_store_commit_seconds", Help: "Time to commit one group of records to the spend store.",
			Buckets: []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, .5, 2.5},
		}),
		size: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "zgproxy_store_batch_size", Help: "Records committed to the spend store in one group.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}),
	}
	register(reg, m.commit, m.size)
	return m
}

func (m *storeMetrics) observe(records int, took time.Duration) {
	m.size.Observe(float64(records))
	m.commit.Observe(took.Seconds())
}

type meterMetrics struct {
	fees, tokens, refused, told *prometheus.CounterVec
	above                       prometheus.Counter
}

func newMeterMetrics(reg prometheus.Registerer) *meterMetrics {
	m := &meterMetrics{
		fees: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_fees_neuron_total", Help: "Fees recorded, in neuron (10^-18 0G), by what they were computed from.",
		}, []string{"provider", "model", "basis"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_tokens_total", Help: "Tokens that answers reported. Cached tokens are part of the input tokens.",
		}, []string{"provider", "model", "direction"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_meter_refusals_total", Help: "Requests refused before anything was sent or spent.",
		}, []string{"reason"}),
		told: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_told_fees_total", Help: "Answers that stated their fee in neuron, by what became of it: booked, disagrees (booked; the usage leads to another), " +
				"above_bound, unreadable.",
		}, []string{"provider", "outcome"}),
		above: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "zgproxy_fees_above_bound_total", Help: "Requests whose fee was higher than the upper bound computed before they were sent.",
		}),
	}
	register(reg, m.fees, m.tokens, m.refused, m.told, m.above)
	return m
}

// booked counts one finished request.
func (m *meterMetrics) booked(provider, model string, u *zg.Usage, b Booking) {
	if b.Basis != zg.FeeFree {
		m.fees.WithLabelValues(provider, model, string(b.Basis)).Add(b.Fee.Float())
	}
	tokens := func(direction string, n uint64) {
		if n > 0 {
			m.tokens.WithLabelValues(provider, model, direction).Add(float64(n))
		}
	}
	tokens("input", u.InputTokens)
	tokens("output", u.OutputTokens)
	tokens("cached", u.CachedTokens)
}

type journalMetrics struct {
	ended             *prometheus.CounterVec
	gas, replacements prometheus.Counter
	pending           prometheus.Gauge
}

func newJournalMetrics(reg prometheus.Registerer) *journalMetrics {
	m := &journalMetrics{
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_transactions_total", Help: "Transactions of the wallet, by what they were for, what asked for them, and how they ended.",
		}, []string{"kind", "origin", "outcome"}),
		gas: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "zgproxy_gas_spent_neuron_total", Help: "Gas paid by the wallet, in neuron (10^-18 0G), including that of transactions that reverted.",
		}),
		replacements: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "zgproxy_transaction_replacements_total", Help: "Transactions signed with higher fees in place of one that was not mined.",
		}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "zgproxy_transaction_pending", Help: "1 while a transaction of the wallet is pending, otherwise 0.",
		}),
	}
	register(reg, m.ended, m.gas, m.replacements, m.pending)
	return m
}

type keeperMetrics struct {
	topups, refusals *prometheus.CounterVec
}

func newKeeperMetrics(reg prometheus.Registerer, k *Keeper) *keeperMetrics {
	m := &keeperMetrics{
		topups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_topups_total", Help: "Top-ups of sub-accounts, by how they ended.",
		}, []string{"provider", "outcome"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_topup_refusals_total", Help: "Times a sub-account was low and not topped up, by reason.",
		}, []string{"provider", "reason"}),
	}
	register(reg, m.topups, m.refusals, viewCollector{k}, transferBudgets{k})
	return m
}

var (
	balanceDesc   = prometheus.NewDesc("zgproxy_balance_neuron", "What is in the sub-account with a provider and not under refund.", []string{"provider"}, nil)
	unsettledDesc = prometheus.NewDesc("zgproxy_unsettled_neuron", "Fees that the provider says it has not settled on chain yet.", []string{"provider"}, nil)
	owedDesc      = prometheus.NewDesc("zgproxy_owed_neuron", "Fees of recorded requests that the provider has not settled on chain yet.", []string{"provider"}, nil)
	driftDesc     = prometheus.NewDesc("zgproxy_drift_neuron", "What the provider has settled or claims beyond the fees recorded here.", []string{"provider"}, nil)
	watchedDesc   = prometheus.NewDesc("zgproxy_watched_neuron", "Claimed beyond the fees recorded here, but not drift yet: a settlement under way may explain it.", []string{"provider"}, nil)
	unclaimedDesc = prometheus.NewDesc("zgproxy_unclaimed_neuron", "Fees recorded here that the provider, with nothing under way, has neither settled nor claimed.", []string{"provider"}, nil)
	settledDesc   = prometheus.NewDesc("zgproxy_settled_neuron_total", "Settled on chain by the provider and matched with recorded requests.", []string{"provider"}, nil)
	debitedDesc   = prometheus.NewDesc("zgproxy_debited_neuron_total", "Settled on chain by the provider.", []string{"provider"}, nil)
	correctedDesc = prometheus.NewDesc("zgproxy_corrected_neuron_total", "Recorded fees in excess of what was settled for the same requests.", []string{"provider"}, nil)
	runwayDesc    = prometheus.NewDesc("zgproxy_runway_seconds", "How long the sub-account stays above the provider's reserve at the rate of the last hour. Absent while nothing is spent.", []string{"provider"}, nil)
	availableDesc = prometheus.NewDesc("zgproxy_ledger_available_neuron", "What is left in the ledger for top-ups.", nil, nil)
	walletDesc    = prometheus.NewDesc("zgproxy_wallet_neuron", "Balance of the wallet itself, which pays for gas.", nil, nil)
	foreignDesc   = prometheus.NewDesc("zgproxy_foreign_transactions", "Transactions of the wallet that were not made here and that the owner has not accepted. Nothing is topped up while there are any.", nil, nil)
	othersDesc    = prometheus.NewDesc("zgproxy_foreign_waiting", "Transactions of the wallet that were not made here and wait to be mined. Nothing is topped up while there are any.", nil, nil)
	heldDesc      = prometheus.NewDesc("zgproxy_held_neuron", "Sum of the upper bounds of the fees of requests under way.", []string{"provider"}, nil)
)

// viewCollector reads the keeper's last view when it is scraped. What was never read is absent, not zero.
type viewCollector struct{ keeper *Keeper }

func (c viewCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		balanceDesc, unsettledDesc, owedDesc, driftDesc, watchedDesc, unclaimedDesc, settledDesc, debitedDesc, correctedDesc, runwayDesc, availableDesc, walletDesc,
		foreignDesc, othersDesc,
	} {
		out <- d
	}
}

func (c viewCollector) Collect(out chan<- prometheus.Metric) {
	v := c.keeper.View()
	if v.ReadAt.IsZero() {
		return
	}
	gauge := func(d *prometheus.Desc, n zg.Neuron, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n.Float(), labels...)
	}
	counter := func(d *prometheus.Desc, n zg.Neuron, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, n.Float(), labels...)
	}
	gauge(walletDesc, v.Holdings.Wallet)
	out <- prometheus.MustNewConstMetric(foreignDesc, prometheus.GaugeValue, float64(v.Foreign.Count()))
	out <- prometheus.MustNewConstMetric(othersDesc, prometheus.GaugeValue, float64(v.Waiting.Count))
	if v.Holdings.Ledger != nil {
		gauge(availableDesc, v.Holdings.Ledger.Available)
	}
	for p, pv := range v.Providers {
		who := p.Hex()
		gauge(balanceDesc, pv.Account.Locked(), who)
		gauge(owedDesc, pv.Owed, who)
		gauge(driftDesc, pv.Drift, who)
		gauge(watchedDesc, pv.Watched, who)
		gauge(unclaimedDesc, pv.Unclaimed, who)
		counter(debitedDesc, pv.Debited, who)
		counter(settledDesc, pv.Settled, who)
		counter(correctedDesc, pv.Corrected, who)
		if pv.UnsettledKnown {
			gauge(unsettledDesc, pv.Unsettled, who)
		}
		if left, ok := c.keeper.Runway(p); ok {
			out <- prometheus.MustNewConstMetric(runwayDesc, prometheus.GaugeValue, left.Seconds(), who)
		}
	}
}

// transferBudgets tells what the budgets of transfers leave. The metric is described by the meter, which tells the same of
// fees; one metric can't be described twice.
type transferBudgets struct{ keeper *Keeper }

func (transferBudgets) Describe(chan<- *prometheus.Desc) {}

func (c transferBudgets) Collect(out chan<- prometheus.Metric) {
	if c.keeper.View().ReadAt.IsZero() {
		return
	}
	for _, b := range c.keeper.TransferBudgets() {
		who := ""
		if b.Provider != (common.Address{}) {
			who = b.Provider.Hex()
		}
		out <- prometheus.MustNewConstMetric(budgetDesc, prometheus.GaugeValue, b.Cap.Sub(b.Spent).Float(), transferBudget(b.Limit), who)
	}
}

func registerHolds(reg prometheus.Registerer, b *Book) { register(reg, holdsCollector{b}) }

type holdsCollector struct{ book *Book }

func (c holdsCollector) Describe(out chan<- *prometheus.Desc) { out <- heldDesc }

func (c holdsCollector) Collect(out chan<- prometheus.Metric) {
	for p, s := range c.book.All() {
		out <- prometheus.MustNewConstMetric(heldDesc, prometheus.GaugeValue, s.Held.Float(), p.Hex())
	}
}
