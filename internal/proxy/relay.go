package proxy

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"time"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/crash"
	"github.com/zgproxy/zgproxy/internal/sse"
)

const (
	// A caller that takes nothing for so long is gone, whatever its TCP connection says.
	writeTimeout = 5 * time.Minute
	// Time limits are renewed no more often than this.
	deadlineRenewal = 10 * time.Second
)

// relay streams a 200 answer to the caller, event by event, with the tap reading along. It fills in out and returns
// what the signature check needs.
func (c *call) relay(cancel context.CancelCauseFunc, resp *http.Response, p parcel, out *billing.Outcome) (*Answered, error) {
	s := c.srv
	contentType := resp.Header.Get("Content-Type")
	kind := sse.KindOf(c.offer.Service.Type, contentType)
	events := kind == sse.Events
	if events || kind == sse.Lines {
		c.stream = true
		s.cfg.Metrics.streams.Inc()
		defer s.cfg.Metrics.streams.Dec()
	}
	body, wire, err := decoded(resp)
	if err != nil {
		return nil, &APIError{
			Status: http.StatusBadGateway, Type: typeServer, Code: "provider_encoding", Cause: err,
			Message: "The provider compressed its answer although it was asked not to, and it could not be unpacked.",
		}
	}
	rl := &relaying{
		call: c, ctx: resp.Request.Context(), body: body, tap: sse.NewTap(kind, c.offer.Service.Type), cancel: cancel, flush: c.stream,
		control: http.NewResponseController(c.w),
	}
	if events && p.stripUsage {
		rl.filter = sse.NewFilter()
	}
	c.answerHeader(resp, rl.filter != nil || wire != nil)

	readErr := rl.run()

	sum := rl.tap.Summary()
	c.bytes = sum.Bytes
	s.cfg.Metrics.bytes.WithLabelValues(c.offer.label).Add(float64(sum.Bytes))
	s.cfg.Metrics.firstByte.WithLabelValues(c.offer.label).Observe(c.firstByte.Seconds())
	if rl.gone {
		c.code = "caller_left"
		outcome := "complete"
		if readErr != nil {
			outcome = "cut"
		}
		s.cfg.Metrics.drains.WithLabelValues(outcome).Inc()
	}
	complete := readErr == nil && (sum.Complete || (!events && kind != sse.JSON))
	out.Usage, out.Complete, out.ResponseSHA256, out.ResponseBytes = sum.Usage, complete, sum.SHA256, sum.Bytes
	out.ResKey, out.ChatID = resp.Header.Get("Zg-Res-Key"), sum.ChatID
	if wire != nil {
		wire.Sum(out.ResponseSHA256[:0])
	}
	answered := &Answered{
		RequestID: c.id, Offer: c.offer, ResKey: out.ResKey, ChatID: sum.ChatID, Request: p.bytes, ResponseSHA256: out.ResponseSHA256,
		Images: sum.Images, Complete: complete, Stream: c.stream, ResponseDecoded: wire != nil,
	}
	switch {
	case rl.gone:
		return answered, nil
	case readErr != nil:
		return answered, c.truncated("truncated", readErr)
	case events && !sum.Complete && !sum.Error:
		return answered, c.truncated("truncated", io.ErrUnexpectedEOF)
	case sum.Error:
		c.code = "provider_stream_error"
	}
	return answered, nil
}

// answerHeader sends status and headers ahead of the first byte.
func (c *call) answerHeader(resp *http.Response, lengthChanges bool) {
	h := c.w.Header()
	copyResponseHeader(h, resp.Header)
	if lengthChanges {
		delete(h, "Content-Encoding")
	} else if v := resp.Header["Content-Length"]; len(v) == 1 {
		h["Content-Length"] = v
	}
	if c.stream {
		h["X-Accel-Buffering"] = []string{"no"}
	}
	h["X-Zgproxy-Provider"] = []string{c.offer.label}
	c.status = http.StatusOK
	c.w.WriteHeader(http.StatusOK)
}

