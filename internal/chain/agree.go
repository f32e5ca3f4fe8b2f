package chain

import (
	"bytes"
	"context"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// What several endpoints say of money is compared (ADR 16). They are asked at the same time, about one block that all
// of them have, and what more than half of those that answer say counts. Two that say different things agree on
// nothing, and what is not known moves no money. One that does not answer has said nothing: the others are enough,
// and one alone is what a single endpoint would be.

// ErrDisagree means that endpoints say different things, and none of them has more than half of them on its side.
var ErrDisagree = fmt.Errorf("%w: the endpoints of ZGPROXY_RPC_URL disagree", ErrRPC)

const (
	// defaultPatience is how long the others are waited for once one endpoint has answered.
	defaultPatience = 2 * time.Second
	// lagMost is how old the newest block of an endpoint may be, by the blocks of others and by our own clock, until it
	// is not asked about money. Both have to say so: an endpoint that claims to be far ahead does not shut out the
	// others.
	lagMost = 30 * time.Second
)

// reading asks the endpoint that its context names.
type reading[T any] func(context.Context) (T, error)

// reply is what one endpoint said.
type reply[T any] struct {
	from *endpoint
	v    T
	err  error
	said bool // it counts: it is an answer, if only a refusal of the contract
}

// everywhere asks endpoints at the same time. Once one has answered the others have c.patience to do so; who has not
// is not among the replies, which are in the order of the endpoints.
func everywhere[T any](ctx context.Context, c *Client, over []*endpoint, f reading[T]) []reply[T] {
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // before it waits
	replies := make(chan reply[T], len(over))
	for _, e := range over {
		all.Go(func() {
			r := reply[T]{from: e}
			if r.err = c.vet(ctx, e, c.servesChain); r.err == nil {
				r.v, r.err = f(at(ctx, e))
				r.said = !silent(r.err)
			}
			replies <- r
		})
	}
	var out []reply[T]
	late := time.NewTimer(time.Hour)
	defer late.Stop()
	for answered := false; len(out) < len(over); {
		select {
		case r := <-replies:
			if out = append(out, r); r.said && !answered {
				answered = true
				late.Reset(c.patience)
			}
			continue
		case <-late.C:
		}
		break
	}
	slices.SortFunc(out, func(a, b reply[T]) int { return slices.Index(over, a.from) - slices.Index(over, b.from) })
	return out
}

// agreed is what more than half of the endpoints that answer say.
func agreed[T any](ctx context.Context, c *Client, over []*endpoint, what string, f reading[T]) (v T, err error) {
	if len(over) == 1 {
		return f(at(ctx, over[0]))
	}
	r, _, err := outcomeOf(c, everywhere(ctx, c, over, f), what, func(a, b reply[T]) bool {
		if a.err != nil || b.err != nil {
			return a.err != nil && b.err != nil && a.err.Error() == b.err.Error()
		}
		return reflect.DeepEqual(a.v, b.v)
	})
	if err != nil {
		return v, err
	}
	return r.v, r.err
}

// outcomeOf finds the reply that more than half agree on, and who does.
func outcomeOf[T any](
	c *Client, replies []reply[T], what string, same func(a, b reply[T]) bool,
) (reply[T], []*endpoint, error) {
	said := slices.DeleteFunc(slices.Clone(replies), func(r reply[T]) bool { return !r.said })
	for _, r := range said {
		var of []*endpoint
		var against []*endpoint
		for _, other := range said {
			if same(r, other) {
				of = append(of, other.from)
			} else {
				against = append(against, other.from)
			}
		}
		if 2*len(of) > len(said) {
			c.noteOutvoted(of, against, what)
			return r, of, nil
		}
	}
	if len(said) > 0 {
		var of []*endpoint
		for _, r := range said {
			of = append(of, r.from)
		}
		return reply[T]{}, nil, fmt.Errorf("%w about %s: %s", ErrDisagree, what, names(of))
	}
	return reply[T]{}, nil, failure(replies)
}

// failure is why none of the endpoints has answered: of their reasons the one that tells of all of them.
func failure[T any](replies []reply[T]) error {
	var why error
	for _, r := range replies {
		why = graver(why, fmt.Errorf("%s: %w", r.from.name, r.err))
	}
	if why == nil {
		return fmt.Errorf("%w: no endpoint has answered", ErrRPC)
	}
	return why
}

// noteOutvoted tells of an endpoint that says something else than the others, once until it agrees with them again.
func (c *Client) noteOutvoted(of, against []*endpoint, what string) {
	for _, e := range against {
		c.metrics.outvoted.WithLabelValues(e.name).Inc()
		if before := e.apart.Swap(&what); before == nil || *before != what {
			c.cfg.Log.Warn().Str("endpoint", e.name).Str("others", names(of)).Str("about", what).
				Msg("an RPC endpoint disagrees with the others; its answers are not used")
		}
	}
	for _, e := range of {
		if before := e.apart.Load(); before != nil && *before == what {
			e.apart.CompareAndSwap(before, nil)
		}
	}
}

// quorum is a block, and the endpoints that have it and are asked about it.
type quorum struct {
	at head
	of []*endpoint
}

// agree finds the newest block that the endpoints agree on: the same one, by its hash, at more than half of those
// that answer and do not lag.
func (c *Client) agree(ctx context.Context) (quorum, error) {
	if e := endpointOf(ctx); e != nil || len(c.all) == 1 {
		h, err := c.head(ctx)
		return quorum{h, []*endpoint{c.own(ctx)}}, err
	}
	all := everywhere(ctx, c, c.all, c.head)
	heads := slices.DeleteFunc(slices.Clone(all), func(r reply[head]) bool { return r.err != nil })
	for _, r := range heads {
		r.from.newest.Store(r.v.number.Uint64())
		c.metrics.newest.WithLabelValues(r.from.name).Set(float64(r.v.number.Uint64()))
	}
	heads = notLagging(heads, time.Now())
	if ctx.Err() == nil {
		c.noteShown(all, heads)
	}
	if len(heads) == 0 {
		return quorum{}, failure(all)
	}
	lowest := slices.MinFunc(heads, func(a, b reply[head]) int { return a.v.number.Cmp(b.v.number) }).v.number
	r, of, err := outcomeOf(c, c.blocksOf(ctx, heads, lowest), "the newest block", func(a, b reply[head]) bool {
		return bytes.EqualFold(a.v.hash, b.v.hash) && a.v.time.Equal(b.v.time)
	})
	if err != nil {
		return quorum{}, err
	}
	c.current.Store(&of)
	return quorum{r.v, of}, nil
}

// blocksOf reads a block at every endpoint whose newest one is another.
func (c *Client) blocksOf(ctx context.Context, heads []reply[head], number *big.Int) []reply[head] {
	var out []reply[head]
	var ahead []*endpoint
	for _, r := range heads {
		if r.v.number.Cmp(number) == 0 {
			out = append(out, r)
		} else {
			ahead = append(ahead, r.from)
		}
	}
	if len(ahead) == 0 {
		return out
	}
	return append(out, everywhere(ctx, c, ahead, func(ctx context.Context) (head, error) {
		return c.block(ctx, hexutil.EncodeBig(number))
	})...)
}

// confirmed is which of so many newest blocks, the newest first, the others are compared with: of three or more the
// second, so that one endpoint alone does not say what is old.
func confirmed(count int) int {
	if count > 2 {
		return 1
	}
	return 0
}

// notLagging leaves out endpoints whose newest block is old.
func notLagging(heads []reply[head], now time.Time) []reply[head] {
	if len(heads) == 0 {
		return nil
	}
	times := make([]time.Time, len(heads))
	for i, r := range heads {
		times[i] = r.v.time
	}
	slices.SortFunc(times, func(a, b time.Time) int { return b.Compare(a) })
	newest := times[confirmed(len(times))]
	return slices.DeleteFunc(slices.Clone(heads), func(r reply[head]) bool {
		return newest.Sub(r.v.time) > lagMost && now.Sub(r.v.time) > lagMost
	})
}

// atAgreed performs a reading at the newest block that the endpoints agree on.
func atAgreed[T any](ctx context.Context, c *Client, what string, f func(context.Context, head) (T, error)) (T, error) {
	q, err := c.agree(ctx)
	if err != nil {
		var zero T
		return zero, err
	}
	return agreed(ctx, c, q.of, what, func(ctx context.Context) (T, error) { return f(ctx, q.at) })
}

// highest is the highest number that any endpoint of those that agree says, for what can only rise.
func highest(ctx context.Context, c *Client, f reading[uint64]) (uint64, error) {
	q, err := c.agree(ctx)
	if err != nil {
		return 0, err
	}
	all, err := answers(ctx, c, q.of, f)
	if err != nil {
		return 0, err
	}
	return slices.Max(all), nil
}

// middle is the number in the middle of what endpoints say, of two the lower one.
func middle(ctx context.Context, c *Client, over []*endpoint, f reading[*big.Int]) (*big.Int, error) {
	all, err := answers(ctx, c, over, f)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, (*big.Int).Cmp)
	return all[(len(all)-1)/2], nil
}

// answers are what those of the endpoints say that answer; one at least.
func answers[T any](ctx context.Context, c *Client, over []*endpoint, f reading[T]) (all []T, err error) {
	if len(over) == 1 {
		v, err := f(at(ctx, over[0]))
		return []T{v}, err
	}
	replies := everywhere(ctx, c, over, f)
	for _, r := range replies {
		if r.err == nil {
			all = append(all, r.v)
		}
	}
	if len(all) == 0 {
		return nil, failure(replies)
	}
	return all, nil
}

// upTo are the endpoints that have a block, as far as they have shown, for readings at a block that was agreed on
// before.
func (c *Client) upTo(ctx context.Context, block uint64) []*endpoint {
	over := c.order(ctx)
	if len(over) == 1 {
		return over
	}
	having := slices.DeleteFunc(slices.Clone(over), func(e *endpoint) bool { return e.newest.Load() < block })
	if len(having) == 0 {
		return over
	}
	return having
}
