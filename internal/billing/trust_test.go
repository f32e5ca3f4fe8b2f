package billing

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/zgproxy/zgproxy/internal/zg"
)

var (
	firstPin = zg.Pin{Provider: alice, Signer: bob, Source: zg.SourceTarget, Settler: common.Address{9}, URL: "http://one.example", At: time.UnixMicro(1000).UTC()}
	// suspension is that of alice.
	suspension = zg.Suspension{Provider: alice, Code: zg.SuspendedInvalid, Reason: "It lied.", RequestID: "req_9", At: time.UnixMicro(2000).UTC()}
)

// trusted is what the store says of alice.
func trusted(t *testing.T, s *Store) (zg.Pin, zg.Suspension) {
	t.Helper()
	pins, suspended, err := s.Trust(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return pins[alice], suspended[alice]
}

// The first pin and the first reason stay, over a restart too, until the owner accepts the provider.
func TestTrust(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	otherPin := zg.Pin{Provider: alice, Settler: common.Address{7}, URL: "http://two.example", Source: zg.SourceService, At: time.UnixMicro(3000).UTC()}
	otherReason := zg.Suspension{Provider: alice, Code: zg.SuspendedURL, Reason: "It moved.", At: time.UnixMicro(4000).UTC()}
	fresh := func(got bool, err error) func(want bool) {
		return func(want bool) {
			t.Helper()
			if err != nil || got != want {
				t.Errorf("new: %v, %v; want %v", got, err, want)
			}
		}
	}
	fresh(s.Suspend(suspension))(true) // before it was ever pinned
	if pin, why := trusted(t, s); pin != (zg.Pin{}) || why != suspension {
		t.Errorf("trust %+v, %+v", pin, why)
	}
	fresh(s.Pin(firstPin))(true)
	fresh(s.Pin(otherPin))(false)
	fresh(s.Suspend(otherReason))(false)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	if pin, why := trusted(t, s); pin != firstPin || why != suspension {
		t.Errorf("trust %+v, %+v", pin, why)
	}

	// What was not shown is not accepted, and neither is anything beside it.
	for name, shown := range map[string]zg.Suspension{"none": {}, "another reason": otherReason, "another time": {Provider: alice, Code: suspension.Code}} {
		if _, err := s.Accept(alice, Acceptance{Drift: zg.OneOG, Pin: otherPin, Suspension: shown}); !errors.Is(err, ErrOtherSuspension) {
			t.Errorf("%s: %v", name, err)
		}
	}
	accounts, err := s.accounts()
	if pin, why := trusted(t, s); pin != firstPin || why != suspension || len(accounts) != 0 || err != nil {
		t.Errorf("trust %+v, %+v, accounts %+v, %v", pin, why, accounts, err)
	}
	got, err := s.Accept(alice, Acceptance{Drift: zg.OneOG, Pin: otherPin, Suspension: zg.Suspension{Provider: alice, Code: suspension.Code, At: suspension.At}})
	if want := (Accepted{Drift: zg.OneOG, Pin: otherPin, Replaced: firstPin, Lifted: suspension}); err != nil || got != want {
		t.Errorf("accepted %+v, %v; want %+v", got, err, want)
	}
	accounts, err = s.accounts()
	if pin, why := trusted(t, s); pin != otherPin || why != (zg.Suspension{}) || err != nil || accounts[alice].accepted != zg.OneOG {
		t.Errorf("trust %+v, %+v, account %+v, %v", pin, why, accounts[alice], err)
	}
	// Accepted, it can be suspended again; and without a pin in it, an acceptance leaves the pin.
	fresh(s.Suspend(otherReason))(true)
	if got, err := s.Accept(alice, Acceptance{Suspension: otherReason}); err != nil || got.Pin != otherPin {
		t.Errorf("accepted %+v, %v", got, err)
	}
	// An answer that does not match counts for more than a change on chain, and not the other way round.
	worse := zg.Suspension{Provider: alice, Code: zg.SuspendedInvalid, Reason: "It does not match.", At: time.UnixMicro(5000).UTC()}
	fresh(s.Suspend(otherReason))(true)
	fresh(s.Suspend(worse))(true)
	fresh(s.Suspend(otherReason))(false)
	if _, why := trusted(t, s); why != worse {
		t.Errorf("suspended for %+v, want %+v", why, worse)
	}
	if _, err := s.Accept(alice, Acceptance{Suspension: worse}); err != nil {
		t.Error(err)
	}
	if _, err := s.Accept(bob, Acceptance{Drift: zg.OneOG}); err != nil { // who was never looked at
		t.Error(err)
	}
	pins, suspended, err := s.Trust(t.Context())
	if len(pins) != 1 || len(suspended) != 0 || err != nil {
		t.Errorf("pins %v, suspensions %v, %v", pins, suspended, err)
	}
}

// A suspended provider gets neither a top-up nor a first transfer until it is accepted, and everybody who asks is told
// why.
func TestKeeperPausesSuspendedProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		s := openStore(t, t.TempDir())
		suspended := map[common.Address]string{alice: "It lied.", bob: "It moved."}
		reg := prometheus.NewRegistry()
		cfg := KeeperConfig{AutoFund: og(t, "10"), Registerer: reg, Suspended: func(p common.Address) (why string) {
			n.with(func() { why = suspended[p] })
			return why
		}}
		k, stop := n.run(s, cfg, alice, bob)
		defer stopped(t, stop)
		advance(5 * time.Minute)
		view := k.View().Providers
		if view[alice].Reason != refusalSuspended || view[bob].Reason != refusalSuspended || view[alice].Suspended != "It lied." || n.moved() != 0 {
			t.Fatalf("alice %q, bob %q, %d transfers; want a pause", view[alice].Reason, view[bob].Reason, n.moved())
		}
		hint, wait := NewMeter(s, MeterConfig{View: k.View}).Funding(alice, zg.Neuron{})
		if !strings.Contains(hint, "It lied.") || !strings.Contains(hint, "zgproxy provider accept "+alice.Hex()) || wait != 0 {
			t.Errorf("hint %q, wait %s", hint, wait)
		}
		if v := testutil.ToFloat64(k.metrics.refusals.WithLabelValues(alice.Hex(), refusalSuspended)); v == 0 {
			t.Error("no refusal was counted")
		}
		n.with(func() { clear(suspended) })
		advance(5 * time.Minute)
		if n.moved() != 2 || reason(k) != "" {
			t.Errorf("accepted: %d transfers, reason %q", n.moved(), reason(k))
		}
	})
}

