package attest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	budget "github.com/zgproxy/zgproxy/internal/memory"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	fetchTimeout = 3 * time.Second // of one attempt: a provider that hangs must not keep the workers
	grace        = 2 * time.Second // for one last attempt each when the process ends
)

// QueueConfig is what a Queue needs.
type QueueConfig struct {
	// Fetch asks a provider once for the signature under key. Required.
	Fetch func(ctx context.Context, baseURL, key, model string) (zg.Signature, error)
	// Retryable reports whether a failed Fetch is worth another attempt. Required.
	Retryable func(error) bool
	// Record takes a result. It is called once for every exchange submitted, from any goroutine, Submit's own included,
	// and must not block. Required.
	Record func(x Exchange, r Result)
	// Signer reads from the chain, not from a cache, whose signature counts for a provider now. It is asked before anybody
	// is told that a stranger signed; nil: the chain can't be asked.
	Signer func(ctx context.Context, provider common.Address) (common.Address, error)
	// Depth is how many exchanges may be waiting or under way; 0 is 1024.
	Depth int
	// MaxBytes is how many bytes of bodies may be kept for the comparison; 0 is 16 MiB.
	MaxBytes int64
	// Memory is what they are counted against besides, like what it takes to write them in other forms; nil: 256 MiB of
	// its own.
	Memory *budget.Budget
	// Workers is how many signatures are asked for at a time; 0 is 4.
	Workers int
	// Schedule is how long to wait before each attempt; nil is 0, 0.2, 0.4, 0.8 and 1.6 seconds. Signatures appear at the
	// end of an answer or a little later.
	Schedule   []time.Duration
	Now        func() time.Time // for what was signed before; nil is time.Now
	Log        zerolog.Logger
	Registerer prometheus.Registerer // nil: no metrics
}

// Queue finds verdicts beside the request path. Submit and Judge hand over an exchange, Run does the work.
type Queue struct {
	cfg     QueueConfig
	memory  *memory
	signers *signers
	pending atomic.Int64 // submitted and without a verdict yet
	kept    atomic.Int64 // bytes of bodies
	full    atomic.Bool  // it has been said that the queue is full

	mu      sync.Mutex
	ready   chan *job // room for all pending, so that sending never blocks; sent to under mu
	urgent  chan *job // the same for those that a caller waits for
	waiting map[*job]*time.Timer
	busy    map[common.Address]int    // workers at work for each provider
	parked  map[common.Address][]*job // those that came while as many as may were at work
	stopped bool

	verdicts *prometheus.CounterVec
	refused  *prometheus.CounterVec
	seconds  prometheus.Histogram
}

// job is an exchange on its way to a verdict.
type job struct {
	x       Exchange
	since   time.Time
	kept    int64
	attempt int
	ended   bool        // under mu: it has its verdict
	judged  chan Result // takes the result; nil: nobody waits for it
	refused atomic.Bool // it has been counted as refused
}

// NewQueue builds a Queue. It starts nothing.
func NewQueue(cfg QueueConfig) *Queue {
	if cfg.Depth <= 0 {
		cfg.Depth = 1024
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 16 << 20
	}
	if cfg.Memory == nil {
		cfg.Memory = budget.New(256 << 20)
	}
	if cfg.Workers <= 0 {
		cfg.Workers = 4
	}
	if len(cfg.Schedule) == 0 {
		cfg.Schedule = []time.Duration{0, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	q := &Queue{
		cfg: cfg, memory: newMemory(cfg.Now), signers: &signers{read: cfg.Signer, of: make(map[common.Address]*readings)},
		ready: make(chan *job, cfg.Depth), urgent: make(chan *job, cfg.Depth), waiting: make(map[*job]*time.Timer),
		busy: make(map[common.Address]int), parked: make(map[common.Address][]*job),
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_verdicts_total", Help: "Answers, by the verdict about their signature.",
		}, []string{"provider", "verdict"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zgproxy_verify_would_refuse_total", Help: "Answers that are refused where verification is enforced, and would be where it is not.",
		}, []string{"provider", "code"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "zgproxy_verdict_seconds", Help: "Time from the end of an answer to the verdict about its signature.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(q.verdicts, q.refused, q.seconds, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "zgproxy_verdict_queue", Help: "Answers without a verdict yet.",
		}, func() float64 { return float64(q.pending.Load()) }))
	}
	return q
}

