package route

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Table is an immutable table from model names to offers. It is rebuilt when the directory or a catalogue changes and
// swapped in atomically, so that looking a name up takes no lock and no call. The zero value knows nothing.
type Table struct {
	kinds     map[zg.ServiceType]*index
	offers    []*Offer // all, by model name and price
	aliases   map[string]string
	providers map[common.Address]bool // on chain or on the allow-list: who can be pinned
	endpoints map[string]bool         // who can be pinned, by id
	allowed   int                     // providers on the allow-list
	enforce   bool
	now       func() time.Time
}

// endpointTypes are what a direct endpoint may be asked for: it has no type on chain.
var endpointTypes = [...]zg.ServiceType{zg.Chatbot, zg.Embedding, zg.TextToImage, zg.ImageEditing, zg.SpeechToText, zg.AudioGeneration}

// Build joins the on-chain directory with what providers say they serve, and with the owner's direct endpoints.
//
// The chain decides who exists and what the most is that a provider may charge; a catalogue can only add model names to
// a multi-model provider, lower its prices, and tell limits. Services whose signer nobody vouches for are left out:
// their providers refuse every request. Those of a suspended provider stay, so that callers learn about it. Endpoints
// sign nothing, so there are none where that is required.
func Build(dir *zg.Directory, catalogs map[common.Address]zg.Catalog, opt Options) *Table {
	t := &Table{
		aliases: opt.Aliases, providers: map[common.Address]bool{}, endpoints: map[string]bool{},
		allowed: len(opt.Allowed), enforce: opt.Enforce, now: opt.Now,
	}
	for _, p := range opt.Allowed {
		t.providers[p] = true
	}
	for _, svc := range dir.Services {
		t.providers[svc.Provider] = true
		suspension, suspended := opt.Suspended[svc.Provider]
		if (!svc.TEESignerAcknowledged && !suspended) || svc.URL == "" {
			continue
		}
		_, signed := svc.Signer()
		place := slices.Index(opt.Allowed, svc.Provider)
		for _, o := range offersOf(svc, catalogs[svc.Provider].Models) {
			o.Allowed, o.Priority = place >= 0, place
			if place < 0 {
				o.Priority = len(opt.Allowed)
			}
			o.Block, o.Signed, o.Verifiable = dir.Block, signed, svc.Verifiable()
			if suspended {
				o.Suspension = &suspension
			}
			o.Label = svc.Provider.Hex()
			t.offers = append(t.offers, o)
		}
	}
	all := slices.Clone(t.offers)
	if !opt.Enforce {
		for _, e := range opt.Endpoints {
			t.endpoints[e.ID] = true
			for _, o := range offersAt(e) {
				if all = append(all, o); o.Service.Type == endpointTypes[0] {
					t.offers = append(t.offers, o)
				}
			}
		}
	}
	slices.SortStableFunc(t.offers, func(a, b *Offer) int {
		return cmp.Or(strings.Compare(a.Model, b.Model), byPrice(a, b))
	})
	t.kinds = indexes(all)
	return t
}

// byPrice is the order in which offers of the same model are listed: by what they are and what their prices are for,
// and only then by price.
func byPrice(a, b *Offer) int {
	priceA, forA := listed(a)
	priceB, forB := listed(b)
	return cmp.Or(
		strings.Compare(string(a.Service.Type), string(b.Service.Type)), cmp.Compare(rank(a)/3, rank(b)/3), strings.Compare(string(forA), string(forB)), priceA.Cmp(priceB),
		bytes.Compare(a.Service.Provider[:], b.Service.Provider[:]), strings.Compare(a.Label, b.Label), strings.Compare(a.Model, b.Model),
	)
}

func listed(o *Offer) (zg.Neuron, zg.Measure) {
	if price, measure := blend(o); o.Service.Type == zg.VideoGeneration {
		return price, measure
	}
	return o.Price.Output.Add(o.Price.Input), ""
}

