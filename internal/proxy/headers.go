package proxy

import (
	"net/http"
	"strings"
)

// Header names are used in their canonical form, so that maps can be read and written directly.

// requestHeaders are the caller's headers that a provider gets to see. Providers forward whatever they receive to the
// model server, so nothing else leaves: no cookies, no keys, no forwarding or client-hint headers.
var requestHeaders = []string{"Content-Type", "Accept", "Anthropic-Version", "Anthropic-Beta"}

// responseHeaders are the provider's headers that a caller gets to see.
var responseHeaders = []string{
	"Content-Type", "Content-Encoding", "Content-Disposition", "Cache-Control", "Retry-After",
	"Zg-Res-Key", "Provider", "X-0g-Fee", "X-0g-Audio-Duration-Seconds",
}

// responsePrefixes allow whole families: rate limits, which client back-off depends on.
var responsePrefixes = []string{"X-Ratelimit-", "Anthropic-Ratelimit-"}

func upstreamHeader(in http.Header, bearer, userAgent string) http.Header {
	h := make(http.Header, 8)
	for _, name := range requestHeaders {
		if v := in[name]; len(v) > 0 {
			h[name] = v[:1]
		}
	}
	h["Authorization"] = []string{bearer}
	// Identity keeps the bytes on the wire the bytes that are signed; setting it also keeps the transport from asking
	// for gzip by itself.
	h["Accept-Encoding"] = []string{"identity"}
	h["User-Agent"] = []string{userAgent}
	return h
}

func copyResponseHeader(dst, src http.Header) {
	for _, name := range responseHeaders {
		if v := src[name]; len(v) > 0 {
			dst[name] = v[:1]
		}
	}
	for name, v := range src {
		for _, p := range responsePrefixes {
			if len(v) > 0 && strings.HasPrefix(name, p) {
				dst[name] = v[:1]
			}
		}
	}
}

// baseType is a media type without its parameters, lower case.
func baseType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t))
}
