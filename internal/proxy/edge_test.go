package proxy

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/route"
)

// edge is the guard and the router with a few routes behind it, which answer with what they see.
type edge struct {
	*testing.T
	server *Server
	url    string
	client *http.Client
}

const friend = "https://app.example.com"

func newEdge(t *testing.T, keys ...string) *edge {
	t.Helper()
	s := New(Config{
		Board: route.NewBoard(route.BoardConfig{}), Metrics: NewMetrics(prometheus.NewRegistry()), Keys: keys, Log: zerolog.Nop(),
		AllowedOrigins: []string{friend, "http://localhost:8080", "app://obsidian.md"},
	})
	mux := s.router()
	show := func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, map[string]string{"method": r.Method, "path": r.URL.Path})
	}
	mux.Get("/", show)
	mux.Get("/v1/models", s.listModels)
	mux.Get("/v1/models/*", s.getModel)
	for _, p := range []string{"/v1/chat/completions", "/v1/messages", "/v1/images/generations", "/v1/videos"} {
		mux.Post(p, show)
	}
	mux.Get("/v1/videos/*", show)
	front := httptest.NewServer(mux)
	e := &edge{T: t, server: s, url: front.URL, client: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(func() { e.client.CloseIdleConnections(); front.Close() })
	return e
}

