package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// What the daemon does for the operator's commands.

// account is what the wallet has, as the keeper saw it last or as it is now.
func (d *daemon) account(ctx context.Context, fresh bool) (any, error) {
	if err := d.trust.Save(); err != nil { // so that it tells of a suspension as soon as requests are refused for it
		return nil, err
	}
	view := d.keeper.View()
	b := balances{
		source: "daemon", wallet: d.wallet.Address(), readAt: view.ReadAt, holdings: view.Holdings, services: d.directory.Snapshot().Services,
		view: view.Providers, book: d.store.Book(),
	}
	if fresh || view.ReadAt.IsZero() {
		var err error
		if b.holdings, err = d.client.Known(ctx); err != nil {
			return nil, err
		}
		b.readAt = time.Now()
	}
	b.changed = d.client.Changed()
	out := report(d.cfg, b)
	for i := range out.Accounts {
		if left, ok := d.keeper.Runway(out.Accounts[i].Provider.Address); ok {
			out.Accounts[i].Runway = new(int64(left.Seconds()))
		}
	}
	if view.Waiting.Any() {
		w := waitingReport(d.wallet.Address(), view.Waiting)
		out.Waiting, out.Warnings = &w, append(out.Warnings, waitingWarning(view.Waiting))
	}
	if view.Err != nil {
		out.Warnings = append(out.Warnings, "Top-ups are held up: "+view.Err.Error())
	}
	err := addRecorded(ctx, d.store, d.cfg, &out)
	if out.Unfinished != nil && view.Stuck != nil {
		out.Unfinished.Trouble = oneLine(view.Stuck.Error())
	}
	return out, err
}

func (d *daemon) providers(ctx context.Context) (any, error) {
	dir := d.directory.Snapshot()
	if dir.ReadAt.IsZero() {
		return nil, problem(codeRPC, hintRPC, "the daemon has not read the services from the chain yet")
	}
	b := balances{source: "daemon", wallet: d.wallet.Address(), readAt: dir.ReadAt, holdings: d.keeper.View().Holdings, services: dir.Services}
	b.holdings.Block = dir.Block
	var err error
	_, b.suspended, err = d.store.Trust(ctx)
	return listProviders(d.cfg, b), err
}

// provider is one provider as it is on chain now: whoever is about to pay it is not shown an old list.
func (d *daemon) provider(ctx context.Context, p common.Address) (any, error) {
	b := balances{source: "daemon", wallet: d.wallet.Address(), holdings: d.keeper.View().Holdings}
	var err error
	if _, b.suspended, err = d.store.Trust(ctx); err != nil {
		return nil, err
	}
	pin, _ := d.trust.Pin(p)
	return providerNow(ctx, d.cfg, d.client, b, p, pin)
}

// transact moves money on the operator's word. When it returns the keeper has seen that: requests are admitted by what it saw.
func (d *daemon) transact(ctx context.Context, in zg.Intent, notify func(admin.Transaction)) (admin.Transaction, error) {
	tx, err := mover{d.journal}.transact(ctx, in, notify)
	if in.Kind == zg.IntentRevokeAll && err == nil {
		d.sessions.Forget(in.Provider) // its generation is over
	}
	d.seen(ctx, tx.Block)
	return tx, err
}

// seenWithin is how long a look at the accounts may take until whoever has moved money is told all the same that it is moved.
const seenWithin = 5 * time.Second

