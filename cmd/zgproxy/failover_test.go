package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// askedOnce is one chat with a model of several providers; an error is what its caller would see.
func askedOnce(w *world, stream bool, text string) error {
	body := fmt.Sprintf(`{"model":"echo-1","stream":%v,"max_tokens":40,"messages":[{"role":"user","content":%q}]}`, stream, text)
	resp, err := w.tryPost(w.Context(), "/v1/chat/completions", body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%d, read %q: %w", resp.StatusCode, answer, err)
	}
	whole := bytes.Contains(answer, []byte(text))
	if stream {
		whole = bytes.HasSuffix(answer, []byte("data: [DONE]\n\n"))
	}
	if resp.StatusCode != http.StatusOK || !whole {
		return fmt.Errorf("%d: %s", resp.StatusCode, answer)
	}
	return nil
}

// TestFailover has three providers of one model, of which one after the other is killed before the first byte of any of its
// answers: as the request arrives, while it thinks, when it is not asked at all. No caller sees an error.
// It has providers come back at the port they had, which nobody else may have taken meanwhile: so it runs alone.
func TestFailover(t *testing.T) {
	for _, policy := range []string{"balanced", "priority", "price", "latency"} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t, devnet.Config{Twins: 1})
			w.env = append(w.env, "ZGPROXY_ROUTING="+policy)
			w.inProcess()
			var echoes []int
			for i, p := range w.net.Providers {
				if p.Model() == "echo-1" {
					echoes = append(echoes, i)
				}
			}
			if len(echoes) != 3 {
				t.Fatalf("%d providers of echo-1, want 3", len(echoes))
			}
			const callers = 6
			caught := 0 // requests that were with the provider that was killed
			r := rand.New(rand.NewPCG(1, 2))
			for round := range 24 {
				i := echoes[round%3]
				victim := w.net.Providers[i]
				switch round % 4 {
				case 0:
					victim.SetFault(simprovider.Fault{Kind: simprovider.DieBeforeFirstByte}) // all of them, so that it answers none
				default:
					victim.SetFault(simprovider.Fault{Kind: simprovider.SlowFirstByte}) // until it is killed
				}
				var wg sync.WaitGroup
				before := len(victim.Exchanges())
				for n := range callers {
					wg.Go(func() {
						if err := askedOnce(w, n%2 == 0, fmt.Sprintf("words %d of %d", round, n)); err != nil {
							t.Errorf("round %d: a caller saw %v", round, err)
						}
					})
				}
				if round%4 != 0 {
					moment := time.Duration(r.IntN(4000)) * time.Microsecond
					<-time.After(moment)
					victim.Kill()
				}
				wg.Wait()
				victim.SetFault(simprovider.Fault{})
				if err := w.net.Restart(i); err != nil {
					t.Fatal(err)
				}
				caught += len(w.net.Providers[i].Exchanges()) - before
			}
			if caught == 0 {
				t.Error("no request was with a provider that was killed")
			}
			t.Logf("%d of %d requests were with a provider as it was killed", caught, 24*callers)
		})
	}
}

// TestFailoverBooks shows that each attempt is a record of its own, and what the failed one may cost is set aside.
func TestFailoverBooks(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.inProcess()
	alpha, gamma := w.net.Providers[0], w.net.Providers[2]
	alpha.SetFault(simprovider.Fault{Kind: simprovider.ResetBeforeHeaders, N: 1})
	resp, body := w.post("/v1/chat/completions", "application/json", []byte(`{"model":"echo-1","max_tokens":40,"messages":[{"role":"user","content":"hi"}]}`))
	id := resp.Header.Get("X-Request-Id")
	first, ok := strings.CutSuffix(id, "-2")
	if resp.StatusCode != http.StatusOK || !ok {
		t.Fatalf("%d %s %s", resp.StatusCode, id, body)
	}
	if rec := w.record(id, true); rec.Provider != gamma.Address() || rec.Basis != string(zg.FeeExact) || rec.Verdict != zg.VerdictVerified {
		t.Errorf("the attempt that answered: %+v", rec)
	}
	if rec := w.record(first, false); rec.Provider != alpha.Address() || rec.Basis != string(zg.FeeEstimated) || rec.Fee != rec.Bound || rec.Error != "provider_connection" {
		t.Errorf("the attempt that failed: %+v, want its bound set aside", rec)
	}
	if !strings.Contains(w.daemon.log.String(), `"attempts":2`) {
		t.Error("the access line does not tell of two attempts")
	}
	_, models := w.get(w.daemon.api + "/v1/models/echo-1")
	var m struct {
		X0G []struct {
			Provider string
			Health   struct {
				SuccessRate float64 `json:"success_rate"`
			}
		} `json:"x_0g"`
	}
	if err := json.Unmarshal([]byte(models), &m); err != nil || len(m.X0G) != 2 || m.X0G[0].Health.SuccessRate >= 1 || m.X0G[1].Health.SuccessRate != 1 {
		t.Errorf("the catalogue tells %s, %v; want the failure of the first provider in it", models, err)
	}
}
