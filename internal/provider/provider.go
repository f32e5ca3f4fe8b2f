// Package provider speaks a provider's HTTP dialect apart from inference: its catalogue, the fees it has not taken on
// chain yet, its response signatures, and what its refusals mean.
//
// It never retries, never spends and holds no key: session tokens are handed in ready-made. Client makes one call at a
// time and starts nothing; the loop of Catalogs is run by whoever built it. Nothing here is durable.
package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// How much is read of one answer, in bytes.
const (
	maxAnswer    = 8 << 20  // a catalogue, or an attestation report
	maxSignature = 2 << 20  // a signature with its text; what of it is kept, and whose it is, is for whoever checks it
	maxFee       = 64 << 10 // an unsettled fee
)

var (
	// ErrNotSupported means that the provider, or the web server in front of it, does not publish an endpoint: it answered
	// 403, 404 or 501, or with something that is not JSON. That is a property of the provider and never fatal.
	ErrNotSupported = errors.New("the provider does not offer this")
	// ErrNoSignature means that the provider has no signature under this key: not yet, or not any more. Signatures are
	// stored at the end of an answer or shortly after and kept for about 20 minutes.
	ErrNoSignature = errors.New("the provider has no signature for this answer")
	// ErrAnswer means that a provider answered with JSON that says something else than was asked for.
	ErrAnswer = errors.New("the provider's answer makes no sense")
	// ErrURL means that what a provider registered on chain is not the URL of a web server.
	ErrURL = errors.New("the provider's address is not a usable URL")

	errRedirect = errors.New("the provider redirects to another host")
)

// RefusedError is an answer other than 200 with the provider's reason in it.
type RefusedError struct {
	Status int
	Detail zg.RefusalDetail
}

func (e *RefusedError) Error() string {
	if e.Detail.Message == "" {
		return fmt.Sprintf("the provider refused with status %d (%s)", e.Status, e.Detail.Class)
	}
	return fmt.Sprintf("the provider refused with status %d (%s): %.200q", e.Status, e.Detail.Class, e.Detail.Message)
}

// Config is what a Client needs.
type Config struct {
	// AllowPrivate lets providers be on this machine or in a private network: for a devnet.
	AllowPrivate bool
	// Transport is what connects, as NewTransport makes it; nil: one of its own.
	Transport *http.Transport
	// Timeout of one call, from connecting to the last byte; 0 is 10 seconds.
	Timeout   time.Duration
	UserAgent string
}

// Client calls the control endpoints of providers. It is safe for concurrent use.
type Client struct {
	http      *http.Client
	userAgent string
}

// New builds a Client. It starts nothing.
func New(cfg Config) *Client {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Transport == nil {
		cfg.Transport = NewTransport(cfg.AllowPrivate)
	}
	return &Client{userAgent: cfg.UserAgent, http: &http.Client{
		Transport:     cfg.Transport,
		Timeout:       cfg.Timeout,
		CheckRedirect: sameHost,
	}}
}

