package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func TestReadEvents(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want []string
		fail string
	}{
		"plain":            {text: "data: a\n\ndata: b\n\ndata: [DONE]\n\n", want: []string{"a", "b"}},
		"CRLF, no blank":   {text: "data:a\r\n\r\ndata: [DONE]\r\n\r\n", want: []string{"a"}},
		"several lines":    {text: "data: a\ndata: b\n\ndata: [DONE]\n\n", want: []string{"a\nb"}},
		"comments, fields": {text: ": hello\n\nevent: x\nid: 7\ndata: a\n\n\n\ndata: [DONE]\n\n", want: []string{"a"}},
		"no blank line":    {text: "data: a\n\ndata: [DONE]\n", want: []string{"a"}},
		"no end of line":   {text: "data: a\n\ndata: [DONE]", want: []string{"a"}},
		"half an end":      {text: "data: a\n\ndata: [DON", want: []string{"a"}, fail: "its end is missing"},
		"no end":           {text: "data: a\n\n", want: []string{"a"}, fail: "its end is missing"},
		"cut off":          {text: "data: a\n\ndata: b", want: []string{"a"}, fail: "its end is missing"},
		"nothing":          {fail: "its end is missing"},
	} {
		for how, wrap := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader} {
			var got []string
			err := readEvents(wrap(strings.NewReader(tt.text)), func(data []byte) error {
				got = append(got, string(data))
				return nil
			})
			if strings.Join(got, "|") != strings.Join(tt.want, "|") || (err == nil) != (tt.fail == "") || err != nil && !strings.Contains(err.Error(), tt.fail) {
				t.Errorf("%s, %s: %q, %v", name, how, got, err)
			}
		}
	}
	broken := errors.New("broken")
	if err := readEvents(iotest.ErrReader(broken), nil); !errors.Is(err, broken) {
		t.Errorf("of a broken stream: %v", err)
	}
}

// Nothing that a model writes moves the cursor of a terminal.
func TestAnswersAreHarmless(t *testing.T) {
	for text, want := range map[string]string{
		"a\tb\n": "a\tb\n", "Grüße 👩\u200d🚀": "Grüße 👩\u200d🚀", "\x1b[2J\x1b]0;title\a": "\uFFFD[2J\uFFFD]0;title\uFFFD", "a\rb\r\n": "ab\n",
		"\u202eevil": "\uFFFDevil", "\x00\x7f\u009b": "\uFFFD\uFFFD\uFFFD",
	} {
		if got := zg.Lines(text); got != want {
			t.Errorf("Lines(%q) = %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{"Grüße \n": `"Grüße \n"`, "\x1b\u009b\x7f\u202e": `"\u001b\u009b\u007f\u202e"`} {
		var out bytes.Buffer
		if err := writeJSON(&out, text); err != nil || out.String() != want+"\n" {
			t.Errorf("JSON of %q = %s, %v", text, out.String(), err)
		}
		var back string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || back != text {
			t.Errorf("JSON of %q is read as %q, %v", text, back, err)
		}
	}
}

// playedAPI is one that says what a test wants.
func playedAPI(t *testing.T, answer http.HandlerFunc) []string {
	t.Helper()
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	t.Setenv("ZGPROXY_ENV_FILE", "off")
	return []string{"chat", "--url", srv.URL + "/v1", "--model", "m", "hello"}
}

func TestChatTellsWhatGoesWrong(t *testing.T) {
	stdin := os.Stdin
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	os.Stdin = null
	t.Cleanup(func() { os.Stdin = stdin; _ = null.Close() })
	event := func(w http.ResponseWriter, texts ...string) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Request-Id", "req_1")
		for _, text := range texts {
			_, _ = io.WriteString(w, "data: "+text+"\n\n")
		}
	}
	const part = `{"choices":[{"delta":{"content":"so far"}}]}`
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		out    string
		errs   []string
	}{
		"breaks off": {func(w http.ResponseWriter, _ *http.Request) { event(w, part) }, "so far", []string{"the answer breaks off", "its end is missing", "req_1"}},
		"error in it": {func(w http.ResponseWriter, _ *http.Request) {
			event(w, part, `{"error":{"message":"gone \u001b[31m"}}`)
		}, "so far", []string{"gone", "\uFFFD[31m"}},
		"nonsense in it": {func(w http.ResponseWriter, _ *http.Request) { event(w, part, `{{`) }, "so far", []string{"makes no sense"}},
		"refused": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Zgproxy-Error", "budget")
			w.WriteHeader(http.StatusPaymentRequired)
			_, _ = io.WriteString(w, `{"error":{"message":"no more"}}`)
		}, "", []string{"no more (status 402)", "code budget"}},
		"refused by HTML": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html>bad gateway")
		}, "", []string{"bad gateway", "502"}},
	} {
		var out, errs bytes.Buffer
		code := run(playedAPI(t, tt.answer), &out, &errs)
		if code != exitFailure || !strings.Contains(out.String(), tt.out) {
			t.Errorf("%s: status %d, %q", name, code, out.String())
		}
		for _, want := range tt.errs {
			if !strings.Contains(errs.String(), want) {
				t.Errorf("%s does not say %q: %s", name, want, errs.String())
			}
		}
	}
	var out, errs bytes.Buffer
	code := run(playedAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		event(w, `{"choices":[{"delta":{"reasoning_content":"hm"}}]}`, `{"choices":[{"delta":{"content":"\u001b[1mbold"},"finish_reason":"length"}]}`, "[DONE]")
	}), &out, &errs)
	if code != 0 || out.String() != "\x1b[1mbold\n" || !strings.Contains(errs.String(), "cut off at the limit") {
		t.Errorf("piped: %d, %q, %q", code, out.String(), errs.String())
	}
}

// A picture that is elsewhere is not fetched: a provider would choose where zgproxy goes.
func TestPicturesElsewhereAreNotFetched(t *testing.T) {
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer other.Close()
	args := playedAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":[{"url":"`+other.URL+`/p.png"}]}`)
	})
	out := filepath.Join(t.TempDir(), "p.png")
	var told bytes.Buffer
	code := run([]string{"image", "--url", args[2], "--model", "m", "--out", out, "otter"}, &told, &told)
	if _, err := os.Stat(out); code == 0 || err == nil || asked != 0 || !strings.Contains(told.String(), "does not go") {
		t.Errorf("status %d, asked %d times: %s", code, asked, told.String())
	}
}

func TestImageRefusesBeforehand(t *testing.T) {
	t.Setenv("ZGPROXY_ENV_FILE", "off")
	for args, want := range map[string]string{"--mask m.png otter": "--mask goes with --edit", "--n 11 otter": "1 to 10", "--out - --n 2 otter": "for one picture"} {
		var told bytes.Buffer
		if code := run(append([]string{"image"}, strings.Fields(args)...), &told, &told); code != exitUsage || !strings.Contains(told.String(), want) {
			t.Errorf("image %s: status %d, %s", args, code, told.String())
		}
	}
	told := playedTerminal{new(bytes.Buffer)}
	if code := run([]string{"image", "--out", "-", "otter"}, told, told); code != exitUsage || !strings.Contains(told.String(), "not for a terminal") {
		t.Errorf("to a terminal: status %d, %s", code, told.String())
	}
}

type playedTerminal struct{ *bytes.Buffer }

func (playedTerminal) IsTerminal() bool { return true }
