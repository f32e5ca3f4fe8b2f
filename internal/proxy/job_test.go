package proxy

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Whoever asks how far his job is lets the book know of its end; nothing else does.
func TestTheEndOfAJobIsSeenAsItsCallerAsks(t *testing.T) {
	long := `,"data":{"data":[{"b64_json":"` + strings.Repeat("A", 2*maxJobDocument) + `"}]}`
	for name, tc := range map[string]struct {
		path        string // async: images; else a video
		asked, told string
		status      int
		ends        bool
	}{
		"a video in the queue":   {asked: "/v1/videos/job_1", told: `{"id":"job_1","status":"queued"}`},
		"a video being made":     {asked: "/v1/videos/job_1", told: `{"id":"job_1","status":"in_progress","seconds":"4"}`},
		"a finished video":       {asked: "/v1/videos/job_1", told: `{"id":"job_1","status":"completed","seconds":"4","size":"1280x720"}`, ends: true},
		"a video that failed":    {asked: "/v1/videos/job_1", told: `{"id":"job_1","status":"failed"}`, ends: true},
		"no document":            {asked: "/v1/videos/job_1", told: `completed`},
		"another status":         {asked: "/v1/videos/job_1", told: `{"id":"job_1","status":"completed"}`, status: http.StatusPartialContent},
		"another job":            {asked: "/v1/videos/job_2", told: `{"id":"job_2","status":"completed"}`},
		"a document without end": {asked: "/v1/videos/job_1", told: `{"id":"job_1","status":"completed"` + long + `}`},
		"its content":            {asked: "/v1/videos/job_1/content", told: `{"id":"job_1","status":"completed"}`},
		"images being made":      {path: "async", asked: "/v1/async/jobs/job_1", told: `{"jobId":"job_1","status":"processing"}`},
		"finished images":        {path: "async", asked: "/v1/async/jobs/job_1", told: `{"jobId":"job_1","status":"completed"` + long + `}`, ends: true},
		"images behind the end":  {path: "async", asked: "/v1/async/jobs/job_1", told: `{"jobId":"job_1"` + long + `,"status":"completed"}`},
		"images that failed":     {path: "async", asked: "/v1/async/jobs/job_1", told: `{"createdAt":[1,{}],"status":"failed"}`, ends: true},
	} {
		t.Run(name, func(t *testing.T) {
			var answer atomic.Pointer[string]
			answer.Store(new(`{"id":"job_1","jobId":"job_1","status":"queued"}`))
			status := http.StatusOK
			r := newFetchRig(t, false, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if r.Method == http.MethodGet {
					w.WriteHeader(status)
				}
				_, _ = io.WriteString(w, *answer.Load())
			})
			r.server.cfg.Receipt = func(ctx context.Context, id string) (zg.AnswerReceipt, bool, error) {
				if err := r.store.Flush(); err != nil {
					return zg.AnswerReceipt{}, false, err
				}
				return r.store.ReceiptOfChat(ctx, id)
			}
			path, body := "/v1/videos", `{"model":"film-1","prompt":"a cat","seconds":"4"}`
			if tc.path == "async" {
				path, body = "/v1/async/images/generations", `{"model":"paint-1","prompt":"a cat"}`
			}
			made, text := r.do(http.MethodPost, path, "application/json", strings.NewReader(body))
			if made.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", made.StatusCode, text)
			}
			if left := time.Until(*r.record(made).JobUntil); left < 14*time.Minute || left > 20*time.Minute {
				t.Fatalf("the job runs for %s at most", left)
			}
			answer.Store(&tc.told)
			if tc.status != 0 {
				status = tc.status
			}
			resp, got := r.do(http.MethodGet, tc.asked, "", nil, providerHeader, r.record(made).Provider)
			if !tc.ends { // on the same connection, so the first is over
				resp, got = r.do(http.MethodGet, tc.asked, "", nil, providerHeader, r.record(made).Provider)
			}
			if resp.StatusCode != status || got != tc.told {
				t.Fatalf("%d %.200q, want what the provider said", resp.StatusCode, got)
			}
			ended := func() bool { return time.Until(*r.record(made).JobUntil) < 2*time.Minute }
			if tc.ends {
				r.until(t, ended)
			}
			if ended() != tc.ends {
				t.Errorf("runs until %s, it is %s", r.record(made).JobUntil, time.Now())
			}
		})
	}
}
