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
		{"chat longer than the context", zg.Chatbot, p, BoundInput{BodyBytes: 1e6, MaxTokens: 10, ContextLength: 8192}, 3*8192 + 5*10},
		{"chat with pictures", zg.Chatbot, p, BoundInput{BodyBytes: 100, Media: true, MaxTokens: 10, ContextLength: 8192}, 3*8192 + 5*10},
		{"chat with pictures, context not known", zg.Chatbot, p, BoundInput{BodyBytes: 100, Media: true, MaxTokens: 10}, 3*1048576 + 5*10},
		{"long chat with pictures, context not known", zg.Chatbot, p, BoundInput{BodyBytes: 2e6, Media: true, MaxTokens: 10}, 3*(2e6+1024) + 5*10},
		{"decisions", zg.Decisions, p, BoundInput{BodyBytes: 100, MaxTokens: 10}, 3*1124 + 5*10},
		{"generated speech", zg.AudioGeneration, p, BoundInput{BodyBytes: 100}, 5 * 1124},
		{"generated speech, limited", zg.AudioGeneration, p, BoundInput{BodyBytes: 100, MaxDuration: 300}, 5 * 300},
		{"generated speech, limited below what is set aside", zg.AudioGeneration, p, BoundInput{BodyBytes: 100, MaxDuration: 7}, 5 * 7},
		{"generated speech, a limit beyond its text", zg.AudioGeneration, p, BoundInput{BodyBytes: 100, MaxDuration: 5000}, 5 * 1124},
		{"video of no stated length", zg.VideoGeneration, p, BoundInput{BodyBytes: 9999}, 5 * 30 * 4},
		{"video", zg.VideoGeneration, p, BoundInput{BodyBytes: 9999, Seconds: 8, N: 1}, 5 * 9 * 4},
		{"two videos", zg.VideoGeneration, p, BoundInput{Seconds: 4, N: 2}, 5 * 6 * 4 * 2},
		{"one image", zg.TextToImage, p, BoundInput{BodyBytes: 9999}, 5},
		{"four images", zg.ImageEditing, p, BoundInput{BodyBytes: 9999, Images: 4}, 20},
		{"short audio", zg.SpeechToText, p, BoundInput{AudioBytes: 10}, 3*(16+256) + 5*200},
		{"a minute at 4 kbit/s", zg.SpeechToText, p, BoundInput{AudioBytes: 30000}, 3*(16*61+256) + 5*16*61},
		{"audio, only the body's size", zg.SpeechToText, p, BoundInput{BodyBytes: 30000}, 3*(16*61+256) + 5*16*61},
		{"audio, size not known", zg.SpeechToText, p, BoundInput{BodyBytes: -1}, 86400*16*(3+5) + 3*256},
		{"audio, very large", zg.SpeechToText, p, BoundInput{AudioBytes: 1 << 60}, 86400*16*(3+5) + 3*256},
		{"embedding", zg.Embedding, p, BoundInput{BodyBytes: 100, MaxTokens: 10}, 3 * 1124},
		{"embedding of many texts", zg.Embedding, p, BoundInput{BodyBytes: 1e6, ContextLength: 512}, 3 * (1e6 + 1024)},
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
	if got := Bound(zg.VideoGeneration, zg.Price{Output: zg.MaxNeuron}, BoundInput{Seconds: 1 << 63}); got != zg.MaxNeuron {
		t.Errorf("a video at an absurd price is bounded by %v, want MaxNeuron", got)
	}
	if got := Bound(zg.Chatbot, zg.Price{Input: zg.MaxNeuron}, BoundInput{}); got != zg.MaxNeuron {
		t.Errorf("an absurd price is bounded by %v, want MaxNeuron", got)
	}
}

