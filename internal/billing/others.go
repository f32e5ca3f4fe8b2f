package billing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// ErrOthersWait means that transactions of the wallet wait to be mined that were not made here. One that is signed now
// has the nonce of such a one, and would take its place or be refused.
var ErrOthersWait = errors.New("transactions of this wallet that were not made here wait to be mined")

// errTaken means that somebody else's transaction waits with the nonce of one of ours that is recorded already.
var errTaken = errors.New("another program's transaction with the same nonce waits, and ours is not sent in its place")

// settledAfter is for how many blocks nothing of others must have waited until the wallet counts as ours alone again.
// Nodes that answer in turn do not all have what waits, and another program that sends one transaction often sends the
// next.
const settledAfter = 3

// Waiting are transactions of the wallet that wait to be mined and were not made here.
type Waiting struct {
	Count uint64    // of them; 0 where none waits any more, which has to last for a few blocks
	From  uint64    // the lowest nonce of them
	Since time.Time // when they were seen first; zero: there are none, and top-ups need not wait
}

// Any reports whether automatic transactions wait for them.
func (w Waiting) Any() bool { return !w.Since.IsZero() }

// String says it in words.
func (w Waiting) String() string {
	if w.Count == 0 {
		return fmt.Sprintf("no transaction of others waits any more; top-ups go on when that has lasted for %d blocks", settledAfter)
	}
	return w.Of("this wallet") + ", seen first at " + w.Since.UTC().Format(time.RFC3339)
}

// Of says how many of a wallet's transactions there are, and where.
func (w Waiting) Of(wallet string) string {
	if w.Count > 1 {
		return fmt.Sprintf("%d transactions of %s that were not made here wait to be mined (nonces %d to %d)", w.Count, wallet, w.From, w.From+w.Count-1)
	}
	return fmt.Sprintf("a transaction of %s that was not made here waits to be mined (nonce %d)", wallet, w.From)
}

// watch is what is remembered of what others have waiting.
type watch struct {
	mu    sync.Mutex
	seen  Waiting
	block uint64 // at which something was seen to wait last
}

// Waiting is what waits now that was not made here.
func (j *Journal) Waiting(ctx context.Context) (Waiting, error) {
	head, err := j.head(ctx)
	if err != nil {
		return Waiting{}, err
	}
	return j.watchAt(ctx, head)
}

// watchAt looks for what waits, after a block was the newest, and keeps up how long that has been so.
func (j *Journal) watchAt(ctx context.Context, block uint64) (Waiting, error) {
	mined, err := j.nonce(ctx)
	if err != nil {
		return Waiting{}, err
	}
	count, from, err := j.others(ctx, mined)
	if err != nil {
		return Waiting{}, err
	}
	w := &j.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case count > 0:
		if !w.seen.Any() {
			w.seen.Since = j.cfg.Now()
			j.cfg.Log.Warn().Uint64("transactions", count).Uint64("lowest_nonce", from).
				Msg("transactions of the wallet that were not made here wait to be mined; top-ups wait for them")
		}
		w.seen.Count, w.seen.From, w.block = count, from, max(w.block, block)
	case !w.seen.Any():
	case block >= w.block+settledAfter:
		w.seen = Waiting{}
		j.cfg.Log.Info().Msg("nothing that was not made here waits to be mined any more; top-ups go on")
	default:
		w.seen.Count, w.seen.From = 0, 0
	}
	return w.seen, nil
}

// others are the transactions that wait above the mined ones and are not the journal's, as far as the node knows. What
// waits is read before the journal: whatever of ours is among it was recorded before it was sent.
func (j *Journal) others(ctx context.Context, mined uint64) (count, from uint64, err error) {
	pending, err := j.pending(ctx)
	if err != nil {
		return 0, 0, err
	}
	return j.store.OthersWaiting(ctx, j.cfg.Wallet, mined, pending)
}

// yield refuses to sign while something of others waits. What it finds is remembered, so that automatic transactions
// wait until nothing has for a while.
func (j *Journal) yield(ctx context.Context, mined uint64) error {
	count, _, err := j.others(ctx, mined)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotSigned, err)
	}
	if count == 0 {
		return nil
	}
	w, err := j.Waiting(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w: %w", ErrNotSigned, ErrOthersWait, err)
	}
	return fmt.Errorf("%w: %w: %s", ErrNotSigned, ErrOthersWait, w)
}

// taken reports whether somebody else's transaction waits with an entry's nonce: one waits, and the node has none of
// ours. What we sent earlier may have been forgotten in its favour.
func (j *Journal) taken(ctx context.Context, e *Entry, s sighting) (bool, error) {
	if s.nonce < e.Nonce {
		return false, nil // nobody can tell what waits behind a nonce that is missing
	}
	pending, err := j.pending(ctx)
	if err != nil || pending <= e.Nonce {
		return false, err
	}
	ours, err := j.known(ctx, e)
	return !ours && err == nil, err
}

// known reports whether the node has any of an entry's transactions.
func (j *Journal) known(ctx context.Context, e *Entry) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for _, tx := range slices.Backward(e.Txs) {
		if known, err := j.sender.Known(ctx, tx.Hash); known || err != nil {
			return known, err
		}
	}
	return false, nil
}

// pending is the lowest nonce that nothing has, mined or waiting.
func (j *Journal) pending(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	n, err := j.sender.Pending(ctx)
	if err != nil {
		return 0, fmt.Errorf("read which transactions of the wallet wait: %w", err)
	}
	if n > highestPossible {
		return 0, fmt.Errorf("the node says that %d transactions of the wallet are mined or wait, which cannot be", n)
	}
	return n, nil
}

// named names a node's refusal to put a transaction of ours in the place of another one: is that ours, too?
func (j *Journal) named(ctx context.Context, e *Entry, err error) error {
	if !errors.Is(err, zg.ErrNonceTaken) {
		return err
	}
	if ours, unknown := j.known(ctx, e); ours || unknown != nil {
		return errors.Join(err, unknown)
	}
	return fmt.Errorf("%w: %w", errTaken, err)
}

// OthersWaiting counts the nonces from one on, and below another, that are not the journal's, and finds the lowest of
// them.
func (s *Store) OthersWaiting(ctx context.Context, wallet string, from, below uint64) (count, lowest uint64, err error) {
	if below <= from {
		return 0, 0, nil
	}
	rows, err := s.readers.QueryContext(ctx, `SELECT nonce FROM journal `+ours+` AND nonce >= ? AND nonce < ? AND state != 'superseded' ORDER BY nonce`,
		wallet, int64(from), int64(below))
	if err != nil {
		return 0, 0, fmt.Errorf("read the journal's nonces: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	count, lowest = below-from, from
	for rows.Next() {
		var nonce uint64
		if err := rows.Scan(&nonce); err != nil {
			return 0, 0, fmt.Errorf("read the journal's nonces: %w", err)
		}
		if count--; nonce == lowest {
			lowest++
		}
	}
	if err := rows.Err(); err != nil {
		return 0, 0, fmt.Errorf("read the journal's nonces: %w", err)
	}
	return count, lowest, nil
}

// OthersWaiting counts the nonces from one on, and below another, that are not the journal's, and finds the lowest of
// them.
func (r *Reader) OthersWaiting(ctx context.Context, wallet string, from, below uint64) (count, lowest uint64, err error) {
	return r.store.OthersWaiting(ctx, wallet, from, below)
}
