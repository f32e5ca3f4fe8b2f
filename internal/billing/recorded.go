package billing

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Hint tells the owner what to do about the provider's sub-account, with what has failed, or why it is suspended.
func (v *ProviderView) Hint(p common.Address) string {
	return strings.TrimSpace(v.hintForCaller(p) + " " + v.Failed.String())
}

// hintForCaller is Hint without what an endpoint or a signer said.
func (v *ProviderView) hintForCaller(p common.Address) string {
	hint := hintFor(v.Reason, p)
	if v.Reason == refusalSuspended && v.Suspended != "" {
		hint += " Why: " + v.Suspended
	}
	return hint
}

// DemandHint tells the owner what to do about a request that waits for money, with what has failed.
func (v *ProviderView) DemandHint() string {
	return strings.TrimSpace(v.Demand.Hint + " " + v.Failed.String())
}

// Unfinished is the entry of a wallet that has been signed and not ended, if there is one. See JournalConfig for its
// name.
func (s *Store) Unfinished(ctx context.Context, wallet string) (Entry, bool, error) {
	return s.unfinished(ctx, wallet)
}

// FeesBooked sums the fees of requests that are no longer open, by provider: of those recorded since a moment, with the
// whole quarter of an hour it falls into, or with the zero time of all.
func (s *Store) FeesBooked(ctx context.Context, since time.Time) (_ map[common.Address]zg.Neuron, err error) {
	query, args := `SELECT provider, fees FROM totals`, []any{}
	if !since.IsZero() {
		query, args = `SELECT provider, fees FROM spending WHERE quarter >= ?`, []any{quarterOf(micros(since))}
	}
	rows, err := s.readers.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("sum what was recorded: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out := make(map[common.Address]zg.Neuron)
	for rows.Next() {
		var name string
		var fees zg.Neuron
		if err := rows.Scan(&name, &fees); err != nil {
			return nil, fmt.Errorf("sum what was recorded: %w", err)
		}
		p := common.HexToAddress(name)
		out[p] = out[p].Add(fees)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("sum what was recorded: %w", err)
	}
	return out, nil
}

// Owed is what providers may still take for requests in the store, as far as their debits have been matched. Providers
// whose sub-account no daemon has looked at yet are missing.
func (s *Store) Owed(ctx context.Context) (_ map[common.Address]zg.Neuron, err error) {
	fees, err := s.FeesBooked(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	rows, err := s.readers.QueryContext(ctx, `SELECT `+accountColumns+`, provider FROM accounts`)
	if err != nil {
		return nil, fmt.Errorf("read where matching stands: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out := make(map[common.Address]zg.Neuron)
	row := make([]driver.Value, strings.Count(accountColumns, ",")+2)
	into := make([]any, len(row))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		var a account
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("read where matching stands: %w", err)
		}
		if err := a.scan(row); err != nil {
			return nil, fmt.Errorf("read where matching stands: %w", err)
		}
		name, _ := row[len(row)-1].(string)
		p := common.HexToAddress(name)
		out[p] = a.owed(fees[p], zg.Neuron{}, false)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read where matching stands: %w", err)
	}
	return out, nil
}

// Unfinished is that of the store read.
func (r *Reader) Unfinished(ctx context.Context, wallet string) (Entry, bool, error) {
	return r.store.Unfinished(ctx, wallet)
}

// Transferred is that of the store read.
func (r *Reader) Transferred(ctx context.Context, since time.Time) (map[common.Address]Moved, error) {
	return r.store.Transferred(ctx, since)
}

// AutoFunded is that of the store read.
func (r *Reader) AutoFunded(ctx context.Context) (AutoFunded, error) { return r.store.AutoFunded(ctx) }

// FeesBooked is that of the store read.
func (r *Reader) FeesBooked(ctx context.Context, since time.Time) (map[common.Address]zg.Neuron, error) {
	return r.store.FeesBooked(ctx, since)
}

// Owed is that of the store read.
func (r *Reader) Owed(ctx context.Context) (map[common.Address]zg.Neuron, error) {
	return r.store.Owed(ctx)
}
