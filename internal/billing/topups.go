package billing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// TopUpState is where a top-up stands.
type TopUpState string

// The states of a top-up. Only TopUpSigned is unfinished, and at most one top-up is in it.
const (
	TopUpSigned     TopUpState = "signed"     // it may be sent any number of times and takes effect at most once
	TopUpMined      TopUpState = "mined"      // the money is in the sub-account
	TopUpReverted   TopUpState = "reverted"   // it cost gas and moved nothing
	TopUpSuperseded TopUpState = "superseded" // another transaction used the nonce, so it can never happen
)

// TopUp is one transfer from the ledger to a sub-account.
type TopUp struct {
	ID        int64
	Provider  common.Address
	Amount    zg.Neuron
	Nonce     uint64
	State     TopUpState
	CreatedAt time.Time
	EndedAt   time.Time // zero: not ended
	Reason    string
	Txs       []zg.SignedTx // oldest first; all have the same nonce
}

// stageTopUp records a signed top-up. When it returns nil, the record is on disk, synced. It fails while another top-up
// is unfinished.
func (s *Store) stageTopUp(p common.Address, amount zg.Neuron, tx zg.SignedTx, now time.Time) (TopUp, error) {
	t := TopUp{Provider: p, Amount: amount, Nonce: tx.Nonce, State: TopUpSigned, CreatedAt: now, Txs: []zg.SignedTx{tx}}
	err := s.writer.do(true, func(db *session) (err error) {
		t.ID, err = db.insert(`INSERT INTO journal (provider, amount, nonce, state, created_at) VALUES (?, ?, ?, ?, ?)`,
			p.Hex(), amount.String(), int64(tx.Nonce), string(TopUpSigned), micros(now))
		if err != nil {
			return err
		}
		return insertTx(db, t.ID, tx)
	})
	if err != nil {
		return TopUp{}, fmt.Errorf("record a signed top-up: %w", err)
	}
	return t, nil
}

// addTopUpTx records a replacement. When it returns nil, the record is on disk, synced.
func (s *Store) addTopUpTx(id int64, tx zg.SignedTx) error {
	if err := s.writer.do(true, func(db *session) error { return insertTx(db, id, tx) }); err != nil {
		return fmt.Errorf("record a replacement: %w", err)
	}
	return nil
}

func insertTx(db *session, id int64, tx zg.SignedTx) error {
	_, err := db.exec(`INSERT INTO journal_txs (hash, entry_id, raw, fee_cap, tip_cap, gas_limit) VALUES (?, ?, ?, ?, ?, ?)`,
		tx.Hash.Hex(), id, tx.Raw, tx.FeeCap.String(), tx.TipCap.String(), int64(tx.GasLimit))
	return err
}

// noteBroadcast records when a transaction was first sent.
func (s *Store) noteBroadcast(hash common.Hash, now time.Time) error {
	err := s.writer.do(false, func(db *session) error {
		_, err := db.exec(`UPDATE journal_txs SET broadcast_at = ? WHERE hash = ? AND broadcast_at IS NULL`, micros(now), hash.Hex())
		return err
	})
	if err != nil {
		return fmt.Errorf("record a broadcast: %w", err)
	}
	return nil
}

// endTopUp records how a top-up ended; receipt is that of the transaction that was mined, if one was. Should the record be
// lost with the machine, the next start reads the receipt again.
func (s *Store) endTopUp(id int64, state TopUpState, reason string, receipt *zg.Receipt, now time.Time) error {
	err := s.writer.do(false, func(db *session) error {
		if receipt != nil {
			if _, err := db.exec(`UPDATE journal_txs SET block = ?, gas_cost = ? WHERE hash = ?`,
				int64(receipt.Block), receipt.GasCost.String(), receipt.Hash.Hex()); err != nil {
				return err
			}
		}
		_, err := db.exec(`UPDATE journal SET state = ?, ended_at = ?, reason = ? WHERE id = ? AND state = 'signed'`,
			string(state), micros(now), text(reason), id)
		return err
	})
	if err != nil {
		return fmt.Errorf("record the end of a top-up: %w", err)
	}
	return nil
}

