// Command zgbench compares zgproxy with no proxy at all and with the standard library's bare reverse proxy, on one
// machine, in one run, in turns. It builds what it compares and prints ratios: absolute figures of a shared machine say
// little, ratios within one run say a lot.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) == 4 && os.Args[1] == "child" {
		if err := child(ctx, os.Args[2], os.Args[3]); err != nil {
			fatal(err)
		}
		return
	}
	rounds := flag.Int("rounds", 7, "interleaved rounds per scenario")
	each := flag.Duration("each", 1500*time.Millisecond, "length of one round of one target")
	streams := flag.Int("streams", 10000, "instantly answered streams that must all arrive whole")
	asJSON := flag.Bool("json", false, "print one JSON object instead of tables")
	flag.Parse()
	if err := bench(ctx, *rounds, *each, *streams, *asJSON); err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	_, _ = fmt.Fprintln(os.Stderr, "zgbench:", err) // the last words
	os.Exit(1)
}

// bench sets the stage (chain, mock provider, bare proxy, zgproxy, each but the chain a process of its own) and plays
// every scenario on it.
func bench(ctx context.Context, rounds int, each time.Duration, streams int, asJSON bool) (err error) {
	dir, err := os.MkdirTemp("", "zgbench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	progress("building zgproxy, with and without its store")
	binary, storelessBinary := filepath.Join(dir, "zgproxy"), filepath.Join(dir, "zgproxy-nostore")
	if err := errors.Join(build(ctx, binary), build(ctx, storelessBinary, "-tags=nostore")); err != nil {
		return err
	}

	tee, err := crypto.GenerateKey()
	if err != nil {
		return err
	}
	mockProc, err := startChild(ctx, "mock", hex.EncodeToString(crypto.FromECDSA(tee)))
	if err != nil {
		return err
	}
	defer mockProc.stop()
	bareProc, err := startChild(ctx, "bare", "http://"+mockProc.addr)
	if err != nil {
		return err
	}
	defer bareProc.stop()

	progress("starting a chain")
	chain, err := simchain.Start(simchain.Config{}) //nolint:contextcheck // a test server that Close ends
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, chain.Close()) }()
	env, err := stage(ctx, chain, "http://"+mockProc.addr, crypto.PubkeyToAddress(tee.PublicKey))
	if err != nil {
		return err
	}
	verified, err := startDaemon(ctx, binary, filepath.Join(dir, "data"), env)
	if err != nil {
		return err
	}
	defer verified.stop()
	storeless, err := startDaemon(ctx, storelessBinary, filepath.Join(dir, "data-nostore"), env)
	if err != nil {
		return err
	}
	defer storeless.stop()

	report := runScenarios(ctx, scenarios(mockProc, bareProc, verified, storeless), rounds, each)
	progress("sending %d instantly answered streams", streams)
	report.Cut = countCuts(ctx, verified, streams)
	report.RSSKiB, report.PeakKiB = verified.memory()
	if asJSON {
		return json.NewEncoder(os.Stdout).Encode(report)
	}
	return report.print(os.Stdout)
}

// build compiles the daemon as it is released, apart from the given flags.
func build(ctx context.Context, binary string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", binary}, flags...)
	if out, err := exec.CommandContext(ctx, "go", append(args, "./cmd/zgproxy")...).CombinedOutput(); err != nil { //nolint:gosec // our own source
		return fmt.Errorf("build zgproxy: %w\n%s", err, out)
	}
	return nil
}

func progress(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stderr, "zgbench: "+format+" ...\n", args...) // for whoever watches
}

// stage puts two services of the mock on chain, one whose answers are signed, and a wallet that can pay both.
func stage(ctx context.Context, chain *simchain.Chain, url string, signer [20]byte) (env []string, err error) {
	user, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	if err := chain.Fund(ctx, crypto.PubkeyToAddress(user.PublicKey), zg.OneOG.Mul(1000)); err != nil {
		return nil, err
	}
	if err := chain.Deposit(ctx, user, zg.OneOG.Mul(100)); err != nil {
		return nil, err
	}
	var providers []string
	for _, model := range []string{"plain-1", "signed-1"} {
		key, err := crypto.GenerateKey()
		if err != nil {
			return nil, err
		}
		addr := crypto.PubkeyToAddress(key.PublicKey)
		if err := chain.RegisterService(ctx, key, simchain.ServiceParams{
			ServiceType: string(zg.Chatbot), URL: url, Model: model, Verifiability: "TeeML", TEESigner: signer,
			InputPrice: zg.NeuronOf(1000), OutputPrice: zg.NeuronOf(2000),
		}); err != nil {
			return nil, err
		}
		if err := chain.AcknowledgeSigner(ctx, addr); err != nil {
			return nil, err
		}
		if err := chain.Transfer(ctx, user, addr, zg.OneOG.Mul(10)); err != nil {
			return nil, err
		}
		providers = append(providers, addr.Hex())
	}
	return []string{
		"ZGPROXY_NETWORK=devnet", "ZGPROXY_RPC_URL=" + chain.URL(), "ZGPROXY_PRIVATE_KEY=" + hex.EncodeToString(crypto.FromECDSA(user)),
		"ZGPROXY_PROVIDERS=" + strings.Join(providers, ","),
	}, nil
}

// process is something under test or in the way of it.
type process struct {
	cmd   *exec.Cmd
	addr  string
	admin string // where its allocations can be read
	in    io.Closer
	log   *os.File
}

func startChild(ctx context.Context, role, arg string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "child", role, arg) //nolint:gosec // ourselves
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	addr = strings.TrimSpace(addr)
	return &process{cmd: cmd, addr: addr, admin: addr, in: in}, nil
}

func (p *process) stop() {
	if p.in != nil {
		_ = p.in.Close() // tells the child to end
	} else {
		_ = p.cmd.Process.Signal(os.Interrupt) // tells the daemon to end
	}
	_ = p.cmd.Wait() // how it ends does not matter any more
	if p.log != nil {
		_ = p.log.Close() // removed with the folder
	}
}
