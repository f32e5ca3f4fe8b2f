package sse

import (
	"strings"
	"testing"
)

const (
	wordChunk   = `data: {"id":"c","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}],"usage":null}` + "\n\n"
	finishChunk = `data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	doneChunk   = "data: [DONE]\n\n"
)

func hold(limit int, pieces ...[]byte) (passed, held string, over bool) {
	h := NewHold(limit)
	var out []byte
	for _, p := range pieces {
		out = h.Next(p, out)
	}
	return string(out), string(h.Held()), h.Overflowed()
}

func TestHoldKeepsTheEnd(t *testing.T) {
	for _, tc := range []struct{ name, passes, held string }{
		{"chat", wordChunk + wordChunk, finishChunk + usageChunk + doneChunk},
		{"tool calls", wordChunk, `data: {"choices":[{"finish_reason" :  "tool_calls"}]}` + "\n\n" + doneChunk},
		{"one of several choices", wordChunk, `data: {"choices":[{"finish_reason":null},{"finish_reason":"length"}]}` + "\n\n" + wordChunk + doneChunk},
		{"no reason at all", wordChunk, doneChunk},
		{"empty reasons", strings.ReplaceAll(wordChunk, "null}]", `""}]`), doneChunk},
		{"CRLF and comments", ": ping\r\n\r\n" + strings.ReplaceAll(wordChunk, "\n", "\r\n"), "id: 7\r\n" + strings.ReplaceAll(finishChunk+doneChunk, "\n", "\r\n")},
		{"without a blank line at the end", wordChunk, "data: [DONE]"},
		{"data in several lines", "data: {\"choices\":\ndata: [{\"finish_reason\":\ndata: null}]}\n\n", "data: {\"choices\":[{\"finish_reason\":\ndata: \"stop\"}]}\n\n"},
		{"ends that are only spoken of", `data: {"choices":[{"delta":{"content":"[DONE] message_stop \"finish_reason\": \"stop\" transcript.text.done"},"finish_reason":null}]}` + "\n\n", finishChunk},
		{"a key elsewhere", `data: {"x":{"finish_reason":"stop"},"choices":[{"delta":{"finish_reason":"x"}}]}` + "\n\n", doneChunk},
		{"letters escaped", `data: {"choices":[{"delta":{"content":"\u0061\u00e9"}}]}` + "\n\n", `data: {"choices":[{"finish\u005freason":"stop"}]}` + "\n\n"},
		{"written twice", wordChunk, `data: {"choices":[{"finish_reason":null,"finish_reason":"stop"}]}` + "\n\n"},
		{"written twice, in two cases", wordChunk, `data: {"choices":[{"finish_reason":"stop","FINISH_REASON":null}]}` + "\n\n"},
		{"lone carriage returns", wordChunk, "data: {\"x\":1}\r\rdata: [DONE]\r\r\n\n"},
		{"behind a comment", wordChunk, ": x\rdata: [DONE]\r\r\n\n"},
		{"no JSON", wordChunk, "data: {\"choices\":[{\"finish_reason\":\"stop\"\n\n" + wordChunk},
		{"choices that are none", wordChunk, "data: {\"choices\":{\"finish_reason\":\"stop\"}}\n\n"},
		{
			"Anthropic", "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"stop_reason\":null}}\n\n" +
				"event: content_block_stop\ndata: {\"type\":\"content_block_stop\"}\n\n",
			"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		},
		{"Anthropic with a tool call", strings.TrimSuffix(anthropicStream, anthropicEnd), anthropicEnd},
		{
			"Anthropic with a reason from the beginning", ": ping\n\n",
			"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"stop_reason\":\"end_turn\"}}\n\n" + "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"x\"}}\n\n",
		},
		{"Anthropic without a reason", "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":null}}\n\n", "event: message_stop\ndata: {}\n\n"},
		{"Anthropic's end by its type", "", "data: {\"type\":\"message_stop\"}\n\n"},
		{"transcription as lines", "{\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n\n{\"type\":\"transcript.text.delta\",\"delta\":\"b\"}\n", "{\"type\":\"transcript.text.done\",\"text\":\"ab\"}\n"},
		{"transcription as events", "data: {\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n\n", "event: x\ndata: {\"type\":\"transcript.text.done\"}\n\ndata: [DONE]\n\n"},
		{"nothing but a piece", "", "data: {\"choices\""},
		{"empty", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := []byte(tc.passes + tc.held)
			for i := range len(in) + 1 {
				passed, held, over := hold(maxHeld, in[:i], in[i:])
				if passed != tc.passes || held != tc.held || over {
					t.Fatalf("cut at %d: %q passed and %q is held (over: %v), want %q and %q", i, passed, held, over, tc.passes, tc.held)
				}
			}
		})
	}
}

func TestHoldIsBounded(t *testing.T) {
	tail := []byte(finishChunk + strings.Repeat(wordChunk, 100))
	if passed, held, over := hold(len(tail), []byte(wordChunk), tail); passed != wordChunk || held != string(tail) || over {
		t.Errorf("a tail of just the limit: %d bytes passed, %d held, over %v", len(passed), len(held), over)
	}
	for _, pieces := range [][][]byte{{[]byte(wordChunk), tail}, {[]byte(wordChunk), tail[:50], tail[50:1000], tail[1000:]}} {
		if passed, _, over := hold(len(tail)-1, pieces...); passed != wordChunk || !over {
			t.Errorf("a tail above the limit: %d bytes passed, over %v; want what came before it, and over", len(passed), over)
		}
	}
	large := []byte(`data: {"choices":[{"delta":{"content":"` + strings.Repeat("x", maxEvent/2) + `"}}]}` + "\n\n")
	if passed, _, over := hold(maxHeld, large); passed != string(large) || over {
		t.Errorf("a large event: %d bytes passed, over %v; want all of it", len(passed), over)
	}
	h := NewHold(maxHeld)
	for range 200 {
		if out := h.Next(large[:len(large)-2], nil); len(out) != 0 {
			t.Fatalf("%d bytes of an event without end passed", len(out))
		}
	}
	if !h.Overflowed() || cap(h.event) > 2*maxEvent {
		t.Errorf("an event without end: over %v, %d bytes kept", h.Overflowed(), cap(h.event))
	}
}

func TestHoldDoesNotAllocate(t *testing.T) {
	h := NewHold(maxHeld)
	out := h.Next([]byte(wordChunk), nil)
	if n := testing.AllocsPerRun(200, func() { out = h.Next([]byte(wordChunk), out[:0]) }); n != 0 {
		t.Errorf("%v allocations for a delta chunk, want none", n)
	}
}

// FuzzHold: what passed and what is held is the stream, in order, and does not depend on the pieces; nothing that a
// client reads as the end has passed.
func FuzzHold(f *testing.F) {
	for _, x := range fixtures {
		f.Add([]byte(x.body), uint64(3), uint16(500))
	}
	f.Add([]byte(wordChunk+finishChunk+usageChunk+doneChunk), uint64(1), uint16(1000))
	f.Add([]byte(anthropicStream), uint64(1), uint16(1000))
	f.Fuzz(func(t *testing.T, body []byte, seed uint64, limit uint16) {
		passed, held, over := hold(int(limit), body)
		if !strings.HasPrefix(string(body), passed+held) || (!over && passed+held != string(body)) {
			t.Fatalf("%q became %q and %q", body, passed, held)
		}
		p, h, o := hold(int(limit), cut(body, seed)...)
		if p != passed || o != over || (!over && h != held) {
			t.Fatalf("%q in pieces became %q and %q (%v), whole %q and %q (%v)", body, p, h, o, passed, held, over)
		}
		if strings.Contains("\n\n"+passed, "\n\ndata: [DONE]\n\n") || strings.Contains("\n\n"+passed, "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n") {
			t.Fatalf("%q passed with its end: %q", body, passed)
		}
	})
}

func BenchmarkHold(b *testing.B) {
	h, chunk := NewHold(maxHeld), []byte(wordChunk)
	var out []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		out = h.Next(chunk, out[:0])
	}
}
