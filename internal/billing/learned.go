package billing

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Learn takes note of what a provider's refusal said it wants left in the sub-account, and has the accounts looked at. It
// does not block.
func (k *Keeper) Learn(p common.Address, reserve zg.Neuron) {
	if !reserve.IsZero() {
		k.learned.Store(p, reserve)
		k.said.Store(p, k.cfg.Now())
	}
	k.Nudge()
}

// remember records what was learned since the last look.
func (k *Keeper) remember() error {
	var err error
	k.learned.Range(func(p, reserve any) bool {
		_, err = k.store.changeAccount(p.(common.Address), func(a *account) { a.reserve = reserve.(zg.Neuron) })
		if err == nil {
			k.learned.CompareAndDelete(p, reserve)
		}
		return err == nil
	})
	return err
}

// Accepted is what the owner has accepted of a provider.
type Accepted struct {
	Drift, Before zg.Neuron // now, and in all before
	Signer        common.Address
}

// Accept has the drift and the signer of a provider accepted as they are, so that it is topped up again.
func (k *Keeper) Accept(p common.Address) (Accepted, error) {
	pv, ok := k.View().Providers[p]
	if !ok {
		return Accepted{}, fmt.Errorf("provider %s is not looked after; see ZGPROXY_PROVIDERS", p)
	}
	s, _ := k.cfg.Service(p)
	out, err := k.store.Accept(p, pv.Drift, s.TEESigner)
	k.Nudge()
	return out, err
}
