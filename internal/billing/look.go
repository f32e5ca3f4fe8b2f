package billing

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	readTimeout  = 30 * time.Second
	claimTimeout = 10 * time.Second
	// eventsGrace is how many looks in a row events may be missing, or not fit the balances, before the balances alone are
	// believed: nodes that answer in turn are not always of one mind.
	eventsGrace = 5
	// clockGrace is how far our clock may be ahead of the chain's. A clock that has jumped ahead would forget what was
	// moved within the last 24 hours.
	clockGrace = 10 * time.Minute
)

// errand is what is to be done, and for whom.
type errand struct {
	intent   zg.Intent // without a kind: nothing
	provider common.Address
}

// look reads all accounts at one block, brings the book up to date with it, publishes the view, and returns what is to
// be done for the neediest sub-account. Where a transaction of ours began or ended meanwhile it looks again: the
// journal would count one as moved that the accounts do not show yet, and a limit would seem used up by what is still
// to arrive.
func (k *Keeper) look(ctx context.Context) (next errand, err error) {
	for same := false; !same; {
		if next, same, err = k.lookOnce(ctx); err != nil {
			return errand{}, err
		}
	}
	return next, nil
}

// lookOnce is look; same reports whether the journal was the same before and after. Nothing is published where it was
// not.
func (k *Keeper) lookOnce(ctx context.Context) (next errand, same bool, err error) {
	newest, err := k.store.newestEntry(ctx, k.journal.cfg.Wallet) // a whole transaction may come and go while the accounts are read
	if err != nil {
		return next, false, err
	}
	began, wasBusy, err := k.store.unfinished(ctx, k.journal.cfg.Wallet)
	if err != nil {
		return next, false, err
	}
	readAt := k.cfg.Now()
	h, err := k.holdings(ctx)
	if err != nil {
		return next, false, err
	}
	// Before anything is decided: what was done elsewhere counts against the limits, and is on record first.
	foreign, err := k.survey(ctx, h.Block)
	if err != nil {
		return next, false, err
	}
	waiting := k.othersWaiting(ctx, h.Block)
	unknown, err := k.store.settleRestore(ctx, k.journal.cfg.Wallet, foreign.Count() == 0 && !waiting.Any(), k.cfg.Now())
	if err != nil {
		return next, false, err
	}
	moved, err := k.moves(ctx, k.clock(readAt, h.BlockTime))
	if err != nil {
		return next, false, err
	}
	providers := slices.Clone(k.cfg.Providers())
	slices.SortFunc(providers, common.Address.Cmp)
	providers = slices.Compact(providers)
	before := k.store.book.All()
	// Claims are read after the balances: should a provider settle in between, the fees count as paid on one side and as
	// still owed on none, which delays a top-up rather than causing one that is not needed.
	claims := k.claims(ctx, h, providers)
	matched, err := k.settle(ctx, h, providers, claims, before)
	if err != nil {
		return next, false, err
	}
	view := KeeperView{
		Holdings: h, ReadAt: readAt, Providers: make(map[common.Address]ProviderView, len(providers)), Moves: moved,
		Foreign: foreign, Waiting: waiting, Unknown: unknown,
	}
	under, busy, err := k.store.unfinished(ctx, k.journal.cfg.Wallet)
	if err != nil {
		return next, false, err
	}
	last, err := k.store.newestEntry(ctx, k.journal.cfg.Wallet)
	if err != nil {
		return next, false, err
	}
	if busy != wasBusy || under.ID != began.ID || last != newest {
		return next, false, nil
	}
	stuck := busy && k.cfg.Now().Sub(under.CreatedAt) >= waitingPasses
	least := zg.MaxNeuron
	for _, p := range providers {
		claim, claimed := claims[p]
		f, pv := k.facts(p, h, matched[p], claim, claimed, moved)
		f.foreign, f.waiting, f.missing = foreign.Count() > 0, waiting.Any(), unknown.Money
		intent := f.outcome(&pv)
		if intent.Kind != "" && k.cfg.MayFund(p) {
			k.reread(ctx, &f, h.Block)
			intent = f.outcome(&pv)
		}
		onItsWay := busy && (under.Intent.Kind == zg.IntentTransfer && under.Intent.Provider == p || k.doing.provider == p)
		switch wanted := intent.Kind != "" || onItsWay && pv.Reason != ""; {
		case !wanted:
		case stuck: // nothing is promised that may not come for long
			intent, pv.Reason, pv.Failed = zg.Intent{}, refusalStuck, Failed{Why: said(k.stuck())}
		case onItsWay: // and counts against the limits, and is not in the ledger any more
			pv.Reason, pv.Failed = "", Failed{}
		}
		refusal := pv.Reason
		pv.Planned = (intent.Kind != "" || onItsWay && !stuck) && k.cfg.MayFund(p)
		view.Providers[p] = pv
		if refusal != "" {
			k.metrics.refusals.WithLabelValues(p.Hex(), refusal).Inc()
		}
		if left := f.spendable(); intent.Kind != "" && k.cfg.MayFund(p) && (next.intent.Kind == "" || left.Less(least)) {
			next, least = errand{intent, p}, left
		}
	}
	k.logRefusals(view)
	k.show(view)
	return next, true, nil
}

