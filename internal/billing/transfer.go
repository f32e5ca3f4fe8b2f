package billing

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// rebroadcastEvery is how often the same bytes are sent again: nodes forget transactions.
	rebroadcastEvery = 10 * time.Second
	// foreignGrace is how long a used nonce without a receipt of ours is put down to nodes that are not of one mind.
	foreignGrace = 30 * time.Second
	callTimeout  = 20 * time.Second
	firstBackoff = time.Minute
	lastBackoff  = time.Hour
	// A transfer that reverted cost gas and will most likely revert again.
	revertedHeadStart = 4
)

// topUp signs a transfer, records it and sees it through.
func (k *Keeper) topUp(ctx context.Context, p common.Address, amount zg.Neuron) error {
	signing, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	tx, err := k.sender.SignTopUp(signing, p, amount)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		k.fail(p, refusalSigning, 0)
		k.metrics.topups.WithLabelValues(p.Hex(), refusalSigning).Inc()
		k.cfg.Log.Warn().Err(err).Str("provider", p.Hex()).Stringer("amount_neuron", amount).Msg("a top-up could not be signed")
		return nil
	}
	t, err := k.store.stageTopUp(p, amount, tx, k.cfg.Now())
	if err != nil {
		return err
	}
	// From this line on a crash is clean: whatever was or was not sent, the next start finds the record, and its bytes
	// take effect once at most.
	k.cfg.Log.Info().Str("provider", p.Hex()).Stringer("amount_neuron", amount).Uint64("nonce", t.Nonce).Stringer("tx_hash", tx.Hash).Msg("top-up signed")
	return k.finish(ctx, t)
}

// finish sees a signed top-up through to its end, whether it was signed a moment ago or by a process that is gone: it
// looks for the receipt of any of its transactions, and until there is one sends the newest again and again, replacing it
// when it takes too long. It returns nil when the end is recorded.
func (k *Keeper) finish(ctx context.Context, t TopUp) error {
	newest := k.cfg.Now() // when the newest transaction began to be tried
	var sent, foreign time.Time
	var sending error // of the last time it was sent
	for {
		mined, err := k.conclude(ctx, t)
		if mined || ctx.Err() != nil {
			return err
		}
		now := k.cfg.Now()
		var nonce uint64
		if err == nil {
			nonce, err = k.nonce(ctx)
		}
		switch {
		case err != nil: // nothing is known, so nothing is done
		case nonce > t.Nonce:
			if foreign.IsZero() {
				foreign = now
			}
			if now.Sub(foreign) >= foreignGrace {
				return k.supersede(t)
			}
		default:
			foreign = time.Time{}
			if now.Sub(newest) >= k.cfg.ReplaceAfter {
				newest, sent = now, time.Time{}
				if t, err = k.replace(ctx, t); err != nil {
					return err
				}
			}
			if sent.IsZero() || now.Sub(sent) >= rebroadcastEvery {
				sent = now
				sending = k.broadcast(ctx, t)
			}
			err = sending
		}
		k.report(err)
		if err := pause(ctx, k.cfg.PollReceipt); err != nil {
			return err
		}
	}
}

// conclude looks for a receipt of any of the top-up's transactions and records the end. It is false while there is none;
// with an error, while that is not known.
func (k *Keeper) conclude(ctx context.Context, t TopUp) (bool, error) {
	for _, tx := range slices.Backward(t.Txs) {
		r, err := k.receipt(ctx, tx.Hash)
		if err != nil {
			return false, fmt.Errorf("look for the receipt of a top-up: %w", err)
		}
		if r == nil {
			continue
		}
		state, reason := TopUpMined, ""
		if !r.OK {
			state, reason = TopUpReverted, "the contract refused it"
		}
		if err := k.store.endTopUp(t.ID, state, reason, r, k.cfg.Now()); err != nil {
			return true, err
		}
		k.minBlock = max(k.minBlock, r.Block)
		k.metrics.topups.WithLabelValues(t.Provider.Hex(), string(state)).Inc()
		level := zerolog.InfoLevel
		if r.OK {
			delete(k.failures, t.Provider)
			if w := k.witnesses[t.Provider]; w != nil {
				w.toppedUp(t.Amount)
			}
		} else {
			k.fail(t.Provider, refusalReverted, revertedHeadStart)
			level = zerolog.ErrorLevel
		}
		k.cfg.Log.WithLevel(level).Str("provider", t.Provider.Hex()).Stringer("amount_neuron", t.Amount).Stringer("tx_hash", r.Hash).Uint64("block", r.Block).
			Stringer("gas_cost_neuron", r.GasCost).Str("outcome", string(state)).Msg("top-up ended")
		return true, nil
	}
	return false, nil
}

// supersede ends a top-up whose nonce was used by a transaction that is not ours.
func (k *Keeper) supersede(t TopUp) error {
	if err := k.store.endTopUp(t.ID, TopUpSuperseded, "the nonce was used by a transaction that is not ours", nil, k.cfg.Now()); err != nil {
		return err
	}
	k.metrics.topups.WithLabelValues(t.Provider.Hex(), string(TopUpSuperseded)).Inc()
	return fmt.Errorf("%w (nonce %d)", ErrForeignNonce, t.Nonce)
}

// replace signs and records a transaction with higher fees in place of the newest. Where that is not possible, because the
// fees have reached their limit for instance, the newest goes on being tried.
func (k *Keeper) replace(ctx context.Context, t TopUp) (TopUp, error) {
	signing, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	prev := t.Txs[len(t.Txs)-1]
	tx, err := k.sender.Replace(signing, prev)
	if err != nil {
		k.cfg.Log.Warn().Err(err).Stringer("tx_hash", prev.Hash).Uint64("nonce", t.Nonce).Msg("a top-up that is not mined could not be replaced")
		return t, nil
	}
	if tx.Nonce != t.Nonce {
		return t, fmt.Errorf("a replacement has nonce %d instead of %d; it was not sent", tx.Nonce, t.Nonce)
	}
	if err := k.store.addTopUpTx(t.ID, tx); err != nil {
		return t, err
	}
	t.Txs = append(slices.Clip(t.Txs), tx)
	k.cfg.Log.Info().Stringer("tx_hash", tx.Hash).Stringer("replaces", prev.Hash).Uint64("nonce", t.Nonce).Msg("top-up replaced with higher fees")
	return t, nil
}

func (k *Keeper) broadcast(ctx context.Context, t TopUp) error {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	tx := t.Txs[len(t.Txs)-1]
	if err := k.sender.Broadcast(call, tx); err != nil {
		return fmt.Errorf("send a top-up: %w", err)
	}
	return k.store.noteBroadcast(tx.Hash, k.cfg.Now())
}

func (k *Keeper) receipt(ctx context.Context, hash common.Hash) (*zg.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return k.sender.Receipt(ctx, hash)
}

func (k *Keeper) nonce(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	n, err := k.sender.Nonce(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the wallet's nonce: %w", err)
	}
	return n, nil
}

// fail keeps a provider from being tried again for a while, longer every time.
func (k *Keeper) fail(p common.Address, reason string, headStart int) {
	f := k.failures[p]
	f.reason, f.times = reason, min(max(f.times, headStart)+1, 10)
	f.until = k.cfg.Now().Add(min(firstBackoff<<(f.times-1), lastBackoff))
	k.failures[p] = f
}
