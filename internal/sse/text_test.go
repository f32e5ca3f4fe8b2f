package sse

import (
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// The end of the last cue is what a transcript as subtitles is billed for; a time that is none is not read at all.
func TestCueTimes(t *testing.T) {
	for _, tt := range []struct {
		text string
		want float64
		ok   bool
	}{
		{"00:01:02,345", 62.345, true},
		{"01:02.345", 62.345, true},
		{"7", 7, true},
		{"00:00:00,000", 0, true},
		{"100:00:00.000", 360_000, true},
		{"", 0, false},
		{"00::02", 0, false},
		{"-1:02", 0, false},
		{"00:-02.5", 0, false},
		{"NaN", 0, false},
		{"00:00:NaN", 0, false},
		{"00:00:Inf", 0, false},
		{"0x10:00", 0, false},
		{"00:1_0", 0, false},
		{"00:00:1e400", 0, false},
		{strings.Repeat("9", 200) + ":00", 0, false},
		{"null", 0, false},
		{"00:02.5s", 0, false},
	} {
		if got, ok := cueTime(tt.text); ok != tt.ok || ok && got != tt.want {
			t.Errorf("%.30q: %v %v, want %v %v", tt.text, got, ok, tt.want, tt.ok)
		}
	}
	// What cannot be read leaves the times before it standing, and is no reason not to count words.
	for text, want := range map[string]zg.Usage{
		"1\n00:00 --> 00:00:02,500\nhi\n\n2\n00:02 --> NaN\nyou\n": {Seen: true, BySeconds: true, Seconds: 2.5, Words: 10},
		"00:00 --> NaN\nhi you\n":                                  {Words: 5, WordsCounted: true},
		"00:00 --> -00:05\nhi\n":                                   {Words: 4, WordsCounted: true},
	} {
		tap := NewTap(Text, zg.SpeechToText)
		tap.Write([]byte(text))
		if got := tap.Summary().Usage; got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

// No figure that an answer states leads to a usage that is negative, infinite or not a number.
func FuzzFigures(f *testing.F) {
	for _, figure := range []string{"1.5", `"1.5"`, "1e400", "-1", `"NaN"`, "0x10", "9007199254740993", "null", "{}", "-0.0", strings.Repeat("9", 400)} {
		f.Add(figure)
	}
	f.Fuzz(func(t *testing.T, figure string) {
		for _, text := range []string{
			`{"text":"a","duration":` + figure + `}`, `{"text":"a","usage":{"type":"duration","seconds":` + figure + `}}`,
			`{"usage":{"input_tokens":` + figure + `,"output_tokens":` + figure + `}}`,
		} {
			tap := NewTap(JSON, zg.SpeechToText)
			tap.Write([]byte(text))
			check(t, text, tap.Summary().Usage)
		}
		tap := NewTap(Text, zg.SpeechToText)
		tap.Write([]byte("00:00 --> " + figure + "\nhi\n"))
		check(t, figure, tap.Summary().Usage)
	})
}

func check(t *testing.T, text string, u zg.Usage) {
	t.Helper()
	if !(u.Seconds >= 0) || u.Seconds > 1<<54*3600 {
		t.Errorf("%q: %v seconds", text, u.Seconds)
	}
	price := zg.Price{Input: zg.NeuronOf(1), Output: zg.NeuronOf(1)}
	if fee, ok := zg.Fee(zg.SpeechToText, price, u); ok && fee == zg.MaxNeuron {
		t.Errorf("%q: a fee without end", text)
	}
}
