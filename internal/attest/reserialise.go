package attest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// ErrForm means that a document cannot be written in a form: it is not JSON, holds a name twice, is nested too deeply,
// or holds something that the form cannot express or would change.
var ErrForm = errors.New("the document has no such form")

const (
	maxAnswerDepth   = 128  // of answers; arranging names costs a copy for each level
	maxIntegerDigits = 4300 // Python reads none that are longer
)

// answerForms are the forms in which an answer may have been signed before it was re-serialised, in the order of trial.
var answerForms = []zg.ByteForm{zg.PythonDefault, zg.PythonCompact, zg.JCS}

// Reserialise writes a JSON document in another form that denotes the same value, which is why a signature over the
// form says as much as one over the document. "Same" is what a reader with exact integers and 64-bit floats
// understands.
func Reserialise(form zg.ByteForm, body []byte) ([]byte, error) {
	return reserialise(context.Background(), form, body)
}

func reserialise(ctx context.Context, form zg.ByteForm, body []byte) ([]byte, error) {
	w, ok := writers[form]
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: %q", ErrForm, form)
	case !json.Valid(body):
		return nil, fmt.Errorf("%w: it is not JSON", ErrForm)
	case !utf8.Valid(body): // encoding/json lets it pass
		return nil, fmt.Errorf("%w: it is not UTF-8", ErrForm)
	}
	w.ctx, w.in, w.out = ctx, body, make([]byte, 0, len(body)+len(body)/8)
	if err := w.value(0); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	return w.out, nil
}

// resigned finds the form of a document whose digest is the signed one; empty: none is.
func resigned(ctx context.Context, body []byte, signed [32]byte) zg.ByteForm {
	for _, form := range answerForms {
		if text, err := reserialise(ctx, form, body); err == nil && sha256.Sum256(text) == signed {
			return form
		}
	}
	return ""
}

// writer walks through a valid document and rewrites it. Being valid, the document needs no further checks of its
// grammar.
type writer struct {
	ctx context.Context
	breath
	in  []byte
	out []byte
	pos int

	comma, colon string
	ascii        bool // escape whatever is not printable ASCII
	sorted       bool // names by their UTF-16 code units
	number       func(out []byte, literal string) ([]byte, error)

	runes []rune // of the string at hand; may be lone surrogates
}

var writers = map[zg.ByteForm]writer{
	zg.PythonDefault: {comma: ", ", colon: ": ", ascii: true, number: pythonNumber},
	zg.PythonCompact: {comma: ",", colon: ":", number: pythonNumber},
	zg.JCS:           {comma: ",", colon: ":", sorted: true, number: ecmaNumber},
}

// next passes over white space and returns the byte after it, without passing over that.
func (w *writer) next() byte {
	for w.in[w.pos] <= ' ' {
		w.pos++
	}
	return w.in[w.pos]
}

func (w *writer) value(depth int) error {
	if depth > maxAnswerDepth {
		return fmt.Errorf("nested more than %d levels deep", maxAnswerDepth)
	}
	if err := w.breathe(w.ctx); err != nil {
		return err
	}
	switch w.next() {
	case '{':
		return w.object(depth)
	case '[':
		return w.list(depth)
	case '"':
		return w.text()
	}
	start := w.pos
	for w.pos < len(w.in) && !strings.ContainsRune(" \t\r\n,]}", rune(w.in[w.pos])) {
		w.pos++
	}
	literal := string(w.in[start:w.pos])
	if c := literal[0]; c == 't' || c == 'f' || c == 'n' {
		w.out = append(w.out, literal...)
		return nil
	}
	out, err := w.number(w.out, literal)
	w.out = out
	return err
}

func (w *writer) list(depth int) error {
	w.pos++
	w.out = append(w.out, '[')
	for first := true; w.next() != ']'; first = false {
		if !first {
			w.pos++ // the comma
			w.out = append(w.out, w.comma...)
		}
		if err := w.value(depth + 1); err != nil {
			return err
		}
	}
	w.pos++
	w.out = append(w.out, ']')
	return nil
}

// member is a name and its value as they were written.
type member struct {
	name  string
	units []uint16 // of the name, where they matter
	text  string
}

func (w *writer) object(depth int) error {
	w.pos++
	w.out = append(w.out, '{')
	start := len(w.out)
	var members []member
	for w.next() != '}' {
		if len(members) > 0 {
			w.pos++ // the comma
			w.out = append(w.out, w.comma...)
			w.next()
		}
		m, err := w.member(depth)
		if err != nil {
			return err
		}
		members = append(members, m)
	}
	w.pos++
	if err := w.arrange(start, members); err != nil {
		return err
	}
	w.out = append(w.out, '}')
	return nil
}

func (w *writer) member(depth int) (m member, err error) {
	start := len(w.out)
	if err := w.quote(); err != nil {
		return m, err
	}
	m.name = string(w.out[start:])
	if w.sorted {
		m.units = utf16.Encode(w.runes)
	}
	w.next()
	w.pos++ // the colon
	w.out = append(w.out, w.colon...)
	if err := w.value(depth + 1); err != nil {
		return m, err
	}
	if w.sorted {
		m.text = string(w.out[start:])
	}
	return m, nil
}

// arrange refuses names that appear twice, and puts the members of an object in order where the form has one. A written
// name stands for one name only, so comparing what was written will do.
func (w *writer) arrange(start int, members []member) error {
	slices.SortFunc(members, func(a, b member) int {
		return cmp.Or(slices.Compare(a.units, b.units), cmp.Compare(a.name, b.name))
	})
	for i := 1; i < len(members); i++ {
		if members[i].name == members[i-1].name {
			return errors.New("a name appears twice in an object")
		}
	}
	if !w.sorted {
		return nil
	}
	w.out = w.out[:start]
	for i, m := range members {
		if i > 0 {
			w.out = append(w.out, w.comma...)
		}
		w.out = append(w.out, m.text...)
	}
	return nil
}

