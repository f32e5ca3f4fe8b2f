package route

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// boardMetrics reads the board when it is asked, so that a pick pays nothing for it.
type boardMetrics struct{ board *Board }

// How a wait for a provider's room ended. It is a bounded set.
const (
	waitServed  = "served"   // a provider had room
	waitGivenUp = "given_up" // its time was over, or nobody was worth waiting for any more
	waitLeft    = "left"     // the caller had enough
)

func newWaits() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "zgproxy_route_wait_seconds", Help: "How long requests waited until a provider had room for them, by how that ended.",
		Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
	}, []string{"outcome"})
}

// descriptions are those of boardMetrics.
var descriptions = struct{ state, success, firstByte, inFlight, most, waiting, picks, held *prometheus.Desc }{
	state: prometheus.NewDesc("zgproxy_route_provider_state",
		"1 for the state that a provider is in: ok, untried, down, paced or paused.", []string{"provider", "state"}, nil),
	success: prometheus.NewDesc("zgproxy_route_provider_success_ratio",
		"Share of a provider's recent attempts that succeeded.", []string{"provider"}, nil),
	firstByte: prometheus.NewDesc("zgproxy_route_provider_first_byte_seconds",
		"Mean recent time to a provider's first byte.", []string{"provider"}, nil),
	inFlight: prometheus.NewDesc("zgproxy_route_provider_in_flight", "Requests under way at a provider.", []string{"provider"}, nil),
	most: prometheus.NewDesc("zgproxy_route_provider_at_once",
		"Requests that a provider accepts at a time, learned from its refusals; 0: not known.", []string{"provider"}, nil),
	waiting: prometheus.NewDesc("zgproxy_route_provider_waiting",
		"Requests that wait until a provider has room; one that could go to several counts at each.", []string{"provider"}, nil),
	picks: prometheus.NewDesc("zgproxy_route_picks_total", "Times that a provider was chosen.", []string{"provider"}, nil),
	held: prometheus.NewDesc("zgproxy_route_held_back_total",
		"Times that a provider could not be chosen, by cause.", []string{"provider", "cause"}, nil),
}

// Describe implements prometheus.Collector.
func (m boardMetrics) Describe(ch chan<- *prometheus.Desc) {
	d := descriptions
	for _, desc := range []*prometheus.Desc{d.state, d.success, d.firstByte, d.inFlight, d.most, d.waiting, d.picks, d.held} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (m boardMetrics) Collect(ch chan<- prometheus.Metric) {
	d := descriptions
	now := time.Now()
	m.board.mu.RLock()
	defer m.board.mu.RUnlock()
	for label, r := range m.board.records {
		h := r.health(&Offer{Label: label}, now)
		r.mu.Lock()
		picked, back, speed := r.picks, r.held3, r.speed.mean()
		r.mu.Unlock()
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{label}, labels...)...)
		}
		for _, s := range states {
			v := 0.
			if s == h.State {
				v = 1
			}
			gauge(d.state, v, s)
		}
		gauge(d.success, h.SuccessRate)
		gauge(d.firstByte, speed)
		gauge(d.inFlight, float64(h.InFlight))
		gauge(d.most, float64(h.AtOnce))
		gauge(d.waiting, float64(h.Waiting))
		ch <- prometheus.MustNewConstMetric(d.picks, prometheus.CounterValue, float64(picked), label)
		for i, c := range causes {
			ch <- prometheus.MustNewConstMetric(d.held, prometheus.CounterValue, float64(back[i]), label, string(c))
		}
	}
}
