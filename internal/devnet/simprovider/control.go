package simprovider

import (
	"cmp"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// serveControl serves what is neither inference nor a signature.
func (p *Provider) serveControl(w http.ResponseWriter, r *http.Request) {
	switch fault := p.faults.take(true); fault.Kind {
	case ControlHidden:
		page := refusePage(http.StatusForbidden)
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(page.status)
		_, _ = w.Write(page.body) // a client that has left needs none
		return
	case ControlRefused:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(cmp.Or(fault.Status, http.StatusInternalServerError))
		_, _ = io.WriteString(w, fault.Body) // a client that has left needs none
		return
	default:
	}
	path := strings.TrimRight(r.URL.Path, "/")
	user, isFee := strings.CutPrefix(path, "/v1/user/")
	user, isFee2 := strings.CutSuffix(user, "/unsettledfee")
	if job, ok := strings.CutPrefix(path, "/v1/async/"); ok {
		p.serveAsync(w, r, job)
		return
	}
	switch {
	case r.Method != http.MethodGet:
		writeError(w, http.StatusNotFound, "not found")
	case path == "/v1/models":
		writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": p.catalogue()})
	case path == "/v1/quote":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(encode(p.quote())) // a client that has left needs none
	case path == "/v1/capabilities":
		writeJSON(w, http.StatusOK, map[string]any{
			"base_model": p.cfg.Model, "fine_tuning": map[string]any{"supports_fine_tuned_adapters": false},
		})
	case isFee && isFee2:
		p.serveUnsettled(w, r, user)
	default:
		http.NotFound(w, r)
	}
}

// serveUnsettled tells a wallet, and nobody else, what it owes.
func (p *Provider) serveUnsettled(w http.ResponseWriter, r *http.Request, of string) {
	user, err := p.authorize(r.Context(), r.Header)
	if err != nil {
		refusal := asRefusal(err)
		writeError(w, refusal.status, refusal.text)
		return
	}
	if !strings.EqualFold(of, user.Hex()) {
		writeError(w, http.StatusForbidden, "you can only query your own unsettled fee")
		return
	}
	if lie := p.unsettledReply.Load(); lie != nil {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, *lie) // a client that has left needs none
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"userAddress": user.Hex(), "unsettledFee": p.purse.owed(user).String()})
}

// catalogue lists the models as GET /v1/models does.
func (p *Provider) catalogue() []map[string]any {
	data := []map[string]any{p.catalogueEntry(p.cfg.Model, p.cfg.Price)}
	for i, u := range p.cfg.Upstreams {
		entry := p.catalogueEntry(p.cfg.Model, u.Price)
		if entry["provider_identity"] = u.Identity; i == 0 {
			data = data[:0]
		}
		data = append(data, entry)
	}
	for _, id := range slices.Sorted(maps.Keys(p.cfg.Also)) {
		data = append(data, p.catalogueEntry(id, p.cfg.Also[id]))
	}
	return data
}

func (p *Provider) catalogueEntry(id string, price zg.Price) map[string]any {
	entry := map[string]any{
		"id": id, "object": "model", "created": 1767225600, "owned_by": "zgdevnet", "name": id, "type": string(p.cfg.Type),
		"description":   "A simulated model of the devnet",
		"verifiability": "TeeML", "tee_attested": p.signs(), "pricing": p.pricing(price),
	}
	switch {
	case p.cfg.Centralized != nil:
		entry["provider_type"], entry["provider_identity"] = "centralized", p.cfg.Centralized.Identity
	case p.cfg.Unsigned:
		entry["provider_type"] = "standard"
		delete(entry, "verifiability")
	}
	if p.cfg.Canonical != "" && id == p.cfg.Model {
		entry["canonical_id"] = p.cfg.Canonical
	}
	if p.cfg.Type == zg.Chatbot {
		entry["context_length"], entry["max_completion_tokens"] = p.cfg.ContextLength, p.cfg.MaxTokens
	}
	if !p.cfg.ModelExpiry.IsZero() {
		entry["expiration_date"] = p.cfg.ModelExpiry.UTC().Format("2006-01-02T15:04:05Z07:00")
	}
	if l := p.cfg.Limits; l.RequestsPerMinute > 0 || l.TokensPerMinute > 0 || l.ImagesPerMinute > 0 {
		limits := make(map[string]int)
		for name, v := range map[string]int{
			"requests_per_minute": l.RequestsPerMinute, "tokens_per_minute": l.TokensPerMinute, "images_per_minute": l.ImagesPerMinute,
		} {
			if v > 0 {
				limits[name] = v
			}
		}
		entry["rate_limits"] = limits
	}
	return entry
}

