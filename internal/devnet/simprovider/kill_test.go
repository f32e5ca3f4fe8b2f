package simprovider

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// again restarts the site's provider.
func (s *site) again() {
	s.t.Helper()
	p, err := s.Restart()
	if err != nil {
		s.t.Fatalf("Restart: %v", err)
	}
	s.Provider = p
	s.t.Cleanup(func() {
		if err := p.Close(); err != nil {
			s.t.Errorf("Close: %v", err)
		}
	})
}

// refused fails unless nothing listens at the provider's address.
func (s *site) refused() {
	s.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err == nil {
		_ = conn.Close() // it should not be there
		s.t.Error("the port is open")
	}
}

func TestKill(t *testing.T) {
	s := start(t, nil)
	s.SetFault(Fault{Kind: Stall, After: 2})
	resp, err := client().Do(s.request(t.Context(), http.MethodPost, "/v1/proxy"+chatPath, "application/json", chatBody("echo-1", "a b c", streamed)))
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	s.Kill()
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // broken off
	if err == nil || strings.Contains(string(b), "[DONE]") {
		t.Errorf("read %q, %v; want it broken off", b, err)
	}
	s.refused()
	s.Kill() // twice is once
	s.again()
	s.post(chatPath, chatBody("echo-1", "a b c", streamed)).must(t)
	if s.last(1).Fee != (zg.Neuron{}) || s.last(2).Fee != fullFee || s.Unsettled(s.user) != fullFee {
		t.Errorf("fees %s and %s, owed %s; want nothing for what was under way", s.last(1).Fee, s.last(2).Fee, s.Unsettled(s.user))
	}
}

func TestDieBeforeFirstByte(t *testing.T) {
	s := start(t, nil)
	for n, mark := range []string{"a b c", "fault:die-before-first-byte"} {
		if n == 0 {
			s.SetFault(Fault{Kind: DieBeforeFirstByte})
		}
		body := chatBody("echo-1", mark, "")
		if a := s.post(chatPath, body); a.err == nil {
			t.Errorf("answer = %+v, want none", a)
		}
		s.refused()
		if e := s.last(n + 1); e.Status != 0 || e.Fault != DieBeforeFirstByte || e.RequestSHA256 != hexSum(body) || !e.Fee.IsZero() || e.ClientLeft {
			t.Errorf("record = %+v, want the request read and nothing answered", e)
		}
		s.again()
	}
	s.post(chatPath, chatBody("echo-1", "a b c", "")).must(t)
}

func TestTrickle(t *testing.T) {
	s := start(t, nil)
	for n, more := range []string{"", streamed} {
		s.SetFault(Fault{Kind: Trickle})
		body := chatBody("echo-1", "a b c", more)
		if more != "" {
			s.SetFault(Fault{Kind: Trickle, Delay: time.Microsecond})
		}
		a := s.post(chatPath, body).must(t)
		s.signed(a, body)
		s.last(n + 1)
		if got := s.Unsettled(s.user); got != fullFee {
			t.Errorf("owed %s, want %s", got, fullFee)
		}
		s.Forgive(s.user)
	}
	s.SetFault(Fault{Kind: Trickle, Delay: time.Hour})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	resp, err := client().Do(s.request(ctx, http.MethodPost, "/v1/proxy"+chatPath, "application/json", chatBody("echo-1", "a b c", streamed)))
	if err != nil {
		t.Fatalf("request: %v; want the headers though no byte has come", err)
	}
	leave()
	_ = resp.Body.Close() // broken off on purpose
	if e := s.last(3); !e.ClientLeft || e.ResponseBytes != 0 || e.Fee != fullFee {
		t.Errorf("record = %+v, want nothing sent and all of it billed", e)
	}
}

func TestHeaderFlood(t *testing.T) {
	s := start(t, nil)
	for _, tt := range []struct {
		fault Fault
		lines int
		least int
	}{
		{Fault{Kind: HeaderFlood}, 1024, 1<<20 - 64<<10},
		{Fault{Kind: HeaderFlood, Bytes: 300_000, After: 1}, 1, 299_900},
	} {
		s.SetFault(tt.fault)
		a := s.post(chatPath, chatBody("echo-1", "a b c", "")).must(t)
		lines, size := 0, 0
		for name, values := range a.header {
			if strings.HasPrefix(name, "X-Flood-") {
				lines++
				size += len(name) + len(values[0]) + len(": \r\n")
			}
		}
		want := tt.fault.Bytes
		if want == 0 {
			want = 1 << 20
		}
		if lines != tt.lines || size > want || size < tt.least {
			t.Errorf("%+v: %d lines of %d bytes in all, want %d and at most %d", tt.fault, lines, size, tt.lines, want)
		}
	}
}

// A video is still there after a restart, and billed when it is done; an asynchronous job is lost.
func TestJobsAndRestart(t *testing.T) {
	s := videoSite(t, nil)
	path := "/v1/proxy/videos/" + decode[videoObject](t, s.post("/videos", `{"model":"film-1","prompt":"x"}`).must(t).body).ID
	s.get(path).must(t)
	s.again()
	done := s.get(path).must(t)
	if !strings.Contains(done.body, `"completed"`) || s.Unsettled(s.user) != testPrice.Output.Mul(4) {
		t.Errorf("poll = %s, owed %s", done.body, s.Unsettled(s.user))
	}
	if text, _ := s.signature(done.header.Get("ZG-Res-Key")); !strings.HasSuffix(text, hexSum(done.body)) {
		t.Errorf("text = %s", text)
	}
	a := asyncSite(t, nil)
	id := decode[asyncReply](t, a.submit(`{"model":"image-1","prompt":"x"}`).body).ID
	a.again()
	a.get("/v1/async/jobs/"+id).wants(t, 200, `"errorMessage":"the provider was restarted"`)
}
