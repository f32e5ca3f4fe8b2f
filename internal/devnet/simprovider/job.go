package simprovider

import (
	"strings"
	"sync"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// jobTTL is how long a job can be asked for.
const jobTTL = 30 * time.Minute

// jobState is how far a job has come.
type jobState string

const (
	jobPending    jobState = "pending"
	jobProcessing jobState = "processing"
	jobCompleted  jobState = "completed"
	jobFailed     jobState = "failed"
)

// job is work whose client asks for the result later: a video, or images that are made asynchronously. It is signed,
// billed and put on record a second time when it ends.
type job struct {
	id      string
	created time.Time
	// finish makes the body of the last reply, signs and bills it. It is called once, with an exchange that has neither
	// client nor request any more.
	finish func(x *exchange, failed bool) []byte
	// running is the body of the replies before that, of a video.
	running func(progress int) []byte
	fails   bool // it will

	mu      sync.Mutex
	x       *exchange // where the job came from
	state   jobState
	polls   int
	updated time.Time
	result  []byte
	err     string // of one that has failed
}

// failing is the mark of a prompt whose job fails.
const failing = "fail:"

// accept makes a job of a request. It ends by itself, or with the polls that the configuration says. Path is for its
// record.
func (x *exchange) accept(j *job, path, prompt string) {
	j.created = x.p.cfg.Now()
	j.updated, j.state, j.fails = j.created, jobPending, strings.Contains(prompt, failing)
	j.x = &exchange{
		p: x.p, kind: x.kind, fault: x.fault, user: x.user, price: x.price, key: x.key, status: x.status, reserve: x.reserve,
		record: Exchange{
			Path: path, User: x.user, Model: x.record.Model, RequestBytes: x.record.RequestBytes, RequestSHA256: x.record.RequestSHA256,
			Status: x.status, Fault: x.fault.Kind,
		},
	}
	x.reserve = zg.Neuron{} // the job's from now on
	x.p.jobs.put(j.id, j, 0)
	j.work(x.p)
}

// work lets a job end by itself, where jobs do.
func (j *job) work(p *Provider) {
	d := p.cfg.JobDelay
	if d == 0 {
		return
	}
	left := max(1, d-p.cfg.Now().Sub(j.created))
	p.loops.Go(func() {
		if p.wait(p.ctx, left) {
			j.end(p)
		}
	})
}

// done reports whether there is nothing left to wait for. The job's lock is held.
func (j *job) done() bool { return j.state == jobCompleted || j.state == jobFailed }

// poll is somebody's question for the job, who gets it as it is then.
func (j *job) poll(p *Provider) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.done() {
		return
	}
	j.polls++
	delay := p.cfg.JobDelay
	if delay > 0 && p.cfg.Now().Sub(j.created) >= delay || delay == 0 && j.polls >= p.cfg.JobPolls {
		j.conclude(p)
		return
	}
	j.state, j.updated = jobProcessing, p.cfg.Now()
}

func (j *job) end(p *Provider) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.done() {
		j.conclude(p)
	}
}

// conclude ends the job with its result, or without one and free of charge.
func (j *job) conclude(p *Provider) {
	j.x.p = p // a provider that was restarted is another one
	j.state, j.updated = jobCompleted, p.cfg.Now()
	if j.fails {
		j.state, j.err = jobFailed, "the model server has failed"
	}
	j.result = j.finish(j.x, j.fails)
	j.release()
	j.x.record.ResKey = j.announced(p)
	j.x.record.ResponseBytes, j.x.record.ResponseSHA256 = int64(len(j.result)), digest(j.result)
	p.records.add(j.x.record)
}

// announced is the key that replies about the job carry: none while there is no signature.
func (j *job) announced(p *Provider) string {
	if _, ok := p.signatures.get(j.x.key); !ok {
		return ""
	}
	return j.x.announced()
}

// survive is what a restart does to a job: real providers keep videos in a database, and give up what else was under
// way.
func (j *job) survive() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.x.kind != zg.VideoGeneration && !j.done() {
		j.state, j.err = jobFailed, "the provider was restarted"
		j.release()
	}
}

// resume goes on with a job that has survived a restart.
func (j *job) resume(p *Provider) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.done() {
		j.work(p)
	}
}

// release takes the reserve off that is still on the row: nothing was billed.
func (j *job) release() {
	j.x.p.purse.free(j.x.user, j.x.reserve)
	j.x.reserve = zg.Neuron{}
}
