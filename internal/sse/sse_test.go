package sse

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/zg"
)

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
			t.Fatalf("%s:\n got %+v\nwant %+v", f.name, got, f.want)
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

// What an embedding used is read wherever it stands in an answer of 20 MB, with a hand of memory.
func TestLargeEmbeddings(t *testing.T) {
	const usage = `"usage":{"prompt_tokens":1234,"total_tokens":1234}`
	vector := []byte(`{"object":"embedding","index":0,"embedding":[` + strings.Repeat("-0.0123456789,", 3000) + "1e-7]},")
	packed := []byte(`{"object":"embedding","index":0,"embedding":"` + strings.Repeat("AACAPw", 7000) + `"},`)
	for _, tc := range []struct {
		name, before, after string
		element             []byte
	}{
		{"behind", `{"object":"list","data":[`, `{}],"model":"e",` + usage + "}", vector},
		{"before", `{` + usage + `,"data":[`, "{}]}", vector},
		{"base64", `{"data":[`, "{}]," + usage + "}", packed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tap := NewTap(JSON, zg.Embedding)
			size := 0
			write := func(p []byte) { size += len(p); tap.Write(p) }
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			write([]byte(tc.before))
			for size < 20<<20 {
				write(tc.element)
			}
			write([]byte(tc.after))
			sum := tap.Summary()
			runtime.ReadMemStats(&after)
			if want := (zg.Usage{Seen: true, InputTokens: 1234}); !sum.Complete || sum.Usage != want {
				t.Errorf("%+v, want a whole answer with %+v", sum, want)
			}
			if grew := after.TotalAlloc - before.TotalAlloc; grew > 1<<20 {
				t.Errorf("reading %d bytes allocated %d", size, grew)
			}
		})
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
		{zg.Embedding, "application/json", JSON},
		{zg.Decisions, "application/json; charset=utf-8", JSON},
		{zg.VideoGeneration, "application/vnd.video+json", JSON},
		{zg.VideoGeneration, "video/mp4", Opaque},
		{zg.AudioGeneration, "audio/mpeg", Opaque},
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
			for _, typ := range []zg.ServiceType{zg.Chatbot, zg.TextToImage, zg.SpeechToText, zg.VideoGeneration} {
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
	vectors := []byte(`{"data":[{"embedding":[` + strings.Repeat("-0.0123456789,", 1<<20) + `0]}],"usage":{"prompt_tokens":1}}`)
	b.Run("vectors", func(b *testing.B) {
		b.SetBytes(int64(len(vectors)))
		for b.Loop() {
			read(JSON, zg.Embedding, vectors)
		}
	})
}

// More images than a signed text can be over are over nothing: an answer may list as many empty ones as it has bytes.
func TestImagesAreBounded(t *testing.T) {
	for _, tc := range []struct{ images, want int }{{zg.MaxSignedImages, zg.MaxSignedImages}, {zg.MaxSignedImages + 1, 0}, {1 << 16, 0}} {
		tap := NewTap(JSON, zg.TextToImage)
		tap.Write([]byte(`{"data":[` + strings.Repeat(`{"b64_json":""},`, tc.images-1) + `{"b64_json":"YQ=="}]}`))
		got := tap.Summary()
		if len(got.Images) != tc.want || !got.Complete || got.Usage.Images != uint64(tc.images) {
			t.Errorf("%d images: %d digests, complete %v, usage %+v, want %d", tc.images, len(got.Images), got.Complete, got.Usage, tc.want)
		}
	}
}
