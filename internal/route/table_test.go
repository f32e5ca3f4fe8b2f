package route

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

var (
	cheap = common.HexToAddress("0x1111111111111111111111111111111111111111")
	dear  = common.HexToAddress("0x2222222222222222222222222222222222222222")
	multi = common.HexToAddress("0x3333333333333333333333333333333333333333")
	rogue = common.HexToAddress("0x4444444444444444444444444444444444444444")

	everybody = []common.Address{cheap, dear, multi, rogue}
)

func service(p common.Address, kind zg.ServiceType, model string, in, out uint64) zg.Service {
	return zg.Service{
		Provider: p, Type: kind, URL: "http://127.0.0.1:1", Model: model, InputPrice: zg.NeuronOf(in), OutputPrice: zg.NeuronOf(out),
		Verifiability: "TeeML", TEESigner: p, TEESignerAcknowledged: true,
	}
}

func testDirectory() *zg.Directory {
	unvouched := service(rogue, zg.Chatbot, "echo-1", 0, 0)
	unvouched.TEESignerAcknowledged = false
	many := service(multi, zg.Chatbot, "big-1", 100, 200)
	many.Info.MultiModel = true
	return &zg.Directory{Block: 9, Services: []zg.Service{
		service(dear, zg.Chatbot, "echo-1", 30, 40), service(cheap, zg.Chatbot, "echo-1", 3, 4), unvouched, many,
		service(dear, zg.TextToImage, "paint-1", 0, 7),
	}}
}

// found says what Find comes to, in one line: the offers as provider=model, or the reason with what is available.
func found(t *testing.T, table *Table, q Query) string {
	t.Helper()
	offers, err := table.Find(q)
	if err == nil {
		if len(offers) == 0 {
			t.Fatalf("Find(%+v) found nothing without an error", q)
		}
		var out []string
		for _, o := range offers {
			out = append(out, short(o.Label)+"="+o.Model)
			if o.Service.Type != q.Type {
				t.Errorf("Find(%+v) found one for %s", q, o.Service.Type)
			}
		}
		return strings.Join(out, " ")
	}
	none, ok := errors.AsType[*NoOffer](err)
	if !ok || offers != nil {
		t.Fatalf("Find(%+v) = %v, %v, want a NoOffer alone", q, offers, err)
	}
	if none.Query != q {
		t.Errorf("the error of %+v is about %+v", q, none.Query)
	}
	words := []string{string(none.Reason)}
	for _, a := range none.Available {
		words = append(words, short(a))
	}
	return strings.Join(words, " ")
}

// short names the providers of these tests.
func short(label string) string {
	for p, name := range map[common.Address]string{cheap: "cheap", dear: "dear", multi: "multi", rogue: "rogue"} {
		if label == p.Hex() {
			return name
		}
	}
	return label
}

