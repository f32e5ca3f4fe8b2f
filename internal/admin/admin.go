// Package admin is the operator's side of the daemon: metrics, health, readiness and status on a listener of their own,
// and the socket over which the operator's commands reach the daemon, with its client.
//
// The listener only reads. On the socket, which only the daemon's user may open, orders to move money are passed on;
// whether and how is decided elsewhere. It never sees prompts, answers or keys, and starts no goroutine; net/http runs
// the handlers.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/guard"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// Check is one thing that has to hold for the daemon to do useful work.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// Config is what the operator's side shows. All fields are required but Explain, Draining and Log.
type Config struct {
	Gatherer prometheus.Gatherer
	Ready    func() []Check // all must be OK for /readyz to answer 200
	Status   func() any     // the JSON of /v1/status
	// Request finds the record of one request by its id.
	Request func(ctx context.Context, id string) (record any, found bool, err error)
	// Receipt finds the receipt of one answer by the id of its request, or by its own.
	Receipt func(ctx context.Context, id string) (receipt any, found bool, err error)
	// Explain says who would serve a request, and why. An error that is a *CommandError means that nobody could; nil:
	// there is no such page.
	Explain func(q route.Query) (any, error)
	// Draining says that the daemon was told to end: what runs may finish, and nothing new is served. Optional.
	Draining       func() bool
	AllowedHosts   []string // Host names accepted besides localhost and IP addresses
	AllowedOrigins []string // web pages that may send a browser here; what they get they cannot read
	Log            zerolog.Logger
}

// Handler returns the HTTP handler of the operator listener. HEAD goes wherever GET does.
//
//	GET /healthz    200 while the process serves, also while it is draining
//	GET /readyz     200 when requests can be served, else 503; the body names every check. 503, draining, from a signal on
//	GET /metrics    Prometheus text
//	GET /v1/status  wallet, sub-accounts, directory and funding as JSON
//	GET /v1/requests/{id}  what was recorded for one request, and what its signature showed
//	GET /v1/receipts/{id}  the receipt of one answer, by the request's id or the answer's own; anybody can check it
//	GET /v1/explain?model=&type=&pin=  who would serve a request for a model, and why; without a type, the one it is known under
func Handler(cfg Config) http.Handler {
	mux := chi.NewRouter()
	mux.Use(guard.Seal, cfg.edge, middleware.GetHead)
	mux.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(cfg.Gatherer, promhttp.HandlerOpts{}))
	mux.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		status := "ok"
		if cfg.draining() {
			status = draining
		}
		write(w, http.StatusOK, map[string]string{"status": status})
	})
	mux.Get("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		checks := cfg.Ready()
		status, code := "ready", http.StatusOK
		for _, c := range checks {
			if !c.OK {
				status, code = "not ready", http.StatusServiceUnavailable
				w.Header().Set("Retry-After", "2")
			}
		}
		if cfg.draining() { // whatever else holds, and nobody is to come back
			status, code = draining, http.StatusServiceUnavailable
			w.Header().Del("Retry-After")
		}
		write(w, code, map[string]any{"status": status, "checks": checks})
	})
	mux.Get("/v1/status", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, cfg.Status()) })
	mux.Get("/v1/requests/{id}", one(cfg.Request, "no request with this id is recorded"))
	mux.Get("/v1/receipts/{id}", one(cfg.Receipt, "no answer with this id is recorded"))
	if cfg.Explain != nil {
		mux.Get("/v1/explain", explain(cfg.Explain))
	}
	mux.Get("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("zgproxy, operator side\n\n/healthz\n/readyz\n/metrics\n/v1/status\n/v1/requests/{id}\n/v1/receipts/{id}\n/v1/explain?model=\n")) // the reader left
	})
	return mux
}

// draining is what the daemon is from the first signal on. It still lives.
const draining = "draining"

func (cfg *Config) draining() bool { return cfg.Draining != nil && cfg.Draining() }

// edge refuses Host names that are not ours and whatever a page of another origin has its browser send.
func (cfg *Config) edge(next http.Handler) http.Handler {
	hosts, origins := guard.NewHosts(cfg.AllowedHosts...), guard.Origins(cfg.AllowedOrigins)
	deny := func(w http.ResponseWriter, r *http.Request, p guard.Page, code, setting, why string) {
		http.Error(w, why+"; the setting that would allow it: "+setting, http.StatusForbidden)
		cfg.Log.Info().Int("status", http.StatusForbidden).Str("code", code).Str("origin", guard.Plain(p.Origin)).
			Str("site", guard.Plain(p.Site)).Str("host", guard.Plain(r.Host)).Str("setting", setting).
			Msg("refused on the operator's listener")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := origins.Check(r)
		switch {
		case !hosts.Allow(r.Host):
			deny(w, r, page, "host_not_allowed", hosts.Setting(r.Host),
				"this Host name is not accepted; use localhost or an IP address")
		case !page.OK:
			deny(w, r, page, "cross_origin", page.Setting(),
				"requests from web pages of another origin are not accepted")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// one answers with what is found by the id in the path.
func one(find func(context.Context, string) (any, bool, error), missing string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, ok, err := find(r.Context(), chi.URLParam(r, "id"))
		switch {
		case err != nil:
			write(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
		case !ok:
			write(w, http.StatusNotFound, map[string]string{"error": missing})
		default:
			write(w, http.StatusOK, v)
		}
	}
}

// explain answers who would serve a request. That nobody could is told the way that commands are told what went wrong.
func explain(find func(route.Query) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		v, err := find(route.Query{Model: q.Get("model"), Type: zg.ServiceType(q.Get("type")), Pin: q.Get("pin")})
		if err == nil {
			write(w, http.StatusOK, v)
			return
		}
		if why, ok := errors.AsType[*CommandError](err); ok {
			write(w, http.StatusNotFound, event{Error: why})
			return
		}
		write(w, http.StatusInternalServerError, event{Error: &CommandError{Code: "failed", Message: err.Error()}})
	}
}

func write(w http.ResponseWriter, code int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, "encode: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // the reader left
}
