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
	"strings"
	"unicode/utf8"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	maxDepth = 256 // how deeply values may nest
	// maxNames is how many fields a request may have. No API has a tenth of it, and whoever reads the request after us
	// pays for each.
	maxNames = 1000
	fewNames = 16 // nearly all requests have fewer, and are read without a table of them
	// maxParam bounds how much of a name is told: it may be as long as the request.
	maxParam = 100
)

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
	Seconds        uint64 // of video, rounded up; 0: not told
	MaxDuration    uint64 // seconds of generated audio, rounded up; 0: not limited
	Size           string // where it is a string
	InputLength    uint64 // characters of input where it is a string, as in requests for speech
	InputTokens    uint64 // what input is taken to have where the answer to an embedding doesn't tell; 0: there is none

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
	var seen names
	err := s.object(func(name string, v span) error {
		switch {
		case seen.count == maxNames:
			return &Error{Message: fmt.Sprintf("The request has more than %d fields.", maxNames), Offset: v.start}
		case !seen.add(name):
			return &Error{Param: param(name), Message: fmt.Sprintf("The field %.100q appears twice; it is not clear which one counts.", name), Offset: v.start}
		}
		return j.field(name, v)
	}, 0)
	if err != nil {
		return nil, err
	}
	s.space()
	if s.i != len(body) {
		return nil, s.fail("something follows the object")
	}
	j.bare = seen.count == 0
	return j, nil
}

// names are those of an object that were met so far. What it takes to look for one does not grow with them.
type names struct {
	count int
	few   [fewNames]string
	all   map[string]struct{} // once there are more
}

// add is false for a name that was there.
func (n *names) add(name string) bool {
	if n.count < fewNames {
		if slices.Contains(n.few[:n.count], name) {
			return false
		}
		n.few[n.count] = name
		n.count++
		return true
	}
	if n.all == nil {
		n.all = make(map[string]struct{}, 4*fewNames)
		for _, f := range n.few {
			n.all[f] = struct{}{}
		}
	}
	if _, there := n.all[name]; there {
		return false
	}
	n.all[name] = struct{}{}
	n.count++
	return true
}

// param is a name as an error tells it.
func param(name string) string {
	if len(name) <= maxParam {
		return name
	}
	return strings.ToValidUTF8(name[:maxParam], "") + "…"
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
	case "size":
		if raw[0] == '"' {
			j.Size = unquote(raw)
		}
	case "seconds", "max_duration":
		if null {
			return nil
		}
		text := string(raw)
		if raw[0] == '"' {
			text = unquote(raw)
		}
		s, ok := upToSeconds(text)
		if !ok {
			return bad("a number of seconds")
		}
		if name == "seconds" {
			j.Seconds = s
		} else {
			j.MaxDuration = s
		}
	case "input":
		return j.input(v)
	}
	return nil
}

// input estimates the tokens of a text, of a list of texts, or of lists of token ids. What is none of these counts as
// the text that it is written in.
func (j *JSON) input(v span) error {
	raw := j.body[v.start:v.end]
	switch raw[0] {
	case '"':
		text := unquote(raw)
		j.InputLength, j.InputTokens = uint64(utf8.RuneCountInString(text)), zg.EstimateTokens(text)
		return nil
	case '[':
	default:
		return nil
	}
	s := &scanner{b: j.body[:v.end], i: v.start}
	return s.array(func(at span) error { return j.inputElement(at, true) }, 1)
}

func (j *JSON) inputElement(at span, outer bool) error {
	raw := j.body[at.start:at.end]
	switch c := raw[0]; {
	case c == '"':
		j.InputTokens += zg.EstimateTokens(unquote(raw))
	case c == '[' && outer:
		s := &scanner{b: j.body[:at.end], i: at.start}
		return s.array(func(inner span) error { return j.inputElement(inner, false) }, 2)
	case c == '-' || (c >= '0' && c <= '9'):
		j.InputTokens++
	default:
		j.InputTokens += zg.EstimateTokens(string(raw))
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

// edit is a text that takes the place of a part of the body.
type edit struct {
	at   span
	text string
}

// Splice returns the body with the provider's own model id, and for streams with the usage chunk asked for. A model
// that the caller did not name becomes the first member, unless it is empty. All other bytes are the caller's; the body
// itself is returned where nothing changes.
func (j *JSON) Splice(model string, includeUsage bool) []byte {
	var edits []edit
	front := "" // new members
	switch {
	case !j.HasModel && model != "":
		front = `"model":` + quote(model)
	case j.HasModel && j.Model != model:
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
			if front != "" {
				front += ","
			}
			front += `"stream_options":{"include_usage":true}`
		}
	}
	if front != "" {
		if !j.bare {
			front += ","
		}
		at := bytes.IndexByte(j.body, '{') + 1
		edits = append(edits, edit{span{at, at}, front})
	}
	return apply(j.body, edits)
}

// apply makes edits that do not overlap.
func apply(body []byte, edits []edit) []byte {
	if len(edits) == 0 {
		return body
	}
	slices.SortFunc(edits, func(a, b edit) int { return a.at.start - b.at.start })
	size := len(body)
	for _, e := range edits {
		size += len(e.text)
	}
	out, from := make([]byte, 0, size), 0
	for _, e := range edits {
		out = append(append(out, body[from:e.at.start]...), e.text...)
		from = e.at.end
	}
	return append(out, body[from:]...)
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
