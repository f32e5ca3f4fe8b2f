package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// specimen is one exchange of the corpus: what is sent, and what comes back where that is not the provider's own answer.
type specimen struct {
	name        string
	path        string
	contentType string
	body        []byte
	raw         *simprovider.RawAnswer
	refused     int // with this status, before anything is sent
	// changed says that what is sent on is not what the caller sent, byte for byte.
	changed bool
	// extras says that beside its pictures, which alone are signed, the answer holds text.
	extras bool
	audio  []byte // whose digest has to come back
}

// values are JSON values that readers have stumbled over.
var values = []string{
	`null`, `true`, `false`, `0`, `-0`, `-0.0`, `0.0`, `1.0`, `1.00`, `0.70`, `1e2`, `1E2`, `1e+2`, `1E-2`, `1e0`, `0e0`, `1e-400`, `1e308`, `1e309`, `-1e999`,
	`9007199254740993`, `-9007199254740993`, `18446744073709551616`, `123456789012345678901234567890123456789012345678901234567890`,
	`0.1234567890123456789012345678901234567890`, `0.1e-10`, `1.7976931348623157e+308`, `5e-324`, `2.2250738585072014e-308`,
	`""`, `" "`, `"\u0000"`, `"a\u0000b"`, `"\u0001\u001f"`, `"\"\\\/\b\f\n\r\t"`, `"\u00e9"`, `"é"`, `"e\u0301"`, `"é"`, `"\u00E9\u00e9"`,
	`"\ud83d\ude00"`, `"😀"`, `"\uD83D\uDE00"`, `"\ud800"`, `"\udc00"`, `"\udc00\ud800"`, `"x\ud800y"`, `"\ud800\u0041"`, `"\ufeff"`, "\"\ufeff\"", "\"\u2028\u2029\"",
	`"\u2028\u2029"`, `"<>&"`, `"\u003c\u003e\u0026"`, "\"\u007f\u0080\u009f\"", "\"\U0010ffff\"", "\"\ufffd\"", "\"\uffff\"", `"data: [DONE]"`, `"\n\ndata: [DONE]\n\n"`,
	`"\\u0041"`, `"\\"`, `"\\\\\\"`, `"]}"`, `"{\"a\":1}"`, `"usage"`, `"` + strings.Repeat("x", 300_000) + `"`, `"` + strings.Repeat(`\u00e9`, 20_000) + `"`,
	`{}`, `[]`, `[[]]`, `{"":""}`, `{"a":{"a":{"a":1}}}`, `{"b":1,"a":2}`, `{"a":1,"a":2}`, `{"usage":{"usage":{}}}`, `{"\u0061":1,"b":2}`, `[1,"1",true,null,{},[]]`,
	`[ ]`, `{ }`, "[\t1\r\n,\n2 ]", "{ \"a\" : 1 , \"b\" : [ ] }", `{"model":"other","stream":true,"n":7,"max_tokens":-1}`,
	strings.Repeat("[", 200) + strings.Repeat("]", 200), strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200),
	"[" + strings.Repeat("0,", 50_000) + "0]",
}

// refusals are bodies that never leave, each with what of a chat request is put around it.
var refusals = map[string]string{
	"a name twice": `{"model":"echo-1","messages":[],"model":"echo-1"}`, "a name twice in two spellings": `{"model":"echo-1","messages":[],"m\u006fdel":"echo-1"}`,
	"usage twice":     `{"model":"echo-1","messages":[],"stream":true,"stream_options":{"include_usage":true,"include_usage":false}}`,
	"byte order mark": "\ufeff" + `{"model":"echo-1","messages":[]}`, "two documents": `{"model":"echo-1","messages":[]}{}`, "not a number": `{"model":"echo-1","x":NaN}`,
	"infinity": `{"model":"echo-1","x":Infinity}`, "leading zero": `{"model":"echo-1","x":01}`, "plus": `{"model":"echo-1","x":+1}`, "hex": `{"model":"echo-1","x":0x1}`,
	"a dot alone": `{"model":"echo-1","x":1.}`, "a dot first": `{"model":"echo-1","x":.5}`, "single quotes": `{'model':'echo-1'}`, "comma at the end": `{"model":"echo-1",}`,
	"comment": `{"model":"echo-1"/**/}`, "line end in a string": "{\"model\":\"echo-1\",\"x\":\"\n\"}", "zero byte": "{\"model\":\"echo-1\",\"x\":\"\x00\"}",
	"not UTF-8": "{\"model\":\"echo-1\",\"x\":\"\xff\"}", "an encoded surrogate": "{\"model\":\"echo-1\",\"x\":\"\xed\xa0\x80\"}", "overlong": "{\"model\":\"echo-1\",\"x\":\"\xc0\xaf\"}",
	"half an escape": `{"model":"echo-1","x":"\u00"}`, "no escape": `{"model":"echo-1","x":"\x41"}`, "too deep": `{"model":"echo-1","x":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}`,
	"nothing": ``, "a list": `[]`, "a string": `"echo-1"`, "cut off": `{"model":"echo-1","messages":[`, "UTF-16": "{\x00\"\x00}\x00",
}