func offersOf(svc zg.Service, catalog []zg.Model) []*Offer {
	chain := svc.Price()
	if chain.Highest = svc.Info.MultiModel; chain.Highest && svc.Type == zg.VideoGeneration {
		chain.Unit = unreadUnit // a token, a second or a clip: only the catalogue says
	}
	single := &Offer{Service: svc, Model: svc.Model, Price: chain}
	var out []*Offer
	for _, m := range catalog {
		if !usableName(m.ID) || (m.Type != "" && m.Type != svc.Type) {
			continue
		}
		o := single
		if m.ID != svc.Model {
			if !svc.Info.MultiModel {
				continue
			}
			o = &Offer{Service: svc, Model: m.ID, Price: chain}
			out = append(out, o)
		}
		o.ContextLength, o.MaxTokens, o.Limits, o.ExpiresAt = m.ContextLength, m.MaxCompletionTokens, m.Limits, m.ExpiresAt
		if usableName(m.CanonicalID) {
			o.Canonical = m.CanonicalID
		}
		if m.Priced {
			o.Price = capped(svc, m.Price, chain)
		}
	}
	if usableName(single.Model) {
		out = append(out, single)
	}
	return out
}

// offersAt are the offers of a direct endpoint: each of its models, for every type that it may be asked for.
func offersAt(e Endpoint) []*Offer {
	var out []*Offer
	for _, m := range slices.Compact(slices.Sorted(slices.Values(e.Models))) {
		if !usableName(m) {
			continue
		}
		for _, kind := range endpointTypes {
			out = append(out, &Offer{
				Service: zg.Service{Type: kind, URL: e.URL, Model: m}, Model: m, Allowed: true, Endpoint: e.ID, Label: endpointPrefix + e.ID, Priority: e.Priority,
			})
		}
	}
	return out
}

// endpointPrefix sets the labels of endpoints apart from those of providers.
const endpointPrefix = "endpoint:"

// unreadUnit stands for the unit of a video's price that only a catalogue names, which could not be read.
const unreadUnit zg.Unit = "unread"

// chainLag is how far the catalogue of a provider with prices in dollars may lie above the chain. It bills what those
// are worth at that moment, says so in the catalogue, and writes it to the chain from time to time only: recorded at
// the chain's price, its fees would be too low, and the rest of them would be drift. An exchange rate that doubles in
// between is none.
const chainLag = 2

// capped is the catalogue's price, nowhere above the chain's: a provider cannot be owed more than it put on chain. A
// video's is left as it is: on chain stands the price of one unit, and what is billed for a second or a clip is many of
// them.
func capped(svc zg.Service, live, chain zg.Price) zg.Price {
	if live.Floating = svc.Info.Dollars; svc.Type == zg.VideoGeneration {
		return live
	}
	in, out := chain.Ceiling()
	if svc.Info.Dollars {
		if liveIn, liveOut := live.Ceiling(); !in.Mul(chainLag).Less(liveIn) && !out.Mul(chainLag).Less(liveOut) {
			return live
		}
	}
	live.Input, live.Output = live.Input.Min(in), live.Output.Min(out)
	if liveIn, liveOut := live.Ceiling(); in.Less(liveIn) || out.Less(liveOut) {
		return chain // its multipliers lead above what was put on chain
	}
	return live
}

// usableName keeps names out of the table that could not be a model's: they come from peers and go into logs and
// metrics.
func usableName(s string) bool {
	return zg.Name(s, 200) != ""
}

// Offers are all offers, sorted by model name and price; one of a direct endpoint is in it once, as a chatbot's. Do not
// change them.
func (t *Table) Offers() []*Offer { return t.offers }

// AllowList is how many providers the owner allows to be paid.
func (t *Table) AllowList() int { return t.allowed }

// clock is the time that offers expire by.
func (t *Table) clock() time.Time {
	if t.now != nil {
		return t.now()
	}
	return time.Now()
}

// live reports whether an offer has not expired.
func (o *Offer) live(now time.Time) bool { return o.ExpiresAt.IsZero() || now.Before(o.ExpiresAt) }
