package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/zgproxy/zgproxy/internal/conns"
	"github.com/zgproxy/zgproxy/internal/memory"
)

const (
	// The header of a request is as large as this at most, and held while it comes, whoever sends it.
	maxHeader = 64 << 10
	// Below so many connections of callers the operator is told that there are few.
	fewConns = 256
	// So many descriptors are assumed where a sandbox keeps their number from being read: every system allows as many.
	unknownFiles = 1024
	// How long a request of the operator's listener may take to come and its answer to go: both are short.
	operatorTimeout = 30 * time.Second
)

// connections says how many there may be, for callers and to providers, and keeps some for the operator.
type connections struct {
	callers int
	out     *conns.Out
	reserve *conns.Reserve
	refused prometheus.Counter
}

// newConnections divides the descriptors of this process. The runtime has raised their number to what is allowed.
func (d *daemon) newConnections() (*connections, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		limit.Cur = unknownFiles
		d.log.Warn().Err(err).Uint64("assumed", limit.Cur).Msg("how many files may be open could not be read")
	}
	callers, out := conns.Shares(limit.Cur)
	callers = min(callers, d.headersFit())
	c := &connections{callers: callers, out: conns.NewOut(out), refused: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "zgproxy_connections_refused_total", Help: "Connections of callers that were closed because the limit was reached.",
	})}
	d.registry.MustRegister(c.refused)
	level := zerolog.InfoLevel
	if callers < fewConns {
		level = zerolog.WarnLevel
	}
	d.log.WithLevel(level).Uint64("files", limit.Cur).Int("callers", callers).Int("providers", out).
		Msg("connections that there may be at a time")
	var err error
	if c.reserve, err = conns.NewReserve(conns.OperatorFiles); err != nil {
		return nil, fmt.Errorf("set descriptors aside for the operator: %w", err)
	}
	return c, nil
}

// headersFit is how many connections may send the largest of headers at a time: they may take as much as half of what
// requests may, besides that.
func (d *daemon) headersFit() int { return max(int(d.memory.Most(memory.Paid)/2/maxHeader), 4) }

// forCallers bounds the callers' listener.
func (c *connections) forCallers(l net.Listener, srv *http.Server) net.Listener {
	return boundedTo(l, c.callers, srv, c.refused.Inc)
}

// forOperator bounds one of the operator's, which gets in when callers have used up all other descriptors.
func (c *connections) forOperator(l net.Listener, srv *http.Server) net.Listener {
	return boundedTo(c.reserve.For(l), conns.OperatorConns, srv, nil)
}

func boundedTo(l net.Listener, most int, srv *http.Server, refused func()) net.Listener {
	bounded := conns.Limit(l, most, refused)
	srv.ConnState = bounded.State
	return bounded
}

// close gives back what is set aside.
func (c *connections) close(err error) error { return errors.Join(err, c.reserve.Close()) }
