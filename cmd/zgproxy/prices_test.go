package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/provider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// filmToken is a price that a vendor takes for a token of video, in neuron.
var filmToken = zg.NeuronOf(23_780_000_000_000)

// priceLists makes providers sell films by every unit there is, sound, and a model of two vendors, with price lists as those
// of several models have them.
func priceLists(name string, p *simprovider.Config, s *simchain.ServiceParams) {
	become := func(kind zg.ServiceType, model string, unit zg.Neuron) {
		p.Type, p.Model, p.Behaviour, p.Price, p.PriceList, p.JobPolls = kind, model, "", zg.Price{Output: unit}, true, 1
		s.ServiceType, s.Model, s.InputPrice, s.OutputPrice, s.AdditionalInfo = string(kind), model, zg.Neuron{}, unit, `{"MultiModel":true}`
	}
	milli := zg.OneOG.MulDiv(1, 1000)
	switch name {
	case "alpha":
		two := func(in, out uint64) zg.Price {
			return zg.Price{Input: milli.MulDiv(in, 1000), Output: milli.MulDiv(out, 1000)}
		}
		p.Upstreams = []simprovider.Upstream{{Identity: "zhipu", Price: two(3, 4)}, {Identity: "aliyun", Price: two(1, 2)}}
		s.InputPrice, s.OutputPrice, s.AdditionalInfo = milli.MulDiv(3, 1000), milli.MulDiv(4, 1000), `{"MultiModel":true}`
	case "beta":
		become(zg.VideoGeneration, "film-second", milli.Add(zg.NeuronOf(237))) // multiples of which are not whole
		p.Film = &simprovider.FilmPrices{Unit: zg.UnitSecond, Rows: []simprovider.FilmRow{{Resolution: "720p", Units: 1.1}, {Resolution: "1080p", Units: 7.77}}}
	case "gamma":
		become(zg.VideoGeneration, "film-clip", milli)
		p.Film = &simprovider.FilmPrices{Unit: zg.UnitClip, Rows: []simprovider.FilmRow{
			{Resolution: "768p", Seconds: 6, Units: 24}, {Resolution: "768p", Seconds: 10, Units: 40}, {Resolution: "2K", Seconds: 6, Units: 60},
		}}
	case "delta":
		become(zg.VideoGeneration, "film-token", filmToken)
		p.Film, p.JobDelay = &simprovider.FilmPrices{Unit: zg.UnitToken}, time.Millisecond // whether or not anybody asks
	case "epsilon":
		become(zg.AudioGeneration, "voice-2", milli)
	case "zeta-1":
		become(zg.VideoGeneration, "film-ratio", milli)
	case "zeta-2":
		become(zg.VideoGeneration, "film-frame", milli)
		p.Film = &simprovider.FilmPrices{Unit: "video_frame", Rows: []simprovider.FilmRow{{Resolution: "720p", Units: 1}}}
	}
}

