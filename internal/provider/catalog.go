package provider

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	maxModels = 1000 // entries of one catalogue that are looked at
	maxTiers  = 64
	// maxVariants are rows of a video's prices.
	maxVariants = 256
	maxName     = 200       // bytes of a model's id or name
	maxEntry    = 256 << 10 // bytes of an entry; each value in it takes far more than it is long
)

// Catalog reads what a provider says it serves (GET /v1/models). An entry that makes no sense is left out and the
// others stand; an entry whose price makes no sense has none, so that the price on chain holds.
func (c *Client) Catalog(ctx context.Context, provider common.Address, baseURL string) (zg.Catalog, error) {
	fail := func(err error) (zg.Catalog, error) { return zg.Catalog{}, fmt.Errorf("read the catalogue: %w", err) }
	r, err := c.get(ctx, baseURL, "/v1/models", nil, "", maxAnswer)
	if err != nil {
		return fail(err)
	}
	if err := r.published(); err != nil {
		return fail(err)
	}
	models, err := decodeModels(r.body)
	if err != nil {
		return fail(err)
	}
	return zg.Catalog{Provider: provider, ReadAt: time.Now(), Models: models}, nil
}

func decodeModels(body []byte) ([]zg.Model, error) {
	var list struct {
		Data *modelList `json:"data"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	if list.Data == nil {
		return nil, fmt.Errorf("%w: there is no list of models in it", ErrAnswer)
	}
	var models []zg.Model
	index, identities := make(map[string]int), make(map[string]string)
	for _, raw := range *list.Data {
		m, identity, ok := decodeModel(raw)
		if !ok {
			continue
		}
		if i, twice := index[m.ID]; twice {
			// Which of several upstreams serves is the provider's rule: without a choice of ours the cheapest.
			switch {
			case !m.Priced || !models[i].Priced || m.Price.Unit != models[i].Price.Unit:
				models[i].Price, models[i].Priced = zg.Price{}, false // who knows which of them is charged
			case cheaper(m.Price, identity, models[i].Price, identities[m.ID]):
				models[i], identities[m.ID] = m, identity
			}
			continue
		}
		index[m.ID], identities[m.ID] = len(models), identity
		models = append(models, m)
	}
	return models, nil
}

// modelList are the entries that are looked at. The others are not read: a list of numbers takes a hundred times its
// size.
type modelList []json.RawMessage

func (l *modelList) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	list, ok := elements(b, maxModels)
	if !ok {
		return fmt.Errorf("%w: its models are no list", ErrAnswer)
	}
	*l = list
	return nil
}

// cheaper reports whether the first of two entries with one id is the one that a provider serves: that with the lower
// output price, then the lower input price, then the lower identity as text.
func cheaper(a zg.Price, nameA string, b zg.Price, nameB string) bool {
	return cmp.Or(a.Output.Cmp(b.Output), a.Input.Cmp(b.Input), strings.Compare(nameA, nameB)) < 0
}

type modelEntry struct {
	ID, CanonicalID, Name, Type text
	ContextLength               count
	MaxCompletionTokens         count
	ExpirationDate              moment
	Pricing                     *pricing
	RateLimits                  map[string]json.RawMessage
	Identity                    any
}

// decodeModel reads one entry, and who of several vendors it is about, where that is said. It is false for an entry
// without a usable id, and for "*", the wildcard.
func decodeModel(raw json.RawMessage) (m zg.Model, identity string, ok bool) {
	// Each field is read on its own: one of an unexpected type does not hide the rest.
	var fields map[string]json.RawMessage
	if len(raw) > maxEntry || json.Unmarshal(raw, &fields) != nil {
		return m, "", false
	}
	var e modelEntry
	for name, into := range map[string]any{
		"id": &e.ID, "canonical_id": &e.CanonicalID, "name": &e.Name, "type": &e.Type, "context_length": &e.ContextLength,
		"max_completion_tokens": &e.MaxCompletionTokens, "expiration_date": &e.ExpirationDate, "rate_limits": &e.RateLimits,
		"provider_identity": &e.Identity,
	} {
		if v, ok := fields[name]; ok && json.Unmarshal(v, into) != nil {
			reflect.ValueOf(into).Elem().SetZero()
		}
	}
	for _, name := range []*text{&e.ID, &e.CanonicalID, &e.Name, &e.Type} { // what cannot be seen is in no name
		*name = text(zg.Name(string(*name), maxName))
	}
	if e.ID == "" || e.ID == "*" {
		return m, "", false
	}
	m = zg.Model{
		ID: string(e.ID), CanonicalID: string(e.CanonicalID), Name: string(e.Name), Type: zg.ServiceType(e.Type),
		ContextLength: uint64(e.ContextLength), MaxCompletionTokens: uint64(e.MaxCompletionTokens), ExpiresAt: time.Time(e.ExpirationDate),
		Limits: zg.RateLimits{
			RequestsPerMinute: limit(e.RateLimits["requests_per_minute"]), TokensPerMinute: limit(e.RateLimits["tokens_per_minute"]),
			ImagesPerMinute: limit(e.RateLimits["images_per_minute"]),
		},
	}
	if v, ok := fields["pricing"]; ok && json.Unmarshal(v, &e.Pricing) == nil && e.Pricing != nil {
		m.Price, m.Priced = e.Pricing.price(m.Type)
	}
	identity, _ = e.Identity.(string)
	return m, identity, true
}

// limit reads what a provider takes in a minute; what makes no sense, or is not there, is 0: not said.
func limit(raw json.RawMessage) uint64 {
	var n count
	if raw == nil || json.Unmarshal(raw, &n) != nil {
		return 0
	}
	return uint64(n)
}

// pricing holds amounts of neuron, written as decimal strings.
type pricing struct {
	Prompt     *amountText `json:"prompt"`
	Completion *amountText `json:"completion"`
	Image      *amountText `json:"image"`
	Audio      *amountText `json:"audio"`
	Video      *amountText `json:"video"`
	VideoUnit  text        `json:"video_unit"`
	Variants   []struct {
		Dimensions map[string]any `json:"dimensions"`
		Unit       text           `json:"unit"`
		UnitPrice  amountText     `json:"unit_price"`
	} `json:"variants"`
	Tiers []struct {
		MaxInputTokens    count `json:"max_input_tokens"`
		Input             count `json:"input_multiplier"`
		InputDenominator  count `json:"input_multiplier_denominator"`
		Output            count `json:"output_multiplier"`
		OutputDenominator count `json:"output_multiplier_denominator"`
	} `json:"tiered_pricing"`
	Cache struct {
		Divisor            count `json:"divisor"`
		Write              count `json:"write_multiplier_numerator"`
		WriteDenominator   count `json:"write_multiplier_denominator"`
		Write1h            count `json:"write_1h_multiplier_numerator"`
		Write1hDenominator count `json:"write_1h_multiplier_denominator"`
	} `json:"cache_token_billing"`
}

// price is false for what cannot be a price: parts missing, tiers that make a model free, or nothing to pay at all. A
// provider that is really free says so on chain.
func (p *pricing) price(t zg.ServiceType) (zg.Price, bool) {
	p.present()
	none := zg.Price{}
	var out zg.Price
	switch {
	case t == zg.TextToImage, t == zg.ImageEditing, t == "" && p.Prompt.free() && p.Completion.free():
		if p.Image == nil {
			return none, false
		}
		out.Output = p.Image.Neuron
	case t == zg.AudioGeneration && p.Audio != nil:
		out.Output = p.Audio.Neuron
	case t == zg.VideoGeneration && p.Video != nil:
		return p.video()
	case p.Prompt == nil || p.Completion == nil:
		return none, false
	default:
		out.Input, out.Output = p.Prompt.Neuron, p.Completion.Neuron
	}
	if out.Input.IsZero() && out.Output.IsZero() {
		return none, false
	}
	if len(p.Tiers) > maxTiers {
		return none, false
	}
	for _, t := range p.Tiers {
		if t.Input == 0 || t.Output == 0 {
			return none, false
		}
		out.Tiers = append(out.Tiers, zg.Tier{
			MaxInputTokens: uint64(t.MaxInputTokens),
			Input:          ratio(t.Input, t.InputDenominator),
			Output:         ratio(t.Output, t.OutputDenominator),
		})
	}
	out.Cache = zg.CacheBilling{
		Divisor: uint64(p.Cache.Divisor),
		Write:   ratio(p.Cache.Write, p.Cache.WriteDenominator),
		Write1h: ratio(p.Cache.Write1h, p.Cache.Write1hDenominator),
	}
	return out, true
}

// video is the price of a video, with its rows. One unit holds for all of them; where that is not so, or where it
// cannot be read, the price has a unit that nobody knows, and nothing is sent at it.
func (p *pricing) video() (zg.Price, bool) {
	out := zg.Price{Output: p.Video.Neuron, Unit: unitName(p.VideoUnit)}
	for i, v := range p.Variants[:min(len(p.Variants), maxVariants)] {
		unit := unitName(v.Unit)
		switch {
		case v.UnitPrice.IsZero():
			return zg.Price{}, false
		case unit == "": // not said
			out.Unit = "unnamed"
		case i == 0 && p.VideoUnit == "":
			out.Unit = unit
		case out.Unit != unit:
			out.Unit = "mixed"
		}
		resolution, _ := v.Dimensions["resolution"].(string)
		if len(resolution) > maxUnit {
			return zg.Price{}, false
		}
		row := zg.Variant{Resolution: resolution, Price: v.UnitPrice.Neuron}
		if length, ok := v.Dimensions["duration_seconds"]; ok {
			row.Seconds = zg.ReadFigure(fmt.Append(nil, length)).Float()
		}
		out.Variants = append(out.Variants, row)
	}
	return out, !out.Output.IsZero() && len(p.Variants) <= maxVariants
}

// maxUnit is how long the name of a unit or of a resolution may be.
const maxUnit = 40

// unitName is a unit as it is named, which people get to read; what is no name is none that is known.
func unitName(t text) zg.Unit {
	if len(t) > maxUnit || strings.ContainsFunc(string(t), func(r rune) bool { return r > '~' || r < '!' }) {
		return "unreadable"
	}
	return zg.Unit(t)
}

// amountText is an amount that may be missing.
type amountText struct {
	zg.Neuron
	empty bool
}

func (a *amountText) free() bool { return a == nil || a.IsZero() }

// present takes an amount that is empty for one that is absent: that is how a price is left out.
func (p *pricing) present() {
	for _, a := range []**amountText{&p.Prompt, &p.Completion, &p.Image, &p.Audio, &p.Video} {
		if *a != nil && (*a).empty {
			*a = nil
		}
	}
}

func (a *amountText) UnmarshalJSON(b []byte) error {
	if a.empty = string(bytes.TrimSpace(bytes.Trim(b, `"`))) == ""; a.empty {
		return nil
	}
	return json.Unmarshal(b, &a.Neuron)
}