func TestFindWhomTheOwnerAllows(t *testing.T) {
	for _, tc := range []struct {
		name    string
		allowed []common.Address
		kind    zg.ServiceType
		model   string
		want    string
	}{
		{"the cheapest first", []common.Address{dear, cheap}, zg.Chatbot, "echo-1", "cheap=echo-1 dear=echo-1"},
		{"only the dear one", []common.Address{dear}, zg.Chatbot, "echo-1", "dear=echo-1"},
		{"unknown", []common.Address{cheap}, zg.Chatbot, "gpt-4o", "unknown echo-1"},
		{"nearest first", everybody, zg.Chatbot, "bog-1", "unknown big-1 echo-1"},
		{"wrong type", []common.Address{dear}, zg.Chatbot, "paint-1", "unknown echo-1"},
		{"nobody allowed", nil, zg.Chatbot, "echo-1", "not_allowed"},
		{"nobody allowed, unknown", nil, zg.Chatbot, "gpt-4o", "none_of_type"},
		{"not this one", []common.Address{dear}, zg.Chatbot, "big-1", "not_allowed"},
		{"none of this type", []common.Address{cheap}, zg.TextToImage, "paint-9", "none_of_type"},
		{"the only one", []common.Address{dear}, zg.TextToImage, "", "dear=paint-1"},
		{"one of two", []common.Address{dear, multi}, zg.Chatbot, "", "no_model big-1 echo-1"},
		{"one of none", []common.Address{cheap}, zg.TextToImage, "", "none_of_type"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := found(t, Build(testDirectory(), nil, Options{Allowed: tc.allowed}), Query{Type: tc.kind, Model: tc.model}); got != tc.want {
				t.Errorf("Find = %q, want %q", got, tc.want)
			}
		})
	}
	_, err := Build(testDirectory(), nil, Options{Allowed: everybody}).Find(Query{Type: zg.Chatbot, Model: "paint-1"})
	if none, ok := errors.AsType[*NoOffer](err); !ok || none.Elsewhere != zg.TextToImage {
		t.Errorf("Find(a picture's model) = %+v, want to learn where it is known", none)
	}
	_, err = Build(testDirectory(), nil, Options{Allowed: []common.Address{cheap}}).Find(Query{Type: zg.TextToImage, Model: "paint-9"})
	if none, ok := errors.AsType[*NoOffer](err); !ok || len(none.Offers) != 1 || none.Offers[0].Model != "paint-1" || !cmp.Equal(none.Types, []zg.ServiceType{zg.Chatbot}) || none.AllowList != 1 {
		t.Errorf("Find(a type that nobody allowed serves) = %+v, want who does serve it, and the types that are served", none)
	}
	if got := found(t, &Table{}, Query{Type: zg.Chatbot, Model: "echo-1"}); got != "none_of_type" {
		t.Errorf("an empty table = %q", got)
	}
}

func TestCatalogueAddsModelsAndNeverRaisesAPrice(t *testing.T) {
	expires := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	limits := zg.RateLimits{RequestsPerMinute: 30}
	live := map[common.Address]zg.Catalog{
		multi: {Models: []zg.Model{
			{ID: "small-1", Type: zg.Chatbot, Priced: true, Price: zg.Price{Input: zg.NeuronOf(10), Output: zg.NeuronOf(20)}, MaxCompletionTokens: 99},
			{ID: "greedy-1", Type: zg.Chatbot, Priced: true, Price: zg.Price{Input: zg.NeuronOf(1e15), Output: zg.NeuronOf(1e15)}},
			{ID: "tiered-1", Priced: true, Price: zg.Price{
				Input: zg.NeuronOf(1), Output: zg.NeuronOf(1), Tiers: []zg.Tier{{Input: zg.Ratio{Num: 1000, Den: 1}, Output: zg.Ratio{Num: 1, Den: 1}}},
			}},
			{ID: "unpriced-1"},
			{ID: "bad\nname", Type: zg.Chatbot},
			{ID: "other-type", Type: zg.TextToImage},
		}},
		cheap: {Models: []zg.Model{
			{ID: "smuggled-1", Type: zg.Chatbot},
			{ID: "echo-1", CanonicalID: "acme/echo-1", ContextLength: 4096, MaxCompletionTokens: 512, Limits: limits, ExpiresAt: expires},
		}},
	}
	now := expires.Add(-time.Second)
	r := Build(testDirectory(), live, Options{Allowed: []common.Address{multi, cheap}, Now: func() time.Time { return now }})
	find := func(model string) ([]*Offer, error) { return r.Find(Query{Type: zg.Chatbot, Model: model}) }
	for model, want := range map[string][2]uint64{"small-1": {10, 20}, "greedy-1": {100, 200}, "unpriced-1": {100, 200}, "tiered-1": {100, 200}, "big-1": {100, 200}} {
		o, err := find(model)
		if err != nil {
			t.Errorf("Find(%s): %v", model, err)
			continue
		}
		if o[0].Price.Input != zg.NeuronOf(want[0]) || o[0].Price.Output != zg.NeuronOf(want[1]) || o[0].Block != 9 || o[0].Priority != 0 {
			t.Errorf("%s = %+v, want the price %v", model, o[0], want)
		}
	}
	for _, model := range []string{"bad\nname", "other-type", "smuggled-1"} {
		if o, err := find(model); err == nil {
			t.Errorf("Find(%q) = %+v, want a refusal", model, o)
		}
	}
	o, err := find("echo-1")
	if err != nil || o[0].ContextLength != 4096 || o[0].MaxTokens != 512 || o[0].Limits != limits || o[0].Canonical != "acme/echo-1" || o[0].Priority != 1 {
		t.Errorf("echo-1 = %+v, %v, want what its catalogue says", o, err)
	}
	// The day comes that its catalogue names.
	now = expires
	if got := found(t, r, Query{Type: zg.Chatbot, Model: "echo-1"}); got != "not_allowed" { // the dear one has it still
		t.Errorf("after its end echo-1 = %q", got)
	}
	if got := found(t, r, Query{Type: zg.Chatbot, Model: "acme/echo-1"}); got != "not_allowed" {
		t.Errorf("after its end acme/echo-1 = %q", got)
	}
}

