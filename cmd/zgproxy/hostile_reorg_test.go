package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// reorgDepth is how many blocks are replaced, far more than reorgConfirmations.
const reorgDepth = 16

// reorgConfirmations is how deep a transaction has to be before it counts as final.
func reorgConfirmations() []string { return []string{"ZGPROXY_CONFIRMATIONS=4"} }

// deepReorgs replace more blocks than what is final has above it, so that money which had moved has not.
func deepReorgs() []script {
	const restored = "a transaction that had ended is no longer part of the chain; it is sent again"
	return []script{
		{name: "a reorganisation takes our top-up", env: reorgConfirmations(), ask: (*hostile).losesTopUp, log: []string{restored}},
		{name: "a reorganisation takes our top-up, and a debit with it", env: reorgConfirmations(), ask: (*hostile).losesBoth, log: []string{restored}},
		{name: "a reorganisation moves a debit", env: reorgConfirmations(), ask: func(h *hostile) {
			fee := h.tookFee()
			h.reorganise()
			h.eventually("mined again", func() error { return h.agrees(fee) })
		}},
		{
			name: "a reorganisation takes a debit for a while", env: reorgConfirmations(), log: []string{"no event tells why"},
			ask: func(h *hostile) {
				fee := h.tookFee()
				gone := h.reorganise(h.p.Address())
				h.eventually("undone", func() error { return h.agrees(zg.Neuron{}) })
				for _, tx := range gone {
					if err := h.net.Chain.Client().SendTransaction(h.Context(), tx); err != nil {
						h.Fatal(err)
					}
				}
				h.eventually("the same debit again", func() error { return h.agrees(fee) })
				h.p.Bill(devnet.Wallet(), stolen) // the allowance for what was undone is used up
				h.eventually("seen through", func() error {
					if a := h.standing(); a.Drift.Neuron != stolen {
						return fmt.Errorf("%+v", a)
					}
					return nil
				})
			},
			heal: func(h *hostile) { h.p.Forgive(devnet.Wallet()) },
		},
		{
			name: "a reorganisation takes a debit", env: reorgConfirmations(), log: []string{"no event tells why"},
			ask: func(h *hostile) {
				fee := h.tookFee()
				h.reorganise(h.p.Address())
				h.eventually("undone", func() error { return h.agrees(zg.Neuron{}) })
				h.p.Bill(devnet.Wallet(), fee) // it finds its settlement gone, and is owed what it was owed before
				h.looked()
				if a := h.standing(); !a.Drift.Neuron.IsZero() || a.Funding != "" {
					h.Errorf("what it had taken before is claimed again, and judged: %+v", a)
				}
				h.settles()
				h.eventually("taken again", func() error { return h.agrees(fee) })
			},
		},
	}
}

// blocks makes so many blocks.
func (h *hostile) blocks(n int) {
	for range n {
		h.net.Chain.Mine()
	}
}

// settles has the provider take what it is owed, and returns that.
func (h *hostile) settles() zg.Neuron {
	h.Helper()
	h.atRest(h.p)
	owed := h.p.Unsettled(devnet.Wallet())
	if err := h.p.Settle(h.Context()); err != nil {
		h.Fatal(err)
	}
	return owed
}

// spent is what the wallet's transactions of this script did.
func (h *hostile) spent() simchain.Spending {
	h.Helper()
	s, _, err := h.net.Chain.Spending(h.Context(), devnet.Wallet(), h.block)
	if err != nil {
		h.Fatal(err)
	}
	return s
}

// losesTopUp: the top-up vanishes. It is nobody's debit, the same transaction is sent again, and it counts once.
func (h *hostile) losesTopUp() { h.loses(false) }

// losesBoth: so does what the provider took after it, which the next block has again.
func (h *hostile) losesBoth() { h.loses(true) }

