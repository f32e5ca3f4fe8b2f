package chain

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func TestBroadcast(t *testing.T) {
	n := startNode(t)
	s := n.sender(t, gweis(100))
	tx, err := s.Sign(t.Context(), topUp(zg.OneOG))
	if err != nil {
		t.Fatal(err)
	}
	var sent []string
	n.mu.Lock()
	n.methods["eth_sendRawTransaction"] = func(params []json.RawMessage) (any, *nodeError) {
		sent = append(sent, string(params[0]))
		return tx.Hash, nil
	}
	n.mu.Unlock()
	for range 2 {
		if err := s.Broadcast(t.Context(), tx); err != nil {
			t.Errorf("Broadcast: %v", err)
		}
	}
	want := `"` + hexutil.Encode(tx.Raw) + `"`
	if diff := cmp.Diff([]string{want, want}, sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}

	sentinels := []error{ErrNonceTooLow, ErrNonceGap, ErrNonceTaken, ErrUnderpriced, ErrTipTooLow, ErrInsufficientFunds}
	for _, tt := range []struct {
		code    int
		message string
		want    error // nil: taken
	}{
		{-32000, "already known", nil},
		{-32003, "Transaction Already Imported", nil},
		{-32000, "ALREADY KNOWN", nil},
		{-32000, "tx already in mempool", nil},
		{-32000, "nonce too high: address 0x1, tx: 9 state: 7", ErrNonceGap},
		{-32000, "nonce too high: tx nonce 9, gapped nonce 8", ErrNonceGap},
		{-32000, "nonce gap in the pool", ErrNonceGap},
		{-32000, "nonce too low: next nonce 8, tx nonce 7", ErrNonceTooLow},
		{-32003, "Nonce too low", ErrNonceTooLow},
		{-32000, "replacement transaction underpriced: new tx gas fee cap 1 <= 2", ErrNonceTaken},
		{-32010, "ReplacementNotAllowed", ErrNonceTaken},
		{-32000, "could not replace existing tx", ErrNonceTaken},
		{-32000, "max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1", ErrUnderpriced},
		{-32000, "transaction gas price below minimum: gas tip cap 1, minimum needed 2000000000", ErrTipTooLow},
		{-32000, "transaction underpriced: tip needed 2, tip permitted 1", ErrTipTooLow},
		{-32000, "insufficient funds for gas * price + value: balance 0", ErrInsufficientFunds},
		{-32003, "Insufficient funds for gas * price + value", ErrInsufficientFunds},
		{-32000, "txpool is full", ErrRPC},
		{-32601, "the method does not exist", ErrRPC},
		{-32000, "", ErrRPC},
	} {
		n.method("eth_sendRawTransaction", nil, &nodeError{Code: tt.code, Message: tt.message})
		err := s.Broadcast(t.Context(), tx)
		if tt.want == nil {
			if err != nil {
				t.Errorf("%q: %v, want none", tt.message, err)
			}
			continue
		}
		wantErr(t, tt.message, err, tt.want)
		for _, other := range sentinels {
			if !errors.Is(tt.want, other) && errors.Is(err, other) {
				t.Errorf("%q is also %q", tt.message, other)
			}
		}
	}

	// Whatever a broken gateway prints, the transaction was not taken.
	n.setFault(func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<html>already known: nonce too low</html>") // the client may have left
		return true
	})
	err = s.Broadcast(t.Context(), tx)
	wantErr(t, "a gateway's page", err, ErrRPC)
	if errors.Is(err, ErrNonceTooLow) {
		t.Errorf("a gateway's page was taken for the node's word: %v", err)
	}
}

func TestReceipt(t *testing.T) {
	n := startNode(t)
	s := n.sender(t, gweis(100))
	hash := common.HexToHash("0xabc1")
	receipt := func(change func(map[string]any)) map[string]any {
		r := map[string]any{
			"transactionHash": hash, "blockNumber": "0x10", "status": "0x1", "gasUsed": "0x16d8a", "effectiveGasPrice": "0xee6b2800", "blockHash": common.Hash{9},
			"feePayer": userAddr, "logs": "not even a list",
		}
		if change != nil {
			change(r)
		}
		return r
	}
	ask := func(result any) (*zg.Receipt, error) {
		n.method("eth_getTransactionReceipt", result, nil)
		return s.Receipt(t.Context(), hash)
	}
	mined := zg.Receipt{Hash: hash, OK: true, Block: 16, BlockHash: common.Hash{9}, GasUsed: 93578, GasCost: gweis(4).Mul(93578)}
	if r, err := ask(receipt(nil)); err != nil || r == nil || *r != mined {
		t.Errorf("mined: %+v, %v; want %+v", r, err, mined)
	}
	mined.OK = false
	if r, err := ask(receipt(func(r map[string]any) { r["status"] = "0x0" })); err != nil || r == nil || *r != mined {
		t.Errorf("reverted: %+v, %v; want %+v", r, err, mined)
	}
	if r, err := ask(nil); r != nil || err != nil {
		t.Errorf("unknown: %+v, %v", r, err)
	}
	if r, err := ask(receipt(func(r map[string]any) { r["blockNumber"] = nil })); r != nil || err != nil {
		t.Errorf("waiting: %+v, %v", r, err)
	}
	for name, change := range map[string]func(map[string]any){
		"of another transaction":    func(r map[string]any) { r["transactionHash"] = common.Hash{2} },
		"of none":                   func(r map[string]any) { delete(r, "transactionHash") },
		"without a status":          func(r map[string]any) { delete(r, "status") },
		"with a status of 2":        func(r map[string]any) { r["status"] = "0x2" },
		"without gas":               func(r map[string]any) { delete(r, "gasUsed") },
		"with a block that is text": func(r map[string]any) { r["blockNumber"] = "latest" },
		"with an impossible price":  func(r map[string]any) { r["effectiveGasPrice"] = "0x1" + strings.Repeat("0", 64) },
	} {
		r, err := ask(receipt(change))
		wantErr(t, "a receipt "+name, err, ErrRPC)
		if r != nil {
			t.Errorf("a receipt %s: %+v", name, r)
		}
	}
	// A node that has not indexed all blocks cannot say that there is no receipt.
	n.method("eth_getTransactionReceipt", nil, &nodeError{Code: -32000, Message: "transaction indexing is in progress"})
	_, err := s.Receipt(t.Context(), hash)
	wantErr(t, "indexing", err, ErrRPC)

	if block, err := s.BlockNumber(t.Context()); block != 100 || err != nil {
		t.Errorf("BlockNumber = %d, %v", block, err)
	}
}
