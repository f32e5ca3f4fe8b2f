package simprovider

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"image/png"
	"math"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func imageSite(t *testing.T) *site {
	t.Helper()
	return start(t, func(c *Config) { c.Type, c.Model, c.Limits.ImageFetches = zg.TextToImage, "image-1", 2 })
}

const imagePath = "/images/generations"

func TestImages(t *testing.T) {
	s := imageSite(t)
	body := `{"model":"image-1","prompt":"an otter", "n":2}`
	a := s.post(imagePath, body).must(t)
	var halves []string
	for _, d := range decode[imageReply](t, a.body).Data {
		raw, err := base64.StdEncoding.DecodeString(d.B64)
		if err != nil || d.URL != "" {
			t.Fatalf("image %+v: %v", d, err)
		}
		if _, err := png.Decode(bytes.NewReader(raw)); err != nil {
			t.Errorf("not a PNG: %v", err)
		}
		halves = append(halves, hexSum(string(raw)))
	}
	if len(halves) != 2 || halves[0] == halves[1] {
		t.Errorf("images = %v, want two different ones", halves)
	}
	if text, _ := s.signature(a.header.Get("ZG-Res-Key")); text != hexSum(body)+":"+strings.Join(halves, ",") {
		t.Errorf("text = %s", text)
	}
	if e := s.last(1); e.Fee != testPrice.Output.Mul(2) || e.Usage.Images != 2 {
		t.Errorf("fee = %s of %+v, want two images", e.Fee, e.Usage)
	}
	if again := s.post(imagePath, body).must(t); again.body != a.body {
		t.Error("the same prompt gave other images")
	}
	s.post(imagePath, `{"model":"image-1","prompt":"x","n":11}`).wants(t, 400, "n must be at most 10")
	s.post(imagePath, `{"model":"image-1","prompt":"x","n":-1}`).must(t)
	s.post(imagePath, `{"model":"echo-1","prompt":"x"}`).wants(t, 400, "model not supported")
	s.post(chatPath, chatBody("image-1", "hi", "")).wants(t, 404, "NotFoundError")
}

func TestStoredImages(t *testing.T) {
	s := imageSite(t)
	a := s.post(imagePath, `{"model":"image-1","prompt":"an otter","response_format":"url"}`).must(t)
	data := decode[imageReply](t, a.body).Data
	path, ok := strings.CutPrefix(data[0].URL, s.URL())
	if want := "/v1/proxy/images/" + a.header.Get("ZG-Res-Key") + "/0"; !ok || path != want || data[0].B64 != "" {
		t.Fatalf("image = %+v, want a URL ending in %s", data[0], want)
	}
	picture := s.get(path).must(t)
	if text, _ := s.signature(a.header.Get("ZG-Res-Key")); !strings.HasSuffix(text, ":"+hexSum(picture.body)) {
		t.Errorf("text = %s, want the digest of the picture", text)
	}
	if got := picture.header.Get("Cache-Control"); got != "private, max-age=3600, immutable" || picture.header.Get("Content-Type") != "image/png" {
		t.Errorf("headers = %v", picture.header)
	}
	s.get(path+"0").wants(t, 404, "image not found or expired")
	busy := s.get(path)
	busy.wants(t, 429, "error")
	if busy.header.Get("Retry-After") != "1" {
		t.Error("no Retry-After")
	}
	post := s.do(s.request(t.Context(), http.MethodPost, path, "", ""))
	post.wants(t, 405, "error")
	if post.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow = %q", post.header.Get("Allow"))
	}
}

