package attest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	fetchTimeout = 3 * time.Second // of one attempt: a provider that hangs must not keep the workers
	busyPause    = 250 * time.Millisecond
	grace        = 2 * time.Second // for one last attempt each when the process ends
)

// QueueConfig is what a Queue needs.
type QueueConfig struct {
	// Fetch asks a provider once for the signature under key. Required.
	Fetch func(ctx context.Context, baseURL, key, model string) (zg.Signature, error)
	// Retryable reports whether a failed Fetch is worth another attempt. Required.
	Retryable func(error) bool
	// Record takes a result. It is called once for every exchange submitted, from any goroutine, Submit's own included, and
	// must not block. Required.
	Record func(requestID string, r Result)
	// Depth is how many exchanges may be waiting or under way; 0 is 1024.
	Depth int
	// MaxBytes is how many bytes of request bodies may be kept for the comparison; 0 is 16 MiB.
	MaxBytes int64
	// Workers is how many signatures are asked for at a time; 0 is 4.
	Workers int
	// Schedule is how long to wait before each attempt; nil is 0, 0.2, 0.4, 0.8 and 1.6 seconds. Signatures appear at the end
	// of an answer or a little later.
	Schedule   []time.Duration
	Log        zerolog.Logger
	Registerer prometheus.Registerer // nil: no metrics
}

// Queue finds verdicts beside the request path. Submit hands over an exchange, Run does the work.
type Queue struct {
	cfg     QueueConfig
	pending atomic.Int64 // submitted and without a verdict yet
	kept    atomic.Int64 // bytes of request bodies
	full    atomic.Bool  // it has been said that the queue is full

	mu      sync.Mutex
	ready   chan *job // room for all pending, so that sending never blocks; sent to under mu
	waiting map[*job]*time.Timer
	busy    map[common.Address]int // workers at work for each provider
	stopped bool

	verdicts *prometheus.CounterVec
	seconds  prometheus.Histogram
}

// job is an exchange on its way to a verdict.
type job struct {
	x       Exchange
	since   time.Time
	kept    int64
	attempt int
}

// NewQueue builds a Queue. It starts nothing.
func NewQueue(cfg QueueConfig) *Queue {
	if cfg.Depth <= 0 {
		cfg.Depth = 1024
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 16 << 20
	}
	if cfg.Workers <= 0 {
		cfg.Workers = 4
	}
	if len(cfg.Schedule) == 0 {
		cfg.Schedule = []time.Duration{0, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond}
	}
	q := &Queue{
		cfg: cfg, ready: make(chan *job, cfg.Depth), waiting: make(map[*job]*time.Timer), busy: make(map[common.Address]int),
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_verdicts_total", Help: "Answers by what their signature showed.",
		}, []string{"provider", "verdict"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "zgproxy_verdict_seconds", Help: "Time from the end of an answer to the verdict about its signature.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(q.verdicts, q.seconds, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "zgproxy_verdict_queue", Help: "Answers without a verdict yet.",
		}, func() float64 { return float64(q.pending.Load()) }))
	}
	return q
}

// Submit hands over an exchange whose answer has ended. It never blocks: an exchange for which there is no room, or that
// comes after Run has ended, is recorded as unavailable at once. x.Request must not be changed afterwards; where it would
// exceed MaxBytes it is not kept, and only its digest is compared.
func (q *Queue) Submit(x Exchange) {
	j := &job{x: x, since: time.Now()}
	if q.pending.Add(1) > int64(q.cfg.Depth) {
		if !q.full.Swap(true) {
			q.cfg.Log.Warn().Int("depth", q.cfg.Depth).Msg("too many answers wait for their signatures; some are not checked")
		}
		q.finish(j, Result{Verdict: zg.VerdictUnavailable, Code: CodeQueueFull})
		return
	}
	if n := int64(len(x.Request)); n > 0 {
		if q.kept.Add(n) <= q.cfg.MaxBytes {
			j.kept = n
		} else {
			q.kept.Add(-n)
			j.x.Request = nil
		}
	}
	q.mu.Lock()
	if q.stopped {
		q.mu.Unlock()
		q.finish(j, Result{Verdict: zg.VerdictUnavailable, Code: CodeShutdown})
		return
	}
	q.scheduleLocked(j, q.cfg.Schedule[0])
	q.mu.Unlock()
}

