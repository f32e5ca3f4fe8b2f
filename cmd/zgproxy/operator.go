package main

import (
	"context"
	"errors"
	"fmt"
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
	// transact sees a transaction through and tells every step. When ctx ends after the signature, the transaction stands.
	transact(ctx context.Context, o admin.Order, notify func(admin.Transaction)) (admin.Transaction, error)
	// accept takes a provider as it is for right, as that was shown.
	accept(ctx context.Context, p common.Address, what admin.Acceptance) error
	close() error
}

// operatorFor reads the configuration and finds whoever does what a command wants. Nothing is asked of the chain yet.
func operatorFor() (operator, error) {
	cfg, _, err := loadConfig(config.Flags{})
	if err != nil {
		return nil, usageError{err}
	}
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

func (o *daemonOperator) accept(ctx context.Context, p common.Address, what admin.Acceptance) error {
	return o.client.Accept(ctx, p, what)
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

	services []zg.Service // once read
	holdings *zg.Holdings // likewise
}

// open makes the wallet and the client of the chain, once.
func (o *localOperator) open() error {
	if o.wallet != nil {
		return nil
	}
	if !o.cfg.HasKey() {
		return usageError{errNoWallet}
	}
	w, err := openWallet(o.cfg)
	if err != nil {
		return err
	}
	c, err := newChainClient(o.cfg, w.Address(), nil)
	if err != nil {
		return err
	}
	o.wallet, o.client = w, c
	return nil
}

func (o *localOperator) account(ctx context.Context, _ bool) (accountReport, error) {
	if err := o.open(); err != nil { //nolint:contextcheck // makes no connection
		return accountReport{}, err
	}
	if o.services == nil {
		if err := o.client.Check(ctx); err != nil {
			return accountReport{}, err
		}
		dir, err := o.client.Services(ctx)
		if err != nil {
			return accountReport{}, err
		}
		o.services = dir.Services
	}
	h, err := o.client.Holdings(ctx)
	if err != nil {
		return accountReport{}, err
	}
	o.holdings = &h
	out := report(o.cfg, balances{source: "chain", wallet: o.wallet.Address(), readAt: time.Now(), holdings: h, services: o.services})
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
	b := balances{source: "chain", services: o.services, readAt: time.Now()}
	var err error
	if b.suspended, err = suspendedIn(ctx, o.cfg.DataDir); err != nil {
		return providersReport{}, err
	}
	if o.services != nil {
		b.holdings, b.wallet = *o.holdings, o.wallet.Address()
		return listProviders(o.cfg, b), nil
	}
	if o.cfg.HasKey() {
		if err := o.open(); err != nil { //nolint:contextcheck // makes no connection
			return providersReport{}, err
		}
		b.wallet = o.wallet.Address()
	} else { // to look at what is on offer takes no wallet
		if o.client, err = newChainClient(o.cfg, common.Address{}, nil); err != nil { //nolint:contextcheck // makes no connection
			return providersReport{}, err
		}
	}
	client := o.client
	if err := client.Check(ctx); err != nil {
		return providersReport{}, err
	}
	dir, err := client.Services(ctx)
	if err != nil {
		return providersReport{}, err
	}
	b.services, b.holdings.Block = dir.Services, dir.Block
	if b.wallet != (common.Address{}) {
		if b.holdings, err = client.Holdings(ctx); err != nil {
			return providersReport{}, err
		}
	}
	return listProviders(o.cfg, b), nil
}

func (o *localOperator) transact(ctx context.Context, order admin.Order, notify func(admin.Transaction)) (admin.Transaction, error) {
	if err := o.open(); err != nil { //nolint:contextcheck // makes no connection
		return admin.Transaction{}, err
	}
	if o.store == nil {
		store, err := billing.Open(ctx, o.cfg.DataDir, billing.StoreOptions{Log: zerolog.Nop()})
		if errors.Is(err, billing.ErrLocked) {
			return admin.Transaction{}, problem(codeInUse, "If it is a command, wait until it is done. If it is the daemon, run this as the daemon's user, with the same "+
				"ZGPROXY_DATA_DIR and TMPDIR, or restart the daemon.", "%v, and it does not answer: %v. Nothing was moved", err, o.unreachable)
		}
		if err != nil {
			return admin.Transaction{}, err
		}
		o.store, o.mover = store, newMover(o.cfg, store, o.client, o.wallet)
	}
	return o.mover.transact(ctx, order, notify)
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
