package route

import (
	"math"
	"sync"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	halfLife    = time.Minute // after so long a measurement counts half
	fewestFails = 3           // in a row, until a provider counts as down
	firstProbe  = 250 * time.Millisecond
	lastProbe   = 10 * time.Second
	// A probe that has no first byte after the time until the next one, and after this, no longer keeps that one out.
	leastProbe = time.Second
	// Where all are down, a request waits for the next probe that is no further away than this: a provider that was
	// started again is back by then, and one that stays away is not waited for any more after the first few probes.
	downWait    = 2 * time.Second
	firstPause  = time.Second
	lastPause   = 30 * time.Second
	longRefusal = 30 * time.Second
	longestWait = time.Hour // a ban's length; no word of a provider keeps it out for longer
	burst       = 5         // requests at once, within a limit per minute
)

// record is what is known of one provider or endpoint. Its lock is held for a few reads and writes only.
type record struct {
	label string

	mu       sync.Mutex
	inFlight int
	picks    uint64
	held3    [3]uint64 // how often it was held back, in the order of causes
	met      bool      // an attempt has ended that said something

	speed   average // seconds to the first byte
	success average // 1 and 0
	stay    average // seconds that a request is under way

	verdicts map[zg.Verdict]uint64
	doubt    float64

	fails   int    // in a row
	open    bool   // it is down
	era     uint64 // counts the times it went down or came back: what began before says nothing of now
	due     time.Time
	backoff time.Duration // until the next probe
	probing *Lease        // that keeps the next one out
	probeBy time.Time     // until then

	pausedUntil time.Time
	refused     bool   // it is paused because it refused us, not because it has enough to do
	reason      string // what it refused us for, in a word of the caller's of Because; or empty
	pause       time.Duration

	tokens     float64 // requests that its limit leaves, as of filled
	filled     time.Time
	emptyUntil time.Time

	limit
	line []*waiter // who waits for room, first come first

	missing map[string]time.Time // models that it turned out not to know → until when they are not asked for
}

// hold is why a record takes no request, and until when. No cause: it does.
type hold struct {
	cause Cause
	until time.Time
	look  time.Time // when to look again; zero: at until
	full  bool      // it may be over sooner: when another request ends
	queue bool      // those who wait for it do so in line
	model bool      // it is about this model only
	why   string    // it is paused for, where that is known
}

// newcomer is the place of a request that comes after all that wait.
const newcomer = math.MaxUint64

// held says whether a new request for an offer would be held back.
func (r *record) held(o *Offer, now time.Time) hold {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.holds(o, now, newcomer)
}

// holds says under the lock whether a request with a place in the line is held back.
func (r *record) holds(o *Offer, now time.Time, seq uint64) hold {
	ahead := r.ahead(seq)
	if until, ok := r.missing[o.Model]; ok && now.Before(until) {
		return hold{cause: Paused, until: until, model: true}
	}
	switch {
	case now.Before(r.pausedUntil):
		return hold{cause: Paused, until: r.pausedUntil, why: r.reason}
	case r.open && r.probing != nil && now.Before(r.probeBy):
		return hold{cause: Down, until: earlier(r.probeBy, now.Add(r.backoff)), full: true, queue: true}
	case r.open && now.Before(r.due):
		return hold{cause: Down, until: r.due}
	case now.Before(r.until):
		h := hold{cause: Paced, until: r.until, queue: true}
		if ahead > 0 { // the first of them watches the clock
			h.look = now.Add(fullRetry)
		}
		return h
	case !r.room(ahead, now):
		return hold{cause: Paced, until: now.Add(r.expected(ahead)), look: r.look(ahead, now), full: true, queue: true}
	case now.Before(r.emptyUntil):
		return hold{cause: Paced, until: r.emptyUntil}
	}
	if limit := o.Limits.RequestsPerMinute; limit > 0 {
		if left := r.left(limit, now); left < whole {
			return hold{cause: Paced, until: now.Add(time.Duration((1 - left) / float64(limit) * float64(time.Minute)))}
		}
	}
	return hold{}
}

// left is how many requests a limit per minute leaves now.
func (r *record) left(limit uint64, now time.Time) float64 {
	most := float64(min(burst, limit))
	if r.filled.IsZero() {
		return most
	}
	return min(most, r.tokens+now.Sub(r.filled).Minutes()*float64(limit))
}

// whole is what counts as one request's worth: the wait for it may have been rounded down.
const whole = 1 - 1e-6

// take counts a request in, unless it has to be held back meanwhile.
func (r *record) take(b *Board, o *Offer, t *Turn, w *waiter, now time.Time) (*Lease, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.holds(o, now, t.seq).cause != "" {
		return nil, false
	}
	if limit := o.Limits.RequestsPerMinute; limit > 0 {
		r.tokens, r.filled = max(0, r.left(limit, now)-1), now
	}
	l := &Lease{Offer: o, board: b, record: r, turn: t, began: now, era: r.era, probe: r.open}
	switch {
	case r.open:
		if r.probing != nil { // without a first byte for too long, which is as good as a failure
			r.backoff = min(2*r.backoff, lastProbe)
		}
		r.probing, r.probeBy = l, now.Add(max(leastProbe, min(2*r.backoff, lastProbe)))
	case r.most > 0 && r.inFlight >= r.most:
		l.trial, r.trial, r.since = true, l, now
	}
	r.inFlight++
	r.picks++
	if w != nil {
		r.strike(w)
	}
	return l, true
}

