package billing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/crash"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// finish sees an entry through to its end, whether it was signed a moment ago or by a process that is gone: it looks
// for the receipt of any of its transactions, and until there is one sends the newest again and again, replacing it
// when it takes too long. Mined, it waits for blocks on top. It returns when the end is recorded.
func (j *Journal) finish(ctx context.Context, e Entry, notify func(Entry)) (Entry, error) {
	c := newCourse(&e, j.cfg.ReplaceAfter, j.cfg.Confirmations, j.cfg.Now())
	for {
		j.metrics.pending.Set(1)
		s, err := j.sight(ctx, &e, notify)
		if ctx.Err() != nil {
			return e, ctx.Err()
		}
		if err != nil {
			c.blind()
		}
		if err == nil && c.gapped(s) {
			// What has the lowest missing nonce has to be mined first.
			if s.gap = j.refill(ctx, s.nonce, false); ctx.Err() != nil {
				return e, ctx.Err()
			}
		}
		if err == nil {
			var noted error
			again := false
			switch j.step(ctx, c, &e, s) {
			case stepEnd:
				crash.Point("tx/receipt-seen")
				return j.end(e, s.receipt, notify)
			case stepSupersede:
				return j.supersede(e, notify)
			case stepReplace:
				again, err = true, j.supplant(ctx, c, &e, j.sender.Replace, notify)
			case stepCancel:
				again, err = true, j.supplant(ctx, c, &e, j.sender.Cancel, notify)
			case stepSend:
				noted = j.send(ctx, c, &e, notify)
			case stepWait:
			}
			if err != nil { // what was signed may be recorded or not; whoever reads the record again knows
				return e, err
			}
			if again {
				continue
			}
			err = errors.Join(noted, c.trouble(s))
		}
		j.report(err)
		e.trouble(err, notify)
		if err := pause(ctx, j.cfg.PollReceipt); err != nil {
			return e, err
		}
	}
}

// step is what is to be done next. Nothing is sent into a place that somebody else's transaction has, and where that
// cannot be known, nothing is sent yet.
func (j *Journal) step(ctx context.Context, c *course, e *Entry, s sighting) step {
	next := c.next(s)
	switch next {
	case stepSend, stepReplace, stepCancel:
		taken, err := j.taken(ctx, e, s)
		switch {
		case taken:
			if c.taken.IsZero() {
				c.taken = s.at
			}
			err = fmt.Errorf("%w (nonce %d, since %s); it is sent when the other one is forgotten, and ends without effect when that is mined. "+
				"If it takes too long, have the program that sent it raise its fees or cancel it", errTaken, e.Nonce, c.taken.UTC().Format(time.RFC3339))
		case err == nil:
			c.taken = time.Time{}
		}
		if err != nil {
			c.putOff(s.at, err)
			return stepWait
		}
	case stepWait, stepEnd, stepSupersede:
	}
	return next
}

// sight asks the chain about an entry. With an error nothing is known, and nothing is to be done.
func (j *Journal) sight(ctx context.Context, e *Entry, notify func(Entry)) (s sighting, err error) {
	if s.receipt, err = j.receipts(ctx, e); err != nil {
		return s, err
	}
	if s.nonce, err = j.nonce(ctx); err != nil {
		return s, err
	}
	if s.receipt != nil {
		if s.head, err = j.head(ctx); err != nil {
			return s, err
		}
		if s.doubted, err = j.doubt(ctx, e, s); err != nil {
			return s, err
		}
		if s.doubted != nil {
			s.receipt = nil
		}
	}
	s.at = j.cfg.Now()
	return s, j.noteReceipt(e, s, notify)
}

// receipts is the receipt of whichever of an entry's transactions was mined; nil while none is.
func (j *Journal) receipts(ctx context.Context, e *Entry) (*zg.Receipt, error) {
	for _, tx := range slices.Backward(e.Txs) {
		r, err := j.receipt(ctx, tx.Hash)
		if err != nil {
			return nil, fmt.Errorf("look for the receipt of nonce %d: %w", e.Nonce, err)
		}
		if r != nil {
			return r, nil
		}
	}
	return nil, nil //nolint:nilnil // not mined is an answer
}

