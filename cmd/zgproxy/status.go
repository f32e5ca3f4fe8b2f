package main

import (
	"context"
	"fmt"
	"log"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
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
	return append([]admin.Check{
		d.chainCheck(),
		{Name: "store", OK: d.store.Err() == nil, Detail: errText(d.store.Err())},
		// Without top-ups what is funded can still be served.
		{Name: "funding", OK: true, Detail: errText(d.keeper.View().Err)},
	}, slices.Concat(d.endpointChecks(), d.contractChecks(), d.restoredChecks(), d.foreignChecks(), d.waitingChecks(), d.limitChecks())...)
}

// contractChecks tell of contracts that are not the known ones. What is funded can still be served.
func (d *daemon) contractChecks() []admin.Check {
	if w := changedWarning(d.client.Changed()); w != "" {
		return []admin.Check{{Name: "contracts", OK: true, Detail: w}}
	}
	return nil
}

// changedWarning says what it means that the contracts have changed; empty where they have not.
func changedWarning(changed []string) string {
	if len(changed) == 0 {
		return ""
	}
	return "The network's contracts are not the ones that this zgproxy knows: " + strings.Join(changed, ", ") + ". Nothing is topped up automatically; what is " +
		"there can be used, and got back. Look for a newer zgproxy."
}

// restoredChecks tell of what a restored store does not know. What is funded can still be served, within the budgets.
func (d *daemon) restoredChecks() []admin.Check {
	if u := d.keeper.View().Unknown; u.Any(time.Now()) {
		return []admin.Check{{Name: "restored", OK: true, Detail: u.String()}}
	}
	return nil
}

// foreignChecks tell of what was done elsewhere with the wallet. What is funded can still be served.
func (d *daemon) foreignChecks() []admin.Check {
	if w := foreignWarning(d.keeper.View().Foreign); w != "" {
		return []admin.Check{{Name: "wallet", OK: true, Detail: w}}
	}
	return nil
}

