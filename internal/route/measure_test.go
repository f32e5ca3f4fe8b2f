package route

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func film(name string, p zg.Price) *Offer {
	svc := service(common.HexToAddress("0x"+name), zg.VideoGeneration, "m", 0, 1)
	return &Offer{Service: svc, Model: "m", Price: p, Allowed: true, Label: svc.Provider.Hex()}
}

// A clip, a second and a token are not the same thing: the lowest number is not the lowest price.
func TestVideosCompareInLikeUnits(t *testing.T) {
	n, rows := zg.NeuronOf, func(v ...zg.Variant) []zg.Variant { return v }
	clip := zg.Price{Output: n(1), Unit: zg.UnitClip, Variants: rows(zg.Variant{Resolution: "1080p", Seconds: 10, Price: n(500)})} // 50 a second
	second := zg.Price{Output: n(60), Unit: zg.UnitSecond}
	cheapBase := zg.Price{Output: n(1), Unit: zg.UnitSecond, Variants: rows(zg.Variant{Resolution: "720p", Price: n(70)})}
	token := zg.Price{Output: n(2), Unit: zg.UnitToken}
	dearToken := zg.Price{Output: n(3), Unit: zg.UnitToken}
	unknown := zg.Price{Output: n(1), Unit: "video_frame"}
	const slow, quick = 900 * time.Millisecond, 10 * time.Millisecond
	for _, tc := range []struct {
		name   string
		policy Policy
		x, y   zg.Price // x has to be chosen
		at, by time.Duration
	}{
		{"a clip by its seconds", Price, clip, second, slow, quick},
		{"the dearest row, not the base", Price, second, cheapBase, slow, quick},
		{"tokens among themselves", Price, token, dearToken, slow, quick},
		{"a token and a second: the quicker", Price, second, token, quick, slow},
		{"a second and a token: the quicker", Price, token, second, quick, slow},
		{"a token and a second, balanced: the quicker", Balanced, second, token, quick, slow},
		{"a clip by its seconds, balanced", Balanced, clip, zg.Price{Output: n(400), Unit: zg.UnitSecond}, quick, quick},
		{"a unit that nobody knows", Price, second, unknown, slow, quick},
		{"a unit that nobody knows, balanced", Balanced, token, unknown, slow, quick},
		{"a unit that nobody knows, by latency", Latency, token, unknown, slow, quick},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, x, y := testBoard(t, BoardConfig{Policy: tc.policy}), film("a", tc.x), film("b", tc.y)
				for range 10 {
					serve(t, b, tc.at, x)
					serve(t, b, tc.by, y)
				}
				for i := range 10 {
					offers := []*Offer{x, y}
					if i%2 == 0 {
						offers = []*Offer{y, x}
					}
					e, err := b.Explain(tableOf(offers...), Query{Type: zg.VideoGeneration, Model: "m"})
					if err != nil || e.Candidates[0].Offer != x {
						t.Fatalf("Explain = %+v, %v; want the first one to come first", e, err)
					}
					l := pick(t, b, offers...)
					if l.Offer != x {
						t.Fatalf("Pick %d chose the second", i)
					}
					l.Done(Neutral, 0)
				}
			})
		})
	}
	// Three of them: the choice does not depend on their order.
	synctest.Test(t, func(t *testing.T) {
		b := testBoard(t, BoardConfig{Policy: Price})
		s, u, dear := film("a", second), film("b", token), film("c", zg.Price{Output: n(90), Unit: zg.UnitSecond})
		serve(t, b, slow, s)
		serve(t, b, 100*time.Millisecond, u)
		serve(t, b, quick, dear) // quick, but its like is cheaper
		for _, offers := range [][]*Offer{{s, u, dear}, {dear, u, s}, {u, dear, s}, {u, s, dear}} {
			if l := pick(t, b, offers...); l.Offer != u {
				t.Errorf("chose %s, want the quicker of the cheapest", l.Offer.Label)
			}
			e, err := b.Explain(tableOf(offers...), Query{Type: zg.VideoGeneration, Model: "m"})
			if err != nil || e.Candidates[0].Offer != u || e.Candidates[1].Offer != s || e.Candidates[2].Offer != dear {
				t.Errorf("Explain = %+v, %v", e, err)
			}
		}
	})
	for want, p := range map[string]zg.Price{
		"0.0000000000000005 0G a clip": clip, "0.00000000000000006 0G a second, not": second, "0.000000000002 0G per 1M tokens of video": token,
		`a unit that is not known ("video_frame")`: unknown, "a second, times a ratio by its size": {Output: n(5)},
		"0.00000000000000001 to 0.00000000000000007 0G a second": {Output: n(10), Unit: zg.UnitSecond, Variants: rows(zg.Variant{Price: n(70)}, zg.Variant{Price: n(10)})},
	} {
		b, o := testBoard(t, BoardConfig{}), film("a", p)
		e, err := b.Explain(tableOf(o), Query{Type: zg.VideoGeneration, Model: "m"})
		if err != nil || !strings.Contains(e.Candidates[0].Why, want) {
			t.Errorf("Explain = %+v, %v; want %q", e, err, want)
		}
	}
}

// The list too: what is for different units is listed apart, whatever the numbers.
func TestVideosAreListedByUnit(t *testing.T) {
	svc := func(p common.Address) zg.Service {
		s := service(p, zg.VideoGeneration, "film", 0, 100)
		s.Info.MultiModel = true
		return s
	}
	price := func(out uint64, u zg.Unit) zg.Catalog {
		return zg.Catalog{Models: []zg.Model{{ID: "film", Priced: true, Price: zg.Price{Output: zg.NeuronOf(out), Unit: u}}}}
	}
	other := common.HexToAddress("0x9")
	table := Build(&zg.Directory{Services: []zg.Service{svc(cheap), svc(dear), svc(multi), svc(other)}}, map[common.Address]zg.Catalog{
		cheap: price(5, zg.UnitToken), dear: price(9, zg.UnitSecond), multi: price(1, "video_frame"), other: price(7, zg.UnitSecond),
	}, Options{Allowed: []common.Address{cheap, dear, multi, other}})
	var got []common.Address
	for _, o := range table.Offers() {
		got = append(got, o.Service.Provider)
	}
	if len(got) != 4 || got[0] != other || got[1] != dear || got[2] != cheap || got[3] != multi {
		t.Errorf("listed %v, want the seconds by price, then the token, last what nobody knows", got)
	}
}
