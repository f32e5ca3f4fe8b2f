package route

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// peer is a provider that takes so many requests at a time. It needs 10 ms to be heard of.
type peer struct {
	limit  int
	told   bool                // its refusals name the limit
	stay   time.Duration       // that a request takes
	lag    time.Duration       // after the end of an answer, until its request no longer counts
	others func(time.Time) int // requests of others that count, too

	mu               sync.Mutex
	active, refusals int
	most             int
	order            []int // in which requests were taken on
}

const hop = 5 * time.Millisecond

// ask is one attempt by a request with a number.
func (p *peer) ask(l *Lease, number int) Result {
	pass(hop)
	p.mu.Lock()
	others := 0
	if p.others != nil {
		others = p.others(time.Now())
	}
	if p.active+others >= p.limit {
		p.refusals++
		p.mu.Unlock()
		pass(hop)
		if p.told {
			l.Told(p.limit)
		}
		l.Done(Crowded, 0)
		return Crowded
	}
	p.active++
	p.most = max(p.most, p.active)
	p.order = append(p.order, number)
	p.mu.Unlock()
	pass(p.stay)
	time.AfterFunc(p.lag, func() {
		p.mu.Lock()
		p.active--
		p.mu.Unlock()
	})
	pass(hop)
	l.FirstByte(p.stay)
	l.Done(Succeeded, 0)
	return Succeeded
}

// sendAll sends requests, so many at a time, and reports how many were answered and how long it took.
func sendAll(t *testing.T, b *Board, a *Offer, p *peer, requests, atOnce int) (answered int, took time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := 0
	began := time.Now()
	for range atOnce {
		wg.Go(func() {
			for {
				mu.Lock()
				number := next
				next++
				mu.Unlock()
				if number >= requests {
					return
				}
				turn := b.Join()
				for {
					l, err := b.Pick(t.Context(), turn, []*Offer{a}, nil)
					if err != nil {
						t.Errorf("request %d: %v", number, err)
						break
					}
					if p.ask(l, number) == Succeeded {
						mu.Lock()
						answered++
						mu.Unlock()
						break
					}
				}
			}
		})
	}
	wg.Wait()
	return answered, time.Since(began)
}

// TestACrowdIsServed has 200 requests, 20 at a time, go to a provider that takes five: all are answered, in hardly more
// time than five at a time need.
func TestACrowdIsServed(t *testing.T) {
	for name, p := range map[string]*peer{
		"the limit is told":      {limit: 5, told: true},
		"the limit is not told":  {limit: 5},
		"slow to count out":      {limit: 5, told: true, lag: 30 * time.Millisecond},
		"one at a time":          {limit: 1},
		"others have two":        {limit: 5, told: true, others: func(time.Time) int { return 2 }},
		"more than is asked for": {limit: 64},
		"others come and go":     {limit: 5, others: comeAndGo},
	} {
		for _, stay := range []time.Duration{200 * time.Millisecond, 2 * time.Second} {
			t.Run(name+", "+stay.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := &peer{limit: p.limit, told: p.told, lag: p.lag, others: p.others, stay: stay}
					b, a := testBoard(t, BoardConfig{Wait: time.Minute}), offer("a", 1, 1)
					ideal := p.ideal(200, 20)
					answered, took := sendAll(t, b, a, p, 200, 20)
					ratio := float64(took) / float64(ideal)
					t.Logf("%d answered in %s, %.2f times the ideal; %d refusals", answered, took, ratio, p.refusals)
					if answered != 200 || ratio > 1.3 {
						t.Errorf("%d of 200 answered in %.2f times the ideal time, want all within 1.3 times", answered, ratio)
					}
					if p.refusals > 300 {
						t.Errorf("%d refusals for 200 requests", p.refusals)
					}
					if h := b.Health(a); h.InFlight != 0 || h.Waiting != 0 {
						t.Errorf("afterwards %+v, want nothing under way and nobody waiting", h)
					}
				})
			})
		}
	}
}

// comeAndGo is how many requests of others there are: none to four, another number every so often.
func comeAndGo(now time.Time) int { return []int{2, 0, 4, 1, 3}[now.Unix()/7%5] }

// ideal is how long requests take, so many at a time, if every one begins the moment that the provider has room.
func (p *peer) ideal(requests, atOnce int) (t time.Duration) {
	var ends []time.Duration
	for began := time.Now(); requests > 0 || len(ends) > 0; t += time.Millisecond {
		ends = slices.DeleteFunc(ends, func(end time.Duration) bool { return end <= t })
		others := 0
		if p.others != nil {
			others = p.others(began.Add(t))
		}
		for ; requests > 0 && len(ends) < atOnce && len(ends)+others < p.limit; requests-- {
			ends = append(ends, t+p.stay+2*hop)
		}
	}
	return t
}

