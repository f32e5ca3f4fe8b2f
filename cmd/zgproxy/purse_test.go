package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// separately runs zgproxy as a process of its own, with the world's configuration and nothing on the standard input.
func (w *world) separately(args ...string) (stdout, stderr string) {
	w.Helper()
	self, err := os.Executable()
	if err != nil {
		w.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(w.Context(), self, args...)
	cmd.Env = append(w.variables(), asDaemon+"=1", "HOME="+w.TempDir())
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		w.Fatalf("zgproxy %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), errs.String()
}

// locked is what each provider's sub-account holds by the chain.
func (w *world) locked() []zg.Neuron {
	w.Helper()
	out, _ := w.separately("account", "--json")
	var r accountReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		w.Fatal(err)
	}
	var all []zg.Neuron
	for _, p := range w.net.Providers {
		all = append(all, r.sub(p.Address()).Locked.Neuron)
	}
	return all
}

// A command without a daemon funds the provider that serves it and nobody else, however many sub-accounts are low; it tells
// of every transaction, and sums up.
func TestCommandFundsOnlyWhoServes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, devnet.Config{})
	stop, ended := make(chan struct{}), make(chan struct{})
	go mineUntil(w.net, stop, ended)
	t.Cleanup(func() { close(stop); <-ended })
	changed := func(before []zg.Neuron) (who []int) {
		for i, now := range w.locked() {
			if now != before[i] {
				who = append(who, i)
			}
		}
		return who
	}

	before := w.locked()
	for i, n := range before {
		if !n.Less(zg.OneOG.Mul(2)) {
			t.Fatalf("the sub-account of provider %d holds %s 0G, which is not low", i, n.Og())
		}
	}
	_, told := w.separately("chat", "--model", "lorem-1", "lorem:3")
	if who := changed(before); !slices.Equal(who, []int{1}) {
		t.Errorf("the sub-accounts of %v were funded, want that of 1 alone", who)
	}
	served := w.net.Providers[1].Address().Hex()
	for _, want := range []string{
		"Moving money: transfer of 1.5", "to the sub-account with " + served + ", transaction 0x", "is confirmed; its gas was 0.", "Moved besides: 1.5", "; gas 0.",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("it does not say %q:\n%s", want, told)
		}
	}
	if n := strings.Count(told, "Moving money"); n != 1 {
		t.Errorf("%d transactions are told of, want 1:\n%s", n, told)
	}

	before = w.locked()
	out, _ := w.separately("chat", "--json", "--model", "echo-1", "--provider", w.net.Providers[2].Address().Hex(), "hello")
	if who := changed(before); !slices.Equal(who, []int{2}) {
		t.Errorf("the sub-accounts of %v were funded, want that of 2 alone", who)
	}
	var r chatReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	m := r.Outcome.Moved
	if m == nil || len(m.Transactions) != 1 || m.Transfers.Neuron.IsZero() || m.Gas.Neuron != m.Transactions[0].GasCost || m.Gas.Neuron.IsZero() {
		t.Errorf("moved = %+v, want one transfer and its gas", m)
	}

	// What is full stays as it is, and a sub-account that is filled is not spoken of.
	before = w.locked()
	if _, told := w.separately("chat", "--model", "lorem-1", "lorem:3"); strings.Contains(told, "Mov") || len(changed(before)) > 0 {
		t.Errorf("a second one moved money again:\n%s", told)
	}
}
