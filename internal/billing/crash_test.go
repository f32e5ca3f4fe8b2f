package billing

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// The process ends at every single call that it makes of the chain, before the call and after it took effect, on a
// course with two replacements, a reorg, and blocks to wait for. The next one brings it to its end, and the money moves
// once.
func TestJournalCrashesAnywhere(t *testing.T) {
	for _, after := range []bool{false, true} {
		points := 0
		for reached := true; reached; points++ {
			synctest.Test(t, func(t *testing.T) { reached = crashAt(t, points, after) })
			if t.Failed() {
				t.Fatalf("killed at call %d, after it took effect: %v", points, after)
			}
		}
		t.Logf("killed at %d calls, after they took effect: %v", points-1, after)
		if least := map[bool]int{false: 40, true: 4}[after]; points < least {
			t.Errorf("only %d points were reached, want %d", points, least)
		}
	}
}

// crashAt ends the process at a call, or with after in a Broadcast that came through. It returns false when there are
// not so many calls.
func crashAt(t *testing.T, call int, after bool) (reached bool) {
	t.Helper()
	dir := t.TempDir()
	n := newNetwork(t)
	n.minFee = 4
	in := transferOpening(alice)
	calls, killed := 0, errors.New("killed")
	n.hook = func(string) error {
		if !after {
			reached = reached || calls == call
			calls++
		}
		if reached {
			return killed
		}
		return nil
	}
	n.after = func() error {
		if after {
			reached = reached || calls == call
			calls++
		}
		if reached {
			return killed
		}
		return nil
	}
	s, err := Open(t.Context(), dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := JournalConfig{Confirmations: 10, PollReceipt: 20 * time.Second, ReplaceAfter: 50 * time.Second}
	a := n.attempt(n.journal(s, cfg), in, OriginHand)
	restarted, steps := false, 0
	step := func() { // five seconds of the world
		if steps++; steps == 32 {
			n.reorg(10, call%2 == 0) // whatever was mined is gone, and half the time lost
		}
		n.blocks(1)
		advance(5 * time.Second)
	}
	for ; steps < 150; step() {
		var dead bool
		n.with(func() { dead = reached })
		if restarted || !dead {
			continue
		}
		a.stop()
		check(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(t.Context(), dir, StoreOptions{}); err != nil {
			t.Fatal(err)
		}
		n.with(func() { n.hook, n.after = nil, nil })
		all := topUps(t, s)
		if len(all) == 0 { // it had not been recorded, so it has not happened
			a = n.attempt(n.journal(s, cfg), in, OriginHand)
		} else {
			j, done := n.journal(s, cfg), make(chan error, 1)
			go func() { done <- j.Resume(t.Context()) }()
			defer func() {
				if err := <-done; err != nil {
					t.Errorf("Resume: %v", err)
				}
			}()
		}
		restarted = true
	}
	all := topUps(t, s)
	if len(all) != 1 || all[0].State != EntryMined || all[0].Block == 0 || n.moved() != 1 || n.locked(alice) != "1" {
		t.Errorf("on record %+v, %d transfers, %s 0G; want one, mined, and 1 0G", all, n.moved(), n.locked(alice))
	}
	for _, tx := range all[0].Txs {
		if tx.Nonce != 5 || tx.Cancels || zg.NeuronOf(6).Less(tx.FeeCap) {
			t.Errorf("transaction %+v", tx)
		}
	}
	check(t, s)
	n.with(func() { n.hook, n.after = nil, nil })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return reached
}
