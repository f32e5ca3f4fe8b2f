package chain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const gwei = 1_000_000_000

func gweis(n uint64) zg.Neuron { return zg.NeuronOf(n * gwei) }

func (n *node) sender(t *testing.T, limit zg.Neuron) *Sender {
	t.Helper()
	return NewSender(n.client(t), signTest, SenderConfig{MaxFeePerGas: limit})
}

// topUp is a transfer to a sub-account that is there.
func topUp(amount zg.Neuron) zg.Intent {
	return zg.Intent{Kind: zg.IntentTransfer, Provider: providerAddr, Amount: amount}
}

func decodeTx(t *testing.T, tx zg.SignedTx) *types.Transaction {
	t.Helper()
	out := new(types.Transaction)
	if err := out.UnmarshalBinary(tx.Raw); err != nil {
		t.Fatalf("decode: %v", err)
	}
	return out
}

func TestSignTransfer(t *testing.T) {
	n := startNode(t)
	s := n.sender(t, gweis(100))
	tx, err := s.Sign(t.Context(), topUp(zg.OneOG.Mul(2)))
	if err != nil {
		t.Fatalf("Sign: %v", err)
	}
	inner := decodeTx(t, tx)
	if want := readRecorded(t).Calls["transferFund"]; !bytes.Equal(inner.Data(), want) {
		t.Errorf("calldata %x, want %x", inner.Data(), []byte(want))
	}
	from, err := types.Sender(types.LatestSignerForChainID(big.NewInt(testChain)), inner)
	if err != nil || from != userAddr || inner.ChainId().Int64() != testChain || *inner.To() != ledgerAddr || inner.Value().Sign() != 0 {
		t.Errorf("from %s to %s on chain %s with value %s, %v", from, inner.To(), inner.ChainId(), inner.Value(), err)
	}
	// The node suggests 4 gwei over a base fee of 7 neuron.
	want := zg.SignedTx{Hash: inner.Hash(), Nonce: 7, Raw: tx.Raw, GasLimit: 150_000, TipCap: gweis(4), FeeCap: gweis(4).Add(zg.NeuronOf(14))}
	if diff := cmp.Diff(want, tx, neurons); diff != "" {
		t.Errorf("signed (-want +got):\n%s", diff)
	}
	if inner.Nonce() != 7 || inner.Gas() != tx.GasLimit || inner.GasTipCap().Cmp(tx.TipCap.Big()) != 0 || inner.GasFeeCap().Cmp(tx.FeeCap.Big()) != 0 {
		t.Errorf("what is said of the transaction is not what it holds: %+v", inner)
	}
	if n.count("eth_sendRawTransaction") != 0 {
		t.Error("it was sent")
	}
}

// The nonce is that of mined transactions: one that waits may never be mined, and what follows it never either.
func TestNonceIsOfMinedTransactions(t *testing.T) {
	n := startNode(t)
	s := n.sender(t, gweis(100))
	var asked string
	n.mu.Lock()
	n.methods["eth_getTransactionCount"] = func(params []json.RawMessage) (any, *nodeError) {
		asked = string(params[0]) + string(params[1])
		return "0x2a", nil
	}
	n.mu.Unlock()
	nonce, err := s.Nonce(t.Context())
	if want := fmt.Sprintf(`"%s""latest"`, strings.ToLower(userAddr.Hex())); nonce != 42 || err != nil || strings.ToLower(asked) != want {
		t.Errorf("Nonce = %d, %v, asked for %s; want 42 for %s", nonce, err, asked, want)
	}
}

func TestGasLimit(t *testing.T) {
	for _, tt := range []struct {
		estimate uint64
		exists   bool
		want     uint64 // 0: refused
	}{
		{117_000, true, 150_000},
		{125_000, true, 150_000},
		{200_000, true, 240_000},
		{480_000, false, 600_000},
		{550_000, false, 660_000},
		{1, false, 600_000},
		{1_000_001, true, 0},
		{1_000_001, false, 1_200_001},
		{3_000_001, false, 0},
		{1 << 63, true, 0},
	} {
		n := startNode(t)
		n.method("eth_estimateGas", hexutil.Uint64(tt.estimate), nil)
		c := n.client(t)
		n.on(inferenceAddr, c.inf.PackAccountExists(userAddr, providerAddr), values(tt.exists))
		in := topUp(zg.OneOG)
		in.Opening = !tt.exists
		tx, err := NewSender(c, signTest, SenderConfig{MaxFeePerGas: gweis(100)}).Sign(t.Context(), in)
		if tx.GasLimit != tt.want || (err != nil) != (tt.want == 0) {
			t.Errorf("estimate %d, sub-account %v: gas %d, %v; want %d", tt.estimate, tt.exists, tx.GasLimit, err, tt.want)
		}
	}
}

