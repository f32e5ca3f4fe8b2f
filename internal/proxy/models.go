package proxy

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// model is an entry of GET /v1/models: OpenAI's four fields, and ours under x_0g.
type model struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"`
	OwnedBy string   `json:"owned_by"`
	X0G     []offer0 `json:"x_0g"`
}

// offer0 is one provider's offer of the model. Prices are decimal strings of 0G, exact.
type offer0 struct {
	Provider      string `json:"provider"`
	Allowed       bool   `json:"allowed"`
	Type          string `json:"type"`
	InputPrice    string `json:"input_price_0g_per_million,omitempty"`
	OutputPrice   string `json:"output_price_0g_per_million,omitempty"`
	ImagePrice    string `json:"price_0g_per_image,omitempty"`
	ContextLength uint64 `json:"context_length,omitempty"`
	MaxTokens     uint64 `json:"max_completion_tokens,omitempty"`
	Verifiability string `json:"verifiability"`
	TEESigner     string `json:"tee_signer"`
	Signed        bool   `json:"signed"`                // its answers can be verified
	Centralized   bool   `json:"centralized,omitempty"` // it relays to a cloud vendor: what is verified is the relay, not the model
	Suspended     string `json:"suspended,omitempty"`   // why it gets no requests
}

// models groups the offers by model. With an allow-list only what can be paid for is listed; without one, everything.
func (r *Routes) models() []model {
	list := []model{}
	for _, o := range r.offers {
		if r.allowed > 0 && !o.Allowed {
			continue
		}
		if n := len(list); n == 0 || list[n-1].ID != o.Model {
			list = append(list, model{ID: o.Model, Object: "model", Created: o.Service.UpdatedAt.Unix(), OwnedBy: "0g:" + o.label})
		}
		view := offer0{
			Provider: o.label, Allowed: o.Allowed, Type: string(o.Service.Type), Verifiability: o.Service.Verifiability,
			TEESigner: o.Service.TEESigner.Hex(), ContextLength: o.ContextLength, MaxTokens: o.MaxTokens,
			Signed: o.Signed, Centralized: o.Service.Info.Centralized(),
		}
		if o.suspension != nil {
			view.Suspended = o.suspension.Code
		}
		switch o.Service.Type {
		case zg.TextToImage, zg.ImageEditing:
			view.ImagePrice = o.Price.Output.Og()
		default:
			view.InputPrice, view.OutputPrice = o.Price.Input.Mul(1e6).Og(), o.Price.Output.Mul(1e6).Og()
		}
		last := &list[len(list)-1]
		last.X0G = append(last.X0G, view)
	}
	return list
}

func (s *Server) listModels(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, struct {
		Object string  `json:"object"`
		Data   []model `json:"data"`
	}{"list", s.Routes().models()})
}

// getModel answers for one model; its id may contain slashes, escaped or not.
func (s *Server) getModel(w http.ResponseWriter, r *http.Request) {
	id := chi.URLParam(r, "*")
	if plain, err := url.PathUnescape(id); err == nil {
		id = plain
	}
	for _, m := range s.Routes().models() {
		if m.ID == id {
			writeJSON(w, m)
			return
		}
	}
	s.refuse(w, &APIError{
		Status: http.StatusNotFound, Type: typeRequest, Code: "model_not_found", Param: "model",
		Message: "The model `" + strings.ToValidUTF8(id[:min(len(id), 200)], "?") + "` does not exist or you do not have access to it. GET /v1/models lists what can be used.",
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		writeError(w, asAPIError(err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n')) // the caller left: nobody to tell
}
