package provider

import (
	"slices"
	"testing"

	"github.com/zgproxy/zgproxy/internal/growth"
)

// readers are the ways in for what providers say beside inference. None of it is longer than maxAnswer.
var readers = []growth.Reader{
	{Name: "a catalogue", Most: maxAnswer, Read: func(text []byte) { _, _ = decodeModels(text) }},
	{Name: "an error", Most: maxAnswer, Read: func(text []byte) { Classify(400, jsonType, "", text) }},
}

// urlReader is the one for what is registered on chain.
var urlReader = growth.Reader{Name: "a URL", Read: func(text []byte) {
	_, _ = ParseURL(string(text))
	sameURL(string(text))
}}

var urlShapes = []growth.Shape{
	{Name: "a path", Open: "https://x/", Unit: "%2f/"},
	{Name: "slashes", Open: "https://x", Unit: "/"},
	{Name: "a host", Open: "https://", Unit: "a."},
	{Name: "an address", Open: "https://[", Unit: "1:", Close: "]"},
	{Name: "letters", Unit: "a"},
}

func shapes() []growth.Shape {
	return slices.Concat(growth.Values,
		growth.In(`{"data":`, growth.Values, "}"),
		growth.In(`{"data":[{"id":"m","pricing":`, growth.Values, "}]}"),
		growth.In(`{"data":[{"id":`, growth.Values, "}]}"),
		growth.In(`{"data":[{"id":"m","provider_identity":`, growth.Values, "}]}"),
		growth.In(`{"error":`, growth.Values, "}"),
		growth.In(`{"detail":[{"msg":{"msg":{"msg":{"msg":{"msg":`, growth.Values, "}}}}}]}"),
		[]growth.Shape{
			{Name: "models", Open: `{"data":[{}`, Unit: `,{"id":"m#","pricing":{"prompt":"1","completion":"2"}}`, Close: "]}"},
			{Name: "one model", Open: `{"data":[{}`, Unit: `,{"id":"m","pricing":{"prompt":"1","completion":"2"}}`, Close: "]}"},
			{
				Name: "tiers", Open: `{"data":[{"id":"m","pricing":{"prompt":"1","completion":"2","tiered_pricing":[{}`,
				Unit: `,{"input_multiplier":1}`, Close: "]}}]}",
			},
			{
				Name: "variants", Open: `{"data":[{"id":"m","type":"video-generation","pricing":{"video":"1","variants":[{}`,
				Unit: `,{"dimensions":{"resolution":"#"},"unit_price":"1"}`, Close: "]}}]}",
			},
			{
				Name: "a long amount", Open: `{"data":[{"id":"m","pricing":{"prompt":"`,
				Unit: "1", Close: `","completion":"2"}}]}`,
			},
			{Name: "errors", Open: `{"detail":[{}`, Unit: `,{"loc":["a",1],"msg":"b"}`, Close: "]}"},
			{Name: "steps", Open: `{"detail":[{"msg":"a","loc":[0`, Unit: ",1", Close: "]}]}"},
			{
				Name: "amounts in words", Open: `{"error":"insufficient balance: your locked balance is `,
				Unit: "minimum reserve 1.1.1 0G please wait 1", Close: `"}`,
			},
			{Name: "times in words", Open: `{"error":"rate limit exceeded try again in `, Unit: "1h1m1s", Close: `"}`},
		})
}

// The work for what a provider says grows with its length and no faster, whatever it is.
func TestWorkGrowsWithTheBytes(t *testing.T) {
	for _, r := range readers {
		growth.Check(t, r, shapes()...)
	}
	growth.Check(t, urlReader, urlShapes...)
}

// FuzzWork looks for answers whose work grows faster than their length.
func FuzzWork(f *testing.F) {
	growth.Fuzz(f, append(readers, urlReader), append(shapes(), urlShapes...)...)
}
