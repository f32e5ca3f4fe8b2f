package memory

import (
	"context"
	"time"
)

// Hold is what one holder has of a budget. It belongs to one goroutine at a time.
type Hold struct {
	budget *Budget
	wait   time.Duration // how long is waited for room
	n      int64
}

// NewHold begins with nothing.
func (b *Budget) NewHold(wait time.Duration) Hold { return Hold{budget: b, wait: wait} }

// Size is how much is held.
func (h *Hold) Size() int64 { return h.n }

// Take holds n bytes more, and waits a little for room.
func (h *Hold) Take(ctx context.Context, n int64, s Share) error {
	if n <= 0 {
		return nil
	}
	if !h.budget.TryTake(n, s) {
		ctx, cancel := context.WithTimeout(ctx, h.wait)
		defer cancel()
		if err := h.budget.Take(ctx, n, s); err != nil {
			return err
		}
	}
	h.n += n
	return nil
}

// Free gives everything back.
func (h *Hold) Free() {
	h.budget.Give(h.n)
	h.n = 0
}
