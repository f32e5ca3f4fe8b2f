package proxy

import (
	"net/http"
	"strings"
)

// providerHeader says who answered. In a request it says who is to answer: a provider's address, or the id of an
// endpoint.
const providerHeader = "X-Zgproxy-Provider"

// What an answer cost is told in its header where that is known in time, else in a trailer.
const (
	feeNeuron = "X-Zgproxy-Fee-Neuron" // decimal integer
	feeBasis  = "X-Zgproxy-Fee-Basis"  // exact, estimated, free or unpaid
)

var (
	feeTrailer  = []string{feeNeuron + ", " + feeBasis}
	bothTrailer = []string{feeNeuron + ", " + feeBasis + ", " + verdictHeader + ", " + verdictCode}
)

// tellFee puts what was recorded among the headers, which after the body are the trailers.
func (c *call) tellFee() {
	h := c.w.Header()
	v := [...]string{c.fee, string(c.booking.Basis)}
	h[feeNeuron], h[feeBasis] = v[:1:1], v[1:]
}

// takesTrailers reports that the caller reads what follows a body: "TE: trailers", and a version of HTTP that has them.
func takesTrailers(r *http.Request) bool {
	if !r.ProtoAtLeast(1, 1) {
		return false
	}
	for _, v := range r.Header["Te"] {
		for coding := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(coding), "trailers") {
				return true
			}
		}
	}
	return false
}
