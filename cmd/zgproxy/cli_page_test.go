package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/devnet"
)

// docs/cli.md is testdata/cli.md with the commands in it run, and what they said put behind them.

var updateCLI = flag.Bool("update-cli", false, "rewrite docs/cli.md")

const (
	cliTemplate = "testdata/cli.md"
	cliPage     = "../../docs/cli.md"
)

// TestCommandsPage runs what docs/cli.md shows. What the commands say has to be what is there, but for numbers, which are
// never the same twice.
func TestCommandsPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(cliTemplate)
	if err != nil {
		t.Fatal(err)
	}
	record := func() string {
		return newCLIRecorder(t).page(strings.Replace(string(text), "@CODES@\n", statuses(t), 1))
	}
	page := record()
	have, err := os.ReadFile(cliPage)
	if err != nil && !*updateCLI {
		t.Fatal(err)
	}
	// Commands say how things stand at the moment. What differs by chance is not so again; a page out of date always is.
	for again := 0; again < 2 && withoutNumbers(string(have)) != withoutNumbers(page); again++ {
		t.Logf("recorded again, for this differs:\n%s", cmp.Diff(withoutNumbers(string(have)), withoutNumbers(page)))
		page = record()
	}
	d := cmp.Diff(withoutNumbers(string(have)), withoutNumbers(page))
	switch {
	case d == "":
	case *updateCLI:
		if err := os.WriteFile(cliPage, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("docs/cli.md is out of date (make generate, and look at it):\n%s", d)
	}
}

var numbers = regexp.MustCompile(`[0-9]+(\.[0-9]+)?…?`)

func withoutNumbers(s string) string {
	return regexp.MustCompile(` +`).ReplaceAllString(numbers.ReplaceAllString(s, "N"), " ")
}

// statuses lists the codes that the source has, by the status that each ends with.
func statuses(t *testing.T) string {
	t.Helper()
	by := map[int][]string{}
	for _, c := range codes(t) {
		by[c.status] = append(by[c.status], "`"+c.code+"`")
	}
	var out strings.Builder
	out.WriteString("| status | meaning | codes |\n| --- | --- | --- |\n| 0 | done | |\n")
	for status, meaning := range []string{
		exitFailure: "failed", exitUsage: "the command line or the configuration cannot work", exitRefused: "refused by a limit or by the contract's rules",
		exitNotConfirmed: "not confirmed, so nothing was done",
	} {
		if meaning == "" {
			continue
		}
		if len(by[status]) == 0 {
			t.Errorf("no code has the status %d", status)
		}
		fmt.Fprintf(&out, "| %d | %s | %s |\n", status, meaning, strings.Join(by[status], ", "))
	}
	return out.String()
}

// cliRecorder is a network and a home directory in which commands are run on a terminal.
type cliRecorder struct {
	*testing.T
	net    *devnet.Network
	dir    string
	env    []string
	daemon *running
}

