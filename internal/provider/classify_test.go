package provider

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	jsonType = "application/json; charset=utf-8"
	page     = "<html>\r\n<head><title>%s</title></head><body><center><h1>insufficient balance</h1></center></body></html>"
	lowFunds = "insufficient balance: your locked balance is 1.000000 0G, but the required minimum is 1.234567 0G (breakdown: minimum reserve 1.000000 0G + unsettled fees 0.234560 0G + current request fee 0.000007 0G), please add funds"
)

var compareAmounts = cmp.Comparer(func(a, b zg.Neuron) bool { return a == b })

func TestClassify(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		ctype  string
		body   string
		want   zg.Refusal
		wait   time.Duration
	}{
		{"nothing refused", 200, jsonType, `{"error":"session token expired"}`, zg.RefusalNone, 0},

		{"no header", 400, jsonType, `{"error":"validate session: missing or invalid Authorization header"}`, zg.RefusalSession, 0},
		{"bad base64", 400, jsonType, `{"error":"validate session: invalid base64 in Authorization header"}`, zg.RefusalSession, 0},
		{"wrong provider", 400, jsonType, `{"error":"validate session: session token is for different provider"}`, zg.RefusalSession, 0},
		{"too long", 400, jsonType, `{"error":"validate session: ephemeral token duration cannot exceed 24 hours"}`, zg.RefusalSession, 0},
		{"bad signature", 400, jsonType, `{"error":"validate session: signature verification failed: address mismatch"}`, zg.RefusalSession, 0},
		{"expired", 400, jsonType, `{"error":"validate session: session token expired"}`, zg.RefusalSessionExpired, 0},
		{"expired, 401", 401, jsonType, `{"error":"validate session: session token expired"}`, zg.RefusalSessionExpired, 0},
		{"expired, 403 and an object", 403, jsonType, `{"error":{"message":"validate session: session token expired","type":"authentication_error"}}`, zg.RefusalSessionExpired, 0},
		{"expired, old prefix", 400, jsonType, `{"error":"Provider proxy: handle proxied service, validate session: session token expired"}`, zg.RefusalSessionExpired, 0},
		{"old generation", 400, jsonType, `{"error":"validate session: session token has been revoked (generation expired)"}`, zg.RefusalSessionRevoked, 0},
		{"revoked", 400, jsonType, `{"error":"validate session: session token has been revoked"}`, zg.RefusalSessionRevoked, 0},
		{"future generation", 400, jsonType, `{"error":"validate session: invalid session token (future generation)"}`, zg.RefusalSessionFuture, 0},
		{"401 of a model server", 401, jsonType, `{"error":{"message":"Incorrect API key","type":"invalid_request_error","code":"invalid_api_key"}}`, zg.RefusalRequest, 0},

		{"no account", 400, jsonType, `{"error":"validate request: get account from contract, account not exist"}`, zg.RefusalNoAccount, 0},
		{"not acknowledged", 400, jsonType, `{"error":"validate request: user not acknowledge the provider"}`, zg.RefusalNotAcknowledged, 0},
		{"signer", 400, jsonType, `{"error":"validate request: service not acknowledge the tee signer"}`, zg.RefusalSigner, 0},
		{"balance", 400, jsonType, `{"error":"validate request: ` + lowFunds + `"}`, zg.RefusalBalance, 0},
		{"balance, 402", 402, jsonType, `{"error":"` + lowFunds + `"}`, zg.RefusalBalance, 0},

		{"model", 400, jsonType, `{"error":"model not supported: gpt-9"}`, zg.RefusalModel, 0},
		{"endpoint", 400, jsonType, `{"error":"endpoint not supported"}`, zg.RefusalEndpoint, 0},
		{"model expired", 410, jsonType, `{"error":"model \"m\" is no longer available (expired at 2026-01-01T00:00:00Z)"}`, zg.RefusalModelExpired, 0},
		{"model expired, any text", 410, "", ``, zg.RefusalModelExpired, 0},
		{"too large", 413, jsonType, `{"error":"Request body size exceeds the maximum allowed size of 32MB"}`, zg.RefusalTooLarge, 0},
		{"too large, 400", 400, jsonType, `{"error":"Request body size exceeds the maximum allowed size of 32MB"}`, zg.RefusalTooLarge, 0},
		{"too large at the ingress", 413, "text/html", strings.Replace(page, "%s", "413 Request Entity Too Large", 1), zg.RefusalTooLarge, 0},
		{"sealed", 400, jsonType, `{"error":"e2ee: cannot open"}`, zg.RefusalRequest, 0},
		{"key mismatch", 409, jsonType, `{"error":"e2ee_key_mismatch: stale"}`, zg.RefusalRequest, 0},
		{"the caller's fault", 400, jsonType, `{"error":{"message":"temperature must be below 2","type":"invalid_request_error","param":"temperature","code":null}}`, zg.RefusalRequest, 0},
		{"old version, model server away", 400, jsonType, `{"error":"Provider proxy: handle proxied service, call proxied service: Post \"http://10.0.0.1\": dial tcp: connection refused"}`, zg.RefusalUpstream, 0},

		{"rate", 429, jsonType, `{"error":{"type":"rate_limit_error","message":"Rate limit exceeded. Please wait 7 seconds (limit: 30 requests/min)."}}`, zg.RefusalRate, 7 * time.Second},
		{"rate, one second", 429, jsonType, `{"error":{"type":"rate_limit_error","message":"Token rate limit exceeded. Please wait 1 second (limit: 9 tokens/min)."}}`, zg.RefusalRate, time.Second},
		{"rate, old", 429, jsonType, `{"error":"Rate limit exceeded. Please slow down your request rate (limit: 30 requests/min)."}`, zg.RefusalRate, 0},
		{"rate, Anthropic", 429, jsonType, `{"type":"error","error":{"type":"rate_limit_error","message":"Image rate limit exceeded. Please wait 12 seconds (limit: 2 images/min)."}}`, zg.RefusalRate, 12 * time.Second},
		{"concurrency", 429, jsonType, `{"error":"Too many concurrent requests. You have 5 active requests (limit: 5). Please wait for some to complete."}`, zg.RefusalConcurrency, 0},
		{"banned", 429, jsonType, `{"error":"Rate limit exceeded: too many invalid model requests. Please try again in 59m0s"}`, zg.RefusalBanned, 59 * time.Minute},
		{"token budget", 429, jsonType, `{"error":{"message":"the cache is full","type":"rate_limit_error","code":"token_budget_exceeded"},"used_tokens":9,"budget_tokens":9,"requested_tokens":1}`, zg.RefusalTokenBudget, 0},
		{"rate of a model server", 429, jsonType, `{"error":{"message":"Please try again in 1.5s.","code":"rate_limit_exceeded"}}`, zg.RefusalRate, 1500 * time.Millisecond},
		{"a page for 429", 429, "text/html", strings.Replace(page, "%s", "429", 1), zg.RefusalRate, 0},
		{"an absurd wait", 429, jsonType, `{"error":"Please wait 999999999 seconds"}`, zg.RefusalRate, 24 * time.Hour},
		{"a wait that overflows", 429, jsonType, `{"error":"try again in 999999999h999999999h"}`, zg.RefusalRate, 0},

		{"busy", 503, jsonType, `{"error":"Server is currently processing too many requests. Please try again later."}`, zg.RefusalBusy, 0},
		{"broken", 500, jsonType, `{"error":"Internal Server Error"}`, zg.RefusalUpstream, 0},
		{"5xx is about the provider, whatever it says", 502, jsonType, `{"error":"insufficient balance"}`, zg.RefusalUpstream, 0},
		{"gateway timeout page", 504, "text/html", strings.Replace(page, "%s", "504", 1), zg.RefusalUpstream, 0},
		{"a page says nothing about money", 400, "text/html; charset=utf-8", strings.Replace(page, "%s", "400", 1), zg.RefusalRequest, 0},
		{"a page in disguise", 403, "application/json", page, zg.RefusalRequest, 0},
		{"created", 201, jsonType, `{}`, zg.RefusalUpstream, 0},
		{"redirect", 302, "", ``, zg.RefusalUpstream, 0},
		{"model server's form", 404, jsonType, `{"object":"error","message":"no such model","code":404}`, zg.RefusalRequest, 0},
		{"plain text", 400, "text/plain", "validate session: session token expired", zg.RefusalSessionExpired, 0},
		{"cut off", 400, jsonType, `{"error":"validate session: session token expi`, zg.RefusalSession, 0},
		{
			"words far into a message are a quotation", 400, jsonType,
			`{"error":{"message":"invalid prompt: ` + strings.Repeat("x", maxMatched) + ` session token expired"}}`, zg.RefusalRequest, 0,
		},
		{"words outside the message", 400, jsonType, `{"error":{"message":"bad"},"input":"insufficient balance"}`, zg.RefusalRequest, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Classify(tt.status, tt.ctype, "", []byte(tt.body))
			if got.Class != tt.want || got.RetryAfter != tt.wait {
				t.Errorf("Classify = %q after %v, want %q after %v", got.Class, got.RetryAfter, tt.want, tt.wait)
			}
		})
	}
}

