package proxy

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"
)

// instead says of URLs that clients know from other services what to use here. The first prefix that matches counts.
var instead = []struct{ prefix, hint string }{
	{"/v1/responses", "Providers of the network serve no Responses API; use POST /v1/chat/completions."},
	{"/v1/conversations", "Conversations are not kept here; send the messages with every POST /v1/chat/completions."},
	{"/v1/completions", "Providers of the network serve no plain completions; send the prompt as a message to POST /v1/chat/completions."},
	{"/v1/complete", "Send the prompt as a message to POST /v1/messages or POST /v1/chat/completions."},
	{"/v1/engines", "Engines are models now: POST /v1/chat/completions with a model of GET /v1/models."},
	{"/v1/edits", "Send the text and what to do with it as messages to POST /v1/chat/completions."},
	{"/v1/moderations", "No provider moderates; ask a chat model through POST /v1/chat/completions."},
	{"/v1/audio/translations", "Transcribe with POST /v1/audio/transcriptions and translate the text with POST /v1/chat/completions."},
	{"/v1/images/variations", "Use POST /v1/images/edits with the image and a prompt."},
	{"/v1/messages/count_tokens", "Providers count no tokens ahead; the usage of an answer of POST /v1/messages tells them."},
	{"/v1/messages/batches", "There are no batches; send each request to POST /v1/messages."},
	{"/v1/batches", "There are no batches; send each request separately. Any number may be under way at a time, as far as the provider's limits go."},
	{"/v1/files", "No files are kept; send an image as a data URL in a message of POST /v1/chat/completions, audio to POST /v1/audio/transcriptions."},
	{"/v1/uploads", "No files are kept; send an image as a data URL in a message of POST /v1/chat/completions, audio to POST /v1/audio/transcriptions."},
	{"/v1/assistants", "Assistants and threads are not kept; send the messages with every POST /v1/chat/completions."},
	{"/v1/threads", "Assistants and threads are not kept; send the messages with every POST /v1/chat/completions."},
	{"/v1/vector_stores", "No documents are kept; make vectors with POST /v1/embeddings and search them yourself."},
	{"/v1/containers", "No code is run here; offer tools in POST /v1/chat/completions and run them yourself."},
	{"/v1/rerank", "No provider reranks; compare vectors of POST /v1/embeddings."},
	{"/v1/fine_tuning", "Models are not trained through zgproxy. GET /v1/models lists what can be used."},
	{"/v1/fine-tunes", "Models are not trained through zgproxy. GET /v1/models lists what can be used."},
	{"/v1/evals", "Models are not evaluated here."},
	{"/v1/realtime", "There are no sessions over WebSocket or WebRTC; stream from POST /v1/chat/completions."},
	{"/v1/organization", "There are no organisations; zgproxy usage tells what was spent."},
	{"/v1/usage", "zgproxy usage tells what was spent."},
	{"/v1/dashboard", "zgproxy account and zgproxy usage tell about the account."},
	{"/v1/model/", "The URL is /v1/models/{id}."},
	{"/v1/embedding", "The URL is /v1/embeddings."},
	{"/v1/chat", "The URL is /v1/chat/completions."},
	{"/v1/audio", "There are /v1/audio/transcriptions and /v1/audio/speech."},
	{"/v1/images", "There are /v1/images/generations and /v1/images/edits."},
	{"/v1beta", "This is OpenAI's API; POST /v1/chat/completions."},
	{"/api/", "This is OpenAI's API and not Ollama's; the base URL of an OpenAI client is this address and /v1."},
	{"/openai/", "Azure's URLs are not served; the base URL of an OpenAI client is this address and /v1."},
}

// unknownURL answers for a URL that is not served, and says what to use instead.
func (s *Server) unknownURL(w http.ResponseWriter, r *http.Request) {
	s.deny(w, r, errUnknownRoute(r.Method, r.URL.Path))
}