func chatSpecimen(name, body string) specimen {
	return specimen{name: name, path: "/v1/chat/completions", contentType: "application/json", body: []byte(body)}
}

// asked are requests whose answers are the provider's own.
func askedInManyWays() []specimen {
	var all []specimen
	for i, v := range values {
		all = append(
			all,
			chatSpecimen(fmt.Sprintf("field %d in a request", i), fmt.Sprintf(`{"model":"echo-1","n_%d":1,"x":%s,"messages":[{"role":"user","content":"hi"}]}`, i, v)),
			chatSpecimen(fmt.Sprintf("field %d in a message of a stream", i),
				fmt.Sprintf("{ \"messages\" :\t[{\"x\":%s,\"role\":\"user\",\"content\":\"hi %d\"}],\r\n\"stream\" : true , \"stream_options\":{\"include_usage\":true,\"x\":%[1]s},\"model\":\"\\u0065cho-1\"} \n", v, i)),
		)
		if v[0] == '"' && len(v) < 1000 {
			all = append(all, chatSpecimen(fmt.Sprintf("content %d", i), fmt.Sprintf(`{"messages":[{"role":"user","content":%s}],"model":"echo-1","n_%d":0}`, v, i)))
		}
	}
	for name, body := range refusals {
		s := chatSpecimen("refused: "+name, body)
		s.refused = http.StatusBadRequest
		all = append(all, s)
	}
	for name, body := range map[string]string{
		"stream without options": `{"model":"echo-1","messages":[{"role":"user","content":"a"}],"stream":true}`,
		"stream with others":     `{"stream":true,"stream_options":{"x":1e2},"model":"echo-1","messages":[{"role":"user","content":"b"}]}`,
		"stream with none":       `{"stream":true,"stream_options":null,"model":"echo-1","messages":[{"role":"user","content":"c"}]}`,
		"stream that wants none": `{"stream":true,"stream_options":{ "include_usage" : false },"model":"echo-1","messages":[{"role":"user","content":"d"}]}`,
	} {
		s := chatSpecimen(name, body)
		s.changed = true
		all = append(all, s)
	}
	return all
}

