package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
)

// The bounds of docs/performance.md, in MB of resident memory beyond that of the idle process. What runs here is the test
// binary, which has a simulated chain in it and is twice as large as the program to begin with.
const (
	boundStreams  = 150 // with a thousand streams under way
	boundAttacked = 60
)

// TestMemoryUnderAttack holds a real process against those bounds while it is attacked, and asks it something meanwhile.
func TestMemoryUnderAttack(t *testing.T) {
	if raced {
		t.Skip("the race detector has memory needs of its own")
	}
	w := newWorld(t, devnet.Config{})
	d := w.child()
	streams := 1000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if most := int(min(limit.Cur, 1<<20)) / 5; most < streams { // each has two connections, and this process has both ends of one
		streams = most
		t.Logf("only %d streams: this process may open %d files", streams, limit.Cur)
	}
	resident := func() int {
		t.Helper()
		mb, err := residentMemory(d.pid, "VmRSS")
		if err != nil {
			t.Skipf("resident memory is read from Linux: %v", err)
		}
		return mb
	}
	answers := func() {
		t.Helper()
		if err := askedOnce(w, false, "still here"); err != nil {
			t.Errorf("meanwhile: %v", err)
		}
	}
	answers()
	idle := resident()
	within := func(what string, bound int) {
		t.Helper()
		answers()
		if mb := resident() - idle; mb > bound {
			t.Errorf("%s: %d MB, more than %d, beyond the idle %d", what, mb, bound, idle)
		} else {
			t.Logf("%s: %d MB of %d beyond the idle %d", what, mb, bound, idle)
		}
	}

	// Headers that never end.
	host := strings.TrimPrefix(d.api, "http://")
	var lc net.Dialer
	var slow []net.Conn
	for range 500 {
		c, err := lc.DialContext(t.Context(), "tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-A: "); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, c)
	}
	within("500 headers that never end", boundAttacked)
	for _, c := range slow {
		_ = c.Close() // they were refused or are given up
	}

	// Headers just within what is taken.
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.api+"/v1/models", nil)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("X-Bomb", strings.Repeat("x", 60<<10))
			resp, err := httpClient.Do(req)
			if err != nil {
				t.Errorf("a header of 60 KiB: %v", err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		})
	}
	wg.Wait()
	within("200 headers of 60 KiB", boundAttacked)

	// A provider's headers.
	w.lorem().SetFault(simprovider.Fault{Kind: simprovider.HeaderFlood, Bytes: 200 << 10, After: 100, N: 100})
	for range 100 {
		wg.Go(func() {
			resp, err := w.tryPost(t.Context(), "/v1/chat/completions", streamBody)
			if err != nil {
				t.Errorf("answers with 200 KiB of headers: %v", err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		})
	}
	wg.Wait()
	w.lorem().SetFault(simprovider.Fault{})
	within("100 answers with 200 KiB of headers", boundAttacked)

	// Streams that have begun and do not end, and a provider that sends byte by byte.
	for _, tc := range []struct {
		name  string
		n     int
		fault simprovider.Fault
	}{
		{"streams that stall", streams, simprovider.Fault{Kind: simprovider.Stall, After: 3}},
		{"streams byte by byte", streams / 5, simprovider.Fault{Kind: simprovider.Trickle, Delay: time.Second}},
	} {
		w.lorem().SetFault(tc.fault)
		ctx, leave := context.WithCancel(t.Context())
		transport := &http.Transport{}
		client := &http.Client{Transport: transport}
		for range tc.n {
			wg.Go(func() {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.api+"/v1/chat/completions", strings.NewReader(streamBody))
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := client.Do(req)
				if err != nil {
					if ctx.Err() == nil {
						t.Errorf("%s: %v", tc.name, err)
					}
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body) // until this side leaves
				_ = resp.Body.Close()
			})
		}
		w.eventually(tc.name+" are under way", func() error {
			_, metrics := w.get(d.admin + "/metrics")
			if n := grep(metrics, "zgproxy_open_streams "); !strings.HasSuffix(n, " "+strconv.Itoa(tc.n)) {
				return fmt.Errorf("%s of %d", n, tc.n)
			}
			return nil
		})
		within(fmt.Sprintf("%d %s", tc.n, tc.name), boundStreams)
		leave()
		wg.Wait()
		transport.CloseIdleConnections()
		w.lorem().Kill()
		if err := w.net.Restart(1); err != nil {
			t.Fatal(err)
		}
		w.eventually("all of them are over, and the provider is back", func() error {
			_, metrics := w.get(d.admin + "/metrics")
			if n := grep(metrics, "zgproxy_open_streams "); !strings.HasSuffix(n, " 0") {
				return fmt.Errorf("%s streams", n)
			}
			if resp, text := w.post("/v1/chat/completions", "application/json", []byte(streamBody)); resp.StatusCode != http.StatusOK {
				return fmt.Errorf("%d %s", resp.StatusCode, text)
			}
			return nil
		})
	}
	answers()
}

// residentMemory is how much memory a process has in MB, as a line of Linux's /proc/PID/status says it: VmRSS at the moment, VmHWM
// at its highest so far.
func residentMemory(pid int, line string) (mb int, err error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	var kb int
	_, rest, _ := strings.Cut(string(text), line+":")
	if _, err := fmt.Sscanf(rest, "%d kB", &kb); err != nil {
		return 0, fmt.Errorf("%s in %q: %w", line, text, err)
	}
	return kb / 1000, nil
}
