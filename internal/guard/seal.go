package guard

import (
	"net/http"
	"strings"
)

// The headers that every answer of a listener has. A provider chooses what is in an answer, and a browser takes it for
// our own page: it must neither run as one nor be looked at for something that could.
var (
	noSniff  = []string{"nosniff"}
	policy   = []string{"sandbox; default-src 'none'"}
	ourOwn   = []string{"same-origin"}
	anyPage  = []string{"cross-origin"}
	opaque   = []string{"application/octet-stream"}
	download = []string{"attachment"}
)

// Seal is the one place through which every answer of both listeners goes, whoever made it. Only what a browser shows
// or plays without running anything in it keeps its type; all else is a file to be saved.
func Seal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &sealed{ResponseWriter: w}
		s.always() // for an answer that ends without a word
		next.ServeHTTP(s, r)
	})
}

// Bare is the server's own writer, for what only it can do.
func Bare(w http.ResponseWriter) http.ResponseWriter {
	for {
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = inner.Unwrap()
	}
}

// ForPages lets pages of another origin show an answer. It counts until the header is written.
func ForPages(h http.Header) { h["Cross-Origin-Resource-Policy"] = anyPage }

// sealed looks at the header of an answer just before it goes out.
type sealed struct {
	http.ResponseWriter
	begun bool
}

// Unwrap is for http.ResponseController.
func (s *sealed) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *sealed) WriteHeader(code int) {
	if !s.begun && code >= 200 {
		s.begun = true
		s.always()
		s.contentType(code)
	}
	s.ResponseWriter.WriteHeader(code)
}

func (s *sealed) Write(p []byte) (int, error) {
	if !s.begun {
		s.WriteHeader(http.StatusOK)
	}
	return s.ResponseWriter.Write(p)
}

// FlushError sends what was written, and the header before it.
func (s *sealed) FlushError() error {
	if !s.begun {
		s.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(s.ResponseWriter).Flush()
}

func (s *sealed) always() {
	h := s.Header()
	h["X-Content-Type-Options"] = noSniff
	h["Content-Security-Policy"] = policy
	if v := h["Cross-Origin-Resource-Policy"]; len(v) != 1 || v[0] != anyPage[0] {
		h["Cross-Origin-Resource-Policy"] = ourOwn
	}
}

// contentType changes the type of what is not passive. An answer without a type has one all the same: the server would
// guess it from the first bytes, which are the provider's.
func (s *sealed) contentType(code int) {
	h := s.Header()
	given := h["Content-Type"]
	if len(given) == 0 && (code == http.StatusNoContent || code == http.StatusNotModified) {
		return // without a body
	}
	if len(given) == 1 && Passive(given[0]) {
		return
	}
	h["Content-Type"], h["Content-Disposition"] = opaque, download
}

// passive are the media types in which nothing runs, besides all of sound and film. SVG is no raster image: scripts run
// in it.
var passive = map[string]bool{
	"image/png": true, "image/apng": true, "image/jpeg": true, "image/gif": true, "image/webp": true, "image/avif": true,
	"image/bmp": true, "image/tiff": true, "image/heic": true, "image/heif": true, "image/jxl": true,
	"application/json": true, "application/problem+json": true,
	"application/x-ndjson": true, "application/ndjson": true, "application/jsonl": true,
	"text/event-stream": true, "text/plain": true, "text/vtt": true, "application/x-subrip": true,
	// What Prometheus asks for. Browsers save both.
	"application/openmetrics-text": true, "application/vnd.google.protobuf": true,
}

// Passive reports whether a browser that is given this Content-Type runs nothing of what comes with it. Browsers read
// what is between commas as further types and take the last one, so a value that could be read in two ways is not
// passive.
func Passive(contentType string) bool {
	for i := range len(contentType) {
		if c := contentType[i]; !isAlphanumeric(c) && strings.IndexByte(" /;=\"!#$&^_.+-", c) < 0 {
			return false
		}
	}
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if passive[kind] {
		return true
	}
	family, name, ok := strings.Cut(kind, "/")
	return ok && name != "" && !strings.ContainsAny(name, "/ \"=") && (family == "audio" || family == "video")
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
