package chain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Why a node does not take a transaction. What is none of these is ErrRPC alone.
var (
	ErrNonceTooLow       = zg.ErrNonceTooLow
	ErrNonceGap          = zg.ErrNonceGap
	ErrUnderpriced       = zg.ErrUnderpriced
	ErrNonceTaken        = zg.ErrNonceTaken
	ErrTipTooLow         = zg.ErrTipTooLow
	ErrInsufficientFunds = zg.ErrInsufficientFunds
)

// sendError is a node's refusal of a transaction.
type sendError struct {
	part string // of its words
	err  error  // nil: not an error
}

// sendErrors are the words of different nodes for the same refusal, in lower case. The first match counts.
var sendErrors = []sendError{
	{"already known", nil},
	{"already imported", nil},
	{"already in mempool", nil},
	{"nonce too low", ErrNonceTooLow},
	{"nonce too high", ErrNonceGap},
	{"nonce gap", ErrNonceGap},
	{"gapped nonce", ErrNonceGap},
	{"replacement transaction underpriced", ErrNonceTaken},
	{"could not replace existing", ErrNonceTaken},
	{"replacementnotallowed", ErrNonceTaken},
	{"less than block base fee", ErrUnderpriced},
	{"price below minimum", ErrTipTooLow},
	{"transaction underpriced", ErrTipTooLow},
	{"insufficient funds", ErrInsufficientFunds},
}

// Broadcast sends a transaction's bytes as they are, to every endpoint, which may be done any number of times. That a
// node knows them already is no error, and one that takes them is enough.
func (s *Sender) Broadcast(ctx context.Context, tx zg.SignedTx) error {
	if _, err := s.decode(tx); err != nil {
		return fmt.Errorf("broadcast: %w", err)
	}
	c := s.client
	send := func(ctx context.Context) (struct{}, error) {
		v, err := observe(ctx, c, "eth_sendRawTransaction", func(ctx context.Context) (struct{}, error) {
			return struct{}{}, c.rpc.CallContext(ctx, nil, "eth_sendRawTransaction", hexutil.Encode(tx.Raw))
		})
		return v, classifySend(err)
	}
	if len(c.all) == 1 {
		_, err := send(ctx)
		return err
	}
	var refused, failed error
	for _, r := range everywhere(ctx, c, c.all, send) {
		if r.err == nil {
			return nil
		}
		if err := fmt.Errorf("%s: %w", r.from.name, r.err); classified(r.err) && refused == nil {
			refused = err
		} else {
			failed = graver(failed, err)
		}
	}
	return cmp.Or(refused, failed)
}

// classified reports a refusal whose reason has a name.
func classified(err error) bool {
	return slices.ContainsFunc(sendErrors, func(k sendError) bool { return k.err != nil && errors.Is(err, k.err) })
}

// notAfforded names the one refusal that an estimate shares with the sending itself.
func notAfforded(err error) error {
	if named := classifySend(err); errors.Is(named, ErrInsufficientFunds) {
		return named
	}
	return err
}

// classifySend names the reason of a refusal. Only a node's own refusal is looked at: the page of a broken gateway may
// hold any words.
func classifySend(err error) error {
	node, ok := errors.AsType[*nodeError](err)
	if !ok {
		return err
	}
	text := strings.ToLower(node.Message)
	for _, c := range sendErrors {
		if !strings.Contains(text, c.part) {
			continue
		}
		if c.err == nil {
			return nil
		}
		return fmt.Errorf("%w: %w", c.err, err)
	}
	return err
}

// Receipt is the outcome of a transaction; nil without an error while it is not mined. Several endpoints have to agree
// on it, so one of a block that not all of those that count have yet is not there yet.
func (s *Sender) Receipt(ctx context.Context, hash common.Hash) (*zg.Receipt, error) {
	if len(s.client.all) == 1 {
		return s.receipt(ctx, hash)
	}
	return atAgreed(ctx, s.client, "a receipt", func(ctx context.Context, at head) (*zg.Receipt, error) {
		r, err := s.receipt(ctx, hash)
		if err == nil && r != nil && r.Block > at.number.Uint64() {
			return nil, nil //nolint:nilnil // not mined is an answer
		}
		return r, err
	})
}

