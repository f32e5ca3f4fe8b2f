package billing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/crash"
	"github.com/zgproxy/zgproxy/internal/zg"
)

var (
	// ErrForeignNonce means that somebody else sends from this wallet: a transaction that is not ours used one of its
	// nonces. Nothing is signed any more without the owner's word, because two senders on one wallet undo each other's
	// decisions. Where it was the nonce of one of ours, that can never happen any more and is recorded so.
	ErrForeignNonce = errors.New("another program sends transactions from this wallet")
	// ErrNotSigned means that nothing was signed, recorded or sent. What it wraps says why.
	ErrNotSigned = errors.New("no transaction was signed")

	// errOvertaken means that nothing was signed because something else was signed or ended since it was decided.
	errOvertaken = errors.New("the wallet's transactions have gone on since")
	// errSuspended means that the provider was suspended since it was decided. What was signed is dropped.
	errSuspended = errors.New("the provider has been suspended since")
)

// callTimeout bounds one call of the sender.
const callTimeout = 20 * time.Second

// Sender signs and sends the wallet's transactions. It keeps no state of its own between calls that a restart would
// lose. The errors that it names are those of the room zg.
type Sender interface {
	// Sign signs what an intent says with the lowest unused nonce, and sends nothing.
	Sign(ctx context.Context, in zg.Intent) (zg.SignedTx, error)
	// Replace signs the same call at the same nonce with fees high enough to take prev's place, and sends nothing.
	Replace(ctx context.Context, prev zg.SignedTx) (zg.SignedTx, error)
	// Cancel does the same with a transaction that moves nothing.
	Cancel(ctx context.Context, prev zg.SignedTx) (zg.SignedTx, error)
	// Broadcast sends the bytes as they are. To send what is known already is no error.
	Broadcast(ctx context.Context, tx zg.SignedTx) error
	// Receipt is nil without an error while the transaction is not mined.
	Receipt(ctx context.Context, hash common.Hash) (*zg.Receipt, error)
	// Nonce is the number of the wallet's mined transactions, so every lower nonce is used up.
	Nonce(ctx context.Context) (uint64, error)
	// Pending is the lowest nonce that neither a mined nor a waiting transaction of the wallet has, as far as the node
	// knows.
	Pending(ctx context.Context) (uint64, error)
	// Known reports whether the node has a transaction, mined or waiting.
	Known(ctx context.Context, hash common.Hash) (bool, error)
	// BlockNumber is the number of the newest block.
	BlockNumber(ctx context.Context) (uint64, error)
}

// JournalConfig says how patient a journal is. All of it is optional.
type JournalConfig struct {
	// Wallet names the wallet and its chain. The entries of another one in the same store are left alone.
	Wallet        string
	PollReceipt   time.Duration // between two looks for a receipt; 0: 1 s
	ReplaceAfter  time.Duration // a transaction not mined for so long is replaced by one with higher fees; 0: 90 s
	Confirmations uint64        // blocks, its own included, until a transaction counts as mined; 0: 1
	Report        func(error)   // told again and again what keeps a transaction from being mined, or nil; nil: the keeper
	Trace         Tracer        // finds out what was done elsewhere; nil: that is not found out
	Log           zerolog.Logger
	Registerer    prometheus.Registerer // nil: no metrics
	Now           func() time.Time      // nil: time.Now
}

// Journal is the one way in which the wallet's transactions are made: it records what is signed before it is sent, and
// sees it through whatever the network does. One transaction is under way at a time. One Journal serves a wallet.
type Journal struct {
	store   *Store
	sender  Sender
	cfg     JournalConfig
	metrics *journalMetrics
	turn    chan struct{} // holds one: whoever has taken it may sign and send
	// changes counts what was signed, ended or begun again.
	changes atomic.Uint64
	watch   watch // of what others have waiting
	// counted is the gas of entries that were begun again, by id, as far as the metric has it already.
	counted sync.Map
}

