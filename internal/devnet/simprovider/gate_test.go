package simprovider

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func TestGate(t *testing.T) {
	s := start(t, func(c *Config) { c.AccountCache = time.Hour })
	body := chatBody("echo-1", "hi", "")
	s.chain.edit(s.user, func(a *zg.SubAccount) { a.Balance, a.PendingRefund = og(t, "3"), og(t, "2") })
	s.post(chatPath, body).must(t) // exactly the reserve is enough
	fee := s.Unsettled(s.user)
	if fee.IsZero() {
		t.Fatal("the request cost nothing")
	}
	// What is owed now counts, and is a matter of 0.000002 0G.
	s.post(chatPath, body).wants(t, http.StatusBadRequest, `{"error":"validate request: insufficient balance: your locked balance is 1.000000 0G, but the required minimum is 1.000002 0G `+
		`(breakdown: minimum reserve 1.000000 0G + unsettled fees 0.000002 0G + current request fee 0.000000 0G)`)
	// The cache is an hour long, but a top-up works at once.
	s.chain.edit(s.user, func(a *zg.SubAccount) { a.Balance = a.Balance.Add(fee) })
	s.post(chatPath, body).must(t)
	s.chain.edit(s.user, func(a *zg.SubAccount) { a.Balance = a.Balance.Add(fee).Sub(zg.NeuronOf(1)) })
	s.post(chatPath, body).wants(t, http.StatusBadRequest, "insufficient balance")
	if got, want := s.Unsettled(s.user), fee.Mul(2); got != want {
		t.Errorf("Unsettled = %s, want %s: refused requests are free", got, want)
	}
}

func TestReserveIsConfigurable(t *testing.T) {
	s := start(t, func(c *Config) { c.Reserve = og(t, "5") })
	s.chain.hold(s.user, og(t, "4.999999999999999999"))
	s.post(chatPath, chatBody("echo-1", "hi", "")).wants(t, 400, "required minimum is 5.000000 0G (breakdown: minimum reserve 5.000000 0G")
	s.chain.hold(s.user, og(t, "5"))
	s.post(chatPath, chatBody("echo-1", "hi", "")).must(t)
}

func TestAcknowledgements(t *testing.T) {
	s := start(t, nil)
	body := chatBody("echo-1", "hi", "")
	s.chain.unvouched = true
	s.chain.edit(s.user, func(a *zg.SubAccount) { a.Acknowledged = false })
	s.post(chatPath, body).wants(t, 400, "user not acknowledge the provider")
	s.chain.edit(s.user, func(a *zg.SubAccount) { a.Acknowledged = true })
	s.post(chatPath, body).wants(t, 400, "service not acknowledge the tee signer")
	s.chain.unvouched = false
	s.post(chatPath, body).must(t)
	s.chain.broken = true
	s.post(chatPath, body).wants(t, 500, `{"error":"Internal Server Error"}`)
}

func TestSixDecimals(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0.000000", "499999999999": "0.000000", "500000000000": "0.000001", "1000000000000000000": "1.000000",
		"12345678901234567890": "12.345679",
	} {
		if got := sixDecimals(neuron(t, in)); got != want {
			t.Errorf("sixDecimals(%s) = %s, want %s", in, got, want)
		}
	}
}

// Prices with tiers and cache billing give the exact published figures.
func TestFees(t *testing.T) {
	s := start(t, func(c *Config) {
		c.Price.Cache.Divisor = 4
		c.Price.Tiers = []zg.Tier{{MaxInputTokens: 10, Input: zg.Ratio{Num: 1}, Output: zg.Ratio{Num: 1}}, {Input: zg.Ratio{Num: 3, Den: 2}, Output: zg.Ratio{Num: 2}}}
	})
	s.SetFault(Fault{Kind: CachedUsage})
	a := s.post(chatPath, chatBody("echo-1", strings.Repeat("w ", 16), "")).must(t) // 20 or 21 tokens: the second tier
	usage := decode[chatReply](t, a.body).Usage
	if usage.Details == nil || usage.Details.Cached != usage.Prompt/2 {
		t.Fatalf("usage = %+v, want half of it cached", usage)
	}
	in, cached := zg.NeuronOf(450_000_000_000), usage.Prompt/2
	want := in.Mul(usage.Prompt - cached).Add(in.Mul(cached).MulDiv(1, 4)).Add(zg.NeuronOf(960_000_000_000).Mul(usage.Completion))
	if got := s.last(1).Fee; got != want {
		t.Errorf("fee = %s, want %s", got, want)
	}
}

