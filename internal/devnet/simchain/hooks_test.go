package simchain_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// outside is a wallet that uses the chain through its JSON-RPC, as the daemon does.
type outside struct {
	*testing.T
	eth  *ethclient.Client
	key  *ecdsa.PrivateKey
	addr common.Address
}

func newOutside(t *testing.T, c *simchain.Chain) outside {
	t.Helper()
	eth, err := ethclient.DialContext(t.Context(), c.URL())
	must(t, err)
	t.Cleanup(eth.Close)
	k, err := crypto.GenerateKey()
	must(t, err)
	o := outside{T: t, eth: eth, key: k, addr: crypto.PubkeyToAddress(k.PublicKey)}
	must(t, c.Fund(t.Context(), o.addr, zg.OneOG.Mul(10)))
	return o
}

func (o outside) send(nonce uint64, tipGwei int64) (*types.Transaction, error) {
	o.Helper()
	gwei := big.NewInt(1_000_000_000)
	tx, err := types.SignNewTx(o.key, types.LatestSignerForChainID(big.NewInt(simchain.DefaultChainID)), &types.DynamicFeeTx{
		ChainID: big.NewInt(simchain.DefaultChainID), Nonce: nonce, To: &o.addr, Value: big.NewInt(1), Gas: 21_000,
		GasTipCap: new(big.Int).Mul(gwei, big.NewInt(tipGwei)), GasFeeCap: new(big.Int).Mul(gwei, big.NewInt(100+tipGwei)),
	})
	must(o.T, err)
	return tx, o.eth.SendTransaction(o.Context(), tx)
}

func (o outside) mined(tx *types.Transaction) bool {
	o.Helper()
	_, err := o.eth.TransactionReceipt(o.Context(), tx.Hash())
	if err != nil && !errors.Is(err, ethereum.NotFound) && !strings.Contains(err.Error(), "indexing") {
		o.Fatal(err)
	}
	return err == nil
}

// until waits for something that the node does on its own time.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(3 * time.Minute)
	for !f() {
		select {
		case <-deadline:
			t.Fatalf("%s did not happen", what)
		case <-tick.C:
		}
	}
}

func TestPausedMiningAndReplacement(t *testing.T) {
	c := start(t, simchain.Config{})
	o := newOutside(t, c)
	c.Pause()
	first, err := o.send(0, 2)
	must(t, err)
	if _, err := o.send(0, 2); err == nil || !strings.Contains(err.Error(), "already known") {
		t.Errorf("the same bytes again: %v, want already known", err)
	}
	if nonce, err := o.eth.NonceAt(t.Context(), o.addr, nil); err != nil || nonce != 0 || o.mined(first) {
		t.Errorf("nonce = %d, %v, mined %v while mining is paused", nonce, err, o.mined(first))
	}
	second, err := o.send(0, 40)
	must(t, err)
	c.Resume()
	until(t, "the replacement", func() bool { return o.mined(second) })
	if o.mined(first) {
		t.Error("both transactions of one nonce were mined")
	}
	// The pool learns of a block after it is mined; until then it takes this for another replacement.
	until(t, "the refusal of a used nonce", func() bool {
		_, err := o.send(0, 43)
		return err != nil && strings.Contains(err.Error(), "nonce too low")
	})
}

func TestDroppedAndReorganised(t *testing.T) {
	c := start(t, simchain.Config{Manual: true})
	o := newOutside(t, c)
	lost, err := o.send(0, 2)
	must(t, err)
	c.DropPending()
	c.Mine()
	if o.mined(lost) {
		t.Error("a dropped transaction was mined")
	}
	if _, err := o.send(0, 2); err != nil {
		t.Fatalf("the same transaction after it was dropped: %v", err)
	}
	until(t, "the transaction", func() bool { c.Mine(); return o.mined(lost) })
	head, err := o.eth.BlockNumber(t.Context())
	must(t, err)
	receipt, err := o.eth.TransactionReceipt(t.Context(), lost.Hash())
	must(t, err)
	must(t, c.Reorg(int(head-receipt.BlockNumber.Uint64())+1))
	until(t, "the reorganisation", func() bool {
		nonce, err := o.eth.NonceAt(t.Context(), o.addr, nil)
		return err == nil && nonce == 0
	})
	if err := c.Reorg(1 << 20); err == nil {
		t.Error("a reorg deeper than the chain was accepted")
	}
}

