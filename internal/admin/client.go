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

	"github.com/ethereum/go-ethereum/common"
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

// Accept takes a provider as it is for right, as that was shown.
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

// Transact has a transaction made and seen through, and tells every step. The error is a *CommandError where the daemon says
// what went wrong. Leaving early stops nothing that is signed.
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
		if e.Transaction != nil {
			last = *e.Transaction
		}
		switch {
		case e.Error != nil:
			return last, e.Error
		case e.Done:
			return last, nil
		case e.Transaction != nil:
			notify(last)
		}
	}
}
