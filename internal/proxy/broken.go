package proxy

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/zgproxy/zgproxy/internal/memory"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// silent is an answer that ended before its first byte. It may have been billed, but what makes nothing that lasts may
// be asked of another provider.
func (x *exchange) silent(cause error) error {
	if cause == nil {
		cause = io.ErrUnexpectedEOF
	}
	return &setback{err: broken(cause), result: route.Failed, again: !x.op.job && !errors.Is(cause, errIdle) && !errors.Is(cause, errShutdown)}
}

// broken is an answer that is not whole.
func broken(cause error) *APIError {
	e := problem("truncated", "The provider's answer broke off before its end; the part received is billed.")
	e.Cause = cause
	if errors.Is(cause, errIdle) {
		e.Message = "The provider stopped sending; the answer was given up. The part received is billed."
	}
	if errors.Is(cause, memory.ErrFull) {
		e.Message = "There was no memory left for the very long lines of this answer, so it was given up. The part received is billed."
	}
	return e
}

// truncated tells the caller that the answer is not whole: a stream gets an error event, and the connection is broken
// off rather than ended, so that no client takes the part for the whole.
func (c *call) truncated(cause error) error {
	c.breakOff(broken(cause))
	return nil
}

// breakOff ends an answer that has begun with an error: where it is a stream, the caller is told, and the connection is
// broken off in any case. It does not return.
func (c *call) breakOff(e *APIError) {
	c.code, c.cause = e.Code, e.Cause
	c.srv.cfg.Metrics.errors.WithLabelValues(e.Code).Inc()
	if c.stream {
		text := e.streamEvent(c.op.path, c.id)
		if c.plain {
			text = append([]byte("\n"), e.envelope()...)
		}
		_, _ = c.w.Write(text)                      // the connection is given up next
		_ = http.NewResponseController(c.w).Flush() // see above
	}
	panic(http.ErrAbortHandler)
}

// errStreamFailed is the cause of a stream that its provider ended with an error.
var errStreamFailed = errors.New("the provider ended the stream with an error")

// failed ends a stream in which an error stood where an answer should go on. The error's own line has been kept from
// the caller: written by a broker it is no event, and its words are the provider's business. Where nothing of an answer
// has gone out, another provider may be asked.
func (r *relaying) failed() error {
	said, callers := streamFailure(r.cutoff.Said())
	said = r.sent.Clean(said)
	r.callers = callers
	switch {
	case callers && !r.begun:
		e := problem(string(zg.RefusalRequest), "Provider "+r.offer.Label+" refused the request after it had begun to answer; it may bill it.")
		if r.offer.Endpoint != "" {
			e.Message = "Endpoint " + r.offer.Endpoint + " refused the request after it had begun to answer."
		}
		e.Refusal, e.Cause = zg.RefusalRequest, errStreamFailed
		if said != "" {
			e.Message += " It says: " + said
		}
		return e
	case !r.begun:
		return &setback{err: broken(errStreamFailed), result: route.Failed, again: !r.op.job}
	}
	e := broken(errStreamFailed)
	if callers {
		e.Status, e.Type = http.StatusBadRequest, typeRequest
		if said != "" {
			e.Message += " The model server says: " + said
		}
	}
	r.breakOff(e)
	return nil
}

// callersFault are the types and codes by which model servers say that something about the request is to blame.
var callersFault = map[string]bool{
	"invalid_request_error": true, "BadRequestError": true, "context_length_exceeded": true,
	"content_filter": true, "content_policy_violation": true,
	"400": true, "413": true, "422": true,
}

// streamFailure reads an error in the middle of a stream, and whether it is about the request: then the caller has to
// learn what it says. What a broker writes of itself is a string and never that.
func streamFailure(doc []byte) (said string, callers bool) {
	var outer, inner map[string]json.RawMessage
	if json.Unmarshal(doc, &outer) != nil || json.Unmarshal(outer["error"], &inner) != nil {
		return "", false
	}
	for _, key := range []string{"type", "code", "status"} {
		var word string
		if json.Unmarshal(inner[key], &word) != nil {
			word = string(inner[key]) // a number
		}
		callers = callers || callersFault[word]
	}
	if !callers {
		return "", false
	}
	_ = json.Unmarshal(inner["message"], &said) // none, or no text: the error is told without it
	return quotable(said), true
}
