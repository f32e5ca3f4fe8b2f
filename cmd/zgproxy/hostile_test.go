package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// script is one way in which a provider, or the RPC endpoint, lies to the daemon. In every one the daemon goes on
// running, moves no more than its cap, says what happened, and serves again when the lie has ended.
type script struct {
	name string
	env  []string // more configuration
	liar int      // the provider that lies, by its place in the network; 0: liarOfChats
	// early is what is untrue before the daemon starts.
	early func(*hostile)
	// lie begins; nil: it has. By then the daemon is ready, its sub-account is full, and nothing is owed.
	lie func(*hostile)
	// ask is what a caller does meanwhile; nil: spend makes a top-up necessary.
	ask func(*hostile)
	// again is the request that is served once the lie has ended; nil: a small chat.
	again func(*hostile) (int, string)
	// log holds words of which the daemon's log has to name at least one, or the status of the provider's account.
	log []string
	// later: only after its end the lie is seen through.
	later bool
	// paused is the reason for which the sub-account is not topped up any more, although the lie has ended; empty: it is.
	paused string
	// unserved says that the provider is of no use after this, so no request is served.
	unserved bool
	// heal ends what taking the faults away does not; repair undoes the rest, once the script is over.
	heal, repair func(*hostile)
}

// hostile is a network that lies to one daemon after the other.
type hostile struct {
	*world
	p     *simprovider.Provider // the one that lies, and the only one that may be paid but for the one with pictures
	liar  int                   // its place in the network
	block uint64                // what the wallet did after it is the script's
	// unspent says that what was to make a top-up necessary was not served yet. It is asked for again: without it there is
	// nothing for the keeper to do, and nothing to be told of.
	unspent bool
	drifted bool // the status has told of drift
}

// hostileWorlds is how many scripts run at the same time: they wait far more than they work.
const hostileWorlds = 3

// The caps of every script.
var (
	hostileCap = zg.OneOG.Mul(2)                 // transfers
	hostileGas = zg.OneOG.MulDiv(1, 10)          // gas, far more than a few transactions cost and far less than many would
	fullAmount = zg.OneOG.Mul(3)                 // in the sub-account at the beginning
	spendBody  = chatAsking("lorem:1200", false) // costs 1.2 0G
	smallBody  = chatAsking("lorem:5", false)
)

func chatAsking(text string, stream bool) string {
	return fmt.Sprintf(`{"model":"lorem-1","stream":%v,"max_tokens":1250,"messages":[{"role":"user","content":%q}]}`, stream, text)
}

func TestHostile(t *testing.T) {
	t.Parallel()
	free := make(chan *world, hostileWorlds)
	for range hostileWorlds {
		free <- newWorld(t, devnet.Config{PriceFactor: 2500, SettleLag: hostileLag, Change: hostileKinds})
	}
	all := slices.Concat(providerLies(), refusalLies(), chainChanges(), coverLies(), deepReorgs(), rpcLies(), rpcAnswers())
	if len(all) < 50 {
		t.Errorf("%d scripts, at least 50 are wanted", len(all))
	}
	names := map[string]bool{}
	for i, s := range all {
		if names[s.name] {
			t.Errorf("two scripts are called %s", s.name)
		}
		names[s.name] = true
		if raced && i%9 != 0 {
			continue // the code that runs at the same time is the same in all of them
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := <-free
			defer func() { free <- w }()
			runHostile(t, w, s)
		})
	}
}

