package proxy

import (
	"net/http"
	"strings"

	"github.com/zgproxy/zgproxy/internal/guard"
)

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

// fromPage reports whether the page that a request comes from, if it comes from one, may call; and puts among the
// headers of the answer what lets it read, or show, that.
func (s *Server) fromPage(h http.Header, r *http.Request) (page guard.Page) {
	page = s.origins.Check(r)
	if len(s.origins) > 0 {
		h["Vary"] = append(h["Vary"], "Origin", "Referer", "Sec-Fetch-Site")
	}
	if !page.Listed {
		return page
	}
	guard.ForPages(h)
	if page.CORS {
		h["Access-Control-Allow-Origin"] = []string{page.Origin}
		h["Access-Control-Expose-Headers"] = []string{corsExposed}
	}
	return page
}

// preflight answers a browser's question whether a page may send what it is about to. Such a question carries no key.
// It reports whether r was one; it is asked after fromPage.
func preflight(w http.ResponseWriter, r *http.Request) bool {
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
