package billing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Moved is what went from the ledger to sub-accounts, by who wanted it.
type Moved struct{ Auto, Hand zg.Neuron }

// All is both together.
func (m Moved) All() zg.Neuron { return m.Auto.Add(m.Hand) }

func (m *Moved) add(o Origin, n zg.Neuron) {
	if o == OriginHand {
		m.Hand = m.Hand.Add(n)
	} else {
		m.Auto = m.Auto.Add(n)
	}
}

// Transferred sums the transfers made since a moment, or ever with the zero time, by provider: what counts against budgets.
// One under way counts like one that is mined; one that reverted, was cancelled or can never happen does not.
func (s *Store) Transferred(ctx context.Context, since time.Time) (map[common.Address]Moved, error) {
	after := int64(-1)
	if !since.IsZero() {
		after = micros(since)
	}
	out := make(map[common.Address]Moved)
	err := s.amounts(ctx, func(provider common.Address, origin Origin, n zg.Neuron) {
		m := out[provider]
		m.add(origin, n)
		out[provider] = m
	}, `kind = 'transfer' AND created_at > ? AND state IN ('signed', 'mined')`, after)
	return out, err
}

// TransferredBetween sums the transfers that were mined after one block and up to another, by provider, those under way
// included: what readings of the sub-accounts at these two blocks differ by on our side.
func (s *Store) TransferredBetween(ctx context.Context, after, upTo uint64) (map[common.Address]zg.Neuron, error) {
	out := make(map[common.Address]zg.Neuron)
	err := s.amounts(ctx, func(provider common.Address, _ Origin, n zg.Neuron) { out[provider] = out[provider].Add(n) },
		`kind = 'transfer' AND state IN ('signed', 'mined') AND id IN (SELECT entry_id FROM journal_txs WHERE cancels = 0 AND block > ? AND block <= ?)`,
		int64(min(after, 1<<62)), int64(min(upTo, 1<<62)))
	return out, err
}

// AutoFunded is what the keeper has used of its leave to open accounts.
type AutoFunded struct{ FirstTransfers, Deposits zg.Neuron }

// AutoFunded sums, ever, the first transfers and the deposits that happened by themselves, those under way included.
func (s *Store) AutoFunded(ctx context.Context) (sum AutoFunded, err error) {
	const counted = ` AND origin = 'auto' AND state IN ('signed', 'mined')`
	if err := s.amounts(ctx, func(_ common.Address, _ Origin, n zg.Neuron) { sum.FirstTransfers = sum.FirstTransfers.Add(n) },
		`kind = 'transfer' AND opening = 1`+counted); err != nil {
		return AutoFunded{}, err
	}
	err = s.amounts(ctx, func(_ common.Address, _ Origin, n zg.Neuron) { sum.Deposits = sum.Deposits.Add(n) }, `kind = 'deposit'`+counted)
	return sum, err
}

// amounts hands the entries that fit a condition to each. They are summed here: the amounts have more digits than
// SQLite's integers.
func (s *Store) amounts(ctx context.Context, each func(common.Address, Origin, zg.Neuron), where string, args ...any) (err error) {
	//nolint:gosec // the condition is a constant of this file; values are bound
	rows, err := s.readers.QueryContext(ctx, `SELECT provider, origin, amount FROM journal WHERE `+where, args...)
	if err != nil {
		return fmt.Errorf("sum the journal: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var provider string
		var origin Origin
		var n zg.Neuron
		if err := rows.Scan(&provider, &origin, &n); err != nil {
			return fmt.Errorf("sum the journal: %w", err)
		}
		each(common.HexToAddress(provider), origin, n)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("sum the journal: %w", err)
	}
	return nil
}
