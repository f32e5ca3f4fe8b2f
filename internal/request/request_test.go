package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

func TestScanJSON(t *testing.T) {
	for _, tc := range []struct {
		body string
		want JSON
	}{
		{`{"model":"m"}`, JSON{Model: "m", HasModel: true, N: 1}},
		{" {\n\"mod\\u0065l\" : \"a\\u00e9\" , \"stream\":true,\"n\":3,\"max_tokens\":10,\"max_completion_tokens\":1e2}\t", JSON{Model: "aé", HasModel: true, Stream: true, N: 3, MaxTokens: 100}},
		{`{"stream":null,"n":null,"max_tokens":null,"stream_options":null}`, JSON{N: 1}},
		{`{"stream":true,"stream_options":{"x":1,"include_usage":true}}`, JSON{Stream: true, IncludeUsage: true, N: 1}},
		{`{"messages":[{"model":"inner","stream":"x"}],"response_format":"url"}`, JSON{N: 1, ResponseFormat: "url"}},
		{`{}`, JSON{N: 1}},
	} {
		got, err := ScanJSON([]byte(tc.body))
		if err != nil {
			t.Errorf("ScanJSON(%s): %v", tc.body, err)
			continue
		}
		seen := JSON{Model: got.Model, HasModel: got.HasModel, Stream: got.Stream, IncludeUsage: got.IncludeUsage, MaxTokens: got.MaxTokens, N: got.N, ResponseFormat: got.ResponseFormat}
		if !reflect.DeepEqual(seen, tc.want) {
			t.Errorf("ScanJSON(%s) = %+v, want %+v", tc.body, seen, tc.want)
		}
	}
	for body, param := range map[string]string{
		``: "", `[]`: "", `{`: "", `{"a":1}x`: "", `{"a":01}`: "", `{"a":"\x"}`: "", "{\"a\":\"\n\"}": "", "{\"a\":\"\xff\"}": "", `{"a":tru}`: "", `{"a":1,}`: "",
		strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300): "",
		`{"model":1}`: "model", `{"model":null}`: "model", `{"stream":"true"}`: "stream", `{"stream":1}`: "stream", `{"stream_options":[]}`: "stream_options",
		`{"n":0}`: "n", `{"n":-1}`: "n", `{"n":1.5}`: "n", `{"max_tokens":-1}`: "max_tokens", `{"max_tokens":1e30}`: "max_tokens",
		`{"a":1,"\u0061":2}`: "a", `{"stream_options":{"include_usage":true,"include_usage":false}}`: "stream_options.include_usage",
	} {
		_, err := ScanJSON([]byte(body))
		bad, ok := errors.AsType[*Error](err)
		if !ok || bad.Param != param || bad.Message == "" {
			t.Errorf("ScanJSON(%.60s) = %v, want an Error about %q", body, err, param)
		}
	}
}

