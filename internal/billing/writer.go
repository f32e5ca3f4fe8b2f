package billing

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/crash"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// ErrStore means that the spend store cannot be written. A request that meets it is refused, because a spend that is not
// recorded is worse than none.
var ErrStore = errors.New("the spend store cannot be written")

// retryEvery is how often records that must not be lost are tried again after a failure.
const retryEvery = time.Second

// lingerFor is how long closes and verdicts wait for company. A process that is killed meanwhile leaves the request open,
// and it is booked at its bound.
const lingerFor = 5 * time.Millisecond

// task is work on the store that is neither the open nor the close of a request.
type task struct {
	durable bool // the commit is synced to disk before it counts
	run     func(*session) error
	err     error // set before the batch is done
}

// op is one entry of the queue. Exactly one field is set.
type op struct {
	open, close *request
	verdict     *verdict
	task        *task
}

// batch is a group of entries that are committed together. Whoever waits for one waits for its batch.
type batch struct{ done chan struct{} }

// written is a batch that is done.
var written = func() *batch {
	b := &batch{done: make(chan struct{})}
	close(b.done)
	return b
}()

// total is one row of the totals table.
type total struct {
	fees     zg.Neuron
	requests int64
}

// spending is one row of the spending table.
type spending struct {
	quarter  int64
	provider common.Address
}

// writer is the only one to write the store. Entries are queued from anywhere and committed in the order they came, all
// that have gathered in one transaction: while one commit runs the next group gathers, so nobody waits for a timer and a
// busy store commits rarely.
type writer struct {
	log     zerolog.Logger
	metrics *storeMetrics
	stopped chan struct{}
	wake    chan struct{} // holds one: something is queued, or the end
	failure atomic.Pointer[error]

	mu         sync.Mutex
	queue      []op
	awaited    bool   // somebody waits for an entry of the queue
	next       *batch // the one that the queue will become
	lastOpened int64  // key of the newest request
	ended      bool   // takes nothing any more

	// Owned by the goroutine of run.
	session *session
	kept    []op // closes and verdicts of failed batches, to be tried again ahead of everything newer
	totals  map[common.Address]total
	touched map[common.Address]total // of the transaction under way
	added   map[spending]total       // likewise, what comes on top of the table's rows
	spent   map[spending]total       // what the table has, as far as it was written lately
}

func (w *writer) put(o op) (*batch, error) {
	if RecordsNothing && o.task == nil {
		return written, nil
	}
	w.mu.Lock()
	if w.ended {
		w.mu.Unlock()
		return nil, fmt.Errorf("%w: it is closed", ErrStore)
	}
	if o.open != nil {
		// Never going back keeps keys unique and rows in order, whatever the clock does.
		w.lastOpened = max(w.lastOpened+1, o.open.opened)
		o.open.opened = w.lastOpened
	}
	w.queue = append(w.queue, o)
	// Nobody waits for a close or a verdict, so those ring the bell only when they are the first.
	ring := len(w.queue) == 1
	if (o.open != nil || o.task != nil) && !w.awaited {
		w.awaited, ring = true, true
	}
	b := w.next
	w.mu.Unlock()
	if ring {
		w.ring()
	}
	return b, nil
}

func (w *writer) ring() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// linger gives entries that nobody waits for a moment to gather, so that a busy store commits rarely. It returns at once
// when there is somebody who waits, or when the end has come.
func (w *writer) linger() {
	waited := func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.awaited || w.ended
	}
	if waited() {
		return
	}
	timer := time.NewTimer(lingerFor)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case <-w.wake:
			if waited() {
				return
			}
		}
	}
}

// do runs f in the next transaction and returns when that is committed.
func (w *writer) do(durable bool, f func(*session) error) error {
	t := &task{durable: durable, run: f}
	b, err := w.put(op{task: t})
	if err != nil {
		return err
	}
	<-b.done
	return t.err
}

// end lets the writer finish what is queued and stop.
func (w *writer) end() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.ring()
	<-w.stopped
}

func (w *writer) run() {
	defer close(w.stopped)
	var spare []op
	for {
		var retry <-chan time.Time
		if len(w.kept) > 0 {
			retry = time.After(retryEvery)
		}
		select {
		case <-w.wake:
		case <-retry:
		}
		w.linger()
		// On a busy machine this lets runnable requests queue their records first, which makes groups larger and commits
		// fewer; on an idle one it returns at once.
		runtime.Gosched()

		w.mu.Lock()
		ops, b, ended := w.queue, w.next, w.ended
		w.queue, w.next, w.awaited = spare[:0], &batch{done: make(chan struct{})}, false
		w.mu.Unlock()

		if len(ops)+len(w.kept) > 0 {
			w.commit(ops)
		}
		close(b.done)
		clear(ops) // keeps no finished request alive
		spare = ops
		if ended {
			return
		}
	}
}

// commit writes what was kept and a new group, in one transaction if nothing fails.
func (w *writer) commit(ops []op) {
	all := ops
	if len(w.kept) > 0 {
		all = append(w.kept, ops...)
		w.kept = nil
	}
	start := time.Now()
	err := w.transaction(all)
	w.metrics.observe(len(all), time.Since(start))
	if err == nil {
		if w.failure.Swap(nil) != nil {
			w.log.Info().Msg("the spend store can be written again")
		}
		return
	}
	err = fmt.Errorf("%w: %w", ErrStore, err)
	for _, o := range all {
		switch {
		case o.open != nil:
			o.open.err = err
		case o.task != nil:
			o.task.err = err
		default:
			w.kept = append(w.kept, o)
		}
	}
	if w.failure.Swap(&err) == nil {
		w.log.Error().Err(err).Msg("the spend store cannot be written; requests are refused until it can")
	}
}

