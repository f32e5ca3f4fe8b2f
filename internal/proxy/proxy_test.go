package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

var (
	cheap = common.HexToAddress("0x1111111111111111111111111111111111111111")
	dear  = common.HexToAddress("0x2222222222222222222222222222222222222222")
	multi = common.HexToAddress("0x3333333333333333333333333333333333333333")
)

func service(p common.Address, kind zg.ServiceType, model string, in, out uint64) zg.Service {
	return zg.Service{
		Provider: p, Type: kind, URL: "http://127.0.0.1:1", Model: model, InputPrice: zg.NeuronOf(in), OutputPrice: zg.NeuronOf(out),
		Verifiability: "TeeML", TEESigner: p, TEESignerAcknowledged: true,
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tokens hands out numbered bearers and counts refusals.
type tokens struct {
	mu       sync.Mutex
	rejected []string
	fail     error
}

func (k *tokens) Bearer(context.Context, common.Address) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return fmt.Sprintf("Bearer app-sk-%d", len(k.rejected)), k.fail
}

func (k *tokens) Reject(_ common.Address, bearer string, _ zg.Refusal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rejected = append(k.rejected, bearer)
}

// rig is a proxy over a real store, in front of an upstream made for the test.
type rig struct {
	testing.TB
	server   *Server
	url      string
	store    *billing.Store
	upstream string
	tokens   *tokens
	client   *http.Client
	seen     []Answered
	view     atomic.Pointer[billing.KeeperView]
}

func newRig(tb testing.TB, upstream http.HandlerFunc, change func(*Config)) *rig {
	tb.Helper()
	return meteredRig(tb, billing.MeterConfig{}, upstream, change)
}

func meteredRig(tb testing.TB, meter billing.MeterConfig, upstream http.HandlerFunc, change func(*Config)) *rig {
	tb.Helper()
	up := httptest.NewServer(upstream)
	tb.Cleanup(up.Close)
	store, err := billing.Open(tb.Context(), tb.TempDir(), billing.StoreOptions{Log: zerolog.Nop()})
	if err != nil {
		tb.Fatal(err)
	}
	r := &rig{TB: tb, store: store, upstream: up.URL, tokens: &tokens{}, client: &http.Client{Transport: &http.Transport{}}}
	transport := &http.Transport{DisableCompression: true}
	r.view.Store(&billing.KeeperView{})
	meter.View = func() billing.KeeperView { return *r.view.Load() }
	cfg := Config{
		Board: route.NewBoard(route.BoardConfig{}),
		Meter: billing.NewMeter(store, meter), Tokens: r.tokens, Transport: transport,
		Classify: func(status int, _, _ string, body []byte) zg.RefusalDetail {
			switch {
			case bytes.Contains(body, []byte("expired")):
				return zg.RefusalDetail{Class: zg.RefusalSessionExpired}
			case bytes.Contains(body, []byte("insufficient balance")):
				return zg.RefusalDetail{Class: zg.RefusalBalance, Required: zg.OneOG}
			case status == 429:
				return zg.RefusalDetail{Class: zg.RefusalRate, Message: "Rate limit exceeded."}
			case status == 503:
				return zg.RefusalDetail{Class: zg.RefusalBusy}
			case status >= 500:
				return zg.RefusalDetail{Class: zg.RefusalUpstream}
			}
			return zg.RefusalDetail{Class: zg.RefusalRequest}
		},
		Verdict: func(*Answered) zg.Judgement { return zg.Judgement{Verdict: zg.VerdictPending} }, Answered: func(a *Answered) { r.seen = append(r.seen, *a) },
		MaxBody: 1 << 20, StreamIdle: time.Minute, DrainBytes: 1 << 20, DrainTimeout: time.Minute, UserAgent: "test", Log: zerolog.Nop(),
		Metrics: NewMetrics(prometheus.NewRegistry()),
	}
	if change != nil {
		change(&cfg)
	}
	r.server = New(cfg)
	r.server.SetRoutes(route.Build(&zg.Directory{Services: []zg.Service{
		at(up.URL, service(cheap, zg.Chatbot, "chat-1", 3, 4)), at(up.URL, service(dear, zg.TextToImage, "paint-1", 0, 7)),
		at(up.URL, service(multi, zg.SpeechToText, "hear-1", 5, 6)),
	}}, nil, route.Options{Allowed: []common.Address{cheap, dear, multi}}))
	front := httptest.NewServer(r.server.Handler())
	r.url = front.URL
	tb.Cleanup(func() {
		r.client.CloseIdleConnections()
		front.Close()
		transport.CloseIdleConnections()
		if err := store.Close(); err != nil {
			tb.Errorf("close the store: %v", err)
		}
	})
	return r
}

// forget makes the board forget how providers have done.
func (r *rig) forget() { r.server.cfg.Board = route.NewBoard(route.BoardConfig{}) }

func at(url string, s zg.Service) zg.Service { s.URL = url; return s }

func (r *rig) do(method, path, contentType string, body io.Reader, header ...string) (*http.Response, string) {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, r.url+path, body)
	if err != nil {
		r.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatalf("%s %s: read: %v", method, path, err)
	}
	return resp, string(text)
}

