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
	"syscall"
	"time"
)

// ErrPrivateAddress means that a provider's URL leads to this machine or into a private network. Anybody can register any
// URL on chain, and what listens on private addresses trusts whoever can reach it.
var ErrPrivateAddress = errors.New("the provider's URL leads to an address that is not public")

// NewTransport returns a transport for everything that goes to providers. It suits answers that stream for hours: only
// connecting and the wait for the first byte are limited, and a dead HTTP/2 connection is found by pings. It never asks
// for compression, because what is hashed are the bytes on the wire.
//
// Unless allowPrivate is set, it connects to public addresses only. That is checked on the address that is dialled, after
// names were resolved. A proxy named by the environment may be anywhere: the owner chose it. Names that a proxy resolves
// are its business; literal private addresses are refused before it is asked.
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
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
		MaxIdleConns:           1024,
		MaxIdleConnsPerHost:    256,
		// Less than the 60 to 75 seconds that servers keep idle connections: a request must not meet one being closed.
		IdleConnTimeout: 45 * time.Second,
		ReadBufferSize:  16 << 10,
	}
}

// GuardDial is a net.Dialer's ControlContext that refuses addresses which are not public with ErrPrivateAddress.
func GuardDial(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q is not an address", ErrPrivateAddress, address)
	}
	if !public(to.Addr()) {
		return fmt.Errorf("%w: %s", ErrPrivateAddress, to.Addr())
	}
	return nil
}

// reserved are the ranges without a predicate in net/netip that lead nowhere public.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),      // this network
	netip.MustParsePrefix("100.64.0.0/10"),  // shared by the customers of a carrier
	netip.MustParsePrefix("192.0.0.0/24"),   // protocol assignments
	netip.MustParsePrefix("198.18.0.0/15"),  // benchmarks
	netip.MustParsePrefix("240.0.0.0/4"),    // reserved, and broadcast
	netip.MustParsePrefix("fec0::/10"),      // site-local, of old
	netip.MustParsePrefix("64:ff9b:1::/48"), // translation within a network
}

// Ranges that carry an IPv4 address, which is where a packet ends up, at the given byte.
var carriers = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, // NAT64
	{netip.MustParsePrefix("2002::/16"), 2},     // 6to4
	{netip.MustParsePrefix("::/96"), 12},        // IPv4-compatible, of old
}

func public(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if !ip.IsGlobalUnicast() || ip.IsPrivate() { // the first leaves out loopback, link-local, multicast and unspecified
		return false
	}
	for _, p := range reserved {
		if p.Contains(ip) {
			return false
		}
	}
	for _, c := range carriers {
		if c.prefix.Contains(ip) {
			b := ip.As16()
			return public(netip.AddrFrom4([4]byte(b[c.at : c.at+4])))
		}
	}
	return true
}

// addressesOf asks which proxies there are, as host:port. They are known before the first request, so that no request can
// make another address look like a proxy's.
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

// guardProxy refuses what the dialer's guard would not see: a private address reached through the proxy, and the proxy
// itself posing as a provider.
func guardProxy(proxy proxyFunc, proxies map[string]bool) proxyFunc {
	return func(r *http.Request) (*url.URL, error) {
		u, err := proxy(r)
		if err != nil {
			return nil, err
		}
		ip, notLiteral := netip.ParseAddr(strings.TrimSuffix(r.URL.Hostname(), "."))
		if proxies[hostPort(r.URL)] || (u != nil && notLiteral == nil && !public(ip)) {
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
