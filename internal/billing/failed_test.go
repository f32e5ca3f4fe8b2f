package billing

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const secretKey = "c0ffee-5ecret"

// A top-up that failed says why: the owner in the words of whoever refused, without secrets and control characters, the
// caller in ours.
func TestFailedTopUpSaysWhy(t *testing.T) {
	url := "https://user:" + secretKey + "@rpc.example.com/v3/" + secretKey + "?key=" + secretKey
	for name, tt := range map[string]struct {
		err           error
		reason        string
		owner, caller string // what it says among other things
		passes        bool   // callers are told to come back
	}{
		"signer": {
			fmt.Errorf("%w: the signer refuses: request to %s\x1b[2J was\ndenied", zg.ErrNoSignature, url), refusalSigning,
			"the signer refuses: request to https://rpc.example.com/[redacted]", "the external signer has not signed", false,
		},
		"endpoint": {
			fmt.Errorf("%w: a.example.com: no answer within 15s", zg.ErrRPC), refusalEndpoint,
			"a.example.com: no answer within 15s", "The chain's endpoint failed", true,
		},
		"endpoint behind": {fmt.Errorf("%w: nonce 7 is used", errBehind), refusalEndpoint, "nonce 7 is used", "The chain's endpoint failed", true},
		"gas":             {fmt.Errorf("%w: it has 0 0G", zg.ErrInsufficientFunds), refusalGas, "it has 0 0G", "cannot pay for gas", false},
		"fees": {
			fmt.Errorf("%w: 9 neuron per gas are needed, 5 are allowed", zg.ErrFeeTooHigh), refusalFees,
			"9 neuron per gas are needed", "ZGPROXY_MAX_FEE_PER_GAS", false,
		},
		"contract": {fmt.Errorf("estimate the gas: %w: InsufficientBalance(0x01)", zg.ErrContract), refusalContract, "InsufficientBalance(0x01)", "the contract would refuse it", false},
		"disk":     {errors.New("api_key=" + secretKey + ": " + strings.Repeat("é", 5000)), refusalSigning, "api_key=[redacted] ééé", "zgproxy account says more", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.set(alice, "1")
				fails := true
				n.hook = func(call string) error {
					if call == "Sign" && fails {
						return tt.err
					}
					return nil
				}
				s := openStore(t, t.TempDir())
				k, stop := n.run(s, KeeperConfig{}, alice)
				defer stopped(t, stop)
				advance(time.Second)
				m := NewMeter(s, MeterConfig{View: k.View})
				pv := k.View().Providers[alice]
				hint := pv.Hint(alice)
				told, wait := m.Funding(alice, zg.OneOG)
				if pv.Reason != tt.reason || !strings.Contains(hint, tt.owner) || !strings.Contains(told, tt.caller) || (wait > 0) != tt.passes {
					t.Errorf("reason %q, want %q\nthe owner is told %q, want %q\na caller %q, want %q; wait %v", pv.Reason, tt.reason, hint, tt.owner, told, tt.caller, wait)
				}
				if !strings.Contains(hint, pv.Failed.At.UTC().Format(time.RFC3339)) || !pv.Failed.Again.After(pv.Failed.At) || strings.Contains(told, tt.owner) {
					t.Errorf("failed at %v, again at %v; the owner is told %q, a caller %q", pv.Failed.At, pv.Failed.Again, hint, told)
				}
				for _, text := range []string{hint, told} {
					if strings.Contains(text, secretKey) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) || len([]rune(text)) > 900 {
						t.Errorf("it says %q", text)
					}
				}
				n.with(func() { fails = false })
				advance(2 * time.Minute)
				if pv := k.View().Providers[alice]; pv.Failed != (Failed{}) || n.locked(alice) != "3" {
					t.Errorf("after a top-up: %+v", pv)
				}
			})
		})
	}
}

