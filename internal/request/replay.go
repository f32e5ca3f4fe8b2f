package request

import (
	"errors"
	"io"
	"sync"
)

// errSuperseded is what a reader says that another attempt has taken the body from, or Whole one that was not recorded.
var errSuperseded = errors.New("the form is no longer read here")

// replay is what came out of the body behind its opening, as far as it may be wanted again or was not handed out yet.
type replay struct {
	mu      sync.Mutex
	limit   int
	current *attempt // nil: none has begun
	kept    []byte
	passed  bool  // something was let go: there is no other attempt
	err     error // behind kept
}

// attempt reads the body for one attempt.
type attempt struct {
	m   *Multipart
	out []byte // of the opening
	pos int    // in what is kept
}

// Keep sets how many bytes behind the fields are kept for another attempt. It is called before the first Read.
func (m *Multipart) Keep(n int) { m.replay.limit = n }

// Again gives a reader of the whole body for another attempt with the given model id. It is false when more than may be
// kept has passed. The readers before it fail from then on; where one of them is waiting for the body, what it is
// waiting for goes to the new one.
func (m *Multipart) Again(model string) (io.Reader, bool) {
	r := &m.replay
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.passed {
		return nil, false
	}
	r.current = &attempt{m: m, out: m.opening(model)}
	return r.current, true
}

// Read hands out the opening, then what is kept, then what comes.
func (a *attempt) Read(p []byte) (int, error) {
	r := &a.m.replay
	for {
		n, done, err := a.take(r, p)
		if done {
			return n, err
		}
		a.fetch(r)
	}
}

// take copies what is there; done unless the body has to be read.
func (a *attempt) take(r *replay, p []byte) (n int, done bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == nil {
		r.current = a
	}
	switch {
	case r.current != a:
		return 0, true, errSuperseded
	case len(p) == 0:
		return 0, true, nil
	case len(a.out) > 0:
		n = copy(p, a.out)
		a.out = a.out[n:]
		return n, true, nil
	case a.pos < len(r.kept):
		n = copy(p, r.kept[a.pos:])
		a.pos += n
		r.forget(a)
		return n, true, nil
	}
	return 0, r.err != nil, r.err
}

// forget lets go of what was handed out once it is more than may be kept.
func (r *replay) forget(a *attempt) {
	if !r.passed && a.pos <= r.limit {
		return
	}
	r.passed = true
	if a.pos < len(r.kept) {
		return
	}
	if a.pos = 0; cap(r.kept) > 2*readAhead {
		r.kept = nil
	}
	r.kept = r.kept[:0]
}

// fetch reads a piece of the body. While it waits, another attempt may begin: the piece is kept for whichever is the
// current one then.
func (a *attempt) fetch(r *replay) {
	m := a.m
	m.source.Lock()
	defer m.source.Unlock()
	if r.arrived(a) {
		return
	}
	piece, err := m.next()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept, r.err = append(r.kept, piece...), err
}

// arrived reports that there is no need to read for an attempt: another reader did so while it waited, or it is over.
func (r *replay) arrived(a *attempt) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current != a || a.pos < len(r.kept) || r.err != nil
}
