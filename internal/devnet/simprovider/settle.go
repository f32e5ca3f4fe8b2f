package simprovider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Statuses of a settlement, as the contract gives them.
const (
	settledAll     = 0
	settledPartly  = 1
	maxSettlements = 50 // in one transaction
)

// Settle takes on chain what users owe, at most what each sub-account holds. What could not be taken stays owed, and
// the error says why; a sub-account that holds too little is not an error. With a SettleLag, what was taken is still
// claimed for that long after the receipt; batches come one after the other, so those who are in a later one wait for
// the earlier ones.
func (p *Provider) Settle(ctx context.Context) error {
	p.purse.settling.Lock()
	defer p.purse.settling.Unlock()
	p.purse.drop(p.cfg.PruneAfter)
	var errs []error
	for batch := range slices.Chunk(p.purse.debtors(), maxSettlements) {
		if err := p.settleBatch(ctx, batch); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (p *Provider) settleBatch(ctx context.Context, debtors []common.Address) error {
	var (
		users  []common.Address
		fees   []zg.Neuron
		before []zg.Neuron
		errs   []error
	)
	for _, user := range debtors {
		account, ok, err := p.accounts.fresh(ctx, user)
		if err != nil {
			return err
		}
		if !ok {
			errs = append(errs, fmt.Errorf("settle %s: there is no sub-account", user))
			continue
		}
		// Money on its way back to the user can still be taken.
		if fee := p.purse.due(user).Min(account.Balance); !fee.IsZero() {
			users, fees, before = append(users, user), append(fees, fee), append(before, account.Balance)
		}
	}
	if len(users) == 0 {
		return errors.Join(errs...)
	}
	statuses, err := p.cfg.Chain.Settle(ctx, p.cfg.Key, p.cfg.TEEKey, users, fees)
	if err != nil {
		return errors.Join(append(errs, fmt.Errorf("settle %d users: %w", len(users), err))...)
	}
	if len(statuses) != len(users) {
		return errors.Join(append(errs, fmt.Errorf("settle: %d statuses for %d users", len(statuses), len(users)))...)
	}
	taken := make([]zg.Neuron, len(users))
	for i, user := range users {
		// What is cached about this account is out of date now, and what a partial settlement took is only known by reading.
		after, _, err := p.accounts.fresh(ctx, user)
		if err != nil {
			errs = append(errs, err)
		}
		switch statuses[i] {
		case settledAll:
			taken[i] = fees[i]
		case settledPartly:
			if err == nil {
				taken[i] = before[i].Sub(after.Balance).Min(fees[i])
			}
		default:
			errs = append(errs, fmt.Errorf("settle %s: the contract refused with status %d", user, statuses[i]))
		}
	}
	p.wait(ctx, p.cfg.SettleLag) // whoever closes or gives up in between finds the rows deleted
	for i, user := range users {
		p.purse.take(user, taken[i])
	}
	return errors.Join(errs...)
}

// settleLoop settles every SettleEvery until the provider closes.
func (p *Provider) settleLoop() {
	tick := time.NewTicker(p.cfg.SettleEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-tick.C:
		}
		if err := p.Settle(p.ctx); err != nil && p.ctx.Err() == nil {
			p.cfg.Log.Warn().Err(err).Str("provider", p.address.Hex()).Msg("settlement failed")
		}
	}
}
