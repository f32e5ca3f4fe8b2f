package guard_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/guard"
)

func TestSameOrigin(t *testing.T) {
	for _, tc := range []struct {
		host, origin string
		want         bool
	}{
		{"localhost:3000", "http://localhost:3000", true},
		{"LOCALHOST:3000", "http://localhost:3000", true},
		{"llm.example", "https://llm.example", true},
		{"llm.example:443", "https://llm.example", true}, // what stands before us tells the port, the browser does not
		{"llm.example", "https://llm.example:443", true},
		{"llm.example:80", "http://llm.example", true},
		{"[::1]:3000", "http://[::1]:3000", true},
		{"localhost", "http://localhost:443", false},
		{"localhost:443", "http://localhost", false},
		{"localhost:3000", "http://localhost:3001", false},
		{"localhost:3000", "tauri://localhost:3000", false}, // the host of such an address is another's
		{"localhost:3000", "http://user@localhost:3000", false},
		{"localhost:3000", "null", false},
		{"", "", false},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Host = tc.host
		r.Header["Origin"] = []string{tc.origin}
		if got := guard.Origins(nil).Check(r).OK; got != tc.want {
			t.Errorf("a page of %q at %q: %v, want %v", tc.origin, tc.host, got, tc.want)
		}
	}
}

func TestPassive(t *testing.T) {
	for kind, want := range map[string]bool{
		"image/png": true, "IMAGE/JPEG": true, "image/webp ": true, "video/mp4": true, "video/mp4; codecs=\"avc1.42E01E\"": true, "audio/mpeg": true,
		"application/json; charset=utf-8": true, "text/event-stream": true, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores": true,
		"application/x-ndjson": true, "application/openmetrics-text; version=1.0.0": true,
		"text/html": false, "TEXT/HTML; charset=utf-8": false, "image/svg+xml": false, "image/svg": false, "application/xhtml+xml": false, "text/xml": false,
		"application/xml": false, "application/pdf": false, "application/javascript": false, "text/css": false, "multipart/x-mixed-replace; boundary=x": false,
		"message/rfc822": false, "application/x-shockwave-flash": false, "": false, "image/": false, "audio": false, "audio/": false, "video/a/b": false,
		"image/png, text/html": false, "image/png;,text/html": false, "image/png; x=\",text/html": false, "text/html;image/png": false,
		"image/png\ttext/html": false, "image/pñg": false, "image/png\x00": false, "video/mp4 text/html": false, "application/json+html": false,
	} {
		if got := guard.Passive(kind); got != want {
			t.Errorf("Passive(%q) = %v, want %v", kind, got, want)
		}
	}
}

// Whatever a handler does, the header goes out sealed.
func TestSealedAnswers(t *testing.T) {
	const page = "<html><script>alert(1)</script>"
	for _, tc := range []struct {
		name    string
		serve   http.HandlerFunc
		kind    string
		attach  bool
		policy  string
		content string
	}{
		{"a page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, page)
		}, "application/octet-stream", true, "same-origin", page},
		{"without a type", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) }, "application/octet-stream", true, "same-origin", page},
		{"two types", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{"image/png", "text/html"}
			w.WriteHeader(http.StatusOK)
		}, "application/octet-stream", true, "same-origin", ""},
		{"flushed before it began", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/svg+xml")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(w, "<svg/>")
		}, "application/octet-stream", true, "same-origin", "<svg/>"},
		{"told otherwise", func(w http.ResponseWriter, _ *http.Request) {
			h := w.Header()
			h.Set("Content-Type", "image/png")
			h.Set("X-Content-Type-Options", "sniff")
			h.Set("Content-Security-Policy", "default-src *")
			h.Set("Cross-Origin-Resource-Policy", "same-site")
			_, _ = io.WriteString(w, "png")
		}, "image/png", false, "same-origin", "png"},
		{"for pages", func(w http.ResponseWriter, _ *http.Request) {
			guard.ForPages(w.Header())
			w.Header().Set("Content-Type", "image/png")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusOK)
		}, "image/png", false, "cross-origin", ""},
		{"its own name", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "video/mp4")
			w.Header().Set("Content-Disposition", `inline; filename="film.mp4"`)
			_, _ = io.WriteString(w, "film")
		}, "video/mp4", false, "same-origin", "film"},
		{"a page by name", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Disposition", "inline")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = io.WriteString(w, page)
		}, "application/octet-stream", true, "same-origin", page},
		{"not a word", func(http.ResponseWriter, *http.Request) {}, "", false, "same-origin", ""},
		{"without a body", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "", false, "same-origin", ""},
		{"not modified, and a page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusNotModified)
		}, "", false, "same-origin", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := httptest.NewServer(guard.Seal(tc.serve))
			defer server.Close()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || string(body) != tc.content {
				t.Errorf("body %q, %v, want %q", body, err, tc.content)
			}
			h := resp.Header
			if got := strings.Join(h["Content-Type"], ","); got != tc.kind && (resp.StatusCode != http.StatusNotModified || got != "application/octet-stream") {
				t.Errorf("type %q, want %q", got, tc.kind)
			}
			if resp.StatusCode != http.StatusNotModified && (h.Get("Content-Disposition") == "attachment") != tc.attach {
				t.Errorf("disposition %q, attachment: %v", h.Get("Content-Disposition"), tc.attach)
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != "sandbox; default-src 'none'" ||
				strings.Join(h["Cross-Origin-Resource-Policy"], ",") != tc.policy {
				t.Errorf("header %v", h)
			}
		})
	}
}

// What only the server's own writer can do still works behind the seal.
func TestBareWriter(t *testing.T) {
	server := httptest.NewServer(guard.Seal(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			t.Errorf("full duplex: %v", err)
		}
		_, err := io.ReadAll(http.MaxBytesReader(guard.Bare(w), r.Body, 4))
		if err == nil {
			t.Error("the body is not bounded")
		}
		w.Header().Set("Content-Type", "text/plain")
	})))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("more than four"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if !resp.Close {
		t.Error("the connection of a body that is too large is kept")
	}
}
