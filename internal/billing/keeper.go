package billing

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// errStale means that the node answered with an older state of the chain than it, or another one, did before.
var errStale = errors.New("the chain was read at an old block")

// Chain reads what the wallet has on chain, all at one block.
type Chain interface {
	Holdings(ctx context.Context) (zg.Holdings, error)
}

// KeeperConfig says what the keeper looks after and within which limits.
type KeeperConfig struct {
	Every time.Duration // between two looks at the accounts; 0: 30 s
	// A sub-account with less than LowWater left is filled up to HighWater; 0: 2 and 3 0G.
	LowWater, HighWater zg.Neuron
	AutoFund            bool      // also open missing sub-accounts, with a first transfer
	MaxTopUpPerDay      zg.Neuron // most transferred in any 24 hours, all providers together; 0: nothing is transferred
	// Providers are those that may be paid. Required.
	Providers func() []common.Address
	// Service finds a provider's offer in the directory. Required.
	Service func(common.Address) (zg.Service, bool)
	// Unsettled asks a provider for the fees it has not taken on chain yet. Optional: without it, or when it fails, our
	// own book says what is owed.
	Unsettled  func(context.Context, common.Address) (zg.Neuron, error)
	Log        zerolog.Logger
	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time      // nil: time.Now
}

const (
	// minGap keeps nudges from turning into a flood of reads.
	minGap       = 2 * time.Second
	readTimeout  = 30 * time.Second
	claimTimeout = 10 * time.Second
)

// ProviderView is what the keeper knows of one provider.
type ProviderView struct {
	Exists         bool // the wallet has a sub-account with it
	Account        zg.SubAccount
	Unsettled      zg.Neuron // what the provider says it has not taken yet …
	UnsettledKnown bool      // … if it could be asked
	Owed           zg.Neuron // what we believe of it: no more than we witnessed
	Reason         string    // why it is low and not topped up, see the metric zgproxy_topup_refusals_total; or empty
	// Headroom is how much was left above the low-water mark, and FeesAtRead the book's fees at that time.
	Headroom, FeesAtRead zg.Neuron
}

// KeeperView is what the keeper saw last. It is never changed once published.
type KeeperView struct {
	Holdings  zg.Holdings
	ReadAt    time.Time // local time of the reading; zero: never
	Providers map[common.Address]ProviderView
	Err       error // why the last look failed, or why the keeper stopped; nil: all is well
}

// Keeper reads the wallet's accounts and tops up the sub-accounts that run low. One Keeper serves a wallet.
type Keeper struct {
	store   *Store
	chain   Chain
	journal *Journal
	cfg     KeeperConfig
	metrics *keeperMetrics
	nudged  chan struct{}
	view    atomic.Pointer[KeeperView]

	// Owned by the goroutine of Run.
	minBlock  uint64                       // older states of the chain are not acted on
	recent    map[common.Address]zg.Neuron // fees from before Run that may be unsettled
	began     map[common.Address]Sum       // the book when those were summed
	witnesses map[common.Address]*witness
	failures  map[common.Address]failure
}

// failure keeps a provider from being tried again at once.
type failure struct {
	reason string
	times  int
	until  time.Time
}

// NewKeeper builds a Keeper. It starts nothing and reads nothing. A journal that reports to nobody reports to it.
func NewKeeper(store *Store, chain Chain, journal *Journal, cfg KeeperConfig) *Keeper {
	if cfg.Every <= 0 {
		cfg.Every = 30 * time.Second
	}
	if cfg.LowWater.IsZero() {
		cfg.LowWater = zg.OneOG.Mul(2)
	}
	if cfg.HighWater.IsZero() {
		cfg.HighWater = zg.OneOG.Mul(3)
	}
	cfg.HighWater = cfg.HighWater.Max(cfg.LowWater)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	k := &Keeper{
		store: store, chain: chain, journal: journal, cfg: cfg, nudged: make(chan struct{}, 1),
		witnesses: make(map[common.Address]*witness), failures: make(map[common.Address]failure),
	}
	k.view.Store(&KeeperView{})
	k.metrics = newKeeperMetrics(cfg.Registerer, k.View)
	if journal.cfg.Report == nil {
		journal.cfg.Report = k.report
	}
	return k
}

