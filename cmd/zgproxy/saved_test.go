package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// readingsSaved waits until the daemon has saved each kind of reading.
func (w *world) readingsSaved() {
	w.Helper()
	w.eventually("saved", func() error {
		_, body := w.get(w.daemon.admin + "/metrics")
		ages := grep(body, "zgproxy_saved_reading_age_seconds{")
		if strings.Count(ages, "\n") != 2 || strings.Contains(ages, "} -1") {
			return errors.New(ages)
		}
		return nil
	})
}

// stoppedWithReadings has a daemon save its readings and end.
func (w *world) stoppedWithReadings() {
	w.Helper()
	first := w.child()
	w.readingsSaved()
	if err := first.stop(); err != nil {
		w.Fatal(err)
	}
}

// chainDown makes the RPC fail until the returned function is called.
func (w *world) chainDown() (up func()) {
	w.net.Chain.SetFault(func(string, []byte) *simchain.Fault { return &simchain.Fault{Status: http.StatusBadGateway} })
	return func() { w.net.Chain.SetFault(nil) }
}

func TestServesFromWhatWasReadLast(t *testing.T) {
	t.Parallel()
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed %v", killed), func(t *testing.T) {
			w := newWorld(t, devnet.Config{})
			first := w.child()
			w.readingsSaved()
			if killed {
				first.kill()
			} else if err := first.stop(); err != nil {
				t.Fatalf("the daemon ended with %v", err)
			}
			up := w.chainDown()
			defer up()

			w.child() // ready although there is no chain
			code, ready := w.get(w.daemon.admin + "/readyz")
			if code != http.StatusOK || !strings.Contains(ready, "served from the state of 20") {
				t.Errorf("/readyz = %d %s, want 200 that says from when", code, ready)
			}
			w.eventually("told why", func() error {
				if _, body := w.get(w.daemon.admin + "/readyz"); !strings.Contains(body, "the chain cannot be read: ") {
					return errors.New(body)
				}
				return nil
			})
			for _, body := range []string{streamBody, `{"model":"echo-1","messages":[{"role":"user","content":"Hello"}]}`} {
				resp, answer := w.post("/v1/chat/completions", "application/json", []byte(body))
				if resp.StatusCode != http.StatusOK {
					t.Fatalf("%d %s, want an answer while the chain is away", resp.StatusCode, answer)
				}
				rec := w.record(resp.Header.Get("X-Request-Id"), true)
				if rec.Basis != string(zg.FeeExact) || rec.Verdict != zg.VerdictVerified {
					t.Errorf("record = %+v, want it booked and verified", rec)
				}
			}
			if code, status := w.get(w.daemon.admin + "/v1/status"); code != http.StatusOK || !strings.Contains(status, `"read_at": "0001-01-01T00:00:00Z"`) {
				t.Errorf("/v1/status = %d %s, want no reading of the accounts: none was made", code, status)
			}

			up()
			w.eventually("read again", func() error {
				if _, body := w.get(w.daemon.admin + "/readyz"); strings.Contains(body, "served from") {
					return errors.New(body)
				}
				return nil
			})
			if resp, answer := w.post("/v1/chat/completions", "application/json", []byte(streamBody)); resp.StatusCode != http.StatusOK {
				t.Errorf("%d %s after the chain came back", resp.StatusCode, answer)
			}
		})
	}
}

func TestSavedReadingsOfAnotherRealmOrTooOldAreNotUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, devnet.Config{})
	w.stoppedWithReadings()
	defer w.chainDown()()
	notReady := func(why string) {
		t.Helper()
		d, err := w.tryChild()
		if err != nil {
			t.Fatal(err)
		}
		w.daemon = d
		w.eventually("waiting for the chain", func() error {
			if !strings.Contains(d.log.String(), "cannot be read yet") {
				return errors.New("no line about it")
			}
			return nil
		})
		if code, body := w.get(d.admin + "/readyz"); code != http.StatusServiceUnavailable {
			t.Errorf("%s: /readyz = %d %s, want 503", why, code, body)
		}
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
	}
	env := w.env
	w.env = append(slices.Clip(env), "ZGPROXY_PRIVATE_KEY="+strings.Repeat("1", 64))
	notReady("another wallet")
	w.env = append(slices.Clip(env), "ZGPROXY_INFERENCE_CONTRACT=0x00000000000000000000000000000000000000aa", "ZGPROXY_LEDGER_CONTRACT=0x00000000000000000000000000000000000000bb")
	notReady("other contracts")
	w.env = env
	w.inStore(func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, `UPDATE snapshots SET read_at = ?`, time.Now().Add(-maxSavedAge-time.Minute).UnixMicro())
		return err
	})
	notReady("eight days old")
	w.inStore(func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, `UPDATE snapshots SET read_at = ?, value = '[1'`, time.Now().UnixMicro())
		return err
	})
	notReady("damaged")
}

