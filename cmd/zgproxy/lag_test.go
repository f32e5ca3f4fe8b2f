package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// lagPace is how fast everything goes: as in the real network, or the same in seconds.
type lagPace struct {
	run, settle, lag time.Duration
	look             string        // between two looks of the keeper
	think            time.Duration // the longest that a caller waits between two requests
	busy, rest       time.Duration // load, and a time in which nobody asks for anything, in turn
	others           int           // wallets that a provider settles together with ours
	watchings        int           // the least that has to be seen for the run to show something
}

var (
	lagShort = lagPace{
		run: 5 * time.Second, settle: 600 * time.Millisecond, lag: 400 * time.Millisecond, look: "100ms",
		think: 60 * time.Millisecond, busy: 1200 * time.Millisecond, rest: 500 * time.Millisecond, others: 4, watchings: 3,
	}
	lagReal = lagPace{
		settle: 30 * time.Second, lag: 12 * time.Second, look: "2s",
		think: time.Second, busy: 50 * time.Second, rest: 20 * time.Second, others: 60, watchings: 3,
	}
)

// lagCallers is how many callers there are: four people at work.
const lagCallers = 4

// lagReleasing is the provider that gives up one fee in seven instead of taking it, by its place in the network.
const lagReleasing = 5

// lagging is a run beside providers whose claims lag behind what the chain shows.
type lagging struct {
	*soak
	pace    lagPace
	resting atomic.Bool
	others  []common.Address

	readAt  string // of the last look that was judged
	looks   int
	watched int // looks at which something was claimed that only a settlement under way explained
	most    zg.Neuron
}

// TestLag has providers settle as real ones do: they send a settlement, wait, and delete what it took long after the chain
// shows it. At no look may that be drift or keep a top-up back, and at the end the book equals the chain to the neuron. A
// theft in that very window is found all the same.
func TestLag(t *testing.T) {
	if raced {
		t.Skip("the long run does at the same time what this does, and it is about what the looks see")
	}
	t.Parallel()
	l := newLagging(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("%s with a settlement every %s and a lag of %s, seed %d", l.pace.run, l.pace.settle, l.pace.lag, seed)
	l.load(seed)
	l.settleUp()
	l.judge()
	l.sims = without(l.sims, lagReleasing)
	l.compare()
	l.compareReleased(l.net.Providers[lagReleasing])
	t.Logf("%d exchanges: %d whole, %d left by their callers, %d refused, %d broken off, %d of them uploads",
		l.next.Load(), l.plain.Load(), l.left.Load(), l.refused.Load(), l.broken.Load(), l.uploads.Load())
	t.Logf("%d looks, at %d a claim was only explained by a settlement under way, %s 0G at most", l.looks, l.watched, l.most.Og())
	if l.watched < l.pace.watchings {
		t.Errorf("%d looks fell into a lag: this shows nothing", l.watched)
	}
	if n := l.refused.Load(); n > 0 {
		t.Errorf("%d requests were refused", n)
	}
	l.theft()
}

func without(all []int, one int) (rest []int) {
	for _, i := range all {
		if i != one {
			rest = append(rest, i)
		}
	}
	return rest
}

func newLagging(t *testing.T) *lagging {
	t.Helper()
	pace := lagShort
	if minutes := rounds(t, "ZG_LAG_MINUTES", 0); minutes > 0 {
		pace = lagReal
		pace.run = time.Duration(minutes) * time.Minute
	}
	s := soakOn(t, devnet.Config{
		PriceFactor: 400, MoreChats: 2, SettleEvery: pace.settle, SettleLag: pace.lag,
		Change: func(name string, p *simprovider.Config, _ *simchain.ServiceParams) {
			if name == "zeta-1" {
				p.ReleaseEvery = 7
			}
		},
	})
	l := &lagging{soak: s, pace: pace}
	// Nothing is put down to chance.
	s.env = append(s.env, "ZGPROXY_DRIFT_TOLERANCE=0", "ZGPROXY_KEEPER_INTERVAL="+pace.look)
	for n := range pace.others {
		l.addOther(n, s.net.Providers[s.sims[0]].Address())
	}
	s.begin()
	return l
}

// addOther gives another wallet a sub-account with a provider.
func (l *lagging) addOther(n int, with common.Address) {
	l.Helper()
	key, err := crypto.ToECDSA(crypto.Keccak256(fmt.Appendf(nil, "one of many users %d", n)))
	if err != nil {
		l.Fatal(err)
	}
	user := crypto.PubkeyToAddress(key.PublicKey)
	ctx := l.Context()
	err = errors.Join(l.net.Fund(ctx, user, zg.OneOG), l.net.Chain.DepositFor(ctx, user, zg.OneOG.Mul(4)))
	if err == nil {
		err = l.net.Chain.Transfer(ctx, key, with, zg.OneOG.Mul(3))
	}
	if err != nil {
		l.Fatalf("give user %d a sub-account: %v", n, err)
	}
	l.others = append(l.others, user)
}

// load lets the callers work, and rest in between, for the time of the run. Meanwhile every look is judged.
func (l *lagging) load(seed uint64) {
	l.Helper()
	done := make(chan struct{})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: lagCallers}}
	defer client.CloseIdleConnections()
	var callers sync.WaitGroup
	for i := range lagCallers {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		callers.Go(func() {
			for l.pauseFor(done, 1+time.Duration(random.Int64N(int64(l.pace.think)))) {
				if !l.resting.Load() {
					l.next.Add(1)
					l.exchange(client, random)
				}
			}
		})
	}
	random := rand.New(rand.NewPCG(seed, lagCallers))
	began, turned := time.Now(), time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ; !l.Failed(); <-tick.C {
		// On a busy machine it takes longer until enough looks have fallen into a lag.
		if ran := time.Since(began) - l.pace.run; ran > 4*time.Minute || (ran > 0 && l.watched >= l.pace.watchings) {
			break
		}
		l.judge()
		turn := l.pace.busy
		if l.resting.Load() {
			turn = l.pace.rest
		}
		if time.Since(turned) < turn {
			continue
		}
		turned = time.Now()
		l.resting.Store(!l.resting.Load())
		for _, user := range l.others {
			l.net.Providers[l.sims[0]].Bill(user, zg.NeuronOf(1+random.Uint64N(1_000_000)))
		}
	}
	close(done)
	callers.Wait()
}