// pricing is a price in neuron, as decimal strings.
func (p *Provider) pricing(price zg.Price) map[string]any {
	if p.cfg.Type == zg.TextToImage || p.cfg.Type == zg.ImageEditing {
		return map[string]any{"prompt": "0", "completion": "0", "image": price.Output.String()}
	}
	if list, ok := p.listed(price); ok {
		return list
	}
	m := map[string]any{"prompt": price.Input.String(), "completion": price.Output.String()}
	if p.cfg.Type == zg.VideoGeneration {
		m["video"] = price.Output.String()
	}
	var tiers []map[string]any
	for _, t := range price.Tiers {
		tier := map[string]any{"max_input_tokens": t.MaxInputTokens, "input_multiplier": t.Input.Num, "output_multiplier": t.Output.Num}
		if t.Input.Den > 0 {
			tier["input_multiplier_denominator"] = t.Input.Den
		}
		if t.Output.Den > 0 {
			tier["output_multiplier_denominator"] = t.Output.Den
		}
		tiers = append(tiers, tier)
	}
	if tiers != nil {
		m["tiered_pricing"] = tiers
	}
	if c := price.Cache; c.Divisor > 0 {
		cache := map[string]any{"divisor": c.Divisor}
		if !c.Write.IsZero() {
			cache["write_multiplier_numerator"], cache["write_multiplier_denominator"] = c.Write.Num, max(1, c.Write.Den)
		}
		if !c.Write1h.IsZero() {
			cache["write_1h_multiplier_numerator"], cache["write_1h_multiplier_denominator"] = c.Write1h.Num, max(1, c.Write1h.Den)
		}
		m["cache_token_billing"] = cache
	}
	return m
}

// The layout of the quote: a header and a report, whose last field is what the enclave had quoted.
const (
	quoteHeader = 48
	quoteReport = 584
	quotedBytes = 64
)

// simulated is said in everything that looks like evidence.
const simulated = "This provider is simulated by zgdevnet. No hardware vouches for it and the quote carries no signature."

// quoteOf has the shape of hardware evidence and is none: nothing signed it.
func quoteOf(words []byte) string {
	raw := make([]byte, quoteHeader+quoteReport)
	binary.LittleEndian.PutUint16(raw[0:], 4)    // version
	binary.LittleEndian.PutUint16(raw[2:], 2)    // ECDSA over P-256
	binary.LittleEndian.PutUint32(raw[4:], 0x81) // TDX
	measured := sha512.Sum384([]byte("simulated, measured by nobody"))
	copy(raw[quoteHeader+136:], measured[:])
	copy(raw[len(raw)-quotedBytes:], words)
	return hex.EncodeToString(raw)
}

// quote is that of the provider's enclave. What it quotes is the signer's address as text.
func (p *Provider) quote() map[string]any {
	words := make([]byte, quotedBytes)
	copy(words, p.TEESigner().Hex())
	return map[string]any{
		"quote":       quoteOf(words),
		"report_data": base64.StdEncoding.EncodeToString(words),
		"event_log":   "[]",
		"vm_config":   "{}",
		"tcb_info":    map[string]any{},
		"simulated":   true,
		"note":        simulated,
	}
}

// serveModelReport tells of the model's own enclave, where it has one. What that quotes is the signer's address as
// bytes.
func (p *Provider) serveModelReport(w http.ResponseWriter) {
	if !p.separate() {
		writeError(w, http.StatusNotImplemented, "LLM attestation report is not available for this provider.")
		return
	}
	signer := p.Signer()
	writeJSON(w, http.StatusOK, map[string]any{
		"signing_address": signer.Hex(), "signing_algo": "ecdsa", "intel_quote": quoteOf(signer[:]), "quote": quoteOf(signer[:]),
		"event_log": "[]", "vm_config": "{}", "simulated": true, "note": simulated,
	})
}
