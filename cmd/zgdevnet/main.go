// Command zgdevnet runs a whole 0G Compute Network on this machine: a simulated chain, simulated providers, and a wallet
// with money that is worth nothing. With "demo" it also runs zgproxy in front of it and has a conversation.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/devnet"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// exitFailure is the status when the network could not run, exitUsage when the command line makes no sense.
const (
	exitFailure = 1
	exitUsage   = 2
)

const usage = `zgdevnet - a 0G Compute Network on this machine

It runs a simulated chain with the network's two contracts, five simulated providers (two
models for chat, one of them at two prices; pictures; speech), and a wallet that has paid
into its ledger and opened a sub-account with each provider. --all-kinds adds one of every
other kind of service. Everything listens on 127.0.0.1 only. Nothing is kept: each start is
a new network.

The keys are public and the money is worth nothing. Never send anything to these addresses
on another network.

Usage:
  zgdevnet [flags]                   run the network until Ctrl-C
  zgdevnet demo [flags] ./zgproxy    run the network, zgproxy in front of it, and a conversation
  zgdevnet faucet [flags] ADDRESS    give an address money on a network that runs

The demo ignores your own settings of zgproxy: its variables in the environment, and the file
that "zgproxy init" wrote. What it should use, --set gives. Ports that are in use are replaced
by free ones.

Then, in another terminal, paste the export lines that are printed, and:
  zgproxy serve
  curl http://127.0.0.1:3000/v1/chat/completions -H 'Content-Type: application/json' \
    -d '{"model":"echo-1","messages":[{"role":"user","content":"Hello, 0G!"}]}'

The sub-accounts start with 1.5 0G, below the 2 0G at which zgproxy tops them up by default,
so the first top-up can be watched. The model lorem-1 writes as many words as "lorem:NNN" in
the prompt asks for.

Flags:
`

// options are the command line.
type options struct {
	rpcPort     int
	minimums    string
	portBase    int
	pace        time.Duration
	settleEvery time.Duration
	allKinds    bool
	twins       int
	json        bool
	demo        string // path of the zgproxy binary; empty: no demo
	port        int    // of the demo's zgproxy, and below of its operator side; 0: any free one
	adminPort   int
	set         []string // settings of the demo's zgproxy, as NAME=VALUE
}

// maxTwins is what the ports behind the highest --providers-port-base have room for.
const maxTwins = 20

var errUsage = errors.New("usage")

func parse(args []string, stdout, stderr io.Writer) (options, error) {
	var o options
	isDemo := len(args) > 0 && args[0] == "demo"
	if isDemo {
		args = args[1:]
	}
	fs := flag.NewFlagSet("zgdevnet", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.IntVar(&o.rpcPort, "rpc-port", 8545, "`PORT` of the chain's JSON-RPC; 0: any free one")
	fs.StringVar(&o.minimums, "minimums", "mainnet", "smallest deposits the contracts accept, those of a `NETWORK`: mainnet (3 0G and 1 0G) or testnet (0.1 0G and 0.01 0G)")
	fs.IntVar(&o.portBase, "providers-port-base", 0, "`PORT` of the first provider, the others follow; 0: any free ones")
	fs.DurationVar(&o.pace, "pace", 5*time.Millisecond, "pause before each token of an answer; 0 for benchmarks")
	fs.DurationVar(&o.settleEvery, "settle-every", 30*time.Second, "how often providers take on chain what they are owed; 0: never")
	fs.BoolVar(&o.allKinds, "all-kinds", false, "also run a provider of each further kind of service: embeddings, edits of pictures, speech from text, video, decisions")
	fs.IntVar(&o.twins, "twins", 0, "`NUMBER` of further providers of echo-1, each a little dearer than the one before")
	fs.IntVar(&o.port, "port", 3000, "demo: `PORT` of zgproxy; any free one if it is in use, or 0")
	fs.IntVar(&o.adminPort, "admin-port", 3090, "demo: `PORT` of zgproxy's operator side; any free one if it is in use, or 0")
	fs.Func("set", "demo: a setting of zgproxy, `NAME=VALUE`; repeatable", func(kv string) error {
		if name, _, ok := strings.Cut(kv, "="); !ok || !strings.HasPrefix(name, ourPrefix) || strings.ContainsAny(kv, "\r\n") {
			return errors.New("expected one line, ZGPROXY_NAME=VALUE")
		}
		o.set = append(o.set, kv)
		return nil
	})
	fs.BoolVar(&o.json, "json", false, "print one JSON object instead of text")
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, _ = io.WriteString(stdout, usage) // a closed terminal needs no help
		fs.SetOutput(stdout)
		fs.PrintDefaults()
		return o, err
	}
	if err == nil {
		err = o.check(fs.Args(), isDemo)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "zgdevnet: %v\nzgdevnet --help explains.\n", err) // as above
		return o, errUsage
	}
	return o, nil
}

