package proxy

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Offer is one model of one provider: what a request can be sent to.
type Offer struct {
	Service       zg.Service
	Model         string // the provider's own id for it, the only one that is ever sent
	Price         zg.Price
	ContextLength uint64 // tokens; 0: not known
	MaxTokens     uint64 // most output tokens of one answer; 0: not known
	Allowed       bool   // the owner consents to pay this provider
	Block         uint64 // of the chain, at which the service was read
	Signed        bool   // somebody's signature over its answers counts
	suspension    *zg.Suspension
	label         string // provider address for metrics and logs
}

// Routes is an immutable table from model names to offers. It is rebuilt when the directory or a catalogue changes and
// swapped in atomically, so that choosing an offer takes no lock and no call.
type Routes struct {
	byName  map[routeKey][]*Offer // best first
	offers  []*Offer              // all, by model name and price
	allowed int                   // providers on the allow-list
	enforce bool
}

// RouteOptions are the owner's decisions about providers.
type RouteOptions struct {
	Allowed   []common.Address
	Suspended map[common.Address]zg.Suspension // they get no requests until the owner accepts them
	Enforce   bool                             // providers that sign nothing get none either
}

type routeKey struct {
	kind zg.ServiceType
	name string
}

// BuildRoutes joins the on-chain directory with what providers say they serve.
//
// The chain decides who exists and what the most is that a provider may charge; a catalogue can only add model names to
// a multi-model provider, lower its prices, and tell limits. Services whose signer nobody vouches for are left out:
// their providers refuse every request. Those of a suspended provider stay, so that callers learn about it.
func BuildRoutes(dir *zg.Directory, catalogs map[common.Address]zg.Catalog, opt RouteOptions) *Routes {
	r := &Routes{byName: map[routeKey][]*Offer{}, allowed: len(opt.Allowed), enforce: opt.Enforce}
	for _, svc := range dir.Services {
		suspension, suspended := opt.Suspended[svc.Provider]
		if (!svc.TEESignerAcknowledged && !suspended) || svc.URL == "" {
			continue
		}
		_, signed := svc.Signer()
		for _, o := range offersOf(svc, catalogs[svc.Provider].Models) {
			o.Allowed = slices.Contains(opt.Allowed, svc.Provider)
			o.Block, o.Signed = dir.Block, signed
			if suspended {
				o.suspension = &suspension
			}
			o.label = svc.Provider.Hex()
			r.offers = append(r.offers, o)
		}
	}
	slices.SortStableFunc(r.offers, func(a, b *Offer) int {
		if c := strings.Compare(a.Model, b.Model); c != 0 {
			return c
		}
		if c := a.Price.Output.Add(a.Price.Input).Cmp(b.Price.Output.Add(b.Price.Input)); c != 0 {
			return c
		}
		return bytes.Compare(a.Service.Provider[:], b.Service.Provider[:])
	})
	for _, o := range r.offers {
		k := routeKey{o.Service.Type, o.Model}
		r.byName[k] = append(r.byName[k], o)
	}
	return r
}

func offersOf(svc zg.Service, catalog []zg.Model) []*Offer {
	single := &Offer{Service: svc, Model: svc.Model, Price: svc.Price()}
	var out []*Offer
	for _, m := range catalog {
		if !usableName(m.ID) || (m.Type != "" && m.Type != svc.Type) {
			continue
		}
		if m.ID == svc.Model {
			single.ContextLength, single.MaxTokens = m.ContextLength, m.MaxCompletionTokens
			if m.Priced {
				single.Price = capped(m.Price, svc.Price())
			}
			continue
		}
		if svc.Info.MultiModel {
			o := &Offer{Service: svc, Model: m.ID, Price: svc.Price(), ContextLength: m.ContextLength, MaxTokens: m.MaxCompletionTokens}
			if m.Priced {
				o.Price = capped(m.Price, svc.Price())
			}
			out = append(out, o)
		}
	}
	if usableName(single.Model) {
		out = append(out, single)
	}
	return out
}

// capped is the catalogue's price, nowhere above the chain's: a provider cannot be owed more than it put on chain.
func capped(live, chain zg.Price) zg.Price {
	in, out := chain.Ceiling()
	live.Input, live.Output = live.Input.Min(in), live.Output.Min(out)
	if liveIn, liveOut := live.Ceiling(); in.Less(liveIn) || out.Less(liveOut) {
		return chain // its multipliers lead above what was put on chain
	}
	return live
}

