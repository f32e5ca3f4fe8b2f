package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

var (
	alice = common.HexToAddress("0xa48f01287233509FD694a22Bf840225062E67836")
	bob   = common.HexToAddress("0x00000000000000000000000000000000000000b0")
)

// shop answers for the network: a catalogue per base URL, or an error.
type shop struct {
	mu      sync.Mutex
	models  map[string][]zg.Model
	errs    map[string]error
	targets []Target
	calls   int
	hang    chan struct{} // nil: answers at once
}

func (s *shop) read(ctx context.Context, p common.Address, base string) (zg.Catalog, error) {
	s.mu.Lock()
	s.calls++
	models, err, hang := s.models[base], s.errs[base], s.hang
	s.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return zg.Catalog{}, ctx.Err()
		}
	}
	return zg.Catalog{Provider: p, ReadAt: time.Now(), Models: models}, err
}

func (s *shop) set(base string, err error, models ...zg.Model) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.models[base], s.errs[base] = models, err
}

func newCatalogs(log *strings.Builder) (*Catalogs, *shop) {
	s := &shop{models: make(map[string][]zg.Model), errs: make(map[string]error), targets: []Target{{alice, "a"}, {bob, "b"}}}
	cfg := CatalogsConfig{Log: zerolog.Nop()}
	if log != nil {
		cfg.Log = zerolog.New(log)
	}
	k := NewCatalogs(&Client{}, func() []Target { return s.targets }, cfg)
	k.read = s.read
	return k, s
}

func ids(k *Catalogs) map[common.Address]string {
	out := make(map[common.Address]string)
	for p, c := range k.Snapshot() {
		var names []string
		for _, m := range c.Models {
			names = append(names, m.ID)
		}
		out[p] = strings.Join(names, " ")
	}
	return out
}

func wantIDs(t *testing.T, k *Catalogs, changed bool, want map[common.Address]string) {
	t.Helper()
	if diff := cmp.Diff(want, ids(k)); diff != "" {
		t.Errorf("catalogues (-want +got):\n%s", diff)
	}
	select {
	case <-k.Changed():
		if !changed {
			t.Error("a change was announced, but nothing changed")
		}
	default:
		if changed {
			t.Error("no change was announced")
		}
	}
}

func TestCatalogsRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := newCatalogs(nil)
		ctx := t.Context()
		wantIDs(t, k, false, map[common.Address]string{})

		s.set("a", nil, zg.Model{ID: "m"})
		s.set("b", fmt.Errorf("x: %w", ErrNotSupported))
		k.Refresh(ctx)
		wantIDs(t, k, true, map[common.Address]string{alice: "m"})
		first := k.Snapshot()

		k.Refresh(ctx)
		wantIDs(t, k, false, map[common.Address]string{alice: "m"})

		s.set("a", nil, zg.Model{ID: "m"}, zg.Model{ID: "n"})
		s.set("b", nil, zg.Model{ID: "o"})
		k.Refresh(ctx)
		wantIDs(t, k, true, map[common.Address]string{alice: "m n", bob: "o"})
		if len(first) != 1 || len(first[alice].Models) != 1 {
			t.Errorf("a published snapshot changed: %v", first)
		}

		// What cannot be read stays for an hour; what is not published any more goes.
		s.set("a", errors.New("connection refused"))
		s.set("b", ErrNotSupported)
		k.Refresh(ctx)
		wantIDs(t, k, true, map[common.Address]string{alice: "m n"})
		<-time.After(maxStale - time.Second)
		k.Refresh(ctx)
		wantIDs(t, k, false, map[common.Address]string{alice: "m n"})
		<-time.After(time.Second)
		k.Refresh(ctx)
		wantIDs(t, k, true, map[common.Address]string{})

		s.set("b", nil, zg.Model{ID: "o"})
		k.Refresh(ctx)
		wantIDs(t, k, true, map[common.Address]string{bob: "o"})
		s.targets = s.targets[:1]
		k.Refresh(ctx)
		wantIDs(t, k, true, map[common.Address]string{})
	})
}

// What a URL says that several providers share is about none of them in particular.
func TestCatalogsOfASharedURL(t *testing.T) {
	for _, tt := range []struct {
		name, a, b string
		shared     bool
	}{
		{"the same", "https://a.example/x", "https://a.example/x", true},
		{"written otherwise", "https://a.example", "https://A.example/", true},
		{"other paths", "https://a.example/x", "https://a.example/y", false},
		{"other ports", "https://a.example:1", "https://a.example:2", false},
		{"nothing usable", "a", "b", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, s := newCatalogs(nil)
			s.targets = []Target{{Provider: alice, BaseURL: tt.a}, {Provider: bob, BaseURL: tt.b}}
			s.set(tt.a, nil, zg.Model{ID: "m"})
			s.set(tt.b, nil, zg.Model{ID: "m"})
			k.Refresh(t.Context())
			want := map[common.Address]string{alice: "m", bob: "m"}
			if tt.shared {
				want = map[common.Address]string{}
			}
			wantIDs(t, k, !tt.shared, want)
		})
	}
}

func TestCatalogsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		k, s := newCatalogs(&log)
		s.set("a", nil, zg.Model{ID: "m"})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- k.Run(ctx) }()
		synctest.Wait()
		if s.calls != 2 {
			t.Errorf("%d calls at the start, want one per provider", s.calls)
		}
		<-time.After(5 * time.Minute)
		synctest.Wait()
		if s.calls != 4 {
			t.Errorf("%d calls after the interval, want 4", s.calls)
		}

		// Told to stop in the middle of a reading: what was known stays.
		s.mu.Lock()
		s.hang = make(chan struct{})
		s.mu.Unlock()
		<-time.After(5 * time.Minute)
		synctest.Wait()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		wantIDs(t, k, true, map[common.Address]string{alice: "m", bob: ""})
		if log.Len() > 0 {
			t.Errorf("being told to stop was logged: %s", log.String())
		}
	})
}

// One provider that hangs does not keep the others from being read.
func TestCatalogsAreReadSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := newCatalogs(nil)
		s.targets = nil
		for i := range 3 * maxCalls {
			s.targets = append(s.targets, Target{common.BytesToAddress([]byte{byte(i + 1)}), fmt.Sprint(i)})
		}
		s.hang = make(chan struct{})
		done := make(chan struct{})
		go func() { k.Refresh(t.Context()); close(done) }()
		synctest.Wait()
		if s.calls != maxCalls {
			t.Errorf("%d calls under way, want %d", s.calls, maxCalls)
		}
		close(s.hang)
		<-done
		if s.calls != 3*maxCalls || len(k.Snapshot()) != 3*maxCalls {
			t.Errorf("%d calls, %d catalogues; want %d", s.calls, len(k.Snapshot()), 3*maxCalls)
		}
	})
}

func TestCatalogsLogChangesOnly(t *testing.T) {
	var log strings.Builder
	k, s := newCatalogs(&log)
	s.targets = s.targets[:1]
	s.set("a", errors.New("connection refused"))
	k.Refresh(t.Context())
	k.Refresh(t.Context())
	s.set("a", nil)
	k.Refresh(t.Context())
	k.Refresh(t.Context())
	if warned, info := strings.Count(log.String(), `"level":"warn"`), strings.Count(log.String(), `"level":"info"`); warned != 1 || info != 1 {
		t.Errorf("%d warnings and %d notes, want one each:\n%s", warned, info, log.String())
	}
}
