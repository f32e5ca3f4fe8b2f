package proxy

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

var (
	cheap = common.HexToAddress("0x1111111111111111111111111111111111111111")
	dear  = common.HexToAddress("0x2222222222222222222222222222222222222222")
	multi = common.HexToAddress("0x3333333333333333333333333333333333333333")
	rogue = common.HexToAddress("0x4444444444444444444444444444444444444444")
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
	return &zg.Directory{Services: []zg.Service{
		service(dear, zg.Chatbot, "echo-1", 30, 40), service(cheap, zg.Chatbot, "echo-1", 3, 4), unvouched, many,
		service(dear, zg.TextToImage, "paint-1", 0, 7),
	}}
}

func TestChooseTakesTheCheapestAllowedProvider(t *testing.T) {
	both := BuildRoutes(testDirectory(), nil, RouteOptions{Allowed: []common.Address{dear, cheap}})
	got, err := both.Choose(zg.Chatbot, "echo-1")
	if err != nil || got.Service.Provider != cheap {
		t.Fatalf("Choose(echo-1) = %+v, %v, want the cheap provider", got, err)
	}
	one := BuildRoutes(testDirectory(), nil, RouteOptions{Allowed: []common.Address{dear}})
	if got, err = one.Choose(zg.Chatbot, "echo-1"); err != nil || got.Service.Provider != dear {
		t.Fatalf("Choose(echo-1) with only the dear provider allowed = %+v, %v, want the dear one", got, err)
	}
	if n := len(both.byName[routeKey{zg.Chatbot, "echo-1"}]); n != 2 {
		t.Errorf("offers of echo-1 = %d, want 2: the provider nobody vouches for is left out", n)
	}
}

func TestChooseRefusals(t *testing.T) {
	for _, tc := range []struct {
		name    string
		allowed []common.Address
		kind    zg.ServiceType
		model   string
		status  int
		code    string
		says    string
	}{
		{"unknown", []common.Address{cheap}, zg.Chatbot, "gpt-4o", http.StatusNotFound, "model_not_found", "Available here: echo-1"},
		{"case matters", []common.Address{cheap}, zg.Chatbot, "Echo-1", http.StatusNotFound, "model_not_found", "does not exist"},
		{"wrong kind", []common.Address{dear}, zg.Chatbot, "paint-1", http.StatusNotFound, "model_not_found", "text-to-image model"},
		{"nobody allowed", nil, zg.Chatbot, "echo-1", http.StatusForbidden, "no_provider_allowed", "ZGPROXY_PROVIDERS"},
		{"not this one", []common.Address{dear}, zg.Chatbot, "big-1", http.StatusForbidden, "provider_not_allowed", multi.Hex()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			offer, err := BuildRoutes(testDirectory(), nil, RouteOptions{Allowed: tc.allowed}).Choose(tc.kind, tc.model)
			var api *APIError
			if !errors.As(err, &api) {
				t.Fatalf("Choose = %+v, %v, want an APIError", offer, err)
			}
			if api.Status != tc.status || api.Code != tc.code || !strings.Contains(api.Message, tc.says) {
				t.Errorf("error = %d %s %q, want %d %s saying %q", api.Status, api.Code, api.Message, tc.status, tc.code, tc.says)
			}
		})
	}
}

func TestCatalogueAddsModelsAndNeverRaisesAPrice(t *testing.T) {
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
		cheap: {Models: []zg.Model{{ID: "smuggled-1", Type: zg.Chatbot}, {ID: "echo-1", ContextLength: 4096, MaxCompletionTokens: 512}}},
	}
	r := BuildRoutes(testDirectory(), live, RouteOptions{Allowed: []common.Address{multi, cheap}})
	for model, want := range map[string][2]uint64{"small-1": {10, 20}, "greedy-1": {100, 200}, "unpriced-1": {100, 200}, "tiered-1": {100, 200}, "big-1": {100, 200}} {
		o, err := r.Choose(zg.Chatbot, model)
		if err != nil {
			t.Errorf("Choose(%s): %v", model, err)
			continue
		}
		if o.Price.Input != zg.NeuronOf(want[0]) || o.Price.Output != zg.NeuronOf(want[1]) {
			t.Errorf("price of %s = %s, %s, want %v", model, o.Price.Input, o.Price.Output, want)
		}
	}
	for _, model := range []string{"bad\nname", "other-type", "smuggled-1"} {
		if o, err := r.Choose(zg.Chatbot, model); err == nil {
			t.Errorf("Choose(%q) = %+v, want a refusal", model, o)
		}
	}
	if o, err := r.Choose(zg.Chatbot, "echo-1"); err != nil || o.ContextLength != 4096 || o.MaxTokens != 512 {
		t.Errorf("echo-1 = %+v, %v, want the limits of its catalogue", o, err)
	}
}

func TestOnlyNeedsExactlyOneModel(t *testing.T) {
	r := BuildRoutes(testDirectory(), nil, RouteOptions{Allowed: []common.Address{dear, multi}})
	if o, err := r.Only(zg.TextToImage); err != nil || o.Model != "paint-1" {
		t.Errorf("Only(text-to-image) = %+v, %v, want paint-1", o, err)
	}
	if o, err := r.Only(zg.Chatbot); err == nil {
		t.Errorf("Only(chatbot) = %+v, want a refusal: there are two", o)
	}
}

