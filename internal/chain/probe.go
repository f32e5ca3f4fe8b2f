package chain

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// What is asked one by one, to find out what is wrong. Nothing here is remembered, and nothing is signed.

// Head is the newest block that the endpoint has.
type Head struct {
	Number uint64
	Time   time.Time // whole seconds
}

// Head reads the newest block, of several endpoints the newest that they agree on.
func (c *Client) Head(ctx context.Context) (Head, error) {
	q, err := c.agree(ctx)
	if err != nil {
		return Head{}, err
	}
	return Head{Number: q.at.number.Uint64(), Time: q.at.time}, nil
}

// ServedChain is the id of the chain that the endpoint serves, whatever is configured.
func (c *Client) ServedChain(ctx context.Context) (uint64, error) {
	id, err := observe(ctx, c, "eth_chainId", c.eth.ChainID)
	if err != nil {
		return 0, err
	}
	if !id.IsUint64() {
		return 0, fmt.Errorf("%w: chain id %s", ErrRPC, zg.OneLine(id.String(), maxMessage))
	}
	return id.Uint64(), nil
}

// HasCode reports whether there is a contract at an address.
func (c *Client) HasCode(ctx context.Context, at common.Address) (bool, error) {
	code, err := observe(ctx, c, "eth_getCode", func(ctx context.Context) ([]byte, error) { return c.eth.CodeAt(ctx, at, nil) })
	return len(code) > 0, err
}

// FeePerGas is the least that a transaction must offer now per unit of gas, in neuron: the base fee and the tip.
// Nothing is signed where that is above the owner's limit, which does not count here.
func (c *Client) FeePerGas(ctx context.Context) (zg.Neuron, error) {
	base, tip, err := NewSender(c, nil, SenderConfig{}).suggestion(ctx)
	return tip.Add(base), err
}

// Nonces are the lowest nonce of the wallet that is not used up, and the lowest that no waiting transaction has either.
func (c *Client) Nonces(ctx context.Context) (mined, pending uint64, err error) {
	s := NewSender(c, nil, SenderConfig{})
	if mined, err = s.Nonce(ctx); err != nil {
		return 0, 0, err
	}
	pending, err = s.Pending(ctx)
	return mined, max(mined, pending), err
}
