package billing

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"
)

// badFile is a file on a disk with no room: half of what is written arrives.
type badFile struct {
	logFile
	full, stuck *atomic.Bool // nothing can be written; nothing can be emptied
}

func (f badFile) WriteAt(b []byte, at int64) (int, error) {
	if !f.full.Load() {
		return f.logFile.WriteAt(b, at)
	}
	n, err := f.logFile.WriteAt(b[:len(b)/2], at)
	return n, errors.Join(err, errDisk)
}

func (f badFile) Truncate(size int64) error {
	if f.stuck.Load() {
		return errDisk
	}
	return f.logFile.Truncate(size)
}

// badLog puts the open log of a store at rest on a bad disk.
func badLog(t *testing.T, s *Store) (full, stuck *atomic.Bool) {
	t.Helper()
	full, stuck = new(atomic.Bool), new(atomic.Bool)
	if err := s.writer.do(false, func(*session) error {
		s.writer.opening.Lock()
		defer s.writer.opening.Unlock()
		for i, f := range s.writer.opens.files {
			s.writer.opens.files[i] = badFile{f, full, stuck}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return full, stuck
}

// Where the record can't be written the request is refused, holds nothing, and does not come back.
func TestOpenLogFullDisk(t *testing.T) {
	for _, alsoStuck := range []bool{false, true} {
		t.Run(fmt.Sprint(alsoStuck), func(t *testing.T) {
			dir := t.TempDir()
			var logged bytes.Buffer
			s, err := Open(t.Context(), dir, StoreOptions{Log: zerolog.New(&logged)})
			if err != nil {
				t.Fatal(err)
			}
			m := NewMeter(s, MeterConfig{})
			full, stuck := badLog(t, s)
			running := mustOpen(t, m, order("running", alice))
			full.Store(true)
			stuck.Store(alsoStuck)
			for i := range 3 {
				_, err := m.Open(t.Context(), order(fmt.Sprint("refused", i), alice))
				var refused *Refused
				if !errors.As(err, &refused) || refused.Kind != RefusedStore || !errors.Is(err, ErrStore) || !errors.Is(err, errDisk) {
					t.Fatalf("Open on a full disk: %v, want it refused with ErrStore and the cause", err)
				}
			}
			if !errors.Is(s.Err(), ErrStore) {
				t.Errorf("Err = %v, want ErrStore", s.Err())
			}
			if sum := s.Book().Provider(alice); sum.Open != 1 {
				t.Errorf("the book has %+v, want one open", sum)
			}
			running.Close(answered()) // SQLite is well
			if r := mustRecord(t, s, "running"); r.State != "closed" {
				t.Errorf("the request that ran is %s", r.State)
			}
			if n := restarted(t, crashed(t, dir)); n != 0 {
				t.Errorf("after a kill %d requests are open, want none", n)
			}
			full.Store(false)
			stuck.Store(false)
			mustOpen(t, m, order("x", alice))
			if err := s.Err(); err != nil {
				t.Errorf("Err = %v, want nil", err)
			}
			if n := restarted(t, crashed(t, dir)); n != 1 {
				t.Errorf("after a kill %d requests are open, want one", n)
			}
			check(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(logged.String(), `"level":"error"`); n != 1 {
				t.Errorf("the failure is logged %d times, want once:\n%s", n, &logged)
			}
		})
	}
}

// The files take turns; at no point of a turn does a kill lose or double a request.
func TestOpenLogTurns(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	m := NewMeter(s, MeterConfig{})
	disk := faulty(t, s)
	_, stuck := badLog(t, s)
	opened := 0
	open := func(n int) {
		for range n {
			o := order(fmt.Sprint("r", opened), alice)
			o.Model = strings.Repeat("m", 4000)
			mustOpen(t, m, o)
			opened++
		}
	}
	sizes := func() [2]int64 { return [2]int64{logSize(t, dir, openLogNames[0]), logSize(t, dir, openLogNames[1])} }
	killed := func(when string) {
		t.Helper()
		if n := restarted(t, crashed(t, dir)); n != opened {
			t.Errorf("killed %s: %d requests are open, want %d", when, n, opened)
		}
	}
	release := hold(t, s)
	open(70)
	killed("before anything is committed")
	release()
	disk.Store(&fault{at: "COMMIT"})
	if err := s.Flush(); !errors.Is(err, ErrStore) {
		t.Fatalf("Flush = %v", err)
	}
	if got := sizes(); got[0] < turnAt || got[1] != 0 {
		t.Errorf("a commit has failed and the files have %d bytes", got)
	}
	killed("after a turn whose commit failed")
	disk.Store(nil)
	stuck.Store(true)
	check(t, s)
	open(70)
	check(t, s)
	if got := sizes(); got[0] < turnAt || got[1] < turnAt {
		t.Errorf("a file can't be emptied and the files have %d bytes", got)
	}
	killed("with both files full")
	stuck.Store(false)
	check(t, s) // empties the first
	check(t, s) // turns to it, and empties the second
	if got := sizes(); got != [2]int64{} {
		t.Errorf("all is committed and the files have %d bytes", got)
	}
	killed("with the log empty")
	for range 5 {
		open(70)
		check(t, s)
		killed("after another turn")
		if got := sizes(); got[0]+got[1] > 2*turnAt {
			t.Errorf("the files have grown to %d bytes", got)
		}
	}
}
