package main

import (
	"context"
	"io"
	"os"

	"golang.org/x/term"
)

// editor reads lines that can be edited, with those before them to go back to: a key that is no text, such as an arrow, is a
// movement, and never a part of what a model is asked and paid for.
type editor struct {
	tty      *os.File
	terminal *term.Terminal // nil: it is no terminal that can be edited on
}

func newEditor(c console) *editor {
	in, ok := c.in.(*os.File)
	out, also := fileOf(c.out)
	if !ok || !also || !c.asks || !c.shown || os.Getenv("TERM") == "dumb" {
		return &editor{}
	}
	return &editor{tty: in, terminal: term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{c.lines, out}, "")}
}

// line asks and returns what is answered, as console.line does. The terminal is raw only while somebody types.
func (e *editor) line(ctx context.Context, c console, question styled) (string, error) {
	if e.terminal == nil {
		return c.line(ctx, question)
	}
	state, err := term.MakeRaw(int(e.tty.Fd()))
	if err != nil {
		return "", err
	}
	// Here and not where it is read: whoever gives up waiting leaves the terminal as it was.
	defer func() { _ = term.Restore(int(e.tty.Fd()), state) }() // best effort: it was possible a moment ago
	if width, height, err := term.GetSize(int(e.tty.Fd())); err == nil && width > 0 && height > 0 {
		if err := e.terminal.SetSize(width, height); err != nil {
			return "", err
		}
	}
	e.terminal.SetPrompt(string(question))
	return c.answer(ctx, "", e.terminal.ReadLine)
}
