package route

import (
	"testing"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// A catalogue's price counts up to the chain's, and where prices are in dollars as far as the chain can have fallen
// behind.
func TestCapped(t *testing.T) {
	price := func(in, out uint64) zg.Price { return zg.Price{Input: zg.NeuronOf(in), Output: zg.NeuronOf(out)} }
	tiered := price(100, 200)
	tiered.Tiers = []zg.Tier{{MaxInputTokens: 10, Input: zg.Ratio{Num: 5, Den: 1}, Output: zg.Ratio{Num: 1, Den: 1}}}
	for name, tt := range map[string]struct {
		kind          zg.ServiceType
		live          zg.Price
		want, dollars zg.Price
	}{
		"below":                {zg.Chatbot, price(80, 150), price(80, 150), price(80, 150)},
		"a tenth above":        {zg.Chatbot, price(110, 220), price(100, 200), price(110, 220)},
		"twice as dear":        {zg.Chatbot, price(200, 400), price(100, 200), price(200, 400)},
		"more than that":       {zg.Chatbot, price(201, 150), price(100, 150), price(100, 150)},
		"of pictures":          {zg.TextToImage, price(0, 250), price(0, 200), price(0, 250)},
		"of pictures, absurd":  {zg.TextToImage, price(0, 1_000_000), price(0, 200), price(0, 200)},
		"by its tiers, absurd": {zg.Chatbot, tiered, price(100, 200), price(100, 200)},
		"of a video":           {zg.VideoGeneration, price(0, 1_000_000), price(0, 1_000_000), price(0, 1_000_000)},
	} {
		for _, dollars := range []bool{false, true} {
			svc := zg.Service{Type: tt.kind, Info: zg.ServiceInfo{Dollars: dollars}, InputPrice: zg.NeuronOf(100), OutputPrice: zg.NeuronOf(200)}
			want := tt.want
			if dollars {
				want = tt.dollars
			}
			got := capped(svc, tt.live, svc.Price())
			if got.Input != want.Input || got.Output != want.Output || len(got.Tiers) != len(want.Tiers) || got.Floating != dollars {
				t.Errorf("%s, in dollars %v: %+v, want %+v", name, dollars, got, want)
			}
		}
	}
	if info := zg.ParseServiceInfo(`{"priceDenomination":"usd"}`); !info.Dollars {
		t.Error("prices in dollars are not recognised")
	}
	if info := zg.ParseServiceInfo(`{"priceDenomination":"NATIVE"}`); info.Dollars {
		t.Error("prices in the network's own token are taken for dollars")
	}
}
