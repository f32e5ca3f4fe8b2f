// Package evil is a provider that says whatever it likes, down to the single byte.
//
// A Provider stands in front of one of the simulated network, at the URL that is registered on chain: what it has no
// orders for it passes on, so that it is allowed, funded and serves. Where an Attack is armed it answers in that one's
// place, on the bare connection: nothing between the attack and the wire sets a header, a length or an end. Attacks
// lists what there is.
//
// Close ends every connection and waits. Nothing here is checked: whoever arms an attack says what has to hold.
package evil

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// Provider is one address on loopback, in front of a provider that behaves.
type Provider struct {
	listener net.Listener
	honest   *http.Transport
	ctx      context.Context //nolint:containedctx // the life of its connections
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu     sync.Mutex
	behind string // URL
	path   string // what is attacked: a path that begins so
	attack func(*Exchange)
	struck int
	token  string // the last one seen
	conns  map[net.Conn]bool
}

// Listen takes a port of 127.0.0.1. Until Behind, everything is answered with 502.
func Listen() (*Provider, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("evil provider: %w", err)
	}
	p := &Provider{listener: l, honest: &http.Transport{DisableCompression: true}, conns: map[net.Conn]bool{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.running.Go(p.accept)
	return p, nil
}

// URL is what is registered on chain.
func (p *Provider) URL() string { return "http://" + p.listener.Addr().String() }

// Behind says who answers what is not attacked.
func (p *Provider) Behind(url string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.behind = url
}

// Arm attacks every request whose path begins so, until Disarm or the next Arm.
func (p *Provider) Arm(path string, attack func(*Exchange)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.path, p.attack, p.struck = path, attack, 0
}

// Disarm makes it behave.
func (p *Provider) Disarm() { p.Arm("", nil) }

// Struck is how many requests have been attacked since Arm.
func (p *Provider) Struck() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.struck
}

// Close ends every connection, attacks that wait for something too.
func (p *Provider) Close() error {
	p.cancel()
	err := p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close() // it may be gone already
	}
	p.mu.Unlock()
	p.running.Wait()
	p.honest.CloseIdleConnections()
	return err
}

func (p *Provider) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.mu.Lock()
		if p.ctx.Err() != nil {
			_ = conn.Close()
		}
		p.conns[conn] = true
		p.mu.Unlock()
		p.running.Go(func() {
			defer func() {
				_ = conn.Close()
				p.mu.Lock()
				delete(p.conns, conn)
				p.mu.Unlock()
			}()
			p.serve(conn)
		})
	}
}

// serve answers one request after the other.
func (p *Provider) serve(conn net.Conn) {
	in := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		if token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer "); ok {
			p.mu.Lock()
			p.token = token
			p.mu.Unlock()
		}
		x := &Exchange{Request: req, Body: body, provider: p, conn: conn, in: in}
		if attack := p.armed(req.URL.Path); attack != nil {
			attack(x)
			if !x.Keep {
				return
			}
			continue
		}
		if x.Pass() != nil {
			return
		}
	}
}

func (p *Provider) armed(path string) func(*Exchange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.attack == nil || !strings.HasPrefix(path, p.path) {
		return nil
	}
	p.struck++
	return p.attack
}

// Exchange is one request that is attacked, and the connection on which it came.
type Exchange struct {
	Request *http.Request
	Body    []byte
	Keep    bool // the connection stays open for the next request

	provider *Provider
	conn     net.Conn
	in       *bufio.Reader
}

// Token is the session token of the caller's wallet, which every provider gets to see, if not with this very request.
func (x *Exchange) Token() string {
	x.provider.mu.Lock()
	defer x.provider.mu.Unlock()
	return cmp.Or(x.provider.token, "app-sk-bm90aGluZyB5ZXQ=")
}

// Say writes bytes as they are. Whoever has heard enough hangs up, which is no error here.
func (x *Exchange) Say(raw string) { _, _ = io.WriteString(x.conn, raw) }

// Flood writes the same bytes n times, or until the other side hangs up.
func (x *Exchange) Flood(raw string, n int) {
	for range n {
		if _, err := io.WriteString(x.conn, raw); err != nil {
			return
		}
	}
}

// Hang waits until the other side hangs up, or the provider is closed.
func (x *Exchange) Hang() { _, _ = x.in.ReadByte() }

// Reset ends the connection without the usual farewell.
func (x *Exchange) Reset() {
	if c, ok := x.conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0)
	}
	_ = x.conn.Close()
}

// Honest asks the provider that behaves.
func (x *Exchange) Honest() (*http.Response, []byte, error) {
	x.provider.mu.Lock()
	behind := x.provider.behind
	x.provider.mu.Unlock()
	if behind == "" {
		return nil, nil, errors.New("evil provider: nobody is behind it")
	}
	req, err := http.NewRequestWithContext(x.provider.ctx, x.Request.Method, behind+x.Request.URL.RequestURI(), bytes.NewReader(x.Body))
	if err != nil {
		return nil, nil, err
	}
	req.Header = x.Request.Header.Clone()
	resp, err := x.provider.honest.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it is read whole
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// Pass answers as the provider that behaves does.
func (x *Exchange) Pass() error {
	resp, body, err := x.Honest() //nolint:bodyclose // it is closed, and there is another in its place below
	if err != nil {
		x.Say("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return nil //nolint:nilerr // it has been told
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength, resp.TransferEncoding = int64(len(body)), nil
	return resp.Write(x.conn)
}
