package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// What is stored of strangers' text, and what a program reads, is to the byte what they wrote.
func TestExportIsExact(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	r, _, _ := signedReceipt(t, key, 1)
	r = wicked(r)
	var plain, shown bytes.Buffer
	if err := errors.Join(writeLine(&plain, &r, false), writeLine(&shown, &r, true)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(plain.String(), "\u202e") {
		t.Errorf("%q", plain.String())
	}
	if found := obeyed(shown.String()); found != "" {
		t.Error(found)
	}
	for _, line := range []string{plain.String(), shown.String()} {
		var back zg.AnswerReceipt
		if err := json.Unmarshal([]byte(line), &back); err != nil || back.SignedText != r.SignedText {
			t.Errorf("%q is read as %q, %v", line, string(back.SignedText), err)
		}
	}
	var pipe bytes.Buffer
	out := outputTo(&pipe)
	if _, err := exactly(out).Write([]byte(evilText + "\xff")); err != nil || pipe.String() != evilText+"\xff" {
		t.Errorf("a program gets %q, %v", pipe.String(), err)
	}
	var screen seenOn
	_, err = exactly(outputTo(&screen)).Write([]byte(evilText + "\xff"))
	if err != nil || strings.ContainsAny(screen.String(), "\u202e\a\u009b") {
		t.Errorf("a terminal gets %q, %v", screen.String(), err)
	}
}

// Every way of formatting text for people cleans what is put into it, and leaves alone what is ours.
func TestConsoleCleans(t *testing.T) {
	type named string
	for name, a := range map[string]any{
		"text": evilText, "error": errors.New(evilText), "peer text": zg.PeerText(evilText), "named": named(evilText), "list": []string{evilText},
		"pointer": &evilText2, "field": struct{ A string }{evilText}, "verdict": zg.Verdict(evilText),
	} {
		var screen seenOn
		c := newConsole(strings.NewReader(""), &screen)
		c.colour = false
		c.printf("%v %s\n", a, a)
		c.printf("%s\n", c.paint(styleGood, fmt.Sprint(a)))
		var table table
		table.row("a", a, sprintf("%v", a))
		c.show(&table)
		if found := obeyed(screen.String()); found != "" {
			t.Errorf("%s: %s", name, found)
		}
		if lines := strings.Count(screen.String(), "\n"); lines != 3 {
			t.Errorf("%s: %d lines: %q", name, lines, screen.String())
		}
	}
	var screen bytes.Buffer
	c := console{out: &screen, colour: true}
	c.printf("%d %5.1f %t %s\n", 7, 1.5, true, c.paint(styleGood, "good\x1b[31m"))
	if want := "7   1.5 true \x1b[32mgood\uFFFD[31m\x1b[0m\n"; screen.String() != want {
		t.Errorf("%q, want %q", screen.String(), want)
	}
}

var evilText2 = evilText

// The last gate lets through what can be read and what we do to a terminal, in whatever pieces it comes.
func TestOutputGate(t *testing.T) {
	for text, want := range map[string]string{
		"plain\n": "plain\n", "Grüße 日本 👩\u200d🚀\tx\n": "Grüße 日本 👩\u200d🚀\tx\n", "\x1b[1mhead\x1b[0m \r\x1b[K": "\x1b[1mhead\x1b[0m \r\x1b[K",
		"\x1b[2J\x1b[38;5;1m\x1b]0;t\a": "\uFFFD[2J\uFFFD[38;5;1m\uFFFD]0;t\uFFFD", "\u009b2J\u202e": "\uFFFD2J\uFFFD", "\xff\xc3(": "\uFFFD\uFFFD(", "\x1b[m\x1b": "\uFFFD[m\uFFFD",
	} {
		for size := 1; size <= len(text); size++ {
			if size < len(text) && strings.Contains(text, "\x1b") {
				continue // ours come whole
			}
			var got bytes.Buffer
			o := outputTo(&got)
			for part := range slices.Chunk([]byte(text), size) {
				if n, err := o.Write(part); n != len(part) || err != nil {
					t.Fatal(n, err)
				}
			}
			if got.String() != want {
				t.Errorf("%q by %d: %q, want %q", text, size, got.String(), want)
			}
		}
	}
}

// Log lines say the same with everything escaped that a terminal obeys, and so do lines for people.
func TestLogsOfStrangers(t *testing.T) {
	for _, format := range []string{"json", "console"} {
		var out bytes.Buffer
		log := newLogger(config.Config{LogFormat: format, LogLevel: "debug"}, &out, false)
		log.Warn().Str("says", evilText).Strs("list", []string{evilText}).Err(errors.New(evilText)).Stringer("peer", zg.PeerText(evilText)).
			Interface("any", map[string]string{evilText: evilText}).Bytes("bytes", []byte(evilText)).Msg("a provider failed")
		if found := obeyed(out.String()); found != "" || !strings.Contains(out.String(), "EVIL") {
			t.Errorf("%s: %s in %q", format, found, out.String())
		}
		if format == "json" {
			var line struct{ Says string }
			if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Says != evilText {
				t.Errorf("read back %q, %v", line.Says, err)
			}
		}
	}
}

// A signed text is shown as it is with all that it tries to say about itself, in the one line that is for it.
func TestReceiptInWords(t *testing.T) {
	r := wicked(zg.AnswerReceipt{Verdict: zg.VerdictInvalid})
	var screen seenOn
	c := newConsole(strings.NewReader(""), &screen)
	c.printf("%s", receiptInWords(&r))
	if found := obeyed(screen.String()); found != "" {
		t.Error(found)
	}
}