func TestSpliceShapes(t *testing.T) {
	for _, tc := range []struct{ body, want string }{
		{`{"model":"m","stream":true}`, `{"stream_options":{"include_usage":true},"model":"p","stream":true}`},
		{`{ "stream" : true , "model" : "m" }`, `{"stream_options":{"include_usage":true}, "stream" : true , "model" : "p" }`},
		{`{"stream":true,"stream_options":null,"model":"p"}`, `{"stream":true,"stream_options":{"include_usage":true},"model":"p"}`},
		{`{"stream":true,"stream_options":{},"model":"p"}`, `{"stream":true,"stream_options":{"include_usage":true},"model":"p"}`},
		{`{"stream":true,"stream_options":{ "x":1},"model":"m"}`, `{"stream":true,"stream_options":{"include_usage":true, "x":1},"model":"p"}`},
		{`{"model":"m","stream":true,"stream_options":{"include_usage": false}}`, `{"model":"p","stream":true,"stream_options":{"include_usage": true}}`},
		{`{"model":"p","stream":true,"stream_options":{"include_usage":true}}`, `{"model":"p","stream":true,"stream_options":{"include_usage":true}}`},
		{`{"model":"m","stream":false}`, `{"model":"p","stream":false}`},
		{`{"model":"m","seed":9007199254740993,"t":0.70,"é":"\u00e9"}`, `{"model":"p","seed":9007199254740993,"t":0.70,"é":"\u00e9"}`},
	} {
		j, err := ScanJSON([]byte(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(j.Splice("p", true)); got != tc.want {
			t.Errorf("Splice(%s) = %s, want %s", tc.body, got, tc.want)
		}
	}
	j, err := ScanJSON([]byte(`{"model":"m","stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(j.Splice(`a"b<`, false)); got != `{"model":"a\"b<","stream":true}` {
		t.Errorf("Splice without usage = %s", got)
	}
}

// FuzzSplice: what is accepted is JSON, and splicing changes the two fields and nothing else.
func FuzzSplice(f *testing.F) {
	for _, s := range []string{
		`{"model":"m","stream":true}`, `{"stream":true,"stream_options":{"a":[1,{"b":null}]},"model":"x\u0000y"}`, `{}`, `{"a":{"a":1,"a":2}}`,
		`{"stream":true}`, `{"model":"m","stream":true,"stream_options":{"include_usage":null}}`, ` {"n":2,"x":-0.5E+3} `,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		j, err := ScanJSON(body)
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatalf("accepted %q, which is not JSON", body)
		}
		generic := func(b []byte) map[string]any {
			dec := json.NewDecoder(bytes.NewReader(b))
			dec.UseNumber()
			var m map[string]any
			if err := dec.Decode(&m); err != nil {
				t.Fatalf("%q cannot be decoded: %v", b, err)
			}
			return m
		}
		before, after := generic(body), generic(j.Splice("provider", true))
		if j.HasModel {
			before["model"] = "provider"
		}
		if j.Stream {
			options, _ := before["stream_options"].(map[string]any)
			if options == nil {
				options = map[string]any{}
			}
			options["include_usage"] = true
			before["stream_options"] = options
		}
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("Splice(%q) = %q: more than the fields has changed", body, j.Splice("provider", true))
		}
	})
}

type part struct{ name, file, value string }

func form(tb testing.TB, boundary string, parts []part) (contentType string, body []byte) {
	tb.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary(boundary); err != nil {
		tb.Fatal(err)
	}
	for _, p := range parts {
		var to io.Writer
		var err error
		if p.file != "" {
			to, err = w.CreateFormFile(p.name, p.file)
		} else {
			to, err = w.CreateFormField(p.name)
		}
		if err == nil {
			_, err = io.WriteString(to, p.value)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

func through(contentType string, in io.Reader, model string) (*Multipart, []part, error) {
	m, err := NewMultipart(contentType, in)
	if err == nil {
		err = m.Prepare()
	}
	if err != nil {
		return nil, nil, err
	}
	m.SetModel(model, func(late string) bool { return late == model })
	out, err := io.ReadAll(m)
	if err != nil {
		return m, nil, err
	}
	r := multipart.NewReader(bytes.NewReader(out), string(m.boundary[2:]))
	var parts []part
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m, parts, nil
		}
		if err != nil {
			return m, parts, err
		}
		value, err := io.ReadAll(p)
		if err != nil {
			return m, parts, err
		}
		parts = append(parts, part{p.FormName(), p.FileName(), string(value)})
	}
}

func TestMultipartOrders(t *testing.T) {
	audio := part{"file", "a.wav", strings.Repeat("sound\r\n--b\r\n-", 20_000)}
	format, model := part{"response_format", "", "srt"}, part{"model", "", "m"}
	ours := part{"model", "", "m"}
	for name, tc := range map[string]struct {
		in, want []part
		asked    string
	}{
		"model first":   {[]part{model, format, audio}, []part{ours, format, audio}, "m"},
		"model between": {[]part{format, model, audio}, []part{ours, format, audio}, "m"},
		"model late":    {[]part{format, audio, model, {"stream", "", "true"}}, []part{ours, format, audio, {"stream", "", "true"}}, ""},
		"no model":      {[]part{audio, format}, []part{ours, audio, format}, ""},
		"no file":       {[]part{format, model}, []part{ours, format}, "m"},
		"two files":     {[]part{model, audio, {"other", "b", ""}}, []part{ours, audio, {"other", "b", ""}}, "m"},
		"nothing":       {nil, []part{ours}, ""},
	} {
		contentType, body := form(t, "it's (an) odd/boundary", tc.in)
		if len(tc.in) == 0 {
			body = []byte("--it's (an) odd/boundary\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\r\n--it's (an) odd/boundary--\r\n")
			tc.want = append(tc.want, part{"x", "", ""})
		}
		for _, in := range []io.Reader{bytes.NewReader(body), iotest.OneByteReader(bytes.NewReader(body)), iotest.DataErrReader(bytes.NewReader(body))} {
			m, got, err := through(contentType, in, "m")
			if err != nil || !reflect.DeepEqual(got, tc.want) || m.Asked != tc.asked {
				t.Errorf("%s: %v, asked %q, parts %.300v; want %.300v", name, err, m.Asked, got, tc.want)
			}
		}
	}
}

func TestMultipartRefusals(t *testing.T) {
	contentType, body := form(t, "b", []part{{"file", "a", "x"}, {"model", "", "other"}})
	if _, _, err := through(contentType, bytes.NewReader(body), "m"); err == nil || !strings.Contains(err.Error(), "after the file") {
		t.Errorf("a late model that differs: %v, want a refusal that says so", err)
	}
	for cut := range body[:len(body)-5] {
		if _, _, err := through(contentType, bytes.NewReader(body[:cut]), "other"); err == nil {
			t.Fatalf("accepted with only %d of %d bytes", cut, len(body))
		}
	}
	for name, text := range map[string]string{
		"no boundary":    "hello",
		"no disposition": "--b\r\nX: y\r\n\r\nv\r\n--b--\r\n",
		"long header":    "--b\r\nX: " + strings.Repeat("y", 70_000) + "\r\n\r\nv\r\n--b--\r\n",
		"long field":     "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n" + strings.Repeat("y", 2<<20) + "\r\n--b--\r\n",
		"model twice":    "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b--\r\n",
	} {
		_, _, err := through("multipart/form-data; boundary=b", strings.NewReader(text), "m")
		if _, ok := errors.AsType[*Error](err); !ok {
			t.Errorf("%s: %v, want an Error", name, err)
		}
	}
	for _, ct := range []string{"", "application/json", "multipart/form-data", "multipart/mixed; boundary=b"} {
		if _, err := NewMultipart(ct, nil); err == nil {
			t.Errorf("NewMultipart(%q) accepted", ct)
		}
	}
}

func TestMultipartMemoryIsBounded(t *testing.T) {
	head := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"
	in := io.MultiReader(strings.NewReader(head), io.LimitReader(zeros{}, 50<<20), strings.NewReader("\r\n--b--\r\n"))
	m, err := NewMultipart("multipart/form-data; boundary=b", in)
	if err == nil {
		err = m.Prepare()
	}
	if err != nil {
		t.Fatal(err)
	}
	m.SetModel("m", func(string) bool { return true })
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	buf := make([]byte, 32<<10)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, m, buf)
	runtime.ReadMemStats(&after)
	if err != nil || n < 50<<20 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if grew := after.TotalAlloc - before.TotalAlloc; grew > 1<<20 {
		t.Errorf("50 MB passed through %d bytes of allocations, want under 1 MiB", grew)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// FuzzMultipart: nothing panics, and what passes keeps its files.
func FuzzMultipart(f *testing.F) {
	_, body := form(f, "b", []part{{"model", "", "m"}, {"file", "a", "x\r\n--"}, {"response_format", "", "srt"}})
	f.Add(body)
	f.Add([]byte("--b\r\n\r\n--b--"))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, got, err := through("multipart/form-data; boundary=b", bytes.NewReader(body), "m")
		if err != nil {
			return
		}
		if len(got) == 0 || got[0] != (part{"model", "", "m"}) {
			t.Fatalf("%q passed as %+v, want our model first", body, got)
		}
	})
}

func BenchmarkScanAndSplice(b *testing.B) {
	for name, size := range map[string]int{"1KiB": 1 << 10, "20MiB": 20 << 20} {
		body := []byte(`{"model":"m","stream":true,"messages":[{"role":"user","content":"` + strings.Repeat("y", size) + `"}]}`)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				j, err := ScanJSON(body)
				if err != nil {
					b.Fatal(err)
				}
				j.Splice("provider", true)
			}
		})
	}
}