func TestFees(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		suggested, base, most uint64 // neuron
		tip, feeCap           uint64 // 0: refused
	}{
		{"the node's suggestion", 4 * gwei, 7, 100 * gwei, 4 * gwei, 4*gwei + 14},
		{"below the network's floor", 1, 7, 100 * gwei, 2 * gwei, 2*gwei + 14},
		{"a base fee that may double", 2 * gwei, 10 * gwei, 100 * gwei, 2 * gwei, 22 * gwei},
		{"exactly the owner's limit", 2 * gwei, 10 * gwei, 22 * gwei, 2 * gwei, 22 * gwei},
		{"less room for the base fee to rise", 2 * gwei, 10 * gwei, 22*gwei - 1, 2 * gwei, 22*gwei - 1},
		{"exactly what the next block charges", 2 * gwei, 10 * gwei, 12 * gwei, 2 * gwei, 12 * gwei},
		{"one above it", 2 * gwei, 10 * gwei, 12*gwei - 1, 0, 0},
		{"a node that asks for everything", 1 << 63, 7, 100 * gwei, 0, 0},
		{"no limit set", 4 * gwei, 7, 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := startNode(t)
			n.method("eth_maxPriorityFeePerGas", hexutil.Uint64(tt.suggested), nil)
			n.method("eth_getBlockByNumber", map[string]any{"number": "0x1", "timestamp": "0x1", "baseFeePerGas": hexutil.Uint64(tt.base)}, nil)
			tx, err := n.sender(t, zg.NeuronOf(tt.most)).Sign(t.Context(), topUp(zg.OneOG))
			if tt.tip == 0 {
				wantErr(t, "Sign", err, ErrFeeTooHigh)
				if tx.Raw != nil {
					t.Error("it was signed all the same")
				}
				return
			}
			if err != nil || tx.TipCap != zg.NeuronOf(tt.tip) || tx.FeeCap != zg.NeuronOf(tt.feeCap) {
				t.Errorf("tip %s of %s, %v; want %d of %d", tx.TipCap, tx.FeeCap, err, tt.tip, tt.feeCap)
			}
		})
	}
}

// Nothing is signed when anything about it is not known or not right.
func TestNothingIsSigned(t *testing.T) {
	down := &nodeError{Code: -32000, Message: "not now"}
	signed := 0
	counting := func(tx *types.Transaction, id *big.Int) (*types.Transaction, error) {
		signed++
		return signTest(tx, id)
	}
	for name, tt := range map[string]struct {
		script func(*node, *Client)
		want   error
	}{
		"another chain than at the start": {func(n *node, _ *Client) { n.method("eth_chainId", "0x4115", nil) }, ErrWrongNetwork},
		"no chain id":                     {func(n *node, _ *Client) { n.method("eth_chainId", nil, down) }, ErrRPC},
		"no nonce":                        {func(n *node, _ *Client) { n.method("eth_getTransactionCount", nil, down) }, ErrRPC},
		"no estimate":                     {func(n *node, _ *Client) { n.method("eth_estimateGas", nil, down) }, ErrRPC},
		"no tip":                          {func(n *node, _ *Client) { n.method("eth_maxPriorityFeePerGas", nil, down) }, ErrRPC},
		"no base fee":                     {func(n *node, _ *Client) { n.method("eth_getBlockByNumber", nil, down) }, ErrRPC},
		"no word of the sub-account": {func(n *node, c *Client) {
			n.on(inferenceAddr, c.inf.PackAccountExists(userAddr, providerAddr), answer{err: down})
		}, ErrRPC},
		"neither yes nor no": {func(n *node, c *Client) {
			n.on(inferenceAddr, c.inf.PackAccountExists(userAddr, providerAddr), answer{raw: bytes.Repeat([]byte{7}, 32)})
		}, ErrLayout},
		"no balance":       {func(n *node, _ *Client) { n.method("eth_getBalance", nil, down) }, ErrRPC},
		"no money for gas": {func(n *node, _ *Client) { n.method("eth_getBalance", "0x1", nil) }, ErrInsufficientFunds},
		"no money, says the node": {func(n *node, _ *Client) {
			n.method("eth_estimateGas", nil, &nodeError{Code: -32000, Message: "insufficient funds for transfer"})
		}, ErrInsufficientFunds},
		"no sub-account any more": {func(n *node, c *Client) {
			n.on(inferenceAddr, c.inf.PackAccountExists(userAddr, providerAddr), values(false))
		}, ErrDecidedOtherwise},
		"no service name": {func(n *node, c *Client) {
			n.on(ledgerAddr, c.led.PackGetServiceInfo(inferenceAddr), answer{err: down})
		}, ErrRPC},
	} {
		n := startNode(t)
		c := n.client(t)
		tt.script(n, c)
		tx, err := NewSender(c, counting, SenderConfig{MaxFeePerGas: gweis(100)}).Sign(t.Context(), topUp(zg.OneOG))
		wantErr(t, name, err, tt.want)
		if tx.Raw != nil || signed > 0 {
			t.Fatalf("%s: signed %d times", name, signed)
		}
	}
	n := startNode(t)
	for name, in := range map[string]zg.Intent{
		"a top-up of nothing":           topUp(zg.Neuron{}),
		"a deposit of nothing":          {Kind: zg.IntentDeposit},
		"a refund of nothing":           {Kind: zg.IntentRefund},
		"retrieving from nobody":        {Kind: zg.IntentRetrieve},
		"acknowledging nobody":          {Kind: zg.IntentAcknowledge},
		"withdrawing from nobody":       {Kind: zg.IntentWithdraw},
		"revoking no token":             {Kind: zg.IntentRevoke, Provider: providerAddr},
		"revoking the daemon's own":     {Kind: zg.IntentRevoke, Provider: providerAddr, TokenIDs: []int{1, 255}},
		"revoking what is no id":        {Kind: zg.IntentRevoke, Provider: providerAddr, TokenIDs: []int{-1}},
		"retrieving from too many":      {Kind: zg.IntentRetrieve, Provider: providerAddr, Also: make([]common.Address, zg.MostRetrieved)},
		"acknowledging several":         {Kind: zg.IntentAcknowledge, Provider: providerAddr, Also: make([]common.Address, 1)},
		"revoking nobody's token":       {Kind: zg.IntentRevoke, TokenIDs: []int{1}},
		"revoking nobody's tokens":      {Kind: zg.IntentRevokeAll},
		"what there is no call for":     {Kind: "gift", Provider: providerAddr, Amount: zg.OneOG},
		"nothing at all, and to nobody": {},
	} {
		if tx, err := n.sender(t, gweis(100)).Sign(t.Context(), in); err == nil || tx.Raw != nil || len(n.asked) > 0 {
			t.Errorf("%s: %v, asked %v", name, err, n.asked)
		}
	}
}