// answered are answers that were made elsewhere.
func answeredInManyWays() []specimen {
	var all []specimen
	ask := func(name, contentType string, stream bool, pieces ...string) {
		more := ""
		if stream {
			more = `,"stream":true,"stream_options":{"include_usage":true}`
		}
		s := chatSpecimen(name, fmt.Sprintf(`{"model":"echo-1","name":%q,"messages":[{"role":"user","content":"hi"}]%s}`, name, more))
		s.raw = &simprovider.RawAnswer{ContentType: contentType}
		for _, p := range pieces {
			s.raw.Pieces = append(s.raw.Pieces, []byte(p))
		}
		all = append(all, s)
	}
	for i, v := range values {
		ask(fmt.Sprintf("document with field %d", i), "application/json", false,
			fmt.Sprintf(`{"id":"chatcmpl-%d","x":%s,"choices":[{"message":{"content":"hi","x":%[2]s}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`, i, v))
		ask(fmt.Sprintf("nothing but value %d", i), "application/json; charset=utf-8", false, v)
		ask(fmt.Sprintf("event with field %d", i), "text/event-stream", true,
			fmt.Sprintf("data: {\"x\":%s,\"choices\":[{\"delta\":{\"content\":%q}}]}\n\n", strings.NewReplacer("\r", "", "\n", "").Replace(v), "hi"), "data: [DONE]\n\n")
	}
	const event = `data: {"choices":[{"delta":{"content":"hi"}}]}`
	for name, body := range map[string]string{
		"CRLF": event + "\r\n\r\ndata: [DONE]\r\n\r\n", "byte order mark": "\ufeff" + event + "\n\ndata: [DONE]\n\n", "no spaces": "data:{}\n\ndata:[DONE]\n\n",
		"comments": ": ping\n\n" + event + "\n: ping\n\n:\n\n::\ndata: [DONE]\n\n", "no line end": event + "\n\ndata: [DONE]", "one line end": event + "\ndata: [DONE]\n",
		"lines of data": "data: {\"choices\":\ndata: [\ndata: ]}\n\ndata: [DONE]\n\n", "other fields": "event: x\nid: 1\nretry: 10\n" + event + "\n\nid\n\nevent\n\ndata: [DONE]\n\n",
		"empty events": "\n\n\n\ndata\n\ndata:\n\ndata: \n\n" + event + "\n\ndata: [DONE]\n\n\n\n", "a very long line": "data: {\"x\":\"" + strings.Repeat("y", 3<<20) + "\"}\n\ndata: [DONE]\n\n",
		"more behind the end": event + "\n\ndata: [DONE]\n\n" + event + "\n\n: bye\n\n", "not UTF-8": "data: \xff\xfe\x00\n\n" + event + "\n\ndata: [DONE]\n\n",
		"mixed line ends": event + "\r\n\n" + event + "\n\r\ndata: [DONE]\n\r\n", "unknown lines": "what is this\n\n" + event + "\n\ndata: [DONE]\n\n", "nothing but the end": "data: [DONE]\n\n",
		"usage of many sorts": "data: {\"usage\":null}\n\ndata: {\"usage\":{\"prompt_tokens\":1e1}}\n\ndata: {\"usage\":[]}\n\ndata: [DONE]\n\n",
		"a message's events":  "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
	} {
		ask("stream with "+name, "text/event-stream", true, body)
		ask("stream in single bytes with "+name, "text/event-stream; charset=utf-8", true, cutUp(rand.New(rand.NewPCG(1, 2)), body)...)
	}
	for name, body := range map[string]string{
		"spaces in front": " \t\r\n{}", "line ends behind": "{}\n\n\n", "byte order mark": "\ufeff{}", "two documents": "{}{}", "no document": "hello", "nothing": "",
		"zero bytes": "\x00\x00", "not UTF-8": "{\"x\":\"\xff\"}", "a name twice": `{"id":"a","id":"b","usage":{},"usage":{"prompt_tokens":1}}`,
	} {
		ask("document with "+name, "application/json", false, body)
		ask("typeless with "+name, "application/octet-stream", false, body)
	}
	return all
}

// cutUp cuts a text into a few dozen pieces of all lengths, between any two bytes.
func cutUp(r *rand.Rand, s string) (pieces []string) {
	for len(s) > 0 && len(pieces) < 40 {
		n := min(len(s), 1+r.IntN(1+len(s)/8))
		pieces, s = append(pieces, s[:n]), s[n:]
	}
	return append(pieces, s)
}

// jsonWriter makes up JSON in all spellings.
type jsonWriter struct {
	*rand.Rand
	out strings.Builder
}

func (w *jsonWriter) space() {
	for w.IntN(4) == 0 {
		w.out.WriteByte(" \t\r\n"[w.IntN(4)])
	}
}

func (w *jsonWriter) text() {
	w.out.WriteByte('"')
	for range w.IntN(12) {
		switch w.IntN(6) {
		case 0:
			fmt.Fprintf(&w.out, `\u%04x`, w.IntN(1<<16))
		case 1:
			fmt.Fprintf(&w.out, `\%c`, `"\/bfnrt`[w.IntN(8)])
		case 2:
			r := rune(0x80 + w.IntN(0x10ff7f))
			if r >= 0xd800 && r < 0xe000 {
				r = 'é'
			}
			w.out.WriteRune(r)
		default:
			w.out.WriteByte("abc<>&':,{}[] /0"[w.IntN(16)])
		}
	}
	w.out.WriteByte('"')
}

