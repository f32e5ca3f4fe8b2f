package billing

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// network is a chain with one wallet and one ledger, the wallet's transaction sender, and the providers' claims, all in
// memory and all able to fail on command.
type network struct {
	t *testing.T

	mu       sync.Mutex
	block    uint64
	ledger   *zg.Ledger
	wallet   zg.Neuron
	clock    func() time.Time // of the chain; nil: it has none
	accounts map[common.Address]zg.SubAccount
	claims   map[common.Address]zg.Neuron // absent: the provider does not answer
	services map[common.Address]zg.Service
	listed   map[common.Address]zg.Service // what the directory has of them; nil: the same
	nonce    uint64
	minFee   uint64 // per gas, to be mined
	reverts  bool
	receipts map[common.Hash]*zg.Receipt
	mempool  map[common.Hash]transfer
	store    *Store // where every transaction has to be before it is sent

	history   []minedTx // oldest first, to be undone by a reorg
	debits    []zg.Settlement
	changed   map[common.Address]uint64 // block of the last change of a sub-account
	transfers int                       // mined and not reverted
	reads     int
	sent      []common.Hash

	// hook is called at the beginning of every call, with its name; what it returns is the call's failure.
	hook func(call string) error
	// after is called at the end of a successful Broadcast.
	after func() error
	// old, if set, is what Holdings answers.
	old *zg.Holdings
	// lag, if set, is what Nonce answers, and Sign goes by: that of a node which is behind.
	lag *uint64
	// head, if set, is what BlockNumber answers.
	head *uint64
	// feeCap is the most that Replace and Cancel may sign with; 0: no limit.
	feeCap uint64
	// forgets makes nodes take transactions and lose them at once.
	forgets bool
	// offered is the fee of the transaction that Broadcast is called with.
	offered uint64
	// elsewhere are transactions that somebody else with the same key has made, and deaf keeps them from being found.
	elsewhere []zg.MinedTx
	deaf      bool
	traces    int
	// held are the fees of transactions of somebody else that wait, by nonce, and outbid how many of them ours has
	// replaced.
	held   map[uint64]uint64
	outbid int
	// closed makes no more blocks with transactions of ours in them.
	closed bool
	// telling is how long it takes until Holdings has told what it has read.
	telling time.Duration
	// asking is how long signing takes.
	asking time.Duration
}

type transfer struct {
	Kind     zg.IntentKind
	Provider common.Address
	Amount   zg.Neuron
	Opening  bool
	Nonce    uint64
	Fee      uint64
	Cancels  bool
}

// minedTx is a transaction in a block, with how to take it out again.
type minedTx struct {
	hash  common.Hash
	tr    transfer
	block uint64
	undo  func()
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{
		t: t, block: 100, ledger: &zg.Ledger{Available: og(t, "100"), Total: og(t, "100")}, minFee: 2, nonce: 5, wallet: zg.OneOG,
		accounts: make(map[common.Address]zg.SubAccount), claims: make(map[common.Address]zg.Neuron), services: make(map[common.Address]zg.Service),
		receipts: make(map[common.Hash]*zg.Receipt), mempool: make(map[common.Hash]transfer), changed: make(map[common.Address]uint64),
	}
	for _, p := range []common.Address{alice, bob} {
		n.services[p] = zg.Service{Provider: p, Type: zg.Chatbot, TEESignerAcknowledged: true}
	}
	return n
}

func (n *network) enter(call string) error {
	if n.hook != nil {
		return n.hook(call)
	}
	return nil
}

func (n *network) with(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

// set gives a provider's sub-account a balance, in 0G. What is missing then was taken by the provider.
func (n *network) set(p common.Address, balance string) {
	n.with(func() {
		n.block++
		n.changed[p] = n.block
		if taken := n.accounts[p].Balance.Sub(og(n.t, balance)); !taken.IsZero() {
			n.debits = append(n.debits, zg.Settlement{Provider: p, Amount: taken, Block: n.block, Tx: common.Hash{1, byte(n.block >> 8), byte(n.block)}})
		}
		n.accounts[p] = zg.SubAccount{Provider: p, Balance: og(n.t, balance), Acknowledged: true}
	})
}

// moved is how many transfers were mined and took effect.
func (n *network) moved() (count int) {
	n.with(func() { count = n.transfers })
	return count
}

// looks is how often the accounts were read.
func (n *network) looks() (count int) {
	n.with(func() { count = n.reads })
	return count
}

func (n *network) locked(p common.Address) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.accounts[p].Locked().Og()
}

