package request

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func scanForm(tb testing.TB, contentType string, body []byte) *Form {
	tb.Helper()
	f, err := ScanForm(contentType, body)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func TestScanFormWhateverTheOrder(t *testing.T) {
	image := sent{"image", "a.png", "\x89PNG\r\n--other\r\n"}
	contentType, body := form(t, "it's (an) odd/boundary", []sent{
		image, {"prompt", "", "a \"cat\""}, {"n", "", "2"}, {"mask", "m.png", ""}, {"size", "", "1x1"}, {"model", "", "m"}, {"response_format", "", "url"}, {"seconds", "", "4"}, {"stream", "", "true"},
	})
	body = append([]byte("preamble\r\n"), append(body, "epilogue"...)...)
	f := scanForm(t, contentType, body)
	got := f.Fields
	got.counted = false
	if want := (Fields{N: 2, Seconds: 4, Size: "1x1", ResponseFormat: "url", Stream: true}); f.Model != "m" || !f.HasModel || got != want {
		t.Errorf("model %q, %+v, want m, %+v", f.Model, got, want)
	}
	if same := f.Splice("m"); &same[0] != &body[0] {
		t.Error("the body is another one although nothing changes")
	}
	want := bytes.Replace(body, []byte("name=\"model\"\r\n\r\nm\r\n"), []byte("name=\"model\"\r\n\r\nprovider/model\r\n"), 1)
	if got := f.Splice("provider/model"); !bytes.Equal(got, want) {
		t.Errorf("Splice = %q, want %q", got, want)
	}
	if f.Splice("x"); !bytes.HasSuffix(f.body, []byte("epilogue")) || f.Model != "m" {
		t.Error("Splice changed the form itself")
	}
}

func TestFormWithoutModel(t *testing.T) {
	contentType, body := form(t, "b", []sent{{"image", "a.png", "x"}, {"prompt", "", "p"}})
	body = append([]byte("preamble\r\n"), body...)
	f := scanForm(t, contentType, body)
	if f.HasModel || f.N != 1 {
		t.Errorf("has a model: %v, N %d", f.HasModel, f.N)
	}
	if got, want := string(f.Splice("m")), "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n"+string(body[len("preamble\r\n"):]); got != want {
		t.Errorf("Splice = %q, want %q", got, want)
	}
	if got := f.Splice(""); &got[0] != &body[0] {
		t.Error("a model was put in where there is none to put in")
	}
}

func TestScanFormRefusals(t *testing.T) {
	field := func(name, value string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
	}
	for _, tc := range []struct{ name, body, param string }{
		{"empty", "", ""},
		{"no boundary", "hello\r\n", ""},
		{"only an end", "--b--\r\n", ""},
		{"model twice", field("model", "m") + field("x", "y") + field("model", "m") + "--b--", "model"},
		{"n twice", field("n", "1") + field("n", "1") + "--b--", "n"},
		{"n", field("n", "many") + "--b--", "n"},
		{"seconds", field("seconds", "long") + "--b--", "seconds"},
		{"no disposition", "--b\r\nX: y\r\n\r\nv\r\n--b--\r\n", ""},
		{"long header", "--b\r\nX: " + strings.Repeat("y", maxPartHeader) + "\r\n\r\nv\r\n--b--\r\n", ""},
		{"an empty part without a line end", oddForms[3], ""},
		{"a bare line feed", oddForms[4], ""},
		{"a bare line feed in front", oddForms[11], ""},
		{"a longer boundary", oddForms[5], ""},
		{"a longer end", oddForms[6], ""},
		{"a model with a file name", oddForms[7], "model"},
		{"an encoded model", oddForms[8], "model"},
		{"two names", oddForms[9], ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ScanForm("multipart/form-data; boundary=b", []byte(tc.body))
			if bad, ok := errors.AsType[*Error](err); !ok || bad.Param != tc.param || bad.Message == "" {
				t.Errorf("%v, want an Error about %q", err, tc.param)
			}
		})
	}
	contentType, body := form(t, "b", []sent{{"model", "", "m"}, {"file", "a", "x"}})
	for cut := range body[:len(body)-4] {
		if _, err := ScanForm(contentType, body[:cut]); err == nil {
			t.Fatalf("accepted with only %d of %d bytes", cut, len(body))
		}
	}
	if _, err := ScanForm("application/json", body); err == nil {
		t.Error("accepted another content type")
	}
}