// text writes the string at hand. Most are the same in every form.
func (w *writer) text() error {
	rest := w.in[w.pos+1:]
	n := 0
	for c := rest[0]; c >= ' ' && c < 0x7f && c != '"' && c != '\\'; c = rest[n] {
		n++
	}
	if rest[n] == '"' {
		w.out = append(w.out, w.in[w.pos:w.pos+n+2]...)
		w.pos += n + 2
		return nil
	}
	return w.quote()
}

// quote writes the string at hand and leaves its characters in runes.
func (w *writer) quote() error {
	w.unquote()
	w.out = append(w.out, '"')
	for _, r := range w.runes {
		switch {
		case r == '"' || r == '\\':
			w.out = append(w.out, '\\', byte(r))
		case r < ' ':
			w.out = appendControl(w.out, r)
		case r < 0x7f:
			w.out = append(w.out, byte(r))
		case w.ascii && r > 0xffff:
			high, low := utf16.EncodeRune(r)
			w.out = appendUnit(appendUnit(w.out, high), low)
		case w.ascii:
			w.out = appendUnit(w.out, r)
		case utf16.IsSurrogate(r):
			return errors.New("half of a surrogate pair")
		default:
			w.out = utf8.AppendRune(w.out, r)
		}
	}
	w.out = append(w.out, '"')
	return nil
}

func appendControl(out []byte, r rune) []byte {
	if i := strings.IndexRune("\b\t\n\f\r", r); i >= 0 {
		return append(out, '\\', "btnfr"[i])
	}
	return appendUnit(out, r)
}

func appendUnit(out []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(out, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}

// unquote reads the string at hand into runes. encoding/json would turn half a surrogate pair into another character.
func (w *writer) unquote() {
	w.runes = w.runes[:0]
	for w.pos++; w.in[w.pos] != '"'; {
		c := w.in[w.pos]
		switch {
		case c == '\\':
			w.escape()
		case c < utf8.RuneSelf:
			w.runes = append(w.runes, rune(c))
			w.pos++
		default:
			r, n := utf8.DecodeRune(w.in[w.pos:])
			w.runes = append(w.runes, r)
			w.pos += n
		}
	}
	w.pos++
}

func (w *writer) escape() {
	c := w.in[w.pos+1]
	if c != 'u' {
		if i := strings.IndexByte("btnfr", c); i >= 0 {
			c = "\b\t\n\f\r"[i]
		}
		w.runes = append(w.runes, rune(c))
		w.pos += 2
		return
	}
	unit, _ := strconv.ParseUint(string(w.in[w.pos+2:w.pos+6]), 16, 16) // the document is valid
	w.pos += 6
	r := rune(unit)
	// A half that follows its other half completes it. Only an escape can be half a pair: the document is UTF-8.
	if last := len(w.runes) - 1; last >= 0 {
		if whole := utf16.DecodeRune(w.runes[last], r); whole != utf8.RuneError {
			w.runes[last] = whole
			return
		}
	}
	w.runes = append(w.runes, r)
}

// pythonNumber writes integers as they are and all others as Python's repr of a float does.
func pythonNumber(out []byte, literal string) ([]byte, error) {
	if isInteger(literal) {
		switch {
		case literal == "-0":
			literal = "0"
		case len(strings.TrimPrefix(literal, "-")) > maxIntegerDigits:
			return out, fmt.Errorf("an integer of more than %d digits", maxIntegerDigits)
		}
		return append(out, literal...), nil
	}
	f, err := finite(literal)
	if err != nil {
		return out, err
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		return strconv.AppendFloat(out, f, 'e', -1, 64), nil // at least two digits of exponent, like Python
	}
	start := len(out)
	out = strconv.AppendFloat(out, f, 'f', -1, 64)
	if !slices.Contains(out[start:], '.') {
		out = append(out, ".0"...)
	}
	return out, nil
}

// ecmaNumber writes a number as ECMAScript does. It refuses integers that would be read as another one afterwards.
func ecmaNumber(out []byte, literal string) ([]byte, error) {
	f, err := finite(literal)
	if err != nil {
		return out, err
	}
	start := len(out)
	out = appendECMA(out, f)
	if isInteger(literal) && string(out[start:]) != literal && literal != "-0" && !exact(literal, f) {
		return out, errors.New("an integer that a 64-bit float does not hold")
	}
	return out, nil
}

// appendECMA writes what Number.prototype.toString does.
func appendECMA(out []byte, f float64) []byte {
	abs := math.Abs(f)
	switch {
	case f == 0: // of either sign
		return append(out, '0')
	case abs >= 1e-6 && abs < 1e21:
		return strconv.AppendFloat(out, f, 'f', -1, 64)
	}
	out = strconv.AppendFloat(out, f, 'e', -1, 64)
	if n := len(out); out[n-2] == '0' && (out[n-3] == '-' || out[n-3] == '+') { // e-07 is e-7 there
		out[n-2] = out[n-1]
		out = out[:n-1]
	}
	return out
}

// exact reports whether a float is the very integer that a literal says.
func exact(literal string, f float64) bool { return strconv.FormatFloat(f, 'f', 0, 64) == literal }

func isInteger(literal string) bool { return !strings.ContainsAny(literal, ".eE") }

func finite(literal string) (float64, error) {
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return 0, errors.New("a number beyond 64-bit floats")
	}
	return f, nil
}