// NewJournal builds a Journal. It starts nothing and reads nothing.
func NewJournal(store *Store, sender Sender, cfg JournalConfig) *Journal {
	if cfg.PollReceipt <= 0 {
		cfg.PollReceipt = time.Second
	}
	if cfg.ReplaceAfter <= 0 {
		cfg.ReplaceAfter = 90 * time.Second
	}
	if cfg.Confirmations == 0 {
		cfg.Confirmations = 1
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	j := &Journal{
		store: store, sender: sender, cfg: cfg, metrics: newJournalMetrics(cfg.Registerer), turn: make(chan struct{}, 1),
	}
	j.turn <- struct{}{}
	return j
}

// Do has an intent signed, records it, sends it and returns when its end is recorded; the entry's state says which end.
// Whatever is unfinished is finished before. Where nothing was signed the error is ErrNotSigned. When ctx ends the
// entry stays recorded, and whoever comes next goes on with it.
//
// notify, which may be nil, is told when it was signed and recorded, first taken by a node, replaced, seen in a block,
// when it does not go on and when it does again, and at the end. What is seen through before is told as well where a
// person has ordered this, as Earlier. It is called by the goroutine of Do.
func (j *Journal) Do(ctx context.Context, in zg.Intent, origin Origin, notify func(Entry)) (Entry, error) {
	decided := j.changes.Load()
	return j.do(ctx, in, origin, func() bool { return j.changes.Load() == decided }, notify)
}

// Resume finishes what an earlier process left unfinished, or an earlier call that was given up.
func (j *Journal) Resume(ctx context.Context) error {
	_, _, err := j.resume(ctx)
	return err
}

// do is Do for what was decided, and stands as long as wanted says so. What happens automatically is not done on a
// decision that is out of date: budgets and balances were others, or something has come to light meanwhile.
func (j *Journal) do(ctx context.Context, in zg.Intent, origin Origin, wanted func() bool, notify func(Entry)) (Entry, error) {
	if notify == nil {
		notify = func(Entry) {}
	}
	give, err := j.take(ctx)
	if err != nil {
		return Entry{}, err
	}
	defer give()
	// A person who waits for it is told; what happens automatically is told of by whoever looks.
	earlier := func(e Entry) {
		if e.Earlier = true; origin == OriginHand {
			notify(e)
		}
	}
	if _, _, err := j.finishOld(ctx, earlier); err != nil {
		return Entry{}, err
	}
	used, err := j.catchUp(ctx)
	if err != nil {
		return Entry{}, err
	}
	if origin == OriginAuto {
		if !wanted() {
			return Entry{}, fmt.Errorf("%w: %w", ErrNotSigned, errOvertaken)
		}
		if used, err = j.alone(ctx, used); err != nil {
			return Entry{}, err
		}
	} else if err := j.unhurried(ctx); err != nil {
		return Entry{}, err
	}
	e, err := j.sign(ctx, in, origin, used, wanted)
	if err != nil {
		return Entry{}, err
	}
	// From this line on a crash is clean: whatever was or was not sent, the next start finds the record, and its bytes
	// take effect once at most.
	notify(e)
	return j.finish(ctx, e, notify)
}

// resume is Resume with what it finished, if there was anything.
func (j *Journal) resume(ctx context.Context) (Entry, bool, error) {
	give, err := j.take(ctx)
	if err != nil {
		return Entry{}, false, err
	}
	defer give()
	return j.finishOld(ctx, func(Entry) {})
}

// alone makes sure that nobody else has sent from the wallet, which nobody has accepted, and raises the lowest nonce to
// be signed with to what the chain says now: one that comes in between makes the decision out of date.
func (j *Journal) alone(ctx context.Context, u used) (used, error) {
	mined, err := j.nonce(ctx)
	if err != nil {
		return u, fmt.Errorf("%w: %w", ErrNotSigned, err)
	}
	f, err := j.store.compareNonces(ctx, j.cfg.Wallet, mined, 0, j.cfg.Now())
	switch {
	case err != nil:
		return u, fmt.Errorf("%w: %w", ErrNotSigned, err)
	case f.Count() > 0:
		return u, fmt.Errorf("%w: %w", ErrNotSigned, ErrForeignNonce)
	}
	u.next = &mined
	return u, j.yield(ctx, mined)
}

// unhurried makes sure that what the owner wants takes nobody's place either.
func (j *Journal) unhurried(ctx context.Context) error {
	mined, err := j.nonce(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotSigned, err)
	}
	return j.yield(ctx, mined)
}

// take waits until nobody else signs or sends.
func (j *Journal) take(ctx context.Context) (give func(), err error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-j.turn:
		return func() { j.turn <- struct{}{} }, nil
	}
}

func (j *Journal) finishOld(ctx context.Context, notify func(Entry)) (Entry, bool, error) {
	e, was, err := j.store.unfinished(ctx, j.cfg.Wallet)
	if err == nil && was {
		notify(e)
		e, err = j.finish(ctx, e, notify)
	}
	if err != nil {
		return e, was, err
	}
	return e, was, j.restore(ctx)
}

// sign signs an intent and records it, unless what happens automatically is not wanted any more.
func (j *Journal) sign(ctx context.Context, in zg.Intent, origin Origin, u used, wanted func() bool) (Entry, error) {
	signing, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	crash.Point("tx/before-sign")
	tx, err := j.sender.Sign(signing, in)
	if ctx.Err() != nil {
		return Entry{}, ctx.Err()
	}
	switch {
	case err != nil:
	case u.any && tx.Nonce <= u.nonce:
		err = fmt.Errorf("%w: nonce %d was signed with before", errBehind, tx.Nonce)
	case u.next != nil && tx.Nonce < *u.next:
		err = fmt.Errorf("%w: nonce %d is used", errBehind, tx.Nonce)
	case u.next != nil && tx.Nonce > *u.next:
		err = fmt.Errorf("%w: nonce %d was not used yet", errOvertaken, *u.next)
	}
	if err != nil {
		j.metrics.ended.WithLabelValues(string(in.Kind), string(origin), "not_signed").Inc()
		return Entry{}, fmt.Errorf("%w: %s: %w", ErrNotSigned, in.Kind, err)
	}
	// Signing takes a while, longer where the signer asks somebody, or the endpoint has to be asked again and again.
	if err := j.yield(ctx, tx.Nonce); err != nil {
		return Entry{}, err
	}
	if origin == OriginAuto && !wanted() {
		return Entry{}, fmt.Errorf("%w: %w", ErrNotSigned, errOvertaken)
	}
	crash.Point("tx/signed")
	e, err := j.store.stageEntry(j.cfg.Wallet, in, origin, tx, j.cfg.Now())
	if err != nil {
		return Entry{}, err
	}
	crash.Point("tx/recorded")
	j.changes.Add(1)
	j.cfg.Log.Info().EmbedObject(&e).Uint64("nonce", e.Nonce).Stringer("tx_hash", tx.Hash).Msg("transaction signed")
	return e, nil
}

func (j *Journal) report(err error) {
	if j.cfg.Report != nil {
		j.cfg.Report(err)
	}
}
