package route

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Policy is how one of several offers is chosen.
type Policy string

// The policies.
const (
	Priority Policy = "priority" // the owner's order, as long as it works
	Price    Policy = "price"    // the cheapest
	Latency  Policy = "latency"  // the quickest to the first byte
	Balanced Policy = "balanced" // price, latency, success, verdicts and funding together
)

// BoardConfig is what a Board needs. Every field is optional.
type BoardConfig struct {
	Policy Policy // empty: Balanced
	// Funded reports whether the sub-account with a provider would pass its gate now.
	Funded func(common.Address) bool
	// Wait is how long Pick waits for an offer that is only paced; 0: not at all.
	Wait time.Duration
	// Rand is a number from 0 to below n; nil: math/rand.
	Rand       func(n int) int
	Registerer prometheus.Registerer
}

// Board knows how every provider and endpoint has done lately. It outlives the tables. Its metrics have the labels of
// those that were ever picked or judged, which only allowed ones are.
type Board struct {
	cfg     BoardConfig
	mu      sync.RWMutex       // guards the map, nothing in it
	records map[string]*record // by label

	turns atomic.Uint64 // places given to requests so far
	waits *prometheus.HistogramVec
}

// NewBoard makes an empty board.
func NewBoard(cfg BoardConfig) *Board {
	if cfg.Policy == "" {
		cfg.Policy = Balanced
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.IntN
	}
	b := &Board{cfg: cfg, records: map[string]*record{}, waits: newWaits()}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(boardMetrics{b}, b.waits)
	}
	return b
}

