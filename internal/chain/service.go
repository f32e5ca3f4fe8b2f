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

// Service reads what one provider offers, at a block; 0: the newest. It is false only where the contract says that there is
// none. Whoever is about to pay a provider reads this rather than the list, which may be old.
func (c *Client) Service(ctx context.Context, provider common.Address, block uint64) (zg.Service, bool, error) {
	var at *big.Int
	if block > 0 {
		at = new(big.Int).SetUint64(block)
	}
	s, err := read(ctx, c, c.cfg.Inference, c.inf.PackGetService(provider), at, c.inf.UnpackGetService)
	if notThere(err, serviceNotExist, provider) {
		return zg.Service{}, false, nil
	}
	if err == nil && s.Provider != provider {
		err = fmt.Errorf("the answer is the service of %s", s.Provider)
	}
	var svc zg.Service
	if err == nil {
		svc, err = service(s)
	}
	if err != nil {
		return zg.Service{}, false, fmt.Errorf("read the service of %s: %w", provider, err)
	}
	return svc, true, nil
}
