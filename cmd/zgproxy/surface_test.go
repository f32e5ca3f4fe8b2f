package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// answered is what a caller got.
type answered struct {
	status int
	header http.Header
	body   []byte
}

// ask sends a request to a URL; header are names and values.
func (w *world) ask(t *testing.T, method, url, contentType, body string, header ...string) answered {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return did(t, httpClient, req)
}

// did is the whole answer to a request.
func did(t *testing.T, client *http.Client, req *http.Request) answered {
	t.Helper()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %d, read %.200q: %v", req.Method, req.URL.Path, resp.StatusCode, text, err)
	}
	return answered{resp.StatusCode, resp.Header, text}
}

// provider is the first one of a model.
func (w *world) provider(model string) *simprovider.Provider {
	w.Helper()
	for _, p := range w.net.Providers {
		if p.Model() == model {
			return p
		}
	}
	w.Fatalf("nobody serves %s", model)
	return nil
}

// received is how many inference requests all providers have seen. A provider puts one on record after its answer's last
// byte, so whoever has the answer may be there first: those under way are waited for.
func (w *world) received() (n int) {
	w.Helper()
	for _, p := range w.net.Providers {
		w.atRest(p)
		n += len(p.Exchanges())
	}
	return n
}

// atRest waits until no request is under way with a provider, so that all are billed and on record.
func (w *world) atRest(p *simprovider.Provider) {
	w.Helper()
	if err := poll(time.Millisecond, patience, nil, func() error {
		if n := p.Active(); n != 0 {
			return fmt.Errorf("%d are under way", n)
		}
		return nil
	}); err != nil {
		w.Fatalf("the requests of %s do not end: %v", p.Model(), err)
	}
}

// field is one part of a form; with a file name it is a file.
type field struct{ name, file, value string }

