// Package provider speaks a provider's HTTP dialect apart from inference: its catalogue, the fees it has not taken yet,
// its response signatures, and what its refusals mean.
//
// It never retries and never spends. Client starts nothing; the loop of Catalogs is run by the daemon.
package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// maxAnswer bounds what is read of one control answer.
const maxAnswer = 8 << 20

var (
	// ErrNotSupported means that the provider, or the ingress before it, does not publish an endpoint. It is never fatal.
	ErrNotSupported = errors.New("the provider does not offer this")
	// ErrNoSignature means that the provider has no signature under this key, yet or any more.
	ErrNoSignature = errors.New("the provider has no signature for this answer")
	// errRedirect keeps credentials and bytes from going elsewhere.
	errRedirect = errors.New("the provider redirects to another host")
)

// Config is what a Client needs.
type Config struct {
	AllowPrivate bool          // also talk to loopback and private addresses
	Timeout      time.Duration // of one call; 0: 10 s
	UserAgent    string
}

// Client calls the control endpoints of providers.
type Client struct {
	http      *http.Client
	userAgent string
}

// New builds a Client. It starts nothing.
func New(cfg Config) *Client {
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	return &Client{userAgent: cfg.UserAgent, http: &http.Client{
		Timeout: cfg.Timeout, Transport: NewTransport(cfg.AllowPrivate),
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > 3 || req.URL.Host != via[0].URL.Host {
				return errRedirect
			}
			return nil
		},
	}}
}

// statusError is an answer other than 200.
type statusError struct {
	status int
	body   string
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d: %.200q", e.status, e.body) }

func (c *Client) get(ctx context.Context, url, bearer string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("the provider's address: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", c.userAgent)
	if bearer != "" {
		req.Header.Set("Authorization", bearer)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read-only
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return &statusError{resp.StatusCode, string(body)}
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w: the answer is not the JSON that is expected: %w", ErrNotSupported, err)
	}
	return nil
}

// unpublished turns the answers of an ingress that hides an endpoint into ErrNotSupported.
func unpublished(err error) error {
	var se *statusError
	if errors.As(err, &se) && (se.status == http.StatusNotFound || se.status == http.StatusForbidden || se.status == http.StatusMethodNotAllowed) {
		return fmt.Errorf("%w: %w", ErrNotSupported, err)
	}
	return err
}

// UnsettledFee asks for the fees of finished requests that the provider has not taken on chain yet.
func (c *Client) UnsettledFee(ctx context.Context, baseURL string, user common.Address, bearer string) (zg.Neuron, error) {
	var answer struct {
		UserAddress  string  `json:"userAddress"`
		UnsettledFee *string `json:"unsettledFee"`
	}
	if err := c.get(ctx, baseURL+"/v1/user/"+user.Hex()+"/unsettledfee", bearer, &answer); err != nil {
		return zg.Neuron{}, fmt.Errorf("ask for the unsettled fee: %w", unpublished(err))
	}
	if !common.IsHexAddress(answer.UserAddress) || common.HexToAddress(answer.UserAddress) != user || answer.UnsettledFee == nil {
		return zg.Neuron{}, fmt.Errorf("ask for the unsettled fee: the answer is about %.60q", answer.UserAddress)
	}
	fee, err := zg.ParseNeuron(*answer.UnsettledFee)
	if err != nil {
		return zg.Neuron{}, fmt.Errorf("ask for the unsettled fee: %w", err)
	}
	return fee, nil
}

// Signature fetches the response signature of one answer, with one attempt.
func (c *Client) Signature(ctx context.Context, baseURL, key, model string) (zg.Signature, error) {
	if !zg.ValidChatID(key) {
		return zg.Signature{}, fmt.Errorf("%w: its key is not one", ErrNoSignature)
	}
	var sig zg.Signature
	err := c.get(ctx, baseURL+"/v1/proxy/signature/"+key+"?model="+url.QueryEscape(model), "", &sig)
	var se *statusError
	switch {
	case errors.As(err, &se) && (se.status == http.StatusNotFound || strings.Contains(se.body, "chat_id_not_found")):
		return zg.Signature{}, fmt.Errorf("%w: %w", ErrNoSignature, err)
	case err != nil:
		return zg.Signature{}, fmt.Errorf("fetch the signature: %w", err)
	case sig.Text == "" || sig.Signature == "":
		return zg.Signature{}, fmt.Errorf("%w: the answer holds none", ErrNoSignature)
	}
	return sig, nil
}

// Retryable reports whether a signature may still come: signatures are stored after the answer was sent.
func Retryable(err error) bool {
	var se *statusError
	if errors.As(err, &se) {
		return errors.Is(err, ErrNoSignature) || se.status >= 500 || se.status == http.StatusTooManyRequests
	}
	return err != nil && !errors.Is(err, ErrPrivateAddress) && !errors.Is(err, errRedirect)
}
