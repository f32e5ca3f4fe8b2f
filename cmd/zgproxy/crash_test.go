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
	"github.com/zgproxy/zgproxy/internal/zg"
)

// crashPoints are the named lines at which the daemon is killed, each at its first and second passing.
var crashPoints = []string{
	"start/migrated", "start/recovered",
	"request/before-open", "request/opened", "request/before-send", "request/header", "request/mid-relay", "request/before-close", "request/closed",
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

// TestCrash kills the real binary again and again, on one data directory and one chain, at every named point and at random
// moments, with requests and top-ups under way. After every restart the books are checked.
func TestCrash(t *testing.T) {
	t.Parallel()
	c := newCrashes(t)
	for _, point := range crashPoints {
		for n := 1; n <= 2; n++ {
			if n == 2 && (raced || slices.Contains(passedOnce, point)) {
				continue
			}
			c.roundAt(point, n)
		}
	}
	named := c.kills
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("random moments from seed %d", seed)
	wanted := rounds(t, "ZG_CRASH_ROUNDS", 12)
	for n := 0; n < wanted || n < 10*wanted && !c.telling(); n++ { // a slow machine takes more of them to come to something
		if random.IntN(3) == 0 { // in the middle of a start
			p := c.spawn()
			c.killAfter(p, time.Duration(random.Int64N(int64(60*time.Millisecond))))
		}
		p := c.startAndCheck()
		traffic := c.traffic(p)
		c.killAfter(p, time.Duration(random.Int64N(int64(200*time.Millisecond))))
		traffic()
	}
	c.finish(named)
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
	if strings.HasPrefix(point, "tx/") { // so many top-ups have to be allowed
		c.allow(zg.OneOG.Mul(2 * uint64(n)))
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

// process is one life of the daemon.
type process struct {
	cmd       *exec.Cmd
	started   time.Time
	log       *logBuffer
	listening chan struct{} // closed when it is known where, or never will be
	api       string
	admin     string
	dead      chan struct{}
}

// spawn starts the binary and returns at once.
func (c *crashes) spawn(extra ...string) *process {
	c.Helper()
	told := make(chan [2]string, 1)
	p := &process{log: &logBuffer{listening: told}, listening: make(chan struct{}), dead: make(chan struct{})}
	p.cmd = exec.CommandContext(context.Background(), c.binary, "serve")
	p.cmd.Env = append(append(c.variables(), transfersPerDay(c.cap)...), "HOME="+c.home)
	p.cmd.Env = append(p.cmd.Env, extra...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		c.Fatalf("start the daemon: %v", err)
	}
	c.last = p
	go func() {
		_ = p.cmd.Wait() // killed, as a rule
		close(p.dead)
	}()
	go func() {
		defer close(p.listening)
		select {
		case at := <-told:
			p.api, p.admin = strings.TrimSuffix(at[0], "/v1"), at[1]
		case <-p.dead:
		}
	}()
	return p
}

// said is the log without the lines about single requests.
func (p *process) said() string {
	var out []string
	for line := range strings.SplitSeq(p.log.String(), "\n") {
		if !strings.Contains(line, `"message":"request"`) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be dead already
	<-p.dead
}

// killAfter kills the process at a moment of its life that does not depend on what it does.
func (c *crashes) killAfter(p *process, d time.Duration) {
	moment := time.NewTimer(d)
	defer moment.Stop()
	select {
	case <-moment.C:
	case <-p.dead:
		c.Fatalf("the daemon ended by itself:\n%s", p.said())
	}
	p.kill()
	c.kills++
}

// waitDeath waits until the process has killed itself.
func (c *crashes) waitDeath(p *process, at string) {
	c.Helper()
	select {
	case <-p.dead:
		c.kills++
		if state := p.cmd.ProcessState.String(); !strings.Contains(state, "killed") {
			c.Fatalf("%s: the daemon ended with %s:\n%s", at, state, p.said())
		}
	case <-time.After(patience):
		p.kill()
		c.Fatalf("%s was never passed:\n%s", at, p.said())
	}
}

// startAndCheck restarts the daemon, notes how long that took, and checks everything.
func (c *crashes) startAndCheck() *process {
	c.Helper()
	c.checkCap("before the restart")
	c.allow(zg.OneOG)
	p := c.spawn()
	<-p.listening
	ready := func() error {
		code, body := c.get(p.admin + "/readyz")
		if code != http.StatusOK {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	}
	c.poll("ready", p, ready)
	c.ready = append(c.ready, time.Since(p.started))
	c.check(p)
	return p
}

// poll is eventually for one process, more often.
func (c *crashes) poll(what string, p *process, f func() error) {
	c.Helper()
	if err := poll(2*time.Millisecond, patience, p.dead, f); err != nil {
		c.Fatalf("not %s: %v\n%s", what, err, p.said())
	}
}

// crashBodies are what the callers ask for.
var crashBodies = []string{
	`{"model":"lorem-1","stream":true,"max_tokens":32,"messages":[{"role":"user","content":"lorem:20"}]}`,
	`{"model":"echo-1","max_tokens":32,"messages":[{"role":"user","content":"one two three four five six seven"}]}`,
	`{"model":"lorem-1","max_tokens":32,"messages":[{"role":"user","content":"lorem:30"}]}`,
	`{"model":"echo-1","stream":true,"max_tokens":32,"messages":[{"role":"user","content":"eins zwei drei vier"}]}`,
}

// traffic lets callers send requests until the process is dead. What it returns waits for them.
func (c *crashes) traffic(p *process) (wait func()) {
	ctx, cancel := context.WithCancel(c.Context())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	var callers sync.WaitGroup
	for i := range crashBodies {
		callers.Go(func() {
			<-p.listening
			for n := i; ctx.Err() == nil; n++ {
				if c.call(ctx, client, p, crashBodies[n%len(crashBodies)]) == nil {
					continue
				}
				pause := time.NewTimer(3 * time.Millisecond) // refused, or not ready
				select {
				case <-ctx.Done():
				case <-pause.C:
				}
				pause.Stop()
			}
		})
	}
	return func() {
		cancel()
		callers.Wait()
		client.CloseIdleConnections()
	}
}

// call sends one request and remembers its id if an answer began.
func (c *crashes) call(ctx context.Context, client *http.Client, p *process, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.api+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // whatever is left of it
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	c.mu.Lock()
	c.answered = append(c.answered, resp.Header.Get("X-Request-Id"))
	c.mu.Unlock()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
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
	p.kill()
	slices.Sort(c.ready)
	c.Logf("%d kills at named points, %d at random moments, %d restarts checked; %d requests, of which %d abandoned; %d transactions moved %s of %s 0G allowed; the cap bound in %d rounds",
		named, c.kills-named, len(c.ready), c.records, c.abandoned, c.spent.Transactions, c.spent.Transfers.Og(), c.cap.Og(), c.bound)
	c.Logf("from start to ready: median %s, longest %s", c.ready[len(c.ready)/2].Round(time.Millisecond), c.ready[len(c.ready)-1].Round(time.Millisecond))
	if !c.telling() {
		c.Error("no request was ever cut off, or no top-up made, or the cap never reached: this shows nothing")
	}
}

// telling reports whether it has come to everything that is to be survived.
func (c *crashes) telling() bool {
	return c.abandoned > 0 && !c.spent.Transfers.IsZero() && c.bound > 0
}

// TestCrashPointsAreListed compares the points in the code with those that are tried.
func TestCrashPointsAreListed(t *testing.T) {
	t.Parallel()
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
	w := newWorld(t, devnet.Config{PriceFactor: 2500, SettleEvery: 300 * time.Millisecond, SettleLag: 100 * time.Millisecond})
	providers := w.net.Providers[:2]
	w.env = append(w.env, "ZGPROXY_PROVIDERS="+providers[0].Address().Hex()+","+providers[1].Address().Hex())
	c := &crashes{
		world: w, binary: binary, home: t.TempDir(), providers: providers,
		cap: zg.OneOG.Mul(2), books: map[string]*bookOf{}, seen: map[string]int{},
	}
	for _, p := range providers {
		c.books[p.Address().Hex()] = &bookOf{}
	}
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