func TestClassifyAmounts(t *testing.T) {
	og := func(s string) zg.Neuron {
		n, err := zg.ParseOg(s)
		if err != nil {
			t.Fatalf("ParseOg(%q): %v", s, err)
		}
		return n
	}
	want := zg.RefusalDetail{
		Class: zg.RefusalBalance, Message: "validate request: " + lowFunds,
		Required: og("1.234567"), Reserve: og("1"), Unsettled: og("0.23456"), RequestFee: og("0.000007"),
	}
	got := Classify(http.StatusBadRequest, jsonType, "", []byte(`{"error":"Provider proxy: handle proxied service, validate request: `+lowFunds+`"}`))
	if diff := cmp.Diff(want, got, compareAmounts); diff != "" {
		t.Errorf("Classify (-want +got):\n%s", diff)
	}

	for _, text := range []string{
		"", "the required minimum is 1.2.3 0G", "the required minimum is . 0G", "the required minimum is 0.1234567890123456789 0G",
		"the required minimum is -1 0G", "the required minimum is " + strings.Repeat("9", 90) + " 0G",
	} {
		text = "insufficient balance: your locked balance is 1.000000 0G, but " + text
		if d := Classify(http.StatusBadRequest, jsonType, "", []byte(`{"error":"`+text+`"}`)); d.Class != zg.RefusalBalance || !d.Required.IsZero() {
			t.Errorf("Classify(%.60q) = %s, required %s; want %s without an amount", text, d.Class, d.Required, zg.RefusalBalance)
		}
	}
}

