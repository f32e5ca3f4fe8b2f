package billing

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Another program's transactions wait: nothing is signed beside them, everybody is told so, looking goes on, and it
// ends by itself, a few blocks after nothing waits any more.
func TestOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		s := openStore(t, t.TempDir())
		reg := prometheus.NewRegistry()
		var log bytes.Buffer
		k, stop := n.run(s, KeeperConfig{Registerer: reg, Log: zerolog.New(zerolog.SyncWriter(&log)).Level(zerolog.DebugLevel), Every: time.Minute}, alice, bob)
		advance(time.Minute)
		n.hold(1)
		n.hold(1)
		n.set(alice, "1")
		advance(2 * time.Minute)
		v := k.View()
		if v.Waiting.Count != 2 || v.Waiting.From != 5 || v.Waiting.Since.IsZero() || v.Foreign.Count() != 0 || len(topUps(t, s)) != 0 {
			t.Fatalf("waiting %+v, foreign %+v, %d transactions", v.Waiting, v.Foreign, len(topUps(t, s)))
		}
		if pv := v.Providers[alice]; pv.Reason != refusalWaiting || pv.Planned || pv.Account.Locked() != og(t, "1") || v.Err != nil {
			t.Errorf("%+v, %v", pv, v.Err)
		}
		for _, say := range []string{"2 transactions", "nonces 5 to 6"} {
			if !strings.Contains(v.Waiting.String(), say) {
				t.Errorf("%q does not say %q", v.Waiting, say)
			}
		}
		hint, wait := fundingOf(s, k)
		if wait != fundingWait || !strings.Contains(hint, "not made here") {
			t.Errorf("a caller is told %q, to wait %s", hint, wait)
		}
		if got := gauge(t, reg, "zgproxy_foreign_waiting"); got != 2 {
			t.Errorf("the metric says %v", got)
		}
		advance(5 * time.Minute)
		if _, wait := fundingOf(s, k); wait != 0 {
			t.Errorf("after minutes a caller is still told to come back")
		}
		before := n.looks()
		n.set(alice, "0.9")
		advance(30 * time.Second)
		if n.looks() < before+5 || k.View().Providers[alice].Account.Locked() != og(t, "0.9") {
			t.Errorf("%d looks in half a minute", n.looks()-before)
		}
		n.with(func() { n.held = nil }) // forgotten, so that nothing of it ever happened
		advance(10 * time.Second)
		if v := k.View(); !v.Waiting.Any() || v.Waiting.Count != 0 || n.moved() != 0 {
			t.Errorf("%+v, %d transfers; want a few blocks of patience", v.Waiting, n.moved())
		}
		n.blocks(settledAfter)
		advance(10 * time.Second)
		if v := k.View(); v.Waiting.Any() || n.locked(alice) != "3" || v.Foreign.Count() != 0 || n.outbid != 0 {
			t.Errorf("%+v, %s 0G, foreign %+v, %d outbid", v.Waiting, n.locked(alice), v.Foreign, n.outbid)
		}
		for _, words := range []string{"top-ups wait for them", "top-ups go on"} {
			if strings.Count(log.String(), words) != 1 {
				t.Errorf("the log does not say %q once:\n%s", words, log.String())
			}
		}
		stopped(t, stop)
	})
}

// What waited was mined: then it is foreign, and the owner is asked.
func TestOthersWaitAndAreMined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "3")
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{Budget: Budget{Day: CapOf(og(t, "4"))}}, alice)
		advance(time.Minute)
		n.hold(1)
		n.set(alice, "1")
		advance(time.Minute)
		n.release(bob, "2.5")
		n.blocks(10)
		advance(time.Minute)
		if v := k.View(); v.Waiting.Any() || v.Foreign.Count() != 1 || v.Providers[alice].Reason != refusalForeign || n.moved() != 0 {
			t.Errorf("%+v, %+v, %q, %d transfers", v.Waiting, v.Foreign, v.Providers[alice].Reason, n.moved())
		}
		if err := s.AcceptForeign("", 5, 1, time.Now()); err != nil {
			t.Fatal(err)
		}
		advance(time.Minute)
		if n.moved() != 1 || n.locked(alice) != "2.5" {
			t.Errorf("%d transfers, %s 0G; want what the cap leaves beside what was moved elsewhere", n.moved(), n.locked(alice))
		}
		stopped(t, stop)
	})
}

// A person's order takes nobody's place either, also where the other one comes while ours is signed; and neither is
// anything signed where it cannot be known.
func TestOthersWaitForAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		s := openStore(t, t.TempDir())
		j := n.journal(s, JournalConfig{})
		refused := func(why error) {
			t.Helper()
			if _, err := j.Do(t.Context(), deposit, OriginHand, nil); !errors.Is(err, ErrNotSigned) || !errors.Is(err, why) {
				t.Errorf("Do = %v, want %v", err, why)
			}
			if len(topUps(t, s)) != 0 || len(n.sent) != 0 {
				t.Errorf("%d recorded, %d sent", len(topUps(t, s)), len(n.sent))
			}
		}
		n.hold(1)
		refused(ErrOthersWait)
		n.with(func() { n.held = nil })
		n.hook = func(call string) error {
			if call == "Sign" {
				n.held = map[uint64]uint64{5: 1}
			}
			return nil
		}
		refused(ErrOthersWait)
		down := errors.New("429")
		n.with(func() {
			n.held = nil
			n.hook = func(call string) error {
				if call == "Pending" {
					return down
				}
				return nil
			}
		})
		refused(down)
		n.with(func() { n.hook = nil })
		a := n.attempt(j, deposit, OriginHand)
		advance(2 * time.Second)
		a.wants(t, EntryMined, 1)
	})
}

