package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/memory"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// A caller that takes nothing of its answer is gone, whatever its connection says, and the answer is read on for its
// fee.
func TestCallerThatDoesNotRead(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for line := []byte("data: " + strings.Repeat("x", 8<<10) + "\n\n"); req.Context().Err() == nil; {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	}, func(c *Config) { c.StreamIdle = 800 * time.Millisecond }) // the write limit is renewed every 100 ms
	r.server.writeTimeout = 300 * time.Millisecond
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	must(t, err)
	defer func() { _ = conn.Close() }()
	body := `{"model":"chat-1","stream":true}`
	_, err = fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	must(t, err)
	r.until(t, func() bool { return r.store.Book().Provider(cheap).Requests == 1 })
	until(t, "memory is not given back", func() bool { n, _ := r.server.memory.Used(); return n == 0 })
}

// A process that has no descriptors left says so, and no provider is blamed for it.
func TestNoDescriptors(t *testing.T) {
	r := newRig(t, nil, func(c *Config) {
		c.MaxAttempts = 3
		c.Transport = failing{&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}}
	})
	for range 10 { // a provider that failed as often would be left alone
		resp, text := r.chat(`{"model":"chat-1"}`)
		code, after := resp.Header.Get("X-Zgproxy-Error"), resp.Header.Get("Retry-After")
		if resp.StatusCode != http.StatusServiceUnavailable || code != "too_many_connections" || after != "1" {
			t.Fatalf("%d %s", resp.StatusCode, text)
		}
		if rec := r.record(resp); rec.Basis != zg.FeeFree {
			t.Errorf("record = %+v, want free: nothing was sent", rec)
		}
	}
}

// A refusal of any size is read as far as there is memory for it.
func TestLargeRefusal(t *testing.T) {
	budget := memory.New(4 << 20)
	large := `{"error":{"message":"no","type":"invalid_request_error"},"input":"` + strings.Repeat("x", 500_000) + `"}`
	var others atomic.Int64
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		budget.Keep(others.Load())
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, large)
	}, func(c *Config) { c.Memory = budget })
	r.server.memoryWait = time.Millisecond
	resp, text := r.chat(`{"model":"chat-1"}`)
	if resp.StatusCode != http.StatusUnprocessableEntity || text != large {
		t.Errorf("%d, %d bytes of %d", resp.StatusCode, len(text), len(large))
	}
	others.Store(3 << 20)
	resp, text = r.chat(`{"model":"chat-1"}`)
	if resp.StatusCode < 400 || len(text) > freeRefusal {
		t.Errorf("without memory for it: %d, %d bytes", resp.StatusCode, len(text))
	}
	until(t, "memory is not given back", func() bool { n, _ := budget.Used(); return n == others.Load() })
}

// What a body takes while it is read is what is set aside for it, and it is read into one place that is no larger than
// it has to be.
func TestReadWhole(t *testing.T) {
	for _, size := range []int{0, 1, freeBody - 1, freeBody, freeBody + 1, 100_000, 1 << 20, 3<<20 + 7} {
		for _, known := range []bool{true, false} {
			sent := bytes.Repeat([]byte("x"), size)
			budget := memory.New(64 << 20)
			c := &call{srv: &Server{cfg: Config{MaxBody: 8 << 20}, memory: budget}, memory: budget.NewHold(0)}
			c.r, _ = http.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
			if c.r.ContentLength = -1; known {
				c.r.ContentLength = int64(size)
			}
			got, err := c.readWhole(nil, bytes.NewReader(sent))
			if err != nil || !bytes.Equal(got, sent) {
				t.Fatalf("%d bytes, known %v: %d, %v", size, known, len(got), err)
			}
			most := 2 * max(size, freeBody)
			if known {
				most = size + minRead
			}
			if cap(got) > most {
				t.Errorf("%d bytes, known %v: in %d", size, known, cap(got))
			}
			if now, _ := budget.Used(); (cap(got) > freeBody && now != 2*int64(cap(got))) || (cap(got) <= freeBody && now != 0) {
				t.Errorf("%d bytes, known %v: %d are set aside for %d", size, known, now, cap(got))
			}
		}
	}
}

// Lines that are longer than any event count while they are under way, and where there is no memory for them the stream
// is broken off.
func TestLongLinesCount(t *testing.T) {
	for _, room := range []bool{true, false} {
		budget := memory.New(4 << 20)
		taken := make(chan int64, 1)
		r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, verdictWord)
			if !room {
				budget.Keep(4 << 20)
			}
			_, _ = io.WriteString(w, "data: "+strings.Repeat("x", 250<<10))
			_ = http.NewResponseController(w).Flush()
			if room {
				until(t, "a long line does not count", func() bool { n, _ := budget.Used(); return n >= 250<<10 })
			}
			now, _ := budget.Used()
			taken <- now
			_, _ = io.WriteString(w, "\n\n"+verdictFinish+verdictUsage+verdictDone)
		}, func(c *Config) { c.Memory = budget })
		r.server.memoryWait = time.Millisecond
		resp, text, err := r.asked(`{"model":"chat-1","stream":true}`)
		if n := <-taken; room && n > 2<<20 {
			t.Errorf("%d bytes count while a line of 250 KiB is under way", n)
		}
		whole := strings.HasSuffix(text, "data: [DONE]\n\n")
		if resp.StatusCode != http.StatusOK || whole != room || (err == nil) != room {
			t.Errorf("room %v: %d, whole: %v, %v, …%.300s", room, resp.StatusCode, whole, err, text[max(0, len(text)-300):])
		}
		if !room {
			if !strings.Contains(text, "no memory left") {
				t.Error("the caller is not told why")
			}
			budget.Give(4 << 20)
		}
		until(t, "memory is not given back", func() bool { n, _ := budget.Used(); return n == 0 })
	}
}
