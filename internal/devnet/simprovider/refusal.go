package simprovider

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// refusalError is an answer other than 200: status, JSON body, and headers of its own.
type refusalError struct {
	status  int
	header  http.Header
	body    []byte
	message []byte // the body in Anthropic's dialect; nil: the same
	text    string
}

func (e *refusalError) Error() string { return e.text }

// refuse is a provider's ordinary refusal, which always has status 400.
func refuse(message string) *refusalError { return refuseWith(http.StatusBadRequest, message) }

// refuseWith is a refusal whose error is a plain string.
func refuseWith(status int, message string) *refusalError {
	return refuseObject(status, message, map[string]any{"error": message})
}

// refuseRate is the object that limits per minute are reported with. It never comes with Retry-After.
func refuseRate(message string) *refusalError {
	r := refuseObject(http.StatusTooManyRequests, message, map[string]any{
		"error": map[string]string{"type": "rate_limit_error", "message": message},
	})
	r.message = messageError(r.status, message)
	return r
}

func refuseObject(status int, text string, body any) *refusalError {
	return &refusalError{status: status, header: make(http.Header), body: encode(body), text: text}
}

// modelError is how the model server behind a provider complains; providers pass it on untouched.
func modelError(status int, kind, message string) *refusalError {
	r := refuseObject(status, message, map[string]any{"error": map[string]any{"message": message, "type": kind, "code": status}})
	r.message = messageError(status, message)
	return r
}

// asRefusal turns whatever ended a request into its answer. What the chain could not say is the provider's own failure,
// whose text is not told.
func asRefusal(err error) *refusalError {
	if r, ok := errors.AsType[*refusalError](err); ok {
		return r
	}
	return refuseWith(http.StatusInternalServerError, http.StatusText(http.StatusInternalServerError))
}

func writeError(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]any{"error": message})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(encode(v)) // a client that has left needs no answer
}

// encode is JSON of our own values, all of which can be encoded.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("simprovider: encode: " + err.Error())
	}
	return b
}

// refusePage is what a web server in front of the provider says, which is not JSON.
func refusePage(status int) *refusalError {
	r := refuseWith(status, http.StatusText(status))
	r.body = fmt.Appendf(nil, ingressPage, status, http.StatusText(status))
	r.header.Set("Content-Type", "text/html")
	return r
}
