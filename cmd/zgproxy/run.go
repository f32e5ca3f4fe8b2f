package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/attest"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/chain"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/crash"
	"github.com/zgproxy/zgproxy/internal/memory"
	"github.com/zgproxy/zgproxy/internal/provider"
	"github.com/zgproxy/zgproxy/internal/proxy"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/trust"
	"github.com/zgproxy/zgproxy/internal/wallet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// daemon is everything that runs, wired together. Only this file knows every room.
type daemon struct {
	cfg     config.Config
	log     zerolog.Logger
	started time.Time

	wallet    *wallet.Wallet
	client    *chain.Client
	sender    *chain.Sender
	directory *chain.Directory
	store     *billing.Store
	meter     *billing.Meter
	journal   *billing.Journal
	keeper    *billing.Keeper
	sessions  *wallet.Sessions
	peers     *provider.Client
	catalogs  *provider.Catalogs
	verify    *attest.Queue // nil: off
	memory    *memory.Budget
	conns     *connections
	proxy     *proxy.Server
	board     *route.Board
	registry  *prometheus.Registry
	api       atomic.Pointer[string] // the base URL for callers; nil: nobody listens yet
	checked   atomic.Bool            // the chain behind the RPC is the configured one
	saved     *readings
	trust     *trust.Register
	routes    sync.Mutex   // one rebuilding at a time, so that the last one has seen everything
	graceEnds atomic.Int64 // µs since 1970: when the routes change because a grace is over; 0: they will not
}

// serve runs the daemon until ctx ends or something it needs fails. The spend store is closed when it returns.
func serve(ctx context.Context, cfg config.Config, log zerolog.Logger, listening func(api, operator net.Addr)) error {
	return serveFrom(ctx, cfg, log, nil, listening)
}

// serveFrom is serve with a purse that says whom the daemon may fund; nil: everybody that the configuration allows.
func serveFrom(ctx context.Context, cfg config.Config, log zerolog.Logger, from *purse, listening func(api, operator net.Addr)) (err error) {
	d, err := build(ctx, cfg, log, from)
	if err != nil {
		return err
	}
	defer func() { err = d.conns.close(errors.Join(err, d.store.Close())) }()

	var lc net.ListenConfig
	api, err := lc.Listen(ctx, "tcp", cfg.ListenAddress())
	if err != nil {
		return fmt.Errorf("listen for callers (ZGPROXY_HOST, ZGPROXY_PORT): %w", err)
	}
	var operator net.Listener
	if !cfg.AdminOff() {
		if operator, err = lc.Listen(ctx, "tcp", cfg.AdminListen); err != nil {
			return errors.Join(fmt.Errorf("listen for the operator (ZGPROXY_ADMIN_LISTEN): %w", err), api.Close())
		}
	}
	d.api.Store(new("http://" + api.Addr().String() + "/v1"))
	d.announce(api, operator)
	if listening != nil {
		var addr net.Addr
		if operator != nil {
			addr = operator.Addr()
		}
		listening(api.Addr(), addr)
	}
	return d.run(ctx, api, operator)
}