func TestSignersThatAreNotTheWallet(t *testing.T) {
	n := startNode(t)
	for name, sign := range map[string]SignFunc{
		"for another chain": func(tx *types.Transaction, _ *big.Int) (*types.Transaction, error) {
			inner := types.DynamicFeeTx{ChainID: big.NewInt(16661), Nonce: tx.Nonce(), To: tx.To(), Gas: tx.Gas(), GasFeeCap: tx.GasFeeCap(), GasTipCap: tx.GasTipCap()}
			return signTest(types.NewTx(&inner), big.NewInt(16661))
		},
		"not at all":    func(tx *types.Transaction, _ *big.Int) (*types.Transaction, error) { return tx, nil },
		"with an error": func(*types.Transaction, *big.Int) (*types.Transaction, error) { return nil, errors.New("locked") },
	} {
		if tx, err := NewSender(n.client(t), sign, SenderConfig{MaxFeePerGas: gweis(100)}).Sign(t.Context(), topUp(zg.OneOG)); err == nil {
			t.Errorf("signed %s: %+v", name, tx)
		}
	}
	other := NewSender(n.client(t, func(c *Config) { c.User = addr(1) }), signTest, SenderConfig{MaxFeePerGas: gweis(100)})
	if tx, err := other.Sign(t.Context(), topUp(zg.OneOG)); err == nil {
		t.Errorf("signed with another wallet's key: %+v", tx)
	}
}