func (r *rig) chat(body string, header ...string) (*http.Response, string) {
	r.Helper()
	return r.do(http.MethodPost, "/v1/chat/completions", "application/json", strings.NewReader(body), header...)
}

func (r *rig) record(resp *http.Response) billing.Record {
	r.Helper()
	if err := r.store.Flush(); err != nil {
		r.Fatal(err)
	}
	rec, ok, err := r.store.Request(r.Context(), resp.Header.Get("X-Request-Id"))
	if err != nil || !ok {
		r.Fatalf("record of %s: %v, found %v", resp.Header.Get("X-Request-Id"), err, ok)
	}
	return rec
}

const answer = `{"id":"chatcmpl-1","choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":10,"completion_tokens":5}}`

func TestEveryEventReachesTheCallerBeforeTheNextIsMade(t *testing.T) {
	read := make(chan struct{}) // the caller has read an event; the upstream waits for it, for ever if anything buffers
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 5 {
			_, _ = fmt.Fprintf(w, "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"%d\"}}]}\n\n", i)
			w.(http.Flusher).Flush()
			<-read
		}
		_, _ = io.WriteString(w, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n")
	}, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/v1/chat/completions", strings.NewReader(`{"model":"chat-1","stream":true,"messages":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	for i := range 5 {
		line, err := in.ReadString('\n')
		if err != nil || !strings.Contains(line, fmt.Sprintf(`"%d"`, i)) {
			t.Fatalf("event %d = %q, %v", i, line, err)
		}
		if _, err := in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		read <- struct{}{}
	}
	rest, err := io.ReadAll(in)
	if err != nil || string(rest) != "data: [DONE]\n\n" {
		t.Errorf("the rest = %q, %v, want [DONE] alone: nobody asked for the usage chunk", rest, err)
	}
	if rec := r.record(resp); rec.Basis != zg.FeeExact || rec.OutputTokens != 5 {
		t.Errorf("record = %+v, want the usage of the chunk that was taken out", rec)
	}
}

