package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
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
		{`{}`, `{"model":"p"}`},
		{" {\n\"n\":1}", " {\"model\":\"p\",\n\"n\":1}"},
		{`{"stream":true}`, `{"model":"p","stream_options":{"include_usage":true},"stream":true}`},
		{`{"stream":true,"stream_options":{}}`, `{"model":"p","stream":true,"stream_options":{"include_usage":true}}`},
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

func TestSpliceKeepsABodyThatNeedsNothing(t *testing.T) {
	for _, text := range []string{`{"prompt":"x"}`, `{}`, `{"model":""}`} {
		body := []byte(text)
		j, err := ScanJSON(body)
		if err != nil {
			t.Fatal(err)
		}
		if got := j.Splice("", false); &got[0] != &body[0] || len(got) != len(body) {
			t.Errorf("Splice(%s) without a model = %s, want the body itself", text, got)
		}
	}
}

func TestScanJSONReadsWhatBoundsMedia(t *testing.T) {
	for _, tc := range []struct {
		body string
		want JSON
	}{
		{`{"seconds":"8","size":"1280x720"}`, JSON{N: 1, Seconds: 8, Size: "1280x720"}},
		{`{"seconds":4.2,"size":["tolerated"]}`, JSON{N: 1, Seconds: 5}},
		{`{"seconds":null,"max_duration":null,"size":null,"input":null}`, JSON{N: 1}},
		{`{"input":"Hello, wörld","max_duration":30}`, JSON{N: 1, MaxDuration: 30, InputLength: 12, InputTokens: 4}},
		{`{"max_duration":"1e1"}`, JSON{N: 1, MaxDuration: 10}},
		{`{"input":""}`, JSON{N: 1, InputTokens: 1}},
		{`{"input":["a b c","d\u00e9"]}`, JSON{N: 1, InputTokens: 6 + 2}},
		{`{"input":[15339,1917,-1]}`, JSON{N: 1, InputTokens: 3}},
		{`{"input":[[1,2,3],[4],[]]}`, JSON{N: 1, InputTokens: 4}},
		{`{"input":[{"text":"one two"}]}`, JSON{N: 1, InputTokens: 6}},
		{`{"input":[]}`, JSON{N: 1}},
		{`{"input":{"text":"tolerated"}}`, JSON{N: 1}},
	} {
		t.Run(tc.body, func(t *testing.T) {
			got, err := ScanJSON([]byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			seen := JSON{N: got.N, Seconds: got.Seconds, MaxDuration: got.MaxDuration, Size: got.Size, InputLength: got.InputLength, InputTokens: got.InputTokens}
			if !reflect.DeepEqual(seen, tc.want) {
				t.Errorf("got %+v, want %+v", seen, tc.want)
			}
		})
	}
	for _, value := range []string{`"long"`, `-1`, `""`, `true`, `[8]`, `{}`, `1e30`, `"inf"`, `"NaN"`, `"0x10"`} {
		for _, name := range []string{"seconds", "max_duration"} {
			_, err := ScanJSON([]byte(`{"` + name + `":` + value + `}`))
			if bad, ok := errors.AsType[*Error](err); !ok || bad.Param != name {
				t.Errorf("%s of %s: %v, want an Error about it", name, value, err)
			}
		}
	}
}

// Each name costs whoever reads the request; nobody needs so many. A name that is told is cut off, as it may be the
// request.
func TestScanJSONBoundsNames(t *testing.T) {
	document := func(names int, last string) []byte {
		var b strings.Builder
		b.WriteString(`{"model":"m"`)
		for i := range names - 2 {
			fmt.Fprintf(&b, `,"f%d":0`, i)
		}
		return []byte(b.String() + `,"` + last + `":0}`)
	}
	for _, tc := range []struct {
		name, param string
		body        []byte
	}{
		{"as many as may be", "-", document(maxNames, "x")},
		{"one more", "", document(maxNames+1, "x")},
		{"twice among few", "f1", document(fewNames-1, "f1")},
		{"twice among many", "f7", document(maxNames, "f7")},
		{"twice at the turn", "f14", document(fewNames+1, "f14")},
		{"the same written otherwise", "model", document(maxNames, `m\u006fdel`)},
		{"long", strings.Repeat("é", maxParam/2) + "…", []byte(`{"` + strings.Repeat("é", 1<<10) + `":0,"` + strings.Repeat("é", 1<<10) + `":0}`)},
	} {
		_, err := ScanJSON(tc.body)
		bad, refused := errors.AsType[*Error](err)
		if refused != (tc.param != "-") || (refused && bad.Param != tc.param) {
			t.Errorf("%s: %v", tc.name, err)
		}
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
		before["model"] = "provider"
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
