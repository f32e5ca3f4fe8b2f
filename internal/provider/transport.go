package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// ErrPrivateAddress means that a provider's URL led to an address of this machine or of a private network. Anybody can
// register a URL on chain, so such addresses are refused unless the owner allows them.
var ErrPrivateAddress = errors.New("the provider's URL leads to a private address")

// NewTransport is the transport for everything that goes to providers. It suits answers that stream for hours: there is
// no limit on the whole, only on connecting and on the first byte.
func NewTransport(allowPrivate bool) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if !allowPrivate {
		dialer.ControlContext = refusePrivate
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // the bytes on the wire are the bytes that are signed
		MaxIdleConns:           1024,
		MaxIdleConnsPerHost:    256,
		IdleConnTimeout:        45 * time.Second, // less than servers usually keep idle connections: theirs must not close first
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  16 * time.Minute, // providers give a model 15 minutes
		MaxResponseHeaderBytes: 128 << 10,
	}
}

// refusePrivate looks at the address that is really dialled, after names were resolved.
func refusePrivate(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial %s: %w", address, err)
	}
	ip := ap.Addr().Unmap()
	if ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsMulticast() || ip.IsUnspecified() ||
		carrierGrade.Contains(ip) {
		return fmt.Errorf("%w: %s", ErrPrivateAddress, ip)
	}
	return nil
}

// carrierGrade is shared address space behind provider NAT, private in effect.
var carrierGrade = netip.MustParsePrefix("100.64.0.0/10")
