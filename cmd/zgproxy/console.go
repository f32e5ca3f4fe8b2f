package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// console is where a command reads and writes.
type console struct {
	in    io.Reader
	out   io.Writer
	asks  bool // somebody is there to answer
	shown bool // somebody looks at the output as it comes
}

func consoleOf(cmd *cobra.Command) console {
	return console{in: cmd.InOrStdin(), out: cmd.OutOrStdout(), asks: isTerminal(cmd.InOrStdin()), shown: isTerminal(cmd.OutOrStdout())}
}

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

func (c console) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(c.out, format, args...) // nobody reads it: what was asked for is done all the same
}

// ask returns whether the answer to a question is yes. Anything else is no, and so is no answer.
func (c console) ask(ctx context.Context, question string) bool {
	c.printf("%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() { // a terminal is read until the program ends, whatever becomes of ctx
		line, _ := bufio.NewReader(c.in).ReadString('\n') // the end of the input is an empty answer
		answer <- line
	}()
	select {
	case <-ctx.Done():
		c.printf("\n")
		return false
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return true
		}
		return false
	}
}

// table aligns what is put into it.
type table struct{ rows []string }

func (t *table) row(cells ...string) { t.rows = append(t.rows, strings.Join(cells, "\t")) }

// String is the aligned text, without the blanks that an empty last column would leave.
func (t *table) String() string {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tw, strings.Join(t.rows, "\n")) // into memory
	_ = tw.Flush()                                      // likewise
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
