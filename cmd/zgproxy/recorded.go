package main

import (
	"context"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// records are what the spend store knows of the wallet's money: that of the daemon, or one that is only read.
type records interface {
	Foreign(ctx context.Context, wallet string) (billing.Foreign, error)
	Unfinished(ctx context.Context, wallet string) (billing.Entry, bool, error)
	Transferred(ctx context.Context, since time.Time) (map[common.Address]billing.Moved, error)
	AutoFunded(ctx context.Context) (billing.AutoFunded, error)
	FeesBooked(ctx context.Context, since time.Time) (map[common.Address]zg.Neuron, error)
	Owed(ctx context.Context) (map[common.Address]zg.Neuron, error)
	Unknown(ctx context.Context, wallet string) (billing.Unknown, error)
	Trust(ctx context.Context) (map[common.Address]zg.Pin, map[common.Address]zg.Suspension, error)
}

// addRecorded adds to a report what only the spend store knows: what is under way, what is left of the limits, and what is
// owed where no daemon has said so.
func addRecorded(ctx context.Context, r records, cfg config.Config, out *accountReport) error {
	e, under, err := r.Unfinished(ctx, walletName(cfg, out.Wallet.Address))
	if err != nil {
		return err
	}
	if under {
		tx := transactionOf(e)
		out.Unfinished = &tx
	}
	foreign, err := r.Foreign(ctx, walletName(cfg, out.Wallet.Address))
	if err != nil {
		return err
	}
	if w := foreignWarning(foreign); w != "" {
		f := foreignReport(out.Wallet.Address, foreign)
		out.Foreign, out.Warnings = &f, append(out.Warnings, w)
	}
	unknown, err := r.Unknown(ctx, walletName(cfg, out.Wallet.Address))
	if err != nil {
		return err
	}
	if unknown.Any(time.Now()) {
		out.Warnings = append(out.Warnings, unknown.String())
	}
	if out.Limits, err = limits(ctx, r, cfg, unknown, time.Now()); err != nil {
		return err
	}
	owed, err := r.Owed(ctx)
	if err != nil {
		return err
	}
	pins, suspended, err := r.Trust(ctx)
	if err != nil {
		return err
	}
	for i := range out.Accounts {
		s := &out.Accounts[i]
		s.trusted(pins, suspended)
		if n, known := owed[s.Provider.Address]; known && s.Owed == nil {
			s.Owed = &amount{n, n.Og()}
			s.Low = s.Locked.Neuron.Sub(n).Less(s.LowWater.Neuron)
		}
	}
	return nil
}

// trusted adds what the provider is trusted as, and why it is suspended where it is.
func (s *subReport) trusted(pins map[common.Address]zg.Pin, suspended map[common.Address]zg.Suspension) {
	if pin, ok := pins[s.Provider.Address]; ok {
		s.Pinned = pinReport(pin)
		s.OtherSigner = pin.Settler != (common.Address{}) && s.Registered && pin.Settler != s.Signer.Address
	}
	why, ok := suspended[s.Provider.Address]
	if !ok {
		if s.Allowed && s.Waiting != "" && s.Note == "" {
			s.Note = "Waiting: " + s.Waiting + ". It comes back automatically when that happens."
		}
		return
	}
	s.Suspended = &admin.Suspension{Code: why.Code, Reason: why.Reason, RequestID: why.RequestID, At: why.At}
	if s.Allowed {
		s.Note = "Suspended: " + why.Reason + " If you trust it as it is now: zgproxy provider accept " + s.Provider.Hex() + "."
	}
}

func pinReport(p zg.Pin) *admin.Pin {
	out := &admin.Pin{Signer: admin.Address{Address: p.Signer}, Source: p.Source, URL: p.URL}
	if !p.At.IsZero() {
		at := p.At.UTC()
		out.At = &at
	}
	return out
}

// suspendedIn reads who is suspended, as trustIn does.
func suspendedIn(ctx context.Context, dir string) (map[common.Address]zg.Suspension, error) {
	_, suspended, err := trustIn(ctx, dir)
	return suspended, err
}

// trustIn reads whom the owner trusts from a spend store that may not be there, or not be up to date, yet.
func trustIn(ctx context.Context, dir string) (pins map[common.Address]zg.Pin, suspended map[common.Address]zg.Suspension, err error) {
	r, err := billing.OpenReadOnly(ctx, dir)
	if errors.Is(err, billing.ErrNoStore) || errors.Is(err, billing.ErrOlderSchema) {
		return nil, nil, nil // nobody is known
	}
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return r.Trust(ctx)
}

// limits are the owner's caps that are set, and what is left of them. Nothing is, where it is not known what was spent.
func limits(ctx context.Context, r records, cfg config.Config, unknown billing.Unknown, now time.Time) ([]limitReport, error) {
	out := []limitReport{}
	since := now.Add(-24 * time.Hour)
	for _, kind := range []struct {
		name   string
		budget billing.Budget
		spent  func(since time.Time) (map[common.Address]zg.Neuron, error)
	}{
		{"FEES", budgets(cfg).Fees, func(since time.Time) (map[common.Address]zg.Neuron, error) { return r.FeesBooked(ctx, since) }},
		{"TRANSFERS", budgets(cfg).Transfers, func(since time.Time) (map[common.Address]zg.Neuron, error) {
			moved, err := r.Transferred(ctx, since)
			all := make(map[common.Address]zg.Neuron, len(moved))
			for p, m := range moved {
				all[p] = m.All()
			}
			return all, err
		}},
	} {
		day, err := kind.spent(since)
		if err != nil {
			return nil, err
		}
		total, err := kind.spent(time.Time{})
		if err != nil {
			return nil, err
		}
		add := func(name string, byDay bool, limit billing.Cap, p *common.Address, used zg.Neuron) {
			most, set := limit.Limit()
			if !set {
				return
			}
			l := limitReport{Name: name, Limit: money(most), Used: money(used), Left: money(most.Sub(used))}
			if kind.name == "FEES" && unknown.Fees(byDay, now) {
				l.Left = money(zg.Neuron{})
			}
			if p != nil {
				l.Provider = &admin.Address{Address: *p}
			}
			out = append(out, l)
		}
		add("ZGPROXY_BUDGET_"+kind.name+"_DAY", true, kind.budget.Day, nil, sumOf(day))
		add("ZGPROXY_BUDGET_"+kind.name+"_TOTAL", false, kind.budget.Total, nil, sumOf(total))
		for _, p := range cfg.Providers {
			add("ZGPROXY_BUDGET_PROVIDER_"+kind.name+"_DAY", true, kind.budget.ProviderDay.For(p), &p, day[p])
			add("ZGPROXY_BUDGET_PROVIDER_"+kind.name+"_TOTAL", false, kind.budget.ProviderTotal.For(p), &p, total[p])
		}
	}
	if most := cfg.AutoFund.Neuron; !most.IsZero() {
		used, err := r.AutoFunded(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out,
			limitReport{Name: "ZGPROXY_AUTO_FUND", For: "first transfers", Limit: money(most), Used: money(used.FirstTransfers), Left: money(most.Sub(used.FirstTransfers))},
			limitReport{Name: "ZGPROXY_AUTO_FUND", For: "deposits", Limit: money(most), Used: money(used.Deposits), Left: money(most.Sub(used.Deposits))})
	}
	return out, nil
}

func sumOf(by map[common.Address]zg.Neuron) (sum zg.Neuron) {
	for _, n := range by {
		sum = sum.Add(n)
	}
	return sum
}
