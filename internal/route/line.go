package route

import (
	"context"
	"slices"
	"sort"
	"time"
)

// Turn is a request's place among those that wait: it came before all that joined later, and keeps that place when a
// provider has taken too much on to serve it. It belongs to one goroutine.
type Turn struct {
	seq    uint64
	waited time.Duration // for a provider that has enough to do, all in all
}

// Join gives a request its place, behind all that have one.
func (b *Board) Join() *Turn { return &Turn{seq: b.turns.Add(1)} }

// MayWait reports whether a request may wait for a provider any longer.
func (b *Board) MayWait(t *Turn) bool { return t.waited < b.cfg.Wait }

// waiter is a request that waits for one of its offers.
type waiter struct {
	seq    uint64
	ready  chan struct{} // holds one: look again
	joined []*record     // in whose lines it stands
}

// signal has it look again. It never blocks.
func (w *waiter) signal() {
	select {
	case w.ready <- struct{}{}:
	default: // it is going to already
	}
}

// wait has a request stand in line until an offer takes it, its patience is over, or its caller has left.
func (b *Board) wait(ctx context.Context, t *Turn, offers, tried []*Offer) (*Lease, error) {
	began := time.Now()
	w := &waiter{seq: t.seq, ready: make(chan struct{}, 1)}
	outcome := waitGivenUp
	defer func() {
		w.leave()
		waited := time.Since(began)
		t.waited += waited
		b.waits.WithLabelValues(outcome).Observe(waited.Seconds())
	}()
	deadline := began.Add(b.cfg.Wait - t.waited)
	for {
		lease, busy := b.pick(t, w, offers, tried)
		if lease != nil {
			outcome = waitServed
			return lease, nil
		}
		now := time.Now()
		left := deadline.Sub(now)
		if left <= 0 || !busy.soon || (busy.RetryAfter > left && !busy.full) {
			return nil, busy.err() // nothing will be better by then
		}
		timer := time.NewTimer(min(left, max(busy.look.Sub(now), time.Millisecond)))
		select {
		case <-ctx.Done():
			timer.Stop()
			outcome = waitLeft
			return nil, ctx.Err()
		case <-timer.C:
		case <-w.ready:
			timer.Stop()
		}
	}
}

// leave takes it out of all lines. Whoever is first there now may have been waiting for that.
func (w *waiter) leave() {
	for _, r := range w.joined {
		r.mu.Lock()
		r.strike(w)
		r.call(time.Now())
		r.mu.Unlock()
	}
	w.joined = nil
}

// heldFor says whether a request is held back. One that waits stands in the line of every provider that has enough to
// do, and in no other. w: nil, it does not wait.
func (r *record) heldFor(o *Offer, t *Turn, w *waiter, now time.Time) hold {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.holds(o, now, t.seq)
	if w == nil || h.cause == "" {
		return h // and it keeps its place until it is taken
	}
	at := slices.Index(w.joined, r)
	switch {
	case h.queue && at < 0:
		r.line = slices.Insert(r.line, r.ahead(w.seq), w)
		w.joined = append(w.joined, r)
	case !h.queue && at >= 0:
		r.strike(w)
		w.joined = slices.Delete(w.joined, at, at+1)
		r.call(now)
	}
	return h
}

// ahead is how many of those who wait came before.
func (r *record) ahead(seq uint64) int {
	return sort.Search(len(r.line), func(i int) bool { return r.line[i].seq >= seq })
}

// strike takes somebody out of the line.
func (r *record) strike(w *waiter) {
	if at := slices.Index(r.line, w); at >= 0 {
		r.line = slices.Delete(r.line, at, at+1)
	}
}

// call has those look again for whom there may be room now: always the first, who alone watches the clock for the
// others.
func (r *record) call(now time.Time) {
	n := len(r.line)
	switch {
	case now.Before(r.pausedUntil): // all: none of them will get there soon
	case r.open:
		n = 1
	case r.most > 0:
		n = max(1, r.most-r.inFlight)
	}
	for _, w := range r.line[:min(n, len(r.line))] {
		w.signal()
	}
}
