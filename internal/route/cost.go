package route

import (
	"cmp"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// blend is one figure for what an offer charges, to compare offers of the same type by: three input tokens for each output
// token, or the unit that is billed.
func blend(o *Offer) zg.Neuron {
	switch o.Service.Type {
	case zg.TextToImage, zg.ImageEditing, zg.AudioGeneration, zg.VideoGeneration:
		return o.Price.Output
	case zg.Embedding:
		return o.Price.Input
	case zg.Chatbot, zg.Decisions, zg.SpeechToText:
	}
	return o.Price.Input.Mul(3).Add(o.Price.Output)
}

// rank sets direct endpoints apart: what they charge is not known here, so they are not compared with providers. They come
// after them, or before them where the owner gave them a priority below zero.
func rank(o *Offer) int {
	switch {
	case o.Endpoint == "":
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
		best, seen := can[0], can[0].record.view(now)
		for _, c := range can[1:] {
			v := c.record.view(now)
			if cmp.Or(blend(c.offer).Cmp(blend(best.offer)), cmp.Compare(v.speed, seen.speed), v.inFlight-seen.inFlight) < 0 {
				best, seen = c, v
			}
		}
		return best
	}
	// The better one of two, not the best of all: else everybody would go to the one that was quick last.
	i := b.cfg.Rand(len(can))
	j := b.cfg.Rand(len(can) - 1)
	if j >= i {
		j++
	}
	x, y := can[i].record.view(now), can[j].record.view(now)
	least := leastPrice(can)
	if cmp.Or(cmp.Compare(b.cost(can[j].offer, y, least), b.cost(can[i].offer, x, least)), y.inFlight-x.inFlight) < 0 {
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

// leastPrice is what a price is compared with: the lowest there is, or where somebody takes nothing a sixteenth of the
// lowest that is something; 0: nobody takes anything.
func leastPrice(can []candidate) (least float64) {
	free := false
	for _, c := range can {
		p := blend(c.offer).Float()
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
		return blend(o).Float() / zg.OneOG.Float()
	case Latency:
		return v.speed
	case Balanced:
	}
	c := 1.0
	if p := blend(o).Float(); p > 0 && least > 0 {
		c = p / least
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