// The contract's refusal is told in its own terms, even when the node drops its data from an estimate.
func TestSignTransferThatTheContractRefuses(t *testing.T) {
	sel := selector("InsufficientAvailableBalance(uint256,uint256)")
	why := refuses(sel, big.NewInt(5), zg.OneOG.Big())
	for name, estimate := range map[string]*nodeError{
		"with data":              why.err,
		"without data":           {Code: -32000, Message: "execution reverted"},
		"without data or reason": {Code: 3, Data: "0x"},
	} {
		n := startNode(t)
		n.method("eth_estimateGas", nil, estimate)
		c := n.client(t)
		n.on(ledgerAddr, c.led.PackTransferFund(providerAddr, "", new(big.Int)), why)
		_, err := NewSender(c, signTest, SenderConfig{MaxFeePerGas: gweis(100)}).Sign(t.Context(), topUp(zg.OneOG))
		if r, ok := DecodeRevert(err); !ok || r.Name != "InsufficientAvailableBalance" || len(r.Args) != 2 || r.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReplace(t *testing.T) {
	n := startNode(t)
	s := n.sender(t, gweis(100))
	first, err := s.Sign(t.Context(), topUp(zg.OneOG))
	if err != nil {
		t.Fatal(err)
	}
	n.method("eth_getTransactionCount", "0x63", nil) // whatever the nonce is now
	prev := first
	for range 5 {
		next, err := s.Replace(t.Context(), prev)
		if err != nil {
			t.Fatalf("Replace: %v", err)
		}
		a, b := decodeTx(t, prev), decodeTx(t, next)
		if b.Nonce() != a.Nonce() || next.Nonce != a.Nonce() || *b.To() != *a.To() || !bytes.Equal(b.Data(), a.Data()) || b.Gas() != a.Gas() || b.Value().Cmp(a.Value()) != 0 {
			t.Errorf("the replacement is another call: %+v", b)
		}
		for _, fee := range [][2]*big.Int{{a.GasTipCap(), b.GasTipCap()}, {a.GasFeeCap(), b.GasFeeCap()}} {
			if least := new(big.Int).Mul(fee[0], big.NewInt(11)); new(big.Int).Mul(fee[1], big.NewInt(10)).Cmp(least) < 0 {
				t.Errorf("a fee went from %s to %s, less than a tenth more", fee[0], fee[1])
			}
		}
		if next.Hash != b.Hash() || next.Hash == prev.Hash {
			t.Errorf("hash %s after %s", next.Hash, prev.Hash)
		}
		prev = next
	}
	if got := raised(zg.NeuronOf(11)); got != zg.NeuronOf(13) {
		t.Errorf("11 raised by a tenth is %s, want 13: rounded up", got)
	}

	n.method("eth_maxPriorityFeePerGas", hexutil.Uint64(30*gwei), nil)
	n.method("eth_getBlockByNumber", map[string]any{"number": "0x1", "timestamp": "0x1", "baseFeePerGas": hexutil.Uint64(5 * gwei)}, nil)
	next, err := s.Replace(t.Context(), first)
	if err != nil || next.TipCap != gweis(30) || next.FeeCap != gweis(40) {
		t.Errorf("when the network asks for more: tip %s of %s, %v; want 30 and 40 gwei", next.TipCap, next.FeeCap, err)
	}
	for i := 0; ; i++ {
		last := next
		if next, err = s.Replace(t.Context(), next); err != nil {
			wantErr(t, "the last replacement", err, ErrFeeTooHigh)
			if i != 9 || gweis(100).Less(last.FeeCap) {
				t.Errorf("the limit of 100 gwei stopped replacement %d at %s", i, last.FeeCap)
			}
			break
		}
	}
	n.method("eth_chainId", "0x1", nil)
	_, err = s.Replace(t.Context(), first)
	wantErr(t, "Replace on another chain", err, ErrWrongNetwork)
}

// A record that was tampered with gets no signature and is not sent.
func TestOnlyOwnTransactionsAreReplacedAndSent(t *testing.T) {
	n := startNode(t)
	s := n.sender(t, gweis(100))
	good, err := s.Sign(t.Context(), topUp(zg.OneOG))
	if err != nil {
		t.Fatal(err)
	}
	inner := decodeTx(t, good)
	thief := addr(13)
	forged := types.NewTx(&types.DynamicFeeTx{ChainID: inner.ChainId(), Nonce: 7, To: &thief, Value: zg.OneOG.Big(), Gas: 21000, GasFeeCap: inner.GasFeeCap(), GasTipCap: inner.GasTipCap()})
	v, r, sig := inner.RawSignatureValues()
	graft, err := forged.WithSignature(types.LatestSignerForChainID(inner.ChainId()), append(append(r.FillBytes(make([]byte, 32)), sig.FillBytes(make([]byte, 32))...), byte(v.Uint64())))
	if err != nil {
		t.Fatal(err)
	}
	as := func(tx *types.Transaction) zg.SignedTx {
		raw, err := tx.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return zg.SignedTx{Hash: tx.Hash(), Nonce: tx.Nonce(), Raw: raw}
	}
	cut, renamed := good, good
	cut.Raw = good.Raw[:len(good.Raw)-1]
	renamed.Hash = common.Hash{1}
	for name, tx := range map[string]zg.SignedTx{
		"another signature's transaction": as(graft), "an unsigned one": as(forged), "bytes cut off": cut, "the bytes of another hash": renamed, "nothing": {},
	} {
		if next, err := s.Replace(t.Context(), tx); err == nil {
			t.Errorf("%s: replaced by %+v", name, next)
		}
		if err := s.Broadcast(t.Context(), tx); err == nil {
			t.Errorf("%s: sent", name)
		}
	}
	if n.count("eth_sendRawTransaction") != 0 {
		t.Error("something was sent")
	}
}
