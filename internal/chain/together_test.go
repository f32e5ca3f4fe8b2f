package chain

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// What is of one block takes two requests, and one that does not take batches, or not now, is asked one by one.
func TestHoldingsInOneBatch(t *testing.T) {
	busy := `{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"batches are not supported"}}`
	for name, tt := range map[string]struct {
		status  int
		body    string
		plain   bool // it is not tried again
		first   int  // requests
		further int
	}{
		"answered":                {first: 2, further: 2},
		"refused by status":       {status: 403, body: "no batches", plain: true, first: 8, further: 5},
		"refused as one":          {status: 200, body: busy, plain: true, first: 8, further: 5},
		"refused for now":         {status: 429, first: 8, further: 6},
		"broken off":              {status: 502, first: 8, further: 6},
		"answered with too few":   {status: 200, body: "[]", first: 8, further: 6},
		"answered with too many":  {status: 200, body: `[{"jsonrpc":"2.0","id":99999,"result":"0x"}]`, first: 8, further: 6},
		"answered with nonsense":  {status: 200, body: `[{"jsonrpc":"2.0","id":"x","result":7}, null]`, first: 8, further: 6},
		"answered with half of a": {status: 200, body: `[{"jsonrpc":"2.0"`, first: 8, further: 6},
	} {
		t.Run(name, func(t *testing.T) {
			n := startNode(t)
			c := n.client(t)
			want, err := c.Holdings(t.Context())
			if err != nil || n.requests != 2 {
				t.Fatalf("%d requests, %v", n.requests, err)
			}
			c = n.client(t)
			if tt.status != 0 {
				n.setFault(func(w http.ResponseWriter, _ *http.Request, method string) bool {
					if method != "batch" {
						return false
					}
					w.WriteHeader(tt.status)
					_, _ = io.WriteString(w, tt.body) // the client may have left
					return true
				})
			}
			for i, requests := range []int{tt.first, tt.further} {
				n.requests = 0
				got, err := c.Holdings(t.Context())
				if diff := cmp.Diff(want, got, neurons, bigs); err != nil || diff != "" {
					t.Errorf("reading %d: %v (-want +got):\n%s", i, err, diff)
				}
				if n.requests != requests {
					t.Errorf("reading %d took %d requests, want %d", i, n.requests, requests)
				}
			}
			if c.all[0].plain.Load() != tt.plain {
				t.Errorf("taken for an endpoint without batches: %v", !tt.plain)
			}
		})
	}
}

// A refusal of the contract in a batch means what it means alone, and a single call that is refused for now is asked
// again.
func TestRefusalsInABatch(t *testing.T) {
	n := startNode(t)
	n.on(ledgerAddr, n.client(t).led.PackGetLedger(userAddr), refuses(ledgerNotExists, userAddr))
	h, err := n.client(t).Holdings(t.Context())
	if err != nil || h.Ledger != nil || n.requests != 2 {
		t.Errorf("without a ledger: %+v, %v, after %d requests", h.Ledger, err, n.requests)
	}
	times := 0
	n.methods["eth_getBalance"] = func([]json.RawMessage) (any, *nodeError) {
		if times++; times < 3 {
			return nil, &nodeError{Code: -32005, Message: "limit exceeded"}
		}
		return "0x7", nil
	}
	c, waits := patient(t, n)
	if h, err = c.Holdings(t.Context()); err != nil || h.Wallet != zg.NeuronOf(7) || len(*waits) != 1 {
		t.Errorf("%s in the wallet, %v, after %v", h.Wallet, err, *waits)
	}
}
