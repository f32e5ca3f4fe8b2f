package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// outcome is what a command did.
type outcome struct {
	code   int
	stdout string
	stderr string
}

// command runs zgproxy in this process, without a terminal.
func (w *world) command(args ...string) outcome {
	w.Helper()
	for _, kv := range w.variables() {
		name, value, _ := strings.Cut(kv, "=")
		w.Setenv(name, value)
	}
	var stdout, stderr bytes.Buffer
	code := run(args, &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

// must runs a command that has to work, and has to say certain things.
func (w *world) must(args []string, says ...string) outcome {
	w.Helper()
	return w.expect(0, args, says...)
}

// expect runs a command that ends with a status and says certain things.
func (w *world) expect(code int, args []string, says ...string) outcome {
	w.Helper()
	got := w.command(args...)
	all := got.stdout + got.stderr
	if got.code != code {
		w.Fatalf("zgproxy %s: status %d, want %d\n%s", strings.Join(args, " "), got.code, code, all)
	}
	for _, s := range says {
		if !strings.Contains(all, s) {
			w.Errorf("zgproxy %s does not say %q:\n%s", strings.Join(args, " "), s, all)
		}
	}
	return got
}

// decode reads the one JSON object that a command wrote. Fields that the schema does not have are an error.
func decode[T any](w *world, o outcome) (v T) {
	w.Helper()
	dec := json.NewDecoder(strings.NewReader(o.stdout))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		w.Fatalf("%v in\n%s", err, o.stdout)
	}
	if dec.More() {
		w.Errorf("more than one object:\n%s", o.stdout)
	}
	return v
}

// mineSteadily makes blocks all the time: the devnet's node takes note of one block when the next one is made, and the
// commands sign one transaction right after the other.
func (w *world) mineSteadily() {
	stop, ended := make(chan struct{}), make(chan struct{})
	go mineUntil(w.net, stop, ended)
	w.Cleanup(func() { close(stop); <-ended })
}

func (w *world) ledger() (available, total zg.Neuron) {
	w.Helper()
	r := decode[accountReport](w, w.must([]string{"account", "--json"}))
	return r.Ledger.Available.Neuron, r.Ledger.Total.Neuron
}

func (w *world) subAccount(p common.Address) zg.SubAccount {
	w.Helper()
	a, _, err := w.net.Chain.SubAccount(w.Context(), devnet.Wallet(), p)
	if err != nil {
		w.Fatal(err)
	}
	return a
}

func args(line string) []string { return strings.Fields(line) }

type errorReport struct{ Error admin.CommandError }

func TestMoneyByHandWithoutADaemon(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.mineSteadily()
	alpha := w.net.Providers[0].Address()
	stranger := "0x00000000000000000000000000000000000000b0"
	og := func(s string) zg.Neuron {
		n, err := zg.ParseOg(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	total := func(want string) {
		t.Helper()
		if _, got := w.ledger(); got != og(want) {
			t.Errorf("the ledger's total is %s, want %s", got.Og(), want)
		}
	}

	// Looking and refusing leave nothing behind, not even a directory.
	r := decode[accountReport](w, w.must(args("account --json")))
	if r.Source != "chain" || r.Network != "devnet" || r.Wallet.Address != devnet.Wallet() || len(r.Accounts) != 5 || r.Unfinished != nil ||
		r.Minimums.Ledger.Neuron != og("3") || r.LockTime != 86400 || r.Ledger == nil || r.Ledger.Total.Og != "100" {
		t.Errorf("account --json = %+v", r)
	}
	if s := r.sub(alpha); !s.Exists || !s.Allowed || !s.Registered || !s.Vouched || s.Model != "echo-1" || s.Locked.Og != "1.5" || !s.Low || s.Owed != nil {
		t.Errorf("alpha = %+v", s)
	}
	w.must(args("account"), devnet.Wallet().Hex(), "read from the chain", "92.5 0G", "echo-1", "It is low; zgproxy serve tops it up to 3 0G.")
	w.must(args("deposit 5 --dry-run"), "ledger, available   92.5 → 97.5 0G", "from")
	w.expect(4, args("deposit 5"), "there is no terminal", "--yes")
	w.expect(4, args("deposit 5 --json"), `"not_confirmed"`)
	for line, says := range map[string]string{
		"deposit abc": "not a number of 0G", "deposit 0 --yes": "greater than zero", "deposit 1e3 --yes": "not a number", "deposit 1.5 --neuron --yes": "not a whole number",
		"deposit": "accepts 1 arg", "deposit 1 2": "accepts 1 arg", "fund 0x12 1": "not an address", "refund": "accepts 1 arg", "refund 1 --all": "unknown command",
		"retrieve": "at least 1 arg", "fund " + strings.Replace(alpha.Hex(), "a", "A", 1) + " 1": "checksum", "usage --by colour": "wanted: day", "usage --since yore": "wanted: a duration",
		"usage --by none,day": "nothing else", "fund " + devnet.Wallet().Hex() + " 1": "cannot be a provider", "deposit 1 --no-such-flag": "unknown flag", "usage --csv --json": "not both",
	} {
		if got := w.command(args(line)...); got.code != exitUsage || !strings.Contains(got.stdout+got.stderr, says) {
			t.Errorf("zgproxy %s: status %d, want %d and %q:\n%s%s", line, got.code, exitUsage, says, got.stdout, got.stderr)
		}
	}
	for line, code := range map[string]string{
		"deposit 100000 --yes":                         codeNotEnough,
		"fund " + stranger + " 2 --yes":                codeNotRegistered,
		"fund " + stranger + " 0.5 --yes --force":      codeBelowMinimum,
		"fund " + alpha.Hex() + " 93 --yes":            codeNotEnough,
		"retrieve " + stranger + " --yes":              codeNoAccount,
		"refund 93 --yes":                              codeNotEnough,
		"refund 90 --yes":                              codeBelowMinimum,
		"provider acknowledge " + stranger + " --yes":  codeNoAccount,
		"refund 92.500000000000000001 --yes":           codeNotEnough,
		"fund " + alpha.Hex() + " 92.6 --yes --neuron": codeUsage,
	} {
		got := w.command(append(args(line), "--json")...)
		if e := decode[errorReport](w, got); e.Error.Code != code || e.Error.Message == "" || got.code != exitStatus(code) || got.stderr != "" {
			t.Errorf("zgproxy %s: status %d, %+v, stderr %q; want %s", line, got.code, e, got.stderr, code)
		}
	}
	w.must(args("usage"), "No request has been recorded")
	if u := decode[usageReport](w, w.must(args("usage --json"))); len(u.Rows) != 0 || !u.Total.Fees.IsZero() {
		t.Errorf("usage --json of nothing = %+v", u)
	}
	w.must(args("provider acknowledge "+alpha.Hex()+" --yes"), "Nothing to do")
	total("100")
	if _, err := os.Stat(w.data); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the data directory was created (%v)", err)
	}

	// There.
	w.must(args("deposit 5 --yes"), "signed 0x", "sent", "mined in block", "confirmed", "ledger 97.5 0G available of 105 0G")
	m := decode[moneyReport](w, w.must(args("deposit 250000000000000000 --neuron --yes --json")))
	if len(m.Transactions) != 1 || m.Transactions[0].State != string(billing.EntryMined) || m.Transactions[0].Origin != "hand" || m.Transactions[0].GasCost.IsZero() ||
		len(m.Steps) != 1 || m.Steps[0].Kind != zg.IntentDeposit || m.Account == nil || m.Account.Ledger.Total.Og != "105.25" {
		t.Errorf("deposit --json = %+v", m)
	}
	w.must(args("fund "+alpha.Hex()+" 0.5 --yes"), "97.75 → 97.25 0G", "1.5 → 2 0G", "confirmed")
	w.must(args("fund "+stranger+" 1 --yes --force"), "opens the sub-account", "not in ZGPROXY_PROVIDERS", "serve only while")
	total("105.25")

	// And back.
	w.must(args("retrieve "+alpha.Hex()+" --yes"), "2 0G are asked back now", "free in 24 h", "confirmed")
	if a := w.subAccount(alpha); !a.Locked().IsZero() || a.PendingRefund != og("2") {
		t.Errorf("after the first retrieve: %+v", a)
	}
	again := decode[errorReport](w, w.expect(3, args("retrieve "+alpha.Hex()+" --yes --json")))
	if again.Error.Code != codeNothing || !strings.Contains(again.Error.Message, "24 h") {
		t.Errorf("retrieve again = %+v", again)
	}
	w.must(args("account"), "2 in 24 h", "on its way back to the ledger; it is")
	w.must(args("fund "+alpha.Hex()+" 0.5 --dry-run"), "cancels that first", "96.25 → 96.25 0G", "on its way back", "2 → 1.5 0G")
	if err := w.net.Chain.AdvanceTime(24*time.Hour + time.Second); err != nil {
		t.Fatal(err)
	}
	w.must(args("account"), "2 now")
	w.must(args("retrieve "+alpha.Hex()+" "+alpha.Hex()+" --yes"), "2 0G were asked back earlier", "96.25 → 98.25 0G", "confirmed")
	if err := w.net.Chain.Acknowledge(t.Context(), devnet.WalletKey(), alpha, false); err != nil {
		t.Fatal(err)
	}
	w.must(args("account"), "not acknowledged by the wallet; a transfer")
	w.must(args("provider acknowledge "+alpha.Hex()+" --yes"), "No money moves but the gas", "confirmed")
	if !w.subAccount(alpha).Acknowledged {
		t.Error("the provider is not acknowledged")
	}
	m = decode[moneyReport](w, w.must(args("retrieve --all --yes --json")))
	if len(m.Transactions) != 1 || len(m.Transactions[0].Also) != 4 { // from the four others, and the stranger
		t.Errorf("retrieve --all made %+v, want one transaction for five sub-accounts", m.Transactions)
	}
	w.expect(3, args("retrieve --all --yes"), "already; the next part is free in 24 h")
	w.must(args("refund 1.25 --yes"), "98.25 → 97 0G", "confirmed", "ledger 97 0G available of 104 0G")
	w.must(args("refund --all --yes"), "The ledger stays open: 7 0G are in sub-accounts", "confirmed")
	w.expect(3, args("refund --all --yes"), "zgproxy retrieve --all")
	if err := w.net.Chain.AdvanceTime(24*time.Hour + time.Second); err != nil {
		t.Fatal(err)
	}
	w.must(args("retrieve --all --yes"), "confirmed")
	w.must(args("refund --all --yes"), "closes the ledger", "no ledger")
	w.expect(3, args("refund --all --yes"), "no ledger")
	w.expect(3, args("fund "+alpha.Hex()+" 1 --yes"), "zgproxy deposit 3")
	w.expect(3, args("deposit 2.9 --yes"), "at least 3 0G")
	w.must(args("deposit 3 --dry-run"), "opens it")
	w.must(args("account"), "none yet")
}

// terminal is somebody who answers.
type terminal struct{ *strings.Reader }

func (terminal) IsTerminal() bool { return true }

func TestMoneyByHandBesideADaemon(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.mineSteadily()
	d := w.child()
	alpha := w.net.Providers[0].Address()
	// The daemon has the key. The commands get none: whatever they move, the daemon has signed.
	w.env = slices.DeleteFunc(slices.Clone(w.env), func(kv string) bool { return strings.HasPrefix(kv, "ZGPROXY_PRIVATE_KEY=") })

	resp, answer := w.post("/v1/chat/completions", "application/json", []byte(`{"model":"lorem-1","messages":[{"role":"user","content":"lorem:10"}]}`))
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", resp.StatusCode, answer)
	}
	rec := w.record(resp.Header.Get("X-Request-Id"), false)

	w.eventually("looked at by the keeper", func() error { // the daemon serves before it has looked for the first time
		r := decode[accountReport](w, w.must(args("account --json")))
		if s := r.sub(alpha); r.Source != "daemon" || r.Wallet.Address != devnet.Wallet() || r.Ledger == nil || !s.Exists || s.Owed == nil {
			return fmt.Errorf("account --json = %+v", r)
		}
		return nil
	})
	w.must(args("account"), "as the daemon saw it", "echo-1")
	w.must(args("provider list"), alpha.Hex(), "echo-1", "0.3 in, 0.48 out per 1M", "0.003 an image", "ok", "http://127.0.0.1")
	p := decode[providersReport](w, w.must(args("provider list --json --all")))
	if len(p.Providers) != 5 || p.Source != "daemon" || !p.find(alpha).Vouched || p.find(alpha).InputPrice.IsZero() {
		t.Errorf("provider list --json = %+v", p)
	}

	_, before := w.ledger()
	w.must(args("deposit 5 --yes"), "signed 0x", "sent", "mined in block", "confirmed")
	w.must(args("deposit 5 --dry-run"), "Deposit 5 0G")
	w.expect(4, args("deposit 5"), "no terminal")
	if _, after := w.ledger(); after != before.Add(zg.OneOG.Mul(5)) {
		t.Errorf("the ledger went from %s to %s, want 5 0G more", before.Og(), after.Og())
	}
	w.expect(3, args("deposit 100000 --yes"), "not enough")
	w.must(args("fund "+alpha.Hex()+" 4 --yes"), "confirmed")
	locked := w.subAccount(alpha).Locked()
	w.must(args("retrieve "+alpha.Hex()+" --yes"), locked.Og()+" 0G are asked back now", "confirmed")
	w.eventually("paused", func() error {
		s := decode[accountReport](w, w.must(args("account --json")))
		if sub := s.sub(alpha); sub.PendingRefund.Neuron != locked || sub.Funding != "pending_refund" {
			return errors.New(sub.Note)
		}
		return nil
	})
	w.must(args("account"), locked.Og()+" in 24 h")

	for answer, want := range map[string]int{"y\n": 0, "n\n": exitNotConfirmed, "": exitNotConfirmed, "yes\n": 0} {
		var stdout, stderr bytes.Buffer
		root := rootCommand()
		root.SetArgs(args("fund " + alpha.Hex() + " 0.01"))
		root.SetIn(terminal{strings.NewReader(answer)})
		root.SetOut(&stdout)
		root.SetErr(&stderr)
		code := 0
		if err := root.ExecuteContext(t.Context()); err != nil {
			code = exitWith(err, &stderr)
		}
		if code != want || !strings.Contains(stdout.String(), "Go ahead? [y/N]") || strings.Contains(stdout.String(), "confirmed") != (want == 0) {
			t.Errorf("answered %q: status %d, want %d\n%s%s", answer, code, want, &stdout, &stderr)
		}
	}

	// usage reads the store beside the daemon.
	u := decode[usageReport](w, w.must(args("usage --json --by model,provider")))
	if len(u.Rows) != 1 || u.Rows[0].Model != "lorem-1" || u.Rows[0].Provider != w.net.Providers[1].Address().Hex() || u.Total.Fees != rec.Fee || u.Total.Requests != 1 {
		t.Errorf("usage --json = %+v, want the one request of %s neuron", u, rec.Fee)
	}
	w.must(args("usage"), "lorem-1", rec.Fee.String())
	w.must(args("usage --csv --by key"), "key,requests,open", rec.Fee.Og())
	w.must(args("usage --since 2199-01-01"), "No requests since 2199-01-01")

	// Over TCP nothing can be moved.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.admin+"/v1/transactions", strings.NewReader(`{"kind":"deposit","amount_neuron":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	refused, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := refused.Body.Close(); err != nil {
		t.Error(err)
	}
	if refused.StatusCode != http.StatusNotFound && refused.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST on the operator's TCP listener: %d", refused.StatusCode)
	}

	// A daemon that cannot be reached is said to be there.
	socket, err := admin.SocketPath(w.data)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(socket, socket+"-away"); err != nil {
		t.Fatal(err)
	}
	w.env = w.net.Env()
	w.expect(exitFailure, args("deposit 1 --yes"), "in use by another zgproxy", filepath.Base(socket), "Nothing was done", "restart the daemon")
	w.must(args("account"), "is running", "does not answer")
	if err := os.Rename(socket+"-away", socket); err != nil {
		t.Fatal(err)
	}

	// When the daemon has ended, nothing is in the way.
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there (%v)", err)
	}
	w.must(args("deposit 1 --yes"), "confirmed")
}
