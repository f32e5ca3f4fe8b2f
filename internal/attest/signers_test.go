package attest

import (
	"context"
	"encoding/hex"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// registry is the chain, as far as signers are concerned.
type registry struct {
	mu     sync.Mutex
	signer common.Address
	err    error
	slow   time.Duration
	reads  []time.Time
}

func (r *registry) read(ctx context.Context, _ common.Address) (common.Address, error) {
	r.mu.Lock()
	r.reads = append(r.reads, time.Now())
	signer, err, slow := r.signer, r.err, r.slow
	r.mu.Unlock()
	select {
	case <-time.After(slow):
		return signer, err
	case <-ctx.Done():
		return common.Address{}, ctx.Err()
	}
}

func (r *registry) set(signer common.Address, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signer, r.err = signer, err
}

// newSignerBench is a queue whose provider signs with another key than the expected one.
func newSignerBench(t *testing.T, chain *registry) (b *bench, stranger common.Address) {
	t.Helper()
	k := key(t, 0x22)
	b = newBench(t, func(c *QueueConfig) {
		if chain != nil {
			c.Signer = chain.read
		}
	})
	b.notary.sign = func(key string) zg.Signature {
		text := textOf(key)
		return told(text, hex.EncodeToString(sign(t, k, text)))
	}
	b.run(t)
	return b, crypto.PubkeyToAddress(k.PublicKey)
}

func TestQueueAsksTheChain(t *testing.T) {
	errDown := errors.New("connection refused")
	for name, tt := range map[string]struct {
		chain   func(stranger common.Address) (common.Address, error) // nil: cannot be asked
		tamper  bool
		verdict zg.Verdict
		code    string
	}{
		"the expected one":      {func(common.Address) (common.Address, error) { return teeSigner, nil }, false, zg.VerdictInvalid, CodeWrongSigner},
		"a third one":           {func(common.Address) (common.Address, error) { return bob, nil }, false, zg.VerdictInvalid, CodeWrongSigner},
		"nobody":                {func(common.Address) (common.Address, error) { return common.Address{}, nil }, false, zg.VerdictInvalid, CodeWrongSigner},
		"the new one":           {func(s common.Address) (common.Address, error) { return s, nil }, false, zg.VerdictVerified, CodeSignerChanged},
		"the new one, tampered": {func(s common.Address) (common.Address, error) { return s, nil }, true, zg.VerdictInvalid, CodeSignerChanged},
		"no answer":             {func(common.Address) (common.Address, error) { return teeSigner, errDown }, false, zg.VerdictUnavailable, CodeUnconfirmed},
		"no chain":              {nil, false, zg.VerdictUnavailable, CodeUnconfirmed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var chain *registry
				if tt.chain != nil {
					chain = &registry{}
				}
				b, stranger := newSignerBench(t, chain)
				if chain != nil {
					chain.set(tt.chain(stranger))
				}
				x := numbered(1)
				if tt.tamper {
					x.ResponseSHA256[0] ^= 1
				}
				r := b.Judge(t.Context(), x)
				if r.Verdict != tt.verdict || r.Code != tt.code || r.Passes() {
					t.Errorf("Judge = %+v, want %s %s, which does not pass", r, tt.verdict, tt.code)
				}
				if r.Signer != stranger || r.Expected != teeSigner || r.Text == "" || r.Signature == "" {
					t.Errorf("Judge = %+v, want signer, expected signer and evidence", r)
				}
				b.book.want(t, "r1", tt.verdict, tt.code)
			})
		})
	}
}

