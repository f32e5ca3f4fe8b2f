package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/config"
)

// healthcheckCommand lets an image without a shell probe itself.
func healthcheckCommand() *cobra.Command {
	var ready bool
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the running daemon whether it is well (for container health checks)",
		Long: `Asks the operator listener of the daemon on this machine for /healthz, or with --ready for /readyz.
Exit status 0 when it answers 200, 1 otherwise.`,
		Example: `  zgproxy healthcheck --ready`,
		Args:    want(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := config.Load()
			if err != nil {
				return usageError{err}
			}
			if cfg.AdminOff() {
				return usageError{fmt.Errorf("ZGPROXY_ADMIN_LISTEN is off: there is nothing to ask")}
			}
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			return probe(cmd.Context(), cfg.AdminListen, path, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether requests can be served, not only whether the process lives")
	return cmd
}

func probe(ctx context.Context, listen, path string, out io.Writer) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return usageError{fmt.Errorf("ZGPROXY_ADMIN_LISTEN %q: %w", listen, err)}
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+path, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // never through a proxy
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("the daemon does not answer on %s: %w", listen, err)
	}
	defer resp.Body.Close() //nolint:errcheck // read-only
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s says %s: %s", path, resp.Status, body)
	}
	_, err = out.Write(body)
	return err
}
