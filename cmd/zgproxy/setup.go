package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/chain"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/wallet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// What the daemon and the commands make from the configuration in the same way.

// openWallet opens the wallet. The password of a keystore that is configured nowhere is asked for on the terminal, three
// times at most.
func openWallet(ctx context.Context, cfg config.Config) (*wallet.Wallet, error) {
	var w *wallet.Wallet
	err := withKey(ctx, keyOf(cfg), func(key wallet.Config) (err error) { //nolint:contextcheck // a signer has a few seconds
		w, err = wallet.Open(key)
		return err
	})
	if err != nil {
		return nil, usageError{err}
	}
	if err := refuseDevnetKey(w.Address(), cfg.ChainID); err != nil {
		return nil, usageError{err}
	}
	return w, nil
}

// keyOf says where the key is.
func keyOf(cfg config.Config) wallet.Config {
	return wallet.Config{
		PrivateKey: cfg.PrivateKey.Reveal(), Keystore: cfg.Keystore, KeystorePassword: cfg.KeystorePassword.Reveal(),
		Signer: cfg.Signer.Reveal(), SignerAddress: cfg.SignerAddress.Address,
	}
}

const passwordTries = 3

// withKey calls f with the key, after asking for its password where that is needed and somebody is there; again where that was
// the wrong one.
func withKey(ctx context.Context, key wallet.Config, f func(wallet.Config) error) error {
	if key.Keystore == "" || key.KeystorePassword != "" {
		return f(key)
	}
	if !isTerminal(os.Stdin) || !isTerminal(os.Stderr) {
		return errNoPassword
	}
	c := newConsole(os.Stdin, os.Stderr) // the output may go elsewhere
	for try := 1; ; try++ {
		password, err := c.hidden(ctx, sprintf("Password of %s: ", key.Keystore))
		if err != nil {
			return fmt.Errorf("no password was given: %w", err)
		}
		key.KeystorePassword = password
		if err := f(key); !errors.Is(err, wallet.ErrPassword) || try == passwordTries {
			return err
		}
		c.printf("That is not its password.\n")
	}
}

var errNoPassword = errors.New("the keystore has a password. Set ZGPROXY_KEYSTORE_PASSWORD=@FILE, or fd:N for a file descriptor; " +
	"without it the password is asked for on a terminal, and there is none")

// chainConfig says which chain is read for a wallet.
func chainConfig(cfg config.Config, user common.Address) chain.Config {
	urls := cfg.RPCURL.Reveal()
	if len(urls) == 0 {
		urls = []string{""} // chain.New says what is wrong with it
	}
	return chain.Config{
		RPCURL: urls[0], MoreRPCURLs: urls[1:], ChainID: cfg.ChainID, Ledger: cfg.LedgerContract.Address,
		Inference: cfg.InferenceContract.Address, User: user,
	}
}

// newChainClient makes no connection.
func newChainClient(cfg config.Config, user common.Address, log zerolog.Logger, reg prometheus.Registerer) (*chain.Client, error) {
	as := chainConfig(cfg, user)
	as.Log, as.Registerer = log, reg
	as.Once = reg == nil // a command
	c, err := chain.New(as)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// readServices connects to the chain, makes sure that it is the configured one, and reads the services registered there. The
// client is one for user, who may be nobody.
func readServices(ctx context.Context, cfg config.Config, user common.Address) (*chain.Client, zg.Directory, error) {
	c, err := connect(ctx, cfg, user)
	if err != nil {
		return nil, zg.Directory{}, err
	}
	dir, err := c.Services(ctx)
	return c, dir, err
}

// connect connects to the chain and makes sure that it is the configured one.
func connect(ctx context.Context, cfg config.Config, user common.Address) (*chain.Client, error) {
	c, err := newChainClient(cfg, user, zerolog.Nop(), nil) //nolint:contextcheck // makes no connection
	if err != nil {
		return nil, err
	}
	return c, c.Check(ctx)
}

// walletName names a wallet and its chain in the journal.
func walletName(cfg config.Config, w common.Address) string {
	return fmt.Sprintf("%d/%s", cfg.ChainID, w)
}

// newJournal makes the one way in which the wallet's transactions are made.
func newJournal(cfg config.Config, store *billing.Store, sender *chain.Sender, w common.Address, log zerolog.Logger, reg prometheus.Registerer) *billing.Journal {
	return billing.NewJournal(store, sender, billing.JournalConfig{
		Wallet: walletName(cfg, w), PollReceipt: min(time.Second, cfg.KeeperInterval.Std()), Confirmations: uint64(cfg.Confirmations),
		Trace: sender.Trace, Log: log, Registerer: reg,
	})
}

// newLogger writes JSON lines, or lines for people where somebody watches.
func newLogger(cfg config.Config, out io.Writer, terminal bool) zerolog.Logger {
	level, err := zerolog.ParseLevel(cfg.LogLevel)
	if err != nil { // config has checked it
		level = zerolog.InfoLevel
	}
	if cfg.LogFormat == "console" || (cfg.LogFormat == "auto" && terminal) {
		out = zerolog.ConsoleWriter{Out: outputTo(out), TimeFormat: time.TimeOnly, NoColor: !terminal}
	} else {
		out = jsonLines{exactly(out)}
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger()
}

// jsonLines writes log lines in which everything that a terminal may act on is escaped: people read these logs on one, and what
// is in them was often said by strangers.
type jsonLines struct{ out io.Writer }

func (l jsonLines) Write(line []byte) (int, error) {
	if _, err := l.out.Write(zg.EscapeJSON(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}
