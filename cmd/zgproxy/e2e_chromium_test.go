//go:build e2e

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// chromium is a headless browser that does what it is told over two pipes (the DevTools protocol).
type chromium struct {
	*testing.T
	to   *os.File
	mu   sync.Mutex
	last int
	// Who waits for an answer, by its number, and for a page to have loaded, by its session.
	answers map[int]chan wireMessage
	loaded  map[string]chan struct{}
	gone    chan struct{}
}

type wireMessage struct {
	ID        int                       `json:"id,omitempty"`
	SessionID string                    `json:"sessionId,omitempty"`
	Method    string                    `json:"method,omitempty"`
	Params    any                       `json:"params,omitempty"`
	Result    json.RawMessage           `json:"result,omitempty"`
	Error     *struct{ Message string } `json:"error,omitempty"`
}

// findChromium is the browser's program.
func findChromium() (string, error) {
	if path := os.Getenv("E2E_CHROMIUM"); path != "" {
		return path, nil
	}
	for _, name := range []string{"chromium", "chromium-headless-shell", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium: install one (Debian's package chromium or chromium-headless-shell), or name it in E2E_CHROMIUM")
}

// newChromium starts the browser. Names below .example are this machine; nothing else is found.
func newChromium(t *testing.T) *chromium {
	t.Helper()
	path, err := findChromium()
	if err != nil {
		t.Skip(err)
	}
	in, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--disable-popup-blocking", "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe",
		// The browser's own protection of local servers is not what is tested, and not every browser has it.
		"--disable-features=LocalNetworkAccessChecks,PrivateNetworkAccessSendPreflights",
		"--host-resolver-rules=MAP *.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost", "about:blank")
	cmd.ExtraFiles = []*os.File{in, out}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		kill()
		t.Fatal(err)
	}
	_, _ = in.Close(), out.Close() // the browser has them
	c := &chromium{T: t, to: to, answers: map[int]chan wireMessage{}, loaded: map[string]chan struct{}{}, gone: make(chan struct{})}
	go c.read(bufio.NewReader(from))
	t.Cleanup(func() {
		kill()
		_ = cmd.Wait() // killed
		<-c.gone
		_, _ = to.Close(), from.Close()
		if t.Failed() {
			t.Logf("the browser said:\n%s", errs.Bytes())
		}
	})
	return c
}

func (c *chromium) read(from *bufio.Reader) {
	defer close(c.gone)
	for {
		line, err := from.ReadBytes(0)
		if err != nil {
			return // it has ended
		}
		var m wireMessage
		if json.Unmarshal(line[:len(line)-1], &m) != nil {
			continue
		}
		c.mu.Lock()
		if m.ID != 0 {
			c.answers[m.ID] <- m
			delete(c.answers, m.ID)
		} else if loaded := c.loaded[m.SessionID]; loaded != nil && m.Method == "Page.loadEventFired" {
			close(loaded)
			delete(c.loaded, m.SessionID)
		}
		c.mu.Unlock()
	}
}

// tell sends a command and reads its result into the value, if any.
func (c *chromium) tell(session, method string, params map[string]any, result any) {
	c.Helper()
	if params == nil {
		params = map[string]any{}
	}
	answer := make(chan wireMessage, 1)
	c.mu.Lock()
	c.last++
	m := wireMessage{ID: c.last, SessionID: session, Method: method, Params: params}
	c.answers[m.ID] = answer
	c.mu.Unlock()
	text, err := json.Marshal(m)
	if err == nil {
		_, err = c.to.Write(append(text, 0))
	}
	if err != nil {
		c.Fatalf("%s: %v", method, err)
	}
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	select {
	case got := <-answer:
		if got.Error != nil {
			c.Fatalf("%s: %s", method, got.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(got.Result, result); err != nil {
				c.Fatalf("%s: %v", method, err)
			}
		}
	case <-c.gone:
		c.Fatalf("%s: the browser has ended", method)
	case <-ctx.Done():
		c.Fatalf("%s: no answer", method)
	}
}

// tab is one page of the browser.
type tab struct {
	*chromium
	session string
}

func (c *chromium) newTab() *tab {
	c.Helper()
	var target struct{ TargetID string }
	c.tell("", "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	c.tell("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	t := &tab{c, attached.SessionID}
	c.tell(t.session, "Page.enable", nil, nil)
	return t
}

// awaitLoad is closed when the next page has loaded.
func (t *tab) awaitLoad() <-chan struct{} {
	loaded := make(chan struct{})
	t.mu.Lock()
	t.loaded[t.session] = loaded
	t.mu.Unlock()
	return loaded
}

func (t *tab) wait(loaded <-chan struct{}, what string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-loaded:
	case <-t.gone:
		t.Fatalf("%s: the browser has ended", what)
	case <-ctx.Done():
		t.Fatalf("%s: it does not load", what)
	}
}

// open goes to an address as if it had been typed, and waits until it has loaded. It reports whether there is a page: what is
// to be saved is none.
func (t *tab) open(url string) bool {
	t.Helper()
	loaded := t.awaitLoad()
	var went struct{ ErrorText string }
	t.tell(t.session, "Page.navigate", map[string]any{"url": url}, &went)
	if went.ErrorText != "" {
		return false
	}
	t.wait(loaded, url)
	return true
}

// do runs an expression in the page and reads what becomes of it into the value.
func (t *tab) do(expression string, result any) {
	t.Helper()
	var done struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	t.tell(t.session, "Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &done)
	if e := done.ExceptionDetails; e != nil {
		t.Fatalf("%.100s: %s %s", expression, e.Text, e.Exception.Description)
	}
	if result == nil {
		return
	}
	if err := json.Unmarshal(done.Result.Value, result); err != nil {
		t.Fatalf("%.100s: %s: %v", expression, done.Result.Value, err)
	}
}

// follow goes where the page itself sends the browser.
func (t *tab) follow(url string) {
	t.Helper()
	loaded := t.awaitLoad()
	t.do(fmt.Sprintf("void (location.href = %q)", url), nil)
	t.wait(loaded, url)
}

// text is what a person reads.
func (t *tab) text() (s string) {
	t.Helper()
	t.do("document.body ? document.body.innerText : ''", &s)
	return s
}
