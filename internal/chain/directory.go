package chain

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// DirectoryConfig is what a Directory needs; all of it is optional.
type DirectoryConfig struct {
	Every      time.Duration // between two readings; 0: 60 s
	Log        zerolog.Logger
	Registerer prometheus.Registerer // nil: no metrics
}

// Directory is the list of services as it was read last. It outlives failures of the endpoint; its age shows.
type Directory struct {
	read     func(ctx context.Context) (zg.Directory, error)
	cfg      DirectoryConfig
	snapshot atomic.Pointer[zg.Directory]
	publish  sync.Mutex // comparing with the last reading and replacing it are one step
	changed  chan struct{}
}

// NewDirectory builds an empty Directory. It starts and reads nothing.
func NewDirectory(read func(ctx context.Context) (zg.Directory, error), cfg DirectoryConfig) *Directory {
	if cfg.Every == 0 {
		cfg.Every = time.Minute
	}
	d := &Directory{read: read, cfg: cfg, changed: make(chan struct{}, 1)}
	d.snapshot.Store(&zg.Directory{})
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "zgproxy_directory_age_seconds", Help: "Time since the services were read from the chain; -1 before the first time.",
			}, func() float64 {
				if s := d.Snapshot(); !s.ReadAt.IsZero() {
					return time.Since(s.ReadAt).Seconds()
				}
				return -1
			}),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "zgproxy_directory_services", Help: "Services registered on chain.",
			}, func() float64 { return float64(len(d.Snapshot().Services)) }),
		)
	}
	return d
}

// Snapshot is the last reading. It is never nil and never changed once published.
func (d *Directory) Snapshot() *zg.Directory { return d.snapshot.Load() }

// Changed receives after a new reading was published.
func (d *Directory) Changed() <-chan struct{} { return d.changed }

// errOlder means that the endpoint answered from behind what it, or another one behind the same address, answered
// before.
var errOlder = errors.New("the endpoint is behind what was read before")

// Refresh reads once, now. An older state of the chain than the last one is refused.
func (d *Directory) Refresh(ctx context.Context) error {
	next, err := d.read(ctx)
	if err != nil {
		return err
	}
	d.publish.Lock()
	defer d.publish.Unlock()
	if last := d.Snapshot(); next.Block < last.Block {
		return fmt.Errorf("%w: block %d after %d", errOlder, next.Block, last.Block)
	}
	d.snapshot.Store(&next)
	select {
	case d.changed <- struct{}{}:
	default: // whoever listens has not looked since the last time
	}
	return nil
}

// Run reads at every interval until ctx ends, when it returns nil. After a failure it tries again sooner than that,
// then more and more rarely, and the last reading stands.
func (d *Directory) Run(ctx context.Context) error {
	failed := 0
	if d.Snapshot().ReadAt.IsZero() {
		failed = 1 // there is nothing to serve from yet
	}
	warned := false
	for {
		wait := d.cfg.Every
		if failed > 0 {
			wait = min(wait, time.Second<<min(failed, 10))
		}
		// A little apart from each other, so that many proxies do not ask an endpoint at the same moment.
		timer := time.NewTimer(wait + rand.N(wait/10+1))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		err := d.Refresh(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // told to stop
		}
		if err != nil {
			failed++
			if !warned {
				warned = true
				d.cfg.Log.Warn().Err(err).Msg("the services cannot be read; the last reading is kept")
			}
			continue
		}
		failed = 0
		if warned {
			warned = false
			d.cfg.Log.Info().Uint64("block", d.Snapshot().Block).Msg("the services can be read again")
		}
	}
}
