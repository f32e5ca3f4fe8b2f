package billing

import (
	"maps"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Sum is what the book knows of one provider.
type Sum struct {
	Fees     zg.Neuron // of every request that is no longer open, since the store began
	Requests uint64    // how many those are
	Held     zg.Neuron // upper bounds of the open ones
	Open     int       // how many those are
}

// Book is the sum of the store, in memory. It equals a fold over the store's rows whenever nothing is queued. It does
// no I/O, and its lock is never held across any.
//
// Its clock never goes back: what is recorded while the system's clock stands before a time already seen counts as
// recorded at that time. So a clock that is set back cannot empty the window of the last 24 hours; one that is set
// forward makes it forget only what is older than 24 hours by that clock.
type Book struct {
	mu      sync.Mutex
	sums    map[common.Address]Sum
	all     Sum // of all providers
	days    map[common.Address]*window
	allDays window
	clock   int64                 // latest time seen, µs since 1970
	refused map[limitOf]zg.Neuron // the largest bound that a limit has turned away, until there is room for it
}

// limitOf is one limit; for those of all providers together the provider is zero.
type limitOf struct {
	limit    Limit
	provider common.Address
}

func newBook() *Book {
	return &Book{sums: make(map[common.Address]Sum), days: make(map[common.Address]*window), refused: make(map[limitOf]zg.Neuron)}
}

// Provider returns the sums of one provider; all zero if there never was a request.
func (b *Book) Provider(p common.Address) Sum {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sums[p]
}

// All returns a copy of all sums, by provider.
func (b *Book) All() map[common.Address]Sum {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.sums)
}

// Spent is what was recorded so far, in total and in the last 24 hours, for all providers and for one. What is held for
// requests under way is not in it.
func (b *Book) Spent(p common.Address, now time.Time) Spent {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tick(now)
	return b.spent(p)
}

// Burn is what was recorded for a provider in the last hour. It covers between 60 and 75 minutes, so a runway that is
// computed from it is rather too short.
func (b *Book) Burn(p common.Address, now time.Time) zg.Neuron {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tick(now)
	return b.day(p).since(b.clock - hour)
}

// tick moves the book's clock on and returns it.
func (b *Book) tick(now time.Time) int64 {
	b.clock = max(b.clock, micros(now))
	return b.clock
}

func (b *Book) spent(p common.Address) Spent {
	b.allDays.forget(b.clock)
	return Spent{Total: b.all.Fees, ProviderTotal: b.sums[p].Fees, Day: b.allDays.sum, ProviderDay: b.day(p).sum}
}

// day is the window of a provider as of now.
func (b *Book) day(p common.Address) *window {
	w := b.days[p]
	if w == nil {
		w = new(window)
		b.days[p] = w
	}
	w.forget(b.clock)
	return w
}

func (b *Book) change(p common.Address, f func(*Sum)) {
	s := b.sums[p]
	f(&s)
	b.sums[p] = s
	f(&b.all)
}

// admit counts a request at its bound where every limit has room for it beside what is recorded and held, in one step:
// so no two requests are let in on the same room. Otherwise it holds nothing and says what is short.
func (b *Book) admit(p common.Address, bound zg.Neuron, now time.Time, fees *Budget) *shortage {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tick(now)
	b.settleRefused(fees)
	if short := b.short(p, bound, fees); short != nil {
		return short
	}
	b.hold(p, bound)
	return nil
}

// extend holds more for a request that is admitted already, where every limit has room for all of it. Otherwise what
// was held for it stays, and what is short is said of the whole.
func (b *Book) extend(p common.Address, from, to zg.Neuron, now time.Time, fees *Budget) *shortage {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tick(now)
	b.settleRefused(fees)
	b.change(p, func(s *Sum) { s.Held = s.Held.Sub(from) })
	short := b.short(p, to, fees)
	if short != nil {
		to = from
	}
	b.change(p, func(s *Sum) { s.Held = s.Held.Add(to) })
	return short
}

// shrink undoes an extension whose record could not be written.
func (b *Book) shrink(p common.Address, from, to zg.Neuron) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.change(p, func(s *Sum) { s.Held = s.Held.Sub(from).Add(to) })
}

// short finds the limit that has no room: of several the one that is waited for the longest.
func (b *Book) short(p common.Address, bound zg.Neuron, fees *Budget) *shortage {
	var worst *shortage
	spent := b.spent(p)
	for _, l := range limits {
		c := fees.Cap(l, p)
		most, set := c.Limit()
		if !set {
			continue
		}
		r := b.reached(l, p, most, spent.of(l))
		if !most.Less(r.Spent.Add(r.Held).Add(bound)) {
			continue
		}
		s := &shortage{BudgetReached: r, bound: bound, wait: b.wait(&r, bound, p)}
		if worst == nil || (worst.wait > 0 && (s.wait == 0 || s.wait > worst.wait)) {
			worst = s
		}
	}
	if worst != nil && !worst.Cap.Less(bound) { // else the request is too large for the budget at any time
		key := limitOf{worst.Limit, worst.Provider}
		before, known := b.refused[key]
		worst.first = !known
		b.refused[key] = before.Max(bound)
	}
	return worst
}

