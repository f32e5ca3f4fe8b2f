package chain_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/chain"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// journal opens a spend store with a journal over the network's sender.
func (n *network) journal(t *testing.T, cfg billing.JournalConfig) (*billing.Journal, *billing.Store) {
	t.Helper()
	store, err := billing.Open(t.Context(), t.TempDir(), billing.StoreOptions{})
	must(t, err)
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	if cfg.PollReceipt == 0 {
		cfg.PollReceipt = 5 * time.Millisecond
	}
	return billing.NewJournal(store, n.sender, cfg), store
}

// do has an intent done while blocks are made whenever it asks for them, by waiting.
func (n *network) do(t *testing.T, j *billing.Journal, in zg.Intent) billing.Entry {
	t.Helper()
	var sent atomic.Bool
	done := n.start(t, j, in, func(e billing.Entry) { sent.Store(sent.Load() || e.Sent) })
	n.mineUntil(t, done, &sent)
	r := <-done
	if r.err != nil || r.entry.State != billing.EntryMined {
		t.Fatalf("%s: %+v, %v", in.Kind, r.entry, r.err)
	}
	return r.entry
}

type outcome struct {
	entry billing.Entry
	err   error
}

func (n *network) start(t *testing.T, j *billing.Journal, in zg.Intent, notify func(billing.Entry)) chan outcome {
	t.Helper()
	done := make(chan outcome, 1)
	go func() {
		e, err := j.Do(t.Context(), in, billing.OriginHand, notify)
		done <- outcome{e, err}
	}()
	return done
}

// mineUntil makes blocks until there is an outcome, beginning when a node has taken the transaction.
func (n *network) mineUntil(t *testing.T, done chan outcome, sent *atomic.Bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	hanging := time.After(3 * time.Minute)
	for len(done) == 0 {
		select {
		case <-hanging:
			t.Fatal("it has no outcome")
		case <-tick.C:
			if sent.Load() {
				n.Mine()
			}
		}
	}
}

func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	hanging := time.After(3 * time.Minute)
	for !f() {
		select {
		case <-hanging:
			t.Fatal(what)
		case <-tick.C:
		}
	}
}