func TestHasMedia(t *testing.T) {
	for body, want := range map[string]bool{
		`{"messages":[{"role":"user","content":"hi"}]}`:                                                                 false,
		`{"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}`:                                        false,
		`{"messages":[{"content":[{"type":"image_url","image_url":{"url":"http://x"}}]}]}`:                              true,
		`{"messages":[{"content":[{"image_url":"http://x"}]}]}`:                                                         true,
		`{"messages":[{"content":[{"type" : "image","source":{}}]}]}`:                                                   true,
		"{\"messages\":[{\"content\":[{\"type\":\n\t\"document\"}]}]}":                                                  true,
		`{"messages":[{"content":[{"type":"input_audio","input_audio":{}}]}]}`:                                          true,
		`{"messages":[{"content":[{"type":"file","file":{}}]}]}`:                                                        true,
		`{"messages":[{"content":"what is \"image_url\" and \"type\":\"image\"?"}]}`:                                    false,
		`{"tools":[{"type":"function","function":{"parameters":{"properties":{"image":{"type":"string"},"file":1}}}}]}`: false,
		`"type"`: false, "": false,
	} {
		if got := HasMedia([]byte(body)); got != want {
			t.Errorf("HasMedia(%s) = %v, want %v", body, got, want)
		}
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

// FuzzBoundHolds tries what a provider may bill for an answer within the limits of the request, for every kind of
// service.
func FuzzBoundHolds(f *testing.F) {
	f.Add(uint8(0), uint64(3), uint64(5), int64(100), uint64(10), uint64(0), uint64(31), uint64(9), uint64(7), 2.5, false)
	f.Add(uint8(2), uint64(300_000_000_000), uint64(480_000_000_000), int64(30_000), uint64(0), uint64(8192), uint64(1<<40), uint64(1<<40), uint64(0), 61.2, true)
	f.Add(uint8(3), uint64(1<<63), uint64(1<<63), int64(1<<40), uint64(1<<40), uint64(1<<40), uint64(1<<53), uint64(1<<53), uint64(1<<53), 1e300, true)
	f.Fuzz(func(t *testing.T, kind uint8, priceIn, priceOut uint64, size int64, maxTokens, context, input, output, cached uint64, seconds float64, media bool) {
		kinds := []zg.ServiceType{zg.Chatbot, zg.Decisions, zg.SpeechToText, zg.Embedding, zg.TextToImage, zg.AudioGeneration}
		typ := kinds[int(kind)%len(kinds)]
		size = min(max(size, 1), 1<<40)
		p := zg.Price{Input: zg.NeuronOf(priceIn), Output: zg.NeuronOf(priceOut), Cache: zg.CacheBilling{Divisor: cached % 9, Write: zg.Ratio{Num: cached % 5, Den: 3}}}
		b := BoundInput{BodyBytes: size, MaxTokens: maxTokens, ContextLength: context, Media: media, N: 1 + cached%3, Images: 1 + input%5}
		readable := uint64(size) + templateTokens
		switch {
		case media && context > 0:
			readable = context
		case media:
			readable = max(readable, longestContext)
		case context > 0:
			readable = min(readable, context)
		}
		if chatOutput(b) > 1<<60 || readable > 1<<60 {
			return
		}
		audio := float64(size) / audioBytesPerSecond
		u := zg.Usage{Seen: true, InputTokens: input % (readable + 1), OutputTokens: output % (chatOutput(b)*b.N + 1), CachedTokens: cached, WriteTokens: input / 2, Images: 1 + input%5}
		switch typ {
		case zg.SpeechToText:
			if u.BySeconds = media; media {
				u.Seconds = min(max(seconds, 0), audio, float64(longestAudio))
			}
			u.InputTokens, u.OutputTokens = input%(uint64(audio)*unitsPerSecond+promptTokens), output%(uint64(audio)*unitsPerSecond+1)
			if audio >= float64(longestAudio) {
				return // longer than a day is not within the limits
			}
		case zg.AudioGeneration:
			u.BySeconds, u.Seconds = true, min(max(seconds, 0), float64(size))
		case zg.Chatbot, zg.Decisions, zg.TextToImage, zg.ImageEditing, zg.VideoGeneration:
		case zg.Embedding:
			u.InputTokens = input % (uint64(size) + templateTokens + 1)
		}
		fee, exact := zg.Fee(typ, p, u)
		if bound := Bound(typ, p, b); exact && bound.Less(fee) {
			t.Errorf("%s: the fee of %+v is %v, above the bound %v of %+v", typ, u, fee, bound, b)
		}
	})
}
