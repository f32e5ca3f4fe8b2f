package billing

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// ErrStore means that the spend store cannot be written. A request that meets it is refused, because a spend that is not
// recorded is worse than none.
var ErrStore = errors.New("the spend store cannot be written")

// retryEvery is how often records that must not be lost are tried again after a failure.
const retryEvery = time.Second

// gatherFor is how long records wait for company: one commit carries what has come in meanwhile, and a request that has
// come and gone is one statement. Nobody waits for a record of a request, because its opening is in the open log. What a
// killed process loses is the closes of that time; the next start books their requests at the bound.
const gatherFor = 50 * time.Millisecond

// fullGroup is how many entries are committed without waiting for more, and crowd how many have queued when whoever opens
// has to wait until they are written: SQLite must not fall behind without end.
const (
	fullGroup = 1024
	crowd     = 8192
)

// task is work on the store that is neither the open nor the close of a request.
type task struct {
	durable bool // the commit is synced to disk before it counts
	run     func(*session) error
	err     error // set before the batch is done
}

// op is one entry of the queue. One field is set; where a request was closed before its opening was written, both of them
// are, in place of the opening, and none in place of the close.
type op struct {
	open, close *request
	verdict     *verdict
	task        *task
}

// batch is a group of entries that are committed together. A task waits for its batch.
type batch struct{ done chan struct{} }

// writer is the only one to write the store. Entries are queued from anywhere and committed in the order they came, all
// that have gathered in one transaction. A task sees everything that was queued before it.
type writer struct {
	log     zerolog.Logger
	metrics *storeMetrics
	stopped chan struct{}
	wake    chan struct{} // holds one: something is queued, or the end
	failure atomic.Pointer[error]

	// opening is held while a request gets its key, its record in the open log and its place in the queue. So all three
	// have one order, and whoever sees a request in the store sees all that were admitted before it. It is held across a
	// write, which the kernel would put in a row as well.
	opening    sync.Mutex
	opens      *openLog
	lastOpened int64 // key of the newest request

	mu     sync.Mutex // taken after opening
	queue  []op
	urgent bool   // the queue is not to wait for more
	next   *batch // the one that the queue will become
	ended  bool   // takes nothing any more

	// Owned by the goroutine of run.
	session *session
	kept    []op // records of failed batches, to be tried again ahead of everything newer
	placed  int  // entries handled so far
	sums
}

// open admits a request to the store: when it returns nil, the opening survives the end of the process.
func (w *writer) open(r *request) error {
	if RecordsNothing {
		return nil
	}
	if w.failure.Load() != nil {
		// Whether it still fails is seen by trying; meanwhile nothing more is let in.
		_ = w.do(false, func(*session) error { return nil }) // failure has its error
		if err := w.failure.Load(); err != nil {
			return *err
		}
	}
	b, err := w.record(r)
	if b != nil {
		<-b.done
	}
	return err
}

// record gives a request its key, its record and its place in the queue. The batch is to be waited for, if there is one.
func (w *writer) record(r *request) (*batch, error) {
	w.opening.Lock()
	defer w.opening.Unlock()
	w.mu.Lock()
	ended, queued := w.ended, len(w.queue) // it does not end before opening is free
	w.mu.Unlock()
	if ended {
		return nil, errClosed
	}
	// Never going back keeps keys unique and rows in order, whatever the clock does.
	w.lastOpened = max(w.lastOpened+1, r.opened)
	r.opened = w.lastOpened
	if err := w.opens.append(r); err != nil {
		err = fmt.Errorf("%w: %w", ErrStore, err)
		w.fail(err)
		w.ring() // it is tried again from now on
		return nil, err
	}
	b, err := w.put(op{open: r})
	if queued < crowd {
		b = nil
	}
	return b, err
}

var errClosed = fmt.Errorf("%w: it is closed", ErrStore)

