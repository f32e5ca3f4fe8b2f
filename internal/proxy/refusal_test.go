package proxy

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/zgproxy/zgproxy/internal/provider"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const ingressPage = "<html>\r\n<head><title>Bad</title></head><body><center><h1>Bad</h1></center><hr><center>nginx</center></body></html>\r\n"

// refused is what becomes of a provider's answer, read as the daemon reads it.
func refused(status int, contentType, body string, header ...string) (*APIError, bool) {
	resp := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}}}
	for i := 0; i+1 < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return refusalError(resp, []byte(body), provider.Classify(status, contentType, resp.Header.Get("ZG-Failure-Source"), []byte(body)), "0xAb", zg.Credential{})
}

func TestRefusalsInTheCallersWords(t *testing.T) {
	const (
		j    = "application/json"
		text = "text/plain; charset=utf-8"
		page = "text/html"
	)
	for _, tc := range []struct {
		name        string
		status      int
		contentType string
		body        string
		want        int
		code, kind  string
		says        string // of the provider's words
		wait        time.Duration
	}{
		{"expired token", 400, j, `{"error":"validate session: session token expired"}`, 503, "session_expired", typeServer, "session token expired", time.Second},
		{"expired token, 401", 401, j, `{"error":"validate session: session token expired"}`, 503, "session_expired", typeServer, "", time.Second},
		{"expired token, an object", 403, j, `{"error":{"message":"validate session: session token expired"}}`, 503, "session_expired", typeServer, "", time.Second},
		{"revoked token", 400, j, `{"error":"validate session: session token has been revoked"}`, 503, "session_revoked", typeServer, "", time.Second},
		{"future token", 400, j, `{"error":"validate session: invalid session token (future generation)"}`, 503, "session_future", typeServer, "", time.Minute},
		{"bad token", 400, j, `{"error":"validate session: signature verification failed: address mismatch"}`, 503, "session_invalid", typeServer, "mismatch", 0},
		{"token told", 400, j, `{"error":"validate session: cannot read app-sk-abc+/="}`, 503, "session_invalid", typeServer, "cannot read [session token]", 0},
		{"no account", 400, j, `{"error":"validate request: get account from contract, account not exist"}`, 402, "no_account", typeQuota, "", 0},
		{"not acknowledged", 400, j, `{"error":"user not acknowledge the provider"}`, 402, "not_acknowledged", typeQuota, "", 0},
		{"balance", 400, j, `{"error":"insufficient balance: your locked balance is 0 0G"}`, 402, "insufficient_balance", typeQuota, "", 0},
		{"a database", 400, j, `{"error":"create request: Error 1213: Deadlock found"}`, 502, "upstream_error", typeServer, "nothing was billed.", 0},
		{"422, a list", 422, j, `{"detail":[{"loc":["body","n"],"msg":"not a number"}]}`, 422, "bad_request", typeRequest, "body.n: not a number", 0},
		{"422, a form of its own", 422, j, `{"fields":{"n":1}}`, 422, "bad_request", typeRequest, "", 0},
		{"signer", 400, j, `{"error":"service not acknowledge the tee signer"}`, 503, "signer_not_vouched", typeServer, "", 0},
		{"model", 400, j, `{"error":"model not supported"}`, 404, "model_not_supported", typeRequest, "", 0},
		{"endpoint", 400, j, `{"error":"endpoint not supported"}`, 404, "endpoint_not_supported", typeRequest, "", 0},
		{"model expired", 410, j, `{"error":"model \"m\" is no longer available (expired at 2026-01-01T00:00:00Z)"}`, 410, "model_expired", typeRequest, "expired at", 0},
		{"model expired, 404", 404, j, `{"error":"model \"m\" is no longer available (expired at 2026-01-01T00:00:00Z)"}`, 404, "model_expired", typeRequest, "", 0},
		{"too large", 413, j, `{"error":"Request body size exceeds the maximum allowed size of 32MB"}`, 413, "request_too_large", typeRequest, "32MB", 0},
		{"too large, a page", 413, page, ingressPage, 413, "request_too_large", typeRequest, "", 0},
		{"rate, a string", 429, j, `{"error":"Rate limit exceeded. Please slow down your request rate (limit: 30 requests/min)."}`, 429, "rate_limited", typeRate, "slow down", time.Second},
		{"rate, a page", 429, page, ingressPage, 429, "rate_limited", typeRate, "", time.Second},
		{"concurrency", 429, j, `{"error":"Too many concurrent requests. You have 5 active requests (limit: 5)."}`, 429, "too_many_concurrent", typeRate, "limit: 5", time.Second},
		{"banned", 429, j, `{"error":"Rate limit exceeded: too many invalid model requests. Please try again in 59m0s"}`, 429, "wallet_banned", typeRate, "59m0s", 59 * time.Minute},
		{"busy", 503, j, `{"error":"Server is currently processing too many requests. Please try again later."}`, 503, "provider_busy", typeServer, "too many requests", time.Second},
		{"busy, a page", 503, page, ingressPage, 503, "provider_busy", typeServer, "", time.Second},
		{"unreachable model", 400, j, `{"error":"Provider proxy: handle proxied service, call proxied service: dial tcp"}`, 502, "upstream_error", typeServer, "", 0},
		{"500, a string", 500, j, `{"error":"Internal Server Error"}`, 502, "upstream_error", typeServer, "Internal Server Error", 0},
		{"500, a page", 500, page, ingressPage, 502, "upstream_error", typeServer, "", 0},
		{"502, a page", 502, page, ingressPage, 502, "upstream_error", typeServer, "", 0},
		{"504, a page", 504, page, ingressPage, 504, "upstream_error", typeServer, "", 0},
		{"522, a page", 522, page, ingressPage, 502, "upstream_error", typeServer, "", 0},
		{"a redirect", 307, page, ingressPage, 502, "upstream_error", typeServer, "", 0},
		{"201", 201, j, `{}`, 502, "upstream_error", typeServer, "", 0},
		{"400, a string", 400, j, `{"error":"max_tokens must be positive"}`, 400, "bad_request", typeRequest, "max_tokens must be positive", 0},
		{"422, a detail", 422, j, `{"detail":"field required"}`, 422, "bad_request", typeRequest, "field required", 0},
		{"400, text", 400, text, `temperature is out of range`, 400, "bad_request", typeRequest, "temperature is out of range", 0},
		{"400, a page", 400, page, ingressPage, 502, "bad_request", typeServer, "", 0},
		{"400, nothing", 400, "", ``, 502, "bad_request", typeServer, "", 0},
		{"401, an object", 401, j, `{"error":{"message":"Incorrect API key","type":"invalid_request_error"}}`, 502, "bad_request", typeServer, "Incorrect API key", 0},
		{"402, an object", 402, j, `{"error":{"message":"Out of credit"}}`, 502, "bad_request", typeServer, "Out of credit", 0},
		{"403, a page", 403, page, ingressPage, 502, "bad_request", typeServer, "", 0},
		{"404, text", 404, text, `404 page not found`, 502, "bad_request", typeServer, "page not found", 0},
		{"404, a string", 404, j, `{"error":"job not found"}`, 404, "bad_request", typeRequest, "job not found", 0},
		{"408, a page", 408, page, ingressPage, 408, "bad_request", typeRequest, "", 0},
		{"an error without a message", 400, j, `{"error":{"code":7}}`, 502, "bad_request", typeServer, "", 0},
		{"message at the top", 400, j, `{"object":"error","message":"too long"}`, 400, "bad_request", typeRequest, "too long", 0},
		{"an object that tells the token", 400, j, `{"error":{"message":"cannot read app-sk-abc"}}`, 400, "bad_request", typeRequest, "[session token]", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, pass := refused(tc.status, tc.contentType, tc.body)
			if pass {
				t.Fatal("it passes as it is")
			}
			if e.Status != tc.want || e.Code != tc.code || e.Type != tc.kind || !strings.Contains(e.Message, tc.says) || e.RetryAfter != tc.wait {
				t.Errorf("got %d %s %s %q, again after %s; want %d %s %s with %q, %s", e.Status, e.Code, e.Type, e.Message, e.RetryAfter, tc.want, tc.code, tc.kind, tc.says, tc.wait)
			}
			if strings.Contains(e.Message, "<") || strings.Contains(e.Message, "app-sk") || strings.Contains(e.Message, "dial tcp") || strings.Contains(e.Message, "Deadlock") {
				t.Errorf("message = %q, want neither a page nor a token", e.Message)
			}
			h := http.Header{}
			if e.tell(h); h.Get("X-Zgproxy-Error") != "provider_"+tc.code {
				t.Errorf("X-Zgproxy-Error = %q", h.Get("X-Zgproxy-Error"))
			}
		})
	}
}