// transaction applies the entries. An entry that violates a constraint fails alone; any other failure undoes all.
func (w *writer) transaction(ops []op) (err error) {
	durable := false
	for _, o := range ops {
		durable = durable || (o.task != nil && o.task.durable)
	}
	// synchronous=NORMAL: a commit is a write to the log file (pwrite64), which survives the end of the process.
	// synchronous=FULL: and an fsync of it, and of the directory where the log file is new, which survives the end of the
	// machine. It can only be changed between transactions.
	if durable {
		if err := w.session.pragma("PRAGMA synchronous = FULL"); err != nil {
			return fmt.Errorf("turn on syncing: %w", err)
		}
		defer func() {
			if offErr := w.session.pragma("PRAGMA synchronous = NORMAL"); offErr != nil {
				w.log.Warn().Err(offErr).Msg("syncing every commit could not be turned off again")
			}
		}()
	}
	crash.Point("store/before-begin")
	if _, err := w.session.exec("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	clear(w.touched)
	clear(w.added)
	if err = w.apply(ops); err == nil {
		crash.Point("store/before-commit")
		if _, err = w.session.exec("COMMIT"); err == nil {
			maps.Copy(w.totals, w.touched)
			w.keepSpent()
			crash.Point("store/committed")
			if durable {
				crash.Point("store/committed-durably")
			}
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	// SQLite may have rolled back by itself, in which case this fails, rightly.
	_, _ = w.session.exec("ROLLBACK")
	return err
}

func (w *writer) apply(ops []op) error {
	for _, o := range ops {
		var err error
		switch {
		case o.open != nil:
			if err = o.open.writeOpen(w.session); violates(err) {
				o.open.err = fmt.Errorf("%w: request %s: %w", ErrStore, o.open.order.ID, err)
				err = nil
			}
		case o.close != nil:
			var first bool
			if first, err = o.close.writeClose(w.session); first {
				w.count(o.close.order.Provider, o.close.booking.Fee, o.close.quarter)
			}
			err = w.dropped(err, o.close.order.ID)
		case o.verdict != nil:
			err = w.dropped(o.verdict.write(w.session), o.verdict.id)
		case o.task != nil:
			err = w.applyTask(o.task)
		}
		if err != nil {
			return err
		}
	}
	for p, t := range w.touched {
		if _, err := w.session.exec(`INSERT INTO totals (provider, fees, requests) VALUES (?, ?, ?)
			ON CONFLICT (provider) DO UPDATE SET fees = excluded.fees, requests = excluded.requests`,
			p.Hex(), t.fees.String(), t.requests); err != nil {
			return fmt.Errorf("write totals: %w", err)
		}
	}
	return w.writeSpent()
}

// writeSpent adds to the rows of the spending table and leaves the new sums in added.
func (w *writer) writeSpent() error {
	for key, more := range w.added {
		sum, known := w.spent[key]
		if !known {
			var err error
			if sum, err = w.readSpent(key); err != nil {
				return fmt.Errorf("read spending: %w", err)
			}
		}
		sum = total{fees: sum.fees.Add(more.fees), requests: sum.requests + more.requests}
		w.added[key] = sum
		if _, err := w.session.exec(`INSERT INTO spending (quarter, provider, fees, requests) VALUES (?, ?, ?, ?)
			ON CONFLICT (quarter, provider) DO UPDATE SET fees = excluded.fees, requests = excluded.requests`,
			key.quarter, key.provider.Hex(), sum.fees.String(), sum.requests); err != nil {
			return fmt.Errorf("write spending: %w", err)
		}
	}
	return nil
}

func (w *writer) readSpent(key spending) (sum total, err error) {
	err = w.session.query(`SELECT fees, requests FROM spending WHERE quarter = ? AND provider = ?`, func(row []driver.Value) error {
		sum.requests, _ = row[1].(int64)
		return sum.fees.Scan(row[0])
	}, key.quarter, key.provider.Hex())
	return sum, err
}

// keepSpent remembers the rows just committed, so that the usual close reads nothing.
func (w *writer) keepSpent() {
	if len(w.spent) > 1024 {
		clear(w.spent) // quarters long past; one that is needed again is read
	}
	maps.Copy(w.spent, w.added)
}

// dropped logs a record that the store will never take, so that it does not keep all others from being written.
func (w *writer) dropped(err error, requestID string) error {
	if !violates(err) {
		return err
	}
	w.log.Error().Err(err).Str("request_id", requestID).Msg("the spend store refuses a record; it is dropped")
	return nil
}

// applyTask runs a task of several statements as a whole.
func (w *writer) applyTask(t *task) error {
	if _, err := w.session.exec("SAVEPOINT task"); err != nil {
		return err
	}
	err := t.run(w.session)
	if err != nil {
		t.err = err
		if _, undoErr := w.session.exec("ROLLBACK TO task"); undoErr != nil {
			return errors.Join(err, undoErr)
		}
	}
	_, relErr := w.session.exec("RELEASE task")
	return relErr
}

// count adds one finished request to the totals of the transaction under way. It cannot fail, so that a task may call it
// last.
func (w *writer) count(p common.Address, fee zg.Neuron, q int64) {
	t, ok := w.touched[p]
	if !ok {
		t = w.totals[p]
	}
	w.touched[p] = total{fees: t.fees.Add(fee), requests: t.requests + 1}
	key := spending{q, p}
	t = w.added[key]
	w.added[key] = total{fees: t.fees.Add(fee), requests: t.requests + 1}
}

// fees are those of a provider's requests that are no longer open, as the transaction under way sees them.
func (w *writer) fees(p common.Address) zg.Neuron {
	if t, ok := w.touched[p]; ok {
		return t.fees
	}
	return w.totals[p].fees
}
