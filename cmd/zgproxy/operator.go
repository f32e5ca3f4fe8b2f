package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/chain"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/wallet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// operator does what commands ask for: the running daemon, by its socket, or where there is none this process itself.
type operator interface {
	// account is what the wallet has. fresh: as of now, even where the daemon has seen it a while ago.
	account(ctx context.Context, fresh bool) (accountReport, error)
	providers(ctx context.Context) (providersReport, error)
	// provider is one of them as it is on chain now, whatever the last list has of it.
	provider(ctx context.Context, p common.Address) (providerReport, error)
	// transact sees a transaction through and tells every step. When ctx ends after the signature, the transaction stands.
	transact(ctx context.Context, o admin.Order, notify func(admin.Transaction)) (admin.Transaction, error)
	// accept accepts a provider as it was shown.
	accept(ctx context.Context, p common.Address, what admin.Acceptance) error
	// foreign is what was done elsewhere with the wallet and not accepted, and acceptForeign accepts it as that was shown.
	foreign(ctx context.Context) (admin.Foreign, error)
	acceptForeign(ctx context.Context, what admin.ForeignAcceptance) error
	// waiting is what of the wallet waits to be mined now and was not made here.
	waiting(ctx context.Context) (admin.Waiting, error)
	// tokens are the persistent session tokens that were made.
	tokens(ctx context.Context) ([]admin.Token, error)
	// makeToken makes one. It is not kept.
	makeToken(ctx context.Context, o admin.TokenOrder) (admin.NewToken, error)
	close() error
}

// operatorFor reads the configuration and finds whoever does what a command wants. Nothing is asked of the chain yet.
func operatorFor() (operator, error) {
	cfg, _, err := loadConfig(config.Flags{})
	if err != nil {
		return nil, usageError{err}
	}
	return operatorWith(cfg)
}

func operatorWith(cfg config.Config) (operator, error) {
	client, err := admin.NewClient(cfg.DataDir)
	switch {
	case err == nil:
		return &daemonOperator{client}, nil
	case errors.Is(err, admin.ErrNoDaemon):
		return &localOperator{cfg: cfg, unreachable: err}, nil
	}
	return nil, err
}

// daemonOperator leaves everything to the daemon. The key is there, and stays there.
type daemonOperator struct{ client *admin.Client }

func (o *daemonOperator) account(ctx context.Context, fresh bool) (r accountReport, err error) {
	err = o.client.Account(ctx, fresh, &r)
	return r, err
}

func (o *daemonOperator) providers(ctx context.Context) (r providersReport, err error) {
	err = o.client.Providers(ctx, &r)
	return r, err
}

func (o *daemonOperator) transact(ctx context.Context, order admin.Order, notify func(admin.Transaction)) (admin.Transaction, error) {
	tx, err := o.client.Transact(ctx, order, notify)
	if _, said := errors.AsType[*admin.CommandError](err); err != nil && !said && ctx.Err() == nil {
		err = problem(codeInterrupted, hintResume, "%v", err)
	}
	return tx, err
}

func (o *daemonOperator) provider(ctx context.Context, p common.Address) (r providerReport, err error) {
	err = o.client.Provider(ctx, p, &r)
	return r, err
}

func (o *daemonOperator) accept(ctx context.Context, p common.Address, what admin.Acceptance) error {
	return o.client.Accept(ctx, p, what)
}

func (o *daemonOperator) tokens(ctx context.Context) ([]admin.Token, error) {
	return o.client.Tokens(ctx)
}

func (o *daemonOperator) makeToken(ctx context.Context, order admin.TokenOrder) (admin.NewToken, error) {
	return o.client.MakeToken(ctx, order)
}

func (o *daemonOperator) close() error { return nil }

// localOperator does it in this process. It opens what it needs when it needs it: the wallet and the chain to look, the
// spend store, and with it the lock of the data directory, only to move money.
type localOperator struct {
	cfg         config.Config
	unreachable error // why the daemon's socket does not answer

	wallet *wallet.Wallet
	client *chain.Client
	store  *billing.Store
	mover  mover

	journal *billing.Journal

	directory  *zg.Directory // once read …
	noServices error         // … or why it could not be
	// unconfirmed is why it is not known that the contracts belong together.
	unconfirmed error
	holdings    *zg.Holdings // what was read last
}

