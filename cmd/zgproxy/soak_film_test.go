package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// soakFilms makes two providers sell videos. The jobs of one are done when somebody has asked for them; those of the
// other by themselves, after a while in which what they may cost is claimed.
func soakFilms(name string, p *simprovider.Config, s *simchain.ServiceParams) {
	unit := zg.OneOG.MulDiv(1, 1000).Add(zg.NeuronOf(237)) // multiples of which are not whole
	switch name {
	case "gamma":
		p.Model, p.JobPolls = "film-asked", 2
		p.Film = &simprovider.FilmPrices{
			Unit: zg.UnitSecond,
			Rows: []simprovider.FilmRow{{Resolution: "720p", Units: 1.1}, {Resolution: "1080p", Units: 2.77}},
		}
	case "delta":
		p.Model, p.JobDelay, p.ReserveOnRow = "film-alone", 30*time.Millisecond, true
		p.Film = &simprovider.FilmPrices{Unit: zg.UnitClip, Rows: []simprovider.FilmRow{
			{Resolution: "720p", Seconds: 6, Units: 8},
			{Resolution: "720p", Seconds: 10, Units: 13},
			{Resolution: "1080p", Seconds: 6, Units: 20},
		}}
	default:
		return
	}
	p.Type, p.Behaviour, p.Price, p.PriceList = zg.VideoGeneration, "", zg.Price{Output: unit}, true
	s.ServiceType, s.Model, s.AdditionalInfo = string(zg.VideoGeneration), p.Model, `{"MultiModel":true}`
	s.InputPrice, s.OutputPrice = zg.Neuron{}, unit
}

// soakJobs is what became of videos for their callers.
type soakJobs struct {
	models []string // that are sold

	turn                 atomic.Int64 // so that what each is like does not depend on luck
	begun, ended, failed atomic.Int64
	unasked              atomic.Int64 // nobody has asked how far they are
	unknown              atomic.Int64 // nobody has learned their ids, where there were any

	mu   sync.Mutex
	seen map[string]bool // the ids of those whose ends their callers saw, and whether they failed
}

// film asks for a video, and as a rule for how far it is until it is done; false means that it was refused. Of sixteen,
// two fail, the answer to one breaks off and one has a caller who does not wait for it. One in four is never asked for.
func (s *soak) film(client *http.Client, random *rand.Rand) bool {
	prompt := "the sea"
	ctx, leave := context.WithCancel(s.Context())
	defer leave()
	turn := s.jobs.turn.Add(1)
	switch turn % 16 {
	case 4, 12:
		prompt = "fail: the sea"
	case 2:
		prompt = "the sea fault:" + string(simprovider.ResetMidStream)
	case 3:
		defer time.AfterFunc(time.Duration(random.Int64N(int64(3*time.Millisecond))), leave).Stop()
	}
	body := fmt.Sprintf(`{"model":%q,"prompt":%q,"seconds":%d,"size":%q}`, s.jobs.models[random.IntN(len(s.jobs.models))],
		prompt, 4+random.IntN(7), []string{"720p", "1080p"}[random.IntN(2)])
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.daemon.api+"/v1/videos", strings.NewReader(body))
	if err != nil {
		s.Error(err)
		return true
	}
	req.Header.Set("Content-Type", "application/json")
	status, answer, err := answerOf(client, req)
	var made struct{ ID string }
	switch {
	case err == nil && status == http.StatusOK && json.Unmarshal(answer, &made) == nil:
	case err == nil && status != http.StatusBadGateway: // of an answer that broke off nothing was passed on
		s.refused.Add(1)
		return false
	default:
		s.jobs.unknown.Add(1)
		return true
	}
	s.jobs.begun.Add(1)
	if turn%4 == 1 {
		s.jobs.unasked.Add(1)
		return true
	}
	s.askFor(client, made.ID)
	return true
}

// answerOf is the whole of an answer.
func answerOf(client *http.Client, req *http.Request) (status int, body []byte, err error) {
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, errors.Join(err, resp.Body.Close())
}

