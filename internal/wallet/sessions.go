package wallet

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	maxLifetime = 24 * time.Hour // providers refuse ephemeral tokens that last longer
	// While the old token still serves, its renewal may not hold up a request for longer than this, and a failed renewal
	// is not tried again with every request.
	renewTimeout = 5 * time.Second
	renewPause   = 30 * time.Second
)

// SessionsConfig is what Sessions needs. Only Generation is required.
type SessionsConfig struct {
	// Generation reads the generation of our sub-account at a provider from the chain, 0 when there is no sub-account. An
	// error means that it could not be found out.
	Generation func(ctx context.Context, provider common.Address) (uint64, error)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Lifetime of a token; 0 is a minute less than 24 hours. More than 24 hours is taken as 24 hours.
	Lifetime time.Duration
	// RenewBefore is how long before its end a token is replaced; 0 is an hour. It is at most half of Lifetime.
	RenewBefore time.Duration
}

// Sessions keeps one session token per provider in memory. It is safe for concurrent use; looking up a token that is
// there takes no lock.
type Sessions struct {
	wallet *Wallet
	cfg    SessionsConfig
	mu     sync.Mutex                               // guards replacing slots
	slots  atomic.Pointer[map[common.Address]*slot] // copied on write: there are as many entries as providers in use
}

// slot is one provider's token and whoever mints the next one.
type slot struct {
	current atomic.Pointer[token]
	mu      sync.Mutex
	minting *mint // nil: nobody mints
}

// token is one minted bearer, immutable except for the time of its next renewal.
type token struct {
	bearer    string
	expiresAt time.Time
	renewAt   atomic.Int64 // Unix nanoseconds
}

// mint is one attempt, shared by everybody who waits for it.
type mint struct {
	done   chan struct{} // closed when the rest is set
	bearer string
	err    error
	gaveUp bool // the one who minted was told to stop, which is no statement about the token
}

// NewSessions builds an empty cache. It starts nothing.
func NewSessions(w *Wallet, cfg SessionsConfig) *Sessions {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Lifetime <= 0 {
		cfg.Lifetime = maxLifetime - time.Minute
	}
	cfg.Lifetime = min(cfg.Lifetime, maxLifetime)
	if cfg.RenewBefore <= 0 {
		cfg.RenewBefore = time.Hour
	}
	cfg.RenewBefore = min(cfg.RenewBefore, cfg.Lifetime/2)
	s := &Sessions{wallet: w, cfg: cfg}
	s.slots.Store(&map[common.Address]*slot{})
	return s
}

// Bearer returns the whole Authorization value for a provider, from memory unless a token has to be minted. Only one
// caller per provider mints at a time. Where an older token is still good the others go on with it, and so does the one
// who mints if the sub-account's generation cannot be read; else they wait and share the outcome, a failure included.
func (s *Sessions) Bearer(ctx context.Context, provider common.Address) (string, error) {
	sl := (*s.slots.Load())[provider]
	if sl == nil {
		sl = s.addSlot(provider)
	}
	for {
		now := s.cfg.Now()
		t := sl.current.Load()
		if t != nil && now.UnixNano() < t.renewAt.Load() {
			return t.bearer, nil
		}
		usable := t != nil && now.Before(t.expiresAt)

		sl.mu.Lock()
		if sl.current.Load() != t { // replaced or dropped since it was looked at
			sl.mu.Unlock()
			continue
		}
		m, mine := sl.minting, false
		if m == nil {
			m, mine = &mint{done: make(chan struct{})}, true
			sl.minting = m
		}
		sl.mu.Unlock()

		switch {
		case mine && usable:
			s.renew(ctx, sl, m, provider, t)
			return m.bearer, m.err
		case mine:
			s.finish(ctx, sl, m, func() (*token, error) { return s.mint(ctx, provider) })
			return m.bearer, m.err
		case usable:
			return t.bearer, nil
		}
		select {
		case <-m.done:
		case <-ctx.Done():
			return "", fmt.Errorf("wait for a session token: %w", context.Cause(ctx))
		}
		if !m.gaveUp {
			return m.bearer, m.err
		}
	}
}

