package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"time"

	"github.com/zgproxy/zgproxy/internal/crash"
	"github.com/zgproxy/zgproxy/internal/sse"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// A caller that takes nothing for so long is gone, whatever its TCP connection says.
	writeTimeout = 5 * time.Minute
	// Time limits are renewed no more often than this.
	deadlineRenewal = 10 * time.Second
	// A document of up to so many bytes is held until its end, so that its header can say what it cost …
	maxHeld = 64 << 10
	// … but not for longer than this from its first byte on: some providers keep a connection alive with white space while
	// a model thinks, and callers wait for that.
	maxHold = 2 * time.Second
)

// relay hands a 200 answer to the caller, with the tap reading along: a stream event by event, a small document as a
// whole.
func (x *exchange) relay(cancel context.CancelCauseFunc, resp *http.Response) error {
	s := x.srv
	rl, err := x.newRelaying(cancel, resp)
	if err != nil {
		return err
	}
	if x.stream {
		s.cfg.Metrics.streams.Inc()
		defer s.cfg.Metrics.streams.Dec()
	}
	buffers := &s.buffers
	if rl.hold {
		buffers = &s.larger
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)

	rest, readErr := rl.run(*buf)

	sum := rl.tap.Summary()
	ended := rl.sumUp(&sum, rest, readErr)
	switch {
	case rl.gone:
		x.done = ended
		return nil
	case rl.refused != nil:
		if readErr == nil {
			x.done = ended
		}
		x.book(rl.refused)
		return rl.refuse(rl.paid(rl.refused))
	case !rl.begun && sum.Bytes == 0 && (readErr != nil || rl.kind == sse.Events):
		return x.silent(readErr)
	case rl.cutoff != nil && (rl.cutoff.Struck() || sum.Error):
		if readErr == nil {
			x.done = ended
		}
		return rl.failed()
	case readErr == nil && sum.Partial && !x.srv.cfg.Enforce: // else it fails verification. The broker ended it politely, most often with the error of its model server
		x.done = ended
		if !rl.begun {
			return broken(io.ErrUnexpectedEOF)
		}
		return x.truncated(io.ErrUnexpectedEOF)
	case readErr != nil && !rl.begun:
		return broken(readErr) // nothing of it has gone out, so that the caller can be told in plain words
	case readErr != nil:
		return x.truncated(readErr)
	case rl.kind == sse.Events && !sum.Complete:
		return x.truncated(io.ErrUnexpectedEOF)
	case sum.Error:
		x.code = "provider_stream_error"
	}
	x.done = ended
	return rl.end(rest)
}

// newRelaying decides how an answer is handed on.
func (x *exchange) newRelaying(cancel context.CancelCauseFunc, resp *http.Response) (*relaying, error) {
	contentType, enforce := resp.Header.Get("Content-Type"), x.srv.cfg.Enforce
	kind := sse.KindOf(x.offer.Service.Type, contentType)
	if kind == sse.Events || kind == sse.Lines {
		x.stream = true
		x.plain = kind == sse.Lines && baseType(contentType) != "text/event-stream"
	}
	body, wire, err := decoded(resp)
	if coding := baseType(resp.Header.Get("Content-Encoding")); err == nil && wire == nil && enforce && coding != "" && coding != "identity" {
		err = fmt.Errorf("what is in %.40q cannot be seen, and nobody signs that it is", coding)
	}
	if err != nil {
		e := problem("provider_encoding", "The provider compressed its answer although it was asked not to, and it could not be unpacked.")
		e.Cause = err
		return nil, e
	}
	r := &relaying{
		exchange: x, kind: kind, ctx: resp.Request.Context(), body: body, wire: wire, tap: sse.NewTap(kind, x.offer.Service.Type), cancel: cancel,
		flush: x.stream, header: resp.Header, hold: !x.stream && (enforce || kind == sse.JSON || kind == sse.Text), control: http.NewResponseController(x.w),
	}
	if kind == sse.Events || kind == sse.Lines {
		r.cutoff = sse.NewCutoff()
	}
	if kind == sse.Events && x.parcel.stripUsage {
		r.filter = sse.NewFilter()
	}
	if enforce && x.stream {
		r.withhold()
	}
	return r, nil
}

