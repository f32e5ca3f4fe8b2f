package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// Older readings are not started from: too much may have changed.
	maxSavedAge = 7 * 24 * time.Hour
	// A saved catalogue is believed as long as one in memory; after that the prices on chain hold, which are never below
	// what the provider charges.
	maxSavedPrices = time.Hour
	// A reading that says the same as the last saved one is not saved again for so long.
	resaveEvery = time.Minute
	// How often the keeper's readings are looked at; those of the directory and the catalogues announce themselves.
	saveEvery = time.Second
	// Where a sub-account's generation is known from before, the chain has so long to tell of a newer one.
	generationTimeout = 3 * time.Second
)

// realm is what a reading is a reading of. In another realm it means nothing.
type realm struct {
	ChainID                   uint64
	Ledger, Inference, Wallet common.Address
}

// snapshot is a reading as it is saved.
type snapshot[T any] struct {
	Realm realm
	Value T
}

// savedState is what an earlier process read last. It is never changed.
type savedState struct {
	directory *zg.Directory
	catalogs  map[common.Address]zg.Catalog
}

// readings keeps the last readings of the outside world in the store, so that a start does not have to wait for the chain.
type readings struct {
	realm    realm
	state    atomic.Pointer[savedState]       // nil: nothing to start from, or no longer needed
	accounts map[common.Address]zg.SubAccount // saved ones; set before anything runs
	chainErr atomic.Pointer[error]            // why the chain could not be read, last
	kept     map[string]*mark                 // by name; the marks belong to the goroutine that saves
}

// mark is what was saved last under a name.
type mark struct {
	seen  time.Time // the last reading looked at
	value []byte    // what it said, apart from when
	saved time.Time
	at    atomic.Int64 // µs; of the reading that is in the store
}

const (
	savedDirectory = "directory"
	savedCatalogs  = "catalogs"
	savedAccounts  = "accounts"
)

func newReadings(r realm, reg prometheus.Registerer) *readings {
	s := &readings{realm: r, kept: map[string]*mark{}}
	for _, name := range []string{savedDirectory, savedCatalogs, savedAccounts} {
		m := &mark{}
		s.kept[name] = m
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "zgproxy_saved_reading_age_seconds", ConstLabels: prometheus.Labels{"reading": name},
			Help: "Age of the reading that the next start could begin from if the chain cannot be read then; -1 where there is none.",
		}, func() float64 {
			if us := m.at.Load(); us != 0 {
				return time.Since(time.UnixMicro(us)).Seconds()
			}
			return -1
		}))
	}
	return s
}

// loadReadings takes over what an earlier process read of the same realm, unless it is too old. It belongs before anything
// runs. What cannot be used is only worth a line in the log: the chain tells it again.
func (d *daemon) loadReadings(ctx context.Context) {
	now := time.Now()
	dir, at, ok := loadReading[zg.Directory](ctx, d, savedDirectory, now)
	held, _, heldOK := loadReading[zg.Holdings](ctx, d, savedAccounts, now)
	if heldOK {
		d.saved.accounts = held.Accounts
	}
	if !ok {
		return
	}
	dir.ReadAt = at
	cats, _, _ := loadReading[map[common.Address]zg.Catalog](ctx, d, savedCatalogs, now)
	for p, c := range cats {
		if now.Sub(c.ReadAt) > maxSavedPrices {
			cats[p] = withoutPrices(c)
		}
	}
	d.saved.state.Store(&savedState{directory: &dir, catalogs: cats})
}

func withoutPrices(c zg.Catalog) zg.Catalog {
	models := make([]zg.Model, len(c.Models))
	for i, m := range c.Models {
		m.Price, m.Priced = zg.Price{}, false
		models[i] = m
	}
	c.Models = models
	return c
}

func loadReading[T any](ctx context.Context, d *daemon, name string, now time.Time) (value T, at time.Time, ok bool) {
	var s snapshot[T]
	at, found, err := d.store.LoadSnapshot(ctx, name, &s)
	if err != nil {
		d.log.Warn().Err(err).Str("reading", name).Msg("a saved reading cannot be used")
	}
	if err != nil || !found || s.Realm != d.saved.realm || now.Sub(at) > maxSavedAge {
		return value, at, false
	}
	d.saved.kept[name].at.Store(at.UnixMicro())
	return s.Value, at, true
}