func TestOnlyWhatMustChangeChanges(t *testing.T) {
	var got []byte
	var header http.Header
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		got, _ = io.ReadAll(req.Body)
		header = req.Header
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("ZG-Res-Key", "key-1")
		w.Header().Set("X-RateLimit-Remaining-Requests", "29")
		w.Header().Set("Set-Cookie", "a=b")
		w.Header().Set("Server", "model")
		_, _ = io.WriteString(w, answer)
	}, nil)
	body := `{ "temperature":0.70, "model" : "chat-1","messages":[{"role":"user","content":"a<b & c>d \u00e9"}],"seed":9007199254740993 }`
	resp, text := r.chat(body, "Cookie", "secret=1", "X-Api-Key", "caller", "X-Forwarded-For", "1.2.3.4", "X-Request-Hash", "aa", "Authorization", "Bearer caller")
	if text != answer {
		t.Errorf("answer = %q, want the provider's bytes", text)
	}
	if string(got) != body {
		t.Errorf("sent = %s, want the caller's bytes", got)
	}
	for _, name := range []string{"Cookie", "X-Api-Key", "X-Forwarded-For", "X-Request-Hash"} {
		if header.Get(name) != "" {
			t.Errorf("the provider saw the caller's %s", name)
		}
	}
	if header.Get("Authorization") != "Bearer app-sk-0" || header.Get("Accept-Encoding") != "identity" {
		t.Errorf("header = %v, want our token and identity", header)
	}
	for name, want := range map[string]string{"Zg-Res-Key": "key-1", "X-Ratelimit-Remaining-Requests": "29", "Set-Cookie": "", "Server": ""} {
		if resp.Header.Get(name) != want {
			t.Errorf("the caller sees %s = %q, want %q", name, resp.Header.Get(name), want)
		}
	}
	rec := r.record(resp)
	reqSum, respSum := sha256.Sum256([]byte(body)), sha256.Sum256([]byte(answer))
	if rec.RequestSHA256 != hex.EncodeToString(reqSum[:]) || rec.ResponseSHA256 != hex.EncodeToString(respSum[:]) || rec.ResKey != "key-1" {
		t.Errorf("record = %+v, want the digests of both bodies", rec)
	}
	if want := zg.NeuronOf(10*3 + 5*4); *rec.Fee != want || rec.Basis != zg.FeeExact {
		t.Errorf("fee = %s %s, want %s exact", rec.Fee, rec.Basis, want)
	}
	if len(r.seen) != 1 || string(r.seen[0].Request) != body || r.seen[0].ResponseSHA256 != respSum {
		t.Errorf("told of %+v, want the exchange with its bytes", r.seen)
	}
}

func TestRefusedBeforeAnythingIsSent(t *testing.T) {
	r := newRig(t, func(http.ResponseWriter, *http.Request) { t.Error("a request left for the provider") }, func(c *Config) {
		c.Keys = []string{"local-key-1", "local-key-2"}
		c.AllowedHosts = []string{"zgproxy"}
	})
	key := []string{"Authorization", "Bearer local-key-2"}
	for _, tc := range []struct {
		name, method, path, contentType, body string
		header                                []string
		status                                int
		code                                  string
	}{
		{"no key", "POST", "/v1/chat/completions", "application/json", `{}`, nil, 401, "invalid_api_key"},
		{"wrong key", "GET", "/v1/models", "", "", []string{"Authorization", "Bearer local-key-3"}, 401, "invalid_api_key"},
		{"rebound name", "GET", "/v1/models", "", "", append([]string{"Host", "evil.example"}, key...), 403, "host_not_allowed"},
		{"foreign page", "POST", "/v1/chat/completions", "text/plain", `{}`, append([]string{"Sec-Fetch-Site", "cross-site"}, key...), 403, "cross_origin"},
		{"unknown URL", "POST", "/v1/responses", "application/json", `{}`, key, 404, "unknown_url"},
		{"wrong method", "GET", "/v1/chat/completions", "", "", key, 405, "method_not_allowed"},
		{"not JSON", "POST", "/v1/chat/completions", "text/plain", `{}`, key, 415, "unsupported_media_type"},
		{"malformed", "POST", "/v1/chat/completions", "application/json", `{"model":`, key, 400, "invalid_request"},
		{"twice", "POST", "/v1/chat/completions", "application/json", `{"model":"chat-1","model":"chat-1"}`, key, 400, "invalid_request"},
		{"stream as text", "POST", "/v1/chat/completions", "application/json", `{"model":"chat-1","stream":"true"}`, key, 400, "invalid_request"},
		{"no model", "POST", "/v1/chat/completions", "application/json", `{"messages":[]}`, key, 400, "missing_model"},
		{"unknown model", "POST", "/v1/chat/completions", "application/json", `{"model":"gpt-4o"}`, key, 404, "model_not_found"},
		{"too large", "POST", "/v1/chat/completions", "application/json", `{"model":"chat-1","x":"` + strings.Repeat("x", 1<<20) + `"}`, key, 413, "request_too_large"},
		{"not multipart", "POST", "/v1/audio/transcriptions", "application/json", `{}`, key, 400, "invalid_request"},
		{"unknown id", "GET", "/v1/models/none", "", "", key, 404, "model_not_found"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, text := r.do(tc.method, tc.path, tc.contentType, strings.NewReader(tc.body), tc.header...)
			var e struct {
				Error *struct {
					Message, Type, Code string
					Param               *string
				}
			}
			if err := json.Unmarshal([]byte(text), &e); err != nil || e.Error == nil {
				t.Fatalf("%d %q, want OpenAI's error object: %v", resp.StatusCode, text, err)
			}
			if resp.StatusCode != tc.status || e.Error.Code != tc.code || e.Error.Message == "" || e.Error.Type == "" {
				t.Errorf("%d %+v, want %d %s", resp.StatusCode, *e.Error, tc.status, tc.code)
			}
		})
	}
	if sums := r.store.Book().All(); len(sums) != 0 {
		t.Errorf("the book holds %+v, want nothing", sums)
	}
}

