package sse

import (
	"bytes"
	"encoding/json"
	"strings"
)

// maxEvent bounds how much of one event a Hold keeps before it is known what it says.
const maxEvent = 1 << 20

// Hold lets a stream pass event by event until the first one that ends the content, and keeps that one and all that
// follows. An event ends the content where a caller may take it for the end: a choice's finish_reason, an Anthropic
// stop_reason or message_stop, transcript.text.done, [DONE]. What cannot be read but might be one of them counts as
// one, so that a provider gains nothing by writing it oddly.
type Hold struct {
	limit int
	event []byte // under way, or, after the end, kept
	line  int    // where the line under way begins in it
	ended bool
	over  bool
}

// NewHold builds a Hold for one stream that keeps up to limit bytes from the end of the content on.
func NewHold(limit int) *Hold { return &Hold{limit: limit} }

// Next appends to dst what may go to the caller now.
func (h *Hold) Next(p, dst []byte) []byte {
	for len(p) > 0 && !h.over {
		n := bytes.IndexByte(p, '\n') + 1
		if n == 0 || h.ended {
			n = len(p)
		}
		if h.over = len(h.event)+n > h.most(); h.over {
			break
		}
		h.event = append(h.event, p[:n]...)
		p = p[n:]
		if h.ended || h.event[len(h.event)-1] != '\n' {
			continue
		}
		line := bytes.TrimRight(h.event[h.line:], "\r\n")
		// A blank line ends an event; where every line is a document, each is one.
		if whole := len(line) == 0 || (h.line == 0 && line[0] == '{'); !whole {
			h.line = len(h.event)
			continue
		}
		if h.ended = endsContent(h.event); h.ended {
			h.over = len(h.event) > h.most()
			continue
		}
		dst = append(dst, h.event...)
		h.event, h.line = h.event[:0], 0
	}
	return dst
}

func (h *Hold) most() int {
	if h.ended {
		return h.limit
	}
	return max(maxEvent, h.limit)
}

// Held is what did not pass: once the stream is over, its end. It is not whole where Overflowed.
func (h *Hold) Held() []byte { return h.event }

// Overflowed reports that more followed the end of the content than may be kept, or an event too large to be judged.
// Nothing passes any more.
func (h *Hold) Overflowed() bool { return h.over }

var (
	reasonKey   = []byte(`reason"`) // finish_reason, stop_reason
	stopEvent   = []byte(`message_stop`)
	doneEvent   = []byte(`transcript.text.done`)
	doneMark    = []byte(`[DONE]`)
	escape      = []byte(`\u00`)
	eventPrefix = []byte("event:")
)

// endsContent judges one whole event. A glance lets nearly all of them go; the rest are decoded.
func endsContent(event []byte) bool {
	if !mayEnd(event) {
		return false
	}
	if oddBreak(event) {
		return true // some clients see other lines in it than this one does
	}
	var data []byte
	lines := 0
	for line := range bytes.Lines(event) {
		line = bytes.TrimRight(line, "\r\n")
		if name, ok := bytes.CutPrefix(line, eventPrefix); ok {
			if name = bytes.TrimSpace(name); bytes.Equal(name, stopEvent) || bytes.Equal(name, doneEvent) {
				return true
			}
		}
		d, ok := bytes.CutPrefix(line, dataPrefix)
		switch {
		case ok:
		case len(line) > 0 && line[0] == '{':
			d = line
		default:
			continue
		}
		if lines++; lines > 1 {
			data = append(data, '\n')
		}
		data = append(data, d...)
	}
	ev, ok := fieldsOf(data)
	if !ok {
		return true // [DONE], or something that some client may read as an end
	}
	var kind string
	_ = json.Unmarshal(ev["type"], &kind) // another type: not one of these
	if kind == string(stopEvent) || kind == string(doneEvent) {
		return true
	}
	// Anthropic's place for it is delta, but clients begin with what message has.
	for _, key := range []string{"delta", "message"} {
		if raw := ev[key]; len(raw) > 0 && raw[0] == '{' { // of a transcription it is a string
			if inner, ok := fieldsOf(raw); !ok || says(inner["stop_reason"]) {
				return true
			}
		}
	}
	raw := ev["choices"]
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return false
	case raw[0] != '[':
		return true
	}
	for c := range values(raw) {
		if inner, ok := fieldsOf(c); !ok || says(inner["finish_reason"]) {
			return true
		}
	}
	return false
}

// fieldsOf are the members of an object by their names in lower case, as clients that do not mind the case find them.
// It is not ok where two have one name, because clients do not agree on which of them counts.
func fieldsOf(object []byte) (fields map[string]json.RawMessage, ok bool) {
	if object = bytes.TrimSpace(object); len(object) == 0 || object[0] != '{' || !json.Valid(object) {
		return nil, false
	}
	fields = make(map[string]json.RawMessage)
	for raw, v := range members(object) {
		var name string
		if json.Unmarshal(raw, &name) != nil {
			return nil, false
		}
		name = strings.ToLower(strings.ToUpper(name)) // the long s has an upper case only
		if _, twice := fields[name]; twice {
			return nil, false
		}
		fields[name] = v
	}
	return fields, true
}

// oddBreak reports what ends a line for some clients and not here: a carriage return by itself, which the specification
// of event streams has, and what Python's splitlines has besides.
func oddBreak(event []byte) bool {
	for i, c := range event {
		switch c {
		case '\r':
			if i+1 == len(event) || event[i+1] != '\n' {
				return true
			}
		case '\v', '\f', 0x1c, 0x1d, 0x1e:
			return true
		}
	}
	return bytes.Contains(event, []byte("\u2028")) || bytes.Contains(event, []byte("\u2029")) || bytes.Contains(event, []byte("\u0085"))
}

// says reports a value. Some servers write an empty reason into every event.
func says(raw json.RawMessage) bool {
	return len(raw) > 0 && string(raw) != "null" && string(raw) != `""`
}

// mayEnd is the glance: the event names a reason that is not null, or something else that an end needs.
func mayEnd(event []byte) bool {
	if bytes.Contains(event, doneMark) || bytes.Contains(event, stopEvent) || bytes.Contains(event, doneEvent) {
		return true
	}
	for rest := event; ; {
		i := bytes.IndexByte(rest, '_')
		if i < 0 {
			break
		}
		rest = rest[i+1:]
		for _, n := range [...]int{len(reasonKey), len(reasonKey) + 1} { // the long s takes two bytes
			if len(rest) >= n && bytes.EqualFold(rest[:n], reasonKey) && !nullFollows(rest[n:]) {
				return true
			}
		}
	}
	// ASCII letters need no escape, so that keys written with some are meant to be overlooked.
	for rest := event; ; {
		i := bytes.Index(rest, escape)
		if i < 0 {
			return false
		}
		if rest = rest[i+len(escape):]; len(rest) > 0 && rest[0] >= '4' && rest[0] <= '7' {
			return true
		}
	}
}

// nullFollows reports that what follows a key is a colon and null.
func nullFollows(b []byte) bool {
	b = trimSpace(b)
	if len(b) == 0 || b[0] != ':' {
		return false
	}
	return bytes.HasPrefix(trimSpace(b[1:]), []byte("null"))
}
