package route

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Health is how an offer is doing, for people and for GET /v1/models.
type Health struct {
	State       string                `json:"state"` // "ok", "untried", "down", "paced" or "paused"
	Until       *time.Time            `json:"until,omitempty"`
	SuccessRate float64               `json:"success_rate"` // of recent attempts, 0 to 1
	FirstByteMS float64               `json:"first_byte_ms,omitempty"`
	InFlight    int                   `json:"in_flight"`
	AtOnce      int                   `json:"at_once,omitempty"`  // requests at a time that it takes, learned from its refusals
	Waiting     int                   `json:"waiting,omitempty"`  // requests that wait until it has room
	Verdicts    map[zg.Verdict]uint64 `json:"verdicts,omitempty"` // since the start of the process
}

const (
	stateOK      = "ok"
	stateUntried = "untried"
)

// states are all that Health knows.
var states = [...]string{stateOK, stateUntried, string(Down), string(Paced), string(Paused)}

// Health reports on one offer.
func (b *Board) Health(o *Offer) Health {
	r := b.recorded(o.Label)
	if r == nil {
		return Health{State: stateUntried, SuccessRate: 1}
	}
	return r.health(o, time.Now())
}

func (r *record) health(o *Offer, now time.Time) Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := Health{
		State: stateOK, SuccessRate: r.success.value(1, 2, now), FirstByteMS: r.speed.mean() * 1000,
		InFlight: r.inFlight, AtOnce: r.most, Waiting: len(r.line), Verdicts: maps.Clone(r.verdicts),
	}
	held := r.holds(o, now, newcomer)
	switch {
	case held.cause != "":
		h.State = string(held.cause)
		if !held.full {
			until := held.until.UTC()
			h.Until = &until
		}
	case r.open:
		h.State = string(Down) // and about to be probed
	case !r.met:
		h.State = stateUntried
	}
	return h
}

// Explanation says who would be chosen for a query and why.
type Explanation struct {
	Model      string         `json:"model"`
	Type       zg.ServiceType `json:"type"`
	Alias      string         `json:"alias_of,omitempty"` // what the name was read as
	Pin        string         `json:"pin,omitempty"`      // the provider or endpoint that alone may serve it
	Resolved   []string       `json:"resolved"`           // the models' own ids that the name stands for
	Policy     Policy         `json:"policy"`
	Reason     Reason         `json:"reason,omitempty"` // why nobody may serve it; empty: somebody may
	Candidates []Candidate    `json:"candidates"`       // best first, then those that are out of the question
}

// Candidate is one offer in an Explanation.
type Candidate struct {
	Offer  *Offer  `json:"-"`
	Label  string  `json:"provider"`
	Model  string  `json:"model"`
	Cost   float64 `json:"cost"`          // less is better, relative to the others
	Why    string  `json:"why"`           // the cost in words, or what rules the offer out
	Out    bool    `json:"out,omitempty"` // it would get no request now
	Health Health  `json:"health"`
}

// Explain says who would be chosen for a query and why. A query without a type is for the one under which its name is
// known, a chatbot's where that is so for several. The error is that of Find; where it is about offers that there are,
// the Explanation says of each what rules it out.
func (b *Board) Explain(t *Table, q Query) (Explanation, error) {
	q.Model = trimmed(q.Model)
	if q.Type == "" {
		q.Type = t.typeOf(q)
	}
	e := Explanation{Model: q.Model, Type: q.Type, Policy: b.cfg.Policy, Resolved: []string{}, Candidates: []Candidate{}}
	_, err := t.Find(q)
	if none, ok := errors.AsType[*NoOffer](err); ok {
		e.Reason, e.Alias = none.Reason, none.Meant
	}
	offers, a, lost := t.find(q)
	if lost != nil {
		return e, err
	}
	e.Alias, e.Pin = a.meant, a.who
	now := time.Now()
	var can []candidate
	var out []Candidate
	for _, o := range offers {
		if !slices.Contains(e.Resolved, o.Model) {
			e.Resolved = append(e.Resolved, o.Model)
		}
		r := b.recorded(o.Label)
		if r == nil {
			r = &record{label: o.Label} // a look is no attempt: it leaves no trace
		}
		if why := t.bars(o); why != "" {
			out = append(out, Candidate{Offer: o, Label: o.Label, Model: o.Model, Why: why, Out: true, Health: r.health(o, now)})
			continue
		}
		if h := r.held(o, now); h.cause != "" {
			out = append(out, Candidate{Offer: o, Label: o.Label, Model: o.Model, Why: r.heldWhy(o, h), Out: true, Health: r.health(o, now)})
			continue
		}
		can = append(can, candidate{o, r})
	}
	slices.Sort(e.Resolved)
	// First those who will be back by themselves, last those who may not be paid.
	slices.SortStableFunc(out, func(x, y Candidate) int {
		return cmp.Or(cmp.Compare(t.barred(x.Offer), t.barred(y.Offer)), cmp.Compare(returns(x, now), returns(y, now)))
	})
	e.Candidates = append(b.ranked(can, now), out...)
	return e, err
}