// From an empty wallet: everything that a user does, through the journal and on the network's own contracts, to the
// neuron.
func TestNetworkEveryKind(t *testing.T) {
	n := startNetwork(t)
	ctx := t.Context()
	provider := common.HexToAddress("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC")
	j, store := n.journal(t, billing.JournalConfig{Wallet: "test", Confirmations: 2})
	holdings := func() zg.Holdings {
		t.Helper()
		h, err := n.client.Holdings(ctx)
		must(t, err)
		return h
	}
	refused := func(in zg.Intent, why error) {
		t.Helper()
		if e, err := j.Do(ctx, in, billing.OriginHand, nil); !errors.Is(err, billing.ErrNotSigned) || !errors.Is(err, why) {
			t.Errorf("%s: %+v, %v; want it not signed: %v", in.Kind, e, err, why)
		}
	}
	deposit := func(amount zg.Neuron) zg.Intent { return zg.Intent{Kind: zg.IntentDeposit, Amount: amount} }
	refused(deposit(zg.OneOG.Mul(3)), chain.ErrInsufficientFunds)
	n.fund(t) // 100 0G
	refused(deposit(zg.OneOG.Mul(100)), chain.ErrInsufficientFunds)
	start := holdings().Wallet

	var gas zg.Neuron
	do := func(in zg.Intent) billing.Entry {
		t.Helper()
		e := n.do(t, j, in)
		gas = gas.Add(e.GasCost)
		if e.GasCost.IsZero() || e.Txs[0].GasLimit == 0 || len(e.Txs) != 1 {
			t.Errorf("%s: %+v", in.Kind, e)
		}
		return e
	}
	do(deposit(zg.OneOG.Mul(10))) // opens the ledger
	if h := holdings(); h.Ledger == nil || h.Ledger.Available != zg.OneOG.Mul(10) || h.Wallet != start.Sub(zg.OneOG.Mul(10)).Sub(gas) {
		t.Errorf("after the first deposit: %+v", h)
	}
	do(deposit(zg.NeuronOf(5)))
	refused(transfer(provider, zg.OneOG, false), chain.ErrDecidedOtherwise)
	do(transfer(provider, zg.OneOG.Mul(2), true))
	refused(transfer(provider, zg.OneOG, true), chain.ErrDecidedOtherwise)
	do(transfer(provider, zg.OneOG, false))
	do(zg.Intent{Kind: zg.IntentAcknowledge, Provider: provider})
	if a := holdings().Accounts[provider]; a.Balance != zg.OneOG.Mul(3) || !a.Acknowledged {
		t.Errorf("after two transfers: %+v", a)
	}
	refused(zg.Intent{Kind: zg.IntentWithdraw, Provider: provider}, billing.ErrNotSigned) // there is money in it
	do(zg.Intent{Kind: zg.IntentRevoke, Provider: provider, TokenIDs: []int{9}})
	if a := holdings().Accounts[provider]; a.RevokedBitmap.Cmp(new(big.Int).Lsh(big.NewInt(1), 9)) != 0 || a.Generation != 0 {
		t.Errorf("after revoking a token: %+v", a)
	}
	do(zg.Intent{Kind: zg.IntentRevokeAll, Provider: provider})
	if a := holdings().Accounts[provider]; a.RevokedBitmap.Sign() != 0 || a.Generation != 1 {
		t.Errorf("after revoking all tokens: %+v", a)
	}
	do(zg.Intent{Kind: zg.IntentRetrieve, Provider: provider})
	if a := holdings().Accounts[provider]; a.PendingRefund != zg.OneOG.Mul(3) || !a.Locked().IsZero() {
		t.Errorf("after asking for it back: %+v", a)
	}
	must(t, n.AdvanceTime(25*time.Hour))
	n.Mine()
	do(zg.Intent{Kind: zg.IntentRetrieve, Provider: provider})
	do(zg.Intent{Kind: zg.IntentWithdraw, Provider: provider})
	if a := holdings().Accounts[provider]; a.Acknowledged {
		t.Errorf("after taking the consent back: %+v", a)
	}
	all := zg.OneOG.Mul(10).Add(zg.NeuronOf(5))
	if h := holdings(); h.Ledger.Available != all || !h.Accounts[provider].Balance.IsZero() {
		t.Errorf("after taking it back: %+v", h)
	}
	do(zg.Intent{Kind: zg.IntentRefund, Amount: zg.OneOG})
	do(zg.Intent{Kind: zg.IntentRefund, Amount: all.Sub(zg.OneOG)}) // of everything: the ledger goes, and what is in it
	if h := holdings(); h.Ledger != nil || len(h.Accounts) != 0 || h.Wallet != start.Sub(gas) {
		t.Errorf("in the end: %+v; want everything but the gas in the wallet", h)
	}
	entries, err := store.Entries(ctx, 100)
	must(t, err)
	if nonce, err := n.sender.Nonce(ctx); len(entries) != 12 || nonce != 12 || err != nil {
		t.Errorf("%d entries, nonce %d, %v", len(entries), nonce, err)
	}
}

