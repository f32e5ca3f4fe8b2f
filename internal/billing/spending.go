package billing

import (
	"slices"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// quarter is the grain of the record of spending by time, in µs.
const quarter = int64(15 * time.Minute / time.Microsecond)

const (
	day  = int64(24 * time.Hour / time.Microsecond)
	hour = int64(time.Hour / time.Microsecond)
)

// quarterOf is the beginning of the quarter of an hour that a moment falls into.
func quarterOf(us int64) int64 {
	q := us - us%quarter
	if q > us { // before 1970
		q -= quarter
	}
	return q
}

// spentIn is what was spent in one quarter of an hour.
type spentIn struct {
	quarter int64
	amount  zg.Neuron
}

// window is what was spent in the last 24 hours, by quarters, oldest first. A quarter counts until the whole of it is
// older than that, so that any 24 hours are covered whole: at most a quarter of an hour too much is counted, and never
// too little.
type window struct {
	quarters []spentIn
	sum      zg.Neuron
}

// add counts an amount. The quarter is usually the newest.
func (w *window) add(q int64, amount zg.Neuron) {
	i, found := slices.BinarySearchFunc(w.quarters, q, func(s spentIn, q int64) int { return int(min(max(s.quarter-q, -1), 1)) })
	if !found {
		w.quarters = slices.Insert(w.quarters, i, spentIn{quarter: q})
	}
	w.quarters[i].amount = w.quarters[i].amount.Add(amount)
	w.sum = w.sum.Add(amount)
}

// forget drops what is older than 24 hours at a moment, given as µs.
func (w *window) forget(now int64) {
	n := 0
	for n < len(w.quarters) && w.quarters[n].quarter+quarter <= now-day {
		n++
	}
	if n == 0 {
		return
	}
	w.quarters = slices.Delete(w.quarters, 0, n)
	w.sum = w.since(0) // rather than subtracted: a sum may have been saturated
}

// since is what was spent in the quarters that end after a moment.
func (w *window) since(us int64) zg.Neuron {
	var sum zg.Neuron
	for _, s := range w.quarters {
		if s.quarter+quarter > us {
			sum = sum.Add(s.amount)
		}
	}
	return sum
}

// room is when so much of what was spent will no longer count, in µs since 1970; 0 if there is not so much.
func (w *window) room(need zg.Neuron) int64 {
	var gone zg.Neuron
	for _, s := range w.quarters {
		if gone = gone.Add(s.amount); !gone.Less(need) {
			return s.quarter + quarter + day
		}
	}
	return 0
}