// sumUp fills in what is recorded of an answer that has been read, and what checking its signature needs.
func (r *relaying) sumUp(sum *sse.Summary, rest []byte, readErr error) *Answered {
	m := r.srv.cfg.Metrics
	r.bytes = sum.Bytes
	m.bytes.WithLabelValues(r.offer.Label).Add(float64(sum.Bytes))
	m.firstByte.WithLabelValues(r.offer.Label).Observe(r.firstByte.Seconds())
	// Nothing has been written yet of a document that was held: only this tells whether its caller is still there. It is
	// answered even so, for callers that close their sending side and listen on.
	if r.gone || (r.hold && r.r.Context().Err() != nil) {
		r.code = "caller_left"
		outcome := "complete"
		if readErr != nil {
			outcome = "cut"
		}
		m.drains.WithLabelValues(outcome).Inc()
	}
	out := &r.out
	out.Complete = readErr == nil && (sum.Complete || (r.kind != sse.Events && r.kind != sse.JSON))
	if r.cutoff != nil && (r.cutoff.Struck() || sum.Error) {
		out.Complete = false // whatever follows an error, [DONE] too
	}
	out.Ended = readErr == nil && !out.Complete
	out.Usage, out.ResponseSHA256, out.ResponseBytes = sum.Usage, sum.SHA256, sum.Bytes
	out.ResKey, out.ChatID, out.Images = signatureKey(r.header), sum.ChatID, sum.Images
	out.Said = saidIn(r.header)
	if r.wire != nil {
		r.wire.Sum(out.ResponseSHA256[:0])
	}
	switch {
	case r.op.bytes:
		audioOutcome(out, r.header)
	case !out.Usage.Seen:
		out.Usage.InputTokens = r.parcel.inputTokens
	}
	if out.Job = r.op.job; out.Job && sum.JobID != "" {
		out.ChatID = sum.JobID // under which its record is found when somebody asks how far it is
	}
	if r.op.async || r.offer.Endpoint != "" {
		return nil // there is no signature yet, or never will be
	}
	a := &Answered{
		RequestID: r.id, Offer: r.offer, ResKey: out.ResKey, ChatID: sum.ChatID, Request: r.parcel.bytes, ResponseSHA256: out.ResponseSHA256,
		Images: sum.Images, Extras: sum.Extras, Complete: out.Complete, Stream: r.stream, ResponseDecoded: r.wire != nil,
	}
	if r.offer.Service.Info.Separated() && r.kind == sse.JSON && out.Complete && !r.begun && r.refused == nil {
		if a.Response = rest; len(rest) <= maxHeld {
			a.Response = bytes.Clone(rest) // its buffer is used again
		}
	}
	return a
}

// relaying is the copy loop of one answer.
type relaying struct {
	*exchange
	ctx     context.Context
	kind    sse.Kind
	header  http.Header // the provider's
	body    io.Reader
	wire    hash.Hash // of an answer that was compressed, over what came; else nil
	tap     *sse.Tap
	cutoff  *sse.Cutoff // of a stream
	filter  *sse.Filter
	tail    *sse.Hold // keeps the end of a stream back; nil: all of it passes
	control *http.ResponseController
	cancel  context.CancelCauseFunc
	flush   bool
	hold    bool  // the document waits for its end, so that the header can say what it cost
	gone    bool  // the caller has left; the answer is read on for its usage and digest
	drained int64 // bytes read since
	clear   []byte
	scratch []byte
	passed  []byte
	renewed time.Time

	refused  *APIError // the answer cannot be held, so that it must not reach the caller; it is read on like after a caller that left
	reserved int64     // of the memory for withheld answers
	weighed  int64     // what is set aside for lines that are under way, freeLines included

	begun     bool // the header has been written
	rewritten bool // the document's URLs are ours
	trailers  bool // the fee follows the body
}

