package provider

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestGuardDial(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1:80", "127.255.255.254:80", "[::1]:80", "0.0.0.0:80", "[::]:80", "0.1.2.3:80", "10.0.0.1:80", "172.16.0.1:80", "172.31.255.255:80",
		"192.168.1.1:80", "169.254.169.254:80", "100.64.0.1:80", "100.127.255.255:80", "192.0.0.8:80", "198.18.0.1:80", "198.19.255.255:80",
		"224.0.0.1:80", "239.255.255.255:80", "240.0.0.1:80", "255.255.255.255:80", "[fe80::1]:80", "[fe80::1%eth0]:80", "[fc00::1]:80", "[fd12::1]:80",
		"[fec0::1]:80", "[ff02::1]:80", "[::ffff:127.0.0.1]:80", "[::ffff:10.0.0.1]:80", "[::127.0.0.1]:80", "[64:ff9b::10.0.0.1]:80",
		"168.63.129.16:80", "100.100.100.200:80", "[fd00:ec2::254]:80", "[fd20:ce::254]:80", "161.26.0.10:80", "166.9.1.1:80", "192.0.0.192:80",
		"192.0.2.1:80", "198.51.100.1:80", "203.0.113.1:80", "[2001:db8::1]:80", "[2001::1]:80", "[3fff::1]:80", "[100::1]:80", "[5f00::1]:80",
		"[::ffff:0:7f00:1]:80", "[4000::1]:80",
		"[64:ff9b:1::1]:80", "[2002:7f00:1::]:80", "[2002:a00:1::]:80", "localhost:80", "", "127.0.0.1",
	} {
		if err := GuardDial(t.Context(), "tcp", address, nil); !errors.Is(err, ErrPrivateAddress) {
			t.Errorf("GuardDial(%s) = %v, want ErrPrivateAddress", address, err)
		}
	}
	for _, address := range []string{
		"1.1.1.1:443", "9.255.255.255:80", "11.0.0.1:80", "172.15.0.1:80", "172.32.0.1:80", "100.63.255.255:80", "100.128.0.1:80", "198.17.0.1:80",
		"168.63.129.15:80", "161.27.0.1:80", "[2001:200::1]:443", "[3ffe:ffff::1]:443",
		"223.255.255.255:80", "[2606:4700::1111]:443", "[::ffff:1.1.1.1]:443", "[64:ff9b::1.1.1.1]:443", "[2002:101:101::1]:443",
	} {
		if err := GuardDial(t.Context(), "tcp", address, nil); err != nil {
			t.Errorf("GuardDial(%s) = %v, want nil", address, err)
		}
	}
}

// An address that is public but this machine's own is as good as 127.0.0.1.
func TestThisMachinesOwnAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var addrs []net.Addr
		var fail error
		m := &machine{list: func() ([]net.Addr, error) { return addrs, fail }}
		own, other := netip.MustParseAddr("20.1.2.3"), netip.MustParseAddr("2a00:1::2")
		if m.has(own) {
			t.Error("it has an address that it has not")
		}
		addrs = []net.Addr{&net.IPNet{IP: net.ParseIP("20.1.2.3"), Mask: net.CIDRMask(24, 32)}, &net.IPNet{IP: net.ParseIP("2a00:1::2"), Mask: net.CIDRMask(64, 128)}}
		time.Sleep(machineRead + 1) //nolint:forbidigo // of the test's own time
		fail = errors.New("no netlink")
		if m.has(own) {
			t.Error("it has what could not be read")
		}
		time.Sleep(machineRead + 1) //nolint:forbidigo // of the test's own time
		fail = nil
		for _, ip := range []netip.Addr{own, other, netip.MustParseAddr("::ffff:20.1.2.3"), other.WithZone("eth0")} {
			if !m.has(ip) {
				t.Errorf("%s is not its own", ip)
			}
		}
		if m.has(netip.MustParseAddr("20.1.2.4")) {
			t.Error("a neighbour's address is its own")
		}
	})
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && GuardDial(t.Context(), "tcp", netip.AddrPortFrom(p.Addr(), 80).String(), nil) == nil {
			t.Errorf("%s may be dialled", p.Addr())
		}
	}
}

func FuzzPublic(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add(netip.MustParseAddr("64:ff9b::a00:1").AsSlice())
	f.Fuzz(func(t *testing.T, raw []byte) {
		ip, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		if public(ip) && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified()) {
			t.Errorf("%s counts as public", ip)
		}
		if ip.Is4() {
			for _, prefix := range []string{"::ffff:0:0", "64:ff9b::", "::"} {
				wide := netip.MustParseAddr(prefix).As16()
				copy(wide[12:], raw)
				if got := netip.AddrFrom16(wide); public(got) != public(ip) {
					t.Errorf("public(%s) = %v, public(%s) = %v", got, public(got), ip, public(ip))
				}
			}
		}
	})
}

func get(t *testing.T, tr *http.Transport, target string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatalf("NewRequest: %v", err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil } //nolint:nilnil // http.Transport's way to say there is none

func echo(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, r.Host+" "+r.Header.Get("Accept-Encoding")) //nolint:gosec // the client is the test
}

