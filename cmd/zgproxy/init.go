package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/wallet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// initFlags answer the questions of "zgproxy init" beforehand. Empty: it is asked, or with --yes proposed.
type initFlags struct {
	network, rpcURL           string
	keystore, importKey       string
	signer, signerAddress     string
	newWallet                 bool
	password                  string
	keepPassword, light       bool
	providers                 []string
	fees, transfers, autoFund string
	localKey                  bool
	official                  string // the file of 0g-compute-cli; "-": where it usually is
	out                       string
	force, yes, json          bool
}

func initCommand() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Set zgproxy up: network, wallet, providers, limits",
		Long: `Asks for the network, the wallet, the providers that may be paid and how much may be spent, and writes the
answers to a file of variables that all commands read from then on. Nothing is written before the last
question, and no money moves. Every question can be answered by a flag; with --yes nothing is asked.

A new key is kept in an encrypted keystore. --import takes over what 0g-compute-cli was set up with.`,
		Example: `  zgproxy init
  zgproxy init --import
  zgproxy init --network testnet --import-key key.txt --password @password.txt --provider 0xa48f01287233509FD694a22Bf840225062E67836 --yes`,
		Args: want(cobra.NoArgs),
	}
	fl := cmd.Flags()
	fl.StringVar(&f.network, "network", "", "`NETWORK`: "+zg.OneOf(zg.NetworkNames()))
	fl.StringVar(&f.rpcURL, "rpc-url-file", "", "a `FILE` with the URL of the RPC endpoint, which may hold a key; else the network's own")
	fl.BoolVar(&f.newWallet, "new-wallet", false, "make a new wallet")
	fl.StringVar(&f.importKey, "import-key", "", "import the private key in this `FILE`")
	fl.StringVar(&f.keystore, "keystore", "", "use this keystore `FILE`")
	fl.StringVar(&f.signer, "signer", "", "let this signer sign: a `URL` without a secret in it, or the path of a socket")
	fl.StringVar(&f.signerAddress, "signer-address", "", "the `ADDRESS` that the signer signs for")
	fl.StringVar(&f.password, "password", "", "where the keystore's password comes from: @`FILE` or fd:N; else it is asked for")
	fl.BoolVar(&f.keepPassword, "keep-password", false, "keep the password in a file beside the keystore, so that the daemon starts by itself")
	fl.BoolVar(&f.light, "light", false, "encrypt with a tenth of the work, for small machines")
	fl.StringArrayVar(&f.providers, "provider", nil, "`ADDRESS` of a provider that may be paid; repeatable")
	fl.StringVar(&f.fees, "fees-day", "", "the most that requests may cost a day, in `0G`")
	fl.StringVar(&f.transfers, "transfers-day", "", "the most that is moved to providers a day by itself, in `0G`")
	fl.StringVar(&f.autoFund, "auto-fund", "", "the most for opening sub-accounts and for deposits by itself, in `0G`, or off")
	fl.BoolVar(&f.localKey, "local-key", false, "make a local key that callers have to present")
	fl.StringVar(&f.official, "import", "", "take over the settings of 0g-compute-cli, from its `FILE`")
	fl.Lookup("import").NoOptDefVal = "-"
	fl.StringVar(&f.out, "out", "", "the `FILE` of variables to write (default: env in the configuration directory)")
	fl.BoolVar(&f.force, "force", false, "replace a file of variables that is there; it is kept with .bak and the time in its name")
	fl.BoolVarP(&f.yes, "yes", "y", false, "ask nothing; accept the defaults")
	fl.BoolVar(&f.json, "json", false, "one JSON object; needs --yes")
	cmd.MarkFlagsMutuallyExclusive("new-wallet", "import-key", "keystore", "signer")
	cmd.RunE = explained(&f.json, func(cmd *cobra.Command, _ []string) error {
		c := consoleOf(cmd)
		switch {
		case f.json && !f.yes:
			return problem(codeNotConfirmed, "Repeat it with --yes.", "--json asks nothing, so nothing was written")
		case !f.yes && !c.asks:
			return problem(codeNotConfirmed, "Say --yes, and with flags what is not proposed; see zgproxy init --help.", "there is no terminal to ask on, so nothing was written")
		}
		if u, err := url.Parse(f.signer); err == nil && (u.User != nil || u.RawQuery != "") {
			return usageError{errors.New("everybody on this machine sees arguments, and this --signer may have a secret in it: leave it out and answer when you are asked, or set ZGPROXY_SIGNER in the file of variables")}
		}
		if f.json {
			c.out = io.Discard
		}
		s := &setup{flags: f, c: c}
		err := s.run(cmd.Context())
		if err == nil && f.json {
			err = writeJSON(cmd.OutOrStdout(), s.report)
		}
		return interrupted(err)
	})
	return cmd
}

