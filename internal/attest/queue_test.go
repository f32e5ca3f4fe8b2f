package attest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/zgproxy/zgproxy/internal/zg"
)

var (
	errMissing = errors.New("chat_id_not_found")
	errNever   = errors.New("the answer makes no sense")
)

// notary is a provider that signs, as far as a queue sees it.
type notary struct {
	mu    sync.Mutex
	sign  func(key string) zg.Signature
	ready time.Time              // no signature before
	fail  error                  // instead of a signature
	hang  map[string]bool        // base URLs that never answer
	asked map[string][]time.Time // by chat ID
}

func (n *notary) fetch(ctx context.Context, baseURL, key, _ string) (zg.Signature, error) {
	n.mu.Lock()
	n.asked[key] = append(n.asked[key], time.Now())
	sig, err, hang := n.sign(key), n.fail, n.hang[baseURL]
	if err == nil && time.Now().Before(n.ready) {
		err = errMissing
	}
	n.mu.Unlock()
	if hang {
		<-ctx.Done()
		return zg.Signature{}, ctx.Err()
	}
	if ctx.Err() != nil {
		return zg.Signature{}, ctx.Err()
	}
	return sig, err
}

// book records results.
type book struct {
	mu      sync.Mutex
	results map[string]Result
	twice   []string
}

func (b *book) record(x Exchange, r Result) {
	id := x.RequestID
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.results[id]; ok {
		b.twice = append(b.twice, id)
	}
	b.results[id] = r
}

func (b *book) want(t *testing.T, id string, v zg.Verdict, code string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	got, ok := b.results[id]
	if !ok || got.Verdict != v || got.Code != code {
		t.Errorf("result of %s = %+v (recorded: %v), want %s %q", id, got, ok, v, code)
	}
	if len(b.twice) > 0 {
		t.Errorf("recorded twice: %v", b.twice)
	}
}

func (b *book) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.results)
}

// bench is a queue with its surroundings. It has to be made and run within one bubble.
type bench struct {
	*Queue
	notary *notary
	book   *book
	stop   func() // ends Run and waits for it
	reg    *prometheus.Registry
}

func newBench(t *testing.T, edit func(*QueueConfig)) *bench {
	t.Helper()
	b := &bench{
		notary: &notary{sign: func(key string) zg.Signature { return signed(t, textOf(key)) }, hang: make(map[string]bool), asked: make(map[string][]time.Time)},
		book:   &book{results: make(map[string]Result)}, reg: prometheus.NewRegistry(),
	}
	cfg := QueueConfig{
		Fetch: b.notary.fetch, Retryable: func(err error) bool { return !errors.Is(err, errNever) }, Record: b.book.record, Registerer: b.reg,
	}
	if edit != nil {
		edit(&cfg)
	}
	b.Queue = NewQueue(cfg)
	return b
}

func (b *bench) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	var once sync.Once
	b.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
		})
	}
	t.Cleanup(func() {
		b.stop()
		// Only now has every Submit returned, those too that Run did not wait for.
		if p, k := b.pending.Load(), b.kept.Load(); p != 0 || k != 0 {
			t.Errorf("%d exchanges and %d bytes are left, want none", p, k)
		}
	})
}

// numbered is one of many exchanges, each with an answer of its own.
func numbered(i int) Exchange {
	x := chat()
	x.RequestID, x.ResKey = fmt.Sprintf("r%d", i), fmt.Sprintf("key-%d", i)
	x.ResponseSHA256 = sha256.Sum256([]byte(answerOf(x.ResKey)))
	return x
}

func answerOf(key string) string { return `{"id":"` + key + `","choices":[]}` }

// textOf is what is signed for one of many exchanges.
func textOf(key string) string { return sum(requestBody) + ":" + sum(answerOf(key)) }

