package attest

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Whoever waits gets what is recorded, and goes ahead of those for whom nobody waits.
func TestJudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *QueueConfig) { c.Workers = 1 })
		var order []string
		record := b.cfg.Record
		b.cfg.Record = func(x Exchange, r Result) {
			order = append(order, x.RequestID) // by the only worker
			record(x, r)
		}
		for i := range 3 {
			b.Submit(numbered(i))
		}
		var got Result
		var wg sync.WaitGroup
		wg.Go(func() { got = b.Judge(t.Context(), numbered(3)) })
		synctest.Wait()
		b.run(t)
		wg.Wait()
		b.book.mu.Lock()
		recorded := b.book.results["r3"]
		b.book.mu.Unlock()
		if got.Verdict != zg.VerdictVerified || got != recorded {
			t.Errorf("Judge = %+v, recorded %+v; want verified in both", got, recorded)
		}
		synctest.Wait()
		if len(order) != 4 || order[0] != "r3" {
			t.Errorf("recorded %v, want r3 first", order)
		}
	})
}

func TestJudgeGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		// Before anybody works, so that whoever no longer waits certainly goes without.
		late, stop := context.WithCancel(t.Context())
		stop()
		want := Result{Verdict: zg.VerdictUnavailable, Code: CodeTimeout, Expected: teeSigner}
		if got := b.Judge(late, numbered(2)); got != want {
			t.Errorf("Judge = %+v, want %+v", got, want)
		}
		b.notary.fail = errNever
		b.run(t)
		synctest.Wait()
		b.book.want(t, "r2", zg.VerdictUnavailable, CodeFetchFailed)

		b.notary.fail = nil
		b.notary.ready = time.Now().Add(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if got := b.Judge(ctx, numbered(1)); got != want {
			t.Errorf("Judge = %+v, want %+v", got, want)
		}
		if b.book.len() != 1 {
			t.Error("recorded before there is a verdict")
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		b.book.want(t, "r1", zg.VerdictVerified, "") // for the record it was found later

		// Each of the two was refused once, whatever became of it later.
		for code, want := range map[string]float64{CodeTimeout: 2, CodeFetchFailed: 0} {
			if n := testutil.ToFloat64(b.refused.WithLabelValues(alice.Hex(), code)); n != want {
				t.Errorf("%v refusals with %s counted, want %v", n, code, want)
			}
		}
	})
}

func TestJudgeAtTheEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *QueueConfig) { c.Depth = 1 })
		b.Submit(numbered(0))
		if r := b.Judge(t.Context(), numbered(1)); r.Code != CodeQueueFull || r.Expected != teeSigner {
			t.Errorf("Judge by a full queue = %+v", r)
		}
		b.run(t)
		b.stop()
		if r := b.Judge(t.Context(), numbered(2)); r.Code != CodeShutdown {
			t.Errorf("Judge after the end = %+v", r)
		}
		unsigned := numbered(3)
		unsigned.Signed = false
		if r := b.Judge(t.Context(), unsigned); r.Expected != (common.Address{}) {
			t.Errorf("Judge of an unsigned service = %+v, want nobody expected", r)
		}
	})
}

// A verdict that is waited for is not lost when the queue ends.
func TestJudgeDuringShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *QueueConfig) { c.Schedule = []time.Duration{0, time.Hour} })
		b.run(t)
		b.notary.ready = time.Now().Add(time.Second)
		b.notary.hang["https://slow.example"] = true
		results := make([]Result, 8)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				x := numbered(i)
				if i >= 4 {
					x.Provider, x.BaseURL = bob, "https://slow.example" // some are at work, one is parked
				}
				results[i] = b.Judge(t.Context(), x)
			})
		}
		<-time.After(2 * time.Second)
		b.stop()
		wg.Wait()
		for i, r := range results {
			want := zg.VerdictVerified
			if i >= 4 {
				want = zg.VerdictUnavailable
			}
			if r.Verdict != want {
				t.Errorf("Judge %d = %+v, want %s", i, r, want)
			}
		}
	})
}