// Reject takes note that a provider refused this very bearer. One that it calls expired or revoked is dropped, so that
// the next Bearer mints again and reads the generation again. Any other refusal is not fixed by another token and
// changes nothing; neither does the refusal of a token that has been replaced already.
func (s *Sessions) Reject(provider common.Address, bearer string, class zg.Refusal) {
	if class != zg.RefusalSessionExpired && class != zg.RefusalSessionRevoked {
		return
	}
	sl := (*s.slots.Load())[provider]
	if sl == nil {
		return
	}
	if t := sl.current.Load(); t != nil && t.bearer == bearer {
		sl.current.CompareAndSwap(t, nil)
	}
}

// Forget drops the token of a provider, so that the next Bearer reads the generation and mints again: the owner has
// revoked them all.
func (s *Sessions) Forget(provider common.Address) {
	if sl := (*s.slots.Load())[provider]; sl != nil {
		sl.current.Store(nil)
	}
}

func (s *Sessions) addSlot(provider common.Address) *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.slots.Load()
	if sl := old[provider]; sl != nil {
		return sl
	}
	next := maps.Clone(old)
	sl := &slot{}
	next[provider] = sl
	s.slots.Store(&next)
	return sl
}

// renew replaces a token that is near its end but still good. It cannot fail: at worst the old token stays.
func (s *Sessions) renew(ctx context.Context, sl *slot, m *mint, provider common.Address, old *token) {
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	s.finish(ctx, sl, m, func() (*token, error) {
		next, err := s.mint(ctx, provider)
		if err != nil {
			old.renewAt.Store(s.cfg.Now().Add(renewPause).UnixNano())
			return old, nil //nolint:nilerr // the old token is good for some time yet; it is tried again before its end
		}
		return next, nil
	})
}

// finish runs one attempt, publishes what came of it and lets the waiting go on, even if the attempt panics.
func (s *Sessions) finish(ctx context.Context, sl *slot, m *mint, attempt func() (*token, error)) {
	m.err = errors.New("minting a session token did not end")
	defer func() {
		sl.mu.Lock()
		sl.minting = nil
		sl.mu.Unlock()
		close(m.done)
	}()
	before := sl.current.Load()
	t, err := attempt()
	if m.err = err; err != nil {
		m.gaveUp = ctx.Err() != nil
		return
	}
	m.bearer = t.bearer
	if t != before { // else it is the old one, which may have been rejected meanwhile
		sl.current.Store(t)
	}
}

// mint reads the generation and signs a fresh token.
func (s *Sessions) mint(ctx context.Context, provider common.Address) (*token, error) {
	generation, err := s.cfg.Generation(ctx, provider)
	if err != nil {
		return nil, fmt.Errorf("read the generation of the sub-account at %s for a session token: %w", provider, err)
	}
	var nonce [16]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, fmt.Errorf("make a nonce for a session token: %w", err)
	}
	now := s.cfg.Now()
	issued := now.UnixMilli()
	expires := issued + s.cfg.Lifetime.Milliseconds()
	bearer, err := s.wallet.session(claims{
		provider: provider, timestamp: issued, expiresAt: expires, nonce: hex.EncodeToString(nonce[:]),
		generation: generation, tokenID: ephemeralID,
	})
	if err != nil {
		return nil, err
	}
	t := &token{bearer: bearer, expiresAt: time.UnixMilli(expires)}
	t.renewAt.Store(t.expiresAt.Add(-s.cfg.RenewBefore).UnixNano())
	return t, nil
}

// String shows whose sessions they are, and no token.
func (s *Sessions) String() string { return "sessions of " + s.wallet.String() }

// Format writes String, whatever the verb and flags.
func (s *Sessions) Format(f fmt.State, _ rune) { show(f, s.String()) }

// MarshalText writes String, so that JSON and logs do too.
func (s *Sessions) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
