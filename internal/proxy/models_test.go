package proxy

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

func TestModelsTellAll(t *testing.T) {
	e := newEdge(t)
	chat := service(cheap, zg.Chatbot, "org/chat-1", 300_000, 400_000)
	paint := service(dear, zg.TextToImage, "paint-1", 0, 7)
	speak := service(multi, zg.AudioGeneration, "speak-1", 0, 9)
	other := service(common.HexToAddress("0x44"), zg.Chatbot, "hidden-1", 1, 1)
	catalogs := map[common.Address]zg.Catalog{cheap: {Models: []zg.Model{{ID: "org/chat-1", ContextLength: 4096, MaxCompletionTokens: 512}}}}
	e.server.SetRoutes(route.Build(&zg.Directory{Services: []zg.Service{chat, paint, speak, other}}, catalogs, route.Options{
		Allowed: []common.Address{cheap, dear, multi}, Suspended: map[common.Address]zg.Suspension{dear: {Code: "signer_changed"}},
	}))
	list := func(query string) map[string]map[string]any {
		t.Helper()
		resp, body := e.do("GET", "/v1/models"+query)
		var doc struct {
			Object string
			Data   []struct {
				ID, Object string
				Created    *int64
				OwnedBy    string           `json:"owned_by"`
				X0G        []map[string]any `json:"x_0g"`
			}
		}
		if err := json.Unmarshal([]byte(body), &doc); err != nil || resp.StatusCode != http.StatusOK || doc.Object != "list" {
			t.Fatalf("%d %s: %v", resp.StatusCode, body, err)
		}
		out := map[string]map[string]any{}
		for _, m := range doc.Data {
			if m.Object != "model" || m.Created == nil || *m.Created < 0 || m.OwnedBy == "" || len(m.X0G) != 1 {
				t.Errorf("entry = %+v", m)
			}
			out[m.ID] = m.X0G[0]
		}
		return out
	}
	all := list("")
	if len(all) != 3 {
		t.Fatalf("models = %v, want the three that may be paid", all)
	}
	for _, tc := range []struct {
		model, field string
		want         any
	}{
		{"org/chat-1", "type", "chatbot"},
		{"org/chat-1", "input_price_0g_per_million", "0.0000003"},
		{"org/chat-1", "output_price_0g_per_million", "0.0000004"},
		{"org/chat-1", "context_length", 4096.0},
		{"org/chat-1", "max_completion_tokens", 512.0},
		{"org/chat-1", "verifiability", "TeeML"},
		{"org/chat-1", "signed", true},
		{"org/chat-1", "provider", cheap.Hex()},
		{"org/chat-1", "allowed", true},
		{"org/chat-1", "suspended", nil},
		{"org/chat-1", "endpoint", nil},
		{"paint-1", "price_0g_per_image", "0.000000000000000007"},
		{"paint-1", "suspended", "signer_changed"},
		{"paint-1", "input_price_0g_per_million", nil},
		{"speak-1", "price_0g_per_second", "0.000000000000000009"},
	} {
		if got := all[tc.model][tc.field]; got != tc.want {
			t.Errorf("%s of %s = %v, want %v", tc.field, tc.model, got, tc.want)
		}
	}
	if h, ok := all["org/chat-1"]["health"].(map[string]any); !ok || h["state"] == nil {
		t.Errorf("health = %v", all["org/chat-1"]["health"])
	}
	if some := list("?type=text-to-image"); len(some) != 1 || some["paint-1"] == nil {
		t.Errorf("by type: %v", some)
	}
	resp, body := e.do("GET", "/v1/models?type=chat")
	if code, message := e.refusal(resp, body); code != "unknown_type" || !strings.Contains(message, "chatbot") {
		t.Errorf("an unknown type: %s %q", code, message)
	}
	for path, want := range map[string]int{
		"/v1/models/org/chat-1": 200, "/v1/models/org%2Fchat-1": 200, "/v1/models/org/chat-1/": 200, "/v1/models/paint-1": 200, "/v1/models/none": 404,
		"/v1/models/hidden-1": 403, "/v1/models/%ff": 404,
	} {
		if resp, body := e.do("GET", path); resp.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", path, resp.StatusCode, body, want)
		}
	}
}

