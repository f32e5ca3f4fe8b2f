package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/chain"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/provider"
	"github.com/zgproxy/zgproxy/internal/wallet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// The groups of checks, in their order. They begin the ids.
const (
	groupMachine  = "machine"
	groupNetwork  = "network"
	groupWallet   = "wallet"
	groupProvider = "provider"
)

const (
	// longestCheck bounds one check, so that one that hangs leaves time for the others.
	longestCheck = 10 * time.Second
	// longestApproval bounds it instead where somebody may have to approve a signature.
	longestApproval = 2 * time.Minute
	// patientsAtOnce is how many providers are examined side by side.
	patientsAtOnce = 4
)

// check is one thing to look at.
type check struct {
	id    string   // begins with its group and a dot
	means string   // what it finds out, for the manual
	todo  string   // what to do if it does not pass, for the manual too
	needs []string // checks before this one, without which it means nothing
	// run makes it. Of a check of the group provider, patient is who is looked at; else nil.
	run func(ctx context.Context, d *doctor, p *patient) finding
	// each makes it of several things at once, in place of run. No other check needs it.
	each func(ctx context.Context, d *doctor) []finding
	// several: it is made only where there are several endpoints.
	several bool
}

func (c *check) group() string { group, _, _ := strings.Cut(c.id, "."); return group }

// allChecks are all checks in their order, in which every check comes after those it needs.
func allChecks() []check {
	return slices.Concat(machineChecks(), networkChecks(), walletChecks(), providerChecks())
}

// finding is what a check has found.
type finding struct {
	status               checkStatus
	summary, reason, fix string
	// cause is the check that has kept what needs this one from being made; empty: nothing has.
	cause string
	// endpoint is which of several it is about; nil: none of them.
	endpoint *endpointReport
}

func passed(format string, args ...any) finding {
	return finding{status: checkPass, summary: fmt.Sprintf(format, args...)}
}

func warned(fix, reason, format string, args ...any) finding {
	return finding{status: checkWarn, summary: fmt.Sprintf(format, args...), reason: reason, fix: fix}
}

func failed(fix, reason, format string, args ...any) finding {
	return finding{status: checkFail, summary: fmt.Sprintf(format, args...), reason: reason, fix: fix}
}

// skipped is for what does not apply here. What needs it is checked all the same.
func skipped(format string, args ...any) finding {
	text := fmt.Sprintf(format, args...)
	return finding{status: checkSkip, summary: text, reason: text}
}

// unknown is for what could not be found out, so that what needs it cannot be either.
func unknown(id, fix, format string, args ...any) finding {
	f := skipped(format, args...)
	f.fix, f.cause = fix, id
	return f
}

// because is for what cannot be checked because of how another check has ended.
func because(id string, ended checkStatus) finding {
	switch ended {
	case checkFail:
		return unknown(id, "", "because %s failed", id)
	case checkSkip:
		return unknown(id, "", "because %s was skipped", id)
	case checkPass, checkWarn:
	}
	return unknown(id, "", "because of what %s has found", id)
}

// doctor has what the checks need, and what they find out for those after them.
type doctor struct {
	cfg       config.Config
	cfgErr    error // why some of it has its default
	console   console
	ask       bool
	providers []common.Address // who is looked at

	// What tests replace.
	now   func() time.Time
	roots *x509.CertPool                   // nil: the system's
	free  func(dir string) (uint64, error) // bytes that this user may still write
	limit func() (uint64, error)           // of open files

	date     *dateKeeper
	rpc      *http.Client
	network  *chain.Client // for nobody: what is asked needs no wallet; nil: there is no endpoint to ask
	contact  func(context.Context) contact
	holder   string        // the process that uses the data directory; empty: none
	daemon   *admin.Client // nil: none answers
	account  *accountReport
	store    *billing.Reader // nil: there is none, or it cannot be read
	block    chain.Head
	rules    zg.Holdings // of nobody: what the contracts ask of everybody
	services []zg.Service
	names    map[common.Address]string

	wallet    *wallet.Wallet // nil: the key is not there
	address   common.Address // of the wallet; zero: not known
	own       *chain.Client  // the wallet's
	holdings  *zg.Holdings
	owed      map[common.Address]zg.Neuron
	pins      map[common.Address]zg.Pin
	suspended map[common.Address]zg.Suspension
	accepted  map[common.Address][]zg.Pin // signers of every pin that each had
	peers     *provider.Client

	asked func() (*wallet.Wallet, error) // opens the keystore with the password that was typed; nil: none was
	cut   atomic.Bool                    // the time was over before all was checked
	ended map[string]finding             // of the checks that are not of a provider
}

// newDoctor reads the configuration, whatever is wrong with it. The error is the command line's.
func newDoctor(o doctorOptions, c console) (*doctor, error) {
	if o.timeout <= 0 {
		return nil, errNoTime
	}
	if o.ask && (o.json || !c.asks) {
		return nil, errAskJSON
	}
	d := &doctor{
		console: c, ask: o.ask, now: time.Now, free: freeSpace, limit: openFiles, ended: make(map[string]finding), names: make(map[common.Address]string),
	}
	for _, text := range o.providers {
		p, err := parseProvider(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(d.providers, p) {
			d.providers = append(d.providers, p)
		}
	}
	var sources config.Sources
	d.cfg, sources, d.cfgErr = loadConfig(config.Flags{})
	if _, known := zg.NetworkNamed(d.cfg.Network); known && d.cfgErr != nil {
		// Something is wrong with it; the rest of it can be tried all the same.
		d.cfgErr = errors.Join(d.cfgErr, d.cfg.FillNetwork(sources))
	}
	if len(o.providers) == 0 {
		d.providers = d.cfg.Providers
	}
	return d, nil
}

// begin makes what talks to others. Nothing is asked yet.
func (d *doctor) begin() {
	d.date = &dateKeeper{now: d.now, next: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: longestCheck, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
	}}
	d.rpc = &http.Client{Transport: d.date}
	d.network, _ = d.client(common.Address{}) // what is wrong with it is found by the check of the endpoint
	d.peers = provider.New(provider.Config{AllowPrivate: d.cfg.AllowPrivate, Timeout: longestCheck / 2, UserAgent: userAgent()})
	var once sync.Once
	var found contact
	d.contact = func(ctx context.Context) contact {
		once.Do(func() { found = d.dial(ctx) })
		return found
	}
}

