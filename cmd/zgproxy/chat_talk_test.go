package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// playedModel is an API and a daemon's records, with a conversation in front of them. Its model answers "re: " and what was asked,
// unless that says what should happen instead: "break off", "refuse", "hang" (after a part) or "hang at once".
type playedModel struct {
	*testing.T
	talk    *talk
	out     bytes.Buffer
	signals chan os.Signal
	broken  atomic.Bool // nothing is answered

	mu      sync.Mutex
	asked   []string          // the conversations that came, each in a line
	records map[string]string // of requests
	looked  func(id string)   // somebody looks at a record
}

const playedPart = `data: {"choices":[{"delta":{"content":"so far"}}]}` + "\n\n"

func newPlayedModel(t *testing.T) *playedModel {
	t.Helper()
	p := &playedModel{T: t, signals: make(chan os.Signal, 2), records: map[string]string{}, looked: func(string) {}}
	api := httptest.NewServer(http.HandlerFunc(p.answer))
	t.Cleanup(api.Close)
	p.talk = &talk{
		flags: &chatFlags{}, model: "m\x1b[31m", signals: p.signals,
		conn: &connection{base: api.URL + "/v1", http: api.Client()},
		c:    console{out: &p.out}, beside: console{out: &p.out},
	}
	return p
}

// withRecords has the daemon's records looked at, too.
func (p *playedModel) withRecords() {
	p.Helper()
	dir := p.TempDir()
	l, err := admin.ListenSocket(dir)
	if err != nil {
		p.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		id := filepath.Base(r.URL.Path)
		p.looked(id)
		text, ok := p.records[id]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, text)
	}))
	_ = srv.Listener.Close() // the socket instead
	srv.Listener = l
	srv.Start()
	p.Cleanup(srv.Close)
	if p.talk.conn.records, err = admin.NewClient(dir); err != nil {
		p.Fatal(err)
	}
}

func (p *playedModel) answer(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet { // the list of models, which does not come
		p.signals <- os.Interrupt
		<-r.Context().Done()
		return
	}
	var body struct{ Messages []message }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		p.Error(err)
	}
	var said []string
	for _, m := range body.Messages {
		text, ok := m.Content.(string)
		if !ok {
			parts, _ := m.Content.([]any)
			first, _ := parts[0].(map[string]any)
			text = fmt.Sprintf("%v with %d picture", first["text"], len(parts)-1)
		}
		said = append(said, text)
	}
	p.mu.Lock()
	p.asked = append(p.asked, strings.Join(said, " | "))
	id := fmt.Sprintf("req_%d", len(p.asked))
	p.mu.Unlock()
	last := said[len(said)-1]
	if p.broken.Load() {
		last = "break off"
	}
	w.Header().Set("X-Request-Id", id)
	w.Header().Set("Trailer", "X-Zgproxy-Fee-Neuron")
	switch last {
	case "refuse":
		w.WriteHeader(http.StatusPaymentRequired)
	case "hang at once":
		p.signals <- os.Interrupt
		<-r.Context().Done()
	case "hang":
		_, _ = io.WriteString(w, playedPart)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case "break off":
		_, _ = io.WriteString(w, playedPart)
	default:
		text, err := json.Marshal("re: " + last)
		if err != nil {
			p.Error(err)
		}
		_, _ = fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":%s}}]}\n\ndata: [DONE]\n\n", text)
		w.Header().Set("X-Zgproxy-Fee-Neuron", "1000000000000")
	}
}