func (n *network) Holdings(context.Context) (zg.Holdings, error) {
	if n.telling > 0 {
		defer func() { <-time.After(n.telling) }() // of a test's own time; with nothing locked
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reads++
	if err := n.enter("Holdings"); err != nil {
		return zg.Holdings{}, err
	}
	if n.old != nil {
		return *n.old, nil
	}
	h := zg.Holdings{Block: n.block, Wallet: n.wallet, Accounts: maps.Clone(n.accounts), MinAccount: zg.OneOG, MinLedger: zg.OneOG.Mul(3)}
	if n.ledger != nil {
		ledger := *n.ledger
		h.Ledger = &ledger
	}
	if n.clock != nil {
		h.BlockTime = n.clock()
	}
	return h, nil
}

func (n *network) Movements(_ context.Context, from, to uint64) (zg.Movements, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := zg.Movements{Last: make(map[common.Address]zg.Standing)}
	if err := n.enter("Movements"); err != nil {
		return m, err
	}
	for _, d := range n.debits {
		if from <= d.Block && d.Block <= to {
			m.Settlements = append(m.Settlements, d)
		}
	}
	for p, block := range n.changed {
		if from <= block && block <= to {
			m.Last[p] = zg.Standing{Balance: n.accounts[p].Balance, PendingRefund: n.accounts[p].PendingRefund}
		}
	}
	return m, nil
}

// holds gives the wallet a sub-account with alice that has so much, a ledger without one, or "no ledger".
func (n *network) holds(account string) {
	switch account {
	case "":
	case "no ledger":
		n.ledger, n.wallet = nil, og(n.t, "50")
	default:
		n.set(alice, account)
	}
}

// refuses has one call fail.
func (n *network) refuses(call string, err error) {
	n.hook = func(called string) error {
		if called == call {
			return err
		}
		return nil
	}
}

func sign(tr transfer) zg.SignedTx {
	raw, err := json.Marshal(tr)
	if err != nil {
		panic(err)
	}
	return zg.SignedTx{Hash: sha256.Sum256(raw), Nonce: tr.Nonce, Raw: raw, GasLimit: 150_000, FeeCap: zg.NeuronOf(tr.Fee), TipCap: zg.NeuronOf(1), Cancels: tr.Cancels}
}

func (n *network) Sign(ctx context.Context, in zg.Intent) (zg.SignedTx, error) {
	select {
	case <-ctx.Done():
		return zg.SignedTx{}, ctx.Err()
	case <-time.After(n.asking):
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.enter("Sign"); err != nil {
		return zg.SignedTx{}, err
	}
	if _, exists := n.accounts[in.Provider]; in.Kind == zg.IntentTransfer && exists == in.Opening {
		return zg.SignedTx{}, zg.ErrDecidedOtherwise
	}
	return sign(transfer{Kind: in.Kind, Provider: in.Provider, Amount: in.Amount, Opening: in.Opening, Nonce: n.mined(), Fee: 2}), nil
}

// mined is the count of mined transactions that the node tells.
func (n *network) mined() uint64 {
	if n.lag != nil {
		return *n.lag
	}
	return n.nonce
}

func (n *network) Replace(_ context.Context, prev zg.SignedTx) (zg.SignedTx, error) {
	return n.supplant("Replace", prev, func(tr *transfer) {})
}

func (n *network) Cancel(_ context.Context, prev zg.SignedTx) (zg.SignedTx, error) {
	return n.supplant("Cancel", prev, func(tr *transfer) { *tr = transfer{Nonce: tr.Nonce, Fee: tr.Fee, Cancels: true} })
}

func (n *network) supplant(call string, prev zg.SignedTx, change func(*transfer)) (zg.SignedTx, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.enter(call); err != nil {
		return zg.SignedTx{}, err
	}
	var tr transfer
	if err := json.Unmarshal(prev.Raw, &tr); err != nil {
		return zg.SignedTx{}, err
	}
	if tr.Fee++; n.feeCap > 0 && tr.Fee > n.feeCap {
		return zg.SignedTx{}, zg.ErrFeeTooHigh
	}
	change(&tr)
	return sign(tr), nil
}

func (n *network) Broadcast(ctx context.Context, tx zg.SignedTx) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var tr transfer
	if err := json.Unmarshal(tx.Raw, &tr); err != nil {
		return err
	}
	n.offered = tr.Fee
	if err := n.enter("Broadcast"); err != nil {
		return err
	}
	var recorded int
	if err := n.store.readers.QueryRowContext(context.WithoutCancel(ctx), `SELECT COUNT(*) FROM journal_txs WHERE hash = ? AND raw = ?`, tx.Hash.Hex(), tx.Raw).Scan(&recorded); err != nil || recorded != 1 {
		n.t.Errorf("a transaction is sent that is not in the store (%d, %v)", recorded, err)
	}
	n.sent = append(n.sent, tx.Hash)
	if fee, waits := n.held[tr.Nonce]; waits {
		if tr.Fee <= fee {
			return zg.ErrNonceTaken
		}
		delete(n.held, tr.Nonce)
		n.outbid++
	}
	if tr.Nonce < n.nonce {
		return zg.ErrNonceTooLow
	}
	if !n.forgets {
		n.mempool[tx.Hash] = tr
	}
	n.mine()
	if n.after != nil {
		return n.after()
	}
	return nil
}

// mine includes what pays enough.
func (n *network) mine() {
	for again := !n.closed; again; {
		again = false
		for hash, tr := range n.mempool {
			if tr.Nonce == n.nonce && tr.Fee >= n.minFee {
				n.include(hash, tr)
				again = true
			}
		}
	}
	for hash, tr := range n.mempool {
		if tr.Nonce < n.nonce {
			delete(n.mempool, hash)
		}
	}
}

// include makes a block with one transaction.
func (n *network) include(hash common.Hash, tr transfer) {
	delete(n.mempool, hash)
	n.nonce++
	n.block++
	n.receipts[hash] = &zg.Receipt{Hash: hash, OK: !n.reverts, Block: n.block, GasUsed: 93_600, GasCost: zg.NeuronOf(93_600 * tr.Fee)}
	m := minedTx{hash: hash, tr: tr, block: n.block, undo: func() {}}
	if !n.reverts && tr.Kind == zg.IntentDeposit {
		if n.ledger == nil {
			n.ledger = &zg.Ledger{}
		}
		n.ledger.Available, n.wallet = n.ledger.Available.Add(tr.Amount), n.wallet.Sub(tr.Amount)
	}
	if p := tr.Provider; !n.reverts && tr.Kind == zg.IntentTransfer {
		before, existed := n.accounts[p]
		a := before
		a.Provider, a.Acknowledged, a.Balance = p, true, a.Balance.Add(tr.Amount)
		n.accounts[p] = a
		n.changed[p] = n.block
		n.transfers++
		n.ledger.Available = n.ledger.Available.Sub(tr.Amount)
		m.undo = func() {
			n.transfers--
			n.ledger.Available = n.ledger.Available.Add(tr.Amount)
			if n.accounts[p] = before; !existed {
				delete(n.accounts, p)
			}
		}
	}
	n.history = append(n.history, m)
}

// blocks makes empty blocks.
func (n *network) blocks(count uint64) {
	n.with(func() { n.block += count })
}

// reorg replaces the last blocks by as many empty ones and one more. What was in them waits again, unless it is lost.
func (n *network) reorg(depth uint64, lost bool) {
	n.with(func() {
		from := n.block - depth
		for len(n.history) > 0 && n.history[len(n.history)-1].block > from {
			m := n.history[len(n.history)-1]
			n.history = n.history[:len(n.history)-1]
			m.undo()
			n.nonce--
			delete(n.receipts, m.hash)
			if !lost {
				n.mempool[m.hash] = m.tr
			}
		}
		n.block++
	})
}

// abroad has somebody else with the same key transfer to a provider, or with nobody do something else, in a block of
// its own.
func (n *network) abroad(p common.Address, amount string) {
	n.with(func() {
		n.block++
		tx := zg.MinedTx{Nonce: n.nonce, Block: n.block, Hash: common.Hash{0xf0, byte(n.nonce), byte(n.block)}, At: time.Now(), OK: true}
		if n.nonce++; p != (common.Address{}) {
			tx.Kind, tx.Provider, tx.Amount = zg.IntentTransfer, p, og(n.t, amount)
			a := n.accounts[p]
			a.Provider, a.Acknowledged, a.Balance = p, true, a.Balance.Add(tx.Amount)
			n.accounts[p], n.changed[p] = a, n.block
		}
		n.elsewhere = append(n.elsewhere, tx)
	})
}

// Trace is the journal's Tracer.
func (n *network) Trace(_ context.Context, nonces []uint64, from, to uint64) (found []zg.MinedTx, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.traces++
	if n.deaf {
		return nil, errors.New("the node keeps no old states")
	}
	for _, tx := range n.elsewhere {
		if slices.Contains(nonces, tx.Nonce) && from <= tx.Block && tx.Block <= to {
			found = append(found, tx)
		}
	}
	return found, nil
}

func (n *network) Receipt(_ context.Context, hash common.Hash) (*zg.Receipt, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.enter("Receipt"); err != nil {
		return nil, err
	}
	return n.receipts[hash], nil
}

func (n *network) Nonce(context.Context) (uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mined(), n.enter("Nonce")
}

func (n *network) Pending(context.Context) (uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.enter("Pending"); err != nil {
		return 0, err
	}
	next := n.mined()
	for again := true; again; {
		_, again = n.held[next]
		for _, tr := range n.mempool {
			again = again || tr.Nonce == next
		}
		if again {
			next++
		}
	}
	return next, nil
}

func (n *network) Known(_ context.Context, hash common.Hash) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, waits := n.mempool[hash]
	return waits || n.receipts[hash] != nil, n.enter("Known")
}

