package proxy

import (
	"errors"
	"io"
	"net/http"

	"github.com/zgproxy/zgproxy/internal/route"
)

// silent is an answer that ended before its first byte. It may have been billed, but what makes nothing that lasts may be
// asked of another provider.
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
