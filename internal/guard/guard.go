// Package guard decides which Host names a local listener answers to. It holds no other check and keeps no state.
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

// hostName is the lower-case name of a Host header without port and trailing dot.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
