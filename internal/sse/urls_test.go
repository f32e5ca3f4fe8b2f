package sse

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// local is how links are rewritten in these tests: some of them stay.
func local(link string) string {
	path, ok := strings.CutPrefix(link, "https://p.example/v1/proxy/")
	if !ok {
		return link
	}
	return "http://127.0.0.1:4000/v1/" + path
}

func TestRewriteURLs(t *testing.T) {
	const theirs, ours = "https://p.example/v1/proxy/images/k/0?a=1&b=<2>", "http://127.0.0.1:4000/v1/images/k/0?a=1&b=<2>"
	for _, tc := range []struct{ name, doc, want string }{
		{"one", `{"created":1,"data":[{"url":"` + theirs + `"}]}`, `{"created":1,"data":[{"url":"` + ours + `"}]}`},
		{
			"two, and all else as it was", " {\n\"created\": 1.0e3 , \"data\" : [ {\"revised_prompt\":\"\\u00e9\",\"url\" :\t\"" + theirs + "\" } ,{\"url\":\"" + theirs + "\",\"b64_json\":null}]}\n",
			" {\n\"created\": 1.0e3 , \"data\" : [ {\"revised_prompt\":\"\\u00e9\",\"url\" :\t\"" + ours + "\" } ,{\"url\":\"" + ours + "\",\"b64_json\":null}]}\n",
		},
		{"written with escapes", `{"d\u0061ta":[{"\u0075rl":"https:\/\/p.example\/v1\/proxy\/x"}]}`, `{"d\u0061ta":[{"\u0075rl":"http://127.0.0.1:4000/v1/x"}]}`},
		{"an async job", `{"jobId":"j","data":{"url":"` + theirs + `","data":[{"url":"` + theirs + `"}]}}`, `{"jobId":"j","data":{"url":"` + theirs + `","data":[{"url":"` + ours + `"}]}}`},
		{"twice", `{"data":[{"url":"` + theirs + `","url":"` + theirs + `"}],"data":[{"url":"` + theirs + `"}]}`, `{"data":[{"url":"` + ours + `","url":"` + ours + `"}],"data":[{"url":"` + ours + `"}]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := strings.Clone(tc.doc)
			got, err := RewriteURLs([]byte(tc.doc), local)
			if err != nil || string(got) != tc.want || tc.doc != before {
				t.Errorf("%v\n got %s\nwant %s", err, got, tc.want)
			}
		})
	}
	for name, text := range map[string]string{
		"elsewhere": `{"url":"` + theirs + `","data":{"url":"` + theirs + `"},"x":[{"url":"` + theirs + `"}],"y":{"data":[{"url":"` + theirs + `"}]}}`,
		"deeper":    `{"data":[{"x":{"url":"` + theirs + `"}},[{"url":"` + theirs + `"}],"` + theirs + `",{"data":[{"url":"` + theirs + `"}]}]}`,
		"a key":     `{"data":[{"` + theirs + `":"url","url":{"url":"` + theirs + `"}}]}`,
		"in a list": `[{"data":[{"url":"` + theirs + `"}]}]`,
		"other":     `{"data":[{"url":"https://other.example/x"},{"url":null},{"url":7},{"url":["` + theirs + `"]}]}`,
		"no object": `"` + theirs + `"`,
		"number":    ` 1e999 `,
	} {
		t.Run(name, func(t *testing.T) {
			doc := []byte(text)
			if got, err := RewriteURLs(doc, local); err != nil || &got[0] != &doc[0] || len(got) != len(doc) {
				t.Errorf("%v, %s, want the document itself", err, got)
			}
		})
	}
	whole := `{"data":[{"url":"` + theirs + `"}]}`
	for cut := range whole {
		if _, err := RewriteURLs([]byte(whole[:cut]), local); err == nil {
			t.Errorf("accepted %s", whole[:cut])
		}
	}
	for _, doc := range []string{whole + "x", whole + whole, `{"data":[{"url":"\x"}]}`, strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)} {
		if _, err := RewriteURLs([]byte(doc), local); err == nil {
			t.Errorf("accepted %.100s", doc)
		}
	}
	large := []byte(`{"data":[{"b64_json":"` + strings.Repeat("QUJD", 1<<20) + `","url":"` + theirs + `"}]}`)
	if got, err := RewriteURLs(large, local); err != nil || !bytes.Equal(got, bytes.Replace(large, []byte(theirs), []byte(ours), 1)) {
		t.Errorf("a large document: %d bytes, %v", len(got), err)
	}
}

// FuzzRewriteURLs: the links are other ones, and nothing else is.
func FuzzRewriteURLs(f *testing.F) {
	for _, doc := range []string{
		`{"created":1,"data":[{"url":"https://p.example/v1/proxy/images/k/0"},{"b64_json":"YQ==","revised_prompt":"\u00e9"}]}`, `{"jobId":"j","status":"completed","data":{"data":[{"url":"a"}]}}`,
		` {"data" : [ {"url" :"a","url":"\ud83d\ude00"} , 1.0, null, [[]] ], "data":[{}]} `, `{"url":"x","data":"y"}`, `[]`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := RewriteURLs(doc, func(s string) string { return "x" + s })
		if (err == nil) != json.Valid(doc) {
			t.Fatalf("%q: %v", doc, err)
		}
		if err != nil {
			return
		}
		before, after := generic(t, doc), generic(t, got)
		relink(before, true)
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("%q became %q", doc, got)
		}
		if same, err := RewriteURLs(doc, func(s string) string { return s }); err != nil || !bytes.Equal(same, doc) {
			t.Fatalf("%q became %q, %v, although no link changes", doc, same, err)
		}
	})
}

func generic(t *testing.T, doc []byte) (v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%q cannot be decoded: %v", doc, err)
	}
	return v
}

// relink does to a decoded answer what RewriteURLs does to its text.
func relink(v any, outermost bool) {
	answer, _ := v.(map[string]any)
	switch data := answer["data"].(type) {
	case map[string]any:
		if outermost {
			relink(data, false)
		}
	case []any:
		for _, e := range data {
			if image, ok := e.(map[string]any); ok {
				if link, ok := image["url"].(string); ok {
					image["url"] = "x" + link
				}
			}
		}
	}
}
