//go:build e2e

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/provider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// official is 0g-compute-cli, unmodified, set up for the devnet.
type official struct {
	*world
	bin, home string
}

const officialPackage = "@0gfoundation/0g-compute-ts-sdk"

// newOfficial fetches the official program, and gives it the devnet's wallet.
func newOfficial(w *world) *official {
	w.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			w.Skipf("%s is needed: %v", tool, err)
		}
	}
	dir := w.TempDir()
	manifest := fmt.Sprintf(`{"name":"official","private":true,"dependencies":{%q:"0.9.0"}}`, officialPackage)
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(manifest), 0o600); err != nil {
		w.Fatal(err)
	}
	install(w.T, dir, "E2E_OFFICIAL_MODULES")
	o := &official{world: w, bin: filepath.Join(dir, "node_modules", ".bin", "0g-compute-cli"), home: w.TempDir()}
	settings, err := json.Marshal(map[string]string{"rpcEndpoint": w.net.Chain.URL(), "network": "custom", "privateKey": devnet.WalletKeyHex})
	if err == nil {
		err = os.Mkdir(filepath.Join(o.home, ".0g-compute-cli"), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(o.home, ".0g-compute-cli", "config.json"), settings, 0o600)
	}
	if err != nil {
		w.Fatal(err)
	}
	return o
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// run runs it with a command line and returns what it said.
func (o *official) run(line string) string {
	o.Helper()
	ctx, cancel := context.WithTimeout(o.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, o.bin, strings.Fields(line)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + o.home, "NO_COLOR=1", "NODE_OPTIONS=--no-warnings"}
	out, err := cmd.CombinedOutput()
	text := escapes.ReplaceAllString(string(out), "")
	o.Logf("$ 0g-compute-cli %s\n%s", line, text)
	if err != nil {
		o.Fatalf("0g-compute-cli %s: %v", line, err)
	}
	return text
}

// says runs it, and it has to say certain things.
func (o *official) says(line string, words ...string) string {
	o.Helper()
	text := o.run(line)
	for _, w := range words {
		if !strings.Contains(text, w) {
			o.Errorf("0g-compute-cli %s does not say %q", line, w)
		}
	}
	return text
}

// figure is a number in the row of one of its tables, all 18 places of it.
func (o *official) figure(text, row string) zg.Neuron {
	o.Helper()
	m := regexp.MustCompile(regexp.QuoteMeta(row) + `\s*│\s*([0-9]+\.[0-9]{18})`).FindStringSubmatch(text)
	if m == nil {
		o.Fatalf("there is no %s in\n%s", row, text)
	}
	n, err := zg.ParseOg(m[1])
	if err != nil {
		o.Fatal(err)
	}
	return n
}

// alike compares amounts. The official program shows them through floating point: 98.500001 0G reads as
// 98.500000999999997475 there, so more than the precision of that cannot be asked of it.
func alike(a, b zg.Neuron) bool {
	return !zg.NeuronOf(100_000).Less(a.Sub(b)) && !zg.NeuronOf(100_000).Less(b.Sub(a))
}

// agree compares what the two programs say of the wallet's money.
func (o *official) agree(p string) {
	o.Helper()
	theirs := o.run("get-account")
	total, available := o.figure(theirs, "Total"), o.figure(theirs, "Available for transfer to sub-accounts")
	theirs = o.run("get-sub-account --service inference --provider " + p)
	balance, back := o.figure(theirs, "Balance (0G)"), o.figure(theirs, "Funds Applied for Return to Main Account (0G)")
	// A daemon says what it saw last, which is a moment ago.
	err := poll(50*time.Millisecond, patience, nil, func() error {
		r := decode[accountReport](o.world, o.must([]string{"account", "--json"}))
		s := r.sub(common.HexToAddress(p))
		switch {
		case !alike(r.Ledger.Total.Neuron, total) || !alike(r.Ledger.Available.Neuron, available):
			return fmt.Errorf("the ledger: %s of %s, and by the other %s of %s", r.Ledger.Available.Og, r.Ledger.Total.Og, available.Og(), total.Og())
		case !alike(s.Locked.Neuron.Add(s.PendingRefund.Neuron), balance) || !alike(s.PendingRefund.Neuron, back):
			return fmt.Errorf("the sub-account: %s and %s on its way back; by the other %s, %s of it on its way back", s.Locked.Og, s.PendingRefund.Og, balance.Og(), back.Og())
		}
		return nil
	})
	if err != nil {
		o.Error(err)
	}
}

