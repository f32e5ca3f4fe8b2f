package simprovider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Provider is a running provider.
type Provider struct {
	cfg        Config
	address    common.Address
	url        string
	server     *http.Server
	whitelist  map[common.Address]bool
	accounts   *accountCache
	sessions   *sessions
	limits     *limiter
	signatures *shelf[signedText]
	images     *shelf[[]byte]
	jobs       *shelf[*job]
	purse      *purse
	faults     *faults
	records    *records
	ctx        context.Context // ends with Close
	stop       context.CancelFunc
	loops      sync.WaitGroup // the server and the settlement loop
	gate       sync.Mutex     // orders handlers.Add against handlers.Wait
	closed     bool
	killed     atomic.Bool
	handlers   sync.WaitGroup
	serveErr   error // of the server, once loops are done
	closeOnce  sync.Once
	closeErr   error
	active     atomic.Int64               // inference requests under way
	fetches    atomic.Int64               // of what was made before
	lastSigned atomic.Pointer[signedText] // for signatures that belong to another chat
	lastAnswer atomic.Pointer[keptAnswer] // for answers that are given twice
	// unsettledReply is said instead of the unsettled fee.
	unsettledReply atomic.Pointer[string]
}

// Start begins to serve at once. The address is known from URL; registering it on chain is the caller's business.
func Start(cfg Config) (*Provider, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return startWith(cfg, newPurse(cfg), newRecords(), newShelf[*job](cfg.Now, jobTTL))
}

func startWith(cfg Config, purse *purse, records *records, jobs *shelf[*job]) (*Provider, error) {
	p := &Provider{
		cfg: cfg, address: cfg.Address,
		whitelist:  make(map[common.Address]bool),
		sessions:   newSessions(cfg.Now),
		limits:     newLimiter(cfg.Limits, cfg.Now),
		signatures: newShelf[signedText](cfg.Now, cfg.SignatureTTL),
		images:     newShelf[[]byte](cfg.Now, imageTTL),
		jobs:       jobs,
		purse:      purse,
		faults:     &faults{},
		records:    records,
	}
	if p.address == (common.Address{}) {
		p.address = crypto.PubkeyToAddress(cfg.Key.PublicKey)
	}
	for _, w := range cfg.Whitelist {
		p.whitelist[w] = true
	}
	p.accounts = newAccountCache(cfg.Chain, p.address, cfg.AccountCache, cfg.Now)
	p.ctx, p.stop = context.WithCancel(context.Background())

	p.server = &http.Server{
		Handler:           p,
		ReadHeaderTimeout: 30 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return p.ctx },
	}
	if err := p.listen(); err != nil {
		p.stop()
		return nil, fmt.Errorf("provider of %s: %w", cfg.Model, err)
	}
	if cfg.SettleEvery > 0 {
		p.loops.Go(p.settleLoop)
	}
	jobs.each(func(j *job) { j.resume(p) })
	return p, nil
}

// listen begins to serve: at a port of its own, or behind the front.
func (p *Provider) listen() error {
	if f := p.cfg.Front; f != nil {
		p.url = f.url
		f.take(p)
		return nil
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(p.ctx, "tcp", p.cfg.Listen)
	if err != nil {
		return err
	}
	p.url = "http://" + listener.Addr().String()
	p.loops.Go(func() {
		if err := p.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			p.serveErr = err
		}
	})
	return nil
}

// URL is the base URL to register on chain, without a trailing slash.
func (p *Provider) URL() string { return p.url }

// Address is the provider's account.
func (p *Provider) Address() common.Address { return p.address }

// Signer is the address whose signatures answers carry: of the TEE key, or of the model's own enclave.
func (p *Provider) Signer() common.Address { return crypto.PubkeyToAddress(p.signingKey().PublicKey) }

// TEESigner is the address of the TEE key, which is what the service registers on chain and settles with.
func (p *Provider) TEESigner() common.Address { return crypto.PubkeyToAddress(p.cfg.TEEKey.PublicKey) }

// Model is the id of the provider's model.
func (p *Provider) Model() string { return p.cfg.Model }

// Type is what the provider sells.
func (p *Provider) Type() zg.ServiceType { return p.cfg.Type }

// Price is what the provider bills for its model.
func (p *Provider) Price() zg.Price { return p.cfg.Price }

// SetFault makes the next requests go wrong as told; the zero Fault makes everything right again.
func (p *Provider) SetFault(f Fault) { p.faults.set(f) }

// Occupy makes others have so many requests under way, which count towards the limit on all together.
func (p *Provider) Occupy(n int) { p.limits.occupy(n) }

// SetUnsettledReply makes the provider answer whoever asks for the unsettled fee with this body, whatever it says.
// Empty makes it tell the truth again.
func (p *Provider) SetUnsettledReply(body string) {
	if body == "" {
		p.unsettledReply.Store(nil)
		return
	}
	p.unsettledReply.Store(&body)
}

// Exchanges returns a record of every finished inference request, refused ones included, oldest first.
func (p *Provider) Exchanges() []Exchange { return p.records.all() }

