package route

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Reason says why no offer serves a request. It is a bounded set.
type Reason string

// The reasons.
const (
	Unknown    Reason = "unknown"     // no such model, or none of this type
	Ambiguous  Reason = "ambiguous"   // the name stands for several models
	NoModel    Reason = "no_model"    // none was named, and there are several
	NotAllowed Reason = "not_allowed" // who offers it may not be paid
	Suspended  Reason = "suspended"
	Unsigned   Reason = "unsigned"
	NoPin      Reason = "no_pin"       // the provider that was asked for does not offer it
	NoneOfType Reason = "none_of_type" // nobody who is allowed serves this type at all
)

// NoOffer is the error of Find: nothing was sent, and nothing could be.
type NoOffer struct { //nolint:errname // read as route.NoOffer
	Reason Reason
	Query  Query
	Offers []*Offer // those that would serve it but for the reason; of NoneOfType all of that type
	// Available are names that would be served, the most alike first. Of NoPin they are providers and endpoints that offer
	// the model, of Ambiguous the names of which one is meant. There are none of a NoneOfType.
	Available []string
	Elsewhere zg.ServiceType   // the type under which the name is known
	Types     []zg.ServiceType // those that somebody who is allowed serves; of NoneOfType only
	Meant     string           // what the model's name is an alias of, or empty
	AllowList int              // how many providers the owner allows to be paid
}

func (e *NoOffer) Error() string {
	return "no offer for model " + e.Query.Model + ": " + string(e.Reason)
}

// asked is what a query comes to once aliases and pins are read.
type asked struct {
	name  string // of the model; empty: the only one
	meant string // the alias's target, where it was one
	who   string // label of the provider or endpoint that is pinned; empty: anybody
	clash bool   // two different ones are pinned, or one that does not exist
}