// ranked are those who could be chosen, the best first.
func (b *Board) ranked(can []candidate, now time.Time) []Candidate {
	list := make([]Candidate, 0, len(can))
	for _, c := range can {
		v := c.record.view(now)
		h := c.record.health(c.offer, now)
		list = append(list, Candidate{
			Offer: c.offer, Label: c.offer.Label, Model: c.offer.Model, Cost: b.cost(c.offer, v, leastPrice(can, c.offer)), Why: b.why(c.offer, v, h), Health: h,
		})
	}
	leaders := cheapest(can, now)
	group := func(o *Offer) int { // those whose prices compare stay together
		_, measure := blend(o)
		return slices.IndexFunc(leaders, func(l candidate) bool {
			_, m := blend(l.offer)
			return m == measure
		})
	}
	slices.SortStableFunc(list, func(x, y Candidate) int {
		if b.cfg.Policy == Priority {
			return cmp.Or(x.Offer.Priority-y.Offer.Priority, rank(x.Offer)-rank(y.Offer))
		}
		if c := rank(x.Offer) - rank(y.Offer); c != 0 {
			return c
		}
		ties := x.Health.InFlight - y.Health.InFlight
		if b.cfg.Policy == Price {
			ties = cmp.Or(cmp.Compare(x.Health.FirstByteMS, y.Health.FirstByteMS), ties)
			if c := group(x.Offer) - group(y.Offer); c != 0 {
				return c
			}
		}
		return cmp.Or(cmp.Compare(x.Cost, y.Cost), ties)
	})
	return list
}

// barred sorts by what bars an offer: 0 nothing, 1 what its owner can fix, 2 that it is not allowed.
func (t *Table) barred(o *Offer) int {
	switch {
	case !o.Allowed:
		return 2
	case t.bars(o) != "":
		return 1
	}
	return 0
}

// returns is how long it takes until a candidate that is held back may be back.
func returns(c Candidate, now time.Time) time.Duration {
	if c.Health.Until == nil {
		return 0
	}
	return c.Health.Until.Sub(now)
}

// bars says what, apart from how it is doing, keeps requests from an offer, or nothing.
func (t *Table) bars(o *Offer) string {
	switch {
	case !o.Allowed:
		return "it is not one of ZGPROXY_PROVIDERS"
	case o.Suspension != nil && o.Suspension.Code == zg.SuspendedUnacked:
		return fmt.Sprintf("waiting since %s: %s", instant(o.Suspension.At), strings.TrimSuffix(o.Suspension.Reason, "."))
	case o.Suspension != nil:
		return fmt.Sprintf("suspended since %s: %s", instant(o.Suspension.At), strings.TrimSuffix(o.Suspension.Reason, "."))
	case t.enforce && !o.Signed:
		return "it signs nothing, and ZGPROXY_VERIFY=enforce takes only what is signed"
	case t.enforce && !o.Verifiable:
		return "its signatures cannot cover answers of this type, and ZGPROXY_VERIFY=enforce takes only what can be verified"
	}
	return ""
}

