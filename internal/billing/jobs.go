package billing

import (
	"database/sql/driver"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// A job is billed when it is done, and until then its provider claims nothing for it. So what a claim says while one
// runs is no figure for it: a job stays under way until its end was seen, or until its longest time is over.
const (
	longestVideo  = 20 * time.Minute // providers give a video up after that
	longestImages = 15 * time.Minute // the same for images that are made asynchronously
	// jobGrace is how long after its end a job whose fee is not known counts as running: providers look for the ends of
	// their jobs by themselves, and bill them then.
	jobGrace = time.Minute
)

// jobTime is how long the job of a request may take at most; zero: it makes none.
func jobTime(t zg.ServiceType, path string) time.Duration {
	switch {
	case t == zg.VideoGeneration:
		return longestVideo
	case strings.HasPrefix(path, "/v1/async/"):
		return longestImages
	}
	return 0
}

// jobUntil is until when the request's job may run, µs since 1970; 0: there is none. A request of which nobody knows
// what became of it may have begun one.
func (r *request) jobUntil() int64 {
	longest := jobTime(r.order.Type, r.order.Route)
	if longest == 0 || r.booking.Fee.IsZero() {
		return 0
	}
	return r.closed + longest.Microseconds()
}

// JobEnd is how a job ended, as its provider says.
type JobEnd struct {
	Provider common.Address
	ID       string
	Known    bool      // what it costs is known …
	Fee      zg.Neuron // … and it is this; no more than the request's bound counts
}

// running are the providers that have jobs under way.
func (s *Store) running(now time.Time) (map[common.Address]bool, error) {
	var out map[common.Address]bool
	err := s.writer.do(false, func(db *session) error {
		out = make(map[common.Address]bool)
		return db.query(`SELECT DISTINCT provider FROM requests WHERE job_until > ?`, func(row []driver.Value) error {
			name, _ := row[0].(string)
			out[common.HexToAddress(name)] = true
			return nil
		}, micros(now))
	})
	if err != nil {
		return nil, fmt.Errorf("look for jobs under way: %w", err)
	}
	return out, nil
}

// endJob takes note that a job is over, and of what it costs where that is known: that is what is expected to be taken
// for it from then on. What was recorded stays recorded. found is false where no such job is under way, which is so
// once its end was noted.
func (s *Store) endJob(e JobEnd, now time.Time) (found bool, err error) {
	err = s.writer.do(false, func(db *session) error {
		var key int64
		var booked zg.Neuron
		estimated := false
		found = false
		err := db.query(`SELECT opened_at, fee, basis, settled FROM requests WHERE job_until > ? AND provider = ? AND chat_id = ?
			AND state = 'closed' ORDER BY opened_at DESC LIMIT 1`, func(row []driver.Value) error {
			found = true
			key, _ = row[0].(int64)
			basis, _ := row[2].(string)
			estimated = basis == string(zg.FeeEstimated) && row[3] == nil
			return booked.Scan(row[1])
		}, micros(now), e.Provider.Hex(), e.ID)
		if err != nil || !found {
			return err
		}
		a, err := db.account(e.Provider)
		if err != nil {
			return err
		}
		until := now
		// What is not matched, because it is older than matching, is not corrected either.
		if matched := a.block > 0 && key > a.through; !e.Known || !estimated || !matched {
			until = now.Add(jobGrace)
		} else {
			fee := e.Fee.Min(booked)
			a.corrected = a.corrected.Add(booked.Sub(fee))
			if _, err := db.exec(`UPDATE requests SET settled = ? WHERE opened_at = ?`, fee.String(), key); err != nil {
				return err
			}
			if err := db.saveAccount(&a); err != nil {
				return err
			}
		}
		_, err = db.exec(`UPDATE requests SET job_until = MIN(job_until, ?) WHERE opened_at = ?`, micros(until), key)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("record the end of a job: %w", err)
	}
	return found, nil
}

// JobEnded takes note of the end of a job. The keeper then looks at the provider again.
func (m *Meter) JobEnded(e JobEnd) {
	found, err := m.store.endJob(e, m.cfg.Now())
	if err != nil {
		m.cfg.Log.Error().Err(err).Str("job", e.ID).Msg("the end of a job was not recorded; it counts as running for its longest time")
		return
	}
	if found {
		m.cfg.Log.Debug().Str("job", e.ID).Str("provider", m.name(e.Provider)).Bool("fee_known", e.Known).Stringer("fee_neuron", e.Fee).Msg("a job has ended")
		m.cfg.Nudge()
	}
}
