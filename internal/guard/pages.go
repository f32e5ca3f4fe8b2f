package guard

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Origins are the web pages that may ask from a browser, besides those of the address that they ask: each as browsers
// write it, a scheme and a host, with a port where it is not the scheme's own; or "null".
//
// There is no wildcard: without local keys every page that the owner visits could spend from the wallet.
type Origins []string

// Page is what a request says of the page it comes from, if it comes from one.
type Page struct {
	OK     bool   // it may ask; so may whoever is no page
	Listed bool   // it is of an allowed origin
	CORS   bool   // and has to be told so, or its browser does not let it read the answer
	Origin string // as its browser tells it; empty where it does not
	Site   string // how that origin is related to ours, as its browser tells it
}

// Check looks at what browsers tell about where a request comes from, and pages cannot change. Not only what a page
// reads counts: a picture in it, a frame, a form or a link makes a call as well, and no browser asks beforehand.
//
// Programs tell nothing and are let through. So are browsers that tell nothing: those of before 2023, and all of them
// where the address is neither one of this machine nor encrypted; of such pages only what has an Origin is refused.
func (o Origins) Check(r *http.Request) Page {
	origins, sites := r.Header["Origin"], r.Header["Sec-Fetch-Site"]
	var p Page
	if len(sites) > 0 {
		p.Site = sites[0]
	}
	if len(origins) > 0 {
		p.Origin = origins[0]
		p.CORS = slices.Contains(o, p.Origin)
	} else {
		// Pictures, frames and links have no Origin. Pages may keep the Referer back, but not name another one.
		p.Origin = originOf(r.Header.Get("Referer"))
	}
	p.Listed = p.CORS || (len(origins) == 0 && p.Origin != "" && slices.Contains(o, p.Origin))
	switch {
	case len(origins) > 1 || len(sites) > 1:
		return Page{Origin: p.Origin, Site: p.Site}
	case p.Listed:
		p.OK = true
	case len(origins) == 1 && !sameOrigin(p.Origin, r.Host):
	default:
		p.OK = p.Site == "" || p.Site == "same-origin" || p.Site == "none"
	}
	return p
}

// Setting is what would let the page ask.
func (p Page) Setting() string {
	switch p.Origin {
	case "null":
		return "ZGPROXY_ALLOWED_ORIGINS=null, with ZGPROXY_API_KEYS: every page can be of that origin"
	case "":
		return "ZGPROXY_ALLOWED_ORIGINS, with the origin of the page, which its browser did not tell"
	}
	return "ZGPROXY_ALLOWED_ORIGINS=" + Plain(p.Origin)
}

// Plain is what a peer told as it may be put into a line of text: printable and short.
func Plain(s string) string {
	s = s[:min(len(s), 200)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// originOf is the origin of an address.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// sameOrigin reports whether an origin is the address that was called. The scheme is not looked at: whoever stands in
// front of zgproxy and speaks TLS keeps the Host name. But it has to be one of the web, or the host means something
// else.
func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	return port != "" && strings.EqualFold(strings.TrimSuffix(u.Host, port), strings.TrimSuffix(host, port))
}