func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.Submit(numbered(0)) // before Run
		b.run(t)
		b.Submit(numbered(1))
		tampered := numbered(2)
		tampered.ResponseSHA256[0] ^= 1
		b.Submit(tampered)
		unkeyed := numbered(3)
		unkeyed.ResKey = ""
		b.Submit(unkeyed)
		silent := numbered(4)
		silent.Signed = false
		b.Submit(silent)
		odd := numbered(5)
		odd.ResKey = "../../v1/models"
		b.Submit(odd)
		<-time.After(time.Second) // one that finds the workers busy comes again a moment later
		synctest.Wait()
		b.book.want(t, "r0", zg.VerdictVerified, "")
		b.book.want(t, "r1", zg.VerdictVerified, "")
		b.book.want(t, "r2", zg.VerdictInvalid, CodeResponseMismatch)
		b.book.want(t, "r3", zg.VerdictNotSigned, CodeNoKey)
		b.book.want(t, "r4", zg.VerdictNotSigned, CodeUnsigned)
		b.book.want(t, "r5", zg.VerdictUnavailable, CodeBadKey)
		if len(b.notary.asked) != 3 {
			t.Errorf("asked for %v, want the three signed answers with a usable key only", b.notary.asked)
		}
		for v, want := range map[zg.Verdict]float64{
			zg.VerdictVerified: 2, zg.VerdictInvalid: 1, zg.VerdictNotSigned: 2, zg.VerdictUnavailable: 1, zg.VerdictSignerOnly: 0,
		} {
			if got := testutil.ToFloat64(b.verdicts.WithLabelValues(alice.Hex(), string(v))); got != want {
				t.Errorf("%v verdicts %q counted, want %v", got, v, want)
			}
		}
	})
}

// A signature that comes late is waited for, on schedule.
func TestQueueLateSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.run(t)
		start := time.Now()
		b.notary.ready = start.Add(1200 * time.Millisecond)
		b.Submit(numbered(1))
		<-time.After(1399 * time.Millisecond)
		synctest.Wait()
		if b.book.len() != 0 {
			t.Errorf("a verdict before the signature: %v", b.book.results)
		}
		<-time.After(time.Millisecond)
		synctest.Wait()
		b.book.want(t, "r1", zg.VerdictVerified, "")
		var at []time.Duration
		for _, when := range b.notary.asked["key-1"] {
			at = append(at, when.Sub(start))
		}
		if diff := cmp.Diff([]time.Duration{0, 200 * time.Millisecond, 600 * time.Millisecond, 1400 * time.Millisecond}, at); diff != "" {
			t.Errorf("asked at (-want +got):\n%s", diff)
		}
	})
}

func TestQueueSignatureNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.run(t)
		b.notary.fail = errMissing
		b.Submit(numbered(1))
		<-time.After(3 * time.Second)
		synctest.Wait()
		b.book.want(t, "r1", zg.VerdictUnavailable, CodeNoSignature)
		if n := len(b.notary.asked["key-1"]); n != 5 {
			t.Errorf("asked %d times, want 5", n)
		}

		b.notary.fail = errNever
		b.Submit(numbered(2))
		synctest.Wait()
		b.book.want(t, "r2", zg.VerdictUnavailable, CodeFetchFailed)
		if n := len(b.notary.asked["key-2"]); n != 1 {
			t.Errorf("asked %d times after an error that is final, want once", n)
		}
	})
}

// Submit never waits: what there is no room for is recorded at once, and room comes back.
func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *QueueConfig) { c.Depth = 8 })
		for i := range 12 {
			b.Submit(numbered(i))
		}
		if got := testutil.ToFloat64(gauge{b.Queue}); got != 8 {
			t.Errorf("%v are waiting, want 8", got)
		}
		for i := 8; i < 12; i++ {
			b.book.want(t, fmt.Sprintf("r%d", i), zg.VerdictUnavailable, CodeQueueFull)
		}
		if b.book.len() != 4 || !b.full.Load() {
			t.Errorf("%d recorded, full: %v; want the 4 that there was no room for", b.book.len(), b.full.Load())
		}
		b.run(t)
		<-time.After(time.Second)
		synctest.Wait()
		for i := range 8 {
			b.book.want(t, fmt.Sprintf("r%d", i), zg.VerdictVerified, "")
		}
		b.Submit(numbered(12))
		synctest.Wait()
		b.book.want(t, "r12", zg.VerdictVerified, "")
		if b.full.Load() {
			t.Error("the queue still counts as full")
		}
	})
}

// gauge reads the depth of a queue the way a scrape does.
type gauge struct{ q *Queue }

func (g gauge) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(g, ch) }

