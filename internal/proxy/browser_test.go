package proxy

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// A provider chooses the type of what it sends. Whatever it says, a browser does not take it for a page of ours:
// neither what was fetched, nor an answer, nor an error.
func TestAProviderMakesNoPagesOfOurs(t *testing.T) {
	const page = "<html><script>fetch('/v1/chat/completions',{method:'POST'})</script></html>"
	var kind atomic.Pointer[[]string]
	var status atomic.Int64
	status.Store(http.StatusOK)
	r := newFetchRig(t, false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		if given := kind.Load(); given != nil {
			w.Header()["Content-Type"] = *given
		}
		w.Header().Set("Content-Disposition", `inline; filename="page.html"`)
		w.Header().Set("Refresh", "0; url=/v1/models")
		w.Header().Set("Link", "</x>; rel=preload; as=script")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		w.Header().Set("Content-Security-Policy", "default-src *")
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, page)
	})
	type ask struct{ method, path, body string }
	picture := ask{http.MethodGet, "/v1/images/" + multi.Hex() + "/a-key/0", ""}
	asks := []ask{
		picture,
		{http.MethodGet, "/v1/videos/video_known", ""},
		{http.MethodGet, "/v1/videos/video_known/content", ""},
		{http.MethodGet, "/v1/async/jobs/job-1", ""},
		{http.MethodPost, "/v1/images/generations", `{"model":"paint-1","prompt":"x"}`},
		{http.MethodPost, "/v1/videos", `{"model":"film-1","prompt":"x"}`},
		{http.MethodPost, "/v1/async/images/generations", `{"model":"paint-1","prompt":"x"}`},
	}
	check := func(a ask, given []string) {
		t.Helper()
		r.forget()
		resp, text := r.do(a.method, a.path, "application/json", strings.NewReader(a.body), "Sec-Fetch-Site", "none")
		h := resp.Header
		if got := h.Get("Content-Type"); got != "application/octet-stream" && got != "application/json" {
			t.Errorf("%s %s of %q: %d %s has the type %q", a.method, a.path, given, resp.StatusCode, text, got)
		}
		if page := strings.Contains(text, "<html>"); page &&
			(h.Get("Content-Type") != "application/octet-stream" || h.Get("Content-Disposition") != "attachment") {
			t.Errorf("%s %s of %q: a browser shows it: %v", a.method, a.path, given, h)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != "sandbox; default-src 'none'" ||
			h.Get("Cross-Origin-Resource-Policy") != "same-origin" ||
			h.Get("Refresh") != "" || h.Get("Link") != "" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s of %q: header %v", a.method, a.path, given, h)
		}
	}
	for _, given := range [][]string{
		nil,
		{"text/html"},
		{"Text/HTML; charset=utf-8"},
		{"image/svg+xml"},
		{"application/xhtml+xml"},
		{"text/xml"},
		{"image/png, text/html"},
		{"multipart/x-mixed-replace; boundary=x"},
		{"application/pdf"},
		{"text/javascript"},
		{"nonsense"},
	} {
		kind.Store(&given)
		for _, a := range asks {
			for _, code := range []int64{200, 202, 206, 302, 404, 500} {
				status.Store(code)
				check(a, given)
			}
		}
	}
	// What is passive stays what it is.
	status.Store(http.StatusOK)
	for _, given := range []string{"image/png", "image/webp", "video/mp4", "application/json; charset=utf-8", "text/plain"} {
		kind.Store(&[]string{given})
		resp, text := r.do(http.MethodGet, picture.path, "", nil)
		if resp.StatusCode != http.StatusOK || text != page || resp.Header.Get("Content-Type") != given ||
			resp.Header.Get("Content-Disposition") != `inline; filename="page.html"` {
			t.Errorf("%s: %d %v", given, resp.StatusCode, resp.Header)
		}
	}
}

// A page that is none of ours makes no calls with the wallet's token, not even with pictures that nobody sees.
func TestForeignPagesMakeNoCalls(t *testing.T) {
	var asked atomic.Int64
	r := newFetchRig(t, false, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "image/png")
		_, _ = io.WriteString(w, "a picture")
	})
	r.server.origins = []string{friend}
	before := asked.Load()
	for range 20 {
		for _, dest := range []string{"image", "video", "iframe", "document", "script", "empty", "object"} {
			resp, text := r.do(http.MethodGet, "/v1/videos/video_known/content", "", nil, "Sec-Fetch-Site", "cross-site",
				"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", dest, "Referer", "https://evil.example/")
			if resp.StatusCode != http.StatusForbidden || !strings.Contains(text, "cross_origin") {
				t.Fatalf("%s: %d %s", dest, resp.StatusCode, text)
			}
		}
	}
	if n := asked.Load() - before; n != 0 {
		t.Errorf("%d calls were made", n)
	}
	resp, text := r.do(http.MethodGet, "/v1/images/"+multi.Hex()+"/a-key/0", "", nil, "Sec-Fetch-Site", "cross-site",
		"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Referer", friend+"/")
	if resp.StatusCode != http.StatusOK || text != "a picture" ||
		resp.Header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
		t.Errorf("a picture in an allowed page: %d %s %v", resp.StatusCode, text, resp.Header)
	}
}

// Several ranges at once would come as a document of many parts, which has no passive type: all of it comes instead.
func TestRangesOfWhatIsFetched(t *testing.T) {
	var asked atomic.Pointer[string]
	r := newFetchRig(t, false, func(w http.ResponseWriter, r *http.Request) {
		given := r.Header.Get("Range")
		asked.Store(&given)
		w.Header().Set("Content-Type", "video/mp4")
		_, _ = io.WriteString(w, "film")
	})
	for given, want := range map[string]string{"bytes=0-1": "bytes=0-1", "bytes=0-1,3-4": "", "": ""} {
		resp, text := r.do(http.MethodGet, "/v1/videos/video_known/content", "", nil, "Range", given)
		if resp.StatusCode != http.StatusOK || text != "film" || *asked.Load() != want {
			t.Errorf("%q: %d, asked for %q, want %q", given, resp.StatusCode, *asked.Load(), want)
		}
	}
}
