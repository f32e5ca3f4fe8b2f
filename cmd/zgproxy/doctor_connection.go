package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/zgproxy/zgproxy/internal/provider"
)

func checkURL(ctx context.Context, d *doctor, p *patient) finding {
	u, err := provider.ParseURL(p.service.URL)
	if err != nil {
		return failed("zgproxy provider list --all", "It cannot be asked for anything.", "%q is not a usable URL", p.service.URL)
	}
	p.url = u
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !d.cfg.AllowPrivate && isPrivate(ctx, ip) {
		return failed("On a network of your own: ZGPROXY_ALLOW_PRIVATE_PROVIDERS=true", "Anybody can register any address, and what listens there may trust whoever reaches it.", "%s leads into a private network", u)
	}
	if u.Scheme == "http" && !d.cfg.AllowPrivate {
		return warned("zgproxy provider list --all", "Whoever sits between reads questions, answers and the session token.", "%s is not encrypted", u)
	}
	return passed("%s", u)
}

// isPrivate reports whether nothing is sent to an address unless private ones are allowed.
func isPrivate(ctx context.Context, ip netip.Addr) bool {
	return provider.GuardDial(ctx, "tcp", netip.AddrPortFrom(ip, 443).String(), nil) != nil
}

func checkDNS(ctx context.Context, d *doctor, p *patient) finding {
	host := p.url.Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		return skipped("its URL has an address and no name")
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: p.url}); err == nil && proxy != nil {
		return skipped("the proxy of this machine looks names up")
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return failed("getent hosts "+shellWord(host), lastWords(err), "%s cannot be looked up", host)
	}
	for _, ip := range ips {
		if !d.cfg.AllowPrivate && isPrivate(ctx, ip) {
			return failed("On a network of your own: ZGPROXY_ALLOW_PRIVATE_PROVIDERS=true", "Anybody can register any name.", "%s leads to %s, in a private network", host, ip)
		}
	}
	return passed("%s has %s", host, plural(len(ips), "address"))
}

// probed is what one request to a provider has shown, for the checks from the connection to the clock.
type probed struct {
	transport *http.Transport
	connected bool
	state     *tls.ConnectionState // nil: not encrypted, or not agreed upon
	date, at  time.Time            // of the answer, and when it came by our clock
	took      time.Duration        // until connected
	err       error
}

// probe asks for the catalogue, which costs nothing and needs no token. Only how it is answered counts.
func (d *doctor) probe(ctx context.Context, u *url.URL) *probed {
	a := &probed{transport: provider.NewTransport(d.cfg.AllowPrivate)}
	if d.roots != nil {
		a.transport.TLSClientConfig = &tls.Config{RootCAs: d.roots, MinVersion: tls.VersionTLS12}
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, longestCheck/2)
	defer cancel()
	var connected atomic.Int64
	var agreed atomic.Pointer[tls.ConnectionState]
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				connected.CompareAndSwap(0, max(1, int64(time.Since(began))))
			}
		},
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			if err == nil {
				agreed.Store(&state)
			}
		},
	})
	client := http.Client{Transport: a.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath("/v1/models").String(), nil)
	if err != nil {
		a.err = err
		return a
	}
	req.Header.Set("User-Agent", userAgent())
	resp, err := client.Do(req)
	a.took = time.Duration(connected.Load())
	a.connected, a.state = a.took > 0, agreed.Load()
	if a.err = err; err != nil {
		return a
	}
	a.at = d.now()
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		a.date = date
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection can be closed in peace
	_ = resp.Body.Close()
	return a
}

func checkConnect(ctx context.Context, d *doctor, p *patient) finding {
	p.answer = d.probe(ctx, p.url)
	if !p.answer.connected {
		return failed("curl -sSI "+shellWord(p.url.JoinPath("/v1/models").String()), lastWords(p.answer.err), "%s cannot be reached", p.url.Host)
	}
	return passed("connected in %s", inMilliseconds(p.answer.took))
}

const renewalsDue = 7 * 24 * time.Hour

func checkTLS(_ context.Context, d *doctor, p *patient) finding {
	if p.url.Scheme == "http" {
		return skipped("the connection is not encrypted")
	}
	if p.answer.state == nil {
		return failed("openssl s_client -connect "+shellWord(hostPortOf(p.url))+" -servername "+shellWord(p.url.Hostname()), certificateWords(p.answer.err), "its certificate, or the encryption, does not hold")
	}
	return judgeCertificate(p.answer.state.PeerCertificates, d.now())
}

// judgeCertificate looks at a chain that holds, for how long.
func judgeCertificate(chain []*x509.Certificate, now time.Time) finding {
	if len(chain) == 0 {
		return skipped("nothing is known of its certificate")
	}
	ends := chain[0].NotAfter
	switch left := ends.Sub(now); {
	case left < renewalsDue:
		return warned("Only the provider can renew it: tell it so.", "After that no request reaches it.", "its certificate is valid for another %s only", inWords(left))
	default:
		return passed("its certificate is valid for another %s", inWords(left))
	}
}

func hostPortOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// certificateWords says what is wrong with a certificate.
func certificateWords(err error) string {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		if c := invalid.Cert; c != nil {
			return fmt.Sprintf("It was valid from %s to %s.", c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly))
		}
	}
	return lastWords(err)
}

// lastWords is what an error says without the request that it was about.
func lastWords(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if err == nil {
		return ""
	}
	return err.Error()
}
