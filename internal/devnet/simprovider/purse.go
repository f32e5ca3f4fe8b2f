package simprovider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// purse holds what finished requests have cost and no settlement has taken yet.
type purse struct {
	settling sync.Mutex // one settlement at a time
	mu       sync.Mutex
	fees     map[common.Address]zg.Neuron
	billed   map[common.Address]zg.Neuron // ever
}

func newPurse() *purse {
	return &purse{fees: make(map[common.Address]zg.Neuron), billed: make(map[common.Address]zg.Neuron)}
}

func (b *purse) owed(user common.Address) zg.Neuron {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fees[user]
}

func (b *purse) add(user common.Address, fee zg.Neuron) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fees[user] = b.fees[user].Add(fee)
	b.billed[user] = b.billed[user].Add(fee)
}

func (b *purse) take(user common.Address, fee zg.Neuron) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fees[user] = b.fees[user].Sub(fee); b.fees[user].IsZero() {
		delete(b.fees, user)
	}
}

// debtors lists who owes something, in the order of their addresses.
func (b *purse) debtors() []common.Address {
	b.mu.Lock()
	defer b.mu.Unlock()
	users := make([]common.Address, 0, len(b.fees))
	for u := range b.fees {
		users = append(users, u)
	}
	slices.SortFunc(users, common.Address.Cmp)
	return users
}

// Unsettled is what user owes for finished requests.
func (p *Provider) Unsettled(user common.Address) zg.Neuron { return p.purse.owed(user) }

// Billed is all that finished requests of user have ever cost, taken or not.
func (p *Provider) Billed(user common.Address) zg.Neuron {
	p.purse.mu.Lock()
	defer p.purse.mu.Unlock()
	return p.purse.billed[user]
}

// Forgive gives up what user owes.
func (p *Provider) Forgive(user common.Address) { p.purse.take(user, p.purse.owed(user)) }

// Bill adds to what user owes, as if a request had cost it: what a dishonest provider does.
func (p *Provider) Bill(user common.Address, fee zg.Neuron) { p.purse.add(user, fee) }

// Statuses of a settlement, as the contract gives them.
const (
	settledAll     = 0
	settledPartly  = 1
	maxSettlements = 50 // in one transaction
)

// Settle takes on chain what users owe, at most what each sub-account holds. What could not be taken stays owed, and the
// error says why; a sub-account that holds too little is not an error.
func (p *Provider) Settle(ctx context.Context) error {
	p.purse.settling.Lock()
	defer p.purse.settling.Unlock()
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
		if fee := p.purse.owed(user).Min(account.Balance); !fee.IsZero() {
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
	for i, user := range users {
		// What is cached about this account is out of date now, and what a partial settlement took is only known by reading.
		after, _, err := p.accounts.fresh(ctx, user)
		if err != nil {
			errs = append(errs, err)
		}
		switch statuses[i] {
		case settledAll:
			p.purse.take(user, fees[i])
		case settledPartly:
			if err == nil {
				p.purse.take(user, before[i].Sub(after.Balance).Min(fees[i]))
			}
		default:
			errs = append(errs, fmt.Errorf("settle %s: the contract refused with status %d", user, statuses[i]))
		}
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
