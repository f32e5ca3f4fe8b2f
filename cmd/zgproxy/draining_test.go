package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
)

// From the first signal on the daemon says that it is draining, on the listener and over the socket, until its answers have
// ended; and healthcheck asks over the socket where the listener is off.
func TestDrainingIsTold(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.env = append(w.env, "ZGPROXY_SHUTDOWN_GRACE=2m", "ZGPROXY_DRAIN_TIMEOUT=100ms")
	d := w.inProcess()
	listener := "ZGPROXY_ADMIN_LISTEN=" + strings.TrimPrefix(d.admin, "http://")
	asks := func(address string, code int, line string, says ...string) {
		t.Helper()
		before := w.env
		defer func() { w.env = before }()
		w.env = append(slices.Clip(w.env), address)
		w.expect(code, args(line), says...)
	}
	for _, at := range []string{listener, "ZGPROXY_ADMIN_LISTEN=off"} {
		asks(at, 0, "healthcheck", `"ok"`)
		asks(at, 0, "healthcheck --ready", `"ready"`)
	}

	for _, p := range w.net.Providers {
		p.SetFault(simprovider.Fault{Kind: simprovider.Stall, After: 1})
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.api+"/v1/chat/completions",
		strings.NewReader(`{"model":"lorem-1","stream":true,"messages":[{"role":"user","content":"lorem:50"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatalf("the answer has not begun: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.stop() }()
	w.eventually("draining", func() error {
		if code, body := w.get(d.admin + "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, `"draining"`) {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
	for _, at := range []string{listener, "ZGPROXY_ADMIN_LISTEN=off"} {
		asks(at, 0, "healthcheck", `"draining"`)
		asks(at, exitFailure, "healthcheck --ready", `"draining"`, "503")
	}
	leave()
	if err := <-ended; err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
	asks("ZGPROXY_ADMIN_LISTEN=off", exitFailure, "healthcheck", "does not answer over the socket")
}
