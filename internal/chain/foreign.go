package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// lookupsAtMost bounds how many transactions are looked at for their events.
	lookupsAtMost = 300
	// wholeAtMost bounds how many blocks are read one after the other.
	wholeAtMost = 1000
)

// Trace finds transactions of the wallet by their nonces, whoever made them, in a range of blocks, both included. It
// returns those that it has found, with an error where it could not look everywhere.
//
// The events of sub-accounts tell of every transfer to a provider and need no old state; whatever else was done is
// found by the nonce that the wallet had at earlier blocks, which nodes forget sooner, or where that is not many by
// reading all blocks.
func (s *Sender) Trace(ctx context.Context, nonces []uint64, from, to uint64) ([]zg.MinedTx, error) {
	if to < from {
		return nil, nil
	}
	if to-from >= blocksAtMost {
		from = to - blocksAtMost + 1
	}
	t := tracing{Sender: s, wanted: make(map[uint64]bool, len(nonces)), from: from, to: to, times: map[uint64]time.Time{}}
	for _, n := range nonces {
		t.wanted[n] = true
	}
	err := errors.Join(t.byEvents(ctx), t.byNonce(ctx), t.byBlock(ctx))
	slices.SortFunc(t.found, func(a, b zg.MinedTx) int { return int(min(max(int64(a.Nonce)-int64(b.Nonce), -1), 1)) })
	if len(t.wanted) == 0 {
		err = nil
	}
	return t.found, err
}

// tracing is one search. What it has found is not wanted any more.
type tracing struct {
	*Sender
	wanted   map[uint64]bool
	from, to uint64
	found    []zg.MinedTx
	times    map[uint64]time.Time // of blocks that were read
}

// chainTx is a transaction as nodes tell it. Nothing else is decoded: nodes of the network add fields of their own.
type chainTx struct {
	Hash  common.Hash     `json:"hash"`
	From  common.Address  `json:"from"`
	To    *common.Address `json:"to"`
	Nonce hexutil.Uint64  `json:"nonce"`
	Value hexutil.Big     `json:"value"`
	Input hexutil.Bytes   `json:"input"`
	Block *hexutil.Uint64 `json:"blockNumber"` // null: not mined
}

// byEvents looks at the transactions that have changed a sub-account, but for those by which a provider took its fees.
func (t *tracing) byEvents(ctx context.Context) error {
	c, looked := t.client, 0
	for at := t.from; at <= t.to && len(t.wanted) > 0; at += blocksPerCall {
		end := min(at+blocksPerCall-1, t.to)
		logs, err := observe(ctx, c, "eth_getLogs", func(ctx context.Context) ([]types.Log, error) {
			return c.eth.FilterLogs(ctx, ethereum.FilterQuery{
				FromBlock: new(big.Int).SetUint64(at), ToBlock: new(big.Int).SetUint64(end),
				Addresses: []common.Address{c.cfg.Ledger, c.cfg.Inference},
				Topics:    [][]common.Hash{{fundSpent, balanceUpdated}, {common.BytesToHash(c.cfg.User[:])}},
			})
		})
		if err != nil {
			return fmt.Errorf("read the events of blocks %d to %d: %w", at, end, err)
		}
		skip := map[common.Hash]bool{}
		for i := range logs {
			if l := &logs[i]; len(l.Topics) > 0 && l.Topics[0] == fundSpent {
				skip[l.TxHash] = true
			}
		}
		for i := range logs {
			hash := logs[i].TxHash
			if skip[hash] {
				continue
			}
			skip[hash] = true
			if looked++; looked > lookupsAtMost {
				return fmt.Errorf("more than %d transactions have changed a sub-account in blocks %d to %d", lookupsAtMost, t.from, end)
			}
			tx, err := observe(ctx, c, "eth_getTransactionByHash", func(ctx context.Context) (tx *chainTx, err error) {
				err = c.rpc.CallContext(ctx, &tx, "eth_getTransactionByHash", hash)
				return tx, err
			})
			if err != nil {
				return err
			}
			if tx == nil || tx.Hash != hash {
				return fmt.Errorf("%w: it does not know transaction %s, whose events it has", ErrRPC, hash)
			}
			if err := t.take(ctx, tx); err != nil {
				return err
			}
		}
	}
	return nil
}

// left are the nonces that are still wanted, lowest first.
func (t *tracing) left() []uint64 {
	return slices.Sorted(maps.Keys(t.wanted))
}

// bounds are the blocks between which a transaction is: none is in an earlier block than one with a lower nonce.
func (t *tracing) bounds(nonce uint64) (low, high uint64) {
	low, high = t.from, t.to
	for i := range t.found {
		if f := &t.found[i]; f.Nonce < nonce {
			low = max(low, f.Block)
		} else {
			high = min(high, f.Block)
		}
	}
	return low, high
}

// byNonce finds the block of every transaction that is still wanted: the first at whose end its nonce was used. A block
// whose state the node has forgotten is taken for an earlier one, as it will be; if it is not, nothing is found there.
func (t *tracing) byNonce(ctx context.Context) (failed error) {
	for _, nonce := range t.left() {
		low, last := t.bounds(nonce)
		high := last + 1
		for at := low; at < high; {
			mid := at + (high-at)/2
			used, err := t.nonceAt(ctx, mid)
			if ctx.Err() != nil {
				return err
			}
			if err != nil {
				failed = err
			}
			if err == nil && used > nonce {
				high = mid
			} else {
				at = mid + 1
			}
		}
		if high > last {
			continue
		}
		if err := t.takeFrom(ctx, high); err != nil {
			return err
		}
	}
	return failed
}