func TestTransportRefusesThisMachine(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	port := srv.Listener.Addr().(*net.TCPAddr).Port
	tr := newTransport(false, noProxy)
	defer tr.CloseIdleConnections()
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"} {
		u := url.URL{Scheme: "http", Host: host + srv.URL[strings.LastIndex(srv.URL, ":"):]}
		_, err := get(t, tr, u.String())
		var op *net.OpError
		if !errors.Is(err, ErrPrivateAddress) || !errors.As(err, &op) || op.Op != "dial" {
			t.Errorf("GET %s: %v; want ErrPrivateAddress as a failure to connect (port %d)", u.String(), err, port)
		}
	}
	open := newTransport(true, noProxy)
	defer open.CloseIdleConnections()
	if body, err := get(t, open, srv.URL); err != nil || !strings.HasPrefix(body, "127.0.0.1") {
		t.Errorf("GET with private addresses allowed = %q, %v", body, err)
	}
	if body, err := get(t, open, srv.URL); err != nil || strings.Contains(body, "gzip") {
		t.Errorf("compression was asked for: %q, %v", body, err)
	}
}

// The owner's proxy may be on this machine, but nothing else becomes reachable through it, and it is no provider
// itself.
func TestTransportThroughProxy(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	proxyURL, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	tr := newTransport(false, func(r *http.Request) (*url.URL, error) {
		if r.URL.Hostname() == "127.0.0.1" { // as ProxyFromEnvironment does
			return nil, nil //nolint:nilnil // http.Transport's way to say there is none
		}
		return proxyURL, nil
	})
	defer tr.CloseIdleConnections()
	if body, err := get(t, tr, "http://provider.example/x"); err != nil || !strings.HasPrefix(body, "provider.example") {
		t.Errorf("GET through the proxy = %q, %v", body, err)
	}
	for _, target := range []string{
		srv.URL, "http://10.0.0.1/", "http://169.254.169.254/latest", "http://[fd00::1]/", "http://10.0.0.1./",
		"http://host.docker.internal/", "http://metadata.google.internal./", "http://kubernetes.default.svc/", "http://localhost:1/", "http://LocalHost:1/",
		"http://router.lan/", "http://printer/", "http://2130706433/", "http://0x7f.1/", "http://127.1/",
	} {
		var op *net.OpError
		if body, err := get(t, tr, target); !errors.Is(err, ErrPrivateAddress) || !errors.As(err, &op) || op.Op != "dial" {
			t.Errorf("GET %s = %q, %v; want ErrPrivateAddress as a failure to connect", target, body, err)
		}
	}
	broken := newTransport(false, func(*http.Request) (*url.URL, error) { return nil, errors.New("bad proxy") })
	if _, err := get(t, broken, "http://provider.example/"); err == nil || !strings.Contains(err.Error(), "bad proxy") {
		t.Errorf("GET with a broken proxy setting: %v", err)
	}
}

func TestTransportSettings(t *testing.T) {
	for _, private := range []bool{false, true} {
		tr := NewTransport(private)
		if tr.ResponseHeaderTimeout < 15*time.Minute {
			t.Errorf("ResponseHeaderTimeout = %v: an answer that does not stream may take 15 minutes", tr.ResponseHeaderTimeout)
		}
		if !tr.DisableCompression || !tr.ForceAttemptHTTP2 || tr.MaxIdleConnsPerHost != 256 || tr.Proxy == nil {
			t.Errorf("transport = %+v", tr)
		}
		if h := tr.HTTP2; h == nil || h.MaxReceiveBufferPerStream != 256<<10 || h.MaxReceiveBufferPerConnection != 128<<20 {
			t.Errorf("what is held of HTTP/2: %+v", h)
		}
	}
}

// With TLS, HTTP/2 is used where the server has it.
func TestTransportHTTP2(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto) //nolint:gosec // the client is the test
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	tr := newTransport(true, noProxy)
	tr.TLSClientConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	tr.TLSClientConfig.NextProtos = nil
	defer tr.CloseIdleConnections()
	if body, err := get(t, tr, srv.URL); err != nil || body != "HTTP/2.0" {
		t.Errorf("GET = %q, %v; want HTTP/2.0", body, err)
	}
}

// A stream is delivered piece by piece, with nothing held back.
func TestTransportStreams(t *testing.T) {
	next := make(chan struct{})
	base, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			_, _ = io.WriteString(w, "data\n\n") // the client is the test
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("Flush: %v", err)
			}
			<-next
		}
	})
	tr := newTransport(true, noProxy)
	defer tr.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base, nil)
	if err != nil {
		t.Fatalf("NewRequest: %v", err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatalf("RoundTrip: %v", err)
	}
	defer resp.Body.Close()
	for range 3 {
		buf := make([]byte, 64)
		if n, err := io.ReadAtLeast(resp.Body, buf, 6); err != nil || string(buf[:n]) != "data\n\n" {
			t.Fatalf("read %q, %v", buf[:n], err)
		}
		next <- struct{}{}
	}
}