func (s *Sender) receipt(ctx context.Context, hash common.Hash) (*zg.Receipt, error) {
	// Only this is decoded: nodes of the network add fields of their own, and the rest is not needed.
	type receipt struct {
		Hash    common.Hash     `json:"transactionHash"`
		Block   *hexutil.Uint64 `json:"blockNumber"`
		Digest  *common.Hash    `json:"blockHash"`
		Status  *hexutil.Uint64 `json:"status"`
		GasUsed *hexutil.Uint64 `json:"gasUsed"`
		Price   *hexutil.Big    `json:"effectiveGasPrice"`
	}
	r, err := observe(ctx, s.client, "eth_getTransactionReceipt", func(ctx context.Context) (r *receipt, err error) {
		err = s.client.rpc.CallContext(ctx, &r, "eth_getTransactionReceipt", hash)
		return r, err
	})
	if err != nil {
		return nil, err // also while the node's index is not complete: then it can't say that there is none
	}
	if r == nil || (r.Hash == hash && r.Block == nil) { // some nodes know transactions that wait
		return nil, nil //nolint:nilnil // not mined is an answer
	}
	if r.Hash != hash {
		return nil, fmt.Errorf("%w: it answers with the receipt of %s for that of %s", ErrRPC, r.Hash, hash)
	}
	if r.Status == nil || *r.Status > 1 || r.GasUsed == nil {
		return nil, fmt.Errorf("%w: the receipt of %s does not say how it ended", ErrRPC, hash)
	}
	out := &zg.Receipt{Hash: hash, OK: *r.Status == 1, Block: uint64(*r.Block), GasUsed: uint64(*r.GasUsed)}
	if r.Digest != nil {
		out.BlockHash = *r.Digest
	}
	if r.Price != nil {
		price, err := zg.NeuronFromBig(r.Price.ToInt())
		if err != nil {
			return nil, fmt.Errorf("%w: the gas price of %s: %w", ErrRPC, hash, err)
		}
		out.GasCost = price.Mul(out.GasUsed)
	}
	return out, nil
}

// Nonce is the number of the wallet's mined transactions: the lowest nonce that is not used up. Transactions that wait
// do not count; they may never be mined. Of several endpoints the highest counts: what one has used is used, and one
// that lies can only keep us from signing.
func (s *Sender) Nonce(ctx context.Context) (uint64, error) {
	return highest(ctx, s.client, func(ctx context.Context) (uint64, error) {
		return observe(ctx, s.client, "eth_getTransactionCount", func(ctx context.Context) (uint64, error) {
			return s.client.eth.NonceAt(ctx, s.client.cfg.User, nil)
		})
	})
}

// Pending is the lowest nonce that neither a mined nor a waiting transaction of the wallet has, as far as any endpoint
// knows.
func (s *Sender) Pending(ctx context.Context) (uint64, error) {
	c := s.client
	return highest(ctx, c, func(ctx context.Context) (uint64, error) {
		return observe(ctx, c, "eth_getTransactionCount", func(ctx context.Context) (uint64, error) { return c.eth.PendingNonceAt(ctx, c.cfg.User) })
	})
}

// Known reports whether any endpoint has a transaction, mined or waiting.
func (s *Sender) Known(ctx context.Context, hash common.Hash) (bool, error) {
	c := s.client
	all, err := answers(ctx, c, c.all, func(ctx context.Context) (bool, error) {
		tx, err := observe(ctx, c, "eth_getTransactionByHash", func(ctx context.Context) (tx *chainTx, err error) {
			err = c.rpc.CallContext(ctx, &tx, "eth_getTransactionByHash", hash)
			return tx, err
		})
		if err == nil && tx != nil && tx.Hash != hash {
			err = fmt.Errorf("%w: it answers with transaction %s for %s", ErrRPC, tx.Hash, hash)
		}
		return tx != nil, err
	})
	return slices.Contains(all, true), err
}

// BlockNumber is the number of the newest block, which says how deep a receipt lies.
func (s *Sender) BlockNumber(ctx context.Context) (uint64, error) {
	q, err := s.client.agree(ctx)
	if err != nil {
		return 0, err
	}
	return q.at.number.Uint64(), nil
}