// doubt says why a receipt cannot be true, or nil: what is mined has used its nonce, no block is above the newest one,
// and no transaction is mined in an earlier block than one with a lower nonce.
func (j *Journal) doubt(ctx context.Context, e *Entry, s sighting) (doubted, err error) {
	r := s.receipt
	switch {
	case s.nonce <= e.Nonce:
		return fmt.Errorf("%w: there is one, and nonce %d is not used", errDoubted, e.Nonce), nil
	case r.Block > s.head:
		return fmt.Errorf("%w: it names block %d, and the newest is %d", errDoubted, r.Block, s.head), nil
	}
	before, ok, err := j.store.lastEntry(ctx, j.cfg.Wallet, e.Nonce)
	if err != nil || !ok || r.Block >= before.Block {
		return nil, err
	}
	// The earlier one may have moved to another block, together with this one.
	moved, err := j.receipts(ctx, &before)
	if err != nil {
		return nil, err
	}
	if moved != nil && moved.Block <= r.Block {
		return nil, j.store.noteReceipt(before.ID, moved)
	}
	return fmt.Errorf("%w: it names block %d, and nonce %d is in block %d", errDoubted, r.Block, before.Nonce, before.Block), nil
}

// noteReceipt keeps up with where an entry is mined, and how deep.
func (j *Journal) noteReceipt(e *Entry, s sighting, notify func(Entry)) error {
	r := s.receipt
	switch {
	case r == nil && e.Block == 0:
		return nil
	case r != nil && e.Block == r.Block && e.Hash == r.Hash && e.GasCost == r.GasCost:
		if depth := s.depth(); depth != e.Depth {
			e.Depth, e.Trouble = depth, ""
			notify(*e)
		}
		return nil
	case r == nil:
		if err := j.store.noteReceipt(e.ID, nil); err != nil {
			return err
		}
		j.cfg.Log.Warn().EmbedObject(e).Stringer("tx_hash", e.Hash).Uint64("block", e.Block).Msg("the block of a transaction is no longer part of the chain")
		e.Block, e.Hash, e.GasCost, e.Depth = 0, common.Hash{}, zg.Neuron{}, 0
		return nil
	}
	if err := j.store.noteReceipt(e.ID, r); err != nil {
		return err
	}
	e.Block, e.Hash, e.GasCost, e.Depth, e.Trouble = r.Block, r.Hash, r.GasCost, s.depth(), ""
	notify(*e)
	return nil
}

// end records how an entry ended whose transaction was mined.
func (j *Journal) end(e Entry, r *zg.Receipt, notify func(Entry)) (Entry, error) {
	state, reason, level := EntryMined, "", zerolog.InfoLevel
	switch i := slices.IndexFunc(e.Txs, func(tx zg.SignedTx) bool { return tx.Hash == r.Hash }); {
	case i >= 0 && e.Txs[i].Cancels:
		state, reason, level = EntryCancelled, "it was not mined in time, and cancelled", zerolog.WarnLevel
	case !r.OK:
		state, reason, level = EntryReverted, "the contract refused it", zerolog.ErrorLevel
	}
	e, err := j.close(e, state, reason, r)
	if err != nil {
		return e, err
	}
	crash.Point("tx/ended")
	before, _ := j.counted.LoadAndDelete(e.ID)
	counted, _ := before.(zg.Neuron)
	j.metrics.gas.Add(r.GasCost.Sub(counted).Float())
	j.cfg.Log.WithLevel(level).EmbedObject(&e).Stringer("tx_hash", r.Hash).Uint64("block", r.Block).Stringer("gas_cost_neuron", r.GasCost).
		Str("outcome", string(state)).Msg("transaction ended")
	j.report(nil)
	notify(e)
	return e, nil
}

