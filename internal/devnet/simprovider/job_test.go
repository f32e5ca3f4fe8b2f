package simprovider

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// stranger is a token of another wallet.
func (s *site) stranger() string {
	s.t.Helper()
	key := seedKey(s.t, "somebody else")
	tok := s.goodToken()
	tok.Address = addressOf(key).Hex()
	return mint(s.t, key, tok)
}

// as asks with another token.
func (s *site) as(token, path string) answer {
	s.t.Helper()
	r := s.request(s.t.Context(), http.MethodGet, path, "", "")
	r.Header.Set("Authorization", token)
	return s.do(r)
}

func videoSite(t *testing.T, change func(*Config)) *site {
	t.Helper()
	return start(t, func(c *Config) {
		c.Type, c.Model = zg.VideoGeneration, "film-1"
		if change != nil {
			change(c)
		}
	})
}

func TestVideo(t *testing.T) {
	s := videoSite(t, nil)
	created, body := s.postForm("/v1/proxy/videos", "model", "film-1", "prompt", "a walk", "seconds", "7.5", "size", "1280x720")
	created.must(t)
	s.last(1) // is on record before the end of the job
	key := created.header.Get("ZG-Res-Key")
	boundary := body[2:strings.Index(body, "\r\n")]
	upstream := strings.TrimSuffix(body, "--"+boundary+"--\r\n") +
		"--" + boundary + "\r\nContent-Disposition: form-data; name=\"wait\"\r\n\r\nfalse\r\n--" + boundary + "--\r\n"
	signs := func(a answer) {
		t.Helper()
		if text, signer := s.signature(key); text != hexSum(upstream)+":"+hexSum(a.body) || signer != s.Signer() {
			t.Errorf("text = %s by %s, want the digest of %s", text, signer, a.body)
		}
	}
	signs(created)
	v := decode[videoObject](t, created.body)
	if !strings.HasPrefix(v.ID, "video_") || v.Object != "video" || v.Status != "queued" || v.Seconds != "7.5" || v.Size != "1280x720" || v.Error != nil {
		t.Errorf("video = %s", created.body)
	}
	path := "/v1/proxy/videos/" + v.ID
	s.get(path+"/content").wants(t, 404, "the video is not ready")
	half := s.get(path).must(t)
	if !strings.Contains(half.body, `"status":"in_progress","progress":50`) || half.header.Get("ZG-Res-Key") != key || !s.Unsettled(s.user).IsZero() {
		t.Errorf("poll = %s with key %q", half.body, half.header.Get("ZG-Res-Key"))
	}
	signs(created) // still the only thing that is signed
	done := s.get(path).must(t)
	if !strings.Contains(done.body, `"status":"completed","progress":100`) || done.header.Get("ZG-Res-Key") != key {
		t.Errorf("poll = %s with key %q", done.body, done.header.Get("ZG-Res-Key"))
	}
	signs(done)
	if again := s.get(path).must(t); again.body != done.body {
		t.Errorf("another poll = %s, want %s", again.body, done.body)
	}
	if e := s.last(2); e.Fee != testPrice.Output.Mul(8) || e.Path != "/videos/"+v.ID || e.ResKey != key || s.Unsettled(s.user) != e.Fee {
		t.Errorf("record = %+v, want eight seconds, once", e)
	}
	film := s.get(path + "/content").must(t)
	if film.header.Get("Content-Type") != "video/mp4" || film.header.Get("ZG-Res-Key") != "" || len(film.body) != 64<<10 {
		t.Errorf("content = %d bytes, headers %v", len(film.body), film.header)
	}
	r := s.request(t.Context(), http.MethodGet, path+"/content", "", "")
	r.Header.Set("Range", "bytes=4-11")
	s.do(r).wants(t, 206, "ftypmp42")

	stranger := s.stranger()
	for _, p := range []string{path, path + "/content"} {
		s.as(stranger, p).wants(t, 403, "your own")
		s.as("", p).wants(t, 400, "missing or invalid Authorization header")
	}
	for _, p := range []string{"/v1/proxy/videos/", "/v1/proxy/videos/..", "/v1/proxy/videos/./content", "/v1/proxy/videos//content"} {
		s.get(p).wants(t, 400, "missing video job id")
	}
	s.get("/v1/proxy/videos/video_x").wants(t, 404, "not found")
	s.get(path+"/remix").wants(t, 400, "endpoint not supported")
}

func TestVideosThatFail(t *testing.T) {
	s := videoSite(t, func(c *Config) { c.JobPolls = 1 })
	body := `{"model":"film-1","prompt":"fail: too dark","seconds":8}`
	a := s.post("/videos", body).must(t)
	s.last(1)
	done := s.get("/v1/proxy/videos/" + decode[videoObject](t, a.body).ID).must(t)
	if v := decode[videoObject](t, done.body); v.Status != "failed" || v.Error == nil || !s.last(2).Fee.IsZero() || !s.Unsettled(s.user).IsZero() {
		t.Errorf("video = %s, fee %s", done.body, s.last(2).Fee)
	}
	if text, _ := s.signature(a.header.Get("ZG-Res-Key")); text != hexSum(body)+":"+hexSum(done.body) {
		t.Errorf("text = %s", text)
	}
	for _, seconds := range []string{`0`, `"x"`, `121`, `true`} {
		s.post("/videos", `{"model":"film-1","prompt":"x","seconds":`+seconds+`}`).wants(t, 400, "seconds must be")
	}
	s.post("/videos", `{"model":"film-1"}`).wants(t, 400, "prompt must not be empty")
}

