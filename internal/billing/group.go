package billing

import (
	"errors"
	"fmt"
	"runtime"
)

// task is work on the store that is neither the open nor the close of a request.
type task struct {
	durable bool // the commit is synced to disk before it counts
	run     func(*session) error
	err     error // set before the batch is done
}

// op is one entry of the queue. One field is set; where a request was closed before its opening was written, both of
// them are, in place of the opening, and none in place of the close.
type op struct {
	open, close *request
	grow        *request // of an open one: its bound is higher by now
	verdict     *verdict
	task        *task
}

// batch is a group of entries that are committed together. A task waits for its batch.
type batch struct{ done chan struct{} }

// merge joins the close of a request with its opening where both are in the group, and no task between them which is to
// find the request open. So it does with the first verdict about a request that was joined.
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
		case o.verdict != nil && o.verdict.row != nil && o.verdict.row.place > barrier:
			if row := o.verdict.row; ops[row.place-first].close == row && row.judged == nil {
				row.judged = o.verdict
				*o = op{}
			}
		}
	}
}

// breath is after how many rows a group gives way, about every 200 µs. A group takes milliseconds, and requests that
// wait for its processor would wait as long: on a busy machine with two, the throughput was a fifth lower.
const breath = 32

func (w *writer) apply(ops []op) error {
	if err := w.beginSums(w.session); err != nil {
		return fmt.Errorf("read totals: %w", err)
	}
	rows := 0
	for _, o := range ops {
		if o == (op{}) {
			continue
		}
		if rows++; rows%breath == 0 {
			runtime.Gosched()
		}
		var err error
		switch {
		case o.open != nil:
			err = w.dropped(w.insert(o.open, o.close != nil), o.open.order.ID)
		case o.close != nil:
			err = w.dropped(w.update(o.close), o.close.order.ID)
		case o.grow != nil:
			err = w.dropped(o.grow.grow(w.session), o.grow.order.ID)
		case o.verdict != nil:
			err = w.dropped(o.verdict.write(w.session), o.verdict.id)
		case o.task != nil:
			err = w.applyTask(o.task)
		}
		if err != nil {
			return err
		}
	}
	return w.writeSums(w.session)
}

// insert writes the row of a request, and all of it where that is closed by now. A row that is there already is the
// same one: it was read from the open log again, or a commit that failed had taken effect.
func (w *writer) insert(r *request, closed bool) error {
	fresh, err := r.insert(w.session, closed)
	switch {
	case err != nil || !closed:
		return err
	case fresh:
		w.count(r.order.Provider, r.booking.Fee, r.quarter)
		return nil
	}
	if err := w.update(r); err != nil || r.judged == nil {
		return err
	}
	return r.judged.write(w.session)
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
