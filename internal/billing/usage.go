package billing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// UsageBy says what the requests are grouped by. All of it may be asked for, or nothing.
type UsageBy struct{ Day, Model, Provider, Key bool }

// Usage is the sum of some requests. What they were not grouped by is empty.
type Usage struct {
	Day                                                   string // of admission, in UTC: 2026-11-01
	Model, Provider, Key                                  string
	Requests                                              int64 // no longer open
	Open                                                  int64 // under way; in none of the other figures
	InputTokens, OutputTokens, CachedTokens, Images, Free int64
	Seconds                                               float64   // of audio
	Fees                                                  zg.Neuron // taken, or expected to be where the provider's figures are known, else recorded
	Booked                                                zg.Neuron // what counts against the budgets for fees; never lowered afterwards
	Estimated                                             int64     // how many of the requests have an estimated fee that nothing has shown better …
	EstimatedFees                                         zg.Neuron // … and what those come to
}

// The sums are made in Go: the store keeps money as decimal text, which SQL adds up as floating point. What is not
// asked for is not read.
const selectUsage = `SELECT CASE WHEN ?1 THEN opened_at / 86400000000 ELSE 0 END, CASE WHEN ?2 THEN model ELSE '' END,
	CASE WHEN ?3 THEN provider ELSE '' END, CASE WHEN ?4 THEN key ELSE '' END, state = 'open', COALESCE(basis, ''), COALESCE(settled, fee, '0'), settled IS NOT NULL,
	COALESCE(fee, '0'),
	COALESCE(input_tokens, 0), COALESCE(output_tokens, 0), COALESCE(cached_tokens, 0), COALESCE(images, 0), COALESCE(seconds, 0)
	FROM requests WHERE opened_at >= ?5 AND opened_at < ?6`

// Usage sums what was admitted since a moment and before another; a zero until is no limit. The groups come in the
// order of day, model, provider and key. What a daemon has not written yet, a moment's worth, is missing.
func (s *Store) Usage(ctx context.Context, since, until time.Time, by UsageBy) (_ []Usage, err error) {
	last := int64(1<<63 - 1)
	if !until.IsZero() {
		last = micros(until)
	}
	rows, err := s.readers.QueryContext(ctx, selectUsage, flag(by.Day), flag(by.Model), flag(by.Provider), flag(by.Key), micros(since), last)
	if err != nil {
		return nil, fmt.Errorf("sum the requests: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	type group struct {
		day                  int64
		model, provider, key string
	}
	sums := make(map[group]*Usage)
	for rows.Next() {
		var g group
		var open, known bool
		var basis zg.FeeBasis
		var fee, booked zg.Neuron
		var r Usage
		if err := rows.Scan(&g.day, &g.model, &g.provider, &g.key, &open, &basis, &fee, &known, &booked,
			&r.InputTokens, &r.OutputTokens, &r.CachedTokens, &r.Images, &r.Seconds); err != nil {
			return nil, fmt.Errorf("sum the requests: %w", err)
		}
		sum := sums[g]
		if sum == nil {
			sum = &Usage{Model: g.model, Provider: g.provider, Key: g.key}
			if by.Day {
				sum.Day = time.Unix(g.day*86400, 0).UTC().Format(time.DateOnly)
			}
			sums[g] = sum
		}
		if open {
			sum.Open++
			continue
		}
		r.Requests, r.Fees, r.Booked = 1, fee, booked
		switch basis {
		case zg.FeeEstimated:
			if !known {
				r.Estimated, r.EstimatedFees = 1, fee
			}
		case zg.FeeFree:
			r.Free = 1
		case zg.FeeExact, zg.FeeUnpaid: // the latter is in no book
		}
		sum.Add(r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("sum the requests: %w", err)
	}
	out := make([]Usage, 0, len(sums))
	for _, sum := range sums {
		out = append(out, *sum)
	}
	slices.SortFunc(out, func(a, b Usage) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Key, b.Key))
	})
	return out, nil
}

// Add counts the requests of another sum to this one.
func (u *Usage) Add(o Usage) {
	u.Requests, u.Open, u.Free, u.Estimated = u.Requests+o.Requests, u.Open+o.Open, u.Free+o.Free, u.Estimated+o.Estimated
	u.InputTokens, u.OutputTokens, u.CachedTokens = u.InputTokens+o.InputTokens, u.OutputTokens+o.OutputTokens, u.CachedTokens+o.CachedTokens
	u.Images, u.Seconds = u.Images+o.Images, u.Seconds+o.Seconds
	u.Fees, u.Booked, u.EstimatedFees = u.Fees.Add(o.Fees), u.Booked.Add(o.Booked), u.EstimatedFees.Add(o.EstimatedFees)
}

// Usage is that of the store read.
func (r *Reader) Usage(ctx context.Context, since, until time.Time, by UsageBy) ([]Usage, error) {
	return r.store.Usage(ctx, since, until, by)
}
