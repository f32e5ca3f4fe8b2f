package chain

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// has gives a node the blocks up to a number. fork marks those of another chain from a number on; 0: none.
func (n *node) has(head, fork uint64) *node {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.methods["eth_getBlockByNumber"] = func(params []json.RawMessage) (any, *nodeError) {
		var which string
		_ = json.Unmarshal(params[0], &which) // it is text
		number := head
		if which != "latest" {
			number = hexutil.MustDecodeUint64(which)
		}
		if number > head {
			return nil, nil
		}
		hash := fmt.Sprintf("0x%064x", number)
		if fork > 0 && number >= fork {
			hash = fmt.Sprintf("0x%064x", number+1<<32)
		}
		return map[string]any{
			"number": hexutil.Uint64(number), "hash": hash, "baseFeePerGas": "0x7",
			"timestamp": hexutil.Uint64(n.began.Unix() + int64(number) - 100),
		}, nil
	}
	return n
}

// owns says what the wallet has, in 0G.
func (n *node) owns(og uint64) *node {
	n.method("eth_getBalance", hexutil.EncodeBig(zg.OneOG.Mul(og).Big()), nil)
	return n
}

// clientOf asks all of the nodes.
func clientOf(t *testing.T, nodes []*node, change ...func(*Config)) *Client {
	t.Helper()
	c := nodes[0].client(t, append([]func(*Config){func(cfg *Config) {
		for _, n := range nodes[1:] {
			cfg.MoreRPCURLs = append(cfg.MoreRPCURLs, n.url)
		}
	}}, change...)...)
	c.patience = time.Minute // a busy machine is not silence
	return c
}

// startNodes starts nodes of one chain, the newest block of which was made a moment ago.
func startNodes(t *testing.T, count int) []*node {
	t.Helper()
	nodes, began := make([]*node, count), time.Now().Add(-2*time.Second)
	for i := range nodes {
		nodes[i] = startNode(t)
		nodes[i].began = began
		nodes[i].has(100, 0).owns(10)
	}
	return nodes
}

