package billing

import (
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// demandFor is how long a request counts as waiting that was refused because the sub-account holds too little for it:
// as long as a top-up takes, with some room for a caller who comes back late.
const demandFor = 5 * time.Minute

// Ask is what a provider wants to find in the sub-account for a request, beyond what is unsettled and its reserve, as
// far as that can be told before it is asked. Providers set the cost aside of what they make as a job or by the second:
// videos and generated audio. For all else they ask nothing.
func Ask(t zg.ServiceType, p zg.Price, b BoundInput) zg.Neuron {
	switch t {
	case zg.VideoGeneration:
		return Bound(t, p, b)
	case zg.AudioGeneration:
		_, out := p.Ceiling()
		return Bound(t, p, b).Min(out.Mul(reservedSeconds))
	case zg.Chatbot, zg.Decisions, zg.Embedding, zg.TextToImage, zg.ImageEditing, zg.SpeechToText:
	}
	return zg.Neuron{}
}

// Shortfall is a provider's refusal because of the sub-account, with the request that it was about.
type Shortfall struct {
	Type   zg.ServiceType
	Bound  zg.Neuron        // the most the request can cost, with which it was admitted
	Detail zg.RefusalDetail // what the provider said
}

// fee is what the provider wants for the request itself. A peer's number is never above our own evidence.
func (s *Shortfall) fee() zg.Neuron {
	claimed := s.Detail.RequestFee
	if claimed.IsZero() { // not said apart from the whole
		claimed = s.Detail.Required.Sub(s.Detail.Reserve).Sub(s.Detail.Unsettled)
	}
	if claimed.IsZero() {
		return claimed
	}
	return claimed.Add(zg.RefusalRounding).Min(s.Bound)
}

// demands are the requests that the sub-accounts hold too little for. They are in memory only: after a restart their
// callers ask again. They move nothing by themselves; what the keeper moves because of them is held to the same limits
// as any top-up.
type demands struct {
	mu    sync.Mutex
	live  map[demandOf]demand
	asked map[common.Address]time.Time // since when the keeper is to look what can be done
}

// demandOf is whose demand it is: one provider may serve several kinds, whose costs have nothing to do with each other.
type demandOf struct {
	provider common.Address
	kind     zg.ServiceType
}

type demand struct {
	fee   zg.Neuron
	until time.Time
}

func newDemands() *demands {
	return &demands{live: make(map[demandOf]demand), asked: make(map[common.Address]time.Time)}
}

// want takes note that a request needs so much of its own, at most its bound. Where less was wanted before, it is the
// bound: otherwise a provider that names a little more each time would be followed step by step.
func (d *demands) want(p common.Address, t zg.ServiceType, fee, bound zg.Neuron, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := demandOf{p, t}
	fee = fee.Min(bound)
	before, ok := d.live[key]
	ok = ok && now.Before(before.until)
	switch {
	case !ok:
	case before.fee.Less(fee):
		fee = bound
	default:
		fee = before.fee
	}
	if !ok || before.fee.Less(fee) {
		d.asked[p] = now
	}
	d.live[key] = demand{fee, now.Add(demandFor)}
}

// of is what a provider wants for requests of a kind, of those that wait.
func (d *demands) of(p common.Address, t zg.ServiceType, now time.Time) (zg.Neuron, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w, ok := d.live[demandOf{p, t}]
	return w.fee, ok && now.Before(w.until)
}

// most is the largest demand with a provider; zero: there is none.
func (d *demands) most(p common.Address, now time.Time) (fee zg.Neuron, kind zg.ServiceType) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, w := range d.live {
		if !now.Before(w.until) {
			delete(d.live, key)
			continue
		}
		if key.provider == p && fee.Less(w.fee) {
			fee, kind = w.fee, key.kind
		}
	}
	return fee, kind
}

// served ends a demand: a request that may cost as much was served.
func (d *demands) served(p common.Address, t zg.ServiceType, bound zg.Neuron) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := demandOf{p, t}
	if w, ok := d.live[key]; ok && !bound.Less(w.fee) {
		delete(d.live, key)
	}
}

// ask wants the keeper to look what can be done about a sub-account. Asking again and again makes it no newer a
// question, so that what the keeper found is an answer; unless something has changed.
func (d *demands) ask(p common.Address, changed bool, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if changed || now.Sub(d.asked[p]) >= demandFor {
		d.asked[p] = now
	}
}

// unanswered reports that the keeper has not looked since it was asked.
func (d *demands) unanswered(p common.Address, readAt time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return readAt.Before(d.asked[p])
}
