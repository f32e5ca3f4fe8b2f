package proxy

import (
	"errors"
	"strconv"
	"time"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// setback is an attempt that ended before anything of an answer was passed on.
type setback struct {
	err     *APIError // what its caller is told when no other attempt is made
	refusal *refusal  // the provider's own words, which the caller gets instead; or nil
	result  route.Result
	wait    time.Duration // how long the provider wants to be left alone
	again   bool          // another provider may be tried
	local   bool          // nothing was sent
	crowded bool          // it may wait for its turn with the same provider
}

func (s *setback) Error() string { return s.err.Error() }
func (s *setback) Unwrap() error { return s.err }

// errSentAlready means that too much of an upload has gone to a provider to send it to another one.
var errSentAlready = errors.New("the upload was sent already")

// answer sends a request to the provider that is chosen for it, and to another one where that fails before the first
// byte of an answer: each attempt has its own reservation, record and id. What is told at the end is what the last
// provider said that was asked.
func (c *call) answer(model string, src source) error {
	s := c.srv
	if s.cfg.Enforce {
		if err := c.coverable(); err != nil {
			return err
		}
	}
	offers, err := s.Routes().Find(route.Query{Type: c.op.kind, Model: model, Pin: c.r.Header.Get(providerHeader)})
	if err != nil {
		return err
	}
	if s.cfg.Enforce {
		if offers, err = c.covering(offers); err != nil {
			return err
		}
		if offers = s.keyless.without(offers, time.Now()); len(offers) == 0 {
			return errKeyless()
		}
	}
	var (
		room  [4]*route.Offer
		tried = room[:0]
		last  *setback
		sent  int
		turn  = s.cfg.Board.Join()
	)
	stream := c.stream
	for n := 1; ; n++ {
		lease, err := s.cfg.Board.Pick(c.r.Context(), turn, offers, tried)
		if err != nil {
			if last != nil && !last.crowded {
				return last
			}
			return err // who waited for room is told when there may be some
		}
		if n > 1 {
			c.nextAttempt(n, stream)
		}
		c.offer = lease.Offer
		p, err := src.parcel(lease.Offer)
		if err != nil {
			lease.Done(route.Neutral, 0)
			if last != nil {
				return last
			}
			return err
		}
		err = c.exchange(p, lease)
		back, ok := errors.AsType[*setback](err)
		if !ok {
			return err
		}
		if last == nil || !back.local {
			last = back
		}
		back.crowded = back.result == route.Crowded && s.cfg.Board.MayWait(turn)
		if back.crowded && c.r.Context().Err() == nil {
			continue // a refusal costs nothing, and the board knows who has room and whose turn it is
		}
		tried = append(tried, lease.Offer)
		if !back.local {
			sent++
		}
		if !back.again || sent >= s.cfg.MaxAttempts || time.Since(c.started) > s.cfg.FailoverWithin || c.r.Context().Err() != nil {
			return last
		}
		s.cfg.Metrics.failovers.WithLabelValues(lease.Offer.Label, back.err.Code).Inc()
		s.cfg.Log.Debug().Str("request_id", c.id).Str("provider", lease.Offer.Label).Str("code", back.err.Code).
			Str("err", c.sent.CleanError(back.err.Cause)).Msg("attempt failed")
	}
}

// nextAttempt begins another attempt. Its id is that of the first one, numbered.
func (c *call) nextAttempt(n int, stream bool) {
	c.attempts, c.stream = n, stream
	c.id = c.first + "-" + strconv.Itoa(n)
	setRequestID(c.w.Header(), c.op.path, c.id)
	c.course = course{}
}

// reservation is what an attempt may cost, set aside until it is recorded.
type reservation interface {
	Grow(bound zg.Neuron) error
	Bound() zg.Neuron
	Close(billing.Outcome) billing.Booking
}

// unpaid is for direct endpoints: whatever they cost is between them and the owner.
type unpaid struct{}

func (unpaid) Grow(zg.Neuron) error { return nil }

func (unpaid) Bound() zg.Neuron { return zg.Neuron{} }

func (unpaid) Close(billing.Outcome) billing.Booking { return billing.Booking{Basis: zg.FeeUnpaid} }

// open sets aside what an attempt may cost. Where the meter refuses, another provider may still do.
func (c *call) open(p *parcel) (reservation, error) {
	o := c.offer
	if o.Endpoint != "" {
		return unpaid{}, nil
	}
	at := c.started
	if c.attempts > 1 {
		at = time.Now()
	}
	held, err := c.srv.cfg.Meter.Open(c.r.Context(), billing.Order{
		ID: c.id, Route: c.op.path, Key: c.key, Provider: o.Service.Provider, Type: o.Service.Type, Model: o.Model,
		Stream: c.stream, Price: o.Price, Bound: billing.Bound(o.Service.Type, o.Price, p.bound),
		Ask:          billing.Ask(o.Service.Type, o.Price, p.bound),
		RequestBytes: p.length(), At: at, Block: o.Block, Centralized: o.Service.Info.Centralized(),
	})
	if refused, ok := errors.AsType[*billing.Refused](err); ok && !errors.Is(err, billing.ErrStore) {
		return nil, &setback{err: refusedError(refused), result: route.Neutral, again: true, local: true}
	}
	return held, err
}

// maxBudgetPause bounds how long a provider is left alone because one request had too many tokens for it.
const maxBudgetPause = 10 * time.Second

// refusedSetback says what a provider's refusal means for the request and for the provider.
func (c *call) refusedSetback(r *refusal, d zg.RefusalDetail) *setback {
	back := &setback{err: r.err, refusal: r, wait: d.RetryAfter, again: true, result: route.Neutral}
	switch d.Class {
	case zg.RefusalConcurrency:
		back.result, back.wait = route.Crowded, saidAtAll(r, d)
	case zg.RefusalTokenBudget:
		// The tokens of all chats under way are counted, and this one has too many: a smaller one may be taken at once, so
		// nobody else has to wait, unless the provider says for how long.
		if said := saidAtAll(r, d); said > 0 {
			back.result, back.wait = route.Limited, min(said, maxBudgetPause)
		}
	case zg.RefusalRate, zg.RefusalBusy:
		back.result, back.wait = route.Limited, back.err.RetryAfter
		if d.Class == zg.RefusalBusy && tooMany(d.Message) {
			back.result, back.wait = route.Crowded, saidAtAll(r, d)
		}
	case zg.RefusalSessionFuture, zg.RefusalSigner, zg.RefusalBanned:
		back.result, back.wait = route.Refused, back.err.RetryAfter
	case zg.RefusalModel, zg.RefusalModelExpired, zg.RefusalEndpoint:
		back.result = route.Unsupported
	case zg.RefusalUpstream, zg.RefusalSessionExpired, zg.RefusalSessionRevoked, zg.RefusalSession:
		back.result = route.Failed // a new token was refused as well: as good as down until one is taken
	case zg.RefusalRequest:
		if back.again = r.err.Status >= 500; back.again { // it is about us, or comes from something else than a provider
			back.result = route.Failed
			if r.form {
				back.result = route.Neutral
			}
		} // else the caller's own doing: every provider would say so
	case zg.RefusalNone, zg.RefusalNoAccount, zg.RefusalNotAcknowledged, zg.RefusalBalance, zg.RefusalTooLarge:
		// Funds are the keeper's business and the meter's, who know more than this one refusal.
	}
	if d.Doubtful {
		back.result = route.Neutral
	}
	if c.op.job && d.Class == zg.RefusalUpstream {
		back.again = false // something may have been begun that would be begun twice
	}
	return back
}

func errMediaType(form bool) *APIError {
	e := problem("unsupported_media_type", "Send Content-Type: application/json with a JSON object.")
	if form {
		e.Message = "Send Content-Type: application/json with a JSON object, or multipart/form-data."
	}
	return e
}