// What is mined and refused, and what was cancelled, is named with its transaction; deposits that are made for a
// provider, too.
func TestFailedTransactionIsNamed(t *testing.T) {
	t.Run("reverted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			n.set(alice, "1")
			n.reverts = true
			s := openStore(t, t.TempDir())
			k, stop := n.run(s, KeeperConfig{}, alice)
			defer stopped(t, stop)
			advance(time.Minute)
			pv, e := k.View().Providers[alice], topUps(t, s)[0]
			want := fmt.Sprintf("transaction %s was mined in block %d, and the contract refused it", e.Hash, e.Block)
			if hint := pv.Hint(alice); pv.Reason != refusalReverted || !strings.Contains(hint, want) {
				t.Errorf("%q, %q, want %q", pv.Reason, hint, want)
			}
		})
	})
	t.Run("a deposit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			n.set(alice, "1")
			n.ledger.Available = zg.Neuron{}
			n.reverts = true
			s := openStore(t, t.TempDir())
			k, stop := n.run(s, KeeperConfig{AutoFund: og(t, "10")}, alice)
			defer stopped(t, stop)
			advance(time.Minute)
			pv, e := k.View().Providers[alice], topUps(t, s)[0]
			want := fmt.Sprintf("transaction %s, the deposit for it, was mined in block %d, and the contract refused it", e.Hash, e.Block)
			if hint := pv.Hint(alice); e.Intent.Kind != zg.IntentDeposit || pv.Reason != refusalReverted || !strings.Contains(hint, want) {
				t.Errorf("%q, %q, want %q", pv.Reason, hint, want)
			}
		})
	})
}

// What could not be read, and what keeps a transaction from being mined, is said, too.
func TestUnreadAndStuckSayWhy(t *testing.T) {
	t.Run("unread", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			n.set(alice, "1")
			n.refuses("Service", fmt.Errorf("%w: call rate exceeded", zg.ErrRPC))
			k, stop := n.run(openStore(t, t.TempDir()), KeeperConfig{}, alice)
			defer stopped(t, stop)
			advance(time.Minute)
			if pv := k.View().Providers[alice]; pv.Reason != refusalUnread || !strings.Contains(pv.Hint(alice), "call rate exceeded") {
				t.Errorf("%q, %q", pv.Reason, pv.Hint(alice))
			}
		})
	})
	t.Run("stuck", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			n.set(alice, "1")
			n.refuses("Broadcast", fmt.Errorf("%w: txpool is full", zg.ErrRPC))
			k, stop := n.run(openStore(t, t.TempDir()), KeeperConfig{}, alice)
			defer stopped(t, stop)
			advance(10 * time.Minute)
			view := k.View()
			if pv := view.Providers[alice]; pv.Reason != refusalStuck || !strings.Contains(pv.Hint(alice), "txpool is full") || view.Stuck == nil {
				t.Errorf("%q, %q; %v", pv.Reason, pv.Hint(alice), view.Stuck)
			}
		})
	})
	t.Run("untold", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			n.set(alice, "1")
			cfg := KeeperConfig{Trusted: func(zg.Service) (string, error) { return "", errors.New("disk full") }}
			s := openStore(t, t.TempDir())
			k, stop := n.run(s, cfg, alice)
			defer stopped(t, stop)
			advance(time.Minute)
			told, _ := NewMeter(s, MeterConfig{View: k.View}).Funding(alice, zg.OneOG)
			if pv := k.View().Providers[alice]; !strings.Contains(pv.Hint(alice), "disk full") || !strings.Contains(told, "whether to trust") || strings.Contains(told, "disk") {
				t.Errorf("%q, %q, %q", pv.Reason, pv.Hint(alice), told)
			}
		})
	})
}

// A request that waits for money says it as well.
func TestDemandSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		n.hook = func(call string) error {
			if call == "Sign" {
				return fmt.Errorf("%w: no key %s", zg.ErrNoSignature, "in slot 3")
			}
			return nil
		}
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{}, alice)
		defer stopped(t, stop)
		m := NewMeter(s, MeterConfig{View: k.View})
		s.demands.want(alice, zg.Chatbot, og(t, "4"), og(t, "4"), time.Now())
		k.Nudge()
		advance(time.Minute)
		pv := k.View().Providers[alice]
		told, _ := m.Funding(alice, zg.OneOG)
		if pv.Demand.Reason != refusalSigning || !strings.Contains(pv.DemandHint(), "no key in slot 3") || !strings.Contains(told, "has not signed") || strings.Contains(told, "slot") {
			t.Errorf("%+v\n%q\n%q", pv.Demand, pv.DemandHint(), told)
		}
	})
}
