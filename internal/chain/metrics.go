package chain

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type clientMetrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newClientMetrics(reg prometheus.Registerer) *clientMetrics {
	m := &clientMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_rpc_requests_total", Help: "Calls to the chain's JSON-RPC, by method and outcome.",
		}, []string{"method", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "zgproxy_rpc_seconds", Help: "Time of one call to the chain's JSON-RPC.", Buckets: prometheus.ExponentialBuckets(.002, 2, 13),
		}, []string{"method"}),
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.seconds)
	}
	return m
}

func (m *clientMetrics) observe(method string, took time.Duration, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "error"
		if _, ok := DecodeRevert(err); ok {
			outcome = "revert"
		}
		if errors.Is(err, errNoContract) {
			outcome = "empty"
		}
	}
	m.requests.WithLabelValues(method, outcome).Inc()
	m.seconds.WithLabelValues(method).Observe(took.Seconds())
}