// View is what the keeper saw last.
func (k *Keeper) View() KeeperView { return *k.view.Load() }

// Nudge asks for a look at the accounts soon, because something has probably changed. It never blocks.
func (k *Keeper) Nudge() {
	select {
	case k.nudged <- struct{}{}:
	default:
	}
}

// Run finishes what an earlier process left unfinished and then keeps the sub-accounts filled until ctx ends, when it
// returns nil. A top-up under way stays recorded and is resumed by the next Run. The only error that ends it early, besides
// a spend store that cannot be read at the start, is ErrForeignNonce.
func (k *Keeper) Run(ctx context.Context) error {
	var err error
	if k.minBlock, err = k.store.lastBlock(ctx, k.journal.cfg.Wallet); err != nil {
		return err
	}
	k.began = k.store.book.All()
	if k.recent, err = k.store.feesSince(ctx, k.cfg.Now().Add(-settleWithin)); err != nil {
		return err
	}
	for failed := 0; ; {
		err := k.tick(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // told to stop
		}
		k.report(err)
		if errors.Is(err, ErrForeignNonce) {
			return err
		}
		if err == nil {
			failed = 0
			err = k.wait(ctx)
		} else {
			err = pause(ctx, min(minGap<<failed, k.cfg.Every))
			failed = min(failed+1, 10)
		}
		if err != nil {
			return nil //nolint:nilerr // told to stop
		}
	}
}

// wait returns after the usual interval, or sooner when nudged. The error is that of ctx.
func (k *Keeper) wait(ctx context.Context) error {
	every := time.NewTimer(k.cfg.Every)
	defer every.Stop()
	if err := pause(ctx, min(minGap, k.cfg.Every)); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-every.C:
	case <-k.nudged:
	}
	return nil
}

// pause waits, or returns the error of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// report publishes how the last look went, and logs it where that has changed.
func (k *Keeper) report(err error) {
	var before error
	for { // the journal may have somebody else's news at the same time
		old := k.view.Load()
		v := *old
		before, v.Err = v.Err, err
		if k.view.CompareAndSwap(old, &v) {
			break
		}
	}
	switch {
	case errors.Is(err, ErrForeignNonce):
		k.cfg.Log.Error().Err(err).Msg("top-ups have stopped")
	case err != nil && before == nil:
		k.cfg.Log.Warn().Err(err).Msg("the accounts cannot be looked after at the moment")
	case err == nil && before != nil:
		k.cfg.Log.Info().Msg("the accounts are looked after again")
	}
}

// tick looks at all accounts and tops up, one after the other, those that need it. It begins with what is unfinished, so
// that there is never more than one transaction of ours under way.
func (k *Keeper) tick(ctx context.Context) error {
	for {
		e, unfinished, err := k.journal.resume(ctx)
		if unfinished {
			k.ended(e)
		}
		if err != nil {
			return err
		}
		decided := k.journal.changes.Load()
		provider, amount, err := k.look(ctx)
		if err != nil || amount.IsZero() {
			return err
		}
		_, exists := k.View().Holdings.Accounts[provider]
		in := zg.Intent{Kind: zg.IntentTransfer, Provider: provider, Amount: amount, Opening: !exists}
		if err := k.topUp(ctx, in, decided); err != nil {
			return err
		}
	}
}

