package attest

import (
	"context"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

const (
	signerTimeout = 3 * time.Second // of one reading of the chain
	signerGap     = 2 * time.Second // between two readings about one provider
	signerTries   = 3               // readings that may fail before it stays unknown whose signature it is
)

// signers asks the chain whose signature counts. An older reading may show that a signer is the provider's, but only
// one that was begun after the question shows that it is not. Readings about one provider are shared and kept apart.
type signers struct {
	read func(ctx context.Context, provider common.Address) (common.Address, error)

	mu sync.Mutex
	of map[common.Address]*readings
}

type readings struct {
	last *reading // begun, maybe not ended
	next *reading // waits for its time, and whoever comes waits with it
}

// reading is one answer of the chain. All but begun is to be read after done is closed.
type reading struct {
	begun  time.Time
	done   chan struct{}
	signer common.Address
	err    error
}

// names reports whether a reading has ended and names a signer.
func (r *reading) names(signer common.Address) bool {
	select {
	case <-r.done:
		return r.err == nil && r.signer == signer
	default:
		return false
	}
}

// current returns the signer that the chain names for a provider, from an older reading only if that is the supposed
// one.
func (s *signers) current(ctx context.Context, provider, supposed common.Address) (common.Address, error) {
	s.mu.Lock()
	rs := s.of[provider]
	if rs == nil {
		rs = &readings{}
		s.of[provider] = rs
	}
	var pause time.Duration
	if last := rs.last; last != nil {
		pause = signerGap - time.Since(last.begun)
		if pause > 0 && last.names(supposed) {
			s.mu.Unlock()
			return supposed, nil
		}
	}
	r := rs.next
	first := r == nil
	if first {
		r = &reading{done: make(chan struct{})}
		rs.next = r
	}
	s.mu.Unlock()
	if first {
		s.perform(ctx, provider, rs, r, pause)
	}
	select {
	case <-r.done:
		return r.signer, r.err
	case <-ctx.Done():
		return common.Address{}, ctx.Err()
	}
}

// perform waits until a reading may begin, and reads.
func (s *signers) perform(ctx context.Context, provider common.Address, rs *readings, r *reading, pause time.Duration) {
	defer close(r.done)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	s.mu.Lock()
	r.begun = time.Now()
	rs.last, rs.next = r, nil
	s.mu.Unlock()
	if r.err = ctx.Err(); r.err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, signerTimeout)
	defer cancel()
	r.signer, r.err = s.read(ctx, provider)
}
