package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/crash"
	"github.com/zgproxy/zgproxy/internal/memory"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// maxRefusal bounds a provider's error.
	maxRefusal = 1 << 20
	// freeRefusal is how much of one is part of what every call has in memory.
	freeRefusal = 64 << 10

	// answerWait is how long a provider may take for the header of an answer, beyond what its transport waits for that
	// once the request is out: 16 minutes.
	answerWait = 18 * time.Minute
	// sendPace is how many bytes a second of a request a provider has to take.
	sendPace = 64 << 10
)

// Why there is no signature over an answer: it came from an endpoint of the owner's, or it only says that a job was
// begun.
const (
	codeEndpoint = "direct_endpoint"
	codeJob      = "job"
)

// exchange is one admitted request on its way to the provider and back. It belongs to the handler's goroutine.
type exchange struct {
	*call
	parcel parcel
	lease  *route.Lease
	held   reservation
	out    billing.Outcome
	sentAt time.Time
	done   *Answered // nil: there is no answer whose signature could be checked
	judged bool      // its verdict was waited for
	// callers says that the model server ended the answer over something in the request, which is not the provider's
	// failure.
	callers bool
}

// exchange carries a parcel to the provider and its answer back. The open record is committed before the first byte
// leaves; whatever happens then, it is recorded exactly once: where the answer's header tells the fee just before that
// goes out, else at the end. The error is a *setback where nothing of an answer was passed on.
func (c *call) exchange(p parcel, lease *route.Lease) (err error) {
	s := c.srv
	crash.Point("request/before-open")
	held, err := c.open(&p)
	if err != nil {
		lease.Done(route.Neutral, 0)
		return err
	}
	crash.Point("request/opened")
	x := &exchange{call: c, parcel: p, lease: lease, held: held}
	if sent, ok := p.body.(*hashed); ok && p.growing {
		x.parcel.admit = x.admit
		sent.admit = x.admit
	}
	defer func() {
		x.book(err)
		if x.out.Verdict == zg.VerdictPending && !x.judged {
			s.cfg.Answered(x.done)
		}
		x.lease.Done(x.result(err))
	}()

	// The provider bills a request whether or not its caller waits for the answer, so the exchange outlives the caller:
	// only our own limits end it.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(c.r.Context()))
	defer cancel(nil)
	defer context.AfterFunc(s.stop, func() { cancel(errShutdown) })()
	defer context.AfterFunc(c.r.Context(), func() {
		lease.CallerLeft()
		time.AfterFunc(s.cfg.DrainTimeout, func() { cancel(errDrained) })
	})()

	unanswered := time.AfterFunc(x.patience(), func() { cancel(errUnanswered) })
	resp, err := x.send(ctx)
	unanswered.Stop()
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // the answer has been read as far as it will be
	x.out.Status = resp.StatusCode
	crash.Point("request/header")
	return x.relay(cancel, resp)
}

// patience is how long a provider may take from the first byte of the request to the header of its answer. Its
// transport knows how long it waits for that once the request is out, but one that does not read would never have it.
func (x *exchange) patience() time.Duration {
	wait, size := x.srv.answerWait, x.parcel.length()
	if x.parcel.bytes != nil {
		return wait + time.Duration(size/sendPace)*time.Second
	}
	if size < 0 {
		size = x.srv.cfg.MaxBody
	}
	return wait + bodyTimeout + time.Duration(size/bodyPace)*time.Second // its caller is still sending
}

// admit sets aside what an upload of so many bytes can cost.
func (x *exchange) admit(size int64) error {
	in := x.parcel.bound
	in.BodyBytes, in.AudioBytes = size, size
	return x.held.Grow(billing.Bound(x.offer.Service.Type, x.offer.Price, in))
}

// result is what the end of an attempt says about the provider.
func (x *exchange) result(err error) (route.Result, time.Duration) {
	back := (*setback)(nil)
	switch {
	case errors.As(err, &back):
		if back.result == route.Refused {
			x.lease.Because(string(back.err.Refusal))
		}
		return back.result, back.wait
	case x.out.Status == 0:
		return route.Neutral, 0
	case x.callers:
		return route.Neutral, 0
	case !x.answered():
		return route.Failed, 0 // it broke off, or what it sent is no answer
	}
	return route.Succeeded, 0
}

// answered reports whether the provider's answer came whole, as far as anybody waited for it.
func (x *exchange) answered() bool { return x.out.Complete || x.code == "caller_left" }