// open opens the wallet, once.
func (o *localOperator) open(ctx context.Context) error {
	if o.wallet != nil {
		return nil
	}
	if !o.cfg.HasKey() {
		return usageError{errNoWallet}
	}
	w, err := openWallet(ctx, o.cfg)
	if err != nil {
		return err
	}
	o.wallet = w
	return nil
}

// reach opens the wallet, where there is one, and finds the configured network, once.
func (o *localOperator) reach(ctx context.Context) error {
	var user common.Address
	if o.cfg.HasKey() {
		if err := o.open(ctx); err != nil {
			return err
		}
		user = o.wallet.Address()
	}
	if o.client != nil {
		return nil
	}
	client, err := connect(ctx, o.cfg, user)
	if err != nil && !errors.Is(err, chain.ErrUnconfirmed) {
		return err
	}
	o.client, o.unconfirmed = client, err // money comes back without it
	return nil
}

// read reads the services, once, and at the same time what the wallet has, where there is one: again if a fresh reading is asked for.
func (o *localOperator) read(ctx context.Context, fresh bool) (b balances, err error) {
	b.source, b.readAt = "chain", time.Now()
	if err := o.reach(ctx); err != nil {
		return b, err
	}
	var both sync.WaitGroup
	if o.directory == nil {
		both.Go(func() {
			dir, err := o.client.Services(ctx)
			// Money comes back without it; what it takes to go on is up to who asks.
			o.directory, o.noServices = &dir, err
		})
	}
	var failed error
	if o.wallet != nil && (fresh || o.holdings == nil) {
		both.Go(func() {
			var h zg.Holdings
			if h, failed = o.client.Known(ctx); failed == nil {
				o.holdings = &h
			}
		})
	}
	if both.Wait(); ctx.Err() != nil {
		o.directory = nil
		return b, ctx.Err()
	}
	b.unconfirmed = o.unconfirmed
	b.services, b.holdings.Block, b.noServices = o.directory.Services, o.directory.Block, o.noServices
	if o.wallet == nil {
		return b, o.noServices
	}
	b.wallet = o.wallet.Address()
	if failed != nil {
		return b, failed
	}
	b.holdings, b.changed = *o.holdings, o.client.Changed()
	return b, nil
}

// readOwn is read for what takes a wallet.
func (o *localOperator) readOwn(ctx context.Context, fresh bool) (balances, error) {
	if !o.cfg.HasKey() {
		return balances{}, usageError{errNoWallet}
	}
	return o.read(ctx, fresh)
}

func (o *localOperator) account(ctx context.Context, fresh bool) (accountReport, error) {
	if !o.cfg.HasKey() {
		return accountReport{}, usageError{errNoWallet}
	}
	if err := o.reach(ctx); err != nil {
		return accountReport{}, err
	}
	var nonces func() (mined, pending uint64, err error)
	if !fresh { // whoever is about to move money has been told before
		nonces = o.askNonces(ctx)
	}
	b, err := o.read(ctx, fresh)
	if err != nil {
		return accountReport{}, err
	}
	out := report(o.cfg, b)
	if nonces != nil {
		o.addWaiting(ctx, &out, nonces)
	}
	return out, o.recorded(ctx, &out)
}