// What people are shown before they say yes is what is signed at most, and what is used at most, of every kind and
// however many sub-accounts there are.
func TestNetworkGasIsWhatWasShown(t *testing.T) {
	for _, accounts := range []int{1, 3, 20} {
		t.Run(fmt.Sprint(accounts), func(t *testing.T) {
			n := startNetwork(t)
			n.fund(t) // 100 0G
			j, _ := n.journal(t, billing.JournalConfig{Wallet: "test", Confirmations: 1})
			do := func(in zg.Intent, piled int) {
				t.Helper()
				in.MaxGas = chain.MaxGas(in, piled)
				e := n.do(t, j, in)
				r, err := n.sender.Receipt(t.Context(), e.Hash)
				must(t, err)
				if limit := e.Txs[0].GasLimit; limit > in.MaxGas || r == nil || r.GasUsed > limit {
					t.Errorf("%s with %d piled up: %d gas shown, %d signed, used: %+v", in.Kind, piled, in.MaxGas, limit, r)
				}
			}
			do(zg.Intent{Kind: zg.IntentDeposit, Amount: zg.OneOG.Mul(90)}, 0)
			first := common.HexToAddress("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC")
			for i := range accounts {
				p := first
				p[19] += byte(i)
				do(transfer(p, zg.OneOG.Mul(2), true), 0)
				if i < 3 {
					do(transfer(p, zg.OneOG, false), 0)
					do(zg.Intent{Kind: zg.IntentRetrieve, Provider: p}, 0)
				}
			}
			do(zg.Intent{Kind: zg.IntentAcknowledge, Provider: first}, 0)
			do(zg.Intent{Kind: zg.IntentRevoke, Provider: first, TokenIDs: []int{7}}, 0)
			most := zg.Intent{Kind: zg.IntentRevoke, Provider: first}
			for id := range zg.LastTokenID + 1 {
				most.TokenIDs = append(most.TokenIDs, id)
			}
			do(most, 0)
			if h, err := n.client.Holdings(t.Context()); err != nil || h.Accounts[first].RevokedBitmap.BitLen() != zg.LastTokenID+1 {
				t.Errorf("after revoking all: %+v, %v", h.Accounts[first], err)
			}
			do(zg.Intent{Kind: zg.IntentRevokeAll, Provider: first}, 0)
			together := zg.Intent{Kind: zg.IntentRetrieve, Provider: first}
			for i := range accounts - 1 {
				p := first
				p[19] += byte(1 + i)
				together.Also = append(together.Also, p)
			}
			do(together, accounts) // of some, for the second time
			must(t, n.AdvanceTime(25*time.Hour))
			n.Mine()
			do(together, accounts)
			if h, err := n.client.Holdings(t.Context()); err != nil || h.Ledger == nil || h.Ledger.Available != h.Ledger.Total {
				t.Errorf("after retrieving from all of them: %+v, %v", h.Ledger, err)
			}
			do(zg.Intent{Kind: zg.IntentWithdraw, Provider: first}, 0)
			do(zg.Intent{Kind: zg.IntentRefund, Amount: zg.OneOG}, 0)
			h, err := n.client.Holdings(t.Context())
			must(t, err)
			do(zg.Intent{Kind: zg.IntentRefund, Amount: h.Ledger.Available}, len(h.Accounts)) // of everything: the ledger is closed
			if h, err = n.client.Holdings(t.Context()); err != nil || h.Ledger != nil {
				t.Errorf("in the end: %+v, %v", h, err)
			}
		})
	}
}

// A reorg takes the block away and the pool forgets: the journal sends the same bytes again, and they count again.
func TestNetworkJournalReorg(t *testing.T) {
	n := startNetwork(t)
	n.fund(t)
	must(t, n.Deposit(t.Context(), n.key, zg.OneOG.Mul(10)))
	n.Mine()
	provider := common.Address{0xaa}
	j, store := n.journal(t, billing.JournalConfig{Confirmations: 4})
	var hash atomic.Pointer[common.Hash]
	var sent, seen atomic.Bool
	done := n.start(t, j, transfer(provider, zg.OneOG, true), func(e billing.Entry) {
		hash.Store(&e.Txs[0].Hash)
		sent.Store(sent.Load() || e.Sent)
		seen.Store(e.Block != 0)
	})
	until(t, "it is not sent", sent.Load)
	n.mined(t, *hash.Load())
	until(t, "it is not seen in a block", seen.Load)
	// The node says nothing while it sorts itself out, so that the journal looks when the pool is empty.
	n.SetFault(func(string, []byte) *simchain.Fault { return &simchain.Fault{Status: 503} })
	must(t, n.Reorg(1))
	n.DropPending()
	n.SetFault(nil)
	gone := func() bool {
		all, err := store.Entries(t.Context(), 1)
		return err == nil && len(all) == 1 && all[0].Block == 0
	}
	until(t, "the reorg is not seen", gone)
	n.mineUntil(t, done, &sent)
	r := <-done
	if r.err != nil || r.entry.State != billing.EntryMined || len(r.entry.Txs) != 1 {
		t.Fatalf("%+v, %v", r.entry, r.err)
	}
	h, err := n.client.Holdings(t.Context())
	must(t, err)
	if h.Accounts[provider].Balance != zg.OneOG || h.Ledger.Available != zg.OneOG.Mul(9) {
		t.Errorf("after the reorg: %+v; want 1 0G moved, once", h)
	}
}