func TestRefusedTokenIsReplacedOnce(t *testing.T) {
	always := false
	var used []string
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		used = append(used, req.Header.Get("Authorization"))
		if always || len(used) == 1 {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"validate session: session token expired"}`)
			return
		}
		if !bytes.Contains(body, []byte("chat-1")) {
			t.Errorf("the second try sent %q", body)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	}, nil)
	if resp, text := r.chat(`{"model":"chat-1"}`); resp.StatusCode != http.StatusOK || text != answer {
		t.Errorf("%d %s, want the answer of the second try", resp.StatusCode, text)
	}
	if want := []string{"Bearer app-sk-0", "Bearer app-sk-1"}; !slices.Equal(used, want) {
		t.Errorf("tokens used = %v, want %v", used, want)
	}
	always = true
	resp, text := r.chat(`{"model":"chat-1"}`)
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "session_expired") || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s, want 503 with Retry-After after the second refusal", resp.StatusCode, text)
	}
	if rec := r.record(resp); rec.Basis != zg.FeeFree {
		t.Errorf("record = %+v, want free", rec)
	}
}

func TestProviderErrorsReachTheCaller(t *testing.T) {
	status, contentType, body := 0, "", ""
	fresh := func() *rig {
		return newRig(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}, nil)
	}
	const own = `{"error":{"message":"no","type":"invalid_request_error"}}`
	for _, tc := range []struct {
		status            int
		contentType, body string
		wantStatus        int
		want              string // of the envelope; empty: the provider's own
	}{
		{400, "application/json", own, 400, ""},
		{429, "application/json", `{"error":"Rate limit exceeded."}`, 429, "rate_limited"},
		{502, "text/html", "<html>bad gateway</html>", 502, "upstream_error"},
		{201, "application/json", `{}`, 502, "bad_request"},
	} {
		status, contentType, body = tc.status, tc.contentType, tc.body
		r := fresh()
		resp, text := r.chat(`{"model":"chat-1"}`)
		if resp.StatusCode != tc.wantStatus || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Retry-After") != "7" ||
			(tc.want == "" && text != tc.body) || !strings.Contains(text, tc.want) {
			t.Errorf("%d %q: the caller got %d %s %q, want %d %s", tc.status, tc.body, resp.StatusCode, resp.Header.Get("Content-Type"), text, tc.wantStatus, tc.want)
		}
		if rec := r.record(resp); rec.Basis != zg.FeeFree || rec.Status != tc.status {
			t.Errorf("record of %d = %+v, want free", tc.status, rec)
		}
	}
	r := fresh()
	status, contentType, body = 400, "application/json", `{"error":"insufficient balance: …"}`
	resp, text := r.chat(`{"model":"chat-1"}`)
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" || !strings.Contains(text, "insufficient_quota") || !strings.Contains(text, "1 0G") {
		t.Errorf("%d %s, want 429 insufficient_quota that names what is wanted and when to come back", resp.StatusCode, text)
	}
	r.view.Store(&billing.KeeperView{ReadAt: time.Now().Add(-time.Hour), Providers: map[common.Address]billing.ProviderView{cheap: {Reason: "budget_transfers_day"}}})
	resp, text = r.chat(`{"model":"chat-1"}`)
	if resp.StatusCode != http.StatusPaymentRequired || resp.Header.Get("Retry-After") != "" || !strings.Contains(text, "zgproxy fund "+cheap.Hex()) {
		t.Errorf("%d %s, want 402 where waiting does not help, and the command that does", resp.StatusCode, text)
	}
}

// What the owner's budgets don't allow never leaves, and the caller learns what to do about it.
func TestBudgetRefusesBeforeAnythingIsSent(t *testing.T) {
	sent := 0
	r := meteredRig(t, billing.MeterConfig{Budgets: billing.Budgets{Fees: billing.Budget{Day: billing.CapOf(zg.NeuronOf(1))}}}, func(w http.ResponseWriter, _ *http.Request) {
		sent++
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}`)
	}, nil)
	resp, text := r.chat(`{"model":"chat-1"}`)
	if resp.StatusCode != http.StatusPaymentRequired || sent != 0 || !strings.Contains(text, `"type":"insufficient_quota"`) ||
		!strings.Contains(text, `"code":"budget_fees_day"`) || !strings.Contains(text, "ZGPROXY_BUDGET_FEES_DAY") {
		t.Errorf("%d %s, %d sent; want 402 insufficient_quota that names the budget and nothing sent", resp.StatusCode, text, sent)
	}
}

