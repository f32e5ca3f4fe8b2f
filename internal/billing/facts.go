package billing

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// facts gathers what a decision about one provider depends on, and what the view shows of it.
func (k *Keeper) facts(p common.Address, h zg.Holdings, a account, claim zg.Neuron, claimed bool, moved Moves) (facts, ProviderView) {
	sum := k.store.book.Provider(p)
	f := facts{
		provider: p, ledger: h.Ledger, minLedger: h.MinLedger, minAccount: h.MinAccount, held: sum.Held, reserve: a.reserve, maxReserve: k.cfg.MaxReserve,
		spare:    h.Wallet.Sub(k.cfg.WalletFloor),
		autoFund: !k.cfg.AutoFund.IsZero(), openRoom: k.cfg.AutoFund.Sub(moved.Auto.FirstTransfers), fillRoom: k.cfg.AutoFund.Sub(moved.Auto.Deposits),
	}
	suspended := k.cfg.Suspended(p)
	f.suspended = suspended != ""
	f.low, f.high = k.cfg.Water(p)
	f.demand, f.demandKind = k.store.demands.most(p, k.cfg.Now())
	f.room, f.roomLimit = k.cfg.Budget.Left(p, moved.Spent(p))
	f.account, f.exists = h.Accounts[p]
	f.service, f.registered = k.cfg.Service(p)
	k.vet(&f)
	if fail, ok := k.failures[p]; ok && k.cfg.Now().Before(fail.Again) {
		f.blocked, f.failed = fail.reason, fail.Failed
	}
	var pv ProviderView
	k.judge(p, a, sum, claim, claimed, &pv)
	f.drift = k.drifted(p, pv.Drift, pv.withoutHolds)
	f.owed = a.owed(sum.Fees, claim, claimed)
	if at := k.still[p].since; claimed && !at.IsZero() && k.cfg.Now().Sub(at) >= k.cfg.QuietFor {
		pv.Unclaimed = a.excess(sum.Fees, claim)
	}
	low, high := f.water()
	last, _ := k.said.Load(p)
	saidAt, _ := last.(time.Time)
	if k.cfg.MaxReserve.Less(a.reserve) {
		saidAt = time.Time{} // absurd: it may say what it likes, again every time
	}
	pv.Exists, pv.Account, pv.Unsettled, pv.UnsettledKnown, pv.Owed = f.exists, f.account, claim, claimed, f.owed
	pv.Debited, pv.Settled, pv.Corrected = a.debited, a.settled, a.corrected
	pv.Reserve, pv.ReserveAt, pv.LowWater, pv.HighWater = a.reserve, saidAt, low, high
	pv.Headroom, pv.FeesAtRead, pv.Suspended = f.spendable().Sub(low), sum.Fees, suspended
	return f, pv
}

// vet asks whether the provider is what the owner knows, by the reading of its service that is decided from.
func (k *Keeper) vet(f *facts) {
	f.changed = k.cfg.Changed()
	f.untrusted, f.unread = "", false
	if !f.registered {
		return
	}
	var err error
	if f.untrusted, err = k.cfg.Trusted(f.service); err != nil {
		k.cfg.Log.Error().Err(err).Str("provider", f.provider.Hex()).Msg("it is not known whether to trust a provider, so it gets no money")
		f.blocked, f.failed = refusalSigning, Failed{Why: said(err), plain: "it is not known whether to trust the provider"}
	}
}

// reread reads the service of a provider that is about to get money, at the block of the accounts that it is decided
// from. The directory may be as old as the endpoint's refusals to list all services, and a provider can leave or change
// its signer between two readings of it.
func (k *Keeper) reread(ctx context.Context, f *facts, block uint64) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	s, registered, err := k.chain.Service(ctx, f.provider, block)
	if err != nil {
		k.cfg.Log.Warn().Err(err).Str("provider", f.provider.Hex()).Msg("the service of a provider cannot be read, so it gets no money yet")
		f.unread, f.failed = true, Failed{Why: said(err)}
		return
	}
	f.service, f.registered = s, registered
	k.vet(f)
}

// drifted reports that a provider has taken or claims too much. What is held for requests under way may be what it has
// counted already, so it does not begin a pause; but it does not end one either, or one open request would hide any
// drift.
func (k *Keeper) drifted(p common.Address, drift, withoutHolds zg.Neuron) bool {
	switch tolerated := k.cfg.DriftTolerance; {
	case tolerated.Less(drift):
		k.drifting[p] = true
	case !tolerated.Less(withoutHolds):
		delete(k.drifting, p)
	}
	return k.drifting[p]
}
