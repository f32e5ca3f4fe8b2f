package proxy

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func TestHeadersInBothDirections(t *testing.T) {
	in := http.Header{
		"Content-Type": {"application/json", "text/html"}, "Accept": {"text/event-stream"}, "Anthropic-Version": {"2023-06-01"}, "Anthropic-Beta": {"a"},
		"Authorization": {"Bearer caller"}, "X-Api-Key": {"caller"}, "Cookie": {"a=b"}, "X-Forwarded-For": {"1.2.3.4"}, "Connection": {"Accept"}, "Te": {"trailers"},
		"X-0g-Upstream": {"x"}, "Accept-Encoding": {"gzip"}, "User-Agent": {"caller"}, "Content-Encoding": {"gzip"}, "Transfer-Encoding": {"chunked"},
	}
	out := upstreamHeader(in, "Bearer ours", "zgproxy")
	want := http.Header{
		"Content-Type": {"application/json"}, "Accept": {"text/event-stream"}, "Anthropic-Version": {"2023-06-01"}, "Anthropic-Beta": {"a"},
		"Authorization": {"Bearer ours"}, "Accept-Encoding": {"identity"}, "User-Agent": {"zgproxy"},
	}
	if fmt.Sprint(out) != fmt.Sprint(want) {
		t.Errorf("the provider sees %v, want %v", out, want)
	}
	src := http.Header{
		"Content-Type": {"application/json"}, "Zg-Res-Key": {"k", "another"}, "Provider": {"0xAb"}, "X-0g-Fee": {"7"}, "X-0g-Audio-Duration-Seconds": {"1.5"},
		"X-Ratelimit-Remaining-Tokens": {"5"}, "Anthropic-Ratelimit-Tokens-Reset": {"2026-01-01T00:00:00Z"}, "Retry-After": {"7"},
		"Set-Cookie": {"a=b"}, "Server": {"x"}, "Access-Control-Allow-Origin": {"*"}, "Location": {"/x"}, "X-Zgproxy-Verdict": {"valid"}, "X-Request-Id": {"theirs"},
		"Content-Length": {"5"}, "Trailer": {"X"}, "Connection": {"close"}, "X-Should-Retry": {"true"}, "Cache-Control": {strings.Repeat("x", maxHeaderValue+1)},
	}
	got := http.Header{}
	copyResponseHeader(got, src)
	wanted := http.Header{
		"Content-Type": {"application/json"}, "Zg-Res-Key": {"k"}, "Provider": {"0xAb"}, "X-0g-Fee": {"7"}, "X-0g-Audio-Duration-Seconds": {"1.5"},
		"X-Ratelimit-Remaining-Tokens": {"5"}, "Anthropic-Ratelimit-Tokens-Reset": {"2026-01-01T00:00:00Z"}, "Retry-After": {"7"},
	}
	if fmt.Sprint(got) != fmt.Sprint(wanted) {
		t.Errorf("the caller sees %v, want %v", got, wanted)
	}
	many := http.Header{}
	for i := range 1000 {
		many[fmt.Sprintf("X-Ratelimit-%04d", i)] = []string{"1"}
	}
	got = http.Header{}
	if copyResponseHeader(got, many); len(got) != maxFamily || got.Get("X-Ratelimit-0000") == "" {
		t.Errorf("of a thousand limits %d pass, want the first %d", len(got), maxFamily)
	}
}

// What a provider sends as the name of its signature is recorded for every answer: only one that can be one is.
func TestSignatureKeyIsBounded(t *testing.T) {
	const good = "3f1f2f3f-1111-2222-3333-444455556666"
	for given, want := range map[string]string{
		"": "", good: good, strings.Repeat("k", 64): strings.Repeat("k", 64),
		strings.Repeat("k", 65): unusableKey, strings.Repeat("k", 256<<10): unusableKey, "../x": unusableKey, unusableKey: unusableKey, "\x1b[2J": unusableKey,
	} {
		if got := signatureKey(http.Header{"Zg-Res-Key": {given}}); got != want {
			t.Errorf("the key %.80q is recorded as %.80q, want %q", given, got, want)
		}
	}
	if zg.ValidChatID(unusableKey) {
		t.Error("a signature would be asked for under the mark for a key that is none")
	}
}

func FuzzResponseHeaders(f *testing.F) {
	f.Add("X-Ratelimit-Limit-Requests", "30", "Zg-Res-Key", "k")
	f.Add("set-cookie", "a=b", "x-ratelimit-", "")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		src := http.Header{}
		src.Add(name1, value1)
		src.Add(name2, value2)
		dst := http.Header{}
		copyResponseHeader(dst, src)
		for name, v := range dst {
			if !slices.Contains(responseHeaders, name) && !ofFamily(name) {
				t.Fatalf("%q passes", name)
			}
			if len(v) != 1 || len(v[0]) > maxHeaderValue || v[0] != src[name][0] {
				t.Fatalf("%q = %q, of %q", name, v, src[name])
			}
		}
	})
}

// What a provider's upstream says of its answer is on record, bounded and printable. It changes neither verdict nor
// fee, and the caller does not get it.
func TestHeadersThatAreOnlyRecorded(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header()["ZG-Verdict"] = []string{"PASS", "REJECT"}
		w.Header().Set("ZG-Node", "né\tde"+strings.Repeat("x", 500))
		w.Header().Set("ZG-Failure-Source", "client")
		_, _ = io.WriteString(w, answer)
	}, nil)
	resp, _ := r.chat(`{"model":"chat-1"}`)
	rec := r.record(resp)
	if want := "Zg-Verdict=PASS\nZg-Node=né de" + strings.Repeat("x", maxSaid-len("né de")+1) + "…"; rec.Said != want {
		t.Errorf("told %q, want %q", rec.Said, want)
	}
	if rec.Verdict != zg.VerdictPending || rec.Basis != zg.FeeExact || rec.Fee.String() != "50" || resp.Header.Get("Zg-Verdict") != "" {
		t.Errorf("verdict %q, fee %v %s, the caller sees %v", rec.Verdict, rec.Fee, rec.Basis, resp.Header)
	}
	receipt, ok, err := r.store.Receipt(t.Context(), rec.ID)
	if err != nil || !ok || receipt.Said != rec.Said {
		t.Errorf("the receipt has %q, %v", receipt.Said, err)
	}
	if got := saidIn(http.Header{"Zg-Verdict": {""}, "Zg-Res-Key": {"k"}}); got != "" {
		t.Errorf("told %q where nothing was", got)
	}
}
