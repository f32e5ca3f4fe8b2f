// Package trust keeps whom the owner trusts: what each provider was when it was used first or accepted last, what has changed
// since, and who is suspended or waits because of it.
package trust

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Store keeps pins and suspensions for good.
type Store interface {
	// Trust reads what every provider is pinned as, and who is suspended.
	Trust(ctx context.Context) (map[common.Address]zg.Pin, map[common.Address]zg.Suspension, error)
	// Signers reads every pin that each provider ever had.
	Signers(ctx context.Context) (map[common.Address][]zg.Pin, error)
	// Pin remembers a provider; false where it was known.
	Pin(zg.Pin) (bool, error)
	// Suspend records a suspension; false where there was one that outranks it.
	Suspend(zg.Suspension) (bool, error)
	// Return ends the suspension of a provider that signs as it did before; false where something else stands against it.
	Return(zg.Pin) (bool, error)
	// Explain ends the suspension for an answer that this signer gave; false where there is none.
	Explain(provider, signer common.Address) (bool, error)
}

// Register is whom the owner trusts: what each provider was when it was used first, or accepted last, and who is suspended
// since. The store has it all; this is what is asked on the way of a request.
type Register struct {
	store Store
	log   zerolog.Logger
	grace time.Duration // requests go on for so long after a change on chain

	mu        sync.Mutex
	pins      map[common.Address]zg.Pin
	accepted  map[common.Address][]zg.Pin // the signers of every pin that each had
	suspended map[common.Address]zg.Suspension
	waiting   map[common.Address]zg.Suspension  // not acknowledged for now; read from the chain, so nothing to keep
	changes   map[common.Address]*signerChanges // what this process saw of each
	unsaved   []zg.Suspension                   // in force, and still to be made durable
	wake      chan struct{}                     // holds one: there is something to save
	saving    sync.Mutex                        // taken before mu, and held while the store writes
}

// New reads what the store has. For so long after a change on chain requests go on (grace).
func New(ctx context.Context, store Store, grace time.Duration, log zerolog.Logger, reg prometheus.Registerer) (*Register, error) {
	t := &Register{store: store, log: log, grace: grace, wake: make(chan struct{}, 1), waiting: map[common.Address]zg.Suspension{}, changes: map[common.Address]*signerChanges{}}
	var err error
	if t.pins, t.suspended, t.accepted, err = t.recorded(ctx); err != nil {
		return nil, fmt.Errorf("read whom the owner trusts: %w", err)
	}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "zgproxy_providers_suspended", Help: "Providers that get no new requests until the owner accepts them as they are.",
	}, func() float64 {
		t.mu.Lock()
		defer t.mu.Unlock()
		return float64(len(t.suspended))
	}), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "zgproxy_providers_waiting", Help: "Providers that get no requests until the contract's owner vouches for their signer.",
	}, func() float64 {
		t.mu.Lock()
		defer t.mu.Unlock()
		return float64(len(t.waiting))
	}))
	return t, nil
}

// recorded is what the store has.
func (t *Register) recorded(ctx context.Context) (
	pins map[common.Address]zg.Pin, suspended map[common.Address]zg.Suspension, accepted map[common.Address][]zg.Pin, err error,
) {
	if pins, suspended, err = t.store.Trust(ctx); err == nil {
		accepted, err = t.store.Signers(ctx)
	}
	return pins, suspended, accepted, err
}

// Pin is what a provider was when it was used first.
func (t *Register) Pin(p common.Address) (zg.Pin, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	pin, ok := t.pins[p]
	return pin, ok
}

// Suspension tells why a provider is suspended. In its grace it is suspended already: nothing is paid in to it any more.
func (t *Register) Suspension(p common.Address) (zg.Suspension, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.suspended[p]
	return s, ok
}

// Reason is why top-ups to a provider are paused, or "".
func (t *Register) Reason(p common.Address) string {
	s, _ := t.Suspension(p)
	return s.Reason
}

// InForce are the suspensions that keep requests away now. until is when the next one will, or zero.
func (t *Register) InForce(now time.Time) (out map[common.Address]zg.Suspension, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out = maps.Clone(t.suspended)
	defer func() {
		for p, s := range t.waiting { // whatever grace the owner gives: the provider refuses everybody
			if _, already := out[p]; !already {
				out[p] = s
			}
		}
	}()
	for p, s := range out {
		if s.Shown() {
			continue // what was shown by an answer has no grace
		}
		if ends := s.At.Add(t.grace); now.Before(ends) {
			delete(out, p)
			if until.IsZero() || ends.Before(until) {
				until = ends
			}
		}
	}
	return out, until
}

// Suspend stops requests and top-ups to a provider at once, and has it made durable by run. It never waits.
func (t *Register) Suspend(s zg.Suspension) {
	t.mu.Lock()
	before, already := t.suspended[s.Provider]
	if already = already && !s.Outranks(before); !already {
		t.suspended[s.Provider] = s
		t.unsaved = append(t.unsaved, s)
	}
	t.mu.Unlock()
	if already {
		return
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
	ev := t.log.Error().Str("provider", s.Provider.Hex()).Str("code", s.Code)
	if s.RequestID != "" {
		ev = ev.Str("request_id", s.RequestID)
	}
	ev.Msg("provider suspended: " + s.Reason + " Look at it, then: zgproxy provider accept " + s.Provider.Hex())
}

// Reload takes over what the store says after the owner has accepted provider p.
func (t *Register) Reload(ctx context.Context, p common.Address) error {
	pins, suspended, accepted, err := t.recorded(ctx)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.unsaved { // of others, meanwhile
		suspended[s.Provider] = s
	}
	t.pins, t.suspended, t.accepted = pins, suspended, accepted
	t.of(p).over = time.Now()
	return nil
}

// Run makes suspensions durable until ctx ends, and tells changed of each.
func (t *Register) Run(ctx context.Context, changed func()) error {
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return t.Save() // what came in at the very end
		case <-t.wake:
			changed()
		case <-retry:
		}
		retry = nil
		if err := t.Save(); err != nil {
			t.log.Error().Err(err).Msg("a suspension is in force and could not be recorded; it is tried again")
			retry = time.After(time.Second)
		}
	}
}

// Save makes what is in force durable.
func (t *Register) Save() error {
	t.saving.Lock()
	defer t.saving.Unlock()
	for {
		t.mu.Lock()
		if len(t.unsaved) == 0 {
			t.mu.Unlock()
			return nil
		}
		next := t.unsaved[0]
		t.mu.Unlock()
		if _, err := t.store.Suspend(next); err != nil {
			return err
		}
		t.mu.Lock()
		t.unsaved = t.unsaved[1:]
		t.mu.Unlock()
	}
}
