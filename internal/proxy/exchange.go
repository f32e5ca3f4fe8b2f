package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/crash"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// maxRefusal bounds how much of a provider's error is looked at; the rest still reaches the caller.
const maxRefusal = 64 << 10

// exchange is one admitted request on its way to the provider and back. It belongs to the handler's goroutine.
type exchange struct {
	*call
	parcel parcel
	held   *billing.Reservation
	out    billing.Outcome
	done   *Answered // nil: there is no answer whose signature could be checked
	judged bool      // its verdict was waited for
}

// exchange carries a parcel to the provider and its answer back. The open record is committed before the first byte
// leaves; whatever happens then, it is booked exactly once: where the answer's header tells the fee just before that goes
// out, else at the end.
func (c *call) exchange(p parcel) (err error) {
	s := c.srv
	crash.Point("request/before-open")
	held, err := s.cfg.Meter.Open(c.r.Context(), p.order)
	if err != nil {
		return err
	}
	crash.Point("request/opened")
	x := &exchange{call: c, parcel: p, held: held}
	defer func() {
		x.book(err)
		if x.out.Verdict == zg.VerdictPending && !x.judged {
			s.cfg.Answered(x.done)
		}
	}()

	// The provider bills a request whether or not its caller waits for the answer, so the exchange outlives the caller:
	// only our own limits end it.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(c.r.Context()))
	defer cancel(nil)
	defer context.AfterFunc(s.stop, func() { cancel(errShutdown) })()

	resp, err := c.send(ctx, p, &x.out)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // the answer has been read as far as it will be
	x.out.Status = resp.StatusCode
	crash.Point("request/header")
	if resp.StatusCode != http.StatusOK {
		return x.passRefusal(resp)
	}
	return x.relay(cancel, resp)
}

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
)

// send performs the request, with one retry when the provider refuses our session token: such a refusal is unbilled.
func (c *call) send(ctx context.Context, p parcel, out *billing.Outcome) (*http.Response, error) {
	s := c.srv
	svc := &c.offer.Service
	for try := 0; ; try++ {
		bearer, err := s.cfg.Tokens.Bearer(ctx, svc.Provider)
		if err != nil {
			return nil, &APIError{
				Status: http.StatusServiceUnavailable, Type: typeServer, Code: "session_token", Cause: err, RetryAfter: 5 * time.Second,
				Message: "No session token could be made for the provider: its sub-account could not be read from the chain. Nothing was spent.",
			}
		}
		req, err := c.upstreamRequest(ctx, p, bearer)
		if err != nil {
			return nil, err
		}
		crash.Point("request/before-send")
		resp, err := s.cfg.Transport.RoundTrip(req)
		if err != nil {
			out.Reached = reached(err)
			return nil, c.transportError(err)
		}
		out.Reached = true
		if resp.StatusCode == http.StatusOK {
			return resp, nil
		}
		detail := c.refusal(resp)
		switch detail.Class {
		case zg.RefusalSessionExpired, zg.RefusalSessionRevoked:
			s.cfg.Tokens.Reject(svc.Provider, bearer, detail.Class)
			if try == 0 && p.body == nil {
				_ = resp.Body.Close()                         // a refusal; nothing more to learn from it
				out.Reached, c.code, c.cause = false, "", nil // unbilled, and forgotten if the second try goes well
				continue
			}
			_ = resp.Body.Close() // see above
			out.Status = resp.StatusCode
			return nil, &APIError{
				Status: http.StatusServiceUnavailable, Type: typeServer, Code: "session_refused", RetryAfter: time.Second,
				Message: "The provider refused the session token (" + string(detail.Class) + "). A new one is made for the next request; try again. Nothing was billed.",
			}
		case zg.RefusalBalance, zg.RefusalNoAccount, zg.RefusalNotAcknowledged:
			_ = resp.Body.Close() // see above
			out.Status = resp.StatusCode
			if s.cfg.Refused != nil {
				s.cfg.Refused(svc.Provider, detail)
			}
			return nil, c.fundsError(detail)
		default:
			return resp, nil
		}
	}
}

