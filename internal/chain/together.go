package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// What is read of one block is asked for in one JSON-RPC batch. A batch only saves calls: what it does not answer is
// asked for by itself, with the usual retries. An endpoint that takes no batches costs one call more, once.

// question is a call that others are asked together with.
type question struct {
	method string
	args   []any
}

// key names a question among those of one batch.
func (q *question) key() string {
	args, err := json.Marshal(q.args)
	if err != nil {
		return "" // of texts and numbers: it cannot be
	}
	return q.method + string(args)
}

// said is what a batch has answered: a result, or the refusal of a contract.
type said struct {
	result json.RawMessage
	err    error
}

// heard are the answers of a batch, in a context, by their questions.
type heard struct{}

// together asks several questions in one call, and returns a context in which they are answered.
func (c *Client) together(ctx context.Context, questions ...question) context.Context {
	e := c.own(ctx)
	if len(questions) < 2 || e.plain.Load() || (len(c.all) > 1 && endpointOf(ctx) == nil) {
		return ctx
	}
	ctx = at(ctx, e)
	batch := make([]rpc.BatchElem, len(questions))
	results := make([]json.RawMessage, len(questions))
	for i, q := range questions {
		batch[i] = rpc.BatchElem{Method: q.method, Args: q.args, Result: &results[i]}
	}
	bounded, cancel := context.WithTimeout(ctx, c.cfg.CallTimeout)
	defer cancel()
	start := time.Now()
	err := c.rpc.BatchCallContext(bounded, batch)
	c.metrics.observe("batch", time.Since(start), explain(err, c.cfg.CallTimeout))
	if err != nil {
		if refusesBatches(err) {
			e.plain.Store(true)
		}
		return ctx
	}
	answered := make(map[string]said, len(questions))
	for i, q := range questions {
		a := said{result: results[i]}
		if batch[i].Error != nil {
			revert, ok := DecodeRevert(batch[i].Error)
			if !ok {
				continue
			}
			a.err = revert
		}
		answered[q.key()] = a
	}
	return context.WithValue(ctx, heard{}, answered)
}

// refusesBatches tells an endpoint that takes no batches from one that fails for now.
func refusesBatches(err error) bool {
	if httpErr, ok := errors.AsType[rpc.HTTPError](err); ok {
		return httpErr.StatusCode < http.StatusInternalServerError && !passing(err)
	}
	_, ok := errors.AsType[*json.UnmarshalTypeError](err) // one answer for all
	return ok
}

// heardOf is what a batch has answered to a question; false: nothing.
func heardOf(ctx context.Context, q question) (said, bool) {
	answered, _ := ctx.Value(heard{}).(map[string]said)
	a, ok := answered[q.key()]
	return a, ok
}

// onBlock names a block as nodes want it; nil: the newest.
func onBlock(block *big.Int) string {
	if block == nil {
		return "latest"
	}
	return hexutil.EncodeBig(block)
}

// calling is the question that a contract's function is.
func (c *Client) calling(to common.Address, calldata []byte, block *big.Int) question {
	call := struct {
		From  common.Address `json:"from"`
		Input hexutil.Bytes  `json:"input"`
		To    common.Address `json:"to"`
	}{c.cfg.User, calldata, to}
	return question{"eth_call", []any{call, onBlock(block)}}
}

// contractCall performs a call of a contract, if it was not answered in a batch.
func (c *Client) contractCall(ctx context.Context, to common.Address, calldata []byte, block *big.Int) ([]byte, error) {
	if a, ok := heardOf(ctx, c.calling(to, calldata, block)); ok {
		var out hexutil.Bytes
		if a.err != nil {
			return nil, fmt.Errorf("eth_call: %w", a.err)
		}
		if json.Unmarshal(a.result, &out) == nil && len(out) > 0 {
			return out, nil
		}
	}
	return observe(ctx, c, "eth_call", func(ctx context.Context) ([]byte, error) {
		out, err := c.eth.CallContract(ctx, ethereum.CallMsg{From: c.cfg.User, To: &to, Data: calldata}, block)
		if err == nil && len(out) == 0 {
			err = fmt.Errorf("%w: %s", ErrNoContract, to)
		}
		return out, err
	})
}

// owning is the question what the wallet itself has.
func (c *Client) owning(block *big.Int) question {
	return question{"eth_getBalance", []any{c.cfg.User, onBlock(block)}}
}

// balance is what the wallet itself has, if that was not answered in a batch.
func (c *Client) balance(ctx context.Context, block *big.Int) (*big.Int, error) {
	if a, ok := heardOf(ctx, c.owning(block)); ok && a.err == nil {
		var out hexutil.Big
		if json.Unmarshal(a.result, &out) == nil {
			return out.ToInt(), nil
		}
	}
	return observe(ctx, c, "eth_getBalance", func(ctx context.Context) (*big.Int, error) {
		return c.eth.BalanceAt(ctx, c.cfg.User, block)
	})
}
