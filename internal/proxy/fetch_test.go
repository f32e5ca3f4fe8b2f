package proxy

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// newFetchRig is a provider of videos and one of pictures, whose job "video_known" is on record.
func newFetchRig(t *testing.T, enforce bool, upstream http.HandlerFunc) *rig {
	t.Helper()
	var at0 string
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		at0 = "http://" + r.Host
		upstream(w, r)
	}, func(cfg *Config) {
		cfg.Enforce = enforce
		cfg.HoldBytes = 1 << 20
		cfg.Receipt = func(_ context.Context, id string) (zg.AnswerReceipt, bool, error) {
			return zg.AnswerReceipt{ID: "req_1", Provider: cheap.Hex()}, id == "video_known", nil
		}
	})
	// Where the upstream listens shows in what it is asked.
	if resp, _ := r.chat(`{"model":"chat-1"}`); resp == nil || at0 == "" {
		t.Fatal("the upstream was not reached")
	}
	r.forget()
	r.server.SetRoutes(route.Build(&zg.Directory{Services: []zg.Service{
		at(at0, service(cheap, zg.VideoGeneration, "film-1", 0, 1)), at(at0, service(dear, zg.VideoGeneration, "film-2", 0, 1)),
		at(at0, service(multi, zg.TextToImage, "paint-1", 0, 1)),
	}}, nil, route.Options{Allowed: []common.Address{cheap, dear, multi}}))
	return r
}

func TestFetchedIDs(t *testing.T) {
	var path atomic.Pointer[string]
	var asked atomic.Int64
	r := newFetchRig(t, false, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		p := r.URL.EscapedPath()
		path.Store(&p)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"video_known","status":"queued"}`)
	})
	for _, tc := range []struct {
		path, header, upstream string
		status                 int
	}{
		{"/v1/videos/video_known", "", "/v1/proxy/videos/video_known", 200},
		{"/v1/videos/video_known/content", "", "/v1/proxy/videos/video_known/content", 200},
		{"/v1/videos/video_other", "", "", 404}, // two providers may have it
		{"/v1/videos/video_other", dear.Hex(), "/v1/proxy/videos/video_other", 200},
		{"/v1/videos/video_other", multi.Hex(), "", 404},
		{"/v1/async/jobs/job-1", "", "/v1/async/jobs/job-1", 200}, // only one may have it
		{"/v1/videos/..", "", "", 404},
		{"/v1/videos/%2e%2e", "", "", 404},
		{"/v1/videos/a..b", "", "", 404},
		{"/v1/videos/a%2fb", "", "", 404},
		{"/v1/videos/a%00b", "", "", 404},
		{"/v1/videos/-a", "", "", 404},
		{"/v1/videos/" + strings.Repeat("a", 200), "", "", 404},
		{"/v1/images/" + multi.Hex() + "/a-key/0", "", "/v1/proxy/images/a-key/0", 200},
		{"/v1/images/" + multi.Hex() + "/..%2f..%2fx/0", "", "", 404},
		{"/v1/images/" + multi.Hex() + "/a-key/x", "", "", 404},
		{"/v1/images/0x00000000000000000000000000000000000000aa/a-key/0", "", "", 404},
	} {
		path.Store(nil)
		before := asked.Load()
		resp, text := r.do(http.MethodGet, tc.path, "", nil, providerHeader, tc.header)
		if resp.StatusCode != tc.status {
			t.Errorf("%s of %q: %d %s, want %d", tc.path, tc.header, resp.StatusCode, text, tc.status)
		}
		switch got := path.Load(); {
		case tc.upstream == "" && asked.Load() != before:
			t.Errorf("%s reached the provider as %s", tc.path, *got)
		case tc.upstream != "" && (got == nil || *got != tc.upstream):
			t.Errorf("%s did not reach the provider as %s", tc.path, tc.upstream)
		}
		if tc.status == http.StatusNotFound && !strings.Contains(text, `"code":"`) {
			t.Errorf("%s: %q is not in the shape of an error", tc.path, text)
		}
	}
}

func TestFetchedErrors(t *testing.T) {
	var answer atomic.Pointer[http.HandlerFunc]
	r := newFetchRig(t, false, func(w http.ResponseWriter, r *http.Request) {
		if h := answer.Load(); h != nil {
			(*h)(w, r)
		}
	})
	set := func(h http.HandlerFunc) { answer.Store(&h) }
	set(refuses(http.StatusForbidden, `{"error":{"message":"not the owner"}}`))
	if resp, text := r.do(http.MethodGet, "/v1/videos/video_known", "", nil); resp.StatusCode != http.StatusForbidden || !strings.Contains(text, "not the owner") {
		t.Errorf("a refusal: %d %s, want the provider's own", resp.StatusCode, text)
	}
	set(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "not all of it")
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/v1/videos/video_known/content", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return // broken off before anything was passed on
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("a video that is cut ends well: %d %q", resp.StatusCode, text)
	}
}

func TestWhatIsNotSignedIsNotServedWhereThatCounts(t *testing.T) {
	var asked atomic.Int64
	r := newFetchRig(t, true, func(w http.ResponseWriter, _ *http.Request) { asked.Add(1); w.WriteHeader(http.StatusTeapot) })
	before := asked.Load()
	for _, tc := range []struct{ method, path, body string }{
		{http.MethodGet, "/v1/videos/video_known", ""},
		{http.MethodGet, "/v1/images/" + multi.Hex() + "/a-key/0", ""},
		{http.MethodPost, "/v1/videos", `{"model":"film-1","prompt":"a cat"}`},
		{http.MethodPost, "/v1/audio/speech", `{"model":"v","input":"hi"}`},
		{http.MethodPost, "/v1/async/images/generations", `{"model":"paint-1","prompt":"a cat"}`},
	} {
		resp, text := r.do(tc.method, tc.path, "application/json", strings.NewReader(tc.body))
		if resp.StatusCode != http.StatusForbidden || !strings.Contains(text, "operation_unsigned") {
			t.Errorf("%s: %d %s, want 403 operation_unsigned", tc.path, resp.StatusCode, text)
		}
	}
	if n := asked.Load(); n != before {
		t.Errorf("%d of these reached the provider", n-before)
	}
}
