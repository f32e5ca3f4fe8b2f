package route

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPausesDouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{}), offer("a", 1, 1)
		for _, seconds := range []int{1, 2, 4, 8, 16, 30, 30} {
			wait := time.Duration(seconds) * time.Second
			pick(t, b, a).Done(Limited, 0)
			if e := busy(t, b, a); e.RetryAfter != wait {
				t.Fatalf("Pick = %+v, want %d s", e, seconds)
			}
			pass(wait)
		}
		serve(t, b, time.Second, a)
		pick(t, b, a).Done(Limited, 0)
		if e := busy(t, b, a); e.RetryAfter != time.Second {
			t.Errorf("after a success: %+v, want a second again", e)
		}
	})
}

// Several that were under way when the first was refused are one refusal, not many.
func TestRefusalsAtTheSameTimePauseOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{}), offer("a", 1, 1)
		var open []*Lease
		for range 5 {
			open = append(open, pick(t, b, a))
		}
		for _, l := range open {
			l.Done(Limited, 0)
		}
		if e := busy(t, b, a); e.RetryAfter != time.Second {
			t.Errorf("Pick = %+v, want a pause of a second", e)
		}
		pass(time.Second)
		pick(t, b, a).Done(Limited, 0)
		if e := busy(t, b, a); e.RetryAfter != 2*time.Second {
			t.Errorf("Pick = %+v, want a pause of two seconds", e)
		}
	})
}

func TestOneAloneIsNotTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{}), offer("a", 1, 1)
		pick(t, b, a).Done(Limited, 0)
		pass(time.Second)
		pick(t, b, a)
		pick(t, b, a)
	})
}

func TestPacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{}), offer("a", 1, 1)
		a.Limits.RequestsPerMinute = 30
		for range 5 {
			serve(t, b, time.Second, a)
		}
		for range 40 { // in the long run one every two seconds
			e := busy(t, b, a)
			if e.Cause != Paced || e.RetryAfter > 2*time.Second {
				t.Fatalf("Pick = %+v, want it paced for up to 2 s", e)
			}
			pass(e.RetryAfter)
			serve(t, b, time.Second, a)
		}
		pass(time.Hour)
		l := pick(t, b, a)
		l.Allowance(Allowance{Limit: 30, Remaining: 2, Reset: 6 * time.Second}) // somebody else uses the wallet too
		l.Done(Succeeded, 0)
		serve(t, b, time.Second, a)
		l = pick(t, b, offer("a", 1, 1)) // one who says nothing of limits
		l.Allowance(Allowance{Limit: 30, Remaining: 0, Reset: 40 * time.Second})
		l.Done(Neutral, 0)
		if e := busy(t, b, a); e.Cause != Paced || e.RetryAfter != 40*time.Second {
			t.Errorf("when nothing remains: %+v, want it paced until the reset", e)
		}
		l.Allowance(Allowance{})
		pass(40 * time.Second)
		serve(t, b, time.Second, a)
	})
}

func TestARemainderIsNotOverdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{}), offer("a", 1, 1)
		a.Limits.RequestsPerMinute = 30
		l := pick(t, b, a)
		l.Allowance(Allowance{Limit: 30, Remaining: 2, Reset: 6 * time.Second}) // before this one
		l.Done(Succeeded, 0)
		serve(t, b, time.Second, a)
		if e := busy(t, b, a); e.Cause != Paced {
			t.Errorf("Pick = %+v, want it paced: two remained and were used", e)
		}
	})
}

func TestPickWaitsForThePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{Wait: 3 * time.Second}), offer("a", 1, 1)
		a.Limits.RequestsPerMinute = 30
		for range 5 {
			serve(t, b, time.Second, a)
		}
		began := time.Now()
		l := pick(t, b, a)
		if took := time.Since(began).Round(10 * time.Millisecond); took != 2*time.Second {
			t.Errorf("Pick took %s, want the 2 s until the limit has room", took)
		}
		l.Done(Limited, 2*time.Second) // it is not waited for one who is not only paced
		if e := busy(t, b, a); e.Cause != Paused || time.Since(began) > 2100*time.Millisecond {
			t.Errorf("Pick = %+v after %s, want it refused at once", e, time.Since(began))
		}
		pass(2 * time.Second)
		l = pick(t, b, a)
		l.Allowance(Allowance{Limit: 30, Reset: time.Minute})
		l.Done(Succeeded, 0)
		began = time.Now()
		if e := busy(t, b, a); e.Cause != Paced || time.Since(began) != 0 {
			t.Errorf("Pick = %+v after %s, want it refused at once: the wait would be too long", e, time.Since(began))
		}
	})
}

func TestPickWaitsForAnotherRequestToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := testBoard(t, BoardConfig{Wait: 900 * time.Millisecond}), offer("a", 1, 1)
		first, second := pick(t, b, a), pick(t, b, a)
		second.Done(Crowded, 0)
		got := make(chan *Lease)
		go func() {
			l, err := b.Pick(t.Context(), b.Join(), []*Offer{a}, nil)
			if err != nil {
				t.Error(err)
			}
			got <- l
		}()
		synctest.Wait()
		began := time.Now()
		first.Done(Succeeded, 0)
		l := <-got
		if waited := time.Since(began); waited != 0 {
			t.Errorf("it took %s until the next one was let in, want none", waited)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, err := b.Pick(ctx, b.Join(), []*Offer{a}, nil)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Pick of a caller who left: %v", err)
			}
			got <- nil
		}()
		synctest.Wait()
		cancel()
		<-got
		began = time.Now()
		if e := busy(t, b, a); e.Cause != Paced || time.Since(began) != 900*time.Millisecond {
			t.Errorf("Pick = %+v after %s, want it given up after 900 ms", e, time.Since(began))
		}
		l.Done(Succeeded, 0)
	})
}
