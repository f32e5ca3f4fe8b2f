package main

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// Several providers at one URL are several providers: sessions, refusals, claims, signatures, debits and pictures go by the address.
func TestProvidersAtOneURL(t *testing.T) {
	front, err := simprovider.NewFront()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := front.Close(); err != nil {
			t.Error(err)
		}
	})
	w := newWorld(t, devnet.Config{Change: func(name string, p *simprovider.Config, _ *simchain.ServiceParams) {
		if name != "epsilon" {
			p.Front = front
		}
	}})
	w.inProcess()
	alpha, beta, gamma, delta := w.net.Providers[0], w.net.Providers[1], w.net.Providers[2], w.net.Providers[3]
	for _, p := range []*simprovider.Provider{beta, gamma, delta} {
		if p.URL() != alpha.URL() {
			t.Fatalf("%s is at %s, not at %s", p.Model(), p.URL(), alpha.URL())
		}
	}
	const chat, images = "/v1/chat/completions", "/v1/images/generations"
	questions := map[*simprovider.Provider][2]string{
		alpha: {chat, `{"model":"echo-1","messages":[{"role":"user","content":"hello"}]}`},
		beta:  {chat, `{"model":"lorem-1","stream":true,"messages":[{"role":"user","content":"lorem:20"}]}`},
		delta: {images, `{"model":"picture-1","prompt":"the sea","response_format":"b64_json"}`},
	}
	var mu sync.Mutex
	booked := map[common.Address]zg.Neuron{}
	ask := func(model string, q [2]string) (from common.Address) {
		a := w.ask(t, http.MethodPost, w.daemon.api+q[0], "application/json", q[1])
		rec := w.record(a.header.Get("X-Request-Id"), true)
		if a.status != http.StatusOK || rec.Verdict != zg.VerdictVerified {
			t.Errorf("%s: %d %.200s: %s", model, a.status, a.body, rec.Verdict)
		}
		mu.Lock()
		defer mu.Unlock()
		booked[rec.Provider] = booked[rec.Provider].Add(rec.Fee)
		return rec.Provider
	}
	var asking sync.WaitGroup
	for p, q := range questions {
		asking.Go(func() {
			for range 10 {
				if from := ask(p.Model(), q); from != p.Address() && (p != alpha || from != gamma.Address()) {
					t.Errorf("%s came from %s", p.Model(), from)
				}
			}
		})
	}
	asking.Wait()

	// What goes wrong at one of them is not held against its neighbours.
	alpha.SetFault(simprovider.Fault{Kind: simprovider.ServerError})
	if from := ask(alpha.Model(), questions[alpha]); from != gamma.Address() {
		t.Errorf("%s answered instead", from)
	}
	alpha.SetFault(simprovider.Fault{})

	for _, p := range []*simprovider.Provider{alpha, beta, gamma, delta} {
		w.atRest(p)
		if billed := p.Billed(devnet.Wallet()); billed.IsZero() || booked[p.Address()] != billed {
			t.Errorf("%s bills %s, booked are %s", p.Model(), billed, booked[p.Address()])
		}
		if err := p.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.eventually("taken from the account of each", func() error {
		r := decode[accountReport](w, w.must(args("account --json")))
		for _, p := range []*simprovider.Provider{alpha, beta, gamma, delta} {
			s := r.sub(p.Address())
			if s.Owed == nil || s.Drift == nil || !s.Owed.Neuron.IsZero() || !s.Drift.Neuron.IsZero() || s.Suspended != nil {
				return fmt.Errorf("%s: owed %v, drift %v, suspended %v", p.Model(), s.Owed, s.Drift, s.Suspended)
			}
		}
		return nil
	})
}
