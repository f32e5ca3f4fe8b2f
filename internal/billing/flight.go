package billing

import (
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// settlementTime is how long a claim may still contain fees that the chain shows as taken. A provider sends its
	// settlement, waits for the receipt, which takes ten seconds and more, and only then deletes what it has taken; where
	// the chain or its database is slow it takes minutes.
	settlementTime = 5 * time.Minute
	// watchedAtMost is how long a claim may stay unexplained at every single look, however often its provider debits in
	// between. Looks happen far more often than settlements, so an honest claim fits at one of them.
	watchedAtMost = time.Hour
)

// flight is what may make a provider's claim too high for a while: the chain and the claim are read at different
// moments. It is pure: it is told what each look showed. What it excuses is never more than was debited shortly before,
// and debits that nobody witnessed fees for are drift by themselves, so it cannot be used to claim what was never
// earned.
type flight struct {
	debits []inFlight
	claim  zg.Neuron // at the last look at which the provider could be asked …
	known  bool      // … if there was one

	since time.Time // since when every claim was higher than what is explained; zero: the last one fitted
	least zg.Neuron // the lowest excess since

	lowSince time.Time // since when the provider claims less than was allowed for its claim; zero: it does not
	lowHigh  zg.Neuron // the most that it claimed or took since

	driftSince time.Time // since when there has been drift; zero: there is none
}

// inFlight is a debit that the claim may not reflect yet.
type inFlight struct {
	amount zg.Neuron
	seen   time.Time
}

// saw takes note of one look: what was taken since the one before, and the claim that was read after that.
func (f *flight) saw(taken, claim zg.Neuron, claimed bool, now time.Time) {
	if !taken.IsZero() {
		f.debits = append(f.debits, inFlight{taken, now})
	}
	kept := f.debits[:0]
	for _, d := range f.debits {
		if now.Sub(d.seen) < settlementTime {
			kept = append(kept, d)
		}
	}
	f.debits = kept
	if !claimed {
		return
	}
	if f.known {
		f.land(f.claim.Sub(claim)) // deleted, so not in the claim any more; new fees only make it look like less
	}
	f.land(f.total().Sub(claim)) // what is not claimed is not claimed wrongly
	f.claim, f.known = claim, true
}

// land takes off what the claim reflects, the oldest debits first.
func (f *flight) land(amount zg.Neuron) {
	for len(f.debits) > 0 && !amount.IsZero() {
		part := amount.Min(f.debits[0].amount)
		amount = amount.Sub(part)
		if f.debits[0].amount = f.debits[0].amount.Sub(part); f.debits[0].amount.IsZero() {
			f.debits = f.debits[1:]
		}
	}
}

// total is how much a claim may contain that was taken already.
func (f *flight) total() (sum zg.Neuron) {
	for _, d := range f.debits {
		sum = sum.Add(d.amount)
	}
	return sum
}

// watch takes note of how far the claim went beyond what is explained, apart from what is held for requests under way.
func (f *flight) watch(excess zg.Neuron, now time.Time) {
	switch {
	case excess.IsZero():
		f.since, f.least = time.Time{}, zg.Neuron{}
	case f.since.IsZero():
		f.since, f.least = now, excess
	default:
		f.least = f.least.Min(excess)
	}
}

// excuse is how much of an excess a settlement under way may explain; extra is a debit that only a balance tells of so
// far.
func (f *flight) excuse(excess, extra zg.Neuron, now time.Time) zg.Neuron {
	excused := f.total().Add(extra).Min(excess)
	if !f.since.IsZero() && now.Sub(f.since) >= watchedAtMost {
		excused = excused.Min(excess.Sub(f.least))
	}
	return excused
}

// stands is how much of an allowance for a mere claim still does. theirs is what the provider claims and has taken
// without a request to match; taken is what it took since the last look. Readings have to agree for the time of a
// settlement: a claim falls when fees are taken, too, and a node may tell of that late.
func (f *flight) stands(lent, theirs, taken zg.Neuron, now time.Time) zg.Neuron {
	level := theirs.Add(taken)
	if lent.IsZero() || !level.Less(lent) {
		f.lowSince = time.Time{}
		return lent
	}
	if f.lowSince.IsZero() {
		f.lowSince, f.lowHigh = now, level
		return lent
	}
	f.lowHigh = f.lowHigh.Max(level)
	if now.Sub(f.lowSince) < settlementTime {
		return lent
	}
	f.lowSince = time.Time{}
	return f.lowHigh
}

