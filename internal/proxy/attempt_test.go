package proxy

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// chain3 is three providers of one model, tried in the order cheap, dear, multi.
type chain3 struct {
	*rig
	asked [3]atomic.Int64
}

func newChain3(t *testing.T, change func(*Config), behave ...http.HandlerFunc) *chain3 {
	t.Helper()
	c := &chain3{}
	c.rig = newRig(t, nil, func(cfg *Config) {
		cfg.MaxAttempts, cfg.FailoverWithin = 3, time.Minute
		cfg.Board = route.NewBoard(route.BoardConfig{Policy: route.Priority})
		if change != nil {
			change(cfg)
		}
	})
	var services []zg.Service
	order := []common.Address{cheap, dear, multi}
	for i, h := range behave {
		up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.asked[i].Add(1)
			h(w, r)
		}))
		t.Cleanup(up.Close)
		for _, kind := range []zg.ServiceType{zg.Chatbot, zg.SpeechToText, zg.VideoGeneration} {
			model := map[zg.ServiceType]string{zg.Chatbot: "chat-1", zg.SpeechToText: "hear-1", zg.VideoGeneration: "film-1"}[kind]
			services = append(services, at(up.URL, service(order[i], kind, model, uint64(3+i), uint64(4+i))))
		}
	}
	c.server.SetRoutes(route.Build(&zg.Directory{Services: services}, nil, route.Options{Allowed: order}))
	return c
}

func (c *chain3) counts() string {
	return fmt.Sprint(c.asked[0].Load(), c.asked[1].Load(), c.asked[2].Load())
}

func good(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, answer)
}

// hangUp breaks the connection after the request was read and n bytes of the answer were sent.
func hangUp(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if answer != "" {
			_, _ = io.WriteString(w, answer)
			_ = http.NewResponseController(w).Flush()
		}
		panic(http.ErrAbortHandler)
	}
}

func refuses(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const chatBody = `{"model":"chat-1","messages":[{"role":"user","content":"hi"}],"max_tokens":10}`

func TestAnotherProviderIsTried(t *testing.T) {
	for name, tc := range map[string]struct {
		first http.HandlerFunc
		basis string // of the attempt that failed
	}{
		"broken connection": {hangUp(""), "estimated"},
		"a header and no more": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			hangUp("")(headed{w}, r)
		}, "estimated"},
		"5xx":                      {refuses(500, `{"error":"failed"}`), "free"},
		"no funds":                 {refuses(400, `{"error":"insufficient balance: too little"}`), "free"},
		"a refused token, twice":   {refuses(400, `{"error":"validate session: session token expired"}`), "free"},
		"a page of an ingress":     {refuses(502, `<html>Bad Gateway</html>`), "free"},
		"nothing of an SSE answer": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/event-stream") }, "estimated"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newChain3(t, nil, tc.first, good, good)
			resp, text := c.chat(chatBody)
			if resp.StatusCode != http.StatusOK || text != answer || resp.Header.Get(providerHeader) != dear.Hex() {
				t.Fatalf("answered %d from %s: %s", resp.StatusCode, resp.Header.Get(providerHeader), text)
			}
			id := resp.Header.Get("X-Request-Id")
			first, second := strings.CutSuffix(id, "-2")
			if !second {
				t.Fatalf("request id %q, want that of the second attempt", id)
			}
			if rec := c.record(resp); rec.Provider != dear.Hex() || rec.Basis != zg.FeeExact {
				t.Errorf("booked %+v, want an exact fee of the second provider", rec)
			}
			if err := c.store.Flush(); err != nil {
				t.Fatal(err)
			}
			rec, ok, err := c.store.Request(t.Context(), first)
			if err != nil || !ok || rec.Provider != cheap.Hex() || string(rec.Basis) != tc.basis || (tc.basis == "free") != rec.Fee.IsZero() {
				t.Errorf("the first attempt: %+v, found %v, %v; want it booked as %s", rec, ok, err, tc.basis)
			}
			if text := c.counts(); !strings.HasSuffix(text, "1 0") {
				t.Errorf("asked %s times", text)
			}
		})
	}
}

// headed sends its header before it breaks off.
type headed struct{ http.ResponseWriter }

func (h headed) Write(p []byte) (int, error) { return h.ResponseWriter.Write(p) }

