package proxy

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the numbers of the callers' side. Labels come from bounded sets only: our routes, services on chain that
// the owner allows, status codes and error codes.
type Metrics struct {
	requests  *prometheus.CounterVec
	errors    *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	firstByte *prometheus.HistogramVec
	duration  *prometheus.HistogramVec
	bytes     *prometheus.CounterVec
	open      prometheus.Gauge
	streams   prometheus.Gauge
	drains    *prometheus.CounterVec
	failovers *prometheus.CounterVec
}

// NewMetrics registers the proxy's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	seconds := []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_requests_total", Help: "Requests answered, by route, provider, model and status sent to the caller.",
		}, []string{"route", "provider", "model", "status"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_errors_total", Help: "Errors sent to callers that the proxy itself made, by code.",
		}, []string{"code"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_provider_refusals_total", Help: "Answers other than 200 from providers, by class.",
		}, []string{"provider", "class"}),
		firstByte: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "zgproxy_time_to_first_byte_seconds", Help: "From the caller's request to the first byte of the provider's answer.", Buckets: seconds,
		}, []string{"provider"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "zgproxy_request_seconds", Help: "From the caller's request to the last byte.", Buckets: seconds,
		}, []string{"route"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_response_bytes_total", Help: "Bytes received from providers in answers.",
		}, []string{"provider"}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "zgproxy_open_requests", Help: "Requests under way.",
		}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "zgproxy_open_streams", Help: "Streamed answers under way.",
		}),
		drains: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_drains_total", Help: "Answers read to their end after the caller had left, by outcome.",
		}, []string{"outcome"}),
		failovers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_failovers_total", Help: "Attempts at a provider after which another one was asked, by the code of the failure.",
		}, []string{"provider", "code"}),
	}
	reg.MustRegister(m.requests, m.errors, m.refusals, m.firstByte, m.duration, m.bytes, m.open, m.streams, m.drains, m.failovers)
	return m
}