func TestSuspendedAndUnsignedProvidersAreNotChosen(t *testing.T) {
	dir := testDirectory()
	unsigned := service(rogue, zg.Chatbot, "quiet-1", 1, 1)
	unsigned.Verifiability = "none"
	relay := service(multi, zg.Chatbot, "relay-1", 1, 1)
	relay.Info.ProviderType = "centralized"
	cheaper := service(rogue, zg.Chatbot, "big-1", 1, 2) // than the one that signs
	cheaper.Info.ProviderType = "standard"
	lost := service(rogue, zg.Chatbot, "lost-1", 1, 1)
	lost.TEESignerAcknowledged = false
	dir.Services = append(dir.Services, unsigned, relay, cheaper, lost)
	suspend := func(who ...common.Address) map[common.Address]zg.Suspension {
		out := map[common.Address]zg.Suspension{}
		for _, p := range who {
			out[p] = zg.Suspension{Provider: p, Code: zg.SuspendedInvalid, RequestID: "req_7"}
		}
		return out
	}
	local := []Endpoint{{ID: "local", URL: "http://127.0.0.1:2/v1", Models: []string{"big-1", "mine"}}}
	for _, tc := range []struct {
		name  string
		opt   Options
		model string
		want  string
	}{
		{"nothing is suspended", Options{}, "echo-1", "cheap=echo-1 dear=echo-1"},
		{"another provider takes over", Options{Suspended: suspend(cheap)}, "echo-1", "dear=echo-1"},
		{"nobody is left", Options{Suspended: suspend(cheap, dear)}, "echo-1", "suspended"},
		{"nobody vouches for it any more", Options{Suspended: suspend(rogue)}, "lost-1", "suspended"},
		{"nobody ever vouched for it", Options{}, "lost-1", "unknown big-1 echo-1 quiet-1 relay-1"},
		{"what is suspended is not on offer", Options{Suspended: suspend(rogue)}, "quite-1", "unknown big-1 echo-1 relay-1"},
		{"observe: it need not sign", Options{}, "quiet-1", "rogue=quiet-1"},
		{"enforce: it must", Options{Enforce: true}, "quiet-1", "unsigned"},
		{"observe: both", Options{}, "big-1", "rogue=big-1 multi=big-1"},
		{"enforce: the one that signs", Options{Enforce: true}, "big-1", "multi=big-1"},
		{"enforce: a relay signs too", Options{Enforce: true}, "relay-1", "multi=relay-1"},
		{"enforce: the one that signs is suspended", Options{Enforce: true, Suspended: suspend(multi)}, "big-1", "suspended"},
		{"both at once", Options{Enforce: true, Suspended: suspend(rogue)}, "quiet-1", "suspended"},
		{"observe: an endpoint too", Options{Endpoints: local}, "big-1", "endpoint:local=big-1 rogue=big-1 multi=big-1"},
		{"enforce: no endpoint", Options{Enforce: true, Endpoints: local}, "big-1", "multi=big-1"},
		{"enforce: not even where nobody else has it", Options{Enforce: true, Endpoints: local}, "mine", "unknown big-1 echo-1 relay-1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.opt.Allowed = everybody
			if got := found(t, Build(dir, nil, tc.opt), Query{Type: zg.Chatbot, Model: tc.model}); got != tc.want {
				t.Errorf("Find = %q, want %q", got, tc.want)
			}
		})
	}
}
