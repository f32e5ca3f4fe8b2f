package route

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// namesTable is a table with every kind of name in it.
func namesTable(opt Options) *Table {
	shop := service(multi, zg.Chatbot, "acme/shop", 5, 5)
	shop.Info.MultiModel = true
	dir := &zg.Directory{Services: []zg.Service{
		service(cheap, zg.Chatbot, "Qwen3", 1, 1), service(dear, zg.Chatbot, "qwen/qwen3", 2, 2), shop,
		service(rogue, zg.Chatbot, "QWEN3", 9, 9), service(rogue, zg.TextToImage, "qwen3", 9, 9),
	}}
	live := map[common.Address]zg.Catalog{
		cheap: {Models: []zg.Model{{ID: "Qwen3", CanonicalID: "qwen/qwen3"}}},
		multi: {Models: []zg.Model{
			{ID: "acme/shop"},
			{ID: "q3-fast", CanonicalID: "qwen/qwen3"},
			{ID: "Llama"},
			{ID: "llama"},
			{ID: "a/twin"},
			{ID: "b/twin"},
			{ID: "same", CanonicalID: "x/same"},
			{ID: "deep/deep-1"},
			{ID: "bare-1"},
			{ID: "odd", CanonicalID: "bad\nname"},
		}},
		dear: {Models: []zg.Model{{ID: "qwen/qwen3"}}},
	}
	return Build(dir, live, opt)
}

