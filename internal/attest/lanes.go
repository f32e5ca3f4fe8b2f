package attest

import (
	"context"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// In which order exchanges are taken up: those that somebody waits for first, none before its pause is over, and no
// more of one provider at a time than leave a worker to the others.

// scheduleLocked makes a job ready after a pause. The caller holds mu.
func (q *Queue) scheduleLocked(j *job, pause time.Duration) {
	if pause <= 0 {
		q.lane(j) <- j
		return
	}
	q.waiting[j] = time.AfterFunc(pause, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if _, ok := q.waiting[j]; ok { // else it was taken out to be finished
			delete(q.waiting, j)
			q.lane(j) <- j
		}
	})
}

// lane is where a job gets in line.
func (q *Queue) lane(j *job) chan *job {
	if j.judged != nil {
		return q.urgent
	}
	return q.ready
}

// take returns the next job, nil when ctx has ended.
func (q *Queue) take(ctx context.Context) *job {
	if ctx.Err() != nil {
		return nil
	}
	select {
	case j := <-q.urgent:
		return j
	default:
	}
	select {
	case <-ctx.Done():
		return nil
	case j := <-q.urgent:
		return j
	case j := <-q.ready:
		return j
	}
}

// close takes everything out of the queue, by provider, so that one that hangs holds up no other. Nothing gets in
// again.
func (q *Queue) close() map[common.Address]chan *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	out := make(map[common.Address]chan *job)
	leave := func(j *job) {
		if out[j.x.Provider] == nil {
			out[j.x.Provider] = make(chan *job, q.cfg.Depth)
		}
		out[j.x.Provider] <- j
	}
	for range len(q.urgent) {
		leave(<-q.urgent)
	}
	for range len(q.ready) {
		leave(<-q.ready)
	}
	for _, jobs := range q.parked {
		for _, j := range jobs {
			leave(j)
		}
	}
	clear(q.parked)
	for j, timer := range q.waiting {
		timer.Stop()
		leave(j)
	}
	clear(q.waiting)
	return out
}

// claim leaves one worker to the other providers: one that hangs would else take all of them.
func (q *Queue) claim(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := j.x.Provider
	if q.busy[p] < max(1, q.cfg.Workers-1) {
		q.busy[p]++
		return true
	}
	at := len(q.parked[p])
	if j.judged != nil {
		if i := slices.IndexFunc(q.parked[p], func(other *job) bool { return other.judged == nil }); i >= 0 {
			at = i
		}
	}
	q.parked[p] = slices.Insert(q.parked[p], at, j)
	return false
}

// release makes room for one that was parked.
func (q *Queue) release(p common.Address) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy[p]--; q.busy[p] == 0 {
		delete(q.busy, p)
	}
	jobs := q.parked[p]
	if len(jobs) == 0 {
		return
	}
	q.lane(jobs[0]) <- jobs[0]
	if q.parked[p] = slices.Delete(jobs, 0, 1); len(jobs) == 1 {
		delete(q.parked, p)
	}
}

func (q *Queue) again(j *job, pause time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.scheduleLocked(j, pause)
}