func (w *jsonWriter) value(depth int) {
	w.space()
	defer w.space()
	switch kind := w.IntN(10); {
	case kind < 2 && depth > 0:
		w.list('[', ']', func() { w.value(depth - 1) })
	case kind < 5 && depth > 0:
		i := 0
		w.list('{', '}', func() {
			i++
			fmt.Fprintf(&w.out, `"k%d"`, i)
			w.space()
			w.out.WriteByte(':')
			w.value(depth - 1)
		})
	case kind < 7:
		w.text()
	default:
		w.out.WriteString(values[w.IntN(29)]) // words and numbers
	}
}

func (w *jsonWriter) list(open, shut byte, element func()) {
	w.out.WriteByte(open)
	w.space()
	for i := range w.IntN(5) {
		if i > 0 {
			w.out.WriteByte(',')
			w.space()
		}
		element()
	}
	w.out.WriteByte(shut)
}

// madeUp are exchanges whose both halves are made up, the same ones every time.
func madeUp(n int) []specimen {
	var all []specimen
	for i := range n {
		w := jsonWriter{Rand: rand.New(rand.NewPCG(7, uint64(i)))}
		stream := i%2 == 1
		fmt.Fprintf(&w.out, `{"model":"echo-1","n_%d":`, i)
		w.value(4)
		w.out.WriteString(`,"messages":[{"role":"user","content":"hi"}],"y":`)
		w.value(3)
		if stream {
			w.out.WriteString(`,"stream":true,"stream_options":{"include_usage":true}`)
		}
		w.out.WriteString("}")
		s := chatSpecimen(fmt.Sprintf("made up %d", i), w.out.String())
		w.out.Reset()
		s.raw = &simprovider.RawAnswer{ContentType: "application/json"}
		if !stream {
			w.value(5)
		} else {
			s.raw.ContentType = "text/event-stream"
			for range w.IntN(8) {
				line := jsonWriter{Rand: w.Rand}
				line.value(3)
				ends := []string{"\n", "\r\n"}[w.IntN(2)]
				fmt.Fprintf(&w.out, "%sdata:%s%s%s%s", []string{"", ": c" + ends, "event: e" + ends, ends}[w.IntN(4)], []string{"", " "}[w.IntN(2)],
					strings.NewReplacer("\r", "", "\n", "").Replace(line.out.String()), ends, ends)
			}
			w.out.WriteString("data: [DONE]\n\n")
		}
		for _, p := range cutUp(w.Rand, w.out.String()) {
			s.raw.Pieces = append(s.raw.Pieces, []byte(p))
		}
		all = append(all, s)
	}
	return all
}

