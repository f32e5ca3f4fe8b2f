package zg

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Strangers write much of what people get to read here: names on chain, catalogues, errors of providers and of
// endpoints, headers, signed texts. A terminal obeys some characters instead of showing them, and marks of direction
// make a line read as what it is not. So such text is made harmless where it enters, by the functions below and by no
// others.

// PeerText is text that somebody else wrote and that is kept exactly as it came, because a signature is over it or
// because it is evidence. Printed it is one harmless line; whoever needs the exact bytes has to say so: string(t).
type PeerText string

// LongestText is how many characters of a peer's text are shown.
const LongestText = 4000

// String is the text as it may be shown.
func (t PeerText) String() string { return OneLine(string(t), LongestText) }

// Shown reports whether a character is only seen. Not so what moves a cursor or switches a mode (Cc, with C1 and
// DEL), what is not seen or changes the direction of its neighbours (Cf), other ends of lines and blanks, and what
// has no meaning yet.
func Shown(r rune) bool { return unicode.IsPrint(r) }

// OneLine is a text as one harmless line of limited length: blanks and ends of lines are blanks, what is
// not only seen is U+FFFD, and what is left out at the end leaves a mark.
func OneLine(s string, most int) string {
	if len(s) <= most && !strings.ContainsFunc(s, notShown) { // as nearly always
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if most--; most < 0 {
			return strings.TrimRight(b.String(), " ") + "…"
		}
		switch {
		case r == utf8.RuneError || Shown(r):
			b.WriteRune(r)
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		default:
			b.WriteRune(utf8.RuneError)
		}
	}
	return b.String()
}

// notShown is also true of invalid UTF-8, which reads as U+FFFD and must become it.
func notShown(r rune) bool { return r == utf8.RuneError || !Shown(r) }

// CleanError is an error whose words may repeat what a peer sent: they are one harmless line of limited length. What it
// wraps stays as it is.
func CleanError(err error, most int) error {
	if err == nil {
		return nil
	}
	return &cleanError{err, most}
}

type cleanError struct {
	err  error
	most int
}

func (e *cleanError) Error() string { return OneLine(e.err.Error(), e.most) }
func (e *cleanError) Unwrap() error { return e.err }

// Lines is a text of several lines that does nothing else to a terminal: ends of lines and tabs stay, and so do the
// two joiners that some scripts and pictures of several characters need. It is for what a person asked to read, such
// as a model's answer, not for what is quoted within a text of ours.
func Lines(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\u200c', r == '\u200d', Shown(r):
			return r
		case r == '\r': // before the end of a line, and nothing else's business
			return -1
		case r == '\u2028', r == '\u2029', r == '\u0085':
			return '\n'
		}
		return utf8.RuneError
	}, s)
}

// Name is a peer's text that serves as a name, in tables, logs, labels and pages. What no honest peer would use as
// one, be it too long in bytes or with anything that is not only seen, is empty.
func Name(s string, most int) string {
	if len(s) > most || !utf8.ValidString(s) || strings.ContainsFunc(s, notShown) {
		return ""
	}
	return s
}

// EscapeJSON escapes what a JSON document has and a terminal may act on. It says the same afterwards.
func EscapeJSON(text []byte) []byte {
	if !bytes.ContainsFunc(text, acts) {
		return text
	}
	var out bytes.Buffer
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1: // no document has that, and a reader takes it for this
			out.WriteString(`\ufffd`)
		case !acts(r):
			out.Write(text[:n])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			escape(&out, high)
			escape(&out, low)
		default:
			escape(&out, r)
		}
		text = text[n:]
	}
	return out.Bytes()
}

// acts reports what EscapeJSON escapes; JSON itself has escaped what is below U+0020 within strings.
func acts(r rune) bool { return r == utf8.RuneError || r > '~' && !Shown(r) }

func escape(out *bytes.Buffer, unit rune) {
	const digits = "0123456789abcdef"
	out.Write([]byte{'\\', 'u', digits[unit>>12&15], digits[unit>>8&15], digits[unit>>4&15], digits[unit&15]})
}
