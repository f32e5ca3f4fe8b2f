package billing

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Three transfers from another directory with the same key: named, counted against the limits, and nothing is topped up
// until they are accepted. They count then, too.
func TestForeignTransfers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		s := openStore(t, t.TempDir())
		reg := prometheus.NewRegistry()
		var log bytes.Buffer
		k, stop := n.run(s, KeeperConfig{
			Registerer: reg, Log: zerolog.New(zerolog.SyncWriter(&log)).Level(zerolog.DebugLevel), Budget: Budget{Day: CapOf(og(t, "15.2"))}, Every: 5 * time.Minute,
		}, alice)
		advance(10 * time.Minute)
		if v := k.View(); v.Foreign.Count() != 0 || v.Err != nil {
			t.Fatalf("foreign %+v, Err %v: what the wallet did before alarms nobody", v.Foreign, v.Err)
		}
		for range 3 {
			n.abroad(bob, "5")
		}
		n.abroad(common.Address{}, "")
		n.set(alice, "1")
		advance(6 * time.Minute)
		v := k.View()
		if v.Foreign.Count() != 4 || v.Foreign.Through() != 8 || v.Foreign.Transferred() != og(t, "15") || v.Foreign.Since.IsZero() {
			t.Fatalf("foreign %+v", v.Foreign)
		}
		for i, f := range v.Foreign.Txs {
			if !f.Named() || f.Hash == (common.Hash{}) || f.Nonce != uint64(5+i) || (f.Kind == zg.IntentTransfer) != (i < 3) {
				t.Errorf("foreign %+v", f)
			}
		}
		if sum := v.Moves.Spent(bob); sum.Day != og(t, "15") || sum.ProviderTotal != og(t, "15") {
			t.Errorf("spent %+v, want 15 of it", sum)
		}
		if pv := v.Providers[alice]; pv.Reason != refusalForeign || !strings.Contains(pv.Hint(alice), "zgproxy wallet accept") || n.moved() != 0 {
			t.Errorf("reason %q, hint %q, %d transfers", pv.Reason, pv.Hint(alice), n.moved())
		}
		if got := gauge(t, reg, "zgproxy_foreign_transactions"); got != 4 {
			t.Errorf("the metric says %v", got)
		}
		for _, words := range []string{"nothing is topped up until they are accepted", v.Foreign.Txs[0].Hash.Hex(), `"amount_neuron":"5000000000000000000"`} {
			if strings.Count(log.String(), words) == 0 {
				t.Errorf("the log does not say %s", words)
			}
		}
		for what, err := range map[string]error{
			"fewer": s.AcceptForeign("", 7, 4, time.Now()), "more": s.AcceptForeign("", 8, 5, time.Now()), "none": s.AcceptForeign("other", 8, 0, time.Now()),
		} {
			if !errors.Is(err, ErrOtherForeign) {
				t.Errorf("accepting %s than there are: %v", what, err)
			}
		}
		if err := s.AcceptForeign("", 8, 4, time.Now()); err != nil {
			t.Fatal(err)
		}
		advance(6 * time.Minute)
		v = k.View()
		if v.Foreign.Count() != 0 || n.moved() != 0 || v.Providers[alice].Reason != refusalBudget+"day" || v.Moves.Spent(bob).Day != og(t, "15") {
			t.Errorf("accepted: %+v, %d transfers, reason %q; want what was moved to count still", v.Foreign, n.moved(), v.Providers[alice].Reason)
		}
		if got := gauge(t, reg, "zgproxy_foreign_transactions"); got != 0 {
			t.Errorf("the metric says %v", got)
		}
		advance(25 * time.Hour)
		if n.moved() == 0 {
			t.Error("nothing is topped up a day later")
		}
		stopped(t, stop)
	})
}

func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// What it did cannot be found out: that it was done counts all the same, and is searched for less and less often.
func TestForeignUnnamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		n.deaf = true
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{Every: 10 * time.Second}, alice)
		n.abroad(bob, "5")
		n.set(alice, "1")
		advance(30 * time.Minute)
		if v := k.View(); v.Foreign.Count() != 1 || v.Foreign.Txs[0].Named() || n.moved() != 0 {
			t.Errorf("foreign %+v, %d transfers", v.Foreign, n.moved())
		}
		n.with(func() {
			if n.traces > 12 {
				t.Errorf("searched for %d times in half an hour", n.traces)
			}
			n.deaf = false
		})
		if err := s.AcceptForeign("", 5, 1, time.Now()); err != nil {
			t.Fatal(err)
		}
		advance(time.Hour)
		if v := k.View(); v.Moves.Spent(bob).ProviderDay != og(t, "5") || n.moved() != 1 {
			t.Errorf("spent %+v, %d transfers; want it named after all", v.Moves.Spent(bob), n.moved())
		}
		stopped(t, stop)
	})
}

// A data directory that was copied, used, and restored from the copy: what was done since is foreign to it.
func TestForeignRestoredCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		original, restored := openStore(t, t.TempDir()), openStore(t, t.TempDir())
		for _, s := range []*Store{original, restored} { // the same until here
			_, stop := n.run(s, KeeperConfig{}, bob)
			advance(5 * time.Second)
			stopped(t, stop)
		}
		_, stop := n.run(original, KeeperConfig{}, alice)
		advance(time.Minute)
		stopped(t, stop)
		if n.moved() != 1 {
			t.Fatalf("%d transfers", n.moved())
		}
		n.set(alice, "1")
		k, stop := n.run(restored, KeeperConfig{}, alice)
		advance(time.Minute)
		if v := k.View(); v.Foreign.Count() != 1 || n.moved() != 1 || v.Providers[alice].Reason != refusalForeign {
			t.Errorf("foreign %+v, %d transfers", v.Foreign, n.moved())
		}
		stopped(t, stop)
	})
}

