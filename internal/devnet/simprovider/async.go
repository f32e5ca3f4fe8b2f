package simprovider

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// asyncRoutes are those below /v1/async that accept jobs.
var asyncRoutes = map[string]route{
	"images/generations": {zg.TextToImage, (*exchange).submitImages},
	"images/edits":       {zg.ImageEditing, (*exchange).submitImages},
}

// serveAsync serves what lies below /v1/async.
func (p *Provider) serveAsync(w http.ResponseWriter, r *http.Request, path string) {
	to, ok := asyncRoutes[path]
	if ok && r.Method == http.MethodPost {
		p.infer(w, r, "/v1/async/"+path, to)
		return
	}
	id, ok := strings.CutPrefix(path, "jobs/")
	if !ok || r.Method != http.MethodGet {
		http.NotFound(w, r)
		return
	}
	p.serveJob(w, r, id)
}

// asyncReply is what is said of a job. Times are in RFC 3339.
type asyncReply struct {
	ID      string          `json:"jobId"`
	Status  jobState        `json:"status"`
	Created string          `json:"createdAt,omitempty"`
	Updated string          `json:"updatedAt,omitempty"`
	Error   string          `json:"errorMessage,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// submitImages accepts a request for images, which are made later.
func (x *exchange) submitImages() error {
	if x.p.cfg.JobQueue < 0 {
		return refuseWith(http.StatusServiceUnavailable, "async processing is not enabled")
	}
	req, err := x.readImageRequest()
	if err != nil {
		return err
	}
	if err := x.admitImages(req); err != nil {
		return err
	}
	waiting := 0
	x.p.jobs.each(func(j *job) {
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.x.kind == x.kind && !j.done() {
			waiting++
		}
	})
	if waiting >= x.p.cfg.JobQueue {
		return refuse("async job queue is full, please try again later")
	}
	id := newChatKey()
	x.accept(&job{id: id, finish: func(x *exchange, failed bool) []byte {
		if failed {
			return nil
		}
		return x.paint(req)
	}}, "/v1/async/jobs/"+id, req.Prompt)
	x.status, x.mute = http.StatusAccepted, true
	x.deliver("application/json", encode(asyncReply{ID: id, Status: jobPending}))
	return nil
}

// serveJob tells the owner of a job, and nobody else, how far it is.
func (p *Provider) serveJob(w http.ResponseWriter, r *http.Request, id string) {
	j, err := p.ownJob(r, id, false, "job not found")
	if err != nil {
		refusal := asRefusal(err)
		writeError(w, refusal.status, refusal.text)
		return
	}
	j.poll(p)
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.done() {
		w.Header().Set("Retry-After", "5")
	}
	if key := j.announced(p); key != "" && j.state == jobCompleted {
		w.Header().Set("ZG-Res-Key", key)
	}
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	writeJSON(w, http.StatusOK, asyncReply{
		ID: j.id, Status: j.state, Created: at(j.created), Updated: at(j.updated), Error: j.err, Data: j.result,
	})
}

// ownJob finds the job that the request's wallet has asked for.
func (p *Provider) ownJob(r *http.Request, id string, video bool, missing string) (*job, error) {
	user, err := p.authorize(r.Context(), r.Header)
	if err != nil {
		return nil, err
	}
	j, ok := p.jobs.get(id)
	switch {
	case !ok || (j.x.kind == zg.VideoGeneration) != video:
		return nil, refuseWith(http.StatusNotFound, missing)
	case j.x.user != user:
		return nil, refuseWith(http.StatusForbidden, "you can only query your own jobs")
	}
	return j, nil
}