// A reorganisation leaves a transaction out for good, and with it what its sender signed after it, until it is sent again. What
// others sent is mined again.
func TestReorganisedWithout(t *testing.T) {
	c := start(t, simchain.Config{})
	o, other := newOutside(t, c), newOutside(t, c)
	nonce := func(o outside) uint64 {
		t.Helper()
		n, err := o.eth.NonceAt(t.Context(), o.addr, nil)
		must(t, err)
		return n
	}
	for range 12 { // the money that they pay with stays
		c.Mine()
	}
	first, err := o.send(0, 2)
	must(t, err)
	until(t, "the first", func() bool { return o.mined(first) })
	second, err := o.send(1, 2)
	must(t, err)
	third, err := other.send(0, 2)
	must(t, err)
	until(t, "the others", func() bool { return o.mined(second) && other.mined(third) })
	for range 6 {
		c.Mine()
	}
	of, err := c.MinedBy(t.Context(), o.addr, 12)
	must(t, err)
	if len(of) != 2 || of[0] != first.Hash() || of[1] != second.Hash() {
		t.Fatalf("in the last blocks are %v", of)
	}
	before, err := o.eth.BlockNumber(t.Context())
	must(t, err)
	must(t, c.Reorg(12, first.Hash()))
	if after, err := o.eth.BlockNumber(t.Context()); err != nil || after <= before {
		t.Errorf("block %d after %d, %v", after, before, err)
	}
	until(t, "what is not left out", func() bool { return other.mined(third) })
	for range 3 {
		c.Mine()
	}
	if nonce(o) != 0 || o.mined(first) || o.mined(second) {
		t.Errorf("nonce %d, mined %v and %v, without the first", nonce(o), o.mined(first), o.mined(second))
	}
	if _, _, err := o.eth.TransactionByHash(t.Context(), first.Hash()); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("the one that is left out: %v", err)
	}
	must(t, o.eth.SendTransaction(t.Context(), first))
	until(t, "both", func() bool { return o.mined(first) && o.mined(second) })
}

func TestMinimumTip(t *testing.T) {
	c := start(t, simchain.Config{})
	o := newOutside(t, c)
	c.SetMinTip(zg.NeuronOf(2_000_000_000))
	if _, err := o.send(0, 1); err == nil || !strings.Contains(err.Error(), "transaction gas price below minimum: gas tip cap 1000000000, minimum needed 2000000000") {
		t.Errorf("a low tip: %v, want the network's refusal", err)
	}
	tx, err := o.send(0, 2)
	must(t, err)
	until(t, "the transaction", func() bool { return o.mined(tx) })
}