// Find returns the offers that may serve a request, at least one and the cheapest first, or a *NoOffer. An unknown name
// finds nothing: five of them sent within five minutes would have the wallet banned by a provider for an hour. What is
// sent is the Model of the offer, whatever the name was by which it was found.
func (t *Table) Find(q Query) ([]*Offer, error) {
	q.Model = trimmed(q.Model)
	found, a, err := t.find(q)
	if err != nil {
		return nil, err
	}
	var out, suspended, unsigned []*Offer
	for _, o := range found {
		switch {
		case !o.Allowed:
		case o.Suspension != nil:
			suspended = append(suspended, o)
		case t.enforce && !o.Verifiable:
			unsigned = append(unsigned, o)
		default:
			if out == nil {
				out = make([]*Offer, 0, len(found))
			}
			out = append(out, o)
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	none := &NoOffer{Query: q, Meant: a.meant, AllowList: t.allowed}
	switch {
	case len(suspended) > 0:
		none.Reason, none.Offers = Suspended, suspended
	case len(unsigned) > 0:
		none.Reason, none.Offers = Unsigned, unsigned
	default:
		none.Reason, none.Offers = NotAllowed, found
	}
	return nil, none
}

// trimmed is a name without blanks at its ends. One of nothing but blanks stays as it is: it must not become no name, which
// stands for the only model there is.
func trimmed(name string) string {
	if short := strings.TrimSpace(name); short != "" {
		return short
	}
	return name
}

// find returns all offers of the model that is meant, whether they may be used or not, at least one. First it looks
// among the models that somebody who is allowed offers, so that others have no say in what a name means.
func (t *Table) find(q Query) ([]*Offer, asked, error) {
	ix := t.kinds[q.Type]
	if ix == nil {
		ix = &index{}
	}
	all := scope{now: t.clock(), enforce: t.enforce}
	a := t.read(q, ix, all.of(allowed))
	mine := all
	mine.who = a.who
	fail := func(e NoOffer) ([]*Offer, asked, error) {
		e.Query, e.Meant, e.AllowList = q, a.meant, t.allowed
		return nil, a, &e
	}
	if a.clash {
		for _, l := range []level{usable, known} {
			if found := ix.find(a.name, all.of(l)); len(found) > 0 {
				return fail(NoOffer{Reason: NoPin, Available: all.of(l).labels(found)})
			}
		}
		return fail(NoOffer{Reason: NoPin, Available: all.of(usable).labels(ix.groups)})
	}
	if a.name == "" {
		for _, l := range []level{usable, allowed} {
			switch only := mine.of(l).sold(ix.groups); {
			case len(only) == 1:
				return mine.of(known).offers(only), a, nil
			case len(only) > 1:
				return fail(NoOffer{Reason: NoModel, Available: ix.titles(only, "")})
			}
		}
		if a.who != "" {
			return fail(NoOffer{Reason: NoPin, Available: all.of(usable).labels(ix.groups)})
		}
		return fail(NoOffer{Reason: NoneOfType, Offers: all.of(known).offers(ix.groups), Types: t.served(all)})
	}
	for _, l := range []level{allowed, known} {
		found := ix.find(a.name, mine.of(l))
		switch {
		case len(found) == 1, len(found) > 1 && l == known: // where none may be used it does not matter which one was meant
			return mine.of(known).offers(found), a, nil
		case len(found) > 1:
			return fail(NoOffer{Reason: Ambiguous, Available: ix.titles(found, a.name)})
		}
	}
	if a.who != "" {
		for _, l := range []level{usable, known} {
			if found := ix.find(a.name, all.of(l)); len(found) > 0 {
				return fail(NoOffer{Reason: NoPin, Available: all.of(l).labels(found)})
			}
		}
	}
	e := NoOffer{Reason: Unknown, Elsewhere: t.elsewhere(a.name, q.Type, mine.of(known)), Available: ix.titles(keep(ix.groups, mine.of(usable).has), a.name)}
	if len(keep(ix.groups, all.of(allowed).has)) == 0 {
		e.Reason, e.Offers, e.Types = NoneOfType, all.of(known).offers(ix.groups), t.served(all)
	}
	return fail(e)
}

// read takes a query apart. Who is pinned by the name is looked for first: that is the owner's or the caller's own
// word, while names of models are the providers'. Only where an endpoint does not offer what follows its id, the whole
// is taken for a name. A name that somebody who is allowed has exactly so is never an alias.
func (t *Table) read(q Query, ix *index, among scope) asked {
	a := asked{name: q.Model}
	pinned := false
	if q.Pin != "" {
		if a.who, pinned = t.pin(q.Pin); !pinned {
			a.clash = true
		}
	}
	take := func(name string) bool {
		before, rest, cut := strings.Cut(name, "/")
		if !cut || rest == "" {
			return false
		}
		who, ok := t.pin(before)
		if !ok && common.IsHexAddress(before) { // no model is called that
			a.clash, a.name = true, rest
			return true
		}
		if !ok {
			return false
		}
		of := among
		of.who = who
		if !common.IsHexAddress(before) && len(ix.find(rest, of)) == 0 && len(ix.find(name, among)) > 0 {
			return false
		}
		a.clash = a.clash || (pinned && a.who != who)
		a.who, a.name = who, rest
		return true
	}
	if a.name == "" || take(a.name) || len(keep(ix.exact[a.name], among.has)) > 0 {
		return a
	}
	if target, ok := t.aliases[a.name]; ok && target != "" {
		a.meant = target
		if !take(target) {
			a.name = target
		}
	}
	return a
}

// pin is the label of the provider or endpoint that a word names.
func (t *Table) pin(word string) (label string, ok bool) {
	if common.IsHexAddress(word) {
		p := common.HexToAddress(word)
		return p.Hex(), t.providers[p]
	}
	id := strings.TrimPrefix(word, endpointPrefix)
	return endpointPrefix + id, t.endpoints[id]
}

// find returns the models of a scope that a name stands for: by exactly this name, or else as names are tolerated.
func (ix *index) find(name string, in scope) []*group {
	if found := keep(ix.exact[name], in.has); len(found) > 0 {
		return found
	}
	return ix.tolerant(name, in.has)
}

// level is how much is asked of an offer for it to count.
type level uint8

const (
	known   level = iota // it has not expired
	allowed              // and who offers it may be paid
	usable               // and nothing else is in the way
)

// scope is the offers that count for a search.
type scope struct {
	now     time.Time
	enforce bool
	who     string // label of the only one that counts; empty: all
	level   level
}

func (s scope) of(l level) scope {
	s.level = l
	return s
}

func (s scope) counts(o *Offer) bool {
	switch {
	case !o.live(s.now), s.who != "" && o.Label != s.who, s.level >= allowed && !o.Allowed:
		return false
	}
	return s.level < usable || o.Suspension == nil && (o.Verifiable || !s.enforce)
}

func (s scope) has(g *group) bool { return slices.ContainsFunc(g.offers, s.counts) }

func (s scope) offers(groups []*group) (out []*Offer) {
	for _, g := range groups {
		for _, o := range g.offers {
			if s.counts(o) {
				out = append(out, o)
			}
		}
	}
	return out
}

// labels are who offers these models, the cheapest first.
func (s scope) labels(groups []*group) (out []string) {
	for _, o := range s.offers(groups) {
		if !slices.Contains(out, o.Label) {
			out = append(out, o.Label)
		}
	}
	return out
}

// sold are the models of a scope that providers sell. An endpoint has no type, so nobody means it who names no model,
// unless there is nothing else or it was pinned.
func (s scope) sold(groups []*group) []*group {
	all := keep(groups, s.has)
	if sold := keep(all, func(g *group) bool {
		return slices.ContainsFunc(g.offers, func(o *Offer) bool { return o.Endpoint == "" && s.counts(o) })
	}); len(sold) > 0 {
		return sold
	}
	return all
}

// titles are names of the models, those most like a name first.
func (ix *index) titles(groups []*group, like string) []string {
	var out []string
	for _, g := range groups {
		out = append(out, ix.title(g))
	}
	slices.Sort(out)
	if like != "" {
		nearest(out, like)
	}
	return out
}

// served are the types that somebody serves, sorted.
func (t *Table) served(in scope) (out []zg.ServiceType) {
	for kind, ix := range t.kinds {
		if slices.ContainsFunc(ix.groups, in.of(usable).has) {
			out = append(out, kind)
		}
	}
	slices.Sort(out)
	return out
}

// elsewhere is another type under which a name is known, or empty.
func (t *Table) elsewhere(name string, but zg.ServiceType, in scope) zg.ServiceType {
	for _, kind := range slices.Sorted(maps.Keys(t.kinds)) {
		if kind != but && len(t.kinds[kind].find(name, in)) > 0 {
			return kind
		}
	}
	return ""
}
