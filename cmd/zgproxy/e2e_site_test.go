package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/wallet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// What the conformance suite points clients at.
const (
	viaDaemon    = "daemon"
	bareProvider = "bare"
)

// localKey is what callers of the suite's daemon have to present.
const localKey = "local-key-of-the-suite"

// spareModels are models with a provider each, for scenarios in which that provider fails.
const spareModels = 24

// place is where requests go.
type place struct {
	Base string `json:"base"` // what clients call the base URL
	Root string `json:"root"` // where /v1/... begins
	Key  string `json:"key"`
}

// site is a devnet with a daemon in front of it, and what scenarios need to know of both.
type site struct {
	*world
	front     place            // the daemon
	providers map[string]place // by model; of several providers the first
	spare     []string         // models
	forbidden string           // the model of a provider that the daemon may not use
	withheld  place            // a daemon on a devnet of its own, which withholds what is not shown to be the signer's
	control   string           // over which scenarios make providers fail
}

// newSite starts everything. What the daemon waits for is short, because callers of it leave in the middle of answers.
func newSite(t *testing.T, withheld bool) *site {
	t.Helper()
	s := &site{world: newWorld(t, devnet.Config{AllKinds: true, MoreChats: spareModels + 1}), forbidden: fmt.Sprintf("lorem-%d", spareModels+2)}
	if withheld {
		strict := newWorld(t, devnet.Config{MoreChats: 4}) // a provider with a bad signature is suspended: each scenario has its own
		strict.env = append(strict.env, "ZGPROXY_VERIFY=enforce")
		api := strict.inProcess().api
		s.withheld = place{Base: api + "/v1", Root: api, Key: "unused"}
	}
	last := s.of(s.forbidden)[0]
	for i, kv := range s.env {
		s.env[i] = strings.Replace(kv, ","+last.Address().Hex(), "", 1)
	}
	s.env = append(s.env, "ZGPROXY_VERIFY=observe", "ZGPROXY_API_KEYS="+localKey, "ZGPROXY_ALLOWED_ORIGINS=https://app.example.com", "ZGPROXY_LOW_WATER=1.2", "ZGPROXY_DRAIN_TIMEOUT=500ms", "ZGPROXY_SHUTDOWN_GRACE=2s",
		"ZGPROXY_PACE_WAIT=0s") // what a client makes of a limit is seen when nothing waits for its end
	api := s.inProcess().api
	s.front = place{Base: api + "/v1", Root: api, Key: localKey}
	s.findProviders()
	s.serveControl()
	return s
}

// findProviders makes a session token for each provider, as the daemon does for itself.
func (s *site) findProviders() {
	s.Helper()
	w, err := wallet.Open(wallet.Config{PrivateKey: devnet.WalletKeyHex})
	if err != nil {
		s.Fatal(err)
	}
	tokens := wallet.NewSessions(w, wallet.SessionsConfig{Generation: func(ctx context.Context, p common.Address) (uint64, error) {
		account, _, err := s.net.Chain.SubAccount(ctx, devnet.Wallet(), p)
		return account.Generation, err
	}})
	s.providers = make(map[string]place)
	for _, p := range s.net.Providers {
		if _, ok := s.providers[p.Model()]; ok {
			continue
		}
		bearer, err := tokens.Bearer(s.Context(), p.Address())
		if err != nil {
			s.Fatalf("a session token for %s: %v", p.Model(), err)
		}
		s.providers[p.Model()] = place{Base: p.URL() + "/v1/proxy", Root: p.URL(), Key: strings.TrimPrefix(bearer, "Bearer ")}
		if p.Type() == zg.Chatbot && strings.HasPrefix(p.Model(), "lorem-") && p.Model() != "lorem-1" && p.Model() != s.forbidden {
			s.spare = append(s.spare, p.Model())
		}
	}
}

// at is where a model is asked for.
func (s *site) at(target, model string) place {
	if p, ok := s.providers[model]; ok && target == bareProvider {
		return p
	}
	return s.front
}

// spareFor are the spare models in the order in which a client takes them: another one for each client, and the same every
// time, so that answers can be compared.
func (s *site) spareFor(client string) []string {
	const apart = 9
	column := slices.IndexFunc(pageClients, func(c pageClient) bool { return c.file == client })
	at := column * apart % len(s.spare)
	return slices.Concat(s.spare[at:], s.spare[:at])
}

