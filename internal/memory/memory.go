// Package memory is the one budget in bytes for everything that is held whole: requests and their bodies, answers that
// are withheld, uploads that can be sent again, and what checking a signature needs besides. It counts what it is told;
// it allocates nothing, starts nothing, and nothing is durable.
//
// Who would hold more than there is room for waits a little and is refused then, before anything is spent for it. What
// has been paid for may use room that new requests may not, so that nobody's answer is lost to somebody else's request.
package memory

import (
	"context"
	"errors"
	"sync"
)

// Why there is no room.
var (
	ErrFull     = errors.New("too much is held in memory")
	ErrTooLarge = errors.New("more than may ever be held in memory")
)

// Share says how far the budget may be filled for something, in eighths.
type Share int64

const (
	// Bodies are whatever callers send and can send again. A flood of them leaves room for small requests.
	Bodies Share = 5
	// Calls are requests themselves, with what each of them needs whatever its size.
	Calls Share = 7
	// Paid is for what has been paid for: answers, and checking them.
	Paid Share = 8
)

// Budget is how much may be held at a time. It may be used by anybody; its lock is never held while somebody waits.
type Budget struct {
	most int64

	mu    sync.Mutex
	used  int64
	peak  int64
	freed chan struct{} // closed when something is given back; nil: nobody waits for that
}

// New builds a budget of so many bytes.
func New(most int64) *Budget { return &Budget{most: most} }

// Most is how much may be held for a share at a time.
func (b *Budget) Most(s Share) int64 { return b.most / int64(Paid) * int64(s) }

// Used is how much is held now, and how much was at most.
func (b *Budget) Used() (now, peak int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used, b.peak
}

// TryTake takes n bytes if there is room for them now.
func (b *Budget) TryTake(n int64, s Share) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.takeLocked(n, s)
}

func (b *Budget) takeLocked(n int64, s Share) bool {
	if n > b.Most(s)-b.used {
		return false
	}
	b.used += n
	b.peak = max(b.peak, b.used)
	return true
}

// Take takes n bytes, and waits for room until ctx ends. The error is ErrFull, or ErrTooLarge at once where there can
// never be room.
func (b *Budget) Take(ctx context.Context, n int64, s Share) error {
	if n > b.Most(s) {
		return ErrTooLarge
	}
	for {
		b.mu.Lock()
		if b.takeLocked(n, s) {
			b.mu.Unlock()
			return nil
		}
		if b.freed == nil {
			b.freed = make(chan struct{})
		}
		freed := b.freed
		b.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return ErrFull
		}
	}
}

// Keep counts n bytes that somebody else has counted so far and that stay: there need be no room for them.
func (b *Budget) Keep(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += n
	b.peak = max(b.peak, b.used)
}

// Give gives n bytes back.
func (b *Budget) Give(n int64) {
	if n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	if b.freed != nil {
		close(b.freed)
		b.freed = nil
	}
}
