package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// maxModels bounds how many entries of one catalogue are looked at.
const maxModels = 1000

type modelEntry struct {
	ID            string `json:"id"`
	CanonicalID   string `json:"canonical_id"`
	Name          string `json:"name"`
	Type          string `json:"type"`
	ContextLength uint64 `json:"context_length"`
	MaxTokens     uint64 `json:"max_completion_tokens"`
	Expires       string `json:"expiration_date"`
	Pricing       *struct {
		Prompt     string `json:"prompt"`
		Completion string `json:"completion"`
		Image      string `json:"image"`
		Tiers      []struct {
			Max    uint64 `json:"max_input_tokens"`
			In     uint64 `json:"input_multiplier"`
			InDen  uint64 `json:"input_multiplier_denominator"`
			Out    uint64 `json:"output_multiplier"`
			OutDen uint64 `json:"output_multiplier_denominator"`
		} `json:"tiered_pricing"`
		Cache *struct {
			Divisor  uint64 `json:"divisor"`
			Write    uint64 `json:"write_multiplier_numerator"`
			WriteDen uint64 `json:"write_multiplier_denominator"`
			Hour     uint64 `json:"write_1h_multiplier_numerator"`
			HourDen  uint64 `json:"write_1h_multiplier_denominator"`
		} `json:"cache_token_billing"`
	} `json:"pricing"`
}

// Catalog reads what a provider says it serves. An entry that cannot be read is left out; the others stand.
func (c *Client) Catalog(ctx context.Context, provider common.Address, baseURL string) (zg.Catalog, error) {
	var answer struct {
		Data []json.RawMessage `json:"data"`
	}
	if err := c.get(ctx, baseURL+"/v1/models", "", &answer); err != nil {
		return zg.Catalog{}, fmt.Errorf("read the catalogue: %w", unpublished(err))
	}
	cat := zg.Catalog{Provider: provider, ReadAt: time.Now()}
	for _, raw := range answer.Data[:min(len(answer.Data), maxModels)] {
		var e modelEntry
		if json.Unmarshal(raw, &e) != nil || e.ID == "" {
			continue
		}
		cat.Models = append(cat.Models, e.model())
	}
	return cat, nil
}

func (e *modelEntry) model() zg.Model {
	m := zg.Model{
		ID: e.ID, CanonicalID: e.CanonicalID, Name: e.Name, Type: zg.ServiceType(e.Type), ContextLength: e.ContextLength, MaxCompletionTokens: e.MaxTokens,
	}
	if t, err := time.Parse(time.RFC3339, e.Expires); err == nil {
		m.ExpiresAt = t
	}
	p := e.Pricing
	if p == nil {
		return m
	}
	in, inErr := zg.ParseNeuron(p.Prompt)
	out, outErr := zg.ParseNeuron(p.Completion)
	if p.Image != "" {
		out, outErr = zg.ParseNeuron(p.Image)
	}
	if inErr != nil || outErr != nil {
		return m // no price that can be read: the chain's holds
	}
	m.Priced, m.Price = true, zg.Price{Input: in, Output: out}
	for _, t := range p.Tiers {
		m.Price.Tiers = append(m.Price.Tiers, zg.Tier{MaxInputTokens: t.Max, Input: zg.Ratio{Num: t.In, Den: t.InDen}, Output: zg.Ratio{Num: t.Out, Den: t.OutDen}})
	}
	if c := p.Cache; c != nil {
		m.Price.Cache = zg.CacheBilling{
			Divisor: c.Divisor, Write: zg.Ratio{Num: c.Write, Den: c.WriteDen}, Write1h: zg.Ratio{Num: c.Hour, Den: c.HourDen},
		}
	}
	return m
}

// Target is a provider whose catalogue is kept.
type Target struct {
	Provider common.Address
	BaseURL  string
}

// CatalogsConfig is what Catalogs needs; all of it is optional.
type CatalogsConfig struct {
	Every time.Duration // 0: 5 minutes
	Log   zerolog.Logger
}

// Catalogs keeps the catalogues of the allowed providers.
type Catalogs struct {
	client   *Client
	targets  func() []Target
	cfg      CatalogsConfig
	snapshot atomic.Pointer[map[common.Address]zg.Catalog]
	changed  chan struct{}
}

// NewCatalogs builds an empty view. It starts nothing.
func NewCatalogs(c *Client, targets func() []Target, cfg CatalogsConfig) *Catalogs {
	if cfg.Every == 0 {
		cfg.Every = 5 * time.Minute
	}
	k := &Catalogs{client: c, targets: targets, cfg: cfg, changed: make(chan struct{}, 1)}
	k.snapshot.Store(&map[common.Address]zg.Catalog{})
	return k
}

// Snapshot is what was read last of every provider. It is never changed once published.
func (k *Catalogs) Snapshot() map[common.Address]zg.Catalog { return *k.snapshot.Load() }

// Changed receives after a new snapshot was published.
func (k *Catalogs) Changed() <-chan struct{} { return k.changed }

// Run reads all catalogues now and then at every interval, until ctx ends.
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

// Refresh reads all catalogues once. Where one cannot be read, the last one stands.
func (k *Catalogs) Refresh(ctx context.Context) {
	next := maps.Clone(k.Snapshot())
	for _, t := range k.targets() {
		cat, err := k.client.Catalog(ctx, t.Provider, t.BaseURL)
		switch {
		case err == nil:
			next[t.Provider] = cat
		case errors.Is(err, ErrNotSupported) || ctx.Err() != nil:
		default:
			k.cfg.Log.Warn().Err(err).Str("provider", t.Provider.Hex()).Msg("a catalogue cannot be read")
		}
	}
	k.snapshot.Store(&next)
	select {
	case k.changed <- struct{}{}:
	default:
	}
}