// A body that is still compressed is quoted to nobody.
func TestCompressedRefusal(t *testing.T) {
	e, pass := refused(http.StatusInternalServerError, "application/json", "\x1f\x8b\x08zipped", "Content-Encoding", "gzip")
	if pass || e.Status != http.StatusBadGateway || strings.Contains(e.Message, "zipped") {
		t.Errorf("passes %v, %d %q", pass, e.Status, e.Message)
	}
}

func TestErrorObjectsPass(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		status     int
		class      string
	}{
		{"OpenAI", `{"error":{"message":"too long","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}`, 400, "bad_request"},
		{"Anthropic", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, 529, "upstream_error"},
		{"model server", ` { "error" : { "message" : "no" } } `, 500, "upstream_error"},
		{"rate", `{"error":{"type":"rate_limit_error","message":"Rate limit exceeded. Please wait 7 seconds (limit: 30 requests/min)."}}`, 429, "rate_limited"},
		{"budget of tokens", `{"error":{"message":"no room","type":"rate_limit_error","code":"token_budget_exceeded"},"used_tokens":1}`, 429, "token_budget_exceeded"},
		{"moderation", `{"error":{"message":"flagged","code":403}}`, 403, "bad_request"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, pass := refused(tc.status, "application/json", tc.body, "X-Ratelimit-Limit-Requests", "30", "Set-Cookie", "a=b", "Retry-After", "nonsense")
			if !pass || e.Status != tc.status {
				t.Fatalf("passes %v with %d, want as it is with %d", pass, e.Status, tc.status)
			}
			h := http.Header{}
			e.refusalHeader(h, http.Header{"X-Ratelimit-Limit-Requests": {"30"}, "Set-Cookie": {"a=b"}, "Retry-After": {"nonsense"}, "Content-Type": {"text/html"}})
			if h.Get("X-Zgproxy-Error") != "provider_"+tc.class || h.Get("X-Ratelimit-Limit-Requests") != "30" || h.Get("Set-Cookie") != "" ||
				h.Get("Content-Type") != "application/json" || h.Get("Retry-After") == "nonsense" {
				t.Errorf("headers = %v", h)
			}
			if tc.class == "rate_limited" && h.Get("Retry-After") != "7" {
				t.Errorf("Retry-After = %q, want what the text says", h.Get("Retry-After"))
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	rate := zg.RefusalDetail{Class: zg.RefusalRate}
	said := zg.RefusalDetail{Class: zg.RefusalRate, RetryAfter: 4 * time.Second}
	for _, tc := range []struct {
		name   string
		header []string
		d      zg.RefusalDetail
		want   time.Duration
	}{
		{"its header", []string{"Retry-After", "7"}, said, 7 * time.Second},
		{"a fraction", []string{"Retry-After", "1.5"}, said, 1500 * time.Millisecond},
		{"a date", []string{"Retry-After", now.Add(90 * time.Second).UTC().Format(http.TimeFormat)}, said, 90 * time.Second},
		{"a date gone by", []string{"Retry-After", now.Add(-time.Minute).UTC().Format(http.TimeFormat)}, said, 4 * time.Second},
		{"milliseconds before seconds", []string{"Retry-After", "7", "Retry-After-Ms", "250"}, said, 250 * time.Millisecond},
		{"zero", []string{"Retry-After", "0"}, said, 4 * time.Second},
		{"below zero", []string{"Retry-After", "-5"}, said, 4 * time.Second},
		{"not a number", []string{"Retry-After", "NaN"}, said, 4 * time.Second},
		{"for ever", []string{"Retry-After", "1e300"}, rate, time.Hour},
		{"infinite", []string{"Retry-After", "+Inf"}, rate, time.Hour},
		{"a day", []string{"Retry-After", "86400"}, rate, time.Hour},
		{"its words", nil, said, 4 * time.Second},
		{"the reset of what is used up", []string{"X-Ratelimit-Remaining-Requests", "0", "X-Ratelimit-Reset-Requests", "2s"}, rate, 2 * time.Second},
		{"not of what is left", []string{"X-Ratelimit-Remaining-Requests", "3", "X-Ratelimit-Reset-Requests", "2s"}, rate, time.Second},
		{"the longest", []string{
			"X-Ratelimit-Remaining-Requests", "0", "X-Ratelimit-Reset-Requests", "2s", "X-Ratelimit-Remaining-Tokens", "-500", "X-Ratelimit-Reset-Tokens", "1m30s",
		}, rate, 90 * time.Second},
		{"images", []string{"X-Ratelimit-Remaining-Images", "0", "X-Ratelimit-Reset-Images", "3"}, rate, 3 * time.Second},
		{"less than a second", []string{"X-Ratelimit-Remaining-Requests", "0", "X-Ratelimit-Reset-Requests", "250ms"}, rate, time.Second},
		{"Anthropic's", []string{
			"Anthropic-Ratelimit-Tokens-Remaining", "0", "Anthropic-Ratelimit-Tokens-Reset", now.Add(30 * time.Second).UTC().Format(time.RFC3339),
		}, rate, 30 * time.Second},
		{"nothing", nil, rate, time.Second},
		{"nothing, busy", nil, zg.RefusalDetail{Class: zg.RefusalBusy}, time.Second},
		{"waiting does not help", []string{"X-Ratelimit-Reset-Requests", "2s"}, zg.RefusalDetail{Class: zg.RefusalRequest}, 0},
		{"too long a word", nil, zg.RefusalDetail{Class: zg.RefusalBanned, RetryAfter: 24 * time.Hour}, time.Hour},
	} {
		h := http.Header{}
		for i := 0; i+1 < len(tc.header); i += 2 {
			h.Set(tc.header[i], tc.header[i+1])
		}
		if got := retryAfter(h, tc.d, now); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestRetryAfterOnTheWire(t *testing.T) {
	for wait, want := range map[time.Duration][2]string{
		0: {"", ""}, -time.Second: {"", ""}, time.Second: {"1", ""}, 250 * time.Millisecond: {"1", "250"}, 1001 * time.Millisecond: {"2", "1001"},
		time.Nanosecond: {"1", "1"}, 90 * time.Minute: {"3600", ""},
	} {
		h := http.Header{}
		setRetryAfter(h, wait)
		if got := [2]string{h.Get("Retry-After"), h.Get("Retry-After-Ms")}; got != want {
			t.Errorf("%s: %v, want %v", wait, got, want)
		}
	}
}

// Client libraries repeat 429 and 5xx by themselves. They are told not to where it cannot help or takes too long.
func TestShouldRetry(t *testing.T) {
	for _, tc := range []struct {
		code string
		wait time.Duration
		want string
	}{
		{"rate_limited", time.Second, ""},
		{"rate_limited", 30 * time.Minute, "false"},
		{"wallet_banned", time.Hour, "false"},
		{"provider_suspended", 0, "false"},
		{"upstream_error", 0, ""},
		{"bad_request", 0, ""},
		{"answer_not_verified", 0, "false"},
	} {
		e := problem(tc.code, "")
		e.RetryAfter = tc.wait
		h := http.Header{}
		if e.tell(h); h.Get("X-Should-Retry") != tc.want {
			t.Errorf("%s after %s: X-Should-Retry = %q, want %q", tc.code, tc.wait, h.Get("X-Should-Retry"), tc.want)
		}
	}
}

func TestAllowance(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	for name, tc := range map[string]struct {
		header http.Header
		want   route.Allowance
	}{
		"nothing": {http.Header{}, route.Allowance{}},
		"OpenAI": {
			http.Header{"X-Ratelimit-Limit-Requests": {"30"}, "X-Ratelimit-Remaining-Requests": {"29"}, "X-Ratelimit-Reset-Requests": {"2s"}},
			route.Allowance{Limit: 30, Remaining: 29, Reset: 2 * time.Second},
		},
		"Anthropic": {http.Header{
			"Anthropic-Ratelimit-Requests-Limit": {"30"}, "Anthropic-Ratelimit-Requests-Remaining": {"0"},
			"Anthropic-Ratelimit-Requests-Reset": {now.Add(time.Minute).UTC().Format(time.RFC3339)},
		}, route.Allowance{Limit: 30, Reset: time.Minute}},
		"since 1970": {http.Header{"X-Ratelimit-Limit-Requests": {"1"}, "X-Ratelimit-Reset-Requests": {"1790000030"}}, route.Allowance{Limit: 1, Reset: 30 * time.Second}},
		"nonsense": {
			http.Header{"X-Ratelimit-Limit-Requests": {"-1"}, "X-Ratelimit-Remaining-Requests": {"many"}, "X-Ratelimit-Reset-Requests": {"-7s"}},
			route.Allowance{},
		},
	} {
		if got := allowance(tc.header, now); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func FuzzRefusal(f *testing.F) {
	for _, body := range []string{
		`{"error":"insufficient balance"}`, `{"error":{"message":"no"}}`, `{"error":{"message":"app-sk-a"}}`, ingressPage, "\x00\xff", `{"detail":[{"msg":"x"}]}`,
		`{"type":"error","error":{"type":"x","message":"y"}}`, `"just a string"`, `{"error":{"message":"\ud800"}}`, strings.Repeat("é", 3000), `{"Error":{"Message":"case"}}`,
	} {
		for _, status := range []int{201, 307, 400, 401, 404, 429, 500, 503, 529} {
			f.Add(status, "application/json", "3", []byte(body))
			f.Add(status, "text/html", "soon", []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, status int, contentType, wait string, body []byte) {
		if status < 100 || status > 999 || status == http.StatusOK {
			return
		}
		d := provider.Classify(status, contentType, "", body)
		resp := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}, "Retry-After": {wait}}}
		e, pass := refusalError(resp, body, d, "0xAb", zg.Credential{})
		if e.Status < 400 || e.Status > 599 || e.RetryAfter < 0 || e.RetryAfter > maxWait || e.Message == "" {
			t.Fatalf("%d became %+v", status, e)
		}
		if _, ok := conditions[e.Code]; !ok {
			t.Fatalf("the code %q is in no table", e.Code)
		}
		if pass {
			if !json.Valid(body) || e.Status != status || status < 400 || bytes.Contains(body, []byte("app-sk-")) {
				t.Fatalf("%d %q passes as it is with %d", status, body, e.Status)
			}
			return
		}
		checkEnvelope(t, e)
	})
}

// checkEnvelope: an error is one line of JSON of bounded length in every form, and says nothing that cannot be shown.
func checkEnvelope(t *testing.T, e *APIError) {
	t.Helper()
	for _, path := range []string{"/v1/chat/completions", "/v1/messages"} {
		out := e.envelopeFor(path, "req_1")
		var doc struct {
			Type  string
			Error struct{ Type, Message string }
		}
		if err := json.Unmarshal(out, &doc); err != nil || doc.Error.Message == "" || doc.Error.Type == "" || (doc.Type == "error") != anthropic(path) {
			t.Fatalf("%s: envelope = %q: %v", path, out, err)
		}
		if bytes.Count(out, []byte("\n")) != 1 || len(out) > 16<<10 || !utf8.Valid(out) || strings.Contains(doc.Error.Message, "app-sk-") {
			t.Fatalf("%s: envelope = %q, want one bounded line", path, out)
		}
		event := e.streamEvent(path, "req_1")
		if !bytes.HasPrefix(event, []byte("\n\n")) || !bytes.HasSuffix(event, []byte("}\n\n")) || bytes.Count(event, []byte("data: {")) != 1 ||
			bytes.Contains(event, []byte("event: error\n")) != anthropic(path) {
			t.Fatalf("%s: event = %q", path, event)
		}
	}
}

func FuzzRateLimitHeaders(f *testing.F) {
	for _, s := range []string{"2s", "1m30s", "250ms", "-1", "1e400", "NaN", "+Inf", "2026-01-01T00:00:00Z", "Thu, 01 Jan 2026 00:00:00 GMT", "99999999999999999999", "0x10", ""} {
		f.Add(s, s, s, s)
	}
	f.Fuzz(func(t *testing.T, after, limit, remaining, again string) {
		h := http.Header{
			"Retry-After": {after}, "X-Ratelimit-Limit-Requests": {limit}, "X-Ratelimit-Remaining-Requests": {remaining}, "X-Ratelimit-Reset-Requests": {again},
			"Anthropic-Ratelimit-Tokens-Remaining": {remaining}, "Anthropic-Ratelimit-Tokens-Reset": {again}, "Retry-After-Ms": {again},
		}
		now := time.Unix(1_790_000_000, 0)
		for _, class := range []zg.Refusal{zg.RefusalRate, zg.RefusalBusy, zg.RefusalRequest} {
			if wait := retryAfter(h, zg.RefusalDetail{Class: class}, now); wait < 0 || wait > maxWait || (class != zg.RefusalRequest && wait == 0) {
				t.Fatalf("%v: wait %s", h, wait)
			}
		}
		if a := allowance(h, now); a.Reset < 0 || a.Reset > maxWait {
			t.Fatalf("%v: %+v", h, a)
		}
	})
}

func FuzzEnvelope(f *testing.F) {
	f.Add("unknown_url", "GET", "/v1/x")
	f.Add("model_not_found", "\x00\n", "/v1/\xff/%0a\u2028<script>")
	f.Fuzz(func(t *testing.T, param, method, path string) {
		for _, e := range []*APIError{errUnknownRoute(method, path), errMethod(method, path)} {
			e.Param = param
			if strings.ContainsAny(e.Message, "\r\n\x00\u2028") {
				t.Fatalf("message = %q", e.Message)
			}
			if len(param) < 1000 {
				checkEnvelope(t, e)
			}
		}
	})
}

func TestTheLimitThatARefusalNames(t *testing.T) {
	const said = "Too many concurrent requests. You have 5 active requests (limit: 5). Please wait for some to complete."
	for _, tc := range []struct {
		d    zg.RefusalDetail
		want int
	}{
		{zg.RefusalDetail{Class: zg.RefusalConcurrency, Message: said}, 5},
		{zg.RefusalDetail{Class: zg.RefusalRate, Message: said}, 0},
		{zg.RefusalDetail{Class: zg.RefusalConcurrency, Message: "Too many concurrent requests."}, 0},
		{zg.RefusalDetail{Class: zg.RefusalConcurrency, Message: "9 active requests (limit: 99999999999999999999)"}, 0},
	} {
		if got := toldLimit(tc.d); got != tc.want {
			t.Errorf("toldLimit(%+v) = %d, want %d", tc.d, got, tc.want)
		}
	}
}
