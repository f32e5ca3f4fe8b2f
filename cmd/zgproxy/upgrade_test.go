package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// upgrading is a network of two twins, of which the cheaper one can be upgraded, with a daemon and callers in front of it.
type upgrading struct {
	*world
	d      *running
	failed []string
	mu     sync.Mutex
}

// load has callers ask one after the other until the returned function is called.
func (u *upgrading) load(callers int) (stop func()) {
	ctx, cancel := context.WithCancel(u.Context())
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				resp, err := u.tryPost(u.Context(), "/v1/chat/completions", `{"model":"echo-1","messages":[{"role":"user","content":"hi"}]}`)
				if err != nil {
					u.note(err.Error())
					continue
				}
				body, err := io.ReadAll(resp.Body)
				if err := resp.Body.Close(); resp.StatusCode != http.StatusOK || err != nil {
					u.note(fmt.Sprint(resp.StatusCode, " ", string(body)))
				}
				if err != nil {
					u.note(err.Error())
				}
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

func (u *upgrading) note(failure string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.failed = append(u.failed, failure)
}

// must fails the test where something of the network's did.
func (u *upgrading) must(errs ...error) {
	u.Helper()
	for _, err := range errs {
		if err != nil {
			u.Fatal(err)
		}
	}
}

func (u *upgrading) announce() error {
	return u.net.Announce(u.Context(), 0, devnet.ProviderKey("alpha"))
}

// says waits until a page of the daemon has a text, or has it no more.
func (u *upgrading) says(url, text string, want bool) {
	u.Helper()
	u.eventually(fmt.Sprintf("%s in %s: %v", text, url, want), func() error {
		if _, body := u.get(url); strings.Contains(body, text) != want {
			return fmt.Errorf("%.2000s", body)
		}
		return nil
	})
}

// serves waits until alpha answers again, as the process that runs now.
func (u *upgrading) serves(what string) {
	u.Helper()
	alpha := u.net.Providers[0]
	_, before := alpha.ExchangesSince(0)
	u.eventually(what, func() error {
		for _, x := range func() []simprovider.Exchange { xs, _ := alpha.ExchangesSince(before); return xs }() {
			if x.Status == http.StatusOK {
				return nil
			}
		}
		return fmt.Errorf("it has answered nothing since; status %s", u.d.log)
	})
}

// An upgrade changes a provider's signer, and takes the acknowledgement away for a while; a reboot undoes both. Callers are
// served by its twin meanwhile, and nobody is asked about a signer that was accepted before.
func TestUpgradeUnderLoad(t *testing.T) {
	const first, second = "sha256:a1", "sha256:b2"
	const switches, callers = 4, 3
	w := newWorld(t, devnet.Config{Change: func(name string, p *simprovider.Config, _ *simchain.ServiceParams) {
		if name == "alpha" {
			p.Image = first
		}
	}})
	w.env = append(w.net.Env(), "ZGPROXY_DIRECTORY_REFRESH=100ms")
	u := &upgrading{world: w, d: w.inProcess()}
	alpha := w.net.Providers[0].Address()
	was := w.net.Providers[0].TEESigner()
	stop := u.load(callers)
	u.serves("the cheaper one serves")

	// The new process answers before the chain knows of it: that cannot be told from a forged answer, until the chain names it.
	u.must(w.net.Upgrade(0, second))
	if w.net.Providers[0].TEESigner() == was {
		t.Fatal("another image has the same signer")
	}
	u.says(u.d.admin+"/v1/status", "which the chain does not name either", true)
	u.must(u.announce())
	u.says(u.d.admin+"/v1/status", "which the chain does not name either", false)
	const waiting = "the chain has not acknowledged its signer yet"
	u.says(u.d.admin+"/v1/status", `"waiting": "`+waiting, true)
	u.says(u.d.admin+"/readyz", alpha.Hex()+" waits since", true)
	u.says(u.d.api+"/v1/models", `"waiting":"`+waiting, true)

	// A reboot undoes the upgrade: the known signer is acknowledged again.
	u.must(w.net.Reboot(0), u.announce())
	if now := w.net.Providers[0].TEESigner(); now != was {
		t.Fatalf("the same image has another signer, %s instead of %s", now, was)
	}
	u.must(w.net.Chain.AcknowledgeSigner(t.Context(), alpha))
	u.serves("back by itself")
	u.says(u.d.admin+"/v1/status", `"waiting": "`+waiting, false)

	// Of a new signer that is acknowledged, be it a moment later, the owner is asked.
	w.net.SetAckDelay(50 * time.Millisecond)
	u.must(w.net.Upgrade(0, second), u.announce())
	u.says(u.d.admin+"/v1/status", "Its signer on chain is", true)
	w.suspendedOnce(alpha)
	u.serves("after it was accepted")
	asked := strings.Count(u.d.log.String(), "the operator accepts a provider")

	// Back to the first image, whose signer was accepted before: no question.
	u.must(w.net.Reboot(0), u.announce())
	u.says(u.d.admin+"/v1/status", `"signer": "`+was.Hex(), true)
	u.serves("back by itself to a signer from before")
	stop()
	// What a process was answering when it ended is cut off, and said to be; nothing else fails.
	failed := slices.DeleteFunc(slices.Clone(u.failed), func(f string) bool { return strings.Contains(f, `"code":"truncated"`) })
	if cut := len(u.failed) - len(failed); len(failed) > 0 || cut > switches*callers {
		t.Errorf("%d answers were cut off, at most %d were under way; others that failed: %.1000q", cut, switches*callers, failed)
	}
	pins, suspended, err := stored(w)
	if err != nil || len(suspended) != 0 || pins[alpha].Settler != was {
		t.Errorf("pins %+v, suspended %+v, %v; want the first signer and nobody suspended", pins[alpha], suspended, err)
	}
	if n := strings.Count(u.d.log.String(), "the operator accepts a provider"); n != asked {
		t.Errorf("the owner was asked %d times, want %d", n, asked)
	}
}

// stored is what a daemon that stops now leaves in its store.
func stored(w *world) (pins map[common.Address]zg.Pin, suspended map[common.Address]zg.Suspension, err error) {
	if err := w.daemon.stop(); err != nil {
		return nil, nil, err
	}
	r, err := billing.OpenReadOnly(w.Context(), w.data)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return r.Trust(w.Context())
}