// askFor asks how far a video is until it has ended. Its provider may be away meanwhile.
func (s *soak) askFor(client *http.Client, id string) {
	err := poll(5*time.Millisecond, patience, nil, func() error {
		req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.daemon.api+"/v1/videos/"+id, nil)
		if err != nil {
			return err
		}
		status, answer, err := answerOf(client, req)
		if err != nil {
			return err
		}
		var is struct{ Status string }
		if err := json.Unmarshal(answer, &is); err != nil || status != http.StatusOK {
			return fmt.Errorf("%d %.200s: %w", status, answer, err)
		}
		switch is.Status {
		case "completed":
			s.jobs.ended.Add(1)
		case "failed":
			s.jobs.failed.Add(1)
		default:
			return errors.New(is.Status)
		}
		s.jobs.mu.Lock()
		defer s.jobs.mu.Unlock()
		s.jobs.seen[id] = is.Status == "failed"
		return nil
	})
	if err != nil {
		s.Errorf("video %s does not end: %v", id, err)
	}
}

// jobsGoBy lets all jobs end that end by themselves, and then the longest time that a job may take go by.
func (s *soak) jobsGoBy() {
	s.Helper()
	for _, i := range s.sims {
		p := s.net.Providers[i]
		if p.Model() != "film-alone" {
			continue
		}
		s.eventually("done with its jobs", func() error {
			if begun, ended := jobsOf(p); len(ended) < begun {
				return fmt.Errorf("%d jobs of %d", len(ended), begun)
			}
			return nil
		})
	}
	if err := s.daemon.stop(); err != nil {
		s.Fatal(err)
	}
	s.inStore(func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, `UPDATE requests SET job_until = opened_at WHERE job_until IS NOT NULL`)
		return err
	})
	s.child()
}

// jobsOf is how many jobs a provider has begun, and the fees of those that have ended.
func jobsOf(p *simprovider.Provider) (begun int, ended map[string]zg.Neuron) {
	ended = map[string]zg.Neuron{}
	all, _ := p.ExchangesSince(0)
	for _, x := range all {
		if id, of := strings.CutPrefix(x.Path, "/videos/"); of {
			ended[id] = x.Fee
		} else if x.Status == http.StatusOK {
			begun++
		}
	}
	return begun, ended
}

// compareJobs: of a job whose end was seen the book has exactly what its provider billed, which is nothing for one that
// failed.
func (s *soak) compareJobs() {
	s.Helper()
	db := s.store()
	defer func() { _ = db.Close() }() // only read
	fees := map[string]zg.Neuron{}
	for _, i := range s.sims {
		if p := s.net.Providers[i]; p.Type() == zg.VideoGeneration {
			_, ended := jobsOf(p)
			maps.Copy(fees, ended)
		}
	}
	for id, failed := range s.jobs.seen {
		var basis string
		var cost zg.Neuron
		err := db.QueryRowContext(s.Context(), `SELECT basis, COALESCE(settled, fee) FROM requests WHERE chat_id = ?`, id).
			Scan(&basis, &cost)
		fee, ok := fees[id]
		if err != nil || !ok || fee != cost || failed != fee.IsZero() {
			s.Errorf("video %s (failed: %v) costs %s, %s; its provider has it at %s (%v): %v",
				id, failed, cost, basis, fee, ok, err)
		}
	}
	j := &s.jobs
	if j.ended.Load() == 0 || j.failed.Load() == 0 || j.unasked.Load() == 0 || j.unknown.Load() == 0 {
		s.Error("no video ended, none failed, each was asked for, or each one's id was learned: this shows nothing")
	}
	s.Logf("videos: the ids of %d were learned, %d of them seen to end, %d to fail, %d never asked for; "+
		"of %d more nobody learned an id",
		j.begun.Load(), j.ended.Load(), j.failed.Load(), j.unasked.Load(), j.unknown.Load())
}