func TestClassifyMessage(t *testing.T) {
	for _, tt := range []struct{ name, ctype, body, want string }{
		{"string", jsonType, `{"error":"words"}`, "words"},
		{"object", jsonType, `{"error":{"message":"words"}}`, "words"},
		{"beside", jsonType, `{"error":null,"message":"words"}`, "words"},
		{"detail", jsonType, `{"detail":"words"}`, "words"},
		{"text", "text/plain", " words\n", "words"},
		{"page", "text/html", "<p>words</p>", ""},
		{"none", jsonType, `{"error":{"message":7}}`, ""},
		{"empty", "", "", ""},
		{"control characters", jsonType, `{"error":"a\u0000b\nc\u001b[31m\u202e"}`, "a\uFFFDb c\uFFFD[31m\uFFFD"},
		{"too long", jsonType, `{"error":"` + strings.Repeat("é", 4*maxMessage) + `"}`, strings.Repeat("é", maxMessage) + "…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Classify(http.StatusBadRequest, tt.ctype, "", []byte(tt.body)).Message; got != tt.want {
				t.Errorf("Message = %.80q, want %.80q", got, tt.want)
			}
		})
	}
}

// Words count in their place only, whose own they are; and a header decides only where they do not.
func TestClassifyInTheirPlace(t *testing.T) {
	const evident, doubtful, callers = "evident", "doubtful", "callers"
	for _, tt := range []struct {
		name, source string
		status       int
		body         string
		want         zg.Refusal
		fault        string
	}{
		{"a vendor's balance, 402", "client", 402, `{"error":{"message":"Insufficient Balance","type":"unknown_error","code":"invalid_request_error"}}`, zg.RefusalRequest, callers},
		{"a vendor's balance in our words", "", 402, `{"error":{"message":"` + lowFunds + `"}}`, zg.RefusalRequest, callers},
		{"a balance without the sentence", "", 400, `{"error":"insufficient balance"}`, zg.RefusalRequest, callers},
		{"our balance, quoted", "", 400, `{"error":"invalid prompt: insufficient balance: your locked balance is 1 0G"}`, zg.RefusalRequest, callers},
		{"a vendor's model", "", 404, `{"error":{"message":"model not supported"}}`, zg.RefusalRequest, callers},
		{"a vendor's 401", "client", 401, `{"error":{"message":"Authentication Fails"}}`, zg.RefusalRequest, callers},
		{"a vendor's 403", "client", 403, `{"error":{"message":"user not acknowledge the provider"}}`, zg.RefusalRequest, callers},
		{"a vendor's 429", "client", 429, `{"error":{"message":"Too many concurrent requests"}}`, zg.RefusalConcurrency, callers},
		{"no account, but an RPC error in it", "client", 400, `{"error":"validate request: get account from contract, account not exist: Post \"https://rpc\": dial tcp: i/o timeout"}`, zg.RefusalUpstream, evident},
		{"an RPC error around it", "", 400, `{"error":"validate request: get account from contract, rpc error: account not exist"}`, zg.RefusalUpstream, evident},
		{"no account in an object", "", 400, `{"error":{"message":"account not exist"}}`, zg.RefusalRequest, callers},
		{"a token expired somewhere else", "", 400, `{"error":"tool call failed: session token expired"}`, zg.RefusalRequest, callers},
		{"a database", "", 400, `{"error":"validate request: Error 1040: Too many connections"}`, zg.RefusalUpstream, evident},
		{"a database, and the caller blamed", "client", 400, `{"error":"create request: Error 1213: Deadlock found"}`, zg.RefusalUpstream, evident},
		{"prices", "broker", 400, `{"error":"get billing prices: price feed is stale"}`, zg.RefusalUpstream, evident},
		{"preparing", "", 400, `{"error":"Provider proxy: handle proxied service, prepare HTTP request: parse url"}`, zg.RefusalUpstream, evident},
		{"reading", "", 400, `{"error":"read request body: unexpected EOF"}`, zg.RefusalUpstream, evident},
		{"unknown, by the broker's word", "broker", 400, `{"error":"lookup of the tier failed"}`, zg.RefusalUpstream, doubtful},
		{"unknown, without a word", "", 400, `{"error":"lookup of the tier failed"}`, zg.RefusalRequest, callers},
		{"unknown validation", "", 400, `{"error":"validate request: n is ambiguous"}`, zg.RefusalUpstream, doubtful},
		{"validation that blames the caller", "client", 400, `{"error":"validate request: n is ambiguous"}`, zg.RefusalRequest, callers},
		{"a video's length", "client", 400, `{"error":"compute video reserve: invalid video request: 'seconds' is out of range"}`, zg.RefusalRequest, callers},
		{"the header against our own sentence", "broker", 400, `{"error":"validate request: ` + lowFunds + `"}`, zg.RefusalBalance, callers},
		{"the header against an object", "broker", 400, `{"error":{"message":"bad temperature"}}`, zg.RefusalRequest, callers},
		{"the caller blamed for a 5xx", "client", 500, `{"error":"Internal Server Error"}`, zg.RefusalUpstream, callers},
		{"the word sql of the caller's", "", 400, `{"error":"invalid schema: sql"}`, zg.RefusalRequest, callers},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := Classify(tt.status, jsonType, tt.source, []byte(tt.body))
			inner, doubt := tt.fault != callers, tt.fault == doubtful
			if d.Class != tt.want || d.Inner != inner || d.Doubtful != doubt {
				t.Errorf("Classify = %+v, want %s, %s", d, tt.want, tt.fault)
			}
		})
	}
}

