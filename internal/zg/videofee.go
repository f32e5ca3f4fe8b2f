package zg

import (
	"cmp"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Video is what is asked of a video, or what a document about a job says of it.
type Video struct {
	Status  string // as the provider puts it; empty for what is asked
	Seconds Figure
	Size    string // a name such as 1080p, or pixels such as 1280x720
	Tokens  Figure
}

// ReadVideo reads the document that a provider answers about a video. Each figure is read on its own: one that makes no
// sense does not hide the others. ok is false for what is no such document.
func ReadVideo(doc []byte) (v Video, ok bool) {
	var o struct {
		Status  looseText       `json:"status"`
		Seconds Figure          `json:"seconds"`
		Size    looseText       `json:"size"`
		Usage   json.RawMessage `json:"usage"`
	}
	if json.Unmarshal(doc, &o) != nil || o.Status == "" {
		return Video{}, false
	}
	v = Video{Status: string(o.Status), Size: string(o.Size)}
	var u struct {
		Output Figure `json:"output_video_duration"`
		Length Figure `json:"duration"`
		Tokens Figure `json:"completion_tokens"`
	}
	_ = json.Unmarshal(o.Usage, &u) // something else than an object says nothing
	v.Tokens = u.Tokens
	for _, f := range []Figure{u.Output, u.Length, o.Seconds} {
		if f.Float() > 0 { // the first that says something counts
			v.Seconds = f
			break
		}
	}
	return v, true
}

// looseText is a short string; anything else reads as none.
type looseText string

func (t *looseText) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil && len(s) <= 64 {
		*t = looseText(strings.TrimSpace(s))
	}
	return nil
}

// Ended reports whether the job is over. A status that nobody knows counts as the end, as it does with providers.
func (v Video) Ended() bool {
	return v.Status != "" && v.Status != "queued" && v.Status != "in_progress"
}

// Failed reports whether it ended without a video, for which nothing is billed.
func (v Video) Failed() bool { return v.Status == "failed" }

// VideoFee is what a provider bills for a job that has ended, by the figures of its last document and by what was asked
// where that says nothing. It is the caller's to record no more than the bound. ok is false where it cannot be told,
// and the bound stays. The basis is exact only where everything that the fee depends on is published.
func VideoFee(p Price, told, asked Video) (fee Neuron, basis FeeBasis, ok bool) {
	switch {
	case !told.Ended():
		return Neuron{}, "", false
	case told.Failed():
		return Neuron{}, FeeFree, true
	}
	var sure bool
	switch p.Unit {
	case UnitToken:
		fee, sure, ok = p.videoTokens(told.Tokens)
	case UnitRatio, UnitSecond, UnitClip:
		seconds := told.Seconds
		if seconds.Float() <= 0 {
			seconds = asked.Seconds
		}
		if seconds.Float() <= 0 {
			return Neuron{}, "", false // nothing is billed without a length, but who knows what the request had
		}
		fee, sure, ok = p.videoSeconds(seconds.Count(), cmp.Or(told.Size, asked.Size))
	}
	switch {
	case !ok:
		return Neuron{}, "", false
	case !sure || !p.Sure():
		return fee, FeeEstimated, true
	case fee.IsZero():
		return fee, FeeFree, true
	}
	return fee, FeeExact, true
}

// videoTokens is the fee by tokens; without any the provider bills nothing.
func (p Price) videoTokens(tokens Figure) (fee Neuron, sure, ok bool) {
	if tokens.Bad() {
		return Neuron{}, false, false
	}
	price := p.Output
	sure = true
	for _, v := range p.Variants {
		sure = sure && v.Price == p.Output
		price = price.Max(v.Price)
	}
	return price.Mul(tokens.Count()), sure, true
}