// It comes between what was recorded and what was sent, or takes the place of what nodes have forgotten: ours is not
// sent in its place, whatever it offers, and is named as what it is. What is mined then is its, and ours never is.
func TestOthersTakeTheNonce(t *testing.T) {
	for name, tt := range map[string]struct {
		fee  uint64 // that the other one offers
		when string
	}{
		"offers more, before ours is sent": {9, "Known"}, "offers less, before ours is sent": {1, "Known"},
		"offers more, between the look and the sending": {9, "Broadcast"},
	} {
		for _, mined := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newNetwork(t)
					s := openStore(t, t.TempDir())
					var told error
					j := n.journal(s, JournalConfig{Report: func(err error) { told = err }, ReplaceAfter: 30 * time.Second})
					pendings := 0
					n.with(func() {
						n.hook = func(call string) error {
							if call == "Pending" {
								pendings++
							}
							// The third look at what waits is the one before the sending.
							if n.held == nil && (call == tt.when || tt.when == "Known" && pendings == 3) {
								n.held = map[uint64]uint64{5: tt.fee}
							}
							return nil
						}
					})
					var e Entry
					var err error
					ended := make(chan struct{})
					go func() {
						defer close(ended)
						e, err = j.Do(context.Background(), deposit, OriginHand, nil)
					}()
					advance(10 * time.Minute)
					if !errors.Is(told, errTaken) || strings.Contains(told.Error(), "in time") {
						t.Errorf("told %v", told)
					}
					all := topUps(t, s)
					if len(all) != 1 || len(all[0].Txs) != 1 || n.outbid != 0 {
						t.Fatalf("%+v, %d outbid", all, n.outbid)
					}
					n.with(func() { n.hook = nil })
					if mined {
						n.release(bob, "1")
						advance(2 * time.Minute)
						<-ended
						if e.State != EntrySuperseded || !errors.Is(err, ErrForeignNonce) {
							t.Errorf("%+v, %v", e, err)
						}
						return
					}
					n.with(func() { n.held = nil })
					advance(time.Minute)
					<-ended
					if e.State != EntryMined || err != nil || len(e.Txs) != 1 {
						t.Errorf("%+v, %v", e, err)
					}
				})
			})
		}
	}
}

// Ours waits, and another one behind it: that is another's, and ours is not. Where the fees of ours are too low it is
// replaced, by our own.
func TestOthersWaitBehindOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.minFee = 3
		s := openStore(t, t.TempDir())
		j := n.journal(s, JournalConfig{})
		a := n.attempt(j, deposit, OriginHand)
		advance(5 * time.Second)
		if w, err := j.Waiting(t.Context()); err != nil || w.Any() {
			t.Errorf("ours waits: %+v, %v", w, err)
		}
		n.hold(1)
		if w, err := j.Waiting(t.Context()); err != nil || w.Count != 1 || w.From != 6 {
			t.Errorf("another one behind ours: %+v, %v", w, err)
		}
		advance(2 * time.Minute)
		a.wants(t, EntryMined, 2)
		if n.outbid != 0 {
			t.Error("it was outbid")
		}
	})
}

// What an endpoint says of what waits is not believed where it cannot be.
func TestOthersWaitAbsurd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		s := openStore(t, t.TempDir())
		for name, tt := range map[string]struct {
			pending uint64
			count   uint64
			fails   bool
		}{"far ahead": {1 << 40, 1<<40 - 5, false}, "impossible": {^uint64(0), 0, true}, "behind": {3, 0, false}} {
			j := NewJournal(s, liar{n, tt.pending}, JournalConfig{})
			if w, err := j.Waiting(t.Context()); w.Count != tt.count || (err != nil) != tt.fails {
				t.Errorf("%s: %+v, %v", name, w, err)
			}
		}
	})
}

type liar struct {
	*network
	pending uint64
}

func (a liar) Pending(context.Context) (uint64, error) { return a.pending, nil }

// Whoever orders a transaction while an earlier one cannot be sent, because another program's waits with its nonce, is
// told of that one, of what keeps it since when, and what to do. What happens automatically tells nobody.
func TestEarlierTransactionIsTold(t *testing.T) {
	for _, origin := range []Origin{OriginHand, OriginAuto} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			s := openStore(t, t.TempDir())
			j := n.journal(s, JournalConfig{})
			run := func(notify func(Entry)) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, _ = j.do(ctx, deposit, origin, func() bool { return true }, notify)
			}
			since := time.Now().UTC()
			pendings := 0
			n.with(func() {
				n.hook = func(call string) error {
					if call == "Pending" {
						pendings++
					}
					if pendings == 3 && n.held == nil {
						n.held = map[uint64]uint64{5: 9}
					}
					return nil
				}
			})
			run(nil)
			n.with(func() { n.hook = nil })
			var told []Entry
			run(func(e Entry) { told = append(told, e) })
			if origin == OriginAuto {
				if len(told) > 0 {
					t.Errorf("told %+v", told)
				}
				return
			}
			if len(told) != 2 || !told[0].Earlier || told[0].ID != 1 || told[0].Nonce != 5 || !told[1].Earlier {
				t.Fatalf("told %+v", told)
			}
			// By then this process has seen it for as long as it has looked.
			for _, words := range []string{"same nonce waits", "(nonce 5, since " + since.Add(time.Minute).Format("2006-01-02T15:04"), "raise its fees or cancel it"} {
				if !strings.Contains(told[1].Trouble, words) {
					t.Errorf("%q does not say %q", told[1].Trouble, words)
				}
			}
		})
	}
}