// form is a body of fields in their order, and its content type.
func form(t *testing.T, fields ...field) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range fields {
		var part io.Writer
		var err error
		if f.file != "" {
			part, err = w.CreateFormFile(f.name, f.file)
		} else {
			part, err = w.CreateFormField(f.name)
		}
		if err == nil {
			_, err = io.WriteString(part, f.value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

// sound is audio of two seconds, as the provider counts them.
var sound = strings.Repeat("sound of the sea", 2000)

// service is a request for each operation in each of its forms.
type service struct {
	name, model, path, json string
	form                    []field // instead of json
	status                  int     // 0: 200
	kind                    string  // content type
	want                    string  // part of the answer
	basis                   zg.FeeBasis
	unsigned                bool
	twice                   string // where the provider is to be asked for the job, with %s for its id
}

var services = []service{
	{
		name: "chat", model: "echo-1", path: "/v1/chat/completions", json: `{"model":"echo-1","messages":[{"role":"user","content":"hello sea"}]}`,
		kind: "application/json", want: "hello sea", basis: zg.FeeExact,
	},
	{
		name: "chat, streamed", model: "echo-1", path: "/v1/chat/completions", json: `{"model":"echo-1","stream":true,"messages":[{"role":"user","content":"hello sea"}]}`,
		kind: "text/event-stream", want: "data: [DONE]\n\n", basis: zg.FeeExact,
	},
	{
		name: "messages", model: "echo-1", path: "/v1/messages", json: `{"model":"echo-1","max_tokens":50,"messages":[{"role":"user","content":"hello sea"}]}`,
		kind: "application/json", want: `"type":"message"`, basis: zg.FeeExact,
	},
	{
		name: "messages, streamed", model: "echo-1", path: "/v1/messages", json: `{"model":"echo-1","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"hello sea"}]}`,
		kind: "text/event-stream", want: "event: message_stop", basis: zg.FeeExact,
	},
	{
		name: "embeddings", model: "vectors-1", path: "/v1/embeddings", json: `{"model":"vectors-1","input":["hello","sea"]}`,
		kind: "application/json", want: `"embedding":[`, basis: zg.FeeExact,
	},
	{
		name: "decisions", model: "judge-1", path: "/v1/decisions", json: `{"model":"judge-1","questions":["is it?","was it?"]}`,
		kind: "application/json", want: `"answers":[`, basis: zg.FeeExact,
	},
	{
		name: "pictures", model: "picture-1", path: "/v1/images/generations", json: `{"model":"picture-1","prompt":"the sea","n":2}`,
		kind: "application/json", want: `"b64_json":"`, basis: zg.FeeExact,
	},
	{
		name: "edits, JSON", model: "retouch-1", path: "/v1/images/edits", json: `{"model":"retouch-1","prompt":"more sea","image":"cGljdHVyZQ=="}`,
		kind: "application/json", want: `"b64_json":"`, basis: zg.FeeExact,
	},
	{
		name: "edits, a form with the model last", model: "retouch-1", path: "/v1/images/edits",
		form: []field{{"image", "a.png", "picture"}, {"mask", "b.png", "mask"}, {"prompt", "", "more sea"}, {"n", "", "3"}, {"model", "", "retouch-1"}},
		kind: "application/json", want: `"b64_json":"`, basis: zg.FeeExact,
	},
	{name: "transcript", model: "speech-1", path: "/v1/audio/transcriptions", form: heard("json"), kind: "application/json", want: `"seconds":2`, basis: zg.FeeExact},
	{name: "transcript, verbose", model: "speech-1", path: "/v1/audio/transcriptions", form: heard("verbose_json"), kind: "application/json", want: `"segments":[`, basis: zg.FeeExact},
	{name: "transcript, text", model: "speech-1", path: "/v1/audio/transcriptions", form: heard("text"), kind: "text/plain", want: "Received 32000 bytes", basis: zg.FeeEstimated},
	{name: "transcript, srt", model: "speech-1", path: "/v1/audio/transcriptions", form: heard("srt"), kind: "application/x-subrip", want: "--> 00:00:02,000", basis: zg.FeeExact},
	{name: "transcript, vtt", model: "speech-1", path: "/v1/audio/transcriptions", form: heard("vtt"), kind: "text/vtt", want: "--> 00:00:02.000", basis: zg.FeeExact},
	{
		name: "transcript, streamed", model: "speech-1", path: "/v1/audio/transcriptions", form: heard("json", field{"stream", "", "true"}),
		kind: "application/x-ndjson", want: `"transcript.text.done"`, basis: zg.FeeExact,
	},
	{
		name: "transcript, the file first", model: "speech-1", path: "/v1/audio/transcriptions",
		form: []field{{"file", "a.wav", sound}, {"response_format", "", "json"}, {"model", "", "speech-1"}}, kind: "application/json", want: `"seconds":2`, basis: zg.FeeExact,
	},
	{
		name: "speech, JSON", model: "voice-1", path: "/v1/audio/speech", json: `{"model":"voice-1","input":"hello to the sea","response_format":"wav"}`,
		kind: "audio/wav", want: "RIFF", basis: zg.FeeExact, unsigned: true,
	},
	{
		name: "speech, a form", model: "voice-1", path: "/v1/audio/speech", form: []field{{"input", "", "hello to the sea"}, {"model", "", "voice-1"}},
		kind: "audio/mpeg", want: "RIFF", basis: zg.FeeExact, unsigned: true,
	},
	{
		name: "video", model: "film-1", path: "/v1/videos", json: `{"model":"film-1","prompt":"the sea","seconds":"4"}`,
		kind: "application/json", want: `"status":"queued"`, basis: zg.FeeEstimated, twice: "/v1/videos/%s",
	},
	{
		name: "pictures, later", model: "picture-1", path: "/v1/async/images/generations", json: `{"model":"picture-1","prompt":"the sea","n":2}`, status: http.StatusAccepted,
		kind: "application/json", want: `"status":"pending"`, basis: zg.FeeEstimated, unsigned: true, twice: "/v1/async/jobs/%s",
	},
	{
		name: "edits, later", model: "retouch-1", path: "/v1/async/images/edits", json: `{"model":"retouch-1","prompt":"more sea","image":"cGljdHVyZQ=="}`, status: http.StatusAccepted,
		kind: "application/json", want: `"status":"pending"`, basis: zg.FeeEstimated, unsigned: true, twice: "/v1/async/jobs/%s",
	},
}

// heard are the fields of an upload of two seconds.
func heard(format string, more ...field) []field {
	return append(append([]field{{"model", "", "speech-1"}, {"response_format", "", format}}, more...), field{"file", "a.wav", sound})
}

// TestSurface asks for everything there is, once in each form, and compares what the daemon has recorded with what the
// provider bills and has on record.
func TestSurface(t *testing.T) {
	w := newWorld(t, devnet.Config{AllKinds: true})
	w.inProcess()
	jobs := map[string]*simprovider.Provider{} // by URL path
	for _, s := range services {
		t.Run(s.name, func(t *testing.T) {
			p := w.provider(s.model)
			billed, seen := p.Billed(devnet.Wallet()), len(p.Exchanges())
			contentType, body := "application/json", s.json
			if s.form != nil {
				contentType, body = form(t, s.form...)
			}
			a := w.ask(t, http.MethodPost, w.daemon.api+s.path, contentType, body)
			w.atRest(p) // so that the request is on record before its job is
			kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
			if want := max(s.status, http.StatusOK); a.status != want || kind != s.kind || !bytes.Contains(a.body, []byte(s.want)) {
				t.Fatalf("%d %s %.300q, want %d %s with %q", a.status, kind, a.body, want, s.kind, s.want)
			}
			if s.twice != "" {
				var job struct{ ID, JobID string }
				if err := json.Unmarshal(a.body, &job); err != nil || job.ID+job.JobID == "" {
					t.Fatalf("%s tells of no job: %v", a.body, err)
				}
				path := fmt.Sprintf(s.twice, job.ID+job.JobID)
				defer func() { jobs[path] = p }()
				w.finished(t, path)
			}
			rec := w.record(a.header.Get("X-Request-Id"), !s.unsigned && s.twice == "")
			if s.twice != "" {
				w.eventually("the end of the job was seen", func() error {
					if rec = w.record(rec.ID, false); rec.JobUntil.IsZero() || time.Until(rec.JobUntil) > 2*time.Minute {
						return fmt.Errorf("it runs until %s", rec.JobUntil)
					}
					return nil
				})
			}
			ex, fee := p.Exchanges()[seen], p.Billed(devnet.Wallet()).Sub(billed)
			if rec.Basis != string(s.basis) || fee.IsZero() || (s.twice == "" && rec.Fee != fee) || rec.Fee.Cmp(fee) < 0 {
				t.Errorf("booked %s, %s; the provider bills %s", rec.Fee, rec.Basis, fee)
			}
			if rec.Provider != p.Address() || rec.RequestSHA256 != ex.RequestSHA256 || rec.ResponseSHA256 != ex.ResponseSHA256 || rec.ResKey != ex.ResKey {
				t.Errorf("the record has\n%+v, the provider\n%+v", rec, ex)
			}
			want := zg.VerdictVerified
			switch {
			case s.status == http.StatusAccepted, s.unsigned:
				want = zg.VerdictNotSigned // of a promise there is nothing to check
			}
			if s.twice == "" || s.status == http.StatusAccepted { // a video's signature is replaced when it is done: either may be found
				if rec.Verdict != want {
					t.Errorf("verdict %q, want %q", rec.Verdict, want)
				}
			}
		})
	}
	content := func(t *testing.T, path string) {
		t.Helper()
		all := w.ask(t, http.MethodGet, w.daemon.api+path+"/content", "", "")
		if all.status != http.StatusOK || all.header.Get("Content-Type") != "video/mp4" || len(all.body) != 64<<10 {
			t.Errorf("%d %s, %d bytes", all.status, all.header.Get("Content-Type"), len(all.body))
		}
		part := w.ask(t, http.MethodGet, w.daemon.api+path+"/content", "", "", "Range", "bytes=1000-1999")
		if part.status != http.StatusPartialContent || part.header.Get("Content-Range") != "bytes 1000-1999/65536" || !bytes.Equal(part.body, all.body[1000:2000]) {
			t.Errorf("%d %s, %d bytes", part.status, part.header.Get("Content-Range"), len(part.body))
		}
		if beyond := w.ask(t, http.MethodGet, w.daemon.api+path+"/content", "", "", "Range", "bytes=70000-"); beyond.status != http.StatusRequestedRangeNotSatisfiable {
			t.Errorf("a range beyond the end: %d", beyond.status)
		}
	}
	before := w.received()
	for path, p := range jobs {
		if p.Type() == zg.VideoGeneration {
			t.Run("content", func(t *testing.T) { content(t, path) })
		}
	}
	if err := w.daemon.stop(); err != nil {
		t.Fatal(err)
	}
	w.inProcess()
	for path, p := range jobs {
		t.Run("after a restart"+path[:len("/v1/video")], func(t *testing.T) {
			if got := w.finished(t, path); got.header.Get("X-Zgproxy-Provider") != p.Address().Hex() {
				t.Errorf("asked %s", got.header.Get("X-Zgproxy-Provider"))
			}
			if p.Type() == zg.VideoGeneration {
				content(t, path)
			}
		})
	}
	if n := w.received(); n != before {
		t.Errorf("what was fetched counts as %d requests", n-before)
	}
}

// finished asks for a job until it is completed.
func (w *world) finished(t *testing.T, path string) answered {
	t.Helper()
	return w.endsAs(t, path, "completed")
}

// endsAs asks for a job until it has a status.
func (w *world) endsAs(t *testing.T, path, status string) answered {
	t.Helper()
	var a answered
	if err := poll(1, patience, nil, func() error {
		if a = w.ask(t, http.MethodGet, w.daemon.api+path, "", ""); !bytes.Contains(a.body, []byte(`"status":"`+status+`"`)) {
			return fmt.Errorf("%d %.300q", a.status, a.body)
		}
		return nil
	}); err != nil {
		t.Fatalf("%s does not end: %v", path, err)
	}
	return a
}

// TestPicturesHaveURLsOfOurs has the URL of a picture lead to the daemon, which gives it to whoever has the URL.
func TestPicturesHaveURLsOfOurs(t *testing.T) {
	w := newWorld(t, devnet.Config{AllKinds: true})
	w.env = append(w.env, "ZGPROXY_API_KEYS="+localKeyOfTests)
	w.inProcess()
	key := []string{"Authorization", "Bearer " + localKeyOfTests}
	picture := func(format string) (url string, png []byte) {
		body := `{"model":"picture-1","prompt":"the sea","response_format":"` + format + `"}`
		a := w.ask(t, http.MethodPost, w.daemon.api+"/v1/images/generations", "application/json", body, key...)
		var doc struct {
			Data []struct {
				URL string `json:"url"`
				B64 string `json:"b64_json"`
			}
		}
		if err := json.Unmarshal(a.body, &doc); err != nil || a.status != http.StatusOK || len(doc.Data) != 1 {
			t.Fatalf("%d %.300q %v", a.status, a.body, err)
		}
		rec := w.record(a.header.Get("X-Request-Id"), true)
		if rec.Basis != string(zg.FeeExact) || (format != "url") != (rec.Verdict == zg.VerdictVerified) {
			t.Errorf("as %s: %s, %s", format, rec.Basis, rec.Verdict)
		}
		png, err := base64.StdEncoding.DecodeString(doc.Data[0].B64)
		if err != nil {
			t.Fatal(err)
		}
		return doc.Data[0].URL, png
	}
	_, want := picture("b64_json")
	url, _ := picture("url")
	if !strings.HasPrefix(url, w.daemon.api+"/v1/images/"+w.provider("picture-1").Address().Hex()+"/") {
		t.Fatalf("the picture is at %s", url)
	}
	got := w.ask(t, http.MethodGet, url, "", "")
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "image/png" || !bytes.Equal(got.body, want) {
		t.Errorf("%d %s, %d bytes, want the %d of the same picture", got.status, got.header.Get("Content-Type"), len(got.body), len(want))
	}
	if a := w.ask(t, http.MethodGet, url+"9", "", ""); a.status != http.StatusNotFound {
		t.Errorf("a picture that there is not: %d %s", a.status, a.body)
	}
	if a := w.ask(t, http.MethodPost, w.daemon.api+"/v1/images/generations", "application/json", `{"model":"picture-1","prompt":"x"}`); a.status != http.StatusUnauthorized {
		t.Errorf("a new picture without a key: %d", a.status)
	}
}

const localKeyOfTests = "a-key-of-the-tests"
