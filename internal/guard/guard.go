// Package guard is what stands between a local listener and the browsers of this machine: which Host names it answers
// to, which web pages may ask, and what of an answer a browser may take for a page. It keeps no state and knows no
// routes.
package guard

import (
	"net"
	"net/netip"
	"strings"
)

// Hosts is the set of names a listener answers to besides localhost and every IP address.
//
// A web page can have its own DNS name rebound to 127.0.0.1 and then talk to a local server as if it were its own; the
// Host header still carries that name. An IP address is never such a name.
type Hosts map[string]bool

// NewHosts accepts the given names, any case, with or without a port.
func NewHosts(names ...string) Hosts {
	h := Hosts{"localhost": true}
	for _, n := range names {
		h[hostName(n)] = true
	}
	return h
}

// Allow reports whether a request with this Host header may be answered. The port does not matter.
func (h Hosts) Allow(host string) bool {
	name := hostName(host)
	if h[name] {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil
}

// Setting is what would make a Host name one that is answered to.
func (h Hosts) Setting(host string) string { return "ZGPROXY_ALLOWED_HOSTS=" + Plain(hostName(host)) }

// hostName is the lower-case name of a Host header without port and trailing dot.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
