package zg

import (
	"testing"

	"pgregory.net/rapid"
)

func job(doc string) Video {
	v, _ := ReadVideo([]byte(doc))
	return v
}

// What a provider bills for a job that has ended, by the last document about it.
func TestVideoFee(t *testing.T) {
	n := NeuronOf
	token := n(23_780_000_000_000)
	seconds := func(rows ...Variant) Price { return Price{Output: n(10), Unit: UnitSecond, Variants: rows} }
	clips := Price{Output: n(1), Unit: UnitClip, Variants: []Variant{{"768p", 6, n(6)}, {"1080p", 6, n(12)}}}
	lengths := Price{Output: n(1), Unit: UnitClip, Variants: []Variant{{"768p", 10, n(10)}, {"768p", 6, n(6)}, {"1080p", 6, n(12)}}}
	long := n(12_345_678_901_237) // a base whose multiples are not whole
	for _, tt := range []struct {
		name  string
		price Price
		told  string
		asked Video
		want  Neuron
		basis FeeBasis // empty: it cannot be told
	}{
		{"5 s at 1.5", seconds(Variant{"1080p", 0, n(15)}), `{"status":"completed","seconds":"5","size":"1080p"}`, Video{}, n(80), FeeExact},
		{"100 s at 1.1", seconds(Variant{"1080P", 0, n(11)}), `{"status":"completed","seconds":100,"size":" 1080p "}`, Video{}, n(1110), FeeExact},
		{"3 s at 0.5", seconds(Variant{"480p", 0, n(5)}), `{"status":"completed","seconds":3,"size":"480p"}`, Video{}, n(20), FeeExact},
		{"4.2 s at 1", seconds(Variant{"720p", 0, n(10)}), `{"status":"completed","seconds":"4.2","size":"720p"}`, Video{}, n(50), FeeExact},
		{"4.2 s at 1.5: seconds are rounded up first", seconds(Variant{"720p", 0, n(15)}), `{"status":"completed","seconds":4.2,"size":"720p"}`, Video{}, n(80), FeeExact},
		{"a multiplier whose product was rounded", Price{Output: long, Unit: UnitSecond, Variants: []Variant{{"1080p", 0, n(13_580_246_791_360)}}}, `{"status":"completed","seconds":100,"size":"1080p"}`, Video{}, long.Mul(111), FeeExact},
		{"no rows", seconds(), `{"status":"completed","seconds":5,"size":"1080p"}`, Video{}, n(50), FeeExact},
		{"pixels", seconds(Variant{"720p", 0, n(10)}, Variant{"1080p", 0, n(35)}), `{"status":"completed","seconds":5,"size":"1280x720"}`, Video{}, n(50), FeeExact},
		{"pixels of which vendors make different tiers", seconds(Variant{"480p", 0, n(5)}, Variant{"720p", 0, n(10)}), `{"status":"completed","seconds":5,"size":"832x480"}`, Video{}, n(50), FeeEstimated},
		{"a size that nobody knows", seconds(Variant{"720p", 0, n(5)}), `{"status":"completed","seconds":5,"size":"huge"}`, Video{}, n(50), FeeEstimated},
		{"no size", seconds(Variant{"720p", 0, n(10)}, Variant{"1080p", 0, n(35)}), `{"status":"completed","seconds":5}`, Video{}, n(180), FeeEstimated},
		{"the size that was asked for", seconds(Variant{"720p", 0, n(10)}, Variant{"1080p", 0, n(35)}), `{"status":"completed","seconds":5}`, Video{Size: "720p"}, n(50), FeeExact},
		{"std or pro", seconds(Variant{"std", 0, n(10)}, Variant{"pro", 0, n(20)}), `{"status":"completed","seconds":5,"size":"1920x1080"}`, Video{}, n(100), FeeExact},

		{"table, other case", clips, `{"status":"completed","seconds":6,"size":"1080P"}`, Video{}, n(12), FeeExact},
		{"table, shorter than any", clips, `{"status":"completed","seconds":5,"size":"768p"}`, Video{}, n(6), FeeExact},
		{"table, longer than any: the largest of all", clips, `{"status":"completed","seconds":7,"size":"768p"}`, Video{}, n(12), FeeExact},
		{"table, unknown resolution", clips, `{"status":"completed","seconds":4,"size":"4k"}`, Video{}, n(12), FeeEstimated},
		{"table, the shortest longer one", lengths, `{"status":"completed","seconds":7,"size":"768p"}`, Video{}, n(10), FeeExact},
		{"table without rows", Price{Output: n(1), Unit: UnitClip}, `{"status":"completed","seconds":6}`, Video{}, Neuron{}, ""},

		{"tokens", Price{Output: token, Unit: UnitToken}, `{"status":"completed","usage":{"completion_tokens":246840}}`, Video{}, token.Mul(246_840), FeeExact},
		{"tokens in quotes", Price{Output: token, Unit: UnitToken}, `{"status":"completed","usage":{"completion_tokens":"259080"}}`, Video{}, token.Mul(259_080), FeeExact},
		{"no tokens: free", Price{Output: token, Unit: UnitToken}, `{"status":"completed","seconds":5}`, Video{}, Neuron{}, FeeFree},
		{"tokens below zero", Price{Output: token, Unit: UnitToken}, `{"status":"completed","usage":{"completion_tokens":-5}}`, Video{}, Neuron{}, ""},
		{"tokens with a row of their own", Price{Output: n(2), Unit: UnitToken, Variants: []Variant{{"1080p", 0, n(3)}}}, `{"status":"completed","usage":{"completion_tokens":10}}`, Video{}, n(30), FeeEstimated},

		{"by ratio", Price{Output: n(10)}, `{"status":"completed","seconds":"5","size":"1792x1024"}`, Video{}, n(100), FeeEstimated},
		{"by ratio, half a second", Price{Output: n(10)}, `{"status":"completed","seconds":1,"size":"480x832"}`, Video{}, n(10), FeeEstimated},
		{"by ratio, other sizes", Price{Output: n(10)}, `{"status":"completed","seconds":5,"size":"1x1"}`, Video{}, n(50), FeeEstimated},

		{"what the vendor measured counts first", seconds(), `{"status":"completed","seconds":9,"usage":{"duration":"7","output_video_duration":6.1}}`, Video{}, n(70), FeeExact},
		{"a zero says nothing", seconds(), `{"status":"completed","seconds":9,"usage":{"duration":8,"output_video_duration":0}}`, Video{}, n(80), FeeExact},
		{"nor does what cannot be a length", seconds(), `{"status":"completed","seconds":9,"usage":{"duration":"NaN","output_video_duration":-3}}`, Video{}, n(90), FeeExact},
		{"the length that was asked for", seconds(), `{"status":"completed"}`, Video{Seconds: ReadFigure([]byte("4"))}, n(40), FeeExact},
		{"no length anywhere", seconds(), `{"status":"completed"}`, Video{}, Neuron{}, ""},
		{"a status that nobody knows is the end", seconds(), `{"status":"succeeded","seconds":5}`, Video{}, n(50), FeeExact},
		{"failed", seconds(), `{"status":"failed","seconds":5}`, Video{}, Neuron{}, FeeFree},
		{"queued", seconds(), `{"status":"queued","seconds":5}`, Video{}, Neuron{}, ""},
		{"under way", seconds(), `{"status":"in_progress","seconds":5}`, Video{}, Neuron{}, ""},
		{"no document about a job", seconds(), `{"seconds":5}`, Video{}, Neuron{}, ""},
		{"no document", seconds(), `[1`, Video{}, Neuron{}, ""},
		{"a usage that is none", seconds(), `{"status":"completed","seconds":5,"usage":"7","size":7}`, Video{}, n(50), FeeExact},
		{"the highest of many prices", Price{Output: n(10), Unit: UnitSecond, Highest: true}, `{"status":"completed","seconds":5}`, Video{}, n(50), FeeEstimated},
		{"a unit that nobody knows", Price{Output: n(10), Unit: "video_frame"}, `{"status":"completed","seconds":5}`, Video{}, Neuron{}, ""},
	} {
		fee, basis, ok := VideoFee(tt.price, job(tt.told), tt.asked)
		if fee != tt.want || basis != tt.basis || ok != (tt.basis != "") {
			t.Errorf("%s: %s %q %v, want %s %q", tt.name, fee, basis, ok, tt.want, tt.basis)
		}
	}
}

