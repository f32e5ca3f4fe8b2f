package proxy

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// Model is an entry of GET /v1/models: OpenAI's four fields, and ours under x_0g.
type Model struct {
	ID      string    `json:"id"`
	Object  string    `json:"object"`
	Created int64     `json:"created"`
	OwnedBy string    `json:"owned_by"`
	X0G     []Offered `json:"x_0g"`
}

// Offered is one provider's offer of the model. Prices are decimal strings of 0G, exact; those of the first tier where
// there are several.
type Offered struct {
	Provider      string         `json:"provider"` // address, or "endpoint:" and the id of a direct endpoint
	Model         string         `json:"model"`    // the provider's own id for it
	Canonical     string         `json:"canonical_id,omitempty"`
	Allowed       bool           `json:"allowed"`
	Type          zg.ServiceType `json:"type"`
	InputPrice    string         `json:"input_price_0g_per_million,omitempty"`
	OutputPrice   string         `json:"output_price_0g_per_million,omitempty"`
	ImagePrice    string         `json:"price_0g_per_image,omitempty"`
	SecondPrice   string         `json:"price_0g_per_second,omitempty"`
	ClipPrice     string         `json:"price_0g_per_clip,omitempty"`
	TokenPrice    string         `json:"price_0g_per_million_video_tokens,omitempty"`
	UnitPrice     string         `json:"price_0g_per_unit,omitempty"` // of video, for a unit that zgproxy does not know
	Unit          string         `json:"price_unit,omitempty"`        // of video, as the catalogue names it; absent: a second, times a ratio by the size
	VideoPrices   []VideoPrice   `json:"video_prices,omitempty"`      // by resolution and length; the price above is the highest
	ContextLength uint64         `json:"context_length,omitempty"`
	MaxTokens     uint64         `json:"max_completion_tokens,omitempty"`
	Limits        *limits        `json:"rate_limits,omitempty"`
	Verifiability string         `json:"verifiability"`
	TEESigner     string         `json:"tee_signer"`
	Signed        bool           `json:"signed"`                // its answers can be verified
	Centralized   bool           `json:"centralized,omitempty"` // it relays to a cloud vendor: what is verified is the relay, not the model
	Endpoint      bool           `json:"endpoint,omitempty"`    // the owner's own, not of the network:
	Unpaid        bool           `json:"unpaid,omitempty"`      // … what it costs is not paid here
	Unverified    bool           `json:"unverified,omitempty"`  // … and nobody vouches for what it answers
	Suspended     string         `json:"suspended,omitempty"`   // why it gets no requests until it is accepted
	Waiting       string         `json:"waiting,omitempty"`     // what it waits for, without requests; it comes back automatically
	Health        route.Health   `json:"health"`                // with the verdicts on its answers
}

// VideoPrice is a row of a video's prices, for the offer's unit.
type VideoPrice struct {
	Resolution string  `json:"resolution,omitempty"`
	Seconds    float64 `json:"seconds,omitempty"` // of a clip
	Price      string  `json:"price_0g"`
}

// limits are what one wallet may ask of the provider.
type limits struct {
	Requests uint64 `json:"requests_per_minute,omitempty"`
	Tokens   uint64 `json:"tokens_per_minute,omitempty"`
	Images   uint64 `json:"images_per_minute,omitempty"`
}

// Models groups the offers by model, those of one type or of all. With an allow-list only what can be used is listed;
// without one, everything.
func Models(b *route.Board, t *route.Table, kind zg.ServiceType) []Model {
	list := []Model{}
	for _, o := range t.Offers() {
		if (t.AllowList() > 0 && !o.Allowed) || (kind != "" && o.Service.Type != kind) {
			continue
		}
		if n := len(list); n == 0 || list[n-1].ID != o.Model {
			list = append(list, newModel(o))
		}
		last := &list[len(list)-1]
		last.X0G = append(last.X0G, view(b, o))
	}
	return list
}

func newModel(o *route.Offer) Model {
	m := Model{ID: o.Model, Object: "model", OwnedBy: "0g:" + o.Label}
	if o.Endpoint != "" {
		m.OwnedBy = o.Label
	}
	if !o.Service.UpdatedAt.IsZero() {
		m.Created = o.Service.UpdatedAt.Unix()
	}
	return m
}

