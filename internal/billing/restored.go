package billing

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"
)

// settleFor is how long chain and journal must have agreed after a restore until no transaction can be missing any
// more: one that was signed before and waits somewhere is mined by then, or seen to wait.
const settleFor = 10 * time.Minute

// Unknown is what a store that was restored from a copy does not know.
type Unknown struct {
	Restored time.Time // when; zero: it knows everything
	Made     time.Time // as of when the copy was; zero: it does not say
	// Money reports that transactions may be missing, so that none is made automatically.
	Money bool
	// FeesUntil is until when fees that are missing may count for budgets by the day; those for the total are not known
	// until the owner accepts that.
	FeesUntil time.Time
}

// Any reports whether anything is held back for what it does not know.
func (u Unknown) Any(now time.Time) bool { return u.Money || now.Before(u.FeesUntil) }

// Fees reports that it is not known what was spent of a budget for fees, by the day or for the total: it counts as used
// up.
func (u Unknown) Fees(byDay bool, now time.Time) bool {
	return !u.Restored.IsZero() && (!byDay || now.Before(u.FeesUntil))
}

// String says it in words.
func (u Unknown) String() string {
	from := "an unknown moment"
	if !u.Made.IsZero() {
		from = u.Made.UTC().Format(time.RFC3339)
	}
	out := fmt.Sprintf("The spend store was restored at %s from a copy as of %s, and does not know what happened in between.",
		u.Restored.UTC().Format(time.RFC3339), from)
	if u.Money {
		out += " Nothing is topped up until the chain has shown for " + settleFor.String() +
			" that no transaction is missing."
	}
	return out + " Budgets for fees by the day are taken for used up until " + u.FeesUntil.UTC().Format(time.RFC3339) +
		", those for the total until you accept it. To accept it: stop zgproxy, and zgproxy restore --accept."
}

// restoreRow is the last restore that the owner has not accepted.
type restoreRow struct {
	at, made        int64
	wallets, wallet string
	agreed, settled int64
	foreign         int64 // transactions made elsewhere that were seen since
}

const selectRestore = `SELECT restored_at, made_at, wallets, wallet, COALESCE(agreed_at, 0), COALESCE(settled_at, 0),
	(SELECT COUNT(*) FROM foreign_txs WHERE seen_at >= restored_at)
	FROM restores WHERE accepted_at IS NULL ORDER BY restored_at DESC LIMIT 1`

// Unknown is what the store does not know because it was restored from a copy, as far as a wallet is concerned.
func (s *Store) Unknown(ctx context.Context, wallet string) (Unknown, error) {
	var r restoreRow
	err := s.readers.QueryRowContext(ctx, selectRestore).
		Scan(&r.at, &r.made, &r.wallets, &r.wallet, &r.agreed, &r.settled, &r.foreign)
	if errors.Is(err, sql.ErrNoRows) {
		return Unknown{}, nil
	}
	if err != nil {
		return Unknown{}, fmt.Errorf("read whether the store was restored: %w", err)
	}
	return r.unknown(wallet), nil
}

func (r *restoreRow) unknown(wallet string) Unknown {
	u := Unknown{
		Restored: fromMicros(r.at), FeesUntil: fromMicros(r.at + day + quarter), Money: r.settled == 0 || r.wallet != wallet,
	}
	if r.made != 0 {
		u.Made = fromMicros(r.made)
	}
	return u
}

// Unknown is that of the store read.
func (r *Reader) Unknown(ctx context.Context, wallet string) (Unknown, error) {
	return r.store.Unknown(ctx, wallet)
}

// settleRestore takes in whether chain and journal agree, and says what is unknown then. Transactions may be missing
// where any was seen since the restore that this journal does not have: whatever was found of it, more may be missing,
// and the owner has to say that it does not matter.
func (s *Store) settleRestore(ctx context.Context, wallet string, agree bool, now time.Time) (Unknown, error) {
	u, err := s.Unknown(ctx, wallet)
	if err != nil || !u.Money {
		return u, err
	}
	err = s.writer.do(true, func(db *session) error {
		var r restoreRow
		err := db.query(selectRestore, func(row []driver.Value) error {
			r.at, _ = row[0].(int64)
			r.wallets, _ = row[2].(string)
			r.wallet, _ = row[3].(string)
			r.agreed, _ = row[4].(int64)
			r.foreign, _ = row[6].(int64)
			return nil
		})
		if err != nil || r.at == 0 {
			return err
		}
		compared := strings.Contains(r.wallets, "|"+wallet+"|")
		switch at := micros(now); {
		case !agree || !compared || r.foreign > 0:
			_, err = db.exec(`UPDATE restores SET agreed_at = NULL WHERE restored_at = ?`, r.at)
		case r.agreed == 0 || r.wallet != wallet || at < r.agreed:
			_, err = db.exec(`UPDATE restores SET agreed_at = ?, wallet = ?, settled_at = NULL WHERE restored_at = ?`,
				at, wallet, r.at)
		case at-r.agreed >= settleFor.Microseconds():
			_, err = db.exec(`UPDATE restores SET settled_at = ? WHERE restored_at = ?`, at, r.at)
		}
		return err
	})
	if err != nil {
		return u, fmt.Errorf("record whether a restored store agrees with the chain: %w", err)
	}
	return s.Unknown(ctx, wallet)
}

// AcceptRestored records that the owner accepts what a restored store does not know. It reports whether there was
// anything, and is on disk when it returns.
func (s *Store) AcceptRestored(now time.Time) (accepted bool, err error) {
	err = s.writer.do(true, func(db *session) error {
		n, err := db.exec(`UPDATE restores SET accepted_at = ? WHERE accepted_at IS NULL`, micros(now))
		accepted = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("record that a restored store is accepted: %w", err)
	}
	s.fees.Store(nil)
	return accepted, nil
}

// loadRestored notes what a start has to know of a restore for every request.
func (s *Store) loadRestored() error {
	const last = `SELECT MAX(restored_at) FROM restores WHERE accepted_at IS NULL`
	return s.writer.session.query(last, func(row []driver.Value) error {
		if at, ok := row[0].(int64); ok {
			u := (&restoreRow{at: at}).unknown("")
			s.fees.Store(&u)
		}
		return nil
	})
}

// feesUnknown reports a budget for fees that cannot be kept because it is not known what was spent of it.
func (s *Store) feesUnknown(b *Budget, o *Order, now time.Time) (Limit, bool) {
	u := s.fees.Load()
	if u == nil {
		return "", false
	}
	for _, l := range limits {
		if c := b.Cap(l, o.Provider); c.set && u.Fees(l.byDay(), now) {
			return l, true
		}
	}
	return "", false
}

// restored refuses a request because of a budget that cannot be kept.
func (m *Meter) restored(l Limit, now time.Time) *Refused {
	r := &Refused{
		Kind: RefusalKind("budget_" + l.metric()),
		Message: "What was spent of " + l.variable() + " is not known, because the spend store was restored from a copy: " +
			"it counts as used up.",
		Hint: "To accept that what is missing does not count: stop zgproxy, and zgproxy restore --accept.",
	}
	if u := m.store.fees.Load(); u != nil && l.byDay() {
		r.RetryAfter = u.FeesUntil.Sub(now)
		r.Hint = "That ends at " + u.FeesUntil.UTC().Format(time.RFC3339) + ". " + r.Hint
	}
	return r
}
