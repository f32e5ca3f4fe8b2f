package sse

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const usageChunk = `data: {"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}` + "\n\n"

// fixtures are answers of every kind, with what has to be read from them.
var fixtures = []struct {
	name string
	kind Kind
	typ  zg.ServiceType
	body string
	want Summary
}{
	{
		"chat stream", Events, zg.Chatbot,
		"data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"delta\":{\"content\":\"say \\\"usage\\\": é\"}}],\"usage\":null}\n\n" + usageChunk + "data: [DONE]\n\n",
		Summary{ChatID: "chatcmpl-1", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 7, OutputTokens: 3}},
	},
	{
		"CRLF, comments, event lines", Events, zg.Chatbot,
		": ping\r\n\r\nevent: x\r\ndata:{\"id\":\"c\",\"choices\":[]}\r\n\r\ndata: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":1}}}\r\n\r\ndata: [DONE]\r\n\r\n",
		Summary{ChatID: "c", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 1, OutputTokens: 2, CachedTokens: 1}},
	},
	{
		"usage on each chunk", Events, zg.Chatbot,
		"data: {\"id\":\"c\",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\ndata: {\"id\":\"c\",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\ndata: [DONE]",
		Summary{ChatID: "c", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 5, OutputTokens: 2}},
	},
	{
		"forged usage in content", Events, zg.Chatbot,
		`data: {"id":"c","choices":[{"delta":{"content":"{\"usage\":{\"prompt_tokens\":999}}","usage":{"prompt_tokens":888}}}]}` + "\n\ndata: [DONE]\n\n",
		Summary{ChatID: "c", Complete: true, Usage: zg.Usage{Words: 1, WordsCounted: true}},
	},
	{
		"no usage: words across pieces", Events, zg.Chatbot,
		`data: {"id":"c","choices":[{"delta":{"role":"assistant","content":""}}]}` + "\n\n" + `data: {"choices":[{"delta":{"content":"Hel"}}]}` + "\n\n" +
			`data: {"choices":[{"delta": {"content" : "lo,\nw\u00f6rld \"content\": \\"}}]}` + "\n\n" + `data: {"choices":[{"delta":{"content":"\u3000x\u00a0y\t"}}]}` + "\n\n" +
			`data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"f g","arguments":"{\"a\": 1}"}}]}}]}` + "\n\ndata: [DONE]\n\n",
		Summary{ChatID: "c", Complete: true, Usage: zg.Usage{Words: 8, WordsCounted: true}},
	},
	{
		"Anthropic cache writes of two kinds", Events, zg.Chatbot,
		`data: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":10,"cache_read_input_tokens":4,"cache_creation_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":5,"ephemeral_1h_input_tokens":2},"output_tokens":1}}}` + "\n\n" +
			`data: {"type":"message_delta","usage":{"input_tokens":12,"cache_read_input_tokens":0,"output_tokens":20}}` + "\n\ndata: {\"type\":\"message_stop\"}\n\n",
		Summary{ChatID: "m", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 23, CachedTokens: 4, WriteTokens: 5, Write1hTokens: 2, OutputTokens: 20}},
	},
	{
		"Anthropic cache writes not told apart", JSON, zg.Chatbot,
		`{"id":"m","content":[{"type":"text","text":"a b"}],"usage":{"input_tokens":1,"cache_creation_input_tokens":7,"output_tokens":1}}`,
		Summary{ChatID: "m", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 8, WriteTokens: 7, OutputTokens: 1}},
	},
	{
		"Anthropic without usage", JSON, zg.Chatbot,
		`{"id":"m","content":[{"type":"thinking","thinking":"one two"},{"type":"text","text":"three"},{"type":"text","text":"four"}],"stop_reason":"no word"}`,
		Summary{ChatID: "m", Complete: true, Usage: zg.Usage{Words: 4, WordsCounted: true}},
	},
	{
		"chat without usage", JSON, zg.Chatbot,
		`{"id":"c","model":"no word","choices":[{"index":0,"message":{"role":"assistant","content":"one \"two\"\nth\u0072ee\u2003four \u3000 ` + "f\u00fcnf\u3000sechs" + `","refusal":null,` +
			`"tool_calls":[{"type":"function","function":{"name":"no word","arguments":"{\"seven\": 8}"}}]},"logprobs":{"content":[{"token":"no word"}]}},{"message":{"content":"nine"}}]}`,
		Summary{ChatID: "c", Complete: true, Usage: zg.Usage{Words: 9, WordsCounted: true}},
	},
	{"cut chat without usage", JSON, zg.Chatbot, `{"id":"c","choices":[{"message":{"content":"one two`, Summary{ChatID: "c"}},
	{"transcription without usage", JSON, zg.SpeechToText, `{"text":"one two","segments":[{"text":"one two"}]}`, Summary{Complete: true, Usage: zg.Usage{Words: 2, WordsCounted: true}}},
	{
		"streamed transcription without usage", Lines, zg.SpeechToText,
		"{\"type\":\"transcript.text.delta\",\"delta\":\"one t\"}\n{\"type\":\"transcript.text.delta\",\"delta\":\"wo three\"}\n{\"type\":\"transcript.text.done\",\"text\":\"one two three\"}\n",
		Summary{Complete: true, Usage: zg.Usage{Words: 3, WordsCounted: true}},
	},
	{
		"hostile numbers", Events, zg.Chatbot,
		`data: {"id":"c","usage":{"prompt_tokens":-1,"completion_tokens":1e400}}` + "\n\n" + `data: {"usage":{"prompt_tokens":9223372036854775808,"completion_tokens":"5"}}` + "\n\n" +
			`data: {"usage":{"prompt_tokens":1.5}}` + "\n\n",
		Summary{ChatID: "c"},
	},
	{"error in mid-stream", Events, zg.Chatbot, "data: {\"id\":\"c\"}\n\n{\"error\":\"upstream died\"}", Summary{ChatID: "c", Error: true}},
	{"garbage", Events, zg.Chatbot, "\x00\xff data: {{{\n\ndata: {\"id\":\"../../etc\"}\n\n", Summary{}},
	{
		"Anthropic messages", Events, zg.Chatbot,
		"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":4,\"output_tokens\":1}}}\n\n" +
			"event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":20}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		Summary{ChatID: "msg_1", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 14, CachedTokens: 4, OutputTokens: 20}},
	},
	{
		"chat", JSON, zg.Chatbot,
		`{"id":"chatcmpl-2","choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":9}","usage":{"prompt_tokens":8}},"id":"inner"}], "usage" : {"prompt_tokens":31,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":2}} , "x":[[1]]}` + "\n",
		Summary{ChatID: "chatcmpl-2", Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 31, OutputTokens: 9, CachedTokens: 2}},
	},
	{"cut chat", JSON, zg.Chatbot, `{"id":"c","usage":{"prompt_tokens":1,"completion_tokens":1},"x":"`, Summary{ChatID: "c", Usage: zg.Usage{Seen: true, InputTokens: 1, OutputTokens: 1}}},
	{
		"images", JSON, zg.TextToImage,
		`{"created":1,"data":[{"b64_json":"` + base64.StdEncoding.EncodeToString([]byte("first image")) + `","revised_prompt":"b64_json"},{"revised_prompt":"x","b64_json":"` +
			base64.StdEncoding.EncodeToString([]byte("second")) + `"}]}`,
		Summary{Complete: true, Usage: zg.Usage{Images: 2}, Images: [][32]byte{sha256.Sum256([]byte("first image")), sha256.Sum256([]byte("second"))}},
	},
	{
		"images under a name with escapes", JSON, zg.TextToImage, `{"data":[{"b64_json":"YQ=="}],"d\u0061ta":[{"b64_\u006ason":"Yg=="}],"\ud800":1}`,
		Summary{Complete: true, Usage: zg.Usage{Images: 2}, Images: [][32]byte{sha256.Sum256([]byte("a")), sha256.Sum256([]byte("b"))}},
	},
	{"image links", JSON, zg.TextToImage, `{"data":[{"url":"http://x/1"},{"url":"http://x/2"},{"url":"http://x/3"}]}`, Summary{Complete: true, Usage: zg.Usage{Images: 3}}},
	{"transcription", JSON, zg.SpeechToText, `{"text":"a","duration":3.5,"words":[{"duration":9}]}`, Summary{Complete: true, Usage: zg.Usage{Seen: true, BySeconds: true, Seconds: 3.5}}},
	{"transcription by tokens", JSON, zg.SpeechToText, `{"text":"a","usage":{"type":"tokens","input_tokens":4,"output_tokens":5}}`, Summary{Complete: true, Usage: zg.Usage{Seen: true, InputTokens: 4, OutputTokens: 5}}},
	{
		"streamed transcription", Lines, zg.SpeechToText,
		"{\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n{\"type\":\"transcript.text.done\",\"text\":\"a\",\"usage\":{\"type\":\"duration\",\"seconds\":2}}\n",
		Summary{Complete: true, Usage: zg.Usage{Seen: true, BySeconds: true, Seconds: 2}},
	},
	{"subtitles", Text, zg.SpeechToText, "1\n00:00:00,000 --> 00:00:02,500\nhello there\n\n2\n00:00:02,500 --> 00:01:04,250\nyou\n", Summary{Usage: zg.Usage{Seen: true, BySeconds: true, Seconds: 64.25, Words: 11}}},
	{"plain", Text, zg.SpeechToText, " three  plain\nwords ", Summary{Usage: zg.Usage{Words: 3, WordsCounted: true}}},
	{"opaque", Opaque, zg.Chatbot, "\x00\x01", Summary{}},
}