func runHostile(t *testing.T, shared *world, s script) {
	t.Helper()
	w := &world{T: t, net: shared.net, data: filepath.Join(t.TempDir(), "data")}
	h := &hostile{world: w, liar: cmp.Or(s.liar, liarOfChats)}
	h.p = w.net.Providers[h.liar]
	h.reset()
	picture := w.net.Providers[3].Address().Hex()
	w.env = append(w.net.Env(), "ZGPROXY_PROVIDERS="+h.p.Address().Hex()+","+picture, "ZGPROXY_LOG_LEVEL=debug")
	w.env = append(append(w.env, transfersPerDay(hostileCap)...), s.env...)
	if s.early != nil {
		s.early(h)
	}
	if s.repair != nil {
		defer s.repair(h)
	}
	d := w.inProcess()
	h.funding("looked at", func(f fundingStatus) error { return f.seen() })
	h.full()
	healed := false
	heal := func() {
		if healed {
			return
		}
		healed = true
		w.net.Chain.SetFault(nil)
		w.net.Chain.Resume()
		for _, p := range w.net.Providers {
			p.SetFault(simprovider.Fault{})
			p.SetUnsettledReply("")
		}
		if s.heal != nil {
			s.heal(h)
		}
	}
	defer func() { _ = d.stop() }() // what it ended with is looked at below
	defer heal()

	if s.lie != nil {
		s.lie(h)
	}
	if s.ask == nil {
		s.ask = (*hostile).spend
	}
	s.ask(h)
	for n := 0; n < 10 || n < 200 && !s.later; n++ { // the keeper looks several times, and until it has noticed, on any machine
		h.while(300 * time.Millisecond)
		if h.told(d, s.log) == nil {
			break
		}
		if h.unspent {
			h.spend()
		}
	}
	h.check("while it lies")
	heal()
	h.eventually("told of", func() error {
		err := h.told(d, s.log)
		if err != nil && h.unspent {
			h.spend()
		}
		return err
	})
	if s.paused != "" {
		h.funding("paused", func(f fundingStatus) error { return f.because(s.paused) })
	}
	if !s.unserved {
		if s.again == nil {
			s.again = func(h *hostile) (int, string) { return h.chat(smallBody) }
		}
		h.eventually("served", func() error {
			if code, answer := s.again(h); code != http.StatusOK {
				return fmt.Errorf("%d %s", code, answer)
			}
			return nil
		})
	}
	h.while(200 * time.Millisecond)
	h.check("after the lie")
	if s.paused != "" {
		h.funding("still paused", func(f fundingStatus) error { return f.because(s.paused) })
	}
	if code, body := h.get(d.admin + "/readyz"); code != http.StatusOK {
		t.Errorf("/readyz = %d %s", code, body)
	}
	if err := d.stop(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
}

// told reports whether the log, or the status, holds one of the words.
func (h *hostile) told(d *running, words []string) error {
	if len(words) == 0 {
		return nil // it costs nothing and there is nothing to see
	}
	if slices.Contains(words, "drift") { // the word alone is in every status
		if h.drifted = h.drifted || !h.standing().Drift.Neuron.IsZero(); h.drifted {
			return nil
		}
		words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "drift" })
	}
	text := d.log.String()
	_, status := h.get(d.admin + "/v1/status")
	_, ready := h.get(d.admin + "/readyz")
	for _, w := range words {
		if strings.Contains(text, w) || strings.Contains(status, w) || strings.Contains(ready, w) {
			return nil
		}
	}
	account, _, err := h.net.Chain.SubAccount(h.Context(), devnet.Wallet(), h.p.Address())
	return fmt.Errorf("neither log nor status says any of %q; the sub-account has %s 0G on chain (%w) and owes %s; the status is %s",
		words, account.Balance.Og(), err, h.p.Unsettled(devnet.Wallet()).Og(), status)
}

// eventually is that of the world with less patience and without the log, which is long.
func (h *hostile) eventually(what string, f func() error) {
	h.Helper()
	if err := poll(10*time.Millisecond, patience, nil, f); err != nil {
		h.Fatalf("not %s: %v", what, err)
	}
}

// while lets time pass in which the daemon must not do what it must not do.
func (h *hostile) while(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.Context().Done():
	}
}

// check: no more is moved than the caps allow.
func (h *hostile) check(when string) {
	h.Helper()
	s, _, err := h.net.Chain.Spending(h.Context(), devnet.Wallet(), h.block)
	if err != nil {
		h.Fatalf("%s: read the chain: %v", when, err)
	}
	if hostileCap.Less(s.Transfers) || !s.Deposits.IsZero() || hostileGas.Less(s.Gas) {
		h.Errorf("%s: transferred %s 0G (cap %s), deposited %s, gas %s (at most %s)", when, s.Transfers.Og(), hostileCap.Og(), s.Deposits.Og(), s.Gas.Og(), hostileGas.Og())
	}
	for p := range s.By {
		if p != h.p.Address() && p != h.net.Providers[3].Address() {
			h.Errorf("%s: %s got money and may not", when, p)
		}
	}
}