// hold has somebody else send a transaction that waits.
func (n *network) hold(fee uint64) {
	next, _ := n.Pending(context.Background())
	n.with(func() {
		if n.held == nil {
			n.held = make(map[uint64]uint64)
		}
		n.held[next] = fee
	})
}

// release has what waits mined, one after the other, as transfers to a provider.
func (n *network) release(p common.Address, amount string) {
	for {
		var waits bool
		n.with(func() {
			if _, waits = n.held[n.nonce]; waits {
				delete(n.held, n.nonce)
			}
		})
		if !waits {
			return
		}
		n.abroad(p, amount)
	}
}

func (n *network) BlockNumber(context.Context) (uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.head != nil {
		return *n.head, n.enter("BlockNumber")
	}
	return n.block, n.enter("BlockNumber")
}

func (n *network) unsettled(_ context.Context, p common.Address) (zg.Neuron, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	claim, ok := n.claims[p]
	if !ok {
		return zg.Neuron{}, errors.New("no such endpoint")
	}
	return claim, nil
}

func (n *network) service(p common.Address) (zg.Service, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listed != nil {
		s, ok := n.listed[p]
		return s, ok
	}
	s, ok := n.services[p]
	return s, ok
}

func (n *network) Service(_ context.Context, p common.Address, block uint64) (zg.Service, bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.enter("Service"); err != nil {
		return zg.Service{}, false, err
	}
	if block == 0 || block > n.block {
		return zg.Service{}, false, errors.New("there is no such block")
	}
	s, ok := n.services[p]
	return s, ok, nil
}