// unfinishedTopUp is the top-up that has been signed and not ended, if there is one.
func (s *Store) unfinishedTopUp(ctx context.Context) (TopUp, bool, error) {
	all, err := s.topUps(ctx, `WHERE state = 'signed'`)
	if err != nil || len(all) == 0 {
		return TopUp{}, false, err
	}
	return all[0], true, nil
}

// TopUps returns the newest top-ups, newest first.
func (s *Store) TopUps(ctx context.Context, limit int) ([]TopUp, error) {
	return s.topUps(ctx, `ORDER BY id DESC LIMIT ?`, limit)
}

func (s *Store) topUps(ctx context.Context, where string, args ...any) (_ []TopUp, err error) {
	//nolint:gosec // the condition is a constant of this file; values are bound
	rows, err := s.readers.QueryContext(ctx, `SELECT id, provider, amount, nonce, state, created_at, ended_at, COALESCE(reason, '') FROM journal `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read top-ups: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var out []TopUp
	for rows.Next() {
		var t TopUp
		var provider string
		var created int64
		var ended sql.NullInt64
		if err := rows.Scan(&t.ID, &provider, &t.Amount, &t.Nonce, &t.State, &created, &ended, &t.Reason); err != nil {
			return nil, fmt.Errorf("read top-ups: %w", err)
		}
		t.Provider, t.CreatedAt, t.EndedAt = common.HexToAddress(provider), fromMicros(created), fromMicros(ended.Int64)
		out = append(out, t)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read top-ups: %w", err)
	}
	for i := range out {
		if err := s.topUpTxs(ctx, &out[i]); err != nil {
			return nil, fmt.Errorf("read the transactions of a top-up: %w", err)
		}
	}
	return out, nil
}

func (s *Store) topUpTxs(ctx context.Context, t *TopUp) (err error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT hash, raw, fee_cap, tip_cap, gas_limit FROM journal_txs WHERE entry_id = ? ORDER BY rowid`, t.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var hash string
		tx := zg.SignedTx{Nonce: t.Nonce}
		if err := rows.Scan(&hash, &tx.Raw, &tx.FeeCap, &tx.TipCap, &tx.GasLimit); err != nil {
			return err
		}
		tx.Hash = common.HexToHash(hash)
		t.Txs = append(t.Txs, tx)
	}
	return rows.Err()
}

// toppedUpSince sums the top-ups made since a moment, those under way included: what counts against the daily cap.
func (s *Store) toppedUpSince(ctx context.Context, since time.Time) (sum zg.Neuron, err error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT amount FROM journal WHERE created_at > ? AND state IN ('signed', 'mined')`, micros(since))
	if err != nil {
		return zg.Neuron{}, fmt.Errorf("sum recent top-ups: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var n zg.Neuron
		if err := rows.Scan(&n); err != nil {
			return zg.Neuron{}, fmt.Errorf("sum recent top-ups: %w", err)
		}
		sum = sum.Add(n)
	}
	if err := rows.Err(); err != nil {
		return zg.Neuron{}, fmt.Errorf("sum recent top-ups: %w", err)
	}
	return sum, nil
}

// lastTopUpBlock is the block of the newest receipt. No older state of the chain may be acted on: it would show a
// sub-account without the money that it has.
func (s *Store) lastTopUpBlock(ctx context.Context) (uint64, error) {
	var block int64
	if err := s.readers.QueryRowContext(ctx, `SELECT COALESCE(MAX(block), 0) FROM journal_txs`).Scan(&block); err != nil {
		return 0, fmt.Errorf("read the block of the last top-up: %w", err)
	}
	return uint64(block), nil
}