func (b *Book) reached(l Limit, p common.Address, most, spent zg.Neuron) BudgetReached {
	r := BudgetReached{Limit: l, Variable: l.variable(), Cap: most, Spent: spent, Held: b.all.Held}
	if l.byProvider() {
		r.Provider, r.Held = p, b.sums[p].Held
	}
	return r
}

// wait is how long it takes until a limit may have room for a bound; 0: time alone brings none.
func (b *Book) wait(r *BudgetReached, bound zg.Neuron, p common.Address) time.Duration {
	if r.Cap.Less(bound) {
		return 0
	}
	if !r.Cap.Less(r.Spent.Add(bound)) {
		return fundingWait // when requests under way turn out to cost less than is held for them
	}
	if !r.Limit.byDay() {
		return 0
	}
	w := &b.allDays
	if r.Limit.byProvider() {
		w = b.day(p)
	}
	at := w.room(r.Spent.Add(r.Held).Add(bound).Sub(r.Cap))
	if at == 0 { // even with the window empty: what is held has to end as well
		at = w.room(r.Spent.Add(bound).Sub(r.Cap))
	}
	left := time.Duration(at-b.clock) * time.Microsecond
	return min(max(left, time.Second), 24*time.Hour)
}

// settleRefused forgets refusals for which there is room by now.
func (b *Book) settleRefused(fees *Budget) {
	for key, bound := range b.refused {
		spent := b.spent(key.provider)
		c := fees.Cap(key.limit, key.provider)
		r := b.reached(key.limit, key.provider, zg.Neuron{}, spent.of(key.limit))
		if !c.Left(r.Spent.Add(r.Held)).Less(bound) {
			delete(b.refused, key)
		}
	}
}

// budgetState is a limit that is set, and whether it lets no more.
type budgetState struct {
	BudgetReached
	full bool
}

// budgets lists every limit that is set, for all providers of the book and those the budget names.
func (b *Book) budgets(fees *Budget, now time.Time) (out []budgetState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tick(now)
	b.settleRefused(fees)
	providers := make(map[common.Address]bool)
	for p := range b.sums {
		providers[p] = true
	}
	for _, caps := range []ProviderCaps{fees.ProviderDay, fees.ProviderTotal} {
		for p := range caps.Except {
			providers[p] = true
		}
	}
	tell := func(l Limit, p common.Address) {
		most, set := fees.Cap(l, p).Limit()
		if !set {
			return
		}
		spent := b.spent(p)
		r := b.reached(l, p, most, spent.of(l))
		_, refused := b.refused[limitOf{l, r.Provider}]
		out = append(out, budgetState{r, refused || !r.Spent.Less(most)})
	}
	for _, l := range limits {
		if !l.byProvider() {
			tell(l, common.Address{})
			continue
		}
		for p := range providers {
			tell(l, p)
		}
	}
	return out
}

// hold counts an admitted request at its bound.
func (b *Book) hold(p common.Address, bound zg.Neuron) {
	b.change(p, func(s *Sum) { s.Held, s.Open = s.Held.Add(bound), s.Open+1 })
}

// release forgets a hold whose record could not be written: the request was refused.
func (b *Book) release(p common.Address, bound zg.Neuron) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.change(p, func(s *Sum) { s.Held, s.Open = s.Held.Sub(bound), s.Open-1 })
}

// quarter is the quarter of an hour under which something recorded now is counted.
func (b *Book) quarter(now time.Time) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return quarterOf(b.tick(now))
}

// close turns a hold into a fee, counted under a quarter of an hour.
func (b *Book) close(p common.Address, bound, fee zg.Neuron, q int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.change(p, func(s *Sum) {
		s.Held, s.Open = s.Held.Sub(bound), s.Open-1
		s.Fees, s.Requests = s.Fees.Add(fee), s.Requests+1
	})
	b.count(p, q, fee)
}

// restore takes over what the store has of a provider that is no longer open.
func (b *Book) restore(p common.Address, fees zg.Neuron, requests uint64) {
	b.change(p, func(s *Sum) { s.Fees, s.Requests = s.Fees.Add(fees), s.Requests+requests })
}

// count adds to the windows.
func (b *Book) count(p common.Address, q int64, fee zg.Neuron) {
	b.day(p).add(q, fee)
	b.allDays.add(q, fee)
}
