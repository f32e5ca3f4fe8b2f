package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// interrupt runs a command and ends it, as Ctrl-C does, once it has said something.
func (w *world) interrupt(line, once string) outcome {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	defer cancel()
	var stderr bytes.Buffer
	stdout := &cancelling{once: once, cancel: cancel}
	root := rootCommand()
	root.SetArgs(args(line))
	root.SetOut(stdout)
	root.SetErr(&stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		w.Fatalf("zgproxy %s was not interrupted:\n%s", line, &stdout.text)
	}
	code := exitWith(err, &stderr)
	return outcome{code, stdout.text.String(), stderr.String()}
}

type cancelling struct {
	text   bytes.Buffer
	once   string
	cancel func()
}

func (c *cancelling) Write(p []byte) (int, error) {
	n, err := c.text.Write(p)
	if strings.Contains(c.text.String(), c.once) {
		c.cancel()
	}
	return n, err
}

// Whoever presses Ctrl-C after the signature is told that the transaction stands, and the next command sees it through.
func TestInterruptedCommandIsSeenThroughByTheNext(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	_, before := w.ledger()
	w.net.Chain.Pause()
	got := w.interrupt("deposit 5 --yes", "sent")
	if got.code != exitFailure || !strings.Contains(got.stderr, "after transaction 0x") || !strings.Contains(got.stderr, "Nothing is paid twice") {
		t.Errorf("interrupted: status %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	w.must(args("account"), "Not finished: deposit of 5 0G into the ledger, nonce 6")
	r := decode[accountReport](w, w.must(args("account --json")))
	if r.Unfinished == nil || r.Unfinished.Kind != zg.IntentDeposit || r.Unfinished.State != string(billing.EntrySigned) || !r.Unfinished.Sent {
		t.Errorf("unfinished = %+v", r.Unfinished)
	}
	w.net.Chain.Resume()
	w.mineSteadily()
	w.must(args("deposit 1 --yes"), "Not finished yet, and seen through first: deposit of 5 0G", "confirmed")
	if _, after := w.ledger(); after != before.Add(zg.OneOG.Mul(6)) {
		t.Errorf("the ledger went from %s to %s, want 6 0G more", before.Og(), after.Og())
	}

	// The same with a daemon, which goes on by itself.
	w.child()
	w.net.Chain.Pause()
	got = w.interrupt("deposit 5 --yes", "signed 0x")
	if got.code != exitFailure || !strings.Contains(got.stderr, "Nothing is paid twice") {
		t.Errorf("interrupted: status %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	w.net.Chain.Resume()
	w.eventually("seen through", func() error {
		if r := decode[accountReport](w, w.must(args("account --json"))); r.Unfinished != nil {
			return errors.New(r.Unfinished.State)
		} else if want := before.Add(zg.OneOG.Mul(11)); r.Ledger.Total.Neuron != want {
			return errors.New(r.Ledger.Total.Og)
		}
		return nil
	})
}

// The schema of what scripts read. A field that is renamed or gone breaks them.
func TestAccountSchema(t *testing.T) {
	text, err := json.Marshal(accountReport{
		Ledger: &ledgerReport{}, Accounts: []subReport{{Model: "m", Type: "t", Funding: "f", Note: "n", Refunds: []refundReport{{}}}},
		Limits: []limitReport{{For: "f", Provider: &admin.Address{}}}, Unfinished: &admin.Transaction{},
	})
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	keys := func(v any) string {
		if list, ok := v.([]any); ok {
			v = list[0]
		}
		m, _ := v.(map[string]any)
		return strings.Join(slices.Sorted(maps.Keys(m)), " ")
	}
	sub := v["accounts"].([]any)[0].(map[string]any)
	for what, got := range map[string][2]string{
		"account":     {keys(v), "accounts balance block block_time ledger limits lock_seconds max_fee_per_gas_neuron minimums network read_at source unfinished wallet wallet_floor warnings"},
		"sub-account": {keys(sub), "acknowledged allowed drift exists funding held high_water locked low low_water model note owed pending_refund provider refunds registered service_type signer signer_acknowledged signer_changed"},
		"refund":      {keys(sub["refunds"]), "amount asked_at free_at wait_seconds"},
		"amount":      {keys(v["balance"]), "0g neuron"},
		"ledger":      {keys(v["ledger"]), "available total"},
		"limit":       {keys(v["limits"]), "for left limit name provider used"},
		"transaction": {keys(v["unfinished"]), "amount_neuron block created_at gas_max_neuron gas_neuron id kind nonce origin sent state tx_hash versions"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s has the keys\n%s, want\n%s", what, got[0], got[1])
		}
	}
}