// pauseFor waits; false when the run is over.
func (l *lagging) pauseFor(done <-chan struct{}, d time.Duration) bool {
	pause := time.NewTimer(d)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-done:
		return false
	case <-l.Context().Done():
		return false
	}
}

// lagStatus is what of the daemon's status is judged.
type lagStatus struct {
	Funding struct {
		ReadAt string `json:"read_at"`
		Error  string `json:"error"`
	} `json:"funding"`
	Accounts []lagAccount `json:"accounts"`
}

type lagAccount struct {
	Provider  common.Address `json:"provider"`
	Locked    lagAmount      `json:"locked"`
	Drift     lagAmount      `json:"drift"`
	Watched   lagAmount      `json:"watched"`
	Unsettled lagAmount      `json:"unsettled"`
	Held      lagAmount      `json:"held"`
	Fees      lagAmount      `json:"fees_booked"`
	Debited   lagAmount      `json:"debited"`
	Settled   lagAmount      `json:"settled"`
	Corrected lagAmount      `json:"corrected"`
	Funding   string         `json:"funding"`
}

type lagAmount struct {
	Neuron zg.Neuron `json:"neuron"`
}

// status asks the daemon.
func (l *lagging) status() (s lagStatus) {
	l.Helper()
	code, body := l.get(l.daemon.admin + "/v1/status")
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
		l.Fatalf("the status: %d %v %s", code, err, body)
	}
	return s
}

// judge looks at what the keeper saw last, unless that was judged before.
func (l *lagging) judge() {
	l.Helper()
	s := l.status()
	if s.Funding.ReadAt == l.readAt {
		return
	}
	l.readAt = s.Funding.ReadAt
	l.looks++
	watched := false
	for _, a := range s.Accounts {
		if !a.Drift.Neuron.IsZero() || a.Funding != "" {
			l.Errorf("look %d at %s: drift %s, not topped up because of %q: %+v",
				l.looks, s.Funding.ReadAt, a.Drift.Neuron.Og(), a.Funding, a)
		}
		if w := a.Watched.Neuron; !w.IsZero() {
			watched = true
			l.most = l.most.Max(w)
		}
	}
	if watched {
		l.watched++
	}
}

// compareReleased: what a provider never takes is neither drift nor taken.
func (l *lagging) compareReleased(p *simprovider.Provider) {
	l.Helper()
	var a lagAccount
	released := p.Released(devnet.Wallet())
	l.eventually("all counted that was taken", func() error {
		for _, a = range l.status().Accounts {
			if a.Provider == p.Address() {
				break
			}
		}
		if want := p.Billed(devnet.Wallet()).Sub(released); a.Debited.Neuron != want {
			return fmt.Errorf("%s taken, want %s", a.Debited.Neuron, want)
		}
		return nil
	})
	if released.IsZero() || !a.Drift.Neuron.IsZero() {
		l.Errorf("%s released, drift %s", released, a.Drift.Neuron)
	}
	l.Logf("%s: %s neuron billed, of which %s were never taken", p.Model(), p.Billed(devnet.Wallet()), released)
}

// theft: in the lag of a settlement a provider claims 0.7 0G for nothing.
func (l *lagging) theft() {
	l.Helper()
	p := l.net.Providers[l.sims[0]]
	stolen := zg.OneOG.MulDiv(7, 10)
	body := fmt.Sprintf(`{"model":%q,"max_tokens":1,"messages":[{"role":"user","content":"one"}]}`, p.Model())
	var asked time.Time
	l.eventually("a settlement under way", func() error {
		if !l.accountOf(p).Watched.Neuron.IsZero() {
			return nil
		}
		if time.Since(asked) > l.pace.settle { // on a busy machine no look may have fallen into the last one
			asked = time.Now()
			if resp, answer := l.post("/v1/chat/completions", "application/json", []byte(body)); resp.StatusCode != http.StatusOK {
				l.Fatalf("%d %s", resp.StatusCode, answer)
			}
		}
		return errors.New("no claim is watched")
	})
	p.Bill(devnet.Wallet(), stolen)
	l.eventually("seen through", func() error {
		if a := l.accountOf(p); a.Drift.Neuron != stolen {
			return fmt.Errorf("drift %s, watched %s", a.Drift.Neuron.Og(), a.Watched.Neuron.Og())
		}
		return nil
	})
	if out, _ := l.separately("account"); !strings.Contains(out, "0.7") {
		l.Errorf("account does not say that 0.7 0G are missing:\n%s", out)
	}
}

func (l *lagging) accountOf(p *simprovider.Provider) (a lagAccount) {
	l.Helper()
	for _, a = range l.status().Accounts {
		if a.Provider == p.Address() {
			return a
		}
	}
	l.Fatalf("the status does not know %s", p.Address())
	return a
}
