package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
)

// docs/demo.svg is what the demo says on a terminal. What is never the same twice (ports, the name of a directory) is
// replaced.

var updateRecording = flag.Bool("update-recording", false, "write docs/demo.svg again")

const recordingPath = "../../docs/demo.svg"

func TestRecording(t *testing.T) {
	t.Parallel()
	cmd := demoCommand(t, "--rpc-port", "0", "--port", "0", "--admin-port", "0")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 60, Cols: 150})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tty.Close() }) // nothing is behind it any more
	var said strings.Builder
	lines := bufio.NewReader(tty)
	for {
		line, err := lines.ReadString('\n')
		said.WriteString(strings.TrimRight(line, "\r\n") + "\n")
		if strings.HasPrefix(line, "Ctrl-C ends both") {
			if _, err := io.WriteString(tty, "\x03"); err != nil { // as it is typed
				t.Fatal(err)
			}
		}
		if err != nil { // the terminal's way to say that its program has ended
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the demo: %v\n%s", err, &said)
	}
	got := drawn(steady(said.String()))
	if *updateRecording {
		if err := os.WriteFile(recordingPath, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(recordingPath)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(have), got); d != "" {
		t.Errorf("docs/demo.svg is out of date (make demo-recording, and look at it):\n%s", d)
	}
}

// steady is what the demo says on a machine on which its ports are free. The middle of what can be pasted, programs in
// other languages, is left out.
func steady(text string) string {
	text = strings.ReplaceAll(text, "\n./zgproxy", "\n./bin/zgproxy")
	for _, rule := range []struct{ what, with string }{
		{`(?s)  # Python.*\n\nModels`, "  ...\n\nModels"},
		{`\S*/zgproxy-demo-[0-9]+`, "/tmp/zgproxy-demo"},
		{`  \./zgproxy `, "  ./bin/zgproxy "},
		{`\^C`, ""},
		{`(?s)\n+$`, "\n"},
	} {
		text = regexp.MustCompile(rule.what).ReplaceAllString(text, rule.with)
	}
	names := map[string]string{}
	for _, known := range []struct{ what, port string }{
		{`(?m)^Chain +http://127\.0\.0\.1:([0-9]+)`, "8545"},
		{`(?m)^Models +http://127\.0\.0\.1:([0-9]+)`, "3000"},
		{`(?m)^Operator +http://127\.0\.0\.1:([0-9]+)`, "3090"},
	} {
		if found := regexp.MustCompile(known.what).FindStringSubmatch(text); found != nil {
			names[found[1]] = known.port
		}
	}
	providers := 0
	return regexp.MustCompile(`127\.0\.0\.1:[0-9]+`).ReplaceAllStringFunc(text, func(address string) string {
		host, port, _ := strings.Cut(address, ":")
		if names[port] == "" {
			providers++
			names[port] = fmt.Sprint(40000 + providers)
		}
		return host + ":" + names[port]
	})
}

// drawn is a terminal with a text on it. The text is text: it can be searched and copied.
func drawn(text string) string {
	const (
		size, rowHeight = 13, 18
		left, top       = 16, 44
		columns         = 132
	)
	lines := []string{"$ make demo"}
	for line := range strings.Lines(text) {
		rest := []rune(strings.TrimSuffix(line, "\n"))
		for len(rest) > columns { // as a terminal does it
			lines = append(lines, string(rest[:columns]))
			rest = rest[columns:]
		}
		lines = append(lines, string(rest))
	}
	width, height := 2*left+columns*size*61/100, top+len(lines)*rowHeight+left/2
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img"
  aria-labelledby="title">
<title id="title">What make demo shows: a simulated network, zgproxy in front of it, a paid and verified answer</title>
<style>
text { font: %dpx ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #d8dee9; white-space: pre }
.typed { fill: #ffffff; font-weight: bold }
.good { fill: #a3d977 }
.talk { fill: #8fc7ff }
</style>
<rect width="%d" height="%d" rx="8" fill="#1d2430"/>
<circle cx="20" cy="18" r="6" fill="#e06c75"/>
<circle cx="40" cy="18" r="6" fill="#e5c07b"/>
<circle cx="60" cy="18" r="6" fill="#98c379"/>
`, width, height, width, height, size, width, height)
	for i, line := range lines {
		if line == "" {
			continue
		}
		class := ""
		switch {
		case strings.HasPrefix(line, "$ "), strings.HasPrefix(line, "  ./bin/zgproxy "):
			class = ` class="typed"`
		case strings.HasPrefix(line, "  paid "), strings.HasPrefix(line, "  verdict "):
			class = ` class="good"`
		case i > 0 && utf8.RuneCountInString(lines[i-1]) == columns: // the answer goes on
			class = ` class="talk"`
		case strings.HasPrefix(line, "  you "), strings.HasPrefix(line, "  "+demoModel):
			class = ` class="talk"`
		}
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\"%s xml:space=\"preserve\">%s</text>\n",
			left, top+i*rowHeight+size/2, class, html.EscapeString(line))
	}
	b.WriteString("</svg>\n")
	return b.String()
}
