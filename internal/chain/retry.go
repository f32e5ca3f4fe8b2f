package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// How a call is retried that an endpoint refused for a passing reason. Public endpoints answer a good share of calls
// with 429 when many people use them; with 30 % refused, 8 tries fail once in 15,000 calls. Every call may be sent
// again: reads change nothing, and the bytes of a signed transaction are the same transaction however often they
// arrive.
const (
	defaultTries = 8
	firstPause   = 100 * time.Millisecond
	maxPause     = 2 * time.Second
	maxAdvice    = 10 * time.Second // of a Retry-After; an endpoint that asks for more is not available
)

// allowance is how many retries are left for all calls of an endpoint together. An endpoint that refuses everything
// uses it up, and calls fail at the first refusal from then on, so that an outage is reported at once rather than
// after seconds of hope in each call. Calls that succeed refill it, one each, so that retries last up to half of all
// calls refused.
type allowance struct {
	mu   sync.Mutex
	left int
}

const fullAllowance = 24

func (a *allowance) take() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.left == 0 {
		return false
	}
	a.left--
	return true
}

func (a *allowance) refill() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left = min(a.left+1, fullAllowance)
}

// passing reports whether a call failed for a reason that may be gone at the next try. A call that ran into its time
// limit is not retried: it has taken that time already.
func passing(err error) bool {
	if httpErr, ok := errors.AsType[rpc.HTTPError](err); ok {
		switch httpErr.StatusCode {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
	}
	if node, ok := errors.AsType[rpc.Error](err); ok {
		return limitedByNode(node.ErrorCode(), node.Error())
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// limitedByNode reports whether a JSON-RPC error is about the number of calls. -32005 is "limit exceeded" by the
// convention of the vendors, some of which use it for ranges of logs that are too wide too: those come again and fail
// again.
func limitedByNode(code int, message string) bool {
	if code == -32005 || code == http.StatusTooManyRequests {
		return true
	}
	message = strings.ToLower(message)
	for _, words := range []string{"rate limit", "too many requests", "request limit", "throttled", "over capacity"} {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}

// pause is how long to wait before the next try: twice as long each time, spread by half so that many callers who
// were refused together do not come back together, and at least what the endpoint asked for.
func pause(try int, advice time.Duration) time.Duration {
	d := min(firstPause<<try, maxPause)
	return max(d/2+rand.N(d), advice)
}

// advised carries an answer's Retry-After from the transport to the retries.
type advised struct{}

// noteAdvice keeps the Retry-After of a refusal for the call that it refuses.
func noteAdvice(r *http.Request, resp *http.Response) {
	advice, ok := r.Context().Value(advised{}).(*time.Duration)
	if !ok || resp.StatusCode < http.StatusBadRequest {
		return
	}
	if s, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16); err == nil {
		*advice = time.Duration(s) * time.Second
	}
}

// wait returns after d, or with the reason when ctx ends first.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// retried performs a call until it succeeds, fails for good, or is out of tries. Where several endpoints may answer
// it, each is asked once in every round, so that one that refuses costs no pause while another serves.
func retried[T any](ctx context.Context, c *Client, f func(context.Context) (T, error)) (T, error) {
	over := c.order(ctx)
	for try := 0; ; try++ {
		v, r := askEach(ctx, c, over, f)
		if r.err == nil {
			return v, nil
		}
		if r.final || r.refused == nil || try+1 >= c.cfg.Tries || r.advice > maxAdvice || !c.cfg.Once && !r.refused.retries.take() {
			return v, r.err
		}
		if c.wait(ctx, pause(try, r.advice)) != nil {
			return v, r.err // what the endpoint said tells more than that the caller left
		}
	}
}

// round is how a round of tries has ended; the zero round is one that was answered.
type round struct {
	err     error
	final   bool          // another round would end no differently
	refused *endpoint     // for a passing reason; nil: none has
	advice  time.Duration // how long the most willing of those asks to wait
}

// askEach tries a call at each endpoint until one answers it.
func askEach[T any](ctx context.Context, c *Client, over []*endpoint, f func(context.Context) (T, error)) (T, round) {
	var zero T
	var r round
	for _, e := range over {
		var advice time.Duration
		trying := context.WithValue(ctx, advised{}, &advice)
		var v T
		err := c.vet(trying, e, c.chainOnce)
		if err == nil {
			v, err = f(at(trying, e))
		}
		if err == nil {
			e.retries.refill()
			return v, round{}
		}
		again := passing(err)
		if again && (r.refused == nil || advice < r.advice) {
			r.refused, r.advice = e, advice
		}
		if err = explain(err, c.cfg.CallTimeout); len(over) > 1 {
			err = fmt.Errorf("%s: %w", e.name, err)
		}
		_, refusal := errors.AsType[*nodeError](err)
		switch {
		case ctx.Err() != nil, !silent(err) && !errors.Is(err, ErrWrongNetwork):
			return zero, round{err: err, final: true}
		case r.final:
		case refusal && !again: // the node's own, which will not change; another may know better
			r.err, r.final = err, true
		default:
			r.err = graver(r.err, err)
		}
	}
	return zero, r
}
