package billing

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func TestStoreRefusesSecondInstance(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	if _, err := Open(t.Context(), dir, StoreOptions{}); !errors.Is(err, ErrLocked) {
		t.Fatalf("Open while another is open: %v, want ErrLocked", err)
	}
	mustOpen(t, NewMeter(s, MeterConfig{}), order("a", alice)).Close(answered()) // the refused one did no harm
}

func TestStoreReopens(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		s, err := Open(t.Context(), dir, StoreOptions{})
		if err != nil {
			t.Fatalf("Open %d: %v", i, err)
		}
		mustOpen(t, NewMeter(s, MeterConfig{}), order(fmt.Sprint("r", i), alice)).Close(answered())
		check(t, s)
		if sum := s.Book().Provider(alice); sum.Requests != uint64(i)+1 {
			t.Errorf("start %d: %d requests in the book", i, sum.Requests)
		}
		if err := s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	for name, want := range map[string]os.FileMode{"": 0o700 | os.ModeDir, storeName: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if name != "" && info.Mode() != want {
			t.Errorf("%q has mode %v, want %v", name, info.Mode(), want)
		}
	}
}

func TestStoreCreatesPrivateDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "with space & ?")
	openStore(t, dir)
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the data directory has mode %v, want 0700", info.Mode().Perm())
	}
	if _, err := os.Stat(filepath.Join(dir, storeName)); err != nil {
		t.Errorf("the database is not in the directory: %v", err)
	}
}