// supersede ends an entry whose nonce was used by a transaction that is not ours.
func (j *Journal) supersede(e Entry, notify func(Entry)) (Entry, error) {
	const reason = "the nonce was used by a transaction that is not ours"
	now := j.cfg.Now()
	if err := j.store.supersedeEntry(&e, j.cfg.Wallet, reason, now); err != nil {
		return e, err
	}
	e = j.closed(e, EntrySuperseded, reason, now)
	j.report(nil)
	notify(e)
	return e, fmt.Errorf("%w (nonce %d)", ErrForeignNonce, e.Nonce)
}

func (j *Journal) close(e Entry, state EntryState, reason string, r *zg.Receipt) (Entry, error) {
	now := j.cfg.Now()
	if err := j.store.endEntry(e.ID, e.State, state, reason, r, now); err != nil {
		return e, err
	}
	return j.closed(e, state, reason, now), nil
}

// closed takes in that an entry has ended, which is on record.
func (j *Journal) closed(e Entry, state EntryState, reason string, now time.Time) Entry {
	e.State, e.Reason, e.EndedAt, e.Depth, e.Trouble = state, reason, now, 0, ""
	j.changes.Add(1)
	j.metrics.pending.Set(0)
	j.metrics.ended.WithLabelValues(string(e.Intent.Kind), string(e.Origin), string(state)).Inc()
	return e
}

// supplant signs and records a transaction with higher fees in place of the newest. Where that is not possible, because
// the fees have reached their limit for instance, the newest goes on being tried. The error is the store's.
func (j *Journal) supplant(ctx context.Context, c *course, e *Entry, sign func(context.Context, zg.SignedTx) (zg.SignedTx, error), notify func(Entry)) error {
	signing, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	prev := e.newest()
	tx, err := sign(signing, prev)
	if err == nil && tx.Nonce != e.Nonce {
		err = fmt.Errorf("the replacement has nonce %d instead of %d; it is not sent", tx.Nonce, e.Nonce)
	}
	if err != nil {
		c.stuck = fmt.Errorf("it cannot be replaced: %w", err)
		return nil
	}
	crash.Point("tx/replacement-signed")
	if err := j.store.addTx(e.ID, tx); err != nil {
		return err
	}
	crash.Point("tx/replaced")
	e.Txs = append(slices.Clip(e.Txs), tx)
	c.wasReplaced(tx, j.cfg.Now())
	j.metrics.replacements.Inc()
	j.cfg.Log.Info().EmbedObject(e).Stringer("tx_hash", tx.Hash).Stringer("replaces", prev.Hash).Uint64("nonce", e.Nonce).
		Stringer("fee_cap_neuron", tx.FeeCap).Bool("cancels", tx.Cancels).Msg("transaction replaced with higher fees")
	notify(*e)
	return nil
}

// send sends the newest transaction. The error is the store's, of noting when it was sent first.
func (j *Journal) send(ctx context.Context, c *course, e *Entry, notify func(Entry)) error {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	tx := e.newest()
	if err := j.sender.Broadcast(call, tx); err != nil {
		c.wasSent(fmt.Errorf("send the transaction: %w", j.named(ctx, e, err)))
		return nil
	}
	crash.Point("tx/sent")
	c.wasSent(nil)
	if err := j.store.noteBroadcast(tx.Hash, j.cfg.Now()); err != nil {
		return err
	}
	crash.Point("tx/sent-and-noted")
	if !e.Sent {
		e.Sent, e.Trouble = true, ""
		notify(*e)
	}
	return nil
}

func (j *Journal) receipt(ctx context.Context, hash common.Hash) (*zg.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return j.sender.Receipt(ctx, hash)
}

func (j *Journal) nonce(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	n, err := j.sender.Nonce(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the wallet's nonce: %w", err)
	}
	return n, nil
}

func (j *Journal) head(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	n, err := j.sender.BlockNumber(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the newest block: %w", err)
	}
	return n, nil
}
