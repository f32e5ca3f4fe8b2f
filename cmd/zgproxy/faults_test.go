package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const streamBody = `{"model":"lorem-1","stream":true,"messages":[{"role":"user","content":"lorem:50"}]}`

// open sends a streaming request and returns as soon as the answer's header is there.
func (w *world) open(ctx context.Context, body string) *http.Response {
	w.Helper()
	resp, err := w.tryPost(ctx, "/v1/chat/completions", body)
	if err != nil {
		w.Fatalf("open a stream: %v", err)
	}
	return resp
}

func (w *world) lorem() *simprovider.Provider { return w.net.Providers[1] }

func TestKillInMidStream(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	first := w.child()
	w.lorem().SetFault(simprovider.Fault{Kind: simprovider.Stall, After: 5, N: 1})
	resp := w.open(t.Context(), streamBody)
	defer resp.Body.Close()
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatalf("the stream did not begin: %v", err)
	}
	id := resp.Header.Get("X-Request-Id")
	first.kill()

	w.child()
	rec := w.record(id, false)
	if rec.State != "abandoned" || rec.Basis != "estimated" || rec.Fee != rec.Bound || rec.Fee.IsZero() {
		t.Errorf("after kill -9 in mid-stream the record is %+v, want abandoned at its bound", rec)
	}
	// The book goes on from there.
	again, answer := w.post("/v1/chat/completions", "application/json", []byte(streamBody))
	if again.StatusCode != http.StatusOK || !bytes.HasSuffix(answer, []byte("data: [DONE]\n\n")) {
		t.Errorf("the next request = %d %s", again.StatusCode, answer)
	}
	if rec := w.record(again.Header.Get("X-Request-Id"), true); rec.Basis != "exact" || rec.Verdict != zg.VerdictVerified {
		t.Errorf("the next record = %+v, want exact and verified", rec)
	}
}

func TestCallerLeavesAndTheFeeIsExact(t *testing.T) {
	w := newWorld(t, devnet.Config{TokenDelay: 2 * time.Millisecond})
	w.inProcess()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	resp := w.open(ctx, streamBody)
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	leave()
	_ = resp.Body.Close() // the caller is gone
	rec := w.record(resp.Header.Get("X-Request-Id"), true)
	if rec.Basis != "exact" || rec.OutputTokens != 50 || rec.Verdict != zg.VerdictVerified {
		t.Errorf("record = %+v, want the exact fee of all 50 tokens and a verified answer", rec)
	}
	if got := w.lorem().Unsettled(devnet.Wallet()); got != rec.Fee {
		t.Errorf("the provider bills %s, the book says %s", got, rec.Fee)
	}
}

// suspendedOnce waits until a provider is suspended, accepts it as it is, and waits until it is not.
func (w *world) suspendedOnce(p common.Address) {
	w.Helper()
	suspended := func() bool {
		_, models := w.get(w.daemon.api + "/v1/models")
		return strings.Contains(models, `"suspended"`)
	}
	w.eventually("the provider is suspended", func() error {
		if !suspended() {
			return errors.New("it is not")
		}
		return nil
	})
	w.eventually("the provider is accepted", func() error {
		if err := w.accept(p); err != nil || !suspended() {
			return err
		}
		return errors.New("it is suspended again")
	})
}

func TestMisbehavingProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t, devnet.Config{})
	w.env = append(w.env, "ZGPROXY_STREAM_IDLE_TIMEOUT=1s")
	w.inProcess()
	for _, tc := range []struct {
		name    string
		fault   simprovider.Fault
		status  int
		broken  bool // the caller's connection breaks off
		basis   zg.FeeBasis
		verdict zg.Verdict
	}{
		{"5xx", simprovider.Fault{Kind: simprovider.ServerError}, 0, false, zg.FeeFree, ""},
		{"HTML of an ingress", simprovider.Fault{Kind: simprovider.IngressError}, 0, false, zg.FeeFree, ""},
		{"reset before headers", simprovider.Fault{Kind: simprovider.ResetBeforeHeaders}, 502, false, zg.FeeEstimated, ""},
		{"reset in mid-stream", simprovider.Fault{Kind: simprovider.ResetMidStream, After: 3}, 200, true, zg.FeeEstimated, ""},
		{"truncated", simprovider.Fault{Kind: simprovider.Truncate, After: 3}, 200, true, zg.FeeEstimated, ""},
		{"stall", simprovider.Fault{Kind: simprovider.Stall, After: 3}, 200, true, zg.FeeEstimated, ""},
		{"gzip", simprovider.Fault{Kind: simprovider.Gzip}, 200, false, zg.FeeExact, zg.VerdictVerified},
		{"no usage", simprovider.Fault{Kind: simprovider.NoUsage}, 200, false, zg.FeeEstimated, zg.VerdictVerified},
		{"usage on each chunk", simprovider.Fault{Kind: simprovider.UsageEachChunk}, 200, false, zg.FeeExact, zg.VerdictVerified},
		{"signature of another key", simprovider.Fault{Kind: simprovider.SignatureWrongSigner}, 200, false, zg.FeeExact, zg.VerdictInvalid},
		{"signature over other bytes", simprovider.Fault{Kind: simprovider.SignatureOtherBytes}, 200, false, zg.FeeExact, zg.VerdictInvalid},
		{"no key", simprovider.Fault{Kind: simprovider.SignatureNoKey}, 200, false, zg.FeeExact, zg.VerdictNotSigned},
		{"late signature", simprovider.Fault{Kind: simprovider.SignatureLate}, 200, false, zg.FeeExact, zg.VerdictVerified},
		// The last, because it is left alone afterwards.
		{"rate limited", simprovider.Fault{Kind: simprovider.RateLimited}, 429, false, zg.FeeFree, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.fault.N = 1
			w.lorem().SetFault(tc.fault)
			resp := w.open(t.Context(), streamBody)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if (err != nil) != tc.broken {
				t.Errorf("read = %v, want broken off: %v", err, tc.broken)
			}
			if tc.status != 0 && resp.StatusCode != tc.status {
				t.Errorf("status = %d %s, want %d", resp.StatusCode, body, tc.status)
			}
			if tc.status == 0 && resp.StatusCode < 500 {
				t.Errorf("status = %d, want the provider's 5xx", resp.StatusCode)
			}
			if tc.broken && resp.StatusCode == http.StatusOK && !bytes.Contains(body, []byte(`"error"`)) {
				t.Errorf("the stream broke off without an error event:\n%s", body)
			}
			rec := w.record(resp.Header.Get("X-Request-Id"), tc.verdict != "")
			if zg.FeeBasis(rec.Basis) != tc.basis || (tc.verdict != "" && rec.Verdict != tc.verdict) {
				t.Errorf("booked %s %s (%s), verdict %s; want %s, %s", rec.Basis, rec.Fee, rec.Reason, rec.Verdict, tc.basis, tc.verdict)
			}
			if tc.verdict == zg.VerdictInvalid {
				w.suspendedOnce(w.lorem().Address())
			}
		})
	}
}

func TestRevokedTokenIsReplacedOnce(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.env = append(w.env, "ZGPROXY_BUDGET_TRANSFERS_DAY=0") // the test sends from the wallet itself
	// Else the keeper's own question may be what the provider refuses first.
	w.env = append(w.env, "ZGPROXY_KEEPER_INTERVAL=1h")
	w.inProcess()
	if resp, answer := w.post("/v1/chat/completions", "application/json", []byte(streamBody)); resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", resp.StatusCode, answer)
	}
	if err := w.net.Chain.RevokeTokens(t.Context(), devnet.WalletKey(), w.lorem().Address()); err != nil {
		t.Fatal(err)
	}
	// The provider remembers accounts for a moment; from then on it refuses the old token, and nobody notices.
	deadline := time.Now().Add(patience)
	for refused := false; !refused; {
		if time.Now().After(deadline) {
			t.Fatal("the provider never refused the old token")
		}
		resp, answer := w.post("/v1/chat/completions", "application/json", []byte(streamBody))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", resp.StatusCode, answer)
		}
		for _, x := range w.lorem().Exchanges() {
			refused = refused || x.Status == http.StatusBadRequest
		}
	}
}

func TestSecondInstanceIsRefused(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.child()
	_, err := w.tryChild()
	if err == nil || !strings.Contains(err.Error(), "in use by another zgproxy") {
		t.Errorf("a second instance on the same data directory: %v, want a refusal that says so", err)
	}
}

func TestWrongNetworkIsRefused(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	for name, tc := range map[string]struct{ env, says string }{
		"chain id": {"ZGPROXY_CHAIN_ID=1", "is refused on chain 1"},
		"ledger":   {"ZGPROXY_LEDGER_CONTRACT=0x00000000000000000000000000000000000000aa", "ZGPROXY_LEDGER_CONTRACT"},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.env
			defer func() { w.env = before }()
			w.env = append(slices.Clip(w.env), tc.env)
			if name == "ledger" {
				w.env = append(w.env, "ZGPROXY_INFERENCE_CONTRACT="+w.net.Chain.Inference().Hex())
			}
			d, err := w.tryChild()
			if err == nil {
				if ended := d.wait(); ended == nil {
					t.Error("the daemon ended as if all were well")
				}
				err = errors.New(d.log.String())
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("the daemon said %v, want it to end and say %q", err, tc.says)
			}
		})
	}
}

