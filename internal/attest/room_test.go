package attest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	budget "github.com/zgproxy/zgproxy/internal/memory"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// spacious are documents that take many times their size when they are read.
func spacious(size int) map[string]string {
	fill := func(unit, last string) string { return `{"a":[` + strings.Repeat(unit, size/len(unit)) + last + `]}` }
	return map[string]string{
		"numbers":          fill("1,", "1"),
		"lists":            fill("[],", "[]"),
		"objects":          fill("{},", "{}"),
		"objects of one":   fill(`{"a":1},`, "1"),
		"texts":            fill(`"",`, `""`),
		"what is escaped":  `{"a":"` + strings.Repeat("<", size) + `"}`,
		"line separators":  `{"a":"` + strings.Repeat("\u2028", size/3) + `"}`,
		"one long text":    `{"a":"` + strings.Repeat("x", size) + `"}`,
		"names":            names(size),
		"lists in lists":   strings.Repeat(`{"a":`, 500) + strings.Repeat("[", 400) + "1" + strings.Repeat("]", 400) + strings.Repeat("}", 500),
		"nothing to speak": `{"model":"m","messages":[{"role":"user","content":"hello"}]}`,
	}
}

func names(size int) string {
	var b strings.Builder
	b.WriteString(`{"n":0`)
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `,"%x":1`, i)
	}
	return b.String() + "}"
}

// What is set aside for the forms of a body is at least what it takes once it is read, whatever it is made of.
func TestFormsTakeNoMoreThanIsSetAside(t *testing.T) {
	inUse := func() int64 {
		var now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&now)
		return int64(now.HeapAlloc)
	}
	for name, body := range spacious(1 << 20) {
		doc := []byte(body)
		// The whole process is measured, in which something else may be made meanwhile: what looks too much is measured again.
		took := int64(math.MaxInt64)
		for range 5 {
			before := inUse()
			read, err := decode(context.Background(), doc)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			took = min(took, inUse()-before)
			if runtime.KeepAlive(read); took <= requestForms(doc) {
				break
			}
		}
		if took > requestForms(doc) {
			t.Errorf("%s: %d bytes take %d, and %d are set aside", name, len(doc), took, requestForms(doc))
		}
		t.Logf("%s: %d bytes take %d, %d are set aside", name, len(doc), took, requestForms(doc))
	}
}

// Without memory for its other forms, a body that was signed in one of them counts as not kept; with it, it is
// verified, and what was set aside is given back.
func TestNoMemoryForForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			most    int64
			verdict zg.Verdict
			code    string
		}{
			{64 << 20, zg.VerdictVerified, CodeReencoded},
			{1 << 10, zg.VerdictResponse, CodeNotKept},
		} {
			memory := budget.New(tc.most)
			b := newBench(t, func(c *QueueConfig) { c.Memory = memory })
			body := []byte(`{ "model":"m", "a":[` + strings.Repeat("1, ", 100) + `1]}`)
			canonical, err := Canonical(body)
			if err != nil {
				t.Fatal(err)
			}
			x := numbered(1)
			x.Request, x.RequestSHA256 = body, sha256.Sum256(body)
			signed := sha256.Sum256(canonical)
			text := hex.EncodeToString(signed[:]) + ":" + hex.EncodeToString(x.ResponseSHA256[:])
			sig := told(text, hex.EncodeToString(sign(t, key(t, 0x11), text)))
			if r := b.check(t.Context(), x, sig); r.Verdict != tc.verdict || r.Code != tc.code {
				t.Errorf("with %d bytes: %s %s, want %s %s", tc.most, r.Verdict, r.Code, tc.verdict, tc.code)
			}
			if now, peak := memory.Used(); now != 0 || (peak == 0) == (tc.code == CodeReencoded) {
				t.Errorf("with %d bytes: %d are used, %d at most", tc.most, now, peak)
			}
		}
	})
}

// Bodies that somebody waited for count as the queue's when he does so no longer, until they have their verdict.
func TestBodiesOfWhoGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := budget.New(64 << 20)
		b := newBench(t, func(c *QueueConfig) { c.Memory = memory })
		b.notary.ready = time.Now().Add(time.Second)
		b.run(t)
		x := numbered(1)
		x.Response = make([]byte, 1000)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if r := b.Judge(ctx, x); r.Code != CodeTimeout {
			t.Fatalf("Judge = %+v, want it to give up", r)
		}
		if now, _ := memory.Used(); now != int64(len(x.Request)+len(x.Response)) {
			t.Errorf("%d bytes count, want %d", now, len(x.Request)+len(x.Response))
		}
		time.Sleep(5 * time.Second) //nolint:forbidigo // of the test's own time
		synctest.Wait()
		b.book.want(t, "r1", zg.VerdictVerified, "")
		if now, _ := memory.Used(); now != 0 || b.kept.Load() != 0 {
			t.Errorf("%d bytes still count, %d kept", now, b.kept.Load())
		}
	})
}