// usableName keeps names out of the table that could not be a model's: they come from peers and go into logs and metrics.
func usableName(s string) bool {
	return s != "" && len(s) <= 200 && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// Choose returns the best offer for a model that callers asked for by exactly this name. An unknown name never leaves
// the process: five of them within five minutes would have the wallet banned by the provider for an hour.
func (r *Routes) Choose(kind zg.ServiceType, model string) (*Offer, error) {
	found := r.byName[routeKey{kind, model}]
	var suspended, unsigned *Offer
	for _, o := range found {
		switch {
		case !o.Allowed:
		case o.suspension != nil:
			suspended = cmp.Or(suspended, o)
		case r.enforce && !o.Signed:
			unsigned = cmp.Or(unsigned, o)
		default:
			return o, nil
		}
	}
	switch {
	case suspended != nil:
		return nil, errSuspended(suspended)
	case unsigned != nil:
		return nil, errUnsigned(unsigned)
	case len(found) > 0:
		return nil, r.errNotAllowed(model, found)
	}
	return nil, r.errUnknown(kind, model)
}

func errSuspended(o *Offer) *APIError {
	s := o.suspension
	e := &APIError{
		Status: http.StatusServiceUnavailable, Type: typeServer, Code: "provider_suspended", Param: "model",
		Message: fmt.Sprintf("Provider %s gets no requests since %s: %s", o.label, s.At.UTC().Format(time.RFC3339), strings.TrimSuffix(s.Reason, ".")),
	}
	if s.RequestID != "" {
		e.Message += " (" + s.RequestID + ")"
	}
	e.Message += fmt.Sprintf(". Nothing was sent and nothing spent. If you trust it as it is now: zgproxy provider accept %s. "+
		"Or use the model of another provider.", o.label)
	return e
}

func errUnsigned(o *Offer) *APIError {
	return &APIError{
		Status: http.StatusForbidden, Type: typePermit, Code: "provider_unsigned", Param: "model",
		Message: fmt.Sprintf("Provider %s signs no answers, so nothing it answers can be verified, and ZGPROXY_VERIFY=enforce gives no such "+
			"answer to anybody. Nothing was sent and nothing spent. Use a provider that signs (GET /v1/models shows signed), or set ZGPROXY_VERIFY=observe.", o.label),
	}
}

// Only returns the offer to use when the caller named no model: there must be exactly one model to choose from.
func (r *Routes) Only(kind zg.ServiceType) (*Offer, error) {
	names := map[string]bool{}
	for k, offers := range r.byName {
		if k.kind == kind && slices.ContainsFunc(offers, func(o *Offer) bool { return o.Allowed }) {
			names[k.name] = true
		}
	}
	if len(names) != 1 {
		return nil, errNoModel()
	}
	for name := range names {
		return r.Choose(kind, name)
	}
	return nil, errNoModel()
}

func (r *Routes) errNotAllowed(model string, found []*Offer) *APIError {
	var who []string
	for _, o := range found[:min(len(found), 3)] {
		who = append(who, o.label)
	}
	e := &APIError{
		Status: http.StatusForbidden, Type: typePermit, Code: "provider_not_allowed", Param: "model",
		Message: fmt.Sprintf("The model `%s` is offered by %s, which you have not allowed to be paid. "+
			"Add the provider to ZGPROXY_PROVIDERS (or serve --provider ADDRESS) and restart.", model, strings.Join(who, ", ")),
	}
	if r.allowed == 0 {
		e.Code = "no_provider_allowed"
		e.Message = fmt.Sprintf("No provider is allowed to be paid yet. Set ZGPROXY_PROVIDERS to the addresses you consent to pay "+
			"(or serve --provider ADDRESS) and restart. The model `%s` is offered by %s.", model, strings.Join(who, ", "))
	}
	return e
}

func (r *Routes) errUnknown(kind zg.ServiceType, model string) *APIError {
	names := map[string]bool{}
	elsewhere := ""
	for k, offers := range r.byName {
		switch {
		case k.kind == kind && offers[0].Allowed:
			names[k.name] = true
		case k.name == model:
			elsewhere = fmt.Sprintf(" It is a %s model, which this URL does not serve.", k.kind)
		}
	}
	hint := fmt.Sprintf(" No allowed provider offers a %s model.", kind)
	if list := slices.Sorted(maps.Keys(names)); len(list) > 0 {
		hint = " Available here: " + strings.Join(list[:min(len(list), 10)], ", ") + "."
	}
	return &APIError{
		Status: http.StatusNotFound, Type: typeRequest, Code: "model_not_found", Param: "model",
		Message: fmt.Sprintf("The model `%.200s` does not exist or you do not have access to it.%s%s", model, elsewhere, hint),
	}
}
