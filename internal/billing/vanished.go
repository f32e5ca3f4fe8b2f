package billing

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// A reorganisation of the chain that is deeper than the confirmations takes transactions of ours back that had ended.
// Their money is missing then from balances that were read with it, and no event tells why. So before a balance that
// fell without an event is put down to its provider, our own last receipts are read again; what has none any more is
// sent again.

// recentBlocks is how far back receipts are read again: nodes forget those of old blocks, and no reorganisation goes so
// deep.
const recentBlocks = 5000

// reread looks for the receipts of our last transactions again, and puts on record which of them the chain does not
// have any more. Whoever has the next turn sees those through again (restore).
func (j *Journal) reread(ctx context.Context) error {
	nonce, err := j.nonce(ctx)
	if err != nil {
		return err
	}
	head, err := j.head(ctx)
	if err != nil {
		return err
	}
	last, err := j.store.lastMined(ctx, j.cfg.Wallet)
	if err != nil {
		return err
	}
	for i := range last {
		e := &last[i]
		// A node that has not come to its block yet knows nothing about it. Nor does one that has forgotten that block.
		if head < e.Block || (nonce > e.Nonce && head-e.Block > recentBlocks) {
			continue
		}
		switch r, err := j.receipts(ctx, e); {
		case err != nil:
			return err
		case r != nil:
			continue
		}
		j.cfg.Log.Error().EmbedObject(e).Uint64("nonce", e.Nonce).Stringer("tx_hash", e.Hash).Uint64("block", e.Block).
			Msg("a transaction that had ended is no longer part of the chain; it is sent again")
		if err := j.store.noteReceipt(e.ID, nil); err != nil {
			return err
		}
		j.wasCounted(e)
		j.changes.Add(1)
	}
	return nil
}

// restore sees through again what is on record as no longer part of the chain, lowest nonce first.
func (j *Journal) restore(ctx context.Context) error {
	gone, err := j.store.gone(ctx, j.cfg.Wallet)
	if err != nil {
		return err
	}
	for _, e := range gone {
		if err := j.begin(ctx, e, true); err != nil {
			return err
		}
	}
	return nil
}

// forgotten reports whether the chain says that a nonce is unused at which something of ours has ended.
func (j *Journal) forgotten(ctx context.Context, mined uint64) (bool, error) {
	e, known, err := j.store.lastEntry(ctx, j.cfg.Wallet, highestPossible)
	return known && mined <= e.Nonce, err
}

// lastMined are the last entries that have taken effect, newest first.
func (s *Store) lastMined(ctx context.Context, wallet string) ([]Entry, error) {
	const atMost = 20
	return s.entries(ctx, ours+` AND state = 'mined' AND was_block IS NULL ORDER BY nonce DESC LIMIT ?`, wallet, atMost)
}

// gone are the entries that had taken effect and are not part of the chain any more, lowest nonce first.
func (s *Store) gone(ctx context.Context, wallet string) ([]Entry, error) {
	return s.entries(ctx, ours+` AND state = 'mined' AND NOT EXISTS (SELECT 1 FROM journal_txs WHERE entry_id = journal.id AND block IS NOT NULL)
		ORDER BY nonce`, wallet)
}

// missed is what a reorganisation took out of a sub-account whose balance was recorded with it.
type missed struct {
	ids    []int64
	amount zg.Neuron
}

// missing is what is missing from the balances that were recorded, by provider: transfers of ours that were mined when
// those were read, and are not any more.
func (s *Store) missing(ctx context.Context, wallet string) (map[common.Address]missed, error) {
	all, err := s.entries(ctx, ours+` AND kind = 'transfer' AND state IN ('signed', 'mined') AND was_block <=
		(SELECT block FROM accounts WHERE accounts.provider = journal.provider)`, wallet)
	out := make(map[common.Address]missed)
	for _, e := range all {
		m := out[e.Intent.Provider]
		out[e.Intent.Provider] = missed{append(m.ids, e.ID), m.amount.Add(e.Intent.Amount)}
	}
	return out, err
}

// miss takes out of the recorded balance of a sub-account what a reorganisation took out of it, once.
func (s *Store) miss(p common.Address, ids []int64, amount zg.Neuron) error {
	err := s.writer.do(false, func(db *session) error {
		for _, id := range ids {
			if _, err := db.exec(`UPDATE journal SET was_block = NULL WHERE id = ?`, id); err != nil {
				return err
			}
		}
		a, err := db.account(p)
		if err != nil {
			return err
		}
		a.balance = a.balance.Sub(amount)
		return db.saveAccount(&a)
	})
	if err != nil {
		return fmt.Errorf("record what a reorganisation took out of a sub-account: %w", err)
	}
	return nil
}

// recall takes what a reorganisation of the chain took from us out of the balances that were recorded with it, before
// anything is put down to a provider. Where our own receipts cannot be read, nothing is.
func (k *Keeper) recall(ctx context.Context, h zg.Holdings, providers []common.Address, moves zg.Movements) error {
	var gone map[common.Address]missed // nil: nothing was looked for
	for _, p := range providers {
		a, now := k.accounts[p], h.Accounts[p]
		if _, changed := moves.Last[p]; changed || a.block == 0 || a.block > h.Block || !now.Balance.Less(a.balance) {
			continue
		}
		if gone == nil {
			if err := k.journal.reread(ctx); err != nil {
				return fmt.Errorf("a balance fell and no event tells why: %w", err)
			}
			var err error
			if gone, err = k.store.missing(ctx, k.journal.cfg.Wallet); err != nil {
				return err
			}
		}
		m, ok := gone[p]
		if !ok {
			continue
		}
		if err := k.store.miss(p, m.ids, m.amount.Min(a.balance.Sub(now.Balance))); err != nil {
			return err
		}
		k.Nudge() // it is sent again at the next look
	}
	if gone == nil {
		return nil
	}
	var err error
	k.accounts, err = k.store.accounts()
	return err
}
