package zg

import "math"

// Unit is what the output price of a video is for.
type Unit string

// The units of video. Any other is not known, and nothing is sent at a price that is for a unit that is not known.
const (
	UnitRatio  Unit = "" // a second, times a ratio by the size; not said, and so for anything but video
	UnitSecond Unit = "video_second"
	UnitClip   Unit = "video_clip"
	UnitToken  Unit = "video_token"
)

// Variant is a row of a video's prices: of a second or a token at one resolution, or of a whole clip of one length.
type Variant struct {
	Resolution string
	Seconds    float64 // of a clip
	Price      Neuron
}

const (
	// longestClip is how long a video may become where nobody says: the longest that any vendor makes.
	longestClip = 30
	// shortestClip is what vendors lengthen shorter ones to.
	shortestClip = 6
	// videoTokens are made for a second of the finest resolution.
	videoTokens = 48_600
	// largestRatio is twice that of the largest size in the table that providers come with, where prices are for seconds
	// times a ratio: a provider may set others.
	largestRatio = 4
)

// VideoBound is the most that a video of so many seconds can cost, 0 for a length that nobody asked for. What is billed
// is the length and the resolution that the vendor delivers, which may be others than were asked for: so the length is
// taken for a second longer than asked, and the resolution for the dearest. ok is false where the unit is not known.
func VideoBound(p Price, asked uint64) (bound Neuron, ok bool) {
	seconds := uint64(longestClip)
	if asked > 0 {
		seconds = max(satAdd(asked, 1), shortestClip)
	}
	dearest := p.Output
	for _, v := range p.Variants {
		dearest = dearest.Max(v.Price)
	}
	switch p.Unit {
	case UnitRatio:
		return p.Output.Mul(satMul(seconds, largestRatio)), true
	case UnitSecond:
		// The price of a row may be rounded down, and units are rounded up: one more of either covers that.
		return dearest.Add(NeuronOf(1)).Mul(seconds).Add(p.Output), true
	case UnitClip:
		return dearest, len(p.Variants) > 0
	case UnitToken:
		return dearest.Mul(satMul(seconds, videoTokens)), true
	}
	return Neuron{}, false
}

// VideoUnits is how many units a video of so many seconds is at a multiplier: computed in floating point and rounded
// up, as providers do, and at least one.
func VideoUnits(seconds, multiplier float64) uint64 {
	n := math.Ceil(seconds * multiplier)
	switch {
	case !(n > 1):
		return 1
	case n >= MaxFigure:
		return MaxFigure
	}
	return uint64(n)
}

func satAdd(a, b uint64) uint64 {
	if a+b < a {
		return math.MaxUint64
	}
	return a + b
}
