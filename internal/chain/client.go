package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/chain/bindings"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// ErrNoContract means that a call came back empty, as calls to an address without code do. It is no refusal: nothing
// was asked of any contract.
var ErrNoContract = errors.New("there is no contract at this address")

// Config says which contracts are read, for whom, and through which endpoint.
type Config struct {
	RPCURL            string   // http or https
	MoreRPCURLs       []string // further endpoints of the same chain; what they say is compared
	ChainID           uint64
	Ledger, Inference common.Address
	User              common.Address // the wallet
	CallTimeout       time.Duration  // of one try of a call; 0: 15 s
	Tries             int            // of a call that is refused for a passing reason; 0: 8, 1: it is not retried
	// Once says that somebody waits for one result, and not for the next look: then no call gives up sooner because others
	// were refused too. A daemon looks again anyway, and is to say at once that its endpoint is down.
	Once       bool
	HTTP       *http.Client // nil: one of our own; answers are bounded and redirects refused either way
	Log        zerolog.Logger
	Registerer prometheus.Registerer // nil: no metrics
}

// Client reads the contracts. Any number of goroutines may use it.
type Client struct {
	cfg      Config
	all      []*endpoint
	current  atomic.Pointer[[]*endpoint] // those that agreed the last time; nil: nobody was asked yet
	rpc      *rpc.Client                 // the endpoint that a call goes to is in its context
	eth      *ethclient.Client
	led      *bindings.LedgerManager
	inf      *bindings.InferenceServing
	metrics  *clientMetrics
	layouts  layouts
	wait     func(context.Context, time.Duration) error // between two tries
	patience time.Duration                              // with endpoints that have not answered when another has
}

// New builds a Client without any network traffic.
func New(cfg Config) (*Client, error) {
	if cfg.CallTimeout == 0 {
		cfg.CallTimeout = 15 * time.Second
	}
	if cfg.Tries == 0 {
		cfg.Tries = defaultTries
	}
	all, err := newEndpoints(append([]string{cfg.RPCURL}, cfg.MoreRPCURLs...))
	if err != nil {
		return nil, err
	}
	rc, err := rpc.DialOptions(context.Background(), nowhere, rpc.WithHTTPClient(newHTTPClient(cfg.HTTP)))
	if err != nil {
		return nil, errURL
	}
	return &Client{
		cfg: cfg, all: all, rpc: rc, eth: ethclient.NewClient(rc), led: bindings.NewLedgerManager(), inf: bindings.NewInferenceServing(),
		metrics: newClientMetrics(cfg.Registerer), wait: wait, patience: defaultPatience,
	}, nil
}

// observe bounds, explains and counts one call. It goes to the endpoint that ctx names, else to whichever answers first
// in their order, and again while it is refused for a passing reason.
func observe[T any](ctx context.Context, c *Client, method string, f func(context.Context) (T, error)) (T, error) {
	v, err := retried(ctx, c, func(ctx context.Context) (T, error) {
		bounded, cancel := context.WithTimeout(ctx, c.cfg.CallTimeout)
		defer cancel()
		start := time.Now()
		v, err := f(bounded)
		c.metrics.observe(method, time.Since(start), explain(err, c.cfg.CallTimeout))
		return v, err
	})
	if err != nil {
		var zero T
		return zero, fmt.Errorf("%s: %w", method, err)
	}
	return v, nil
}

// outputs are what the functions of both contracts answer, by selector. Functions that both have answer alike.
var outputs = func() map[[4]byte]abi.Arguments {
	all := map[[4]byte]abi.Arguments{}
	for _, contract := range []abi.ABI{bindings.NewLedgerManager().GetABI(), bindings.NewInferenceServing().GetABI()} {
		for _, m := range contract.Methods {
			all[[4]byte(m.ID)] = m.Outputs
		}
	}
	return all
}()

// read performs a contract read at a block, where nil is the latest. An answer that is not what the contract would say
// is an error, never a zero; a struct may have grown (narrow), which is noted.
func read[T any](ctx context.Context, c *Client, to common.Address, calldata []byte, block *big.Int, unpack func([]byte) (T, error)) (T, error) {
	var zero T
	out, err := c.contractCall(ctx, to, calldata, block)
	if err != nil {
		return zero, err
	}
	args := outputs[[4]byte(calldata)]
	known, grown, err := narrow(args, out)
	if err != nil {
		if strict := checkLayout(args, out); strict != nil {
			err = strict // says what is not as expected
		}
		return zero, fmt.Errorf("%w: %w", ErrLayout, err)
	}
	c.saw(ctx, grown)
	out = known
	v, err := unpack(out)
	if err != nil {
		return zero, fmt.Errorf("%w: %w", ErrLayout, zg.CleanError(err, maxMessage))
	}
	return v, nil
}
