package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zgproxy/zgproxy/internal/chain/bindings"
)

var (
	// ErrWrongNetwork means that the RPC endpoint serves something else than what is configured. Waiting does not help.
	ErrWrongNetwork = errors.New("the RPC endpoint does not serve the configured network")
	// errNoContract means that a call came back empty, as calls to an address without code do.
	errNoContract = errors.New("there is no contract at this address")
)

// maxAnswer bounds one JSON-RPC answer.
const maxAnswer = 16 << 20

// Config says which contracts are read, for whom, and through which endpoint.
type Config struct {
	RPCURL            string
	ChainID           uint64
	Ledger, Inference common.Address
	User              common.Address        // the wallet
	CallTimeout       time.Duration         // of one call; 0: 15 s
	Registerer        prometheus.Registerer // nil: no metrics
}

// Client reads the contracts. Any number of goroutines may use it.
type Client struct {
	cfg     Config
	eth     *ethclient.Client
	led     *bindings.LedgerManager
	inf     *bindings.InferenceServing
	name    atomic.Pointer[string] // service name, once known
	fixed   atomic.Pointer[minimums]
	metrics *clientMetrics
}

// minimums are constants of the contracts.
type minimums struct{ ledger, account *big.Int }

// New builds a Client without any network traffic.
func New(cfg Config) (*Client, error) {
	if cfg.CallTimeout == 0 {
		cfg.CallTimeout = 15 * time.Second
	}
	hc := &http.Client{
		Transport:     limited{&http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	rc, err := rpc.DialOptions(context.Background(), cfg.RPCURL, rpc.WithHTTPClient(hc))
	if err != nil {
		return nil, errors.New("ZGPROXY_RPC_URL is not the URL of a JSON-RPC endpoint") // the error repeats the URL, which may hold a key
	}
	return &Client{
		cfg: cfg, eth: ethclient.NewClient(rc), led: bindings.NewLedgerManager(), inf: bindings.NewInferenceServing(), metrics: newClientMetrics(cfg.Registerer),
	}, nil
}

// limited keeps an endpoint from filling the memory.
type limited struct{ next http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

// observe bounds and counts one call.
func observe[T any](ctx context.Context, c *Client, method string, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.CallTimeout)
	defer cancel()
	start := time.Now()
	v, err := f(ctx)
	c.metrics.observe(method, time.Since(start), err)
	if err != nil {
		return v, fmt.Errorf("%s: %w", method, withRevert(err))
	}
	return v, nil
}

// call performs a contract read at a block; nil is the latest.
func (c *Client) call(ctx context.Context, to common.Address, data []byte, block *big.Int) ([]byte, error) {
	out, err := observe(ctx, c, "eth_call", func(ctx context.Context) ([]byte, error) {
		return c.eth.CallContract(ctx, ethereum.CallMsg{From: c.cfg.User, To: &to, Data: data}, block)
	})
	if err == nil && len(out) == 0 {
		return nil, fmt.Errorf("%w: %s", errNoContract, to)
	}
	return out, err
}

// unpack reads the answer of a call; what cannot be read is an error, never a zero.
func unpack[T any](out []byte, err error, f func([]byte) (T, error)) (T, error) {
	if err != nil {
		var zero T
		return zero, err
	}
	v, err := f(out)
	if err != nil {
		return v, fmt.Errorf("the contract's answer cannot be read: %w", err)
	}
	return v, nil
}

// Check compares what the endpoint serves with the configuration: the chain id, that the two contracts belong together,
// and that the ledger knows the inference contract by a name. A mismatch is ErrWrongNetwork and says which.
func (c *Client) Check(ctx context.Context) error {
	if err := c.checkChainID(ctx); err != nil {
		return err
	}
	out, err := c.call(ctx, c.cfg.Inference, c.inf.PackLedgerAddress(), nil)
	ledger, err := unpack(out, err, c.inf.UnpackLedgerAddress)
	if errors.Is(err, errNoContract) {
		return fmt.Errorf("%w: %w (ZGPROXY_INFERENCE_CONTRACT)", ErrWrongNetwork, err)
	}
	if err != nil {
		return fmt.Errorf("read the inference contract: %w", err)
	}
	if ledger != c.cfg.Ledger {
		return fmt.Errorf("%w: the inference contract belongs to ledger %s, configured is %s (ZGPROXY_LEDGER_CONTRACT)", ErrWrongNetwork, ledger, c.cfg.Ledger)
	}
	_, err = c.ServiceName(ctx)
	return err
}

func (c *Client) checkChainID(ctx context.Context) error {
	id, err := observe(ctx, c, "eth_chainId", c.eth.ChainID)
	if err != nil {
		return fmt.Errorf("ask for the chain id: %w", err)
	}
	if !id.IsUint64() || id.Uint64() != c.cfg.ChainID {
		return fmt.Errorf("%w: it serves chain %s, configured is %d (ZGPROXY_NETWORK, ZGPROXY_CHAIN_ID, ZGPROXY_RPC_URL)", ErrWrongNetwork, id, c.cfg.ChainID)
	}
	return nil
}

// ServiceName is the name under which the ledger knows the inference contract, such as inference-v1.0. Transfers need it.
func (c *Client) ServiceName(ctx context.Context) (string, error) {
	if name := c.name.Load(); name != nil {
		return *name, nil
	}
	out, err := c.call(ctx, c.cfg.Ledger, c.led.PackGetServiceInfo(c.cfg.Inference), nil)
	info, err := unpack(out, err, c.led.UnpackGetServiceInfo)
	if errors.Is(err, errNoContract) {
		return "", fmt.Errorf("%w: %w (ZGPROXY_LEDGER_CONTRACT)", ErrWrongNetwork, err)
	}
	if err != nil {
		return "", fmt.Errorf("read the service's name: %w", err)
	}
	if info.FullName == "" {
		return "", fmt.Errorf("%w: ledger %s does not know inference contract %s (ZGPROXY_LEDGER_CONTRACT, ZGPROXY_INFERENCE_CONTRACT)",
			ErrWrongNetwork, c.cfg.Ledger, c.cfg.Inference)
	}
	c.name.Store(&info.FullName)
	return info.FullName, nil
}
