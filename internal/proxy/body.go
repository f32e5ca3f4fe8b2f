package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/zgproxy/zgproxy/internal/guard"
	"github.com/zgproxy/zgproxy/internal/memory"
	"github.com/zgproxy/zgproxy/internal/request"
)

const (
	// bodyTimeout is how long a caller may take to send a body that has to be read before it can be forwarded.
	bodyTimeout = 5 * time.Minute
	// bodyIdle is how long the caller of any body may send nothing.
	bodyIdle = time.Minute
	// A body that passes through may take longer than bodyTimeout, as long as so many bytes a second come on average:
	// what it may cost is set aside all the while.
	bodyPace = 4 << 10
	// bodyRenewal is how often the time limit of a body is moved ahead at most.
	bodyRenewal = 5 * time.Second

	// maxUnwanted bounds a body that nobody asked for.
	maxUnwanted = 64 << 10

	// callMemory is set aside for every call: the buffers of its answer, and a body of an ordinary size.
	callMemory = 128 << 10
	// freeBody is how large a body is that callMemory covers, with its copy.
	freeBody = 32 << 10
	// memoryWait is how long a call waits for room in memory before it is refused.
	memoryWait = 2 * time.Second
	// memoryRetry is when it is told to come back: calls come and go by the second.
	memoryRetry = time.Second
)

// arriving is a body that its caller sends: its time limit moves ahead with what comes. It may be read by another
// goroutine than the handler's, and longer than that lives.
type arriving struct {
	in      io.Reader
	control *http.ResponseController
	began   time.Time
	idle    time.Duration
	whole   bool // it is read whole, before anything else happens

	mu      sync.Mutex
	over    bool // the connection belongs to somebody else now
	renewed time.Time
	n       int64
}

func (c *call) arriving(in io.Reader) *arriving {
	return &arriving{in: in, control: http.NewResponseController(c.w), began: time.Now(), idle: c.srv.bodyIdle}
}

func (a *arriving) Read(p []byte) (int, error) {
	if err := a.renew(); err != nil {
		return 0, err
	}
	n, err := a.in.Read(p)
	a.came(n, errors.Is(err, io.EOF))
	return n, err
}

func (a *arriving) renew() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if a.over || now.Sub(a.renewed) < min(bodyRenewal, a.idle/8) {
		return nil
	}
	a.renewed = now
	last := a.began.Add(bodyTimeout)
	if !a.whole {
		last = last.Add(time.Duration(a.n/bodyPace) * time.Second)
	}
	if next := now.Add(a.idle); next.Before(last) {
		last = next
	}
	return supported(a.control.SetReadDeadline(last))
}

// came counts what was read. Behind the end there is no limit: the server goes on reading, to see whether the caller
// leaves.
func (a *arriving) came(n int, all bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n += int64(n); all && !a.over {
		a.over = true
		_ = a.control.SetReadDeadline(time.Time{}) // not supported: there was none
	}
}

// leave has nobody touch the connection any more, as when its next request may have begun. The limit stays as it is:
// the server applies its own.
func (a *arriving) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
}

func supported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// readBody reads the whole request body, bounded in size, time and memory. Reading it before anything is sent also
// keeps the server from closing it under the transport when a provider answers at once.
func (c *call) readBody() ([]byte, error) {
	limit := c.srv.cfg.MaxBody
	if c.r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	in := c.arriving(http.MaxBytesReader(guard.Bare(c.w), c.r.Body, limit))
	in.whole = true
	defer in.leave()
	body, err := request.Decode(in, c.r.Header.Get("Content-Encoding"), limit)
	if err != nil {
		return nil, errBody(err)
	}
	return c.readWhole(nil, body)
}

// readWhole reads what follows the beginning of a body. Memory is set aside for it as it comes, because a declared
// length is only a claim: twice what is allocated, since the body may have to be sent with another name of its model in
// it, and since whatever grows is there twice for a moment.
func (c *call) readWhole(begun []byte, in io.Reader) ([]byte, error) {
	declared := c.size(c.srv.cfg.MaxBody)
	buf := begun
	for {
		if len(buf) == cap(buf) {
			size := min(max(2*int64(cap(buf)), freeBody), max(declared, int64(len(buf)))+minRead)
			if size > freeBody {
				// What the call has besides does not come back before it ends.
				largest := (c.srv.memory.Most(memory.Bodies) - (c.memory.Size() - c.body)) / 2
				if size = min(size, largest); size <= int64(len(buf)) {
					return nil, c.errMemory(memory.ErrTooLarge)
				}
				if err := c.memory.Take(c.r.Context(), 2*size-c.body, memory.Bodies); err != nil {
					return nil, c.errMemory(err)
				}
				c.body = 2 * size
			}
			larger := make([]byte, len(buf), size)
			copy(larger, buf)
			buf = larger
		}
		n, err := in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return buf, nil
		}
		if err != nil {
			return nil, errBody(err)
		}
	}
}

// minRead is room behind a body of the declared length, in which its end shows.
const minRead = 512

// size is how large the body is at most.
func (c *call) size(limit int64) int64 {
	if c.r.ContentLength >= 0 && c.r.Header.Get("Content-Encoding") == "" {
		return c.r.ContentLength
	}
	return limit
}

// errBody is a body that could not be read: what is wrong with it, or that it broke off.
func errBody(err error) error {
	if api, ok := errors.AsType[*APIError](err); ok {
		return api
	}
	if errors.Is(err, request.ErrEncoding) {
		return err
	}
	if big, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return big
	}
	if bad, ok := errors.AsType[*request.Error](err); ok {
		return bad
	}
	e := problem("request_body", "The request body could not be read to its end.")
	if errors.Is(err, os.ErrDeadlineExceeded) {
		e = problem("request_timeout", fmt.Sprintf("The request body did not come: nothing for %d seconds, or too little for "+
			"minutes. Nothing was billed. Send it again.", int(bodyIdle.Seconds())))
	}
	e.Cause = err
	return e
}

// errMemory refuses a call for want of memory, before anything is spent for it.
func (c *call) errMemory(err error) error {
	if errors.Is(err, memory.ErrTooLarge) {
		e := problem("request_too_large", fmt.Sprintf("The request body is larger than this zgproxy may hold in memory: %d bytes "+
			"are for all bodies together, and each takes twice its size. Send a smaller one, or give zgproxy more memory "+
			"(ZGPROXY_MEMORY).", c.srv.memory.Most(memory.Bodies)))
		e.Cause = err
		return e
	}
	e := problem("memory_full", "So much is under way that there is no memory for this request now. Nothing was sent and "+
		"nothing was spent. Try again in a moment, send fewer large requests at a time, or give zgproxy more memory (ZGPROXY_MEMORY).")
	e.Cause, e.RetryAfter = err, memoryRetry
	return e
}

// discard reads what is left of a body that there is no memory for. Many clients look for an answer only when they have
// sent all of it, and would else see a broken connection instead of when to come back.
func (c *call) discard() {
	c.memory.Free()
	if c.r.Header.Get("Expect") != "" {
		return // it asked before it sent anything
	}
	if supported(http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(restTimeout))) == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(c.r.Body, c.srv.cfg.MaxBody)) // as far as it comes
	}
}

// begin sets aside what every call needs.
func (c *call) begin(ctx context.Context) error {
	c.memory = c.srv.memory.NewHold(c.srv.memoryWait)
	if err := c.memory.Take(ctx, callMemory, memory.Calls); err != nil {
		return c.errMemory(err)
	}
	return nil
}
