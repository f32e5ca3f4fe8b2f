package billing

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/crash"
)

// ErrStore means that the spend store cannot be written. A request that meets it is refused, because a spend that is
// not recorded is worse than none.
var ErrStore = errors.New("the spend store cannot be written")

// retryEvery is how often records that must not be lost are tried again after a failure.
const retryEvery = time.Second

// gatherFor is how long records wait for company: one commit carries what has come in meanwhile, and a request that has
// come and gone is one statement. Nobody waits for a record of a request, because its opening is in the open log. What
// a killed process loses is the closes of that time; the next start records their requests at the bound.
const gatherFor = 50 * time.Millisecond

// fullGroup is how many entries are committed without waiting for more, and crowd how many have queued when whoever
// opens has to wait until they are written: SQLite must not fall behind without end.
const (
	fullGroup = 1024
	crowd     = 8192
)

// writer is the only one to write the store. Entries are queued from anywhere and committed in the order they came, all
// that have gathered in one transaction. A task sees everything that was queued before it.
type writer struct {
	log     zerolog.Logger
	metrics *storeMetrics
	stopped chan struct{}
	wake    chan struct{} // holds one: something is queued, or the end
	failure atomic.Pointer[error]
	damage  *damage // which does not pass

	// opening is held while a request gets its key, its record in the open log and its place in the queue. So all three
	// have one order, and whoever sees a request in the store sees all that were admitted before it.
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
	b, err := w.record(r, op{open: r})
	if b != nil {
		<-b.done
	}
	return err
}

// grow raises the bound of a request that is open: when it returns nil, the new bound survives the end of the process.
// r is the request's record with that bound, under the key that it has.
func (w *writer) grow(r *request) error {
	if RecordsNothing {
		return nil
	}
	if err := w.failure.Load(); err != nil {
		return *err
	}
	b, err := w.record(r, op{grow: r})
	if b != nil {
		<-b.done
	}
	return err
}

// record gives a request its key, its record and its place in the queue. One that grows keeps its key. The batch is to
// be waited for, if there is one.
func (w *writer) record(r *request, o op) (*batch, error) {
	w.opening.Lock()
	defer w.opening.Unlock()
	w.mu.Lock()
	ended, queued := w.ended, len(w.queue) // it does not end before opening is free
	w.mu.Unlock()
	if ended {
		return nil, errClosed
	}
	// Never going back keeps keys unique and rows in order, whatever the clock does.
	if o.open != nil {
		w.lastOpened = max(w.lastOpened+1, r.opened)
		r.opened = w.lastOpened
	}
	if err := w.opens.append(r); err != nil {
		err = fmt.Errorf("%w: %w", ErrStore, err)
		w.fail(err)
		w.ring() // it is tried again from now on
		return nil, err
	}
	b, err := w.put(o)
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

// gather gives entries a moment to gather. It returns at once when somebody waits, when there are many, or when the end
// has come.
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
	} else if w.damage.err() == nil && w.failure.Swap(nil) != nil {
		w.log.Info().Msg("the spend store can be written again")
	}
}

// fail has new requests refused until a commit and, where that was what failed, the open log succeed.
func (w *writer) fail(err error) {
	if w.failure.Swap(&err) == nil {
		w.log.Error().Err(err).Msg("the spend store cannot be written; requests are refused until it can")
	}
}

// transaction applies the entries. An entry that violates a constraint fails alone; any other failure undoes all.
func (w *writer) transaction(ops []op) (err error) {
	if err := w.damage.err(); err != nil {
		return err // what would be written to it helps nobody, and may make it worse
	}
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
	if err = w.apply(ops); err == nil {
		crash.Point("store/before-commit")
		if _, err = w.session.exec("COMMIT"); err == nil {
			w.keepSums()
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