// saveReadings saves what has been read since the last time. It is called from one goroutine only.
func (d *daemon) saveReadings() {
	if dir := *d.directory.Snapshot(); !dir.ReadAt.IsZero() {
		says := dir
		says.Block, says.ReadAt = 0, time.Time{}
		saveReading(d, savedDirectory, dir, says, dir.ReadAt)
	}
	if cats := d.catalogs.Snapshot(); len(cats) > 0 {
		var at time.Time
		says := maps.Clone(cats)
		for p, c := range cats {
			if c.ReadAt.After(at) {
				at = c.ReadAt
			}
			c.ReadAt = time.Time{}
			says[p] = c
		}
		saveReading(d, savedCatalogs, cats, says, at)
	}
	if view := d.keeper.View(); !view.ReadAt.IsZero() {
		says := view.Holdings
		says.Block, says.BlockTime = 0, time.Time{}
		saveReading(d, savedAccounts, view.Holdings, says, view.ReadAt)
	}
}

// saveReading saves a reading if it says something new, or the saved one has become old. says is the reading without the
// parts that change every time.
func saveReading[T any](d *daemon, name string, value, says T, at time.Time) {
	m := d.saved.kept[name]
	if at.Equal(m.seen) {
		return
	}
	m.seen = at
	text, err := json.Marshal(says)
	if err == nil && bytes.Equal(text, m.value) && at.Sub(m.saved) < resaveEvery {
		return
	}
	if err == nil {
		err = d.store.SaveSnapshot(name, snapshot[T]{Realm: d.saved.realm, Value: value}, at)
	}
	if err != nil {
		d.log.Warn().Err(err).Str("reading", name).Msg("a reading was not saved")
		return
	}
	m.value, m.saved = text, at
	m.at.Store(at.UnixMicro())
}

// services is the directory to work with: as read from the chain, or until it can be read, as it was saved.
func (d *daemon) services() *zg.Directory {
	dir := d.directory.Snapshot()
	if saved := d.saved.state.Load(); dir.ReadAt.IsZero() && saved != nil {
		return saved.directory
	}
	return dir
}

// catalogues are what providers say now, and until they have been asked, what they said last.
func (d *daemon) catalogues() map[common.Address]zg.Catalog {
	live := d.catalogs.Snapshot()
	saved := d.saved.state.Load()
	if saved == nil {
		return live
	}
	all := maps.Clone(saved.catalogs)
	if all == nil {
		return live
	}
	maps.Copy(all, live)
	return all
}

// serveSaved makes the daemon serve from what was saved, if there is something.
func (d *daemon) serveSaved() bool {
	saved := d.saved.state.Load()
	if saved == nil {
		return false
	}
	d.rebuildRoutes()
	d.log.Info().Int("services", len(saved.directory.Services)).Time("read_at", saved.directory.ReadAt).
		Msg("ready from cache; refreshing from the chain")
	return true
}

// dropSaved ends the use of what was saved, after everything has been read again.
func (d *daemon) dropSaved(ctx context.Context) {
	d.catalogs.Refresh(ctx) // of the providers as the chain has them now
	d.saved.state.Store(nil)
	d.rebuildRoutes()
}

// chainCheck is the line about the chain in /readyz.
func (d *daemon) chainCheck() admin.Check {
	ok, why := d.ready()
	c := admin.Check{Name: "chain", OK: ok, Detail: why}
	saved := d.saved.state.Load()
	if d.checked.Load() || saved == nil {
		return c
	}
	c.Detail = fmt.Sprintf("served from the state of %s; the chain is being read", saved.directory.ReadAt.UTC().Format(time.RFC3339))
	if err := d.saved.chainErr.Load(); err != nil {
		c.Detail = fmt.Sprintf("served from the state of %s; the chain cannot be read: %v", saved.directory.ReadAt.UTC().Format(time.RFC3339), *err)
	}
	return c
}

// generation is the token generation of the sub-account with a provider. What the chain says wins; where it says nothing,
// the account as it was seen last has to do: a provider refuses a token of an old generation, and nothing is spent.
func (d *daemon) generation(ctx context.Context, p common.Address) (uint64, error) {
	a, known := d.keeper.View().Holdings.Accounts[p]
	if !known {
		a, known = d.saved.accounts[p]
	}
	if !known {
		return d.client.Generation(ctx, p)
	}
	bounded, cancel := context.WithTimeout(ctx, generationTimeout)
	defer cancel()
	n, err := d.client.Generation(bounded, p)
	if err == nil || ctx.Err() != nil {
		return n, err
	}
	d.log.Debug().Err(err).Str("provider", p.Hex()).Msg("a session token is minted for the generation known last")
	return a.Generation, nil
}