// form is an upload of n bytes of audio; fields are name and value in turn.
func form(t *testing.T, n int, fields ...string) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", "a.wav")
	if err != nil {
		t.Fatalf("form: %v", err)
	}
	if _, err := part.Write(bytes.Repeat([]byte("a"), n)); err != nil {
		t.Fatalf("form: %v", err)
	}
	for pair := range slices.Chunk(fields, 2) {
		if err := w.WriteField(pair[0], pair[len(pair)-1]); err != nil {
			t.Fatalf("form: %v", err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatalf("form: %v", err)
	}
	return w.FormDataContentType(), b.String() + "what follows the form"
}

func (s *site) upload(contentType, body string) answer {
	s.t.Helper()
	return s.do(s.request(s.t.Context(), http.MethodPost, "/v1/proxy/audio/transcriptions", contentType, body))
}

func TestTranscriptions(t *testing.T) {
	s := start(t, func(c *Config) { c.Type, c.Model = zg.SpeechToText, "speech-1" })
	said := fmt.Sprintf("Received 40000 bytes of audio with SHA-256 %s.", hexSum(strings.Repeat("a", 40000)))
	byTime, byWords := testPrice.Input.Mul(3), testPrice.Output.Mul(2*8) // 2.5 s are billed as 3
	for i, tt := range []struct {
		fields      []string
		contentType string
		body        string
		fee         zg.Neuron
	}{
		{nil, "application/json", `{"text":"` + said + `","usage":{"seconds":2.5,"type":"duration"}}`, byTime},
		{[]string{"response_format", "verbose_json"}, "application/json", `{"duration":2.5,"language":"english","segments":[{"end":2.5,"id":0,"start":0,"text":"` + said +
			`"}],"task":"transcribe","text":"` + said + `","usage":{"seconds":2.5,"type":"duration"}}`, byTime},
		{[]string{"response_format", "text"}, "text/plain; charset=utf-8", said + "\n", byWords},
		{[]string{"response_format", "srt"}, "application/x-subrip", "1\n00:00:00,000 --> 00:00:02,500\n" + said + "\n\n", byTime},
		{[]string{"response_format", "vtt"}, "text/vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\n" + said + "\n\n", byTime},
	} {
		kind, body := form(t, 40000, append([]string{"model", "speech-1"}, tt.fields...)...)
		a := s.upload(kind, body).must(t)
		if a.body != tt.body || a.header.Get("Content-Type") != tt.contentType {
			t.Errorf("%v: %s %s, want %s %s", tt.fields, a.header.Get("Content-Type"), a.body, tt.contentType, tt.body)
		}
		if e := s.last(i + 1); e.Fee != tt.fee || e.RequestSHA256 != hexSum(body) || e.RequestBytes != int64(len(body)) {
			t.Errorf("%v: fee %s, %d bytes; want %s, %d", tt.fields, e.Fee, e.RequestBytes, tt.fee, len(body))
		}
		if text, _ := s.signature(a.header.Get("ZG-Res-Key")); text != hexSum(body)+":"+hexSum(a.body) {
			t.Errorf("%v: text = %s", tt.fields, text)
		}
	}
}

// Without a usage, a length that the answer tells all the same is billed, and words where it tells none.
func TestTranscriptionWithoutUsage(t *testing.T) {
	s := start(t, func(c *Config) { c.Type, c.Model = zg.SpeechToText, "speech-1" })
	s.SetFault(Fault{Kind: NoUsage})
	for i, tt := range []struct {
		format string
		fee    zg.Neuron
	}{
		{"json", testPrice.Output.Mul(2 * 8)},
		{"verbose_json", testPrice.Input.Mul(3)},
		{"vtt", testPrice.Input.Mul(3)},
	} {
		kind, body := form(t, 40000, "model", "speech-1", "response_format", tt.format)
		a := s.upload(kind, body).must(t)
		if got := s.last(i + 1).Fee; got != tt.fee || strings.Contains(a.body, "usage") {
			t.Errorf("%s: fee %s for %s, want %s", tt.format, got, a.body, tt.fee)
		}
	}
}

func TestStreamedTranscription(t *testing.T) {
	s := start(t, func(c *Config) { c.Type, c.Model = zg.SpeechToText, "speech-1" })
	kind, body := form(t, 16000, "stream", "true", "model", "speech-1")
	a := s.upload(kind, body).must(t)
	lines := strings.Split(strings.TrimSuffix(a.body, "\n"), "\n")
	var said strings.Builder
	for i, line := range lines {
		event := decode[struct {
			Type, Delta, Text string
			Usage             *struct{ Seconds float64 }
		}](t, line)
		if last := i == len(lines)-1; last != (event.Type == "transcript.text.done") || last && (event.Text != said.String() || event.Usage.Seconds != 1) {
			t.Errorf("line %d = %s", i, line)
		}
		said.WriteString(event.Delta)
	}
	if e := s.last(1); e.Fee != testPrice.Input || !e.Stream {
		t.Errorf("fee = %s, want one second", e.Fee)
	}
	s.SetFault(Fault{Kind: Truncate, After: 2, N: 1})
	if cut := s.upload(kind, body).must(t); strings.Count(cut.body, "\n") != 2 {
		t.Errorf("cut = %q, want two lines", cut.body)
	}
}

func TestTranscriptionByTokensAndRefusals(t *testing.T) {
	s := start(t, func(c *Config) { c.Type, c.Model, c.Behaviour = zg.SpeechToText, "speech-1", TranscribeTokens })
	kind, body := form(t, 16000, "model", "speech-1")
	a := s.upload(kind, body).must(t)
	usage := decode[struct {
		Usage struct {
			Type   string
			Input  uint64 `json:"input_tokens"`
			Output uint64 `json:"output_tokens"`
		}
	}](t, a.body).Usage
	if want := testPrice.Input.Mul(10).Add(testPrice.Output.Mul(usage.Output)); usage.Type != "tokens" || usage.Input != 10 || s.last(1).Fee != want {
		t.Errorf("usage %+v, fee %s, want %s", usage, s.last(1).Fee, want)
	}
	s.SetFault(Fault{Kind: WrongUsage, N: 1})
	s.upload(kind, body).wants(t, 200, fmt.Sprintf(`"output_tokens":%d`, 2*usage.Output))
	kind, body = form(t, 10)
	s.upload(kind, body).wants(t, 400, "model not supported")
	kind, body = form(t, 10, "model", "speech-1", "response_format", "xml")
	s.upload(kind, body).wants(t, 400, "unknown response_format")
	s.upload("application/json", "{}").wants(t, 400, "multipart/form-data")
	s.upload(kind, body[:len(body)/2]).wants(t, 400, "invalid multipart form")
	s.upload(kind, strings.Replace(body, `name="file"`, `name="other"`, 1)).wants(t, 400, "file is required")
	kind, body = form(t, maxBody, "model", "speech-1")
	if a := s.upload(kind, body); a.err == nil { // the client may not get to the end of its upload
		a.wants(t, 413, "maximum allowed size of 32MB")
	}
}

func TestEmbeddings(t *testing.T) {
	s := start(t, func(c *Config) { c.Type, c.Model = zg.Embedding, "embed-1" })
	type reply struct {
		Data []struct {
			Index     int
			Embedding []float32
		}
		Usage struct {
			Prompt uint64 `json:"prompt_tokens"`
		}
	}
	got := decode[reply](t, s.post("/embeddings", `{"model":"embed-1","input":["one two","three"]}`).must(t).body)
	if len(got.Data) != 2 || got.Usage.Prompt != 3 || s.last(1).Fee != testPrice.Input.Mul(3) {
		t.Fatalf("reply = %+v, fee %s", got, s.last(1).Fee)
	}
	var length float64
	for _, f := range got.Data[1].Embedding {
		length += float64(f) * float64(f)
	}
	if math.Abs(length-1) > 1e-5 {
		t.Errorf("length = %f, want 1", length)
	}
	coded := decode[struct{ Data []struct{ Embedding string } }](t, s.post("/embeddings", `{"model":"embed-1","input":"three","encoding_format":"base64"}`).must(t).body)
	raw, err := base64.StdEncoding.DecodeString(coded.Data[0].Embedding)
	if err != nil || len(raw) != 4*dimensions || math.Float32frombits(binary.LittleEndian.Uint32(raw)) != got.Data[1].Embedding[0] {
		t.Errorf("base64 = %x, %v", raw, err)
	}
	s.last(2)
	s.SetFault(Fault{Kind: NoUsage, N: 1})
	s.post("/embeddings", `{"model":"embed-1","input":["one two",[1,2,3]]}`).must(t)
	if got := s.last(3).Fee; got != testPrice.Input.Mul(2*2+3) {
		t.Errorf("fee = %s, want that of the provider's estimate", got)
	}
	s.post("/embeddings", `{"model":"embed-1","input":[]}`).wants(t, 400, "input must not be empty")
	s.post("/embeddings", `{"model":"embed-1","input":[1,"x"]}`).wants(t, 400, "list of strings")
	for input, n := range map[string]uint64{`[1,2,3]`: 3, `[[1,2,3],[4]]`: 4} {
		if got := decode[reply](t, s.post("/embeddings", `{"model":"embed-1","input":`+input+`}`).must(t).body); got.Usage.Prompt != n {
			t.Errorf("%s: %d tokens, want %d", input, got.Usage.Prompt, n)
		}
	}
}