// What a finished video is reckoned to cost is what its provider bills, for every unit, and the bound covers it.
func TestVideosCostWhatTheirProvidersBill(t *testing.T) {
	w := newWorld(t, devnet.Config{MoreChats: 2, Change: priceLists})
	og := zg.OneOG
	funded := map[string]uint64{"film-second": 3, "film-clip": 3, "film-token": 19, "film-ratio": 3, "voice-2": 3} // 0G
	for model, more := range funded {
		if err := w.net.Chain.Transfer(t.Context(), devnet.WalletKey(), w.provider(model).Address(), og.Mul(more)); err != nil {
			t.Fatal(err)
		}
	}
	w.inProcess()
	w.eventually("read the catalogues", func() error {
		_, text := w.get(w.daemon.api + "/v1/models")
		if strings.Contains(text, `"unread"`) || strings.Count(text, `"price_unit"`) != 4 || strings.Contains(text, `"output_price_0g_per_million":"4"`) {
			return errors.New(text)
		}
		return nil
	})
	w.eventually("looked at the accounts", func() error { // what is recorded before that is matched with nothing
		r := decode[accountReport](w, w.must(args("account --json")))
		for model := range funded {
			if r.sub(w.provider(model).Address()).Owed == nil {
				return fmt.Errorf("%s was not looked at", model)
			}
		}
		return nil
	})
	peers := provider.New(provider.Config{AllowPrivate: true})
	t.Cleanup(peers.Close)
	var films []filmed
	for _, tt := range []struct {
		model, asked string
		basis        zg.FeeBasis
		billed       zg.Neuron // zero: whatever the provider bills
	}{
		{model: "film-second", asked: `"seconds":"5","size":"720p"`, basis: zg.FeeExact},
		{model: "film-second", asked: `"seconds":10,"size":"720p"`, basis: zg.FeeExact}, // 10 × 1.1 is a little more than 11
		{model: "film-second", asked: `"seconds":7,"size":"1080P"`, basis: zg.FeeExact},
		{model: "film-second", asked: `"seconds":1,"size":"1920x1080"`, basis: zg.FeeExact}, // becomes four seconds
		{model: "film-clip", asked: `"seconds":"6","size":"768P"`, basis: zg.FeeExact, billed: og.MulDiv(24, 1000)},
		{model: "film-clip", asked: `"seconds":"7","size":"768p"`, basis: zg.FeeExact, billed: og.MulDiv(40, 1000)},
		{model: "film-clip", asked: `"seconds":"12","size":"768p"`, basis: zg.FeeExact, billed: og.MulDiv(60, 1000)},
		{model: "film-clip", asked: `"seconds":"6","size":"2k"`, basis: zg.FeeExact, billed: og.MulDiv(60, 1000)},
		{model: "film-token", asked: `"seconds":12,"size":"720p"`, basis: zg.FeeExact, billed: filmToken.Mul(259_080)},
		{model: "film-ratio", asked: `"seconds":5,"size":"832x480"`, basis: zg.FeeEstimated, billed: og.MulDiv(3, 1000)},
		{model: "film-ratio", asked: `"seconds":5,"size":"1792x1024"`, basis: zg.FeeEstimated, billed: og.MulDiv(10, 1000)},
	} {
		t.Run(tt.model+" "+tt.asked, func(t *testing.T) {
			p := w.provider(tt.model)
			before := p.Billed(devnet.Wallet())
			booked, job := w.film(t, tt.model, "the sea", tt.asked)
			done := w.finished(t, "/v1/videos/"+job)
			billed := p.Billed(devnet.Wallet()).Sub(before)
			w.jobEnds(t, booked.ID, billed, tt.basis == zg.FeeExact)
			films = append(films, filmed{id: booked.ID, provider: p, billed: billed})
			if billed.IsZero() || (!tt.billed.IsZero() && billed != tt.billed) || booked.Bound.Less(billed) {
				t.Errorf("billed %s, want %s within the bound %s", billed, tt.billed, booked.Bound)
			}
			list, err := peers.Catalog(t.Context(), p.Address(), p.URL())
			if err != nil || len(list.Models) != 1 || !list.Models[0].Priced {
				t.Fatalf("catalogue = %+v, %v", list, err)
			}
			told, ok := zg.ReadVideo(done.body)
			if fee, basis, known := zg.VideoFee(list.Models[0].Price, told, zg.Video{}); !ok || !known || fee != billed || basis != tt.basis {
				t.Errorf("%s is reckoned at %s, %s (%v); the provider bills %s", done.body, fee, basis, known, billed)
			}
		})
	}
	for _, model := range []string{"film-second", "film-clip", "film-token", "film-ratio"} {
		t.Run(model+" that fails", func(t *testing.T) {
			p := w.provider(model)
			before := p.Billed(devnet.Wallet())
			booked, job := w.film(t, model, "fail: the sea", `"seconds":6,"size":"720p"`)
			w.endsAs(t, "/v1/videos/"+job, "failed")
			w.jobEnds(t, booked.ID, zg.Neuron{}, true)
			films = append(films, filmed{id: booked.ID, provider: p})
			if billed := p.Billed(devnet.Wallet()).Sub(before); !billed.IsZero() || booked.Fee.IsZero() {
				t.Errorf("it was booked at %s; the provider bills %s for it", booked.Fee, billed)
			}
		})
	}
	t.Run("nobody asks how far it is", func(t *testing.T) {
		p := w.provider("film-token")
		before := p.Billed(devnet.Wallet())
		booked, _ := w.film(t, "film-token", "the sea", `"seconds":4,"size":"1080p"`)
		w.eventually("billed", func() error {
			if p.Billed(devnet.Wallet()) == before {
				return errors.New("not yet")
			}
			return nil
		})
		films = append(films, filmed{id: booked.ID, provider: p, billed: p.Billed(devnet.Wallet()).Sub(before)})
		if rec := w.record(booked.ID, false); rec.Settled != nil || time.Until(rec.JobUntil) < 15*time.Minute {
			t.Errorf("it runs until %s and %v is expected of it", rec.JobUntil, rec.Settled)
		}
	})
	t.Run("a unit that nobody knows", func(t *testing.T) {
		p := w.provider("film-frame")
		a := w.ask(t, http.MethodPost, w.daemon.api+"/v1/videos", "application/json", `{"model":"film-frame","prompt":"the sea"}`)
		if a.status != http.StatusServiceUnavailable || !strings.Contains(string(a.body), "price_unit_unknown") || !strings.Contains(string(a.body), "video_frame") {
			t.Errorf("%d %s", a.status, a.body)
		}
		if n := len(p.Exchanges()); n != 0 {
			t.Errorf("%d requests were sent", n)
		}
	})
	t.Run("one id of two vendors", func(t *testing.T) {
		p := w.provider("echo-1")
		a := w.ask(t, http.MethodPost, w.daemon.api+"/v1/chat/completions", "application/json", `{"model":"echo-1","messages":[{"role":"user","content":"hello sea"}]}`)
		w.atRest(p)
		rec := w.record(a.header.Get("X-Request-Id"), false)
		if billed := p.Billed(devnet.Wallet()); a.status != http.StatusOK || billed.IsZero() || rec.Fee != billed || rec.Basis != string(zg.FeeExact) {
			t.Errorf("%d: booked %s, %s; the provider bills %s", a.status, rec.Fee, rec.Basis, billed)
		}
	})
	for _, tt := range []struct {
		name   string
		fault  simprovider.Fault
		reason string
		basis  zg.FeeBasis
		most   bool // the bound is recorded
	}{
		{"told", simprovider.Fault{}, "told", zg.FeeExact, false},
		{"told, unlike the length", simprovider.Fault{Kind: simprovider.FeeOther}, "told_disagrees", zg.FeeExact, false},
		{"not told", simprovider.Fault{Kind: simprovider.FeeTold}, "", zg.FeeExact, false},
		{"told twice", simprovider.Fault{Kind: simprovider.FeeTold, Body: "5\n5"}, "told_unreadable", zg.FeeExact, false},
		{"told below zero", simprovider.Fault{Kind: simprovider.FeeTold, Body: "-5"}, "told_unreadable", zg.FeeExact, false},
		{"told without end", simprovider.Fault{Kind: simprovider.FeeTold, Body: strings.Repeat("9", 60)}, "absurd_usage", zg.FeeEstimated, true},
		{"neither fee nor length", simprovider.Fault{Kind: simprovider.NoUsage}, "no_usage", zg.FeeEstimated, true},
	} {
		t.Run("sound, "+tt.name, func(t *testing.T) {
			p := w.provider("voice-2")
			p.SetFault(tt.fault)
			defer p.SetFault(simprovider.Fault{})
			before := p.Billed(devnet.Wallet())
			a := w.ask(t, http.MethodPost, w.daemon.api+"/v1/audio/speech", "application/json", `{"model":"voice-2","input":"hello to the sea","voice":"alloy"}`)
			w.atRest(p)
			rec, billed := w.record(a.header.Get("X-Request-Id"), false), p.Billed(devnet.Wallet()).Sub(before)
			want := billed
			if tt.most {
				want = rec.Bound
			}
			if a.status != http.StatusOK || rec.Fee != want || rec.Fee.Less(billed) || rec.Reason != tt.reason || rec.Basis != string(tt.basis) {
				t.Errorf("%d: booked %s, %s (%s); the provider bills %s", a.status, rec.Fee, rec.Basis, rec.Reason, billed)
			}
		})
	}
	t.Run("in the end", func(t *testing.T) { w.filmsArePaid(t, films) })
}