// look reads all accounts at one block, publishes the view, and returns the neediest sub-account that may be topped up and
// the amount; zero if there is none.
func (k *Keeper) look(ctx context.Context) (neediest common.Address, amount zg.Neuron, err error) {
	readAt := k.cfg.Now()
	h, err := k.holdings(ctx)
	if err != nil {
		return neediest, amount, err
	}
	moved, err := k.store.Transferred(ctx, readAt.Add(-24*time.Hour))
	if err != nil {
		return neediest, amount, err
	}
	var today zg.Neuron
	for _, m := range moved {
		today = today.Add(m.All())
	}
	providers := slices.Clone(k.cfg.Providers())
	slices.SortFunc(providers, common.Address.Cmp)
	providers = slices.Compact(providers)
	// Claims are read after the balances: should a provider settle in between, the fees count as paid on one side and as
	// still owed on none, which delays a top-up rather than causing one that is not needed.
	claims := k.claims(ctx, h, providers)
	view := KeeperView{Holdings: h, ReadAt: readAt, Providers: make(map[common.Address]ProviderView, len(providers)), Err: k.View().Err}
	least := zg.MaxNeuron
	for _, p := range providers {
		f, pv := k.facts(p, h, claims)
		f.today = today
		want, refusal := f.decide()
		pv.Reason = refusal
		view.Providers[p] = pv
		if refusal != "" {
			k.metrics.refusals.WithLabelValues(p.Hex(), refusal).Inc()
		}
		if left := f.spendable(); !want.IsZero() && (amount.IsZero() || left.Less(least)) {
			neediest, amount, least = p, want, left
		}
	}
	k.logRefusals(view)
	k.view.Store(&view)
	return neediest, amount, nil
}

// holdings reads the accounts and refuses to go back in time.
func (k *Keeper) holdings(ctx context.Context) (zg.Holdings, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	h, err := k.chain.Holdings(ctx)
	if err != nil {
		return h, fmt.Errorf("read the accounts: %w", err)
	}
	if h.Block < k.minBlock {
		return h, fmt.Errorf("%w (%d; %d has been seen)", errStale, h.Block, k.minBlock)
	}
	k.minBlock = h.Block
	return h, nil
}

// claims asks every provider with a sub-account for its unsettled fees, all at once. Those that do not answer are absent.
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

// facts gathers what a decision about one provider depends on, and what the view shows of it.
func (k *Keeper) facts(p common.Address, h zg.Holdings, claims map[common.Address]zg.Neuron) (facts, ProviderView) {
	sum := k.store.book.Provider(p)
	f := facts{
		ledger: h.Ledger, minAccount: h.MinAccount, held: sum.Held,
		low: k.cfg.LowWater, high: k.cfg.HighWater, dailyCap: k.cfg.MaxTopUpPerDay, autoFund: k.cfg.AutoFund,
	}
	f.account, f.exists = h.Accounts[p]
	f.service, f.registered = k.cfg.Service(p)
	if fail, ok := k.failures[p]; ok && k.cfg.Now().Before(fail.until) {
		f.blocked = fail.reason
	}
	claim, known := claims[p]
	if f.exists {
		w := k.witnesses[p]
		if w == nil {
			w = newWitness(k.recent[p], k.began[p].Witnessed, sum, f.account.Locked(), claim, known)
			k.witnesses[p] = w
		} else {
			w.update(sum, f.account.Locked())
		}
		// A provider may claim what it likes; it is believed up to what we know to have spent.
		if f.owed = w.owed; known {
			f.owed = w.owed.Min(claim)
		}
	}
	return f, ProviderView{
		Exists: f.exists, Account: f.account, Unsettled: claim, UnsettledKnown: known, Owed: f.owed,
		Headroom: f.spendable().Sub(k.cfg.LowWater), FeesAtRead: sum.Fees,
	}
}

// logRefusals says why a sub-account is not topped up, once for every change.
func (k *Keeper) logRefusals(next KeeperView) {
	before := k.View().Providers
	for _, p := range slices.SortedFunc(maps.Keys(next.Providers), common.Address.Cmp) {
		pv := next.Providers[p]
		if pv.Reason != "" && pv.Reason != before[p].Reason {
			k.cfg.Log.Warn().Str("provider", p.Hex()).Str("reason", pv.Reason).Stringer("locked_neuron", pv.Account.Locked()).
				Str("hint", hintFor(pv.Reason)).Msg("a sub-account is low and is not topped up")
		}
	}
}