// limitChecks are the budgets that let nothing through any more, and the providers that are low and not topped up. Only a
// budget for all fees together keeps every request out, so only that is not OK.
func (d *daemon) limitChecks() (out []admin.Check) {
	for _, b := range d.meter.BudgetsReached() {
		used := b.Spent.Add(b.Held)
		out = append(out, admin.Check{Name: "budget", OK: b.Provider != (common.Address{}) || used.Less(b.Cap), Detail: b.String()})
	}
	for _, b := range d.keeper.TransferBudgets() {
		if !b.Spent.Less(b.Cap) {
			out = append(out, admin.Check{Name: "budget", OK: true, Detail: b.String()})
		}
	}
	view := d.keeper.View()
	for _, p := range d.cfg.Providers {
		if why, waits := d.trust.Waits(p); waits {
			out = append(out, admin.Check{Name: "provider", OK: true, Detail: fmt.Sprintf(
				"%s waits since %s: %s. It gets no requests, and comes back automatically; other providers of its models serve meanwhile.",
				p, why.At.UTC().Format(time.RFC3339), zg.WaitingForSigner)})
		}
		if pv := view.Providers[p]; pv.Reason != "" {
			out = append(out, admin.Check{Name: "provider", OK: true, Detail: fmt.Sprintf("%s is low and not topped up (%s). %s", p, pv.Reason, pv.Hint(p))})
		} else if w := pv.Demand; w.Reason != "" {
			out = append(out, admin.Check{Name: "provider", OK: true, Detail: fmt.Sprintf("%s is not paid for a request (%s). %s", p, w.Reason, pv.DemandHint())})
		}
	}
	return out
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

// receiptReport is that of one answer, for the operator: by the id of its request, or by its own.
func (d *daemon) receiptReport(ctx context.Context, id string) (any, bool, error) {
	return d.receipt(ctx, id)
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
	type demand struct {
		Kind    string `json:"kind"`
		Fee     amount `json:"fee"`
		Missing amount `json:"missing"`          // of what has to be in the sub-account for it
		Reason  string `json:"reason,omitempty"` // why that is not moved
		Hint    string `json:"hint,omitempty"`
	}
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
		Owed           amount   `json:"owed"`
		Drift          amount   `json:"drift"`
		Watched        amount   `json:"watched"`   // claimed, and no drift yet: a settlement may be under way
		Unclaimed      amount   `json:"unclaimed"` // recorded, and at rest neither taken nor claimed
		Debited        amount   `json:"debited"`
		Settled        amount   `json:"settled"`
		Corrected      amount   `json:"corrected"`
		Reserve        amount   `json:"reserve"` // 0: the provider has not said
		LowWater       amount   `json:"low_water"`
		HighWater      amount   `json:"high_water"`
		Runway         *int64   `json:"runway_seconds,omitempty"` // absent while nothing is spent
		Signer         string   `json:"signer,omitempty"`         // the TEE signer that it is trusted with
		Waiting        string   `json:"waiting,omitempty"`        // what it waits for, without requests; it comes back automatically
		Suspended      string   `json:"suspended,omitempty"`      // why it gets nothing until it is accepted
		Funding        string   `json:"funding,omitempty"`        // why it is low and not topped up: a code …
		FundingHint    string   `json:"funding_hint,omitempty"`   // … and in words, with what has failed
		Demand         *demand  `json:"demand,omitempty"`         // a request that costs more than is there; absent: none waits
		Warnings       []string `json:"warnings,omitempty"`
	}
	accounts := []account{}
	for _, p := range d.cfg.Providers {
		svc, known := d.service(p)
		a := account{Provider: p.Hex(), Model: svc.Model, URL: svc.URL}
		if !known {
			a.Warnings = append(a.Warnings, "not registered on chain")
		} else if a.Waiting = svc.WaitingFor(); a.Waiting != "" {
			a.Warnings = append(a.Warnings, "waiting: "+a.Waiting+"; it gets no requests, and comes back automatically")
		}
		pv := view.Providers[p]
		a.Account, a.Locked, a.PendingRefund, a.Acknowledged = pv.Exists, money(pv.Account.Locked()), money(pv.Account.PendingRefund), pv.Account.Acknowledged
		a.Unsettled, a.UnsettledKnown, a.Funding = money(pv.Unsettled), pv.UnsettledKnown, pv.Reason
		a.Suspended = pv.Suspended
		if pv.Reason != "" {
			a.FundingHint = pv.Hint(p)
		}
		sum := d.store.Book().Provider(p)
		a.Held, a.FeesBooked = money(sum.Held), money(sum.Fees)
		a.Owed, a.Drift, a.Debited, a.Settled, a.Corrected = money(pv.Owed), money(pv.Drift), money(pv.Debited), money(pv.Settled), money(pv.Corrected)
		a.Watched, a.Unclaimed = money(pv.Watched), money(pv.Unclaimed)
		a.Reserve, a.LowWater, a.HighWater = money(pv.Reserve), money(pv.LowWater), money(pv.HighWater)
		if w := pv.Demand; !w.Fee.IsZero() {
			a.Demand = &demand{string(w.Kind), money(w.Fee), money(w.Missing), w.Reason, pv.DemandHint()}
		}
		if left, ok := d.keeper.Runway(p); ok {
			seconds := int64(left.Seconds())
			a.Runway = &seconds
		}
		if pin, ok := d.trust.Pin(p); ok && pin.Settler != (common.Address{}) {
			a.Signer = pin.Settler.Hex()
		}
		accounts = append(accounts, a)
	}
	slices.SortFunc(accounts, func(a, b account) int { return strings.Compare(a.Provider, b.Provider) })
	var api string
	if at := d.api.Load(); at != nil {
		api = *at
	}
	out := map[string]any{
		"api":     api,
		"version": thisBuild(), "network": d.cfg.Network, "wallet": d.wallet.Address().Hex(), "uptime_seconds": int64(time.Since(d.started).Seconds()),
		"directory": map[string]any{"block": dir.Block, "read_at": dir.ReadAt, "services": len(dir.Services)},
		"funding":   map[string]any{"block": view.Holdings.Block, "read_at": view.ReadAt, "error": errText(view.Err), "wallet": money(view.Holdings.Wallet)},
		"foreign":   foreignReport(d.wallet.Address(), view.Foreign),
		"waiting":   waitingReport(d.wallet.Address(), view.Waiting),
		"accounts":  accounts,
		"endpoints": d.endpoints(), // of several; null: there is one only
		// In words; null: as this zgproxy knows them.
		"contracts_changed": d.client.Changed(),
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
