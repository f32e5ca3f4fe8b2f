package billing

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// film is a video that may cost so many 0G.
func film(t *testing.T, id, cost string) Order {
	t.Helper()
	o := order(id, alice)
	o.Type, o.Model, o.Stream, o.Bound = zg.VideoGeneration, "film", false, og(t, cost)
	o.Ask = o.Bound
	o.Price = zg.Price{Output: o.Bound, Unit: zg.UnitSecond}
	return o
}

// dear is a refusal by a provider that wants so much for the request.
func dear(t *testing.T, fee, bound string) Shortfall {
	t.Helper()
	return Shortfall{Type: zg.VideoGeneration, Bound: og(t, bound), Detail: zg.RefusalDetail{
		Class: zg.RefusalBalance, Reserve: zg.OneOG, RequestFee: og(t, fee), Required: og(t, fee).Add(zg.OneOG),
	}}
}

func refusedBy(t *testing.T, m *Meter, o Order) *Refused {
	t.Helper()
	r, err := m.Open(t.Context(), o)
	refused, _ := errors.AsType[*Refused](err)
	if err == nil {
		r.Close(Outcome{})
	} else if refused == nil {
		t.Fatal(err)
	}
	return refused
}

// A request that costs more than a sub-account is usually filled up to is funded by its own price, and then served.
func TestADearRequestIsFunded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		n.claims = map[common.Address]zg.Neuron{alice: {}}
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{}, alice)
		defer stopped(t, stop)
		m := NewMeter(s, MeterConfig{View: k.View, Nudge: k.Nudge})
		advance(time.Second)

		// What is there does not even cover the request, so it is not sent.
		refused := refusedBy(t, m, film(t, "first", "6.16"))
		if refused == nil || refused.Kind != RefusedBalance || refused.RetryAfter == 0 || !strings.Contains(refused.Message, "4.16 0G are missing") {
			t.Fatalf("refused %+v, want that 4.16 0G are missing, and to come back", refused)
		}
		advance(30 * time.Second)
		if n.locked(alice) != "7.66" {
			t.Fatalf("%s 0G, want 7.66: the request, the reserve and half a step", n.locked(alice))
		}
		if refused := refusedBy(t, m, film(t, "second", "6.16")); refused != nil {
			t.Fatalf("refused %+v, though there is enough", refused)
		}
		advance(10 * time.Minute)
		if n.moved() != 1 {
			t.Errorf("%d transfers, want one", n.moved())
		}
		if got := k.View().Providers[alice]; !got.Demand.Fee.IsZero() || got.LowWater != og(t, "2") {
			t.Errorf("the demand did not end: %+v", got.Demand)
		}
	})
}

// Where what is there covers the request itself, the provider is asked; what it then says is funded.
func TestWhatAProviderWantsForARequestIsLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{}, alice)
		defer stopped(t, stop)
		m := NewMeter(s, MeterConfig{View: k.View, Nudge: k.Nudge})
		advance(time.Second)
		o := film(t, "video", "2.9")
		if refused := refusedBy(t, m, o); refused != nil {
			t.Fatalf("refused %+v, and the provider was not asked", refused)
		}
		k.Learn(alice, dear(t, "2.5", "2.9"))
		if _, wait := m.Funding(alice, zg.Neuron{}); wait == 0 {
			t.Error("who was refused is not told to wait until somebody has looked")
		}
		// It is not sent again before the money is there.
		if refused := refusedBy(t, m, o); refused == nil || refused.RetryAfter == 0 {
			t.Errorf("refused %+v, want to wait", refused)
		}
		advance(30 * time.Second)
		if n.locked(alice) != "4.000001" {
			t.Fatalf("%s 0G, want 4.000001: what it wants, its reserve, the rounding and half a step", n.locked(alice))
		}
		r, err := m.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		r.Close(Outcome{Status: 200, Reached: true, Complete: true, Job: true, Usage: zg.Usage{Seen: true}})
		if _, live := s.demands.of(alice, zg.VideoGeneration, time.Now()); live {
			t.Error("the demand is still there, though such a request was served")
		}
	})
}

