package simchain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Fault is what happens to a call instead of, or before, being answered by the node.
type Fault struct {
	Delay  time.Duration   // before anything else
	Status int             // answer with this HTTP status and no JSON
	Error  *RPCError       // answer with this error
	Result json.RawMessage // answer with this result
	Drop   bool            // of eth_sendRawTransaction: say it was taken, and forget it
	Body   string          // answer with these bytes, whatever they are, and HTTP status 200
	// Rewrite changes what the node answered; nil leaves it. Errors of the node pass unchanged.
	Rewrite func(result json.RawMessage) json.RawMessage
}

// RPCError is a JSON-RPC error object.
type RPCError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

// front stands before the node: it is what clients of the chain talk to.
type front struct {
	node   *rpc.Client
	active atomic.Int64 // requests under way
	pool   *pool
	turn   sync.RWMutex // held while the node changes over to another branch

	mu     sync.Mutex
	fault  func(method string, params []byte) *Fault
	minTip zg.Neuron
	refuse int // of 100 requests, with 429
	random *rand.Rand

	requests, refused atomic.Int64
}

// refuses decides whether a request is one too many.
func (f *front) refuses() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refuse > 0 && f.random.IntN(100) < f.refuse
}

func newFront(node *rpc.Client, signer types.Signer) *front {
	return &front{node: node, pool: &pool{signer: signer}}
}

func (f *front) setFault(fault func(string, []byte) *Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

func (f *front) setMinTip(tip zg.Neuron) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.minTip = tip
}

type call struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

type answer struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *RPCError       `json:"error,omitempty"`
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.active.Add(1)
	defer f.active.Add(-1)
	f.requests.Add(1)
	if f.refuses() {
		f.refused.Add(1)
		http.Error(w, "too many requests", http.StatusTooManyRequests)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var one call
	var many []call
	if json.Unmarshal(body, &one) == nil {
		many = []call{one}
	} else if err := json.Unmarshal(body, &many); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answers := make([]answer, len(many))
	for i, c := range many {
		a, status, raw := f.answer(r.Context(), c)
		if raw != "" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, raw) // whatever the test wants it to be
			return
		}
		if status != 0 {
			http.Error(w, "<html>the node is not there</html>", status)
			return
		}
		answers[i] = a
	}
	w.Header().Set("Content-Type", "application/json")
	var out any = answers
	if one.Method != "" {
		out = answers[0]
	}
	_ = json.NewEncoder(w).Encode(out) // the client left
}

// answer returns the answer to one call, or the status of a page without one, or all that is sent instead.
func (f *front) answer(ctx context.Context, c call) (answer, int, string) {
	a := answer{Version: "2.0", ID: c.ID}
	f.mu.Lock()
	fault, minTip := f.fault, f.minTip
	f.mu.Unlock()
	var rewrite func(json.RawMessage) json.RawMessage
	if fault != nil {
		params, err := json.Marshal(c.Params)
		if err != nil {
			return a, http.StatusInternalServerError, ""
		}
		if x := fault(c.Method, params); x != nil {
			if x.Delay > 0 {
				timer := time.NewTimer(x.Delay)
				defer timer.Stop()
				select {
				case <-ctx.Done():
				case <-timer.C:
				}
			}
			rewrite = x.Rewrite
			switch {
			case x.Body != "":
				return a, 0, x.Body
			case x.Status != 0:
				return a, x.Status, ""
			case x.Error != nil:
				a.Error = x.Error
				return a, 0, ""
			case x.Result != nil:
				a.Result = x.Result
				return a, 0, ""
			case x.Drop && c.Method == "eth_sendRawTransaction":
				tx, err := decodeTx(c.Params)
				if err == nil {
					a.Result, err = json.Marshal(tx.Hash())
				}
				a.Error = asRPCError(err)
				return a, 0, ""
			}
		}
	}
	if c.Method == "eth_sendRawTransaction" && !minTip.IsZero() {
		if tx, err := decodeTx(c.Params); err == nil && tx.GasTipCap().Cmp(minTip.Big()) < 0 {
			a.Error = &RPCError{Code: -32000, Message: fmt.Sprintf("transaction gas price below minimum: gas tip cap %s, minimum needed %s", tx.GasTipCap(), minTip)}
			return a, 0, ""
		}
	}
	if c.Method == "eth_sendRawTransaction" {
		if tx, err := decodeTx(c.Params); err == nil {
			if a.Error = f.pool.offered(tx); a.Error != nil {
				return a, 0, ""
			}
		}
	}
	args := make([]any, len(c.Params))
	for i, p := range c.Params {
		args[i] = p
	}
	if c.Method == "eth_sendRawTransaction" {
		ctx = context.WithoutCancel(ctx) // what a node has been told it knows, whether or not the sender waits for an answer
	}
	if err := f.ask(ctx, &a.Result, c.Method, args); err != nil {
		a.Error = asRPCError(err)
	}
	if a.Error == nil && a.Result == nil {
		a.Result = json.RawMessage("null")
	}
	if waits := f.pool.answer(c.Method, c.Params, a.Result); waits != nil && a.Error == nil {
		a.Result = waits
	}
	if rewrite != nil && a.Error == nil {
		if changed := rewrite(a.Result); changed != nil {
			a.Result = changed
		}
	}
	return a, 0, ""
}

// ask asks the node.
func (f *front) ask(ctx context.Context, result *json.RawMessage, method string, args []any) error {
	f.turn.RLock()
	defer f.turn.RUnlock()
	return f.node.CallContext(ctx, result, method, args...)
}

func decodeTx(params []json.RawMessage) (*types.Transaction, error) {
	var raw hexutil.Bytes
	if len(params) == 0 {
		return nil, errors.New("missing transaction")
	}
	if err := json.Unmarshal(params[0], &raw); err != nil {
		return nil, err
	}
	tx := new(types.Transaction)
	return tx, tx.UnmarshalBinary(raw)
}

// asRPCError keeps code and data of the node's own errors.
func asRPCError(err error) *RPCError {
	if err == nil {
		return nil
	}
	e := &RPCError{Code: -32000, Message: err.Error()}
	if coded, ok := errors.AsType[rpc.Error](err); ok {
		e.Code = coded.ErrorCode()
	}
	if data, ok := errors.AsType[rpc.DataError](err); ok {
		e.Data = data.ErrorData()
	}
	return e
}