func ratio(num, den count) zg.Ratio { return zg.Ratio{Num: uint64(num), Den: uint64(den)} }

// text is a short string of a peer.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s = strings.TrimSpace(s); len(s) > maxName {
		return fmt.Errorf("%w: a name of %d bytes", ErrAnswer, len(s))
	}
	*t = text(s)
	return nil
}

// count is a whole number, in any of the ways in which providers write figures. null is zero. A fraction is none, and
// what is too large to be exact neither: a price multiplied by less than was meant would be below what is billed.
type count uint64

func (c *count) UnmarshalJSON(b []byte) error {
	f := zg.ReadFigure(b)
	if n := f.Count(); f.Bad() || f.Float() != float64(n) || n >= zg.MaxFigure {
		return fmt.Errorf("%w: %.40q is not a whole number", ErrAnswer, b)
	}
	*c = count(f.Count())
	return nil
}

// moment is a date, a date with a time, or seconds since 1970.
type moment time.Time

func (m *moment) UnmarshalJSON(b []byte) error {
	s := string(bytes.Trim(b, `"`))
	if s == "null" || s == "" {
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil && t.UTC().Year() > 0 && t.UTC().Year() < 10000 {
			*m = moment(t.UTC())
			return nil
		}
	}
	seconds, err := strconv.ParseUint(s, 10, 37) // far enough, and within the years that JSON can hold
	if err != nil {
		return fmt.Errorf("%w: %.40q is not a date", ErrAnswer, s)
	}
	*m = moment(time.Unix(int64(seconds), 0).UTC())
	return nil
}
