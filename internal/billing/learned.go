package billing

import (
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