// A video as long as was asked for is never billed above its bound, whatever its size turns out to be.
func TestVideoFeeWithinBound(t *testing.T) {
	sizes := []string{"", "480p", "720P", "1080p", "1280x720", "832x480", "1792x1024", "4k", "std", "pro"}
	rapid.Check(t, func(t *rapid.T) {
		p := Price{
			Output: NeuronOf(rapid.Uint64Range(1, 1e15).Draw(t, "price")),
			Unit:   rapid.SampledFrom([]Unit{UnitRatio, UnitSecond, UnitClip, UnitToken}).Draw(t, "unit"),
		}
		for range rapid.IntRange(0, 4).Draw(t, "rows") {
			v := Variant{Resolution: rapid.SampledFrom(sizes[1:]).Draw(t, "resolution"), Price: NeuronOf(rapid.Uint64Range(1, 1e16).Draw(t, "row"))}
			if p.Unit == UnitClip {
				v.Seconds = float64(rapid.IntRange(0, 30).Draw(t, "length"))
			}
			p.Variants = append(p.Variants, v)
		}
		asked := rapid.Uint64Range(1, 120).Draw(t, "asked")
		bound, known := VideoBound(p, asked)
		told := Video{
			Status: "completed", Size: rapid.SampledFrom(sizes).Draw(t, "size"),
			Seconds: Figure{n: float64(rapid.Uint64Range(1, max(asked, shortestClip)).Draw(t, "seconds")), told: true},
			Tokens:  Figure{n: float64(rapid.Uint64Range(0, asked*videoTokens).Draw(t, "tokens")), told: true},
		}
		if fee, basis, ok := VideoFee(p, told, Video{}); ok && (!known || bound.Less(fee)) {
			t.Fatalf("%+v of %+v: %s (%s) is above the bound %s", told, p, fee, basis, bound)
		}
	})
}

func FuzzReadVideo(f *testing.F) {
	f.Add([]byte(`{"id":"v","status":"completed","seconds":"5","size":"720p","usage":{"completion_tokens":1e400}}`))
	f.Add([]byte(`{"status":"completed","usage":{"output_video_duration":"0x10","duration":-1}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		v, ok := ReadVideo(doc)
		if ok == (v.Status == "") {
			t.Fatalf("%q: %+v %v", doc, v, ok)
		}
		for _, unit := range []Unit{UnitRatio, UnitSecond, UnitClip, UnitToken, "other"} {
			p := Price{Output: NeuronOf(3), Unit: unit, Variants: []Variant{{"720p", 5, NeuronOf(4)}}}
			if fee, basis, ok := VideoFee(p, v, Video{}); ok == (basis == "") || !ok && !fee.IsZero() {
				t.Fatalf("%q: %s %q %v", doc, fee, basis, ok)
			}
		}
	})
}
