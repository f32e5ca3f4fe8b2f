package chain

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// patient is a client with the default number of tries, which records how long it waited instead of waiting.
func patient(t *testing.T, n *node) (*Client, *[]time.Duration) {
	t.Helper()
	c := n.client(t, func(cfg *Config) { cfg.Tries = 0 })
	var waits []time.Duration
	c.wait = func(ctx context.Context, d time.Duration) error {
		waits = append(waits, d)
		return context.Cause(ctx)
	}
	return c, &waits
}

// refusing answers the first times calls with an HTTP status and a body, and everything later as the node would.
func refusing(times, status int, header http.Header, body string) func(http.ResponseWriter, *http.Request, string) bool {
	return func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		if times--; times < 0 {
			return false
		}
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the client may have left
		return true
	}
}

func TestPassingRefusalsAreRetried(t *testing.T) {
	limit := `{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"daily request count exceeded"}}`
	words := `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"Too Many Requests, slow down"}}`
	other := `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"header not found"}}`
	for name, tt := range map[string]struct {
		status, times int
		body          string
		ok            bool
		tries         int
	}{
		"rate limit":              {status: 429, times: 3, ok: true, tries: 4},
		"gateway":                 {status: 503, times: 7, ok: true, tries: 8},
		"for ever":                {status: 502, times: 100, tries: 8},
		"limit with status 200":   {status: 200, times: 2, body: limit, ok: true, tries: 3},
		"limit in other words":    {status: 200, times: 1, body: strings.ReplaceAll(words, "Too Many Requests", "100/second request limit reached"), ok: true, tries: 2},
		"limit in words":          {status: 200, times: 1, body: words, ok: true, tries: 2},
		"limit with both":         {status: 429, times: 1, body: limit, ok: true, tries: 2},
		"another refusal":         {status: 200, times: 1, body: other, tries: 1},
		"a page":                  {status: 404, times: 1, body: "<html>", tries: 1},
		"an answer that was lost": {status: 200, times: 1, body: "", ok: true, tries: 2},
	} {
		t.Run(name, func(t *testing.T) {
			n := startNode(t)
			n.setFault(refusing(tt.times, tt.status, nil, tt.body))
			c, waits := patient(t, n)
			id, err := c.ServedChain(t.Context())
			if (err == nil) != tt.ok || tt.ok && id != testChain {
				t.Errorf("chain %d, error %v", id, err)
			}
			if len(*waits) != tt.tries-1 {
				t.Errorf("waited %v, want %d tries", *waits, tt.tries)
			}
			for i, d := range *waits {
				if base := min(firstPause<<i, maxPause); d < base/2 || d > 3*base/2 {
					t.Errorf("pause %d is %s", i, d)
				}
			}
			if err == nil && testutil.ToFloat64(c.metrics.requests.WithLabelValues("eth_chainId", "ok")) != 1 {
				t.Error("the try that succeeded is not counted")
			}
		})
	}
}

func TestRetryAfterOfTheEndpoint(t *testing.T) {
	n := startNode(t)
	n.setFault(refusing(1, 429, http.Header{"Retry-After": {"7"}}, ""))
	c, waits := patient(t, n)
	if _, err := c.ServedChain(t.Context()); err != nil || len(*waits) != 1 || (*waits)[0] != 7*time.Second {
		t.Errorf("waited %v: %v", *waits, err)
	}
	// An endpoint that is away for longer than a person waits is said to be away.
	n.setFault(refusing(1, 503, http.Header{"Retry-After": {"3600"}}, ""))
	c, waits = patient(t, n)
	if _, err := c.ServedChain(t.Context()); err == nil || len(*waits) != 0 {
		t.Errorf("waited %v: %v", *waits, err)
	}
}

// An endpoint that is down makes the first calls wait and no others: the keeper reports it at once from then on.
func TestRetriesAreBoundedInAll(t *testing.T) {
	n := startNode(t)
	n.setFault(refusing(1000, 503, nil, ""))
	c, waits := patient(t, n)
	for range 20 {
		if _, err := c.ServedChain(t.Context()); err == nil || !strings.Contains(err.Error(), "HTTP status 503") {
			t.Fatalf("error %v", err)
		}
	}
	if len(*waits) != fullAllowance {
		t.Errorf("%d retries, want %d", len(*waits), fullAllowance)
	}
	n.setFault(nil)
	if _, err := c.ServedChain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.all[0].retries.left != 1 {
		t.Errorf("%d retries are left after a call that succeeded", c.all[0].retries.left)
	}
}

// Of a command that needs an answer once, every call has all of its tries, however many others were refused.
func TestRetriesOfACommand(t *testing.T) {
	n := startNode(t)
	n.setFault(refusing(1000, 503, nil, ""))
	c, waits := patient(t, n)
	c.cfg.Once = true
	for range 6 {
		if _, err := c.ServedChain(t.Context()); err == nil || !strings.Contains(err.Error(), "HTTP status 503") {
			t.Fatalf("error %v", err)
		}
	}
	if len(*waits) != 6*(defaultTries-1) {
		t.Errorf("%d retries, want %d", len(*waits), 6*(defaultTries-1))
	}
	n.setFault(refusing(defaultTries-1, 429, nil, ""))
	if _, err := c.ServedChain(t.Context()); err != nil {
		t.Error(err)
	}
}

// A caller who leaves during a pause is not kept, and learns what the endpoint said.
func TestRetryEndsWithItsCaller(t *testing.T) {
	n := startNode(t)
	n.setFault(refusing(1000, 503, nil, ""))
	c, _ := patient(t, n)
	ctx, cancel := context.WithCancel(t.Context())
	c.wait = func(ctx context.Context, _ time.Duration) error {
		cancel()
		return wait(ctx, time.Hour)
	}
	if _, err := c.ServedChain(ctx); err == nil || !strings.Contains(err.Error(), "HTTP status 503") {
		t.Errorf("error %v", err)
	}
}