// One reading that fails does not leave it open whose signature it is: it is read again, and so often at most.
func TestQueueAsksTheChainAgain(t *testing.T) {
	errDown := errors.New("connection refused")
	for _, tt := range []struct {
		failing time.Duration
		reads   int
		verdict zg.Verdict
		code    string
	}{
		{signerGap / 2, 2, zg.VerdictInvalid, CodeWrongSigner},
		{signerGap * 3 / 2, 3, zg.VerdictInvalid, CodeWrongSigner},
		{time.Hour, signerTries, zg.VerdictUnavailable, CodeUnconfirmed},
	} {
		synctest.Test(t, func(t *testing.T) {
			chain := &registry{}
			chain.set(common.Address{}, errDown)
			b, _ := newSignerBench(t, chain)
			time.AfterFunc(tt.failing, func() { chain.set(teeSigner, nil) })
			r := b.Judge(t.Context(), numbered(1))
			if r.Verdict != tt.verdict || r.Code != tt.code || len(chain.reads) != tt.reads {
				t.Errorf("failing for %v: %+v after %d readings, want %s %s after %d", tt.failing, r, len(chain.reads), tt.verdict, tt.code, tt.reads)
			}
		})
	}
}

// A signer that the chain names now signs a replay: both are told.
func TestQueueReplayOfAChangedSigner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chain := &registry{}
		b, stranger := newSignerBench(t, chain)
		chain.set(stranger, nil)
		b.Judge(t.Context(), numbered(1))
		if r := b.Judge(t.Context(), again(2, "key-1")); r.Verdict != zg.VerdictReplayed || r.Code != CodeSignerChanged {
			t.Errorf("Judge = %+v, want replayed and %s", r, CodeSignerChanged)
		}
	})
}

// An older reading may show that a signer is the provider's; only a newer one shows that it is not.
func TestSignersReadSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		chain := &registry{signer: teeSigner, slow: 100 * time.Millisecond}
		s := &signers{read: chain.read, of: make(map[common.Address]*readings)}
		ask := func(provider, supposed, want common.Address, at time.Duration) {
			t.Helper()
			if got, err := s.current(t.Context(), provider, supposed); err != nil || got != want {
				t.Errorf("current = %s, %v; want %s", got, err, want)
			}
			if took := time.Since(start); took != at {
				t.Errorf("answered after %v, want %v", took, at)
			}
		}
		ask(alice, bob, teeSigner, 100*time.Millisecond)
		ask(alice, teeSigner, teeSigner, 100*time.Millisecond) // known
		ask(bob, bob, teeSigner, 200*time.Millisecond)         // another provider is another question
		chain.set(bob, nil)
		var wg sync.WaitGroup
		for range 10 { // the reading of before would condemn; they share another one
			wg.Go(func() { ask(alice, bob, bob, signerGap+100*time.Millisecond) })
		}
		wg.Wait()
		if n := len(chain.reads); n != 3 {
			t.Errorf("%d readings, want 3", n)
		}
	})
}

// A question that comes while a reading is under way is not answered by it.
func TestSignersReadingUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chain := &registry{signer: teeSigner, slow: time.Second}
		s := &signers{read: chain.read, of: make(map[common.Address]*readings)}
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			if got, err := s.current(t.Context(), alice, bob); err != nil || got != teeSigner {
				t.Errorf("current = %s, %v; want the signer before", got, err)
			}
		})
		synctest.Wait()
		chain.set(bob, nil)
		if got, err := s.current(t.Context(), alice, bob); err != nil || got != bob {
			t.Errorf("current = %s, %v; want the signer now", got, err)
		}
	})
}

func TestSignersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chain := &registry{signer: teeSigner, slow: time.Hour}
		s := &signers{read: chain.read, of: make(map[common.Address]*readings)}
		if _, err := s.current(t.Context(), alice, bob); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("current of a chain that hangs: %v, want that it took too long", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.current(ctx, alice, bob); !errors.Is(err, context.Canceled) {
			t.Errorf("current after the end: %v, want canceled", err)
		}
		chain.mu.Lock()
		chain.slow = 0
		chain.mu.Unlock()
		if got, err := s.current(t.Context(), alice, bob); err != nil || got != teeSigner {
			t.Errorf("current afterwards = %s, %v; want %s", got, err, teeSigner)
		}
	})
}
