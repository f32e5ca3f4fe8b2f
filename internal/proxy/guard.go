package proxy

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/zgproxy/zgproxy/internal/guard"
)

// router is an empty router behind the guard, which answers in the callers' words for what is not served.
func (s *Server) router() *chi.Mux {
	mux := chi.NewRouter()
	mux.Use(guard.Seal, s.edge)
	mux.NotFound(s.unknownURL)
	mux.MethodNotAllowed(s.wrongMethod)
	return mux
}

// edge refuses requests that no caller of ours would send: a Host name that is not ours (a web page that had its name
// rebound to this address), whatever a page of an origin that is not allowed has its browser send, a missing or wrong
// local key. It answers what needs no route, and tidies up the path and the method of what does.
func (s *Server) edge(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.hosts.Allow(r.Host) {
			s.denyPage(w, r, s.origins.Check(r), errHost(r.Host), s.hosts.Setting(r.Host))
			return
		}
		if page := s.fromPage(w.Header(), r); !page.OK {
			s.denyPage(w, r, page, errPage(page), page.Setting())
			return
		}
		if r.Method == http.MethodOptions && preflight(w, r) {
			return
		}
		if len(s.keys) > 0 && !s.keyAllowed(r) && !isImage(r) {
			w.Header()["Www-Authenticate"] = []string{"Bearer"}
			s.deny(w, r, problem("invalid_api_key",
				"Incorrect API key. Send one of the keys in ZGPROXY_API_KEYS as \"Authorization: Bearer KEY\"."))
			return
		}
		r = plain(r)
		if r.Method == http.MethodOptions {
			s.options(w, r)
			return
		}
		if r.Method == http.MethodGet && r.ContentLength != 0 {
			if err := s.skipBody(w, r); err != nil {
				s.deny(w, r, asAPIError(err))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// skipBody reads the body of a request that should have none. The server would do so before it answers, for as long as
// its caller likes.
func (s *Server) skipBody(w http.ResponseWriter, r *http.Request) error {
	control := http.NewResponseController(w)
	if err := supported(control.SetReadDeadline(time.Now().Add(min(restTimeout, s.bodyIdle)))); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(guard.Bare(w), r.Body, maxUnwanted)); err != nil {
		return errBody(err)
	}
	return supported(control.SetReadDeadline(time.Time{}))
}

// plain is the request as routes know it: HEAD is a GET whose body the server does not send, and slashes at the end of
// a path mean nothing.
func plain(r *http.Request) *http.Request {
	u := tidy(r.URL)
	if u == r.URL && r.Method != http.MethodHead {
		return r
	}
	out := r.WithContext(r.Context()) // a copy: the server has to remember that it was a HEAD
	out.URL = u
	if r.Method == http.MethodHead {
		out.Method = http.MethodGet
	}
	return out
}

// options says which methods a URL is served with.
func (s *Server) options(w http.ResponseWriter, r *http.Request) {
	allowed := methods(r)
	if len(allowed) == 0 {
		s.unknownURL(w, r)
		return
	}
	w.Header()["Allow"] = []string{strings.Join(allowed, ", ")}
	w.WriteHeader(http.StatusNoContent)
}

func errHost(host string) *APIError {
	return problem("host_not_allowed", "The Host name "+quoted(host)+" is not accepted, so that web pages cannot reach the proxy "+
		"through a name of theirs. Use localhost or an IP address, or add the name to ZGPROXY_ALLOWED_HOSTS.")
}

func errPage(p guard.Page) *APIError {
	from := "Requests from web pages of another origin are not accepted"
	if p.Origin != "" {
		from += ", and this one comes from " + quoted(p.Origin)
	}
	return problem("cross_origin", from+". If the page is yours, add its origin to ZGPROXY_ALLOWED_ORIGINS. "+
		"To open the address yourself, type or paste it into the address bar.")
}

// quoted is what a browser told, for people.
func quoted(s string) string { return `"` + guard.Plain(s) + `"` }

// denyPage refuses what a web page may have sent, with a line in the log that says which setting would allow it.
func (s *Server) denyPage(w http.ResponseWriter, r *http.Request, p guard.Page, e *APIError, setting string) {
	s.cfg.Metrics.errors.WithLabelValues(e.Code).Inc()
	e.send(w, r.URL.Path)
	s.cfg.Log.Info().Str("request_id", w.Header().Get("X-Request-Id")).Int("status", e.Status).Str("code", e.Code).
		Str("origin", guard.Plain(p.Origin)).Str("site", guard.Plain(p.Site)).Str("host", guard.Plain(r.Host)).
		Str("setting", setting).Msg("refused")
}

// deny refuses a request that is not a call, because no route took it.
func (s *Server) deny(w http.ResponseWriter, r *http.Request, e *APIError) {
	s.cfg.Metrics.errors.WithLabelValues(e.Code).Inc()
	e.send(w, r.URL.Path)
	s.cfg.Log.Info().Str("request_id", w.Header().Get("X-Request-Id")).Int("status", e.Status).Str("code", e.Code).Msg("refused")
}

// isImage reports whether a request is for a picture that a provider keeps. Its URL is put into pages, which send no
// key, and its random part is the permission to see it.
func isImage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.HasPrefix(r.URL.Path, "/v1/images/0x")
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

// bearer is the caller's local key as OpenAI clients send it, or as Anthropic clients do. The scheme's name has no
// case, and some clients put several blanks behind it.
func bearer(r *http.Request) string {
	scheme, key, _ := strings.Cut(strings.ReplaceAll(r.Header.Get("Authorization"), "\t", " "), " ")
	if key = strings.TrimLeft(key, " "); key != "" && strings.EqualFold(scheme, "Bearer") {
		return key
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
