package proxy

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// A session token as the wallet makes them, and what is secret in it.
var (
	leakProof = strings.Repeat("0123456789abcdef", 8) + "1b"
	leakBody  = base64.StdEncoding.EncodeToString([]byte(`{"address":"0x00","provider":"0x01","timestamp":1,"expiresAt":2,` +
		`"nonce":"n","generation":0,"tokenId":255}|0x` + leakProof))
	leakToken  = "app-sk-" + leakBody
	leakBearer = "Bearer " + leakToken
)

// oneToken hands out that token.
type oneToken struct{}

func (oneToken) Bearer(context.Context, common.Address) (string, error) { return leakBearer, nil }
func (oneToken) Reject(common.Address, string, zg.Refusal)              {}

// escapedAll writes every character of a text in a form of its own.
func escapedAll(text, form string) string {
	var out strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&out, form, c)
	}
	return out.String()
}

// leaks are the ways in which a provider may say the token.
func leaks() map[string]string {
	return map[string]string{
		"as it is":            leakToken,
		"in capitals":         strings.ToUpper("app-sk-") + leakBody,
		"escaped in JSON":     `app\u002dsk\u002d` + leakBody,
		"escaped twice":       `app\\u002dsk\\u002d` + leakBody,
		"all of it escaped":   escapedAll(leakToken, `\u%04x`),
		"escaped as in C":     escapedAll(leakToken, `\\x%02x`),
		"for a URL":           url.QueryEscape("app-sk-") + "app%2Dsk%2D" + url.QueryEscape(leakBody),
		"for a URL, twice":    strings.ReplaceAll(escapedAll(leakToken, "%%%02x"), "%", "%25"),
		"for a page":          escapedAll(leakToken, "&#%d;"),
		"without its prefix":  "you sent " + leakBody,
		"the end of it":       "..." + leakBody[len(leakBody)-60:],
		"the middle of it":    "..." + leakBody[50:110] + "...",
		"its signature":       "signature 0x" + leakProof + " is wrong",
		"slashes escaped":     strings.ReplaceAll(leakToken, "/", `\/`),
		"beside other words":  "Authorization: " + leakBearer + " was refused",
		"in the middle, twos": leakBody[30:30+48] + " and so on",
	}
}

// noToken is what the name of a header cannot have.
var noToken = regexp.MustCompile(`[^A-Za-z0-9+.-]`)

// tells reports whether what a caller or a log got has a good part of the token in any form.
func tells(got string) bool { return zg.CredentialOf(leakBearer).In(got) }

// Whatever a provider says of the token, its caller does not learn it: neither from an error, as it is or in our words,
// nor from a header of an error or of an answer; and the log has nothing of it.
func TestTheTokenIsToldToNobody(t *testing.T) {
	var log lines
	var answer atomic.Pointer[http.HandlerFunc]
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) { (*answer.Load())(w, r) }, func(c *Config) {
		c.Tokens, c.Log = oneToken{}, zerolog.New(&log).Level(zerolog.DebugLevel)
		c.Classify = func(_ int, _, _ string, body []byte) zg.RefusalDetail { // the worst: all of it is taken for words
			return zg.RefusalDetail{Class: zg.RefusalRequest, Message: string(body)}
		}
	})
	names := []string{
		"Content-Disposition", "Cache-Control", "Zg-Res-Key", "Provider", "X-0g-Fee", "X-Ratelimit-Limit-Requests",
		"Anthropic-Ratelimit-Tokens-Reset", "Retry-After", "Zg-Verdict",
	}
	ask := func(name string) {
		t.Helper()
		r.forget()
		resp, text := r.chat(`{"model":"chat-1"}`)
		if tells(text) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, text)
		}
		for key, values := range resp.Header {
			if tells(key) || tells(strings.Join(values, " ")) {
				t.Errorf("%s: %d, header %s: %q", name, resp.StatusCode, key, values)
			}
		}
	}
	for way, told := range leaks() {
		for name, body := range map[string]string{
			"an error object": `{"error":{"message":"` + told + `"}}`, "its type": `{"error":{"message":"no","type":"` + told + `"}}`,
			"beside it": `{"` + told + `":1,"error":{"message":"no"}}`, "a string": `{"error":"` + told + `"}`, "text": told,
		} {
			set := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, body)
			})
			answer.Store(&set)
			ask(way + ", " + name)
		}
		for _, status := range []int{http.StatusOK, http.StatusBadRequest, http.StatusTooManyRequests} {
			set := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for _, name := range names {
					w.Header()[name] = []string{told}
				}
				name := "X-Ratelimit-" + noToken.ReplaceAllString(told, "")[:40]
				w.Header()[name] = []string{"1"}
				w.Header().Set("Content-Type", `application/json; x="`+strings.ReplaceAll(told, `"`, "")+`"`)
				w.WriteHeader(status)
				_, _ = io.WriteString(w, `{"error":{"message":"no"}}`)
			})
			answer.Store(&set)
			ask(fmt.Sprintf("%s, headers of %d", way, status))
		}
	}
	if got := log.String(); tells(got) {
		t.Errorf("the log tells the token:\n%s", got)
	}
	for _, seen := range r.seen {
		if tells(seen.ResKey) {
			t.Errorf("the record has %q for the signature's key", seen.ResKey)
		}
	}
}