// record is the one of a label, made where there is none.
func (b *Board) record(label string) *record {
	if r := b.recorded(label); r != nil {
		return r
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records[label]
	if r == nil {
		r = &record{label: label}
		b.records[label] = r
	}
	return r
}

// recorded is the one of a label, or nil.
func (b *Board) recorded(label string) *record {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.records[label]
}

// Pick chooses one of the offers that is none of tried, and counts the request in. Every Lease must be ended with Done,
// once. When none can take the request now, the error is a *Busy, at once or after a wait for those that are only paced
// or about to be probed; when ctx ends during that wait, it is ctx's.
//
// Where providers have as many requests as they take, those who wait are served in the order in which they joined. A
// request that goes back there because a provider refused it for having too many has its old place.
func (b *Board) Pick(ctx context.Context, t *Turn, offers, tried []*Offer) (*Lease, error) {
	lease, busy := b.pick(t, nil, offers, tried)
	if lease != nil {
		return lease, nil
	}
	if !b.MayWait(t) || !busy.soon {
		return nil, busy.err()
	}
	return b.wait(ctx, t, offers, tried)
}

// candidate is an offer that could take a request now.
type candidate struct {
	offer  *Offer
	record *record
}

// refused is why nobody could take a request.
type refused struct {
	Busy
	soon bool      // somebody is only paced, or was down for so short that he may be back
	full bool      // and it is the end of a request that he waits for
	look time.Time // when one of them may have changed, if no request ends before
}

// err is a copy, so that what is no error needs no memory of its own.
func (r refused) err() error {
	e := r.Busy
	return &e
}

// pick chooses once. w: nil, it is the first try of a Pick, so those that are held back are counted.
func (b *Board) pick(t *Turn, w *waiter, offers, tried []*Offer) (*Lease, refused) {
	var room [16]candidate
	for first := w == nil; ; first = false {
		now := time.Now()
		can := room[:0]
		out := refused{Busy: Busy{RetryAfter: time.Second, Cause: Down}, look: now.Add(fullRetry)}
		for _, o := range offers {
			if slices.Contains(tried, o) {
				continue
			}
			r := b.record(o.Label)
			h := r.heldFor(o, t, w, now)
			if h.cause == "" {
				can = append(can, candidate{o, r})
				continue
			}
			if first {
				r.countHeld(h.cause)
			}
			out.soon = out.soon || h.cause == Paced || (h.cause == Down && h.until.Sub(now) <= downWait)
			out.full = out.full || h.full
			if h.look.IsZero() {
				h.look = h.until
			}
			out.look = earlier(out.look, h.look)
			if wait := max(h.until.Sub(now), time.Millisecond); out.Offer == nil || wait < out.RetryAfter {
				out.Busy = Busy{RetryAfter: wait, Cause: h.cause, Offer: o, Why: h.why}
			}
		}
		if len(can) == 0 {
			return nil, out
		}
		c := b.choose(can, now)
		if lease, ok := c.record.take(b, c.offer, t, w, now); ok {
			return lease, refused{}
		} // else somebody was quicker: look again
	}
}

// Cause is why an offer takes no request now. It is a bounded set.
type Cause string

// The causes.
const (
	Down   Cause = "down"   // it failed again and again; it is retried periodically
	Paced  Cause = "paced"  // its limits on requests are used up
	Paused Cause = "paused" // it has told us to wait, or refused for a reason that takes time to fix
)

// Busy is the error of Pick when no offer can take the request now.
type Busy struct { //nolint:errname // read as route.Busy
	RetryAfter time.Duration // until the first of them may be able to
	Cause      Cause         // of that one
	Offer      *Offer        // that one; nil when all were tried already
	Why        string        // what it is paused for, as Because said; or empty
}

func (e *Busy) Error() string { return "no provider can take the request now: " + string(e.Cause) }

// Result is how an attempt ended.
type Result uint8

// The results.
const (
	Succeeded   Result = iota // it answered, whatever the caller made of it
	Neutral                   // nothing can be said about the offer: the caller's own fault, or he left
	Failed                    // it could not be reached, broke off before its answer, or had an error of its own
	Limited                   // it has enough to do: 429 and the like
	Refused                   // for a reason of ours that takes time to fix: funds, token, ban
	Unsupported               // it does not know the model that it offers: not asked again for that for an hour
	Crowded                   // it has as many requests at a time as it takes; this one may wait for its turn
)

// Allowance is what a provider's rate-limit headers say of requests. Limit 0: they say nothing.
type Allowance struct {
	Limit, Remaining uint64
	Reset            time.Duration
}

// Lease is one attempt at an offer, from the moment it was chosen. But for CallerLeft it belongs to one goroutine.
type Lease struct {
	Offer *Offer

	board     *Board
	record    *record
	turn      *Turn
	began     time.Time
	era       uint64 // of the record's circuit
	probe     bool   // it shows whether a provider that is down is back
	trial     bool   // it shows whether a provider takes one more at a time
	told      int    // how many at a time its provider says that it takes
	firstByte time.Duration
	reason    string
	done      bool
}

// FirstByte notes how long the offer took to its first byte. It counts when the attempt succeeds: how quickly a request
// is refused says nothing.
func (l *Lease) FirstByte(d time.Duration) {
	if l.firstByte = d; l.probe || l.trial {
		l.record.answers(l)
	}
}

// CallerLeft notes that nobody waits for the answer any more. What it shows is still learned from, but nobody is kept
// out until then. It may be called at any time, from any goroutine.
func (l *Lease) CallerLeft() {
	if l.record == nil || !l.probe {
		return
	}
	l.record.mu.Lock()
	defer l.record.mu.Unlock()
	l.record.release(l)
	l.record.call(time.Now())
}

// Told notes how many requests at a time a provider says that it takes, where it refused one as too many.
func (l *Lease) Told(limit int) { l.told = limit }

// Allowance notes what rate-limit headers of an answer say is left, and when the limit is full again.
func (l *Lease) Allowance(a Allowance) {
	if l.record != nil && a.Limit > 0 {
		l.record.allow(a, time.Now())
	}
}

// Because notes what an attempt is about to be Refused for, in a word that Busy hands back while the offer is left
// alone: who asks then met no refusal that could tell.
func (l *Lease) Because(why string) { l.reason = why }

// Done ends the attempt. wait is how long the provider wants to be left alone; 0: it did not say.
func (l *Lease) Done(result Result, wait time.Duration) {
	if l.done || l.record == nil {
		return
	}
	l.done = true
	now := time.Now()
	if result == Crowded { // the request has been waiting all that time
		l.turn.waited += now.Sub(l.began)
	}
	l.record.end(l, result, wait, now)
}

// Verdict notes what the signature of an answer showed.
func (b *Board) Verdict(p common.Address, v zg.Verdict) {
	r := b.record(p.Hex())
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.verdicts == nil {
		r.verdicts = map[zg.Verdict]uint64{}
	}
	r.verdicts[v]++
	r.doubt = doubt(r.verdicts)
}

// doubt is the share of answers that were signed for but not shown to be so, among those that were judged: 0 to 1.
func doubt(verdicts map[zg.Verdict]uint64) float64 {
	var bad, all uint64
	for v, n := range verdicts {
		switch v {
		case zg.VerdictPending, zg.VerdictNotSigned:
			continue
		case zg.VerdictInvalid, zg.VerdictReplayed, zg.VerdictUnavailable:
			bad += n
		case zg.VerdictVerified, zg.VerdictResponse, zg.VerdictSignerOnly:
		}
		all += n
	}
	if all == 0 {
		return 0
	}
	return float64(bad) / float64(all)
}