func TestUnreachableProviderIsFreeAndNamed(t *testing.T) {
	r := newRig(t, nil, func(c *Config) { c.Transport = failing{errors.New("no token")} })
	r.tokens.fail = errors.New("rpc down")
	resp, text := r.chat(`{"model":"chat-1"}`)
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "session_token") {
		t.Errorf("%d %s, want 503 session_token", resp.StatusCode, text)
	}
	if rec := r.record(resp); rec.Basis != zg.FeeFree {
		t.Errorf("record = %+v, want free: nothing was sent", rec)
	}
	r.tokens.fail = nil
	resp, text = r.chat(`{"model":"chat-1"}`)
	if resp.StatusCode != http.StatusBadGateway || !strings.Contains(text, "provider_connection") {
		t.Errorf("%d %s, want 502", resp.StatusCode, text)
	}
	if rec := r.record(resp); rec.Basis != zg.FeeEstimated || *rec.Fee != rec.Bound {
		t.Errorf("record = %+v, want the bound: the request may have arrived", rec)
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestUploadPassesThrough(t *testing.T) {
	audio := bytes.Repeat([]byte("sound\r\n--"), 20_000)
	var model, format string
	var file []byte
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		form, err := req.MultipartReader()
		if err != nil {
			t.Error(err)
			return
		}
		for {
			part, err := form.NextPart()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Error(err)
				return
			}
			text, err := io.ReadAll(part)
			if err != nil {
				t.Error(err)
			}
			switch part.FormName() {
			case "model":
				model = string(text)
			case "response_format":
				format = string(text)
			case "file":
				file = text
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"text":"hello","usage":{"type":"duration","seconds":12.5}}`)
	}, nil)
	for _, withModel := range []bool{true, false} {
		model, format, file = "", "", nil
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		if err := form.SetBoundary("odd boundary'()+"); err != nil {
			t.Fatal(err)
		}
		if withModel {
			must(t, form.WriteField("model", "hear-1"))
		}
		must(t, form.WriteField("response_format", "json"))
		part, err := form.CreateFormFile("file", "a.wav")
		must(t, err)
		_, err = part.Write(audio)
		must(t, err)
		must(t, form.Close())
		resp, text := r.do(http.MethodPost, "/v1/audio/transcriptions", form.FormDataContentType(), &body)
		if resp.StatusCode != http.StatusOK || !strings.Contains(text, "hello") {
			t.Fatalf("%d %s", resp.StatusCode, text)
		}
		if model != "hear-1" || format != "json" || !bytes.Equal(file, audio) {
			t.Errorf("with model %v the provider got model %q, format %q, %d bytes; want hear-1, json, %d", withModel, model, format, len(file), len(audio))
		}
		if rec := r.record(resp); rec.Basis != zg.FeeExact || *rec.Fee != zg.NeuronOf(13*5) {
			t.Errorf("record = %+v, want 13 seconds at 5", rec)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestNotReady(t *testing.T) {
	r := newRig(t, nil, func(c *Config) { c.Ready = func() (bool, string) { return false, "the chain has not been read yet" } })
	resp, text := r.chat(`{"model":"chat-1"}`)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !strings.Contains(text, "has not been read yet") {
		t.Errorf("%d %s, want 503 with the reason and Retry-After", resp.StatusCode, text)
	}
}