func TestStoreRefusesNewerSchema(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.writer.do(false, func(db *session) error {
		_, err := db.exec(`INSERT INTO schema_version (version, name, applied_at) VALUES (99, 'from the future', 0)`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, StoreOptions{}); !errors.Is(err, ErrNewerSchema) {
		t.Fatalf("Open = %v, want ErrNewerSchema", err)
	}
	// The refusal gave the lock back.
	f, err := lockDir(dir)
	if err != nil {
		t.Fatalf("the directory is still locked: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestStoreRecord(t *testing.T) {
	s := openStore(t, t.TempDir())
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := NewMeter(s, MeterConfig{Now: func() time.Time { return now }})
	r := mustOpen(t, m, order("req_1", alice))
	open := mustRecord(t, s, "req_1")
	if open.State != "open" || open.Fee != nil || open.ClosedAt != nil || open.Bound != order("", alice).Bound {
		t.Errorf("the open record is %+v", open)
	}
	now = now.Add(time.Second)
	r.Close(answered())
	m.SetVerdict("req_1", verified("ok"))
	fee, closed := zg.NeuronOf(13620000000000), now
	want := Record{
		ID: "req_1", OpenedAt: now.Add(-time.Second), ClosedAt: &closed, State: "closed", Basis: zg.FeeExact, Key: "abcdef01",
		Route: "/v1/chat/completions", Type: zg.Chatbot, Provider: alice.Hex(), Model: "qwen", Stream: true, Status: 200,
		Bound: order("", alice).Bound, Fee: &fee, PriceIn: chatPrice.Input, PriceOut: chatPrice.Output, InputTokens: 31, OutputTokens: 9,
		RequestSHA256: "01" + strings.Repeat("00", 31), ResponseSHA256: "02" + strings.Repeat("00", 31), RequestBytes: 200, ResponseBytes: 900,
		ResKey: "3f1f2f3f-1111-2222-3333-444455556666", ChatID: "chatcmpl-1", FirstByteUs: 1500, TotalUs: 2500,
		Verdict: zg.VerdictVerified, VerdictCode: "ok", Signer: bob.Hex(), VerdictAt: &closed,
	}
	if diff := cmp.Diff(want, mustRecord(t, s, "req_1"), compareAmounts); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if _, ok, err := s.Request(t.Context(), "unknown"); ok || err != nil {
		t.Errorf("Request(unknown): found %v, err %v", ok, err)
	}
}

func TestVerdictBeforeClose(t *testing.T) {
	s := openStore(t, t.TempDir())
	m := NewMeter(s, MeterConfig{})
	r := mustOpen(t, m, order("a", alice))
	m.SetVerdict("a", zg.Judgement{Verdict: zg.VerdictInvalid, Code: "digest"})
	out := answered()
	out.Verdict = zg.VerdictPending
	r.Close(out)
	if got := mustRecord(t, s, "a"); got.Verdict != zg.VerdictInvalid || got.Signer != "" {
		t.Errorf("verdict %q by %q, want the one that was set before the close", got.Verdict, got.Signer)
	}
}

// Many requests at once: all are recorded, in fewer commits than records.
func TestStoreGroupsCommits(t *testing.T) {
	reg := prometheus.NewRegistry()
	s, err := Open(t.Context(), t.TempDir(), StoreOptions{Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	m := NewMeter(s, MeterConfig{Registerer: reg})
	const each, workers = 40, 16
	// While the writer is held, everything else has to gather.
	hold := make(chan struct{})
	held := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.writer.do(false, func(*session) error { close(held); <-hold; return nil }); err != nil {
			t.Errorf("task: %v", err)
		}
	})
	<-held
	for i := range workers {
		wg.Go(func() {
			for j := range each {
				p := alice
				if j%2 == 1 {
					p = bob
				}
				r, err := m.Open(context.Background(), order(fmt.Sprintf("r-%d-%d", i, j), p))
				if err != nil {
					t.Errorf("Open: %v", err)
					return
				}
				r.Close(answered())
			}
		})
	}
	for queued := 0; queued < workers; {
		s.writer.mu.Lock()
		queued = len(s.writer.queue)
		s.writer.mu.Unlock()
	}
	close(hold)
	wg.Wait()
	check(t, s)
	sum := s.Book().Provider(alice)
	if sum.Requests != each*workers/2 || sum.Open != 0 || !sum.Held.IsZero() {
		t.Errorf("the book has %+v, want %d requests and nothing open", sum, each*workers/2)
	}
	if n := testutil.CollectAndCount(reg, "zgproxy_store_batch_size"); n != 1 {
		t.Errorf("batch size is exported %d times", n)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "zgproxy_store_batch_size" {
			h := f.GetMetric()[0].GetHistogram()
			if h.GetSampleSum() < 2*each*workers || float64(h.GetSampleCount()) >= h.GetSampleSum() {
				t.Errorf("%v records in %d commits, want at least %d and fewer commits than records", h.GetSampleSum(), h.GetSampleCount(), 2*each*workers)
			}
		}
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(fmt.Sprintf(`
# HELP zgproxy_held_neuron Sum of the upper bounds of the fees of requests under way.
# TYPE zgproxy_held_neuron gauge
zgproxy_held_neuron{provider="%s"} 0
zgproxy_held_neuron{provider="%s"} 0
`, bob.Hex(), alice.Hex())), "zgproxy_held_neuron"); err != nil {
		t.Error(err)
	}
}

// An id that is used again makes another request: the money of both counts, and the newer one is found by it.
func TestStoreSameIDTwice(t *testing.T) {
	s := openStore(t, t.TempDir())
	m := NewMeter(s, MeterConfig{})
	for _, id := range []string{"same", "same", "req_01a20e17da5ca2bd1ecc54673af5", "req_01a20e17da5ca2bd1ecc54673af5"} {
		mustOpen(t, m, order(id, alice)).Close(answered())
		check(t, s)
	}
	last := mustOpen(t, m, order("same", alice))
	if got := mustRecord(t, s, "same"); got.State != "open" {
		t.Errorf("the newest of three is %s, want open", got.State)
	}
	last.Close(Outcome{})
	if sum := s.Book().Provider(alice); sum.Requests != 5 {
		t.Errorf("the book has %+v, want 5 requests", sum)
	}
}

// A request is found by an id that begins with its time, by one that begins with another time, and by one without.
func TestStoreFindsByID(t *testing.T) {
	s := openStore(t, t.TempDir())
	m := NewMeter(s, MeterConfig{})
	ids := []string{fmt.Sprintf("req_%012xa2bd1ecc54673af5", time.Now().UnixMilli()), "req_01a20e17da5ca2bd1ecc54673af5", "req_zz", "req_", "", "plain"}
	for _, id := range ids {
		out := answered()
		out.Verdict = zg.VerdictPending
		mustOpen(t, m, order(id, alice)).Close(out)
	}
	for i, id := range ids {
		if i%2 == 0 { // one that was closed here, and one that was not
			m.judging.Delete(id)
		}
		m.SetVerdict(id, verified("ok"))
		if got := mustRecord(t, s, id); got.ID != id || got.Verdict != zg.VerdictVerified {
			t.Errorf("%q: found %q, verdict %s", id, got.ID, got.Verdict)
		}
	}
	if _, ok, err := s.Request(t.Context(), "req_01a20e17da5ca2bd1ecc54673af6"); ok || err != nil {
		t.Errorf("an id nobody has: %v, %v", ok, err)
	}
}

// A close record counts once, however often it is written.
func TestStoreCountsACloseOnce(t *testing.T) {
	s := openStore(t, t.TempDir())
	r := mustOpen(t, NewMeter(s, MeterConfig{}), order("a", alice))
	r.Close(answered())
	if _, err := s.writer.put(op{close: &r.row}); err != nil {
		t.Fatal(err)
	}
	check(t, s)
}
