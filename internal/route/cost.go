package route

import (
	"cmp"
	"slices"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// blend is one figure for what an offer charges, and for what: only offers that charge for the same are compared by it.
func blend(o *Offer) (zg.Neuron, zg.Measure) { return o.Price.Compared(o.Service.Type) }

// rank sets direct endpoints apart: what they charge is not known here, so they are not compared with providers. They
// come after them, or before them where the owner gave them a priority below zero. Last come providers whose price is
// for a unit that is not known: nothing is sent to them at such a price.
func rank(o *Offer) int {
	switch {
	case o.Endpoint == "":
		if _, m := blend(o); m == zg.MeasureUnknown {
			return 3
		}
		return 1
	case o.Priority < 0:
		return 0
	}
	return 2
}

// choose takes one of several offers by the policy.
func (b *Board) choose(can []candidate, now time.Time) candidate {
	if b.cfg.Policy == Priority {
		best := can[0]
		for _, c := range can[1:] {
			if before(c.offer, best.offer) {
				best = c
			}
		}
		return best
	}
	can = foremost(can)
	if len(can) == 1 {
		return can[0]
	}
	if b.cfg.Policy == Price {
		return cheapest(can, now)[0]
	}
	// The better one of two, not the best of all: else everybody would go to the one that was quick last.
	i := b.cfg.Rand(len(can))
	j := b.cfg.Rand(len(can) - 1)
	if j >= i {
		j++
	}
	x, y := can[i].record.view(now), can[j].record.view(now)
	if cmp.Or(cmp.Compare(b.cost(can[j].offer, y, leastPrice(can, can[j].offer)), b.cost(can[i].offer, x, leastPrice(can, can[i].offer))), y.inFlight-x.inFlight) < 0 {
		return can[j]
	}
	return can[i]
}

// before is the owner's order; of equals, a provider comes before an endpoint.
func before(x, y *Offer) bool { return cmp.Or(x.Priority-y.Priority, rank(x)-rank(y)) < 0 }

// foremost keeps the candidates of the lowest rank, in place.
func foremost(can []candidate) []candidate {
	low := rank(can[0].offer)
	for _, c := range can[1:] {
		low = min(low, rank(c.offer))
	}
	out := can[:0]
	for _, c := range can {
		if rank(c.offer) == low {
			out = append(out, c)
		}
	}
	return out
}

// cheapest are the candidates with the lowest price for each measure that there is among them. Prices for different
// measures are not compared: the quicker one comes first.
func cheapest(can []candidate, now time.Time) []candidate {
	type leader struct {
		candidate
		price   zg.Neuron
		measure zg.Measure
		view    view
	}
	var leaders []leader
	for _, c := range can {
		l := leader{candidate: c, view: c.record.view(now)}
		l.price, l.measure = blend(c.offer)
		i := slices.IndexFunc(leaders, func(x leader) bool { return x.measure == l.measure })
		switch {
		case i < 0:
			leaders = append(leaders, l)
		case cmp.Or(l.price.Cmp(leaders[i].price), quicker(l.view, leaders[i].view)) < 0:
			leaders[i] = l
		}
	}
	slices.SortStableFunc(leaders, func(x, y leader) int { return quicker(x.view, y.view) })
	out := make([]candidate, len(leaders))
	for i, l := range leaders {
		out[i] = l.candidate
	}
	return out
}

func quicker(x, y view) int { return cmp.Or(cmp.Compare(x.speed, y.speed), x.inFlight-y.inFlight) }

// leastPrice is what the price of an offer is compared with: the lowest there is for the same measure, or where
// somebody takes nothing a sixteenth of the lowest that is something; 0: nobody takes anything.
func leastPrice(can []candidate, o *Offer) (least float64) {
	_, measure := blend(o)
	free := false
	for _, c := range can {
		price, m := blend(c.offer)
		if m != measure || rank(c.offer) != rank(o) {
			continue
		}
		p := price.Float()
		free = free || p == 0
		if p > 0 && (least == 0 || p < least) {
			least = p
		}
	}
	if free {
		least /= 16
	}
	return least
}

const (
	ownTime       = .2 // seconds that every answer is reckoned to take besides, so that small differences do not matter much
	crowd         = 16 // so many requests under way double the cost
	leastSuccess  = .05
	unfundedTimes = 4
	doubtedTimes  = 4
)

// cost is what the policy compares, less is better. Prices are only compared here, never paid, so they may be inexact.
func (b *Board) cost(o *Offer, v view, least float64) float64 {
	switch b.cfg.Policy {
	case Priority:
		return float64(o.Priority)
	case Price:
		price, _ := blend(o)
		return price.Float() / zg.OneOG.Float()
	case Latency:
		return v.speed
	case Balanced:
	}
	c := 1.0
	if price, _ := blend(o); !price.IsZero() && least > 0 {
		c = price.Float() / least
	}
	ok := max(v.success, leastSuccess)
	c *= (v.speed + ownTime) / ownTime * (1 + float64(v.inFlight)/crowd) / (ok * ok)
	if b.unfunded(o) {
		c *= unfundedTimes
	}
	return c * (1 + (doubtedTimes-1)*v.doubt)
}

// unfunded reports whether the provider would turn us away for want of money.
func (b *Board) unfunded(o *Offer) bool {
	return o.Endpoint == "" && b.cfg.Funded != nil && !b.cfg.Funded(o.Service.Provider)
}