func newCLIRecorder(t *testing.T) *cliRecorder {
	t.Helper()
	n, err := devnet.Start(t.Context(), devnet.Config{})
	if err != nil {
		t.Fatal(err)
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go mineUntil(n, stop, ended)
	t.Cleanup(func() {
		close(stop)
		<-ended
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &cliRecorder{T: t, net: n, dir: t.TempDir()}
	home := filepath.Join(r.dir, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	r.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TERM=xterm", "ZGPROXY_KEEPER_INTERVAL=100ms",
		"ZGPROXY_ROUTING=price", "ZGPROXY_LOG_FORMAT=json", "ZGPROXY_DATA_DIR=" + filepath.Join(r.dir, "data"),
	}
	t.Cleanup(func() {
		if r.daemon != nil {
			r.daemon.kill()
		}
	})
	return r
}

// page runs the console blocks of a template. A line that begins with $ is a command. One with > is an answer: "> question =>
// answer" types it after the question has appeared, in which \n is an end of line: what is typed before a prompt is there would
// appear before it. One with ! is done and not shown: "daemon", "wallet" (the devnet's, set up), "later 25h".
func (r *cliRecorder) page(template string) string {
	r.Helper()
	var out strings.Builder
	inside := false
	lines := strings.SplitAfter(template, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		switch {
		case strings.HasPrefix(line, "```"):
			inside = strings.HasPrefix(line, "```console")
			out.WriteString(line)
		case !inside:
			out.WriteString(line)
		case strings.HasPrefix(line, "! "):
			r.behind(strings.TrimSpace(line[2:]))
		case strings.HasPrefix(line, "$ "):
			var answers []string
			for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "> ") {
				i++
				answers = append(answers, strings.TrimSuffix(lines[i][2:], "\n"))
			}
			out.WriteString(line)
			out.WriteString(r.steady(r.run(strings.TrimSpace(line[2:]), answers)))
		default:
			out.WriteString(line)
		}
	}
	return out.String()
}

// behind is what happens without being shown.
func (r *cliRecorder) behind(what string) {
	r.Helper()
	verb, rest, _ := strings.Cut(what, " ")
	switch verb {
	case "daemon":
		logs := &logBuffer{listening: make(chan [2]string, 1)}
		var err error
		if r.daemon, err = startChild(append(r.env, asDaemon+"=1"), logs); err == nil {
			err = poll(10*time.Millisecond, patience, nil, r.daemon.ready)
		}
		if err != nil {
			r.Fatal(err)
		}
	case "env":
		r.env = append(r.env, strings.NewReplacer("@RPC@", r.net.Chain.URL(), "@PROVIDERS@", r.providers()).Replace(rest))
	case "wallet":
		r.env = append(r.env, r.net.Env()...)
	case "later":
		d, err := time.ParseDuration(rest)
		if err == nil {
			err = r.net.Chain.AdvanceTime(d)
		}
		if err != nil {
			r.Fatal(err)
		}
		r.net.Chain.Mine()
	case "run":
		r.run(rest, nil)
	default:
		r.Fatalf("%s is not known", what)
	}
}

func (r *cliRecorder) providers() string {
	for _, kv := range r.net.Env() {
		if v, ok := strings.CutPrefix(kv, "ZGPROXY_PROVIDERS="); ok {
			return v
		}
	}
	return ""
}

// run runs a shell line on a terminal, and types the answers as they are asked for.
func (r *cliRecorder) run(line string, answers []string) string {
	r.Helper()
	cmd := exec.CommandContext(r.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Env = r.dir, r.env
	s, err := startOnTerminal(cmd, 150)
	if err != nil {
		r.Fatal(err)
	}
	for _, answer := range answers {
		question, typed, _ := strings.Cut(answer, " =>")
		typed = strings.TrimPrefix(typed, " ")
		if err := s.wait(strings.ReplaceAll(question, `\n`, "\n"), patience); err != nil {
			r.Fatalf("%s: %v\n%s", line, err, s)
		}
		if _, err := io.WriteString(s.tty, typed+"\n"); err != nil {
			r.Fatal(err)
		}
	}
	select {
	case err := <-s.ended:
		r.Logf("%s: %v", line, err) // the page shows refusals, too
	case <-time.After(patience):
		r.Fatalf("%s does not end (%v):\n%s", line, cmd.Process.Kill(), s)
	}
	s.close()
	return s.String()
}

// steady puts stable words in place of what is never the same twice.
func (r *cliRecorder) steady(text string) string {
	for _, rule := range []struct{ what, with string }{
		{`[^\n]*(sending|waiting [^\n]*|Drawing|Listening) … [0-9]+ s`, ""},
		{`(?m)(^ *[█▀▄][█▀▄ ]*\n)+`, "  (the same as a QR code)\n"},
		{`(?m)^sent\n`, ""}, // it may be mined before anybody has said so
		// How long a sub-account lasts depends on the minute in which money was spent.
		{`(?m)^(0x[0-9a-fA-F]{40} .*?)(?:over a year|[0-9]+ days(?: [0-9]+ h)?|[0-9]+ h|[0-9]+ min)( +-)$`, "${1}27 days${2}"},
		{`(?:/private)?` + regexp.QuoteMeta(filepath.Join(r.dir, "home")), "/home/you"},
		{regexp.QuoteMeta(r.dir), "/home/you"},
		{`0x[0-9a-f]{64}`, "0x5b8f…c41e"},
		{`app-sk-[A-Za-z0-9+/=]{40}[A-Za-z0-9+/=]*`, "app-sk-eyJhZGRyZXNzIjoiMHhlMjdBZEZDY0RjMjdCY0M1YTIy…"},
		{`req_[0-9a-f]{28}`, "req_01a21d7571a35f543b0039f58338"},
		{`127\.0\.0\.1:[0-9]{4,5}`, "127.0.0.1:40123"},
		{`block [0-9]+`, "block 92"},
		{`nonce [0-9]+`, "nonce 11"},
		{`\b(8[0-9]{2}|9[0-9]{2})\.[0-9]{4,}…?`, "${1}.9717…"},
		{`for 0\.[0-9]+…? 0G of gas`, "for 0.000204… 0G of gas"},
		{`[0-9]+ s ago`, "1 s ago"},
		{`, [0-9]+\.[0-9] s,`, ", 0.4 s,"},
		{`\b[0-9]+ ms +`, "12 ms "},
		{`20[0-9]{2}-[0-9]{2}-[0-9]{2}`, "2026-11-27"},
		{`[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?`, "12:00:00"},
	} {
		text = regexp.MustCompile(rule.what).ReplaceAllString(text, rule.with)
	}
	known := map[string]bool{devnet.Wallet().Hex(): true}
	for _, p := range r.net.Providers {
		known[p.Address().Hex()] = true
	}
	text = addresses.ReplaceAllStringFunc(text, func(a string) string {
		if known[a] {
			return a
		}
		return "0xFCAd0B19bB29D4674531d6f115237E16AfCE377c" // a new wallet's
	})
	var out bytes.Buffer
	for line := range strings.Lines(text) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}
