package simprovider

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// The fees of chatBody("echo-1", "a b c", …): 7 tokens in, 3 tokens or words out.
var (
	fullFee = testPrice.Input.Mul(7).Add(testPrice.Output.Mul(3))
	wordFee = testPrice.Output.Mul(3)
)

// An answer in the place of the provider's own costs nothing, and faults end after N requests.
func TestFaultsThatRefuse(t *testing.T) {
	s := start(t, nil)
	body := chatBody("echo-1", "a b c", streamed)
	for _, tt := range []struct {
		fault  Fault
		status int
		text   string
	}{
		{Fault{Kind: ServerError}, 500, `"type":"InternalServerError"`},
		{Fault{Kind: ServerError, Status: 503}, 503, "model server"},
		{Fault{Kind: IngressError}, 502, "<html>"},
		{Fault{Kind: IngressError, Status: 504}, 504, "504 Gateway Timeout"},
		{Fault{Kind: IngressError, Status: 403}, 403, "<title>403 Forbidden"},
		{Fault{Kind: IngressError, Status: 413}, 413, "<title>413 Request Entity Too Large"},
		{Fault{Kind: Reply, Body: `{"error":"validate session: session token expired"}`}, 400, "session token expired"},
		{Fault{Kind: RateLimited}, 429, "Please wait 2 seconds"},
		{Fault{Kind: TooManyConcurrent}, 429, "Too many concurrent requests"},
		{Fault{Kind: Banned}, 429, "too many invalid model requests. Please try again in 59m0s"},
		{Fault{Kind: TokenBudget}, 429, `"code":"token_budget_exceeded"`},
		{Fault{Kind: UpstreamRateLimited}, 429, `"code":"rate_limit_exceeded"`},
		{Fault{Kind: Redirect}, 307, ""},
	} {
		t.Run(string(tt.fault.Kind), func(t *testing.T) {
			tt.fault.N = 2
			s.SetFault(tt.fault)
			for range 2 {
				a := s.post(chatPath, body)
				a.wants(t, tt.status, tt.text)
				if tt.fault.Kind == Redirect && a.header.Get("Location") == "" {
					t.Error("no Location")
				}
			}
			s.post(chatPath, body).must(t)
		})
	}
	all := s.Exchanges()
	for _, e := range all {
		if e.RequestSHA256 != hexSum(body) {
			t.Errorf("%s: request digest %s, want %s", e.Fault, e.RequestSHA256, hexSum(body))
		}
		if want := map[bool]zg.Neuron{true: fullFee}[e.Status == 200]; e.Fee != want {
			t.Errorf("%s: fee %s, want %s", e.Fault, e.Fee, want)
		}
	}
	if len(all) != 39 {
		t.Errorf("%d exchanges, want 39", len(all))
	}
}