// A stream that ends with an error in the provider's words, and an answer that is none.
func TestTheTokenIsNotToldInStreamsAndLogs(t *testing.T) {
	var log lines
	var answer atomic.Pointer[http.HandlerFunc]
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) { (*answer.Load())(w, r) }, func(c *Config) {
		c.Tokens, c.Log = oneToken{}, zerolog.New(&log).Level(zerolog.DebugLevel)
	})
	for way, told := range leaks() {
		for _, begun := range []string{"", "data: {\"choices\":[]}\n\n"} {
			set := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, begun+`data: {"error":{"type":"invalid_request_error","message":"`+told+"\"}}\n\n")
			})
			answer.Store(&set)
			r.forget()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/v1/chat/completions",
				strings.NewReader(`{"model":"chat-1","stream":true}`))
			must(t, err)
			req.Header.Set("Content-Type", "application/json")
			resp, err := r.client.Do(req)
			must(t, err)
			text, _ := io.ReadAll(resp.Body) // broken off, as it has to be
			must(t, resp.Body.Close())
			if tells(string(text)) || len(text) == 0 {
				t.Errorf("%s: %d %s", way, resp.StatusCode, text)
			}
		}
	}
	broken := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, out, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = out.WriteString("HTTP/1.1 " + leakToken + "\r\n\r\n")
		_ = out.Flush()
		_ = conn.Close()
	})
	answer.Store(&broken)
	r.forget()
	if resp, text := r.chat(`{"model":"chat-1"}`); resp.StatusCode != http.StatusBadGateway || tells(text) {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	until(t, "the log does not tell the cause", func() bool { return strings.Contains(log.String(), "malformed HTTP") })
	if got := log.String(); tells(got) {
		t.Errorf("the log tells the token:\n%s", got)
	}
}

// An endpoint's key is as secret. A short one may be any word.
func TestSecretsOfEndpoints(t *testing.T) {
	key := zg.CredentialOf("Bearer sk-proj-0123456789abcdefghijklmnop")
	if !key.In(`{"error":{"message":"Incorrect API key provided: sk-proj-0123456789abcdefghijklmnop"}}`) ||
		key.In("sk-proj-01234") || key.In("") {
		t.Error("a key is not found, or where it is not")
	}
	if got := key.Clean("bad key sk-proj-0123456789abcdefghijklmnop"); got != "[session token]" {
		t.Errorf("cleaned: %q", got)
	}
	if word := zg.CredentialOf("Bearer ollama"); word.In("ollama: model not found") {
		t.Error("a word is taken for a key")
	}
	if got := (zg.Credential{}).Clean("cannot read app-sk-abc+/= at all"); got != "cannot read "+"[session token]"+" at all" {
		t.Errorf("cleaned: %q", got)
	}
	for _, text := range []string{"", "-", "app-sk", "sk-", "task-sk-1", "app_sk-x", "100% of \\ &amp; <b>", strings.Repeat("-", 100)} {
		if zg.CredentialOf(leakBearer).In(text) {
			t.Errorf("%q is taken for a token", text)
		}
	}
}

// The refusal of an endpoint, which speaks of its own key.
func TestAnEndpointsKeyIsToldToNobody(t *testing.T) {
	const key = "sk-proj-0123456789abcdefghijklmnop"
	r := newRig(t, nil, func(c *Config) {
		c.Direct = answering(func(*http.Request) *http.Response {
			return &http.Response{
				StatusCode: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/json"}, "X-Ratelimit-Key": {key}},
				Body: io.NopCloser(strings.NewReader(
					`{"error":{"message":"Incorrect API key provided: sk-proj\u002d0123456789abcdefghijklmnop"}}`)),
			}
		})
		c.EndpointKey = func(string) string { return "Bearer " + key }
	})
	local := route.Endpoint{ID: "local", URL: "http://localhost:1", Models: []string{"chat-1"}}
	r.server.SetRoutes(route.Build(&zg.Directory{}, nil, route.Options{Endpoints: []route.Endpoint{local}}))
	resp, text := r.chat(`{"model":"chat-1"}`)
	if resp.StatusCode < 400 || zg.CredentialOf("Bearer "+key).In(text) || resp.Header.Get("X-Ratelimit-Key") != "" {
		t.Errorf("%d %s %v", resp.StatusCode, text, resp.Header)
	}
}

type answering func(*http.Request) *http.Response

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) {
	resp := f(r)
	resp.Request = r
	return resp, nil
}

// What is said of a job is no error, but it may hold one.
func TestTheTokenIsNotToldOfJobs(t *testing.T) {
	var told atomic.Pointer[string]
	r := newFetchRig(t, false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if s := told.Load(); s != nil {
			_, _ = io.WriteString(w, *s)
		}
	})
	r.server.cfg.Tokens = oneToken{}
	for way, leak := range leaks() {
		doc := `{"id":"video_known","status":"failed","error":{"message":"` + leak + `"}}`
		told.Store(&doc)
		if resp, text := r.do(http.MethodGet, "/v1/videos/video_known", "", nil); resp.StatusCode != http.StatusBadGateway || tells(text) {
			t.Errorf("%s: %d %s", way, resp.StatusCode, text)
		}
	}
	long := `{"id":"video_known","status":"completed","data":"` + strings.Repeat("x", 3*maxJobDocument) + `"}`
	told.Store(&long)
	if resp, text := r.do(http.MethodGet, "/v1/videos/video_known", "", nil); resp.StatusCode != http.StatusOK || text != long {
		t.Errorf("a long one: %d, %d bytes, want %d", resp.StatusCode, len(text), len(long))
	}
}
