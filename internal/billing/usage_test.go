package billing

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// fillForUsage puts four requests into a new store: three on one day, of them one estimated and one free, and one open on the next.
func fillForUsage(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMeter(s, MeterConfig{})
	exact, free := answered(), Outcome{Status: 429, Reached: true}
	lost := answered()
	lost.Usage, lost.Complete = zg.Usage{}, false
	mustOpen(t, m, order("exact", alice)).Close(exact)
	mustOpen(t, m, order("lost", alice)).Close(lost)
	other := order("free", bob)
	other.Model, other.Key = "lorem", ""
	mustOpen(t, m, other).Close(free)
	mustOpen(t, m, order("open", alice))
	check(t, s)
	day := time.Date(2026, 11, 1, 23, 0, 0, 0, time.UTC)
	if err := s.writer.do(false, func(db *session) error {
		for i, id := range []string{"exact", "lost", "free", "open"} {
			at := day.Add(time.Duration(i) * 20 * time.Minute) // the open one is after midnight
			if _, err := db.exec(`UPDATE requests SET opened_at = ? WHERE id = ?`, micros(at), id); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	s := fillForUsage(t, dir)
	fee := mustRecord(t, s, "exact").Fee
	bound := mustRecord(t, s, "lost").Bound
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	since := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	qwen := Usage{Requests: 2, InputTokens: 31, OutputTokens: 9, Fees: fee.Add(bound), Estimated: 1, EstimatedFees: bound}
	all := qwen
	all.Requests, all.Open, all.Free = 3, 1, 1
	open := Usage{Day: "2026-11-02", Model: "qwen", Open: 1}
	named := func(u Usage, f func(*Usage)) Usage { f(&u); return u }
	for name, tt := range map[string]struct {
		since, until time.Time
		by           UsageBy
		want         []Usage
	}{
		"all of it": {since, time.Time{}, UsageBy{}, []Usage{all}},
		"by day and model": {since, time.Time{}, UsageBy{Day: true, Model: true}, []Usage{
			{Day: "2026-11-01", Model: "lorem", Requests: 1, Free: 1}, named(qwen, func(u *Usage) { u.Day, u.Model = "2026-11-01", "qwen" }), open,
		}},
		"by provider and key": {since, time.Time{}, UsageBy{Provider: true, Key: true}, []Usage{
			{Provider: bob.Hex(), Requests: 1, Free: 1}, named(qwen, func(u *Usage) { u.Provider, u.Key, u.Open = alice.Hex(), "abcdef01", 1 }),
		}},
		"until midnight": {since, since.AddDate(0, 0, 1), UsageBy{}, []Usage{named(all, func(u *Usage) { u.Open = 0 })}},
		"since midnight": {since.AddDate(0, 0, 1), time.Time{}, UsageBy{Day: true, Model: true}, []Usage{open}},
		"nothing":        {since.AddDate(1, 0, 0), time.Time{}, UsageBy{Day: true}, []Usage{}},
	} {
		got, err := r.Usage(t.Context(), tt.since, tt.until, tt.by)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tt.want, got, compareAmounts); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// filesIn lists a directory.
func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, 0, len(entries))
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestReaderLeavesNoTrace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := OpenReadOnly(t.Context(), dir); !errors.Is(err, ErrNoStore) {
		t.Fatalf("OpenReadOnly without a directory: %v, want ErrNoStore", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the directory was created (%v)", err)
	}
	s := fillForUsage(t, dir)
	read := func(when string) {
		t.Helper()
		before := filesIn(t, dir)
		r, err := OpenReadOnly(t.Context(), dir)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		got, err := r.Usage(t.Context(), time.Time{}, time.Time{}, UsageBy{})
		if err != nil || len(got) != 1 || got[0].Requests != 3 {
			t.Errorf("%s: %+v, %v; want 3 requests", when, got, err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if after := filesIn(t, dir); !slices.Equal(before, after) {
			t.Errorf("%s: the directory held %q, now %q", when, before, after)
		}
	}
	read("while a daemon has it open")
	if held, pid := LockHolder(dir); !held || pid != strconv.Itoa(os.Getpid()) {
		t.Errorf("LockHolder = %v, %q; want this process", held, pid)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	read("while nobody has it open")
	if held, _ := LockHolder(dir); held {
		t.Error("LockHolder finds one in a directory that nobody uses")
	}
}

func TestReaderKnowsItsSchema(t *testing.T) {
	for version, want := range map[int]error{99: ErrNewerSchema, 1: ErrOlderSchema} {
		dir := t.TempDir()
		s, err := Open(t.Context(), dir, StoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.writer.do(false, func(db *session) error {
			_, err := db.exec(`DELETE FROM schema_version`)
			if err == nil {
				_, err = db.exec(`INSERT INTO schema_version (version, name, applied_at) VALUES (?, 'another', 0)`, int64(version))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenReadOnly(t.Context(), dir); !errors.Is(err, want) {
			t.Errorf("version %d: %v, want %v", version, err, want)
		}
	}
}
