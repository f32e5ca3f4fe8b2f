package attest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// When the process ends, everything gets a last attempt and a verdict.
func TestQueueShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *QueueConfig) { c.Schedule = []time.Duration{0, time.Hour} })
		b.run(t)
		b.notary.hang["https://slow.example"] = true
		b.notary.ready = time.Now().Add(time.Minute)
		for i := range 20 {
			x := numbered(i)
			if i%2 == 1 {
				x.Provider, x.BaseURL = bob, "https://slow.example"
			}
			b.Submit(x)
		}
		<-time.After(2 * time.Minute) // the first attempts have failed, the second are an hour away
		synctest.Wait()

		start := time.Now()
		b.stop()
		if took := time.Since(start); took > grace {
			t.Errorf("the end took %v, want at most %v", took, grace)
		}
		if b.book.len() != 20 {
			t.Errorf("%d verdicts, want 20", b.book.len())
		}
		for i := range 20 {
			if i%2 == 1 {
				b.book.want(t, fmt.Sprintf("r%d", i), zg.VerdictUnavailable, CodeShutdown)
			} else {
				b.book.want(t, fmt.Sprintf("r%d", i), zg.VerdictVerified, "")
			}
		}
		b.Submit(numbered(20))
		b.book.want(t, "r20", zg.VerdictUnavailable, CodeShutdown)
	})
}

// What is only late at the end still gets its verdict from the last attempt.
func TestQueueShutdownFindsLateSignatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *QueueConfig) { c.Schedule = []time.Duration{0, time.Hour} })
		b.run(t)
		b.notary.ready = time.Now().Add(time.Second)
		b.Submit(numbered(1))
		<-time.After(2 * time.Second)
		synctest.Wait()
		if b.book.len() != 0 {
			t.Fatalf("a verdict too early: %v", b.book.results)
		}
		b.stop()
		b.book.want(t, "r1", zg.VerdictVerified, "")
	})
}

// Ending in the middle of a fetch loses nothing.
func TestQueueShutdownDuringFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.run(t)
		b.notary.hang["https://p.example"] = true
		b.Submit(numbered(1))
		synctest.Wait()
		b.notary.mu.Lock()
		clear(b.notary.hang)
		b.notary.mu.Unlock()
		b.stop()
		b.book.want(t, "r1", zg.VerdictVerified, "")
	})
}

// Many submitters while the queue ends; the race detector watches.
func TestQueueConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *QueueConfig) { c.Depth = 32 })
		b.run(t)
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 100 {
					b.Submit(numbered(100*g + i))
				}
			})
		}
		b.stop()
		wg.Wait()
		if got := b.book.len(); got != 400 || len(b.book.twice) != 0 {
			t.Errorf("%d verdicts, %v twice; want one for each of 400", got, b.book.twice)
		}
	})
}

// ending is a context that ends when it is asked for the last time.
type ending struct {
	context.Context
	left int
	asks int
}

func (e *ending) Err() error {
	e.asks++
	if e.left--; e.left < 0 {
		return context.Canceled
	}
	return nil
}

// A document is not read to its end for nobody: a process that is told to stop would wait for the largest that a
// stranger sent.
func TestWritingFormsEndsWithItsContext(t *testing.T) {
	document := []byte(`{"a":[0` + strings.Repeat(`,{"b":[1,"c"]}`, 1<<15) + `]}`)
	for name, write := range map[string]func(context.Context) bool{
		"canonical": func(ctx context.Context) bool { return canonicalForms(ctx, document) != nil },
		"jcs": func(ctx context.Context) bool {
			_, err := reserialise(ctx, zg.JCS, document)
			return err == nil
		},
	} {
		if whole := (&ending{Context: t.Context(), left: 1 << 20}); !write(whole) || whole.asks < 50 {
			t.Errorf("%s: the context is asked %d times, or the document has no such form", name, whole.asks)
		}
		if cut := (&ending{Context: t.Context(), left: 5}); write(cut) || cut.asks != 6 {
			t.Errorf("%s: goes on after its context ended, which was asked %d times", name, cut.asks)
		}
	}
}
