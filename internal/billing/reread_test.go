package billing

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// The list of services is old, whatever its age: what is signed depends on the provider's service at the block of the
// accounts.
func TestKeeperReadsServiceBeforePaying(t *testing.T) {
	signer, other := common.Address{1}, common.Address{2}
	honest := zg.Service{Provider: alice, Type: zg.Chatbot, TEESigner: signer, TEESignerAcknowledged: true}
	for name, tt := range map[string]struct {
		change func(n *network)
		reason string
	}{
		"signer changed": {func(n *network) {
			s := honest
			s.TEESigner = other
			n.services[alice] = s
		}, refusalSignerChange},
		"acknowledgement revoked": {func(n *network) {
			s := honest
			s.TEESignerAcknowledged = false
			n.services[alice] = s
		}, refusalSigner},
		"moved": {func(n *network) {
			s := honest
			s.URL = "https://elsewhere.example"
			n.services[alice] = s
		}, refusalSuspended},
		"removed":        {func(n *network) { delete(n.services, alice) }, refusalService},
		"cannot be read": {func(n *network) { n.refuses("Service", errors.New("429")) }, refusalUnread},
	} {
		for _, account := range []string{"1", "", "no ledger"} { // topped up, opened, and the ledger opened first
			t.Run(name+", with "+account, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newNetwork(t)
					n.holds(account)
					n.services[alice] = honest
					n.listed = map[common.Address]zg.Service{alice: honest}
					n.with(func() { tt.change(n) })
					s := openStore(t, t.TempDir())
					pin := zg.PinOf(honest, time.Now())
					k, stop := n.run(s, KeeperConfig{
						AutoFund: og(t, "10"), Trusted: func(s zg.Service) (string, error) { return pin.Against(s), nil },
					}, alice)
					advance(time.Hour)
					pv := k.View().Providers[alice]
					if pv.Reason != tt.reason || pv.Planned || len(topUps(t, s)) != 0 {
						t.Errorf("reason %q, planned %v, transactions %+v; want none, because of %s", pv.Reason, pv.Planned, topUps(t, s), tt.reason)
					}
					if tt.reason == refusalUnread {
						if _, wait := fundingOf(s, k); wait == 0 {
							t.Error("a caller is not told to come back for what passes")
						}
					}
					n.with(func() {
						n.hook = nil
						n.services[alice] = honest
					})
					advance(time.Minute)
					if n.moved() != 1 || n.locked(alice) != "3" {
						t.Errorf("%d transfers, %s 0G; want it topped up when it is what it was", n.moved(), n.locked(alice))
					}
					stopped(t, stop)
				})
			})
		}
	}
}

func fundingOf(s *Store, k *Keeper) (string, time.Duration) {
	return NewMeter(s, MeterConfig{View: k.View, Nudge: k.Nudge}).Funding(alice, zg.OneOG)
}
