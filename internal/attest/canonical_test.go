package attest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestCanonicalVectors(t *testing.T) {
	var vectors []struct {
		In, Canonical           string
		CanonicalSHA256         string `json:"canonical_sha256"`
		WithStreamOptions       string `json:"with_stream_options"`
		WithStreamOptionsSHA256 string `json:"with_stream_options_sha256"`
	}
	read(t, "testdata/request_canonical.json", &vectors)
	if len(vectors) != 2 {
		t.Fatalf("%d vectors, want 2", len(vectors))
	}
	for _, v := range vectors {
		got, err := Canonical([]byte(v.In))
		if err != nil || string(got) != v.Canonical {
			t.Errorf("Canonical(%s) = %s, %v; want %s", v.In, got, err, v.Canonical)
		}
		forms := canonicalForms(context.Background(), []byte(v.In))
		if len(forms) != 2 {
			t.Fatalf("%d forms of %s, want 2", len(forms), v.In)
		}
		if string(forms[1]) != v.WithStreamOptions {
			t.Errorf("with the usage option: %s, want %s", forms[1], v.WithStreamOptions)
		}
		for i, want := range []string{v.CanonicalSHA256, v.WithStreamOptionsSHA256} {
			if d := sha256.Sum256(forms[i]); hex.EncodeToString(d[:]) != want {
				t.Errorf("digest of form %d = %x, want %s", i, d, want)
			}
		}
		again, err := Canonical(got)
		if err != nil || !bytes.Equal(again, got) {
			t.Errorf("Canonical of the canonical form = %s, %v; want no change", again, err)
		}
	}
}

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		`{}`:                                        `{}`,
		` { "b" : [ ] , "a" : { } } `:               `{"a":{},"b":[]}`,
		`{"a":null,"b":true,"c":"x"}`:               `{"a":null,"b":true,"c":"x"}`,
		`{"a":1e21,"b":1e-7,"c":-0.0}`:              `{"a":1e+21,"b":1e-7,"c":-0}`,
		`{"a":"\u2028\u2029\u003e\/"}`:              `{"a":"\u2028\u2029\u003e/"}`,
		`{"é":1,"e":2,"Z":3}`:                       `{"Z":3,"e":2,"é":1}`,
		`{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}`: `{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}`,
	} {
		if got, err := Canonical([]byte(in)); err != nil || string(got) != want {
			t.Errorf("Canonical(%s) = %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{
		``, `x`, `[]`, `"a"`, `null`, `{} {}`, `{}x`, `{"a":1,}`, `{"a":1e999}`,
		`{"a":1,"a":1}`, `{"a":1,"\u0061":2}`, `{"x":{"a":1,"b":2,"a":3}}`, `{"x":[{"a":1,"a":2}]}`, `{"":1,"":2}`,
		`{"a":` + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1) + `}`,
	} {
		if got, err := Canonical([]byte(in)); !errors.Is(err, ErrCanonical) || got != nil {
			t.Errorf("Canonical(%.60s) = %s, %v; want ErrCanonical", in, got, err)
		}
		if forms := canonicalForms(context.Background(), []byte(in)); forms != nil {
			t.Errorf("canonicalForms(%.60s) = %s, want none", in, forms)
		}
	}
}

// The usage option is added where providers add it: to streams that do not mention it.
func TestCanonicalForms(t *testing.T) {
	for in, want := range map[string]int{
		`{"stream":true}`: 2, `{"stream":false}`: 1, `{"stream":"true"}`: 1, `{}`: 1, `{"stream":true,"stream_options":null}`: 1,
		`{"stream":true,"stream_options":{"include_usage":false}}`: 1,
	} {
		if got := canonicalForms(context.Background(), []byte(in)); len(got) != want {
			t.Errorf("%d forms of %s, want %d", len(got), in, want)
		}
	}
}

// Where there is a canonical form it is what encoding/json makes of the document, and a fixed point.
func FuzzCanonical(f *testing.F) {
	f.Add([]byte(requestBody))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Add([]byte(`{"a":[1,{"b":"\ud800<"}],"c":1e2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := Canonical(body)
		if err != nil {
			return
		}
		var doc map[string]any
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatalf("a form of what encoding/json refuses: %v", err)
		}
		want, err := json.Marshal(doc)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("Canonical = %s, encoding/json makes %s, %v", got, want, err)
		}
		again, err := Canonical(got)
		if err != nil || !bytes.Equal(again, got) {
			t.Errorf("Canonical of %s = %s, %v; want no change", got, again, err)
		}
	})
}

func BenchmarkCanonical(b *testing.B) {
	message := `{"role":"user","content":"` + strings.Repeat("lorem ipsum dolor ", 50) + `"},`
	body := []byte(`{"model":"m","stream":true,"temperature":0.70,"messages":[` + strings.Repeat(message, 10) + strings.TrimSuffix(message, ",") + `]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Canonical(body); err != nil {
			b.Fatal(err)
		}
	}
}