// Whoever came first is served first, whatever was refused in between; who comes later does not push in.
func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{Wait: time.Hour}), offer("a", 1, 1)
		p := &peer{limit: 2, stay: time.Second}
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				turn := b.Join()
				for {
					l, err := b.Pick(t.Context(), turn, []*Offer{a}, nil)
					if err != nil {
						t.Error(err)
						return
					}
					if p.ask(l, i) == Succeeded {
						return
					}
				}
			})
			pass(7 * time.Millisecond)
		}
		wg.Wait()
		if !slices.IsSorted(p.order) {
			t.Errorf("taken on in the order %v, refused %d times", p.order, p.refusals)
		}
	})
}

// full is a board with a provider that is known to take so many at a time and has them.
func full(t *testing.T, wait time.Duration, n int) (b *Board, a *Offer, open []*Lease) {
	t.Helper()
	b, a = testBoard(t, BoardConfig{Wait: wait}), offer("a", 1, 1)
	for range n + 1 {
		open = append(open, pick(t, b, a))
	}
	open[n].Done(Crowded, 0)
	return b, a, open[:n]
}

func TestTheLimitIsLearnedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{}), offer("a", 1, 1)
		var open []*Lease
		for range 20 {
			open = append(open, pick(t, b, a))
		}
		open[19].Told(5)
		open[19].Done(Crowded, 0)
		if h := b.Health(a); h.AtOnce != 5 || h.State != "paced" {
			t.Errorf("after a refusal that names a limit: %+v, want five at a time", h)
		}
		for _, l := range open[5:19] {
			l.Done(Crowded, 0)
		}
		if h := b.Health(a); h.AtOnce != 5 || h.InFlight != 5 {
			t.Errorf("after the other refusals: %+v, want five at a time", h)
		}
		open[0].Done(Neutral, 0)
		pick(t, b, a)
		if e := busy(t, b, a); e.Cause != Paced {
			t.Errorf("a sixth: %+v, want it paced", e)
		}
	})
}

// More is tried a while after a refusal, one at a time. It is learned from nothing being refused.
func TestMoreIsTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a, _ := full(t, 0, 2)
		if e := busy(t, b, a); e.Cause != Paced {
			t.Fatalf("a third: %+v, want it paced", e)
		}
		pass(time.Second)
		trial := pick(t, b, a)
		if e := busy(t, b, a); e.Cause != Paced {
			t.Fatalf("beside a try: %+v, want it paced", e)
		}
		trial.Done(Crowded, 0)
		if h := b.Health(a); h.AtOnce != 2 {
			t.Errorf("after a try that was refused: %+v, want two at a time", h)
		}
		pass(time.Second)
		if e := busy(t, b, a); e.Cause != Paced {
			t.Fatalf("so soon after a try that was refused: %+v, want it paced", e)
		}
		pass(time.Second)
		pick(t, b, a).FirstByte(time.Second) // taken on
		if h := b.Health(a); h.AtOnce != 3 {
			t.Errorf("after a try that was answered: %+v, want three at a time", h)
		}
		pick(t, b, a)
		pass(trialPatience) // it is not refused
		pick(t, b, a).Done(Neutral, 0)
		if h := b.Health(a); h.AtOnce != 4 {
			t.Errorf("after a try that was not refused: %+v, want four at a time", h)
		}
	})
}

// A provider that has no room although nothing of ours is under way is asked again by the first who waits, and by no
// other.
func TestAnotherWalletHasAllRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{Wait: time.Minute}), offer("a", 1, 1)
		until := time.Now().Add(20 * time.Second)
		p := &peer{limit: 5, stay: time.Second, others: func(now time.Time) int {
			if now.Before(until) {
				return 5
			}
			return 0
		}}
		answered, took := sendAll(t, b, a, p, 40, 20)
		t.Logf("%d answered in %s, refused %d times", answered, took, p.refusals)
		if answered != 40 || took > 20*time.Second+13*time.Second || p.refusals > 100 {
			t.Errorf("%d of 40 answered in %s and %d refusals", answered, took, p.refusals)
		}
	})
}

func TestARequestGoesWhereThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a, open := full(t, time.Minute, 2)
		c := offer("c", 9, 9)
		turn := b.Join()
		l, err := b.Pick(t.Context(), turn, []*Offer{a, c}, nil)
		if err != nil || l.Offer != c {
			t.Fatalf("Pick = %+v, %v, want the one that has room", l, err)
		}
		extra := pick(t, b, c)
		extra.Done(Crowded, 0) // both are full now
		got := make(chan *Lease)
		wait := func(offers ...*Offer) {
			go func() {
				l, err := b.Pick(t.Context(), b.Join(), offers, nil)
				if err != nil {
					t.Error(err)
				}
				got <- l
			}()
			synctest.Wait()
		}
		wait(a, c)
		wait(a)
		wait(c)
		if h := b.Health(a); h.Waiting != 2 {
			t.Errorf("health = %+v, want two waiting", h)
		}
		began := time.Now()
		l.Done(Succeeded, 0) // the first goes to c
		if l := <-got; l.Offer != c {
			t.Errorf("the first went to %s", l.Offer.Label)
		}
		open[0].Done(Succeeded, 0) // and does not keep its place at a
		if l := <-got; l.Offer != a || time.Since(began) != 0 {
			t.Errorf("the second went to %s after %s", l.Offer.Label, time.Since(began))
		}
		open[1].Done(Succeeded, 0)
		(<-got).Done(Succeeded, 0) // tried beside another one after a while
	})
}

// Who leaves gives up the place, and nobody behind waits for it.
func TestWhoLeavesGivesUpThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewPedanticRegistry()
		b, a, open := full(t, 900*time.Millisecond, 1)
		reg.MustRegister(b.waits)
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, err := b.Pick(ctx, b.Join(), []*Offer{a}, nil)
			left <- err
		}()
		synctest.Wait()
		got := make(chan *Lease)
		go func() {
			l, err := b.Pick(t.Context(), b.Join(), []*Offer{a}, nil)
			if err != nil {
				t.Error(err)
			}
			got <- l
		}()
		synctest.Wait()
		cancel()
		if err := <-left; err == nil {
			t.Error("who left was served")
		}
		began := time.Now()
		open[0].Done(Succeeded, 0)
		l := <-got
		if d := time.Since(began); d != 0 {
			t.Errorf("the next one waited %s", d)
		}
		if e := busy(t, b, a); e.Cause != Paced || time.Since(began) != 900*time.Millisecond {
			t.Errorf("Pick = %+v after %s, want it given up", e, time.Since(began))
		}
		l.Done(Succeeded, 0)
		if n := testutil.CollectAndCount(b.waits); n != 3 {
			t.Errorf("%d outcomes of a wait are counted, want left, served and given up", n)
		}
	})
}

// All that a request waits, and all that its refused attempts took, counts together.
func TestPatienceIsOfTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{Wait: 10 * time.Second}), offer("a", 1, 1)
		p := &peer{} // never any room
		turn := b.Join()
		began := time.Now()
		for {
			l, err := b.Pick(t.Context(), turn, []*Offer{a}, nil)
			if err != nil {
				break
			}
			p.ask(l, 0)
		}
		if took := time.Since(began); took < 9*time.Second || took > 11*time.Second || p.refusals > 40 {
			t.Errorf("given up after %s and %d refusals, want 10 s and few", took, p.refusals)
		}
	})
}

// A wait that the provider asks for is kept, and waited for where it is short.
func TestACrowdedProviderNamesATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{Wait: 5 * time.Second}), offer("a", 1, 1)
		pick(t, b, a).Done(Crowded, 3*time.Second)
		began := time.Now()
		pick(t, b, a).Done(Crowded, 30*time.Second)
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("asked again after %s, want 3 s", d)
		}
		began = time.Now()
		if e := busy(t, b, a); e.RetryAfter != 30*time.Second || time.Since(began) != 0 {
			t.Errorf("Pick = %+v after %s, want to be told at once to come back in 30 s", e, time.Since(began))
		}
	})
}

// A probe without a first byte keeps others out only for so long, and not once its caller has left.
func TestAProbeHasATimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{}), offer("a", 1, 1)
		for range fewestFails {
			pick(t, b, a).Done(Failed, 0)
		}
		pass(firstProbe)
		slow := pick(t, b, a)
		if e := busy(t, b, a); e.Cause != Down {
			t.Fatalf("beside a probe: %+v", e)
		}
		pass(leastProbe)
		next := pick(t, b, a)
		if e := busy(t, b, a); e.Cause != Down {
			t.Fatalf("beside a second probe: %+v", e)
		}
		next.CallerLeft()
		third := pick(t, b, a)
		third.CallerLeft()
		slow.CallerLeft()
		slow.Done(Succeeded, 0)
		if h := b.Health(a); h.State != "ok" {
			t.Errorf("after a probe that was answered at last: %+v", h)
		}
		third.Done(Failed, 0)
		next.Done(Neutral, 0)
		serve(t, b, time.Second, a)
	})
}
