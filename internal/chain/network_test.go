package chain_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/chain"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// network is a simulated chain with real contracts, a wallet, and this room in front of them.
type network struct {
	*simchain.Chain
	key    *ecdsa.PrivateKey
	user   common.Address
	client *chain.Client
	sender *chain.Sender
}

func seeded(t *testing.T, seed string) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte(seed)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// startNetwork runs a chain that makes blocks only when told to.
func startNetwork(t *testing.T) *network {
	t.Helper()
	sim, err := simchain.Start(simchain.Config{Manual: true})
	if err != nil {
		t.Fatalf("start the chain: %v", err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Errorf("close the chain: %v", err)
		}
	})
	n := &network{Chain: sim, key: seeded(t, "wallet of a test")}
	n.user = crypto.PubkeyToAddress(n.key.PublicKey)
	n.client = n.open(t, nil)
	n.sender = chain.NewSender(n.client, func(tx *types.Transaction, id *big.Int) (*types.Transaction, error) {
		return types.SignTx(tx, types.LatestSignerForChainID(id), n.key)
	}, chain.SenderConfig{MaxFeePerGas: zg.NeuronOf(100_000_000_000)})
	return n
}

func (n *network) open(t *testing.T, change func(*chain.Config)) *chain.Client {
	t.Helper()
	cfg := chain.Config{RPCURL: n.URL(), ChainID: n.ChainID(), Ledger: n.Ledger(), Inference: n.Inference(), User: n.user, Tries: 1}
	if change != nil {
		change(&cfg)
	}
	c, err := chain.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return c
}