// survey finds out what was done elsewhere with the wallet. What it did is looked for less and less often while it is
// not found; that it was done counts at once.
func (k *Keeper) survey(ctx context.Context, block uint64) (Foreign, error) {
	f, err := k.journal.survey(ctx, block)
	if err != nil {
		return f, err
	}
	if now := k.cfg.Now(); !now.Before(k.traceAt) || f.Count() != k.View().Foreign.Count() {
		if err := k.journal.trace(ctx, block); err != nil {
			k.cfg.Log.Warn().Err(err).Msg("what was done elsewhere with the wallet could not be found out")
			k.traceWait = min(max(2*k.traceWait, k.cfg.Every), lastBackoff)
		} else {
			k.traceWait = 0
		}
		k.traceAt = now.Add(k.traceWait)
		if f, err = k.journal.store.Foreign(ctx, k.journal.cfg.Wallet); err != nil {
			return f, err
		}
	}
	switch before := k.View().Foreign; {
	case f.Count() > before.Count():
		k.cfg.Log.Error().Uint64("transactions", f.Count()).Uint64("highest_nonce", f.Through()).Stringer("to_providers_neuron", f.Transferred()).
			Str("hint", "If they are yours: zgproxy wallet accept. If not, someone else has your key.").
			Msg("the wallet has made transactions that are not from here; nothing is topped up until they are accepted")
	case f.Count() == 0 && before.Count() > 0:
		k.cfg.Log.Info().Msg("what was done elsewhere with the wallet is accepted; top-ups go on")
	}
	return f, nil
}

// othersWaiting looks for what waits that was not made here. Where that cannot be read, what was seen last stands:
// before anything is signed it is read again, and fails then.
func (k *Keeper) othersWaiting(ctx context.Context, block uint64) Waiting {
	w, err := k.journal.watchAt(ctx, block)
	if err != nil {
		k.cfg.Log.Debug().Err(err).Msg("it is not known what waits to be mined that was not made here")
		return k.View().Waiting
	}
	return w
}

// clock is our own, unless it is far ahead of the chain's.
func (k *Keeper) clock(now, block time.Time) time.Time {
	if limit := block.Add(clockGrace); !block.IsZero() && now.After(limit) {
		return limit
	}
	return now
}

// holdings reads the accounts and refuses to go back in time.
func (k *Keeper) holdings(ctx context.Context) (zg.Holdings, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	ended, err := k.store.lastBlock(ctx, k.journal.cfg.Wallet) // whoever made it end, and however short ago
	if err != nil {
		return zg.Holdings{}, err
	}
	h, err := k.chain.Holdings(ctx)
	if err != nil {
		return h, fmt.Errorf("read the accounts: %w", err)
	}
	if least := max(ended, k.minBlock); h.Block < least {
		return h, fmt.Errorf("%w (%d; %d has been seen)", errStale, h.Block, least)
	}
	k.minBlock = h.Block
	return h, nil
}

// still is since when a provider's requests and its claim have been at rest.
type still struct {
	requests uint64
	claim    zg.Neuron
	since    time.Time
}

// quiet reports that nothing has moved for a while: no request or job of the provider is under way or just finished,
// its claim stays the same, and it has taken nothing that it may still claim. Only then do its figures and ours speak
// of the same requests. A claim that is lower because of a debit that we have not seen yet would make our estimates
// look too high; one that still contains what was taken would make them look right, and they are corrected only once.
func (k *Keeper) quiet(p common.Address, before Sum, r *reading, job bool) bool {
	now, sum := k.cfg.Now(), k.store.book.Provider(p)
	next := still{sum.Requests, r.claim, now}
	last, ok := k.still[p]
	rest := r.claimed && r.told && !job && len(r.debits) == 0 && before.Open == 0 && sum.Open == 0 && sum.Requests == before.Requests
	if f := k.flights[p]; f != nil && !f.total().IsZero() {
		rest = false
	}
	if ok && rest && last.requests == next.requests && last.claim == next.claim {
		next.since = last.since
	}
	k.still[p] = next
	return rest && now.Sub(next.since) >= k.cfg.QuietFor
}