// What one endpoint says of money is not believed against two that agree, two that disagree say nothing, and one that
// does not answer, or is behind, says nothing either.
func TestHoldingsOfSeveralEndpoints(t *testing.T) {
	down := func(n *node) {
		n.setFault(func(w http.ResponseWriter, _ *http.Request, _ string) bool {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		})
	}
	silence := func(n *node) {
		n.setFault(func(_ http.ResponseWriter, r *http.Request, _ string) bool {
			_, _ = io.Copy(io.Discard, r.Body) // so that its end is noticed
			<-r.Context().Done()
			return true
		})
	}
	lies := func(n *node) { n.owns(1000) }
	of := func(head, og uint64) func(*node) { return func(n *node) { n.has(head, 0).owns(og) } }
	foreign := func(n *node) { n.method("eth_chainId", "0x1", nil); n.owns(9) }
	bare := func(n *node) { n.functions = nil }
	for name, tt := range map[string]struct {
		nodes []func(*node)
		block uint64
		want  uint64 // 0G; 0: unknown
		err   error
		// patience is how long is waited for one that does not answer; 0: long, as a busy machine is not silence.
		patience time.Duration
	}{
		"one mind":                   {nodes: []func(*node){nil, nil, nil}, block: 100, want: 10},
		"one lies":                   {nodes: []func(*node){lies, nil, nil}, block: 100, want: 10},
		"the last lies":              {nodes: []func(*node){nil, nil, lies}, block: 100, want: 10},
		"one of two lies":            {nodes: []func(*node){nil, lies}, err: ErrDisagree},
		"three minds":                {nodes: []func(*node){nil, lies, func(n *node) { n.owns(7) }}, err: ErrDisagree},
		"one is down":                {nodes: []func(*node){down, nil}, block: 100, want: 10},
		"one is down, one lies":      {nodes: []func(*node){down, lies, nil}, err: ErrDisagree},
		"one is silent":              {nodes: []func(*node){silence, nil}, block: 100, want: 10, patience: 100 * time.Millisecond},
		"all are down":               {nodes: []func(*node){down, down}, err: ErrRPC},
		"one is ahead by little":     {nodes: []func(*node){nil, func(n *node) { n.has(103, 0) }}, block: 100, want: 10},
		"one has lost the chain":     {nodes: []func(*node){of(60, 9), nil}, block: 100, want: 10},
		"one of three has lost it":   {nodes: []func(*node){of(60, 9), nil, nil}, block: 100, want: 10},
		"one claims to be far ahead": {nodes: []func(*node){of(100_000, 9), nil, nil}, block: 100, want: 10},
		"one of two claims that":     {nodes: []func(*node){of(100_000, 9), nil}, err: ErrDisagree},
		"one is on another fork": {
			nodes: []func(*node){nil, func(n *node) { n.has(100, 95).owns(9) }, nil}, block: 100, want: 10,
		},
		"one of two is on another":    {nodes: []func(*node){nil, func(n *node) { n.has(101, 95) }}, err: ErrDisagree},
		"two are ahead of the clock":  {nodes: []func(*node){nil, of(200, 9), of(200, 9)}, block: 100, want: 9},
		"one serves another chain":    {nodes: []func(*node){foreign, nil}, block: 100, want: 10},
		"all serve another chain":     {nodes: []func(*node){foreign, foreign}, err: ErrWrongNetwork},
		"another chain, and one down": {nodes: []func(*node){foreign, down}, err: ErrRPC},
		"one has no such contract":    {nodes: []func(*node){bare, nil}, err: ErrDisagree},
		"one of three has none":       {nodes: []func(*node){bare, nil, nil}, block: 100, want: 10},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := startNodes(t, len(tt.nodes))
			for i, change := range tt.nodes {
				if change != nil {
					change(nodes[i])
				}
			}
			c := clientOf(t, nodes)
			c.patience = cmp.Or(tt.patience, c.patience)
			h, err := c.Holdings(t.Context())
			if tt.err != nil {
				wantErr(t, "Holdings", err, tt.err)
				if errors.Is(tt.err, ErrRPC) && errors.Is(err, ErrWrongNetwork) {
					t.Errorf("that is no wrong network: %v", err)
				}
				return
			}
			if err != nil || h.Block != tt.block || h.Wallet != zg.OneOG.Mul(tt.want) {
				t.Errorf("block %d, %s in the wallet, %v; want block %d and %d 0G", h.Block, h.Wallet.Og(), err, tt.block, tt.want)
			}
		})
	}
}