// heal waits until a model that has failed is served again, so that no failure of another scenario counts.
func (s *site) heal(model string) error {
	body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"lorem:1"}]}`, model)
	return poll(20*time.Millisecond, patience, nil, func() error {
		req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.front.Base+"/chat/completions", strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+s.front.Key)
		resp, err := httpClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers with status %d", model, resp.StatusCode)
		}
		return nil
	})
}

// order is what a scenario wants of the providers of a model.
type order struct {
	Model   string                `json:"model"`
	First   bool                  `json:"first"` // only the first of the model's providers
	ID      string                `json:"id"`
	Kind    simprovider.FaultKind `json:"kind"`
	N       int                   `json:"n"`
	After   int                   `json:"after"`
	DelayMS int                   `json:"delay_ms"`
	Status  int                   `json:"status"`
	Body    string                `json:"body"`
	Raw     *struct {
		Type   string   `json:"type"`
		Pieces []string `json:"pieces"`
	} `json:"raw"`
}

func (o order) fault() simprovider.Fault {
	f := simprovider.Fault{
		Kind: o.Kind, N: o.N, After: o.After, Delay: time.Duration(o.DelayMS) * time.Millisecond, Status: o.Status, Body: o.Body,
	}
	if o.Raw != nil {
		f.Raw = &simprovider.RawAnswer{ContentType: o.Raw.Type}
		for _, p := range o.Raw.Pieces {
			f.Raw.Pieces = append(f.Raw.Pieces, []byte(p))
		}
	}
	return f
}

// of are the providers of a model.
func (s *site) of(model string) []*simprovider.Provider {
	var all []*simprovider.Provider
	for _, p := range s.net.Providers {
		if p.Model() == model {
			all = append(all, p)
		}
	}
	return all
}

// setFault makes all providers of a model fail.
func (s *site) setFault(model string, f simprovider.Fault) {
	for _, p := range s.of(model) {
		p.SetFault(f)
	}
}

// awaitIdle waits until the providers of a model have nothing under way, and with them the daemon, which bills what they do.
func (s *site) awaitIdle(model string) error {
	return poll(5*time.Millisecond, patience, nil, func() error {
		for _, p := range s.of(model) {
			if n := p.Active(); n > 0 {
				return fmt.Errorf("%s still has %d requests under way", model, n)
			}
		}
		return nil
	})
}

// booked waits for the record of a request with its verdict.
func (s *site) booked(id string) (json.RawMessage, error) {
	var found string
	err := poll(10*time.Millisecond, patience, nil, func() error {
		var rec record
		code, body := s.get(s.daemon.admin + "/v1/requests/" + id)
		if err := json.Unmarshal([]byte(body), &rec); code != http.StatusOK || err != nil {
			return fmt.Errorf("%d %s", code, body)
		}
		if found = body; rec.State == "open" || rec.Verdict == zg.VerdictPending {
			return errors.New("still " + rec.State + " and " + string(rec.Verdict))
		}
		return nil
	})
	return json.RawMessage(found), err
}

// serveControl lets clients in other processes do what tests do themselves.
func (s *site) serveControl() {
	mux := http.NewServeMux()
	for path, do := range map[string]func(order) (any, error){
		"/fault": func(o order) (any, error) {
			if o.First {
				s.of(o.Model)[0].SetFault(o.fault())
			} else {
				s.setFault(o.Model, o.fault())
			}
			return struct{}{}, nil
		},
		"/heal": func(o order) (any, error) {
			s.setFault(o.Model, simprovider.Fault{})
			return struct{}{}, s.heal(o.Model)
		},
		"/idle":   func(o order) (any, error) { return struct{}{}, s.awaitIdle(o.Model) },
		"/record": func(o order) (any, error) { return s.booked(o.ID) },
	} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			var o order
			err := json.NewDecoder(r.Body).Decode(&o)
			if err == nil && o.Model != "" && s.of(o.Model) == nil {
				err = fmt.Errorf("nobody serves %s", o.Model)
			}
			var answer any
			if err == nil {
				answer, err = do(o)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			_ = json.NewEncoder(w).Encode(answer) // a scenario that has ended needs none
		})
	}
	server := httptest.NewServer(mux)
	s.Cleanup(server.Close)
	s.control = server.URL
}
