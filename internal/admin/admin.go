// Package admin is the operator's side of the daemon: metrics, health, readiness and status on a listener of their own, and
// the socket over which the operator's commands reach the daemon, with its client.
//
// The listener only reads. On the socket, which only the daemon's user may open, orders to move money are passed on; whether
// and how is decided elsewhere. It never sees prompts, answers or keys, and starts no goroutine; net/http runs the handlers.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

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

// Config is what the operator's side shows. All fields are required but Explain.
type Config struct {
	Gatherer prometheus.Gatherer
	Ready    func() []Check // all must be OK for /readyz to answer 200
	Status   func() any     // the JSON of /v1/status
	// Request finds the record of one request by its id.
	Request func(ctx context.Context, id string) (record any, found bool, err error)
	// Receipt finds the receipt of one answer by the id of its request, or by its own.
	Receipt func(ctx context.Context, id string) (receipt any, found bool, err error)
	// Explain says who would serve a request, and why. An error that is a *CommandError means that nobody could; nil: there is
	// no such page.
	Explain      func(q route.Query) (any, error)
	AllowedHosts []string // Host names accepted besides localhost and IP addresses
}

// Handler returns the HTTP handler of the operator listener.
//
//	GET /healthz    200 while the process serves
//	GET /readyz     200 when requests can be served, else 503; the body names every check
//	GET /metrics    Prometheus text
//	GET /v1/status  wallet, sub-accounts, directory and funding as JSON
//	GET /v1/requests/{id}  what was booked for one request, and what its signature showed
//	GET /v1/receipts/{id}  the receipt of one answer, by the request's id or the answer's own; anybody can check it
//	GET /v1/explain?model=&type=&pin=  who would serve a request for a model, and why; without a type, the one it is known under
func Handler(cfg Config) http.Handler {
	hosts := guard.NewHosts(cfg.AllowedHosts...)
	mux := chi.NewRouter()
	mux.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !hosts.Allow(r.Host) {
				http.Error(w, "this Host name is not accepted; use localhost or an IP address, or set ZGPROXY_ALLOWED_HOSTS", http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	mux.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(cfg.Gatherer, promhttp.HandlerOpts{}))
	mux.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]string{"status": "ok"})
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
		write(w, code, map[string]any{"status": status, "checks": checks})
	})
	mux.Get("/v1/status", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, cfg.Status()) })
	mux.Get("/v1/requests/{id}", one(cfg.Request, "no request with this id is recorded"))
	mux.Get("/v1/receipts/{id}", one(cfg.Receipt, "no answer with this id is recorded"))
	if cfg.Explain != nil {
		mux.Get("/v1/explain", explain(cfg.Explain))
	}
	mux.Get("/", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("zgproxy, operator side\n\n/healthz\n/readyz\n/metrics\n/v1/status\n/v1/requests/{id}\n/v1/receipts/{id}\n/v1/explain?model=\n")) // the reader left
	})
	return mux
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