// book closes the record with what is known by now. It counts once: what happens to the answer on its way to the caller
// afterwards does not change what the provider bills.
func (x *exchange) book(err error) {
	if x.booked {
		return
	}
	out := &x.out
	out.RequestSHA256, out.RequestBytes = x.parcel.digest()
	out.Total = time.Since(x.started)
	out.FirstByte = x.firstByte
	out.Err = x.code
	if api := (*APIError)(nil); out.Err == "" && errors.As(err, &api) {
		out.Err = api.Code
	}
	if verdict := x.srv.cfg.Verdict; x.done != nil && verdict != nil {
		x.done.RequestSHA256 = out.RequestSHA256
		x.judgement = verdict(x.done)
		if x.srv.cfg.Enforce && x.done.Complete {
			x.srv.keyless.note(x.offer, x.judgement, time.Now())
		}
		out.Verdict, out.VerdictCode = x.judgement.Verdict, x.judgement.Code
	}
	switch {
	case x.offer.Endpoint != "":
		x.judgement = zg.Judgement{Verdict: zg.VerdictNotSigned, Code: codeEndpoint}
	case x.op.async && out.Status != 0 && x.srv.cfg.Verdict != nil:
		x.judgement = zg.Judgement{Verdict: zg.VerdictNotSigned, Code: codeJob}
		out.Verdict, out.VerdictCode = x.judgement.Verdict, x.judgement.Code
	}
	crash.Point("request/before-close")
	x.booking, x.booked = x.held.Close(*out), true
	crash.Point("request/closed")
	x.fee = x.booking.Fee.String()
}

var (
	errShutdown = errors.New("zgproxy is shutting down")
	errIdle     = errors.New("the provider sent nothing for too long")
	errDrained  = errors.New("the caller left and the rest of the answer was too long to wait for")
	// errUnanswered is the end of patience.
	errUnanswered = errors.New("the provider neither took the request nor answered it in time")
)

// send performs the request, with one more try when the provider refuses our session token: such a refusal is unbilled.
// What comes back without an error is an answer.
func (x *exchange) send(ctx context.Context) (*http.Response, error) {
	c, s, out := x.call, x.srv, &x.out
	for try := 0; ; try++ {
		bearer, err := c.bearer(ctx)
		if err != nil {
			return nil, err
		}
		req, err := c.upstreamRequest(ctx, &x.parcel, bearer)
		if err != nil {
			return nil, err
		}
		crash.Point("request/before-send")
		x.sentAt, c.sent = time.Now(), zg.CredentialOf(bearer)
		transport := s.cfg.Transport
		if c.offer.Endpoint != "" {
			transport = s.cfg.Direct
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			out.Reached = reached(err)
			if sent, ok := x.parcel.body.(*hashed); ok && !sent.ended() {
				// Its end never left here, so the provider cannot have had the whole request, nor bill it.
				out.Reached = false
				refused, again := errors.AsType[*billing.Refused](sent.refusal())
				switch {
				case again && errors.Is(refused, billing.ErrStore):
					return nil, refused
				case again:
					return nil, &setback{err: refusedError(refused), result: route.Neutral, again: true}
				case sent.failure() != nil:
					return nil, errBody(sent.failure())
				}
				back := c.transportError(err)
				if code := back.err.Code; code == "provider_connection" || code == "provider_timeout" {
					back.err.Message = "The provider broke off before it had the whole upload, so nothing was billed. Try again or choose another model."
				}
				return nil, back
			}
			return nil, c.transportError(err)
		}
		out.Reached = true
		cleanHeader(resp.Header, c.sent)
		x.lease.Allowance(allowance(resp.Header, time.Now()))
		if resp.StatusCode == http.StatusOK || (c.op.async && resp.StatusCode == http.StatusAccepted) {
			return resp, nil
		}
		r, detail := c.refusal(ctx, resp)
		_ = resp.Body.Close() // a refusal: what matters of it was read
		if c.dropToken(bearer, detail.Class) && try == 0 && (x.parcel.again == nil || x.parcel.again(&x.parcel)) {
			out.Reached, c.code, c.cause = false, "", nil // unbilled, and forgotten if the second try goes well
			continue
		}
		out.Status = resp.StatusCode
		back := c.refusedSetback(r, detail)
		x.lease.Told(toldLimit(detail))
		if short := detail.Class == zg.RefusalBalance || detail.Class == zg.RefusalNoAccount || detail.Class == zg.RefusalNotAcknowledged; short && c.offer.Endpoint == "" {
			if s.cfg.Refused != nil {
				s.cfg.Refused(c.offer.Service.Provider, billing.Shortfall{Type: c.offer.Service.Type, Bound: x.held.Bound(), Detail: detail})
			}
			back.err, back.refusal = c.fundsError(detail), nil
		}
		return nil, back
	}
}

// bearer is the Authorization that the offer wants.
func (c *call) bearer(ctx context.Context) (string, error) {
	if id := c.offer.Endpoint; id != "" {
		return c.srv.cfg.EndpointKey(id), nil
	}
	bearer, err := c.srv.cfg.Tokens.Bearer(ctx, c.offer.Service.Provider)
	if err != nil {
		e := problem("session_token", "No session token could be made for the provider: its sub-account could not be read from the chain. Nothing was spent.")
		e.Cause, e.RetryAfter = err, 5*time.Second
		return "", &setback{err: e, result: route.Neutral, again: true, local: true}
	}
	return bearer, nil
}

// dropToken has a session token made again that the provider does not accept any more, and reports whether that was it.
func (c *call) dropToken(bearer string, class zg.Refusal) bool {
	if c.offer.Endpoint != "" || bearer == "" || (class != zg.RefusalSessionExpired && class != zg.RefusalSessionRevoked) {
		return false
	}
	c.srv.cfg.Tokens.Reject(c.offer.Service.Provider, bearer, class)
	return true
}

