package chain

import (
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zgproxy/zgproxy/internal/chain/bindings"
	"github.com/zgproxy/zgproxy/internal/zg"
)

var (
	ledgerAddr    = common.HexToAddress("0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0")
	inferenceAddr = common.HexToAddress("0x0165878A594ca255338adfa4d48449f69242Eb8F")
	userKey       = func() []byte { return crypto.Keccak256([]byte("a test wallet")) }()
	userAddr      = func() common.Address {
		key, err := crypto.ToECDSA(userKey)
		if err != nil {
			panic(err)
		}
		return crypto.PubkeyToAddress(key.PublicKey)
	}()
	providerAddr = common.HexToAddress("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC")
)

const testChain = 31337

// signTest signs as the wallet does.
func signTest(tx *types.Transaction, chainID *big.Int) (*types.Transaction, error) {
	key, err := crypto.ToECDSA(userKey)
	if err != nil {
		return nil, err
	}
	return types.SignTx(tx, types.LatestSignerForChainID(chainID), key)
}

// answer is what a scripted node says: values packed as the function called returns them, raw bytes, or an error.
type answer struct {
	values []any
	raw    []byte
	err    *nodeError
}

func values(v ...any) answer { return answer{values: v} }

func refuses(sel [4]byte, args ...any) answer {
	data, err := refusals[sel].args.Pack(args...)
	if err != nil {
		panic(err)
	}
	return answer{err: &nodeError{Code: 3, Message: "execution reverted", Data: hexutil.Encode(append(sel[:], data...))}}
}

// node is a JSON-RPC endpoint that answers by script. Without changes it serves both contracts, a wallet with a ledger
// and no sub-accounts.
type node struct {
	url   string
	began time.Time // when block 100 of the chain that it has was made; the next ones come every second

	mu        sync.Mutex
	methods   map[string]func(params []json.RawMessage) (any, *nodeError)
	functions map[common.Address]map[[4]byte]func(args []any, block string) answer
	fault     func(w http.ResponseWriter, r *http.Request, method string) bool // true: it has answered
	requests  int
	asked     []string // methods in the order of calls
	blocks    []string // of eth_call and eth_getBalance
}

func startNode(t *testing.T) *node {
	t.Helper()
	led, inf := bindings.NewLedgerManager(), bindings.NewInferenceServing()
	n := &node{functions: map[common.Address]map[[4]byte]func([]any, string) answer{ledgerAddr: {}, inferenceAddr: {}}}
	constant := func(v any) func([]json.RawMessage) (any, *nodeError) {
		return func([]json.RawMessage) (any, *nodeError) { return v, nil }
	}
	n.methods = map[string]func([]json.RawMessage) (any, *nodeError){
		"eth_chainId":              constant(hexutil.Uint64(testChain)),
		"eth_getBalance":           constant("0x8ac7230489e80000"),
		"eth_getTransactionCount":  constant("0x7"),
		"eth_estimateGas":          constant("0x1c908"), // 117000
		"eth_maxPriorityFeePerGas": constant("0xee6b2800"),
		"eth_getBlockByNumber": constant(map[string]any{
			"number": "0x64", "timestamp": "0x6a000000", "timestampMillis": "0x1a000000000", "baseFeePerGas": "0x7", "hash": "no hash at all",
		}),
		"eth_sendRawTransaction":    constant(common.Hash{}),
		"eth_getTransactionReceipt": constant(nil),
	}
	n.on(inferenceAddr, inf.PackLedgerAddress(), values(ledgerAddr))
	n.on(inferenceAddr, inf.PackLockTime(), values(big.NewInt(86400)))
	n.on(inferenceAddr, inf.PackAccountExists(userAddr, providerAddr), values(true))
	n.on(inferenceAddr, inf.PackGetAllServices(big.NewInt(0), big.NewInt(0)), values([]bindings.Service{}, new(big.Int)))
	n.on(inferenceAddr, inf.PackGetAccountsByUser(userAddr, big.NewInt(0), big.NewInt(0)), values([]bindings.Account{}, new(big.Int)))
	n.on(ledgerAddr, led.PackGetServiceInfo(inferenceAddr), values(bindings.ServiceInfo{
		ServiceAddress: inferenceAddr, ServiceType: "inference", Version: "v1.0", FullName: "inference-v1.0", RegisteredAt: big.NewInt(1),
	}))
	n.on(ledgerAddr, led.PackGetServiceAddressByName(""), values(inferenceAddr))
	n.on(ledgerAddr, led.PackMINACCOUNTBALANCE(), values(zg.OneOG.Mul(3).Big()))
	n.on(ledgerAddr, led.PackMINTRANSFERAMOUNT(), values(zg.OneOG.Big()))
	n.on(ledgerAddr, led.PackGetLedger(userAddr), values(bindings.Ledger{User: userAddr, AvailableBalance: zg.OneOG.Mul(8).Big(), TotalBalance: zg.OneOG.Mul(10).Big()}))
	server := httptest.NewServer(n)
	t.Cleanup(server.Close)
	n.url = server.URL
	return n
}

