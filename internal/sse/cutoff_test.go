package sse

import (
	"strings"
	"testing"
)

func cutoff(pieces ...[]byte) (passed, said string, struck bool) {
	c := NewCutoff()
	var out []byte
	for _, p := range pieces {
		out = c.Next(p, out)
	}
	out = c.Rest(out)
	return string(out), string(c.Said()), c.Struck()
}

func TestCutoff(t *testing.T) {
	const failed = `{"error":"the model server has gone away"}`
	for _, tc := range []struct {
		name, passes, kept, said string
	}{
		{"a whole stream", wordChunk + finishChunk + usageChunk + doneChunk, "", ""},
		{"Anthropic's", anthropicStream, "", ""},
		{"an error spoken of", `data: {"choices":[{"delta":{"content":"{\"error\": 1}"}}],"error":null}` + "\n\n: error\n\nevent: errors\n\n", "", ""},
		{"in upper case", `data: {"ERROR":"x"}` + "\n\n", "", ""},
		{"bare", wordChunk, failed, failed},
		{"bare, and [DONE]", wordChunk, failed + "\n\n" + doneChunk, failed},
		{"bare, CRLF", wordChunk, failed + "\r\n\r\n" + doneChunk, failed},
		{"bare, an object", wordChunk, `{ "error" : {"message":"x"}}`, `{ "error" : {"message":"x"}}`},
		{"bare, cut off", wordChunk, `{"error":"the mod`, `{"error":"the mod`},
		{"bare, escaped", wordChunk, `{"\u0065rror":"x"}`, `{"\u0065rror":"x"}`},
		{"as data", wordChunk, "data: " + failed + "\n\n" + doneChunk, failed},
		{"as data, without a blank", wordChunk, "data:" + failed + "\n\n" + doneChunk, failed},
		{"as data, by its type", wordChunk, "data: {\"type\":\"error\"}\n\n", `{"type":"error"}`},
		{"named", wordChunk, "event: error\ndata: " + failed + "\n\n" + doneChunk, failed},
		{"named, without a document", wordChunk, "event:error\r\ndata: it broke\r\n\r\n", "it broke"},
		{"behind what every chunk has", wordChunk, `data: {"id":"g","choices":[{"finish_reason":"error"}],"error":{"code":502}}` + "\n\n" + doneChunk, `{"id":"g","choices":[{"finish_reason":"error"}],"error":{"code":502}}`},
		{"two", "", failed + "\n" + `{"error":"again"}` + "\n", failed},
		{"a long line passes", "data: " + strings.Repeat("x", 2*maxHeld) + "\n\n", failed, failed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := []byte(tc.passes + tc.kept)
			step := max(1, len(in)/2000)
			for i := 0; i <= len(in); i += step {
				passed, said, struck := cutoff(in[:i], in[i:])
				if passed != tc.passes || said != tc.said || struck != (tc.kept != "") {
					t.Fatalf("cut at %d: %.200q passed, said %.200q (struck: %v)", i, passed, said, struck)
				}
			}
			var pieces [][]byte
			for i := range in {
				pieces = append(pieces, in[i:i+1])
			}
			if passed, said, _ := cutoff(pieces...); passed != tc.passes || said != tc.said {
				t.Errorf("byte by byte: %.200q passed, said %.200q", passed, said)
			}
		})
	}
}

// However long the error is, nothing of it passes and little of it is kept.
func TestCutoffIsBounded(t *testing.T) {
	c := NewCutoff()
	out := c.Next([]byte(wordChunk), nil)
	for _, p := range []string{`{"error":"`, strings.Repeat("x", maxHeld), strings.Repeat("y", 4*maxHeld), "\"}\n", doneChunk} {
		out = c.Next([]byte(p), out)
	}
	if out = c.Rest(out); string(out) != wordChunk || !c.Struck() || len(c.Said()) > maxFailure || cap(c.line) > 16*maxHeld {
		t.Errorf("%d bytes passed, struck %v, %d bytes said, %d kept", len(out), c.Struck(), len(c.Said()), cap(c.line))
	}
}