// setupReport is the JSON of "zgproxy init".
type setupReport struct {
	EnvFile   string          `json:"env_file"`
	Network   string          `json:"network"`
	Wallet    admin.Address   `json:"wallet"`
	Keystore  string          `json:"keystore,omitempty"`
	Providers []admin.Address `json:"providers"`
	Backup    string          `json:"backup,omitempty"` // of the file that was replaced
	Warnings  []string        `json:"warnings"`
}

// setup gathers the answers. Nothing is written before the end.
type setup struct {
	flags initFlags
	c     console

	env      [][2]string // variable and value, in order
	out      string
	keystore string         // the keystore that is used
	create   bool           // it is made at the end …
	imports  bool           // … from key; else from a new one
	key      wallet.Config  // what it is made from
	password string         // for it
	address  common.Address // zero: not made yet
	localKey string         // what callers have to present; empty: nothing
	answered int            // questions of this step that somebody has answered
	services []zg.Service   // what can be chosen
	held     *zg.Holdings   // what the wallet has, and the contracts want; nil: not known
	report   setupReport
}

// set writes a variable down, in place of what it was.
func (s *setup) set(name, value string) {
	s.env = slices.DeleteFunc(slices.Clone(s.env), func(kv [2]string) bool { return kv[0] == config.Prefix+name })
	s.env = append(s.env, [2]string{config.Prefix + name, value})
}

func (s *setup) run(ctx context.Context) error {
	if err := s.where(); err != nil {
		return err
	}
	official := officialImport{}
	if s.flags.official != "" {
		path := s.flags.official
		if path == "-" {
			path = ""
		}
		var err error
		if official, err = officialSettings(path, os.LookupEnv); err != nil {
			return err
		}
		s.c.printf("From 0g-compute-cli:\n")
		for _, found := range official.Found {
			s.c.printf("  %s\n", found)
		}
		s.c.printf("\n")
	}
	if s.flags.password != "" { // before anybody answers questions in vain
		if _, err := passwordFrom(s.flags.password); err != nil {
			return err
		}
	}
	if err := s.steps(ctx, official); err != nil {
		return err
	}
	return s.write(ctx)
}

// where finds the file that is going to be written, before anybody answers questions in vain. A wallet in the environment
// would go before the one that is set up.
func (s *setup) where() error {
	for _, name := range []string{"PRIVATE_KEY", "KEYSTORE", "KEYSTORE_PASSWORD", "SIGNER", "SIGNER_ADDRESS"} {
		if os.Getenv(config.Prefix+name) != "" {
			return problem(codeUsage, "Unset it first: unset "+config.Prefix+name, "%s%s is set in the environment, which takes precedence over the file that init writes", config.Prefix, name)
		}
	}
	s.out = s.flags.out
	if s.out == "" {
		path, _ := config.EnvFile()
		if path == "" {
			return usageError{errors.New("there is no place for the file of variables; say --out FILE")}
		}
		s.out = path
	}
	var err error
	if s.out, err = filepath.Abs(s.out); err != nil {
		return err
	}
	if _, err := os.Lstat(s.out); err == nil && !s.flags.force {
		return problem(codeExists, "Edit it, say another --out, or replace it with --force, which keeps a copy.", "zgproxy is set up already: %s is there", s.out)
	}
	return nil
}

