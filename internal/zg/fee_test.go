package zg

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Prices of 0.3 and 0.48 0G per million tokens.
var perMillion = Price{Input: NeuronOf(300_000_000_000), Output: NeuronOf(480_000_000_000)}

func TestFee(t *testing.T) {
	cached := perMillion
	cached.Cache = CacheBilling{Divisor: 4, Write: Ratio{5, 4}, Write1h: Ratio{2, 1}}
	writeOnly := Price{Input: NeuronOf(100), Cache: CacheBilling{Write: Ratio{5, 4}}}
	seven := func(c CacheBilling, tiers ...Tier) Price {
		return Price{Input: NeuronOf(7), Output: NeuronOf(11), Cache: c, Tiers: tiers}
	}
	tiers := []Tier{{MaxInputTokens: 100, Input: Ratio{1, 1}, Output: Ratio{1, 1}}, {Input: Ratio{3, 2}, Output: Ratio{2, 1}}}
	last := []Tier{{MaxInputTokens: 10, Input: Ratio{2, 1}, Output: Ratio{1, 1}}, {MaxInputTokens: 100, Input: Ratio{3, 1}, Output: Ratio{1, 1}}}
	tests := []struct {
		name  string
		t     ServiceType
		price Price
		u     Usage
		want  string
		exact bool
	}{
		{"chat", Chatbot, perMillion, Usage{Seen: true, InputTokens: 31, OutputTokens: 9}, "13620000000000", true},
		{"chat with cache reads and writes", Chatbot, cached, Usage{Seen: true, InputTokens: 1000, CachedTokens: 333, WriteTokens: 101, Write1hTokens: 50, OutputTokens: 200}, "343650000000000", true},
		{"cached tokens are floored as a whole", Chatbot, seven(CacheBilling{Divisor: 4}), Usage{Seen: true, InputTokens: 3, CachedTokens: 3}, "5", true},
		{"no cache billing published", Chatbot, seven(CacheBilling{}), Usage{Seen: true, InputTokens: 3, CachedTokens: 3, WriteTokens: 3}, "21", true},
		{"no more cached tokens than input", Chatbot, seven(CacheBilling{Divisor: 7}), Usage{Seen: true, InputTokens: 7, CachedTokens: 1000}, "7", true},
		{"writes only from what is left", Chatbot, seven(CacheBilling{Divisor: 1, Write: Ratio{2, 1}}), Usage{Seen: true, InputTokens: 10, CachedTokens: 8, WriteTokens: 5}, "84", true},
		{"one-hour writes at the plain multiplier", Chatbot, writeOnly, Usage{Seen: true, InputTokens: 10, Write1hTokens: 10}, "1250", true},
		{"a missing denominator is one", Chatbot, Price{Input: NeuronOf(100), Cache: CacheBilling{Write: Ratio{2, 0}}}, Usage{Seen: true, InputTokens: 1, WriteTokens: 1}, "200", true},
		{"a tier's price is floored per token", Chatbot, seven(CacheBilling{}, tiers[1]), Usage{Seen: true, InputTokens: 1}, "10", true},
		{"the first tier that fits", Chatbot, seven(CacheBilling{}, tiers...), Usage{Seen: true, InputTokens: 100, OutputTokens: 1}, "711", true},
		{"one token more changes all of them", Chatbot, seven(CacheBilling{}, tiers...), Usage{Seen: true, InputTokens: 101, OutputTokens: 1}, "1032", true},
		{"beyond every tier the last one holds", Chatbot, seven(CacheBilling{}, last...), Usage{Seen: true, InputTokens: 1000}, "21000", true},
		{"nothing used", Chatbot, perMillion, Usage{Seen: true}, "0", true},
		{"chat without usage: words of the output", Chatbot, perMillion, Usage{Words: 10, InputTokens: 99}, "4800000000000", false},
		{"absurd", Chatbot, Price{Input: MaxNeuron}, Usage{Seen: true, InputTokens: 2}, maxText, true},

		{"images", TextToImage, Price{Input: NeuronOf(99), Output: NeuronOf(5)}, Usage{Images: 3}, "15", true},
		{"edited image", ImageEditing, Price{Output: NeuronOf(5)}, Usage{Images: 1}, "5", true},
		{"no image seen", TextToImage, Price{Output: NeuronOf(5)}, Usage{Seen: true}, "0", false},

		{"speech by seconds", SpeechToText, Price{Input: NeuronOf(7), Output: NeuronOf(99)}, Usage{Seen: true, BySeconds: true, Seconds: 2.5}, "21", true},
		{"speech, at least a second", SpeechToText, Price{Input: NeuronOf(7)}, Usage{Seen: true, BySeconds: true, Seconds: 0.01}, "7", true},
		{"speech, nothing said", SpeechToText, Price{Input: NeuronOf(7)}, Usage{Seen: true, BySeconds: true}, "0", true},
		{"speech by tokens", SpeechToText, Price{Input: NeuronOf(7), Output: NeuronOf(11)}, Usage{Seen: true, InputTokens: 10, OutputTokens: 3}, "103", true},
		{"speech without usage", SpeechToText, Price{Input: NeuronOf(7), Output: NeuronOf(11)}, Usage{Words: 4}, "88", false},

		{"embedding", Embedding, Price{Input: NeuronOf(7), Output: NeuronOf(11)}, Usage{Seen: true, InputTokens: 10, OutputTokens: 5}, "70", true},
		{"embedding with a tier", Embedding, seven(CacheBilling{}, tiers[1]), Usage{Seen: true, InputTokens: 10}, "100", true},
		{"embedding without usage", Embedding, Price{Input: NeuronOf(7)}, Usage{}, "0", false},
		{"embedding, its input estimated", Embedding, Price{Input: NeuronOf(7)}, Usage{InputTokens: 6}, "42", false},
		{"decisions", Decisions, seven(CacheBilling{}), Usage{Seen: true, InputTokens: 10, OutputTokens: 3}, "103", true},
		{"decisions with a tier", Decisions, seven(CacheBilling{}, tiers[1]), Usage{Seen: true, InputTokens: 10, OutputTokens: 3}, "166", true},
		{"decisions without usage", Decisions, seven(CacheBilling{}), Usage{InputTokens: 10}, "70", false},
		{"generated audio", AudioGeneration, Price{Input: NeuronOf(99), Output: NeuronOf(5)}, Usage{Seen: true, BySeconds: true, Seconds: 2.01}, "15", true},
		{"generated audio, whole seconds", AudioGeneration, Price{Output: NeuronOf(5)}, Usage{Seen: true, BySeconds: true, Seconds: 2}, "10", true},
		{"generated audio of no known length", AudioGeneration, Price{Output: NeuronOf(5)}, Usage{}, "0", false},
		{"video, whatever it says", VideoGeneration, perMillion, Usage{Seen: true, InputTokens: 10, OutputTokens: 10, BySeconds: true, Seconds: 4}, "0", false},
		{"a kind not known", "rerank", perMillion, Usage{Seen: true, InputTokens: 10}, "0", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fee, exact := Fee(tt.t, tt.price, tt.u)
			if fee.String() != tt.want || exact != tt.exact {
				t.Errorf("Fee = %v (exact %v), want %s (exact %v)", fee, exact, tt.want, tt.exact)
			}
		})
	}
}

