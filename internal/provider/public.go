package provider

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"
)

// GuardDial is a net.Dialer's ControlContext that refuses addresses which are not public with ErrPrivateAddress.
func GuardDial(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q is not an address", ErrPrivateAddress, address)
	}
	if ip := to.Addr(); !public(ip) || thisMachine.has(ip) {
		return fmt.Errorf("%w: %s", ErrPrivateAddress, ip)
	}
	return nil
}

// reserved are the ranges without a predicate in net/netip that lead nowhere public. What clouds tell a machine of
// itself, its credentials among it, is mostly link-local (169.254.169.254), unique local (fd00:ec2::254) or shared
// (100.100.100.200).
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // shared by the customers of a carrier
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // examples
	netip.MustParsePrefix("192.88.99.0/24"),  // relays of 6to4, of old
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // examples
	netip.MustParsePrefix("203.0.113.0/24"),  // examples
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, and broadcast
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, tunnels among them
	netip.MustParsePrefix("2001:db8::/32"),   // examples
	netip.MustParsePrefix("3fff::/20"),       // examples

	// Public ranges that clouds give a meaning of their own inside.
	netip.MustParsePrefix("168.63.129.16/32"), // Azure: the host of a machine
	netip.MustParsePrefix("161.26.0.0/16"),    // IBM: services for its machines
	netip.MustParsePrefix("166.8.0.0/14"),     // IBM: the same
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

// globalUnicast is all of IPv6 that has been given out to the public so far.
var globalUnicast = netip.MustParsePrefix("2000::/3")

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
	return ip.Is4() || globalUnicast.Contains(ip)
}

// machineRead is how long a reading of a machine's own addresses is good for.
const machineRead = 10 * time.Second

// machine knows which addresses are this machine's own. One that is public leads to whatever listens here all the same,
// past whatever keeps strangers from it outside.
type machine struct {
	list func() ([]net.Addr, error)

	mu   sync.Mutex
	read time.Time
	own  map[netip.Addr]bool
}

var thisMachine = &machine{list: net.InterfaceAddrs}

func (m *machine) has(ip netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := time.Now(); m.own == nil || now.Sub(m.read) > machineRead {
		// What cannot be read is not known: all that is private by its range is refused all the same.
		if addrs, err := m.list(); err == nil {
			m.own = make(map[netip.Addr]bool, len(addrs))
			for _, a := range addrs {
				if p, err := netip.ParsePrefix(a.String()); err == nil {
					m.own[p.Addr().Unmap().WithZone("")] = true
				}
			}
		}
		m.read = now
	}
	return m.own[ip.Unmap().WithZone("")]
}

// localSuffixes end names that mean something on this machine or its network only: they are given out to nobody.
var localSuffixes = []string{
	".localhost", ".local", ".internal", ".intranet", ".lan", ".home", ".corp", ".private", ".home.arpa", ".svc",
	".localdomain",
}

// localName reports whether a name is none of the public's. What is not dialled from here, but by a proxy, is known by
// its name only: host.docker.internal, metadata.google.internal, kubernetes.default.svc, or a number that is an address
// to some.
func localName(host string) bool {
	host = strings.ToLower(strings.TrimRight(host, "."))
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == host { // a single word
		return true
	}
	// No domain begins with a digit; 127.1 and 0x7f.1 are addresses to some.
	if last == "" || (last[0] >= '0' && last[0] <= '9') {
		return true
	}
	for _, suffix := range localSuffixes {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}