// ExchangesSince returns the records that are still kept of the requests after the first n that finished, and how many
// have finished by now.
func (p *Provider) ExchangesSince(n int) ([]Exchange, int) { return p.records.since(n) }

// Active is the number of inference requests under way. When it falls to zero, all of them are billed and on record;
// jobs that were accepted are not.
func (p *Provider) Active() int { return int(p.active.Load()) }

// Fetches is how many pictures, videos and jobs were asked for.
func (p *Provider) Fetches() int { return int(p.fetches.Load()) }

// WaitExchanges waits until at least n requests have finished since the start, and returns all records.
func (p *Provider) WaitExchanges(ctx context.Context, n int) ([]Exchange, error) {
	return p.records.wait(ctx, n)
}

// Close breaks off what is under way, stops everything and waits for it.
func (p *Provider) Close() error {
	p.closeOnce.Do(func() {
		p.gate.Lock()
		p.closed = true
		p.gate.Unlock()
		p.stop()
		err := p.server.Close()
		p.handlers.Wait()
		p.loops.Wait() // no handler is left that could start another
		p.closeErr = errors.Join(err, p.serveErr)
	})
	return p.closeErr
}

// Kill makes the provider vanish as if its process had been killed: the port is closed, every connection is cut
// whatever was under way on it, and nothing is billed any more. It does not wait. Close or Restart still has to follow.
func (p *Provider) Kill() {
	p.killed.Store(true)
	p.gate.Lock()
	p.closed = true
	p.gate.Unlock()
	_ = p.server.Close() // its error is that of a listener which is closed all the same; Close tells it
	p.stop()
}

// Restart closes the provider and starts it again at the same address, with what it is owed, its records and its
// videos: real ones keep those in a database. Answers under way are broken off and billed as far as they went,
// asynchronous jobs fail; sessions, signatures and limits are forgotten.
func (p *Provider) Restart() (*Provider, error) { return p.restartAs(p.cfg.Image) }

// ServeHTTP routes. It is called by the provider's own server.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.gate.Lock()
	if p.closed {
		p.gate.Unlock()
		if p.killed.Load() {
			panic(http.ErrAbortHandler) // the dead say nothing
		}
		http.Error(w, "closing", http.StatusServiceUnavailable)
		return
	}
	p.handlers.Add(1)
	p.gate.Unlock()
	defer p.handlers.Done()

	if isFetch(r) {
		p.fetches.Add(1)
		if raw := p.faults.fetched(); raw != nil {
			raw.serve(w)
			return
		}
	}
	if rest, ok := strings.CutPrefix(r.URL.Path, "/v1/proxy/"); ok {
		p.serveProxy(w, r, "/"+rest)
		return
	}
	p.serveControl(w, r)
}

// route is a billed one: the type of service that answers there, and how.
type route struct {
	kind  zg.ServiceType
	serve func(*exchange) error
}

// routes are those below /v1/proxy, by path.
var routes = map[string]route{
	"/chat/completions":     {zg.Chatbot, (*exchange).chat},
	messagesPath:            {zg.Chatbot, (*exchange).messages},
	"/images/generations":   {zg.TextToImage, (*exchange).image},
	"/images/edits":         {zg.ImageEditing, (*exchange).image},
	"/audio/transcriptions": {zg.SpeechToText, (*exchange).transcribe},
	"/audio/speech":         {zg.AudioGeneration, (*exchange).speak},
	"/embeddings":           {zg.Embedding, (*exchange).embed},
	"/videos":               {zg.VideoGeneration, (*exchange).film},
	"/decisions":            {zg.Decisions, (*exchange).decide},
}

// serveProxy serves what lies below /v1/proxy. One more /v1 and trailing slashes do not matter there; case does.
func (p *Provider) serveProxy(w http.ResponseWriter, r *http.Request, path string) {
	if rest, ok := strings.CutPrefix(path, "/v1/"); ok {
		path = "/" + rest
	}
	path = strings.TrimRight(path, "/")
	w.Header().Set("X-Accel-Buffering", "no")
	switch {
	case strings.HasPrefix(path, "/signature/"):
		p.serveSignature(w, r, strings.TrimPrefix(path, "/signature/"))
		return
	case r.Method == http.MethodGet && path == "/attestation/report":
		p.serveModelReport(w)
		return
	case strings.HasPrefix(path, "/images/") && path != "/images/generations" && path != "/images/edits":
		p.serveStoredImage(w, r, strings.TrimPrefix(path, "/images/"))
		return
	case r.Method == http.MethodGet && (path == "/videos" || strings.HasPrefix(path, "/videos/")):
		p.serveVideo(w, r, strings.TrimPrefix(strings.TrimPrefix(path, "/videos"), "/"))
		return
	}
	to, ok := routes[path]
	if !ok || r.Method != http.MethodPost {
		writeError(w, http.StatusBadRequest, "endpoint not supported")
		return
	}
	p.infer(w, r, path, to)
}

// wait pauses for d, or until the provider closes or ctx ends. It reports whether the whole pause went by.
func (p *Provider) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil && p.ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	case <-p.ctx.Done():
		return false
	}
}
