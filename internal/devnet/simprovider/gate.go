package simprovider

import (
	"context"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// accountCache reads sub-accounts and the own service from the chain and believes them for a while.
type accountCache struct {
	chain    Chain
	provider common.Address
	ttl      time.Duration
	now      func() time.Time
	mu       sync.Mutex
	users    map[common.Address]*cachedAccount
	service  struct {
		sync.Mutex
		readAt time.Time
		value  zg.Service
	}
}

type cachedAccount struct {
	mu     sync.Mutex // held while the chain is read, so that a burst of requests reads once
	readAt time.Time
	value  zg.SubAccount
}

func newAccountCache(chain Chain, provider common.Address, ttl time.Duration, now func() time.Time) *accountCache {
	return &accountCache{chain: chain, provider: provider, ttl: ttl, now: now, users: make(map[common.Address]*cachedAccount)}
}

func (a *accountCache) entry(user common.Address) *cachedAccount {
	a.mu.Lock()
	defer a.mu.Unlock()
	e, ok := a.users[user]
	if !ok {
		e = &cachedAccount{}
		a.users[user] = e
	}
	return e
}

// get returns the sub-account as it was at most the cache's time ago. A missing one is looked up again every time.
func (a *accountCache) get(ctx context.Context, user common.Address) (zg.SubAccount, bool, error) {
	e := a.entry(user)
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.readAt.IsZero() && a.now().Sub(e.readAt) < a.ttl {
		return e.value, true, nil
	}
	return a.read(ctx, user, e)
}

// fresh reads the sub-account now.
func (a *accountCache) fresh(ctx context.Context, user common.Address) (zg.SubAccount, bool, error) {
	e := a.entry(user)
	e.mu.Lock()
	defer e.mu.Unlock()
	return a.read(ctx, user, e)
}

func (a *accountCache) read(ctx context.Context, user common.Address, e *cachedAccount) (zg.SubAccount, bool, error) {
	e.readAt = time.Time{}
	v, ok, err := a.chain.SubAccount(ctx, user, a.provider)
	if err != nil {
		return zg.SubAccount{}, false, fmt.Errorf("read the sub-account of %s: %w", user, err)
	}
	if ok {
		e.value, e.readAt = v, a.now()
	}
	return v, ok, nil
}

// offer returns the own service as registered on chain.
func (a *accountCache) offer(ctx context.Context) (zg.Service, error) {
	a.service.Lock()
	defer a.service.Unlock()
	if !a.service.readAt.IsZero() && a.now().Sub(a.service.readAt) < a.ttl {
		return a.service.value, nil
	}
	v, err := a.chain.Service(ctx, a.provider)
	if err != nil {
		return zg.Service{}, fmt.Errorf("read the own service: %w", err)
	}
	a.service.value, a.service.readAt = v, a.now()
	return v, nil
}

// admit is the last check before a request is served: a sub-account, both acknowledgements, and money for what is owed
// plus the reserve and the request's own cost, where that is known beforehand. Requests under way count for nothing
// until they have finished.
func (p *Provider) admit(ctx context.Context, user common.Address, cost zg.Neuron) error {
	account, ok, err := p.accounts.get(ctx, user)
	if err != nil {
		return err
	}
	if !ok {
		return refuse("validate request: get account from contract, account not exist")
	}
	if !account.Acknowledged {
		return refuse("validate request: user not acknowledge the provider")
	}
	service, err := p.accounts.offer(ctx)
	if err != nil {
		return err
	}
	if !service.TEESignerAcknowledged {
		return refuse("validate request: service not acknowledge the tee signer")
	}
	if p.whitelist[user] {
		return nil
	}
	if required := p.required(user).Add(cost); account.Locked().Less(required) {
		// A top-up works as soon as it is mined: what is cached is not enough to refuse.
		if account, _, err = p.accounts.fresh(ctx, user); err != nil {
			return err
		}
		if account.Locked().Less(required) {
			return refuse(fmt.Sprintf("validate request: insufficient balance: your locked balance is %s 0G, but the required minimum is %s 0G "+
				"(breakdown: minimum reserve %s 0G + unsettled fees %s 0G + current request fee %s 0G). Please transfer more to the provider",
				sixDecimals(account.Locked()), sixDecimals(required), sixDecimals(p.cfg.Reserve), sixDecimals(p.purse.owed(user)), sixDecimals(cost)))
		}
	}
	return nil
}

// required is what a sub-account has to hold for its next request to be served, besides what that one costs.
func (p *Provider) required(user common.Address) zg.Neuron {
	return p.cfg.Reserve.Add(p.purse.owed(user))
}

// sixDecimals is an amount in 0G as the refusal prints it: rounded to six decimals.
func sixDecimals(n zg.Neuron) string {
	const step = 1_000_000_000_000 // 10^(18-6)
	micro := new(big.Int).Div(n.Add(zg.NeuronOf(step/2)).Big(), big.NewInt(step))
	whole, frac := new(big.Int).DivMod(micro, big.NewInt(1_000_000), new(big.Int))
	return fmt.Sprintf("%s.%06d", whole, frac.Uint64())
}

// checkModel refuses models that are not served here and those that have expired. Too many of the former ban the
// wallet.
func (p *Provider) checkModel(user common.Address, model string) error {
	if _, ok := p.cfg.price(model); !ok {
		p.limits.mismatch(user)
		return refuse("validate request: model not supported: " + model)
	}
	if at := p.cfg.ModelExpiry; !at.IsZero() && !p.cfg.Now().Before(at) {
		gone := refuseWith(http.StatusGone, fmt.Sprintf("model %q is no longer available (expired at %s)", model, at.UTC().Format(time.RFC3339)))
		gone.header.Set("Cache-Control", "no-store")
		return gone
	}
	return nil
}
