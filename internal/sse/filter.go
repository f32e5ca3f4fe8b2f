package sse

import (
	"bytes"
	"encoding/json"
)

// maxHeld bounds how much of an unfinished line a Filter keeps back.
const maxHeld = 64 << 10

// Filter takes the usage chunk that the proxy asked for itself out of a chat stream: an event whose choices are an
// empty array and whose usage is an object, with the blank line that ends it. All other bytes pass, line by line.
type Filter struct {
	line    []byte
	passing bool // the line under way is too long to be the chunk and passes as it comes
	dropped bool // the line before was the chunk: its blank line goes too
}

// NewFilter builds a Filter for one stream.
func NewFilter() *Filter { return &Filter{} }

// Kept is how many bytes are allocated for what is not judged yet.
func (f *Filter) Kept() int { return cap(f.line) }

// Next appends to dst what may go to the caller now.
func (f *Filter) Next(p, dst []byte) []byte {
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			if f.passing {
				return append(dst, p...)
			}
			if f.line = append(f.line, p...); len(f.line) > maxHeld {
				dst, f.line, f.passing = append(dst, f.line...), f.line[:0], true
			}
			return dst
		}
		line := p[:i+1]
		p = p[i+1:]
		switch {
		case f.passing:
			dst, f.passing = append(dst, line...), false
			continue
		case len(f.line) > 0:
			f.line = append(f.line, line...)
			line = f.line
		}
		dst = f.pass(line, dst)
		f.line = f.line[:0]
	}
	return dst
}

func (f *Filter) pass(line, dst []byte) []byte {
	if f.dropped {
		f.dropped = false
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			return dst
		}
	}
	if isUsageChunk(line) {
		f.dropped = true
		return dst
	}
	return append(dst, line...)
}

// Rest appends what is still held when the stream has ended.
func (f *Filter) Rest(dst []byte) []byte {
	if len(f.line) == 0 {
		return dst
	}
	return f.pass(f.line, dst)
}

func isUsageChunk(line []byte) bool {
	data, ok := bytes.CutPrefix(line, dataPrefix)
	if !ok || !bytes.Contains(data, usageKey) {
		return false
	}
	var ev struct {
		Choices *[]json.RawMessage         `json:"choices"`
		Usage   map[string]json.RawMessage `json:"usage"`
	}
	return json.Unmarshal(data, &ev) == nil && ev.Choices != nil && len(*ev.Choices) == 0 && ev.Usage != nil
}
