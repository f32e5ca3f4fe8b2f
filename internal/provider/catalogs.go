package provider

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// A catalogue that cannot be read again is believed for so long; after that the price on chain holds, which is never
	// below what the provider charges.
	maxStale = time.Hour
	// Providers are asked side by side, so that one that hangs does not hold up the others.
	maxCalls = 8
)

// Target is a provider whose catalogue is kept.
type Target struct {
	Provider common.Address
	BaseURL  string // the service's URL on chain
}

// CatalogsConfig is what Catalogs needs besides; the zero value will do.
type CatalogsConfig struct {
	// Every is the pause between two readings; 0 is 5 minutes.
	Every time.Duration
	Log   zerolog.Logger
}

// Catalogs keeps the catalogues of a set of providers. Run reads them again and again; everybody else takes snapshots.
type Catalogs struct {
	read     func(ctx context.Context, provider common.Address, baseURL string) (zg.Catalog, error)
	targets  func() []Target
	cfg      CatalogsConfig
	mu       sync.Mutex // one refresh at a time
	failing  map[common.Address]bool
	snapshot atomic.Pointer[map[common.Address]zg.Catalog]
	changed  chan struct{}
}

// NewCatalogs builds an empty view. targets is asked before every reading. It starts nothing.
func NewCatalogs(c *Client, targets func() []Target, cfg CatalogsConfig) *Catalogs {
	if cfg.Every <= 0 {
		cfg.Every = 5 * time.Minute
	}
	k := &Catalogs{
		read: c.Catalog, targets: targets, cfg: cfg, failing: make(map[common.Address]bool), changed: make(chan struct{}, 1),
	}
	k.snapshot.Store(&map[common.Address]zg.Catalog{})
	return k
}

// Snapshot is what was read last, by provider. It is never changed once published; do not change it either.
func (k *Catalogs) Snapshot() map[common.Address]zg.Catalog { return *k.snapshot.Load() }

// Changed receives after a reading that found something new in any catalogue. It is for one receiver: news that nobody
// has picked up yet are not repeated.
func (k *Catalogs) Changed() <-chan struct{} { return k.changed }

// Run reads all catalogues at once and then at every interval. It returns nil when ctx ends.
func (k *Catalogs) Run(ctx context.Context) error {
	tick := time.NewTicker(k.cfg.Every)
	defer tick.Stop()
	for {
		k.Refresh(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// errShared is why a catalogue is not used.
var errShared = fmt.Errorf("%w: providers share the URL, and a catalogue does not say whose its models are", ErrNotSupported)

// Refresh reads all catalogues once and publishes what was found. Where one cannot be read, the last one stands for an
// hour; where a provider does not publish one, there is none. That of a URL that several of them share is none either:
// it would price one provider's model at another's, or have a provider asked for a model that it does not have.
func (k *Catalogs) Refresh(ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	targets := k.targets()
	cats, errs := make([]zg.Catalog, len(targets)), make([]error, len(targets))
	at := make(map[string]int, len(targets)) // providers by URL
	for _, t := range targets {
		at[sameURL(t.BaseURL)]++
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, maxCalls)
	for i, t := range targets {
		if at[sameURL(t.BaseURL)] > 1 {
			errs[i] = errShared
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			cats[i], errs[i] = k.read(ctx, t.Provider, t.BaseURL)
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return // told to stop: failures mean nothing
	}

	before := k.Snapshot()
	next := make(map[common.Address]zg.Catalog, len(targets))
	for i, t := range targets {
		k.note(t.Provider, errs[i])
		if errs[i] == nil {
			next[t.Provider] = cats[i]
		} else if last, ok := before[t.Provider]; ok && !errors.Is(errs[i], ErrNotSupported) && time.Since(last.ReadAt) < maxStale {
			next[t.Provider] = last
		}
	}
	k.snapshot.Store(&next)
	if !sameModels(before, next) {
		select {
		case k.changed <- struct{}{}:
		default:
		}
	}
}

// sameURL is the same text for URLs that differ only in how they are written.
func sameURL(text string) string {
	u, err := ParseURL(text)
	if err != nil {
		return text
	}
	u.Host = strings.ToLower(u.Host)
	return strings.TrimRight(u.String(), "/")
}

// note logs when a catalogue stops or starts being readable, not every time it is not.
func (k *Catalogs) note(p common.Address, err error) {
	failed := err != nil && !errors.Is(err, ErrNotSupported)
	was := k.failing[p]
	k.failing[p] = failed
	switch {
	case failed && !was:
		k.cfg.Log.Warn().Err(err).Str("provider", p.Hex()).Msg("a catalogue cannot be read; the last one is used for an hour, then the prices on chain")
	case was && !failed:
		k.cfg.Log.Info().Str("provider", p.Hex()).Msg("the catalogue can be read again")
	case err != nil:
		k.cfg.Log.Debug().Err(err).Str("provider", p.Hex()).Msg("no catalogue")
	}
}

// sameModels compares all but the times of reading.
func sameModels(a, b map[common.Address]zg.Catalog) bool {
	if len(a) != len(b) {
		return false
	}
	for p, x := range a {
		y, ok := b[p]
		if !ok || !reflect.DeepEqual(x.Models, y.Models) {
			return false
		}
	}
	return true
}
