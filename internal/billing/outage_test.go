package billing

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// A fault of the endpoint is nothing that callers have to pay for: they are told to come back, and the top-up is tried
// again soon, however often it has failed.
func TestFaultOfTheEndpointPasses(t *testing.T) {
	refused := fmt.Errorf("estimate the gas: %w: HTTP status 429", zg.ErrRPC)
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.set(alice, "1")
		n.hook = func(call string) error {
			if call == "Sign" {
				return refused
			}
			return nil
		}
		s := openStore(t, t.TempDir())
		k, stop := n.run(s, KeeperConfig{}, alice)
		advance(time.Hour)
		if pv := k.View().Providers[alice]; pv.Reason != refusalEndpoint || n.moved() != 0 {
			t.Errorf("reason %q, %d transfers", pv.Reason, n.moved())
		}
		if hint, wait := fundingOf(s, k); wait != fundingWait || !strings.Contains(hint, "endpoint") {
			t.Errorf("a caller is told %q, wait %s", hint, wait)
		}
		n.with(func() { n.hook = nil })
		advance(passingBackoff + time.Minute)
		if n.locked(alice) != "3" {
			t.Errorf("alice has %s 0G when the endpoint answers again", n.locked(alice))
		}
		// Its book says that nothing is missing, and whether that is still so cannot be read.
		n.with(func() {
			n.hook = func(call string) error {
				if call == "Holdings" {
					return refused
				}
				return nil
			}
		})
		for _, age := range []time.Duration{40 * time.Second, time.Hour} {
			advance(age)
			if hint, wait := fundingOf(s, k); wait < fundingWait || wait > outageWait || !strings.Contains(hint, "cannot be read now") {
				t.Errorf("a caller is told %q, wait %s", hint, wait)
			}
		}
		n.with(func() { n.hook = func(string) error { return errors.New("disk full") } })
		advance(time.Hour)
		if hint, wait := fundingOf(s, k); wait != 0 {
			t.Errorf("of what does not pass a caller is told %q, wait %s", hint, wait)
		}
		stopped(t, stop)
	})
}

// Whoever waits for a transaction is told why it does not go on, once for each reason, and that it does again.
func TestJournalTellsOfTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		refusing := ""
		n.hook = func(call string) error {
			if call == refusing {
				return fmt.Errorf("%w: HTTP status 429", zg.ErrRPC)
			}
			return nil
		}
		s := openStore(t, t.TempDir())
		j := n.journal(s, JournalConfig{})
		var told []string
		done := make(chan Entry)
		n.with(func() { refusing = "Broadcast" })
		go func() {
			e, err := j.Do(t.Context(), deposit, OriginHand, func(e Entry) { told = append(told, fmt.Sprintf("%s %v %s", e.State, e.Sent, e.Trouble)) })
			if err != nil {
				t.Error(err)
			}
			done <- e
		}()
		advance(20 * time.Second)
		n.with(func() { refusing = "Receipt" })
		advance(20 * time.Second)
		n.with(func() { refusing = "" })
		advance(20 * time.Second)
		if e := <-done; e.State != EntryMined || e.Trouble != "" {
			t.Errorf("%+v", e)
		}
		if diff := cmp.Diff([]string{
			"signed false ",
			"signed false send the transaction: the RPC endpoint failed: HTTP status 429",
			"signed false look for the receipt of nonce 5: the RPC endpoint failed: HTTP status 429",
			"signed true ",
			"signed true ",
			"mined true ",
		}, told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}