// build makes every part; nothing runs yet but the store's writer, and nothing has been asked of the network.
func build(ctx context.Context, cfg config.Config, log zerolog.Logger, from *purse) (*daemon, error) {
	d := &daemon{cfg: cfg, log: log, started: time.Now(), registry: prometheus.NewRegistry()}
	d.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	d.memory = newMemory(cfg, log, d.registry)

	var err error
	if d.wallet, err = openWallet(ctx, cfg); err != nil {
		return nil, err
	}
	if d.client, err = newChainClient(cfg, d.wallet.Address(), log, d.registry); err != nil { //nolint:contextcheck // makes no connection
		return nil, err
	}
	d.sender = chain.NewSender(d.client, d.wallet.SignTx, chain.SenderConfig{MaxFeePerGas: cfg.MaxFeePerGas.Neuron})
	d.directory = chain.NewDirectory(d.client.Services, chain.DirectoryConfig{Every: cfg.Refresh.Std(), Log: log, Registerer: d.registry})
	d.sessions = wallet.NewSessions(d.wallet, wallet.SessionsConfig{Generation: d.generation})
	d.saved = newReadings(realm{
		ChainID: cfg.ChainID, Ledger: cfg.LedgerContract.Address, Inference: cfg.InferenceContract.Address, Wallet: d.wallet.Address(),
	}, d.registry)
	if d.conns, err = d.newConnections(); err != nil {
		return nil, err
	}
	bound := d.conns.out.Bound
	d.peers = provider.New(provider.Config{Transport: bound(provider.NewTransport(cfg.AllowPrivate)), UserAgent: userAgent()})
	d.catalogs = provider.NewCatalogs(d.peers, d.targets, provider.CatalogsConfig{Every: cfg.Refresh.Std(), Log: log})

	if d.store, err = billing.Open(ctx, cfg.DataDir, billing.StoreOptions{Log: log, Registerer: d.registry}); err != nil {
		return nil, d.conns.close(err)
	}
	if d.trust, err = trust.New(ctx, d.store, cfg.SignerGrace.Std(), log, d.registry); err != nil {
		return nil, d.conns.close(errors.Join(err, d.store.Close()))
	}
	d.journal = newJournal(cfg, d.store, d.sender, d.wallet.Address(), log, d.registry)
	keeping := billing.KeeperConfig{
		Every: cfg.KeeperInterval.Std(), Budget: budgets(cfg).Transfers, AutoFund: cfg.AutoFund.Neuron, WalletFloor: cfg.WalletFloor.Neuron,
		Water:      func(p common.Address) (low, high zg.Neuron) { return cfg.LowWater.For(p), cfg.HighWater.For(p) },
		MaxReserve: cfg.MaxReserve.Neuron, DriftTolerance: cfg.DriftTolerance.Neuron, QuietFor: min(time.Minute, 2*cfg.KeeperInterval.Std()),
		Providers: func() []common.Address { return cfg.Providers }, Service: d.service, Unsettled: d.unsettled, Suspended: d.trust.Reason, Trusted: d.trust.Trusted, Log: log, Registerer: d.registry,
		Changed: func() bool { return len(d.client.Changed()) > 0 },
	}
	if from != nil {
		from.attach(&keeping, func() { d.keeper.Nudge() })
	}
	d.keeper = billing.NewKeeper(d.store, d.client, d.journal, keeping)
	d.meter = billing.NewMeter(d.store, billing.MeterConfig{View: d.keeper.View, Nudge: d.keeper.Nudge, Budgets: budgets(cfg), Log: log, Registerer: d.registry})
	if cfg.Verify != config.Off {
		workers := 4
		if cfg.Verify == config.Enforce {
			workers = 16 // callers wait
		}
		d.verify = attest.NewQueue(attest.QueueConfig{
			Workers: workers, Memory: d.memory,
			Fetch: d.peers.Signature, Retryable: provider.Retryable, Record: d.recordVerdict, Signer: d.freshSigner, Log: log, Registerer: d.registry,
		})
		d.rememberSigned(ctx)
	}
	d.board = route.NewBoard(route.BoardConfig{
		Policy: route.Policy(cfg.Routing), Funded: d.funded, Wait: cfg.PaceWait.Std(), Registerer: d.registry,
	})
	d.proxy = proxy.New(proxy.Config{
		Board: d.board, Direct: bound(provider.NewTransport(true)), EndpointKey: d.endpointKey, // the owner chose them, wherever they are
		MaxAttempts: int(cfg.MaxAttempts), FailoverWithin: cfg.FailoverWithin.Std(), AllowedOrigins: cfg.AllowedOrigins,
		Meter: d.meter, Tokens: d.sessions, Transport: bound(provider.NewTransport(cfg.AllowPrivate)), Classify: provider.Classify,
		Verdict: d.verdict, Answered: d.answered, Judge: d.judge, Enforce: cfg.Verify == config.Enforce, HoldBytes: int64(cfg.VerifyHold), Memory: d.memory, Receipt: d.receipt,
		Ready:   d.ready,
		Refused: d.keeper.Learn,
		Keys:    cfg.APIKeys.Reveal(), AllowedHosts: cfg.AllowedHosts, MaxBody: int64(cfg.MaxBody), StreamIdle: cfg.StreamIdle.Std(),
		DrainBytes: int64(cfg.DrainBytes), DrainTimeout: cfg.DrainTimeout.Std(), UserAgent: userAgent(), Log: log, Metrics: proxy.NewMetrics(d.registry),
	})
	return d, nil
}