// With a delay, a video is done and billed though nobody asks for it.
func TestVideoEndsByItself(t *testing.T) {
	s := videoSite(t, func(c *Config) { c.JobDelay = time.Millisecond })
	s.post("/videos", `{"model":"film-1","prompt":"x"}`).must(t)
	s.last(2)
	if all := s.Exchanges(); all[0].Fee.Add(all[1].Fee) != testPrice.Output.Mul(4) { // the job may be done before its request is
		t.Errorf("records = %+v, want four seconds", all)
	}
}

// A video that was under way at a restart ends by itself after it, as real providers keep them in a database.
func TestVideoEndsAfterARestart(t *testing.T) {
	s := videoSite(t, func(c *Config) { c.JobDelay = 10 * time.Minute })
	s.post("/videos", `{"model":"film-1","prompt":"x"}`).must(t)
	if !s.Unsettled(s.user).IsZero() {
		t.Fatal("it was billed before its end")
	}
	s.clock.advance(10 * time.Minute)
	p, err := s.Restart()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() }) // it is only waited for
	all, err := p.WaitExchanges(t.Context(), 2)
	if err != nil || all[1].Fee != testPrice.Output.Mul(4) {
		t.Errorf("records = %+v, %v, want four seconds", all, err)
	}
}

func asyncSite(t *testing.T, change func(*Config)) *site {
	t.Helper()
	return start(t, func(c *Config) {
		c.Type, c.Model, c.JobQueue = zg.TextToImage, "image-1", 1
		if change != nil {
			change(c)
		}
	})
}

func (s *site) submit(body string) answer {
	s.t.Helper()
	return s.do(s.request(s.t.Context(), http.MethodPost, "/v1/async/images/generations", "application/json", body))
}

func TestAsyncImages(t *testing.T) {
	s := asyncSite(t, nil)
	body := `{"model":"image-1","prompt":"an otter","n":2}`
	a := s.submit(body)
	a.wants(t, 202, `"status":"pending"`)
	id := decode[asyncReply](t, a.body).ID
	if want := fmt.Sprintf(`{"jobId":%q,"status":"pending"}`, id); a.body != want || a.header.Get("ZG-Res-Key") != "" {
		t.Errorf("answer = %s with key %q, want %s", a.body, a.header.Get("ZG-Res-Key"), want)
	}
	s.last(1) // is on record before the end of the job
	s.submit(body).wants(t, 400, "async job queue is full, please try again later")
	s.last(2)
	path := "/v1/async/jobs/" + id
	s.as(s.stranger(), path).wants(t, 403, "your own")
	s.get(path+"0").wants(t, 404, `{"error":"job not found"}`)
	busy := s.get(path).must(t)
	if !strings.Contains(busy.body, `"status":"processing","createdAt":"2026-01-01T00:00:00Z"`) || busy.header.Get("Retry-After") != "5" ||
		busy.header.Get("ZG-Res-Key") != "" || !s.Unsettled(s.user).IsZero() {
		t.Errorf("poll = %s, headers %v", busy.body, busy.header)
	}
	done := s.get(path).must(t)
	reply := decode[asyncReply](t, done.body)
	digests := imageDigests(reply.Data)
	if reply.Status != jobCompleted || done.header.Get("Retry-After") != "" || len(digests) != 2 {
		t.Fatalf("poll = %.200s, headers %v", done.body, done.header)
	}
	if text, signer := s.signature(done.header.Get("ZG-Res-Key")); text != hexSum(body)+":"+strings.Join(digests, ",") || signer != s.Signer() {
		t.Errorf("text = %s by %s", text, signer)
	}
	if fee := testPrice.Output.Mul(2); s.last(3).Fee != fee || s.Unsettled(s.user) != fee {
		t.Errorf("fee = %s, want %s", s.last(3).Fee, fee)
	}
	s.submit(`{"model":"image-1","prompt":"fail: no"}`).wants(t, 202, "jobId")
	s.submit(`{"model":"gpt","prompt":"x"}`).wants(t, 400, "model not supported")
	s.chain.hold(s.user, zg.OneOG)
	s.submit(body).wants(t, 400, "insufficient balance")
}

func TestAsyncJobsThatFail(t *testing.T) {
	s := asyncSite(t, func(c *Config) { c.JobPolls = 1 })
	id := decode[asyncReply](t, s.submit(`{"model":"image-1","prompt":"fail: no"}`).body).ID
	s.last(1)
	s.get("/v1/async/jobs/"+id).wants(t, 200, `"errorMessage":"the model server has failed"`)
	if e := s.last(2); !e.Fee.IsZero() || e.ResKey != "" {
		t.Errorf("record = %+v, want it free and unsigned", e)
	}
	off := asyncSite(t, func(c *Config) { c.JobQueue = -1 })
	off.submit(`{"model":"image-1","prompt":"x"}`).wants(t, 503, "async processing is not enabled")
	edits := start(t, func(c *Config) { c.Type, c.Model, c.JobPolls = zg.ImageEditing, "retouch-1", 1 })
	a, body := edits.postForm("/v1/async/images/edits", "model", "retouch-1", "prompt", "x", "@image", "one")
	a.wants(t, 202, "jobId")
	done := edits.get("/v1/async/jobs/" + decode[asyncReply](t, a.body).ID).must(t)
	digests := imageDigests(decode[asyncReply](t, done.body).Data)
	if text, _ := edits.signature(done.header.Get("ZG-Res-Key")); len(digests) != 1 || text != hexSum(body)+":"+digests[0] {
		t.Errorf("text = %s, want the form's digest and that of one image", text)
	}
}
