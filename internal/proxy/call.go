package proxy

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/memory"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// call is one caller's request while it is under way. It belongs to the handler's goroutine.
type call struct {
	srv     *Server
	w       http.ResponseWriter
	r       *http.Request
	op      operation
	id      string // of the attempt under way
	first   string // of the first attempt
	key     string // fingerprint of the caller's local key
	started time.Time

	offer    *route.Offer
	sent     zg.Credential // what the offer's provider was last shown
	attempts int           // at providers; 0 or 1: the first
	choices  uint64
	format   string // response_format, as the caller has it
	stream   bool
	status   int // sent to the caller; 0: nothing was
	memory   memory.Hold
	body     int64 // of it, for the request's body
	course
}

// course is how an attempt goes.
type course struct {
	code      string // error code sent, or what went wrong with the provider's answer
	cause     error
	firstByte time.Duration
	bytes     int64
	booking   billing.Booking
	booked    bool
	fee       string // what was recorded, as text
	judgement zg.Judgement
	plain     bool // the stream's lines are documents, not events
}

// fail answers with an error where nothing was sent yet. After that only the log can tell.
func (c *call) fail(err error) {
	if back, ok := errors.AsType[*setback](err); ok {
		c.w.Header()[providerHeader] = []string{c.offer.Label} // who was asked last
		if back.refusal != nil && c.status == 0 {
			c.passRefusal(back)
			return
		}
	}
	e := asAPIError(err)
	if e.Code == "memory_full" && c.status == 0 {
		c.discard()
	}
	c.code, c.cause = e.Code, e.Cause
	c.srv.cfg.Metrics.errors.WithLabelValues(e.Code).Inc()
	if c.status != 0 {
		return
	}
	c.status = e.Status
	e.send(c.w, c.op.path)
}

// finish counts the call and writes its access line: facts only, nothing of what was asked or answered.
func (c *call) finish() {
	m := c.srv.cfg.Metrics
	m.open.Dec()
	took := time.Since(c.started)
	provider, model := "", ""
	if c.offer != nil {
		provider, model = c.offer.Label, c.offer.Model
	}
	m.requests.WithLabelValues(c.op.path, provider, model, strconv.Itoa(c.status)).Inc()
	m.duration.WithLabelValues(c.op.path).Observe(took.Seconds())

	level := zerolog.InfoLevel
	if c.status >= 500 || (c.status < 400 && c.code != "") {
		level = zerolog.WarnLevel
	}
	ev := c.srv.cfg.Log.WithLevel(level)
	if ev == nil {
		return
	}
	ev = ev.Str("request_id", c.id).Str("route", c.op.path).Int("status", c.status).Dur("took_ms", took)
	if c.offer != nil {
		ev = ev.Str("provider", provider).Str("model", model).Bool("stream", c.stream)
	}
	if c.booked {
		ev = ev.Dur("first_byte_ms", c.firstByte).Int64("bytes", c.bytes).
			Str("fee_neuron", c.fee).Str("basis", string(c.booking.Basis))
	}
	if j := c.judgement; j.Verdict != "" && j.Verdict != zg.VerdictPending {
		ev = ev.Str("verdict", string(j.Verdict))
		if j.Code != "" {
			ev = ev.Str("verdict_code", j.Code)
		}
	}
	if c.key != "" {
		ev = ev.Str("key", c.key)
	}
	if c.attempts > 1 {
		ev = ev.Int("attempts", c.attempts)
	}
	if c.code != "" {
		ev = ev.Str("code", c.code)
	}
	if c.cause != nil {
		ev = ev.Str("err", c.sent.CleanError(c.cause))
	}
	ev.Msg("request")
}