// What validation errors of model servers look like.
func TestClassifyValidation(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"a list", `{"detail":[{"type":"missing","loc":["body","messages",0,"role"],"msg":"Field required","input":{}},{"loc":["body","n"],"msg":"not a number"}]}`, "body.messages.0.role: Field required; body.n: not a number"},
		{"a string", `{"detail":"Validation failed"}`, "Validation failed"},
		{"an object", `{"detail":{"error":"bad","code":7}}`, "bad"},
		{"an object in an object", `{"error":{"message":{"detail":[{"msg":"too long"}]}}}`, "too long"},
		{"errors", `{"errors":[{"message":"one"},"two"]}`, "one; two"},
		{"errors of an object", `{"errors":{"msg":"x"}}`, "x"},
		{"msg", `{"code":1,"msg":"no"}`, "no"},
		{"a list alone", `[{"msg":"alone"}]`, "alone"},
		{"an error that is a list", `{"error":[{"msg":"listed"}]}`, "listed"},
		{"control characters", `{"detail":[{"msg":"a\u001b[31mb\nc"}]}`, "a\uFFFD[31mb c"},
		{"very deep", `{"detail":{"detail":{"detail":{"detail":{"detail":{"detail":{"detail":"x"}}}}}}}`, ""},
	} {
		for _, status := range []int{400, 422} {
			d := Classify(status, jsonType, "", []byte(tt.body))
			if d.Class != zg.RefusalRequest || d.Message != tt.want {
				t.Errorf("%s, %d: %s %q, want %q", tt.name, status, d.Class, d.Message, tt.want)
			}
		}
	}
}