// run copies until the provider's answer ends. A nil error means its end was seen. What was still held then is rest.
func (r *relaying) run(buf []byte) (rest []byte, err error) {
	cfg := &r.srv.cfg
	idle := time.AfterFunc(cfg.StreamIdle, func() { r.cancel(errIdle) })
	defer idle.Stop()

	// Timers are moved ahead occasionally, not at every piece.
	renewal := min(deadlineRenewal, cfg.StreamIdle/8)
	held := 0
	for {
		n, err := r.body.Read(buf[held:])
		if n > 0 {
			now := time.Now()
			if r.firstByte == 0 {
				r.firstByte = now.Sub(r.started)
				r.lease.FirstByte(now.Sub(r.sentAt))
			}
			if now.Sub(r.renewed) >= renewal {
				r.renewed = now
				idle.Reset(cfg.StreamIdle)
				_ = r.control.SetWriteDeadline(now.Add(r.srv.writeTimeout)) // not supported: the connection's own limits hold
			}
			r.tap.Write(buf[held : held+n])
			crash.Point("request/mid-relay")
			held += n
			// A document that is large, or comes slowly, goes out as it comes: nobody's patience is tried for a header.
			switch {
			case r.hold && cfg.Enforce:
				if held == len(buf) && r.refused == nil {
					buf = r.grow(buf)
				}
				if r.refused != nil {
					held = 0
				}
			case !r.hold || held == len(buf) || now.Sub(r.started)-r.firstByte > maxHold:
				r.hold = false
				r.pass(buf[:held])
				held = 0
			}
			if err := r.weigh(); err != nil {
				return buf[:held], err
			}
			if r.gone || r.refused != nil {
				if r.drained += int64(n); r.drained > cfg.DrainBytes {
					return nil, errDrained
				}
			}
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			if r.cutoff != nil {
				r.forward(r.cutoff.Rest(r.clear[:0]))
			}
			if r.filter != nil {
				r.release(r.filter.Rest(r.scratch[:0]))
			}
			return buf[:held], nil
		}
		if err != nil {
			// A cancelled exchange fails in many words; its cause says why.
			if cause := context.Cause(r.ctx); cause != nil {
				err = cause
			}
			return buf[:held], err
		}
	}
}

// begin writes the header, once.
func (r *relaying) begin() {
	if r.begun {
		return
	}
	r.begun = true
	h := r.w.Header()
	copyResponseHeader(h, r.header)
	if r.srv.cfg.Enforce {
		plainType(h)
	}
	r.trailers = !r.booked && takesTrailers(r.r)
	// What the caller gets may not be as long as what the provider sent.
	if r.filter != nil || r.wire != nil {
		delete(h, "Content-Encoding")
	} else if v := r.header["Content-Length"]; len(v) == 1 && !r.trailers && r.cutoff == nil && !r.rewritten {
		h["Content-Length"] = v
	}
	if r.stream {
		h["X-Accel-Buffering"] = []string{"no"}
	}
	h[providerHeader] = []string{r.offer.Label}
	if r.op.bytes && r.srv.cfg.Verdict != nil {
		h[verdictHeader] = notSigned // as is known ahead of audio
	}
	switch {
	case r.booked:
		r.tellFee()
		r.tellVerdict(r.judgement)
	case r.trailers && r.srv.cfg.Verdict != nil:
		h["Trailer"] = bothTrailer
	case r.trailers:
		h["Trailer"] = feeTrailer
	}
	if r.tail != nil {
		h[verdictHeader] = pending
	}
	r.status = r.out.Status
	r.w.WriteHeader(r.status)
}

// end books an answer that is whole and tells the caller what it cost and what its signature showed: in the header
// where that has not gone out yet, else behind the body if the caller reads that. What is withheld goes out if it was
// verified.
func (r *relaying) end(rest []byte) error {
	images := r.onlyImages(rest)
	r.book(nil)
	switch cfg := &r.srv.cfg; {
	case cfg.Enforce:
		if r.judge(r.ctx, r.srv.enforceWait); !r.judgement.Passes() {
			return r.refuse(r.paid(r.errNotVerified()))
		}
		switch {
		case r.tail != nil:
			rest = r.tail.Held()
		case images != nil && r.judgement.Bytes == zg.ImageBytes:
			rest, r.rewritten = images, true
		}
	case r.trailers && cfg.Judge != nil:
		r.judge(r.ctx, r.srv.trailerWait)
	}
	if r.format == "url" && !r.begun && r.kind == sse.JSON {
		if doc, changed := r.ownURLs(rest); changed {
			rest, r.rewritten = doc, true
		}
	}
	r.begin()
	r.write(rest)
	if r.trailers {
		r.tellFee()
		r.tellVerdict(r.judgement)
	}
	return nil
}

// pass hands a piece of the answer to the caller, as far as no error stands before it. The header waits for the first
// of it that is none.
func (r *relaying) pass(p []byte) {
	if r.cutoff != nil {
		r.clear = r.cutoff.Next(p, r.clear[:0])
		p = r.clear
	}
	r.forward(p)
}

func (r *relaying) forward(p []byte) {
	if len(p) == 0 {
		return
	}
	r.begin()
	if r.filter != nil {
		r.scratch = r.filter.Next(p, r.scratch[:0])
		p = r.scratch
	}
	r.release(p)
}

// release hands on what is not kept back.
func (r *relaying) release(p []byte) {
	if r.tail != nil {
		r.passed = r.tail.Next(p, r.passed[:0])
		p = r.passed
		r.keepTail()
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
