package simprovider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Front is one URL that several providers share: see Config.Front. Each has an address, a signer and books of its own.
// Whose a request is, its session token says; what comes without one is served by the provider that has it, and the
// catalogue is that of all. A token for none of them is refused by the first.
type Front struct {
	url    string
	server *http.Server
	loop   sync.WaitGroup
	failed error // of the server, once loop is done

	mu        sync.Mutex
	providers []*Provider
}

// NewFront listens on a loopback port. Its providers have to be closed before it.
func NewFront() (*Front, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("front: %w", err)
	}
	f := &Front{url: "http://" + listener.Addr().String()}
	f.server = &http.Server{Handler: f, ReadHeaderTimeout: 30 * time.Second}
	f.loop.Go(func() {
		if err := f.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			f.failed = err
		}
	})
	return f, nil
}

// Close ends every connection and waits.
func (f *Front) Close() error {
	err := f.server.Close()
	f.loop.Wait()
	return errors.Join(err, f.failed)
}

// take has p behind the front, in the place of the one that had its address before.
func (f *Front) take(p *Provider) {
	f.mu.Lock()
	defer f.mu.Unlock()
	same := func(q *Provider) bool { return q.address == p.address }
	if i := slices.IndexFunc(f.providers, same); i >= 0 {
		f.providers[i] = p
		return
	}
	f.providers = append(f.providers, p)
}

// ServeHTTP gives a request to whose it is. The provider's end ends it.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	all := slices.Clone(f.providers)
	f.mu.Unlock()
	if len(all) == 0 {
		http.NotFound(w, r)
		return
	}
	if strings.TrimRight(r.URL.Path, "/") == "/v1/models" {
		var list []map[string]any
		for _, p := range all {
			list = append(list, p.catalogue()...)
		}
		writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": list})
		return
	}
	p := all[0]
	if i := slices.IndexFunc(all, func(p *Provider) bool { return p.named(r) }); i >= 0 {
		p = all[i]
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)() //nolint:contextcheck // it only listens for the provider's end
	p.ServeHTTP(w, r.WithContext(ctx))
}

// named reports whether a request is the provider's: by its token, or because it asks for something that is here.
func (p *Provider) named(r *http.Request) bool {
	if header := r.Header.Get("Authorization"); header != "" {
		tok, _, _, message := readSession(header)
		return message == "" && common.HexToAddress(tok.Provider) == p.address
	}
	if key, ok := strings.CutPrefix(r.URL.Path, "/v1/proxy/signature/"); ok {
		_, here := p.signatures.get(key)
		return here
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/v1/proxy/images/")
	_, here := p.images.get(name)
	return ok && here
}
