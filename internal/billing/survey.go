package billing

import (
	"context"
	"fmt"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// traceTimeout bounds one search for what foreign transactions did.
	traceTimeout = 20 * time.Second
	// reorgSlack is how many blocks before the one at which a transaction was not mined yet it is looked for all the same.
	reorgSlack = 64
)

// Tracer finds transactions of the wallet by their nonces in a range of blocks, both included. It returns those that it
// has found, with an error where it could not look everywhere.
type Tracer func(ctx context.Context, nonces []uint64, from, to uint64) ([]zg.MinedTx, error)

// Survey compares the wallet's nonce on chain with the journal, records what was done elsewhere, and finds out what
// that was, as far as that is not known and can be found. It is what the keeper does at every look.
func (j *Journal) Survey(ctx context.Context) (Foreign, error) {
	head, err := j.head(ctx)
	if err != nil {
		return Foreign{}, err
	}
	if _, err := j.survey(ctx, head); err != nil {
		return Foreign{}, err
	}
	if err := j.trace(ctx, head); err != nil {
		j.cfg.Log.Debug().Err(err).Msg("what was done elsewhere with the wallet could not be found out")
	}
	return j.store.Foreign(ctx, j.cfg.Wallet)
}

// survey compares the wallet's nonce on chain with the journal. What it finds is durable when it returns. block is one
// that the chain had before; 0: not known.
func (j *Journal) survey(ctx context.Context, block uint64) (Foreign, error) {
	mined, err := j.nonce(ctx)
	if err != nil {
		return Foreign{}, err
	}
	if forgotten, err := j.forgotten(ctx, mined); err != nil {
		return Foreign{}, err
	} else if forgotten {
		if err := j.reread(ctx); err != nil {
			return Foreign{}, err
		}
	}
	return j.store.compareNonces(ctx, j.cfg.Wallet, mined, block, j.cfg.Now())
}

// trace finds out what foreign transactions did. That they are there is on record already, so it may fail.
func (j *Journal) trace(ctx context.Context, head uint64) error {
	if j.cfg.Trace == nil {
		return nil
	}
	nonces, after, err := j.store.unnamedForeign(ctx, j.cfg.Wallet, j.cfg.Now())
	if err != nil || len(nonces) == 0 {
		return err
	}
	call, cancel := context.WithTimeout(ctx, traceTimeout)
	defer cancel()
	found, err := j.cfg.Trace(call, nonces, max(after, reorgSlack)-reorgSlack, head)
	if len(found) > 0 {
		if err := j.store.nameForeign(j.cfg.Wallet, found); err != nil {
			return err
		}
		for i := range found {
			t := &found[i]
			ev := j.cfg.Log.Error().Uint64("nonce", t.Nonce).Uint64("block", t.Block).Stringer("tx_hash", t.Hash).Bool("reverted", !t.OK)
			if t.Kind != "" {
				ev = ev.Str("kind", string(t.Kind)).Str("provider", t.Provider.Hex()).Stringer("amount_neuron", t.Amount)
			}
			ev.Msg("a transaction of the wallet was made elsewhere")
		}
	}
	if err == nil && len(found) < len(nonces) {
		err = fmt.Errorf("%d of %d transactions were not found in blocks up to %d", len(nonces)-len(found), len(nonces), head)
	}
	return err
}