// Those that wait for a busy provider's turn follow at once, the ones that somebody waits for first.
func TestQueueParks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *QueueConfig) { c.Workers = 2 })
		fetch := b.cfg.Fetch
		var order []string
		b.cfg.Fetch = func(ctx context.Context, url, key, model string) (zg.Signature, error) {
			order = append(order, key) // by the one worker that one provider may have
			<-time.After(10 * time.Millisecond)
			return fetch(ctx, url, key, model)
		}
		b.run(t)
		start := time.Now()
		for i := range 4 {
			b.Submit(numbered(i))
		}
		synctest.Wait()
		var wg sync.WaitGroup
		for i := 4; i < 6; i++ {
			wg.Go(func() { b.Judge(t.Context(), numbered(i)) })
			synctest.Wait()
		}
		wg.Wait()
		if took := time.Since(start); took != 30*time.Millisecond {
			t.Errorf("the verdicts took %v, want the time of three", took)
		}
		<-time.After(time.Second)
		synctest.Wait()
		if b.book.len() != 6 || fmt.Sprint(order[1:3]) != "[key-4 key-5]" {
			t.Errorf("%d verdicts, asked for %v; want 6, and 4 and 5 after the first", b.book.len(), order)
		}
	})
}

// Bodies of those that are judged are kept whatever their size.
func TestJudgeKeepsBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *QueueConfig) { c.MaxBytes = 1 })
		b.run(t)
		b.notary.sign = func(key string) zg.Signature { return signed(t, sum(`{"n":1}`)+":"+sum(answerOf(key))) }
		x := numbered(1)
		x.Request, x.RequestSHA256 = []byte(`{"n":1.0}`), [32]byte{}
		if r := b.Judge(t.Context(), x); r.Code != CodeReencoded || !r.ReencodedRequest {
			t.Errorf("Judge = %+v, want the encoded request found", r)
		}
	})
}

// What enforcing would refuse is counted by cause, also where nothing is enforced.
func TestQueueCountsRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.run(t)
		b.Submit(numbered(1))
		tampered := numbered(2)
		tampered.ResponseSHA256[0] ^= 1
		b.Submit(tampered)
		unsigned := numbered(3)
		unsigned.Signed = false
		b.Submit(unsigned)
		<-time.After(time.Second)
		synctest.Wait()
		for code, want := range map[string]float64{CodeResponseMismatch: 1, CodeUnsigned: 1, "": 0} {
			if n := testutil.ToFloat64(b.refused.WithLabelValues(alice.Hex(), code)); n != want {
				t.Errorf("%v refusals with %q counted, want %v", n, code, want)
			}
		}
	})
}

// Every code has a sentence, and every sentence is about a code.
func TestCodesAreExplained(t *testing.T) {
	codes := codesOf(t)
	if len(codes) < 25 {
		t.Fatalf("%d codes, want all: %v", len(codes), codes)
	}
	page, err := os.ReadFile("../../docs/verification.md")
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	for name, code := range codes {
		if !zg.Explained(code) {
			t.Errorf("%s: there is no sentence about %q", name, code)
		}
		if !strings.Contains(string(page), "`"+code+"`") {
			t.Errorf("%s: docs/verification.md does not explain %q", name, code)
		}
	}
	if zg.Explained("") || zg.Explained("made_up") {
		t.Error("there is a sentence about no code")
	}
}

var codeLine = regexp.MustCompile(`(?m)^\s*(Code\w+)\s*=\s*("\w+"|zg\.CodeSignerChanged)`)

// codesOf reads the constants whose names begin with Code.
func codesOf(t *testing.T) map[string]string {
	t.Helper()
	source, err := os.ReadFile("exchange.go")
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	codes := make(map[string]string)
	for _, m := range codeLine.FindAllStringSubmatch(string(source), -1) {
		if codes[m[1]] = strings.Trim(m[2], `"`); strings.HasPrefix(m[2], "zg.") {
			codes[m[1]] = zg.CodeSignerChanged
		}
	}
	return codes
}