func (r *record) heldWhy(o *Offer, h hold) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	until := instant(h.until)
	switch {
	case h.model:
		return "it said that it does not know this model; not asked again before " + until
	case h.cause == Down && h.full:
		return fmt.Sprintf("%d failures in a row; a request is under way that shows whether it is back", r.fails)
	case h.cause == Down:
		return fmt.Sprintf("%d failures in a row; at %s one request may show whether it is back", r.fails, until)
	case h.cause == Paused && r.refused && h.why != "":
		return fmt.Sprintf("it refused us (%s); not asked again before %s", h.why, until)
	case h.cause == Paused && r.refused:
		return "it refused us; not asked again before " + until
	case h.cause == Paused:
		return "it has enough to do; left alone until " + until
	case h.queue && len(r.line) > 0:
		return fmt.Sprintf("%d under way, and it takes no more at a time; %d wait", r.inFlight, len(r.line))
	case h.queue:
		return fmt.Sprintf("%d under way, and it takes no more at a time", r.inFlight)
	case o.Limits.RequestsPerMinute > 0:
		return fmt.Sprintf("its limit of %d a minute is used up until %s", o.Limits.RequestsPerMinute, until)
	}
	return "its limit on requests is used up until " + until
}

// why is what an offer is judged by, in words.
func (b *Board) why(o *Offer, v view, h Health) string {
	words := []string{priceWords(o)}
	if b.cfg.Policy == Priority {
		words = append([]string{fmt.Sprintf("place %d in the owner's order", o.Priority)}, words...)
	}
	if h.FirstByteMS > 0 {
		words = append(words, fmt.Sprintf("%.0f ms to the first byte", h.FirstByteMS))
	}
	if h.State == stateUntried {
		words = append(words, "not tried yet")
	} else {
		words = append(words, fmt.Sprintf("%.0f %% of recent requests succeeded", h.SuccessRate*100))
	}
	if h.State == string(Down) {
		words = append(words, "down, and the next request shows whether it is back")
	}
	if v.inFlight > 0 {
		words = append(words, fmt.Sprintf("%d under way", v.inFlight))
	}
	if h.AtOnce > 0 {
		words = append(words, fmt.Sprintf("takes %d at a time", h.AtOnce))
	}
	if v.doubt > 0 {
		words = append(words, fmt.Sprintf("%.0f %% of its answers not shown to be its own", v.doubt*100))
	}
	if b.unfunded(o) {
		words = append(words, "its sub-account is too low")
	}
	return strings.Join(words, ", ")
}

func priceWords(o *Offer) string {
	million := func(n zg.Neuron) string { return amount(n.Mul(1_000_000)) }
	switch {
	case o.Endpoint != "":
		return "a direct endpoint, neither paid by zgproxy nor verified"
	case o.Price.Input.IsZero() && o.Price.Output.IsZero():
		return "free"
	}
	switch o.Service.Type {
	case zg.TextToImage, zg.ImageEditing:
		return amount(o.Price.Output) + " 0G an image"
	case zg.AudioGeneration:
		return amount(o.Price.Output) + " 0G a second"
	case zg.VideoGeneration:
		low, high, per := o.Price.VideoPrice()
		if low == high {
			return amount(low) + " 0G " + per
		}
		return amount(low) + " to " + amount(high) + " 0G " + per
	case zg.Embedding:
		return million(o.Price.Input) + " 0G per million in"
	case zg.SpeechToText:
		return amount(o.Price.Input) + " 0G a second"
	case zg.Chatbot, zg.Decisions:
	}
	return million(o.Price.Input) + "/" + million(o.Price.Output) + " 0G per million in/out"
}

// amount is a price to read: exact up to six decimal places, and cut off there with a mark.
func amount(n zg.Neuron) string {
	whole, frac, _ := strings.Cut(n.Og(), ".")
	if len(frac) <= 6 || strings.Trim(whole+frac[:6], "0") == "" {
		return n.Og()
	}
	return strings.TrimRight(strings.TrimRight(whole+"."+frac[:6], "0"), ".") + "…"
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// typeOf is the type under which a query's model is known. Types that only a direct endpoint serves it for come last:
// it would take it for any.
func (t *Table) typeOf(q Query) zg.ServiceType {
	var sold, served []zg.ServiceType
	for _, kind := range slices.Sorted(maps.Keys(t.kinds)) {
		q.Type = kind
		offers, _, err := t.find(q)
		if err != nil {
			continue
		}
		served = append(served, kind)
		if slices.ContainsFunc(offers, func(o *Offer) bool { return o.Endpoint == "" }) {
			sold = append(sold, kind)
		}
	}
	switch {
	case len(sold) == 0 && len(served) == 0, slices.Contains(sold, zg.Chatbot), len(sold) == 0 && slices.Contains(served, zg.Chatbot):
		return zg.Chatbot
	case len(sold) > 0:
		return sold[0]
	}
	return served[0]
}