// scheduleLocked makes a job ready after a pause. The caller holds mu.
func (q *Queue) scheduleLocked(j *job, pause time.Duration) {
	if pause <= 0 {
		q.ready <- j
		return
	}
	q.waiting[j] = time.AfterFunc(pause, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if _, ok := q.waiting[j]; ok { // else it was taken out to be finished
			delete(q.waiting, j)
			q.ready <- j
		}
	})
}

// Run works until ctx ends, then tries once more for everything that is still waiting, for two seconds at most, and records
// what is left as unavailable. When it returns nil, every exchange submitted has its verdict.
func (q *Queue) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for range q.cfg.Workers {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case j := <-q.ready:
					q.work(ctx, j)
				}
			}
		})
	}
	wg.Wait()

	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	for _, jobs := range q.close() {
		for range min(q.cfg.Workers, len(jobs)) {
			wg.Go(func() { q.drain(last, jobs) })
		}
	}
	wg.Wait()
	return nil
}

// close takes everything out of the queue, by provider, so that one that hangs holds up no other. Nothing gets in again.
func (q *Queue) close() map[common.Address]chan *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	for j, timer := range q.waiting {
		timer.Stop()
		delete(q.waiting, j)
		q.ready <- j
	}
	out := make(map[common.Address]chan *job)
	for range len(q.ready) {
		j := <-q.ready
		if out[j.x.Provider] == nil {
			out[j.x.Provider] = make(chan *job, q.cfg.Depth)
		}
		out[j.x.Provider] <- j
	}
	return out
}

// work makes one attempt for a job, which ends with a verdict or in the queue again.
func (q *Queue) work(ctx context.Context, j *job) {
	if !q.claim(j) {
		return
	}
	defer q.release(j.x.Provider)
	r, err := q.attempt(ctx, j)
	if err == nil {
		q.finish(j, r)
		return
	}
	if ctx.Err() != nil {
		q.again(j, 0) // cut short; the last attempt is still to come
		return
	}
	retry := q.cfg.Retryable(err)
	if j.attempt++; retry && j.attempt < len(q.cfg.Schedule) {
		q.again(j, q.cfg.Schedule[j.attempt])
		return
	}
	code := CodeFetchFailed
	if retry {
		code = CodeNoSignature
	}
	q.giveUp(j, code, err)
}

// drain makes the last attempt for everything in jobs, which nobody fills any more.
func (q *Queue) drain(ctx context.Context, jobs <-chan *job) {
	for {
		select {
		case j := <-jobs:
			r, err := q.attempt(ctx, j)
			if err != nil {
				q.giveUp(j, CodeShutdown, err)
				continue
			}
			q.finish(j, r)
		default:
			return
		}
	}
}

// attempt asks for the signature once and checks it.
func (q *Queue) attempt(ctx context.Context, j *job) (Result, error) {
	if r, done := unsigned(j.x); done {
		return r, nil
	}
	if !zg.ValidChatID(j.x.ResKey) {
		return Result{Verdict: zg.VerdictUnavailable, Code: CodeBadKey}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	sig, err := q.cfg.Fetch(ctx, j.x.BaseURL, j.x.ResKey, j.x.Model)
	if err != nil {
		return Result{}, err
	}
	return Check(j.x, sig), nil
}

// claim leaves one worker to the other providers: one that hangs would else take all of them.
func (q *Queue) claim(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy[j.x.Provider] >= max(1, q.cfg.Workers-1) {
		q.scheduleLocked(j, busyPause)
		return false
	}
	q.busy[j.x.Provider]++
	return true
}

func (q *Queue) release(p common.Address) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy[p]--; q.busy[p] == 0 {
		delete(q.busy, p)
	}
}

func (q *Queue) again(j *job, pause time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.scheduleLocked(j, pause)
}

func (q *Queue) giveUp(j *job, code string, err error) {
	q.cfg.Log.Debug().Err(err).Str("request_id", j.x.RequestID).Str("provider", j.x.Provider.Hex()).Str("code", code).
		Msg("no signature could be had for an answer")
	q.finish(j, Result{Verdict: zg.VerdictUnavailable, Code: code})
}

// finish ends a job with its verdict.
func (q *Queue) finish(j *job, r Result) {
	q.kept.Add(-j.kept)
	if q.pending.Add(-1) <= int64(q.cfg.Depth/2) && q.full.Load() {
		q.full.Store(false)
	}
	q.verdicts.WithLabelValues(j.x.Provider.Hex(), string(r.Verdict)).Inc()
	if r.Verdict != zg.VerdictNotSigned {
		q.seconds.Observe(time.Since(j.since).Seconds())
	}
	q.cfg.Record(j.x.RequestID, r)
}