func TestFallback(t *testing.T) {
	p := Price{Input: NeuronOf(7), Output: NeuronOf(11)}
	for _, tt := range []struct {
		name string
		t    ServiceType
		u    Usage
		want uint64
		ok   bool
	}{
		{"chat by words", Chatbot, Usage{Words: 4, WordsCounted: true, InputTokens: 9}, 44, true},
		{"chat that said nothing", Chatbot, Usage{WordsCounted: true}, 0, true},
		{"chat nobody counted", Chatbot, Usage{}, 0, false},
		{"speech", SpeechToText, Usage{Words: 4, WordsCounted: true}, 88, true},
		{"speech without a word", SpeechToText, Usage{WordsCounted: true}, 2200, true},
		{"speech nobody counted", SpeechToText, Usage{}, 2200, false},
		{"embedding", Embedding, Usage{InputTokens: 6}, 42, true},
		{"embedding, input not known", Embedding, Usage{}, 0, false},
		{"images", TextToImage, Usage{WordsCounted: true, Words: 9}, 0, false},
		{"video", VideoGeneration, Usage{WordsCounted: true, Words: 9, InputTokens: 9}, 0, false},
	} {
		fee, ok := Fallback(tt.t, p, tt.u)
		if fee != NeuronOf(tt.want) || ok != tt.ok {
			t.Errorf("%s: Fallback = %v, %v, want %d, %v", tt.name, fee, ok, tt.want, tt.ok)
		}
	}
	for text, want := range map[string]uint64{"": 1, "a": 1 + 1, "a b c": 6, "abcdefghijkl": 4, "日本語日本語日本語": 3, " \n": 1} {
		if got := EstimateTokens(text); got != want {
			t.Errorf("EstimateTokens(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestBilledSeconds(t *testing.T) {
	for _, tt := range []struct {
		in   float64
		want uint64
	}{
		{0, 0},
		{-1, 0},
		{math.NaN(), 0},
		{math.Inf(-1), 0},
		{0.0001, 1},
		{0.5, 1},
		{1, 1},
		{1.49, 1},
		{1.5, 2},
		{2.5, 3},
		{59.5, 60},
		{3600, 3600},
		{math.Inf(1), math.MaxInt64},
		{1e300, math.MaxInt64},
	} {
		if got := BilledSeconds(tt.in); got != tt.want {
			t.Errorf("BilledSeconds(%g) = %d, want %d", tt.in, got, tt.want)
		}
	}
}

// Cache reads are never dearer than plain input, and cached plus written tokens are never counted twice.
func TestFeeParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Price{Input: NeuronOf(rapid.Uint64Range(0, 1e12).Draw(t, "in")), Output: NeuronOf(rapid.Uint64Range(0, 1e12).Draw(t, "out"))}
		u := Usage{
			Seen: true, InputTokens: rapid.Uint64Range(0, 1e6).Draw(t, "input"), OutputTokens: rapid.Uint64Range(0, 1e6).Draw(t, "output"),
			CachedTokens: rapid.Uint64Range(0, 2e6).Draw(t, "cached"), WriteTokens: rapid.Uint64Range(0, 2e6).Draw(t, "write"),
		}
		plain, _ := Fee(Chatbot, p, u)
		p.Cache = CacheBilling{Divisor: rapid.Uint64Range(1, 10).Draw(t, "divisor"), Write: Ratio{1, 1}}
		with, _ := Fee(Chatbot, p, u)
		if plain.Less(with) {
			t.Fatalf("with cache reads the fee is %v, without %v", with, plain)
		}
		p.Cache.Divisor = 1
		if all, _ := Fee(Chatbot, p, u); all != plain {
			t.Fatalf("divided by one the fee is %v, want %v", all, plain)
		}
		if ceilIn, ceilOut := p.Ceiling(); ceilIn.Less(p.Input) || ceilOut.Less(p.Output) {
			t.Fatalf("the ceiling %v, %v is below the price", ceilIn, ceilOut)
		}
	})
}

func TestRatioIsZero(t *testing.T) {
	if !(Ratio{}).IsZero() || !(Ratio{Den: 3}).IsZero() || (Ratio{Num: 1}).IsZero() {
		t.Error("a multiplier counts as published exactly when its numerator is set")
	}
}

func TestSatMul(t *testing.T) {
	for _, tt := range []struct{ a, b, want uint64 }{{0, 5, 0}, {3, 4, 12}, {1 << 63, 2, math.MaxUint64}, {math.MaxUint64, 1, math.MaxUint64}} {
		if got := satMul(tt.a, tt.b); got != tt.want {
			t.Errorf("satMul(%d, %d) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
