package billing

import (
	"errors"
	"sync"

	"github.com/zgproxy/zgproxy/internal/crash"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// Reservation is an admitted request that has to be closed.
type Reservation struct {
	meter *Meter
	once  sync.Once
	row   request

	mu     sync.Mutex
	bound  zg.Neuron // what is held: as the order says, or more
	closed bool
}

// ErrReservationClosed means that a request was recorded already, so nothing more can be sent for it.
var ErrReservationClosed = errors.New("the request is recorded already")

// Grow holds more for a request whose size shows only while it is sent: what comes next may be handed on when it
// returns nil, and whatever happens then, no more than this bound is recorded, and no less abandoned. The error is a
// *Refused, with which what was held before stays, or ErrReservationClosed. A bound that is not above the one in force
// changes nothing.
func (r *Reservation) Grow(bound zg.Neuron) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, o := r.meter, &r.row.order
	switch {
	case r.closed:
		return ErrReservationClosed
	case !r.bound.Less(bound):
		return nil
	case !bound.Less(absurd):
		return absurdPrice()
	}
	if short := m.store.book.extend(o.Provider, r.bound, bound, m.cfg.Now(), &m.cfg.Budgets.Fees); short != nil {
		refused := m.overBudget(short)
		m.metrics.refused.WithLabelValues(string(refused.Kind)).Inc()
		return refused
	}
	// The row itself may be in the writer's hands.
	grown := &request{
		opened: r.row.opened, order: r.row.order, providerText: r.row.providerText, bound: bound.String(), priceIn: r.row.priceIn, priceOut: r.row.priceOut,
	}
	if err := m.store.writer.grow(grown); err != nil {
		m.store.book.shrink(o.Provider, bound, r.bound)
		return m.unrecorded(err)
	}
	crash.Point("request/grown")
	r.bound = bound
	return nil
}

// Bound is what is held by now.
func (r *Reservation) Bound() zg.Neuron {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bound
}

// final ends the growing and returns the order with the bound that is in force.
func (r *Reservation) final() Order {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.row.order
	if r.closed = true; o.Bound != r.bound {
		o.Bound, r.row.grown = r.bound, r.bound.String()
	}
	return o
}

// Close records what the request cost and returns it. It counts once: later calls return the first booking. It never
// waits for the disk: the close record is queued, and Store.Flush and Store.Err tell what became of it.
func (r *Reservation) Close(out Outcome) Booking {
	r.once.Do(func() {
		m, o := r.meter, r.final()
		b := m.told(&o, &out, price(&o, &out))
		now := m.cfg.Now()
		r.row.out, r.row.booking, r.row.closed, r.row.quarter = out, b, micros(now), m.store.book.quarter(now)
		m.store.book.close(o.Provider, o.Bound, b.Fee, r.row.quarter)
		if out.Status == 200 || (out.Job && out.Status == 202) {
			m.store.demands.served(o.Provider, o.Type, o.Bound)
		}
		m.metrics.booked(r.row.providerText, o.Model, &out.Usage, b)
		if !b.Claimed.IsZero() {
			m.metrics.above.Inc()
			m.cfg.Log.Warn().Str("request_id", o.ID).Str("provider", r.row.providerText).Str("model", o.Model).
				Str("reason", b.Reason).Stringer("claimed_neuron", b.Claimed).Stringer("bound_neuron", o.Bound).
				Msg("an answer's usage exceeds the upper bound; the bound is recorded")
		}
		if out.ChatID != "" {
			m.store.recent.add(out.ChatID, r.row.opened)
		}
		if out.Verdict == zg.VerdictPending {
			m.judging.Store(o.ID, &r.row)
		}
		if _, err := m.store.writer.put(op{close: &r.row}); err != nil {
			m.cfg.Log.Error().Err(err).Str("request_id", o.ID).Msg("a request was closed after the store; it will be recorded at its bound")
		}
		if pv, ok := m.cfg.View().Providers[o.Provider]; ok && pv.Reason == "" &&
			pv.Headroom.Less(m.store.book.Provider(o.Provider).Fees.Sub(pv.FeesAtRead)) {
			m.cfg.Nudge() // what was spent since the last look may have taken the sub-account below its mark
		}
	})
	return r.row.booking
}
