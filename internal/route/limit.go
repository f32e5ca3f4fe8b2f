package route

import (
	"math/rand/v2"
	"time"
)

const (
	highestCap = 64 // requests at a time; from here on there is no limit
	fullRetry  = time.Second
	// What a provider refused although there should have been room is tried again so soon, then ever later. It counts a
	// request as under way for a moment after its answer has ended, and others may use the same limit.
	firstCrowd = 20 * time.Millisecond
	lastCrowd  = time.Second
	// So many such refusals in a row and there is no such room any more.
	crowdedOften = 3
	// A try at one more request at a time is over when it was not refused for so long: a provider refuses at once, and
	// what it has taken on may run for minutes.
	trialPatience = 500 * time.Millisecond
	// Tries at one more begin a request's time after the last refusal; the wait doubles so often while they are refused.
	lonelyShift, sharedShift = 3, 0
	leastStay                = 50 * time.Millisecond
	// Between the end of a request and the next one in its place there is a time that is learned: none, until the provider
	// refuses such a next one.
	leastGrace = 5 * time.Millisecond
	mostGrace  = 200 * time.Millisecond
	mostStay   = 1250 * time.Millisecond
)

// limit is how many requests at a time a provider takes, as far as its refusals and their absence tell. A wrong guess
// costs no caller anything: what is refused waits in its old place.
type limit struct {
	most    int // requests at a time; 0: not known
	trial   *Lease
	since   time.Time // of the trial
	trialAt time.Time // when one more than most may be tried
	shift   int       // refused trials in a row, within limits

	learned time.Time // when it was first known that there is a limit
	moved   time.Time // when it turned out to be another one
	crowds  int       // refusals in a row where there should have been room
	crowded time.Time // the last refusal
	until   time.Time // no request before
	ended   time.Time // the last request that was answered
	grace   time.Duration
}

// room says whether one more request, with so many before it, finds room now.
func (r *record) room(ahead int, now time.Time) bool {
	if r.most == 0 {
		return true
	}
	if r.trial != nil && now.Sub(r.since) >= trialPatience {
		r.takesOn()
	}
	return r.most == 0 || r.inFlight+ahead < r.most || r.triable(ahead, now)
}

// triable says whether the next request may be one more than it is known to take.
func (r *record) triable(ahead int, now time.Time) bool {
	return ahead == 0 && r.trial == nil && r.inFlight == r.most && !now.Before(r.trialAt)
}

// look is when the first in line finds out more, if nothing happens before.
func (r *record) look(ahead int, now time.Time) time.Time {
	later := now.Add(fullRetry)
	switch {
	case ahead > 0:
		return later
	case r.trial != nil:
		return earlier(later, r.since.Add(trialPatience))
	case r.trialAt.After(now):
		return earlier(later, r.trialAt)
	}
	return later
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// expected is about how long it takes until one with so many before it gets its turn.
func (r *record) expected(ahead int) time.Duration {
	stay := r.stay.mean()
	if r.most == 0 || stay == 0 {
		return fullRetry
	}
	return min(longestWait, time.Duration(stay*float64(ahead+1)/float64(r.most)*float64(time.Second)))
}

// takesOn notes that the provider takes one more request at a time than was known. What was true once may be again, so
// the next one may be tried at once.
func (r *record) takesOn() {
	r.trial, r.shift, r.trialAt, r.moved = nil, 0, time.Time{}, time.Now()
	if r.most++; r.most > highestCap {
		r.most = 0
	}
}

// refusesOneMore learns from a refusal of a request that was one of several. told: the limit that the refusal names, or
// 0.
func (r *record) refusesOneMore(l *Lease, told, atOnce int, now time.Time) {
	n := atOnce - 1 // that it has taken on
	if told > 0 {
		n = min(n, told)
	}
	again := l.began.After(r.crowded) // not one of several that were sent before the last refusal came
	first := r.most == 0
	switch {
	case r.trial == l: // no news
		r.trial, r.shift, n = nil, min(r.shift+1, r.mostShift(now)), max(n, 1)
	case first || atOnce > r.most || !l.began.After(r.learned):
		r.narrow(n)
		r.crowds = 0
	default:
		if again {
			r.crowds = min(r.crowds+1, 16)
			r.slower(l)
		}
		if r.crowds >= crowdedOften {
			r.narrow(n) // it is not only that it was slow to count one out
			r.moved, r.shift = now, 0
		}
		n = 0
	}
	if first {
		r.learned = now
	}
	r.trialAt = now.Add(r.unit() << r.shift)
	if n == 0 {
		r.notBefore(now.Add(jitter(min(firstCrowd<<max(0, r.crowds-1), lastCrowd))))
	}
	r.crowded = now
}

// mostShift is smaller for a provider whose room was another one lately: others use it, too, and will come and go
// again.
func (r *record) mostShift(now time.Time) int {
	if now.Sub(r.moved) < halfLife {
		return sharedShift
	}
	return lonelyShift
}

// slower notes that it did not take a request in the place of one that had ended just before.
func (r *record) slower(l *Lease) {
	if !r.ended.IsZero() && l.began.Sub(r.ended) < mostGrace {
		r.grace = min(max(2*r.grace, leastGrace), mostGrace, time.Duration(r.stay.mean()/8*float64(time.Second)))
	}
}

// counted notes that a request has ended, whose place is taken when the provider has probably counted it out.
func (r *record) counted(now time.Time) {
	if r.ended = now; r.most > 0 && r.grace > 0 {
		r.notBefore(now.Add(r.grace))
	}
}

func (r *record) notBefore(t time.Time) {
	if t.After(r.until) {
		r.until = t
	}
}

func (r *record) narrow(n int) {
	if n = max(n, 1); r.most == 0 || n < r.most {
		r.most, r.trial = n, nil
	}
}

// unit is the time that a request takes, within limits.
func (r *record) unit() time.Duration {
	stay := time.Duration(r.stay.mean() * float64(time.Second))
	if stay == 0 {
		return time.Second
	}
	return min(max(stay, leastStay), mostStay)
}

// jitter is between half of a wait and all of it, so that several wallets do not come back together.
func jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(rand.Int64N(int64(d/2)+1))
}
