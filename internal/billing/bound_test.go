package billing

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func TestBound(t *testing.T) {
	p := zg.Price{Input: zg.NeuronOf(3), Output: zg.NeuronOf(5)}
	tests := []struct {
		name  string
		t     zg.ServiceType
		price zg.Price
		in    BoundInput
		want  uint64
	}{
		{"chat, no limits", zg.Chatbot, p, BoundInput{BodyBytes: 100}, 3*(100+1024) + 5*32768},
		{"chat, caller's limit", zg.Chatbot, p, BoundInput{BodyBytes: 100, MaxTokens: 10, ModelMaxTokens: 4096, ContextLength: 8192}, 3*1124 + 5*10},
		{"chat, model's limit", zg.Chatbot, p, BoundInput{BodyBytes: 100, MaxTokens: 10000, ModelMaxTokens: 4096, ContextLength: 8192}, 3*1124 + 5*4096},
		{"chat, context", zg.Chatbot, p, BoundInput{BodyBytes: 100, ContextLength: 8192}, 3*1124 + 5*8192},
		{"chat, three answers", zg.Chatbot, p, BoundInput{BodyBytes: 100, MaxTokens: 10, N: 3}, 3*1124 + 5*30},
		{"chat, size not known", zg.Chatbot, p, BoundInput{BodyBytes: -1, MaxTokens: 10}, 3*1024 + 5*10},
		{"chat, tiers", zg.Chatbot, zg.Price{Input: p.Input, Output: p.Output, Tiers: []zg.Tier{{MaxInputTokens: 10, Input: zg.Ratio{Num: 1, Den: 2}}, {Input: zg.Ratio{Num: 2, Den: 1}, Output: zg.Ratio{Num: 3, Den: 1}}}}, BoundInput{MaxTokens: 10}, 6*1024 + 15*10},
		{"one image", zg.TextToImage, p, BoundInput{BodyBytes: 9999}, 5},
		{"four images", zg.ImageEditing, p, BoundInput{BodyBytes: 9999, Images: 4}, 20},
		{"short audio", zg.SpeechToText, p, BoundInput{AudioBytes: 10}, 3 + 5*16},
		{"a minute at 4 kbit/s", zg.SpeechToText, p, BoundInput{AudioBytes: 30000}, 3*60 + 5*16*60},
		{"audio, only the body's size", zg.SpeechToText, p, BoundInput{BodyBytes: 30000}, 3*60 + 5*16*60},
		{"audio, size not known", zg.SpeechToText, p, BoundInput{BodyBytes: -1}, 86400 * (3 + 5*16)},
		{"audio, very large", zg.SpeechToText, p, BoundInput{AudioBytes: 1 << 60}, 86400 * (3 + 5*16)},
		{"embedding", zg.Embedding, p, BoundInput{BodyBytes: 100, MaxTokens: 10}, 3 * 1124},
		{"unknown kind", "video", p, BoundInput{BodyBytes: 100, MaxTokens: 10}, 3*1124 + 5*10},
		{"free", zg.Chatbot, zg.Price{}, BoundInput{BodyBytes: 100}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Bound(tt.t, tt.price, tt.in); got != zg.NeuronOf(tt.want) {
				t.Errorf("Bound = %v, want %d", got, tt.want)
			}
		})
	}
	if got := Bound(zg.Chatbot, zg.Price{Input: zg.MaxNeuron}, BoundInput{}); got != zg.MaxNeuron {
		t.Errorf("an absurd price is bounded by %v, want MaxNeuron", got)
	}
}

// No answer within the limits that the bound assumes costs more than the bound.
func TestBoundHolds(t *testing.T) {
	ratio := rapid.Custom(func(t *rapid.T) zg.Ratio {
		return zg.Ratio{Num: rapid.Uint64Range(1, 20).Draw(t, "num"), Den: rapid.Uint64Range(1, 20).Draw(t, "den")}
	})
	rapid.Check(t, func(t *rapid.T) {
		p := zg.Price{Input: zg.NeuronOf(rapid.Uint64Range(0, 1e12).Draw(t, "in")), Output: zg.NeuronOf(rapid.Uint64Range(0, 1e12).Draw(t, "out"))}
		for range rapid.IntRange(0, 3).Draw(t, "tiers") {
			p.Tiers = append(p.Tiers, zg.Tier{MaxInputTokens: rapid.Uint64Range(0, 2000).Draw(t, "max"), Input: ratio.Draw(t, "tin"), Output: ratio.Draw(t, "tout")})
		}
		if rapid.Bool().Draw(t, "cache") {
			p.Cache = zg.CacheBilling{Divisor: rapid.Uint64Range(0, 20).Draw(t, "divisor"), Write: ratio.Draw(t, "write"), Write1h: ratio.Draw(t, "write1h")}
		}
		b := BoundInput{BodyBytes: rapid.Int64Range(0, 4000).Draw(t, "body"), MaxTokens: rapid.Uint64Range(1, 5000).Draw(t, "max"), N: rapid.Uint64Range(0, 4).Draw(t, "n")}
		limit := uint64(b.BodyBytes) + templateTokens
		u := zg.Usage{
			Seen: true, InputTokens: rapid.Uint64Range(0, limit).Draw(t, "input"), OutputTokens: rapid.Uint64Range(0, b.MaxTokens*max(b.N, 1)).Draw(t, "output"),
			CachedTokens: rapid.Uint64Range(0, limit).Draw(t, "cached"), WriteTokens: rapid.Uint64Range(0, limit).Draw(t, "writes"), Write1hTokens: rapid.Uint64Range(0, limit).Draw(t, "writes1h"),
		}
		fee, ok := zg.Fee(zg.Chatbot, p, u)
		if bound := Bound(zg.Chatbot, p, b); !ok || bound.Less(fee) {
			t.Fatalf("fee %v (exact %v) is above the bound %v", fee, ok, bound)
		}
	})
}
