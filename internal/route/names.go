package route

import (
	"cmp"
	"slices"
	"strings"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// group is one model: the offers that are meant by the same names.
type group struct {
	canonical string   // the id that its providers share, or empty
	ids       []string // the providers' own ids, sorted
	offers    []*Offer // by price
}

// index finds the models of one service type by their names.
type index struct {
	groups []*group
	exact  map[string][]*group // by own and canonical ids
	folded map[string][]*group // by the same in lower case
	bare   map[string][]*group // by the same in lower case and without the vendor, where they have one
}

// indexes groups offers by type and model. The same canonical id means the same model. An offer without one belongs to
// the model that has its id as canonical id, or as the id of another offer where those agree; else its own id stands
// for it.
func indexes(offers []*Offer) map[zg.ServiceType]*index {
	type name struct {
		kind zg.ServiceType
		name string
	}
	models := map[name]*group{}
	known := map[name][]string{} // an own id → the canonical ids that offers say it stands for
	for _, o := range offers {
		if n := (name{o.Service.Type, o.Model}); o.Canonical != "" && !slices.Contains(known[n], o.Canonical) {
			known[n] = append(known[n], o.Canonical)
		}
	}
	canonical := map[name]bool{}
	for n, ids := range known {
		for _, id := range ids {
			canonical[name{n.kind, id}] = true
		}
	}
	out := map[zg.ServiceType]*index{}
	for _, o := range offers {
		n, shared := name{o.Service.Type, o.Canonical}, true
		if o.Canonical == "" {
			n.name = o.Model
			if same := known[n]; !canonical[n] && len(same) == 1 {
				n.name = same[0]
			}
			shared = canonical[n]
		}
		g := models[n]
		if g == nil {
			g = &group{}
			if shared {
				g.canonical = n.name
			}
			models[n] = g
			ix := out[n.kind]
			if ix == nil {
				ix = &index{exact: map[string][]*group{}, folded: map[string][]*group{}, bare: map[string][]*group{}}
				out[n.kind] = ix
			}
			ix.groups = append(ix.groups, g)
		}
		g.offers = append(g.offers, o)
		if !slices.Contains(g.ids, o.Model) {
			g.ids = append(g.ids, o.Model)
		}
	}
	for _, ix := range out {
		for _, g := range ix.groups {
			slices.Sort(g.ids)
			slices.SortStableFunc(g.offers, byPrice)
			for _, id := range g.names() {
				id = trimmed(id) // as callers' names are; what is sent stays the provider's own
				low := strings.ToLower(id)
				enter(ix.exact, id, g)
				enter(ix.folded, low, g)
				if vendor, rest, _ := strings.Cut(low, "/"); vendor != "" && rest != "" {
					enter(ix.bare, rest, g)
				}
			}
		}
		slices.SortFunc(ix.groups, func(a, b *group) int {
			return cmp.Or(strings.Compare(a.ids[0], b.ids[0]), strings.Compare(a.canonical, b.canonical))
		})
	}
	return out
}

func enter(m map[string][]*group, name string, g *group) {
	if !slices.Contains(m[name], g) {
		m[name] = append(m[name], g)
	}
}

// names are all the names of a model.
func (g *group) names() []string {
	if g.canonical == "" || slices.Contains(g.ids, g.canonical) {
		return g.ids
	}
	return append(slices.Clone(g.ids), g.canonical)
}

// title is a name that stands for this model alone: a provider's own where that does.
func (ix *index) title(g *group) string {
	for _, id := range g.ids {
		if len(ix.exact[id]) == 1 {
			return id
		}
	}
	return cmp.Or(g.canonical, g.ids[0])
}

// tolerant finds the models that a name stands for when spelling is not taken seriously: first whatever the case, then
// with or without a vendor before it. More than one is for the caller to refuse. ok says which models count.
func (ix *index) tolerant(name string, ok func(*group) bool) []*group {
	low := strings.ToLower(name)
	if found := keep(ix.folded[low], ok); len(found) > 0 {
		return found
	}
	found := keep(ix.bare[low], ok)
	if vendor, rest, _ := strings.Cut(low, "/"); vendor != "" && rest != "" {
		for _, g := range keep(ix.folded[rest], ok) {
			// One that is known by another vendor's name is not what was asked for.
			if !slices.Contains(ix.bare[rest], g) && !slices.Contains(found, g) {
				found = append(found, g)
			}
		}
	}
	return found
}

func keep(groups []*group, ok func(*group) bool) []*group {
	var out []*group
	for _, g := range groups {
		if ok(g) {
			out = append(out, g)
		}
	}
	return out
}

// nearest sorts names by how like another name they are, and then by the alphabet.
func nearest(names []string, to string) {
	distance := make(map[string]int, len(names))
	for _, n := range names {
		distance[n] = min(edits(n, to), edits(withoutVendor(n), withoutVendor(to)))
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(distance[a]-distance[b], strings.Compare(a, b)) })
}

func withoutVendor(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// edits is how many letters have to be put in, taken out or changed to make one name of the other, whatever their case.
// Only the first 64 letters count: names come from callers too.
func edits(a, b string) int {
	short := func(s string) []rune {
		r := []rune(strings.ToLower(s[:min(len(s), 256)]))
		return r[:min(len(r), 64)]
	}
	x, y := short(a), short(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j := range y {
			change := diagonal
			if x[i] != y[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(y)]
}