// An endpoint that was outvoted is told of once, and its key is in no message.
func TestOutvotedEndpointIsNamed(t *testing.T) {
	nodes := startNodes(t, 3)
	nodes[1].owns(1000)
	var log strings.Builder
	reg := prometheus.NewRegistry()
	c := clientOf(t, nodes, func(cfg *Config) {
		cfg.Log, cfg.Registerer, cfg.MoreRPCURLs[0] = zerolog.New(&log), reg, cfg.MoreRPCURLs[0]+"/topsecret"
	})
	for range 3 {
		if _, err := c.Holdings(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	name := strings.TrimPrefix(nodes[1].url, "http://")
	if strings.Count(log.String(), `"endpoint":"`+name+`"`) != 1 || strings.Contains(log.String(), "topsecret") {
		t.Errorf("the log:\n%s", log.String())
	}
	if n := testutil.ToFloat64(c.metrics.outvoted.WithLabelValues(name)); n != 3 {
		t.Errorf("outvoted %v times", n)
	}
	nodes[1].owns(10)
	if _, err := c.Holdings(t.Context()); err != nil || c.all[1].apart.Load() != nil {
		t.Errorf("after it came to its senses: %v", err)
	}
}

// An endpoint that has served another chain is not asked again, not even to send.
func TestEndpointOfAnotherChainIsNotUsed(t *testing.T) {
	nodes := startNodes(t, 2)
	c := clientOf(t, nodes)
	s := NewSender(c, signTest, SenderConfig{MaxFeePerGas: zg.NeuronOf(100_000_000_000)})
	if _, err := c.Holdings(t.Context()); err != nil {
		t.Fatal(err)
	}
	nodes[0].method("eth_chainId", "0x1", nil)
	tx, err := s.Sign(t.Context(), zg.Intent{Kind: zg.IntentDeposit, Amount: zg.NeuronOf(1)})
	if err != nil {
		t.Fatalf("Sign: %v", err)
	}
	asked := len(nodes[0].asked)
	if err := s.Broadcast(t.Context(), tx); err != nil || nodes[1].count("eth_sendRawTransaction") != 1 {
		t.Errorf("Broadcast: %v", err)
	}
	nodes[0].method("eth_chainId", hexutil.Uint64(testChain), nil)
	if _, err := c.Services(t.Context()); err != nil {
		t.Error(err)
	}
	if got := len(nodes[0].asked); got != asked {
		t.Errorf("it was asked for %v", nodes[0].asked[asked:])
	}
	nodes[1].method("eth_chainId", "0x1", nil)
	_, err = s.Sign(t.Context(), zg.Intent{Kind: zg.IntentDeposit, Amount: zg.NeuronOf(1)})
	wantErr(t, "Sign without an endpoint", err, ErrWrongNetwork)
}

// The same bytes go to all, one that takes them is enough, and what all refuse is refused for its reason.
func TestBroadcastToAll(t *testing.T) {
	answers := map[string]*nodeError{
		"taken": nil, "known": {Code: -32000, Message: "already known"}, "limit": {Code: -32005, Message: "limit exceeded"},
		"used": {Code: -32000, Message: "nonce too low"},
	}
	for _, tt := range []struct {
		of   []string
		want error
	}{
		{of: []string{"taken", "taken", "taken"}},
		{of: []string{"limit", "limit", "taken"}},
		{of: []string{"known", "limit", "limit"}},
		{of: []string{"used", "known", "limit"}},
		{of: []string{"limit", "used", "limit"}, want: ErrNonceTooLow},
		{of: []string{"limit", "limit", "limit"}, want: ErrRPC},
	} {
		nodes := startNodes(t, 3)
		c := clientOf(t, nodes)
		s := NewSender(c, signTest, SenderConfig{MaxFeePerGas: zg.NeuronOf(100_000_000_000)})
		tx, err := s.Sign(t.Context(), zg.Intent{Kind: zg.IntentDeposit, Amount: zg.NeuronOf(1)})
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range tt.of {
			nodes[i].method("eth_sendRawTransaction", tx.Hash, answers[name])
		}
		if err := s.Broadcast(t.Context(), tx); !errors.Is(err, tt.want) {
			t.Errorf("%v: %v, want %v", tt.of, err, tt.want)
		}
		for i, n := range nodes {
			if n.count("eth_sendRawTransaction") != 1 {
				t.Errorf("%v: endpoint %d was not sent it once", tt.of, i)
			}
		}
	}
}

// Nonces are the highest seen, a tip is the one in the middle, and a receipt is there when all that count have its
// block.
func TestTransactionsOfSeveralEndpoints(t *testing.T) {
	nodes := startNodes(t, 3)
	c := clientOf(t, nodes)
	s := NewSender(c, signTest, SenderConfig{MaxFeePerGas: zg.NeuronOf(100_000_000_000)})
	nodes[1].method("eth_getTransactionCount", "0x9", nil)
	if n, err := s.Nonce(t.Context()); n != 9 || err != nil {
		t.Errorf("Nonce = %d, %v", n, err)
	}
	if mined, pending, err := c.Nonces(t.Context()); mined != 9 || pending != 9 || err != nil {
		t.Errorf("Nonces = %d, %d, %v", mined, pending, err)
	}
	nodes[0].method("eth_maxPriorityFeePerGas", hexutil.EncodeBig(big.NewInt(90_000_000_000)), nil)
	if _, tip, err := s.suggestion(t.Context()); tip != zg.NeuronOf(4_000_000_000) || err != nil {
		t.Errorf("the tip is %s, %v", tip, err)
	}
	hash := common.Hash{7}
	mined := func(block uint64) map[string]any {
		return map[string]any{
			"transactionHash": hash, "blockNumber": hexutil.Uint64(block), "status": "0x1", "gasUsed": "0x5208",
		}
	}
	receipt := func(want uint64) {
		t.Helper()
		r, err := s.Receipt(t.Context(), hash)
		if got := r != nil; err != nil || got != (want > 0) || got && r.Block != want {
			t.Errorf("Receipt = %+v, %v; want it in block %d", r, err, want)
		}
	}
	receipt(0)
	nodes[2].method("eth_getTransactionReceipt", mined(99), nil)
	receipt(0) // one says so and two do not
	nodes[2].has(101, 0).method("eth_getTransactionReceipt", mined(101), nil)
	receipt(0) // the others do not have that block
	nodes[0].has(101, 0).method("eth_getTransactionReceipt", mined(101), nil)
	receipt(0)
	nodes[1].has(102, 0).method("eth_getTransactionReceipt", mined(101), nil)
	receipt(101)
	if n, err := s.BlockNumber(t.Context()); n != 101 || err != nil {
		t.Errorf("BlockNumber = %d, %v", n, err)
	}
}

// A call that need not be compared goes to the next endpoint where one fails, without a pause, and its key is in no
// error.
func TestFailoverOfACall(t *testing.T) {
	nodes := startNodes(t, 2)
	refused := httptest.NewServer(http.NotFoundHandler())
	refused.Close() // nobody listens there any more
	c := clientOf(t, nodes, func(cfg *Config) {
		cfg.MoreRPCURLs = append([]string{cfg.RPCURL + "/topsecret"}, cfg.MoreRPCURLs...)
		cfg.RPCURL, cfg.Tries = refused.URL+"/topsecret", 0
	})
	c.wait = func(context.Context, time.Duration) error { t.Error("it waited"); return nil }
	nodes[0].setFault(refusing(100, 429, nil, ""))
	has, err := c.HasCode(t.Context(), ledgerAddr)
	name := strings.TrimPrefix(nodes[1].url, "http://")
	if has || err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("the last one does not know that method: %v, %v", has, err)
	}
	nodes[1].method("eth_getCode", "0x01", nil)
	if has, err := c.HasCode(t.Context(), ledgerAddr); !has || err != nil {
		t.Errorf("HasCode = %v, %v", has, err)
	}
}

// Credentials in a URL go to their endpoint only.
func TestCredentialsOfEndpoints(t *testing.T) {
	nodes := startNodes(t, 2)
	said := make([]string, 2)
	for i, n := range nodes {
		n.setFault(func(_ http.ResponseWriter, r *http.Request, _ string) bool {
			said[i] = r.Header.Get("Authorization") + " " + r.Host + r.URL.String()
			return false
		})
	}
	c := clientOf(t, nodes, func(cfg *Config) {
		cfg.RPCURL = strings.Replace(cfg.RPCURL, "http://", "http://me:password@", 1) + "/v1/key?a=b"
	})
	if _, err := c.Holdings(t.Context()); err != nil {
		t.Fatal(err)
	}
	host := func(i int) string { return strings.TrimPrefix(nodes[i].url, "http://") }
	if said[0] != "Basic bWU6cGFzc3dvcmQ= "+host(0)+"/v1/key?a=b" || said[1] != " "+host(1)+"/" {
		t.Errorf("they were told %q", said)
	}
}