func (g gauge) Collect(ch chan<- prometheus.Metric) {
	m := prometheus.NewGauge(prometheus.GaugeOpts{Name: "depth", Help: "depth"})
	m.Set(float64(g.q.pending.Load()))
	ch <- m
}

// Bodies beyond the limit are not kept; then only the digest of what was sent is compared.
func TestQueueKeepsFewBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := []byte(`{"n":1.0}`)
		b := newBench(t, func(c *QueueConfig) { c.MaxBytes = int64(2*len(body) + len(body)/2) })
		b.notary.sign = func(key string) zg.Signature { return signed(t, sum(`{"n":1}`)+":"+sum(answerOf(key))) }
		for i := range 3 {
			x := numbered(i)
			x.Request, x.RequestSHA256 = body, [32]byte{}
			b.Submit(x)
		}
		if got := b.kept.Load(); got != int64(2*len(body)) {
			t.Errorf("%d bytes kept, want those of two requests, %d", got, 2*len(body))
		}
		b.run(t)
		synctest.Wait()
		b.book.want(t, "r0", zg.VerdictVerified, CodeReencoded)
		b.book.want(t, "r1", zg.VerdictVerified, CodeReencoded)
		b.book.want(t, "r2", zg.VerdictResponse, CodeNotKept)
		if got := b.kept.Load(); got != 0 {
			t.Errorf("%d bytes kept after all verdicts, want 0", got)
		}
	})
}

// A provider that hangs takes neither all the workers nor much time.
func TestQueueWithAProviderThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *QueueConfig) { c.Schedule = []time.Duration{0, time.Second} })
		b.run(t)
		b.notary.hang["https://slow.example"] = true
		for i := range 9 {
			x := numbered(i)
			x.Provider, x.BaseURL = bob, "https://slow.example"
			b.Submit(x)
		}
		synctest.Wait()
		start := time.Now()
		b.Submit(numbered(9))
		synctest.Wait()
		b.book.want(t, "r9", zg.VerdictVerified, "")
		if took := time.Since(start); took != 0 {
			t.Errorf("another provider's verdict took %v, want no time", took)
		}
		// Nine exchanges of two attempts each, three at a time and three seconds long.
		<-time.After(2*3*fetchTimeout + 5*time.Second)
		synctest.Wait()
		for i := range 9 {
			b.book.want(t, fmt.Sprintf("r%d", i), zg.VerdictUnavailable, CodeNoSignature)
		}
	})
}

func TestQueueMetrics(t *testing.T) {
	b := newBench(t, nil)
	x := chat()
	x.Signed = false
	b.finish(&job{x: x, since: time.Now()}, Result{Verdict: zg.VerdictNotSigned, Code: CodeUnsigned})
	b.pending.Store(3)
	families, err := b.reg.Gather()
	if err != nil {
		t.Fatalf("Gather: %v", err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		m := f.GetMetric()[0]
		got[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	want := map[string]float64{"zgproxy_verdicts_total": 1, "zgproxy_verify_would_refuse_total": 1, "zgproxy_verdict_queue": 3, "zgproxy_verdict_seconds": 0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func BenchmarkSubmit(b *testing.B) {
	q := NewQueue(QueueConfig{Depth: 1, Record: func(Exchange, Result) {}})
	x := chat()
	b.ReportAllocs()
	for b.Loop() {
		q.Submit(x)
		select {
		case j := <-q.ready:
			q.kept.Add(-j.kept)
			q.pending.Add(-1)
		default:
			b.Fatal("nothing was submitted")
		}
	}
}

// Answers without a signature are counted with the others, and as what enforcing would refuse.
func TestQueueCountsUnsigned(t *testing.T) {
	b := newBench(t, nil)
	if r := b.Unsigned(alice, CodeNoKey); r.Verdict != zg.VerdictNotSigned || r.Code != CodeNoKey || r.Passes() {
		t.Errorf("Unsigned = %+v", r)
	}
	if n := testutil.ToFloat64(b.verdicts.WithLabelValues(alice.Hex(), string(zg.VerdictNotSigned))); n != 1 {
		t.Errorf("%v answers counted, want 1", n)
	}
	if n := testutil.ToFloat64(b.refused.WithLabelValues(alice.Hex(), CodeNoKey)); n != 1 {
		t.Errorf("%v counted as refused, want 1", n)
	}
}
