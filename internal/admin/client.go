package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/route"
)

// ErrNoDaemon means that nobody listens on the socket of a data directory.
var ErrNoDaemon = errors.New("no zgproxy daemon answers on its socket")

// Client talks to the daemon that uses a data directory, through its socket.
type Client struct{ http *http.Client }

// NewClient builds a Client. It connects once, to see whether there is a daemon: ErrNoDaemon.
func NewClient(dataDir string) (*Client, error) {
	conn, err := DialSocket(dataDir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoDaemon, err)
	}
	if err := conn.Close(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoDaemon, err)
	}
	return &Client{&http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return DialSocket(dataDir) },
	}}}, nil
}

// Account reads what the wallet has into the value; fresh: the daemon reads the chain for it.
func (c *Client) Account(ctx context.Context, fresh bool, into any) error {
	path := "/v1/account"
	if fresh {
		path += "?fresh=1"
	}
	return c.get(ctx, path, into)
}

// Providers reads the services registered on chain into the value.
func (c *Client) Providers(ctx context.Context, into any) error {
	return c.get(ctx, "/v1/providers", into)
}

// Explain reads who would serve a request, and why, into the value. The error is a *CommandError where nobody could.
func (c *Client) Explain(ctx context.Context, q route.Query, into any) error {
	return c.get(ctx, "/v1/explain?"+url.Values{"model": {q.Model}, "type": {string(q.Type)}, "pin": {q.Pin}}.Encode(), into)
}

// Status reads what /v1/status says into the value.
func (c *Client) Status(ctx context.Context, into any) error { return c.get(ctx, "/v1/status", into) }

// Ready asks the daemon whether it can serve requests, and what it has looked at for that.
func (c *Client) Ready(ctx context.Context) (ready bool, checks []Check, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/readyz", nil)
	if err != nil {
		return false, nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return false, nil, fmt.Errorf("ask the daemon: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // read-only
	var answer struct {
		Checks []Check `json:"checks"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return false, nil, fmt.Errorf("read the daemon's answer to /readyz: %w", err)
	}
	return resp.StatusCode == http.StatusOK, answer.Checks, nil
}

// Probe asks for /healthz or /readyz and returns the status and what is said.
func (c *Client) Probe(ctx context.Context, path string) (code int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return 0, nil, err
	}
	return probed(c.http, req)
}

// Probe asks the operator's listener at an address for /healthz or /readyz and returns the status and what is said.
func Probe(ctx context.Context, address, path string) (code int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return 0, nil, err
	}
	return probed(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, req) // never through a proxy
}

func probed(client *http.Client, req *http.Request) (code int, body []byte, err error) {
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("ask the daemon: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // read-only
	body, err = io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return 0, nil, fmt.Errorf("read the daemon's answer to %s: %w", req.URL.Path, err)
	}
	return resp.StatusCode, body, nil
}

// Request reads the record of a request into the value.
func (c *Client) Request(ctx context.Context, id string, into any) error {
	return c.get(ctx, "/v1/requests/"+url.PathEscape(id), into)
}

// Provider reads what one provider is on chain now into the value.
func (c *Client) Provider(ctx context.Context, provider common.Address, into any) error {
	return c.get(ctx, "/v1/providers/"+provider.Hex(), into)
}

// Accept accepts a provider as it was shown.
func (c *Client) Accept(ctx context.Context, provider common.Address, what Acceptance) error {
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, http.MethodPost, "/v1/accounts/"+provider.Hex()+"/accept", bytes.NewReader(body))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Foreign is what was done elsewhere with the wallet and not accepted.
func (c *Client) Foreign(ctx context.Context) (f Foreign, err error) {
	err = c.get(ctx, "/v1/foreign", &f)
	return f, err
}

// Waiting is what of the wallet waits to be mined and was not made here.
func (c *Client) Waiting(ctx context.Context) (w Waiting, err error) {
	err = c.get(ctx, "/v1/waiting", &w)
	return w, err
}

// AcceptForeign accepts it, as it was shown.
func (c *Client) AcceptForeign(ctx context.Context, what ForeignAcceptance) error {
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, http.MethodPost, "/v1/foreign/accept", bytes.NewReader(body))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Tokens are the persistent session tokens that were made.
func (c *Client) Tokens(ctx context.Context) (list []Token, err error) {
	err = c.get(ctx, "/v1/tokens", &list)
	return list, err
}

// MakeToken has a persistent session token made.
func (c *Client) MakeToken(ctx context.Context, o TokenOrder) (made NewToken, err error) {
	body, err := json.Marshal(o)
	if err != nil {
		return made, err
	}
	resp, err := c.send(ctx, http.MethodPost, "/v1/tokens", bytes.NewReader(body))
	if err != nil {
		return made, err
	}
	defer resp.Body.Close() //nolint:errcheck // read-only
	if err := json.NewDecoder(resp.Body).Decode(&made); err != nil {
		return made, errors.New("read the daemon's answer: it is no token") // the decoder's words may hold it
	}
	return made, nil
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	resp, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read-only
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("read the daemon's answer to %s: %w", path, err)
	}
	return nil
}

// send makes one call; an answer that is not 200 is an error, a *CommandError where the daemon says what it is.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	// The name is one that every Host check knows; the connection goes to the socket whatever it is.
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the daemon: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close() //nolint:errcheck // read-only
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("read the daemon's refusal of %s: %w", path, err)
	}
	var e event
	if json.Unmarshal(text, &e) == nil && e.Error != nil {
		return nil, e.Error
	}
	return nil, fmt.Errorf("the daemon answers %s to %s; is it of another version?", resp.Status, path)
}

// Transact has a transaction made and seen through, and tells every step. The error is a *CommandError where the daemon
// says what went wrong. Leaving early stops nothing that is signed.
func (c *Client) Transact(ctx context.Context, o Order, notify func(Transaction)) (Transaction, error) {
	var last Transaction
	body, err := json.Marshal(o)
	if err != nil {
		return last, err
	}
	resp, err := c.send(ctx, http.MethodPost, "/v1/transactions", bytes.NewReader(body))
	if err != nil {
		return last, err
	}
	defer resp.Body.Close() //nolint:errcheck // read-only
	for dec := json.NewDecoder(resp.Body); ; {
		var e event
		if err := dec.Decode(&e); err != nil {
			return last, fmt.Errorf("the daemon stopped talking before the transaction was finished: %w", err)
		}
		if e.Transaction != nil && !e.Transaction.Earlier {
			last = *e.Transaction
		}
		switch {
		case e.Error != nil:
			return last, e.Error
		case e.Done:
			return last, nil
		case e.Transaction != nil:
			notify(*e.Transaction)
		}
	}
}