func TestFaults(t *testing.T) {
	c := start(t, simchain.Config{})
	o := newOutside(t, c)
	for name, tc := range map[string]struct {
		fault simchain.Fault
		says  string
	}{
		"status": {simchain.Fault{Status: http.StatusBadGateway}, "502"},
		"error":  {simchain.Fault{Error: &simchain.RPCError{Code: -32005, Message: "slow down"}}, "slow down"},
	} {
		c.SetFault(func(method string, _ []byte) *simchain.Fault {
			if method == "eth_blockNumber" {
				return &tc.fault
			}
			return nil
		})
		if _, err := o.eth.BlockNumber(t.Context()); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want %q", name, err, tc.says)
		}
		if _, err := o.eth.ChainID(t.Context()); err != nil {
			t.Errorf("%s: another method failed too: %v", name, err)
		}
	}
	c.SetFault(func(string, []byte) *simchain.Fault { return &simchain.Fault{Result: []byte(`"0x2a"`)} })
	if n, err := o.eth.BlockNumber(t.Context()); err != nil || n != 42 {
		t.Errorf("a lie = %d, %v, want 42", n, err)
	}
	c.SetFault(func(string, []byte) *simchain.Fault { return &simchain.Fault{Delay: time.Hour} })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := o.eth.BlockNumber(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a delayed answer: %v, want the caller's own time limit", err)
	}
	c.SetFault(func(string, []byte) *simchain.Fault { return &simchain.Fault{Drop: true} })
	tx, err := o.send(0, 2)
	must(t, err)
	c.SetFault(nil)
	c.Mine()
	if o.mined(tx) {
		t.Error("a transaction that was to be lost was mined")
	}
}

func TestTestnetMinimums(t *testing.T) {
	ctx := t.Context()
	c := start(t, simchain.Config{MinLedger: zg.OneOG.MulDiv(1, 10), MinAccount: zg.OneOG.MulDiv(1, 100)})
	o := newOutside(t, c)
	if err := c.Deposit(ctx, o.key, zg.OneOG.MulDiv(9, 100)); err == nil {
		t.Error("a deposit below the minimum opened a ledger")
	}
	must(t, c.Deposit(ctx, o.key, zg.OneOG.MulDiv(1, 10)))
	provider := common.HexToAddress("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC")
	if err := c.Transfer(ctx, o.key, provider, zg.OneOG.MulDiv(9, 1000)); err == nil {
		t.Error("a transfer below the minimum opened a sub-account")
	}
	must(t, c.Transfer(ctx, o.key, provider, zg.OneOG.MulDiv(1, 100)))
}

// What waits is seen where a node shows it, blocks go on without it, and whoever pays a tenth more takes its place.
func TestHeldTransactions(t *testing.T) {
	ctx := t.Context()
	c := start(t, simchain.Config{})
	o := newOutside(t, c)
	gwei := func(n uint64) zg.Neuron { return zg.NeuronOf(n * 1_000_000_000) }
	hold := func(tip uint64) *types.Transaction {
		t.Helper()
		tx, err := c.Hold(ctx, o.key, simchain.Waiting{To: o.addr, Tip: gwei(tip)})
		must(t, err)
		return tx
	}
	first, second := hold(300), hold(2)
	c.Mine()
	pending, err := o.eth.PendingNonceAt(ctx, o.addr)
	must(t, err)
	mined, err := o.eth.NonceAt(ctx, o.addr, nil)
	must(t, err)
	if first.Nonce() != 0 || second.Nonce() != 1 || pending != 2 || mined != 0 {
		t.Fatalf("nonces %d and %d wait, pending %d, mined %d", first.Nonce(), second.Nonce(), pending, mined)
	}
	if tx, waits, err := o.eth.TransactionByHash(ctx, second.Hash()); err != nil || !waits || tx.Hash() != second.Hash() {
		t.Errorf("the one that waits: %v, %v", waits, err)
	}
	if _, err := o.send(0, 50); err == nil || !strings.Contains(err.Error(), "replacement transaction underpriced") {
		t.Errorf("one that pays less: %v", err)
	}
	ours, err := o.send(1, 50)
	must(t, err)
	if out := c.Outbid(); len(out) != 1 || out[0] != second.Hash() {
		t.Errorf("outbid %v", out)
	}
	must(t, c.Release(ctx))
	until(t, "both", func() bool { return o.mined(first) && o.mined(ours) })
	hold(2)
	c.Forget()
	if pending, err := o.eth.PendingNonceAt(ctx, o.addr); err != nil || pending != 2 {
		t.Errorf("forgotten: pending %d, %v", pending, err)
	}
}
