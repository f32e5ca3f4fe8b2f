package main

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"sync"
	"unicode/utf8"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// What commands print passes two gates, because much of it was written by strangers. What is formatted has its
// arguments cleaned (printf, rows of tables, paint), so that nobody can end a line of ours or colour one. What
// reaches the standard output or the standard error some other way, be it the library's help, an error or a log line,
// passes output below.

// styled is text that is already safe: formatted by sprintf, with colours and ends of lines of ours in it.
type styled string

// sprintf formats text for people. Whatever is put into the format is one harmless line.
func sprintf(format string, args ...any) styled { return styled(fmt.Sprintf(format, safe(args)...)) }

// mostShown bounds one thing that is put into a text, in characters.
const mostShown = 8000

// safe are arguments of which none does anything to a terminal.
func safe(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		out[i] = safely(a)
	}
	return out
}

func safely(a any) any {
	switch v := a.(type) {
	case styled, *table, nil:
		return a
	case string:
		return zg.OneLine(v, mostShown)
	case error:
		return zg.OneLine(v.Error(), mostShown)
	case fmt.Stringer:
		return zg.OneLine(v.String(), mostShown)
	}
	switch reflect.TypeOf(a).Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Float32, reflect.Float64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return a
	default:
		return zg.OneLine(fmt.Sprint(a), mostShown)
	}
}

// longestText is how much is kept of a text of strangers that is put into a sentence or a report, in characters.
const longestText = 600

// oneLine makes such a text harmless where it enters.
func oneLine(s string) string { return zg.OneLine(s, longestText) }

// output is the standard output or the standard error. It lets through what can only be read, ends of lines, tabs,
// and what this program does to a terminal itself. And it remembers that something could not be written: most
// commands go on then, as what was asked for is done all the same, but none of them ends as if all was well.
type output struct {
	to io.Writer

	mu   sync.Mutex
	rest []byte // the beginning of a character
	err  error
}

// outputTo wraps a stream once.
func outputTo(w io.Writer) *output {
	if o, ok := w.(*output); ok {
		return o
	}
	return &output{to: w}
}

// IsTerminal reports whether somebody reads it as it comes.
func (o *output) IsTerminal() bool { return isTerminal(o.to) }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := p
	if len(o.rest) > 0 {
		text = append(o.rest, p...)
		o.rest = nil
	}
	if n := partial(text); n > 0 {
		o.rest = append(o.rest, text[len(text)-n:]...)
		text = text[:len(text)-n]
	}
	if err := o.write(harmless(text)); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (o *output) write(p []byte) error {
	_, err := o.to.Write(p)
	if err != nil && o.err == nil {
		o.err = err
	}
	return err
}

// failure is why not all was written; nil: it was.
func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// exact is an output for bytes that a program reads or a person has asked for as they are: it changes nothing.
type exact struct{ *output }

func (e exact) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.write(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// exactly is an output for such bytes. A terminal never gets them: it gets what is harmless.
func exactly(w io.Writer) io.Writer {
	if o, ok := w.(*output); ok && !o.IsTerminal() {
		return exact{o}
	}
	return w
}

// fileOf is the file behind a stream.
func fileOf(w io.Writer) (*os.File, bool) {
	switch o := w.(type) {
	case *output:
		w = o.to
	case exact:
		w = o.to
	}
	f, ok := w.(*os.File)
	return f, ok
}

// partial is how many bytes at the end begin a character that is not whole yet.
func partial(p []byte) int {
	for n := 1; n <= min(len(p), utf8.UTFMax-1); n++ {
		if c := p[len(p)-n]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(p[len(p)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

// harmless is text without what a terminal may act on, but for what we do to it ourselves.
func harmless(p []byte) []byte {
	i := 0
	for i < len(p) && (p[i] >= ' ' && p[i] <= '~' || p[i] == '\n') {
		i++
	}
	if i == len(p) { // as nearly always
		return p
	}
	out := append(make([]byte, 0, len(p)+8), p[:i]...)
	for i < len(p) {
		if n := ownSequence(p[i:]); n > 0 {
			out = append(out, p[i:i+n]...)
			i += n
			continue
		}
		r, n := utf8.DecodeRune(p[i:])
		if r != '\n' && r != '\t' && r != joiner && r != nonJoiner && !zg.Shown(r) {
			r = utf8.RuneError
		}
		out = utf8.AppendRune(out, r)
		i += n
	}
	return out
}

// The two joiners do nothing but join, or keep apart, what is beside them; answers of models need them.
const (
	nonJoiner = '\u200c'
	joiner    = '\u200d'
)

// ownSequence is the length of what begins here and is one of the few things that this program does to a terminal: a
// colour, the beginning of the line, and clearing the line.
func ownSequence(p []byte) int {
	if p[0] == '\r' {
		return 1
	}
	if len(p) < 3 || p[0] != '\x1b' || p[1] != '[' {
		return 0
	}
	for n := 2; n < min(len(p), 5); n++ {
		switch c := p[n]; {
		case c == 'm' && n > 2, c == 'K' && n == 2:
			return n + 1
		case c < '0' || c > '9':
			return 0
		}
	}
	return 0
}