func TestFaultsOfStreams(t *testing.T) {
	s := start(t, nil)
	body := chatBody("echo-1", "a b c", streamed)
	for _, tt := range []struct {
		fault Fault
		check func(t *testing.T, a answer)
		fee   zg.Neuron
	}{
		{Fault{Kind: Truncate, After: 2}, func(t *testing.T, a answer) {
			t.Helper()
			if chunks, done := events(t, a.body); done || len(chunks) != 2 {
				t.Errorf("%d events, done %v, want 2 without an end", len(chunks), done)
			}
		}, testPrice.Output.Mul(2)}, // the second word was read, if not passed on
		{Fault{Kind: Truncate, After: 6}, func(t *testing.T, a answer) { // only the end mark is missing
			t.Helper()
			if chunks, done := events(t, a.body); done || chunks[len(chunks)-1].Usage == nil {
				t.Errorf("done %v in %s", done, a.body)
			}
		}, wordFee},
		{Fault{Kind: MidStreamError, After: 2}, func(t *testing.T, a answer) {
			t.Helper()
			if !strings.HasSuffix(a.body, "\n\n"+`{"error":"the model server has gone away"}`) {
				t.Errorf("body = %s", a.body)
			}
		}, testPrice.Output.Mul(2)},
		{Fault{Kind: GarbageSSE, After: 1}, func(t *testing.T, a answer) {
			t.Helper()
			if !strings.Contains(a.body, strings.Join(garbage, "")) || !strings.HasSuffix(a.body, "data: [DONE]\n\n") {
				t.Errorf("no garbage, or no end, in %.300q", a.body)
			}
		}, fullFee},
		{Fault{Kind: NoUsage}, func(t *testing.T, a answer) {
			t.Helper()
			if strings.Contains(a.body, "usage") || !strings.Contains(a.body, "[DONE]") {
				t.Errorf("usage in %s", a.body)
			}
		}, wordFee},
		{Fault{Kind: WrongUsage}, wantUsage(&usageReply{Prompt: 14, Completion: 6, Total: 20}), fullFee},
		{Fault{Kind: WrongUsage, Usage: zg.Usage{InputTokens: 1 << 60}}, wantUsage(&usageReply{Prompt: 1 << 60, Total: 1 << 60}), fullFee},
		{Fault{Kind: CachedUsage}, wantUsage(&usageReply{Prompt: 7, Completion: 3, Total: 10, Details: &usageDetails{Cached: 3}}), fullFee},
		{Fault{Kind: UsageEachChunk}, func(t *testing.T, a answer) {
			t.Helper()
			chunks, _ := events(t, a.body)
			for i, want := range []uint64{0, 1, 2, 3, 3, 3} {
				if u := chunks[i].Usage; u == nil || u.Completion != want {
					t.Errorf("usage of event %d = %+v, want %d", i, u, want)
				}
			}
		}, fullFee},
		{Fault{Kind: SlowFirstByte, Delay: time.Millisecond}, wantUsage(&usageReply{Prompt: 7, Completion: 3, Total: 10}), fullFee},
		{Fault{Kind: Stall, After: 3, Delay: time.Millisecond}, wantUsage(&usageReply{Prompt: 7, Completion: 3, Total: 10}), fullFee},
	} {
		t.Run(string(tt.fault.Kind), func(t *testing.T) {
			s.SetFault(tt.fault)
			a := s.post(chatPath, body).must(t)
			tt.check(t, a)
			all := s.Exchanges()
			if e := all[len(all)-1]; e.Fee != tt.fee || e.Fault != tt.fault.Kind || e.ResponseSHA256 != hexSum(a.body) {
				t.Errorf("fee %s of %s, want %s", e.Fee, e.Fault, tt.fee)
			}
			// Whatever the broken answer was, what was delivered is what is signed.
			if text, signer := s.signature(a.header.Get("ZG-Res-Key")); text != hexSum(body)+":"+hexSum(a.body) || signer != s.Signer() {
				t.Errorf("signature = %s by %s", text, signer)
			}
		})
	}
}

func wantUsage(want *usageReply) func(*testing.T, answer) {
	return func(t *testing.T, a answer) {
		t.Helper()
		chunks, done := events(t, a.body)
		if diff := cmp.Diff(want, chunks[len(chunks)-1].Usage); diff != "" || !done {
			t.Errorf("usage (-want +got), done %v\n%s", done, diff)
		}
	}
}

func TestResets(t *testing.T) {
	s := start(t, nil)
	for i, more := range []string{"", streamed} {
		before := s.Unsettled(s.user)
		s.SetFault(Fault{Kind: ResetBeforeHeaders, N: 1})
		if a := s.post(chatPath, chatBody("echo-1", "a b c", more)); !errors.Is(a.err, syscall.ECONNRESET) && !errors.Is(a.err, io.EOF) {
			t.Errorf("answer = %+v, want a reset", a)
		}
		if got := s.Unsettled(s.user); got != before {
			t.Errorf("Unsettled = %s, want nothing new", got)
		}
		s.last(2*i + 1) // the client may know of a reset before it is recorded
		s.SetFault(Fault{Kind: ResetMidStream, After: 2, N: 1})
		if a := s.post(chatPath, chatBody("echo-1", "a b c", more)); a.err == nil || strings.Contains(a.body, "[DONE]") {
			t.Errorf("answer = %+v, want it broken off", a)
		}
		if e := s.last(2*i + 2); e.Fee != fullFee || e.ClientLeft || e.Status != 200 {
			t.Errorf("record = %+v, want the whole answer billed", e)
		}
	}
}

