package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// ErrPrivateAddress means that a provider's URL leads to this machine or into a private network. Anybody can register
// any URL on chain, and what listens on private addresses trusts whoever can reach it.
var ErrPrivateAddress = errors.New("the provider's URL leads to an address that is not public")

// NewTransport returns a transport for everything that goes to providers. It suits answers that stream for hours: only
// connecting and the wait for the first byte are limited, and a dead HTTP/2 connection is found by pings. It never asks
// for compression, because what is hashed are the bytes on the wire.
//
// Unless allowPrivate is set, it connects to public addresses only. That is checked on the address that is dialled,
// after names were resolved. A proxy named by the environment may be anywhere: the owner chose it. Names that a proxy
// resolves are its business; literal private addresses and names of no public domain are refused before it is asked.
func NewTransport(allowPrivate bool) *http.Transport {
	return newTransport(allowPrivate, http.ProxyFromEnvironment)
}

type proxyFunc func(*http.Request) (*url.URL, error)

func newTransport(allowPrivate bool, proxy proxyFunc) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	dial := dialer.DialContext
	if !allowPrivate {
		guarded := *dialer
		guarded.ControlContext = GuardDial
		proxies := addressesOf(proxy)
		dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if proxies[address] {
				return dialer.DialContext(ctx, network, address)
			}
			return guarded.DialContext(ctx, network, address)
		}
		proxy = guardProxy(proxy, proxies)
	}
	return &http.Transport{
		Proxy:               proxy,
		DialContext:         dial,
		TLSHandshakeTimeout: 10 * time.Second,
		// Providers give a model 15 minutes for an answer that does not stream.
		ResponseHeaderTimeout:  16 * time.Minute,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true, // a custom dialer turns it off otherwise
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second,
			// What a provider may send ahead of slow callers is held here: for each of them, and for all together.
			MaxReceiveBufferPerStream: 256 << 10, MaxReceiveBufferPerConnection: 128 << 20,
		},
		MaxIdleConns:        1024,
		MaxIdleConnsPerHost: 256,
		// Less than the 60 to 75 seconds that servers keep idle connections: a request must not meet one being closed.
		IdleConnTimeout: 45 * time.Second,
		ReadBufferSize:  16 << 10,
	}
}

// addressesOf asks which proxies there are, as host:port. They are known before the first request, so that no request
// can make another address look like a proxy's.
func addressesOf(proxy proxyFunc) map[string]bool {
	found := make(map[string]bool)
	for _, scheme := range []string{"http", "https"} {
		u, err := proxy(&http.Request{URL: &url.URL{Scheme: scheme, Host: "zgproxy.invalid"}})
		if err == nil && u != nil { // an error is reported by every request
			found[hostPort(u)] = true
		}
	}
	return found
}

// guardProxy refuses what the dialer's guard would not see: a private address or a local name reached through the
// proxy, and the proxy itself posing as a provider.
func guardProxy(proxy proxyFunc, proxies map[string]bool) proxyFunc {
	return func(r *http.Request) (*url.URL, error) {
		u, err := proxy(r)
		if err != nil {
			return nil, err
		}
		ip, notLiteral := netip.ParseAddr(strings.TrimSuffix(r.URL.Hostname(), "."))
		private := u != nil && notLiteral == nil && (!public(ip) || thisMachine.has(ip))
		if private = private || (u != nil && notLiteral != nil && localName(r.URL.Hostname())); private || proxies[hostPort(r.URL)] {
			// In the form of a failure to connect, which this is: nothing was sent.
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("%w: %s", ErrPrivateAddress, r.URL.Host)}
		}
		return u, nil
	}
}

// hostPort is the address that the transport dials for a URL.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
