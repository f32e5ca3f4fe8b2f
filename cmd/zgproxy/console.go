package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// console is where a command reads and writes.
type console struct {
	in     io.Reader
	lines  *bufio.Reader // of in; one for all questions, so that an answer typed ahead is not lost
	out    io.Writer
	asks   bool // somebody is there to answer
	shown  bool // somebody looks at the output as it comes
	colour bool // and sees colours
}

func newConsole(in io.Reader, out io.Writer) console {
	c := console{in: in, lines: bufio.NewReader(in), out: out, asks: isTerminal(in), shown: isTerminal(out)}
	c.colour = c.shown && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return c
}

// consoleOf is where a command reads and writes.
func consoleOf(cmd *cobra.Command) console { return newConsole(cmd.InOrStdin(), cmd.OutOrStdout()) }

// errConsole is where it tells what goes beside its output.
func errConsole(cmd *cobra.Command) console { return newConsole(cmd.InOrStdin(), cmd.ErrOrStderr()) }

// isTerminal reports whether a stream is a terminal. The null device is none: it has no size.
func isTerminal(stream any) bool {
	if t, ok := stream.(interface{ IsTerminal() bool }); ok { // tests play one
		return t.IsTerminal()
	}
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}

// The colours of a terminal, by what they mean.
const (
	styleHead = "1"  // bold: a heading
	styleDim  = "2"  // less important
	styleGood = "32" // green
	styleWarn = "33" // yellow
	styleBad  = "31" // red
)

// paint colours one line where colours are seen, and leaves it as it is where they are not.
func (c console) paint(style, text string) styled { return c.coloured(style, sprintf("%s", text)) }

func (c console) coloured(style string, text styled) styled {
	if !c.colour || text == "" {
		return text
	}
	return "\x1b[" + styled(style) + "m" + text + "\x1b[0m"
}

// printf prints text for people. Whatever is put into the format is one harmless line, whoever wrote it; what is more than that
// is of type styled.
func (c console) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(c.out, format, safe(args)...) // output remembers it: what was asked for is done all the same
}

// ask returns whether the answer to a question is yes. Anything else is no, and so is no answer.
func (c console) ask(ctx context.Context, question string) bool {
	answer, err := c.line(ctx, sprintf("%s [y/N] ", question))
	return err == nil && saysYes(answer)
}

func saysYes(answer string) bool {
	switch strings.ToLower(answer) {
	case "y", "yes":
		return true
	}
	return false
}

// line asks and returns what is answered, without blanks around it. At the end of the input it is io.EOF.
func (c console) line(ctx context.Context, question styled) (string, error) {
	line, err := c.answer(ctx, question, c.readLine)
	return strings.TrimSpace(line), err
}

func (c console) readLine() (string, error) {
	line, err := c.lines.ReadString('\n')
	if errors.Is(err, io.EOF) && line != "" {
		err = nil // the last line of a file may lack its end
	}
	return strings.TrimRight(line, "\r\n"), err
}

// hidden is line for what must not be seen while it is typed. Blanks count.
func (c console) hidden(ctx context.Context, question styled) (string, error) {
	f, ok := c.in.(*os.File)
	if ok && c.lines.Buffered() == 0 {
		// Before the question is there, so that nobody answers too early to be hidden. Reading sets what else is needed.
		if state, err := term.MakeRaw(int(f.Fd())); err == nil {
			defer func() { _ = term.Restore(int(f.Fd()), state) }() // best effort: it was possible a moment ago
		}
	}
	return c.answer(ctx, question, func() (string, error) {
		if !ok || c.lines.Buffered() > 0 { // tests play a terminal; what was typed ahead has been seen
			return c.readLine()
		}
		text, err := term.ReadPassword(int(f.Fd()))
		c.printf("\r\n") // the terminal is raw
		return string(text), err
	})
}

// answer asks, and gives up when ctx ends. Whoever reads a terminal reads it until the program ends, whatever becomes of ctx.
func (c console) answer(ctx context.Context, question styled, read func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	restore := c.remember()
	c.printf("%s", question)
	done := make(chan result, 1)
	go func() {
		text, err := read()
		done <- result{text, err}
	}()
	select {
	case <-ctx.Done():
		restore()
		c.printf("\n")
		return "", context.Cause(ctx)
	case r := <-done:
		return r.text, r.err
	}
}

// remember returns what puts the terminal back to how it is now: an interrupted hidden question must not leave it mute.
func (c console) remember() func() {
	f, ok := c.in.(*os.File)
	if !ok {
		return func() {}
	}
	state, err := term.GetState(int(f.Fd()))
	if err != nil { // it is no terminal
		return func() {}
	}
	return func() { _ = term.Restore(int(f.Fd()), state) } // best effort: the program is about to end
}