func TestTermDrains(t *testing.T) {
	w := newWorld(t, devnet.Config{TokenDelay: 5 * time.Millisecond})
	d := w.child()
	resp := w.open(t.Context(), streamBody)
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.stop() }()
	rest, err := io.ReadAll(in)
	if err != nil || !bytes.HasSuffix(rest, []byte("data: [DONE]\n\n")) {
		t.Errorf("after SIGTERM the running stream ended with %v, %q; want it whole", err, rest[max(0, len(rest)-80):])
	}
	if err := <-ended; err != nil {
		t.Errorf("the daemon ended with %v, want a clean end", err)
	}
}

func TestTopUpHappensOnceAndIsRecordedBefore(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.child()
	for _, p := range w.net.Providers {
		w.eventually("topped up", func() error {
			acct, _, err := w.net.Chain.SubAccount(t.Context(), devnet.Wallet(), p.Address())
			if err == nil && acct.Locked() != zg.OneOG.Mul(3) {
				err = errors.New(acct.Locked().Og())
			}
			return err
		})
	}
	w.eventually("counted", func() error {
		code, body := w.get(w.daemon.admin + "/metrics")
		topups := grep(body, "zgproxy_topups_total{")
		if code != http.StatusOK || strings.Count(topups, `outcome="mined"`) != len(w.net.Providers) || strings.Contains(topups, "} 2") {
			return fmt.Errorf("%d: the metrics do not show one top-up each:\n%s", code, topups)
		}
		checkExported(t, body)
		return nil
	})
	code, status := w.get(w.daemon.admin + "/v1/status")
	if code != http.StatusOK || !strings.Contains(status, `"locked": {`) || !strings.Contains(status, "3000000000000000000") {
		t.Errorf("/v1/status = %d %s, want the new balances", code, status)
	}
}

func TestRPCFailuresDoNotStopServing(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.inProcess()
	if resp, answer := w.post("/v1/chat/completions", "application/json", []byte(streamBody)); resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", resp.StatusCode, answer)
	}
	w.net.Chain.SetFault(func(string, []byte) *simchain.Fault { return &simchain.Fault{Status: http.StatusBadGateway} })
	defer w.net.Chain.SetFault(nil)
	resp, answer := w.post("/v1/chat/completions", "application/json", []byte(`{"model":"picture-1","messages":[]}`))
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("%d %s", resp.StatusCode, answer)
	}
	if code, _ := w.get(w.daemon.api + "/v1/models"); code != http.StatusOK {
		t.Errorf("/v1/models = %d while the RPC is down", code)
	}
	if code, body := w.get(w.daemon.admin + "/readyz"); code != http.StatusOK {
		t.Errorf("/readyz = %d %s while known services can be served", code, body)
	}
}

func grep(text, part string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.Contains(line, part) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// An answer without usage is recorded by the provider's own rule, to the neuron, and marked as an estimate.
func TestNoUsageIsBookedAsItIsBilled(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.inProcess()
	for _, kind := range []simprovider.FaultKind{simprovider.NoUsage, simprovider.ZeroUsage} {
		noUsageIsBookedAsItIsBilled(t, w, kind)
	}
}

func noUsageIsBookedAsItIsBilled(t *testing.T, w *world, kind simprovider.FaultKind) {
	t.Helper()
	for _, body := range []string{streamBody, strings.Replace(streamBody, `"stream":true`, `"stream":false`, 1)} {
		before := w.lorem().Unsettled(devnet.Wallet())
		w.lorem().SetFault(simprovider.Fault{Kind: kind, N: 1})
		resp, answer := w.post("/v1/chat/completions", "application/json", []byte(body))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", resp.StatusCode, answer)
		}
		rec := w.record(resp.Header.Get("X-Request-Id"), true)
		billed := w.lorem().Unsettled(devnet.Wallet()).Sub(before)
		if rec.Fee != billed || zg.FeeBasis(rec.Basis) != zg.FeeEstimated || rec.Reason != "no_usage" || billed.IsZero() {
			t.Errorf("the provider bills %s, the book says %s, %s (%s)", billed, rec.Fee, rec.Basis, rec.Reason)
		}
	}
}
