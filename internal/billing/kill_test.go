package billing

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const childDir = "ZGPROXY_TEST_CHILD_DIR"

// childHeld is set for a child whose writer never gets to write.
const childHeld = "ZGPROXY_TEST_CHILD_HELD"

// heldChild is the process that is killed right after it has admitted requests, while SQLite has none of them.
func heldChild(dir string) int {
	ctx := context.Background()
	store, err := Open(ctx, dir, StoreOptions{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	held := make(chan struct{})
	go func() {
		_ = store.writer.do(false, func(*session) error { close(held); select {} }) // for ever
	}()
	<-held
	m := NewMeter(store, MeterConfig{})
	for i := range 100 {
		r, err := m.Open(ctx, order(fmt.Sprint("r", i), alice))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if i%2 == 1 {
			r.Close(answered())
		}
	}
	fmt.Println("ready") //nolint:forbidigo // the parent waits for it
	select {}
}

// child is the process that is killed: it admits three requests, closes one, stages a top-up, suspends a provider, says
// so and waits for its end, which is not a clean one.
func child(dir string) int {
	if os.Getenv(childHeld) != "" {
		return heldChild(dir)
	}
	ctx := context.Background()
	store, err := Open(ctx, dir, StoreOptions{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	m := NewMeter(store, MeterConfig{})
	for i, id := range []string{"closed", "left-1", "left-2"} {
		r, err := m.Open(ctx, order(id, alice))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if i == 0 {
			r.Close(answered())
		}
	}
	if err := store.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	tx := zg.SignedTx{Hash: common.Hash{7}, Nonce: 7, Raw: []byte("signed bytes"), GasLimit: 150_000, FeeCap: zg.NeuronOf(9), TipCap: zg.NeuronOf(2)}
	if _, err := store.stageEntry("", zg.Intent{Kind: zg.IntentTransfer, Provider: alice, Amount: zg.OneOG}, OriginAuto, tx, m.cfg.Now()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if _, err := store.Suspend(suspension); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready") //nolint:forbidigo // the parent waits for it
	select {}
}

// startChild starts a child and waits until it is ready to be killed.
func startChild(t *testing.T, dir string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this very test binary
	cmd.Dir, cmd.Env = dir, append(append(os.Environ(), childDir+"=."), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "ready" {
		t.Fatalf("the child said %q, %v", line, err)
	}
	return cmd
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended well, want it killed")
	}
}

// What was admitted survives a kill though SQLite had nothing of it. What was closed meanwhile is recorded at its
// bound.
func TestKillBeforeTheStoreHasIt(t *testing.T) {
	dir := t.TempDir()
	kill(t, startChild(t, dir, childHeld+"=1"))
	if n := restarted(t, dir); n != 100 {
		t.Errorf("after the kill %d requests are open, want 100", n)
	}
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	cmd := startChild(t, dir)
	_, err := Open(t.Context(), dir, StoreOptions{})
	if want := fmt.Sprintf("process %d", cmd.Process.Pid); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a second instance got %v, want an error that names %q", err, want)
	}

	kill(t, cmd)
	store := openStore(t, dir)
	check(t, store)
	bound := order("", alice).Bound
	if sum := store.Book().Provider(alice); sum.Open != 2 || sum.Held != bound.Mul(2) || sum.Requests != 1 {
		t.Errorf("after the kill the book has %+v, want 2 open and 1 closed", sum)
	}
	m := NewMeter(store, MeterConfig{})
	fresh := mustOpen(t, m, order("fresh", alice))
	if n, err := m.Recover(t.Context()); err != nil || n != 2 {
		t.Fatalf("Recover = %d, %v; want 2", n, err)
	}
	if n, err := m.Recover(t.Context()); err != nil || n != 0 {
		t.Fatalf("a second Recover = %d, %v; want 0", n, err)
	}
	check(t, store)
	for _, id := range []string{"left-1", "left-2"} {
		r := mustRecord(t, store, id)
		if r.State != "abandoned" || r.Basis != zg.FeeEstimated || r.Reason != ReasonProcessEnded || r.Fee == nil || *r.Fee != bound {
			t.Errorf("%s is %s, %s (%s), fee %v; want abandoned at its bound %v", id, r.State, r.Basis, r.Reason, r.Fee, bound)
		}
	}
	if r := mustRecord(t, store, "closed"); r.State != "closed" || r.Basis != zg.FeeExact {
		t.Errorf("the closed request is %s, %s; want closed, exact", r.State, r.Basis)
	}
	if r := mustRecord(t, store, "fresh"); r.State != "open" {
		t.Errorf("a request of this process is %s after Recover, want open", r.State)
	}
	fresh.Close(answered())
	top, ok, err := store.unfinished(t.Context(), "")
	if err != nil || !ok {
		t.Fatalf("unfinished: found %v, err %v", ok, err)
	}
	if top.Intent.Provider != alice || top.Intent.Amount != zg.OneOG || len(top.Txs) != 1 || string(top.Txs[0].Raw) != "signed bytes" || top.Txs[0].Nonce != 7 {
		t.Errorf("the staged top-up came back as %+v", top)
	}
	if _, suspended, err := store.Trust(t.Context()); err != nil || suspended[alice] != suspension {
		t.Errorf("after the kill the suspensions are %+v, %v", suspended, err)
	}
}