func TestNoOtherProviderIsTried(t *testing.T) {
	const partly = `{"id":"chatcmpl-1","choi`
	for name, tc := range map[string]struct {
		first  http.HandlerFunc
		status int
	}{
		"the caller's own fault": {refuses(400, `{"error":{"message":"temperature is out of range","type":"invalid_request_error"}}`), 400},
		"part of a document":     {hangUp(partly), 502},
		"part of a document, later": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			hangUp(partly)(w, r)
		}, 502},
	} {
		t.Run(name, func(t *testing.T) {
			c := newChain3(t, nil, tc.first, good, good)
			resp, text := c.chat(chatBody)
			if resp.StatusCode != tc.status || c.counts() != "1 0 0" {
				t.Errorf("answered %d, asked %s: %s", resp.StatusCode, c.counts(), text)
			}
		})
	}
}

func TestAllProvidersFail(t *testing.T) {
	busy := refuses(429, `{"error":{"message":"Rate limit exceeded. Please wait 2 seconds","type":"rate_limit_error"}}`)
	c := newChain3(t, nil, hangUp(""), refuses(500, `{"error":"failed"}`), refuses(503, `{"error":{"message":"no room","type":"server_error"}}`))
	resp, text := c.chat(chatBody)
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "no room") || c.counts() != "1 1 1" {
		t.Errorf("answered %d, asked %s: %s; want what the last one said", resp.StatusCode, c.counts(), text)
	}
	if !strings.HasSuffix(resp.Header.Get("X-Request-Id"), "-3") {
		t.Errorf("request id %s", resp.Header.Get("X-Request-Id"))
	}
	two := newChain3(t, func(cfg *Config) { cfg.MaxAttempts = 2 }, busy, busy, good)
	if resp, text := two.chat(chatBody); resp.StatusCode == http.StatusOK || two.counts() != "1 1 0" {
		t.Errorf("with two attempts: answered %d, asked %s: %s", resp.StatusCode, two.counts(), text)
	}
	late := newChain3(t, func(cfg *Config) { cfg.FailoverWithin = 0 }, hangUp(""), good, good)
	if resp, text := late.chat(chatBody); resp.StatusCode != http.StatusBadGateway || late.counts() != "1 0 0" {
		t.Errorf("too late: answered %d, asked %s: %s", resp.StatusCode, late.counts(), text)
	}
}

func TestPinnedProvider(t *testing.T) {
	c := newChain3(t, nil, good, good, good)
	for _, how := range []func() (*http.Response, string){
		func() (*http.Response, string) { return c.chat(chatBody, providerHeader, strings.ToLower(multi.Hex())) },
		func() (*http.Response, string) {
			return c.chat(strings.Replace(chatBody, "chat-1", multi.Hex()+"/chat-1", 1))
		},
	} {
		if resp, text := how(); resp.StatusCode != http.StatusOK || resp.Header.Get(providerHeader) != multi.Hex() {
			t.Errorf("answered %d from %s: %s", resp.StatusCode, resp.Header.Get(providerHeader), text)
		}
	}
	pinned := newChain3(t, nil, hangUp(""), good, good)
	if resp, text := pinned.chat(chatBody, providerHeader, cheap.Hex()); resp.StatusCode != http.StatusBadGateway || pinned.counts() != "1 0 0" {
		t.Errorf("a pinned provider that fails: answered %d, asked %s: %s", resp.StatusCode, pinned.counts(), text)
	}
}

