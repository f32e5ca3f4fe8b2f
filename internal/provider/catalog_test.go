package provider

import (
	"encoding/json"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const catalogueBody = `{"object":"list","price_feed":{"rate_usd_per_og":"1.5"},"data":[
 {"id":"qwen","canonical_id":"qwen/qwen-2.5","object":"model","created":1767225600,"owned_by":"x","name":"Qwen","type":"chatbot",
  "context_length":131072,"max_completion_tokens":8192,"architecture":{"modality":"text"},"expiration_date":"2026-12-31T23:59:59+01:00","new_field":[1],
  "pricing":{"prompt":"300000000000","completion":"480000000000",
   "tiered_pricing":[{"max_input_tokens":32000,"input_multiplier":1,"output_multiplier":1},
                     {"max_input_tokens":0,"input_multiplier":3,"input_multiplier_denominator":2,"output_multiplier":2,"output_multiplier_denominator":1}],
   "cache_token_billing":{"divisor":4,"write_multiplier_numerator":5,"write_multiplier_denominator":4,"write_1h_multiplier_numerator":2}},
  "pricing_usd":{"prompt":"0.0000003"},"rate_limits":{"requests_per_minute":30,"tokens_per_minute":"100000","images_per_minute":null}},
 {"id":"z-image","type":"text-to-image","pricing":{"prompt":"0","completion":"0","image":"3000000000000000"},"expiration_date":"2027-01-01"},
 {"id":"whisper","type":"speech-to-text","pricing":{"prompt":"5","completion":"0"},"expiration_date":1767225600},
 {"id":"*","type":"chatbot","pricing":{"prompt":"1","completion":"1"}},
 {"id":"bare"}
]}`

func neuron(tb testing.TB, s string) zg.Neuron {
	tb.Helper()
	n, err := zg.ParseNeuron(s)
	if err != nil {
		tb.Fatalf("ParseNeuron(%q): %v", s, err)
	}
	return n
}

func catalogue(tb testing.TB) []zg.Model {
	tb.Helper()
	return []zg.Model{
		{
			ID: "qwen", CanonicalID: "qwen/qwen-2.5", Name: "Qwen", Type: zg.Chatbot, ContextLength: 131072, MaxCompletionTokens: 8192, Priced: true,
			ExpiresAt: time.Date(2026, 12, 31, 22, 59, 59, 0, time.UTC),
			Limits:    zg.RateLimits{RequestsPerMinute: 30, TokensPerMinute: 100000},
			Price: zg.Price{
				Input: neuron(tb, "300000000000"), Output: neuron(tb, "480000000000"),
				Tiers: []zg.Tier{
					{MaxInputTokens: 32000, Input: zg.Ratio{Num: 1}, Output: zg.Ratio{Num: 1}},
					{Input: zg.Ratio{Num: 3, Den: 2}, Output: zg.Ratio{Num: 2, Den: 1}},
				},
				Cache: zg.CacheBilling{Divisor: 4, Write: zg.Ratio{Num: 5, Den: 4}, Write1h: zg.Ratio{Num: 2}},
			},
		},
		{
			ID: "z-image", Type: zg.TextToImage, Priced: true, Price: zg.Price{Output: neuron(tb, "3000000000000000")},
			ExpiresAt: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		},
		{
			ID: "whisper", Type: zg.SpeechToText, Priced: true, Price: zg.Price{Input: neuron(tb, "5")},
			ExpiresAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		},
		{ID: "bare"},
	}
}

func TestDecodeModels(t *testing.T) {
	got, err := decodeModels([]byte(catalogueBody))
	if err != nil {
		t.Fatalf("decodeModels: %v", err)
	}
	if diff := cmp.Diff(catalogue(t), got, compareAmounts); diff != "" {
		t.Errorf("decodeModels (-want +got):\n%s", diff)
	}
}

func TestDecodeModelsRefusesOtherThings(t *testing.T) {
	for _, body := range []string{``, `[]`, `{}`, `{"data":null}`, `{"data":{}}`, `{"error":"x"}`, `"data"`} {
		if got, err := decodeModels([]byte(body)); !errors.Is(err, ErrAnswer) {
			t.Errorf("decodeModels(%s) = %v, %v; want ErrAnswer", body, got, err)
		}
	}
	if got, err := decodeModels([]byte(`{"data":[]}`)); err != nil || len(got) != 0 {
		t.Errorf("decodeModels of an empty list = %v, %v; want none", got, err)
	}
}

// An entry or a field that makes no sense hides nothing else.
func TestDecodeOddEntries(t *testing.T) {
	for _, tt := range []struct {
		name, entry string
		want        zg.Model
	}{
		{"fields of the wrong type", `{"id":"m","name":7,"context_length":"many","max_completion_tokens":-1,"expiration_date":{}}`, zg.Model{ID: "m"}},
		{"numbers as text", `{"id":"m","context_length":"4096","max_completion_tokens":null}`, zg.Model{ID: "m", ContextLength: 4096}},
		{"whole numbers with a point", `{"id":"m","context_length":4096.0,"max_completion_tokens":"1e3"}`, zg.Model{ID: "m", ContextLength: 4096, MaxCompletionTokens: 1000}},
		{"numbers that are no counts", `{"id":"m","context_length":1e400,"max_completion_tokens":4096.5}`, zg.Model{ID: "m"}},
		{"words for numbers", `{"id":"m","context_length":"NaN","max_completion_tokens":"0x10"}`, zg.Model{ID: "m"}},
		{"digits without end", `{"id":"m","context_length":` + strings.Repeat("9", 5000) + `,"max_completion_tokens":9007199254740992}`, zg.Model{ID: "m"}},
		{"no such day", `{"id":"m","expiration_date":"2026-02-30"}`, zg.Model{ID: "m"}},
		{"a day before all years", `{"id":"m","expiration_date":"0000-01-01T00:00:00+23:59"}`, zg.Model{ID: "m"}},
		{"milliseconds", `{"id":"m","expiration_date":1767225600000}`, zg.Model{ID: "m"}},
		{"limits that are none", `{"id":"m","rate_limits":[30]}`, zg.Model{ID: "m"}},
		{"one limit of several", `{"id":"m","rate_limits":{"requests_per_minute":-1,"images_per_minute":5,"tokens_per_minute":{}}}`, zg.Model{ID: "m", Limits: zg.RateLimits{ImagesPerMinute: 5}}},
		{"a long name", `{"id":"m","name":"` + strings.Repeat("x", 201) + `"}`, zg.Model{ID: "m"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeModels([]byte(`{"data":[null,7,{},{"id":""},{"id":5},` + tt.entry + `,{"id":"` + strings.Repeat("y", 201) + `"}]}`))
			if err != nil {
				t.Fatalf("decodeModels: %v", err)
			}
			if diff := cmp.Diff([]zg.Model{tt.want}, got, compareAmounts); diff != "" {
				t.Errorf("decodeModels (-want +got):\n%s", diff)
			}
		})
	}
}

// A price that is not wholly understood is none, so that the price on chain holds.
func TestUnusablePrices(t *testing.T) {
	const good = `"prompt":"2","completion":"3"`
	for _, tt := range []struct {
		name, kind, pricing string
		priced              bool
	}{
		{"good", "chatbot", `{` + good + `}`, true},
		{"good, empty tiers and cache", "chatbot", `{` + good + `,"tiered_pricing":[],"cache_token_billing":{}}`, true},
		{"free output", "embedding", `{"prompt":"2","completion":"0"}`, true},
		{"image of no type", "", `{"prompt":"0","completion":"0","image":"9"}`, true},
		{"missing", "chatbot", `null`, false},
		{"empty", "chatbot", `{}`, false},
		{"half", "chatbot", `{"prompt":"2"}`, false},
		{"number", "chatbot", `{"prompt":2,"completion":"3"}`, false},
		{"float", "chatbot", `{"prompt":"0.5","completion":"3"}`, false},
		{"exponent", "chatbot", `{"prompt":"2e3","completion":"3"}`, false},
		{"negative", "chatbot", `{"prompt":"-2","completion":"3"}`, false},
		{"hexadecimal", "chatbot", `{"prompt":"0x2","completion":"3"}`, false},
		{"wider than 256 bits", "chatbot", `{"prompt":"` + strings.Repeat("9", 78) + `","completion":"3"}`, false},
		{"all free", "chatbot", `{"prompt":"0","completion":"0"}`, false},
		{"image without its price", "text-to-image", `{` + good + `}`, false},
		{"image for nothing", "text-to-image", `{"prompt":"0","completion":"0","image":"0"}`, false},
		{"tier that makes it free", "chatbot", `{` + good + `,"tiered_pricing":[{"max_input_tokens":0,"input_multiplier":0,"output_multiplier":1}]}`, false},
		{"tier without a multiplier", "chatbot", `{` + good + `,"tiered_pricing":[{"input_multiplier":1}]}`, false},
		{"tier of fractions", "chatbot", `{` + good + `,"tiered_pricing":[{"input_multiplier":1.5,"output_multiplier":1}]}`, false},
		{"tier of more than can be told apart", "chatbot", `{` + good + `,"tiered_pricing":[{"input_multiplier":9007199254740993,"output_multiplier":1}]}`, false},
		{"tier of a number in quotes", "chatbot", `{` + good + `,"tiered_pricing":[{"input_multiplier":"2.0","output_multiplier":1}]}`, true},
		{"cache of a fraction", "chatbot", `{` + good + `,"cache_token_billing":{"divisor":0.1}}`, false},
		{"tiers without end", "chatbot", `{` + good + `,"tiered_pricing":[` + strings.Repeat(`{"input_multiplier":1,"output_multiplier":1},`, maxTiers) +
			`{"input_multiplier":1,"output_multiplier":1}]}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeModels([]byte(`{"data":[{"id":"m","type":"` + tt.kind + `","pricing":` + tt.pricing + `}]}`))
			if err != nil || len(got) != 1 {
				t.Fatalf("decodeModels = %v, %v; want one model", got, err)
			}
			if got[0].Priced != tt.priced {
				t.Errorf("Priced = %v, want %v", got[0].Priced, tt.priced)
			}
			if zero := got[0].Price.Input.IsZero() && got[0].Price.Output.IsZero() && got[0].Price.Tiers == nil; zero == tt.priced {
				t.Errorf("Price = %+v", got[0].Price)
			}
		})
	}
}

func TestRepeatedModels(t *testing.T) {
	entry := func(identity, in, out string) string {
		return `{"id":"m","type":"chatbot","provider_identity":"` + identity + `","pricing":{"prompt":"` + in + `","completion":"` + out + `"}}`
	}
	for _, tt := range []struct {
		name, first, second string
		in, out             uint64 // 0: not priced
	}{
		{"the same", entry("", "2", "1"), entry("", "2", "1"), 2, 1},
		{"the cheaper output", entry("zhipu", "3", "4"), entry("aliyun", "1", "2"), 1, 2},
		{"before the input", entry("x", "9", "5"), entry("y", "1", "5"), 1, 5},
		{"the cheaper output, dearer input", entry("a", "1", "5"), entry("b", "9", "4"), 9, 4},
		{"bad second", entry("a", "1", "5"), entry("b", "x", "4"), 0, 0},
		{"bad first", entry("a", "1", "x"), entry("b", "1", "4"), 0, 0},
	} {
		got, err := decodeModels([]byte(`{"data":[` + tt.first + `,` + tt.second + `]}`))
		want := zg.Price{Input: zg.NeuronOf(tt.in), Output: zg.NeuronOf(tt.out)}
		if err != nil || len(got) != 1 || got[0].Priced != (tt.out > 0) || !reflect.DeepEqual(got[0].Price, want) {
			t.Errorf("%s: %+v, %v; want one model at %+v", tt.name, got, err, want)
		}
	}
	// The identity decides between equal prices, and what else the entries say is of the one that serves.
	got, err := decodeModels([]byte(`{"data":[
		{"id":"m","type":"chatbot","provider_identity":"zeta","context_length":9,"pricing":{"prompt":"1","completion":"2"}},
		{"id":"m","type":"chatbot","provider_identity":"alpha","context_length":7,"pricing":{"prompt":"1","completion":"2"}}]}`))
	if err != nil || len(got) != 1 || got[0].ContextLength != 7 {
		t.Errorf("between equal prices: %+v, %v; want alpha's entry", got, err)
	}
	// A second and a clip cannot be compared.
	got, err = decodeModels([]byte(`{"data":[{"id":"m","type":"video-generation","pricing":{"video":"5","video_unit":"video_token"}},
		{"id":"m","type":"video-generation","pricing":{"video":"4"}}]}`))
	if err != nil || len(got) != 1 || got[0].Priced {
		t.Errorf("prices for two units: %+v, %v; want none", got, err)
	}
}

// Multi-model providers leave out by an empty amount what has no meaning for a kind of service.
func TestPricesOfVideoAndAudio(t *testing.T) {
	n := zg.NeuronOf
	for _, tt := range []struct {
		name, kind, pricing string
		want                zg.Price
		priced              bool
	}{
		{"audio", "audio-generation", `{"prompt":"","completion":"","audio":"7"}`, zg.Price{Output: n(7)}, true},
		{"audio of one model", "audio-generation", `{"prompt":"0","completion":"0","audio":"7"}`, zg.Price{Output: n(7)}, true},
		{
			"tokens of video", "video-generation", `{"prompt":"","completion":"","video":"9","video_unit":"video_token",
			"variants":[{"dimensions":{"has_video_input":"false"},"unit":"video_token","unit_price":"9"}]}`,
			zg.Price{Output: n(9), Unit: zg.UnitToken, Variants: []zg.Variant{{Price: n(9)}}},
			true,
		},
		{
			"clips", "video-generation", `{"prompt":"","completion":"","video":"100","variants":[
			{"dimensions":{"resolution":"768p","duration_seconds":"6"},"unit":"video_clip","unit_price":"600"},
			{"dimensions":{"resolution":"2K","duration_seconds":"6"},"unit":"video_clip","unit_price":"6000"}]}`,
			zg.Price{Output: n(100), Unit: zg.UnitClip, Variants: []zg.Variant{{Resolution: "768p", Seconds: 6, Price: n(600)}, {Resolution: "2K", Seconds: 6, Price: n(6000)}}},
			true,
		},
		{
			"seconds", "video-generation", `{"video":"10","variants":[{"dimensions":{"resolution":"1080p"},"unit":"video_second","unit_price":"35"}]}`,
			zg.Price{Output: n(10), Unit: zg.UnitSecond, Variants: []zg.Variant{{Resolution: "1080p", Price: n(35)}}},
			true,
		},
		{
			"two units", "video-generation", `{"video":"10","variants":[{"unit":"video_second","unit_price":"35"},{"unit":"video_clip","unit_price":"35"}]}`,
			zg.Price{Output: n(10), Unit: "mixed", Variants: []zg.Variant{{Price: n(35)}, {Price: n(35)}}},
			true,
		},
		{
			"a unit without a name", "video-generation", `{"video":"10","variants":[{"unit":"","unit_price":"35"}]}`,
			zg.Price{Output: n(10), Unit: "unnamed", Variants: []zg.Variant{{Price: n(35)}}},
			true,
		},
		{"a unit that is no name", "video-generation", `{"video":"10","video_unit":"a\u001b[31m b"}`, zg.Price{Output: n(10), Unit: "unreadable"}, true},
		{"a unit as long as a page", "video-generation", `{"video":"10","video_unit":"` + strings.Repeat("v", 150) + `"}`, zg.Price{Output: n(10), Unit: "unreadable"}, true},
		{"a resolution as long as a page", "video-generation", `{"video":"10","variants":[{"dimensions":{"resolution":"` + strings.Repeat("v", 150) + `"},"unit":"video_second","unit_price":"35"}]}`, zg.Price{}, false},
		{"a row without a price", "video-generation", `{"video":"10","variants":[{"unit":"video_second","unit_price":""}]}`, zg.Price{}, false},
		{"nothing at all", "video-generation", `{"prompt":"","completion":"","video":""}`, zg.Price{}, false},
		{"chat", "chatbot", `{"prompt":"1","completion":"2","image":""}`, zg.Price{Input: n(1), Output: n(2)}, true},
	} {
		got, err := decodeModels([]byte(`{"data":[{"id":"m","type":"` + tt.kind + `","pricing":` + tt.pricing + `}]}`))
		if err != nil || len(got) != 1 || got[0].Priced != tt.priced || !reflect.DeepEqual(got[0].Price, tt.want) {
			t.Errorf("%s: %+v, %v; want %+v, priced %v", tt.name, got, err, tt.want, tt.priced)
		}
	}
}

func TestCatalogueIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range maxModels + 50 {
		b.WriteString(`{"id":"m` + strings.Repeat("x", i%150) + string(rune('a'+i/150)) + `"},`)
	}
	got, err := decodeModels([]byte(`{"data":[` + b.String() + `{"id":"last"}]}`))
	if err != nil || len(got) != maxModels {
		t.Errorf("%d models, %v; want %d", len(got), err, maxModels)
	}
}

// Whatever a catalogue holds: no panic, usable ids, prices that are prices, and values that JSON can hold.
func FuzzDecodeModels(f *testing.F) {
	f.Add([]byte(catalogueBody))
	f.Add([]byte(`{"data":[{"id":"m","pricing":{"prompt":"1","completion":null,"tiered_pricing":[null],"cache_token_billing":null}}]}`))
	f.Add([]byte(`{"data":[{"id":"\u0000","expiration_date":"9999-12-31T23:59:59-23:59"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		models, err := decodeModels(body)
		if err != nil {
			if !errors.Is(err, ErrAnswer) || models != nil {
				t.Errorf("decodeModels = %v, %v; want ErrAnswer alone", models, err)
			}
			return
		}
		seen := make(map[string]bool)
		for _, m := range models {
			if m.ID == "" || m.ID == "*" || len(m.ID) > maxName || seen[m.ID] {
				t.Errorf("id %q", m.ID)
			}
			seen[m.ID] = true
			if free := m.Price.Input.IsZero() && m.Price.Output.IsZero(); free == m.Priced {
				t.Errorf("Priced = %v with the price %+v", m.Priced, m.Price)
			}
			for _, tier := range m.Price.Tiers {
				if tier.Input.IsZero() || tier.Output.IsZero() {
					t.Errorf("a tier is free: %+v", tier)
				}
			}
		}
		if _, err := json.Marshal(models); err != nil {
			t.Errorf("json.Marshal: %v", err)
		}
	})
}

// What is not looked at is not kept either: a list of numbers takes a hundred times its size where it is read whole.
func TestDocumentsTakeLittleMemory(t *testing.T) {
	numbers := "[0" + strings.Repeat(",1", 1<<19) + "]"
	names := `{"a":0` + strings.Repeat(`,"bcdef":1`, 1<<17) + "}"
	for name, doc := range map[string]string{
		"models": `{"data":` + numbers + "}", "an entry": `{"data":[` + names + "]}", "an entry beside": names,
		"an error": `{"error":` + numbers + "}", "an error of names": `{"error":` + names + "}",
		"details": `{"detail":` + numbers + "}", "a place": `{"detail":[{"msg":"m","loc":` + numbers + "}]}",
	} {
		text := []byte(doc)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = decodeModels(text)
		Classify(400, jsonType, "", text)
		runtime.ReadMemStats(&after)
		// Most of it is let go at once: names are read one by one.
		if used := after.TotalAlloc - before.TotalAlloc; used > 64*uint64(len(text)) {
			t.Errorf("%s of %d bytes take %d", name, len(text), used)
		}
	}
}