// client is one of the chain for a wallet. It makes no connection.
func (d *doctor) client(user common.Address) (*chain.Client, error) {
	as := chainConfig(d.cfg, user)
	as.CallTimeout, as.HTTP = longestCheck/2, d.rpc
	return chain.New(as)
}

func (d *doctor) close() {
	if d.store != nil {
		_ = d.store.Close() // it was only read
	}
	if d.peers != nil {
		d.peers.Close()
	}
	if d.rpc != nil {
		d.rpc.CloseIdleConnections()
	}
}

// run makes all checks and tells each, in their order. It returns early only in that what is left is told as skipped.
func (d *doctor) run(ctx context.Context, tell func(checkReport)) {
	d.begin() //nolint:contextcheck // makes no connection
	for _, c := range slices.Concat(machineChecks(), networkChecks(), walletChecks()) {
		if c.several && len(d.cfg.RPCURL.Each()) < 2 {
			continue
		}
		if c.each != nil && ctx.Err() == nil {
			d.tellEach(ctx, &c, tell)
			continue
		}
		f, took := d.make(ctx, &c, nil)
		d.ended[c.id] = f
		tell(d.report(&c, nil, f, took))
	}
	d.examineAll(ctx, tell)
}

// examineAll looks at the providers side by side, and tells of them one after the other: of the first as it goes.
func (d *doctor) examineAll(ctx context.Context, tell func(checkReport)) {
	slots := make(chan struct{}, patientsAtOnce)
	told := make([]chan checkReport, len(d.providers))
	var all sync.WaitGroup
	defer all.Wait()
	checks := providerChecks()
	for i := range told {
		told[i] = make(chan checkReport, len(checks)) // nobody waits for those before it to be told
	}
	all.Go(func() {
		for i, address := range d.providers {
			slots <- struct{}{}
			p := &patient{address: address, ended: make(map[string]finding)}
			all.Go(func() {
				defer func() { close(told[i]); <-slots }()
				defer p.close()
				for _, c := range checks {
					f, took := d.make(ctx, &c, p)
					p.ended[c.id] = f
					told[i] <- d.report(&c, p, f, took)
				}
			})
		}
	})
	for _, reports := range told {
		for r := range reports {
			tell(r)
		}
	}
}

// make makes one check, if what it needs is there.
func (d *doctor) make(ctx context.Context, c *check, p *patient) (finding, time.Duration) {
	for _, id := range c.needs {
		f, ok := d.ended[id]
		if p != nil && !ok {
			f = p.ended[id]
		}
		switch {
		case f.status == checkFail:
			return because(id, checkFail), 0
		case f.cause != "":
			return because(f.cause, d.statusOf(f.cause, p)), 0
		}
	}
	if ctx.Err() != nil {
		d.cut.Store(true)
		return unknown(c.id, "Give it more time: --timeout 2m", "%v", context.Cause(ctx)), 0
	}
	longest := longestCheck
	if d.ask && d.signsElsewhere() {
		longest = longestApproval
	}
	bounded, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	began := time.Now()
	return c.run(bounded, d, p), time.Since(began)
}

// tellEach makes a check of several things.
func (d *doctor) tellEach(ctx context.Context, c *check, tell func(checkReport)) {
	bounded, cancel := context.WithTimeout(ctx, longestCheck)
	defer cancel()
	began := time.Now()
	for _, f := range c.each(bounded, d) {
		took := time.Since(began)
		if f.endpoint != nil {
			took = time.Duration(f.endpoint.Answer) * time.Millisecond
		}
		tell(d.report(c, nil, f, took))
	}
}

func (d *doctor) statusOf(id string, p *patient) checkStatus {
	if f, ok := d.ended[id]; ok || p == nil {
		return f.status
	}
	return p.ended[id].status
}

func (d *doctor) report(c *check, p *patient, f finding, took time.Duration) checkReport {
	r := checkReport{
		ID: c.id, Group: c.group(), Status: f.status, Summary: oneLine(f.summary), Reason: oneLine(f.reason), Fix: oneLine(f.fix), TookMS: took.Milliseconds(),
	}
	r.Endpoint = f.endpoint
	if p != nil {
		r.Provider = &admin.Address{Address: p.address}
	}
	return r
}

// dateKeeper remembers what time the other side said it was.
type dateKeeper struct {
	next http.RoundTripper
	now  func() time.Time

	mu   sync.Mutex
	date time.Time // of the last answer that had one; zero: none had
	at   time.Time // when it came, by our clock
}

func (k *dateKeeper) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := k.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		k.mu.Lock()
		k.date, k.at = date, k.now()
		k.mu.Unlock()
	}
	return resp, nil
}

// CloseIdleConnections is for http.Client's.
func (k *dateKeeper) CloseIdleConnections() {
	if t, ok := k.next.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

func (k *dateKeeper) last() (date, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.date, k.at
}
