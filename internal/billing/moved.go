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
type Moved struct{ Auto, Hand, Foreign zg.Neuron }

// All is everything together.
func (m Moved) All() zg.Neuron { return m.Auto.Add(m.Hand).Add(m.Foreign) }

func (m *Moved) add(o Origin, n zg.Neuron) {
	switch o {
	case OriginHand:
		m.Hand = m.Hand.Add(n)
	case OriginForeign:
		m.Foreign = m.Foreign.Add(n)
	case OriginAuto:
		m.Auto = m.Auto.Add(n)
	}
}

// countedForeign is which of the foreign transactions count: what moved something, as far as it is known, and is part
// of the chain or may be again.
const countedForeign = `ok = 1 AND (gone = 0 OR accepted_at IS NULL)`

// Transferred sums the transfers made since a moment, or ever with the zero time, by provider: what counts against
// budgets. One under way counts like one that is mined; one that reverted, was cancelled or can never happen does not.
// What was transferred elsewhere with the same key counts like our own, whether the owner has accepted it or not.
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
	}, `FROM journal WHERE kind = 'transfer' AND created_at > ? AND state IN ('signed', 'mined')
		UNION ALL SELECT provider, 'foreign', amount FROM foreign_txs WHERE kind = 'transfer' AND COALESCE(mined_at, seen_at) > ? AND `+countedForeign,
		after, after)
	return out, err
}

// TransferredBetween sums the transfers that were mined after one block and up to another, by provider, those under way
// included: what readings of the sub-accounts at these two blocks differ by on our side.
func (s *Store) TransferredBetween(ctx context.Context, after, upTo uint64) (map[common.Address]zg.Neuron, error) {
	out := make(map[common.Address]zg.Neuron)
	err := s.amounts(ctx, func(provider common.Address, _ Origin, n zg.Neuron) { out[provider] = out[provider].Add(n) },
		`FROM journal WHERE kind = 'transfer' AND state IN ('signed', 'mined') AND id IN (SELECT entry_id FROM journal_txs WHERE cancels = 0 AND block > ?1 AND block <= ?2)
			UNION ALL SELECT provider, 'foreign', amount FROM foreign_txs WHERE kind = 'transfer' AND block > ?1 AND block <= ?2 AND `+countedForeign,
		int64(min(after, 1<<62)), int64(min(upTo, 1<<62)))
	return out, err
}

// AutoFunded is what the keeper has used of its leave to open accounts.
type AutoFunded struct{ FirstTransfers, Deposits zg.Neuron }

// AutoFunded sums, ever, the first transfers and the deposits that happened by themselves, those under way included.
// Those that were made elsewhere count too: another copy of this directory may have made them by itself.
func (s *Store) AutoFunded(ctx context.Context) (sum AutoFunded, err error) {
	const counted = ` AND origin = 'auto' AND state IN ('signed', 'mined')`
	if err := s.amounts(ctx, func(_ common.Address, _ Origin, n zg.Neuron) { sum.FirstTransfers = sum.FirstTransfers.Add(n) },
		`FROM journal WHERE kind = 'transfer' AND opening = 1`+counted+
			` UNION ALL SELECT provider, 'foreign', amount FROM foreign_txs WHERE kind = 'transfer' AND opening = 1 AND `+countedForeign); err != nil {
		return AutoFunded{}, err
	}
	err = s.amounts(ctx, func(_ common.Address, _ Origin, n zg.Neuron) { sum.Deposits = sum.Deposits.Add(n) },
		`FROM journal WHERE kind = 'deposit'`+counted+` UNION ALL SELECT provider, 'foreign', amount FROM foreign_txs WHERE kind = 'deposit' AND `+countedForeign)
	return sum, err
}

// amounts hands what a query selects to each. They are summed here: the amounts have more digits than
// SQLite's integers.
func (s *Store) amounts(ctx context.Context, each func(common.Address, Origin, zg.Neuron), from string, args ...any) (err error) {
	//nolint:gosec // the query is made of constants of this file; values are bound
	rows, err := s.readers.QueryContext(ctx, `SELECT provider, origin, amount `+from, args...)
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