// wrongMethod answers for a method that the URL is not served with, and says which are.
func (s *Server) wrongMethod(w http.ResponseWriter, r *http.Request) {
	allowed := methods(r)
	if len(allowed) == 0 { // a method that the router has never heard of
		s.unknownURL(w, r)
		return
	}
	w.Header()["Allow"] = []string{strings.Join(allowed, ", ")}
	s.deny(w, r, errMethod(r.Method, r.URL.Path))
}

func errUnknownRoute(method, path string) *APIError {
	return problem("unknown_url", fmt.Sprintf("Unknown request URL: %s %s. %s", shown(method), shown(path), hintFor(path)))
}

func errMethod(method, path string) *APIError {
	return problem("method_not_allowed", fmt.Sprintf("%s is not allowed on %s. The Allow header names what is.", shown(method), shown(path)))
}

// hintFor says what to use instead of a URL that is not served.
func hintFor(path string) string {
	path = "/" + strings.Trim(path, "/")
	switch {
	case strings.HasPrefix(path, "/v1/v1/") || path == "/v1/v1":
		return "The base URL has /v1 at its end already, and the client adds another: leave one of them out."
	case path == "/v1":
		return "The base URL is this address and /v1; a client adds the rest, such as /chat/completions."
	case strings.Contains(path, "//"):
		return "It has an empty segment: leave out the slash at the end of the base URL."
	}
	for _, i := range instead {
		if strings.HasPrefix(path, i.prefix) {
			return i.hint
		}
	}
	if withoutPrefix(path) {
		return "The base URL of a client ends in /v1: this is /v1" + shown(path) + "."
	}
	return "GET /v1/models lists the models that can be used, with their type. The base URL of a client is this address and /v1."
}

// withoutPrefix reports whether a path would be one of ours, or one that is known, with /v1 before it.
func withoutPrefix(path string) bool {
	for _, p := range []string{"/chat", "/images", "/audio", "/embeddings", "/videos", "/decisions", "/async", "/models", "/messages", "/verify"} {
		if rest, ok := strings.CutPrefix(path, p); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	for _, i := range instead {
		if strings.HasPrefix("/v1"+path, i.prefix) {
			return true
		}
	}
	return false
}

// shown is a part of a request line as it may be put into a message: short, and nothing that is not printable.
func shown(s string) string { return quotable(s[:min(len(s), 200)]) }

// methods are those that the router serves the request's URL with. HEAD goes wherever GET does.
func methods(r *http.Request) []string {
	ctx := chi.RouteContext(r.Context())
	if ctx == nil || ctx.Routes == nil {
		return nil
	}
	path := cmp.Or(r.URL.RawPath, r.URL.Path, "/") // CONNECT has none
	var out []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if !ctx.Routes.Match(chi.NewRouteContext(), m, path) {
			continue
		}
		out = append(out, m)
		if m == http.MethodGet {
			out = append(out, http.MethodHead)
		}
	}
	if len(out) > 0 {
		out = append(out, http.MethodOptions)
	}
	return out
}

// tidy takes slashes off the end of a path, which clients put there when their base URL has one. What stands behind
// videos, images and jobs is an id and stays as it is.
func tidy(u *url.URL) *url.URL {
	if !strings.HasSuffix(u.Path, "/") || u.Path == "/" || hasID(u.Path) {
		return u
	}
	out := *u
	if out.RawPath == "" {
		out.Path = strings.TrimRight(out.Path, "/")
	} else { // an escaped slash at the end is part of a name
		n := len(out.RawPath) - len(strings.TrimRight(out.RawPath, "/"))
		out.Path, out.RawPath = out.Path[:len(out.Path)-n], out.RawPath[:len(out.RawPath)-n]
	}
	if out.Path == "" {
		out.Path, out.RawPath = "/", ""
	}
	return &out
}

func hasID(path string) bool {
	for _, p := range []string{"/v1/videos/", "/v1/async/jobs/", "/v1/images/"} {
		if rest, ok := strings.CutPrefix(path, p); ok {
			name := strings.TrimRight(rest, "/")
			return name != "" && name != "generations" && name != "edits"
		}
	}
	return false
}
