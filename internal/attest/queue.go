package attest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// QueueConfig is what a Queue needs.
type QueueConfig struct {
	// Fetch asks the provider for the signature of one answer. Required.
	Fetch func(ctx context.Context, baseURL, key, model string) (zg.Signature, error)
	// Retryable reports whether asking again may help. Required.
	Retryable func(error) bool
	// Record takes the result. It must not block. Required.
	Record     func(requestID string, r Result)
	Depth      int             // exchanges waiting; 0: 1024
	MaxBytes   int64           // of request bodies kept for the canonical form; 0: 16 MiB
	Workers    int             // 0: 4
	Schedule   []time.Duration // waits before each attempt; nil: 0, 0.2, 0.4, 0.8 and 1.6 s
	Log        zerolog.Logger
	Registerer prometheus.Registerer // nil: no metrics
}

// Queue checks answers one after the other, beside the request path.
type Queue struct {
	cfg      QueueConfig
	work     chan item
	kept     atomic.Int64
	verdicts *prometheus.CounterVec
	seconds  prometheus.Histogram
}

type item struct {
	Exchange
	since time.Time
	kept  int64
}

// NewQueue builds a Queue. It starts nothing; Run does.
func NewQueue(cfg QueueConfig) *Queue {
	if cfg.Depth == 0 {
		cfg.Depth = 1024
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 16 << 20
	}
	if cfg.Workers == 0 {
		cfg.Workers = 4
	}
	if cfg.Schedule == nil {
		cfg.Schedule = []time.Duration{0, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond}
	}
	q := &Queue{
		cfg: cfg, work: make(chan item, cfg.Depth),
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_verdicts_total", Help: "Answers by what their signature showed.",
		}, []string{"provider", "verdict"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "zgproxy_verdict_seconds", Help: "From the last byte of an answer to its verdict.", Buckets: prometheus.ExponentialBuckets(.001, 2, 14),
		}),
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(q.verdicts, q.seconds, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "zgproxy_verdict_queue", Help: "Answers waiting to be checked.",
		}, func() float64 { return float64(len(q.work)) }))
	}
	return q
}

// Submit takes an exchange. It never blocks: what the queue cannot hold is recorded as unavailable.
func (q *Queue) Submit(x Exchange) {
	if !x.Signed || x.ResKey == "" {
		q.record(item{Exchange: x}, Result{Verdict: zg.VerdictNotSigned, Code: "not_signed"})
		return
	}
	it := item{Exchange: x, since: time.Now(), kept: int64(len(x.Request))}
	if q.kept.Add(it.kept) > q.cfg.MaxBytes {
		q.kept.Add(-it.kept)
		it.Request, it.kept = nil, 0
	}
	select {
	case q.work <- it:
	default:
		q.kept.Add(-it.kept)
		q.record(it, Result{Verdict: zg.VerdictUnavailable, Code: "queue_full"})
	}
}

func (q *Queue) record(it item, r Result) {
	q.verdicts.WithLabelValues(it.Provider.Hex(), string(r.Verdict)).Inc()
	if !it.since.IsZero() {
		q.seconds.Observe(time.Since(it.since).Seconds())
	}
	q.cfg.Record(it.RequestID, r)
}

// Run checks until ctx ends. What is then still waiting stays pending.
func (q *Queue) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for range q.cfg.Workers {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case it := <-q.work:
					if r, ok := q.check(ctx, it.Exchange); ok {
						q.record(it, r)
					}
					q.kept.Add(-it.kept)
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// check fetches the signature, which may come a little after the answer, and compares. It is false when ctx ended first.
func (q *Queue) check(ctx context.Context, x Exchange) (Result, bool) {
	if !zg.ValidChatID(x.ResKey) {
		return Result{Verdict: zg.VerdictInvalid, Code: "bad_key"}, true
	}
	code := "no_signature"
	for _, wait := range q.cfg.Schedule {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return Result{}, false
		case <-timer.C:
		}
		sig, err := q.cfg.Fetch(ctx, x.BaseURL, x.ResKey, x.Model)
		if err == nil {
			return Check(x, sig), true
		}
		if ctx.Err() != nil {
			return Result{}, false
		}
		q.cfg.Log.Debug().Err(err).Str("request_id", x.RequestID).Msg("no signature yet")
		if !q.cfg.Retryable(err) {
			code = "fetch_failed"
			break
		}
	}
	return Result{Verdict: zg.VerdictUnavailable, Code: code}, true
}