// reset makes everything true again and the sub-accounts full. No daemon runs, so the wallet's nonces are free.
func (h *hostile) reset() {
	h.Helper()
	ctx := h.Context()
	chain := h.net.Chain
	// A daemon that ended in the middle of a top-up has left its transaction on the way to the node. Should that arrive after
	// the accounts were filled, nothing the script spends makes a top-up necessary.
	h.eventually("left alone", func() error {
		if n := chain.Active(); n != 0 {
			return fmt.Errorf("%d calls of the last daemon are under way", n)
		}
		return nil
	})
	for _, p := range h.net.Providers {
		h.atRest(p) // what ends later would be billed to this script
	}
	chain.DropPending()
	chain.Mine()
	for _, i := range []int{h.liar, 3} {
		p, name := h.net.Providers[i], []string{"alpha", "beta", "gamma", "delta", "epsilon"}[i]
		owed := p.Unsettled(devnet.Wallet())
		p.Forgive(devnet.Wallet())
		account, ok, err := chain.SubAccount(ctx, devnet.Wallet(), p.Address())
		if err != nil || !ok {
			h.Fatalf("sub-account: %v, %v (%s owed)", ok, err, owed)
		}
		if extra := account.Balance.Sub(fullAmount); !extra.IsZero() {
			_, err = chain.Settle(ctx, devnet.ProviderKey(name), devnet.TEEKey(name), oneOf(devnet.Wallet()), oneOf(extra))
		}
		if missing := fullAmount.Sub(account.Balance); !missing.IsZero() {
			err = chain.Transfer(ctx, devnet.WalletKey(), p.Address(), missing)
		}
		if err != nil {
			h.Fatalf("fill the sub-account: %v", err)
		}
	}
	available, err := chain.Available(ctx, devnet.Wallet())
	if err == nil && available.Less(zg.OneOG.Mul(20)) {
		err = chain.DepositFor(ctx, devnet.Wallet(), zg.OneOG.Mul(80))
	}
	if err == nil {
		h.block, err = chain.Client().BlockNumber(ctx)
	}
	if err != nil {
		h.Fatal(err)
	}
}

// full checks what every script rests on: the sub-accounts have what reset gave them, so that what is spent makes a top-up
// necessary.
func (h *hostile) full() {
	h.Helper()
	for _, i := range []int{h.liar, 3} {
		p := h.net.Providers[i]
		account, ok, err := h.net.Chain.SubAccount(h.Context(), devnet.Wallet(), p.Address())
		if err != nil || !ok || account.Balance != fullAmount || !p.Unsettled(devnet.Wallet()).IsZero() {
			h.Fatalf("the sub-account of %s has %s 0G (%v, %v) and owes %s, as the script begins", p.Model(), account.Balance.Og(), ok, err, p.Unsettled(devnet.Wallet()).Og())
		}
	}
}

func oneOf[T any](v T) []T { return []T{v} }

// chat sends one request and returns what came of it. A broken answer is status 0.
func (h *hostile) chat(body string) (int, string) {
	h.Helper()
	return h.send("/v1/chat/completions", body)
}

func (h *hostile) send(path, body string) (int, string) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.daemon.api+path, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := httpClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }() // read as far as it goes
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(answer)
}

// spend costs enough for a top-up to be necessary.
func (h *hostile) spend() {
	h.Helper()
	code, answer := h.chat(spendBody)
	h.unspent = code != http.StatusOK
	if !h.unspent {
		return
	} else if len(answer) > 300 {
		h.Logf("spending: %d %s", code, answer[:300])
	} else {
		h.Logf("spending: %d %s", code, answer)
	}
}

// spendTwice does so as a whole answer and as a stream.
func (h *hostile) spendTwice() {
	h.Helper()
	h.chat(smallBody)
	h.chat(chatAsking("lorem:600", true))
}

// rpc sets a fault for the calls of some methods.
func (h *hostile) rpc(f simchain.Fault, methods ...string) {
	h.net.Chain.SetFault(func(method string, _ []byte) *simchain.Fault {
		if len(methods) == 0 || slices.Contains(methods, method) {
			return &f
		}
		return nil
	})
}
