package chain

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// endpoint is one of the nodes that serve the chain. What is remembered of it is what it has shown; whether it is
// used does not depend on how its last call went: every call begins at the first again.
type endpoint struct {
	url     *url.URL // may hold a key
	name    string   // its host: what may be printed
	retries allowance
	vetted  atomic.Bool            // it serves the configured chain
	foreign atomic.Bool            // it has served another one, and is not used any more
	plain   atomic.Bool            // it refuses several calls in one
	apart   atomic.Pointer[string] // about what it says something else than the others agree on; nil: nothing
	newest  atomic.Uint64
	shown   atomic.Pointer[shown]  // when all were asked last; nil: they were not yet
	service atomic.Pointer[string] // name of the inference contract, once known
	fixed   atomic.Pointer[minimums]
}

// Errors do not repeat the URL, which may hold a key.
var errURL = errors.New("ZGPROXY_RPC_URL is not the http or https URL of a JSON-RPC endpoint, or several of them")

func newEndpoints(urls []string) ([]*endpoint, error) {
	var all []*endpoint
	names := map[string]int{}
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return nil, errURL
		}
		name := zg.OneLine(u.Host, maxMessage) // a URL may hide anything in it, as %E2%80%AE
		if names[name]++; names[name] > 1 {
			name = fmt.Sprintf("%s (%d)", name, names[name])
		}
		all = append(all, &endpoint{url: u, name: name, retries: allowance{left: fullAllowance}})
	}
	return all, nil
}

// nowhere is the URL that the JSON-RPC client knows. The router puts that of an endpoint in its place, so that the
// real one, with its key, is in no error of the HTTP client either.
const nowhere = "http://endpoint.invalid"

// pinned names the endpoint that a call goes to, in its context.
type pinned struct{}

// at sends every call made with the context to one endpoint.
func at(ctx context.Context, e *endpoint) context.Context { return context.WithValue(ctx, pinned{}, e) }

// endpointOf is the endpoint that a context names; nil: any.
func endpointOf(ctx context.Context) *endpoint {
	e, _ := ctx.Value(pinned{}).(*endpoint)
	return e
}

// router sends each request to the endpoint that its context names.
type router struct{ next http.RoundTripper }

func (t router) RoundTrip(r *http.Request) (*http.Response, error) {
	e := endpointOf(r.Context())
	if e == nil {
		return nil, errors.New("no endpoint was chosen") // a fault of ours: nothing goes out
	}
	r = r.Clone(r.Context())
	r.URL, r.Host = e.url, e.url.Host
	if u := e.url.User; u != nil {
		password, _ := u.Password()
		r.SetBasicAuth(u.Username(), password)
	}
	return t.next.RoundTrip(r)
}

// order is who may answer a call, the first to be asked first: the endpoint that it is meant for, else those that
// agreed the last time, else all.
func (c *Client) order(ctx context.Context) []*endpoint {
	if e := endpointOf(ctx); e != nil {
		return []*endpoint{e}
	}
	if some := c.current.Load(); some != nil {
		return *some
	}
	return c.all
}

// own is the endpoint of a context, or the first.
func (c *Client) own(ctx context.Context) *endpoint {
	if e := endpointOf(ctx); e != nil {
		return e
	}
	return c.all[0]
}

// vet makes sure that one of several endpoints serves the configured chain, before anything else is asked of it. One
// that serves another is not used any more. (A single endpoint is asked by Check and before every signature.) ask
// asks for the id.
func (c *Client) vet(ctx context.Context, e *endpoint, ask func(context.Context) error) error {
	switch {
	case len(c.all) == 1 || endpointOf(ctx) != nil: // nothing to choose, or whoever chose it has asked
		return nil
	case e.foreign.Load():
		return ErrWrongNetwork
	case e.vetted.Load():
		return nil
	}
	return c.checkChainAt(ctx, e, ask)
}

// checkChainAt asks one of several endpoints which chain it serves.
func (c *Client) checkChainAt(ctx context.Context, e *endpoint, ask func(context.Context) error) error {
	err := ask(at(ctx, e))
	if err == nil {
		e.vetted.Store(true)
	} else if errors.Is(err, ErrWrongNetwork) && !e.foreign.Swap(true) {
		c.cfg.Log.Error().Err(err).Str("endpoint", e.name).Msg("an RPC endpoint serves another chain and is not used")
	}
	return err
}

// silent reports an error that is no answer: the endpoint could not be asked, or said that it cannot tell. It counts
// as nothing said, where an answer that the contract gave counts, a refusal too.
func silent(err error) bool {
	if err == nil || refusedByCode(err) {
		return false
	}
	_, refused := errors.AsType[*RevertError](err)
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	return !refused && (errors.Is(err, ErrRPC) || ended)
}

// names lists endpoints for people.
func names(of []*endpoint) string {
	all := make([]string, len(of))
	for i, e := range of {
		all[i] = e.name
	}
	return strings.Join(all, ", ")
}
