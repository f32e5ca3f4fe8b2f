package request

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// sent is a part of a form; one with a file name is a file.
type sent struct{ name, file, value string }

func form(tb testing.TB, boundary string, parts []sent) (contentType string, body []byte) {
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

func through(contentType string, in io.Reader, model string) (*Multipart, []sent, error) {
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
	parts, err := parse(out, string(m.boundary[2:]))
	return m, parts, err
}

// parse reads a form the way a provider may.
func parse(body []byte, boundary string) (parts []sent, err error) {
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil {
			return parts, err
		}
		value, err := io.ReadAll(p)
		if err != nil {
			return parts, err
		}
		parts = append(parts, sent{p.FormName(), p.FileName(), string(value)})
	}
}

// others are the parts but the model.
func others(parts []sent) (rest []sent) {
	for _, p := range parts {
		if p.name != "model" {
			rest = append(rest, p)
		}
	}
	return rest
}

func TestMultipartOrders(t *testing.T) {
	audio := sent{"file", "a.wav", strings.Repeat("sound\r\n--b\r\n-", 20_000)}
	format, model := sent{"response_format", "", "srt"}, sent{"model", "", "m"}
	ours := sent{"model", "", "m"}
	for name, tc := range map[string]struct {
		in, want []sent
		asked    string
	}{
		"model first":   {[]sent{model, format, audio}, []sent{ours, format, audio}, "m"},
		"model between": {[]sent{format, model, audio}, []sent{ours, format, audio}, "m"},
		"model late":    {[]sent{format, audio, model, {"stream", "", "true"}}, []sent{ours, format, audio, {"stream", "", "true"}}, ""},
		"no model":      {[]sent{audio, format}, []sent{ours, audio, format}, ""},
		"no file":       {[]sent{format, model}, []sent{ours, format}, "m"},
		"two files":     {[]sent{model, audio, {"other", "b", ""}}, []sent{ours, audio, {"other", "b", ""}}, "m"},
		"nothing":       {nil, []sent{ours}, ""},
	} {
		contentType, body := form(t, "it's (an) odd/boundary", tc.in)
		if len(tc.in) == 0 {
			body = []byte("--it's (an) odd/boundary\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\r\n--it's (an) odd/boundary--\r\n")
			tc.want = append(tc.want, sent{"x", "", ""})
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
	contentType, body := form(t, "b", []sent{{"file", "a", "x"}, {"model", "", "other"}})
	if _, _, err := through(contentType, bytes.NewReader(body), "m"); err == nil || !strings.Contains(err.Error(), "after the file") {
		t.Errorf("a late model that differs: %v, want a refusal that says so", err)
	}
	for cut := range body[:len(body)-5] {
		if _, _, err := through(contentType, bytes.NewReader(body[:cut]), "other"); err == nil {
			t.Fatalf("accepted with only %d of %d bytes", cut, len(body))
		}
	}
	for name, text := range map[string]string{
		"no boundary":                      "hello",
		"no disposition":                   "--b\r\nX: y\r\n\r\nv\r\n--b--\r\n",
		"long header":                      "--b\r\nX: " + strings.Repeat("y", 70_000) + "\r\n\r\nv\r\n--b--\r\n",
		"long field":                       "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n" + strings.Repeat("y", 2<<20) + "\r\n--b--\r\n",
		"an empty part without a line end": oddForms[3],
		"a bare line feed":                 oddForms[4],
		"a bare line feed in front":        oddForms[11],
		"an end without a beginning":       oddForms[1],
		"a longer boundary":                oddForms[5],
		"a longer end":                     oddForms[6],
		"a model with a file name":         oddForms[7],
		"an encoded model":                 oddForms[8],
		"two names":                        oddForms[9],
		"long epilogue":                    "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nv\r\n--b--\r\n" + strings.Repeat("y", 2<<20),
		"n twice":                          "--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n1\r\n--b--\r\n",
		"model twice":                      "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b--\r\n",
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

// Each part costs whoever reads the form; nobody needs so many.
func TestFormBoundsParts(t *testing.T) {
	for _, tc := range []struct {
		fields, behind int
		refused        bool
	}{{maxParts - 1, 0, false}, {maxParts, 0, true}, {10, maxParts - 11, false}, {10, maxParts - 10, true}} {
		parts := []sent{{"model", "", "m"}}
		for range tc.fields - 1 {
			parts = append(parts, sent{"x", "", "1"})
		}
		parts = append(parts, sent{"file", "f", "some"})
		for range tc.behind {
			parts = append(parts, sent{"y", "", "1"})
		}
		contentType, body := form(t, "b", parts)
		_, whole := ScanForm(contentType, body)
		_, _, passing := through(contentType, bytes.NewReader(body), "m")
		for _, err := range []error{whole, passing} {
			if _, ok := errors.AsType[*Error](err); ok != tc.refused || (err != nil) != tc.refused {
				t.Errorf("%d fields and %d behind the file: %v", tc.fields, tc.behind, err)
			}
		}
	}
}

func TestMultipartFields(t *testing.T) {
	file := sent{"image", "a.png", "x"}
	for _, tc := range []struct {
		name  string
		in    []sent
		want  Fields
		param string
	}{
		{"none", []sent{file}, Fields{N: 1}, ""},
		{"all", []sent{{"n", "", "3"}, {"size", "", "1024x1024"}, {"seconds", "", "8"}, {"max_duration", "", "1.5"}, {"response_format", "", "url"}, {"stream", "", "true"}, file}, Fields{N: 3, Seconds: 8, MaxDuration: 2, Size: "1024x1024", ResponseFormat: "url", Stream: true}, ""},
		{"empty", []sent{{"n", "", ""}, {"seconds", "", ""}, file}, Fields{N: 1}, ""},
		{"the larger length counts", []sent{{"seconds", "", "12"}, {"seconds", "", "4"}, file}, Fields{N: 1, Seconds: 12}, ""},
		{"behind the file", []sent{file, {"size", "", "1x1"}}, Fields{N: 1}, ""},
		{"n", []sent{{"n", "", "two"}, file}, Fields{}, "n"},
		{"no images", []sent{{"n", "", "0"}, file}, Fields{}, "n"},
		{"seconds", []sent{{"seconds", "", "x"}, file}, Fields{}, "seconds"},
		{"max_duration", []sent{{"max_duration", "", "-1"}, file}, Fields{}, "max_duration"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			contentType, body := form(t, "b", tc.in)
			m, err := NewMultipart(contentType, bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			err = m.Prepare()
			if bad, ok := errors.AsType[*Error](err); ok || tc.param != "" {
				if !ok || bad.Param != tc.param {
					t.Fatalf("Prepare: %v, want an Error about %q", err, tc.param)
				}
				return
			}
			got := m.Fields
			if got.counted = false; err != nil || got != tc.want {
				t.Errorf("%+v, %v, want %+v", got, err, tc.want)
			}
		})
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

// oddForms are bodies that readers might disagree about.
var oddForms = []string{
	"--b\r\n\r\n--b--",
	"--b--\r\n--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nv\r\n--b--\r\n",
	"hello\r\n--b \t\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nv\r\n--b \r\nContent-Disposition: form-data; name=\"y\"\r\n\r\n\r\n--b-- \r\nbye",
	"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n9\r\n--b--\r\n",
	"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nv\r\n--b\nContent-Disposition: form-data; name=\"n\"\r\n\r\n9\r\n--b--\r\n",
	"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nv\r\n--bc\r\n--b--\r\n",
	"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nv\r\n--b--c\r\n--b--\r\n",
	"--b\r\nContent-Disposition: form-data; name=\"model\"; filename=\"\"\r\n\r\nv\r\n--b--\r\n",
	"--b\r\nContent-Disposition: form-data; name=\"model\"\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n=6d\r\n--b--\r\n",
	"--b\r\nContent-Disposition: form-data; name=\"x\"\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b--\r\n",
	"--b\r\nContent-Disposition: form-data; name*=UTF-8''mod%65l\r\n\r\nm\r\n--b--\r\n",
	"--b\n--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nv\r\n--b--",
	"--b\r\nContent-Disposition: form-data;\r\n name=\"model\"\r\n\r\nm\r\n--b--",
}

// FuzzMultipart: what passes has our model first, and all else as a provider would have read it from the caller;
// another attempt sends the same, wherever the first one ended.
func FuzzMultipart(f *testing.F) {
	_, body := form(f, "b", []sent{{"model", "", "m"}, {"file", "a", "x\r\n--"}, {"response_format", "", "srt"}})
	f.Add(body, uint16(100))
	for _, odd := range oddForms {
		f.Add([]byte(odd), uint16(50))
	}
	f.Fuzz(func(t *testing.T, body []byte, until uint16) {
		_, got, err := through("multipart/form-data; boundary=b", bytes.NewReader(body), "m")
		if err != nil {
			return
		}
		if len(got) == 0 || got[0] != (sent{"model", "", "m"}) {
			t.Fatalf("%q passed as %+v, want our model first", body, got)
		}
		direct, err := parse(body, "b")
		if err != nil {
			t.Fatalf("%q passed, but a provider refuses it: %v", body, err)
		}
		if !reflect.DeepEqual(got[1:], others(direct)) && len(got) > 1 {
			t.Fatalf("%q passed as %+v, a provider reads %+v", body, got, direct)
		}
		m := upload(t, "multipart/form-data; boundary=b", iotest.HalfReader(bytes.NewReader(body)), len(body))
		m.accept = func(string) bool { return true }
		if _, err := io.ReadAll(io.LimitReader(m, int64(until))); err != nil {
			t.Fatal(err)
		}
		r, ok := m.Again("m")
		if !ok {
			t.Fatalf("there is no other attempt after %d bytes of %q", until, body)
		}
		out, err := io.ReadAll(r)
		if again, perr := parse(out, "b"); err != nil || perr != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("%q passed again as %+v, %v, %v, want %+v", body, again, err, perr, got)
		}
	})
}