// Nothing gets it mined: it is replaced six times and then cancelled, and the nonce is free for the next.
func TestNetworkJournalCancel(t *testing.T) {
	n := startNetwork(t)
	n.fund(t)
	must(t, n.Deposit(t.Context(), n.key, zg.OneOG.Mul(10)))
	n.Mine()
	provider := common.Address{0xaa}
	j, _ := n.journal(t, billing.JournalConfig{ReplaceAfter: 30 * time.Millisecond})
	var cancelling atomic.Pointer[common.Hash]
	done := n.start(t, j, transfer(provider, zg.OneOG, true), func(e billing.Entry) {
		if tx := e.Txs[len(e.Txs)-1]; tx.Cancels {
			cancelling.Store(&tx.Hash)
		}
	})
	// It is signed before it is sent; until the pool has it, a block would have the one that it takes the place of.
	until(t, "the cancellation is not sent", func() bool {
		hash := cancelling.Load()
		if hash == nil {
			return false
		}
		_, _, err := n.Client().TransactionByHash(t.Context(), *hash)
		return err == nil
	})
	var sent atomic.Bool
	sent.Store(true)
	n.mineUntil(t, done, &sent)
	r := <-done
	if r.err != nil || r.entry.State != billing.EntryCancelled || len(r.entry.Txs) < 8 || r.entry.GasCost != r.entry.GasCost.Min(r.entry.Txs[len(r.entry.Txs)-1].FeeCap.Mul(21_000)) {
		t.Fatalf("%+v, %v", r.entry, r.err)
	}
	h, err := n.client.Holdings(t.Context())
	must(t, err)
	if len(h.Accounts) != 0 || h.Ledger.Available != zg.OneOG.Mul(10) {
		t.Errorf("after the cancellation: %+v; want nothing moved", h)
	}
	n.Mine()
	next := n.do(t, j, transfer(provider, zg.OneOG, true))
	if next.Nonce != r.entry.Nonce+1 {
		t.Errorf("nonce %d after %d", next.Nonce, r.entry.Nonce)
	}
}

// A node's floor that is raised between signing and sending: replaced at once, within the owner's limit.
func TestNetworkJournalUnderpriced(t *testing.T) {
	n := startNetwork(t)
	n.fund(t)
	must(t, n.Deposit(t.Context(), n.key, zg.OneOG.Mul(10)))
	n.Mine()
	j, _ := n.journal(t, billing.JournalConfig{})
	n.SetMinTip(zg.NeuronOf(4_300_000_000))
	var sent atomic.Bool
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan outcome, 1)
	go func() {
		e, err := j.Do(ctx, transfer(common.Address{0xaa}, zg.OneOG, true), billing.OriginHand, func(e billing.Entry) { sent.Store(e.Sent) })
		done <- outcome{e, err}
	}()
	n.mineUntil(t, done, &sent)
	r := <-done
	if r.err != nil || r.entry.State != billing.EntryMined || len(r.entry.Txs) < 2 || !r.entry.Txs[0].TipCap.Less(zg.NeuronOf(4_300_000_000)) {
		t.Fatalf("%+v, %v", r.entry, r.err)
	}
}
