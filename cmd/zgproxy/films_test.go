package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// filmed is a video that was asked for, and what its provider bills for it.
type filmed struct {
	id       string
	provider *simprovider.Provider
	billed   zg.Neuron
}

// film asks for a video and returns how it was recorded, and its job.
func (w *world) film(t *testing.T, model, prompt, asked string) (booked record, job string) {
	t.Helper()
	body := `{"model":"` + model + `","prompt":"` + prompt + `",` + asked + `}`
	a := w.ask(t, http.MethodPost, w.daemon.api+"/v1/videos", "application/json", body)
	var made struct{ ID string }
	if err := json.Unmarshal(a.body, &made); err != nil || a.status != http.StatusOK {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	w.atRest(w.provider(model))
	return w.record(a.header.Get("X-Request-Id"), false), made.ID
}

// jobEnds waits until the end of a job is on record. Where its own figures say what it costs, that is expected of it at once.
func (w *world) jobEnds(t *testing.T, id string, billed zg.Neuron, known bool) {
	t.Helper()
	var rec record
	w.eventually("the end of the job is on record", func() error {
		if rec = w.record(id, false); rec.JobUntil.IsZero() || time.Until(rec.JobUntil) > 2*time.Minute {
			return fmt.Errorf("it runs until %s", rec.JobUntil)
		}
		return nil
	})
	if (rec.Settled != nil) != known || known && *rec.Settled != billed {
		t.Errorf("%v is expected of the job, known is %v; the provider bills %s", rec.Settled, known, billed)
	}
}

// filmsArePaid lets the time of all jobs go by. Then the book has what the providers bill, by what they claim, and after they
// have taken it: for each video, for each provider and in sum.
func (w *world) filmsArePaid(t *testing.T, films []filmed) {
	t.Helper()
	if err := w.daemon.stop(); err != nil {
		t.Fatal(err)
	}
	w.inStore(func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, `UPDATE requests SET job_until = opened_at WHERE job_until IS NOT NULL`)
		return err
	})
	w.inProcess()
	sums := map[common.Address]int{} // videos
	for _, f := range films {
		sums[f.provider.Address()]++
	}
	costs := func(taken bool) error {
		r, err := billing.OpenReadOnly(w.Context(), w.data)
		if err != nil {
			return err
		}
		defer func() { _ = r.Close() }() // it is only read
		got := map[common.Address]zg.Neuron{}
		for _, f := range films {
			p := f.provider.Address()
			receipt, ok, err := r.Receipt(w.Context(), f.id)
			if err != nil || !ok {
				return fmt.Errorf("receipt of %s: %v, %w", f.id, ok, err)
			}
			cost := *receipt.Cost()
			if got[p] = got[p].Add(cost); f.provider.Model() != "film-ratio" && cost != f.billed { // of those, only the sum is known
				return fmt.Errorf("%s of %s costs %s, billed %s", f.id, f.provider.Model(), cost, f.billed)
			}
			if taken && receipt.Settled == nil {
				return fmt.Errorf("%s of %s is not settled", f.id, f.provider.Model())
			}
		}
		for _, f := range films {
			if p := f.provider.Address(); got[p] != f.provider.Billed(devnet.Wallet()) {
				return fmt.Errorf("%d videos of %s cost %s, billed %s", sums[p], f.provider.Model(), got[p], f.provider.Billed(devnet.Wallet()))
			}
		}
		rows, err := r.Usage(w.Context(), time.Time{}, time.Time{}, billing.UsageBy{Provider: true})
		if err != nil {
			return err
		}
		for _, u := range rows {
			p := common.HexToAddress(u.Provider)
			if sums[p] > 0 && (u.Fees != got[p] || u.Estimated != 0 || u.Requests != int64(sums[p])) {
				return fmt.Errorf("usage %+v; want %d requests for %s", u, sums[p], got[p])
			}
		}
		return nil
	}
	w.eventually("expected as it is claimed", func() error { return costs(false) })
	for _, f := range films {
		if err := f.provider.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.eventually("taken", func() error { return costs(true) })
	r := w.report()
	for p := range sums {
		if drift := r.sub(p).Drift; drift == nil || !drift.Neuron.IsZero() {
			t.Errorf("drift of %s is %v", p, drift)
		}
	}
}