// transfer is a top-up of a sub-account; opening where there is none yet.
func transfer(provider common.Address, amount zg.Neuron, opening bool) zg.Intent {
	return zg.Intent{Kind: zg.IntentTransfer, Provider: provider, Amount: amount, Opening: opening}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fund gives the wallet money that it can spend at once: the pool takes note of a block when the next one is made.
func (n *network) fund(t *testing.T) {
	t.Helper()
	must(t, n.Fund(t.Context(), n.user, zg.OneOG.Mul(100)))
	n.Mine()
}

// receipt asks until the node has an answer. Its index of transactions starts a moment after the chain.
func (n *network) receipt(t *testing.T, hash common.Hash) *zg.Receipt {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	hanging := time.After(3 * time.Minute)
	for {
		r, err := n.sender.Receipt(t.Context(), hash)
		if err == nil {
			return r
		}
		select {
		case <-hanging:
			t.Fatalf("Receipt: %v", err)
		case <-tick.C:
		}
	}
}

// mined makes blocks until a transaction that was sent is in one: the pool takes a moment to have it ready for mining.
func (n *network) mined(t *testing.T, hash common.Hash) *zg.Receipt {
	t.Helper()
	for range 1000 {
		n.Mine()
		if r := n.receipt(t, hash); r != nil {
			return r
		}
	}
	t.Fatalf("%s is not mined", hash)
	return nil
}

func TestNetworkCheck(t *testing.T) {
	n := startNetwork(t)
	must(t, n.client.Check(t.Context()))
	if name, err := n.client.ServiceName(t.Context()); name != "inference-v1.0" || err != nil {
		t.Errorf("ServiceName = %q, %v", name, err)
	}
	if devnet, _ := zg.NetworkNamed("devnet"); devnet.ChainID != n.ChainID() || devnet.Ledger != n.Ledger() || devnet.Inference != n.Inference() {
		t.Errorf("the devnet is known as %+v, the simulated chain has %s and %s", devnet, n.Ledger(), n.Inference())
	}
	for name, change := range map[string]func(*chain.Config){
		"another chain":          func(c *chain.Config) { c.ChainID++ },
		"no inference contract":  func(c *chain.Config) { c.Inference = n.user },
		"another ledger":         func(c *chain.Config) { c.Ledger = n.user },
		"addresses mixed up":     func(c *chain.Config) { c.Inference, c.Ledger = c.Ledger, c.Inference },
		"the ledger, both times": func(c *chain.Config) { c.Inference = c.Ledger },
	} {
		if err := n.open(t, change).Check(t.Context()); !errors.Is(err, chain.ErrWrongNetwork) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNetworkServices(t *testing.T) {
	n := startNetwork(t)
	if dir, err := n.client.Services(t.Context()); err != nil || len(dir.Services) != 0 {
		t.Errorf("without services: %+v, %v", dir, err)
	}
	key := seeded(t, "provider")
	provider, signer := crypto.PubkeyToAddress(key.PublicKey), common.Address{7}
	must(t, n.Fund(t.Context(), provider, zg.OneOG.Mul(5)))
	n.Mine()
	must(t, n.RegisterService(t.Context(), key, simchain.ServiceParams{
		ServiceType: "chatbot", URL: "http://127.0.0.1:9001/", Model: "echo-1", Verifiability: "TeeML",
		AdditionalInfo: `{"ProviderType":"centralized"}`, InputPrice: zg.NeuronOf(3), OutputPrice: zg.NeuronOf(4), TEESigner: signer,
	}))
	must(t, n.AcknowledgeSigner(t.Context(), provider))
	dir, err := n.client.Services(t.Context())
	if err != nil || len(dir.Services) != 1 {
		t.Fatalf("Services = %+v, %v", dir, err)
	}
	s := dir.Services[0]
	if s.Provider != provider || s.Type != zg.Chatbot || s.URL != "http://127.0.0.1:9001" || s.Model != "echo-1" || !s.Info.Centralized() ||
		s.InputPrice != zg.NeuronOf(3) || s.OutputPrice != zg.NeuronOf(4) || s.TEESigner != signer || !s.TEESignerAcknowledged || s.UpdatedAt.IsZero() {
		t.Errorf("the service is %+v", s)
	}
	if head, err := n.sender.BlockNumber(t.Context()); err != nil || dir.Block != head {
		t.Errorf("read at block %d, the newest is %d, %v", dir.Block, head, err)
	}
}

// From an empty wallet to a second top-up, with every amount read back.
func TestNetworkTopUp(t *testing.T) {
	n := startNetwork(t)
	ctx := t.Context()
	provider := common.HexToAddress("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC")
	holdings := func() zg.Holdings {
		t.Helper()
		h, err := n.client.Holdings(ctx)
		must(t, err)
		return h
	}
	h := holdings()
	if h.Ledger != nil || len(h.Accounts) != 0 || !h.Wallet.IsZero() || h.MinLedger != zg.OneOG.Mul(3) || h.MinAccount != zg.OneOG || h.LockTime != 24*time.Hour || h.BlockTime.IsZero() {
		t.Errorf("an empty wallet: %+v", h)
	}
	refused := func(amount zg.Neuron, want string) {
		t.Helper()
		tx, err := n.sender.Sign(ctx, transfer(provider, amount, true))
		if r, ok := chain.DecodeRevert(err); !ok || r.Name != want || r.Hint == "" || tx.Raw != nil {
			t.Errorf("Sign: %v, want the refusal %s", err, want)
		}
	}
	refused(zg.OneOG, "LedgerNotExists")
	n.fund(t)
	must(t, n.Deposit(ctx, n.key, zg.OneOG.Mul(10)))
	refused(zg.OneOG.Sub(zg.NeuronOf(1)), "MinimumDepositRequired")
	refused(zg.OneOG.Mul(11), "InsufficientAvailableBalance")
	if g, err := n.client.Generation(ctx, provider); g != 0 || err != nil {
		t.Errorf("Generation without a sub-account = %d, %v", g, err)
	}

	before := holdings()
	first, err := n.sender.Sign(ctx, transfer(provider, zg.OneOG.Mul(2), true))
	must(t, err)
	if first.GasLimit < 600_000 {
		t.Errorf("a transfer that opens a sub-account has %d gas", first.GasLimit)
	}
	if r := n.receipt(t, first.Hash); r != nil {
		t.Errorf("a receipt before it was sent: %+v", r)
	}
	must(t, n.sender.Broadcast(ctx, first))
	must(t, n.sender.Broadcast(ctx, first)) // known already
	if r := n.receipt(t, first.Hash); r != nil {
		t.Errorf("a receipt before it was mined: %+v", r)
	}
	r := n.mined(t, first.Hash)
	if !r.OK || r.Hash != first.Hash || r.GasUsed == 0 || r.GasUsed > first.GasLimit {
		t.Fatalf("receipt %+v", r)
	}
	if nonce, err := n.sender.Nonce(ctx); nonce != first.Nonce+1 || err != nil {
		t.Errorf("Nonce = %d, %v; want %d", nonce, err, first.Nonce+1)
	}
	n.Mine()
	if err := n.sender.Broadcast(ctx, first); !errors.Is(err, chain.ErrNonceTooLow) {
		t.Errorf("sent again after it was mined: %v", err)
	}
	h = holdings()
	a := h.Accounts[provider]
	if h.Block < r.Block || len(h.Accounts) != 1 || a.Balance != zg.OneOG.Mul(2) || !a.Acknowledged || h.Ledger.Available != zg.OneOG.Mul(8) || h.Ledger.Total != zg.OneOG.Mul(10) {
		t.Errorf("after the first top-up: %+v", h)
	}
	if want := before.Wallet.Sub(r.GasCost); r.GasCost.IsZero() || h.Wallet != want {
		t.Errorf("the wallet has %s, the receipt says %s", h.Wallet, want)
	}

	second, err := n.sender.Sign(ctx, transfer(provider, zg.NeuronOf(5), false))
	must(t, err)
	if second.Nonce != first.Nonce+1 || second.GasLimit < 117_000 || second.GasLimit > 400_000 {
		t.Errorf("a second transfer has nonce %d and %d gas", second.Nonce, second.GasLimit)
	}
	must(t, n.sender.Broadcast(ctx, second))
	if r := n.mined(t, second.Hash); !r.OK {
		t.Fatalf("receipt %+v", r)
	}
	must(t, n.RevokeTokens(ctx, n.key, provider))
	must(t, n.Retrieve(ctx, n.key, provider))
	a = holdings().Accounts[provider]
	all := zg.OneOG.Mul(2).Add(zg.NeuronOf(5))
	if a.Balance != all || a.PendingRefund != all || !a.Locked().IsZero() || len(a.Refunds) != 1 || a.Refunds[0].Amount != all || a.Generation != 1 {
		t.Errorf("after retrieving: %+v", a)
	}
	if g, err := n.client.Generation(ctx, provider); g != 1 || err != nil {
		t.Errorf("Generation = %d, %v; want 1", g, err)
	}
	must(t, n.AdvanceTime(25*time.Hour))
	must(t, n.Retrieve(ctx, n.key, provider))
	h = holdings()
	if a = h.Accounts[provider]; !a.Balance.IsZero() || len(a.Refunds) != 0 || h.Ledger.Available != zg.OneOG.Mul(10) {
		t.Errorf("after the lock time: %+v, ledger %+v", a, h.Ledger)
	}
}

// A transaction that waits is replaced at its own nonce, and only the replacement is mined.
func TestNetworkReplace(t *testing.T) {
	n := startNetwork(t)
	ctx := t.Context()
	n.fund(t)
	must(t, n.Deposit(ctx, n.key, zg.OneOG.Mul(10)))
	n.Mine()
	provider := common.Address{0xaa}
	first, err := n.sender.Sign(ctx, transfer(provider, zg.OneOG, true))
	must(t, err)
	must(t, n.sender.Broadcast(ctx, first))
	second, err := n.sender.Replace(ctx, first)
	must(t, err)
	if second.Nonce != first.Nonce || second.Hash == first.Hash {
		t.Errorf("replaced nonce %d by %d, hash %s", first.Nonce, second.Nonce, second.Hash)
	}
	must(t, n.sender.Broadcast(ctx, second))
	if err := n.sender.Broadcast(ctx, first); !errors.Is(err, chain.ErrNonceTaken) {
		t.Errorf("the replaced transaction was sent again: %v", err)
	}
	if r := n.mined(t, second.Hash); !r.OK {
		t.Errorf("the replacement's receipt: %+v", r)
	}
	if r := n.receipt(t, first.Hash); r != nil {
		t.Errorf("the replaced transaction's receipt: %+v", r)
	}
	h, err := n.client.Holdings(ctx)
	must(t, err)
	if a := h.Accounts[provider]; a.Balance != zg.OneOG {
		t.Errorf("the sub-account has %s, want 1 0G: once, not twice", a.Balance)
	}
}

// Two transfers that the ledger can only pay one of: the second is mined, moves nothing and costs its gas.
func TestNetworkRevertedTopUp(t *testing.T) {
	n := startNetwork(t)
	ctx := t.Context()
	n.fund(t)
	must(t, n.Deposit(ctx, n.key, zg.OneOG.Mul(3)))
	n.Mine()
	provider := common.Address{0xaa}
	first, err := n.sender.Sign(ctx, transfer(provider, zg.OneOG.Mul(2), true))
	must(t, err)
	inner := new(types.Transaction)
	must(t, inner.UnmarshalBinary(first.Raw))
	again, err := types.SignNewTx(n.key, types.LatestSignerForChainID(inner.ChainId()), &types.DynamicFeeTx{
		ChainID: inner.ChainId(), Nonce: inner.Nonce() + 1, To: inner.To(), Data: inner.Data(), Gas: inner.Gas(), GasFeeCap: inner.GasFeeCap(), GasTipCap: inner.GasTipCap(),
	})
	must(t, err)
	raw, err := again.MarshalBinary()
	must(t, err)
	must(t, n.sender.Broadcast(ctx, first))
	must(t, n.sender.Broadcast(ctx, zg.SignedTx{Hash: again.Hash(), Nonce: again.Nonce(), Raw: raw}))
	if r := n.mined(t, first.Hash); !r.OK {
		t.Errorf("the first transfer's receipt: %+v", r)
	}
	if r := n.mined(t, again.Hash()); r.OK || r.GasCost.IsZero() {
		t.Errorf("the second transfer's receipt: %+v", r)
	}
	n.Mine()
	if err := n.sender.Broadcast(ctx, first); !errors.Is(err, chain.ErrNonceTooLow) {
		t.Errorf("Broadcast with a used nonce: %v", err)
	}
	h, err := n.client.Holdings(ctx)
	must(t, err)
	if h.Accounts[provider].Balance != zg.OneOG.Mul(2) || h.Ledger.Available != zg.OneOG {
		t.Errorf("after both: %+v", h)
	}
}

// The words of the network's nodes, and a node that is gone.
func TestNetworkFaults(t *testing.T) {
	n := startNetwork(t)
	ctx := t.Context()
	n.fund(t)
	must(t, n.Deposit(ctx, n.key, zg.OneOG.Mul(3)))
	n.Mine()
	tx, err := n.sender.Sign(ctx, transfer(common.Address{0xaa}, zg.OneOG, true))
	must(t, err)
	n.SetMinTip(zg.NeuronOf(90_000_000_000))
	if err := n.sender.Broadcast(ctx, tx); !errors.Is(err, chain.ErrTipTooLow) {
		t.Errorf("below the node's floor: %v", err)
	}
	n.SetMinTip(zg.Neuron{})
	n.SetFault(func(string, []byte) *simchain.Fault { return &simchain.Fault{Status: 503} })
	if _, err := n.client.Holdings(ctx); !errors.Is(err, chain.ErrRPC) {
		t.Errorf("Holdings of a node that is gone: %v", err)
	}
	if err := n.client.Check(ctx); !errors.Is(err, chain.ErrRPC) || errors.Is(err, chain.ErrWrongNetwork) {
		t.Errorf("Check of a node that is gone: %v", err)
	}
	n.SetFault(nil)
	n.SetFault(func(method string, _ []byte) *simchain.Fault {
		if method == "eth_sendRawTransaction" {
			return &simchain.Fault{Drop: true}
		}
		return nil
	})
	must(t, n.sender.Broadcast(ctx, tx)) // taken and lost
	n.Mine()
	if r := n.receipt(t, tx.Hash); r != nil {
		t.Errorf("a lost transaction's receipt: %+v", r)
	}
	n.SetFault(nil)
	must(t, n.sender.Broadcast(ctx, tx)) // the same bytes again
	if r := n.mined(t, tx.Hash); !r.OK {
		t.Errorf("receipt %+v", r)
	}

	dir := chain.NewDirectory(n.client.Services, chain.DirectoryConfig{})
	must(t, dir.Refresh(ctx))
	good := dir.Snapshot()
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := dir.Refresh(cancelled); !errors.Is(err, context.Canceled) || dir.Snapshot() != good {
		t.Errorf("Refresh that was cancelled: %v", err)
	}
}

// Another program's transaction waits at our lowest nonce: it is seen, and ours is not taken in its place.
func TestNetworkAnothersWaits(t *testing.T) {
	n := startNetwork(t)
	ctx := t.Context()
	n.fund(t)
	must(t, n.Deposit(ctx, n.key, zg.OneOG.Mul(10)))
	n.Mine()
	ours, err := n.sender.Sign(ctx, transfer(common.Address{0xaa}, zg.OneOG, true))
	must(t, err)
	held, err := n.Hold(ctx, n.key, simchain.Waiting{To: common.Address{1}, Tip: zg.NeuronOf(50_000_000_000)})
	must(t, err)
	mined, pending, err := n.client.Nonces(ctx)
	if err != nil || held.Nonce() != ours.Nonce || mined != held.Nonce() || pending != held.Nonce()+1 {
		t.Errorf("mined %d, pending %d, %v; one waits with nonce %d, and ours has %d", mined, pending, err, held.Nonce(), ours.Nonce)
	}
	for hash, want := range map[common.Hash]bool{held.Hash(): true, ours.Hash: false} {
		if known, err := n.sender.Known(ctx, hash); err != nil || known != want {
			t.Errorf("%s is known: %v, %v; want %v", hash, known, err, want)
		}
	}
	if err := n.sender.Broadcast(ctx, ours); !errors.Is(err, chain.ErrNonceTaken) || errors.Is(err, chain.ErrUnderpriced) {
		t.Errorf("Broadcast: %v", err)
	}
	must(t, n.Release(ctx))
	if r := n.mined(t, held.Hash()); !r.OK {
		t.Errorf("the receipt of what waited: %+v", r)
	}
}
