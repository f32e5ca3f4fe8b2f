// Package proxy is the room that callers enter: an OpenAI-compatible HTTP server that checks a request, chooses a
// provider for its model, has the spend recorded, forwards it, and streams the answer back byte for byte while a tap
// reads usage and digest beside it.
//
// It never reads the chain, never holds a key and never decides about money: the billing meter admits and books, the
// Tokens it is given sign. It starts no goroutine of its own; net/http runs the handlers. When a request's first byte
// leaves for a provider, the open record of it is already committed; every way out of a handler closes that record.
package proxy

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/guard"
	"github.com/zgproxy/zgproxy/internal/memory"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// Tokens supplies the session token that a provider accepts as this wallet's.
type Tokens interface {
	// Bearer returns the whole Authorization value for the provider. It is served from memory unless a token has to be
	// minted.
	Bearer(ctx context.Context, provider common.Address) (string, error)
	// Reject tells that the provider refused exactly this bearer; the next Bearer is a new one.
	Reject(provider common.Address, bearer string, class zg.Refusal)
}

// Answered is one finished exchange, as far as checking the provider's signature over it needs to know.
type Answered struct {
	RequestID       string
	Offer           *route.Offer
	ResKey          string // the ZG-Res-Key header, or empty
	ChatID          string // the body's own id, or empty
	Request         []byte // the bytes that were sent; nil when they were streamed through
	RequestSHA256   [32]byte
	ResponseSHA256  [32]byte
	Images          [][32]byte // digests of the decoded images of an image answer
	Extras          bool       // it holds more than images that a client may show
	Removed         bool       // it did, and that is taken out of what the caller gets where only the images were signed
	Complete        bool
	Stream          bool
	ResponseDecoded bool // the provider compressed although identity was asked
	// Response is the whole JSON document where it may have been re-serialised after it was signed: the model has an
	// enclave of its own. Nil where it was not held whole.
	Response []byte
}

// Config is what the proxy is made of. All fields but those marked optional are required.
type Config struct {
	Meter     *billing.Meter
	Tokens    Tokens
	Transport http.RoundTripper
	// Direct carries requests to the owner's own endpoints, and EndpointKey gives the Authorization for one of them, or
	// nothing. Required where there are any.
	Direct      http.RoundTripper
	EndpointKey func(id string) string
	// Classify reads a provider's refusal. source is whom the provider itself blames for it (ZG-Failure-Source).
	Classify func(status int, contentType, source string, body []byte) zg.RefusalDetail
	// Verdict says ahead of the check what is known of an answer's signature: VerdictNotSigned, and why, where there is
	// none to check, VerdictPending where Answered will be told. Optional: nothing is checked.
	Verdict func(*Answered) zg.Judgement
	// Answered is told of an answer that can be checked, after it was recorded. It must not block. Required with Verdict.
	Answered func(*Answered)
	// Judge is told of such an answer instead, where its verdict is waited for, and returns it. When the context ends
	// before that, it returns VerdictUnavailable, and the check goes on for the record. Required with Enforce; else
	// optional: nobody waits.
	Judge func(context.Context, *Answered) zg.Judgement
	// Enforce withholds every answer that was not shown to come from the provider's signer. Routes must be built with the
	// same setting.
	Enforce bool
	// Receipt finds the record of an exchange by any of its ids: our own, the answer's, or the signature's. Optional: POST
	// /v1/verify is not served.
	Receipt func(ctx context.Context, id string) (zg.AnswerReceipt, bool, error)
	// Refused is told when a provider refused for a reason that the funding loop can fix. It must not block. Optional.
	Refused func(common.Address, billing.Shortfall)
	// Board knows how the offers are doing.
	Board *route.Board
	// Ready reports whether requests can be served, and if not, why in words for people. Optional.
	Ready func() (ok bool, reason string)

	Keys           []string       // local keys; empty: callers need none
	AllowedOrigins []string       // web pages that may call, each as browsers write it
	AllowedHosts   []string       // Host names accepted besides localhost and IP addresses
	MaxBody        int64          // bytes of one request body
	MaxAttempts    int            // at providers, for one request; 0 counts as 1
	FailoverWithin time.Duration  // of its beginning
	HoldBytes      int64          // bytes of one answer that may be held for its verdict; needed with Enforce
	Memory         *memory.Budget // what all calls together may hold; nil: half a GiB
	StreamIdle     time.Duration  // an answer that brings no byte for so long is given up
	DrainBytes     int64          // what is still read from the provider after the caller left …
	DrainTimeout   time.Duration  // … and for how long
	UserAgent      string
	Log            zerolog.Logger
	Metrics        *Metrics
}

