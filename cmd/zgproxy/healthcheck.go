package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/config"
)

// healthcheckCommand lets an image without a shell probe itself.
func healthcheckCommand() *cobra.Command {
	var ready bool
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the running daemon whether it is well (for container health checks)",
		Long: `Asks the operator listener of the daemon on this machine for /healthz, or with --ready for /readyz.
Where ZGPROXY_ADMIN_LISTEN is off, it asks over the socket in the data directory instead.
Exit status 0 when the daemon answers 200, 1 otherwise. A daemon that was told to stop says "draining":
it is alive until its running answers have ended, and not ready from the signal on.`,
		Example: `  zgproxy healthcheck --ready`,
		Args:    want(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := config.Load()
			if err != nil {
				return usageError{err}
			}
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			return probe(cmd.Context(), cfg, path, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether requests can be served, not only whether the process lives")
	return cmd
}

func probe(ctx context.Context, cfg config.Config, path string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	code, body, err := askDaemon(ctx, cfg, path)
	if err != nil {
		return err
	}
	if code != http.StatusOK {
		return fmt.Errorf("%s says %d %s: %s", path, code, http.StatusText(code), body)
	}
	_, err = out.Write(body)
	return err
}

// askDaemon asks the daemon where it can be reached: at the operator's listener, or over the socket where that is off.
func askDaemon(ctx context.Context, cfg config.Config, path string) (code int, body []byte, err error) {
	if cfg.AdminOff() {
		client, err := admin.NewClient(cfg.DataDir)
		if err != nil {
			return 0, nil, fmt.Errorf("the daemon does not answer over the socket in %s: %w", cfg.DataDir, err)
		}
		return client.Probe(ctx, path)
	}
	host, port, err := net.SplitHostPort(cfg.AdminListen)
	if err != nil {
		return 0, nil, usageError{fmt.Errorf("ZGPROXY_ADMIN_LISTEN %q: %w", cfg.AdminListen, err)}
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	code, body, err = admin.Probe(ctx, net.JoinHostPort(host, port), path)
	if err != nil {
		err = fmt.Errorf("the daemon does not answer on %s: %w", cfg.AdminListen, err)
	}
	return code, body, err
}
