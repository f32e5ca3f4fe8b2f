package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// soakCallers send at the same time.
const soakCallers = 16

// soak is a long run of many exchanges in bad weather.
type soak struct {
	*world
	sims   []int                 // providers that answer, by their place in the network
	models []string              // of chats
	speech *simprovider.Provider // to which uploads go
	opened map[int]zg.Neuron     // what was in their sub-accounts at the start
	block  uint64
	total  int
	next   atomic.Int64

	left, plain, refused, broken atomic.Int64 // how exchanges ended for their callers
	uploads, hung                atomic.Int64 // of them: uploads, and those that their callers broke off
	restarts, settled, reorgs    int
	strangers                    int    // transactions of the wallet that were made elsewhere …
	accepted                     uint64 // … and of them those that were accepted
	faults                       map[string]int

	jobs   soakJobs
	drifts int       // how often there was drift after some weather …
	drift  zg.Neuron // … and the most of it
}

// TestSoak lets thousands of exchanges with several providers run while callers leave, answers lack their usage,
// uploads are broken off, videos take their time or fail, providers restart and settle, the RPC fails, the chain is
// reorganised, and another program uses the wallet's key. At the end the book has to equal the chain to the neuron.
func TestSoak(t *testing.T) {
	s := newSoak(t)
	start := time.Now()
	var callers sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: soakCallers}}
	seed := uint64(time.Now().UnixNano())
	t.Logf("%d exchanges, seed %d", s.total, seed)
	for i := range soakCallers {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		callers.Go(func() {
			for s.next.Add(1) <= int64(s.total) {
				for !s.exchange(client, random) { // refused ones are no exchanges
					pause := time.NewTimer(2 * time.Millisecond)
					select {
					case <-pause.C:
					case <-t.Context().Done():
						return
					}
				}
			}
		})
	}
	s.weather(rand.New(rand.NewPCG(seed, soakCallers)))
	callers.Wait()
	took := time.Since(start)
	client.CloseIdleConnections()
	s.net.Chain.SetFault(nil)
	s.net.Chain.Resume()
	t.Logf("%d exchanges in %s, %.0f a second: %d whole, %d left by their callers, %d refused, %d broken off",
		s.total, took.Round(time.Millisecond), float64(s.total)/took.Seconds(),
		s.plain.Load(), s.left.Load(), s.refused.Load(), s.broken.Load())
	t.Logf("of them %d uploads, %d of those broken off by their callers; %d settlements, %d restarts of providers, "+
		"%d reorganisations, RPC faults %v; drift was seen %d times, %s 0G at most",
		s.uploads.Load(), s.hung.Load(), s.settled, s.restarts, s.reorgs, s.faults, s.drifts, s.drift.Og())
	if mb, err := residentMemory(s.daemon.pid, "VmHWM"); err != nil {
		t.Logf("the daemon's memory is not known: %v", err)
	} else {
		t.Logf("the daemon's memory: %d MB at most", mb)
	}
	s.jobsGoBy()
	s.settleUp()
	s.compare()
	s.compareUploads()
	s.compareJobs()
	s.compareElsewhere()
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	s := soakOn(t, devnet.Config{PriceFactor: 100, MoreChats: 2, SettleLag: 50 * time.Millisecond, Change: soakFilms})
	usual := 2000
	if raced {
		usual /= 4
	}
	s.total = rounds(t, "ZG_SOAK_EXCHANGES", usual)
	s.begin()
	return s
}

// soakOn is a network whose chats and transcriptions a daemon is to use that has not begun yet.
func soakOn(t *testing.T, cfg devnet.Config) *soak {
	t.Helper()
	w := newWorld(t, cfg)
	s := &soak{world: w, opened: map[int]zg.Neuron{}, faults: map[string]int{}, jobs: soakJobs{seen: map[string]bool{}}}
	var providers []string
	for i, p := range w.net.Providers {
		switch p.Type() {
		case zg.Chatbot:
			if i == 2 { // it sells what the first does, and dearer
				continue
			}
			s.models = append(s.models, p.Model())
		case zg.SpeechToText:
			s.speech = p
		case zg.VideoGeneration:
			s.jobs.models = append(s.jobs.models, p.Model())
		case zg.TextToImage, zg.ImageEditing, zg.AudioGeneration, zg.Embedding, zg.Decisions:
			continue
		}
		a, _, err := w.net.Chain.SubAccount(t.Context(), devnet.Wallet(), p.Address())
		if err != nil {
			t.Fatal(err)
		}
		s.sims, s.opened[i] = append(s.sims, i), a.Balance
		providers = append(providers, p.Address().Hex())
	}
	if err := w.net.Chain.DepositFor(t.Context(), devnet.Wallet(), zg.OneOG.Mul(10_000)); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.block, err = w.net.Chain.Client().BlockNumber(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "ZGPROXY_PROVIDERS="+strings.Join(providers, ","), "ZGPROXY_VERIFY=off",
		"ZGPROXY_LOW_WATER=4 0G", "ZGPROXY_HIGH_WATER=6 0G")
	w.env = append(w.env, transfersPerDay(zg.OneOG.Mul(10_000))...)
	return s
}

// begin starts the daemon and waits until its sub-accounts are full.
func (s *soak) begin() {
	s.Helper()
	s.child()
	for _, i := range s.sims {
		s.eventually("topped up", func() error { return s.holdsAtLeast(i, 5) })
	}
}

func (s *soak) holdsAtLeast(i int, og uint64) error {
	a, _, err := s.net.Chain.SubAccount(s.Context(), devnet.Wallet(), s.net.Providers[i].Address())
	if err == nil && a.Locked().Less(zg.OneOG.Mul(og)) {
		err = errors.New(a.Locked().Og())
	}
	return err
}