func (s *setup) chooseNetwork(ctx context.Context, official officialImport) error {
	given, proposal := s.flags.network, zg.Networks()[0].Name
	if given == "" && official.Network != "" {
		proposal = official.Network
	}
	var choices []string
	for _, n := range zg.Networks() {
		choices = append(choices, n.Name+" ("+n.Money+")")
	}
	s.c.printf("%s\n", s.c.paint(styleHead, "The network: "+zg.OneOf(choices)+"."))
	network, err := s.ask(ctx, "Network", proposal, given, func(a string) error {
		if _, ok := zg.NetworkNamed(a); !ok {
			return errors.New("wanted: " + zg.OneOf(zg.NetworkNames()))
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.report.Network = network
	s.set("NETWORK", network)
	s.keepSurroundings()
	url := official.RPCURL
	if s.flags.rpcURL != "" {
		var secret config.Secret
		if err := secret.Decode("@" + s.flags.rpcURL); err != nil {
			return usageError{err}
		}
		url = strings.TrimSpace(secret.Reveal())
	}
	if url != "" {
		var e config.NodeURLs
		if err := e.Decode(url); err != nil {
			return usageError{fmt.Errorf("the RPC endpoint: %w", err)}
		}
		s.set("RPC_URL", url)
	}
	if official.LedgerContract != "" {
		s.set("LEDGER_CONTRACT", official.LedgerContract)
		s.set("INFERENCE_CONTRACT", official.InferenceContract)
	}
	s.c.printf("\n")
	return nil
}

func (s *setup) warn(format string, args ...any) {
	w := fmt.Sprintf(format, args...)
	s.report.Warnings = append(s.report.Warnings, w)
	s.c.printf("%s\n", s.c.paint(styleWarn, "Note: "+w))
}

func isAmount(a string) error {
	_, err := zg.ParseOg(strings.TrimSuffix(a, " 0G"))
	return err
}

func isAmountOr(word string) func(string) error {
	return func(a string) error {
		if a == word {
			return nil
		}
		return isAmount(a)
	}
}

// What is proposed, in 0G: some hundred thousand tokens a day, and what it takes to open a ledger and a few sub-accounts.
const (
	proposedFees      = "1"
	proposedTransfers = "5"
	proposedAutoFund  = "5"
)

func (s *setup) chooseLimits(ctx context.Context, _ officialImport) error {
	s.c.printf("%s\n", s.c.paint(styleHead, "How much may be spent. Automatic spending stops at these limits; you can change them later."))
	for _, q := range []struct{ name, question, proposal, given, word string }{
		{"BUDGET_FEES_DAY", "Daily limit for what requests cost, in 0G, or none", proposedFees, s.flags.fees, "none"},
		{"BUDGET_TRANSFERS_DAY", "Daily limit for automatic top-ups, in 0G", proposedTransfers, s.flags.transfers, "none"},
		{"AUTO_FUND", "Total limit for opening sub-accounts automatically (a separate, equal limit applies to automatic deposits), in 0G, or off", proposedAutoFund, s.flags.autoFund, config.Off},
	} {
		answer, err := s.ask(ctx, q.question, q.proposal, q.given, isAmountOr(q.word))
		if err != nil {
			return err
		}
		if answer != q.word {
			answer = strings.TrimSuffix(answer, " 0G") + " 0G"
		}
		s.set(q.name, answer)
	}
	s.c.printf("\n")
	return nil
}

func (s *setup) chooseCallers(ctx context.Context, _ officialImport) error {
	wanted := s.flags.localKey
	if !wanted && !s.flags.yes {
		s.c.printf("%s\n", s.c.paint(styleHead, "Who may call. zgproxy listens on 127.0.0.1 only: every program of this machine can spend within the limits."))
		answer, err := s.ask(ctx, "Make a local key that callers have to present? [y/N]", "", "", isYesOrNo)
		if err != nil {
			return err
		}
		wanted = saysYes(answer)
		s.c.printf("\n")
	}
	if wanted {
		s.localKey = "sk-local-" + rand.Text()
		s.set("API_KEYS", s.localKey)
	}
	return nil
}

// keepSurroundings writes down which chain the environment of this command names: the daemon starts in another one, and would
// look for the wallet and its money elsewhere.
func (s *setup) keepSurroundings() {
	for _, name := range []string{"CHAIN_ID", "RPC_URL", "LEDGER_CONTRACT", "INFERENCE_CONTRACT"} {
		if value := os.Getenv(config.Prefix + name); value != "" && !s.has(name) {
			s.set(name, value)
		}
	}
}

func (s *setup) has(name string) bool {
	return slices.ContainsFunc(s.env, func(kv [2]string) bool { return kv[0] == config.Prefix+name })
}