func TestWrongNetworkEndsADaemonThatServesSavedReadings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, devnet.Config{})
	w.stoppedWithReadings()
	w.net.Chain.SetFault(func(method string, _ []byte) *simchain.Fault {
		if method == "eth_chainId" {
			return &simchain.Fault{Delay: 300 * time.Millisecond, Result: []byte(`"0x1"`)}
		}
		return nil
	})
	defer w.net.Chain.SetFault(nil)
	d, err := w.tryChild()
	if err != nil {
		t.Fatal(err)
	}
	w.daemon = d
	if err := d.wait(); err == nil || !strings.Contains(d.log.String(), "does not serve the configured network") {
		t.Errorf("the daemon ended with %v\n%s\nwant it to name the wrong network", err, d.log)
	}
}

// Contracts that do not answer any more are those of yesterday, as far as is known: what was read from them goes on being served,
// and no money moves until they say again that they belong together. Without readings they are somebody's mistake.
func TestServesWhileTheContractsDoNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, devnet.Config{})
	w.stoppedWithReadings()
	w.mineSteadily()
	if err := w.net.Chain.Refuse(t.Context(), "getServiceInfo", nil); err != nil {
		t.Fatal(err)
	}
	d := w.child()
	if resp, answer := w.post("/v1/chat/completions", "application/json", []byte(streamBody)); resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", resp.StatusCode, answer)
	}
	w.eventually("told", func() error {
		if !strings.Contains(d.log.String(), "the contracts do not say whether they belong together") {
			return errors.New("no line about it")
		}
		return nil
	})
	if strings.Contains(d.log.String(), "transaction signed") {
		t.Errorf("money was moved:\n%s", d.log)
	}
	if err := w.net.Chain.Permit(t.Context(), "getServiceInfo"); err != nil {
		t.Fatal(err)
	}
	w.eventually("ready", func() error {
		if !strings.Contains(d.log.String(), `"message":"ready"`) {
			return errors.New("the chain is not read yet")
		}
		return nil
	})
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}

	if err := w.net.Chain.Refuse(t.Context(), "getServiceInfo", nil); err != nil {
		t.Fatal(err)
	}
	w.data = filepath.Join(t.TempDir(), "new")
	w.env = append(slices.Clip(w.env), "ZGPROXY_DATA_DIR="+w.data)
	d, err := w.tryChild()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.wait(); err == nil || !strings.Contains(d.log.String(), "does not answer as a ledger does") {
		t.Errorf("without readings the daemon ended with %v\n%s", err, d.log)
	}
}

// inStore changes the store of a daemon that does not run.
func (w *world) inStore(f func(context.Context, *sql.DB) error) {
	w.Helper()
	db, err := sql.Open("sqlite", filepath.Join(w.data, "spend.db"))
	if err != nil {
		w.Fatal(err)
	}
	if err := errors.Join(f(w.Context(), db), db.Close()); err != nil {
		w.Fatal(err)
	}
}

// fillStore adds finished requests to the store of a daemon that does not run, like one that is there, in the days before it.
func (w *world) fillStore(like string, n int) {
	w.Helper()
	w.inStore(func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, `INSERT INTO requests (opened_at, id, closed_at, state, basis, key, route, service_type, provider, model, stream,
				status, bound, fee, price_in, price_out, input_tokens, output_tokens, request_sha256, response_sha256, request_bytes, response_bytes,
				res_key, chat_id, first_byte_us, total_us, verdict)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?)
			SELECT opened_at - 1000000*i, 'req_' || printf('%028d', i), closed_at - 1000000*i, 'closed', 'free', key, route, service_type, provider,
				model, stream, status, bound, '0', price_in, price_out, input_tokens, output_tokens, request_sha256, response_sha256, request_bytes,
				response_bytes, res_key, chat_id, first_byte_us, total_us, verdict
			FROM requests, n WHERE id = ?`, n, like)
		if err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, `UPDATE totals SET requests = requests + ? WHERE provider = (SELECT provider FROM requests WHERE id = ?)`, n, like)
		return err
	})
}

func TestStartWithALongHistory(t *testing.T) {
	requests := 100_000
	if raced {
		requests = 10_000
	}
	w := newWorld(t, devnet.Config{})
	first := w.child()
	w.readingsSaved()
	resp, _ := w.post("/v1/chat/completions", "application/json", []byte(streamBody))
	id := resp.Header.Get("X-Request-Id")
	w.record(id, true)
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	w.fillStore(id, requests)
	store, err := billing.Open(t.Context(), w.data, billing.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if sum := store.Book().Provider(common.HexToAddress(w.lorem().Address().Hex())); sum.Requests < uint64(requests) {
		t.Errorf("the book holds %d requests, want %d at least", sum.Requests, requests)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	defer w.chainDown()()
	best := time.Hour
	for range 3 {
		began := time.Now()
		d := w.child()
		ready := time.Since(began)
		resp, answer := w.post("/v1/chat/completions", "application/json", []byte(streamBody))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", resp.StatusCode, answer)
		}
		t.Logf("with %d requests in the store and no chain: ready %v after the start, the first answer read after %v", requests, ready, time.Since(began))
		best = min(best, ready)
		d.kill()
	}
	// It should be well below a second; the bound is for slow machines and only finds a start that reads the history.
	if best > 20*time.Second {
		t.Errorf("ready after %v", best)
	}
}