// A stall without an end lasts until the client leaves.
func TestStallLastsUntilTheClientLeaves(t *testing.T) {
	s := start(t, nil)
	s.SetFault(Fault{Kind: Stall, After: 2})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	resp, err := client().Do(s.request(ctx, http.MethodPost, "/v1/proxy"+chatPath, "application/json", chatBody("echo-1", "a b c", streamed)))
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	got := make([]byte, 1<<16)
	n, err := resp.Body.Read(got)
	if err != nil || n == 0 {
		t.Fatalf("read: %d, %v", n, err)
	}
	leave()
	_ = resp.Body.Close() // broken off on purpose
	if e := s.last(1); !e.ClientLeft || e.Fee != fullFee {
		t.Errorf("left %v, fee %s, want %s", e.ClientLeft, e.Fee, fullFee)
	}
}

func TestGzipThoughIdentityWasAskedFor(t *testing.T) {
	s := start(t, nil)
	s.SetFault(Fault{Kind: Gzip})
	for _, more := range []string{"", streamed} {
		a := s.post(chatPath, chatBody("echo-1", "a b c", more)).must(t)
		z, err := gzip.NewReader(strings.NewReader(a.body))
		if err != nil {
			t.Fatalf("gzip: %v", err)
		}
		plain, err := io.ReadAll(z)
		if err != nil || a.header.Get("Content-Encoding") != "gzip" || !strings.Contains(string(plain), `"usage"`) {
			t.Errorf("plain = %q, %v", plain, err)
		}
		if text, _ := s.signature(a.header.Get("ZG-Res-Key")); !strings.HasSuffix(text, hexSum(a.body)) {
			t.Error("the signature is not over the compressed bytes")
		}
	}
}

func TestFaultsOfSignatures(t *testing.T) {
	s := start(t, nil)
	body := chatBody("echo-1", "a b c", "")
	ask := func(f Fault) (key, good string, a answer) {
		s.SetFault(f)
		a = s.post(chatPath, body).must(t)
		return a.header.Get("ZG-Res-Key"), hexSum(body) + ":" + hexSum(a.body), a
	}
	key, _, _ := ask(Fault{Kind: SignatureReplayed})
	if text, signer := s.signature(key); strings.HasPrefix(text, hexSum(body)) || signer != s.Signer() {
		t.Errorf("replayed with nothing to replay: %s by %s", text, signer)
	}
	_, first, _ := ask(Fault{})
	key, good, _ := ask(Fault{Kind: SignatureReplayed})
	if text, signer := s.signature(key); text != first || text == good || signer != s.Signer() {
		t.Errorf("replayed: %s by %s, want %s", text, signer, first)
	}
	key, good, _ = ask(Fault{Kind: SignatureWrongSigner})
	if text, signer := s.signature(key); text != good || signer == s.Signer() {
		t.Errorf("wrong signer: %s by %s", text, signer)
	}
	key, good, _ = ask(Fault{Kind: SignatureOtherBytes})
	if text, signer := s.signature(key); text == good || signer != s.Signer() || !strings.HasPrefix(text, hexSum(body)) {
		t.Errorf("other bytes: %s by %s", text, signer)
	}
	key, _, _ = ask(Fault{Kind: SignatureMissing})
	s.get("/v1/proxy/signature/"+key).wants(t, 400, "chat_id_not_found")
	key, good, a := ask(Fault{Kind: SignatureNoKey})
	if key != "" {
		t.Errorf("ZG-Res-Key = %s, want none", key)
	}
	if text, _ := s.signature(strings.TrimPrefix(decode[chatReply](t, a.body).ID, "chatcmpl-")); text != good {
		t.Errorf("text = %s, want %s", text, good)
	}
	key, good, _ = ask(Fault{Kind: SignatureLate, Delay: 3 * time.Second})
	s.get("/v1/proxy/signature/"+key).wants(t, 400, "chat_id_not_found")
	s.clock.advance(3 * time.Second)
	if text, signer := s.signature(key); text != good || signer != crypto.PubkeyToAddress(seedKey(t, "tee").PublicKey) {
		t.Errorf("late: %s by %s, want %s", text, signer, good)
	}
}
