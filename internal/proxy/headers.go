package proxy

import (
	"net/http"
	"slices"
	"strings"

	"github.com/zgproxy/zgproxy/internal/zg"
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

// A provider's word is not taken for how large the header of an answer is: clients and what stands before them have
// limits of their own, 8 KiB in all quite often.
const (
	maxHeaderValue = 1 << 10 // bytes of one value; a longer one is left out
	maxHeaderName  = 64      // bytes of a name of responsePrefixes
	maxFamily      = 24      // names of responsePrefixes; the first by name
)

func upstreamHeader(in http.Header, bearer, userAgent string) http.Header {
	h := make(http.Header, 8)
	for _, name := range requestHeaders {
		if v := in[name]; len(v) > 0 {
			h[name] = v[:1]
		}
	}
	if bearer != "" {
		h["Authorization"] = []string{bearer}
	}
	// Identity keeps the bytes on the wire the bytes that are signed; setting it also keeps the transport from asking
	// for gzip by itself.
	h["Accept-Encoding"] = []string{"identity"}
	h["User-Agent"] = []string{userAgent}
	return h
}

// pick takes over the first value of each of the names.
func pick(dst, src http.Header, names ...string) {
	for _, name := range names {
		if v := src[name]; len(v) > 0 && len(v[0]) <= maxHeaderValue {
			dst[name] = v[:1]
		}
	}
}

// copyResponseHeader takes over what a caller gets to see, the first value of each name.
func copyResponseHeader(dst, src http.Header) {
	pick(dst, src, responseHeaders...)
	var room [maxFamily]string // in nearly every answer there are fewer
	names := room[:0]
	for name, v := range src {
		if len(v) > 0 && len(name) <= maxHeaderName && len(v[0]) <= maxHeaderValue && ofFamily(name) {
			names = append(names, name)
		}
	}
	if len(names) > maxFamily {
		slices.Sort(names)
		names = names[:maxFamily]
	}
	for _, name := range names {
		dst[name] = src[name][:1]
	}
}

// recordedHeaders are recorded where a provider sends them, and nothing else is made of them: nobody vouches for them
// to a client, who lacks what they are about. They are no evidence of the answer, and no reason to pay more or less.
var recordedHeaders = []string{"Zg-Verdict", "Zg-Verdict-Sig", "Zg-Node"}

const maxSaid = 160 // characters of one value

// saidIn is what those headers say, NAME=VALUE, one a line: printable and bounded, as it is a peer's.
func saidIn(h http.Header) string {
	var out strings.Builder
	for _, name := range recordedHeaders {
		v := h[name]
		if len(v) == 0 || v[0] == "" {
			continue
		}
		if out.Len() > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(name + "=")
		out.WriteString(zg.OneLine(v[0], maxSaid))
	}
	return out.String()
}

// unusableKey stands for a key that no signature could be asked for under: it may be as long as a header may be, and is
// recorded for every answer.
const unusableKey = "?"

// signatureKey is the name under which the provider says that it keeps its signature; empty: it says none.
func signatureKey(h http.Header) string {
	key := h.Get("Zg-Res-Key")
	if key == "" || zg.ValidChatID(key) {
		return key
	}
	return unusableKey
}

func ofFamily(name string) bool {
	for _, p := range responsePrefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// baseType is a media type without its parameters, lower case.
func baseType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t))
}