func (w *writer) put(o op) (*batch, error) {
	if RecordsNothing && o.task == nil {
		return nil, nil //nolint:nilnil // nobody waits for it
	}
	w.mu.Lock()
	if w.ended {
		w.mu.Unlock()
		return nil, errClosed
	}
	w.queue = append(w.queue, o)
	ring := len(w.queue) == 1
	if (o.task != nil || len(w.queue) >= fullGroup) && !w.urgent {
		w.urgent, ring = true, true
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

// gather gives entries a moment to gather. It returns at once when somebody waits, when there are many, or when the end has
// come.
func (w *writer) gather() {
	urgent := func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.urgent || w.ended
	}
	timer := time.NewTimer(gatherFor)
	defer timer.Stop()
	for !urgent() {
		select {
		case <-timer.C:
			return
		case <-w.wake:
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
	w.opening.Lock()
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.opening.Unlock()
	w.ring()
	<-w.stopped
}

func (w *writer) run() {
	defer close(w.stopped)
	var spare []op
	for {
		var retry <-chan time.Time
		if w.failure.Load() != nil {
			retry = time.After(retryEvery)
		}
		select {
		case <-w.wake:
			w.gather()
		case <-retry:
		}
		w.opening.Lock()
		w.opens.turn()
		w.mu.Lock()
		ops, b, ended := w.queue, w.next, w.ended
		w.queue, w.next, w.urgent = spare[:0], &batch{done: make(chan struct{})}, false
		w.mu.Unlock()
		w.opening.Unlock()

		if len(ops)+len(w.kept) > 0 || w.failure.Load() != nil {
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
	w.merge(all)
	start := time.Now()
	err := w.transaction(all)
	w.metrics.observe(len(all), time.Since(start))
	if err == nil {
		w.committed()
		return
	}
	w.stale = true
	err = fmt.Errorf("%w: %w", ErrStore, err)
	for _, o := range all {
		switch {
		case o.task != nil:
			o.task.err = err
		case o != op{}:
			w.kept = append(w.kept, o)
		}
	}
	w.fail(err)
}

// committed draws the consequences when all that was queued is in the store.
func (w *writer) committed() {
	if err := w.opens.committed(); err != nil {
		w.log.Warn().Err(err).Msg("the log of open requests could not be emptied; it grows until it can")
	}
	if w.failure.Load() == nil {
		return
	}
	w.opening.Lock()
	err := w.opens.probe()
	w.opening.Unlock()
	if err != nil {
		w.fail(fmt.Errorf("%w: %w", ErrStore, err))
	} else if w.failure.Swap(nil) != nil {
		w.log.Info().Msg("the spend store can be written again")
	}
}

// fail has new requests refused until a commit and, where that was what failed, the open log succeed.
func (w *writer) fail(err error) {
	if w.failure.Swap(&err) == nil {
		w.log.Error().Err(err).Msg("the spend store cannot be written; requests are refused until it can")
	}
}

// merge joins the close of a request with its opening where both are in the group, and no task between them which is to
// find the request open.
func (w *writer) merge(ops []op) {
	first := w.placed + 1
	w.placed += len(ops)
	barrier := first - 1
	for i := range ops {
		switch o := &ops[i]; {
		case o.task != nil:
			barrier = first + i
		case o.open != nil:
			o.open.place = first + i
		case o.close != nil && o.close.place > barrier:
			ops[o.close.place-first].close = o.close
			*o = op{}
		}
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
	if _, err := w.session.exec("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err = w.apply(ops); err == nil {
		if _, err = w.session.exec("COMMIT"); err == nil {
			w.sums.committed()
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	// SQLite may have rolled back by itself, in which case this fails, rightly.
	_, _ = w.session.exec("ROLLBACK")
	return err
}

func (w *writer) apply(ops []op) error {
	if err := w.begin(w.session); err != nil {
		return fmt.Errorf("read totals: %w", err)
	}
	for _, o := range ops {
		var err error
		switch {
		case o.open != nil:
			err = w.dropped(w.insert(o.open, o.close != nil), o.open.order.ID)
		case o.close != nil:
			err = w.dropped(w.update(o.close), o.close.order.ID)
		case o.verdict != nil:
			err = w.dropped(o.verdict.write(w.session), o.verdict.id)
		case o.task != nil:
			err = w.applyTask(o.task)
		}
		if err != nil {
			return err
		}
	}
	return w.sums.write(w.session)
}

// insert writes the row of a request, and all of it where that is closed by now. A row that is there already is the same
// one: it was read from the open log again, or a commit that failed had taken effect.
func (w *writer) insert(r *request, closed bool) error {
	fresh, err := r.insert(w.session, r.order.ID, closed)
	if violates(err) {
		// It has been admitted, so its money counts, whatever its name.
		id := r.order.ID + "~" + strconv.FormatInt(r.opened, 10)
		w.log.Error().Err(err).Str("request_id", r.order.ID).Str("recorded_as", id).Msg("a request's id was used before; it is recorded under another")
		fresh, err = r.insert(w.session, id, closed)
	}
	switch {
	case err != nil || !closed:
		return err
	case fresh:
		w.count(r.order.Provider, r.booking.Fee, r.quarter)
		return nil
	}
	return w.update(r)
}

// update closes a row. It counts once, however often it is written.
func (w *writer) update(r *request) error {
	first, err := r.update(w.session)
	if first {
		w.count(r.order.Provider, r.booking.Fee, r.quarter)
	}
	return err
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
