package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
)

// TestMoreCallersThanTheProviderTakes sends 200 requests, 20 at a time, to the only provider of a model, which takes five at
// a time, alone or together with those of others. Every caller is answered at the first try, and few requests are one too
// many for the provider.
func TestMoreCallersThanTheProviderTakes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		limits simprovider.Limits
		others []int // how many requests of others there are, one figure after the other
	}{
		"its own limit":                {simprovider.Limits{Concurrent: 5}, nil},
		"a limit that others use, too": {simprovider.Limits{Global: 5}, []int{2, 0, 4, 1}},
		"both":                         {simprovider.Limits{Concurrent: 5, Global: 6}, []int{3, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, devnet.Config{Limits: tc.limits, TokenDelay: 5 * time.Millisecond})
			// Nobody is given up for being slow on a busy machine.
			w.env = append(w.env, "ZGPROXY_PACE_WAIT=5m")
			p := w.lorem()
			if len(tc.others) > 0 {
				p.Occupy(tc.others[0])
			}
			w.inProcess()
			const requests, atOnce = 200, 20
			numbers := make(chan int)
			answered := 0
			var mu sync.Mutex
			var wg sync.WaitGroup
			for range atOnce {
				wg.Go(func() {
					for i := range numbers {
						err := askLorem(w, i)
						mu.Lock()
						if err != nil {
							t.Error(err)
						} else {
							answered++
						}
						mu.Unlock()
					}
				})
			}
			for i := range requests {
				if n := len(tc.others); n > 0 {
					p.Occupy(tc.others[i*n/requests])
				}
				numbers <- i
			}
			close(numbers)
			wg.Wait()
			refused, served := 0, 0
			w.atRest(p) // an answer is on record behind its last byte
			for _, ex := range p.Exchanges() {
				switch ex.Status {
				case http.StatusOK:
					served++
				case http.StatusTooManyRequests, http.StatusServiceUnavailable:
					refused++
				}
			}
			_, metrics := w.get(w.daemon.admin + "/metrics")
			for line := range strings.SplitSeq(metrics, "\n") {
				if strings.HasPrefix(line, "zgproxy_route_provider_at_once") || strings.HasPrefix(line, "zgproxy_route_wait_seconds_") &&
					!strings.Contains(line, "bucket") {
					t.Log(line)
				}
			}
			t.Logf("%d of %d callers answered, the provider served %d and refused %d", answered, requests, served, refused)
			if answered != requests || served != requests || refused > 2*requests {
				t.Errorf("%d of %d callers answered, the provider served %d and refused %d", answered, requests, served, refused)
			}
			if !strings.Contains(metrics, `zgproxy_route_wait_seconds_count{outcome="served"}`) ||
				!strings.Contains(metrics, `zgproxy_route_provider_waiting{provider="`+p.Address().Hex()+`"} 0`) {
				t.Errorf("the metrics do not say that requests waited and that none does now:\n%s", metrics)
			}
		})
	}
}

// askLorem is one request to lorem-1; an error is what its caller would see.
func askLorem(w *world, i int) error {
	resp, err := w.tryPost(w.Context(), "/v1/chat/completions",
		fmt.Sprintf(`{"model":"lorem-1","stream":%v,"max_tokens":20,"messages":[{"role":"user","content":"lorem:20"}]}`, i%2 == 0))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("request %d: %d %s, %w", i, resp.StatusCode, text, err)
	}
	return nil
}
