package simprovider

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Upstream is one of several vendors behind a model, with prices of its own. A request goes to the cheapest.
type Upstream struct {
	Identity string
	Price    zg.Price
}

// cheapest is the vendor that serves: by output price, then input price, then identity.
func cheapest(all []Upstream) Upstream {
	return slices.MinFunc(all, func(a, b Upstream) int {
		return cmp.Or(a.Price.Output.Cmp(b.Price.Output), a.Price.Input.Cmp(b.Price.Input), strings.Compare(a.Identity, b.Identity))
	})
}

// FilmPrices are how videos are priced: Price.Output is what one unit costs, and the rows say how many units a video
// is.
type FilmPrices struct {
	Unit zg.Unit
	Rows []FilmRow
}

// FilmRow is a multiplier for the seconds of a resolution, or how many units a clip of one resolution and length is.
type FilmRow struct {
	Resolution string
	Seconds    float64 // of a clip
	Units      float64
}

// Vendors deliver no video that is shorter or longer.
const (
	shortestFilm = 4
	longestFilm  = 30
)

// delivered is how long a video becomes that is asked for with so many seconds.
func (f *FilmPrices) delivered(seconds uint64) uint64 {
	if f == nil {
		return seconds
	}
	return min(max(seconds, shortestFilm), longestFilm)
}

// filmTokens are what a second is at each resolution.
var filmTokens = map[string]uint64{"480p": 9_626, "720p": 21_590, "1080p": 48_600}

// units is what is charged of a video: never less than one, but for tokens.
func (f *FilmPrices) units(seconds uint64, size string) uint64 {
	whole := func(n float64) uint64 { return uint64(max(1, math.Ceil(n))) }
	if f == nil || f.Unit == zg.UnitRatio {
		ratio := 1.0
		switch size {
		case "832x480", "480x832":
			ratio = 0.5
		case "1024x1792", "1792x1024":
			ratio = 2
		}
		return whole(float64(seconds) * ratio)
	}
	tier := f.tier(size)
	switch f.Unit {
	case zg.UnitSecond:
		for _, r := range f.Rows {
			if strings.EqualFold(r.Resolution, tier) {
				return whole(float64(seconds) * r.Units)
			}
		}
		return whole(float64(seconds))
	case zg.UnitToken:
		return filmTokens[tier] * seconds
	case zg.UnitRatio, zg.UnitClip:
	}
	var fits *FilmRow
	largest := 0.0
	for i, r := range f.Rows {
		largest = max(largest, r.Units)
		if strings.EqualFold(r.Resolution, tier) && r.Seconds >= float64(seconds) && (fits == nil || r.Seconds < fits.Seconds) {
			fits = &f.Rows[i]
		}
	}
	if fits != nil {
		return whole(fits.Units)
	}
	return whole(largest)
}

// tier is the resolution that a size means to the vendor.
func (f *FilmPrices) tier(size string) string {
	name := strings.ToLower(strings.TrimSpace(size))
	if _, ok := filmTokens[name]; ok || slices.ContainsFunc(f.Rows, func(r FilmRow) bool { return strings.EqualFold(r.Resolution, name) }) {
		return name
	}
	w, h, ok := strings.Cut(name, "x")
	a, errA := strconv.Atoi(w)
	b, errB := strconv.Atoi(h)
	switch long := max(a, b); {
	case !ok || errA != nil || errB != nil:
		return "720p"
	case long <= (832+1280)/2:
		return "480p"
	case long <= (1280+1920)/2:
		return "720p"
	}
	return "1080p"
}

// list is the price of videos as the catalogue has it: that of one unit, and rows of what that makes a second, a clip
// or a token. Products are cut off to whole neuron.
func (f *FilmPrices) list(base zg.Neuron, into map[string]any) {
	into["video"] = base.String()
	if f.Unit == zg.UnitToken {
		into["video_unit"] = string(zg.UnitToken)
	}
	var rows []map[string]any
	for _, r := range f.Rows {
		dimensions := map[string]string{"resolution": r.Resolution}
		if f.Unit == zg.UnitClip {
			dimensions["duration_seconds"] = strconv.FormatFloat(r.Seconds, 'f', -1, 64)
		}
		product, _ := new(big.Float).Mul(new(big.Float).SetInt(base.Big()), big.NewFloat(r.Units)).Int(nil)
		rows = append(rows, map[string]any{"dimensions": dimensions, "unit": string(f.Unit), "unit_price": product.String()})
	}
	if f.Unit == zg.UnitToken {
		rows = append(rows, map[string]any{"dimensions": map[string]string{"has_video_input": "false"}, "unit": string(f.Unit), "unit_price": base.String()})
	}
	if rows != nil {
		into["variants"] = rows
	}
}

// listed are prices as providers of several models write them: what has no meaning for the service is an empty text. It
// is false for services whose prices are written in one way.
func (p *Provider) listed(price zg.Price) (map[string]any, bool) {
	if !p.cfg.PriceList {
		return nil, false
	}
	m := map[string]any{"prompt": "", "completion": ""}
	switch p.cfg.Type {
	case zg.AudioGeneration:
		m["audio"] = price.Output.String()
	case zg.VideoGeneration:
		film := p.cfg.Film
		if film == nil {
			film = &FilmPrices{}
		}
		film.list(price.Output, m)
	case zg.Chatbot, zg.TextToImage, zg.ImageEditing, zg.SpeechToText, zg.Embedding, zg.Decisions:
		return nil, false
	}
	return m, true
}