// working shows on a terminal that something takes long, and for how long by now, until stop is called. now changes what it is.
func (c console) working(what string) (now func(string), stop func()) {
	if !c.shown {
		return func(string) {}, func() {}
	}
	ended, gone, news := make(chan struct{}), make(chan struct{}), make(chan string)
	began := time.Now()
	go func() {
		defer close(gone)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			c.printf("\r\x1b[K%s", c.paint(styleDim, fmt.Sprintf("%s … %.0f s", what, time.Since(began).Seconds())))
			select {
			case <-ended:
				c.printf("\r\x1b[K")
				return
			case what = <-news:
			case <-tick.C:
			}
		}
	}()
	return func(what string) { news <- what }, func() { close(ended); <-gone }
}

// table aligns what is put into it.
type table struct {
	rows   []string
	headed bool
	whole  bool // its addresses are what somebody consents to: never shortened
}

// row adds cells. Each is one harmless line, like what printf prints.
func (t *table) row(cells ...any) {
	var b strings.Builder
	for i, cell := range safe(cells) {
		if i > 0 {
			b.WriteByte('\t')
		}
		_, _ = fmt.Fprint(&b, cell) // into memory
	}
	t.rows = append(t.rows, b.String())
}

// head is the first row, with the names of the columns.
func (t *table) head(cells ...any) {
	t.row(cells...)
	t.headed = true
}

var addresses = regexp.MustCompile(`0x[0-9a-fA-F]{40}`)

// show writes a table: with its heading in bold, and on a terminal that is too narrow for it with addresses cut short, or where
// that is not enough row by row, each cell in a line of its own.
func (c console) show(t *table) {
	text := t.String()
	if f, ok := fileOf(c.out); ok && c.shown && t.headed {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 && widest(text) > width {
			narrow := table{rows: t.rows}
			if !t.whole {
				narrow.rows = nil
				for _, row := range t.rows {
					narrow.rows = append(narrow.rows, addresses.ReplaceAllStringFunc(row, func(a string) string { return a[:6] + "…" + a[38:] }))
				}
			}
			if text = narrow.String(); widest(text) > width {
				c.printf("%s", styled(t.records()))
				return
			}
		}
	}
	if first, rest, ok := strings.Cut(text, "\n"); ok && t.headed {
		text = string(c.coloured(styleHead, styled(first))) + "\n" + rest
	}
	c.printf("%s", styled(text))
}

func widest(text string) (most int) {
	for line := range strings.Lines(text) {
		most = max(most, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
	}
	return most
}

// records is the table row by row: each cell that is not empty in a line of its own, behind its heading.
func (t *table) records() string {
	heads := strings.Split(t.rows[0], "\t")
	margin := 0
	for _, h := range heads {
		margin = max(margin, utf8.RuneCountInString(h))
	}
	var b strings.Builder
	for _, row := range t.rows[1:] {
		for i, cell := range strings.Split(row, "\t") {
			if cell == "" || i >= len(heads) {
				continue
			}
			_, _ = fmt.Fprintf(&b, "%-*s  %s\n", margin, heads[i], cell) // into memory
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// String is the aligned text, without the blanks that an empty last column would leave.
func (t *table) String() string {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tw, strings.Join(t.rows, "\n")) // into memory
	_ = tw.Flush()                                      // into memory too
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// short is an amount of 0G for a table: exact up to six decimal places, and cut off there with a mark.
func short(n zg.Neuron) string {
	s := n.Og()
	whole, frac, _ := strings.Cut(s, ".")
	if len(frac) <= 6 || strings.Trim(whole+frac[:6], "0") == "" {
		return s
	}
	return strings.TrimRight(strings.TrimRight(whole+"."+frac[:6], "0"), ".") + "…"
}

// inWords is a duration as people say it, of two units at most and rounded up: better to come late than too early.
func inWords(d time.Duration) string {
	round := func(unit time.Duration) time.Duration { return (d + unit - 1) / unit }
	switch {
	case d <= 0:
		return "no time"
	case d < time.Minute:
		return fmt.Sprintf("%d s", round(time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", round(time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", round(time.Hour))
	}
	hours := round(time.Hour)
	if hours%24 == 0 {
		return fmt.Sprintf("%d days", hours/24)
	}
	return fmt.Sprintf("%d days %d h", hours/24, hours%24)
}

// plural writes a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