func (c *call) upstreamRequest(ctx context.Context, p parcel, bearer string) (*http.Request, error) {
	body := p.body
	if p.bytes != nil {
		body = bytes.NewReader(p.bytes)
	}
	url := c.offer.Service.URL + "/v1/proxy" + c.route.path[len("/v1"):]
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return nil, &APIError{
			Status: http.StatusBadGateway, Type: typeServer, Code: "provider_url", Cause: err,
			Message: "The provider has registered an address that is not a URL.",
		}
	}
	req.ContentLength = p.length
	req.Header = upstreamHeader(c.r.Header, bearer, c.srv.cfg.UserAgent)
	if p.contentType != "" {
		req.Header["Content-Type"] = []string{p.contentType}
	}
	return req, nil
}

// refusal classifies an answer other than 200. What was read to do so is put back in front of the body.
func (c *call) refusal(resp *http.Response) zg.RefusalDetail {
	head, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	resp.Body = &rewound{Reader: io.MultiReader(bytes.NewReader(head), resp.Body), Closer: resp.Body}
	detail := c.srv.cfg.Classify(resp.StatusCode, resp.Header.Get("Content-Type"), head)
	c.srv.cfg.Metrics.refusals.WithLabelValues(c.offer.label, string(detail.Class)).Inc()
	c.code, c.cause = string(detail.Class), err
	return detail
}

type rewound struct {
	io.Reader
	io.Closer
}

// passRefusal hands the provider's own error to the caller: its status, body and type, and that it costs nothing.
func (x *exchange) passRefusal(resp *http.Response) error {
	x.book(nil)
	h := x.w.Header()
	copyResponseHeader(h, resp.Header)
	h["X-Zgproxy-Error"] = []string{"provider_" + x.code}
	h["X-Zgproxy-Provider"] = []string{x.offer.label}
	x.tellFee()
	x.status = resp.StatusCode
	x.w.WriteHeader(resp.StatusCode)
	n, err := io.Copy(x.w, io.LimitReader(resp.Body, 8<<20))
	x.bytes = n
	if err != nil {
		x.cause = fmt.Errorf("pass on the provider's error: %w", err)
	}
	return nil
}

// reached reports whether a failed request may have arrived at the provider. Only a failure to connect rules it out.
func reached(err error) bool {
	var op *net.OpError
	return !errors.As(err, &op) || op.Op != "dial"
}

func (c *call) transportError(err error) *APIError {
	e := &APIError{
		Status: http.StatusBadGateway, Type: typeServer, Code: "provider_unreachable", Cause: err, RetryAfter: time.Second,
		Message: "The provider could not be reached, so nothing was billed. Try again or choose another model.",
	}
	var timeout net.Error
	switch cause := err; {
	case errors.Is(err, errShutdown):
		e.Status, e.Code, e.Message = http.StatusServiceUnavailable, "shutting_down", "zgproxy is shutting down; the provider may bill this request."
	case errors.As(cause, &timeout) && timeout.Timeout():
		e.Status, e.Code, e.Message = http.StatusGatewayTimeout, "provider_timeout", "The provider did not answer in time; it may still bill this request."
	case reached(err):
		e.Code, e.Message = "provider_connection", "The connection to the provider broke before it answered; it may still bill this request."
	}
	if big, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return asAPIError(big)
	}
	if bad := asAPIError(err); bad.Code == "invalid_request" {
		return bad
	}
	return e
}

// fundsError puts a provider's complaint about the sub-account into words that say what to do here.
func (c *call) fundsError(d zg.RefusalDetail) *APIError {
	e := &APIError{Status: http.StatusPaymentRequired, Type: typeQuota, Code: string(d.Class)}
	provider, who := c.offer.Service.Provider, c.offer.label
	hint, wait := c.srv.cfg.Meter.Funding(provider)
	switch d.Class {
	case zg.RefusalBalance:
		e.Message, e.RetryAfter = "Provider "+who+" wants more in its sub-account before it serves", wait
		if !d.Required.IsZero() {
			e.Message += " (at least " + d.Required.Og() + " 0G)"
		}
		e.Message += ". " + hint
	case zg.RefusalNoAccount:
		e.Message, e.RetryAfter = "There is no sub-account with provider "+who+" yet. "+hint, wait
	default:
		// Providers read the acknowledgement from the chain every ten minutes at least.
		e.Message = "Provider " + who + " has not seen that you acknowledge its signer. A first transfer does that, or: zgproxy provider acknowledge " + who +
			". Where it has been done already, the provider notices within 10 minutes."
	}
	if e.RetryAfter > 0 {
		e.Status = http.StatusTooManyRequests // a top-up is expected, so waiting helps
	}
	return e
}
