package billing

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Contracts that have changed are read, and nothing is moved automatically, be it a top-up, a first transfer or a
// deposit; also where that shows only when the provider's service is read.
func TestKeeperContractsChanged(t *testing.T) {
	for name, when := range map[string]string{"seen with the accounts": "Holdings", "seen with the service": "Service"} {
		for _, account := range []string{"1", "", "no ledger"} {
			t.Run(name+", with "+account, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newNetwork(t)
					n.holds(account)
					var changed atomic.Bool
					n.hook = func(call string) error {
						if call == when {
							changed.Store(true)
						}
						return nil
					}
					s := openStore(t, t.TempDir())
					k, stop := n.run(s, KeeperConfig{AutoFund: zg.OneOG.Mul(20), Changed: changed.Load}, alice)
					advance(5 * time.Minute)
					pv := k.View().Providers[alice]
					if len(topUps(t, s)) != 0 || pv.Reason != refusalContracts || !strings.Contains(pv.Hint(alice), "zgproxy retrieve") || k.View().Err != nil {
						t.Errorf("on record %+v, reason %q, hint %q", topUps(t, s), pv.Reason, pv.Hint(alice))
					}
					n.with(func() { n.hook = nil })
					changed.Store(false) // it was taken back
					advance(5 * time.Minute)
					if len(topUps(t, s)) == 0 || k.View().Providers[alice].Reason != "" {
						t.Errorf("nothing was moved afterwards: %q", k.View().Providers[alice].Reason)
					}
					stopped(t, stop)
				})
			})
		}
	}
}
