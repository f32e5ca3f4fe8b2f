package trust

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

var (
	provider      = common.HexToAddress("0x01")
	first, second = common.HexToAddress("0xa1"), common.HexToAddress("0xa2")
)

// memory is a store that a test can make fail.
type memory struct {
	mu        sync.Mutex
	broken    error
	pins      map[common.Address]zg.Pin
	signers   map[common.Address][]zg.Pin
	suspended map[common.Address]zg.Suspension
}

func newMemory() *memory {
	return &memory{
		pins: map[common.Address]zg.Pin{}, signers: map[common.Address][]zg.Pin{}, suspended: map[common.Address]zg.Suspension{},
	}
}

func (m *memory) Trust(context.Context) (map[common.Address]zg.Pin, map[common.Address]zg.Suspension, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.pins), maps.Clone(m.suspended), m.broken
}

func (m *memory) Signers(context.Context) (map[common.Address][]zg.Pin, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.signers), m.broken
}

func (m *memory) Pin(p zg.Pin) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return false, m.broken
	}
	m.pins[p.Provider], m.signers[p.Provider] = p, append(m.signers[p.Provider], p)
	return true, nil
}

func (m *memory) Suspend(s zg.Suspension) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return false, m.broken
	}
	m.suspended[s.Provider] = s
	return true, nil
}

func (m *memory) Return(p zg.Pin) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return false, m.broken
	}
	m.pins[p.Provider] = p
	delete(m.suspended, p.Provider)
	return true, nil
}

func (m *memory) Explain(p, signer common.Address) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil || m.suspended[p].Signer != signer {
		return false, m.broken
	}
	delete(m.suspended, p)
	return true, nil
}

func (m *memory) fails(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

func (m *memory) recorded() map[common.Address]zg.Suspension {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.suspended)
}

func newRegister(t *testing.T, m *memory, grace time.Duration) *Register {
	t.Helper()
	r, err := New(t.Context(), m, grace, zerolog.Nop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// serving is the provider as the chain has it, with a signer that is acknowledged.
func serving(signer common.Address) zg.Service {
	return zg.Service{Provider: provider, URL: "http://127.0.0.1:1", TEESigner: signer, TEESignerAcknowledged: true}
}

func observed(t *testing.T, r *Register, s zg.Service, want string) {
	t.Helper()
	if code, err := r.Observe(s, time.Now()); err != nil || code != want {
		t.Fatalf("observed %q, %v; want %q", code, err, want)
	}
}

// A suspension stops requests before it is on disk, and gets there although the store fails for a while.
func TestSuspensionIsInForceBeforeItIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		r := newRegister(t, m, time.Hour)
		m.fails(errors.New("the disk is full"))
		r.Suspend(zg.Suspension{Provider: provider, Code: zg.SuspendedInvalid, At: time.Now()})
		if in, _ := r.InForce(time.Now()); len(in) != 1 || r.Reason(provider) != in[provider].Reason {
			t.Errorf("in force: %v", in)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var told atomic.Int64
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx, func() { told.Add(1) }) }()
		time.Sleep(3500 * time.Millisecond) //nolint:forbidigo // of the test's own time
		synctest.Wait()
		if n := told.Load(); len(m.recorded()) != 0 || n != 1 {
			t.Errorf("recorded %v, told %d times", m.recorded(), n)
		}
		m.fails(nil)
		time.Sleep(time.Second) //nolint:forbidigo // of the test's own time
		synctest.Wait()
		if in := m.recorded(); in[provider].Code != zg.SuspendedInvalid {
			t.Errorf("recorded %v", in)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A change on chain has a grace, what an answer has shown has none, and of two reasons the one without stays.
func TestGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegister(t, newMemory(), time.Hour)
		began := time.Now()
		r.Suspend(zg.Suspension{Provider: provider, Code: zg.SuspendedSigner, At: began})
		if in, until := r.InForce(began.Add(time.Minute)); len(in) != 0 || !until.Equal(began.Add(time.Hour)) {
			t.Errorf("within the grace: %v until %v", in, until)
		}
		if in, until := r.InForce(began.Add(time.Hour)); len(in) != 1 || !until.IsZero() {
			t.Errorf("after the grace: %v until %v", in, until)
		}
		if s, ok := r.Suspension(provider); !ok || s.Code != zg.SuspendedSigner {
			t.Errorf("top-ups go on: %v, %v", s, ok)
		}
		r.Suspend(zg.Suspension{Provider: provider, Code: zg.SuspendedInvalid, At: began})
		r.Suspend(zg.Suspension{Provider: provider, Code: zg.SuspendedSigner, At: began})
		if in, _ := r.InForce(began); in[provider].Code != zg.SuspendedInvalid {
			t.Errorf("an answer has shown it: %v", in)
		}
	})
}

// Who is upgraded and started again as before comes back automatically; who signs with a key that nobody accepted does not.
func TestComingBack(t *testing.T) {
	m := newMemory()
	r := newRegister(t, m, 0)
	observed(t, r, serving(first), "")
	observed(t, r, serving(second), zg.SuspendedSigner)
	r.Suspend(zg.Suspension{Provider: provider, Code: zg.SuspendedSigner, At: time.Now()})
	if r.ComesBack(serving(second), zg.SuspendedSigner) {
		t.Error("a signer that was never accepted comes back")
	}
	if !r.ComesBack(serving(first), "") {
		t.Fatal("the accepted signer does not come back")
	}
	if err := r.TakeBack(serving(first), time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, is := r.Suspension(provider); !is {
		t.Error("taken back before the suspension was on disk")
	}
	if err := r.Save(); err != nil {
		t.Fatal(err)
	}
	if err := r.TakeBack(serving(first), time.Now()); err != nil {
		t.Fatal(err)
	}
	if s, is := r.Suspension(provider); is || len(m.suspended) != 0 {
		t.Errorf("still suspended: %v, %v", s, m.suspended)
	}
}

// An answer that an unknown signer gave is explained when the chain names that signer, and by nobody else's name.
func TestExplained(t *testing.T) {
	m := newMemory()
	r := newRegister(t, m, 0)
	r.Suspend(zg.Suspension{Provider: provider, Code: zg.SuspendedStranger, Signer: second, At: time.Now()})
	if err := r.Save(); err != nil {
		t.Fatal(err)
	}
	for _, named := range []common.Address{first, second} {
		if err := r.Explained(serving(named)); err != nil {
			t.Fatal(err)
		}
		if _, is := r.Suspension(provider); is != (named == first) {
			t.Errorf("the chain names %s: suspended %v", named, is)
		}
	}
}

// A provider whose signer is not acknowledged waits, whatever the grace, and is not pinned.
func TestWaiting(t *testing.T) {
	m := newMemory()
	r := newRegister(t, m, time.Hour)
	s := serving(first)
	s.TEESignerAcknowledged = false
	observed(t, r, s, zg.SuspendedUnacked)
	r.Wait(zg.Suspension{Provider: provider, Code: zg.SuspendedUnacked, At: time.Now()})
	if in, _ := r.InForce(time.Now()); len(in) != 1 || len(m.pins) != 0 {
		t.Errorf("in force %v, pinned %v", in, m.pins)
	}
	r.Waited(provider)
	if in, _ := r.InForce(time.Now()); len(in) != 0 {
		t.Errorf("in force %v", in)
	}
}
