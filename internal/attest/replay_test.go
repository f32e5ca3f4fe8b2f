package attest

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// again is one that was answered before, under another request.
func again(i int, asKey string) Exchange {
	x := numbered(i)
	x.ResKey, x.ResponseSHA256 = asKey, sha256.Sum256([]byte(answerOf(asKey)))
	return x
}

func TestQueueReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.run(t)
		judge := func(x Exchange) Result { return b.Judge(t.Context(), x) }
		if r := judge(numbered(1)); !r.Passes() {
			t.Fatalf("Judge = %+v, want verified", r)
		}
		if r := judge(again(2, "key-1")); r.Verdict != zg.VerdictReplayed || r.Code != CodeReplayed || r.Passes() || r.Bytes != zg.WireBytes {
			t.Errorf("Judge of a replay = %+v", r)
		}
		b.book.want(t, "r2", zg.VerdictReplayed, CodeReplayed)
		if n := testutil.ToFloat64(b.refused.WithLabelValues(alice.Hex(), CodeReplayed)); n != 1 {
			t.Errorf("%v replays counted as refused, want 1", n)
		}

		// Another signature key for the same text is the same answer all the same; so is a request that is not bound.
		x := again(3, "key-1")
		x.RequestSHA256[0] ^= 1
		if r := judge(x); r.Verdict != zg.VerdictReplayed {
			t.Errorf("Judge of a replay for another request = %+v", r)
		}
		// The same request judged once more is none.
		b.book.results = make(map[string]Result)
		if r := judge(numbered(1)); r.Verdict != zg.VerdictVerified || r.Code != "" {
			t.Errorf("Judge of the same exchange = %+v, want verified", r)
		}
		// What earlier processes have seen counts.
		b.Remember(teeSigner, textOf("key-8"), "before")
		if r := judge(numbered(8)); r.Verdict != zg.VerdictReplayed {
			t.Errorf("Judge of what an earlier process has seen = %+v", r)
		}
		if b.Remember(teeSigner, "", "before"); len(b.memory.recent) != 2 {
			t.Errorf("%d texts are remembered, want 2 and none of an empty one", len(b.memory.recent))
		}
		b.Remember(bob, textOf("key-9"), "before")
		b.Remember(teeSigner, textOf("key-9"), "r9")
		if r := judge(numbered(9)); r.Verdict != zg.VerdictVerified {
			t.Errorf("Judge of what another signer has signed = %+v", r)
		}
	})
}

// Equal requests may have equal answers where an answer carries no id.
func TestQueueSeenBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.run(t)
		for i, kind := range []zg.ServiceType{zg.TextToImage, zg.ImageEditing, zg.SpeechToText, zg.Embedding} {
			first, second := numbered(10*i), again(10*i+1, fmt.Sprintf("key-%d", 10*i))
			first.Type, second.Type = kind, kind
			if r := b.Judge(t.Context(), first); r.Verdict != zg.VerdictVerified || r.Code != "" {
				t.Errorf("%s: Judge = %+v, want verified", kind, r)
			}
			if r := b.Judge(t.Context(), second); r.Verdict != zg.VerdictVerified || r.Code != CodeSeenBefore || !r.Passes() {
				t.Errorf("%s: Judge of the same = %+v, want verified and %s", kind, r, CodeSeenBefore)
			}
		}
	})
}

// An answer that was not matched with its signature says nothing about the next one with that signature.
func TestQueueForgetsWhatDidNotMatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.run(t)
		cut := again(1, "key-7")
		cut.Complete, cut.ResponseSHA256 = false, sha256.Sum256(nil)
		if r := b.Judge(t.Context(), cut); r.Verdict != zg.VerdictSignerOnly {
			t.Fatalf("Judge = %+v, want signer-only", r)
		}
		swapped := again(2, "key-7")
		swapped.ResponseSHA256 = sha256.Sum256([]byte("other"))
		if r := b.Judge(t.Context(), swapped); r.Verdict != zg.VerdictInvalid {
			t.Fatalf("Judge = %+v, want invalid", r)
		}
		if r := b.Judge(t.Context(), numbered(7)); r.Verdict != zg.VerdictVerified {
			t.Errorf("Judge of the answer itself = %+v, want verified", r)
		}
	})
}

func TestMemory(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	m := newMemory(func() time.Time { return now })
	seen := func(text, request string, want bool) {
		t.Helper()
		if got := m.seen(teeSigner, text, request); got != want {
			t.Errorf("%s: seen(%s, %s) = %v, want %v", now, text, request, got, want)
		}
	}
	seen("a", "1", false)
	seen("a", "1", false)
	seen("a", "2", true)
	now = now.Add(memoryLife - time.Second)
	seen("a", "2", true) // which is remembered again
	now = now.Add(memoryLife - time.Second)
	seen("b", "3", false) // time for another generation
	seen("a", "2", true)
	now = now.Add(memoryLife)
	seen("a", "2", false) // a day has passed
	seen("b", "4", false)

	m.limit = 3
	for i := range 3 {
		seen(fmt.Sprint("full", i), "x", false)
	}
	seen("a", "9", true) // from the older generation
	for i := range 100 {
		seen(fmt.Sprint("more", i), "x", false)
	}
	seen("a", "10", false) // no room any more
	if n := len(m.recent) + len(m.older); n > 2*m.limit {
		t.Errorf("%d texts are remembered, want at most %d", n, 2*m.limit)
	}
	seen("more99", "y", true)
}