// exchange sends one request; false means that it was refused. One in ten callers leaves before the end, one answer in
// twenty carries no usage, one in forty is cut off.
func (s *soak) exchange(client *http.Client, random *rand.Rand) bool {
	if random.IntN(25) == 0 {
		return s.upload(random)
	}
	if len(s.jobs.models) > 0 && random.IntN(25) == 0 {
		return s.film(client, random)
	}
	text := fmt.Sprintf("lorem:%d", 3+random.IntN(8))
	switch random.IntN(40) {
	case 0, 1:
		text += " fault:no-usage"
	case 2:
		text += " fault:" + string(simprovider.ResetMidStream) // booked at the bound until the provider's own figures are seen
	}
	stream := random.IntN(10) < 7
	body := fmt.Sprintf(`{"model":%q,"stream":%v,"max_tokens":16,"messages":[{"role":"user","content":%q}]}`, s.models[random.IntN(len(s.models))], stream, text)
	ctx, leave := context.WithCancel(s.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.daemon.api+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		s.Error(err)
		return true
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		s.broken.Add(1)
		return true
	}
	defer func() { _ = resp.Body.Close() }() // read as far as wanted
	if resp.StatusCode == http.StatusBadGateway && strings.HasSuffix(text, string(simprovider.ResetMidStream)) {
		s.broken.Add(1) // a document was cut off before anything of it was passed on
		return true
	}
	if resp.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, resp.Body) // a refusal
		s.refused.Add(1)
		return false
	}
	in := bufio.NewReader(resp.Body)
	if random.IntN(10) == 0 {
		_, _ = in.ReadByte() // the answer has begun
		leave()
		s.left.Add(1)
		return true
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		s.broken.Add(1)
		return true
	}
	s.plain.Add(1)
	return true
}

// weather is what happens meanwhile, one thing after so many exchanges.
func (s *soak) weather(random *rand.Rand) {
	steps := max(20, s.total/500)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for n := 1; n < steps; n++ {
		for s.next.Load() < int64(n*s.total/steps) {
			select {
			case <-tick.C:
			case <-s.Context().Done():
				return
			}
		}
		s.storm(random, n)
		s.seeDrift()
	}
}

// seeDrift takes note of drift. In such weather what a look sees of the chain and of a claim need not fit; in the end
// it does.
func (s *soak) seeDrift() {
	s.Helper()
	var status lagStatus
	if _, body := s.get(s.daemon.admin + "/v1/status"); json.Unmarshal([]byte(body), &status) != nil {
		s.Errorf("the status: %s", body)
	}
	for _, a := range status.Accounts {
		if d := a.Drift.Neuron; !d.IsZero() {
			s.drifts++
			s.drift = s.drift.Max(d)
		}
	}
}

func (s *soak) storm(random *rand.Rand, n int) {
	s.net.Chain.SetFault(nil)
	one := s.sims[random.IntN(len(s.sims))]
	switch n % 10 {
	case 0, 4, 7:
		s.settle(one)
	case 2:
		if err := s.net.Restart(one); err != nil {
			s.Fatal(err)
		}
		s.restarts++
	case 5:
		s.elsewhere(random) // undone, and done again
		if err := s.net.Chain.Reorg(1 + random.IntN(3)); err != nil {
			s.Fatal(err)
		}
		s.reorgs++
	case 1:
		s.faults["502"]++
		s.net.Chain.SetFault(func(string, []byte) *simchain.Fault { return &simchain.Fault{Status: http.StatusBadGateway} })
	case 3:
		s.faults["slow"]++
		s.net.Chain.SetFault(func(string, []byte) *simchain.Fault { return &simchain.Fault{Delay: 30 * time.Millisecond} })
	case 6:
		s.faults["stale"]++
		s.net.Chain.SetFault(s.staleBlocks(5))
	case 8:
		s.faults["some"]++
		coin := rand.New(rand.NewPCG(random.Uint64(), 0))
		s.net.Chain.SetFault(func(string, []byte) *simchain.Fault { // one call at a time comes here
			if coin.IntN(3) == 0 {
				return &simchain.Fault{Error: &simchain.RPCError{Code: -32005, Message: "too many requests"}}
			}
			return nil
		})
		s.elsewhere(random)
	case 9:
		s.elsewhere(random)
		s.noticed()
		s.heldUp()
		s.acceptElsewhere()
	}
}

// settle lets a provider take what it is owed. One that cannot at the moment does so later.
func (s *soak) settle(i int) {
	if err := s.net.Providers[i].Settle(s.Context()); err != nil {
		s.Logf("settlement put off: %v", err)
		return
	}
	s.settled++
}

// staleBlocks answers with the header of an older block when asked for the newest.
func (w *world) staleBlocks(behind uint64) func(string, []byte) *simchain.Fault {
	w.Helper()
	header := w.headerBehind(behind)
	return func(method string, params []byte) *simchain.Fault {
		if method == "eth_getBlockByNumber" && strings.Contains(string(params), `"latest"`) {
			return &simchain.Fault{Result: header}
		}
		return nil
	}
}

func (w *world) headerBehind(n uint64) json.RawMessage {
	w.Helper()
	eth := w.net.Chain.Client()
	head, err := eth.BlockNumber(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	var header *types.Header
	if header, err = eth.HeaderByNumber(w.Context(), bigOf(head-n)); err != nil {
		w.Fatal(err)
	}
	raw, err := json.Marshal(header)
	if err != nil {
		w.Fatal(err)
	}
	return raw
}