// sameHost follows a few redirects within a server. A bearer token must not travel, nor must another server's word
// count as the provider's.
func sameHost(req *http.Request, via []*http.Request) error {
	if first := via[0].URL; req.URL.Host != first.Host || req.URL.Scheme != first.Scheme || len(via) > 3 {
		return fmt.Errorf("%w: %s", errRedirect, req.URL.Redacted())
	}
	return nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// UnsettledFee asks for the fees of finished requests that the provider has not taken on chain yet. bearer is the
// session token of user. A refused token is a *RefusedError.
func (c *Client) UnsettledFee(ctx context.Context, baseURL string, user common.Address, bearer string) (zg.Neuron, error) {
	fail := func(err error) (zg.Neuron, error) {
		if zg.CredentialOf(bearer).In(err.Error()) {
			err = fmt.Errorf("%w: it repeats the session token", ErrAnswer)
		}
		return zg.Neuron{}, fmt.Errorf("ask for the unsettled fee: %w", err)
	}
	r, err := c.get(ctx, baseURL, "/v1/user/"+user.Hex()+"/unsettledfee", nil, bearer, maxFee)
	if err != nil {
		return fail(err)
	}
	if err := r.published(); err != nil {
		return fail(err)
	}
	var answer struct {
		UserAddress  string `json:"userAddress"`
		UnsettledFee string `json:"unsettledFee"`
	}
	if err := json.Unmarshal(r.body, &answer); err != nil {
		return fail(fmt.Errorf("%w: %w", ErrAnswer, err))
	}
	if !common.IsHexAddress(answer.UserAddress) || common.HexToAddress(answer.UserAddress) != user {
		return fail(fmt.Errorf("%w: it is about %.60q", ErrAnswer, answer.UserAddress))
	}
	fee, err := zg.ParseNeuron(answer.UnsettledFee)
	if err != nil {
		return fail(fmt.Errorf("%w: %w", ErrAnswer, err))
	}
	return fee, nil
}

// Signature asks once for the response signature of the answer with this key. A provider's own reply to an unknown key
// is status 404, or 400 with chat_id_not_found; both are ErrNoSignature, and Retryable says whether to ask again.
func (c *Client) Signature(ctx context.Context, baseURL, key, model string) (zg.Signature, error) {
	fail := func(err error) (zg.Signature, error) { return zg.Signature{}, fmt.Errorf("fetch a signature: %w", err) }
	if !zg.ValidChatID(key) { // it came from the provider and becomes part of a URL
		return fail(fmt.Errorf("%w: its key is not a chat ID", ErrAnswer))
	}
	var query url.Values
	if model != "" {
		query = url.Values{"model": {model}}
	}
	r, err := c.get(ctx, baseURL, "/v1/proxy/signature/"+key, query, "", maxSignature)
	if err != nil {
		return fail(err)
	}
	missing := strings.Contains(strings.ToLower(string(r.body)), "chat_id_not_found")
	switch {
	case r.status == http.StatusNotFound, r.status == http.StatusBadRequest && missing:
		return fail(fmt.Errorf("%w (status %d)", ErrNoSignature, r.status))
	case r.status != http.StatusOK:
		return fail(r.refused())
	}
	var sig zg.Signature
	if err := json.Unmarshal(r.body, &sig); err != nil {
		return fail(fmt.Errorf("%w: %w", ErrAnswer, err))
	}
	if sig.Text == "" || sig.Signature == "" {
		if missing {
			return fail(ErrNoSignature)
		}
		return fail(fmt.Errorf("%w: it holds no signature", ErrAnswer))
	}
	return sig, nil
}

// Quote fetches the attestation report of the provider's own enclave: a JSON document, as it came. Nothing in it is
// checked.
func (c *Client) Quote(ctx context.Context, baseURL string) ([]byte, error) {
	// Newer ones quote the key for sealed requests, too, when they are not asked for the old form.
	return c.evidence(ctx, baseURL, "/v1/quote", url.Values{"legacy": {"false"}})
}

// ModelReport fetches the attestation report of the enclave in which the model runs. Where the provider relays to a
// vendor there is none: ErrNotSupported.
func (c *Client) ModelReport(ctx context.Context, baseURL, model string) ([]byte, error) {
	return c.evidence(ctx, baseURL, "/v1/proxy/attestation/report", url.Values{"model": {model}})
}

func (c *Client) evidence(ctx context.Context, baseURL, path string, query url.Values) ([]byte, error) {
	r, err := c.get(ctx, baseURL, path, query, "", maxAnswer)
	if err == nil {
		err = r.published()
	}
	if err != nil {
		return nil, fmt.Errorf("fetch an attestation report: %w", err)
	}
	return r.body, nil
}

// Retryable reports whether it makes sense to ask for a signature again after this error: it is missing yet, the
// provider is in trouble, or it could not be reached.
func Retryable(err error) bool {
	var refused *RefusedError
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, ErrPrivateAddress), errors.Is(err, ErrAnswer),
		errors.Is(err, ErrURL), errors.Is(err, errRedirect):
		return false
	case errors.As(err, &refused):
		return refused.Status >= 500 || refused.Status == http.StatusTooManyRequests || refused.Status == http.StatusRequestTimeout
	}
	return true
}

// reply is an answer read to its end.
type reply struct {
	status      int
	contentType string
	body        []byte
	sent        zg.Credential
}

// get makes one call. Any status is a reply; an error means that there was none. What is longer than most is no answer;
// of a refusal so much is kept.
func (c *Client) get(ctx context.Context, baseURL, path string, query url.Values, bearer string, most int64) (*reply, error) {
	u, err := endpoint(baseURL, path, query)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	if c.userAgent != "" {
		req.Header.Set("User-Agent", c.userAgent)
	}
	if bearer != "" {
		req.Header.Set("Authorization", bearer)
	}
	resp, err := c.http.Do(req)
	if err != nil { // a certificate, for one, may name anything
		return nil, fmt.Errorf("call the provider: %w", zg.CleanError(err, maxMessage))
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end or given up
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the provider's answer: %w", zg.CleanError(err, maxMessage))
	case int64(len(body)) > most && resp.StatusCode == http.StatusOK:
		return nil, fmt.Errorf("%w: it is longer than %d KiB", ErrAnswer, most>>10)
	case int64(len(body)) > most:
		body = body[:most]
	}
	return &reply{status: resp.StatusCode, contentType: resp.Header.Get("Content-Type"), body: body, sent: zg.CredentialOf(bearer)}, nil
}

// ParseURL reads what a provider registered as its URL: http or https, a host, and perhaps a path. Else the error is
// ErrURL.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: %.200q", ErrURL, u.Redacted())
	}
	return u, nil
}

// endpoint joins what a provider registered with a path below it.
func endpoint(baseURL, path string, query url.Values) (string, error) {
	u, err := ParseURL(baseURL)
	if err != nil {
		return "", err
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/")+path, ""
	u.RawQuery = query.Encode()
	return u.String(), nil
}

func (r *reply) refused() error {
	detail := Classify(r.status, r.contentType, "", r.body)
	detail.Message = r.sent.Clean(detail.Message)
	return &RefusedError{Status: r.status, Detail: detail}
}

// published tells an endpoint that is not there from one that refuses or fails. A web server in front of a provider
// hides most of the control endpoints and says so with a page of its own.
func (r *reply) published() error {
	isJSON := json.Valid(r.body) && !isHTML(r.contentType)
	switch {
	case r.status == http.StatusOK && isJSON:
		return nil
	case r.status == http.StatusForbidden, r.status == http.StatusNotFound, r.status == http.StatusMethodNotAllowed, r.status == http.StatusNotImplemented,
		r.status < 400, r.status < 500 && !isJSON && r.status != http.StatusTooManyRequests:
		return fmt.Errorf("%w: %w", ErrNotSupported, r.refused())
	}
	return r.refused()
}

func isHTML(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "text/html" || t == "application/xhtml+xml")
}
