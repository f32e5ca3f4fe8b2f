package simchain

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// pool are transactions that wait, and are not mined while blocks are made: as those of another program do that offers too
// little. Whoever asks the JSON-RPC sees them where a node would show them.
type pool struct {
	signer types.Signer

	mu     sync.Mutex
	held   []*types.Transaction
	outbid []common.Hash
}

// of is a sender's transaction with a nonce, where one waits. mu is held.
func (p *pool) of(from common.Address, nonce uint64) int {
	return slices.IndexFunc(p.held, func(tx *types.Transaction) bool {
		by, err := types.Sender(p.signer, tx)
		return err == nil && by == from && tx.Nonce() == nonce
	})
}

// next is the lowest nonce that neither a mined transaction nor one that waits has.
func (p *pool) next(from common.Address, nonce uint64) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.of(from, nonce) >= 0 {
		nonce++
	}
	return nonce
}

// offered is what the pool says to a new transaction, as a node does: nil lets it in. One that pays a tenth more takes the place
// of the one that waits, which is never mined then.
func (p *pool) offered(tx *types.Transaction) *RPCError {
	p.mu.Lock()
	defer p.mu.Unlock()
	from, err := types.Sender(p.signer, tx)
	if err != nil {
		return nil // the node says what is wrong with it
	}
	i := p.of(from, tx.Nonce())
	if i < 0 {
		return nil
	}
	old := p.held[i]
	tenth := func(least, n *big.Int) bool {
		return new(big.Int).Mul(n, big.NewInt(10)).Cmp(new(big.Int).Mul(least, big.NewInt(11))) >= 0
	}
	switch {
	case old.Hash() == tx.Hash():
		return &RPCError{Code: -32000, Message: "already known"}
	case !tenth(old.GasFeeCap(), tx.GasFeeCap()) || !tenth(old.GasTipCap(), tx.GasTipCap()):
		return &RPCError{Code: -32000, Message: "replacement transaction underpriced"}
	}
	p.held = slices.Delete(p.held, i, i+1)
	p.outbid = append(p.outbid, old.Hash())
	return nil
}

// answer changes what the node says of transactions that wait here; nil leaves it.
func (p *pool) answer(method string, params []json.RawMessage, result json.RawMessage) json.RawMessage {
	switch method {
	case "eth_getTransactionCount":
		var from common.Address
		var tag string
		var nonce hexutil.Uint64
		if len(params) < 2 || json.Unmarshal(params[0], &from) != nil || json.Unmarshal(params[1], &tag) != nil || tag != "pending" ||
			json.Unmarshal(result, &nonce) != nil {
			return nil
		}
		return json.RawMessage(fmt.Sprintf("%q", hexutil.Uint64(p.next(from, uint64(nonce)))))
	case "eth_getTransactionByHash":
		var hash common.Hash
		if len(params) < 1 || json.Unmarshal(params[0], &hash) != nil {
			return nil
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, tx := range p.held {
			if tx.Hash() != hash {
				continue
			}
			known, err := tx.MarshalJSON()
			if err != nil {
				return nil
			}
			return known // without a block, since it is in none
		}
	}
	return nil
}

// Waiting is a transaction that somebody sends and that is not mined before Release.
type Waiting struct {
	To    common.Address
	Value zg.Neuron
	Data  []byte
	Gas   uint64    // 0: 21000
	Tip   zg.Neuron // and fee cap, per gas; zero: 4 gwei
}

// Hold has somebody send a transaction with the lowest nonce that none of his has, which waits from now on.
func (c *Chain) Hold(ctx context.Context, key *ecdsa.PrivateKey, w Waiting) (*types.Transaction, error) {
	from := crypto.PubkeyToAddress(key.PublicKey)
	nonce, err := c.client.PendingNonceAt(ctx, from)
	if err != nil {
		return nil, err
	}
	if w.Gas == 0 {
		w.Gas = 21_000
	}
	if w.Tip.IsZero() {
		w.Tip = zg.NeuronOf(4_000_000_000)
	}
	p := c.front.pool
	tx, err := types.SignNewTx(key, p.signer, &types.DynamicFeeTx{
		ChainID: c.chainID, Nonce: p.next(from, nonce), To: &w.To, Value: w.Value.Big(), Data: w.Data, Gas: w.Gas,
		GasTipCap: w.Tip.Big(), GasFeeCap: w.Tip.Add(zg.NeuronOf(1_000_000_000)).Big(),
	})
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = append(p.held, tx)
	return tx, nil
}

// HoldTransfer holds a transfer from a wallet's ledger to a sub-account that is there.
func (c *Chain) HoldTransfer(ctx context.Context, key *ecdsa.PrivateKey, provider common.Address, amount zg.Neuron) (*types.Transaction, error) {
	return c.Hold(ctx, key, Waiting{To: c.ledger, Data: c.led.PackTransferFund(provider, serviceName, amount.Big()), Gas: 300_000})
}

// Release lets what waits be mined with the next blocks.
func (c *Chain) Release(ctx context.Context) error {
	p := c.front.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.held) > 0 {
		if err := c.client.SendTransaction(ctx, p.held[0]); err != nil {
			return fmt.Errorf("release %s: %w", p.held[0].Hash(), err)
		}
		p.held = p.held[1:]
	}
	return nil
}

// Forget drops what waits, as nodes do with what waits too long.
func (c *Chain) Forget() {
	p := c.front.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = nil
}

// Outbid are the transactions that waited and whose place another one took that paid more.
func (c *Chain) Outbid() []common.Hash {
	p := c.front.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.outbid)
}