// byBlock reads the blocks between which what is still wanted must be, the newest first, where those are not many.
func (t *tracing) byBlock(ctx context.Context) error {
	rest := wholeAtMost
	for _, nonce := range t.left() {
		low, high := t.bounds(nonce)
		for number := high + 1; number > low && t.wanted[nonce] && high-low < wholeAtMost; {
			if number--; rest == 0 {
				return nil
			}
			rest--
			if err := t.takeFrom(ctx, number); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tracing) nonceAt(ctx context.Context, block uint64) (uint64, error) {
	return observe(ctx, t.client, "eth_getTransactionCount", func(ctx context.Context) (uint64, error) {
		return t.client.eth.NonceAt(ctx, t.client.cfg.User, new(big.Int).SetUint64(block))
	})
}

// takeFrom takes what is wanted of a block.
func (t *tracing) takeFrom(ctx context.Context, number uint64) error {
	txs, err := t.block(ctx, number, true)
	if err != nil {
		return err
	}
	for i := range txs {
		if err := t.take(ctx, &txs[i]); err != nil {
			return err
		}
	}
	return nil
}

// block reads a block: when it was, and what is in it where that is asked for.
func (t *tracing) block(ctx context.Context, number uint64, whole bool) ([]chainTx, error) {
	type block struct {
		Timestamp    hexutil.Uint64  `json:"timestamp"`
		Transactions json.RawMessage `json:"transactions"`
	}
	b, err := observe(ctx, t.client, "eth_getBlockByNumber", func(ctx context.Context) (b *block, err error) {
		err = t.client.rpc.CallContext(ctx, &b, "eth_getBlockByNumber", hexutil.Uint64(number), whole)
		return b, err
	})
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, fmt.Errorf("%w: it has no block %d", ErrRPC, number)
	}
	t.times[number] = unix(new(big.Int).SetUint64(uint64(b.Timestamp)))
	if !whole {
		return nil, nil
	}
	var txs []chainTx
	if err := json.Unmarshal(b.Transactions, &txs); err != nil {
		return nil, fmt.Errorf("%w: the transactions of block %d: %w", ErrRPC, number, zg.CleanError(err, maxMessage))
	}
	return txs, nil
}

// take adds a transaction to what was found, where it is wanted.
func (t *tracing) take(ctx context.Context, tx *chainTx) error {
	if tx.From != t.client.cfg.User || !t.wanted[uint64(tx.Nonce)] || tx.Block == nil {
		return nil
	}
	block := uint64(*tx.Block)
	if block < t.from || block > t.to {
		return nil
	}
	r, err := t.Receipt(ctx, tx.Hash)
	if err != nil {
		return err
	}
	if r == nil || r.Block != block {
		return fmt.Errorf("%w: it has no receipt of %s in block %d, where it has the transaction", ErrRPC, tx.Hash, block)
	}
	if _, known := t.times[block]; !known {
		if _, err := t.block(ctx, block, false); err != nil {
			return err
		}
	}
	out := zg.MinedTx{Nonce: uint64(tx.Nonce), Block: block, Hash: tx.Hash, At: t.times[block], OK: r.OK}
	if err := t.client.meaning(ctx, tx, &out); err != nil {
		return err
	}
	t.found = append(t.found, out)
	delete(t.wanted, out.Nonce)
	return nil
}

// meaning says what a transaction was for, as far as it is one that zgproxy makes too.
func (c *Client) meaning(ctx context.Context, tx *chainTx, out *zg.MinedTx) error {
	if tx.To == nil || len(tx.Input) < 4 {
		return nil
	}
	contract := c.led.GetABI()
	switch *tx.To {
	case c.cfg.Ledger:
	case c.cfg.Inference:
		contract = c.inf.GetABI()
	default:
		return nil
	}
	method, err := contract.MethodById(tx.Input)
	if err != nil {
		return nil //nolint:nilerr // a function of the contract that we have no use for
	}
	args := map[string]any{}
	if err := method.Inputs.UnpackIntoMap(args, tx.Input[4:]); err != nil {
		return nil //nolint:nilerr // the contract will have refused it
	}
	provider, _ := args["provider"].(common.Address)
	amount, _ := args["amount"].(*big.Int)
	switch method.Name {
	case "depositFund", "addLedger":
		out.Kind, amount = zg.IntentDeposit, tx.Value.ToInt()
	case "depositFundFor":
		if to, _ := args["recipient"].(common.Address); to != c.cfg.User {
			return nil
		}
		out.Kind, amount = zg.IntentDeposit, tx.Value.ToInt()
	case "transferFund":
		name, err := c.ServiceName(ctx)
		if err != nil {
			return err
		}
		if said, _ := args["serviceName"].(string); said != name {
			return nil // to a provider of something else, such as fine-tuning
		}
		out.Kind = zg.IntentTransfer
	case "refund":
		out.Kind = zg.IntentRefund
	case "retrieveFund":
		out.Kind = zg.IntentRetrieve
	case "acknowledgeTEESigner":
		out.Kind = zg.IntentAcknowledge
		if yes, _ := args["acknowledged"].(bool); !yes {
			out.Kind = zg.IntentWithdraw
		}
	case "revokeToken", "revokeTokens":
		out.Kind = zg.IntentRevoke
	case "revokeAllTokens":
		out.Kind = zg.IntentRevokeAll
	}
	out.Provider = provider
	if amount != nil {
		if out.Amount, err = zg.NeuronFromBig(amount); err != nil {
			return fmt.Errorf("%w: the amount of transaction %s: %w", ErrRPC, tx.Hash, err)
		}
	}
	return nil
}
