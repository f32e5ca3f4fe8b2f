package billing

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// used is the highest nonce that was ever signed with, if any was.
type used struct {
	nonce uint64
	any   bool
	next  *uint64 // what has to be signed with now; nil: whatever the chain says
}

// catchUp makes sure that every nonce that was signed with is used on chain before another one is. Where the chain has
// forgotten one, what had that nonce has not ended: it is begun again. Where somebody else's is missing, nothing can be
// done but wait.
func (j *Journal) catchUp(ctx context.Context) (u used, err error) {
	var since time.Time
	again := make(map[uint64]bool) // nonces of what was begun again
	for {
		if u.nonce, u.any, err = j.store.highestNonce(ctx, j.cfg.Wallet); err != nil || !u.any {
			return u, err
		}
		next, err := j.nonce(ctx)
		if err != nil {
			return u, fmt.Errorf("%w: %w", ErrNotSigned, err)
		}
		if next > u.nonce {
			return u, j.recheck(ctx, again)
		}
		now := j.cfg.Now()
		if since.IsZero() {
			since = now
		}
		behind := fmt.Errorf("%w: it says that nonce %d is not used, and %d was signed with", errBehind, next, u.nonce)
		if now.Sub(since) >= behindGrace {
			behind = j.refill(ctx, next, true)
		}
		if behind == nil {
			again[next] = true
		} else if !errors.Is(behind, errBehind) && !errors.Is(behind, errGap) {
			return u, behind
		}
		j.report(behind)
		j.changes.Add(1) // what was decided before this wait is out of date
		if err := pause(ctx, j.cfg.PollReceipt); err != nil {
			return u, err
		}
	}
}

// recheck sees those entries through again that came after one that was begun again: they vanished with it, and may
// have been mined again before anybody looked, in another block and with another outcome.
func (j *Journal) recheck(ctx context.Context, again map[uint64]bool) error {
	if len(again) == 0 {
		return nil
	}
	after, err := j.store.entriesFrom(ctx, j.cfg.Wallet, slices.Min(slices.Collect(maps.Keys(again))))
	if err != nil {
		return err
	}
	for _, e := range after {
		if !again[e.Nonce] {
			if err := j.begin(ctx, e, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// refill sees the entry with a nonce through again that the chain does not know any more. With reopen its end is taken
// back first; where another entry is unfinished, as only one may be, it is not. A node that is merely behind gets bytes
// that the others know.
func (j *Journal) refill(ctx context.Context, nonce uint64, reopen bool) error {
	e, known, err := j.store.entryAt(ctx, j.cfg.Wallet, nonce)
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("%w: nonce %d", errGap, nonce)
	}
	if r, err := j.receipts(ctx, &e); err != nil {
		return fmt.Errorf("%w: %w", ErrNotSigned, err)
	} else if r != nil {
		return fmt.Errorf("%w: it says that nonce %d is not used, and has its receipt of block %d", errBehind, nonce, r.Block)
	}
	j.cfg.Log.Error().Uint64("nonce", nonce).Stringer("tx_hash", e.newest().Hash).Uint64("block", e.Block).Str("state", string(e.State)).
		Msg("a transaction that had ended is no longer part of the chain; it is sent again")
	return j.begin(ctx, e, reopen)
}

// begin sees an entry that had ended through again.
func (j *Journal) begin(ctx context.Context, e Entry, reopen bool) error {
	if reopen {
		if err := j.store.reopenEntry(e.ID); err != nil {
			return err
		}
		e.State, e.EndedAt, e.Reason = EntrySigned, time.Time{}, ""
	} else if err := j.store.noteReceipt(e.ID, nil); err != nil {
		return err
	}
	j.changes.Add(1)
	j.wasCounted(&e)
	e.Block, e.Hash, e.GasCost = 0, common.Hash{}, zg.Neuron{}
	_, err := j.finish(ctx, e, func(Entry) {})
	return err
}

// wasCounted takes note that the metric has an entry's gas already.
func (j *Journal) wasCounted(e *Entry) {
	if !e.GasCost.IsZero() {
		j.counted.Store(e.ID, e.GasCost)
	}
}
