package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/evil"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// front is where an allowed provider is attacked: what a caller asks for, and which of the provider's URLs then answers as
// the attack likes.
type front struct {
	name, provider string // the provider's name in the network
	path           string // of the provider
	method, ask    string // of the caller
	contentType    string
	body           string
	beside         string // asked for instead of ask, which the attack only follows: a signature is fetched after an answer
}

const evilStream = `{"model":"echo-1","stream":true,"messages":[{"role":"user","content":"hello"}]}`

func fronts(pictures string) []front {
	form := "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nspeech-1\r\n" +
		"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n" + strings.Repeat("0", 500) + "\r\n--x--\r\n"
	post := func(name, provider, path, ask, body string) front {
		return front{name: name, provider: provider, path: path, method: http.MethodPost, ask: ask, contentType: "application/json", body: body}
	}
	get := func(name, provider, path, ask string) front {
		return front{name: name, provider: provider, path: path, method: http.MethodGet, ask: ask}
	}
	all := []front{
		post("document", "alpha", "/v1/proxy/chat/completions", "/v1/chat/completions", smallChat),
		post("stream", "alpha", "/v1/proxy/chat/completions", "/v1/chat/completions", evilStream),
		post("messages", "alpha", "/v1/proxy/messages", "/v1/messages", `{"model":"echo-1","max_tokens":20,"messages":[{"role":"user","content":"hello"}]}`),
		post("pictures", "delta", "/v1/proxy/images/generations", "/v1/images/generations", `{"model":"picture-1","prompt":"an otter"}`),
		post("vectors", "eta", "/v1/proxy/embeddings", "/v1/embeddings", `{"model":"vectors-1","input":"an otter"}`),
		post("speech", "iota", "/v1/proxy/audio/speech", "/v1/audio/speech", `{"model":"voice-1","input":"an otter","voice":"alloy"}`),
		post("video", "kappa", "/v1/proxy/videos", "/v1/videos", `{"model":"film-1","prompt":"an otter","seconds":"4"}`),
		get("how far a video is", "kappa", "/v1/proxy/videos/", "/v1/videos/evil-1"),
		get("a video", "kappa", "/v1/proxy/videos/", "/v1/videos/evil-1/content"),
		get("how far a job is", "delta", "/v1/async/jobs/", "/v1/async/jobs/evil-1"),
		get("a picture", "delta", "/v1/proxy/images/", "/v1/images/"+pictures+"/abc/0"),
		{name: "signature", provider: "alpha", path: "/v1/proxy/signature/", method: http.MethodPost, beside: "/v1/chat/completions", contentType: "application/json", body: smallChat},
		{name: "catalogue", provider: "alpha", path: "/v1/models"},
		{name: "unsettled fee", provider: "alpha", path: "/v1/user/"},
	}
	speech := post("transcript", "epsilon", "/v1/proxy/audio/transcriptions", "/v1/audio/transcriptions", form)
	speech.contentType = "multipart/form-data; boundary=x"
	return append(all, speech)
}

// Whatever bytes an allowed provider answers with, wherever it is asked: the caller gets an answer of a passive type or an error
// in his own form, nothing in the name of the proxy that the proxy did not say, no session token in an error; what is recorded is
// below the bound; and the next request is served.
func TestEvilProvider(t *testing.T) {
	t.Parallel()
	all := os.Getenv("ZG_TEST_ATTACKS") == "all" // else each attack at one place, and one in ten with the race detector
	e := newEvil(t)
	places := fronts(e.net.Providers[3].Address().Hex())
	tried := 0
	for i, attack := range evil.Attacks() {
		for j, place := range places {
			if !all && (i+j)%len(places) != 0 || raced && i%10 != 0 || attack.Waits && !all && j > 4 {
				continue
			}
			tried++
			t.Run(place.name+"/"+attack.Name, func(t *testing.T) { e.try(t, place, attack) })
		}
	}
	if tried < 200 && !raced {
		t.Errorf("%d attacks, at least 200 are wanted", tried)
	}
	t.Logf("%d attacks", tried)
	for line := range strings.Lines(e.daemon.log.String()) {
		if strings.Contains(undone(line), "app-sk-") || strings.ContainsFunc(strings.TrimSpace(line), steers) {
			t.Errorf("the log has a session token, or characters that steer a terminal: %.300q", line)
		}
	}
}

// steers reports whether a terminal takes a character for a command.
func steers(r rune) bool { return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Bidi_Control, r) }

