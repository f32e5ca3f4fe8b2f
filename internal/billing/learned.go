package billing

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Learn takes note of what a provider's refusal said it wants in the sub-account, and has the accounts looked at. It
// does not block. What it said is believed as far as the owner's limit on reserves and the request's own bound go, and
// no further.
func (k *Keeper) Learn(p common.Address, s Shortfall) {
	now, pv := k.cfg.Now(), k.View().Providers[p]
	reserve, fee := s.Detail.Reserve, s.fee()
	if !reserve.IsZero() {
		k.learned.Store(p, reserve)
		k.said.Store(p, now)
	}
	kept := reserve.Min(k.cfg.MaxReserve).Max(zg.OneOG)
	have := pv.Account.Locked().Sub(pv.Owed)
	if !fee.IsZero() && have.Less(kept.Add(s.Bound)) { // else all that the request can cost is there: it is not about money
		k.store.demands.want(p, s.Type, fee, s.Bound, now)
	}
	k.store.demands.ask(p, reserve != pv.Reserve && have.Less(kept), now)
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
