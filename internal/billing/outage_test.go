package billing

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// A fault of the endpoint is nothing that callers have to pay for: they are told to come back, and the top-up is tried again
// soon, however often it has failed.
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
