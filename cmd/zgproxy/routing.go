package main

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/provider"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// endpointKey is the Authorization that an endpoint of the owner's wants, or nothing.
func (d *daemon) endpointKey(id string) string {
	for _, e := range d.cfg.Endpoints {
		if e.ID == id && e.Key.IsSet() {
			return "Bearer " + e.Key.Reveal()
		}
	}
	return ""
}

// funded reports whether a provider would serve by what was last seen of its sub-account. What is not known counts as funded.
func (d *daemon) funded(p common.Address) bool {
	pv, ok := d.keeper.View().Providers[p]
	return !ok || (pv.Exists && pv.Reason == "" && !pv.Account.Locked().Less(zg.OneOG))
}

// targets are the providers whose catalogues are read: only those the owner allows.
func (d *daemon) targets() []provider.Target {
	var out []provider.Target
	for _, p := range d.cfg.Providers {
		if s, ok := d.service(p); ok {
			out = append(out, provider.Target{Provider: p, BaseURL: s.URL})
		}
	}
	return out
}

// routeOptions are what the configuration says about who serves what.
func routeOptions(cfg config.Config, suspended map[common.Address]zg.Suspension) route.Options {
	o := route.Options{Allowed: cfg.Providers, Suspended: suspended, Enforce: cfg.Verify == config.Enforce, Aliases: cfg.ModelAliases}
	for _, e := range cfg.Endpoints {
		o.Endpoints = append(o.Endpoints, route.Endpoint{ID: e.ID, URL: e.URL, Models: e.Models, Priority: e.Priority})
	}
	return o
}

// followRoutes takes over what was read again: into the routes, and into the store for the next start.
func (d *daemon) followRoutes(ctx context.Context) error {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			d.saveReadings()
			return nil
		case <-tick.C:
			if ends := d.graceEnds.Load(); ends != 0 && time.Now().UnixMicro() >= ends {
				d.rebuildRoutes()
			}
		case <-d.directory.Changed():
			d.checkPins(ctx)
			d.rebuildRoutes()
		case <-d.catalogs.Changed():
			d.rebuildRoutes()
		}
		d.saveReadings()
	}
}

func (d *daemon) rebuildRoutes() {
	d.routes.Lock()
	defer d.routes.Unlock()
	suspended, until := d.trust.InForce(time.Now())
	if d.graceEnds.Store(0); !until.IsZero() {
		d.graceEnds.Store(until.UnixMicro())
	}
	d.proxy.SetRoutes(route.Build(d.services(), d.catalogues(), routeOptions(d.cfg, suspended)))
}
