package billing

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// hold keeps the writer from writing, and returns what lets it go on.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.writer.do(false, func(*session) error { close(held); <-free; return nil }); err != nil {
			t.Errorf("hold: %v", err)
		}
	})
	<-held
	release = sync.OnceFunc(func() { close(free); wg.Wait() })
	t.Cleanup(release)
	return release
}

// crashed is what a kill at this moment leaves behind. The writer must be at rest.
func crashed(t *testing.T, dir string) string {
	t.Helper()
	left := t.TempDir()
	for _, name := range []string{storeName, storeName + "-wal", openLogNames[0], openLogNames[1]} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(left, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return left
}

// restarted opens what a crash left, checks it, and returns how many requests are open.
func restarted(t *testing.T, dir string) int {
	t.Helper()
	s, err := Open(t.Context(), dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	check(t, s)
	for _, name := range openLogNames {
		if n := logSize(t, dir, name); n != 0 {
			t.Errorf("after a start %s has %d bytes, want none", name, n)
		}
	}
	open := s.Book().Provider(alice).Open
	if n, err := NewMeter(s, MeterConfig{}).Recover(t.Context()); err != nil || n != open {
		t.Errorf("Recover = %d, %v; want %d", n, err, open)
	}
	check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open
}

// logSize is how much a file of the open log holds.
func logSize(t *testing.T, dir, name string) int64 {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(bytes.TrimRight(data, "\x00")))
}

func row(i int) *request {
	o := order(fmt.Sprintf("req-%d", i), alice)
	return &request{
		order: o, opened: 1_700_000_000_000_000 + int64(i), providerText: alice.Hex(), bound: o.Bound.String(),
		priceIn: o.Price.Input.String(), priceOut: o.Price.Output.String(),
	}
}

// rowText is what is written of a row.
func rowText(r *request) string {
	o := &r.order
	return fmt.Sprintln(r.opened, o.ID, o.Key, o.Route, o.Type, r.providerText, o.Model, o.Stream, r.bound, r.priceIn, r.priceOut, o.RequestBytes)
}

// Wherever the log ends, and whichever byte of it is wrong, the whole records before that are read, and nothing else.
func TestOpenLogTorn(t *testing.T) {
	var data []byte
	var ends []int
	for i := range 4 {
		data = row(i).appendRecord(data)
		ends = append(ends, len(data))
	}
	whole := func(size int) (n int) {
		for n < len(ends) && ends[n] <= size {
			n++
		}
		return n
	}
	expect := func(what string, data []byte, want int) {
		t.Helper()
		got, rest, err := readRecords(data)
		if err != nil || len(got) != want {
			t.Fatalf("%s: %d records, %v; want %d", what, len(got), err, want)
		}
		used := 0
		if want > 0 {
			used = ends[want-1]
		}
		if lost := len(bytes.TrimRight(data[used:], "\x00")); rest != lost {
			t.Errorf("%s: %d bytes are lost, want %d", what, rest, lost)
		}
		for i, r := range got {
			if diff := cmp.Diff(rowText(row(i)), rowText(r)); diff != "" {
				t.Errorf("%s: record %d (-want +got):\n%s", what, i, diff)
			}
		}
	}
	for size := range len(data) + 1 {
		expect(fmt.Sprintf("cut off at %d", size), data[:size], whole(size))
		expect(fmt.Sprintf("zeros from %d", size), append(bytes.Clone(data[:size]), make([]byte, 64)...), whole(size))
	}
	for i := range data {
		wrong := bytes.Clone(data)
		wrong[i] ^= 0x20
		expect(fmt.Sprintf("byte %d changed", i), wrong, whole(i))
	}
}

// A kill while SQLite is held up, with the last record torn at every byte: what was admitted is there.
func TestOpenLogReplay(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	m := NewMeter(s, MeterConfig{})
	mustOpen(t, m, order("written", alice))
	check(t, s)
	defer hold(t, s)()
	mustOpen(t, m, order("a", alice))
	before := logSize(t, dir, openLogNames[0])
	mustOpen(t, m, order("b", alice)).Close(answered())
	after := logSize(t, dir, openLogNames[0])
	for size := before; size <= after; size += 1 + (after-before)/16 {
		left := crashed(t, dir)
		if err := os.Truncate(filepath.Join(left, openLogNames[0]), size); err != nil {
			t.Fatal(err)
		}
		want := 2
		if size == after {
			want = 3
		}
		if n := restarted(t, left); n != want {
			t.Errorf("of %d bytes of %d: %d requests are open, want %d", size, after, n, want)
		}
	}

	// Everything twice, and the same again after the start.
	left := crashed(t, dir)
	path := filepath.Join(left, openLogNames[0])
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{3, 0, 0} {
		for _, name := range openLogNames {
			if err := os.WriteFile(filepath.Join(left, name), append(bytes.Clone(data), data...), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if n := restarted(t, left); n != want {
			t.Errorf("start %d: %d requests are open, want %d", i, n, want)
		}
	}
}

// A later version's records are not thrown away.
func TestOpenLogRefusesNewerRecords(t *testing.T) {
	dir := t.TempDir()
	data := row(1).appendRecord(nil)
	data[recordHead]++
	binary.LittleEndian.PutUint32(data[4:], crc32.Checksum(data[recordHead:], castagnoli))
	path := filepath.Join(dir, openLogNames[1])
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, StoreOptions{}); !errors.Is(err, errNewerRecord) {
		t.Fatalf("Open = %v, want %v", err, errNewerRecord)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the log was changed: %v", err)
	}
}

// A thousand requests at once have records and keys of their own, whatever the writer does.
func TestOpenLogManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	m := NewMeter(s, MeterConfig{})
	release := hold(t, s)
	var wg sync.WaitGroup
	for i := range 1_000 {
		wg.Go(func() {
			if r, err := m.Open(t.Context(), order(fmt.Sprint("r", i), alice)); err != nil {
				t.Errorf("Open: %v", err)
			} else if i%2 == 0 {
				r.Close(answered())
			}
		})
	}
	wg.Wait()
	if n := restarted(t, crashed(t, dir)); n != 1_000 {
		t.Errorf("after a kill %d requests are open, want all 1000", n)
	}
	release()
	check(t, s)
	if sum := s.Book().Provider(alice); sum.Open != 500 || sum.Requests != 500 {
		t.Errorf("the book has %+v", sum)
	}
}

// Who opens requests faster than SQLite takes them has to wait in the end.
func TestOpenLogWaitsForTheStore(t *testing.T) {
	s := openStore(t, t.TempDir())
	m := NewMeter(s, MeterConfig{})
	release := hold(t, s)
	for i := range crowd {
		mustOpen(t, m, order(fmt.Sprint("r", i), alice))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		mustOpen(t, m, order("one more", alice))
	}()
	for queued := 0; queued <= crowd; { // its record has been queued
		s.writer.mu.Lock()
		queued = len(s.writer.queue)
		s.writer.mu.Unlock()
	}
	select {
	case <-done:
		t.Error("a request was admitted although the store is far behind")
	default:
	}
	release()
	<-done
}

// Rows can be seen soon after, though nobody asks for it, and a task finds what was so when it was queued.
func TestStoreWritesSoonAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, t.TempDir())
		m := NewMeter(s, MeterConfig{})
		mustOpen(t, m, order("stream", alice))
		advance(100 * time.Millisecond)
		if r, ok, err := s.Request(t.Context(), "stream"); !ok || err != nil || r.State != "open" {
			t.Errorf("after 100 ms the request is %q, found %v, %v", r.State, ok, err)
		}
	})
	s := openStore(t, t.TempDir())
	m := NewMeter(s, MeterConfig{})
	release := hold(t, s)
	var states []string
	var wg sync.WaitGroup
	look := func() {
		s.writer.mu.Lock()
		before := len(s.writer.queue)
		s.writer.mu.Unlock()
		wg.Go(func() {
			if err := s.writer.do(false, func(db *session) error {
				states = append(states, stateOf(t, db, "a"))
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
		for queued := before; queued == before; {
			s.writer.mu.Lock()
			queued = len(s.writer.queue)
			s.writer.mu.Unlock()
		}
	}
	look()
	r := mustOpen(t, m, order("a", alice))
	look()
	r.Close(answered())
	look()
	release()
	wg.Wait()
	if diff := cmp.Diff([]string{"", "open", "closed"}, states); diff != "" {
		t.Errorf("states that the tasks found (-want +got):\n%s", diff)
	}
}

func stateOf(t *testing.T, db *session, id string) (state string) {
	t.Helper()
	if err := db.query(`SELECT state FROM requests WHERE id = ?`, func(row []driver.Value) error { state, _ = row[0].(string); return nil }, id); err != nil {
		t.Error(err)
	}
	return state
}

// FuzzOpenLog reads what anybody may have written, bare and under a right checksum; what it takes from there it would
// write and read again as it is.
func FuzzOpenLog(f *testing.F) {
	f.Add([]byte{})
	f.Add(row(1).appendRecord(nil))
	f.Add(row(1).appendRecord(nil)[recordHead:])
	f.Add(row(2).appendRecord(row(1).appendRecord(nil)))
	f.Fuzz(func(t *testing.T, data []byte) {
		framed := binary.LittleEndian.AppendUint32(nil, uint32(len(data)))
		framed = binary.LittleEndian.AppendUint32(framed, crc32.Checksum(data, castagnoli))
		for _, in := range [][]byte{data, append(framed, data...)} {
			got, rest, err := readRecords(in)
			if err != nil {
				continue
			}
			if rest < 0 || rest > len(in) || len(got) == 0 && rest != len(bytes.TrimRight(in, "\x00")) {
				t.Fatalf("%d records and %d bytes of %d left", len(got), rest, len(in))
			}
			var again []byte
			for _, r := range got {
				if _, err := zg.ParseNeuron(r.bound); err != nil {
					t.Fatalf("bound: %v", err)
				}
				again = r.appendRecord(again)
			}
			back, rest, err := readRecords(again)
			if err != nil || rest != 0 || len(back) != len(got) {
				t.Fatalf("written again: %d records of %d, %d bytes left, %v", len(back), len(got), rest, err)
			}
			for i := range got {
				if a, b := rowText(got[i]), rowText(back[i]); a != b {
					t.Errorf("record %d was %q, is %q", i, a, b)
				}
			}
		}
	})
}

func BenchmarkOpenLogAppend(b *testing.B) {
	l, _, _, err := openOpenLog(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := l.close(); err != nil {
			b.Error(err)
		}
	}()
	r := row(1)
	b.ReportAllocs()
	for b.Loop() {
		if err := l.append(r); err != nil {
			b.Fatal(err)
		}
		if l.size > turnAt {
			if err := l.clear(); err != nil {
				b.Fatal(err)
			}
		}
	}
}
