package memory

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestShares(t *testing.T) {
	b := New(800)
	for _, tc := range []struct {
		n    int64
		s    Share
		want bool
	}{
		{501, Bodies, false},
		{500, Bodies, true}, // five eighths
		{1, Bodies, false},
		{200, Calls, true}, // seven
		{1, Calls, false},
		{100, Paid, true}, // all
		{1, Paid, false},
		{0, Paid, true},
	} {
		if got := b.TryTake(tc.n, tc.s); got != tc.want {
			t.Errorf("TryTake(%d, %d) = %v", tc.n, tc.s, got)
		}
	}
	b.Keep(50) // whoever keeps what is there already is not asked
	if now, peak := b.Used(); now != 850 || peak != 850 {
		t.Errorf("%d are used, %d at most; want 850", now, peak)
	}
	b.Give(850)
	if now, peak := b.Used(); now != 0 || peak != 850 {
		t.Errorf("%d are used, %d at most; want 0 and 850", now, peak)
	}
}

func TestWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(800)
		first, second := b.NewHold(2*time.Second), b.NewHold(2*time.Second)
		if err := first.Take(t.Context(), 400, Bodies); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := second.Take(t.Context(), 501, Bodies); !errors.Is(err, ErrTooLarge) || time.Since(began) != 0 {
			t.Errorf("more than there ever is: %v after %v", err, time.Since(began))
		}
		if err := second.Take(t.Context(), 200, Bodies); !errors.Is(err, ErrFull) || time.Since(began) != 2*time.Second || second.Size() != 0 {
			t.Errorf("no room: %v after %v, %d held", err, time.Since(began), second.Size())
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := second.Take(ctx, 200, Bodies); !errors.Is(err, ErrFull) || time.Since(began) != 3*time.Second {
			t.Errorf("whoever waited has left: %v after %v", err, time.Since(began))
		}
		time.AfterFunc(time.Second, first.Free)
		if err := second.Take(t.Context(), 200, Bodies); err != nil || time.Since(began) != 4*time.Second {
			t.Errorf("room came: %v after %v", err, time.Since(began))
		}
		second.Free()
		second.Free() // twice is once
		if now, _ := b.Used(); now != 0 {
			t.Errorf("%d are used, want none", now)
		}
	})
}

// Whatever is asked for at the same time, no more is held than may be, and nothing is left in the end.
func TestTogether(t *testing.T) {
	b := New(8 << 10)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range int64(200) {
				h := b.NewHold(time.Minute)
				if err := h.Take(t.Context(), 1+(n*int64(i+7))%(5<<10), Bodies); err != nil {
					t.Error(err)
				}
				h.Free()
			}
		})
	}
	wg.Wait()
	if now, peak := b.Used(); now != 0 || peak > 5<<10 || peak == 0 {
		t.Errorf("%d are used, %d at most", now, peak)
	}
}
