package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/zgproxy/zgproxy/internal/chain/bindings"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// What is known of the devnet is what the tests' contracts are.
func TestDevnetAddresses(t *testing.T) {
	if n, ok := zg.NetworkNamed("devnet"); !ok || n.Ledger != ledgerAddr || n.Inference != inferenceAddr {
		t.Errorf("devnet is %+v", n)
	}
}

func TestNewAsksNothing(t *testing.T) {
	n := startNode(t)
	n.client(t)
	if len(n.asked) != 0 {
		t.Errorf("asked for %v", n.asked)
	}
	for _, url := range []string{"", "127.0.0.1:8545", "ws://secret@127.0.0.1:1", "/a/secret.ipc", "http://", "http://secret\x7f", "file:///secret"} {
		if _, err := New(Config{RPCURL: url}); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "ZGPROXY_RPC_URL") {
			t.Errorf("New(%q): %v", url, err)
		}
	}
}

func TestCheck(t *testing.T) {
	led, inf := bindings.NewLedgerManager(), bindings.NewInferenceServing()
	other := common.HexToAddress("0x00000000000000000000000000000000000000aa")
	info := led.PackGetServiceInfo(inferenceAddr)
	tests := []struct {
		name    string
		script  func(*node)
		config  func(*Config)
		want    error    // nil: fine
		also    error    // what it also is
		mention []string // what the text must name
	}{
		{name: "the right one"},
		{name: "another chain", script: func(n *node) { n.method("eth_chainId", "0x4115", nil) }, want: ErrWrongNetwork, mention: []string{"16661", "31337", "ZGPROXY_NETWORK", "ZGPROXY_RPC_URL"}},
		{
			name: "contracts of two networks", script: func(n *node) { n.on(inferenceAddr, inf.PackLedgerAddress(), values(other)) },
			want: ErrWrongNetwork, mention: []string{other.Hex(), ledgerAddr.Hex(), "ZGPROXY_LEDGER_CONTRACT"},
		},
		{
			name: "no inference contract", config: func(c *Config) { c.Inference = other },
			want: ErrWrongNetwork, also: ErrNoContract, mention: []string{other.Hex(), "ZGPROXY_INFERENCE_CONTRACT"},
		},
		{
			name: "addresses in each other's place", config: func(c *Config) { c.Inference, c.Ledger = c.Ledger, c.Inference },
			want: ErrWrongNetwork, mention: []string{"does not answer as an inference contract does"},
		},
		{
			name: "an answer of another kind", script: func(n *node) { n.on(inferenceAddr, inf.PackLedgerAddress(), answer{raw: make([]byte, 64)}) },
			want: ErrWrongNetwork, also: ErrLayout,
		},
		{
			name: "no ledger contract", config: func(c *Config) { c.Ledger = other },
			script: func(n *node) { n.on(inferenceAddr, inf.PackLedgerAddress(), values(other)) },
			want:   ErrWrongNetwork, also: ErrNoContract, mention: []string{other.Hex(), "ZGPROXY_LEDGER_CONTRACT"},
		},
		{
			name: "a ledger that does not know the contract", script: func(n *node) { n.on(ledgerAddr, info, values(bindings.ServiceInfo{RegisteredAt: new(big.Int)})) },
			want: ErrWrongNetwork, mention: []string{ledgerAddr.Hex(), inferenceAddr.Hex(), "ZGPROXY_INFERENCE_CONTRACT"},
		},
		{
			name: "a name that leads elsewhere", script: func(n *node) { n.on(ledgerAddr, led.PackGetServiceAddressByName(""), values(other)) },
			want: ErrWrongNetwork, mention: []string{"inference-v1.0", other.Hex(), inferenceAddr.Hex()},
		},
		{name: "a node that refuses", script: func(n *node) { n.method("eth_chainId", nil, &nodeError{Code: -32005, Message: "rate limit"}) }, want: ErrRPC, mention: []string{"rate limit"}},
		{name: "a node without a chain id", script: func(n *node) { n.method("eth_chainId", "many", nil) }, want: ErrRPC},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := startNode(t)
			if tt.script != nil {
				tt.script(n)
			}
			var change []func(*Config)
			if tt.config != nil {
				change = append(change, tt.config)
			}
			err := n.client(t, change...).Check(t.Context())
			if tt.want == nil {
				if err != nil {
					t.Errorf("Check: %v", err)
				}
				return
			}
			wantErr(t, "Check", err, tt.want)
			if tt.also != nil {
				wantErr(t, "Check", err, tt.also)
			}
			if errors.Is(tt.want, ErrRPC) && errors.Is(err, ErrWrongNetwork) {
				t.Errorf("an endpoint that fails was taken for the wrong network: %v", err)
			}
			for _, m := range tt.mention {
				if err != nil && !strings.Contains(err.Error(), m) {
					t.Errorf("the text does not name %s: %v", m, err)
				}
			}
		})
	}
}