// A store of before anything was compared, whose wallet has gone on since: it may be such a copy too.
func TestForeignFirstLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		s := openStore(t, t.TempDir())
		a := n.attempt(n.journal(s, JournalConfig{}), deposit, OriginHand)
		advance(2 * time.Second)
		a.wants(t, EntryMined, 1)
		n.abroad(bob, "5")
		b := n.attempt(n.journal(s, JournalConfig{}), deposit, OriginHand) // hides it from whoever compares the highest nonces only
		advance(2 * time.Second)
		b.wants(t, EntryMined, 1)
		f, err := n.journal(s, JournalConfig{}).Survey(t.Context())
		if err != nil || f.Count() != 0 {
			t.Errorf("%+v, %v: the journal has gone on since, so that one was nobody's business here", f, err)
		}
		n.abroad(bob, "5")
		c := n.attempt(n.journal(s, JournalConfig{}), deposit, OriginHand)
		advance(2 * time.Second)
		c.wants(t, EntryMined, 1)
		f, err = n.journal(s, JournalConfig{}).Survey(t.Context())
		if err != nil || f.Count() != 1 || f.Through() != 8 || !f.Txs[0].Named() {
			t.Errorf("%+v, %v", f, err)
		}
	})
}

// A reorganisation takes a foreign transaction out of the chain: it stays on record, and is told of as gone. When it is
// back, it is as it was; accepted, it does not count while it is gone.
func TestForeignReorganised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		s := openStore(t, t.TempDir())
		j := n.journal(s, JournalConfig{})
		survey := func() Foreign {
			t.Helper()
			f, err := j.Survey(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		spent := func() zg.Neuron {
			t.Helper()
			m, err := s.Transferred(t.Context(), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			return m[bob].Foreign
		}
		survey()
		n.abroad(bob, "5")
		if f := survey(); f.Count() != 1 || f.Txs[0].Gone {
			t.Fatalf("%+v", f)
		}
		n.with(func() { n.nonce-- })
		if f := survey(); f.Count() != 1 || !f.Txs[0].Gone || f.Since.IsZero() || spent() != og(t, "5") {
			t.Errorf("gone: %+v, spent %s", f, spent())
		}
		n.with(func() { n.nonce++ })
		if f := survey(); f.Count() != 1 || f.Txs[0].Gone || !f.Txs[0].Named() {
			t.Errorf("back: %+v", f)
		}
		if err := s.AcceptForeign("", 5, 1, time.Now()); err != nil {
			t.Fatal(err)
		}
		if f := survey(); f.Count() != 0 || !f.Since.IsZero() || spent() != og(t, "5") {
			t.Errorf("accepted: %+v, spent %s", f, spent())
		}
		n.with(func() { n.nonce-- })
		if f := survey(); f.Count() != 0 || !spent().IsZero() {
			t.Errorf("accepted and gone: %+v, spent %s", f, spent())
		}
		n.with(func() { // another one in its place
			n.nonce++
			n.elsewhere[0].Hash[5]++
		})
		if f := survey(); f.Count() != 1 || spent() != og(t, "5") {
			t.Errorf("another one at its nonce: %+v, spent %s", f, spent())
		}
	})
}

// Our own transaction that is on its way, whoever asked for it, is never taken for somebody else's; nor is what an
// endpoint says believed that cannot be, or more put on record than a disk can hold.
func TestForeignOwnAndAbsurd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		s := openStore(t, t.TempDir())
		j := n.journal(s, JournalConfig{Confirmations: 50})
		if _, err := j.Survey(t.Context()); err != nil {
			t.Fatal(err)
		}
		a := n.attempt(j, deposit, OriginHand)
		advance(time.Second)
		if f, err := j.Survey(t.Context()); err != nil || f.Count() != 0 || n.nonce != 6 {
			t.Errorf("%+v, %v while one of ours waits for blocks", f, err)
		}
		n.blocks(60)
		advance(2 * time.Second)
		a.wants(t, EntryMined, 1)
		absurd := ^uint64(0)
		n.with(func() { n.lag = &absurd })
		if f, err := j.Survey(t.Context()); err == nil {
			t.Errorf("%+v, without an error", f)
		}
		absurd = 1 << 40
		if f, err := j.Survey(t.Context()); err != nil || len(f.Txs) != maxListed || f.Count() != 1<<40-6 {
			t.Errorf("%d listed of %d, %v", len(f.Txs), f.Count(), err)
		}
		n.with(func() { n.lag = nil })
		f, err := j.Survey(t.Context())
		if err != nil || f.Count() != 1<<40-6 || !f.Txs[0].Gone {
			t.Errorf("%d, %v", f.Count(), err)
		}
		if err := s.AcceptForeign("", f.Through(), f.Count(), time.Now()); err != nil {
			t.Error(err)
		}
		if f, err := j.Survey(t.Context()); err != nil || f.Count() != 0 {
			t.Errorf("%d, %v", f.Count(), err)
		}
		n.abroad(bob, "5")
		if f, err := j.Survey(t.Context()); err != nil || f.Count() != 1 || f.Through() != 6 {
			t.Errorf("%+v, %v", f, err)
		}
	})
}
