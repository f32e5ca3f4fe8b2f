package zg

import "testing"

func TestVideoUnits(t *testing.T) {
	for _, tt := range []struct {
		seconds, multiplier float64
		want                uint64
	}{{5, 1.5, 8}, {100, 1.1, 111}, {3, .5, 2}, {4.2, 1, 5}, {.1, 1, 1}, {1e300, 2, MaxFigure}} {
		if got := VideoUnits(tt.seconds, tt.multiplier); got != tt.want {
			t.Errorf("%v s at %v: %d units, want %d", tt.seconds, tt.multiplier, got, tt.want)
		}
	}
}

// Nothing that a provider bills for what was asked is above the bound.
func TestVideoBound(t *testing.T) {
	n := NeuronOf
	token := n(23_780_000_000_000)
	for _, tt := range []struct {
		name   string
		price  Price
		asked  uint64
		billed Neuron // the dearest that a provider bills for it
	}{
		{"tokens at 720p", Price{Output: token, Unit: UnitToken}, 12, token.Mul(259_080)},
		{"tokens at 1080p", Price{Output: token, Unit: UnitToken}, 12, token.Mul(583_200)},
		{"tokens, no length", Price{Output: token, Unit: UnitToken}, 0, token.Mul(30 * 48_600)},
		{"clips", Price{Output: n(100), Unit: UnitClip, Variants: []Variant{{"768p", 6, n(2400)}, {"2K", 6, n(6000)}}}, 6, n(6000)},
		{"seconds", Price{Output: n(10), Unit: UnitSecond, Variants: []Variant{{"720p", 0, n(10)}, {"1080p", 0, n(35)}}}, 5, n(10).Mul(VideoUnits(5, 3.5))},
		{"seconds, rounded up", Price{Output: n(10), Unit: UnitSecond, Variants: []Variant{{"1080p", 0, n(11)}}}, 100, n(1110)},
		{"ratio", Price{Output: n(10)}, 8, n(160)},
		{"shorter than a vendor makes", Price{Output: n(10)}, 1, n(80)},
	} {
		bound, ok := VideoBound(tt.price, tt.asked)
		if !ok || bound.Less(tt.billed) {
			t.Errorf("%s: bound %s (%v), billed %s", tt.name, bound, ok, tt.billed)
		}
	}
	if _, ok := VideoBound(Price{Output: n(1), Unit: "video_frame"}, 5); ok {
		t.Error("a unit that nobody knows has a bound")
	}
	if got, _ := VideoBound(Price{Output: MaxNeuron, Unit: UnitToken}, 1<<63); got != MaxNeuron {
		t.Errorf("absurd figures lead to %s", got)
	}
}