// recorded adds what only the spend store knows.
func (o *localOperator) recorded(ctx context.Context, out *accountReport) (err error) {
	if o.store != nil { // money was moved just now
		return addRecorded(ctx, o.store, o.cfg, out)
	}
	r, err := billing.OpenReadOnly(ctx, o.cfg.DataDir)
	if errors.Is(err, billing.ErrNoStore) {
		return nil
	}
	if err != nil {
		out.Warnings = append(out.Warnings, "The spend store cannot be read: "+err.Error())
		return nil
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if held, by := billing.LockHolder(o.cfg.DataDir); held {
		out.Warnings = append(out.Warnings, fmt.Sprintf("A zgproxy is running (process %s), but its socket does not answer (%v). This is what the chain and the store say without it.", by, o.unreachable))
	}
	return addRecorded(ctx, r, o.cfg, out)
}

func (o *localOperator) providers(ctx context.Context) (providersReport, error) {
	suspended, err := suspendedIn(ctx, o.cfg.DataDir)
	if err != nil {
		return providersReport{}, err
	}
	b, err := o.read(ctx, false) // to look at what is on offer takes no wallet
	if err != nil {
		return providersReport{}, err
	}
	b.suspended = suspended
	return listProviders(o.cfg, b), b.noServices
}

func (o *localOperator) provider(ctx context.Context, p common.Address) (providerReport, error) {
	pins, suspended, err := trustIn(ctx, o.cfg.DataDir)
	if err != nil {
		return providerReport{}, err
	}
	b, err := o.read(ctx, false)
	if err != nil {
		return providerReport{}, err
	}
	b.suspended = suspended
	return providerNow(ctx, o.cfg, o.client, b, p, pins[p])
}

func (o *localOperator) transact(ctx context.Context, order admin.Order, notify func(admin.Transaction)) (admin.Transaction, error) {
	if _, err := o.readOwn(ctx, false); err != nil { // on the right network
		return admin.Transaction{}, err
	}
	if err := o.openStore(ctx); err != nil {
		return admin.Transaction{}, err
	}
	return o.mover.transact(ctx, order.Intent(), notify)
}

// openStore takes the spend store and its lock, once.
func (o *localOperator) openStore(ctx context.Context) error {
	if o.store != nil {
		return nil
	}
	store, err := billing.Open(ctx, o.cfg.DataDir, billing.StoreOptions{Log: zerolog.Nop()})
	if errors.Is(err, billing.ErrLocked) {
		return problem(codeInUse, "If it is a command, wait until it is done. If it is the daemon, run this as the daemon's user, with the same "+
			"ZGPROXY_DATA_DIR and TMPDIR, or restart the daemon.", "%v, and it does not answer: %v. Nothing was done", err, o.unreachable)
	}
	if err != nil {
		return err
	}
	sender := chain.NewSender(o.client, o.wallet.SignTx, chain.SenderConfig{MaxFeePerGas: o.cfg.MaxFeePerGas.Neuron})
	o.store, o.journal = store, newJournal(o.cfg, store, sender, o.wallet.Address(), zerolog.Nop(), nil)
	o.mover = mover{o.journal}
	return nil
}

func (o *localOperator) tokens(ctx context.Context) (_ []admin.Token, err error) {
	if err := o.open(ctx); err != nil {
		return nil, err
	}
	name := walletName(o.cfg, o.wallet.Address())
	if o.store != nil {
		return recordedTokens(ctx, o.store, name)
	}
	r, err := billing.OpenReadOnly(ctx, o.cfg.DataDir)
	if errors.Is(err, billing.ErrNoStore) || errors.Is(err, billing.ErrOlderSchema) {
		return nil, nil // none was made
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return recordedTokens(ctx, r, name)
}

func (o *localOperator) makeToken(ctx context.Context, order admin.TokenOrder) (admin.NewToken, error) {
	b, err := o.readOwn(ctx, true) // on the right network, and what the wallet has there
	if err == nil {
		err = unread(b.holdings.Unread, zg.PartAccounts)
	}
	if err != nil {
		return admin.NewToken{}, err
	}
	if err := o.openStore(ctx); err != nil {
		return admin.NewToken{}, err
	}
	return minter{o.wallet, o.store, walletName(o.cfg, o.wallet.Address()), o.directory.Services}.make(*o.holdings, order, time.Now())
}

// accept needs the daemon, which knows what there is to accept: it asks the provider what it claims.
func (o *localOperator) accept(context.Context, common.Address, admin.Acceptance) error {
	return problem(codeNoDaemon, "Start it with zgproxy serve, and look with zgproxy account.", "only a running daemon knows what there is to accept, and %v", o.unreachable)
}

func (o *localOperator) close() error {
	if o.store == nil {
		return nil
	}
	return o.store.Close()
}
