package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// origins are the web pages that may call from a browser, each a scheme and a host with its port; compared exactly. Those
// of the address they call itself always may.
type origins struct {
	list  []string
	guard *http.CrossOriginProtection
}

// newOrigins takes origins as ZGPROXY_ALLOWED_ORIGINS has them. There is no wildcard: without local keys every page that
// the owner visits could spend from the wallet.
func newOrigins(list []string) origins {
	o := origins{guard: http.NewCrossOriginProtection()}
	for _, origin := range list {
		if o.guard.AddTrustedOrigin(origin) == nil { // the configuration has told of those that are none
			o.list = append(o.list, origin)
		}
	}
	return o
}

// The headers that pages may send and see besides those that every page may.
const (
	corsMethods = "GET, HEAD, POST, DELETE, OPTIONS"
	corsMaxAge  = "600" // seconds
	corsHeaders = "Authorization, Content-Type, X-Api-Key, Anthropic-Version, Anthropic-Beta"
)

var corsExposed = strings.Join([]string{
	"X-Request-Id", "Request-Id", "Retry-After", "Retry-After-Ms", "X-Should-Retry", "Content-Disposition", "Zg-Res-Key",
	"X-Zgproxy-Error", "X-Zgproxy-Provider", "X-Zgproxy-Fee-Neuron", "X-Zgproxy-Fee-Basis", "X-Zgproxy-Verdict", "X-Zgproxy-Verdict-Code",
	"X-0g-Fee", "X-0g-Audio-Duration-Seconds",
	"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests",
	"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens",
	"X-Ratelimit-Limit-Images", "X-Ratelimit-Remaining-Images", "X-Ratelimit-Reset-Images",
	"Anthropic-Ratelimit-Requests-Limit", "Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset",
	"Anthropic-Ratelimit-Tokens-Limit", "Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset",
}, ", ")

// check reports whether the page that a request comes from, if it comes from one, may call; and puts among the headers of
// the answer what lets it read that. A page of another origin gets nothing, of GET requests neither.
func (o origins) check(h http.Header, r *http.Request) bool {
	if len(o.list) > 0 {
		h["Vary"] = append(h["Vary"], "Origin")
	}
	switch given := r.Header["Origin"]; {
	case len(given) > 1:
		return false
	case len(given) == 1 && slices.Contains(o.list, given[0]):
		h["Access-Control-Allow-Origin"] = given
		h["Access-Control-Expose-Headers"] = []string{corsExposed}
		return true
	case len(given) == 1 && !sameOrigin(given[0], r.Host):
		return false
	}
	return o.guard.Check(r) == nil
}

// sameOrigin reports whether an origin is the address that was called. The scheme is not looked at: whoever stands in front
// of zgproxy and speaks TLS keeps the Host name.
func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

// preflight answers a browser's question whether a page may send what it is about to. Such a question carries no key. It
// reports whether r was one; it is asked after check.
func (o origins) preflight(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	if r.Header.Get("Access-Control-Request-Method") == "" || h["Access-Control-Allow-Origin"] == nil {
		return false
	}
	h["Vary"] = append(h["Vary"], "Access-Control-Request-Headers", "Access-Control-Request-Private-Network")
	h["Access-Control-Allow-Methods"] = []string{corsMethods}
	h["Access-Control-Max-Age"] = []string{corsMaxAge}
	// Client libraries send many headers of their own. What a page sends does no harm: little of it is passed on.
	asked := corsHeaders
	if list := r.Header.Get("Access-Control-Request-Headers"); list != "" && len(list) <= 4096 {
		asked = list
	}
	h["Access-Control-Allow-Headers"] = []string{asked}
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h["Access-Control-Allow-Private-Network"] = []string{"true"}
	}
	delete(h, "Access-Control-Expose-Headers")
	w.WriteHeader(http.StatusNoContent)
	return true
}