// Words are not all counted where a line is too long to read, in however many pieces it comes.
func TestTapLongLine(t *testing.T) {
	body := []byte(`data: {"id":"c","choices":[{"delta":{"content":"a b"}}]}` + "\n\ndata: " + strings.Repeat("x", 2*maxLine) + "\n\ndata: [DONE]\n\n")
	for _, cut := range []int{0, 10, 100, maxLine, maxLine + 100, len(body) - 20} {
		if got := read(Events, zg.Chatbot, body[:cut], body[cut:]); got.Usage.WordsCounted || !got.Complete {
			t.Errorf("cut at %d: %+v, want a whole answer whose words are not known", cut, got)
		}
	}
}

func read(kind Kind, typ zg.ServiceType, pieces ...[]byte) Summary {
	t := NewTap(kind, typ)
	for _, p := range pieces {
		t.Write(p)
	}
	return t.Summary()
}

func TestTapReadsAndDoesNotDependOnPieces(t *testing.T) {
	for _, f := range fixtures {
		body := []byte(f.body)
		f.want.Bytes, f.want.SHA256 = int64(len(body)), sha256.Sum256(body)
		if got := read(f.kind, f.typ, body); !reflect.DeepEqual(got, f.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", f.name, got, f.want)
		}
		for i := range body {
			if got := read(f.kind, f.typ, body[:i], body[i:]); !reflect.DeepEqual(got, f.want) {
				t.Fatalf("%s cut at %d:\n got %+v\nwant %+v", f.name, i, got, f.want)
			}
		}
		var single [][]byte
		for i := range body {
			single = append(single, body[i:i+1])
		}
		if got := read(f.kind, f.typ, single...); !reflect.DeepEqual(got, f.want) {
			t.Errorf("%s byte by byte:\n got %+v\nwant %+v", f.name, got, f.want)
		}
	}
}