// taken asks a provider whether it takes a session token. It believes for a second what it has read of the chain.
func (o *official) taken(i int, token string, want bool) {
	o.Helper()
	peers := provider.New(provider.Config{AllowPrivate: true})
	defer peers.Close()
	err := poll(50*time.Millisecond, patience, nil, func() error {
		_, err := peers.UnsettledFee(o.Context(), o.net.Providers[i].URL(), devnet.Wallet(), "Bearer "+token)
		if (err == nil) != want {
			return fmt.Errorf("taken: %v, want %v (%w)", err == nil, want, errors.Join(err, errNotLookedAt))
		}
		return nil
	})
	if err != nil {
		o.Error(err)
	}
}

var appKey = regexp.MustCompile(`app-sk-[A-Za-z0-9+/=]+`)

// TestOfficialCLI lets the official program and zgproxy work on one wallet, one after the other: each sees what the other did.
func TestOfficialCLI(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.mineSteadily()
	o := newOfficial(w)
	p := w.net.Providers[0].Address().Hex()
	started := time.Now()

	o.agree(p)
	o.says("deposit --amount 5", "Deposited funds: 5 0G")
	o.agree(p)
	o.must(args("deposit 1.000001 --yes"), "confirmed")
	o.agree(p)
	o.says("transfer-fund --service inference --amount 1 --provider "+p, "Successfully transferred")
	o.agree(p)
	o.must([]string{"fund", p, "0.5", "--yes"}, "confirmed")
	o.agree(p)
	o.says("retrieve-fund --service inference --provider "+p, "Funds retrieved")
	o.agree(p)
	o.must([]string{"account"}, "3 in 24 h")
	o.expect(exitRefused, []string{"retrieve", p, "--yes"}, "on their way back")
	if err := w.net.Chain.AdvanceTime(25 * time.Hour); err != nil {
		t.Fatal(err)
	}
	w.net.Chain.Mine()
	o.must([]string{"retrieve", p, "--yes"}, "paid out now")
	o.agree(p)
	o.must([]string{"provider", "revoke", p, "--yes"}, "confirmed")
	o.says("inference acknowledge-provider --provider "+p, "acknowledged successfully")
	o.must([]string{"provider", "acknowledge", p, "--yes"}, "Nothing to do")
	o.says("refund --amount 2", "Refunded amount: 2 0G")
	o.must(args("refund 3 --yes"), "confirmed")
	o.agree(p)
	o.must([]string{"fund", p, "2", "--yes"}, "confirmed")

	list := o.run("inference list-providers")
	for _, known := range decode[providersReport](w, o.must([]string{"provider", "list", "--all", "--json"})).Providers {
		if !strings.Contains(list, known.Provider.Hex()) || !strings.Contains(list, known.Model) {
			t.Errorf("the official list lacks %s, %s", known.Provider.Hex(), known.Model)
		}
	}
	o.says("inference get-models --provider "+p, "echo-1")
	o.must([]string{"provider", "models", p}, "echo-1")

	// Tokens of one, ended by the other.
	theirs := appKey.FindString(o.run("inference get-secret --token-id 3 --duration 0 --provider " + p))
	ours := strings.TrimSpace(o.must([]string{"token", "create", p, "--id", "4", "--expires", "1h"}).stdout)
	o.taken(0, theirs, true)
	o.taken(0, ours, true)
	o.must([]string{"token", "revoke", p, "3", "--yes"}, "confirmed")
	o.run("inference revoke-token --token-id 4 --provider " + p)
	o.taken(0, theirs, false)
	o.taken(0, ours, false)
	o.must([]string{"token", "list"}, "3   revoked  (not made here)", "4   revoked")
	theirs = appKey.FindString(o.run("inference get-secret --duration 0 --provider " + p))
	ours = strings.TrimSpace(o.must([]string{"token", "create", p}).stdout)
	o.taken(0, theirs, true)
	o.taken(0, ours, true)
	o.run("inference revoke-all-tokens --provider " + p)
	o.taken(0, theirs, false)
	o.taken(0, ours, false)
	o.must([]string{"token", "list", "--json"}, `"old_generation"`)
	ours = strings.TrimSpace(o.must([]string{"token", "create", p}).stdout)
	theirs = appKey.FindString(o.run("inference get-secret --token-id 9 --duration 0 --provider " + p))
	o.taken(0, ours, true)
	o.taken(0, theirs, true)
	o.must([]string{"token", "revoke-all", p, "--yes"}, "Generation 1 ends, 2 begins")
	o.taken(0, ours, false)
	o.taken(0, theirs, false)

	// Its settings are ours in one step.
	config := filepath.Join(o.home, ".0g-compute-cli", "config.json")
	out := filepath.Join(t.TempDir(), "env")
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("correct horse battery\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Setenv("XDG_CONFIG_HOME", t.TempDir())
	before := w.env
	w.env = []string{"ZGPROXY_PRIVATE_KEY="}
	o.must([]string{"init", "--import=" + config, "--yes", "--light", "--network", "devnet", "--password", "@" + password, "--out", out, "--provider", p}, devnet.Wallet().Hex())
	w.env = before

	// Beside the running daemon, which makes itself a new token.
	w.child()
	o.says("deposit --amount 1", "Deposited funds")
	o.agree(p)
	o.run("inference revoke-all-tokens --provider " + p)
	w.eventually("served", func() error {
		resp, err := w.tryPost(t.Context(), "/v1/chat/completions", `{"model":"echo-1","messages":[{"role":"user","content":"hello"}]}`)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 {
			return fmt.Errorf("status %d", resp.StatusCode)
		}
		return nil
	})
	t.Logf("%.0f s", time.Since(started).Seconds())
}

// TestMigratingIsComplete compares docs/migrating.md with what the official program's help says.
func TestMigratingIsComplete(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	o := newOfficial(w)
	page, err := fs.ReadFile(os.DirFS(filepath.Join("..", "..", "docs")), "migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := regexp.MustCompile(`(?m)^  ([a-z][a-z-]+)`)
	flags := regexp.MustCompile(`--[a-z][a-z-]+`)
	commands := func(group string) (out []string) {
		_, text, _ := strings.Cut(o.run(strings.TrimSpace(group+" --help")), "Commands:")
		for _, m := range listed.FindAllStringSubmatch(text, -1) {
			if m[1] != "help" {
				out = append(out, strings.TrimSpace(group+" "+m[1]))
			}
		}
		return out
	}
	all := append(commands(""), commands("inference")...)
	if len(all) < 30 {
		t.Fatalf("only %d commands: %q", len(all), all)
	}
	for _, c := range all {
		if !bytes.Contains(page, []byte("`"+c+"`")) {
			t.Errorf("docs/migrating.md does not name `%s`", c)
			continue
		}
		if c == "inference" || c == "fine-tuning" || c == "web-ui" || c == "controller" {
			continue
		}
		help := o.run(c + " --help")
		if strings.Contains(help, "[For provider]") {
			continue
		}
		for _, flag := range flags.FindAllString(help, -1) {
			if flag != "--help" && !bytes.Contains(page, []byte("`"+flag+"`")) {
				t.Errorf("docs/migrating.md does not name the flag %s of `%s`", flag, c)
			}
		}
	}
}
