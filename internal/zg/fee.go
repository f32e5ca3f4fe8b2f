package zg

import (
	"math"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// Ratio is a rational multiplier. A Den of zero counts as one.
type Ratio struct{ Num, Den uint64 }

// IsZero reports that no multiplier was published.
func (r Ratio) IsZero() bool { return r.Num == 0 }

// Tier changes the token prices of a whole request by the size of its input.
type Tier struct {
	MaxInputTokens uint64 // 0: no upper limit
	Input, Output  Ratio
}

// CacheBilling says how input tokens that hit or fill the provider's prompt cache are charged.
type CacheBilling struct {
	Divisor        uint64 // price of a cached token = input price / Divisor; 0: cached tokens cost the full price
	Write, Write1h Ratio  // price multipliers of cache writes; zero: writes cost the full price
}

// Price is what a provider charges for one model, in neuron per unit. Tokens for text, seconds or tokens for speech,
// images (Output only) for images, Unit for video.
type Price struct {
	Input, Output Neuron
	Tiers         []Tier
	Cache         CacheBilling
	Unit          Unit      `json:",omitempty"` // of Output, for video; see there
	Variants      []Variant `json:",omitempty"` // of video, by resolution and length
	// Highest says that only the highest price over several models is known, so that what it leads to is an estimate.
	Highest bool `json:",omitempty"`
	// Floating says that the provider has its price in dollars and bills what they are worth at that moment, so that what
	// this price leads to is an estimate.
	Floating bool `json:",omitempty"`
}

// Sure reports whether a fee by this price is what the provider charges, to the neuron.
func (p Price) Sure() bool { return !p.Highest && !p.Floating }

// At returns the input and output price for a request with the given number of input tokens: the first tier whose
// limit is zero or not below it, else the last. The tier holds for all tokens of the request.
func (p Price) At(inputTokens uint64) (in, out Neuron) {
	for i, t := range p.Tiers {
		if t.MaxInputTokens == 0 || inputTokens <= t.MaxInputTokens || i == len(p.Tiers)-1 {
			return p.Input.MulDiv(t.Input.Num, t.Input.Den), p.Output.MulDiv(t.Output.Num, t.Output.Den)
		}
	}
	return p.Input, p.Output
}

// Ceiling returns prices that no tier and no cache write can exceed, for upper bounds.
func (p Price) Ceiling() (in, out Neuron) {
	in, out = p.Input, p.Output
	for _, t := range p.Tiers {
		in = in.Max(p.Input.MulDiv(t.Input.Num, t.Input.Den))
		out = out.Max(p.Output.MulDiv(t.Output.Num, t.Output.Den))
	}
	base := in
	for _, w := range []Ratio{p.Cache.Write, p.Cache.Write1h} {
		if !w.IsZero() {
			in = in.Max(base.MulDiv(w.Num, w.Den).Add(NeuronOf(1)))
		}
	}
	return in, out
}

// Usage is what an answer says it consumed. The counts are those of the answer's own usage object; which of them matter
// depends on the kind of service.
type Usage struct {
	// Seen is false when the answer carried no usage: the counts then mean nothing.
	Seen bool
	// InputTokens includes Cached and the cache writes; OutputTokens includes reasoning.
	InputTokens, OutputTokens                uint64
	CachedTokens, WriteTokens, Write1hTokens uint64
	Images                                   uint64
	Seconds                                  float64 // of audio; billed rounded half away from zero, at least one
	BySeconds                                bool    // speech: Seconds count, not tokens
	Words                                    uint64  // whitespace-separated words of the output, the fallback unit
	WordsCounted                             bool    // Words is what the whole output has; else it says nothing
}

// FeeBasis says how a fee came about: the exact formula over the answer's usage, a stated fallback, or nothing to pay.
type FeeBasis string

// The bases of a fee. Only FeeExact is what the provider will bill; an estimate is never below it as far as is known.
const (
	FeeExact     FeeBasis = "exact"
	FeeEstimated FeeBasis = "estimated"
	FeeFree      FeeBasis = "free"
	FeeUnpaid    FeeBasis = "unpaid" // not paid by us: it came from the owner's own endpoint, and is in no book
)

// Fee computes what a finished answer costs: integers and floor division only, multiplications first, the way the
// provider does. ok is false when the usage does not allow an exact fee; the caller then books its bound instead.
func Fee(t ServiceType, p Price, u Usage) (fee Neuron, ok bool) {
	switch t {
	case TextToImage, ImageEditing:
		return p.Output.Mul(u.Images), u.Images > 0
	case AudioGeneration:
		return p.Output.Mul(startedSeconds(u.Seconds)), u.Seen && u.BySeconds
	case Chatbot, SpeechToText, Embedding, Decisions:
	case VideoGeneration: // by what the finished job tells
		return Neuron{}, false
	default:
		return Neuron{}, false
	}
	if !u.Seen {
		fee, _ = Fallback(t, p, u)
		return fee, false
	}
	switch {
	case t == Chatbot:
		return tokenFee(p, u), true
	case t == SpeechToText && u.BySeconds:
		return p.Input.Mul(BilledSeconds(u.Seconds)), true
	case t == SpeechToText: // tiers are for text that comes in
		return p.Input.Mul(u.InputTokens).Add(p.Output.Mul(u.OutputTokens)), true
	}
	in, out := p.At(u.InputTokens)
	if fee = in.Mul(u.InputTokens); t == Decisions {
		fee = fee.Add(out.Mul(u.OutputTokens))
	}
	return fee, true
}

// Fallback is what the provider bills for a whole answer that carries no usage. That is a rule of its own, not a
// statement about the answer, so it is not exact. ok is false where the rule needs something that was not seen.
//
//   - Chat: the words of the output, input free.
//   - Speech as text: twice its words, at the output price; a hundred words where there are none.
//   - Embeddings, decisions: the input, estimated by EstimateTokens and given as InputTokens.
func Fallback(t ServiceType, p Price, u Usage) (fee Neuron, ok bool) {
	switch t {
	case Chatbot:
		return p.Output.Mul(u.Words), u.WordsCounted
	case SpeechToText:
		words := u.Words
		if words == 0 {
			words = 100
		}
		return p.Output.Mul(satMul(2, words)), u.WordsCounted
	case Embedding, Decisions:
		in, _ := p.At(u.InputTokens)
		return in.Mul(u.InputTokens), u.InputTokens > 0
	case TextToImage, ImageEditing, AudioGeneration, VideoGeneration:
	}
	return Neuron{}, false
}

// EstimateTokens is how many tokens a provider takes the text of an embedding to be where the answer doesn't tell:
// twice its words or a third of its characters, whichever is more, and at least one.
func EstimateTokens(text string) uint64 {
	words := uint64(0)
	for range strings.FieldsSeq(text) {
		words++
	}
	return max(1, 2*words, uint64(utf8.RuneCountInString(text))/3)
}

// tokenFee is the chat formula: cached and cache-writing tokens are taken out of the input first, each part is priced
// and floored on its own.
func tokenFee(p Price, u Usage) Neuron {
	in, out := p.At(u.InputTokens)
	left := u.InputTokens
	take := func(n uint64, published bool) uint64 {
		if !published {
			return 0
		}
		n = min(n, left)
		left -= n
		return n
	}
	cached := take(u.CachedTokens, p.Cache.Divisor > 0)
	write := take(u.WriteTokens, !p.Cache.Write.IsZero())
	// The one-hour multiplier falls back to the plain write multiplier where only that is published.
	hour := p.Cache.Write1h
	if hour.IsZero() {
		hour = p.Cache.Write
	}
	write1h := take(u.Write1hTokens, !hour.IsZero())

	fee := in.Mul(left)
	fee = fee.Add(in.Mul(cached).MulDiv(1, p.Cache.Divisor))
	fee = fee.Add(in.Mul(write).MulDiv(p.Cache.Write.Num, p.Cache.Write.Den))
	fee = fee.Add(in.Mul(write1h).MulDiv(hour.Num, hour.Den))
	return fee.Add(out.Mul(u.OutputTokens))
}

// BilledSeconds is the number of seconds of audio that are charged: rounded half away from zero, at least one, and none
// for a length of zero, below, or not a number.
func BilledSeconds(s float64) uint64 {
	if !(s > 0) {
		return 0
	}
	r := math.Round(s)
	if r >= math.MaxInt64 {
		return math.MaxInt64
	}
	return max(1, uint64(r))
}

// startedSeconds is the number of seconds of generated audio that are charged: rounded up.
func startedSeconds(s float64) uint64 {
	if !(s > 0) {
		return 0
	}
	r := math.Ceil(s)
	if r >= math.MaxInt64 {
		return math.MaxInt64
	}
	return uint64(r)
}

// satMul multiplies without wrapping round.
func satMul(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi != 0 {
		return math.MaxUint64
	}
	return lo
}