func (e *edge) do(method, path string, header ...string) (*http.Response, string) {
	e.Helper()
	req, err := http.NewRequestWithContext(e.Context(), method, e.url, nil)
	must(e.T, err)
	if u, err := url.Parse(e.url + path); err == nil {
		req.URL = u
	} else {
		req.URL.Opaque = path
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := e.client.Do(req)
	if err != nil {
		e.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(e.T, err)
	return resp, string(body)
}

// refusal reads OpenAI's envelope and checks what every error has.
func (e *edge) refusal(resp *http.Response, body string) (code, message string) {
	e.Helper()
	var doc struct {
		Error struct {
			Message, Type, Code string
			Param               *string
		}
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil || doc.Error.Message == "" || doc.Error.Type == "" {
		e.Errorf("%d %q, want an error object: %v", resp.StatusCode, body, err)
	}
	if h := resp.Header; h.Get("Content-Type") != "application/json" || h.Get("X-Request-Id") == "" || h.Get("X-Zgproxy-Error") != doc.Error.Code ||
		h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != "sandbox; default-src 'none'" || h.Get("Content-Length") != strconv.Itoa(len(body)) {
		e.Errorf("headers of an error = %v", h)
	}
	return doc.Error.Code, doc.Error.Message
}

func TestPagesOfAllowedOrigins(t *testing.T) {
	e := newEdge(t, "local-key")
	const path = "/v1/chat/completions"
	resp, body := e.do("OPTIONS", path, "Origin", friend, "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "authorization,x-stainless-os", "Access-Control-Request-Private-Network", "true")
	h := resp.Header
	if resp.StatusCode != http.StatusNoContent || body != "" || h.Get("Access-Control-Allow-Origin") != friend || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") ||
		h.Get("Access-Control-Allow-Headers") != "authorization,x-stainless-os" || h.Get("Access-Control-Max-Age") == "" ||
		h.Get("Access-Control-Allow-Private-Network") != "true" || !strings.Contains(strings.Join(h["Vary"], ","), "Origin") || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("a preflight without a key: %d %v", resp.StatusCode, h)
	}
	resp, _ = e.do("OPTIONS", "/v1/nothing", "Origin", friend, "Access-Control-Request-Method", "GET")
	if resp.StatusCode != http.StatusNoContent || resp.Header.Get("Access-Control-Allow-Private-Network") != "" {
		t.Errorf("a preflight for an unknown URL: %d %v, want 204, so that the page can read the error", resp.StatusCode, resp.Header)
	}
	key := []string{"Origin", friend, "Sec-Fetch-Site", "cross-site", "Authorization", "Bearer local-key"}
	resp, body = e.do("POST", path, key...)
	exposed := resp.Header.Get("Access-Control-Expose-Headers")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Access-Control-Allow-Origin") != friend || !strings.Contains(exposed, "Zg-Res-Key") || !strings.Contains(exposed, "Retry-After") {
		t.Errorf("a page's request: %d %s %v", resp.StatusCode, body, resp.Header)
	}
	resp, body = e.do("POST", path, "Origin", friend)
	if code, _ := e.refusal(resp, body); code != "invalid_api_key" || resp.Header.Get("Access-Control-Allow-Origin") != friend {
		t.Errorf("a page without the key: %d %s %v, want an error that the page can read", resp.StatusCode, code, resp.Header)
	}
	resp, body = e.do("OPTIONS", path, "Origin", friend) // no preflight: it does not say what it is about
	if code, _ := e.refusal(resp, body); code != "invalid_api_key" {
		t.Errorf("OPTIONS without a key: %d %s", resp.StatusCode, code)
	}
}

func TestPagesOfOtherOrigins(t *testing.T) {
	e := newEdge(t)
	for _, tc := range []struct {
		name, method, path string
		header             []string
	}{
		{"preflight", "OPTIONS", "/v1/chat/completions", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}},
		{"POST", "POST", "/v1/chat/completions", []string{"Origin", "https://evil.example"}},
		{"GET", "GET", "/v1/models", []string{"Origin", "https://evil.example"}},
		{"HEAD", "HEAD", "/v1/models", []string{"Origin", "https://evil.example"}},
		{"no origin told", "POST", "/v1/chat/completions", []string{"Sec-Fetch-Site", "cross-site"}},
		{"sandboxed", "GET", "/v1/models", []string{"Origin", "null"}},
		{"another port", "POST", "/v1/chat/completions", []string{"Origin", "http://localhost:8081", "Sec-Fetch-Site", "same-site"}},
		{"another scheme", "POST", "/v1/chat/completions", []string{"Origin", "http://app.example.com"}},
		{"a name that begins alike", "POST", "/v1/chat/completions", []string{"Origin", friend + ".evil.example"}},
		{"two", "POST", "/v1/chat/completions", []string{"Origin", friend, "Origin", "https://evil.example"}},
		{"no origin at all", "POST", "/v1/chat/completions", []string{"Origin", "not an origin"}},
		{"a host of another scheme", "POST", "/v1/chat/completions", []string{"Origin", strings.Replace(e.url, "http:", "app:", 1)}},
		{"a picture", "GET", "/v1/models", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Referer", "https://evil.example/"}},
		{"a picture without a referrer", "GET", "/v1/models", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}},
		{"a picture of another server of this machine", "GET", "/v1/models", []string{"Sec-Fetch-Site", "same-site", "Referer", "http://localhost:9999/"}},
		{"a frame", "GET", "/v1/models", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}},
		{"a link", "GET", "/v1/models", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-User", "?1"}},
		{"a relation that nobody knows", "GET", "/v1/models", []string{"Sec-Fetch-Site", "same-planet"}},
		{"two relations", "GET", "/v1/models", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Site", "cross-site"}},
		{"sent on by our own page", "POST", "/v1/chat/completions", []string{"Origin", e.url, "Sec-Fetch-Site", "cross-site"}},
		{"a referrer that begins alike", "GET", "/v1/models", []string{"Sec-Fetch-Site", "cross-site", "Referer", friend + ".evil.example/"}},
		{"an origin that is not the referrer's", "GET", "/v1/models", []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site", "Referer", friend + "/"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, body := e.do(tc.method, tc.path, tc.header...)
			if resp.StatusCode != http.StatusForbidden || resp.Header.Get("X-Zgproxy-Error") != "cross_origin" || strings.Contains(body, "object") {
				t.Errorf("%d %s %v, want 403 cross_origin", resp.StatusCode, body, resp.Header)
			}
			for name := range resp.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("the page gets %s", name)
				}
			}
			if got := resp.Header.Get("Cross-Origin-Resource-Policy"); got != "same-origin" {
				t.Errorf("pages of %q may show it", got)
			}
		})
	}
	for name, header := range map[string][]string{
		"itself":          {"Origin", e.url},
		"itself, told":    {"Origin", e.url, "Sec-Fetch-Site", "same-origin"},
		"a typed address": {"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-User", "?1"},
		"a program":       {},
		"with a referrer": {"Referer", "https://openrouter.example/"},
		"another list":    {"Origin", "http://localhost:8080", "Sec-Fetch-Site", "same-site"},
		"an application":  {"Origin", "app://obsidian.md", "Sec-Fetch-Site", "cross-site"},
		"a picture":       {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Referer", friend + "/"},
		"a link":          {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Referer", friend + "/chat/1"},
	} {
		resp, body := e.do("GET", "/v1/models", header...)
		if resp.StatusCode != http.StatusOK || !strings.Contains(strings.Join(resp.Header["Vary"], ","), "Origin") {
			t.Errorf("%s: %d %s %v", name, resp.StatusCode, body, resp.Header)
		}
		shown, want := resp.Header.Get("Cross-Origin-Resource-Policy"), "same-origin"
		if slices.Contains([]string{"another list", "an application", "a picture", "a link"}, name) {
			want = "cross-origin"
		}
		if shown != want {
			t.Errorf("%s: pages of %q may show it, want %q", name, shown, want)
		}
	}
}

func TestOptionsAndHead(t *testing.T) {
	e := newEdge(t)
	for path, want := range map[string]string{
		"/v1/chat/completions": "POST, OPTIONS", "/v1/chat/completions/": "POST, OPTIONS", "/v1/models": "GET, HEAD, OPTIONS", "/v1/models/a/b": "GET, HEAD, OPTIONS",
	} {
		if resp, body := e.do("OPTIONS", path); resp.StatusCode != http.StatusNoContent || resp.Header.Get("Allow") != want || body != "" {
			t.Errorf("OPTIONS %s: %d %q %q, want 204 with %q", path, resp.StatusCode, resp.Header.Get("Allow"), body, want)
		}
		resp, body := e.do("DELETE", path)
		if code, _ := e.refusal(resp, body); code != "method_not_allowed" || resp.Header.Get("Allow") != want {
			t.Errorf("DELETE %s: %s, Allow %q, want 405 with %q", path, code, resp.Header.Get("Allow"), want)
		}
	}
	resp, body := e.do("OPTIONS", "/v1/files")
	if code, _ := e.refusal(resp, body); code != "unknown_url" {
		t.Errorf("OPTIONS of an unknown URL: %s", code)
	}
	resp, body = e.do("BREW", "/v1/models")
	if code, _ := e.refusal(resp, body); code != "method_not_allowed" {
		t.Errorf("a method nobody knows: %s", code)
	}
	for path, status := range map[string]int{"/v1/models": 200, "/": 200, "/v1/models/none": 404, "/v1/chat/completions": 405, "/v1/files": 404} {
		got, _ := e.do("GET", path)
		head, body := e.do("HEAD", path)
		if head.StatusCode != status || body != "" || head.Header.Get("Content-Length") != got.Header.Get("Content-Length") || head.Header.Get("Content-Length") == "" {
			t.Errorf("HEAD %s: %d, length %q, %d bytes; GET: %d, length %q", path, head.StatusCode, head.Header.Get("Content-Length"), len(body),
				got.StatusCode, got.Header.Get("Content-Length"))
		}
	}
}

func TestSlashesAtTheEnd(t *testing.T) {
	e := newEdge(t)
	for path, want := range map[string]string{
		"/v1/chat/completions/": "/v1/chat/completions", "/v1/chat/completions///?x=1": "/v1/chat/completions", "/v1/images/generations/": "/v1/images/generations",
		"/v1/videos/": "/v1/videos", "/": "/", "//": "/",
		"/v1/videos/abc/": "/v1/videos/abc/", "/v1/videos/a%2F/": "/v1/videos/a//", // an id stays
	} {
		method := "POST"
		if strings.HasPrefix(path, "/v1/videos/a") || want == "/" {
			method = "GET"
		}
		resp, body := e.do(method, path)
		var saw struct{ Path string }
		if err := json.Unmarshal([]byte(body), &saw); err != nil || resp.StatusCode != http.StatusOK || saw.Path != want {
			t.Errorf("%s: %d %s, want the route to see %s", path, resp.StatusCode, body, want)
		}
	}
}

func TestUnknownURLs(t *testing.T) {
	e := newEdge(t)
	for path, says := range map[string]string{
		"/v1/responses": "POST /v1/chat/completions", "/v1/completions": "as a message", "/v1/files/abc": "data URL", "/v1/assistants": "not kept", "/v1/threads/x/runs": "not kept",
		"/v1/batches": "separately", "/v1/fine_tuning/jobs": "not trained", "/v1/moderations": "chat model", "/v1/audio/translations": "transcriptions",
		"/v1/images/variations": "/v1/images/edits", "/v1/realtime": "stream", "/v1/vector_stores": "/v1/embeddings", "/v1/uploads": "data URL",
		"/v1/rerank": "/v1/embeddings", "/v1/engines/x/completions": "Engines",
		"/chat/completions": "ends in /v1: this is /v1/chat/completions", "/responses": "this is /v1/responses", "/v1/v1/chat/completions": "another", "/v1": "a client adds the rest",
		"/v1//chat/completions": "empty segment", "/api/chat": "Ollama", "/v1/chat/completion": "/v1/chat/completions", "/v1/nonsense": "GET /v1/models", "/favicon.ico": "/v1",
		"/v1/%00%ff%0a": "GET /v1/models", "/" + strings.Repeat("x", 5000): "/v1",
	} {
		resp, body := e.do("POST", path)
		code, message := e.refusal(resp, body)
		if resp.StatusCode != http.StatusNotFound || code != "unknown_url" || !strings.Contains(message, says) || len(message) > 1000 {
			t.Errorf("%.60s: %d %s %q, want a message that says %q", path, resp.StatusCode, code, message, says)
		}
	}
	names := map[string]bool{}
	for _, i := range instead {
		if names[i.prefix] || i.hint == "" {
			t.Errorf("%s is there twice, or says nothing", i.prefix)
		}
		for before := range names {
			if strings.HasPrefix(i.prefix, before) {
				t.Errorf("%s is never found, %s comes before", i.prefix, before)
			}
		}
		names[i.prefix] = true
	}
}

func TestAnthropicForm(t *testing.T) {
	e := newEdge(t, "local-key")
	for _, tc := range []struct {
		name, method, path, kind string
		status                   int
		header                   []string
	}{
		{"no key", "POST", "/v1/messages", "authentication_error", 401, nil},
		{"foreign page", "POST", "/v1/messages", "permission_error", 403, []string{"Origin", "https://evil.example"}},
		{"method", "GET", "/v1/messages", "invalid_request_error", 405, []string{"X-Api-Key", "local-key"}},
		{"unknown", "POST", "/v1/messages/count_tokens", "not_found_error", 404, []string{"X-Api-Key", "local-key"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, body := e.do(tc.method, tc.path, tc.header...)
			var doc struct {
				Type      string
				Error     struct{ Type, Message string }
				RequestID string `json:"request_id"`
			}
			if err := json.Unmarshal([]byte(body), &doc); err != nil || doc.Type != "error" || doc.Error.Type != tc.kind || doc.Error.Message == "" {
				t.Errorf("%s, want Anthropic's error with %s: %v", body, tc.kind, err)
			}
			id := resp.Header.Get("X-Request-Id")
			if resp.StatusCode != tc.status || id == "" || resp.Header.Get("Request-Id") != id || doc.RequestID != id {
				t.Errorf("%d, ids %q %q %q, want %d and one id", resp.StatusCode, id, resp.Header.Get("Request-Id"), doc.RequestID, tc.status)
			}
		})
	}
	if resp, body := e.do("POST", "/v1/messagesx", "X-Api-Key", "local-key"); !strings.HasPrefix(body, `{"error"`) || resp.Header.Get("Request-Id") != "" {
		t.Errorf("another path: %s", body)
	}
	for status, want := range map[int]string{
		400: "invalid_request_error", 402: "billing_error", 410: "not_found_error", 413: "request_too_large", 415: "invalid_request_error",
		429: "rate_limit_error", 500: "api_error", 502: "api_error", 503: "overloaded_error", 504: "timeout_error", 529: "overloaded_error",
	} {
		if got := anthropicType(status); got != want {
			t.Errorf("%d is %s, want %s", status, got, want)
		}
	}
}

// What was refused at the edge has its line in the log, under the id that the caller was told.
func TestRefusalsAreLogged(t *testing.T) {
	var log bytes.Buffer
	s := New(Config{Board: route.NewBoard(route.BoardConfig{}), Metrics: NewMetrics(prometheus.NewRegistry()), Keys: []string{"local-key"}, Log: zerolog.New(&log)})
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/v1/models?secret=1", nil)
	r.Header.Set("Authorization", "Bearer wrong-key")
	mux := s.router()
	mux.Get("/v1/models", s.listModels)
	mux.ServeHTTP(w, r)
	id := w.Header().Get("X-Request-Id")
	if line := log.String(); id == "" || !strings.Contains(line, id) || !strings.Contains(line, "invalid_api_key") || strings.Contains(line, "wrong-key") || strings.Contains(line, "secret") {
		t.Errorf("log = %q, want a line about %q without what was sent", line, id)
	}
}

// The owner finds in the log who was refused, at which name, and the setting that would allow it: all of it as a
// stranger told it, so printable and short.
func TestRefusedPagesAreLoggedWithTheSetting(t *testing.T) {
	var log bytes.Buffer
	s := New(Config{Board: route.NewBoard(route.BoardConfig{}), Metrics: NewMetrics(prometheus.NewRegistry()), Log: zerolog.New(&log)})
	for _, tc := range []struct{ host, origin, site, referrer, want string }{
		{"localhost:3000", "app://obsidian.md", "cross-site", "", `"origin":"app://obsidian.md","site":"cross-site","host":"localhost:3000","setting":"ZGPROXY_ALLOWED_ORIGINS=app://obsidian.md"`},
		{"localhost:3000", "", "same-site", "http://localhost:8080/chat", `"origin":"http://localhost:8080","site":"same-site","host":"localhost:3000","setting":"ZGPROXY_ALLOWED_ORIGINS=http://localhost:8080"`},
		{"localhost", "null", "", "", `"setting":"ZGPROXY_ALLOWED_ORIGINS=null, with ZGPROXY_API_KEYS`},
		{"localhost", "", "cross-site", "", `"origin":"","site":"cross-site","host":"localhost","setting":"ZGPROXY_ALLOWED_ORIGINS, with the origin`},
		{"Llm.example:3000", "https://llm.example:3000", "", "", `"code":"host_not_allowed","origin":"https://llm.example:3000","site":"","host":"Llm.example:3000","setting":"ZGPROXY_ALLOWED_HOSTS=llm.example"`},
		{"localhost", "https://\u202egro.live\x1b[2J" + strings.Repeat("x", 5000), "", "", `"origin":"https://?gro.live?[2Jxxx`},
	} {
		log.Reset()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/v1/chat/completions", nil)
		r.Host = tc.host
		for name, v := range map[string]string{"Origin": tc.origin, "Sec-Fetch-Site": tc.site, "Referer": tc.referrer} {
			if v != "" {
				r.Header.Set(name, v)
			}
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if line := log.String(); w.Code != http.StatusForbidden || !strings.Contains(line, tc.want) || len(line) > 1000 || strings.Contains(line, "\u202e") {
			t.Errorf("%d, log = %s\nwant %s", w.Code, line, tc.want)
		}
	}
}

// The scheme's name has no case, and blanks behind it do not count.
func TestKeysAsClientsSendThem(t *testing.T) {
	e := newEdge(t, "local-key")
	for given, want := range map[string]int{
		"Bearer local-key": 200, "bearer local-key": 200, "BEARER   local-key": 200, "Bearer \t local-key  ": 200, "bEaReR\tlocal-key": 200,
		"Bearer local-keys": 401, "Bearer Local-Key": 401, "Basic local-key": 401, "local-key": 401, "Bearerlocal-key": 401, "Bearer": 401, "Bearer local-key x": 401,
	} {
		if resp, body := e.do("GET", "/v1/models", "Authorization", given); resp.StatusCode != want {
			t.Errorf("%q: %d %s, want %d", given, resp.StatusCode, body, want)
		}
	}
	if resp, _ := e.do("GET", "/v1/models", "X-Api-Key", "local-key", "Authorization", "bearer"); resp.StatusCode != http.StatusOK {
		t.Errorf("a scheme without a key hides the other header: %d", resp.StatusCode)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "bearer  local-key")
	d := keyDigest("local-key")
	if got := callerKey(r); got != hex.EncodeToString(d[:4]) {
		t.Errorf("the book names the key %q", got)
	}
}
