package billing

import (
	"context"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// What failed is tried again later and later. Most failures to sign are the endpoint's, and short.
	firstBackoff = 5 * time.Second
	lastBackoff  = time.Hour
	// passingBackoff is the longest wait after a failure of the endpoint, which passes, and costs nothing to find out.
	passingBackoff = 30 * time.Second
	// A transfer that reverted cost gas and will most likely revert again, so it is not tried again for twenty minutes.
	// Nor is one that was cancelled.
	revertedHeadStart = 8
)

// carryOut has a transaction made and sees it through.
func (k *Keeper) carryOut(ctx context.Context, next errand, decided uint64) error {
	if k.cfg.Suspended(next.provider) != "" || !k.cfg.MayFund(next.provider) {
		return nil // since it was decided; it is decided again
	}
	var e Entry
	var err error
	k.doing = next
	// Looks go on meanwhile, and until it is signed they may find what speaks against it.
	wanted := func() bool { return k.journal.changes.Load() == decided && k.View().Providers[next.provider].Planned }
	k.beside(ctx, func() { e, err = k.journal.do(ctx, next.intent, OriginAuto, wanted, k.cfg.Notify) })
	k.doing = errand{}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errOvertaken), errors.Is(err, errSuspended), errors.Is(err, ErrOthersWait):
		return nil // the accounts are read again, and it is decided again
	case errors.Is(err, ErrForeignNonce):
		k.ended(e) // it is on record, so that the next decision is to sign nothing
		return nil
	case errors.Is(err, ErrNotSigned):
		reason, plain := whyNotSigned(err)
		k.fail(next.provider, reason, Failed{Why: said(err), plain: plain}, 0)
		k.metrics.topups.WithLabelValues(next.provider.Hex(), refusalSigning).Inc()
		k.cfg.Log.Warn().Err(err).Str("provider", next.provider.Hex()).Str("kind", string(next.intent.Kind)).
			Stringer("amount_neuron", next.intent.Amount).Msg("a transaction could not be signed")
		return nil
	}
	k.ended(e)
	if reason := badEnd[e.State]; reason != "" && next.intent.Kind == zg.IntentDeposit {
		k.fail(next.provider, reason, Failed{Why: endedBadly(&e, ", the deposit for it,")}, revertedHeadStart)
	}
	return err
}

// ended takes in how a transaction ended that the keeper made or finished.
func (k *Keeper) ended(e Entry) {
	if e.EndedAt.IsZero() {
		return
	}
	if e.Intent.Kind != zg.IntentTransfer || e.Origin != OriginAuto {
		return
	}
	p := e.Intent.Provider
	k.metrics.topups.WithLabelValues(p.Hex(), string(e.State)).Inc()
	if e.State == EntryMined {
		delete(k.failures, p)
	}
	if reason := badEnd[e.State]; reason != "" {
		k.fail(p, reason, Failed{Why: endedBadly(&e, "")}, revertedHeadStart)
	}
}

// badEnd are the ends of a transaction that moved nothing, with the reasons that keep it from being tried again at
// once.
var badEnd = map[EntryState]string{EntryReverted: refusalReverted, EntryCancelled: refusalCancelled}

// fail keeps a provider from being tried again for a while, longer every time.
func (k *Keeper) fail(p common.Address, reason string, how Failed, headStart int) {
	f := k.failures[p]
	f.Failed, f.reason, f.times = how, reason, min(max(f.times, headStart)+1, 12)
	longest := lastBackoff
	if reason == refusalEndpoint {
		longest = passingBackoff
	}
	f.At = k.cfg.Now()
	f.Again = f.At.Add(min(firstBackoff<<(f.times-1), longest))
	k.failures[p] = f
}
