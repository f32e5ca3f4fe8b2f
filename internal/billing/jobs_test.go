package billing

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// begun is a video of 2 0G that the provider has accepted.
func begun(t *testing.T, m *Meter, id string) {
	t.Helper()
	o := film(t, id, "2")
	o.Route = "/v1/videos"
	b := mustOpen(t, m, o).Close(Outcome{Status: 200, Reached: true, Complete: true, Job: true, ChatID: "video_" + id})
	if b.Fee != og(t, "2") || b.Basis != zg.FeeEstimated {
		t.Fatalf("booked %+v, want the bound", b)
	}
}

// A provider claims nothing for a job before it is done. That is no figure for it, and what it then claims is no drift.
func TestAJobUnderWayIsNotCorrected(t *testing.T) {
	for name, tt := range map[string]struct {
		end     *JobEnd // seen after five minutes
		claim   string  // of the provider from then on
		settled string  // expected of the job while it is claimed, and when all is over
		later   string
	}{
		"nobody asks how far it is":          {nil, "1.5", "", "1.5"},
		"done":                               {&JobEnd{Provider: alice, ID: "video_a", Known: true, Fee: og(t, "1.5")}, "1.5", "1.5", "1.5"},
		"done, and the fee is not known":     {&JobEnd{Provider: alice, ID: "video_a"}, "1.25", "", "1.25"},
		"done, by more than it may cost":     {&JobEnd{Provider: alice, ID: "video_a", Known: true, Fee: og(t, "9")}, "2", "2", "2"},
		"failed":                             {&JobEnd{Provider: alice, ID: "video_a", Known: true}, "0", "0", "0"},
		"somebody else's job":                {&JobEnd{Provider: bob, ID: "video_a", Known: true}, "2", "", "2"},
		"another job":                        {&JobEnd{Provider: alice, ID: "video_b", Known: true}, "2", "", "2"},
		"failed, as nobody has been told of": {nil, "0", "", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.set(alice, "6")
				n.claims = map[common.Address]zg.Neuron{alice: {}}
				s := openStore(t, t.TempDir())
				k, stop := n.run(s, KeeperConfig{DriftTolerance: zg.NeuronOf(1)}, alice)
				defer stopped(t, stop)
				advance(time.Minute)
				m := NewMeter(s, MeterConfig{View: k.View, Nudge: k.Nudge})
				begun(t, m, "a")
				advance(5 * time.Minute)
				pv := k.View().Providers[alice]
				if r := mustRecord(t, s, "a"); r.Settled != nil || !pv.Corrected.IsZero() {
					t.Fatalf("while it runs, %v is expected of it, %s corrected", r.Settled, pv.Corrected.Og())
				}
				if n.with(func() { n.claims[alice] = og(t, tt.claim) }); tt.end != nil {
					m.JobEnded(*tt.end)
				}
				expected := ""
				if r := mustRecord(t, s, "a"); r.Settled != nil {
					expected = r.Settled.Og()
				}
				if expected != tt.settled {
					t.Errorf("after its end %q is expected of it, want %q", expected, tt.settled)
				}
				for range 20 {
					advance(time.Minute)
					if pv := k.View().Providers[alice]; !pv.Drift.IsZero() || pv.Reason != "" {
						t.Fatalf("drift %s, reason %q", pv.Drift.Og(), pv.Reason)
					}
				}
				last := mustRecord(t, s, "a")
				if last.Settled == nil {
					last.Settled = last.Fee
				}
				if last.Settled.Og() != tt.later {
					t.Errorf("in the end %v is expected of it, want %s", last.Settled, tt.later)
				}
				// What is taken then is just that.
				n.with(func() { n.claims[alice] = zg.Neuron{} })
				n.set(alice, og(t, "6").Sub(og(t, tt.later)).Og())
				advance(10 * time.Minute)
				if pv := k.View().Providers[alice]; !pv.Drift.IsZero() || !pv.Owed.IsZero() || pv.Settled.Og() != tt.later {
					t.Errorf("after the settlement: drift %s, owed %s, settled %s", pv.Drift.Og(), pv.Owed.Og(), pv.Settled.Og())
				}
			})
		})
	}
}

// A job that runs keeps nobody else's debit waiting, and is settled when its turn comes.
func TestDebitsPassAJobUnderWay(t *testing.T) {
	b := newBooks(t)
	b.look(nil)
	first := b.exact()
	begun(t, b.meter, "film")
	second := b.exact()
	b.take(fee.Mul(2))
	if a := b.look(nil); !a.unmatched.IsZero() || a.settled != fee.Mul(2) {
		t.Errorf("unmatched %s, settled %s; want nothing and 2 fees", a.unmatched, a.settled)
	}
	for _, id := range []string{first, second} {
		if r := mustRecord(t, b.Store, id); r.State != "settled" {
			t.Errorf("%s is %s, want settled", id, r.State)
		}
	}
	b.meter.JobEnded(JobEnd{Provider: alice, ID: "video_film", Known: true, Fee: og(t, "1.5")})
	b.take(og(t, "1.5"))
	if a := b.look(nil); !a.unmatched.IsZero() || !a.unsettled(b.fees()).IsZero() {
		t.Errorf("unmatched %s, unsettled %s; want nothing", a.unmatched, a.unsettled(b.fees()))
	}
	if r := mustRecord(t, b.Store, "film"); r.State != "settled" || r.Settled.Og() != "1.5" || *r.Fee != og(t, "2") {
		t.Errorf("the job is %s for %v, booked at %v", r.State, r.Settled, r.Fee)
	}
}

// A restart does not forget that a job runs, nor that one may have been begun by a request that was under way.
func TestJobsUnderWayAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	m := NewMeter(s, MeterConfig{Now: func() time.Time { return now }})
	begun(t, m, "a")
	o := order("images", bob)
	o.Type, o.Route, o.Stream = zg.TextToImage, "/v1/async/images/generations", false
	mustOpen(t, m, o)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	m = NewMeter(s, MeterConfig{Now: func() time.Time { return now }})
	if _, err := m.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]map[common.Address]bool{
		14 * time.Minute: {alice: true, bob: true}, 16 * time.Minute: {alice: true}, 21 * time.Minute: {},
	} {
		got, err := s.running(now.Add(after))
		if err != nil || len(got) != len(want) || got[alice] != want[alice] || got[bob] != want[bob] {
			t.Errorf("%s later %v run, %v; want %v", after, got, err, want)
		}
	}
}

// What a provider does not claim of a running job is not taken for an estimate of something else that is too high.
func TestAJobUnderWayLeavesOtherEstimatesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "6")
		s := openStore(t, t.TempDir())
		o := order("cut", alice)
		n.claims = map[common.Address]zg.Neuron{alice: {}}
		k, stop := n.run(s, KeeperConfig{DriftTolerance: zg.NeuronOf(1)}, alice)
		defer stopped(t, stop)
		advance(time.Minute)
		m := NewMeter(s, MeterConfig{View: k.View, Nudge: k.Nudge})
		mustOpen(t, m, o).Close(Outcome{Status: 200, Reached: true}) // at its bound, which is what it costs
		n.with(func() { n.claims[alice] = o.Bound })
		begun(t, m, "a")
		advance(10 * time.Minute)
		if r := mustRecord(t, s, "cut"); r.Settled != nil {
			t.Errorf("%s is expected of the other request, want its bound of %s", r.Settled.Og(), o.Bound.Og())
		}
	})
}
