package zg

import "fmt"

// Measure is what a price is for when prices are compared. Of two prices with different measures neither is the lower.
type Measure string

// The measures. What a video costs for a clip is compared by the second; a token of it is a measure of its own, as
// vendors make any number of them for a second.
const (
	MeasureUnknown    Measure = "" // of a unit that nobody knows; comparable with nothing
	MeasureText       Measure = "text"
	MeasureImage      Measure = "image"
	MeasureSound      Measure = "second of sound"
	MeasureVideo      Measure = "second of video"
	MeasureVideoToken Measure = "token of video"
)

// Compared is one figure for what a model charges, and its measure: three input tokens for each output token, or the
// unit that is billed. For a video it is what the dearest resolution costs.
func (p Price) Compared(t ServiceType) (Neuron, Measure) {
	switch t {
	case TextToImage, ImageEditing:
		return p.Output, MeasureImage
	case AudioGeneration:
		return p.Output, MeasureSound
	case Embedding:
		return p.Input, MeasureText
	case VideoGeneration:
		return p.comparedVideo()
	case Chatbot, Decisions, SpeechToText:
	}
	return p.Input.Mul(3).Add(p.Output), MeasureText
}

func (p Price) comparedVideo() (dearest Neuron, m Measure) {
	for _, v := range p.Variants {
		price := v.Price
		if p.Unit == UnitClip {
			if v.Seconds < 1 {
				return p.Output, MeasureUnknown
			}
			price = price.MulDiv(1, uint64(v.Seconds))
		}
		dearest = dearest.Max(price)
	}
	switch p.Unit {
	case UnitRatio:
		return p.Output.Mul(2), MeasureVideo // at the largest size of the usual table
	case UnitSecond:
		return dearest.Max(p.Output), MeasureVideo
	case UnitToken:
		return dearest.Max(p.Output), MeasureVideoToken
	case UnitClip:
		if len(p.Variants) > 0 {
			return dearest, MeasureVideo
		}
	}
	return p.Output, MeasureUnknown
}

// VideoPrice is the price of a video to be shown: the lowest and the highest of its rows, and what they are for, in
// words that follow an amount. Tokens of video are shown by the million.
func (p Price) VideoPrice() (low, high Neuron, per string) {
	low, high = p.Output, p.Output
	for i, v := range p.Variants {
		if i == 0 {
			low, high = v.Price, v.Price
		}
		if high = high.Max(v.Price); v.Price.Less(low) {
			low = v.Price
		}
	}
	switch p.Unit {
	case UnitRatio:
		return p.Output, p.Output, "a second, times a ratio by its size"
	case UnitSecond:
		return low, high, "a second"
	case UnitClip:
		if len(p.Variants) > 0 {
			return low, high, "a clip"
		}
	case UnitToken:
		return low.Mul(1_000_000), high.Mul(1_000_000), "per 1M tokens of video"
	}
	return low, high, fmt.Sprintf("a unit that is not known (%q)", string(p.Unit))
}
