package sse

import (
	"bytes"
	"encoding/json"
)

// maxFailure bounds what is kept of the words of an error in the middle of a stream.
const maxFailure = 8 << 10

// Cutoff lets a stream pass line by line up to the first line that is an error and keeps everything from there on.
// Brokers end a stream whose model server failed with a bare JSON object, which is no event, so that clients read over
// it and take the part for the whole; and an error that is an event may be followed by [DONE], which says the same.
type Cutoff struct {
	line    []byte
	passing bool   // the line under way is too long to be judged and passes as it comes
	struck  bool   // nothing passes any more
	said    []byte // the document of the error
	named   bool   // event: error was seen, so that the next data is the document
}

// NewCutoff builds a Cutoff for one stream.
func NewCutoff() *Cutoff { return &Cutoff{} }

// Struck reports that an error was seen.
func (c *Cutoff) Struck() bool { return c.struck }

// Said is the error as the provider wrote it: a JSON document, cut off where it is long, or empty.
func (c *Cutoff) Said() []byte { return c.said }

// Kept is how many bytes are allocated for what is not judged yet.
func (c *Cutoff) Kept() int { return cap(c.line) }

// Next appends to dst what may go to the caller now.
func (c *Cutoff) Next(p, dst []byte) []byte {
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			switch {
			case c.passing:
				return append(dst, p...)
			case len(c.line)+len(p) <= maxHeld:
				c.line = append(c.line, p...)
				return dst
			}
			// Too long to be judged. What begins as an object is no event, and no client misses it.
			if c.line = append(c.line, p...); c.struck || bare(c.line) {
				c.strike(c.line)
				c.line = c.line[:maxHeld]
				return dst
			}
			dst, c.line, c.passing = append(dst, c.line...), c.line[:0], true
			return dst
		}
		line := p[:i+1]
		p = p[i+1:]
		switch {
		case c.passing:
			dst, c.passing = append(dst, line...), false
			continue
		case len(c.line) > 0:
			c.line = append(c.line, line...)
			line = c.line
		}
		dst = c.pass(line, dst)
		c.line = c.line[:0]
	}
	return dst
}

// Rest appends what is still held when the stream has ended.
func (c *Cutoff) Rest(dst []byte) []byte {
	if len(c.line) == 0 {
		return dst
	}
	return c.pass(c.line, dst)
}

func (c *Cutoff) pass(line, dst []byte) []byte {
	switch {
	case c.struck:
		if data, ok := bytes.CutPrefix(line, dataPrefix); ok && c.named && len(c.said) == 0 {
			c.said = append(c.said, bytes.TrimSpace(data[:min(len(data), maxFailure)])...)
		}
		return dst
	case failure(line):
		c.strike(line)
		return dst
	}
	return append(dst, line...)
}

func (c *Cutoff) strike(line []byte) {
	if c.struck {
		return
	}
	c.struck = true
	if c.named = errorName(line); c.named {
		return // its document follows
	}
	line = bytes.TrimPrefix(line, dataPrefix)
	c.said = append(c.said, bytes.TrimSpace(line[:min(len(line), maxFailure)])...)
}

func bare(line []byte) bool { return len(line) > 0 && line[0] == '{' }

// errorName reports a line that names the event under way an error.
func errorName(line []byte) bool {
	name, ok := bytes.CutPrefix(line, eventPrefix)
	return ok && bytes.Equal(bytes.TrimSpace(name), errorEvent)
}

// failure reports whether a line says that the stream has failed: it names an error event, or it is a document, as data
// or bare, with an error in it or of the type error. Nearly all lines are let go at a glance.
func failure(line []byte) bool {
	if errorName(line) {
		return true
	}
	data, ok := bytes.CutPrefix(line, dataPrefix)
	if !ok && !bare(line) {
		return false
	}
	if !bytes.Contains(data, errorEvent) && !bytes.Contains(data, escape) {
		return false
	}
	var ev map[string]json.RawMessage // not a struct: that does not mind upper case, clients do
	if json.Unmarshal(data, &ev) != nil {
		// Cut off, or more than one document. As data it is the client's to judge; bare, it is nothing but a failure.
		return !ok && bytes.HasPrefix(bytes.TrimLeft(data[1:], " \t"), errorKey)
	}
	return hasError(ev)
}

func hasError(ev map[string]json.RawMessage) bool {
	if e := ev["error"]; len(e) > 0 && string(e) != "null" {
		return true
	}
	var kind string
	return json.Unmarshal(ev["type"], &kind) == nil && kind == "error"
}