func (o *options) check(rest []string, isDemo bool) error {
	switch {
	case isDemo && len(rest) != 1:
		return errors.New("demo needs the path of the zgproxy binary, after the flags")
	case !isDemo && len(rest) > 0:
		return fmt.Errorf("unknown argument %q", rest[0])
	case isDemo && o.json:
		return errors.New("--json and demo do not go together")
	case !isDemo && len(o.set) > 0:
		return errors.New("--set is for the demo, which runs zgproxy")
	case min(o.port, o.adminPort) < 0 || max(o.port, o.adminPort) > 65535:
		return errors.New("--port and --admin-port are between 0 and 65535")
	case o.minimums != "mainnet" && o.minimums != "testnet":
		return fmt.Errorf("--minimums: %q is neither mainnet nor testnet", o.minimums)
	case o.rpcPort < 0 || o.rpcPort > 65535:
		return fmt.Errorf("--rpc-port: %d is no port", o.rpcPort)
	case o.portBase < 0 || o.portBase > 65500:
		return fmt.Errorf("--providers-port-base: %d leaves no room for the providers", o.portBase)
	case o.pace < 0 || o.settleEvery < 0:
		return errors.New("--pace and --settle-every cannot be negative")
	case o.twins < 0 || o.twins > maxTwins:
		return fmt.Errorf("--twins: %d is not between 0 and %d", o.twins, maxTwins)
	}
	if isDemo {
		o.demo = rest[0]
	}
	return nil
}

// run is the whole program but for the process's own exit.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "faucet" {
		return faucet(ctx, args[1:], stdout, stderr)
	}
	o, err := parse(args, stdout, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	}
	if err := serve(ctx, o, stdout, stderr); err != nil {
		_, _ = fmt.Fprintf(stderr, "zgdevnet: %v\n", err) // stderr gone: nobody to tell
		return exitFailure
	}
	return 0
}

// serve runs the network until ctx ends.
func serve(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	if o.demo != "" {
		if err := o.choosePorts(ctx, stdout); err != nil {
			return err
		}
		if names := ours(os.Environ()); len(names) > 0 {
			// A closed terminal ends the demo by signal.
			_, _ = fmt.Fprintf(stdout, "The demo ignores %s in the environment; --set gives it a setting.\n", strings.Join(names, ", "))
		}
	}
	network, err := devnet.Start(ctx, devnet.Config{
		RPCListen:    net.JoinHostPort("127.0.0.1", strconv.Itoa(o.rpcPort)),
		ProviderPort: o.portBase,
		Testnet:      o.minimums == "testnet",
		TokenDelay:   o.pace,
		SettleEvery:  o.settleEvery,
		AllKinds:     o.allKinds,
		Twins:        o.twins,
		Log:          zerolog.New(zerolog.ConsoleWriter{Out: stderr}).With().Timestamp().Logger(),
	})
	if err != nil {
		if ctx.Err() != nil { // the signal came before the network did
			return nil
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%w\nAnother program listens there, perhaps another zgdevnet. Stop it, or choose other ports with --rpc-port and --providers-port-base", err)
		}
		return err
	}
	defer func() { err = errors.Join(err, network.Close()) }()
	if o.json {
		err = printJSON(stdout, network)
	} else {
		err = printText(stdout, network, o)
	}
	if err != nil {
		return fmt.Errorf("print the network: %w", err)
	}
	if o.demo != "" {
		where, err := newPlace(o, network.Env())
		if err != nil {
			return err
		}
		return demonstration{binary: o.demo, model: demoModel, place: where, out: stdout}.run(ctx)
	}
	<-ctx.Done()
	return nil
}

// demoModel is what the conversation of the demo is held with.
const demoModel = "lorem-1"