func TestModelsListsWhatCanBePaidFor(t *testing.T) {
	ids := func(r *Routes) (out []string) {
		for _, m := range r.models() {
			out = append(out, m.ID)
		}
		return out
	}
	if got := strings.Join(ids(BuildRoutes(testDirectory(), nil, RouteOptions{})), " "); got != "big-1 echo-1 paint-1" {
		t.Errorf("models without an allow-list = %q, want all of them", got)
	}
	if got := strings.Join(ids(BuildRoutes(testDirectory(), nil, RouteOptions{Allowed: []common.Address{cheap}})), " "); got != "echo-1" {
		t.Errorf("models with one provider allowed = %q, want only its own", got)
	}
	if got := BuildRoutes(&zg.Directory{}, nil, RouteOptions{}).models(); got == nil || len(got) != 0 {
		t.Errorf("models of an empty directory = %#v, want an empty list, not null", got)
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
	dir.Block = 9
	everybody := []common.Address{cheap, dear, multi, rogue}
	since := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	suspend := func(who ...common.Address) map[common.Address]zg.Suspension {
		out := map[common.Address]zg.Suspension{}
		for _, p := range who {
			out[p] = zg.Suspension{Provider: p, Code: zg.SuspendedInvalid, Reason: "the signature of an answer did not fit.", RequestID: "req_7", At: since}
		}
		return out
	}
	for _, tc := range []struct {
		name   string
		opt    RouteOptions
		model  string
		chosen common.Address // zero: refused
		status int
		code   string
		says   []string
	}{
		{"nothing is suspended", RouteOptions{}, "echo-1", cheap, 0, "", nil},
		{"another provider takes over", RouteOptions{Suspended: suspend(cheap)}, "echo-1", dear, 0, "", nil},
		{
			"nobody is left",
			RouteOptions{Suspended: suspend(cheap, dear)},
			"echo-1",
			common.Address{},
			http.StatusServiceUnavailable, "provider_suspended",
			[]string{"2026-11-24T12:00:00Z", "did not fit (req_7).", "zgproxy provider accept " + cheap.Hex(), "nothing spent"},
		},
		{"nobody vouches for it any more", RouteOptions{Suspended: suspend(rogue)}, "lost-1", common.Address{}, http.StatusServiceUnavailable, "provider_suspended", nil},
		{"nobody ever vouched for it", RouteOptions{}, "lost-1", common.Address{}, http.StatusNotFound, "model_not_found", nil},
		{"observe: it need not sign", RouteOptions{}, "quiet-1", rogue, 0, "", nil},
		{
			"enforce: it must",
			RouteOptions{Enforce: true},
			"quiet-1",
			common.Address{},
			http.StatusForbidden, "provider_unsigned",
			[]string{rogue.Hex(), "ZGPROXY_VERIFY=observe", "nothing spent"},
		},
		{"observe: the cheaper one", RouteOptions{}, "big-1", rogue, 0, "", nil},
		{"enforce: the one that signs", RouteOptions{Enforce: true}, "big-1", multi, 0, "", nil},
		{"enforce: a relay signs too", RouteOptions{Enforce: true}, "relay-1", multi, 0, "", nil},
		{"enforce: the one that signs is suspended", RouteOptions{Enforce: true, Suspended: suspend(multi)}, "big-1", common.Address{}, http.StatusServiceUnavailable, "provider_suspended", []string{multi.Hex()}},
		{"both at once", RouteOptions{Enforce: true, Suspended: suspend(rogue)}, "quiet-1", common.Address{}, http.StatusServiceUnavailable, "provider_suspended", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.opt.Allowed = everybody
			o, err := BuildRoutes(dir, nil, tc.opt).Choose(zg.Chatbot, tc.model)
			if tc.chosen != (common.Address{}) {
				if err != nil || o.Service.Provider != tc.chosen || o.Block != 9 {
					t.Errorf("Choose = %+v, %v; want %s", o, err, tc.chosen)
				}
				return
			}
			var api *APIError
			if !errors.As(err, &api) || api.Status != tc.status || api.Code != tc.code {
				t.Fatalf("Choose = %+v, %v; want %d %s", o, err, tc.status, tc.code)
			}
			for _, s := range tc.says {
				if !strings.Contains(api.Message, s) {
					t.Errorf("%q does not say %q", api.Message, s)
				}
			}
		})
	}
	shown := map[string]offer0{}
	for _, m := range BuildRoutes(dir, nil, RouteOptions{Allowed: everybody, Enforce: true, Suspended: suspend(cheap)}).models() {
		for _, o := range m.X0G {
			shown[m.ID+" "+o.Provider] = o
		}
	}
	if o := shown["echo-1 "+cheap.Hex()]; o.Suspended != zg.SuspendedInvalid || !o.Signed || o.Centralized || o.Verifiability != "TeeML" {
		t.Errorf("the suspended offer is listed as %+v", o)
	}
	if o := shown["quiet-1 "+rogue.Hex()]; o.Suspended != "" || o.Signed || o.Verifiability != "none" {
		t.Errorf("the unsigned offer is listed as %+v", o)
	}
	if o := shown["relay-1 "+multi.Hex()]; !o.Centralized || !o.Signed {
		t.Errorf("the relay is listed as %+v", o)
	}
}
