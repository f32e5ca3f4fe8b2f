package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/request"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// APIError is a refusal in the shape OpenAI clients understand. Its text is for the caller: it says what happened, what
// it means and what to do next, and never holds a prompt, a token or a key.
type APIError struct {
	Status     int
	Type       string
	Code       string // stable; also the error's category in logs and metrics
	Param      string // the field at fault, or empty
	Message    string
	RetryAfter time.Duration
	Refusal    zg.Refusal // the provider's reason, where it is one that refused; told in X-Zgproxy-Error
	Cause      error      // for the log only
}

func (e *APIError) Error() string {
	if e.Cause != nil {
		return e.Code + ": " + e.Cause.Error()
	}
	return e.Code + ": " + e.Message
}

func (e *APIError) Unwrap() error { return e.Cause }

// The error types of OpenAI's envelope that the proxy uses.
const (
	typeRequest = "invalid_request_error"
	typeQuota   = "insufficient_quota"
	typeServer  = "server_error"
	typeRate    = "rate_limit_error"
	typeAuth    = "authentication_error"
	typePermit  = "permission_error"
)

// restTimeout is how long a caller may take to send what is left of a body that nobody wants.
const restTimeout = 10 * time.Second

// writeError sends the error in the form of OpenAI.
func writeError(w http.ResponseWriter, e *APIError) { e.send(w, "") }

// send answers a request for path with the error, in the form that clients of that path read. Where the call has no id
// yet it gets one.
func (e *APIError) send(w http.ResponseWriter, path string) {
	h := w.Header()
	id := h.Get("X-Request-Id")
	if id == "" {
		id = newID(time.Now())
	}
	setRequestID(h, path, id)
	e.tell(h)
	// What is left of the request's body is read before the connection is used again, or closed. Nobody is waited for who
	// does not send it. Not supported: the connection's own limits hold.
	rest := restTimeout
	if e.Code == "request_timeout" { // it did not come before
		rest, h["Connection"] = 0, []string{"close"}
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(rest))
	body := e.envelopeFor(path, id)
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	delete(h, "Content-Encoding")
	w.WriteHeader(e.Status)
	_, _ = w.Write(body) //nolint:gosec // JSON, and said to be nothing else. The caller left: nobody to tell
}

// tell puts what clients act on among the headers: the cause, when to come back, and whether at all.
func (e *APIError) tell(h http.Header) {
	code := e.Code
	if e.Refusal != zg.RefusalNone {
		code = "provider_" + string(e.Refusal)
	}
	h["X-Zgproxy-Error"] = []string{code}
	setRetryAfter(h, e.RetryAfter)
	again := conditions[e.Code].again
	if e.RetryAfter > 0 {
		again = e.RetryAfter <= maxPatience
	}
	if !again && clientRetries(e.Status) {
		h["X-Should-Retry"] = []string{"false"}
	}
}

// envelope is the error object as JSON with a newline, so that it reads well in a terminal too.
func (e *APIError) envelope() []byte {
	type body struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	}
	b := body{Message: e.Message, Type: e.Type, Code: e.Code}
	if e.Param != "" {
		b.Param = &e.Param
	}
	return jsonLine(map[string]body{"error": b})
}

// jsonLine is a value made of strings as one line of JSON.
func jsonLine(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil { // strings always marshal
		return []byte(`{"error":{"message":"internal error","type":"server_error","param":null,"code":"internal"}}` + "\n")
	}
	return append(out, '\n')
}

// asAPIError is the one table from error values to what the caller sees.
func asAPIError(err error) *APIError {
	if api, ok := errors.AsType[*APIError](err); ok {
		return api
	}
	if bad, ok := errors.AsType[*request.Error](err); ok {
		e := problem("invalid_request", bad.Message)
		e.Param = bad.Param
		return e
	}
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem("request_too_large", fmt.Sprintf("The request body is larger than %d bytes, the most that providers accept.", tooBig.Limit))
	}
	if errors.Is(err, request.ErrEncoding) {
		return problem("unsupported_media_type", "Send the body as it is, or with Content-Encoding: gzip; no other encoding is known here.")
	}
	if none, ok := errors.AsType[*route.NoOffer](err); ok {
		return noOfferError(none)
	}
	if busy, ok := errors.AsType[*route.Busy](err); ok {
		return busyError(busy)
	}
	if refused, ok := errors.AsType[*billing.Refused](err); ok {
		return refusedError(refused)
	}
	e := problem("internal", "zgproxy failed to handle this request. The log names the cause under this request id.")
	e.Cause = err
	return e
}

func refusedError(r *billing.Refused) *APIError {
	e := problem(string(r.Kind), strings.TrimSpace(r.Message+" "+r.Hint))
	e.RetryAfter, e.Cause = r.RetryAfter, r
	switch {
	case errors.Is(r, billing.ErrStore):
		e.Status, e.Type = http.StatusServiceUnavailable, typeServer
	case r.RetryAfter > 0:
		e.Status = http.StatusTooManyRequests
	}
	return e
}

func errNotReady(reason string) *APIError {
	e := problem("not_ready", "zgproxy is not ready yet: "+reason+". Try again in a moment.")
	e.RetryAfter = 2 * time.Second
	return e
}

func errNoModel() *APIError {
	e := problem("missing_model", "You must provide a model parameter. GET /v1/models lists what can be used.")
	e.Param = "model"
	return e
}
