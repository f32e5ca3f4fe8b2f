package chain

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type clientMetrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	newest   *prometheus.GaugeVec   // by endpoint, where there are several
	outvoted *prometheus.CounterVec // the same
}

func newClientMetrics(reg prometheus.Registerer) *clientMetrics {
	m := &clientMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_rpc_requests_total", Help: "Calls to the chain's JSON-RPC, by method and outcome.",
		}, []string{"method", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "zgproxy_rpc_seconds", Help: "Time of one call to the chain's JSON-RPC.", Buckets: prometheus.ExponentialBuckets(.002, 2, 13),
		}, []string{"method"}),
		newest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "zgproxy_rpc_endpoint_block", Help: "Newest block that an RPC endpoint has reported, if there are several endpoints.",
		}, []string{"endpoint"}),
		outvoted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_rpc_endpoint_outvoted_total", Help: "Readings in which an RPC endpoint differed from what the others agree on.",
		}, []string{"endpoint"}),
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.seconds, m.newest, m.outvoted)
	}
	return m
}

func (m *clientMetrics) observe(method string, took time.Duration, err error) {
	m.requests.WithLabelValues(method, outcome(err)).Inc()
	m.seconds.WithLabelValues(method).Observe(took.Seconds())
}

// outcome is how a call went: ok, revert (the contract refused), empty (no contract), refused (the node did), timeout,
// canceled, or error (not reached, or not understood).
func outcome(err error) string {
	var revert *RevertError
	var node *nodeError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &revert), errors.Is(err, ErrReverted):
		return "revert"
	case errors.Is(err, ErrNoContract):
		return "empty"
	case errors.As(err, &node):
		return "refused"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "error"
}
