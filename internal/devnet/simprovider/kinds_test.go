package simprovider

import (
	"bytes"
	"encoding/base64"
	"image/png"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// webFormOf is a form of fields, name and value in turn; a name with a "@" in front is a file.
func webFormOf(t *testing.T, pairs ...string) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for pair := range slices.Chunk(pairs, 2) {
		name, value := pair[0], pair[1]
		if file, ok := strings.CutPrefix(name, "@"); ok {
			part, err := w.CreateFormFile(file, "a.png")
			if err != nil {
				t.Fatalf("form: %v", err)
			}
			_, _ = part.Write([]byte(value)) // a buffer takes everything
		} else if err := w.WriteField(name, value); err != nil {
			t.Fatalf("form: %v", err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatalf("form: %v", err)
	}
	return w.FormDataContentType(), b.String()
}

func (s *site) postForm(path string, pairs ...string) (a answer, body string) {
	s.t.Helper()
	kind, body := webFormOf(s.t, pairs...)
	return s.do(s.request(s.t.Context(), http.MethodPost, path, kind, body)), body
}

const editPath = "/v1/proxy/images/edits"

func TestImageEdits(t *testing.T) {
	s := start(t, func(c *Config) { c.Type, c.Model = zg.ImageEditing, "retouch-1" })
	a, body := s.postForm(editPath, "prompt", "more sun", "@image[]", "one", "@image[]", "two", "n", "2", "@mask", "m", "model", "retouch-1")
	a.must(t)
	var halves []string
	for _, d := range decode[imageReply](t, a.body).Data {
		raw, err := base64.StdEncoding.DecodeString(d.B64)
		if err != nil {
			t.Fatalf("image: %v", err)
		}
		if _, err := png.Decode(bytes.NewReader(raw)); err != nil {
			t.Errorf("not a PNG: %v", err)
		}
		halves = append(halves, hexSum(string(raw)))
	}
	text, signer := s.signature(a.header.Get("ZG-Res-Key"))
	if text != hexSum(body)+":"+strings.Join(halves, ",") || signer != s.Signer() || len(halves) != 2 || halves[0] == halves[1] {
		t.Errorf("text = %s by %s, want two images", text, signer)
	}
	if e := s.last(1); e.Fee != testPrice.Output.Mul(2) || e.RequestSHA256 != hexSum(body) {
		t.Errorf("record = %+v, want two images", e)
	}
	one := `"data:image/png;base64,` + base64.StdEncoding.EncodeToString([]byte("one")) + `"`
	two := `"` + base64.StdEncoding.EncodeToString([]byte("two")) + `"`
	mask := `"` + base64.StdEncoding.EncodeToString([]byte("m")) + `"`
	for _, images := range []string{`"image":[` + one + `,` + two + `]`, `"images":[{"image_url":` + one + `},{"image_url":` + two + `}]`} {
		same := s.post("/images/edits", `{"model":"retouch-1","prompt":"more sun","n":2,"mask":`+mask+`,`+images+`}`).must(t)
		if same.body != a.body {
			t.Errorf("%s: another picture than the form's", images)
		}
	}
	other, _ := s.postForm(editPath, "model", "retouch-1", "prompt", "more sun", "@image", "three", "n", "2", "@mask", "m")
	if other.must(t).body == a.body {
		t.Error("the picture does not depend on what is edited")
	}
	stored, _ := s.postForm(editPath, "model", "retouch-1", "prompt", "x", "@image", "one", "response_format", "url")
	url := decode[imageReply](t, stored.must(t).body).Data[0].URL
	picture := s.get(strings.TrimPrefix(url, s.URL())).must(t)
	if text, _ := s.signature(stored.header.Get("ZG-Res-Key")); !strings.HasSuffix(text, ":"+hexSum(picture.body)) {
		t.Errorf("text = %s, want the digest of the picture", text)
	}
	s.post("/images/edits", `{"model":"retouch-1","prompt":"x"}`).wants(t, 400, "image is required")
	s.post("/images/generations", `{"model":"retouch-1","prompt":"x"}`).wants(t, 404, "NotFoundError")
	s.get("/v1/models").wants(t, 200, `"image":"480000000000"`)
}

func TestSpeech(t *testing.T) {
	s := start(t, func(c *Config) { c.Type, c.Model = zg.AudioGeneration, "voice-1" })
	const speechPath = "/audio/speech"
	two := testPrice.Output.Mul(2) // four words take 1.6 s
	a := s.post(speechPath, `{"model":"voice-1","input":"this is a test","voice":"alloy","response_format":"wav"}`).must(t)
	for name, want := range map[string]string{
		"Content-Type": "audio/wav", "X-0G-Fee": two.String(), "X-0G-Audio-Duration-Seconds": "1.6", "ZG-Res-Key": "", "Provider": s.Address().Hex(),
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if len(a.body) != 44+samplesPerSec*16/10 || !strings.HasPrefix(a.body, "RIFF") || a.body[8:16] != "WAVEfmt " {
		t.Errorf("%d bytes beginning %.16q, want a WAV of 1.6 s", len(a.body), a.body)
	}
	if e := s.last(1); e.Fee != two || e.ResKey != "" || e.SignedRequest != "" || s.Unsettled(s.user) != two {
		t.Errorf("record = %+v, want two seconds and nothing signed", e)
	}
	form, _ := s.postForm("/v1/proxy"+speechPath, "model", "voice-1", "input", "this is a test", "max_duration", "1", "@reference_audio", "x")
	if form.must(t).header.Get("X-0G-Audio-Duration-Seconds") != "1.0" || form.header.Get("Content-Type") != "audio/mpeg" {
		t.Errorf("headers = %v, want one second of MP3", form.header)
	}
	s.last(2) // is on record before the next
	s.SetFault(Fault{Kind: NoUsage, N: 1})
	silent := s.post(speechPath, `{"model":"voice-1","input":"hi","max_duration":7}`).must(t)
	if got := s.last(3).Fee; got != testPrice.Output.Mul(7) || silent.header.Get("X-0G-Fee") != "" {
		t.Errorf("fee = %s, header %q; want what was set aside and no header", got, silent.header.Get("X-0G-Fee"))
	}
	s.post(speechPath, `{"model":"voice-1","input":"hi","response_format":"midi"}`).wants(t, 400, "unknown response_format")
	s.post(speechPath, `{"model":"voice-1","input":""}`).wants(t, 400, "input must not be empty")
}

// What a request will cost at most has to be there on top of the reserve.
func TestGateCountsTheCost(t *testing.T) {
	for _, tt := range []struct {
		kind           zg.ServiceType
		path           string
		short, request string
		units          uint64
	}{
		{zg.AudioGeneration, "/audio/speech", `{"model":"echo-1","input":"hi"}`, `{"model":"echo-1","input":"hi","max_duration":50}`, 50},
		{zg.AudioGeneration, "/audio/speech", "", `{"model":"echo-1","input":"hi","max_duration":500}`, 120},
		{zg.VideoGeneration, "/videos", `{"model":"echo-1","prompt":"x","seconds":9}`, `{"model":"echo-1","prompt":"x","seconds":"7.5"}`, 8},
	} {
		t.Run(string(tt.kind), func(t *testing.T) {
			s := start(t, func(c *Config) { c.Type, c.Price = tt.kind, zg.Price{Output: zg.OneOG.MulDiv(1, 100)} })
			enough := zg.OneOG.Add(s.Price().Output.Mul(tt.units))
			s.chain.hold(s.user, enough.Sub(zg.NeuronOf(1)))
			s.post(tt.path, tt.request).wants(t, 400, "current request fee "+sixDecimals(s.Price().Output.Mul(tt.units))+" 0G)")
			s.chain.hold(s.user, enough)
			if tt.short != "" {
				s.post(tt.path, tt.short).wants(t, 400, "insufficient balance")
			}
			s.post(tt.path, tt.request).must(t)
		})
	}
}

func TestDecisions(t *testing.T) {
	s := start(t, func(c *Config) { c.Type, c.Model = zg.Decisions, "judge-1" })
	body := `{"model":"judge-1","stream":true,"questions":["is it late?","is it?"]}`
	a := s.post("/decisions", body).must(t)
	s.signed(a, body)
	got := decode[struct {
		Answers []decision
		Usage   struct {
			Input  uint64 `json:"input_tokens"`
			Output uint64 `json:"output_tokens"`
		}
	}](t, a.body)
	want := testPrice.Input.Mul(got.Usage.Input).Add(testPrice.Output.Mul(2))
	if len(got.Answers) != 2 || !got.Answers[1].Answer || got.Usage.Input == 0 || got.Usage.Output != 2 || s.last(1).Fee != want {
		t.Errorf("reply = %s, fee %s, want %s", a.body, s.last(1).Fee, want)
	}
	s.SetFault(Fault{Kind: NoUsage})
	s.post("/decisions", body).must(t)
	if got, want := s.last(2).Fee, testPrice.Input.Mul(uint64(len(body)/3)); got != want {
		t.Errorf("fee = %s, want %s: a third of the request's characters", got, want)
	}
}

func TestNamesAndSizesInTheCatalogue(t *testing.T) {
	s := start(t, func(c *Config) { c.Canonical, c.ContextLength, c.MaxTokens = "vendor/Echo 1", 4096, 512 })
	s.get("/v1/models").wants(t, 200, `"canonical_id":"vendor/Echo 1","context_length":4096`)
	s.get("/v1/models").wants(t, 200, `"max_completion_tokens":512`)
	body := chatBody("vendor/Echo 1", "hi", "")
	a := s.post(chatPath, body).must(t)
	upstream := `{"messages":[{"content":"hi","role":"user"}],"model":"echo-1"}`
	if text, _ := s.signature(a.header.Get("ZG-Res-Key")); text != hexSum(upstream)+":"+hexSum(a.body) {
		t.Errorf("text = %s, want the model's own name in the request", text)
	}
}
