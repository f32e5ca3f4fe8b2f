package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// crashPoints are the named lines at which the daemon is killed, each at its first and second passing.
var crashPoints = []string{
	"start/migrated", "start/recovered",
	"request/before-open", "request/opened", "request/before-send", "request/grown", "request/header", "request/mid-relay",
	"request/before-close", "request/closed",
	"store/before-begin", "store/before-commit", "store/committed", "store/committed-durably",
	"tx/before-sign", "tx/signed", "tx/recorded", "tx/sent", "tx/sent-and-noted", "tx/receipt-seen", "tx/ended",
	"tx/replacement-signed", "tx/replaced",
}

// passedOnce are points that a process passes a single time.
var passedOnce = []string{"start/migrated", "start/recovered"}

// rounds is how many kills at random moments there are: few in the ordinary tests, many for make crash.
func rounds(t *testing.T, name string, few int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return few
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is no number of rounds", name, s)
	}
	return n
}

// TestCrash kills the real binary again and again, on one data directory and one chain, at every named point and at
// random moments, with chats, uploads, videos and top-ups under way, beside settlements that lag and another program
// that uses the wallet's key. After every restart the books are checked, and in the end the book equals the chain to
// the neuron.
func TestCrash(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("what is killed here is a binary of its own, built without the race detector")
	}
	c := newCrashes(t)
	c.lookAtAll()
	for _, point := range crashPoints {
		for n := 1; n <= 2; n++ {
			if n == 2 && slices.Contains(passedOnce, point) {
				continue
			}
			c.roundAt(point, n)
		}
	}
	c.tighten()
	named := c.kills
	c.reachCap()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("random moments from seed %d", seed)
	wanted := rounds(t, "ZG_CRASH_ROUNDS", 12)
	// A slow machine takes more of them to come to something.
	for n := 0; n < wanted || n < 10*wanted && !c.telling(); n++ {
		if random.IntN(3) == 0 { // in the middle of a start
			p := c.spawn()
			c.killAfter(p, time.Duration(random.Int64N(int64(60*time.Millisecond))))
		}
		p := c.startAndCheck()
		c.accepts(p, random)
		traffic, others := c.traffic(p), c.others(p, random)
		c.killAfter(p, time.Duration(random.Int64N(int64(200*time.Millisecond))))
		traffic()
		others()
	}
	c.finish(named)
}

// reachCap lets one life use up what it may transfer: those that are killed early may all leave some of it.
func (c *crashes) reachCap() {
	c.Helper()
	p := c.startAndCheck()
	c.acceptAllElsewhere(p)
	traffic := c.traffic(p)
	c.poll("at the cap", p, func() error {
		if c.read(); c.atCap() {
			return nil
		}
		return fmt.Errorf("%s of %s 0G are transferred", c.spent.Transfers.Og(), c.cap.Og())
	})
	p.kill()
	traffic()
	c.checkCap("at the cap")
}

// roundAt starts the daemon so that it ends itself at a point.
func (c *crashes) roundAt(point string, n int) {
	c.Helper()
	at := fmt.Sprintf("%s:%d", point, n)
	if strings.HasPrefix(point, "start/") {
		p := c.spawn("ZGPROXY_CRASH_AT=" + at)
		c.waitDeath(p, at)
		c.startAndCheck().kill()
		return
	}
	// The keeper may reach a point of the store or the transactions before the check is through, which is fine: the next
	// round checks.
	if strings.HasPrefix(point, "tx/") { // so many top-ups have to be allowed, whichever provider's comes first
		c.allow(zg.OneOG.Mul(4 * uint64(n)))
	}
	if strings.HasPrefix(point, "tx/replace") {
		c.refuseFirstFees()
		defer c.net.Chain.SetFault(nil)
	}
	p := c.spawn("ZGPROXY_CRASH_AT=" + at)
	traffic := c.traffic(p)
	c.waitDeath(p, at)
	traffic()
	p = c.startAndCheck()
	p.kill()
}

