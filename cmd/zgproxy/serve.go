package main

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/zg"
)

func serveCommand() *cobra.Command {
	var flags config.Flags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the proxy",
		Long: `Runs the proxy in the foreground until SIGINT or SIGTERM.

It needs a wallet (ZGPROXY_KEYSTORE, ZGPROXY_PRIVATE_KEY=@file, or ZGPROXY_SIGNER) and the providers you
consent to pay (ZGPROXY_PROVIDERS or --provider); "zgproxy init" sets both up. Everything else has a
default; "zgproxy config" prints what is in force.`,
		Example: `  zgproxy serve
  ZGPROXY_PRIVATE_KEY=@wallet.key zgproxy serve --provider 0xa48f01287233509FD694a22Bf840225062E67836
  curl http://127.0.0.1:3000/v1/models`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := loadConfig(flags)
			if err != nil {
				return usageError{err}
			}
			if !cfg.HasKey() {
				return usageError{errNoWallet}
			}
			if err := refuseWithoutStore(billing.RecordsNothing, cfg.Network); err != nil {
				return usageError{err}
			}
			log := newLogger(cfg, cmd.ErrOrStderr(), isTerminal(cmd.ErrOrStderr()))
			limitMemory(log, "/proc", "/sys/fs/cgroup")
			return serve(cmd.Context(), cfg, log, nil)
		},
	}
	addServeFlags(cmd, &flags)
	return cmd
}

func addServeFlags(cmd *cobra.Command, flags *config.Flags) {
	f := cmd.Flags()
	f.StringArrayVar(&flags.Providers, "provider", nil, "`ADDRESS` of a provider you consent to pay; repeatable (instead of ZGPROXY_PROVIDERS)")
	f.StringVar(&flags.Host, "host", "", "`ADDRESS` to listen on (instead of ZGPROXY_HOST; default 127.0.0.1)")
	f.StringVar(&flags.Port, "port", "", "`PORT` to listen on (instead of ZGPROXY_PORT; default 3000)")
}

var errNoWallet = errors.New("no wallet is configured. \"zgproxy init\" sets one up. Or set ZGPROXY_KEYSTORE=FILE, ZGPROXY_PRIVATE_KEY=@FILE " +
	"(64 hex digits in the file), or ZGPROXY_SIGNER=URL. To try zgproxy without one: make demo")

// loadConfig is the environment with the flags over it and the chosen network's values where nothing was set.
func loadConfig(flags config.Flags) (config.Config, config.Sources, error) {
	cfg, sources, err := config.Read(flags)
	if err != nil {
		return cfg, sources, err
	}
	return cfg, sources, cfg.FillNetwork(sources)
}

// refuseWithoutStore keeps a build that records nothing off every network with money in it.
func refuseWithoutStore(recordsNothing bool, network string) error {
	if recordsNothing && !zg.Simulated(network) {
		return fmt.Errorf("this build is for benchmarks and records no request: it is refused on %s", network)
	}
	return nil
}

// refuseDevnetKey keeps the wallet that everybody knows off every chain but the simulated one.
func refuseDevnetKey(wallet common.Address, chainID uint64) error {
	if wallet == zg.DevnetWallet && chainID != zg.DevnetChainID {
		return fmt.Errorf("this is the devnet's wallet, whose key is public: it is refused on chain %d, where anybody could take what is in it", chainID)
	}
	return nil
}