// Whatever a provider says, the result is of the known set, short, printable and bounded.
func FuzzClassify(f *testing.F) {
	f.Add(400, jsonType, []byte(`{"error":"validate request: `+lowFunds+`"}`))
	f.Add(429, jsonType, []byte(`{"type":"error","error":{"message":"Please wait 5 seconds","code":"x"}}`))
	f.Add(403, "text/html", []byte(page))
	f.Add(200, "", []byte(``))
	known := map[zg.Refusal]bool{zg.RefusalRequest: true, zg.RefusalUpstream: true, zg.RefusalBusy: true, zg.RefusalRate: true}
	known[zg.RefusalModelExpired], known[zg.RefusalTooLarge], known[zg.RefusalTokenBudget] = true, true, true
	for _, p := range append(slices.Clone(ofSession), ofRequest...) {
		known[p.class] = true
	}
	f.Fuzz(func(t *testing.T, status int, ctype string, body []byte) {
		d := Classify(status, ctype, "", body)
		if (d.Class == zg.RefusalNone) != (status == http.StatusOK) || (d.Class != zg.RefusalNone && !known[d.Class]) {
			t.Errorf("status %d gives class %q", status, d.Class)
		}
		if d.RetryAfter < 0 || d.RetryAfter > maxWait {
			t.Errorf("RetryAfter = %v", d.RetryAfter)
		}
		if !utf8.ValidString(d.Message) || utf8.RuneCountInString(d.Message) > maxMessage {
			t.Errorf("Message of %d bytes: %.80q", len(d.Message), d.Message)
		}
		if i := strings.IndexFunc(d.Message, func(r rune) bool { return !unicode.IsPrint(r) && r != unicode.ReplacementChar }); i >= 0 {
			t.Errorf("Message holds %q", d.Message[i:])
		}
		if d.Class != zg.RefusalBalance && d != (zg.RefusalDetail{Class: d.Class, Message: d.Message, RetryAfter: d.RetryAfter, Inner: d.Inner, Doubtful: d.Doubtful}) {
			t.Errorf("a refusal of class %q names amounts", d.Class)
		}
	})
}

func BenchmarkClassify(b *testing.B) {
	body := []byte(`{"error":"validate request: ` + lowFunds + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		Classify(http.StatusBadRequest, jsonType, "", body)
	}
}