func TestMultipartTurnsOutToBeNeededWhole(t *testing.T) {
	file, model := sent{"image", "a.png", strings.Repeat("pixels", 50_000)}, sent{"model", "", "m"}
	for _, tc := range []struct {
		name  string
		parts []sent
		needs bool
	}{
		{"file first", []sent{{"prompt", "", "p"}, file, model}, true},
		{"model first", []sent{model, file}, false},
		{"no file", []sent{{"prompt", "", "p"}}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			contentType, body := form(t, "b", tc.parts)
			body = append([]byte("preamble\r\n"), append(body, "\r\nepilogue"...)...)
			for _, in := range []io.Reader{bytes.NewReader(body), iotest.OneByteReader(bytes.NewReader(body))} {
				m, err := NewMultipart(contentType, in)
				if err == nil {
					err = m.Prepare()
				}
				if err != nil || m.NeedsWhole() != tc.needs {
					t.Fatalf("needs the whole form: %v, %v, want %v", m.NeedsWhole(), err, tc.needs)
				}
				whole, err := wholeOf(m)
				if err != nil || !bytes.Equal(whole, body) {
					t.Fatalf("%d bytes, %v, want the %d that were sent", len(whole), err, len(body))
				}
				if _, _, err := m.Whole(); err == nil {
					t.Error("the body was handed out twice")
				}
			}
		})
	}
	contentType, body := form(t, "b", []sent{file, model})
	odd, err := NewMultipart("multipart/form-data; boundary=b", strings.NewReader(oddForms[7]))
	if err != nil {
		t.Fatal(err)
	}
	if err := odd.Prepare(); err == nil {
		t.Fatal("Prepare accepted a model with a file name")
	}
	if whole, err := wholeOf(odd); err != nil || string(whole) != oddForms[7] {
		t.Errorf("after a refusal: %q, %v, want what was sent", whole, err)
	}
	m, err := NewMultipart(contentType, io.MultiReader(bytes.NewReader(body[:100_000]), iotest.ErrReader(errLine)))
	if err == nil {
		err = m.Prepare()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wholeOf(m); !errors.Is(err, errLine) {
		t.Errorf("%v, want what went wrong with the body", err)
	}
}

// wholeOf reads all of a form.
func wholeOf(m *Multipart) ([]byte, error) {
	begun, rest, err := m.Whole()
	if err != nil {
		return nil, err
	}
	more, err := io.ReadAll(rest)
	return append(begun, more...), err
}

var errLine = errors.New("the line is dead")

func isTooLarge(err error, limit int64) bool {
	large, ok := errors.AsType[*http.MaxBytesError](err)
	return ok && large.Limit == limit
}

// FuzzForm: what is accepted is read as a provider reads it, and splicing changes the model and nothing else.
func FuzzForm(f *testing.F) {
	_, body := form(f, "b", []sent{{"image", "a.png", "x\r\n--"}, {"n", "", "2"}, {"model", "", "m"}, {"size", "", "1x1"}})
	f.Add(body)
	for _, odd := range oddForms {
		f.Add([]byte(odd))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := ScanForm("multipart/form-data; boundary=b", body)
		if err != nil {
			return
		}
		direct, err := parse(body, "b")
		if err != nil {
			t.Fatalf("%q was accepted, but a provider refuses it: %v", body, err)
		}
		model, named := "", false
		for _, p := range direct {
			if p.name == "model" {
				model, named = p.value, true
			}
		}
		if got.Model != model || got.HasModel != named {
			t.Fatalf("%q asks for %q (%v), a provider reads %q (%v)", body, got.Model, got.HasModel, model, named)
		}
		after, err := parse(got.Splice("ours"), "b")
		if err != nil || !reflect.DeepEqual(others(after), others(direct)) {
			t.Fatalf("%q became %+v, %v, want the other parts as they were: %+v", body, after, err, direct)
		}
		again := scanForm(t, "multipart/form-data; boundary=b", got.Splice("ours"))
		if a, b := again.Fields, got.Fields; again.Model != "ours" || a != b {
			t.Fatalf("%q became %q, %+v, want %+v", body, again.Model, a, b)
		}
	})
}