func view(b *route.Board, o *route.Offer) Offered {
	v := Offered{
		Provider: o.Label, Model: o.Model, Canonical: o.Canonical, Allowed: o.Allowed, Type: o.Service.Type,
		Verifiability: o.Service.Verifiability, TEESigner: o.Service.TEESigner.Hex(), ContextLength: o.ContextLength, MaxTokens: o.MaxTokens,
		Signed: o.Signed, Centralized: o.Service.Info.Centralized(), Health: b.Health(o),
	}
	if l := o.Limits; l != (zg.RateLimits{}) {
		v.Limits = &limits{l.RequestsPerMinute, l.TokensPerMinute, l.ImagesPerMinute}
	}
	switch s := o.Suspension; {
	case s == nil:
	case s.Code == zg.SuspendedUnacked:
		v.Waiting = zg.WaitingForSigner
	default:
		v.Suspended = s.Code
	}
	if o.Endpoint != "" {
		v.Endpoint, v.Unpaid, v.Unverified = true, true, true
		v.Verifiability, v.TEESigner = "none", ""
		return v
	}
	switch o.Service.Type {
	case zg.TextToImage, zg.ImageEditing:
		v.ImagePrice = o.Price.Output.Og()
	case zg.AudioGeneration:
		v.SecondPrice = o.Price.Output.Og()
	case zg.VideoGeneration:
		v.video(o.Price)
	case zg.SpeechToText: // by the second or by the token, as the model counts
		v.SecondPrice = o.Price.Input.Og()
		fallthrough
	default:
		v.InputPrice, v.OutputPrice = o.Price.Input.Mul(1e6).Og(), o.Price.Output.Mul(1e6).Og()
	}
	return v
}

// video fills in the prices of a video: what is for a clip, or for a unit that nobody knows, is never told as if it
// were for something else.
func (v *Offered) video(p zg.Price) {
	_, high, _ := p.VideoPrice()
	v.Unit = string(p.Unit)
	switch _, measure := p.Compared(zg.VideoGeneration); {
	case measure == zg.MeasureUnknown:
		v.UnitPrice = high.Og()
	case p.Unit == zg.UnitClip:
		v.ClipPrice = high.Og()
	case p.Unit == zg.UnitToken:
		v.TokenPrice = high.Og()
	default:
		v.SecondPrice = high.Og()
	}
	for _, row := range p.Variants {
		v.VideoPrices = append(v.VideoPrices, VideoPrice{row.Resolution, row.Seconds, row.Price.Og()})
	}
}

func (s *Server) listModels(w http.ResponseWriter, r *http.Request) {
	kind := zg.ServiceType(r.URL.Query().Get("type"))
	if kind != "" && !slices.Contains(zg.ServiceTypes(), kind) {
		e := problem("unknown_type", "There is no such type of model as `"+shown(string(kind))+"`. There are: "+typeNames(zg.ServiceTypes())+".")
		e.Param = "type"
		s.deny(w, r, e)
		return
	}
	writeJSON(w, struct {
		Object string  `json:"object"`
		Data   []Model `json:"data"`
	}{"list", Models(s.cfg.Board, s.Routes(), kind)})
}

func typeNames(types []zg.ServiceType) string {
	names := make([]string, len(types))
	for i, k := range types {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

// getModel answers for one model by any of its names; a name may contain slashes, escaped or not.
func (s *Server) getModel(w http.ResponseWriter, r *http.Request) {
	id := chi.URLParam(r, "*")
	if unescaped, err := url.PathUnescape(id); err == nil && r.URL.RawPath != "" {
		id = unescaped
	}
	table := s.Routes()
	var found *Model
	var none *route.NoOffer
	seen := map[string]bool{} // endpoints, which have no type and are found for each
	for _, kind := range zg.ServiceTypes() {
		offers, err := table.Find(route.Query{Type: kind, Model: id})
		if no, ok := errors.AsType[*route.NoOffer](err); ok {
			offers = no.Offers // such as would serve it but for something: they can be looked at
			if none == nil || len(no.Offers) > 0 || (no.Reason == route.Ambiguous && len(none.Offers) == 0) {
				none = no
			}
		}
		for _, o := range offers {
			if (table.AllowList() > 0 && !o.Allowed) || (o.Endpoint != "" && seen[o.Label]) {
				continue
			}
			seen[o.Label] = true
			if found == nil {
				m := newModel(o)
				found = &m
			}
			found.X0G = append(found.X0G, view(s.cfg.Board, o))
		}
	}
	switch {
	case id == "" || found == nil && none == nil:
		s.unknownURL(w, r)
	case found != nil:
		writeJSON(w, found)
	case none.Reason == route.NotAllowed || none.Reason == route.Ambiguous:
		s.deny(w, r, noOfferError(none))
	default:
		e := problem("model_not_found", "The model `"+shown(id)+"` does not exist or you do not have access to it. GET /v1/models lists what can be used.")
		e.Param = "model"
		s.deny(w, r, e)
	}
}

// writeJSON answers with a document. Its length is told even where the body is not sent, to a HEAD.
func writeJSON(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		writeError(w, asAPIError(err))
		return
	}
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = []string{strconv.Itoa(len(body) + 1)}
	_, _ = w.Write(append(body, '\n')) // the caller left: nobody to tell
}
