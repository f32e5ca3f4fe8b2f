package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
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

	// The same with a daemon, which goes on automatically. Nothing is low for it, so that all transfers are those of this test.
	copied := w.copied()
	w.env = append(w.env, "ZGPROXY_BUDGET_TRANSFERS_DAY=30", "ZGPROXY_LOW_WATER=1.2")
	d := w.child()
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
	w.sentElsewhere()
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
	w.restored(copied)
}

// What a provider took beyond the book, and a signer that it has changed, hold top-ups up until the owner accepts them.
func TestAcceptedProviderIsToppedUpAgain(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.env = append(w.env, "ZGPROXY_DIRECTORY_REFRESH=200ms", "ZGPROXY_BUDGET_FEES_TOTAL=5", "ZGPROXY_BUDGET_PROVIDER_TRANSFERS_DAY=7", "ZGPROXY_AUTO_FUND=4")
	w.mineSteadily()
	gamma := w.net.Providers[2].Address()
	w.expect(exitFailure, args("provider accept "+gamma.Hex()+" --yes"), "only a running daemon")
	d := w.child()
	look := func() subReport {
		t.Helper()
		r := decode[accountReport](w, w.must(args("account --json")))
		return r.sub(gamma)
	}
	topped := func() error {
		if s := look(); s.Locked.Og != "3" || s.Funding != "" {
			return fmt.Errorf("%s 0G, %s", s.Locked.Og, s.Funding)
		}
		return nil
	}
	w.eventually("topped up", topped)
	w.must(args("account"), "ZGPROXY_BUDGET_FEES_TOTAL: 5 of 5 0G left", "ZGPROXY_BUDGET_PROVIDER_TRANSFERS_DAY, "+gamma.Hex()+": 5.5 of 7 0G left", "ZGPROXY_AUTO_FUND, deposits: 4 of 4 0G left")
	if s := look(); s.OtherSigner || s.Signer.Address != w.net.Providers[2].TEESigner() {
		t.Errorf("gamma = %+v", s)
	}

	taken := zg.OneOG.MulDiv(3, 2)
	if _, err := w.net.Chain.Settle(t.Context(), devnet.ProviderKey("gamma"), devnet.TEEKey("gamma"), []common.Address{devnet.Wallet()}, []zg.Neuron{taken}); err != nil {
		t.Fatal(err)
	}
	w.eventually("held up", func() error {
		if s := look(); s.Funding != "drift" || s.Drift.Neuron != taken {
			return fmt.Errorf("%s, drift %+v", s.Funding, s.Drift)
		}
		return nil
	})
	w.must(args("account"), "zgproxy provider accept "+gamma.Hex())
	w.must(args("provider accept "+gamma.Hex()+" --dry-run"), "1.5 0G taken or claimed beyond")
	w.expect(exitNotConfirmed, args("provider accept "+gamma.Hex()), "no terminal")
	accepted := decode[acceptReport](w, w.must(args("provider accept "+gamma.Hex()+" --yes --json")))
	if accepted.Accepted.Drift != taken || accepted.Provider.Address != gamma {
		t.Errorf("accepted %+v", accepted)
	}
	w.eventually("topped up again", topped)

	svc, err := w.net.Chain.Service(t.Context(), gamma)
	if err != nil {
		t.Fatal(err)
	}
	other := common.HexToAddress("0x00000000000000000000000000000000000000c0")
	if err := w.net.Chain.RegisterService(t.Context(), devnet.ProviderKey("gamma"), simchain.ServiceParams{
		ServiceType: string(svc.Type), URL: svc.URL, Model: svc.Model, Verifiability: svc.Verifiability, InputPrice: svc.InputPrice, OutputPrice: svc.OutputPrice, TEESigner: other,
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.net.Chain.AcknowledgeSigner(t.Context(), gamma); err != nil {
		t.Fatal(err)
	}
	w.eventually("the new signer noticed", func() error {
		// It may have seen the service before its new signer was vouched for.
		if s := look(); !s.OtherSigner || s.Suspended == nil || s.Current == nil || s.Current.Signer.Address != other {
			return fmt.Errorf("suspended %v, now %v", s.Suspended, s.Current)
		}
		return nil
	})
	client, err := admin.NewClient(w.data)
	if err != nil {
		t.Fatal(err)
	}
	var refused *admin.CommandError
	if err := client.Accept(t.Context(), gamma, admin.Acceptance{Signer: admin.Address{Address: svc.TEESigner}}); !errors.As(err, &refused) || refused.Code != codeChanged {
		t.Errorf("accepting a signer that is gone: %v, want a refusal", err)
	}
	w.must(args("provider accept "+gamma.Hex()+" --yes"), "another one than before", "Accepted")
	w.eventually("the new signer accepted", func() error {
		if s := look(); s.OtherSigner {
			return errors.New("not yet")
		}
		return nil
	})

	// Without the daemon the store still knows what is owed.
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
	if s := look(); s.Owed == nil || !s.Owed.Neuron.IsZero() || s.Drift != nil {
		t.Errorf("without a daemon: owed %+v, drift %+v; want none owed and no drift known", s.Owed, s.Drift)
	}
}

// The schema of what scripts read. A field that is renamed or gone breaks them.
func TestAccountSchema(t *testing.T) {
	text, err := json.Marshal(accountReport{
		Ledger: &ledgerReport{Other: &amount{}}, Accounts: []subReport{{Model: "m", Type: "t", Funding: "f", Note: "n", Refunds: []refundReport{{}}}},
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
		"account":     {keys(v), "accounts balance block block_time confirmations contracts_changed foreign ledger limits lock_seconds max_fee_per_gas_neuron minimums network read_at source unfinished unread waiting wallet wallet_floor warnings"},
		"sub-account": {keys(sub), "acknowledged allowed current drift drift_since drift_taken exists funding held high_water locked low low_water model note owed pending_refund pinned provider refunds registered revoked_token_ids service_type signer signer_acknowledged signer_changed suspended token_generation unclaimed watched watched_since"},
		"refund":      {keys(sub["refunds"]), "amount asked_at free_at wait_seconds"},
		"amount":      {keys(v["balance"]), "0g neuron"},
		"ledger":      {keys(v["ledger"]), "available other_services total"},
		"limit":       {keys(v["limits"]), "for left limit name provider used"},
		"transaction": {keys(v["unfinished"]), "amount_neuron block created_at gas_max_neuron gas_neuron id kind nonce origin sent state tx_hash versions"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s has the keys\n%s, want\n%s", what, got[0], got[1])
		}
	}
}
