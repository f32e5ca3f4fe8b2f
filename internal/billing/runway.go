package billing

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Runway is how long a provider's sub-account lasts above its reserve at the rate of the last hour; false while nothing
// is spent or nothing is known.
func (k *Keeper) Runway(p common.Address) (time.Duration, bool) {
	pv, ok := k.View().Providers[p]
	now := k.cfg.Now()
	burn := k.store.book.Burn(p, now)
	if !ok || burn.IsZero() {
		return 0, false
	}
	sum := k.store.book.Provider(p)
	left := pv.Account.Locked().Sub(pv.Owed).Sub(sum.Fees.Sub(pv.FeesAtRead)).Sub(pv.Reserve.Max(zg.OneOG))
	const longest = 10 * 365 * 24 * time.Hour
	return time.Duration(min(left.Float()/burn.Float(), longest.Hours()) * float64(time.Hour)), true
}

// TransferBudgets are the limits on transfers that are set, and what counts against each.
func (k *Keeper) TransferBudgets() (out []BudgetReached) {
	v := k.View()
	tell := func(l Limit, p common.Address) {
		spent := v.Moves.Spent(p)
		if most, set := k.cfg.Budget.Cap(l, p).Limit(); set {
			r := BudgetReached{Limit: l, Variable: transferVariable(l), Cap: most, Spent: spent.of(l)}
			if l.byProvider() {
				r.Provider = p
			}
			out = append(out, r)
		}
	}
	for _, l := range limits {
		if !l.byProvider() {
			tell(l, common.Address{})
			continue
		}
		for _, p := range k.cfg.Providers() {
			tell(l, p)
		}
	}
	return out
}
