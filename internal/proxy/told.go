package proxy

import (
	"net/http"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// What generated sound says of itself in its header.
const (
	toldFee     = "X-0g-Fee"                    // neuron that are charged for it
	toldSeconds = "X-0g-Audio-Duration-Seconds" // for how long a piece
)

// audioOutcome fills in what the header of generated sound says it is billed for, and how much that is.
func audioOutcome(out *billing.Outcome, h http.Header) {
	out.Usage, out.Told = audioUsage(h), billing.ReadToldFee(h[toldFee])
}

// audioUsage is how many seconds the header says: one figure, or none.
func audioUsage(h http.Header) zg.Usage {
	v := h[toldSeconds]
	if len(v) != 1 {
		return zg.Usage{}
	}
	f := zg.ReadFigure([]byte(v[0]))
	if !f.Told() || f.Bad() {
		return zg.Usage{}
	}
	return zg.Usage{Seen: true, BySeconds: true, Seconds: f.Float()}
}
