// Package request reads what callers send and changes only what must change, byte for byte.
//
// It does no I/O of its own, logs nothing and keeps no state.
package request

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxDepth bounds how deeply values may nest.
const maxDepth = 256

// Error is a body that cannot be forwarded. Param names the field at fault where one is known; Offset is the byte where
// reading stopped, or -1.
type Error struct {
	Param, Message string
	Offset         int
}

func (e *Error) Error() string { return e.Message }

// span is where a value stands in the body.
type span struct{ start, end int }

func (s span) found() bool { return s.end > 0 }

// JSON is what a request body says about itself.
type JSON struct {
	Model          string
	HasModel       bool
	Stream         bool
	IncludeUsage   bool   // the caller asked for the usage chunk of a stream
	MaxTokens      uint64 // the largest of the limits the caller set; 0: none
	N              uint64 // answers or images asked for; at least 1
	ResponseFormat string // where it is a string, as in image requests

	body         []byte
	model        span
	options      span // the value of stream_options
	includeUsage span // the value of stream_options.include_usage
	optionsNull  bool
	optionsBare  bool // stream_options is {}
	bare         bool // the document is {}
}

// ScanJSON checks a body strictly and reads the few fields that matter. Names that appear twice at the top are refused:
// readers disagree about which one counts, and what is billed and signed depends on it.
func ScanJSON(body []byte) (*JSON, error) {
	if !utf8.Valid(body) {
		return nil, &Error{Message: "The request body is not valid UTF-8.", Offset: -1}
	}
	s := &scanner{b: body}
	s.space()
	if s.peek() != '{' {
		return nil, s.fail("an object is expected")
	}
	j := &JSON{body: body, N: 1}
	var seen []string
	err := s.object(func(name string, v span) error {
		if slices.Contains(seen, name) {
			return &Error{Param: name, Message: fmt.Sprintf("The field %.100q appears twice; it is not clear which one counts.", name), Offset: v.start}
		}
		seen = append(seen, name)
		return j.field(name, v)
	}, 0)
	if err != nil {
		return nil, err
	}
	s.space()
	if s.i != len(body) {
		return nil, s.fail("something follows the object")
	}
	j.bare = len(seen) == 0
	return j, nil
}

func (j *JSON) field(name string, v span) error {
	raw := j.body[v.start:v.end]
	bad := func(what string) error {
		return &Error{Param: name, Message: fmt.Sprintf("Invalid value for '%s': %s is expected.", name, what), Offset: v.start}
	}
	null := string(raw) == "null"
	switch name {
	case "model":
		if raw[0] != '"' {
			return bad("a string")
		}
		j.Model, j.HasModel, j.model = unquote(raw), true, v
	case "stream":
		switch {
		case string(raw) == "true":
			j.Stream = true
		case string(raw) != "false" && !null:
			return bad("true or false")
		}
	case "stream_options":
		j.options, j.optionsNull = v, null
		if null {
			return nil
		}
		if raw[0] != '{' {
			return bad("an object")
		}
		return j.streamOptions(v)
	case "max_tokens", "max_completion_tokens", "max_output_tokens":
		if null {
			return nil
		}
		n, err := strconv.ParseUint(string(raw), 10, 63)
		if err != nil {
			f, ferr := strconv.ParseFloat(string(raw), 64) // 1e3 is a number too
			if ferr != nil || f < 0 || f >= 1<<53 || f != float64(uint64(f)) {
				return bad("a whole number that is not negative")
			}
			n = uint64(f)
		}
		j.MaxTokens = max(j.MaxTokens, n)
	case "n":
		if null {
			return nil
		}
		n, err := strconv.ParseUint(string(raw), 10, 31)
		if err != nil || n == 0 {
			return bad("a positive whole number")
		}
		j.N = n
	case "response_format":
		if raw[0] == '"' {
			j.ResponseFormat = unquote(raw)
		}
	}
	return nil
}

func (j *JSON) streamOptions(v span) error {
	s := &scanner{b: j.body[:v.end], i: v.start}
	j.optionsBare = true
	return s.object(func(name string, inner span) error {
		j.optionsBare = false
		if name != "include_usage" {
			return nil
		}
		if j.includeUsage.found() {
			return &Error{Param: "stream_options.include_usage", Message: "The field appears twice.", Offset: inner.start}
		}
		j.includeUsage = inner
		j.IncludeUsage = string(j.body[inner.start:inner.end]) == "true"
		return nil
	}, 1)
}

// Splice returns the body with the provider's own model id, and for streams with the usage chunk asked for. All other
// bytes are the caller's; the body itself is returned where nothing changes.
func (j *JSON) Splice(model string, includeUsage bool) []byte {
	type edit struct {
		at   span
		text string
	}
	var edits []edit
	if j.HasModel && j.Model != model {
		edits = append(edits, edit{j.model, quote(model)})
	}
	if includeUsage && j.Stream && !j.IncludeUsage {
		switch {
		case j.includeUsage.found():
			edits = append(edits, edit{j.includeUsage, "true"})
		case j.optionsNull:
			edits = append(edits, edit{j.options, `{"include_usage":true}`})
		case j.options.found():
			text := `"include_usage":true`
			if !j.optionsBare {
				text += ","
			}
			edits = append(edits, edit{span{j.options.start + 1, j.options.start + 1}, text})
		default:
			at := bytes.IndexByte(j.body, '{') + 1
			edits = append(edits, edit{span{at, at}, `"stream_options":{"include_usage":true},`})
		}
	}
	if len(edits) == 0 {
		return j.body
	}
	if len(edits) == 2 && edits[1].at.start < edits[0].at.start {
		edits[0], edits[1] = edits[1], edits[0]
	}
	size := len(j.body)
	for _, e := range edits {
		size += len(e.text)
	}
	out, from := make([]byte, 0, size), 0
	for _, e := range edits {
		out = append(append(out, j.body[from:e.at.start]...), e.text...)
		from = e.at.end
	}
	return append(out, j.body[from:]...)
}

func quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return string(bytes.TrimSpace(b.Bytes()))
}

func unquote(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	_ = json.Unmarshal(raw, &s) // the scanner has checked it
	return s
}
