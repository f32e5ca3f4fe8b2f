package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/guard"
	"github.com/zgproxy/zgproxy/internal/route"
)

func get(t *testing.T, h http.Handler, host, path string) (int, string, http.Header) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Host = host
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	return w.Code, string(body), w.Result().Header
}

func TestOperatorPages(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "zgproxy_sample_total", Help: "A sample."})
	reg.MustRegister(c)
	c.Inc()
	ready := false
	h := admin.Handler(admin.Config{
		Gatherer: reg,
		Ready:    func() []admin.Check { return []admin.Check{{Name: "directory", OK: ready, Detail: "never read"}} },
		Status:   func() any { return map[string]string{"wallet": "0xabc"} },
	})

	if code, body, _ := get(t, h, "localhost:3090", "/metrics"); code != 200 || !strings.Contains(body, "zgproxy_sample_total 1") {
		t.Errorf("/metrics = %d %q, want 200 with the counter", code, body)
	}
	if code, _, _ := get(t, h, "localhost", "/healthz"); code != 200 {
		t.Errorf("/healthz = %d, want 200 whatever the readiness", code)
	}
	code, body, header := get(t, h, "127.0.0.1:3090", "/readyz")
	if code != 503 || !strings.Contains(body, "never read") || header.Get("Retry-After") == "" {
		t.Errorf("/readyz = %d %q, want 503 with the failing check and Retry-After", code, body)
	}
	ready = true
	if code, body, _ := get(t, h, "localhost", "/readyz"); code != 200 || !strings.Contains(body, `"ready"`) {
		t.Errorf("/readyz = %d %q, want 200", code, body)
	}
	_, body, _ = get(t, h, "localhost", "/v1/status")
	var status map[string]string
	if err := json.Unmarshal([]byte(body), &status); err != nil || status["wallet"] != "0xabc" {
		t.Errorf("/v1/status = %q, %v, want the status as JSON", body, err)
	}
	if code, _, _ := get(t, h, "evil.example", "/v1/status"); code != 403 {
		t.Errorf("/v1/status for a foreign Host = %d, want 403", code)
	}
}

// A request and an answer are found by their ids, and who asks for what there is none of is told so.
func TestOperatorFindsByID(t *testing.T) {
	find := func(kind string) func(context.Context, string) (any, bool, error) {
		return func(_ context.Context, id string) (any, bool, error) {
			switch id {
			case "req_1":
				return map[string]string{kind: id}, true, nil
			case "broken":
				return nil, false, errors.New("the disk is gone")
			}
			return nil, false, nil
		}
	}
	h := admin.Handler(admin.Config{Gatherer: prometheus.NewRegistry(), Request: find("record"), Receipt: find("receipt")})
	for path, want := range map[string]struct {
		code int
		says string
	}{
		"/v1/requests/req_1":  {200, `"record": "req_1"`},
		"/v1/receipts/req_1":  {200, `"receipt": "req_1"`},
		"/v1/requests/req_2":  {404, "no request with this id"},
		"/v1/receipts/req_2":  {404, "no answer with this id"},
		"/v1/receipts/broken": {500, "the disk is gone"},
		"/":                   {200, "/v1/receipts/{id}"},
	} {
		if code, body, _ := get(t, h, "localhost", path); code != want.code || !strings.Contains(body, want.says) {
			t.Errorf("%s = %d %s, want %d and %q", path, code, body, want.code, want.says)
		}
	}
	if code, _, _ := get(t, h, "evil.example", "/v1/receipts/req_1"); code != 403 {
		t.Errorf("/v1/receipts for a foreign Host = %d, want 403", code)
	}
}

// What a browser may get of the operator's side, and what a page elsewhere may have it ask for.
func TestOperatorPagesInABrowser(t *testing.T) {
	var log bytes.Buffer
	ended := false
	find := func(_ context.Context, id string) (any, bool, error) {
		return map[string]string{"id": id}, id == "req_1", nil
	}
	h := admin.Handler(admin.Config{
		Gatherer: prometheus.NewRegistry(), Request: find, Receipt: find, Ready: func() []admin.Check { return nil }, Status: func() any { return "ok" },
		Explain: func(route.Query) (any, error) { return "nobody", nil }, AllowedOrigins: []string{"app://obsidian.md"}, Log: zerolog.New(&log),
		Draining: func() bool { return ended },
	})
	ask := func(method, path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost:3090"+path, nil)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	pages := map[string]int{
		"/": 200, "/healthz": 200, "/readyz": 200, "/metrics": 200, "/v1/status": 200, "/v1/requests/req_1": 200, "/v1/requests/%3Cscript%3E": 404,
		"/v1/receipts/req_1": 200, "/v1/explain?model=%3Cscript%3E": 200, "/nothing": 404,
	}
	for path, want := range pages {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			w := ask(method, path, "Sec-Fetch-Site", "none")
			hd := w.Result().Header
			if w.Code != want || hd.Get("Content-Security-Policy") != "sandbox; default-src 'none'" || hd.Get("X-Content-Type-Options") != "nosniff" ||
				hd.Get("Cross-Origin-Resource-Policy") != "same-origin" || !guard.Passive(hd.Get("Content-Type")) {
				t.Errorf("%s %s: %d %v, want %d, sealed", method, path, w.Code, hd, want)
			}
		}
		for _, header := range [][]string{
			{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Site", "same-site", "Sec-Fetch-Dest", "image"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
		} {
			if w := ask(http.MethodGet, path, header...); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "ZGPROXY_ALLOWED_ORIGINS") {
				t.Errorf("%s with %v: %d %s, want it refused", path, header, w.Code, w.Body)
			}
		}
	}
	if w := ask(http.MethodPost, "/readyz"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
	if w := ask(http.MethodGet, "/readyz", "Origin", "app://obsidian.md", "Sec-Fetch-Site", "cross-site"); w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("an allowed origin: %d %v, want an answer that its page cannot read", w.Code, w.Header())
	}
	if got := log.String(); !strings.Contains(got, `"origin":"https://evil.example"`) || !strings.Contains(got, `"setting":"ZGPROXY_ALLOWED_ORIGINS=https://evil.example"`) {
		t.Errorf("log: %s", got)
	}
	ended = true
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503} {
		if w := ask(http.MethodGet, path); w.Code != want || !strings.Contains(w.Body.String(), `"draining"`) || w.Header().Get("Retry-After") != "" {
			t.Errorf("%s of a daemon that ends: %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
}
