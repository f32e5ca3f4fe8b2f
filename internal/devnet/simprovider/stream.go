package simprovider

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// garbage is what a GarbageSSE fault puts into a stream.
var garbage = []string{
	": a comment\n\n",
	"data: {\"choices\":[{\"delta\":{\"content\":\n\n",
	"data: \xff\xfe\x00\x01\n\n",
	"event: nonsense\nid\nretry: soon\n\n",
	"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":\"many\",\"completion_tokens\":-5}}\n\n",
	"data: " + strings.Repeat("x", 1<<20) + "\n\n",
	"no field at all\n\n",
}

// eventStream writes one answer as server-sent events.
type eventStream struct {
	x     *exchange
	head  []byte // of every event of a chat, up to the choices
	buf   []byte
	place int
	zip   *gzip.Writer // of a Gzip fault
	zbuf  bytes.Buffer
}

// openStream writes the headers of a stream.
func (x *exchange) openStream() *eventStream {
	s := &eventStream{x: x}
	if x.fault.Kind == Gzip {
		s.zip = gzip.NewWriter(&s.zbuf)
		x.w.Header().Set("Content-Encoding", "gzip")
	}
	x.answerHeaders("text/event-stream", -1)
	return s
}

// event writes one event of a chat and flushes it. It reports whether the stream goes on.
func (s *eventStream) event(tail ...string) bool {
	if !s.x.strike(s.place) {
		return false
	}
	s.place++
	s.buf = append(s.buf[:0], s.head...)
	for _, t := range tail {
		s.buf = append(s.buf, t...)
	}
	s.buf = append(s.buf, "}\n\n"...)
	s.raw(s.buf)
	return true
}

// named writes one event that has a name of its own and flushes it. It reports whether the stream goes on.
func (s *eventStream) named(name string, data []byte) bool {
	if !s.x.strike(s.place) {
		return false
	}
	s.place++
	s.buf = append(append(append(s.buf[:0], "event: "...), name...), "\ndata: "...)
	s.buf = append(append(s.buf, data...), "\n\n"...)
	s.raw(s.buf)
	return true
}

// close writes what the compression still holds.
func (s *eventStream) close() {
	if s.zip != nil {
		_ = s.zip.Close() // into a buffer
		_, _ = io.Copy(outletWriter{s.x.out}, &s.zbuf)
	}
}

func (s *eventStream) raw(b []byte) {
	if s.zip != nil {
		_, _ = s.zip.Write(b) // a buffer takes everything
		_ = s.zip.Flush()     // as above
		b = s.zbuf.Next(s.zbuf.Len())
	}
	s.x.out.write(b)
	s.x.out.flush()
}

// streamChat answers event by event. Once the client has left it goes on without one, up to a limit, and bills the
// whole answer: leaving saves nothing.
func (x *exchange) streamChat(req *chatRequest, c *completion, requestDigest string) {
	s := x.openStream()
	s.head = append(s.head, `data: {"id":"chatcmpl-`+x.key+`","object":"chat.completion.chunk","created":`...)
	s.head = appendInt(s.head, x.created())
	s.head = append(s.head, `,"model":`...)
	s.head = append(s.head, encodePlain(req.Model)...)
	s.head = append(s.head, `,"choices":[`...)

	var t tally
	whole := x.produce(s, req, c, &t)
	u := x.usage(c, &t)
	if !whole || !req.wantsUsage() || x.fault.Kind == NoUsage || x.fault.Kind == ZeroUsage {
		u = zg.Usage{Words: t.words} // nobody has seen a usage, so words are counted
	}
	x.attest(requestDigest, x.out.digest())
	x.bill(u)
}

// produce writes the events of an answer. It reports whether they are all there: a stream may be broken off by a fault,
// by Close, or because it went on for too long after its client had left.
func (x *exchange) produce(s *eventStream, req *chatRequest, c *completion, t *tally) bool {
	usage := func() string {
		if x.fault.Kind != UsageEachChunk || !req.wantsUsage() {
			return ""
		}
		return `,"usage":` + string(encode(x.reported(x.usage(c, t))))
	}
	const open, shut = `{"index":0,"delta":`, `,"finish_reason":null}]`
	first := `{"role":"assistant","content":""}`
	if c.tool != nil {
		first = string(encodePlain(map[string]any{"role": "assistant", "content": nil, "tool_calls": []any{c.tool.opening()}}))
	}
	if !s.event(open, first, shut, usage()) {
		return false
	}
	for piece := range c.pieces {
		if !x.p.wait(x.p.ctx, x.p.cfg.TokenDelay) || x.out.drained > maxDrain {
			return false
		}
		delta, end := `{"content":`, `}`
		if c.tool != nil {
			delta, end = `{"tool_calls":[{"index":0,"function":{"arguments":`, `}}]}`
		}
		t.add(piece)
		if !s.event(open, delta, quote(piece), end, shut, usage()) {
			return false
		}
	}
	if !s.event(open, `{},"finish_reason":"`, c.finish(), `"}]`, usage()) {
		return false
	}
	if req.wantsUsage() && x.fault.Kind != NoUsage {
		if !s.event(`],"usage":`, string(encode(x.reported(x.usage(c, t))))) {
			return false
		}
	}
	if !x.strike(s.place) {
		return false
	}
	s.raw([]byte("data: [DONE]\n\n"))
	s.close()
	return true
}

// outletWriter is an outlet for io.Copy.
type outletWriter struct{ *outlet }

func (o outletWriter) Write(b []byte) (int, error) {
	o.write(b)
	return len(b), nil
}