// run serves until ctx ends, then: no new requests, let running answers finish within the grace period, stop the loops.
func (d *daemon) run(ctx context.Context, api, operator net.Listener) error {
	if n, err := d.meter.Recover(ctx); err != nil {
		return fmt.Errorf("recover the spend store: %w", err)
	} else if n > 0 {
		d.log.Warn().Int("requests", n).Msg("requests were open when the last process ended; recorded at their upper bound")
	}
	crash.Point("start/recovered")
	d.loadReadings(ctx)
	fromSaved := d.serveSaved() // before anybody can ask for anything
	// Loops outlive the signal: answers that are still being streamed need them until they are recorded.
	loops, stopLoops := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLoops()
	g, gctx := errgroup.WithContext(loops)

	callers := d.httpServer(d.proxy.Handler())
	api = d.conns.forCallers(api, callers)
	g.Go(func() error { return served(callers.Serve(api)) })
	var operators *http.Server
	read := admin.Config{
		Gatherer: d.registry, Ready: d.checks, Status: d.status, Request: d.request, Receipt: d.receiptReport, AllowedHosts: d.cfg.AllowedHosts, AllowedOrigins: d.cfg.AllowedOrigins, Log: d.log,
		Draining: func() bool { return ctx.Err() != nil || gctx.Err() != nil },
		Explain:  func(q route.Query) (any, error) { return explainRoute("daemon", d.board, d.proxy.Routes(), q) },
	}
	if operator != nil {
		operators = d.httpServer(admin.Handler(read))
		operators.ReadTimeout, operators.WriteTimeout = operatorTimeout, operatorTimeout
		operator = d.conns.forOperator(operator, operators)
		g.Go(func() error { return served(operators.Serve(operator)) })
	}
	socket, err := d.operatorSocket(loops, read)
	if err != nil {
		d.log.Warn().Err(err).Msg("commands such as zgproxy deposit cannot reach this daemon")
	} else {
		g.Go(socket.serve)
	}
	if d.verify != nil {
		g.Go(func() error { return d.verify.Run(gctx) })
	}
	g.Go(func() error { return d.trust.Run(gctx, d.rebuildRoutes) })
	g.Go(func() error { return d.followChain(gctx, g, fromSaved) })
	g.Go(func() error {
		select {
		case <-ctx.Done():
			d.log.Info().Dur("grace_ms", d.cfg.ShutdownGrace.Std()).Msg("stopping: no new requests, running answers may finish")
		case <-gctx.Done():
		}
		err := d.drain(callers) //nolint:contextcheck // the one it would get has just ended
		if operators != nil {
			err = errors.Join(err, operators.Close())
		}
		if socket != nil {
			err = errors.Join(err, socket.stop()) //nolint:contextcheck // as above
		}
		stopLoops()
		return err
	})
	err = errors.Join(g.Wait(), d.trust.Save()) // the last answers may have shown something
	if errors.Is(err, context.Canceled) {
		err = nil // the loops ended because they were told to
	}
	return err
}

func served(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve: %w", err)
}

// drain lets running exchanges finish, then ends the rest and waits until they are recorded.
func (d *daemon) drain(srv *http.Server) error {
	grace, cancel := context.WithTimeout(context.Background(), d.cfg.ShutdownGrace.Std())
	defer cancel()
	if srv.Shutdown(grace) == nil {
		return nil
	}
	d.log.Warn().Msg("the grace period is over; running answers are cut off")
	d.proxy.Abort()
	last, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := srv.Shutdown(last); err != nil {
		return errors.Join(fmt.Errorf("end running requests: %w", err), srv.Close())
	}
	return nil
}

func (d *daemon) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second, // bodies and answers have their own, rolling limits: a stream may run for hours
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeader,
		Protocols:         protocols(),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 128},
		ErrorLog:          quietLogger(d.log),
	}
}