func TestUploadIsTriedAgain(t *testing.T) {
	upload := func(size int) (string, *bytes.Buffer) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		_ = w.WriteField("model", "hear-1")
		f, _ := w.CreateFormFile("file", "a.wav")
		_, _ = f.Write(bytes.Repeat([]byte("0123456789abcdef"), size/16))
		_ = w.Close()
		return w.FormDataContentType(), &b
	}
	heard := func(size int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			f, _, err := r.FormFile("file")
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			n, _ := io.Copy(io.Discard, f)
			if int(n) != size || r.FormValue("model") != "hear-1" {
				http.Error(w, fmt.Sprintf("%d bytes for %s", n, r.FormValue("model")), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"text":"hello","usage":{"type":"duration","seconds":3}}`)
		}
	}
	// Half of the file was read when the first one went.
	half := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, 64<<10)
		panic(http.ErrAbortHandler)
	}
	c := newChain3(t, nil, half, refuses(400, `{"error":"validate session: session token expired"}`), heard(256<<10))
	kind, body := upload(256 << 10)
	if resp, text := c.do(http.MethodPost, "/v1/audio/transcriptions", kind, body); resp.StatusCode != http.StatusOK || resp.Header.Get(providerHeader) != multi.Hex() {
		t.Errorf("answered %d from %s: %s", resp.StatusCode, resp.Header.Get(providerHeader), text)
	}
	large := newChain3(t, func(cfg *Config) { cfg.MaxBody = 8 << 20 }, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}, heard(4<<20), heard(4<<20))
	kind, body = upload(4 << 20)
	if resp, text := large.do(http.MethodPost, "/v1/audio/transcriptions", kind, body); resp.StatusCode != http.StatusBadGateway || large.counts() != "1 0 0" {
		t.Errorf("more than is kept: answered %d, asked %s: %s", resp.StatusCode, large.counts(), text)
	}
}

func TestWhatLastsIsNotBegunTwice(t *testing.T) {
	c := newChain3(t, nil, hangUp(""), good, good)
	resp, text := c.do(http.MethodPost, "/v1/videos", "application/json", strings.NewReader(`{"model":"film-1","prompt":"a cat"}`))
	if resp.StatusCode != http.StatusBadGateway || c.counts() != "1 0 0" {
		t.Errorf("answered %d, asked %s: %s", resp.StatusCode, c.counts(), text)
	}
	// Nothing arrived where nobody listens.
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + l.Addr().String()
	_ = l.Close()
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"video_1","object":"video","status":"queued"}`)
	}))
	t.Cleanup(up.Close)
	c.server.SetRoutes(route.Build(&zg.Directory{Services: []zg.Service{
		at(gone, service(cheap, zg.VideoGeneration, "film-1", 0, 1)), at(up.URL, service(dear, zg.VideoGeneration, "film-1", 0, 2)),
	}}, nil, route.Options{Allowed: []common.Address{cheap, dear}}))
	resp, text = c.do(http.MethodPost, "/v1/videos", "application/json", strings.NewReader(`{"model":"film-1","prompt":"a cat"}`))
	if resp.StatusCode != http.StatusOK || resp.Header.Get(providerHeader) != dear.Hex() {
		t.Errorf("answered %d from %s: %s", resp.StatusCode, resp.Header.Get(providerHeader), text)
	}
	if rec := c.record(resp); rec.Basis != zg.FeeEstimated || rec.Fee.IsZero() {
		t.Errorf("booked %+v, want an estimate until the video is done", rec)
	}
}

func TestEndpointIsUnpaidAndUnverified(t *testing.T) {
	var auth, path atomic.Pointer[string]
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, p := r.Header.Get("Authorization"), r.URL.Path
		auth.Store(&a)
		path.Store(&p)
		good(w, r)
	}))
	t.Cleanup(up.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c := newChain3(t, func(cfg *Config) {
		cfg.Direct, cfg.EndpointKey = transport, func(id string) string { return "Bearer key-of-" + id }
	}, hangUp(""))
	dir := &zg.Directory{Services: []zg.Service{at("http://127.0.0.1:1", service(cheap, zg.Chatbot, "chat-1", 3, 4))}}
	endpoint := []route.Endpoint{{ID: "local", URL: up.URL + "/v1", Models: []string{"chat-1"}, Priority: 9}}
	c.server.SetRoutes(route.Build(dir, nil, route.Options{Allowed: []common.Address{cheap}, Endpoints: endpoint}))
	resp, text := c.chat(chatBody, "Authorization", "Bearer callers-own")
	if resp.StatusCode != http.StatusOK || text != answer {
		t.Fatalf("answered %d: %s", resp.StatusCode, text)
	}
	for name, want := range map[string]string{providerHeader: "endpoint:local", feeBasis: "unpaid", feeNeuron: "0", verdictHeader: "not-signed", verdictCode: codeEndpoint} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if *auth.Load() != "Bearer key-of-local" || *path.Load() != "/v1/chat/completions" {
		t.Errorf("it was asked at %s as %q", *path.Load(), *auth.Load())
	}
	if len(c.seen) != 0 {
		t.Errorf("its answer was submitted for checking: %+v", c.seen)
	}
	if err := c.store.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := c.store.Request(t.Context(), resp.Header.Get("X-Request-Id")); ok || err != nil {
		t.Errorf("it is in the book: %v, %v", ok, err)
	}
	c.server.SetRoutes(route.Build(dir, nil, route.Options{Allowed: []common.Address{cheap}, Endpoints: endpoint, Enforce: true}))
	if resp, text := c.chat(chatBody, providerHeader, "local"); resp.StatusCode == http.StatusOK {
		t.Errorf("where only verified answers count it was asked: %s", text)
	}
}
