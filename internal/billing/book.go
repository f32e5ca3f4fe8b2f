package billing

import (
	"maps"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Sum is what the book knows of one provider.
type Sum struct {
	Fees     zg.Neuron // of every request that is no longer open, since the store began
	Requests uint64    // how many those are
	Held     zg.Neuron // upper bounds of the open ones
	Open     int       // how many those are
	// Witnessed counts the same fees as Fees, but since this process started and none above its own upper bound: what a
	// provider may claim without our having to take its word for it.
	Witnessed zg.Neuron
}

// Book is the sum of the store, in memory. It equals a fold over the store's rows whenever nothing is queued. It does no
// I/O, and its lock is never held across any.
type Book struct {
	mu   sync.Mutex
	sums map[common.Address]Sum
}

func newBook() *Book { return &Book{sums: make(map[common.Address]Sum)} }

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

func (b *Book) change(p common.Address, f func(*Sum)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sums[p]
	f(&s)
	b.sums[p] = s
}

// hold counts an admitted request at its bound.
func (b *Book) hold(p common.Address, bound zg.Neuron) {
	b.change(p, func(s *Sum) { s.Held, s.Open = s.Held.Add(bound), s.Open+1 })
}

// release forgets a hold whose record could not be written: the request was refused.
func (b *Book) release(p common.Address, bound zg.Neuron) {
	b.change(p, func(s *Sum) { s.Held, s.Open = s.Held.Sub(bound), s.Open-1 })
}

// close turns a hold into a fee.
func (b *Book) close(p common.Address, bound, fee zg.Neuron) {
	b.change(p, func(s *Sum) {
		s.Held, s.Open = s.Held.Sub(bound), s.Open-1
		s.Fees, s.Requests = s.Fees.Add(fee), s.Requests+1
		s.Witnessed = s.Witnessed.Add(fee.Min(bound))
	})
}