// refuseFirstFees makes the node want a little more for every transaction than is offered first.
func (c *crashes) refuseFirstFees() {
	var mu sync.Mutex
	first := map[uint64]common.Hash{} // by nonce
	c.net.Chain.SetFault(func(method string, params []byte) *simchain.Fault {
		tx := sentTx(method, params)
		if tx == nil {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if _, ok := first[tx.Nonce()]; !ok {
			first[tx.Nonce()] = tx.Hash()
		}
		if first[tx.Nonce()] != tx.Hash() {
			return nil
		}
		return &simchain.Fault{Error: &simchain.RPCError{Code: -32000, Message: "transaction gas price below minimum: gas tip cap 1, minimum needed 2"}}
	})
}

// sentTx is the transaction in a call that sends one; nil in any other.
func sentTx(method string, params []byte) *types.Transaction {
	var raw []hexutil.Bytes
	tx := new(types.Transaction)
	if method != "eth_sendRawTransaction" || json.Unmarshal(params, &raw) != nil || len(raw) != 1 || tx.UnmarshalBinary(raw[0]) != nil {
		return nil
	}
	return tx
}

// finish ends the last life in good order and compares everything once more.
func (c *crashes) finish(named int) {
	c.Helper()
	p := c.startAndCheck()
	traffic := c.traffic(p)
	moment := time.NewTimer(100 * time.Millisecond)
	defer moment.Stop()
	<-moment.C
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		c.Fatal(err)
	}
	<-p.dead
	traffic()
	if state := p.cmd.ProcessState; !state.Success() {
		c.Errorf("the daemon ended with %s:\n%s", state, p.said())
	}
	p = c.startAndCheck()
	if open := strings.Count(p.log.String(), "requests were open when the last process ended"); open != 0 {
		c.Errorf("after a clean end there were open requests:\n%s", p.said())
	}
	c.integrity(true)
	c.finishElsewhere(p)
	p.kill()
	c.compareBooks()
	slices.Sort(c.ready)
	c.Logf("%d kills at named points, %d at random moments, %d restarts checked; %d requests, of which %d abandoned; "+
		"%d uploads were cut off and free, %d videos were seen to end", named, c.kills-named, len(c.ready), c.records, c.abandoned, c.cut, c.seenEnds)
	c.Logf("%d transactions moved %s of %s 0G allowed; the cap bound in %d rounds",
		c.spent.Transactions, c.spent.Transfers.Og(), c.cap.Og(), c.bound)
	c.Logf("from start to ready: median %s, longest %s",
		c.ready[len(c.ready)/2].Round(time.Millisecond), c.ready[len(c.ready)-1].Round(time.Millisecond))
	if !c.telling() {
		c.Error("no request was ever cut off, no top-up made, the cap never reached, nothing done elsewhere, " +
			"no upload cut, or no video seen to end: this shows nothing")
	}
}

// telling reports whether it has come to everything that is to be survived.
func (c *crashes) telling() bool {
	return c.abandoned > 0 && !c.spent.Transfers.IsZero() && c.bound > 0 && c.cut > 0 && c.seenEnds > 0 &&
		c.strangers.held > 0 && c.strangers.acceptees > 0
}

// TestCrashPointsAreListed compares the points in the code with those that are tried.
func TestCrashPointsAreListed(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("the binary that passes them is built without the race detector")
	}
	c := newCrashes(t)
	c.refuseFirstFees()
	list := filepath.Join(t.TempDir(), "passed")
	p := c.spawn("ZGPROXY_CRASH_LIST=" + list)
	traffic := c.traffic(p)
	passed := func() (names []string) {
		f, err := os.Open(list)
		if err != nil {
			return nil
		}
		defer func() { _ = f.Close() }()
		for s := bufio.NewScanner(f); s.Scan(); {
			names = append(names, s.Text())
		}
		slices.Sort(names)
		return names
	}
	want := slices.Sorted(slices.Values(crashPoints))
	c.poll("passed every point", p, func() error {
		if got := passed(); len(got) < len(want) {
			return fmt.Errorf("%d of %d points: %q", len(got), len(want), got)
		}
		return nil
	})
	p.kill()
	traffic()
	if got := passed(); !slices.Equal(got, want) {
		t.Errorf("points passed: %q, want %q", got, want)
	}
}

// newCrashes builds the binary with its crash points and starts a network in which money runs out quickly.
func newCrashes(t *testing.T) *crashes {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "zgproxy")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "crashpoints", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	w := newWorld(t, devnet.Config{
		PriceFactor: 2500, SettleEvery: 300 * time.Millisecond, SettleLag: 100 * time.Millisecond,
		Change: func(name string, p *simprovider.Config, on *simchain.ServiceParams) {
			switch name {
			case "delta":
				soakFilms(name, p, on)
			case "epsilon":
				cheapSpeech(p, on)
			}
		},
	})
	c := &crashes{
		world: w, binary: binary, home: t.TempDir(), cap: zg.OneOG.Mul(2),
		books: map[string]*bookOf{}, byKey: map[string]booked{}, seen: map[string]int{},
		opened: map[common.Address]zg.Neuron{},
	}
	var allowed []string
	for _, i := range []int{0, 1, 3, 4} { // two with chats, one with videos, one with recordings
		p := w.net.Providers[i]
		c.providers, allowed = append(c.providers, p), append(allowed, p.Address().Hex())
		c.books[p.Address().Hex()] = &bookOf{}
	}
	c.films, c.speech = c.providers[2], c.providers[3]
	w.env = append(w.env, "ZGPROXY_PROVIDERS="+strings.Join(allowed, ","))
	c.begin()
	t.Cleanup(func() {
		if c.last != nil {
			c.last.kill()
		}
		if t.Failed() && c.last != nil {
			t.Logf("the last daemon's log:\n%s", c.last.said())
		}
	})
	return c
}