// converse types lines, and returns what appeared and the conversations that were sent.
func (p *playedModel) converse(lines ...string) (screen string, asked []string) {
	p.Helper()
	p.out.Reset()
	p.talk.c.in = strings.NewReader(strings.Join(lines, "\n") + "\n")
	p.talk.c.lines = bufio.NewReader(p.talk.c.in)
	if err := p.talk.converse(p.Context()); err != nil {
		p.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	asked, p.asked = p.asked, nil
	return p.out.String(), asked
}

func (p *playedModel) want(asked []string, want ...string) {
	p.Helper()
	if !slices.Equal(asked, want) {
		p.Errorf("asked\n%s\nwant\n%s", strings.Join(asked, "\n"), strings.Join(want, "\n"))
	}
}

// What was not answered is no part of the conversation, and /retry asks exactly the last question again.
func TestRetryAsksTheLastQuestion(t *testing.T) {
	p := newPlayedModel(t)
	screen, asked := p.converse("/retry", "one", "break off", "/retry", "refuse", "two", "/retry", "/system be brief", "three")
	p.want(asked, "one", "one | re: one | break off", "one | re: one | break off", "one | re: one | refuse",
		"one | re: one | two", "one | re: one | two", "be brief | one | re: one | two | re: two | three")
	for _, want := range []string{"nothing has been asked yet", "the answer breaks off", "m\uFFFD[31m ·"} {
		if !strings.Contains(screen, want) {
			t.Errorf("there is no %q:\n%s", want, screen)
		}
	}
	p.broken.Store(true) // another try that fails takes nothing away
	p.converse("/retry")
	p.broken.Store(false)
	_, asked = p.converse("four", "/clear", "/retry", "five")
	p.want(asked, "be brief | one | re: one | two | re: two | three | re: three | four", "be brief | five")
}

func TestPictureStaysUntilItIsAnswered(t *testing.T) {
	p := newPlayedModel(t)
	picture := filepath.Join(t.TempDir(), "p.png")
	if err := os.WriteFile(picture, []byte("\x89PNG\r\n\x1a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.talk.flags.images = []string{picture}
	p.broken.Store(true)
	p.converse("one", "/retry")
	p.broken.Store(false)
	_, asked := p.converse("/retry", "two")
	p.want(asked, "one with 1 picture", "one with 1 picture | re: one with 1 picture | two")
}

// An answer that was stopped or broke off is paid for, so it counts.
func TestCostCountsWhatBrokeOff(t *testing.T) {
	p := newPlayedModel(t)
	if screen, _ := p.converse("one", "break off", "hang at once"); !strings.Contains(screen, "cost 0.000001 0G, without 2 answers whose cost is not known here yet (zgproxy usage).") {
		t.Error(screen)
	}
	p = newPlayedModel(t)
	p.withRecords()
	p.records["req_1"] = `{"state":"open"}`
	if screen, _ := p.converse("break off", "/cost"); !strings.Contains(screen, "0 0G, without 1 answer") {
		t.Error(screen)
	}
	p.records["req_1"] = `{"state":"closed","fee_neuron":"2000000000000"}`
	if screen, _ := p.converse("/cost"); !strings.Contains(screen, "0.000002 0G\n") || !strings.Contains(screen, "cost 0.000002 0G.") {
		t.Error(screen)
	}
}

// whenShown sends a signal as soon as a text is on the screen.
type whenShown struct {
	io.Writer
	text   string
	signal func()
}

func (w whenShown) Write(b []byte) (int, error) {
	if strings.Contains(string(b), w.text) {
		w.signal()
	}
	return w.Writer.Write(b)
}

func TestSignalsInAConversation(t *testing.T) {
	p := newPlayedModel(t)
	p.talk.c.out = whenShown{&p.out, "so far", func() { p.signals <- os.Interrupt }}
	screen, asked := p.converse("/models", "hang", "go on", "/quit")
	p.want(asked, "hang", "hang | so far | go on") // what came is an answer
	if strings.Count(screen, "(stopped)") != 2 {
		t.Error(screen)
	}
	// SIGTERM ends it all, also while the verdict of an answer is waited for.
	p = newPlayedModel(t)
	p.withRecords()
	p.records["req_1"] = `{"state":"closed","fee_neuron":"1","verdict":"` + string(zg.VerdictPending) + `"}`
	var once sync.Once
	p.looked = func(string) { once.Do(func() { p.signals <- syscall.SIGTERM }) }
	screen, asked = p.converse("one", "two")
	p.want(asked, "one")
	if !strings.Contains(screen, "re: one\n") || !strings.Contains(screen, "This conversation cost") {
		t.Error(screen)
	}
}

// Whoever waits for the daemon in this process learns that it has ended, with an error or without.
func TestDaemonThatEndsTooEarly(t *testing.T) {
	for _, err := range []error{nil, io.ErrUnexpectedEOF} {
		d := inProcess{listening: make(chan net.Addr), ended: make(chan struct{}), err: err}
		close(d.ended)
		if got := new(connection).opened(t.Context(), config.Config{DataDir: t.TempDir()}, console{}, &d); got == nil || err != nil && !errors.Is(got, err) {
			t.Errorf("with %v: %v", err, got)
		}
	}
}