func TestUnknownModelsBanTheWallet(t *testing.T) {
	s := start(t, nil)
	good, bad := chatBody("echo-1", "hi", ""), chatBody("gpt-4", "hi", "")
	s.post(chatPath, bad).wants(t, 400, "model not supported")
	s.clock.advance(5 * time.Minute) // the first is forgotten
	for range 4 {
		s.post(chatPath, bad).wants(t, 400, "model not supported")
	}
	s.post(chatPath, good).must(t)
	s.post(chatPath, bad).wants(t, 400, "model not supported")
	s.post(chatPath, good).wants(t, 429, `{"error":"Rate limit exceeded: too many invalid model requests. Please try again in 1h0m0s"}`)
	s.clock.advance(time.Minute)
	s.post(chatPath, good).wants(t, 429, "Please try again in 59m0s")
	s.clock.advance(59 * time.Minute)
	s.post(chatPath, good).must(t)
}

func TestRequestsNobodyServes(t *testing.T) {
	s := start(t, func(c *Config) { c.ModelExpiry = time.Unix(1_767_225_600, 0).Add(time.Hour) })
	body := chatBody("echo-1", "hi", "")
	s.post("/completions", body).wants(t, 400, "endpoint not supported")
	s.post("/Chat/Completions", body).wants(t, 400, "endpoint not supported")
	s.get("/v1/proxy/models").wants(t, 400, "endpoint not supported")
	s.get("/v1/proxy"+chatPath).wants(t, 400, "endpoint not supported")
	s.post("/embeddings", `{"model":"echo-1","input":"x"}`).wants(t, 404, "NotFoundError")
	s.post(chatPath, `{"model":`).wants(t, 400, "invalid JSON")
	s.post(chatPath, `{"model":"echo-1","messages":[]}`).wants(t, 400, "messages must not be empty")
	s.get("/healthz").wants(t, 404, "")
	if got := s.Unsettled(s.user); !got.IsZero() {
		t.Errorf("Unsettled = %s, want nothing", got)
	}
	s.clock.advance(time.Hour)
	a := s.post(chatPath, body)
	a.wants(t, 410, `model \"echo-1\" is no longer available (expired at 2026-01-01T01:00:00Z)`)
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control = %q, want no-store", got)
	}
}

func TestBodyLimit(t *testing.T) {
	s := start(t, nil)
	room := maxBody - len(chatBody("echo-1", "", `,"max_tokens":1`))
	s.post(chatPath, chatBody("echo-1", strings.Repeat("x", room), `,"max_tokens":1`)).must(t)
	s.post(chatPath, chatBody("echo-1", strings.Repeat("x", room+1), `,"max_tokens":1`)).wants(t, 413, "Request body size exceeds the maximum allowed size of 32MB")
}

func TestLimitsPerMinute(t *testing.T) {
	s := start(t, func(c *Config) { c.Limits = Limits{RequestsPerMinute: 30, Burst: 2, TokensPerMinute: 100} })
	body := chatBody("echo-1", "hi", "")
	a := s.post(chatPath, body).must(t)
	for name, want := range map[string]string{
		"x-ratelimit-limit-requests": "30", "x-ratelimit-remaining-requests": "2", "x-ratelimit-limit-tokens": "100", "x-ratelimit-remaining-tokens": "100",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s = %q, want %s", name, got, want)
		}
	}
	s.post(chatPath, body).must(t)
	a = s.post(chatPath, body)
	a.wants(t, 429, `{"error":{"message":"Rate limit exceeded. Please wait 2 seconds (limit: 30 requests/min).","type":"rate_limit_error"}}`)
	if a.header.Get("Retry-After") != "" || a.header.Get("x-ratelimit-reset-requests") != "2s" {
		t.Errorf("headers = %v, want a reset of 2s and no Retry-After", a.header)
	}
	s.clock.advance(2 * time.Second)
	s.post(chatPath, chatBody("echo-1", strings.Repeat("x ", 200), "")).must(t) // runs the tokens into the red
	s.clock.advance(time.Minute)
	s.post(chatPath, body).wants(t, 429, "Token rate limit exceeded. Please wait ")
	s.get("/v1/models").wants(t, 200, `"rate_limits":{"requests_per_minute":30,"tokens_per_minute":100}`)
}

func TestLimitsOfRequestsUnderWay(t *testing.T) {
	for _, tt := range []struct {
		limits Limits
		status int
		text   string
	}{
		{Limits{Concurrent: 1}, 429, `{"error":"Too many concurrent requests. You have 1 active requests (limit: 1). Please wait for some to complete."}`},
		{Limits{Global: 1}, 503, "Server is currently processing too many requests. Please try again later."},
		{Limits{TokenBudget: 30}, 429, `"code":"token_budget_exceeded"`},
	} {
		s := start(t, func(c *Config) { c.Limits = tt.limits })
		s.SetFault(Fault{Kind: Stall, N: 1, After: 1})
		body := chatBody("echo-1", "hi", `,"max_tokens":20`+streamed)
		resp, err := client().Do(s.request(t.Context(), http.MethodPost, "/v1/proxy"+chatPath, "application/json", body))
		if err != nil {
			t.Fatalf("request: %v", err)
		}
		s.post(chatPath, body).wants(t, tt.status, tt.text)
		_ = resp.Body.Close() // broken off on purpose
		s.last(2)
		s.post(chatPath, body).must(t)
	}
}

