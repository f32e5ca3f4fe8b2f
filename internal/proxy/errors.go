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
	Cause      error // for the log only
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
	typeAuth    = "authentication_error"
	typePermit  = "permission_error"
)

// writeError sends the envelope {"error":{"message","type","param","code"}}.
func writeError(w http.ResponseWriter, e *APIError) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Zgproxy-Error", e.Code)
	h.Del("Content-Length")
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(e.envelope()) // the caller left: nobody to tell
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
	out, err := json.Marshal(map[string]body{"error": b})
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
		return &APIError{Status: http.StatusBadRequest, Type: typeRequest, Code: "invalid_request", Param: bad.Param, Message: bad.Message}
	}
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &APIError{
			Status: http.StatusRequestEntityTooLarge, Type: typeRequest, Code: "request_too_large",
			Message: fmt.Sprintf("The request body is larger than %d bytes, the most that providers accept.", tooBig.Limit),
		}
	}
	if refused, ok := errors.AsType[*billing.Refused](err); ok {
		return refusedError(refused)
	}
	return &APIError{
		Status: http.StatusInternalServerError, Type: typeServer, Code: "internal", Cause: err,
		Message: "zgproxy failed to handle this request. The log names the cause under this request id.",
	}
}

func refusedError(r *billing.Refused) *APIError {
	e := &APIError{
		Status: http.StatusPaymentRequired, Type: typeQuota, Code: string(r.Kind),
		Message: strings.TrimSpace(r.Message + " " + r.Hint), RetryAfter: r.RetryAfter, Cause: r,
	}
	switch {
	case errors.Is(r, billing.ErrStore):
		e.Status, e.Type = http.StatusServiceUnavailable, typeServer
	case r.RetryAfter > 0:
		e.Status = http.StatusTooManyRequests
	}
	return e
}

func errUnknownRoute(method, path string) *APIError {
	return &APIError{
		Status: http.StatusNotFound, Type: typeRequest, Code: "unknown_url",
		Message: fmt.Sprintf("Unknown request URL: %s %.200s. zgproxy serves POST /v1/chat/completions, POST /v1/images/generations, "+
			"POST /v1/audio/transcriptions, POST /v1/verify, GET /v1/models and GET /v1/models/{id}.", method, path),
	}
}

func errMethod(method, path string) *APIError {
	return &APIError{
		Status: http.StatusMethodNotAllowed, Type: typeRequest, Code: "method_not_allowed",
		Message: fmt.Sprintf("%s is not allowed on %.200s.", method, path),
	}
}

func errNotReady(reason string) *APIError {
	return &APIError{
		Status: http.StatusServiceUnavailable, Type: typeServer, Code: "not_ready", RetryAfter: 2 * time.Second,
		Message: "zgproxy is not ready yet: " + reason + ". Try again in a moment.",
	}
}

func errNoModel() *APIError {
	return &APIError{
		Status: http.StatusBadRequest, Type: typeRequest, Code: "missing_model", Param: "model",
		Message: "You must provide a model parameter. GET /v1/models lists what can be used.",
	}
}