// What cannot be moved is said at once, with the amount and the commands that help, and nothing is moved in part.
func TestADearRequestThatCannotBeFunded(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg    KeeperConfig
		ledger string
		says   string
	}{
		"the day's limit": {KeeperConfig{Budget: Budget{Day: CapOf(og(t, "4"))}}, "100", "ZGPROXY_BUDGET_TRANSFERS_DAY leaves 4 0G"},
		"the ledger":      {KeeperConfig{}, "1.5", "the ledger holds 1.5 0G"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.set(alice, "3")
				n.ledger.Available = og(t, tt.ledger)
				s := openStore(t, t.TempDir())
				k, stop := n.run(s, tt.cfg, alice)
				defer stopped(t, stop)
				m := NewMeter(s, MeterConfig{View: k.View, Nudge: k.Nudge})
				advance(time.Second)
				if refused := refusedBy(t, m, film(t, "first", "6.16")); refused == nil {
					t.Fatal("sent, though what is there does not cover it")
				}
				advance(20 * time.Second)
				for range 5 {
					refused := refusedBy(t, m, film(t, "again", "6.16"))
					if refused == nil || refused.RetryAfter != 0 || !strings.Contains(refused.Hint, tt.says) ||
						!strings.Contains(refused.Hint, "zgproxy fund "+alice.Hex()+" 4.16") {
						t.Fatalf("refused %+v, want %q and the command", refused, tt.says)
					}
					if deposit := strings.Contains(refused.Hint, "zgproxy deposit 2.66"); deposit != (tt.ledger == "1.5") {
						t.Errorf("hint %q", refused.Hint)
					}
					advance(time.Minute)
				}
				pv := k.View().Providers[alice]
				if pv.Demand.Reason != refusalRequest || pv.Reason != "" || n.moved() != 0 {
					t.Errorf("demand %+v, reason %q, %d transfers", pv.Demand, pv.Reason, n.moved())
				}
				// The owner does what he was told.
				n.set(alice, "7.16")
				k.Nudge()
				advance(20 * time.Second)
				if refused := refusedBy(t, m, film(t, "last", "6.16")); refused != nil {
					t.Errorf("refused %+v, though the owner has moved what was missing", refused)
				}
			})
		})
	}
}

// No budget for fees lets the request through, so no money is moved for it either.
func TestNothingIsMovedForARequestOverBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{}, alice)
		defer stopped(t, stop)
		m := NewMeter(s, MeterConfig{View: k.View, Nudge: k.Nudge, Budgets: Budgets{Fees: Budget{Day: CapOf(og(t, "5"))}}})
		refused := refusedBy(t, m, film(t, "dear", "6.16"))
		advance(time.Minute)
		if refused == nil || refused.Kind != RefusedDay || n.moved() != 0 {
			t.Errorf("refused %+v, %d transfers", refused, n.moved())
		}
	})
}

// Whatever a provider says it wants for a request, no more is moved than the request can cost, once, and no limit is
// passed; and its callers are soon told that waiting does not help.
func TestADemandIsNeverFollowedBeyondTheRequest(t *testing.T) {
	for name, claim := range map[string]func(i int) string{
		"a thousand times all there is": func(int) string { return "1000000000000" },
		"another one each time":         func(i int) string { return []string{"0.5", "1.9", "0.7", "1.2", "1.95"}[i%5] },
		"a little more each time":       func(i int) string { return zg.OneOG.Add(zg.NeuronOf(uint64(i) * 5_000_000_000_000_000)).Og() },
		"the same each time":            func(int) string { return "1.9" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.set(alice, "2.2")
				s := openStore(t, t.TempDir())
				k, stop := n.run(s, KeeperConfig{Budget: Budget{Day: CapOf(og(t, "5"))}}, alice)
				defer stopped(t, stop)
				m := NewMeter(s, MeterConfig{View: k.View, Nudge: k.Nudge})
				waits := 0
				for i := range 120 { // 20 minutes
					k.Learn(alice, dear(t, claim(i), "2"))
					if _, wait := m.Funding(alice, zg.OneOG); wait > 0 {
						waits++
					}
					advance(10 * time.Second)
				}
				if most := og(t, "3.5"); most.Less(og(t, n.locked(alice))) || n.moved() > 2 {
					t.Errorf("%s 0G in %d transfers, want at most %s: the bound, the reserve and half a step", n.locked(alice), n.moved(), most.Og())
				}
				if waits > 10 {
					t.Errorf("told to wait %d times out of 120", waits)
				}
			})
		})
	}
}

// The reserve that a provider names moves with the demand, and is held to the owner's limit by itself.
func TestReserveAndDemandTogether(t *testing.T) {
	f := facts{
		provider: alice, account: zg.SubAccount{Balance: og(t, "3"), Acknowledged: true}, exists: true, ledger: &zg.Ledger{Available: og(t, "100")},
		service: zg.Service{TEESignerAcknowledged: true}, registered: true, low: og(t, "2"), high: og(t, "3"), maxReserve: og(t, "5"),
		room: zg.MaxNeuron, reserve: og(t, "2"), demand: og(t, "4"),
	}
	in, refusal := f.decide()
	if in, d := f.serve(in, refusal); in.Amount != og(t, "3.5") || d.Reason != "" || d.Missing != og(t, "3") {
		t.Errorf("moves %s 0G for %+v; want 3.5: 2 and 4 and half a step, less 3", in.Amount.Og(), d)
	}
	f.reserve = og(t, "1000")
	in, refusal = f.decide()
	if in, d := f.serve(in, refusal); in.Kind != "" || d.Reason != refusalReserve {
		t.Errorf("moves %s 0G for a provider that wants 1000 left: %+v", in.Amount.Og(), d)
	}
	f.reserve, f.exists, f.account, f.autoFund, f.openRoom = zg.Neuron{}, false, zg.SubAccount{}, true, og(t, "4")
	in, refusal = f.decide()
	if in, d := f.serve(in, refusal); in.Amount != og(t, "3") || !in.Opening || d.Reason != refusalRequest || !strings.Contains(d.Hint, "ZGPROXY_AUTO_FUND leaves 4 0G") {
		t.Errorf("opens with %s 0G, %+v; want the usual 3, and a reason for the rest", in.Amount.Og(), d)
	}
}