// journal makes a journal that sends to the network.
func (n *network) journal(s *Store, cfg JournalConfig) *Journal {
	n.store, cfg.Trace = s, n.Trace
	return NewJournal(s, n, cfg)
}

// run starts a keeper for the given providers and returns it with a function that ends it and hands out what Run
// returned.
func (n *network) run(s *Store, cfg KeeperConfig, providers ...common.Address) (*Keeper, func() error) {
	n.t.Helper()
	cfg.Providers = func() []common.Address { return providers }
	cfg.Service, cfg.Unsettled = n.service, n.unsettled
	if _, set := cfg.Budget.Day.Limit(); !set {
		cfg.Budget.Day = CapOf(og(n.t, "10"))
	}
	if cfg.DriftTolerance.IsZero() { // most tests are about something else
		cfg.DriftTolerance = zg.MaxNeuron
	}
	if cfg.Log.GetLevel() == zerolog.TraceLevel {
		cfg.Log = zerolog.Nop()
	}
	k := NewKeeper(s, n, n.journal(s, JournalConfig{Log: cfg.Log, Registerer: cfg.Registerer}), cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	synctest.Wait()
	return k, func() error {
		cancel()
		return <-done
	}
}

// advance lets time pass in a bubble.
func advance(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func topUps(t *testing.T, s *Store) []Entry {
	t.Helper()
	all, err := s.Entries(context.Background(), 100)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func stopped(t *testing.T, stop func() error) {
	t.Helper()
	if err := stop(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}