// protocols are HTTP/1.1, and HTTP/2 for those who begin with it: there is no TLS here to agree upon it.
func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// followChain checks that the RPC serves the configured network and then keeps directory, catalogues, routes and
// funding up to date. A wrong network ends the daemon; an RPC that can't be reached is waited for, and so are contracts that
// do not answer as they did before; meanwhile what was read last is served. No money is moved before the chain has been read.
func (d *daemon) followChain(ctx context.Context, g *errgroup.Group, fromSaved bool) error {
	if fromSaved {
		g.Go(func() error { return d.catalogs.Run(ctx) })
		g.Go(func() error { return d.followRoutes(ctx) })
		g.Go(func() error { d.warmSessions(ctx); return nil })
		g.Go(func() error { return d.resumeVerdicts(ctx) })
	}
	for wait := 500 * time.Millisecond; ; wait = min(2*wait, 30*time.Second) {
		err := d.client.Check(ctx)
		if err == nil {
			err = d.directory.Refresh(ctx)
		}
		if err == nil {
			break
		}
		// Contracts that were the right ones before may have been replaced: they are waited for.
		if errors.Is(err, chain.ErrWrongNetwork) && (!fromSaved || !errors.Is(err, chain.ErrUnconfirmed)) {
			return err
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // told to stop
		}
		d.saved.chainErr.Store(&err)
		d.log.Warn().Err(err).Dur("retry_ms", wait).Msg("the chain cannot be read yet")
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
	d.rebuildRoutes()
	d.checked.Store(true)
	d.log.Info().Int("services", len(d.directory.Snapshot().Services)).Uint64("block", d.directory.Snapshot().Block).Msg("ready")
	g.Go(func() error { return d.directory.Run(ctx) })
	g.Go(func() error { return d.keeper.Run(ctx) })
	if fromSaved {
		d.dropSaved(ctx)
		return nil
	}
	g.Go(func() error { return d.catalogs.Run(ctx) })
	g.Go(func() error { return d.followRoutes(ctx) })
	g.Go(func() error { return d.resumeVerdicts(ctx) })
	d.warmSessions(ctx)
	return nil
}

// warmSessions mints the tokens of the allowed providers ahead of the first request.
func (d *daemon) warmSessions(ctx context.Context) {
	for _, p := range d.cfg.Providers {
		if _, err := d.sessions.Bearer(ctx, p); err != nil && ctx.Err() == nil {
			d.log.Warn().Err(err).Str("provider", p.Hex()).Msg("no session token yet")
		}
	}
}

// service finds a provider's offer in the last directory.
func (d *daemon) service(p common.Address) (zg.Service, bool) {
	return zg.ServiceOf(d.services().Services, p)
}

// unsettled asks a provider what it has not taken on chain yet.
func (d *daemon) unsettled(ctx context.Context, p common.Address) (zg.Neuron, error) {
	s, ok := d.service(p)
	if !ok {
		return zg.Neuron{}, fmt.Errorf("provider %s is not in the directory", p)
	}
	bearer, err := d.sessions.Bearer(ctx, p)
	if err != nil {
		return zg.Neuron{}, err
	}
	fee, err := d.peers.UnsettledFee(ctx, s.URL, d.wallet.Address(), bearer)
	if refused, ok := errors.AsType[*provider.RefusedError](err); ok {
		d.sessions.Reject(p, bearer, refused.Detail.Class) // of itself it only acts on a token that is expired or revoked
	}
	return fee, err
}

// announce says where the daemon listens, and what of its configuration is probably not meant.
func (d *daemon) announce(api, operator net.Listener) {
	ev := d.log.Info().Str("api", "http://"+api.Addr().String()+"/v1").Str("wallet", d.wallet.Address().Hex()).
		Str("network", d.cfg.Network).Int("providers", len(d.cfg.Providers)).Str("version", thisBuild().Version)
	if operator != nil {
		ev = ev.Str("operator", "http://"+operator.Addr().String())
	}
	ev.Msg("listening")
	for _, w := range d.cfg.Warnings() {
		d.log.Warn().Str("warning", w).Msg("configuration")
	}
}
