package proxy

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// guard refuses requests that no caller of ours would send: a Host name that is not ours (a web page that had its name
// rebound to this address), a cross-origin request of a browser, a missing or wrong local key.
func (s *Server) guard(next http.Handler) http.Handler {
	var origin http.CrossOriginProtection
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.hosts.Allow(r.Host) {
			s.refuse(w, &APIError{
				Status: http.StatusForbidden, Type: typePermit, Code: "host_not_allowed",
				Message: "This Host name is not accepted, so that web pages cannot reach the proxy through a name of theirs. " +
					"Use localhost or an IP address, or add the name to ZGPROXY_ALLOWED_HOSTS.",
			})
			return
		}
		if origin.Check(r) != nil {
			s.refuse(w, &APIError{
				Status: http.StatusForbidden, Type: typePermit, Code: "cross_origin",
				Message: "Requests from web pages of another origin are not accepted.",
			})
			return
		}
		if len(s.keys) > 0 && !s.keyAllowed(r) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			s.refuse(w, &APIError{
				Status: http.StatusUnauthorized, Type: typeAuth, Code: "invalid_api_key",
				Message: "Incorrect API key. Send one of the keys in ZGPROXY_API_KEYS as \"Authorization: Bearer KEY\".",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) refuse(w http.ResponseWriter, e *APIError) {
	s.cfg.Metrics.errors.WithLabelValues(e.Code).Inc()
	writeError(w, e)
}

// keyAllowed compares digests of equal length with every key, so that timing tells nothing about any of them.
func (s *Server) keyAllowed(r *http.Request) bool {
	given := keyDigest(bearer(r))
	ok := 0
	for _, k := range s.keys {
		ok |= subtle.ConstantTimeCompare(given[:], k[:])
	}
	return ok == 1
}

func keyDigest(key string) [32]byte { return sha256.Sum256([]byte(key)) }

// bearer is the caller's local key as OpenAI clients send it, or as Anthropic clients do.
func bearer(r *http.Request) string {
	if k, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return k
	}
	return r.Header.Get("X-Api-Key")
}

// callerKey names the caller's key in the book without revealing it: the first 8 hex digits of its SHA-256.
func callerKey(r *http.Request) string {
	k := bearer(r)
	if k == "" {
		return ""
	}
	d := keyDigest(k)
	return hex.EncodeToString(d[:4])
}

// newID is a fresh request id, ours and not the provider's. It begins with the time, so that ids grow and the store's
// index over them stays cheap.
func newID(now time.Time) string {
	var b [14]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	_, _ = rand.Read(b[6:]) // never fails: crypto/rand ends the process instead
	return "req_" + hex.EncodeToString(b[:])
}
