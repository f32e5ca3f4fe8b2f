package proxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/provider"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

func reallyClassified(c *Config) { c.Classify = provider.Classify }

// blames is refuses with the header that says whose failure it was.
func blames(source string, status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ZG-Failure-Source", source)
		refuses(status, body)(w, r)
	}
}

func TestAProvidersOwnFailureWithStatus400(t *testing.T) {
	for _, tc := range []struct{ name, source, body string }{
		{"a database", "", `{"error":"create request: Error 1213: Deadlock found"}`},
		{"a database, and the caller blamed", "client", `{"error":"create request: Error 1213: Deadlock found"}`},
		{"prices", "", `{"error":"get billing prices: stale"}`},
		{"by its own word", "broker", `{"error":"something else"}`},
		{"the model server", "upstream", `{"error":"something else"}`},
		{"an RPC error", "client", `{"error":"validate request: get account from contract, account not exist: dial tcp"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newChain3(t, reallyClassified, blames(tc.source, 400, tc.body), good, good)
			if resp, text := c.chat(chatBody); resp.StatusCode != http.StatusOK || text != answer || c.counts() != "1 1 0" {
				t.Errorf("answered %d %s, asked %s", resp.StatusCode, text, c.counts())
			}
		})
	}
}

// Every provider's word that it failed by itself leads to a few attempts and no more, all unbilled, and takes none of
// them out.
func TestABlamedBrokerIsNotDown(t *testing.T) {
	bad := blames("broker", 400, `{"error":"n is ambiguous"}`)
	c := newChain3(t, reallyClassified, bad, bad, bad)
	const times = 20
	for range times {
		resp, text := c.chat(chatBody)
		if resp.StatusCode != http.StatusBadGateway || strings.Contains(text, "ambiguous") || !c.record(resp).Fee.IsZero() {
			t.Fatalf("answered %d %s, booked %+v", resp.StatusCode, text, c.record(resp))
		}
	}
	if want := fmt.Sprint(times, times, times); c.counts() != want {
		t.Errorf("asked %s, want %s", c.counts(), want)
	}
}

// What a model server says against a request is the caller's to read, and nothing against its provider.
func TestValidationErrorsAreTheCallers(t *testing.T) {
	c := newChain3(t, reallyClassified, refuses(422, `{"detail":[{"loc":["body","n"],"msg":"not a number"}]}`), good, good)
	for range 20 {
		resp, text := c.chat(chatBody)
		if resp.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, "body.n: not a number") || !strings.Contains(text, typeRequest) {
			t.Fatalf("answered %d %s", resp.StatusCode, text)
		}
	}
	if c.counts() != "20 0 0" {
		t.Errorf("asked %s, want the first one each time", c.counts())
	}
}

// A model server behind a direct endpoint is read like one behind a provider, in either form of the answer.
func TestValidationErrorsOfAnEndpoint(t *testing.T) {
	up := httptest.NewServer(refuses(422, `{"detail":[{"loc":["body","n"],"msg":"not a number"}]}`))
	t.Cleanup(up.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c := newChain3(t, func(cfg *Config) {
		reallyClassified(cfg)
		cfg.Direct, cfg.EndpointKey = transport, func(string) string { return "" }
	})
	c.server.SetRoutes(route.Build(&zg.Directory{}, nil, route.Options{Endpoints: []route.Endpoint{{ID: "local", URL: up.URL + "/v1", Models: []string{"chat-1"}}}}))
	for path, want := range map[string]string{
		"/v1/chat/completions": `"type":"` + typeRequest + `"`,
		messagesPath:           `{"type":"error","error":{"type":"invalid_request_error"`,
	} {
		for range 5 { // more often than it would take to count as down
			resp, text := c.do(http.MethodPost, path, "application/json", strings.NewReader(chatBody))
			if resp.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, "body.n: not a number") || !strings.Contains(text, want) ||
				!strings.Contains(text, "Endpoint local") {
				t.Errorf("%s: %d %s", path, resp.StatusCode, text)
			}
		}
	}
}

// A 400 in a form that nobody here knows may be about the request and may be about the provider: it is tried elsewhere,
// and takes nobody out.
func TestARefusalInAnUnknownFormIsNeutral(t *testing.T) {
	bad := refuses(400, `{"oops":["what"]}`)
	c := newChain3(t, reallyClassified, bad, bad, bad)
	const times = 20
	for range times {
		if resp, text := c.chat(chatBody); resp.StatusCode != http.StatusBadGateway {
			t.Fatalf("answered %d %s", resp.StatusCode, text)
		}
	}
	if want := fmt.Sprint(times, times, times); c.counts() != want {
		t.Errorf("asked %s, want %s", c.counts(), want)
	}
}

// One request that has too many tokens for a provider keeps no other one from it, unless the provider says for how
// long.
func TestATokenBudgetIsOfOneRequest(t *testing.T) {
	full := `{"error":{"message":"full","type":"rate_limit_error","code":"token_budget_exceeded"}}`
	c := newChain3(t, reallyClassified, refuses(429, full), good, good)
	for range 5 {
		if resp, text := c.chat(chatBody); resp.StatusCode != http.StatusOK {
			t.Fatalf("answered %d %s", resp.StatusCode, text)
		}
	}
	if c.counts() != "5 5 0" {
		t.Errorf("asked %s, want the first one each time", c.counts())
	}
	c = newChain3(t, reallyClassified, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "3600")
		refuses(429, full)(w, r)
	}, good, good)
	for range 5 {
		if resp, text := c.chat(chatBody); resp.StatusCode != http.StatusOK {
			t.Fatalf("answered %d %s", resp.StatusCode, text)
		}
	}
	if c.counts() != "1 5 0" {
		t.Errorf("asked %s, want the first one once", c.counts())
	}
}
