package main

import (
	"context"
	"log"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// ready says whether requests can be served at all; what is wrong with a single provider is not its business.
func (d *daemon) ready() (bool, string) {
	if !d.checked.Load() && d.saved.state.Load() == nil {
		return false, "the chain has not been read yet"
	}
	return true, ""
}

// checks are the lines of /readyz.
func (d *daemon) checks() []admin.Check {
	return []admin.Check{
		d.chainCheck(),
		{Name: "store", OK: d.store.Err() == nil, Detail: errText(d.store.Err())},
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// request is the record of one request, for the operator.
func (d *daemon) request(ctx context.Context, id string) (any, bool, error) {
	rec, ok, err := d.store.Request(ctx, id)
	return rec, ok, err
}

// status is the JSON of /v1/status. Amounts are decimal strings of neuron, with 0G beside them for reading.
func (d *daemon) status() any {
	view := d.keeper.View()
	dir := d.services()
	type amount struct {
		Neuron zg.Neuron `json:"neuron"`
		Og     string    `json:"0g"`
	}
	money := func(n zg.Neuron) amount { return amount{n, n.Og()} }
	type account struct {
		Provider       string   `json:"provider"`
		Model          string   `json:"model,omitempty"`
		URL            string   `json:"url,omitempty"`
		Account        bool     `json:"account"`
		Locked         amount   `json:"locked"`
		PendingRefund  amount   `json:"pending_refund"`
		Unsettled      amount   `json:"unsettled"`
		UnsettledKnown bool     `json:"unsettled_known"`
		Held           amount   `json:"held"`
		FeesBooked     amount   `json:"fees_booked"`
		Acknowledged   bool     `json:"acknowledged"`
		Funding        string   `json:"funding,omitempty"`
		Warnings       []string `json:"warnings,omitempty"`
	}
	accounts := []account{}
	for _, p := range d.cfg.Providers {
		svc, known := d.service(p)
		a := account{Provider: p.Hex(), Model: svc.Model, URL: svc.URL}
		if !known {
			a.Warnings = append(a.Warnings, "not registered on chain")
		} else if !svc.TEESignerAcknowledged {
			a.Warnings = append(a.Warnings, "its signer is not acknowledged by the contract owner; it refuses requests")
		}
		pv := view.Providers[p]
		a.Account, a.Locked, a.PendingRefund, a.Acknowledged = pv.Exists, money(pv.Account.Locked()), money(pv.Account.PendingRefund), pv.Account.Acknowledged
		a.Unsettled, a.UnsettledKnown, a.Funding = money(pv.Unsettled), pv.UnsettledKnown, pv.Reason
		sum := d.store.Book().Provider(p)
		a.Held, a.FeesBooked = money(sum.Held), money(sum.Fees)
		accounts = append(accounts, a)
	}
	slices.SortFunc(accounts, func(a, b account) int { return strings.Compare(a.Provider, b.Provider) })
	out := map[string]any{
		"version": thisBuild(), "network": d.cfg.Network, "wallet": d.wallet.Address().Hex(), "uptime_seconds": int64(time.Since(d.started).Seconds()),
		"directory": map[string]any{"block": dir.Block, "read_at": dir.ReadAt, "services": len(dir.Services)},
		"funding":   map[string]any{"block": view.Holdings.Block, "read_at": view.ReadAt, "error": errText(view.Err), "wallet": money(view.Holdings.Wallet)},
		"accounts":  accounts,
	}
	if l := view.Holdings.Ledger; l != nil {
		out["ledger"] = map[string]amount{"available": money(l.Available), "total": money(l.Total)}
	}
	return out
}

// quietLogger sends what net/http complains about (mostly clients that break TLS or HTTP) to the debug level.
func quietLogger(l zerolog.Logger) *log.Logger {
	return log.New(writerFunc(func(p []byte) (int, error) {
		l.Debug().Str("detail", strings.TrimSpace(string(p))).Msg("http server")
		return len(p), nil
	}), "", 0)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