// videoSeconds is the fee of a video of so many whole seconds and a size. Where the size leaves open what is billed, it
// is the dearest that it can be.
func (p Price) videoSeconds(seconds uint64, size string) (fee Neuron, sure, ok bool) {
	switch p.Unit {
	case UnitRatio:
		// A provider may have ratios of its own, which nothing tells.
		return p.Output.Mul(VideoUnits(float64(seconds), sizeRatio(size))), false, true
	case UnitClip:
		if len(p.Variants) == 0 {
			return Neuron{}, false, false
		}
		tier, sure := p.tier(size)
		return p.clip(tier, sure, seconds), sure, true
	case UnitSecond:
		if p.Output.IsZero() {
			return Neuron{}, false, false
		}
		tier, sure := p.tier(size)
		if len(p.Variants) == 0 {
			sure = true // the base price holds for every tier
		}
		var fee Neuron
		if !sure || tier == "" {
			fee = p.Output.Mul(seconds) // what a tier that is not in the table costs
		}
		for _, v := range p.Variants {
			if sure && !sameTier(v.Resolution, tier) {
				continue
			}
			m, published := p.multiplier(v.Price)
			sure = sure && published
			fee = fee.Max(p.Output.Mul(VideoUnits(float64(seconds), m)))
		}
		return fee, sure, true
	case UnitToken:
	}
	return Neuron{}, false, false
}

// clip is the price of a clip: the row of its tier and length, else the shortest longer one of the tier, else the
// dearest of all. Where the tier is not sure it is the dearest too.
func (p Price) clip(tier string, sure bool, seconds uint64) Neuron {
	var dearest Neuron
	var found *Variant
	for i, v := range p.Variants {
		dearest = dearest.Max(v.Price)
		if sure && sameTier(v.Resolution, tier) && v.Seconds >= float64(seconds) && (found == nil || v.Seconds < found.Seconds) {
			found = &p.Variants[i]
		}
	}
	if found == nil {
		return dearest
	}
	return found.Price
}

// multiplier is the factor from the base price to that of a row. Providers have it as a decimal and publish the
// product, rounded: so the shortest decimal that leads to the product is what they compute with. Where there is none it
// is not sure.
func (p Price) multiplier(row Neuron) (m float64, sure bool) {
	m = row.Float() / p.Output.Float()
	for _, rounded := range []Neuron{{}, NeuronOf(1)} { // down, or else up
		for digits, scale := 0, 1.0; digits <= 9; digits, scale = digits+1, scale*10 {
			n := math.Round(m * scale)
			if n > MaxFigure {
				break // such products are not exact
			}
			if p.Output.MulDiv(uint64(n), uint64(scale)).Add(rounded) == row {
				return n / scale, true // the nearest to the decimal, as reading it gives
			}
		}
	}
	return math.Nextafter(m, math.Inf(1)), false
}

// tier is the resolution of the table that a size means: the one of that name, or for pixels what the vendors whose
// names they are make of them, where they agree. sure is false where that cannot be told.
func (p Price) tier(size string) (name string, sure bool) {
	has := func(name string) bool {
		for _, v := range p.Variants {
			if sameTier(v.Resolution, name) {
				return true
			}
		}
		return false
	}
	if size != "" && has(size) {
		return size, true
	}
	long, ok := longSide(size)
	if !ok {
		return "", false
	}
	if has("std") || has("pro") {
		name = "pro"
		if long <= 1280 {
			name = "std"
		}
		return name, has(name)
	}
	name = nearestTier(long)
	other := "1080p"
	if long <= 1280 {
		other = "720p"
	}
	return name, name == other && has(name)
}

func sameTier(a, b string) bool { return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b)) }

// nearestTier is the tier whose long side is nearest, of two the lower one.
func nearestTier(long float64) string {
	best, name := math.Inf(1), ""
	for _, t := range []struct {
		long float64
		name string
	}{{832, "480p"}, {1280, "720p"}, {1920, "1080p"}} {
		if d := math.Abs(long - t.long); d < best {
			best, name = d, t.name
		}
	}
	return name
}

// longSide reads pixels such as 1280x720.
func longSide(size string) (long float64, ok bool) {
	a, b, two := strings.Cut(strings.ToLower(strings.TrimSpace(size)), "x")
	w, errW := strconv.ParseUint(strings.TrimSpace(a), 10, 16)
	h, errH := strconv.ParseUint(strings.TrimSpace(b), 10, 16)
	return float64(max(w, h)), two && errW == nil && errH == nil && w > 0 && h > 0
}

// sizeRatio is by what the seconds of a size are multiplied where a provider has no prices of its own for resolutions.
func sizeRatio(size string) float64 {
	switch strings.ToLower(strings.TrimSpace(size)) {
	case "832x480", "480x832":
		return .5
	case "1024x1792", "1792x1024":
		return 2
	}
	return 1
}
