package simchain

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Endpoint is one more front before the same chain, with faults of its own: a daemon may be given several.
type Endpoint struct {
	front  *front
	server *http.Server
	url    string
	done   chan struct{}
}

// NewEndpoint opens one. It has to be closed before the chain.
func (c *Chain) NewEndpoint() (*Endpoint, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for JSON-RPC: %w", err)
	}
	e := &Endpoint{front: &front{node: c.front.node, pool: c.front.pool}, url: "http://" + listener.Addr().String(), done: make(chan struct{})}
	e.server = &http.Server{Handler: e.front, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(e.done)
		_ = e.server.Serve(listener) // ends with ErrServerClosed
	}()
	return e, nil
}

// URL is the address of its JSON-RPC.
func (e *Endpoint) URL() string { return e.url }

// SetFault is that of the chain, for calls of this endpoint only.
func (e *Endpoint) SetFault(f func(method string, params []byte) *Fault) { e.front.setFault(f) }

// Close ends it and waits.
func (e *Endpoint) Close() error {
	err := e.server.Close()
	<-e.done
	return err
}