func (h *hostile) loses(debit bool) {
	h.Helper()
	amount, taken := h.toppedUp(), zg.Neuron{}
	if debit {
		taken = h.settles()
		h.blocks(4)
	}
	h.eventually("counted", func() error { return h.agrees(taken) })
	before := h.spent()
	h.reorganise(devnet.Wallet())
	h.eventually("sent again", func() error {
		if a := h.standing(); taken.Less(a.Debited.Neuron) || !a.Drift.Neuron.IsZero() {
			h.Fatalf("what the reorganisation took is put down to the provider: %+v", a)
		}
		after := h.spent()
		if !slices.Equal(after.Hashes, before.Hashes) || after.Transfers != amount {
			return fmt.Errorf("%v of %s 0G, before it was %v of %s 0G", after.Hashes, after.Transfers.Og(), before.Hashes, amount.Og())
		}
		return h.agrees(taken)
	})
	h.blocks(4)
	h.eventually("final again", func() error { return h.logged("transaction ended", 2) })
	if used := h.counted(); used != amount {
		h.Errorf("%s 0G count against the limit; %s 0G were moved", used.Og(), amount.Og())
	}
	h.settles()
	h.eventually("taken", func() error { return h.agrees(fullAmount.Add(amount).Sub(h.balance())) })
}

// counted is what counts against the limit of a day's transfers.
func (h *hostile) counted() zg.Neuron {
	h.Helper()
	r := h.report()
	return transfersUsed(h.T, &r)
}

// balance is what the sub-account has on chain.
func (h *hostile) balance() zg.Neuron {
	h.Helper()
	a, _, err := h.net.Chain.SubAccount(h.Context(), devnet.Wallet(), h.p.Address())
	if err != nil {
		h.Fatal(err)
	}
	return a.Balance
}

// agrees compares to the neuron what the chain has, what was taken, and what the daemon makes of it.
func (h *hostile) agrees(taken zg.Neuron) error {
	h.Helper()
	there, due := h.balance(), h.p.Unsettled(devnet.Wallet())
	if want := fullAmount.Add(h.spent().Transfers).Sub(taken); there != want {
		return fmt.Errorf("the chain has %s, want %s", there, want)
	}
	a := h.standing()
	if a.Locked.Neuron != there || a.Debited.Neuron != taken || a.Unsettled.Neuron != due || !a.Drift.Neuron.IsZero() ||
		!a.Watched.Neuron.IsZero() || a.Funding != "" {
		return fmt.Errorf("%s there, %s taken, %s due on chain; the daemon says %+v", there, taken, due, a)
	}
	return nil
}

// reorganise replaces blocks and leaves out what some accounts sent in them, which it returns, and of which there has to be
// something.
func (h *hostile) reorganise(without ...common.Address) (txs []*types.Transaction) {
	h.Helper()
	var gone []common.Hash
	for _, by := range without {
		all, err := h.net.Chain.MinedBy(h.Context(), by, reorgDepth)
		if err != nil || len(all) == 0 {
			h.Fatalf("%s has no transactions in the last %d blocks: %v", by, reorgDepth, err)
		}
		gone = append(gone, all...)
	}
	for _, hash := range gone {
		tx, _, err := h.net.Chain.Client().TransactionByHash(h.Context(), hash)
		if err != nil {
			h.Fatal(err)
		}
		txs = append(txs, tx)
	}
	if err := h.net.Chain.Reorg(reorgDepth, gone...); err != nil {
		h.Fatal(err)
	}
	return txs
}

// toppedUp spends, and returns when the top-up for it is final and has been seen; how much that was.
func (h *hostile) toppedUp() zg.Neuron {
	h.Helper()
	h.blocks(reorgDepth) // what was before stays
	h.spend()
	h.eventually("mined", func() error {
		s := h.spent()
		if s.Transactions != 1 {
			return fmt.Errorf("%d transactions", s.Transactions)
		}
		return nil
	})
	h.blocks(4)
	h.eventually("final", func() error { return h.logged("transaction ended", 1) })
	h.looked()
	return h.spent().Transfers
}

// tookFee spends, lets that be topped up, and has the provider take its fee, which is seen and lies deeper than what
// is final.
func (h *hostile) tookFee() zg.Neuron {
	h.Helper()
	h.toppedUp()
	h.blocks(reorgDepth)
	fee := h.settles()
	h.blocks(4)
	h.eventually("taken", func() error { return h.agrees(fee) })
	return fee
}

func (h *hostile) logged(message string, times int) error {
	if n := strings.Count(h.daemon.log.String(), fmt.Sprintf("%q", message)); n < times {
		return fmt.Errorf("%q is logged %d times, not %d", message, n, times)
	}
	return nil
}