// truncated tells the caller that the answer is not whole: a stream gets an error event, and the connection is broken
// off rather than ended, so that no client takes the part for the whole.
func (c *call) truncated(code string, cause error) error {
	c.code, c.cause = code, cause
	c.srv.cfg.Metrics.errors.WithLabelValues(code).Inc()
	if c.stream {
		e := &APIError{
			Type: typeServer, Code: code,
			Message: "The provider's answer broke off before its end; the part received is billed.",
		}
		if errors.Is(cause, errIdle) {
			e.Message = "The provider stopped sending; the answer was given up. The part received is billed."
		}
		_, _ = fmt.Fprintf(c.w, "\n\ndata: %s\n", e.envelope()) // the connection is given up next
		_ = http.NewResponseController(c.w).Flush()             // see above
	}
	panic(http.ErrAbortHandler)
}

// decoded is the body in the form the tap reads. Where a provider compressed although identity was asked for, the wire
// bytes are hashed before they are unpacked: what it signed is what it sent.
func decoded(resp *http.Response) (io.Reader, hash.Hash, error) {
	if enc := baseType(resp.Header.Get("Content-Encoding")); enc != "gzip" && enc != "x-gzip" {
		return resp.Body, nil, nil
	}
	wire := sha256.New()
	zr, err := gzip.NewReader(io.TeeReader(resp.Body, wire))
	if err != nil {
		return nil, nil, fmt.Errorf("read gzip header: %w", err)
	}
	return zr, wire, nil
}

// relaying is the copy loop of one answer.
type relaying struct {
	*call
	ctx     context.Context
	body    io.Reader
	tap     *sse.Tap
	filter  *sse.Filter
	control *http.ResponseController
	cancel  context.CancelCauseFunc
	flush   bool
	gone    bool  // the caller has left; the answer is read on for its usage and digest
	drained int64 // bytes read since
	held    []byte
	renewed time.Time
}

// run copies until the provider's answer ends. A nil error means its end was seen.
func (r *relaying) run() error {
	cfg := &r.srv.cfg
	buf := r.srv.buffers.Get().(*[]byte)
	defer r.srv.buffers.Put(buf)
	idle := time.AfterFunc(cfg.StreamIdle, func() { r.cancel(errIdle) })
	defer idle.Stop()
	stop := context.AfterFunc(r.r.Context(), func() {
		time.AfterFunc(cfg.DrainTimeout, func() { r.cancel(errDrained) })
	})
	defer stop()

	// Timers are moved ahead now and then, not at every piece.
	renewal := min(deadlineRenewal, cfg.StreamIdle/8)
	for {
		n, err := r.body.Read(*buf)
		if n > 0 {
			now := time.Now()
			if r.firstByte == 0 {
				r.firstByte = now.Sub(r.started)
			}
			if now.Sub(r.renewed) >= renewal {
				r.renewed = now
				idle.Reset(cfg.StreamIdle)
				_ = r.control.SetWriteDeadline(now.Add(writeTimeout)) // not supported: the connection's own limits hold
			}
			r.tap.Write((*buf)[:n])
			r.pass((*buf)[:n])
			crash.Point("request/mid-relay")
			if r.gone {
				if r.drained += int64(n); r.drained > cfg.DrainBytes {
					return errDrained
				}
			}
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			if r.filter != nil {
				r.write(r.filter.Rest(r.held[:0]))
			}
			return nil
		}
		if err != nil {
			// A cancelled exchange fails in many words; its cause says why.
			if cause := context.Cause(r.ctx); cause != nil {
				err = cause
			}
			return err
		}
	}
}

// pass hands a piece of the answer to the caller.
func (r *relaying) pass(p []byte) {
	if r.filter != nil {
		r.held = r.filter.Next(p, r.held[:0])
		p = r.held
	}
	r.write(p)
}

func (r *relaying) write(p []byte) {
	if r.gone || len(p) == 0 {
		return
	}
	if _, err := r.w.Write(p); err != nil {
		r.gone = true
		return
	}
	if r.flush {
		if err := r.control.Flush(); err != nil {
			r.gone = true
		}
	}
}
