package proxy

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/memory"
)

// deadlines notes what time limits its connection got.
type deadlines struct {
	http.ResponseWriter
	at []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.at = append(d.at, t)
	return nil
}

// A body's time limit moves ahead with what comes, but not for ever with a trickle, and it is gone behind the end.
func TestTimeLimitOfABody(t *testing.T) {
	for _, tc := range []struct {
		name  string
		whole bool
		every time.Duration // a piece comes
		piece int
		lasts time.Duration // until the limit is behind
	}{
		{"as fast as may be", false, 10 * time.Second, 1 << 20, 0},
		{"as slow as may be", false, 10 * time.Second, 10 * bodyPace, 0},
		{"stalls after a while", false, 0, 0, bodyIdle},
		{"a trickle", false, 50 * time.Second, 1, bodyTimeout},
		{"a trickle of what is read whole", true, 50 * time.Second, 1 << 20, bodyTimeout},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &deadlines{}
				c := &call{srv: &Server{bodyIdle: bodyIdle}, w: w}
				pieces := 0
				a := c.arriving(readerFunc(func(p []byte) (int, error) {
					if pieces++; tc.piece == 0 {
						time.Sleep(time.Hour) //nolint:forbidigo // of the test's own time
					}
					if time.Sleep(tc.every); pieces > 200 { //nolint:forbidigo // of the test's own time
						return 0, io.EOF
					}
					return tc.piece, nil
				}))
				a.whole = tc.whole
				began, buf := time.Now(), make([]byte, 32<<10)
				for {
					_, err := a.Read(buf)
					if last := w.at[len(w.at)-1]; errors.Is(err, io.EOF) {
						if tc.lasts != 0 || !last.IsZero() {
							t.Errorf("it came whole after %v, the limit is %v; want none, and %v", time.Since(began), last, tc.lasts)
						}
						return
					} else if time.Now().After(last) {
						if took := last.Sub(began); took != tc.lasts {
							t.Errorf("its time was over after %v, want %v", took, tc.lasts)
						}
						return
					}
				}
			})
		})
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Whoever is left by its handler does not touch the connection any more: its next request may have begun.
func TestTimeLimitIsLeftAlone(t *testing.T) {
	w := &deadlines{}
	c := &call{srv: &Server{bodyIdle: bodyIdle}, w: w}
	a := c.arriving(iotest.OneByteReader(strings.NewReader("ab")))
	buf := make([]byte, 8)
	if _, err := a.Read(buf); err != nil || len(w.at) != 1 {
		t.Fatalf("%v, limits %v", err, w.at)
	}
	a.leave()
	for range 3 {
		_, _ = a.Read(buf)
	}
	if len(w.at) != 1 {
		t.Errorf("the limits are %v, want the one from before", w.at)
	}
}

// Whoever stops sending in the middle is given up, and the budget has what was set aside for it again.
func TestStalledBody(t *testing.T) {
	r, had := hearing(t, billing.MeterConfig{})
	r.server.bodyIdle = 100 * time.Millisecond
	kind, body := recording(t, 100_000)
	for i, tc := range []struct {
		name, path, header, body string
		uploads                  bool
	}{
		{"an upload", "/v1/audio/transcriptions", fmt.Sprintf("Content-Type: %s\r\nContent-Length: %d", kind, len(body)), string(body[:50_000]), true},
		{
			"an upload without a length", "/v1/audio/transcriptions", fmt.Sprintf("Content-Type: %s\r\nTransfer-Encoding: chunked", kind),
			fmt.Sprintf("%x\r\n%s", 50_000, body[:50_000]), true,
		},
		{"the fields of an upload", "/v1/audio/transcriptions", fmt.Sprintf("Content-Type: %s\r\nContent-Length: %d", kind, len(body)), string(body[:30]), false},
		{"a document", "/v1/chat/completions", "Content-Type: application/json\r\nContent-Length: 100", `{"model":`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
			must(t, err)
			defer func() { _ = conn.Close() }()
			must(t, conn.SetDeadline(time.Now().Add(3*time.Minute)))
			_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n\r\n%s", tc.path, tc.header, tc.body)
			must(t, err)
			text, err := io.ReadAll(conn) // until it is closed
			must(t, err)
			if s := string(text); !strings.HasPrefix(s, "HTTP/1.1 408 ") || !strings.Contains(s, `"request_timeout"`) {
				t.Errorf("the caller got %q", s)
			}
			if tc.uploads {
				if err := <-had; err == nil {
					t.Error("the provider had the whole of it")
				}
				r.until(t, func() bool { return r.store.Book().Provider(multi).Requests == uint64(i+1) })
			}
			if sum := r.store.Book().Provider(multi); !sum.Fees.IsZero() || !sum.Held.IsZero() || sum.Open != 0 {
				t.Errorf("the book has %+v, want nothing spent nor held", sum)
			}
		})
	}
	until(t, "memory is not given back", func() bool { n, _ := r.server.memory.Used(); return n == 0 })
}