// seen has the keeper look, and waits until it has seen a block.
func (d *daemon) seen(ctx context.Context, block uint64) {
	d.keeper.Ask()
	ctx, cancel := context.WithTimeout(ctx, seenWithin)
	defer cancel()
	tick := time.NewTicker(lookEvery / 5)
	defer tick.Stop()
	for d.keeper.View().Holdings.Block < block {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tokens are the persistent session tokens that were made, by commands and by this daemon.
func (d *daemon) tokens(ctx context.Context) ([]admin.Token, error) {
	return recordedTokens(ctx, d.store, walletName(d.cfg, d.wallet.Address()))
}

// makeToken makes a session token. It goes to whoever asked on the socket, and is kept nowhere.
func (d *daemon) makeToken(ctx context.Context, o admin.TokenOrder) (admin.NewToken, error) {
	h, err := d.client.Holdings(ctx)
	if err != nil {
		return admin.NewToken{}, err
	}
	m := minter{d.wallet, d.store, walletName(d.cfg, d.wallet.Address()), d.services().Services}
	made, err := m.make(h, o, time.Now())
	if err == nil {
		d.log.Warn().Str("provider", o.Provider.Hex()).Int("token_id", made.ID).Uint64("generation", made.Generation).Msg("the operator has a session token made")
	}
	return made, err
}

// accept accepts a provider as it is, as far as that is still what the operator was shown.
func (d *daemon) accept(ctx context.Context, p common.Address, what admin.Acceptance) error {
	svc, registered := d.service(p)
	pv, looked := d.keeper.View().Providers[p]
	now, known := d.currentPin(p)
	switch {
	case !looked:
		return problem(codeNotRegistered, "Put it into ZGPROXY_PROVIDERS and restart the daemon.", "%s is not looked after", p.Hex())
	case registered && svc.TEESigner != what.Signer.Address:
		return problem(codeChanged, hintLookAgain, "the provider has changed its signer meanwhile, to %s", svc.TEESigner.Hex())
	case what.Pin != nil && registered && !svc.TEESignerAcknowledged:
		return problem(codeChanged, "It comes back automatically when the contract's owner vouches for the signer that you know; accept another one then.",
			"nobody vouches for the provider's signer now")
	case what.Pin != nil && registered && svc.TEESigner == (common.Address{}):
		return problem(codeChanged, "It can be accepted when it names a signer on chain.", "the provider names no signer now")
	case what.Pin != nil && (!known || !what.Pin.Same(pinReport(now))):
		return problem(codeChanged, hintLookAgain, "the provider has changed its signer or its URL meanwhile")
	}
	a := billing.Acceptance{Drift: what.Drift.Min(pv.Drift)}
	if what.Pin != nil {
		a.Pin = now
	}
	if s := what.Suspension; s != nil {
		a.Suspension = zg.Suspension{Provider: p, Code: s.Code, At: s.At}
	}
	accepted, err := d.store.Accept(p, a)
	if err != nil {
		return err
	}
	d.log.Warn().Str("provider", p.Hex()).Stringer("drift_neuron", accepted.Drift).Str("signer", accepted.Pin.Signer.Hex()).Str("url", accepted.Pin.URL).
		Str("suspended", accepted.Lifted.Code).Msg("the operator accepts a provider as it is")
	if err := d.trust.Reload(ctx, p); err != nil {
		return err
	}
	if svc.TEESignerAcknowledged {
		d.trust.Waited(p)
	}
	d.rebuildRoutes()
	d.keeper.Ask()
	return nil
}

// operatorServer serves the socket until its context ends.
type operatorServer struct {
	http     *http.Server
	listener net.Listener
	end      context.CancelFunc
}

// operatorSocket listens for commands. Orders under way are given up when the daemon stops: what is signed is recorded,
// and seen through by the next start.
func (d *daemon) operatorSocket(ctx context.Context, read admin.Config) (*operatorServer, error) {
	l, err := admin.ListenSocket(d.cfg.DataDir)
	if err != nil {
		return nil, err
	}
	srv := d.httpServer(admin.OperatorHandler(admin.OperatorConfig{
		Read: read, Account: d.account, Providers: d.providers, Provider: d.provider, Transact: d.transact, Accept: d.accept, Foreign: d.foreign, AcceptForeign: d.acceptForeign, Waiting: d.waiting, Tokens: d.tokens, MakeToken: d.makeToken,
		Explain: explain,
	}))
	ctx, end := context.WithCancel(ctx)
	srv.BaseContext = func(net.Listener) context.Context { return ctx }
	return &operatorServer{srv, d.conns.forOperator(l, srv), end}, nil
}

func (s *operatorServer) serve() error { return served(s.http.Serve(s.listener)) }

// stop gives up what is under way and waits for it: nothing may use the store after it is closed.
func (s *operatorServer) stop() error {
	s.end()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("end the operator's commands: %w", err), s.http.Close())
	}
	return nil
}
