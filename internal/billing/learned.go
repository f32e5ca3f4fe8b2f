package billing

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Learn takes note of what a provider's refusal said it wants left in the sub-account, and has the accounts looked at.
func (k *Keeper) Learn(p common.Address, reserve zg.Neuron) {
	if !reserve.IsZero() && reserve != k.View().Providers[p].Reserve {
		if _, err := k.store.changeAccount(p, func(a *account) { a.reserve = reserve }); err != nil {
			k.cfg.Log.Error().Err(err).Str("provider", p.Hex()).Msg("a provider's reserve was not recorded")
		}
	}
	k.Nudge()
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
