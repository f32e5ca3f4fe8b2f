package wallet

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// gate is a chain that answers when it is told to.
type gate struct {
	reads
	open chan error
}

func (g *gate) Generation(ctx context.Context, p common.Address) (uint64, error) {
	n, _ := g.reads.Generation(ctx, p)
	select {
	case err := <-g.open:
		return n, err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func TestOneMintServesAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan error)}
		s := NewSessions(open(t), SessionsConfig{Generation: g.Generation})
		got := make([]string, 64)
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() { got[i], _ = s.Bearer(t.Context(), provider) })
		}
		synctest.Wait()
		g.open <- nil
		wg.Wait()
		g.want(t, 1)
		for i := range got {
			if got[i] == "" || got[i] != got[0] {
				t.Fatalf("caller %d got %q, want what the first got", i, got[i])
			}
		}
	})
}

func TestAFailedMintFailsAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan error)}
		s := NewSessions(open(t), SessionsConfig{Generation: g.Generation})
		errs := make([]error, 8)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { _, errs[i] = s.Bearer(t.Context(), provider) })
		}
		synctest.Wait()
		g.open <- errRPC
		wg.Wait()
		g.want(t, 1)
		for i, err := range errs {
			if !errors.Is(err, errRPC) {
				t.Errorf("caller %d got %v, want the error of the chain", i, err)
			}
		}
	})
}

// Who gives up while minting does not take the others along, and who gives up waiting does not wait on.
func TestCancelledMint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan error)}
		s := NewSessions(open(t), SessionsConfig{Generation: g.Generation})
		leader, stopLeader := context.WithCancel(t.Context())
		waiter, stopWaiter := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		go func() { _, err := s.Bearer(leader, provider); ended <- err }()
		synctest.Wait()
		go func() { _, err := s.Bearer(waiter, provider); ended <- err }()
		got := make(chan string, 1)
		go func() { b, _ := s.Bearer(t.Context(), provider); got <- b }()
		synctest.Wait()
		stopWaiter()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the waiter that gave up got %v, want context.Canceled", err)
		}
		stopLeader()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the minter that gave up got %v, want context.Canceled", err)
		}
		synctest.Wait()
		g.open <- nil
		if b := <-got; b == "" {
			t.Error("the one who did not give up got no token")
		}
		g.want(t, 2)
	})
}

// A renewal holds up nobody but the one who makes it, and that one not for long.
func TestRenewalWithASlowChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan error, 1)}
		s := NewSessions(open(t), SessionsConfig{Generation: g.Generation})
		g.open <- nil
		first := bearer(t, s, provider)
		<-time.After(23*time.Hour + 10*time.Minute)

		renewed := make(chan string)
		start := time.Now()
		go func() { b, _ := s.Bearer(t.Context(), provider); renewed <- b }()
		synctest.Wait()
		if bearer(t, s, provider) != first || time.Since(start) != 0 {
			t.Error("a renewal by somebody else held up a caller with a good token")
		}
		if b := <-renewed; b != first {
			t.Errorf("the renewal that failed gave %q, want the old token", b)
		}
		if took := time.Since(start); took != renewTimeout {
			t.Errorf("the renewal gave up after %v, want %v", took, renewTimeout)
		}
		<-time.After(renewPause)
		g.open <- nil
		if bearer(t, s, provider) == first {
			t.Error("the token was not renewed when the chain was back")
		}
		g.want(t, 3)
	})
}

// A token that is refused while its renewal fails does not come back.
func TestRejectDuringRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan error, 1)}
		s := NewSessions(open(t), SessionsConfig{Generation: g.Generation})
		g.open <- nil
		first := bearer(t, s, provider)
		<-time.After(23*time.Hour + 10*time.Minute)
		renewed := make(chan struct{})
		go func() { _, _ = s.Bearer(t.Context(), provider); close(renewed) }()
		synctest.Wait()
		s.Reject(provider, first, zg.RefusalSessionRevoked)
		g.open <- errRPC
		<-renewed
		g.open <- nil
		if bearer(t, s, provider) == first {
			t.Error("a revoked token is used again")
		}
	})
}

// Many callers, refusals and renewals at once; the race detector watches.
func TestSessionsConcurrently(t *testing.T) {
	s, c, _ := newSessions(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 200 {
				p := common.BytesToAddress([]byte{byte(n % 5)})
				b, err := s.Bearer(t.Context(), p)
				if err != nil {
					t.Errorf("Bearer: %v", err)
					return
				}
				switch {
				case n%17 == i:
					s.Reject(p, b, zg.RefusalSessionRevoked)
				case n%50 == 0:
					c.advance(time.Hour)
				}
			}
		})
	}
	wg.Wait()
}