// What a video costs is told with what it is for; a unit is never told as if it were another.
func TestVideoPricesAreToldWithTheirUnit(t *testing.T) {
	n := zg.NeuronOf
	rows := []zg.Variant{{Resolution: "720p", Seconds: 6, Price: n(60)}, {Resolution: "1080p", Seconds: 6, Price: n(120)}}
	for _, tc := range []struct {
		price zg.Price
		field string
		want  string
	}{
		{zg.Price{Output: n(10)}, "price_0g_per_second", "0.00000000000000001"},
		{zg.Price{Output: n(10), Unit: zg.UnitSecond, Variants: rows}, "price_0g_per_second", "0.00000000000000012"},
		{zg.Price{Output: n(10), Unit: zg.UnitClip, Variants: rows}, "price_0g_per_clip", "0.00000000000000012"},
		{zg.Price{Output: n(10), Unit: zg.UnitToken}, "price_0g_per_million_video_tokens", "0.00000000001"},
		{zg.Price{Output: n(10), Unit: "video_frame"}, "price_0g_per_unit", "0.00000000000000001"},
		{zg.Price{Output: n(10), Unit: zg.UnitClip}, "price_0g_per_unit", "0.00000000000000001"}, // of a list that is not there
	} {
		e := newEdge(t)
		o := &route.Offer{Service: service(cheap, zg.VideoGeneration, "film", 0, 1), Model: "film", Label: cheap.Hex(), Price: tc.price}
		doc, err := json.Marshal(view(e.server.cfg.Board, o))
		var got map[string]any
		if err == nil {
			err = json.Unmarshal(doc, &got)
		}
		if err != nil || got[tc.field] != tc.want {
			t.Errorf("%+v: %s, %v; want %s = %s", tc.price, doc, err, tc.field, tc.want)
		}
		for name := range got {
			if strings.Contains(name, "0g") && name != tc.field {
				t.Errorf("%+v: %s is told too", tc.price, name)
			}
		}
		if unit, _ := got["price_unit"].(string); unit != string(tc.price.Unit) {
			t.Errorf("%+v: unit %q", tc.price, unit)
		}
		if list, _ := got["video_prices"].([]any); len(list) != len(tc.price.Variants) {
			t.Errorf("%+v: rows %v", tc.price, list)
		}
	}
}

// What the owner's own endpoint serves is marked as such and has no prices.
func TestEndpointsAreMarked(t *testing.T) {
	e := newEdge(t)
	view := view(e.server.cfg.Board, &route.Offer{
		Service: zg.Service{Type: zg.Chatbot, URL: "http://127.0.0.1:1"}, Model: "m", Endpoint: "local", Label: "endpoint:local", Allowed: true,
		Canonical: "org/m", Limits: zg.RateLimits{RequestsPerMinute: 5},
	})
	if !view.Endpoint || !view.Unpaid || !view.Unverified || view.Signed || view.InputPrice != "" || view.TEESigner != "" || view.Canonical != "org/m" || view.Limits.Requests != 5 {
		t.Errorf("view = %+v", view)
	}
	if m := newModel(&route.Offer{Model: "m", Endpoint: "local", Label: "endpoint:local"}); m.Created != 0 || m.OwnedBy != "endpoint:local" {
		t.Errorf("entry = %+v", m)
	}
}

func TestWhyNoOfferServes(t *testing.T) {
	offer := &route.Offer{Label: "0xAb", Suspension: &zg.Suspension{Reason: "its signer changed."}}
	for _, tc := range []struct {
		none   route.NoOffer
		code   string
		status int
		says   string
	}{
		{route.NoOffer{Reason: route.NoModel, Available: []string{"a", "b"}}, "missing_model", 400, "a, b"},
		{route.NoOffer{Reason: route.Ambiguous, Query: route.Query{Model: "qwen"}, Available: []string{"x/qwen", "y/qwen"}}, "model_ambiguous", 400, "x/qwen, y/qwen"},
		{route.NoOffer{Reason: route.NoPin, Query: route.Query{Model: "m", Pin: "0xCd"}, Available: []string{"0xAb"}}, "provider_not_found", 404, "offered by 0xAb"},
		{route.NoOffer{Reason: route.NoPin, Query: route.Query{Model: "0xCd/m"}, Available: []string{"0xAb"}}, "provider_not_found", 404, "`0xCd/m` asks for"},
		{route.NoOffer{Reason: route.NoneOfType, Query: route.Query{Type: zg.Embedding}}, "type_not_served", 404, "embedding"},
		{route.NoOffer{Reason: route.NoneOfType, Query: route.Query{Type: zg.Embedding}, Types: []zg.ServiceType{zg.Chatbot}}, "type_not_served", 404, "these types: chatbot."},
		{route.NoOffer{Reason: route.Unknown, Query: route.Query{Type: zg.Chatbot, Model: "m"}, Elsewhere: zg.TextToImage}, "model_not_found", 404, "text-to-image"},
		{route.NoOffer{Reason: route.Suspended, Offers: []*route.Offer{offer}}, "provider_suspended", 503, "zgproxy provider accept"},
		{route.NoOffer{Reason: route.Unsigned, Offers: []*route.Offer{offer}}, "provider_unsigned", 403, "ZGPROXY_VERIFY"},
		{route.NoOffer{Reason: route.Unsigned, Offers: []*route.Offer{{Endpoint: "local"}}}, "provider_unsigned", 403, "endpoint local"},
		{route.NoOffer{Reason: route.NotAllowed, Offers: []*route.Offer{offer}, AllowList: 1}, "provider_not_allowed", 403, "0xAb"},
		{route.NoOffer{Reason: route.NotAllowed, Offers: []*route.Offer{offer}}, "no_provider_allowed", 403, "ZGPROXY_PROVIDERS"},
	} {
		e := noOfferError(&tc.none)
		if e.Code != tc.code || e.Status != tc.status || e.Param != "model" || !strings.Contains(e.Message, tc.says) {
			t.Errorf("%s: %d %+v, want %d %s that says %q", tc.none.Reason, e.Status, e, tc.status, tc.code, tc.says)
		}
	}
	for cause, want := range map[route.Cause]int{route.Down: 503, route.Paced: 429, route.Paused: 503} {
		if e := busyError(&route.Busy{Cause: cause}); e.Status != want || e.RetryAfter <= 0 || e.Code != "provider_"+string(cause) {
			t.Errorf("%s: %+v", cause, e)
		}
	}
}