func TestOutcomesAreCounted(t *testing.T) {
	n := startNode(t)
	n.on(ledgerAddr, bindings.NewLedgerManager().PackGetLedger(userAddr), refuses(ledgerNotExists, userAddr))
	c := n.client(t, func(cfg *Config) { cfg.Inference = addr(1) })
	for outcome, ask := range map[string]func() error{
		"ok":     func() error { _, err := c.minimums(t.Context()); return err },
		"revert": func() error { _, err := c.ledger(t.Context(), nil); return err },
		"empty":  func() error { _, err := c.Generation(t.Context(), providerAddr); return err },
	} {
		before := testutil.ToFloat64(c.metrics.requests.WithLabelValues("eth_call", outcome))
		err := ask()
		if got := testutil.ToFloat64(c.metrics.requests.WithLabelValues("eth_call", outcome)); got == before {
			t.Errorf("not counted as %s: %v", outcome, err)
		}
	}
}

func TestServiceNameIsAskedForOnce(t *testing.T) {
	n := startNode(t)
	c := n.client(t)
	n.method("eth_chainId", "0x1", nil) // not asked for here
	for range 3 {
		if name, err := c.ServiceName(t.Context()); name != "inference-v1.0" || err != nil {
			t.Fatalf("ServiceName = %q, %v", name, err)
		}
	}
	if got := n.count("eth_call"); got != 2 {
		t.Errorf("%d calls for three questions, want 2: one for the name and one for where it leads", got)
	}
}

// Whatever an endpoint does, it is an ErrRPC with a text of one short line, and never anything about the chain.
func TestEndpointFaults(t *testing.T) {
	page := func(status int, body string) func(http.ResponseWriter, *http.Request, string) bool {
		return func(w http.ResponseWriter, _ *http.Request, _ string) bool {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body) // the client may have left
			return true
		}
	}
	object := `{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"too many requests"}}`
	revert := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"x","data":%q}}`, refuses(ledgerNotExists, providerAddr).err.Data)
	tests := []struct {
		name    string
		fault   func(http.ResponseWriter, *http.Request, string) bool
		mention string
		outcome string
	}{
		{"a page", page(200, "<html>welcome, already known, execution reverted</html>"), "a web page (HTML), not JSON-RPC", "error"},
		{"a page with an error status", page(502, "<html>AccountNotExists "+strings.Repeat("x", 1<<20)+"</html>"), "HTTP status 502 with a web page (HTML)", "error"},
		{"nothing", page(200, ""), "EOF", "error"},
		{"half an answer", page(200, `{"jsonrpc":"2.0","id":1,"result":"0x`), "unexpected EOF", "error"},
		{"an object of another kind", page(200, `{"hello":"world"}`), "", "error"},
		{"a refusal with an HTTP status", page(429, object), "too many requests (code -32005)", "refused"},
		{"control characters", page(200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"a\u001b[31m\nb"}}`), "a\uFFFD[31m b", "refused"},
		{"a very long message", page(200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"`+strings.Repeat("z", 1<<20)+`"}}`), "zzz…", "refused"},
		{"a number where text belongs", page(200, `{"jsonrpc":"2.0","id":1,"result":`+strings.Repeat("9", 1<<20)+`}`), "", "error"},
		{"a huge answer", page(200, `{"jsonrpc":"2.0","id":1,"result":"0x`+strings.Repeat("00", maxAnswer/2)+`"}`), "larger than 16 MiB", "error"},
		{"an answer in pieces that is cut off", func(w http.ResponseWriter, _ *http.Request, _ string) bool {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
			return true
		}, "EOF", "error"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request, method string) bool {
			if r.URL.Path == "/elsewhere" {
				t.Errorf("followed the redirect with %s", method)
				return false
			}
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			return true
		}, "HTTP status 307", "error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := startNode(t)
			n.setFault(tt.fault)
			reg := prometheus.NewRegistry()
			c := n.client(t, func(cfg *Config) { cfg.RPCURL += "/v1/topsecret"; cfg.Registerer = reg })
			_, err := c.ledger(t.Context(), nil)
			wantErr(t, "read", err, ErrRPC)
			if err == nil {
				return
			}
			text := err.Error()
			if !strings.Contains(text, tt.mention) || strings.Contains(text, "secret") || strings.ContainsAny(text, "\n\x1b") || len(text) > 500 {
				t.Errorf("text %q", text)
			}
			if got := testutil.ToFloat64(c.metrics.requests.WithLabelValues("eth_call", tt.outcome)); got != 1 {
				t.Errorf("not counted as %s", tt.outcome)
			}
			if count, err := testutil.GatherAndCount(reg, "zgproxy_rpc_seconds"); count != 1 || err != nil {
				t.Errorf("time was not measured: %d, %v", count, err)
			}
		})
	}
	// A refusal of the contract may come with an HTTP status too.
	n := startNode(t)
	n.setFault(page(500, revert))
	_, err := n.client(t).ledger(t.Context(), nil)
	if r, ok := DecodeRevert(err); !ok || r.Name != "LedgerNotExists" {
		t.Errorf("a refusal with an HTTP status: %v", err)
	}
}

