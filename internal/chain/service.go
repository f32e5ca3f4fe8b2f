package chain

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// serviceNotExist is the only refusal that means that a provider is not registered.
var serviceNotExist = selector("ServiceNotExist(address)")

// offer is what the contract says of a provider.
type offer struct {
	service    zg.Service
	registered bool
}

// Service reads what one provider offers, at a block; 0: the newest. It is false only where the contract says that
// there is none. Whoever is about to pay a provider reads this rather than the list, which may be old. Several
// endpoints have to agree.
func (c *Client) Service(ctx context.Context, provider common.Address, block uint64) (zg.Service, bool, error) {
	what := "the service of " + provider.Hex()
	var o offer
	var err error
	if block > 0 {
		o, err = agreed(ctx, c, c.upTo(ctx, block), what, func(ctx context.Context) (offer, error) {
			return c.offer(ctx, provider, new(big.Int).SetUint64(block))
		})
	} else {
		o, err = atAgreed(ctx, c, what, func(ctx context.Context, at head) (offer, error) { return c.offer(ctx, provider, at.number) })
	}
	if err != nil {
		return zg.Service{}, false, fmt.Errorf("read %s: %w", what, err)
	}
	return o.service, o.registered, nil
}

func (c *Client) offer(ctx context.Context, provider common.Address, at *big.Int) (offer, error) {
	s, err := read(ctx, c, c.cfg.Inference, c.inf.PackGetService(provider), at, c.inf.UnpackGetService)
	switch {
	case notThere(err, serviceNotExist, provider):
		return offer{}, nil
	case err != nil:
		return offer{}, err
	case s.Provider != provider:
		return offer{}, fmt.Errorf("the answer is the service of %s", s.Provider)
	}
	svc, err := service(s)
	return offer{svc, true}, err
}
