package billing

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"maps"
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
	accounts map[common.Address]zg.SubAccount
	claims   map[common.Address]zg.Neuron // absent: the provider does not answer
	services map[common.Address]zg.Service
	nonce    uint64
	minFee   uint64 // per gas, to be mined
	reverts  bool
	receipts map[common.Hash]*zg.Receipt
	mempool  map[common.Hash]transfer
	store    *Store // where every transaction has to be before it is sent

	transfers int // mined and not reverted
	reads     int
	sent      []common.Hash

	// hook is called at the beginning of every call, with its name; what it returns is the call's failure.
	hook func(call string) error
	// after is called at the end of a successful Broadcast.
	after func() error
	// old, if set, is what Holdings answers.
	old *zg.Holdings
}

type transfer struct {
	Provider common.Address
	Amount   zg.Neuron
	Nonce    uint64
	Fee      uint64
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{
		t: t, block: 100, ledger: &zg.Ledger{Available: og(t, "100"), Total: og(t, "100")}, minFee: 2, nonce: 5,
		accounts: make(map[common.Address]zg.SubAccount), claims: make(map[common.Address]zg.Neuron), services: make(map[common.Address]zg.Service),
		receipts: make(map[common.Hash]*zg.Receipt), mempool: make(map[common.Hash]transfer),
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

// set gives a provider's sub-account a balance, in 0G.
func (n *network) set(p common.Address, balance string) {
	n.with(func() {
		n.block++
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
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reads++
	if err := n.enter("Holdings"); err != nil {
		return zg.Holdings{}, err
	}
	if n.old != nil {
		return *n.old, nil
	}
	ledger := *n.ledger
	return zg.Holdings{Block: n.block, Wallet: zg.OneOG, Ledger: &ledger, Accounts: maps.Clone(n.accounts), MinAccount: zg.OneOG}, nil
}

func sign(tr transfer) zg.SignedTx {
	raw, err := json.Marshal(tr)
	if err != nil {
		panic(err)
	}
	return zg.SignedTx{Hash: sha256.Sum256(raw), Nonce: tr.Nonce, Raw: raw, GasLimit: 150_000, FeeCap: zg.NeuronOf(tr.Fee), TipCap: zg.NeuronOf(1)}
}

func (n *network) SignTopUp(_ context.Context, p common.Address, amount zg.Neuron) (zg.SignedTx, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.enter("SignTopUp"); err != nil {
		return zg.SignedTx{}, err
	}
	return sign(transfer{Provider: p, Amount: amount, Nonce: n.nonce, Fee: 2}), nil
}

func (n *network) Replace(_ context.Context, prev zg.SignedTx) (zg.SignedTx, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.enter("Replace"); err != nil {
		return zg.SignedTx{}, err
	}
	var tr transfer
	if err := json.Unmarshal(prev.Raw, &tr); err != nil {
		return zg.SignedTx{}, err
	}
	tr.Fee++
	return sign(tr), nil
}

func (n *network) Broadcast(ctx context.Context, tx zg.SignedTx) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.enter("Broadcast"); err != nil {
		return err
	}
	var recorded int
	if err := n.store.readers.QueryRowContext(context.WithoutCancel(ctx), `SELECT COUNT(*) FROM journal_txs WHERE hash = ? AND raw = ?`, tx.Hash.Hex(), tx.Raw).Scan(&recorded); err != nil || recorded != 1 {
		n.t.Errorf("a transaction is sent that is not in the store (%d, %v)", recorded, err)
	}
	n.sent = append(n.sent, tx.Hash)
	var tr transfer
	if err := json.Unmarshal(tx.Raw, &tr); err != nil {
		return err
	}
	if tr.Nonce < n.nonce {
		return errors.New("nonce too low")
	}
	n.mempool[tx.Hash] = tr
	n.mine()
	if n.after != nil {
		return n.after()
	}
	return nil
}

// mine includes what pays enough.
func (n *network) mine() {
	for hash, tr := range n.mempool {
		if tr.Nonce != n.nonce || tr.Fee < n.minFee {
			continue
		}
		delete(n.mempool, hash)
		n.nonce++
		n.block++
		n.receipts[hash] = &zg.Receipt{Hash: hash, OK: !n.reverts, Block: n.block, GasUsed: 93_600, GasCost: zg.NeuronOf(93_600 * tr.Fee)}
		if n.reverts {
			continue
		}
		n.transfers++
		a := n.accounts[tr.Provider]
		a.Provider, a.Acknowledged, a.Balance = tr.Provider, true, a.Balance.Add(tr.Amount)
		n.accounts[tr.Provider] = a
		n.ledger.Available = n.ledger.Available.Sub(tr.Amount)
	}
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
	return n.nonce, n.enter("Nonce")
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
	s, ok := n.services[p]
	return s, ok
}

// run starts a keeper for the given providers and returns it with a function that ends it and hands out what Run returned.
func (n *network) run(s *Store, cfg KeeperConfig, providers ...common.Address) (*Keeper, func() error) {
	n.t.Helper()
	n.store = s
	cfg.Providers = func() []common.Address { return providers }
	cfg.Service, cfg.Unsettled = n.service, n.unsettled
	if cfg.MaxTopUpPerDay.IsZero() {
		cfg.MaxTopUpPerDay = og(n.t, "10")
	}
	if cfg.Log.GetLevel() == zerolog.TraceLevel {
		cfg.Log = zerolog.Nop()
	}
	k := NewKeeper(s, n, n, cfg)
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

func topUps(t *testing.T, s *Store) []TopUp {
	t.Helper()
	all, err := s.TopUps(context.Background(), 100)
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