// uploads are forms that are written in ways that no library writes them in.
func uploads() []specimen {
	const (
		model = "Content-Disposition: form-data; name=\"model\"\r\n\r\nspeech-1"
		head  = "Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n"
	)
	sound := func(i int) string { return fmt.Sprintf("%0*d\r\n--\r\n-- x\x00\xff", 100+i, i) }
	var all []specimen
	add := func(name, boundary, contentType, audio string, parts ...string) {
		var body strings.Builder
		for i, p := range parts {
			if strings.HasPrefix(p, "!") { // as it is, instead of a part
				body.WriteString(p[1:])
				continue
			}
			if i > 0 && body.Len() > 0 && !strings.HasSuffix(body.String(), "\r\n") {
				body.WriteString("\r\n")
			}
			fmt.Fprintf(&body, "--%s\r\n%s", boundary, p)
		}
		fmt.Fprintf(&body, "\r\n--%s--\r\n", boundary)
		all = append(all, specimen{
			name: "form " + name, path: "/v1/audio/transcriptions", contentType: contentType, body: []byte(body.String()), audio: []byte(audio), changed: true,
		})
	}
	for i, boundary := range []string{
		"x", "0", "-", "--", "---------------------------9051914041544843365972754266", strings.Repeat("b", 70), "a'()+_,-./:=?b", "with space", "WebKitFormBoundary",
	} {
		quoted := fmt.Sprintf("multipart/form-data; boundary=%q", boundary)
		n := i * 10
		add("with boundary "+boundary, boundary, quoted, sound(n), model, head+"\r\n"+sound(n))
		add("with the file first and boundary "+boundary, boundary, quoted, sound(n+1), head+"\r\n"+sound(n+1), model)
		add("with a preamble and boundary "+boundary, boundary, quoted, sound(n+2), "!This is a preamble.\r\nIt means nothing.\r\n", model, head+"\r\n"+sound(n+2))
		add("with an epilogue and boundary "+boundary, boundary, quoted, sound(n+3), model, head+"\r\n"+sound(n+3), "!\r\n--"+boundary+"--\r\nThis is an epilogue.")
	}
	plain := "multipart/form-data; boundary=b"
	add("without model", "b", plain, sound(200), head+"\r\n"+sound(200))
	add("with an empty file", "b", plain, "", model, head+"\r\n")
	add("with types", "b", plain, sound(201), "Content-Type: text/plain; charset=utf-8\r\n"+model, "content-type: audio/wav\r\nX-Odd: 1\r\n"+head+"\r\n"+sound(201))
	add("with names in small letters", "b", plain, sound(202), "content-disposition: form-data; name=model\r\n\r\nspeech-1", "CONTENT-DISPOSITION: form-data; filename=\"ü\"; name=file\r\n\r\n"+sound(202))
	add("with odd fields", "b", plain, sound(203), "Content-Disposition: form-data; name=\"prompt\"\r\n\r\n\r\n", model, "Content-Disposition: form-data; name=\"temperature\"\r\n\r\n0.70",
		"Content-Disposition: form-data; name=\"timestamp_granularities[]\"\r\n\r\nword", "Content-Disposition: form-data; name=\"timestamp_granularities[]\"\r\n\r\nsegment", head+"\r\n"+sound(203))
	add("with fields behind the file", "b", plain, sound(204), model, head+"\r\n"+sound(204), "Content-Disposition: form-data; name=\"prompt\"\r\n\r\n\u00e9\x00\r\n", "Content-Disposition: form-data; name=\"language\"\r\n\r\nde")
	add("with what looks like a boundary", "b", plain, "\r\n--c\r\n--\r\n-b\r\n", model, head+"\r\n"+"\r\n--c\r\n--\r\n-b\r\n")
	long := strings.Repeat("sound\r\n", 400_000)
	add("with three megabytes", "b", plain, long, model, head+"\r\n"+long)
	return all
}

// pictures of several sizes, two of them of 20 MB.
func pictureSpecimens() []specimen {
	var all []specimen
	r := rand.New(rand.NewPCG(3, 4))
	picture := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return base64.StdEncoding.EncodeToString(b)
	}
	add := func(name string, pieces ...string) {
		s := specimen{
			name: "pictures " + name, path: "/v1/images/generations", contentType: "application/json",
			body: fmt.Appendf(nil, `{"model":"picture-1","prompt":%q,"n":%d}`, name, 2), raw: &simprovider.RawAnswer{ContentType: "application/json"},
		}
		for _, p := range pieces {
			s.raw.Pieces = append(s.raw.Pieces, []byte(p))
			s.extras = s.extras || strings.Contains(p, "revised_prompt") || strings.Contains(p, `"x":`)
		}
		all = append(all, s)
	}
	for n := range 12 {
		add(fmt.Sprintf("of %d bytes", n+1), fmt.Sprintf(`{"created":1,"data":[{"b64_json":%q},{"revised_prompt":"\"]}","b64_json":%q}]}`, picture(n+1), picture(3072+n)))
	}
	huge := picture(15 << 20)
	add("of 20 MB", `{"created":1,"data":[{"b64_json":"`, huge, `"}],"x":[{"b64_json":"none"}]}`)
	add("of 20 MB and a small one", `{"data":[{"b64_json":"`+huge[:1<<20], huge[1<<20:], `"},{"b64_json":"AAAA"}]}`)
	add("as addresses", `{"data":[{"url":"http://127.0.0.1:1/1"},{"url":"http://127.0.0.1:1/2"}]}`)
	add("in spaces", "{ \"data\" :\n[ { \"b64_json\" : \"AAAA\" } ,\t{ \"b64_json\":\"AAAB\"} ] }\n")
	add("that are none", `{"data":[{"b64_json":"####"}]}`)
	add("none", `{"data":[]}`)
	return all
}