func TestUnreachableEndpoint(t *testing.T) {
	n := startNode(t)
	n.setFault(func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			err = conn.Close()
		}
		return err == nil
	})
	c := n.client(t, func(cfg *Config) { cfg.RPCURL += "/topsecret?key=topsecret" })
	err := c.Check(t.Context())
	wantErr(t, "Check", err, ErrRPC)
	if errors.Is(err, ErrWrongNetwork) || (err != nil && strings.Contains(err.Error(), "topsecret")) {
		t.Errorf("Check: %v", err)
	}
}

func TestTimeouts(t *testing.T) {
	n := startNode(t)
	n.setFault(func(_ http.ResponseWriter, r *http.Request, _ string) bool {
		<-r.Context().Done() // until the client leaves
		return true
	})
	c := n.client(t, func(cfg *Config) { cfg.CallTimeout = 20 * time.Millisecond; cfg.RPCURL += "/topsecret" })
	_, err := c.Holdings(t.Context())
	wantErr(t, "Holdings", err, ErrRPC, context.DeadlineExceeded)
	if err != nil && (!strings.Contains(err.Error(), "no answer within 20ms") || strings.Contains(err.Error(), "topsecret")) {
		t.Errorf("text: %v", err)
	}
	if got := testutil.ToFloat64(c.metrics.requests.WithLabelValues("eth_getBlockByNumber", "timeout")); got != 1 {
		t.Errorf("counted %v time-outs, want 1", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c = n.client(t)
	_, err = c.Services(ctx)
	wantErr(t, "Services", err, context.Canceled)
	if got := testutil.ToFloat64(c.metrics.requests.WithLabelValues("eth_getBlockByNumber", "canceled")); got != 1 {
		t.Errorf("counted %v cancelled calls, want 1", got)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A client that is passed in is used, bounded like our own, and not changed.
func TestOwnHTTPClient(t *testing.T) {
	const id = `{"jsonrpc":"2.0","id":1,"result":"0x7a69"}`
	padding := 0
	own := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(strings.Repeat(" ", padding) + id))}, nil
	})}
	c, err := New(Config{RPCURL: "https://rpc.example", ChainID: testChain, HTTP: own})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.checkChainID(t.Context()); err != nil {
		t.Errorf("the client passed in was not used: %v", err)
	}
	padding = maxAnswer
	wantErr(t, "a padded answer", c.checkChainID(t.Context()), errTooLarge)
	if own.CheckRedirect != nil {
		t.Error("the client passed in was changed")
	}
}

// Blocks are read with fields of the network's own, and without those that are not needed.
func TestHeadIsDecodedLeniently(t *testing.T) {
	n := startNode(t)
	c := n.client(t)
	at, err := c.head(t.Context())
	if err != nil || at.number.Uint64() != 100 || !at.time.Equal(time.Unix(0x6a000000, 0)) || at.baseFee.String() != "7" {
		t.Errorf("head = %+v, %v", at, err)
	}
	for name, block := range map[string]any{
		"none": nil, "without a number": map[string]any{"timestamp": "0x1"}, "without a time": map[string]any{"number": "0x1"},
		"with a number beyond 64 bits": map[string]any{"number": "0x1" + strings.Repeat("0", 16), "timestamp": "0x1"},
		"with a number in decimal":     map[string]any{"number": 7, "timestamp": "0x1"},
		"that is text":                 "latest",
	} {
		n.method("eth_getBlockByNumber", block, nil)
		_, err := c.head(t.Context())
		wantErr(t, "a block "+name, err, ErrRPC)
	}
	n.method("eth_getBlockByNumber", map[string]any{"number": hexutil.Uint64(1), "timestamp": hexutil.Uint64(1)}, nil)
	if at, err := c.head(t.Context()); err != nil || !at.baseFee.IsZero() {
		t.Errorf("a block without a base fee: %+v, %v", at, err)
	}
}