func filter(pieces ...[]byte) string {
	f := NewFilter()
	var out []byte
	for _, p := range pieces {
		out = f.Next(p, out)
	}
	return string(f.Rest(out))
}

func TestFilterTakesTheUsageChunkAndNothingElse(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"data: {\"choices\":[{}]}\n\n" + usageChunk + "data: [DONE]\n\n", "data: {\"choices\":[{}]}\n\ndata: [DONE]\n\n"},
		{"data: {\"choices\":[],\"usage\":{}}\r\n\r\ndata: [DONE]\r\n\r\n", "data: [DONE]\r\n\r\n"},
		{"data: {\"choices\":[],\"usage\":{}}\n: comment\n", ": comment\n"},
		{"data: {\"choices\":[],\"usage\":null}\n\n", "data: {\"choices\":[],\"usage\":null}\n\n"},
		{"data: {\"usage\":{\"a\":1}}\n\n", "data: {\"usage\":{\"a\":1}}\n\n"},
		{"data: {\"choices\":[{\"x\":\"usage\"}],\"usage\":{}}\n\n", "data: {\"choices\":[{\"x\":\"usage\"}],\"usage\":{}}\n\n"},
		{"data: {\"choices\":[],\"usage\":{}}", ""},
		{"no newline at all", "no newline at all"},
		{": \"usage\"\n\n\n\n", ": \"usage\"\n\n\n\n"},
		{strings.Repeat("x", 3*maxHeld) + "\n\nok\n", strings.Repeat("x", 3*maxHeld) + "\n\nok\n"},
	} {
		in := []byte(tc.in)
		if got := filter(in); got != tc.want {
			t.Errorf("filter(%.100q) = %.100q, want %.100q", tc.in, got, tc.want)
		}
		for i := 0; i < len(in) && len(in) < 1000; i++ {
			if got := filter(in[:i], in[i:]); got != tc.want {
				t.Fatalf("filter(%.100q) cut at %d = %.100q, want %.100q", tc.in, i, got, tc.want)
			}
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	tap := NewTap(Events, zg.Chatbot)
	piece := bytes.Repeat([]byte("data: x"), 1<<14)
	for range 200 {
		tap.Write(piece)
	}
	if cap(tap.line) > 2*maxLine {
		t.Errorf("the tap keeps %d bytes of a line without end, want at most %d", cap(tap.line), 2*maxLine)
	}
	f := NewFilter()
	for range 200 {
		f.Next(piece, nil)
	}
	if cap(f.line) > 4*maxHeld {
		t.Errorf("the filter keeps %d bytes of a line without end", cap(f.line))
	}
	doc := NewTap(JSON, zg.Chatbot)
	doc.Write([]byte(`{"usage":`))
	doc.Write(bytes.Repeat([]byte("["), 10_000))
	doc.Write(bytes.Repeat([]byte("9"), 1<<20))
	if s := doc.Summary(); s.Complete || s.Usage.Seen {
		t.Errorf("summary of nonsense = %+v", s)
	}
	if n := len(doc.doc.captured["usage"]); n > maxValue {
		t.Errorf("%d bytes of a value are kept, want at most %d", n, maxValue)
	}
}

func TestDeltaChunksDoNotAllocate(t *testing.T) {
	chunk := []byte(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}` + "\n\n")
	tap, f := NewTap(Events, zg.Chatbot), NewFilter()
	tap.Write(chunk)
	out := f.Next(chunk, nil)
	if n := testing.AllocsPerRun(200, func() { tap.Write(chunk); out = f.Next(chunk, out[:0]) }); n != 0 {
		t.Errorf("%v allocations for a delta chunk, want none", n)
	}
}

func TestKindOf(t *testing.T) {
	for _, tc := range []struct {
		typ         zg.ServiceType
		contentType string
		want        Kind
	}{
		{zg.Chatbot, "text/event-stream; charset=utf-8", Events},
		{zg.Chatbot, "Application/JSON", JSON},
		{zg.SpeechToText, "text/event-stream", Lines},
		{zg.SpeechToText, "application/x-ndjson", Lines},
		{zg.SpeechToText, "text/plain; charset=utf-8", Text},
		{zg.SpeechToText, "application/x-subrip", Text},
		{zg.Chatbot, "", Opaque},
		{zg.TextToImage, "image/png", Opaque},
	} {
		if got := KindOf(tc.typ, tc.contentType); got != tc.want {
			t.Errorf("KindOf(%s, %q) = %d, want %d", tc.typ, tc.contentType, got, tc.want)
		}
	}
}

// cut splits a body into pieces, the same ones for the same seed.
func cut(body []byte, seed uint64) (pieces [][]byte) {
	r := rand.New(rand.NewPCG(seed, 1))
	for len(body) > 0 {
		n := 1 + r.IntN(min(len(body), 40))
		pieces, body = append(pieces, body[:n]), body[n:]
	}
	return pieces
}

// FuzzTap: no answer makes the tap panic, hash wrongly, or depend on how it is cut.
func FuzzTap(f *testing.F) {
	for _, x := range fixtures {
		f.Add([]byte(x.body), uint64(3))
	}
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		for kind := Opaque; kind <= Text; kind++ {
			for _, typ := range []zg.ServiceType{zg.Chatbot, zg.TextToImage, zg.SpeechToText} {
				whole := read(kind, typ, body)
				if whole.SHA256 != sha256.Sum256(body) || whole.Bytes != int64(len(body)) {
					t.Fatalf("kind %d: digest or length of %q is wrong", kind, body)
				}
				if got := read(kind, typ, cut(body, seed)...); !reflect.DeepEqual(got, whole) {
					t.Fatalf("kind %d, %s: %q read in pieces\n got %+v\nwant %+v", kind, typ, body, got, whole)
				}
			}
		}
	})
}

// FuzzFilter: what is taken out is whole lines, and it does not depend on the pieces.
func FuzzFilter(f *testing.F) {
	for _, x := range fixtures {
		f.Add([]byte(x.body), uint64(3))
	}
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		whole := filter(body)
		if got := filter(cut(body, seed)...); got != whole {
			t.Fatalf("%q filtered in pieces = %q, whole %q", body, got, whole)
		}
		rest := whole
		for line := range strings.SplitAfterSeq(string(body), "\n") {
			if r, ok := strings.CutPrefix(rest, line); ok && !isUsageChunk([]byte(line)) {
				rest = r
				continue
			}
			if !isUsageChunk([]byte(line)) && strings.Trim(line, "\r\n") != "" {
				t.Fatalf("%q lost the line %q", body, line)
			}
		}
		if rest != "" {
			t.Fatalf("%q gained %q", body, rest)
		}
	})
}

func BenchmarkTapEvents(b *testing.B) {
	chunk := []byte(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}` + "\n\n")
	tap, f := NewTap(Events, zg.Chatbot), NewFilter()
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		tap.Write(chunk)
		out = f.Next(chunk, out[:0])
	}
}

func BenchmarkTapDocument(b *testing.B) {
	for _, size := range []int{1 << 10, 20 << 20} {
		body := []byte(`{"id":"c","data":[{"b64_json":"` + strings.Repeat("QUJD", size/4) + `"}],"usage":{"prompt_tokens":1}}`)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				read(JSON, zg.TextToImage, body)
			}
		})
	}
}
