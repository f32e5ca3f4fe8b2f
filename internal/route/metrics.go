package route

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// boardMetrics reads the board when it is asked, so that a pick pays nothing for it.
type boardMetrics struct{ board *Board }

func descriptions() (state, success, firstByte, inFlight, picks, held *prometheus.Desc) {
	who := []string{"provider"}
	return prometheus.NewDesc("zgproxy_route_provider_state", "1 for the state that a provider is in: ok, untried, down, paced or paused.", []string{"provider", "state"}, nil),
		prometheus.NewDesc("zgproxy_route_provider_success_ratio", "Share of a provider's late attempts that succeeded.", who, nil),
		prometheus.NewDesc("zgproxy_route_provider_first_byte_seconds", "Mean time of late to a provider's first byte.", who, nil),
		prometheus.NewDesc("zgproxy_route_provider_in_flight", "Requests under way at a provider.", who, nil),
		prometheus.NewDesc("zgproxy_route_picks_total", "Times that a provider was chosen.", who, nil),
		prometheus.NewDesc("zgproxy_route_held_back_total", "Times that a provider could not be chosen, by cause.", []string{"provider", "cause"}, nil)
}

// Describe implements prometheus.Collector.
func (m boardMetrics) Describe(ch chan<- *prometheus.Desc) {
	a, b, c, d, e, f := descriptions()
	for _, desc := range []*prometheus.Desc{a, b, c, d, e, f} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (m boardMetrics) Collect(ch chan<- prometheus.Metric) {
	state, success, firstByte, inFlight, picks, held := descriptions()
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
			gauge(state, v, s)
		}
		gauge(success, h.SuccessRate)
		gauge(firstByte, speed)
		gauge(inFlight, float64(h.InFlight))
		ch <- prometheus.MustNewConstMetric(picks, prometheus.CounterValue, float64(picked), label)
		for i, c := range causes {
			ch <- prometheus.MustNewConstMetric(held, prometheus.CounterValue, float64(back[i]), label, string(c))
		}
	}
}