// allow takes over what a provider says is left. It says so as of before the request that it answers.
func (r *record) allow(a Allowance, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.Remaining == 0 {
		wait := a.Reset
		if wait <= 0 {
			wait = time.Minute / time.Duration(min(a.Limit, uint64(time.Minute)))
		}
		r.tokens, r.filled, r.emptyUntil = 0, now, now.Add(min(wait, longestWait))
		return
	}
	if !r.filled.IsZero() {
		r.tokens = min(r.tokens, float64(a.Remaining-1))
	}
}

// end counts a request out and learns from how it went.
func (r *record) end(l *Lease, result Result, wait time.Duration, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.call(now)
	atOnce := r.inFlight
	r.inFlight--
	r.release(l) // and it stays down and due where nothing was learned
	if r.trial == l && (result == Neutral || result == Failed) {
		r.trial = nil // the next one shows it
	}
	if result == Neutral {
		return
	}
	r.met = true
	probe := r.open && l.probe && l.era == r.era
	if result == Failed {
		r.failed(l, probe, now)
		return
	}
	// It is there and answers, which is all that matters for being down.
	if probe {
		r.open, r.backoff, r.era = false, 0, r.era+1
	}
	if !r.open {
		r.fails = 0
	}
	paused := now.Before(r.pausedUntil)
	switch result {
	case Succeeded:
		r.success.add(1, now)
		if l.firstByte > 0 {
			r.speed.add(l.firstByte.Seconds(), now)
		}
		r.stay.add(now.Sub(l.began).Seconds(), now)
		if !paused {
			r.pause = 0
		}
		if r.trial == l {
			r.takesOn()
		}
		if l.began.After(r.crowded) {
			r.crowds = 0
		}
		r.grace -= r.grace / 64
		r.counted(now)
	case Crowded:
		r.refusesOneMore(l, l.told, atOnce, now)
		if wait > 0 {
			r.notBefore(now.Add(min(wait, longestWait)))
		}
	case Limited:
		if r.trial == l {
			r.trial = nil
		}
		if wait <= 0 {
			if !paused { // else it is one of several that were sent before the first refusal came
				r.pause = min(max(2*r.pause, firstPause), lastPause)
			}
			wait = r.pause
		}
		r.leave(wait, false, "", now)
	case Refused:
		if wait <= 0 {
			wait = longRefusal
		}
		r.leave(wait, true, l.reason, now)
	case Unsupported:
		if r.missing == nil {
			r.missing = map[string]time.Time{}
		}
		r.missing[l.Offer.Model] = now.Add(longestWait)
	case Failed, Neutral:
	}
}

// failed notes that an attempt failed. Three in a row and it is down; then it is probed, ever more rarely.
func (r *record) failed(l *Lease, probe bool, now time.Time) {
	r.success.add(0, now)
	switch {
	case probe:
		r.fails++
		r.backoff = min(2*r.backoff, lastProbe)
	case r.open || l.era != r.era:
		return // it began before
	default:
		if r.fails++; r.fails < fewestFails {
			return
		}
		r.open, r.backoff, r.era = true, firstProbe, r.era+1
	}
	r.due = now.Add(r.backoff)
}

// answers notes that a probe, or a try at one more at a time, has got its first byte. How it ends may take long to
// tell, so it no longer keeps the next one out.
func (r *record) answers(l *Lease) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.release(l)
	if r.trial == l {
		r.takesOn()
	}
	r.call(time.Now())
}

// release has a probe keep nobody out any more.
func (r *record) release(l *Lease) {
	if r.probing == l {
		r.probing = nil
	}
}

// leave leaves it alone for a while.
func (r *record) leave(wait time.Duration, refused bool, reason string, now time.Time) {
	if until := now.Add(min(wait, longestWait)); until.After(r.pausedUntil) {
		r.pausedUntil, r.refused, r.reason = until, refused, reason
	}
}

func (r *record) countHeld(c Cause) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, cause := range causes {
		if c == cause {
			r.held3[i]++
		}
	}
}

var causes = [3]Cause{Down, Paced, Paused}

// view is what a choice depends on.
type view struct {
	speed, success, doubt float64 // seconds; shares
	inFlight              int
}

func (r *record) view(now time.Time) view {
	r.mu.Lock()
	defer r.mu.Unlock()
	return view{
		// Nothing is as quick as what has not been tried for long, so it is tried.
		speed: r.speed.value(0, .25, now), success: r.success.value(1, 2, now), doubt: r.doubt, inFlight: r.inFlight,
	}
}

// average is a mean in which what is old counts for less, and that leans towards a prior the more the less there is.
type average struct {
	sum, weight float64
	at          time.Time
}

// mostWeight makes a new measurement count for at least a tenth.
const mostWeight = 10

func (a *average) add(x float64, now time.Time) {
	keep := a.decay(now)
	if a.weight*keep > mostWeight-1 {
		keep = (mostWeight - 1) / a.weight
	}
	a.sum, a.weight, a.at = a.sum*keep+x, a.weight*keep+1, now
}

func (a *average) value(prior, weight float64, now time.Time) float64 {
	keep := a.decay(now)
	return (a.sum*keep + prior*weight) / (a.weight*keep + weight)
}

// mean is that of what was measured, or 0.
func (a *average) mean() float64 {
	if a.weight == 0 {
		return 0
	}
	return a.sum / a.weight
}

func (a *average) decay(now time.Time) float64 {
	since := now.Sub(a.at)
	if a.weight == 0 || since <= 0 {
		return 1
	}
	return math.Exp2(-float64(since) / float64(halfLife))
}
