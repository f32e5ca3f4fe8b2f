package main

import (
	"fmt"
	"io"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/chain"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/wallet"
)

// What the daemon and the commands make from the configuration in the same way.

func openWallet(cfg config.Config) (*wallet.Wallet, error) {
	w, err := wallet.Open(wallet.Config{
		PrivateKey: cfg.PrivateKey.Reveal(), Keystore: cfg.Keystore, KeystorePassword: cfg.KeystorePassword.Reveal(),
	})
	if err != nil {
		return nil, usageError{err}
	}
	if err := refuseDevnetKey(w.Address(), cfg.ChainID); err != nil {
		return nil, usageError{err}
	}
	return w, nil
}

// newChainClient makes no connection.
func newChainClient(cfg config.Config, user common.Address, reg prometheus.Registerer) (*chain.Client, error) {
	c, err := chain.New(chain.Config{
		RPCURL: cfg.RPCURL.Reveal(), ChainID: cfg.ChainID, Ledger: cfg.LedgerContract.Address, Inference: cfg.InferenceContract.Address,
		User: user, Registerer: reg,
	})
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// walletName names a wallet and its chain in the journal.
func walletName(cfg config.Config, w common.Address) string {
	return fmt.Sprintf("%d/%s", cfg.ChainID, w)
}

// newJournal makes the one way in which the wallet's transactions are made.
func newJournal(cfg config.Config, store *billing.Store, sender *chain.Sender, w common.Address, log zerolog.Logger, reg prometheus.Registerer) *billing.Journal {
	return billing.NewJournal(store, sender, billing.JournalConfig{
		Wallet: walletName(cfg, w), PollReceipt: min(time.Second, cfg.KeeperInterval.Std()), Confirmations: uint64(cfg.Confirmations),
		Log: log, Registerer: reg,
	})
}

// newLogger writes JSON lines, or lines for people where somebody watches.
func newLogger(cfg config.Config, out io.Writer, terminal bool) zerolog.Logger {
	level, err := zerolog.ParseLevel(cfg.LogLevel)
	if err != nil { // config has checked it
		level = zerolog.InfoLevel
	}
	if cfg.LogFormat == "console" || (cfg.LogFormat == "auto" && terminal) {
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: time.TimeOnly, NoColor: !terminal}
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger()
}