// Server is the callers' side of the daemon. Build it with New, mount Handler, feed it with SetRoutes.
type Server struct {
	cfg     Config
	keys    [][32]byte
	hosts   guard.Hosts
	origins guard.Origins
	routes  atomic.Pointer[route.Table]
	buffers sync.Pool // for streams, which go out as they come
	larger  sync.Pool // for documents, which are held to their end where they fit
	keyless keyless
	memory  *memory.Budget
	stop    context.Context // done: give up what is still running
	stopNow context.CancelFunc

	// Tests are less patient.
	enforceWait, trailerWait, memoryWait, bodyIdle, answerWait, writeTimeout time.Duration
}

// New builds a Server. It starts nothing.
func New(cfg Config) *Server {
	s := &Server{
		cfg: cfg, hosts: guard.NewHosts(cfg.AllowedHosts...), origins: cfg.AllowedOrigins,
		enforceWait: enforceWait, trailerWait: trailerWait, memoryWait: memoryWait, bodyIdle: bodyIdle, answerWait: answerWait, writeTimeout: writeTimeout,
	}
	if s.memory = cfg.Memory; s.memory == nil {
		s.memory = memory.New(512 << 20)
	}
	for _, k := range cfg.Keys {
		s.keys = append(s.keys, keyDigest(k))
	}
	s.buffers.New = func() any { b := make([]byte, 32<<10); return &b }
	s.larger.New = func() any { b := make([]byte, maxHeld); return &b }
	s.stop, s.stopNow = context.WithCancel(context.Background())
	s.routes.Store(&route.Table{})
	return s
}

// SetRoutes publishes a new routing table; requests under way keep the one they started with.
func (s *Server) SetRoutes(r *route.Table) { s.routes.Store(r) }

// Routes is the routing table in force.
func (s *Server) Routes() *route.Table { return s.routes.Load() }

// Abort ends every exchange that still runs, after the time for draining is over.
func (s *Server) Abort() { s.stopNow() }

// Handler returns the HTTP handler of the callers' listener.
func (s *Server) Handler() http.Handler {
	mux := s.router()
	for _, op := range operations {
		mux.Post(op.path, s.handle(op))
	}
	for _, op := range fetches {
		mux.Get(op.path, s.handle(op))
	}
	if s.cfg.Receipt != nil {
		mux.Post("/v1/verify", s.verify)
	}
	mux.Get("/v1/models", s.listModels)
	mux.Get("/v1/models/*", s.getModel)
	mux.Get("/", s.index)
	return mux
}

// handle wraps an operation in what every call has: an id, readiness, metrics and one access line.
func (s *Server) handle(op operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		c := &call{srv: s, w: w, r: r, op: op, started: now, key: callerKey(r), first: newID(now)}
		c.id = c.first
		setRequestID(w.Header(), op.path, c.id)
		s.cfg.Metrics.open.Inc()
		defer c.finish()
		defer c.memory.Free()
		if s.cfg.Ready != nil {
			if ok, reason := s.cfg.Ready(); !ok {
				c.fail(errNotReady(reason))
				return
			}
		}
		if err := c.begin(r.Context()); err != nil {
			c.fail(err)
			return
		}
		if err := op.serve(c); err != nil {
			c.fail(err)
		}
	}
}

func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("zgproxy: an OpenAI-compatible endpoint for the 0G Compute Network.\n\n" +
		"Point your client's base URL at /v1 on this address.\nModels: GET /v1/models\n")) // the caller left: nobody to tell
}
