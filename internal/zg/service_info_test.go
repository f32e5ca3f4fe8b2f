package zg

import (
	"slices"
	"strings"
	"testing"
)

// What a provider registers is read as far as it makes sense, and no further than is reasonable.
func TestServiceInfoIsBounded(t *testing.T) {
	step := `{"maxInputTokens":1000,"inputMultiplier":2,"inputMultiplierDenominator":1,"outputMultiplier":3,"outputMultiplierDenominator":2}`
	tiers := func(list string) string { return `{"MultiModel":true,"tieredPricing":{"tiers":` + list + `}}` }
	one := Tier{MaxInputTokens: 1000, Input: Ratio{2, 1}, Output: Ratio{3, 2}}
	for name, tt := range map[string]struct {
		text string
		want []Tier
	}{
		"two":          {tiers("[" + step + "," + step + "]"), []Tier{one, one}},
		"an odd one":   {tiers("[5," + step + `,{"maxInputTokens":"x","inputMultiplier":7}]`), []Tier{{}, one, {Input: Ratio{7, 0}}}},
		"none":         {tiers("[]"), nil},
		"not a list":   {tiers(step), nil},
		"null":         {tiers("null"), nil},
		"as many":      {tiers("[" + strings.Repeat(step+",", mostTiers-1) + step + "]"), slices.Repeat([]Tier{one}, mostTiers)},
		"one too many": {tiers("[" + strings.Repeat(step+",", mostTiers) + step + "]"), unread},
	} {
		if got := ParseServiceInfo(tt.text); !slices.Equal(got.Tiers, tt.want) || !got.MultiModel {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
	if got := ParseServiceInfo(tiers("[" + step + "]" + strings.Repeat(" ", longestInfo))); got.MultiModel || !slices.Equal(got.Tiers, unread) {
		t.Errorf("a text that is too long: %+v", got)
	}
	price := Price{Input: NeuronOf(1_000_000_000), Output: NeuronOf(1_000_000_000), Tiers: unread} // a thousandth of a 0G per million
	if in, out := price.Ceiling(); in.Less(OneOG) || out.Less(OneOG) {
		t.Errorf("by steps that were not read a token costs %s and %s 0G at most; nobody could know that", in.Og(), out.Og())
	}
}
