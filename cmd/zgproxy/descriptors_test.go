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
	"testing"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
)

// TestFewDescriptors runs the daemon with 64 descriptors and has callers take whatever they can get, with connections
// that say nothing, with answers that do not end, and with more of both than there may be: the operator gets in all the
// while, by the listener and by the socket, and callers are served again when the others have gone.
func TestFewDescriptors(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.env = append(w.env, "GOTRACEBACK=crash") // else only the superuser sees which files it has open
	d := w.childWith(64)
	open := func() int {
		files, err := os.ReadDir("/proc/" + strconv.Itoa(d.pid) + "/fd")
		if err != nil {
			t.Skipf("open files are read from Linux: %v", err)
		}
		return len(files)
	}
	host := strings.TrimPrefix(d.api, "http://")
	operates := func(when string) {
		t.Helper()
		fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		for _, page := range []string{"/healthz", "/metrics", "/v1/status"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.admin+page, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := fresh.Do(req)
			if err != nil {
				t.Errorf("%s: %s: %v", when, page, err)
				continue
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %s: %s", when, page, resp.Status)
			}
		}
		w.must([]string{"account"}, "wallet")
		t.Logf("%s: %d descriptors", when, open())
	}
	served := func(when string) {
		t.Helper()
		w.eventually("callers are served "+when, func() error { return askedOnce(w, false, "still here") })
	}
	served("at first")
	operates("at rest")

	// Connections that say nothing.
	var silent []net.Conn
	for range 100 {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, c)
		_, _ = io.WriteString(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-A: ") // to be refused
	}
	operates("100 connections that say nothing")
	for _, c := range silent {
		_ = c.Close()
	}
	served("after connections that say nothing")

	// Answers that do not end, on all connections that callers may have. What is beyond them is refused.
	w.lorem().SetFault(simprovider.Fault{Kind: simprovider.Stall, After: 3})
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	transport := &http.Transport{}
	for range 40 {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.api+"/v1/chat/completions", strings.NewReader(streamBody))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := transport.RoundTrip(req)
			if err != nil {
				return // it is left, or was refused before it had sent its request
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		})
	}
	w.eventually("as many answers are under way as there may be", func() error {
		_, metrics := w.get(d.admin + "/metrics")
		streams, refused := grep(metrics, "zgproxy_open_streams "), grep(metrics, "zgproxy_connections_refused_total ")
		if strings.HasSuffix(streams, " 0") || strings.HasSuffix(refused, " 0") {
			return fmt.Errorf("%s, %s", streams, refused)
		}
		return nil
	})
	operates("40 answers that do not end")
	leave()
	wg.Wait()
	transport.CloseIdleConnections()
	w.lorem().SetFault(simprovider.Fault{})
	w.lorem().Kill()
	if err := w.net.Restart(1); err != nil {
		t.Fatal(err)
	}
	served("after answers that do not end")
	operates("in the end")
	if said := d.log.String(); strings.Contains(said, "too many open files") {
		t.Errorf("descriptors ran out:\n%s", grep(said, "too many open files"))
	}
}
