package sse

import (
	"slices"
	"testing"

	"github.com/zgproxy/zgproxy/internal/growth"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// inPieces hands an answer on as it arrives: in pieces of so many bytes; 0: all at once.
func inPieces(text []byte, size int, each func(p []byte)) {
	if size == 0 {
		size = len(text)
	}
	for len(text) > 0 {
		n := min(size, len(text))
		each(text[:n])
		text = text[n:]
	}
}

func tapReader(name string, k Kind, t zg.ServiceType, piece int) growth.Reader {
	return growth.Reader{Name: name, Read: func(text []byte) {
		tap := NewTap(k, t)
		inPieces(text, piece, tap.Write)
		tap.Summary()
	}}
}

// What comes in one piece is what was held; the others are how answers are read.
var (
	chatReaders = []growth.Reader{
		tapReader("Tap of a document", JSON, zg.Chatbot, 0),
		tapReader("Tap of a document in pieces", JSON, zg.Chatbot, 32<<10),
	}
	crumbReaders = []growth.Reader{
		tapReader("Tap of a document in crumbs", JSON, zg.Chatbot, 7),
		tapReader("Tap of a transcript", JSON, zg.SpeechToText, 32<<10),
	}
	imageReaders = []growth.Reader{
		tapReader("Tap of images", JSON, zg.TextToImage, 32<<10),
		{Name: "RewriteURLs", Read: func(text []byte) {
			_, _ = RewriteURLs(text, func(old string) string { return old + "x" })
		}},
		{Name: "OnlyImages", Read: func(text []byte) { _, _, _ = OnlyImages(text) }},
	}
	streamReaders = []growth.Reader{
		tapReader("Tap of events", Events, zg.Chatbot, 32<<10),
		tapReader("Tap of lines", Lines, zg.SpeechToText, 32<<10),
		streamReader("Hold", 32<<10, func() passer { return NewHold(64 << 10) }),
		streamReader("Cutoff", 32<<10, func() passer { return NewCutoff() }),
		streamReader("Filter", 32<<10, func() passer { return NewFilter() }),
	}
	lineReaders = []growth.Reader{
		tapReader("Tap of events in crumbs", Events, zg.Chatbot, 7),
		tapReader("Tap of text", Text, zg.SpeechToText, 32<<10),
		streamReader("Hold in crumbs", 7, func() passer { return NewHold(8 << 20) }),
		streamReader("Cutoff in crumbs", 7, func() passer { return NewCutoff() }),
		streamReader("Filter in crumbs", 7, func() passer { return NewFilter() }),
	}
)

type passer interface {
	Next(p, dst []byte) []byte
}

func streamReader(name string, piece int, build func() passer) growth.Reader {
	return growth.Reader{Name: name, Read: func(text []byte) {
		f, out := build(), []byte(nil)
		inPieces(text, piece, func(p []byte) { out = f.Next(p, out[:0]) })
		if r, ok := f.(interface{ Rest(dst []byte) []byte }); ok {
			r.Rest(out[:0])
		}
	}}
}

var (
	chatShapes = slices.Concat(
		growth.In(`{"choices":[{"message":{"content":`, growth.Values, `}}]}`),
		growth.In(`{"usage":`, growth.Values, "}"),
		[]growth.Shape{
			{Name: "choices", Open: `{"choices":[{}`, Unit: `,{"message":{"content":"a"}}`, Close: "]}"},
			{Name: "usages", Open: `{"id":"a"`, Unit: `,"usage":{"prompt_tokens":1}`, Close: "}"},
		})
	imageShapes = append(growth.In(`{"data":[{"b64_json":`, growth.Values, "}]}"), []growth.Shape{
		{Name: "images", Open: `{"data":[{}`, Unit: `,{"b64_json":"AAAA"}`, Close: "]}"},
		{Name: "prompts", Open: `{"data":[{"b64_json":"A"}`, Unit: `,{"b64_json":"AAAA","prompt":"a"}`, Close: "]}"},
		{Name: "deep silence", Open: `{"data":[],"a":[0`, Unit: `,[[[{"b":{}}]]]`, Close: "]}"},
		{Name: "links", Open: `{"data":[{}`, Unit: `,{"url":"http://x/\u0061"}`, Close: "]}"},
	}...)
	streamShapes = slices.Concat(
		growth.In(`data: {"usage":`, growth.Values, "}\n\n"),
		growth.In(`{"error":`, growth.Values, "}\n"),
		lineShapes)
	lineShapes = []growth.Shape{
		{Name: "events", Unit: `data: {"choices":[{"delta":{"content":"word "},"finish_reason":null}]}` + "\n\n"},
		{Name: "might be ends", Unit: `data: {"choices":[{"finish_reason":` + "\t" + `null}],"\u0061":0}` + "\n\n"},
		{Name: "usage chunks", Unit: `data: {"choices":[],"usage":{"prompt_tokens":1}}` + "\n\n"},
		{Name: "lines of one event", Unit: "data: {\"a\":1,\"_reason\":1\n"},
		{Name: "documents", Unit: `{"type":"transcript.text.delta","delta":"word "}` + "\n"},
		{Name: "reasons", Open: "data: {", Unit: `"x_reason"  :  null,`, Close: "}\n\n"},
		{Name: "contents", Open: "data: {", Unit: `"content" : "a\\",`, Close: "}\n\n"},
		{Name: "a content of escapes", Open: `data: {"content":"`, Unit: `\"`, Close: "\"}\n\n"},
		{Name: "errors", Unit: "data: {\"error\":null}\n\n"},
		{Name: "error after error", Unit: "event: error\ndata: {\"error\":1}\n\n"},
		{Name: "cues", Unit: "00:00:01.000 --> 00:00:02.000\nword\n\n"},
		{Name: "long cues", Open: "00:00 -->", Unit: " 1:1:1:1:1"},
		{Name: "blank lines", Unit: "\n"},
		{Name: "carriage returns", Unit: "\r"},
		{Name: "one line", Unit: "word "},
		{Name: "a bare object", Open: "{", Unit: "word "},
		{Name: "beginnings of characters", Unit: "\xf0\x9f"},
		{Name: "words of other scripts", Unit: "你好 "},
	}
)

// The work for what a provider answers grows with its length and no faster, whatever it is and in whatever pieces it
// comes.
func TestWorkGrowsWithTheBytes(t *testing.T) {
	for _, of := range []struct {
		readers []growth.Reader
		shapes  []growth.Shape
	}{
		{chatReaders, chatShapes},
		{crumbReaders, growth.Values},
		{imageReaders, imageShapes},
		{streamReaders, streamShapes},
		{lineReaders, lineShapes},
	} {
		for _, r := range of.readers {
			growth.Check(t, r, of.shapes...)
		}
	}
}

// FuzzWork looks for answers whose work grows faster than their length.
func FuzzWork(f *testing.F) {
	growth.Fuzz(f, slices.Concat(chatReaders, crumbReaders, imageReaders, streamReaders, lineReaders),
		slices.Concat(lineShapes, chatShapes, imageShapes, streamShapes)...)
}
