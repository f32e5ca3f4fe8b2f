package proxy

import (
	"net/http"
	"strings"
)

// messagesPath is the route whose clients read Anthropic's form of everything.
const messagesPath = "/v1/messages"

// anthropic reports whether the clients of a path read Anthropic's form of errors rather than OpenAI's.
func anthropic(path string) bool {
	rest, ok := strings.CutPrefix(path, messagesPath)
	return ok && (rest == "" || rest[0] == '/')
}

// setRequestID names a request to its caller, in the header that clients of the path look at.
func setRequestID(h http.Header, path, id string) {
	h["X-Request-Id"] = []string{id}
	if anthropic(path) {
		h["Request-Id"] = []string{id}
	}
}

// envelopeFor is the error as a JSON document with a newline, in the form that clients of the path read.
func (e *APIError) envelopeFor(path, requestID string) []byte {
	if !anthropic(path) {
		return e.envelope()
	}
	type inner struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	return jsonLine(struct {
		Type      string `json:"type"`
		Error     inner  `json:"error"`
		RequestID string `json:"request_id,omitempty"`
	}{"error", inner{anthropicType(e.Status), e.Message}, requestID})
}

// streamEvent is the error as an event of a stream. It begins with a blank line, so that it is an event of its own
// wherever the stream broke off, and ends with one.
func (e *APIError) streamEvent(path, requestID string) []byte {
	out := []byte("\n\n")
	if anthropic(path) {
		out = append(out, "event: error\n"...)
	}
	out = append(out, "data: "...)
	out = append(out, e.envelopeFor(path, requestID)...) // it ends with a newline
	return append(out, '\n')
}

// anthropicType is the error type that belongs to a status. Overload has a status of its own there, 529, which no proxy
// in between and no other client understands; 503 is kept.
func anthropicType(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusPaymentRequired:
		return "billing_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound, http.StatusGone:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusServiceUnavailable, 529:
		return "overloaded_error"
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return "timeout_error"
	}
	if status >= 500 {
		return "api_error"
	}
	return "invalid_request_error"
}