// Remember tells the queue of an answer that an earlier process matched with its signature, so that it is known if it
// is given again. Of several with the same text the first counts.
func (q *Queue) Remember(signer common.Address, text, requestID string) {
	if text != "" {
		q.memory.seen(signer, text, requestID)
	}
}

// Submit hands over an exchange whose answer has ended. It never blocks: an exchange for which there is no room, or
// that comes after Run has ended, is recorded as unavailable at once. The bodies must not be changed afterwards; where
// they would exceed MaxBytes they are not kept, and only their digests are compared.
func (q *Queue) Submit(x Exchange) {
	j := &job{x: x, since: time.Now()}
	q.keep(j, &j.x.Request)
	if !mayBeResigned(x) {
		j.x.Response = nil // nobody will look at it
	}
	q.keep(j, &j.x.Response)
	q.submit(j)
}

// Judge is Submit for somebody who waits for the result; it goes ahead of others. When ctx ends first, the result is
// unavailable, and the work goes on for the record. The bodies are kept in any case: whoever waits has them in memory
// anyway, and has counted them; they count as the queue's when nobody waits any more.
func (q *Queue) Judge(ctx context.Context, x Exchange) Result {
	j := &job{x: x, since: time.Now(), judged: make(chan Result, 1)}
	q.submit(j)
	select {
	case r := <-j.judged:
		return r
	case <-ctx.Done():
	}
	select {
	case r := <-j.judged: // both at once
		return r
	default:
	}
	q.inherit(j)
	r := expecting(x, Result{Verdict: zg.VerdictUnavailable, Code: CodeTimeout})
	q.refuse(j, r)
	return r
}

// inherit counts the bodies of a job that nobody waits for any more, unless it has ended meanwhile.
func (q *Queue) inherit(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !j.ended {
		j.kept = int64(len(j.x.Request) + len(j.x.Response))
		q.kept.Add(j.kept)
		q.cfg.Memory.Keep(j.kept)
	}
}

// keep counts the bytes of a body, or lets go of it where there is no room.
func (q *Queue) keep(j *job, body *[]byte) {
	n := int64(len(*body))
	switch {
	case n == 0:
	case q.kept.Add(n) <= q.cfg.MaxBytes && q.cfg.Memory.TryTake(n, budget.Bodies):
		j.kept += n
	default:
		q.kept.Add(-n)
		*body = nil
	}
}