func TestFindByName(t *testing.T) {
	friends := []common.Address{cheap, dear, multi}
	endpoints := []Endpoint{
		{ID: "local", URL: "http://127.0.0.1:2/v1", Models: []string{"tiny", "bare-1", "tiny", "bad\nname"}, Priority: 3},
		{ID: "qwen", URL: "http://127.0.0.1:3/v1", Models: []string{"qwen-max"}},
	}
	aliases := map[string]string{
		"gpt-4o": "qwen/qwen3", "bare-1": "q3-fast", "fav": multi.Hex() + "/bare-1", "mine": "local/tiny", "loop": "fav", "lost": "nowhere", "QWEN3": "bare-1", "big": "DEEP-1",
	}
	all := "cheap=Qwen3 dear=qwen/qwen3 multi=q3-fast"
	for _, tc := range []struct{ name, model, pin, want string }{
		{"its canonical id", "qwen/qwen3", "", all},
		{"the id of one of them", "Qwen3", "", all},
		{"the id of another", "q3-fast", "", all},
		{"in capitals", "QWEN/QWEN3", "", all},
		{"in small letters", "qwen3", "", all},
		{"an alias", "gpt-4o", "", all},
		{"an alias is spelt exactly", "GPT-4o", "", "unknown *"},
		{"an alias of what exists so", "bare-1", "", "endpoint:local=bare-1 multi=bare-1"},
		{"an alias of what exists so with somebody who is not allowed", "QWEN3", "", "endpoint:local=bare-1 multi=bare-1"},
		{"an alias that pins", "fav", "", "multi=bare-1"},
		{"an alias that pins an endpoint", "mine", "", "endpoint:local=tiny"},
		{"an alias that is spelt loosely", "big", "", "multi=deep/deep-1"},
		{"an alias of an alias", "loop", "", "unknown *"},
		{"an alias of nothing", "lost", "", "unknown *"},
		{"without its vendor", "deep-1", "", "multi=deep/deep-1"},
		{"with a vendor that it has not", "ACME/bare-1", "", "endpoint:local=bare-1 multi=bare-1"},
		{"with a vendor that is not its own", "openai/deep-1", "", "unknown *"},
		{"with a vendor that is not its own, though others have none", "openai/qwen3", "", "not_allowed"},
		{"exactly one of two", "llama", "", "multi=llama"},
		{"either of two", "LLAMA", "", "ambiguous Llama llama"},
		{"either of two vendors'", "twin", "", "ambiguous a/twin b/twin"},
		{"one of two vendors'", "B/Twin", "", "multi=b/twin"},
		{"no prefix of a name", "qwen", "", "unknown *"},
		{"no part of a name", "/qwen3", "", "unknown *"},
		{"nothing before the slash", "deep/", "", "unknown *"},
		{"what cannot be a name", "a\x00\xff", "", "unknown *"},
		{"a canonical id that cannot be one", "bad\nname", "", "unknown *"},

		{"pinned", "qwen3", dear.Hex(), "dear=qwen/qwen3"},
		{"pinned by name", dear.Hex() + "/qwen/qwen3", "", "dear=qwen/qwen3"},
		{"pinned by name in small letters", strings.ToLower(multi.Hex()) + "/qwen3", "", "multi=q3-fast"},
		{"pinned twice", dear.Hex() + "/qwen3", strings.ToLower(dear.Hex()), "dear=qwen/qwen3"},
		{"pinned to two", dear.Hex() + "/qwen3", cheap.Hex(), "no_pin cheap dear multi"},
		{"pinned to an endpoint", "tiny", "local", "endpoint:local=tiny"},
		{"pinned to an endpoint by its label", "tiny", "endpoint:local", "endpoint:local=tiny"},
		{"pinned to an endpoint by name", "local/bare-1", "", "endpoint:local=bare-1"},
		{"pinned to an endpoint whose id is a vendor's", "qwen/qwen-max", "", "endpoint:qwen=qwen-max"},
		{"a model of a vendor that an endpoint is called like", "qwen/Qwen3", "", all},
		{"neither", "qwen/other", "", "unknown qwen-max"},
		{"pinned to one who has it not", "Qwen3", "local", "no_pin cheap dear multi"},
		{"pinned to one who has it not, by name", cheap.Hex() + "/deep-1", "", "no_pin multi"},
		{"pinned to one who is not allowed", "qwen3", rogue.Hex(), "not_allowed"},
		{"pinned to nobody", "qwen3", "0x9999999999999999999999999999999999999999", "no_pin cheap dear multi"},
		{"pinned to nobody by name", "0x9999999999999999999999999999999999999999/qwen3", "", "no_pin cheap dear multi"},
		{"pinned to no endpoint", "tiny", "remote", "no_pin endpoint:local"},
		{"pinned, unknown", "nowhere", dear.Hex(), "unknown Qwen3"},
		{"pinned, without a model", "", dear.Hex(), "dear=qwen/qwen3"},
		{"pinned, without a model, to one who has several", "", multi.Hex(), "no_model *"},
		{"pinned to an endpoint, without a model", "", "qwen", "endpoint:qwen=qwen-max"},
		{"within a pin there are fewer names to confuse", "LLAMA", multi.Hex(), "ambiguous Llama llama"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			table := namesTable(Options{Allowed: friends, Aliases: aliases, Endpoints: endpoints})
			got := found(t, table, Query{Type: zg.Chatbot, Model: tc.model, Pin: tc.pin})
			if want, some := strings.CutSuffix(tc.want, "*"); some {
				if !strings.HasPrefix(got, want) {
					t.Errorf("Find = %q, want %q and names", got, tc.want)
				}
				return
			}
			if got != tc.want {
				t.Errorf("Find = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestAliasesThatLeadNowhereAreNamed(t *testing.T) {
	table := namesTable(Options{Allowed: []common.Address{cheap}, Aliases: map[string]string{"gpt-4o": "quen3"}})
	_, err := table.Find(Query{Type: zg.Chatbot, Model: "gpt-4o"})
	none, ok := errors.AsType[*NoOffer](err)
	if !ok || none.Meant != "quen3" || none.Query.Model != "gpt-4o" || !slices.Equal(none.Available, []string{"Qwen3"}) {
		t.Errorf("Find = %+v, want the caller's name, what it stands for and what there is", none)
	}
}

// Providers that the owner does not allow have no say in what a name means.
func TestStrangersConfuseNothing(t *testing.T) {
	table := namesTable(Options{Allowed: []common.Address{dear}})
	if got := found(t, table, Query{Type: zg.Chatbot, Model: "qwen3"}); got != "dear=qwen/qwen3" {
		t.Errorf("Find = %q, want the allowed one", got)
	}
	if got := found(t, table, Query{Type: zg.Chatbot, Model: "LLAMA"}); got != "not_allowed" {
		t.Errorf("Find = %q: of those that may not be used it does not matter which is meant", got)
	}
}

func TestSameIDOfDifferentModels(t *testing.T) {
	dir := &zg.Directory{Services: []zg.Service{service(cheap, zg.Chatbot, "chat", 1, 1), service(dear, zg.Chatbot, "chat", 2, 2), service(multi, zg.Chatbot, "chat", 3, 3)}}
	live := map[common.Address]zg.Catalog{
		cheap: {Models: []zg.Model{{ID: "chat", CanonicalID: "a/chat"}}},
		dear:  {Models: []zg.Model{{ID: "chat", CanonicalID: "b/chat"}}},
	}
	table := Build(dir, live, Options{Allowed: everybody})
	for name, want := range map[string]string{"chat": "ambiguous a/chat b/chat chat", "a/chat": "cheap=chat", "B/CHAT": "dear=chat"} {
		if got := found(t, table, Query{Type: zg.Chatbot, Model: name}); got != want {
			t.Errorf("Find(%s) = %q, want %q", name, got, want)
		}
	}
}

// An endpoint has no type: it serves any request for a model of its, but is not what is meant where none is named.
func TestEndpointsServeAnyType(t *testing.T) {
	opt := Options{Allowed: []common.Address{dear}, Endpoints: []Endpoint{{ID: "local", Models: []string{"tiny"}}}}
	table := Build(testDirectory(), nil, opt)
	for _, kind := range endpointTypes {
		if got := found(t, table, Query{Type: kind, Model: "tiny"}); got != "endpoint:local=tiny" {
			t.Errorf("tiny for %s = %q", kind, got)
		}
	}
	for kind, want := range map[zg.ServiceType]string{zg.TextToImage: "dear=paint-1", zg.Embedding: "endpoint:local=tiny", zg.VideoGeneration: "none_of_type"} {
		if got := found(t, table, Query{Type: kind}); got != want {
			t.Errorf("the only model for %s = %q, want %q", kind, got, want)
		}
	}
	listed := 0
	for _, o := range table.Offers() {
		if o.Endpoint == "" {
			continue
		}
		if listed++; o.Service.Type != zg.Chatbot || !o.Allowed || o.Signed || o.Label != "endpoint:local" || o.Service.Provider != (common.Address{}) {
			t.Errorf("the endpoint's offer is listed as %+v", o)
		}
	}
	if listed != 1 {
		t.Errorf("it is listed %d times", listed)
	}
}

func TestEdits(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"Qwen3", "quen3", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 2}, {strings.Repeat("x", 500), strings.Repeat("x", 100), 0}} {
		if got := edits(tc.a, tc.b); got != tc.want || edits(tc.b, tc.a) != tc.want {
			t.Errorf("edits(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}

// Whatever is asked for, what is found has a name that is spelt like it, or is what its owner's alias stands for.
func FuzzFind(f *testing.F) {
	for _, model := range []string{"qwen/qwen3", "QWEN3", "a/twin", "twin", multi.Hex() + "/llama", "local/tiny", "gpt", "", "x/y/z", "İ/\xff"} {
		for _, pin := range []string{"", dear.Hex(), "local"} {
			f.Add(model, pin, string(zg.Chatbot))
		}
	}
	table := namesTable(Options{
		Allowed: []common.Address{cheap, dear, multi}, Aliases: map[string]string{"gpt": "qwen3"}, Endpoints: []Endpoint{{ID: "local", Models: []string{"tiny", "a/b/c"}}},
	})
	f.Fuzz(func(t *testing.T, model, pin, kind string) {
		q := Query{Type: zg.ServiceType(kind), Model: model, Pin: pin}
		offers, err := table.Find(q)
		if err != nil {
			if none, ok := errors.AsType[*NoOffer](err); !ok || offers != nil || none.Query != q || none.Reason == "" {
				t.Fatalf("Find(%+v) = %v, %v", q, offers, err)
			}
			return
		}
		meant := model
		if model == "gpt" {
			meant = "qwen3"
		}
		bare := func(s string) string { return strings.ToLower(withoutVendor(s)) }
		related := model == ""
		for _, o := range offers {
			if !o.Allowed || o.Service.Type != q.Type || (pin != "" && !strings.EqualFold(o.Label, pin) && o.Label != "endpoint:"+strings.TrimPrefix(pin, "endpoint:") && common.HexToAddress(pin) != o.Service.Provider) {
				t.Errorf("Find(%+v) found %+v", q, o)
			}
			related = related || bare(o.Model) == bare(meant) || bare(o.Canonical) == bare(meant)
		}
		// One of a model's offers need not have the name that another one has, but then that other one is there too, unless
		// somebody is pinned.
		before, _, _ := strings.Cut(model, "/")
		if pinned := pin != "" || strings.TrimPrefix(before, "endpoint:") == "local" || common.IsHexAddress(before); !related && !pinned {
			t.Errorf("Find(%+v) found only %+v", q, offers[0])
		}
	})
}
