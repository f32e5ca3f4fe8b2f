package billing

import (
	"context"
	"errors"
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

// Chain reads what the wallet has on chain.
type Chain interface {
	// Holdings is everything, all at one block.
	Holdings(ctx context.Context) (zg.Holdings, error)
	// Movements are the events of the sub-accounts from one block to another, both included, whole or not at all.
	Movements(ctx context.Context, from, to uint64) (zg.Movements, error)
	// Service is what a provider offers, at a block; false only where the chain says that it offers nothing.
	Service(ctx context.Context, provider common.Address, block uint64) (zg.Service, bool, error)
}

// KeeperConfig says what the keeper looks after and within which limits.
type KeeperConfig struct {
	Every time.Duration // between two looks at the accounts; 0: 30 s
	// Water are the marks of a provider's sub-account: with less than low left, it is filled up to high. nil: 2 and 3 0G.
	Water  func(common.Address) (low, high zg.Neuron)
	Budget Budget // limits what is transferred
	// AutoFund lets missing sub-accounts be opened by first transfers of so much together, ever, and the ledger be filled
	// from the wallet by deposits of so much together. Zero: neither.
	AutoFund       zg.Neuron
	WalletFloor    zg.Neuron // is left in the wallet, for gas
	MaxReserve     zg.Neuron // a provider that wants more left in its sub-account is not followed; 0: 5 0G
	DriftTolerance zg.Neuron // drift up to this is put down to chance
	// Providers are those that may be paid. Required.
	Providers func() []common.Address
	// MayFund says which of them may get money at the moment; nil: all. The others are looked at all the same.
	MayFund func(common.Address) bool
	// Notify is told how the keeper's transactions go, as Journal.Do tells it, and how one ended that it found unfinished.
	// It is called by one goroutine at a time. Optional.
	Notify func(Entry)
	// Service finds a provider's offer in the directory, which may be old: it tells of what is low, and before anything is
	// moved the offer is read again, at the block of the accounts. Required.
	Service func(common.Address) (zg.Service, bool)
	// Unsettled asks a provider for the fees it has not taken on chain yet. Optional: without it, or when it fails, our
	// own book says what is owed.
	Unsettled func(context.Context, common.Address) (zg.Neuron, error)
	// Suspended says why a provider is to get no money until the owner accepts it, in words; empty: it may. nil: none is.
	Suspended func(common.Address) string
	// Trusted compares a reading of a provider with what the owner knows it as, and says why it is to get no money: the
	// code of a suspension, or "". It is asked about the very reading that a decision is made from. nil: a signer that is
	// vouched for will do.
	Trusted func(zg.Service) (code string, err error)
	// Changed reports that the contracts were not the known ones when they were read last. Nothing is moved automatically
	// then. It is asked after what is decided from was read. nil: they never are.
	Changed func() bool
	// QuietFor is how long a provider's requests must be at rest for its figures to correct our estimates; 0: a minute.
	QuietFor   time.Duration
	Log        zerolog.Logger
	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time      // nil: time.Now
}

const (
	// minGap keeps nudges from turning into a flood of reads.
	minGap = 2 * time.Second
	// waitingEvery is how often is looked while transactions of others wait.
	waitingEvery = 5 * time.Second
)

// ProviderView is what the keeper knows of one provider.
type ProviderView struct {
	Exists         bool // the wallet has a sub-account with it
	Account        zg.SubAccount
	Unsettled      zg.Neuron // what the provider says it has not taken yet …
	UnsettledKnown bool      // … if it could be asked
	Owed           zg.Neuron // what we believe of it: no more than we witnessed
	Drift          zg.Neuron // what it has taken or claims beyond that, as far as that is certain or readings agree
	DriftTaken     zg.Neuron // of that: what the chain alone shows; the rest it only claims
	DriftSince     time.Time // when this process saw it first; zero: there is none
	Watched        zg.Neuron // claimed beyond that, but a settlement under way may explain it; not drift yet
	WatchedSince   time.Time // when that began; zero: there is none
	Debited        zg.Neuron // taken since the book began …
	Settled        zg.Neuron // … of that matched with requests
	Corrected      zg.Neuron // what requests were recorded at above what was taken for them
	Reserve        zg.Neuron // what it wants left in the sub-account, as its last refusal said; zero: it never refused
	ReserveAt      time.Time // when it said so last; zero: not since this process started
	Suspended      string    // why it gets no money until the owner accepts it, in words; or empty
	Reason         string    // why it is low and not topped up, see the metric zgproxy_topup_refusals_total; or empty
	Unclaimed      zg.Neuron // recorded, and at rest neither taken nor claimed by the provider
	Failed         Failed    // where Reason or Demand.Reason is that something failed: what it was
	Demand         Demand    // of a request that waits for money
	Planned        bool      // money is about to be moved to it, or for it
	// The marks that are in force, with the provider's own reserve.
	LowWater, HighWater zg.Neuron
	// Headroom is how much was left above the low-water mark, and FeesAtRead the book's fees at that time.
	Headroom, FeesAtRead zg.Neuron

	withoutHolds zg.Neuron // the drift if nothing were held for requests under way
}

// KeeperView is what the keeper saw last. It is never changed once published.
type KeeperView struct {
	Holdings  zg.Holdings
	ReadAt    time.Time // local time of the reading; zero: never
	Providers map[common.Address]ProviderView
	Moves     Moves
	Foreign   Foreign // what was done elsewhere with the wallet and nobody has accepted; nothing is topped up while there is any
	Waiting   Waiting // what waits to be mined and was not made here; nothing is topped up meanwhile
	Unknown   Unknown // what a store that was restored does not know
	Err       error   // why the last look failed; nil: all is well
	Stuck     error   // of that: what keeps a transaction of ours from being mined; nil: nothing does
}

// Keeper reads the wallet's accounts, matches what was taken from them with the book, and tops up the sub-accounts that
// run low. One Keeper serves a wallet.
type Keeper struct {
	store   *Store
	chain   Chain
	journal *Journal
	cfg     KeeperConfig
	metrics *keeperMetrics
	nudged  chan struct{}
	asked   chan struct{} // for a look without the usual pause
	view    atomic.Pointer[KeeperView]
	learned sync.Map // address → reserve, not recorded yet
	said    sync.Map // address → when it last said what it wants
	trouble trouble

	// Owned by the goroutine of Run.
	minBlock uint64 // older states of the chain are not acted on
	accounts map[common.Address]account
	puzzled  map[common.Address]int // looks in a row at which a balance had changed and no event told why
	still    map[common.Address]still
	drifting map[common.Address]bool // paused for drift
	failures map[common.Address]failure
	flights  map[common.Address]*flight
	doing    errand // what a transaction is under way for
	// When what was done elsewhere is searched for again, and how long that was put off.
	traceAt   time.Time
	traceWait time.Duration
}

// NewKeeper builds a Keeper. It starts nothing and reads nothing. A journal that reports to nobody reports to it.
func NewKeeper(store *Store, chain Chain, journal *Journal, cfg KeeperConfig) *Keeper {
	if cfg.Every <= 0 {
		cfg.Every = 30 * time.Second
	}
	if cfg.Water == nil {
		cfg.Water = func(common.Address) (low, high zg.Neuron) { return zg.OneOG.Mul(2), zg.OneOG.Mul(3) }
	}
	if cfg.MaxReserve.IsZero() {
		cfg.MaxReserve = zg.OneOG.Mul(5)
	}
	if cfg.QuietFor <= 0 {
		cfg.QuietFor = time.Minute
	}
	if cfg.Suspended == nil {
		cfg.Suspended = func(common.Address) string { return "" }
	}
	if cfg.Trusted == nil {
		cfg.Trusted = func(s zg.Service) (string, error) {
			if !s.TEESignerAcknowledged {
				return zg.SuspendedUnacked, nil
			}
			return "", nil
		}
	}
	if cfg.Changed == nil {
		cfg.Changed = func() bool { return false }
	}
	if cfg.MayFund == nil {
		cfg.MayFund = func(common.Address) bool { return true }
	}
	if cfg.Notify == nil {
		cfg.Notify = func(Entry) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	k := &Keeper{
		store: store, chain: chain, journal: journal, cfg: cfg, nudged: make(chan struct{}, 1), asked: make(chan struct{}, 1), accounts: make(map[common.Address]account),
		puzzled: make(map[common.Address]int), still: make(map[common.Address]still), drifting: make(map[common.Address]bool), failures: make(map[common.Address]failure),
		flights: make(map[common.Address]*flight),
	}
	k.view.Store(&KeeperView{})
	k.metrics = newKeeperMetrics(cfg.Registerer, k)
	if journal.cfg.Report == nil {
		journal.cfg.Report = func(err error) { k.publish(func(t *trouble) { t.transaction = err }) }
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

// Ask is Nudge without the usual pause between two looks, for what a person has done and wants to see.
func (k *Keeper) Ask() {
	select {
	case k.asked <- struct{}{}:
	default:
	}
}

// Run finishes what an earlier process left unfinished and then keeps the sub-accounts filled until ctx ends, when it
// returns nil. A top-up under way stays recorded and is resumed by the next Run. The only error that ends it early is a
// spend store that cannot be read at the start: where somebody else sends from the wallet it goes on reading, and signs
// nothing.
func (k *Keeper) Run(ctx context.Context) error {
	if err := k.store.adopt(k.journal.cfg.Wallet); err != nil {
		return err
	}
	for failed := 0; ; {
		err := k.tick(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // told to stop
		}
		// What kept a transaction from being mined is over with it.
		k.publish(func(t *trouble) { t.looking, t.transaction = err, nil })
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

// wait returns after the usual interval, or sooner when nudged, or at once when asked. The error is that of ctx.
func (k *Keeper) wait(ctx context.Context) error { return k.waitFor(ctx, nil) }

// waitFor is wait that also returns when something is done.
func (k *Keeper) waitFor(ctx context.Context, done <-chan struct{}) error {
	every := time.NewTimer(k.rhythm())
	defer every.Stop()
	gap := time.NewTimer(min(minGap, k.cfg.Every))
	defer gap.Stop()
	for nudged := (chan struct{})(nil); ; nudged = k.nudged {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-gap.C:
			continue // from now on a nudge will do
		case <-every.C:
		case <-nudged:
		case <-k.asked:
		case <-done:
		}
		return nil
	}
}

// rhythm is the time between two looks. What others have waiting is mostly mined soon, and holds up everything.
func (k *Keeper) rhythm() time.Duration {
	if k.View().Waiting.Any() {
		return min(waitingEvery, k.cfg.Every)
	}
	return k.cfg.Every
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

// trouble is what keeps the accounts from being read, and a transaction from being mined; nil: nothing does.
type trouble struct {
	mu                   sync.Mutex
	looking, transaction error
}

// publish takes in what is the matter, or is not any more, and logs it where that has changed. The journal may have
// news of somebody else's transaction at the same time.
func (k *Keeper) publish(change func(*trouble)) {
	k.trouble.mu.Lock()
	defer k.trouble.mu.Unlock()
	change(&k.trouble)
	err := errors.Join(k.trouble.looking, k.trouble.transaction)
	v := k.View()
	before := v.Err
	v.Err, v.Stuck = err, k.trouble.transaction
	k.view.Store(&v)
	switch {
	case err != nil && before == nil:
		k.cfg.Log.Warn().Err(err).Msg("the accounts cannot be checked at the moment")
	case err == nil && before != nil:
		k.cfg.Log.Info().Msg("the accounts are checked again")
	}
}

// show publishes what was seen, with what is the matter now.
func (k *Keeper) show(v KeeperView) {
	k.trouble.mu.Lock()
	defer k.trouble.mu.Unlock()
	v.Err, v.Stuck = errors.Join(k.trouble.looking, k.trouble.transaction), k.trouble.transaction
	k.view.Store(&v)
}

// stuck is what keeps a transaction from being mined; nil: nothing that is known.
func (k *Keeper) stuck() error {
	k.trouble.mu.Lock()
	defer k.trouble.mu.Unlock()
	return k.trouble.transaction
}

// tick looks at all accounts and does, one after the other, what they need. It begins with what is unfinished, so that
// there is never more than one transaction of ours under way.
func (k *Keeper) tick(ctx context.Context) error {
	for {
		var e Entry
		var was bool
		var err error
		k.beside(ctx, func() { e, was, err = k.journal.resume(ctx) })
		if was {
			k.cfg.Notify(e)
			k.ended(e)
		}
		if err != nil && !errors.Is(err, ErrForeignNonce) { // the look shows that
			return err
		}
		decided := k.journal.changes.Load()
		next, err := k.look(ctx)
		if err != nil || next.intent.Kind == "" {
			return err
		}
		if err := k.carryOut(ctx, next, decided); err != nil {
			return err
		}
	}
}

// beside does something with the journal, which may take as long as a transaction waits to be mined, and looks at the
// accounts meanwhile: what is taken and claimed is seen, and nothing is decided by it. What is done ends with ctx.
func (k *Keeper) beside(ctx context.Context, do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	for {
		_ = k.waitFor(ctx, done) // what is done ends with ctx, too
		select {
		case <-done:
			return
		default:
		}
		if ctx.Err() != nil {
			<-done
			return
		}
		if _, err := k.look(ctx); ctx.Err() == nil {
			k.publish(func(t *trouble) { t.looking = err })
		}
	}
}

// logRefusals says why a sub-account is not topped up, once for every change.
func (k *Keeper) logRefusals(next KeeperView) {
	before := k.View().Providers
	for _, p := range slices.SortedFunc(maps.Keys(next.Providers), common.Address.Cmp) {
		pv := next.Providers[p]
		if pv.Reason != "" && pv.Reason != before[p].Reason {
			k.cfg.Log.Warn().Str("provider", p.Hex()).Str("reason", pv.Reason).Stringer("locked_neuron", pv.Account.Locked()).
				Str("hint", pv.Hint(p)).Msg("a sub-account is low and is not topped up")
		}
		if d := pv.Demand; d.Reason == refusalRequest && d.Reason != before[p].Demand.Reason {
			k.metrics.refusals.WithLabelValues(p.Hex(), d.Reason).Inc()
			k.cfg.Log.Warn().Str("provider", p.Hex()).Str("kind", string(d.Kind)).Stringer("fee_neuron", d.Fee).Stringer("missing_neuron", d.Missing).
				Str("hint", d.Hint).Msg("a request costs more than can be moved to its provider")
		}
	}
}
