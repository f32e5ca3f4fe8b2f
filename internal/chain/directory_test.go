package chain

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

var errDown = errors.New("down")

// reader is a chain whose block rises by one with every reading, unless told otherwise.
type reader struct {
	mu    sync.Mutex
	block uint64
	err   error
	times []time.Time
}

func (r *reader) read(context.Context) (zg.Directory, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times = append(r.times, time.Now())
	if r.err != nil {
		return zg.Directory{}, r.err
	}
	r.block++
	return zg.Directory{Block: r.block, ReadAt: time.Now(), Services: make([]zg.Service, int(r.block))}, nil
}

func (r *reader) set(block uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.block, r.err, r.times = block, err, nil
}

func (r *reader) readings() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.times
}

func TestDirectoryIsNeverNil(t *testing.T) {
	d := NewDirectory((&reader{}).read, DirectoryConfig{})
	if s := d.Snapshot(); s == nil || !s.ReadAt.IsZero() || len(s.Services) != 0 {
		t.Errorf("Snapshot before the first reading = %+v", s)
	}
}

func TestDirectoryRefresh(t *testing.T) {
	r := &reader{}
	d := NewDirectory(r.read, DirectoryConfig{})
	for range 3 { // nobody listens, and nothing waits for that
		if err := d.Refresh(t.Context()); err != nil {
			t.Fatalf("Refresh: %v", err)
		}
	}
	last := d.Snapshot()
	if last.Block != 3 || len(last.Services) != 3 {
		t.Errorf("Snapshot = %+v", last)
	}
	select {
	case <-d.Changed():
	default:
		t.Error("no signal after a reading")
	}
	select {
	case <-d.Changed():
		t.Error("a second signal for what was looked at already")
	default:
	}

	r.set(0, errDown)
	wantErr(t, "Refresh of a failing chain", d.Refresh(t.Context()), errDown)
	r.set(1, nil)
	wantErr(t, "Refresh of an older block", d.Refresh(t.Context()), errOlder)
	if d.Snapshot() != last {
		t.Error("a failure replaced the last reading")
	}
	select {
	case <-d.Changed():
		t.Error("a signal without a new reading")
	default:
	}
	r.set(2, nil)
	if err := d.Refresh(t.Context()); err != nil || d.Snapshot() == last || d.Snapshot().Block != 3 {
		t.Errorf("Refresh of the same block: %v", err)
	}
}

// Readings that overlap end with the newest, in whatever order they return.
func TestDirectoryNeverGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := map[uint64]chan struct{}{}
		var next uint64
		var mu sync.Mutex
		read := func(context.Context) (zg.Directory, error) {
			mu.Lock()
			next++
			block, gate := next, make(chan struct{})
			release[block] = gate
			mu.Unlock()
			<-gate
			return zg.Directory{Block: block, ReadAt: time.Now()}, nil
		}
		d := NewDirectory(read, DirectoryConfig{})
		var done sync.WaitGroup
		for range 5 {
			done.Go(func() { _ = d.Refresh(t.Context()) }) // those that are late are refused
		}
		synctest.Wait()
		for _, block := range []uint64{2, 5, 1, 4, 3} {
			close(release[block])
			synctest.Wait()
		}
		done.Wait()
		if got := d.Snapshot().Block; got != 5 {
			t.Errorf("the directory is of block %d, want 5", got)
		}
	})
}

func TestDirectoryRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := &reader{}
		d := NewDirectory(r.read, DirectoryConfig{Every: time.Minute, Log: zerolog.New(&log)})
		if err := d.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		start := time.Now()
		gap := func() time.Duration { // until the next reading
			before := len(r.readings())
			from := time.Now()
			for len(r.readings()) == before {
				if time.Since(from) > time.Hour {
					t.Fatal("no reading within an hour")
				}
				<-time.After(10 * time.Millisecond)
				synctest.Wait()
			}
			return time.Since(from)
		}
		for i := range 5 {
			if g := gap(); g < time.Minute || g > 67*time.Second {
				t.Errorf("reading %d came after %v, want a minute and up to a tenth more", i, g)
			}
		}
		if d.Snapshot().Block != 6 || time.Since(start) < 5*time.Minute {
			t.Errorf("after five readings the directory is of block %d", d.Snapshot().Block)
		}
		good := d.Snapshot()

		r.set(0, errDown)
		gap()
		for _, want := range []time.Duration{
			2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute, time.Minute,
		} {
			if g := gap(); g < want || g > want+want/10+20*time.Millisecond {
				t.Errorf("tried again after %v, want %v and up to a tenth more", g, want)
			}
		}
		if d.Snapshot() != good {
			t.Error("a failure replaced the last reading")
		}
		r.set(2, nil) // a node that is behind
		gap()
		if d.Snapshot() != good {
			t.Errorf("went back to block %d", d.Snapshot().Block)
		}
		r.set(100, nil)
		gap()
		if d.Snapshot().Block != 101 {
			t.Errorf("after the failure the directory is of block %d, want 101", d.Snapshot().Block)
		}
		if g := gap(); g < time.Minute {
			t.Errorf("after the failure it read again after %v", g)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if text := log.String(); strings.Count(text, "cannot be read") != 1 || strings.Count(text, "can be read again") != 1 || !strings.Contains(text, "down") {
			t.Errorf("log of one failure that lasted:\n%s", text)
		}
	})
}

// Without a first reading there is nothing to serve from: it is tried soon.
func TestDirectoryRunBeforeTheFirstReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		d := NewDirectory(r.read, DirectoryConfig{Every: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := d.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		if d.Snapshot().Block != 1 || len(r.readings()) != 1 {
			t.Errorf("after ten seconds: block %d, %d readings", d.Snapshot().Block, len(r.readings()))
		}
	})
}

// A reading that ends because the daemon ends is no failure.
func TestDirectoryRunEndsQuietly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		d := NewDirectory(func(ctx context.Context) (zg.Directory, error) {
			<-ctx.Done()
			return zg.Directory{}, ctx.Err()
		}, DirectoryConfig{Log: zerolog.New(&log)})
		if err := d.Run(ctx); err != nil || log.Len() > 0 {
			t.Errorf("Run: %v, log %s", err, log.String())
		}
	})
}

func TestDirectoryMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		d := NewDirectory((&reader{block: 4}).read, DirectoryConfig{Registerer: reg})
		want := func(age, services string) {
			t.Helper()
			text := "# HELP zgproxy_directory_age_seconds Time since the services were read from the chain; -1 before the first time.\n" +
				"# TYPE zgproxy_directory_age_seconds gauge\nzgproxy_directory_age_seconds " + age + "\n" +
				"# HELP zgproxy_directory_services Services registered on chain.\n# TYPE zgproxy_directory_services gauge\nzgproxy_directory_services " + services + "\n"
			if err := testutil.GatherAndCompare(reg, strings.NewReader(text)); err != nil {
				t.Error(err)
			}
		}
		want("-1", "0")
		if err := d.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-time.After(90 * time.Second)
		want("90", "5")
	})
}
