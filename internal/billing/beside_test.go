package billing

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// A top-up waits to be mined: accounts are read and drift is seen meanwhile, nothing else is signed, whoever it is for
// is told that it comes, and after a while that it does not. The same with what the owner has asked for.
func TestKeeperLooksWhileATransactionWaits(t *testing.T) {
	for _, byHand := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			n.set(alice, map[bool]string{true: "3", false: "1"}[byHand])
			n.set(bob, "3")
			n.closed = true
			s := openStore(t, t.TempDir())
			k, stop := n.run(s, KeeperConfig{
				Every: 10 * time.Second, Budget: Budget{Day: CapOf(og(t, "2"))}, DriftTolerance: og(t, "0.1"),
			}, alice, bob)
			var a *attempt
			if byHand {
				in := zg.Intent{Kind: zg.IntentTransfer, Provider: alice, Amount: og(t, "2")}
				a = n.attempt(k.journal, in, OriginHand)
				advance(time.Second)
			}
			advance(30 * time.Second)
			v := k.View()
			if pv := v.Providers[alice]; pv.Reason != "" || !pv.Planned || len(topUps(t, s)) != 1 {
				t.Errorf("by hand %v: %q, planned %v, %s 0G, %d transactions", byHand, pv.Reason, pv.Planned, pv.Account.Locked().Og(), len(topUps(t, s)))
			}
			n.set(bob, "1.5")
			advance(20 * time.Second)
			if pv := k.View().Providers[bob]; pv.Account.Locked() != og(t, "1.5") || pv.Drift != og(t, "1.5") || pv.Reason != refusalDrift {
				t.Errorf("by hand %v: bob has %s 0G, drift %s, %q", byHand, pv.Account.Locked().Og(), pv.Drift.Og(), pv.Reason)
			}
			down := errors.New("429")
			n.with(func() {
				n.hook = func(call string) error {
					if call == "Holdings" {
						return down
					}
					return nil
				}
			})
			advance(20 * time.Second)
			if err := k.View().Err; !errors.Is(err, down) {
				t.Errorf("by hand %v: what cannot be read is not told: %v", byHand, err)
			}
			n.with(func() { n.hook = nil })
			advance(6 * time.Minute)
			pv := k.View().Providers[alice]
			if (pv.Reason != refusalStuck || !strings.Contains(pv.Hint(alice), "has not been mined")) != byHand || pv.Planned || errors.Is(k.View().Err, down) {
				t.Errorf("by hand %v: after minutes %q, planned %v, %v", byHand, pv.Reason, pv.Planned, k.View().Err)
			}
			n.with(func() {
				n.closed = false
				n.mine()
			})
			advance(time.Minute)
			if pv := k.View().Providers[alice]; n.locked(alice) != map[bool]string{true: "5", false: "3"}[byHand] || pv.Reason != "" || pv.Planned || k.View().Err != nil {
				t.Errorf("by hand %v: %s 0G, %q, planned %v, %v", byHand, n.locked(alice), pv.Reason, pv.Planned, k.View().Err)
			}
			if byHand {
				a.wants(t, EntryMined, len(topUps(t, s)[0].Txs))
			}
			stopped(t, stop)
		})
	}
}

// Signing takes its time, and what is seen meanwhile speaks against it: nothing is moved, and nothing recorded.
func TestKeeperSignsNothingOvertaken(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*network)
		reason string
	}{
		"drift":          {func(n *network) { n.claims[alice] = og(n.t, "1") }, refusalDrift},
		"signer revoked": {func(n *network) { n.services[alice] = zg.Service{Provider: alice} }, refusalSigner},
		"funded": {func(n *network) {
			n.accounts[alice] = zg.SubAccount{Provider: alice, Balance: og(n.t, "5"), Acknowledged: true}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.set(alice, "1")
				n.asking = 20 * time.Second
				s := openStore(t, t.TempDir())
				k, stop := n.run(s, KeeperConfig{Every: 5 * time.Second, DriftTolerance: og(t, "0.1")}, alice)
				advance(time.Second)
				if pv := k.View().Providers[alice]; !pv.Planned || len(topUps(t, s)) != 0 {
					t.Fatalf("planned %v, reason %q, %d on record; want it being signed", pv.Planned, pv.Reason, len(topUps(t, s)))
				}
				n.with(func() { tt.change(n); n.block++ })
				advance(5 * time.Minute)
				if pv := k.View().Providers[alice]; pv.Reason != tt.reason || len(topUps(t, s)) != 0 || n.moved() != 0 {
					t.Errorf("reason %q, %d on record, %d moved; want none, because of %q", pv.Reason, len(topUps(t, s)), n.moved(), tt.reason)
				}
				stopped(t, stop)
			})
		})
	}
}