func (q *Queue) submit(j *job) {
	if q.pending.Add(1) > int64(q.cfg.Depth) {
		if !q.full.Swap(true) {
			q.cfg.Log.Warn().Int("depth", q.cfg.Depth).Msg("too many answers wait for their signatures; some are not checked")
		}
		q.finish(j, Result{Verdict: zg.VerdictUnavailable, Code: CodeQueueFull})
		return
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

// Run works until ctx ends, then tries once more for everything that is still waiting, for two seconds at most, and
// records what is left as unavailable. When it returns nil, every exchange submitted has its verdict.
func (q *Queue) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for range q.cfg.Workers {
		wg.Go(func() {
			for j := q.take(ctx); j != nil; j = q.take(ctx) {
				q.work(ctx, j)
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
	sig, err := q.fetch(ctx, j.x)
	if err != nil {
		return Result{}, err
	}
	r := q.check(ctx, j.x, sig)
	if r.Code == CodeWrongSigner {
		if r, err = q.confirm(ctx, j.x, sig, r); err != nil {
			return Result{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err // it may have been cut short
	}
	return q.compareWithEarlier(j.x, r), nil
}

func (q *Queue) fetch(ctx context.Context, x Exchange) (zg.Signature, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	return q.cfg.Fetch(ctx, x.BaseURL, x.ResKey, x.Model)
}

// confirm asks the chain before it is said that a stranger signed: what is expected may be out of date. The error is
// that of ctx, which is the queue's own: all else ends with a verdict.
func (q *Queue) confirm(ctx context.Context, x Exchange, sig zg.Signature, r Result) (Result, error) {
	unconfirmed := draft(r).as(zg.VerdictUnavailable, CodeUnconfirmed)
	if q.cfg.Signer == nil {
		return unconfirmed, nil
	}
	now, err := q.signers.current(ctx, x.Provider, r.Signer)
	for try := 1; try < signerTries && err != nil && ctx.Err() == nil; try++ {
		now, err = q.signers.current(ctx, x.Provider, r.Signer)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return r, ctx.Err()
	case err != nil:
		q.cfg.Log.Warn().Err(err).Str("request_id", x.RequestID).Str("provider", x.Provider.Hex()).Str("signer", r.Signer.Hex()).
			Msg("an answer has another signer than expected, and the chain could not be asked about it")
		return unconfirmed, nil
	case now == r.Signer:
		return checkAgainst(now, x, sig, func(x Exchange, sig zg.Signature) Result { return q.check(ctx, x, sig) }), nil
	}
	return r, nil
}

// compareWithEarlier finds answers given before. An answer of a chat has an id of its own and can't be given twice.
func (q *Queue) compareWithEarlier(x Exchange, r Result) Result {
	if r.Verdict != zg.VerdictVerified && r.Verdict != zg.VerdictResponse || !q.memory.seen(r.Signer, string(r.Text), x.RequestID) {
		return r
	}
	code := CodeSeenBefore
	// Two chats are never alike, because an answer has an id of its own. Others may be, to the same request: one that was
	// signed for another request is not.
	if x.Type == zg.Chatbot || r.Verdict == zg.VerdictResponse {
		r.Verdict, code = zg.VerdictReplayed, CodeReplayed
	}
	// Another signer counts against it in any case, and what was taken out has to be told of.
	if r.Code != CodeSignerChanged && (r.Code != CodeUnsignedRemoved || code == CodeReplayed) {
		r.Code = code
	}
	return r
}

func (q *Queue) giveUp(j *job, code string, err error) {
	q.cfg.Log.Debug().Err(err).Str("request_id", j.x.RequestID).Str("provider", j.x.Provider.Hex()).Str("code", code).
		Msg("no signature could be fetched for an answer")
	q.finish(j, Result{Verdict: zg.VerdictUnavailable, Code: code})
}

// finish ends a job with its verdict.
func (q *Queue) finish(j *job, r Result) {
	r = expecting(j.x, r)
	q.letGo(j)
	if q.pending.Add(-1) <= int64(q.cfg.Depth/2) && q.full.Load() {
		q.full.Store(false)
	}
	q.verdicts.WithLabelValues(j.x.Provider.Hex(), string(r.Verdict)).Inc()
	if r.Verdict != zg.VerdictNotSigned {
		q.seconds.Observe(time.Since(j.since).Seconds())
	}
	if !r.Passes() {
		q.refuse(j, r)
	}
	q.cfg.Record(j.x, r)
	if j.judged != nil {
		j.judged <- r
	}
}

// letGo gives back what a job has kept.
func (q *Queue) letGo(j *job) {
	q.mu.Lock()
	kept := j.kept
	j.ended, j.kept = true, 0
	q.mu.Unlock()
	q.kept.Add(-kept)
	q.cfg.Memory.Give(kept)
}

// Unsigned counts an answer that has no signature to look for, and says why.
func (q *Queue) Unsigned(provider common.Address, code string) Result {
	q.verdicts.WithLabelValues(provider.Hex(), string(zg.VerdictNotSigned)).Inc()
	q.refused.WithLabelValues(provider.Hex(), code).Inc()
	return Result{Verdict: zg.VerdictNotSigned, Code: code}
}

// refuse counts an answer that would not be passed on, once.
func (q *Queue) refuse(j *job, r Result) {
	if !j.refused.Swap(true) {
		q.refused.WithLabelValues(j.x.Provider.Hex(), r.Code).Inc()
	}
}
