package simprovider

import (
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Videos are billed by what they are delivered as, and the price list has what that is computed from.
func TestFilmsByUnit(t *testing.T) {
	seconds := &FilmPrices{Unit: zg.UnitSecond, Rows: []FilmRow{{Resolution: "720p", Units: 1.5}, {Resolution: "1080p", Units: 1.1}, {Resolution: "480p", Units: .5}}}
	clips := &FilmPrices{Unit: zg.UnitClip, Rows: []FilmRow{{Resolution: "768p", Seconds: 6, Units: 6}, {Resolution: "1080p", Seconds: 6, Units: 12}}}
	for _, tt := range []struct {
		film    *FilmPrices
		seconds uint64
		size    string
		want    uint64
	}{
		{seconds, 5, "720p", 8},
		{seconds, 100, "1080P", 111},
		{seconds, 3, "480p", 2},
		{seconds, 5, "4k", 8}, // taken for 720p
		{clips, 6, "1080P", 12},
		{clips, 5, "768p", 6},
		{clips, 7, "768p", 12},
		{clips, 4, "4k", 12},
		{&FilmPrices{Unit: zg.UnitToken}, 12, "720p", 259_080},
		{&FilmPrices{Unit: zg.UnitToken}, 12, "1920x1080", 583_200},
		{&FilmPrices{Unit: zg.UnitToken}, 5, "", 107_950},
		{nil, 5, "832x480", 3},
		{nil, 5, "1024x1792", 10},
		{nil, 5, "9x9", 5},
	} {
		if got := tt.film.units(tt.seconds, tt.size); got != tt.want {
			t.Errorf("%+v, %d s of %q: %d units, want %d", tt.film, tt.seconds, tt.size, got, tt.want)
		}
	}
	for film, want := range map[*FilmPrices]string{
		seconds: `{"dimensions":{"resolution":"720p"},"unit":"video_second","unit_price":"720000000000"}`,
		clips:   `{"dimensions":{"duration_seconds":"6","resolution":"1080p"},"unit":"video_clip","unit_price":"5760000000000"}`,
		{Unit: zg.UnitToken}: `"variants":[{"dimensions":{"has_video_input":"false"},"unit":"video_token","unit_price":"480000000000"}],` +
			`"video":"480000000000","video_unit":"video_token"`,
		{}: `"pricing":{"completion":"","prompt":"","video":"480000000000"}`,
	} {
		s := videoSite(t, func(c *Config) { c.PriceList, c.Film = true, film })
		if a := s.get("/v1/models").must(t); !strings.Contains(a.body, want) || !strings.Contains(a.body, `"prompt":""`) {
			t.Errorf("models = %s, want %s", a.body, want)
		}
	}
	s := videoSite(t, func(c *Config) { c.Film, c.JobPolls = &FilmPrices{Unit: zg.UnitToken}, 1 })
	a := s.post("/videos", `{"model":"film-1","prompt":"x","seconds":1}`).must(t) // four are made of it
	s.last(1)                                                                     // is on record before the end of the job
	done := s.get("/v1/proxy/videos/" + decode[videoObject](t, a.body).ID).must(t)
	if e := s.last(2); e.Fee != testPrice.Output.Mul(4*21_590) || !strings.Contains(done.body, `"completion_tokens":86360`) {
		t.Errorf("billed %s for %s", e.Fee, done.body)
	}
}

// Of several vendors of one model the cheapest serves.
func TestUpstreams(t *testing.T) {
	at := func(in, out uint64) zg.Price { return zg.Price{Input: zg.NeuronOf(in), Output: zg.NeuronOf(out)} }
	for _, tt := range []struct {
		all  []Upstream
		want string
	}{
		{[]Upstream{{"zhipu", at(3, 4)}, {"aliyun", at(1, 2)}}, "aliyun"},
		{[]Upstream{{"x", at(9, 5)}, {"y", at(1, 5)}}, "y"},
		{[]Upstream{{"zeta", at(1, 2)}, {"alpha", at(1, 2)}}, "alpha"},
	} {
		if got := cheapest(tt.all); got.Identity != tt.want {
			t.Errorf("%+v: %s, want %s", tt.all, got.Identity, tt.want)
		}
	}
	s := start(t, func(c *Config) { c.Upstreams = []Upstream{{"zhipu", at(3, 4)}, {"aliyun", at(1, 2)}} })
	s.post(chatPath, chatBody("echo-1", "a b c", "")).must(t)
	if e := s.last(1); e.Fee != zg.NeuronOf(e.Usage.InputTokens+2*e.Usage.OutputTokens) {
		t.Errorf("billed %s for %+v", e.Fee, e.Usage)
	}
	if a := s.get("/v1/models").must(t); strings.Count(a.body, `"id":"echo-1"`) != 2 || strings.Count(a.body, `"provider_identity":"zhipu"`) != 1 {
		t.Errorf("models = %s", a.body)
	}
}

func TestToldFees(t *testing.T) {
	s := start(t, func(c *Config) { c.Type, c.Model, c.PriceList = zg.AudioGeneration, "voice-1", true })
	s.get("/v1/models").wants(t, 200, `"audio":"480000000000"`)
	for i, tt := range []struct {
		fault Fault
		told  []string
		fee   zg.Neuron
	}{
		{Fault{Kind: FeeOther}, []string{testPrice.Output.Add(zg.NeuronOf(3)).String()}, testPrice.Output.Add(zg.NeuronOf(3))},
		{Fault{Kind: FeeTold}, nil, testPrice.Output},
		{Fault{Kind: FeeTold, Body: "7\n-8\n"}, []string{"7", "-8"}, testPrice.Output},
	} {
		s.SetFault(tt.fault)
		a := s.post("/audio/speech", `{"model":"voice-1","input":"hi"}`).must(t)
		if got := a.header.Values("X-0G-Fee"); strings.Join(got, "|") != strings.Join(tt.told, "|") {
			t.Errorf("%+v: told %q, want %q", tt.fault, got, tt.told)
		}
		if e := s.last(i + 1); e.Fee != tt.fee {
			t.Errorf("%+v: billed %s, want %s", tt.fault, e.Fee, tt.fee)
		}
	}
}
