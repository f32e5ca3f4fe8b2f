package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
)

// waitingEvery is how often a command looks whether what others have waiting is mined.
const waitingEvery = time.Second

// waitingReport is what waits that was not made here, for commands.
func waitingReport(w common.Address, waiting billing.Waiting) admin.Waiting {
	return admin.Waiting{Wallet: admin.Address{Address: w}, Count: waiting.Count, From: waiting.From, Since: timeOrNil(waiting.Since)}
}

// waitingWarning is one line about what waits that was not made here; empty where there is nothing.
func waitingWarning(w billing.Waiting) string {
	if !w.Any() {
		return ""
	}
	return "Top-ups wait: " + w.String() + "."
}

// waitingChecks tell of what others have waiting. What is funded can still be served.
func (d *daemon) waitingChecks() []admin.Check {
	if w := waitingWarning(d.keeper.View().Waiting); w != "" {
		return []admin.Check{{Name: "wallet", OK: true, Detail: w}}
	}
	return nil
}

func (d *daemon) waiting(ctx context.Context) (admin.Waiting, error) {
	w, err := d.journal.Waiting(ctx)
	return waitingReport(d.wallet.Address(), w), err
}

func (o *daemonOperator) waiting(ctx context.Context) (admin.Waiting, error) {
	return o.client.Waiting(ctx)
}

func (o *localOperator) waiting(ctx context.Context) (out admin.Waiting, err error) {
	if _, err = o.readOwn(ctx, false); err != nil { // on the right network
		return out, err
	}
	out.Wallet = admin.Address{Address: o.wallet.Address()}
	mined, pending, err := o.client.Nonces(ctx)
	if err != nil || pending <= mined {
		return out, err
	}
	out.Count, out.From, err = o.othersWaiting(ctx, mined, pending)
	if errors.Is(err, billing.ErrOlderSchema) {
		if err := o.openStore(ctx); err != nil { // brings it up to date
			return out, err
		}
		out.Count, out.From, err = o.othersWaiting(ctx, mined, pending)
	}
	return out, err
}

// othersWaiting counts what waits that was not made here, and finds the lowest nonce of it. Where there is no spend store,
// nothing was made here. A store that is not open is read as it is.
func (o *localOperator) othersWaiting(ctx context.Context, mined, pending uint64) (count, from uint64, err error) {
	name := walletName(o.cfg, o.wallet.Address())
	if o.store != nil {
		return o.store.OthersWaiting(ctx, name, mined, pending)
	}
	r, err := billing.OpenReadOnly(ctx, o.cfg.DataDir)
	if errors.Is(err, billing.ErrNoStore) {
		return pending - mined, mined, nil
	}
	if err != nil {
		return 0, 0, err
	}
	count, from, err = r.OthersWaiting(ctx, name, mined, pending)
	return count, from, errors.Join(err, r.Close())
}

// askNonces begins to ask for the wallet's nonces; what is returned waits for the answer.
func (o *localOperator) askNonces(ctx context.Context) func() (mined, pending uint64, err error) {
	var mined, pending uint64
	var err error
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		mined, pending, err = o.client.Nonces(ctx)
	}()
	return func() (uint64, uint64, error) {
		<-answered
		return mined, pending, err
	}
}

// addWaiting tells of what waits that was not made here. Nothing is changed for that: a spend store of an older zgproxy stays
// as it is.
func (o *localOperator) addWaiting(ctx context.Context, out *accountReport, nonces func() (mined, pending uint64, err error)) {
	mined, pending, err := nonces()
	if err != nil {
		out.Warnings = append(out.Warnings, "It is not known what of the wallet waits to be mined: "+oneLine(err.Error()))
		return
	}
	if pending <= mined {
		return
	}
	w := admin.Waiting{Wallet: out.Wallet}
	if w.Count, w.From, err = o.othersWaiting(ctx, mined, pending); err != nil {
		out.Warnings = append(out.Warnings, fmt.Sprintf("%s of the wallet wait to be mined; whether they were made here is not known: %s",
			plural(int(min(pending-mined, 1<<30)), "transaction"), oneLine(err.Error())))
		return
	}
	if w.Count > 0 {
		out.Waiting = &w
		out.Warnings = append(out.Warnings, othersInWords(w)+". Nothing is signed before that: neither a top-up nor, unless with --wait, what a command wants.")
	}
}

// othersInWords says what waits.
func othersInWords(w admin.Waiting) string {
	text := billing.Waiting{Count: w.Count, From: w.From}.Of(w.Wallet.Hex())
	if w.Since != nil {
		text += ", for " + inWords(time.Since(*w.Since))
	}
	return text
}

// othersFirst tells of transactions that other programs have sent with this wallet, and asks whether to wait for them. One that
// is made now would take the place of one of them, so it is made after they are mined; what is shown is computed then.
func (f *moneyFlags) othersFirst(ctx context.Context, c console, op operator) error {
	w, err := op.waiting(ctx)
	if err != nil || w.Count == 0 {
		return err
	}
	what := othersInWords(w)
	switch {
	case f.dryRun:
		if !f.json {
			c.printf("Note: %s. Nothing is signed before that.\n\n", what)
		}
		return nil
	case f.wait:
	case f.yes, f.json, !c.asks:
		return problem(codeOthersWait, hintOthersWait, "%s. A transaction that is made now would take the place of one of them", what)
	default:
		c.printf("%s. A transaction that is made now would take the place of one of them.\n", what)
		if !c.ask(ctx, "Wait until they are mined?") {
			return problem(codeNotConfirmed, "", "nothing was moved")
		}
		f.wait = true
	}
	return f.untilMined(ctx, c, op, w)
}

// untilMined waits until nothing of others waits any more.
func (f *moneyFlags) untilMined(ctx context.Context, c console, op operator, w admin.Waiting) (err error) {
	now, stop := func(string) {}, func() {}
	if !f.json {
		now, stop = c.working("waiting: " + othersInWords(w))
	}
	defer func() { stop() }()
	tick := time.NewTicker(waitingEvery)
	defer tick.Stop()
	for w.Count > 0 {
		select {
		case <-ctx.Done():
			return problem(codeInterrupted, "", "interrupted before anything was signed")
		case <-tick.C:
		}
		if w, err = op.waiting(ctx); err != nil {
			return err
		}
		if w.Count > 0 {
			now("waiting: " + othersInWords(w))
		}
	}
	return nil
}

// transact has a transaction made. Where one of another program comes in between and waiting was agreed on, it waits for that
// one, too: nothing was signed then.
func (f *moneyFlags) transact(ctx context.Context, c console, op operator, o admin.Order, notify func(admin.Transaction)) (admin.Transaction, error) {
	for {
		tx, err := op.transact(ctx, o, notify)
		if err == nil || tx.ID != 0 || !f.wait || explain(err).Code != codeOthersWait {
			return tx, err
		}
		w, err := op.waiting(ctx)
		if err == nil {
			err = f.untilMined(ctx, c, op, w)
		}
		if err != nil {
			return tx, err
		}
	}
}