// attacked is a network whose allowed providers all have something evil in front of them, but for one, lorem-1.
type attacked struct {
	*world
	fronts map[string]*evil.Provider
	client *http.Client
}

func newEvil(t *testing.T) *attacked {
	t.Helper()
	e := &attacked{fronts: map[string]*evil.Provider{}, client: &http.Client{
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 4},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(e.client.CloseIdleConnections)
	names := []string{}
	e.world = newWorld(t, devnet.Config{AllKinds: true, Change: func(name string, _ *simprovider.Config, s *simchain.ServiceParams) {
		names = append(names, name)
		if name == "beta" {
			return
		}
		f, err := evil.Listen()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
		e.fronts[name], s.URL = f, f.URL()
	}})
	var allowed []string
	for i, p := range e.net.Providers {
		if f := e.fronts[names[i]]; f != nil {
			f.Behind(p.URL())
		}
		if names[i] != "gamma" { // it would answer for alpha
			allowed = append(allowed, p.Address().Hex())
		}
	}
	e.env = append(e.net.Env(), "ZGPROXY_PROVIDERS="+strings.Join(allowed, ","), "ZGPROXY_LOG_LEVEL=debug", "ZGPROXY_MAX_ATTEMPTS=1",
		"ZGPROXY_STREAM_IDLE_TIMEOUT=1s", "ZGPROXY_DRAIN_TIMEOUT=1s", "ZGPROXY_DIRECTORY_REFRESH=1s", "ZGPROXY_PACE_WAIT=1m")
	e.inProcess()
	return e
}

// try makes one attack and looks at what came of it.
func (e *attacked) try(t *testing.T, place front, attack evil.Attack) {
	t.Helper()
	f := e.fronts[place.provider]
	f.Arm(place.path, attack.Do)
	switch {
	case place.ask != "":
		var got answer
		if err := poll(5*time.Millisecond, patience, nil, func() error { // an earlier attack may have it taken out of rotation
			got = e.request(t, place.method, place.ask, place.contentType, place.body, attack.Waits)
			if f.Struck() == 0 && got.header.Get("Retry-After") != "" {
				return fmt.Errorf("the provider is not asked: %d %.300q", got.status, got.body)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		unharmed(t, got)
		if id := got.header.Get("X-Request-Id"); place.method == http.MethodPost && got.header.Get("X-Zgproxy-Provider") != "" {
			if rec := e.on(t).record(id, false); rec.Bound.Less(rec.Fee) {
				t.Errorf("booked %s, above the bound %s", rec.Fee.Og(), rec.Bound.Og())
			}
		}
	case place.beside != "":
		got := e.request(t, place.method, place.beside, place.contentType, place.body, false)
		unharmed(t, got)
		if rec := e.on(t).record(got.header.Get("X-Request-Id"), true); rec.Verdict == zg.VerdictVerified || rec.Verdict == zg.VerdictResponse {
			t.Errorf("verdict %s, and its signature was none", rec.Verdict)
		}
	default:
		if err := poll(5*time.Millisecond, patience, nil, func() error {
			if f.Struck() == 0 {
				return errors.New("it was not asked")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	f.Disarm()
	e.serves(t, place)
}

// request is what a caller gets. One that the attack keeps waiting leaves after a while.
func (e *attacked) request(t *testing.T, method, path, contentType, body string, leaves bool) answer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if leaves {
		defer time.AfterFunc(3*time.Second, cancel).Stop()
	}
	req, err := http.NewRequestWithContext(ctx, method, e.daemon.api+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = resp.Body.Close() }() // read as far as it goes
	got := answer{status: resp.StatusCode, header: resp.Header.Clone()}
	got.body, got.err = io.ReadAll(resp.Body)
	maps.Copy(got.header, resp.Trailer)
	return got
}

// serves waits until the provider, and the one nobody attacks, serve again. What the attack made the daemon think of it may
// have to be taken back first.
func (e *attacked) serves(t *testing.T, place front) {
	t.Helper()
	for _, body := range []string{smallBody, smallChat} {
		err := poll(5*time.Millisecond, patience, nil, func() error {
			got := e.request(t, http.MethodPost, "/v1/chat/completions", "application/json", body, false)
			if got.status == http.StatusOK && got.err == nil {
				return nil
			}
			if bytes.Contains(got.body, []byte("provider_suspended")) {
				_ = e.accept(e.net.Providers[0].Address()) // it may not have been looked at yet: then once more
			}
			return fmt.Errorf("%s is attacked, and then: %d %.300q, %w", place.name, got.status, got.body, got.err)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// on is the world as one subtest sees it.
func (e *attacked) on(t *testing.T) *world {
	t.Helper()
	w := *e.world
	w.T = t
	return &w
}

// passive are the types that neither a browser nor anything else runs.
var passive = regexp.MustCompile(`^(application/(json|x-ndjson|octet-stream)|text/(plain|event-stream|vtt)|image/(png|jpeg|gif|webp|avif|bmp)|audio/[a-z0-9.+-]+|video/[a-z0-9.+-]+)$`)

// ours are the headers that a caller may get at all.
var ours = regexp.MustCompile(`^(Content-(Type|Length|Range|Encoding|Disposition|Security-Policy)|Cross-Origin-Resource-Policy|X-Content-Type-Options|` +
	`Date|Vary|Etag|Last-Modified|Accept-Ranges|Cache-Control|Retry-After(-Ms)?|X-Should-Retry|Trailer|X-Accel-Buffering|Allow|Connection|` +
	`X-Request-Id|Request-Id|X-Zgproxy-[A-Za-z-]+|Zg-Res-Key|Provider|X-0g-Fee|X-0g-Audio-Duration-Seconds|(X|Anthropic)-Ratelimit-[!-~]+)$`)

// escape is one of JSON's.
var escape = regexp.MustCompile(`\\u[0-9a-fA-F]{4}`)

// undone is text as a reader of JSON comes to see it, however often it was escaped.
func undone(s string) string {
	for range 3 {
		s = escape.ReplaceAllStringFunc(s, func(e string) string {
			n, err := strconv.ParseUint(e[2:], 16, 16)
			if err != nil {
				return e
			}
			return string(rune(n))
		})
	}
	return s
}

// unharmed: what a caller got can do nothing to him, and does not say what only the proxy may say.
func unharmed(t *testing.T, got answer) {
	t.Helper()
	if got.header == nil {
		if got.err == nil || !errors.Is(got.err, context.Canceled) {
			t.Errorf("no answer at all: %v", got.err)
		}
		return
	}
	switch s := got.status; {
	case s >= 300 && s < 400 && s != http.StatusNotModified, s == http.StatusUnauthorized, s == http.StatusPaymentRequired,
		s == http.StatusProxyAuthRequired, s >= 600, s < 200:
		t.Errorf("the caller got status %d", s)
	case s >= 400 && s != http.StatusRequestedRangeNotSatisfiable && !bytes.Contains(got.body, []byte(`"error"`)):
		t.Errorf("status %d and no error object: %.200q", s, got.body)
	}
	base, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
	if !passive.MatchString(base) && got.status != http.StatusNoContent && got.status != http.StatusNotModified {
		t.Errorf("type %q", got.header.Get("Content-Type"))
	}
	if base == "application/octet-stream" && got.header.Get("Content-Disposition") != "attachment" {
		t.Errorf("%s is shown: %q", base, got.header.Get("Content-Disposition"))
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"} {
		if got.header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.header.Get(name), want)
		}
	}
	if got.header.Get("Cross-Origin-Resource-Policy") == "" || got.header.Get("Cross-Origin-Resource-Policy") == "cross-origin" {
		t.Errorf("Cross-Origin-Resource-Policy: %q", got.header.Get("Cross-Origin-Resource-Policy"))
	}
	for name, values := range got.header {
		value := strings.Join(values, "\n")
		switch {
		case !ours.MatchString(name):
			t.Errorf("the caller got a header %s: %.100q", name, value)
		case strings.HasPrefix(name, "X-Zgproxy-") && strings.Contains(value, evil.Marker), name == "X-Request-Id" && strings.Contains(value, evil.Marker):
			t.Errorf("the provider spoke for the proxy: %s: %q", name, value)
		case strings.Contains(undone(value), "app-sk-"):
			t.Errorf("%s has the session token: %.100q", name, value)
		case len(value) > 2<<10, !utf8.ValidString(value), strings.ContainsFunc(value, unicode.IsControl):
			t.Errorf("%s is long, or no text: %.100q", name, value)
		}
	}
	if got.status >= 400 && strings.Contains(undone(string(got.body)), "app-sk-") {
		t.Errorf("the error has the session token: %.300q", got.body)
	}
}