// What is suspended between the decision and the transaction gets none.
func TestKeeperDecidesAnewWhenSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		s := openStore(t, t.TempDir())
		asked := 0
		cfg := KeeperConfig{Suspended: func(common.Address) (why string) {
			n.with(func() {
				if asked++; asked > 1 {
					why = "It lied."
				}
			})
			return why
		}}
		k, stop := n.run(s, cfg, alice)
		defer stopped(t, stop)
		advance(5 * time.Minute)
		if n.moved() != 0 || reason(k) != refusalSuspended {
			t.Errorf("%d transfers, reason %q", n.moved(), reason(k))
		}
	})
}

// Nor does what is suspended while its transaction is being signed: that is dropped. What the owner does by hand is
// done.
func TestSuspendedWhileSigning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		s := openStore(t, t.TempDir())
		j := n.journal(s, JournalConfig{})
		signed := 0
		n.with(func() {
			n.hook = func(call string) error {
				if call != "Sign" {
					return nil
				}
				signed++
				_, err := s.Suspend(zg.Suspension{Provider: alice, Code: zg.SuspendedInvalid, Reason: "It lied.", At: time.Now()})
				return err
			}
		})
		in := zg.Intent{Kind: zg.IntentTransfer, Provider: alice, Amount: og(t, "1")}
		if e, err := j.Do(t.Context(), in, OriginAuto, nil); !errors.Is(err, ErrNotSigned) || !errors.Is(err, errSuspended) || e.ID != 0 {
			t.Errorf("%+v, %v", e, err)
		}
		if entries, err := s.Entries(t.Context(), 10); signed != 1 || len(entries) != 0 || err != nil || len(n.sent) != 0 || n.moved() != 0 {
			t.Errorf("signed %d, recorded %d (%v), sent %d, moved %d", signed, len(entries), err, len(n.sent), n.moved())
		}
		if e, err := j.Do(t.Context(), in, OriginHand, nil); err != nil || e.State != EntryMined {
			t.Errorf("by hand: %+v, %v", e, err)
		}
	})
}