// Headers are forwarded to the model server, so tests look at which ones a client lets out.
func TestRecordedHeaders(t *testing.T) {
	s := start(t, nil)
	r := s.request(t.Context(), http.MethodPost, "/v1/proxy"+chatPath, "application/json", chatBody("echo-1", "hi", ""))
	r.Header.Set("x-api-key", "secret")
	r.Header.Set("User-Agent", "test")
	s.do(r).must(t)
	want := []string{"Authorization", "Connection", "Content-Length", "Content-Type", "User-Agent", "X-Api-Key"}
	if diff := cmp.Diff(want, s.last(1).Headers); diff != "" {
		t.Errorf("headers (-want +got)\n%s", diff)
	}
}

func TestCatalogue(t *testing.T) {
	s := start(t, func(c *Config) {
		c.Price.Tiers = []zg.Tier{{MaxInputTokens: 9, Input: zg.Ratio{Num: 3, Den: 2}, Output: zg.Ratio{Num: 2}}}
		c.Price.Cache = zg.CacheBilling{Divisor: 4, Write: zg.Ratio{Num: 5, Den: 4}, Write1h: zg.Ratio{Num: 2}}
	})
	type pricing struct {
		Prompt, Completion string
		Tiers              []map[string]uint64 `json:"tiered_pricing"`
		Cache              map[string]uint64   `json:"cache_token_billing"`
	}
	got := decode[struct {
		Object string
		Data   []struct {
			ID, Type string
			Pricing  pricing
		}
	}](t, s.get("/v1/models").must(t).body)
	if len(got.Data) != 1 || got.Object != "list" || got.Data[0].ID != "echo-1" || got.Data[0].Type != "chatbot" {
		t.Fatalf("catalogue = %+v", got)
	}
	if diff := cmp.Diff(pricing{
		Prompt: "300000000000", Completion: "480000000000",
		Tiers: []map[string]uint64{{"max_input_tokens": 9, "input_multiplier": 3, "input_multiplier_denominator": 2, "output_multiplier": 2}},
		Cache: map[string]uint64{"divisor": 4, "write_multiplier_numerator": 5, "write_multiplier_denominator": 4, "write_1h_multiplier_numerator": 2, "write_1h_multiplier_denominator": 1},
	}, got.Data[0].Pricing); diff != "" {
		t.Errorf("pricing (-want +got)\n%s", diff)
	}
	quote := s.get("/v1/quote").must(t)
	if !strings.HasPrefix(quote.header.Get("Content-Type"), "text/plain") {
		t.Errorf("quote is %s, want text/plain", quote.header.Get("Content-Type"))
	}
	evidence := decode[struct {
		Quote     string
		Simulated bool
		Data      []byte `json:"report_data"`
	}](t, quote.body)
	if want := fmt.Sprintf("%x", s.TEESigner().Hex()); !evidence.Simulated || !strings.Contains(evidence.Quote, want) || !strings.HasPrefix(string(evidence.Data), s.TEESigner().Hex()) {
		t.Errorf("quote = %+v, want the signer in it", evidence)
	}
	s.get("/v1/proxy/attestation/report?model=echo-1").wants(t, 501, "not available for this provider")
	s.get("/v1/capabilities").wants(t, 200, `"base_model":"echo-1"`)
	s.SetFault(Fault{Kind: ControlHidden})
	s.get("/v1/models").wants(t, 403, "<html>")
	s.post(chatPath, chatBody("echo-1", "hi", "")).must(t)
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{Key: seedKey(t, "a"), TEEKey: seedKey(t, "b"), Type: zg.Chatbot, Model: "m", Chain: newFakeChain()}
	for name, change := range map[string]func(*Config){
		"key":       func(c *Config) { c.Key = nil },
		"chain":     func(c *Config) { c.Chain = nil },
		"model":     func(c *Config) { c.Model = "" },
		"type":      func(c *Config) { c.Type = "astrology" },
		"behaviour": func(c *Config) { c.Behaviour = Pictures },
		"listen":    func(c *Config) { c.Listen = "127.0.0.1:99999" },
	} {
		cfg := good
		change(&cfg)
		if p, err := Start(cfg); err == nil {
			t.Errorf("%s: started, want an error (%v)", name, p.Close())
		}
	}
}