// A body that nobody asked for does not keep a connection: it is read as far as it comes.
func TestBodyOfAGet(t *testing.T) {
	r := newRig(t, http.NotFound, nil)
	r.server.bodyIdle = 100 * time.Millisecond
	for header, status := range map[string]string{
		"Connection: close\r\nContent-Length: 2\r\n\r\n{}": "200 ",
		"Content-Length: 1000\r\n\r\n{}":                   "408 ",
		"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n":     "408 ",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(3*time.Minute)))
		_, err = io.WriteString(conn, "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n"+header)
		must(t, err)
		if text, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 "+status) {
			t.Errorf("%q: %.200q, %v; want %s", header, text, err, status)
		}
		must(t, conn.Close())
	}
}

// A provider that does not take the request is given up.
func TestProviderThatDoesNotRead(t *testing.T) {
	never := make(chan struct{})
	r := newRig(t, func(_ http.ResponseWriter, _ *http.Request) { <-never }, func(c *Config) { c.MaxBody = 64 << 20 })
	defer close(never)
	r.server.answerWait = 100*time.Millisecond - 600*time.Second
	resp, text := r.chat(`{"model":"chat-1","messages":[]` + strings.Repeat(" ", 600*sendPace) + `}`)
	if resp.StatusCode != http.StatusGatewayTimeout || !strings.Contains(text, "provider_timeout") {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	if rec := r.record(resp); rec.Fee == nil || rec.Fee.IsZero() { // it may have had enough to bill it
		t.Errorf("record = %+v, want the bound", rec)
	}
}

// Bodies share what memory there is with whatever else is held. Who finds no room is told when to come back, whatever
// it sent and however it wants to be told, and nothing is sent or spent for it.
func TestNoMemory(t *testing.T) {
	budget := memory.New(4 << 20)
	var reached atomic.Int64
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		reached.Add(1)
		serveBody("application/json", answer)(w, req)
	}, func(c *Config) {
		c.Memory, c.MaxBody = budget, 8<<20
	})
	r.server.memoryWait = time.Millisecond
	large := `{"model":"chat-1","messages":[]` + strings.Repeat(" ", 1<<20) + `}`
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, err := zip.Write([]byte(large))
	must(t, err)
	must(t, zip.Close())
	kind, recorded := recording(t, 300_000)
	whole := bytes.Replace(recorded, []byte(`name="model"`), []byte(`name="other"`), 1) // its model may stand behind the file
	const (
		chats, audio = "/v1/chat/completions", "/v1/audio/transcriptions"
		full         = http.StatusServiceUnavailable
	)
	for _, tc := range []struct {
		name, path, kind, body, coding string
		used                           int64
		status                         int
	}{
		{"nothing else", chats, "application/json", large, "", 0, http.StatusOK},
		{"small, beside others", chats, "application/json", `{"model":"chat-1"}`, "", 3 << 20, http.StatusOK},
		{
			"small, and nothing left for new requests", chats, "application/json", `{"model":"chat-1"}`, "",
			4 << 20 / 8 * 7, full,
		},
		{"large, beside others", chats, "application/json", large, "", 1 << 20, full},
		{"packed, beside others", chats, "application/json", packed.String(), "gzip", 1 << 20, full},
		{"for Anthropic's clients", "/v1/messages", "application/json", large, "", 1 << 20, full},
		{"an upload, beside others", audio, kind, string(recorded), "", 2 << 20, full},
		{"an upload that is read whole, beside others", audio, kind, string(whole), "", 1 << 20, full},
		{
			"larger than there can ever be room for", chats, "application/json", strings.Repeat(" ", 4<<20), "",
			0, http.StatusRequestEntityTooLarge,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			reached.Store(0)
			budget.Keep(tc.used)
			defer budget.Give(tc.used)
			header := []string{}
			if tc.coding != "" {
				header = append(header, "Content-Encoding", tc.coding)
			}
			resp, text := r.do(http.MethodPost, tc.path, tc.kind, strings.NewReader(tc.body), header...)
			if resp.StatusCode != tc.status || (reached.Load() > 0) != (tc.status == http.StatusOK) {
				t.Errorf("%d, %d at the provider: %.300s; want %d", resp.StatusCode, reached.Load(), text, tc.status)
			}
			if tc.status == full {
				code, after := resp.Header.Get("X-Zgproxy-Error"), resp.Header.Get("Retry-After")
				again, theirs := resp.Header.Get("X-Should-Retry"), strings.Contains(text, `"overloaded_error"`)
				if code != "memory_full" || after != "1" || again != "" || theirs != (tc.path == messagesPath) {
					t.Errorf("%s, to come back after %q, at all: %q: %s", code, after, again, text)
				}
			}
			until(t, "memory is not given back", func() bool { n, _ := budget.Used(); return n == tc.used })
		})
	}
}

// An answer that was packed to burst is broken off, whether it is passed on or held.
func TestAnswerThatUnpacksTooFar(t *testing.T) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, err := zip.Write([]byte(`{"id":"a","choices":[]` + strings.Repeat(" ", 64<<20) + `}`))
	must(t, err)
	must(t, zip.Close())
	for _, enforce := range []bool{false, true} {
		c := &court{}
		r := c.rig(t, enforce, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed.Bytes())
		}, nil)
		resp, text, err := r.asked(`{"model":"chat-1"}`)
		if len(text) > 16<<20 || (err == nil && resp.StatusCode == http.StatusOK) {
			t.Errorf("enforce %v: %d, %d bytes, %v", enforce, resp.StatusCode, len(text), err)
		}
	}
}