// Whatever is in them, both digests on record are those of the bytes that provider and caller had in their hands.
func TestCorpus(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.env = append(w.env, "ZGPROXY_LOG_LEVEL=error")
	w.inProcess()
	all := askedInManyWays()
	all = append(all, answeredInManyWays()...)
	all = append(all, madeUp(200)...)
	all = append(all, uploads()...)
	all = append(all, pictureSpecimens()...)
	t.Logf("%d exchanges", len(all))
	if len(all) < 500 {
		t.Errorf("%d exchanges, want 500 at least", len(all))
	}
	providers := map[string]*simprovider.Provider{
		"/v1/chat/completions": w.net.Providers[0], "/v1/images/generations": w.net.Providers[3], "/v1/audio/transcriptions": w.net.Providers[4],
	}
	type result struct {
		specimen
		id       string
		received string // digest of what the caller got
	}
	var results []result
	for _, s := range all {
		p := providers[s.path]
		before := w.received()
		fault := simprovider.Fault{}
		if s.raw != nil {
			fault = simprovider.Fault{Kind: simprovider.Raw, Raw: s.raw, N: 1}
		}
		p.SetFault(fault)
		resp, received := w.exchange(s)
		if s.refused != 0 {
			if after := w.received(); resp.StatusCode != s.refused || after != before {
				t.Errorf("%s: status %d, and %d requests reached a provider; want %d and none", s.name, resp.StatusCode, after-before, s.refused)
			}
			continue
		}
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", s.name, resp.StatusCode)
			continue
		}
		results = append(results, result{s, resp.Header.Get("X-Request-Id"), received})
	}
	// By the request, which is like no other.
	provided := map[string]simprovider.Exchange{}
	for path, p := range providers {
		n := 0
		for _, r := range results {
			if r.path == path {
				n++
			}
		}
		exchanges, err := p.WaitExchanges(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range exchanges {
			if _, twice := provided[e.RequestSHA256]; twice {
				t.Errorf("two requests have the digest %s", e.RequestSHA256)
			}
			provided[e.RequestSHA256] = e
		}
	}
	for _, r := range results {
		rec := w.record(r.id, true)
		e, ok := provided[rec.RequestSHA256]
		switch {
		case !ok:
			t.Errorf("%s: the provider received nothing with digest %s", r.name, rec.RequestSHA256)
		case !r.changed && rec.RequestSHA256 != sumOfBytes(r.body):
			t.Errorf("%s: the request was changed on its way", r.name)
		case rec.ResponseSHA256 != e.ResponseSHA256:
			t.Errorf("%s: the answer has digest %s, the provider sent %s", r.name, rec.ResponseSHA256, e.ResponseSHA256)
		case r.received != e.ResponseSHA256 && (!r.changed || r.audio != nil):
			t.Errorf("%s: the caller received %s, the provider sent %s", r.name, r.received, e.ResponseSHA256)
		case r.extras && rec.Verdict != zg.VerdictSignerOnly, !r.extras && rec.Verdict != zg.VerdictVerified:
			t.Errorf("%s: %s; beside its pictures there is text: %v", r.name, rec.Verdict, r.extras)
		}
	}
}

// exchange sends a specimen and returns the digest of the answer, which is not held. A transcript has to tell the digest of
// the audio that was sent.
func (w *world) exchange(s specimen) (*http.Response, string) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.daemon.api+s.path, bytes.NewReader(s.body))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", s.contentType)
	resp, err := httpClient.Do(req)
	if err != nil {
		w.Fatalf("%s: %v", s.name, err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	sum := sha256.New()
	var head bytes.Buffer
	_, err = io.Copy(io.MultiWriter(sum, &limited{&head, 4096}), resp.Body)
	if err != nil {
		w.Errorf("%s: %v", s.name, err)
	}
	if resp.StatusCode != http.StatusOK && s.refused == 0 {
		w.Logf("%s: %s", s.name, head.String())
	}
	if s.audio != nil && !strings.Contains(head.String(), fmt.Sprintf("%d bytes of audio with SHA-256 %s", len(s.audio), sumOfBytes(s.audio))) {
		w.Errorf("%s: %s, want %d bytes with digest %s", s.name, head.String(), len(s.audio), sumOfBytes(s.audio))
	}
	return resp, hex.EncodeToString(sum.Sum(nil))
}

// limited keeps the beginning of what is written to it.
type limited struct {
	w    *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.w.Write(p[:n])
	l.left -= n
	return len(p), nil
}