// drifts takes note of whether there is drift.
func (f *flight) drifts(drift zg.Neuron, now time.Time) {
	if drift.IsZero() {
		f.driftSince = time.Time{}
	} else if f.driftSince.IsZero() {
		f.driftSince = now
	}
}

// debitsSeen are a provider's debits that were seen since a moment, with those that only its balance told of.
func (s *Store) debitsSeen(p common.Address, since time.Time) (out []inFlight, err error) {
	err = s.writer.do(false, func(db *session) error {
		out = nil
		return db.query(`SELECT amount, seen_at FROM settlements WHERE provider = ? AND seen_at > ? AND undone = 0 ORDER BY seen_at`, func(row []driver.Value) error {
			var d inFlight
			at, _ := row[1].(int64)
			d.seen = time.UnixMicro(at)
			err := d.amount.Scan(row[0])
			out = append(out, d)
			return err
		}, p.Hex(), micros(since))
	})
	if err != nil {
		return nil, fmt.Errorf("read what provider %s took last: %w", p, err)
	}
	return out, nil
}

// flown brings what is known of a provider's settlements up to date with a look: before is where its account stood
// before the look's debits were counted. It takes back what was allowed for a claim that turned out not to be owed.
func (k *Keeper) flown(p common.Address, before zg.Neuron, r reading) error {
	now, a := k.cfg.Now(), k.accounts[p]
	f, taken := k.flights[p], a.debited.Sub(before)
	if f == nil {
		seen, err := k.store.debitsSeen(p, now.Add(-settlementTime))
		if err != nil {
			return err
		}
		f = &flight{debits: seen}
		k.flights[p] = f
		f.saw(zg.Neuron{}, r.claim, r.claimed, now)
	} else {
		f.saw(taken, r.claim, r.claimed, now)
	}
	if !r.claimed || !r.told {
		return nil
	}
	theirs := a.unmatched.Add(r.claim)
	if r.quiet { // then claim and book speak of the same requests, and those are not what was lent for
		theirs = theirs.Sub(a.unsettled(k.store.book.Provider(p).Fees))
	}
	if stands := f.stands(a.lent, theirs, taken, now); stands.Less(a.lent) {
		lapsed := a.lent.Sub(stands)
		if _, err := k.change(p, func(stored *account) { stored.lapse(lapsed) }); err != nil {
			return err
		}
		k.cfg.Log.Info().Str("provider", p.Hex()).Stringer("lapsed_neuron", lapsed).
			Msg("a provider stopped claiming what was allowed it and never took it; the allowance lapses")
	}
	return nil
}

// judge tells drift, which is certain or at which readings agree, from what a settlement under way may explain.
func (k *Keeper) judge(p common.Address, a account, sum Sum, claim zg.Neuron, claimed bool, pv *ProviderView) {
	f, now := k.flights[p], k.cfg.Now()
	if f == nil { // no look has counted for it yet
		f = &flight{}
	}
	extra := a.debited.Sub(k.accounts[p].debited)
	judged := func(held zg.Neuron) (drift, taken, watched zg.Neuron) {
		drift, taken = a.drift(sum.Fees, held, claim), a.drift(sum.Fees, held, zg.Neuron{})
		watched = f.excuse(drift.Sub(taken), extra, now)
		return drift.Sub(watched), taken, watched
	}
	if claimed {
		none := zg.Neuron{}
		f.watch(a.drift(sum.Fees, none, claim).Sub(a.drift(sum.Fees, none, none)), now)
	}
	pv.Drift, pv.DriftTaken, pv.Watched = judged(sum.Held)
	if !pv.Watched.IsZero() {
		pv.WatchedSince = f.since
	}
	f.drifts(pv.Drift, now)
	pv.DriftSince = f.driftSince
	pv.withoutHolds, _, _ = judged(zg.Neuron{})
}