// on sets the answer of the function that calldata calls, whatever its arguments.
func (n *node) on(to common.Address, calldata []byte, a answer) {
	n.onCall(to, calldata, func([]any, string) answer { return a })
}

func (n *node) onCall(to common.Address, calldata []byte, f func(args []any, block string) answer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.functions[to][[4]byte(calldata)] = f
}

// method sets the answer of a JSON-RPC method.
func (n *node) method(name string, result any, err *nodeError) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.methods[name] = func([]json.RawMessage) (any, *nodeError) { return result, err }
}

func (n *node) setFault(f func(w http.ResponseWriter, r *http.Request, method string) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault = f
}

func (n *node) count(method string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(n.asked), func(m string) bool { return m != method }))
}

// nodeCall is a JSON-RPC call.
type nodeCall struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var calls []nodeCall
	batch := json.Unmarshal(body, &calls) == nil
	if !batch {
		calls = make([]nodeCall, 1)
		if err := json.Unmarshal(body, &calls[0]); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	n.mu.Lock()
	fault := n.fault
	n.requests++
	for _, call := range calls {
		n.asked = append(n.asked, call.Method)
	}
	n.mu.Unlock()
	method := calls[0].Method
	if batch {
		method = "batch"
	}
	if fault != nil && fault(w, r, method) {
		return
	}
	out := make([]map[string]any, len(calls))
	for i, call := range calls {
		out[i] = map[string]any{"jsonrpc": "2.0", "id": call.ID}
		if result, refusal := n.answer(call.Method, call.Params); refusal != nil {
			out[i]["error"] = refusal
		} else {
			out[i]["result"] = result
		}
	}
	w.Header().Set("Content-Type", "application/json")
	var all any = out
	if !batch {
		all = out[0]
	}
	_ = json.NewEncoder(w).Encode(all) // the client may have left
}

func (n *node) answer(method string, params []json.RawMessage) (any, *nodeError) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if f := n.methods[method]; f != nil {
		if method == "eth_getBalance" {
			n.blocks = append(n.blocks, string(params[1]))
		}
		return f(params)
	}
	if method != "eth_call" {
		return nil, &nodeError{Code: -32601, Message: "the method does not exist"}
	}
	var msg struct {
		To    common.Address `json:"to"`
		Input hexutil.Bytes  `json:"input"`
	}
	if err := json.Unmarshal(params[0], &msg); err != nil {
		return nil, &nodeError{Code: -32602, Message: err.Error()}
	}
	n.blocks = append(n.blocks, string(params[1]))
	functions, ok := n.functions[msg.To]
	if !ok {
		return "0x", nil // no contract
	}
	f, ok := functions[[4]byte(msg.Input)]
	if !ok {
		return nil, &nodeError{Code: 3, Message: "execution reverted", Data: "0x"}
	}
	args, err := inputsOf([4]byte(msg.Input)).Unpack(msg.Input[4:])
	if err != nil {
		return nil, &nodeError{Code: -32602, Message: err.Error()}
	}
	a := f(args, string(params[1]))
	if a.err != nil {
		return nil, a.err
	}
	if a.raw != nil {
		return hexutil.Bytes(a.raw), nil
	}
	packed, err := outputs[[4]byte(msg.Input)].Pack(a.values...)
	if err != nil {
		panic("the script's answer does not match: " + err.Error())
	}
	return hexutil.Bytes(packed), nil
}

func (n *node) client(t *testing.T, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{RPCURL: n.url, ChainID: testChain, Ledger: ledgerAddr, Inference: inferenceAddr, User: userAddr, CallTimeout: 30 * time.Second, Tries: 1, Registerer: prometheus.NewRegistry()}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return c
}

// wantErr fails unless err is all of the sentinels.
func wantErr(t *testing.T, what string, err error, sentinels ...error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, s := range sentinels {
		if !errors.Is(err, s) {
			t.Errorf("%s: error %q, want one that is %q", what, err, s)
		}
	}
}