func (c *call) upstreamRequest(ctx context.Context, p *parcel, bearer string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.op.upstream(c.offer), p.reader())
	if err != nil {
		e := problem("provider_url", "The provider has registered an address that is not a URL.")
		e.Cause = err
		return nil, &setback{err: e, result: route.Failed, again: true, local: true}
	}
	if p.bytes == nil {
		req.ContentLength = -1
	}
	req.Header = upstreamHeader(c.r.Header, bearer, c.srv.cfg.UserAgent)
	if p.contentType != "" {
		req.Header["Content-Type"] = []string{p.contentType}
	}
	return req, nil
}

// refusal is an answer other than the one that was asked for, kept until it is known whether the caller gets it.
type refusal struct {
	header http.Header
	body   []byte
	err    *APIError // in our words
	pass   bool      // the caller gets the provider's own
	form   bool      // a 4xx in JSON of a form that nobody here knows: it may be about the request, and may not
}

// readRefusal reads a provider's error, which some fill with the request that they refuse. Where there is no memory for
// a large one, its beginning has to do.
func (c *call) readRefusal(ctx context.Context, in io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(in, freeRefusal))
	if err != nil || len(body) < freeRefusal || c.memory.Take(ctx, 2*maxRefusal, memory.Paid) != nil {
		return body, err
	}
	rest, err := io.ReadAll(io.LimitReader(in, maxRefusal-freeRefusal))
	return append(body, rest...), err
}

// refusal reads and classifies a non-200 answer.
func (c *call) refusal(ctx context.Context, resp *http.Response) (*refusal, zg.RefusalDetail) {
	body, err := c.readRefusal(ctx, resp.Body)
	detail := c.srv.cfg.Classify(resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("ZG-Failure-Source"), body)
	detail.Message = c.sent.Clean(detail.Message)
	if detail.Inner {
		c.srv.cfg.Log.Debug().Str("request_id", c.id).Str("provider", c.offer.Label).Int("status", resp.StatusCode).
			Str("says", quotable(detail.Message)).Msg("a provider failed by its own doing")
	}
	c.srv.cfg.Metrics.refusals.WithLabelValues(c.offer.Label, string(detail.Class)).Inc()
	c.code, c.cause = string(detail.Class), err
	r := &refusal{header: resp.Header, body: body}
	r.err, r.pass = refusalError(resp, body, detail, c.offer.Label, c.sent)
	r.form = resp.StatusCode >= 400 && resp.StatusCode < 500 && detail.Message == "" && json.Valid(body)
	return r, detail
}

// passRefusal answers with the error of the provider that was asked last: its own where clients can read it, else in
// our words.
func (c *call) passRefusal(back *setback) {
	r, e := back.refusal, back.err
	c.code, c.cause, c.status = e.Code, e.Cause, e.Status
	if c.booked {
		c.tellFee()
	}
	e.refusalHeader(c.w.Header(), r.header)
	if !r.pass {
		c.srv.cfg.Metrics.errors.WithLabelValues(e.Code).Inc()
		e.send(c.w, c.op.path)
		return
	}
	c.bytes = int64(len(r.body))
	c.w.WriteHeader(e.Status)
	_, _ = c.w.Write(r.body) // the caller left: nobody to tell
}

// reached reports whether a failed request may have arrived at the provider. Only a failure to connect rules it out.
func reached(err error) bool {
	var op *net.OpError
	return !errors.As(err, &op) || op.Op != "dial"
}

// transportError is an attempt that brought no answer.
func (c *call) transportError(err error) *setback {
	back := &setback{result: route.Failed, again: true}
	var timeout net.Error
	switch {
	case errors.Is(err, errShutdown):
		back.result, back.again = route.Neutral, false
		back.err = problem("shutting_down", "zgproxy is shutting down; the provider may bill this request.")
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		// It says nothing about the provider, and another one could not be reached either.
		back.result, back.again = route.Neutral, false
		back.err = problem("too_many_connections", "So much is under way that no connection to the provider can be made now. Nothing was sent and nothing was spent. Try again in a moment.")
	case errors.Is(err, errDrained):
		back.result, back.again = route.Neutral, false
		back.err = problem("caller_left", "The caller left before the provider answered; it may still bill this request.")
	case errors.Is(err, errUnanswered), errors.As(err, &timeout) && timeout.Timeout():
		back.again = !reached(err) // it may be at work, and will bill what it does
		back.err = problem("provider_timeout", "The provider did not answer in time; it may still bill this request.")
	case reached(err):
		// It may bill what it has done, so that is set aside; another provider may answer all the same. What makes something
		// that lasts is not asked for twice.
		back.again = !c.op.job
		back.err = problem("provider_connection", "The connection to the provider broke before it answered; it may still bill this request.")
	default:
		back.err = problem("provider_unreachable", "The provider could not be reached, so nothing was billed. Try again or choose another model.")
	}
	back.err.Cause, back.err.RetryAfter = err, time.Second
	return back
}
