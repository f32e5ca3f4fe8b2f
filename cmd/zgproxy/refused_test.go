package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	refusedShare    = 30 // of 100 requests to the chain's endpoint
	refusedRequests = 360
	refusedCallers  = 4
)

// refusing is a daemon whose endpoint refuses a share of all requests from its start to its end, with 429.
type refusing struct {
	*soak
	mu     sync.Mutex
	served int
	failed []string
}

// TestRefusedCalls serves callers, tops up and carries out commands while the endpoint refuses three of ten requests. Every
// caller is served, every command ends well, and what was moved is what was wanted, once.
func TestRefusedCalls(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("what runs at the same time here does so in the long run, too; this one is about figures")
	}
	seconds, asks, deposits := rounds(t, "ZG_REFUSED_SECONDS", 0), 1, 1
	if seconds > 0 {
		asks, deposits = 20, 5
	}
	r := &refusing{soak: soakOn(t, devnet.Config{PriceFactor: 6000, SettleEvery: 500 * time.Millisecond})}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r.net.Chain.RefuseShare(refusedShare, seed)
	r.begin()
	began := time.Now()
	r.load(time.Duration(seconds) * time.Second)
	took := time.Since(began)
	if len(r.failed) > 0 {
		t.Errorf("%d requests were not served: %s", len(r.failed), strings.Join(slices.Compact(r.failed), "\n"))
	}
	r.settleUp()
	r.compare()
	commands := []string{r.commands("through the daemon", asks, deposits)}
	if err := r.daemon.stop(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
	commands = append(commands, r.commands("without a daemon", asks, deposits))
	transfers := r.moved(2 * deposits)
	all, refused := r.net.Chain.Requests()
	t.Logf("%d of %d requests served in %s; %d top-ups of %s 0G in all; %d of %d requests to the chain refused; %s",
		r.served, r.served+len(r.failed), took.Round(time.Millisecond), transfers.count, transfers.sum.Og(), refused, all,
		strings.Join(commands, "; "))
}

// load sends so many requests, or as many as a time allows.
func (r *refusing) load(length time.Duration) {
	r.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: refusedCallers}}
	defer client.CloseIdleConnections()
	var callers sync.WaitGroup
	began, think := time.Now(), 20*time.Millisecond
	if length > 0 {
		think = 100 * time.Millisecond
	}
	for range refusedCallers {
		callers.Go(func() {
			for {
				n := r.next.Add(1)
				if n > refusedRequests && time.Since(began) >= length || r.Context().Err() != nil {
					return
				}
				err := r.chat(client, r.models[n%int64(len(r.models))])
				r.mu.Lock()
				if err != nil {
					r.failed = append(r.failed, err.Error())
				} else {
					r.served++
				}
				r.mu.Unlock()
				pause := time.NewTimer(think) // people at work
				select {
				case <-pause.C:
				case <-r.Context().Done():
				}
			}
		})
	}
	callers.Wait()
}

func (r *refusing) chat(client *http.Client, model string) error {
	body := fmt.Sprintf(`{"model":%q,"stream":true,"max_tokens":16,"messages":[{"role":"user","content":"lorem:5"}]}`, model)
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, r.daemon.api+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	answer, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte("[DONE]"))) {
		err = fmt.Errorf("%d %.300s", resp.StatusCode, answer)
	}
	return err
}

// commands runs zgproxy account and deposit so often, and tells how long each took in the median.
func (r *refusing) commands(how string, asks, deposits int) string {
	r.Helper()
	median := func(times int, args ...string) time.Duration {
		var took []time.Duration
		for range times {
			began := time.Now()
			if out, err := r.process(args...); err != nil {
				r.Errorf("%s %s: %v\n%s", strings.Join(args, " "), how, err, out)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took[len(took)/2].Round(time.Millisecond)
	}
	look := median(asks, "account")
	return fmt.Sprintf("%s %d × account %s, %d × deposit %s", how, asks, look, deposits, median(deposits, "deposit", "1", "--yes"))
}

// process runs zgproxy in a process of its own.
func (w *world) process(args ...string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(w.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, args...) // #nosec G204 -- this test itself
	cmd.Env = append(w.variables(), asDaemon+"=1", "HOME="+w.TempDir())
	out, err := cmd.CombinedOutput()
	return string(out), err
}

type refusedTransfers struct {
	count int
	sum   zg.Neuron
}

// moved compares what the blocks say with the journal: each transaction once, every one of them wanted.
func (r *refusing) moved(deposits int) (t refusedTransfers) {
	r.Helper()
	spent, _, err := r.net.Chain.Spending(r.Context(), devnet.Wallet(), r.block)
	if err != nil {
		r.Fatal(err)
	}
	var entries, ended, others int
	err = r.store().QueryRowContext(r.Context(), `
		SELECT COUNT(*), SUM(state = 'mined'), SUM(kind = 'transfer') FROM journal`).Scan(&entries, &ended, &t.count)
	if err == nil {
		err = r.store().QueryRowContext(r.Context(), `SELECT COUNT(*) FROM foreign_txs`).Scan(&others)
	}
	if err != nil {
		r.Fatal(err)
	}
	t.sum = spent.Transfers
	if spent.Failed != 0 || spent.Transactions != entries || ended != entries || t.count+deposits != entries || others != 0 {
		r.Errorf("%d transactions on chain, %d of them failed; %d in the journal, %d of them mined, %d top-ups; %d taken for another's",
			spent.Transactions, spent.Failed, entries, ended, t.count, others)
	}
	if want := zg.OneOG.Mul(uint64(deposits)); spent.Deposits != want { // #nosec G115 -- a few
		r.Errorf("%s 0G were deposited, wanted %s", spent.Deposits.Og(), want.Og())
	}
	for _, i := range r.sims {
		p := r.net.Providers[i]
		if err := r.filled(p); err != nil {
			r.Error(err)
		}
	}
	if t.count == 0 {
		r.Error("no top-up was needed, so nothing was shown of them")
	}
	return t
}

// filled is nil where a sub-account holds no more than it is to be filled up to.
func (r *refusing) filled(p *simprovider.Provider) error {
	a, _, err := r.net.Chain.SubAccount(r.Context(), devnet.Wallet(), p.Address())
	if err == nil && zg.OneOG.Mul(6).Less(a.Locked()) {
		err = errors.New(p.Model() + " has " + a.Locked().Og() + " 0G, more than was wanted")
	}
	return err
}