// claims asks every provider with a sub-account for its unsettled fees, all at once. Those that do not answer are
// absent.
func (k *Keeper) claims(ctx context.Context, h zg.Holdings, providers []common.Address) map[common.Address]zg.Neuron {
	if k.cfg.Unsettled == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	out := make(map[common.Address]zg.Neuron)
	for _, p := range providers {
		if _, ok := h.Accounts[p]; !ok {
			continue
		}
		wg.Go(func() {
			n, err := k.cfg.Unsettled(ctx, p)
			if err != nil {
				k.cfg.Log.Debug().Err(err).Str("provider", p.Hex()).Msg("unsettled fee not known; counting our own")
				return
			}
			mu.Lock()
			defer mu.Unlock()
			out[p] = n
		})
	}
	wg.Wait()
	return out
}

// settle counts what was taken from the sub-accounts since the last look and matches it with the book. A debit that
// only the balance tells of is counted for now, and for good once events have failed to tell of it for a while.
func (k *Keeper) settle(ctx context.Context, h zg.Holdings, providers []common.Address, claims map[common.Address]zg.Neuron, sums map[common.Address]Sum) (map[common.Address]account, error) {
	err := k.remember()
	if err != nil {
		return nil, err
	}
	if k.accounts, err = k.store.accounts(); err != nil {
		return nil, err
	}
	jobs, err := k.store.running(k.cfg.Now())
	if err != nil {
		return nil, err
	}
	moves, told := k.movements(ctx, h, providers)
	if err := k.recall(ctx, h, providers, moves); err != nil {
		return nil, err
	}
	readings := make(map[common.Address]reading, len(providers))
	for _, p := range providers {
		a := k.accounts[p]
		now := zg.Standing{Balance: h.Accounts[p].Balance, PendingRefund: h.Accounts[p].PendingRefund}
		r := reading{block: h.Block, now: now}
		r.claim, r.claimed = claims[p]
		before, changed := moves.Last[p]
		if !changed {
			before = zg.Standing{Balance: a.balance, PendingRefund: a.pending}
		}
		// At the block of the last look the same has to be there, else it is a block of another branch.
		if r.told = told && before == now; r.told || a.block == 0 || a.block > h.Block {
			k.puzzled[p] = 0
			for _, d := range moves.Settlements {
				if d.Provider == p && d.Block > a.block {
					r.debits = append(r.debits, d)
				}
			}
		} else if k.puzzled[p]++; k.puzzled[p] <= eventsGrace {
			continue
		} else {
			ours, err := k.store.TransferredBetween(ctx, a.block, h.Block)
			if err != nil {
				return nil, err
			}
			r.ours = ours[p]
			k.cfg.Log.Warn().Str("provider", p.Hex()).Stringer("before_neuron", a.balance).Stringer("balance_neuron", now.Balance).
				Msg("a balance changed and no event tells why; the balance is trusted")
			k.puzzled[p] = 0
		}
		r.quiet = k.quiet(p, sums[p], &r, jobs[p])
		readings[p] = r
	}
	settled, err := k.store.settle(readings, k.cfg.Now())
	if err != nil {
		return nil, err
	}
	before := maps.Clone(k.accounts)
	maps.Copy(k.accounts, settled)
	for p, r := range readings {
		if err := k.flown(p, before[p].debited, r); err != nil {
			return nil, err
		}
	}
	return k.provisional(ctx, h, providers)
}

// provisional are the accounts as they stand, with debits that only the balance tells of so far.
func (k *Keeper) provisional(ctx context.Context, h zg.Holdings, providers []common.Address) (map[common.Address]account, error) {
	out := make(map[common.Address]account, len(providers))
	for _, p := range providers {
		a := k.accounts[p]
		if k.puzzled[p] > 0 && h.Accounts[p].PendingRefund == a.pending {
			ours, err := k.store.TransferredBetween(ctx, a.block, h.Block)
			if err != nil {
				return nil, err
			}
			a.debit(a.balance.Add(ours[p]).Sub(h.Accounts[p].Balance))
		}
		out[p] = a
	}
	return out, nil
}

// movements are the events since the oldest account's block; false where they cannot be had.
func (k *Keeper) movements(ctx context.Context, h zg.Holdings, providers []common.Address) (zg.Movements, bool) {
	from := h.Block + 1
	for _, p := range providers {
		if b := k.accounts[p].block; b > 0 {
			from = min(from, b+1)
		}
	}
	if from > h.Block {
		return zg.Movements{}, true
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	m, err := k.chain.Movements(ctx, from, h.Block)
	if err != nil {
		k.cfg.Log.Debug().Err(err).Msg("the events of the sub-accounts cannot be read; their balances are compared")
		return zg.Movements{}, false
	}
	return m, true
}

// change alters what is recorded of an account, in the store and here.
func (k *Keeper) change(p common.Address, f func(*account)) (account, error) {
	a, err := k.store.changeAccount(p, f)
	if err == nil {
		k.accounts[p] = a
	}
	return a, err
}
