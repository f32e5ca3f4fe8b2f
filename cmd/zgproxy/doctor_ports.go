package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func checkPort(ctx context.Context, d *doctor, _ *patient) finding {
	if d.cfg.Port == 0 {
		return passed("a free port will be chosen")
	}
	return d.port(ctx, d.cfg.ListenAddress(), "ZGPROXY_PORT")
}

func checkOperatorPort(ctx context.Context, d *doctor, _ *patient) finding {
	if d.cfg.AdminOff() {
		return skipped("ZGPROXY_ADMIN_LISTEN is off")
	}
	if strings.HasSuffix(d.cfg.AdminListen, ":0") {
		return passed("a free port will be chosen")
	}
	return d.port(ctx, d.cfg.AdminListen, "ZGPROXY_ADMIN_LISTEN")
}

func (d *doctor) port(ctx context.Context, listen, variable string) finding {
	addr, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return failed("Set "+variable+" to an address of this machine.", err.Error(), "%s is no address", listen)
	}
	switch err := canBind(addr); {
	case err == nil && d.daemon != nil:
		return warned("Restart the daemon with the settings that this command has, or run this with the daemon's.",
			"It was started with another address.", "the daemon runs and does not listen on %s", listen)
	case err == nil:
		return passed("%s is free", listen)
	case !errors.Is(err, unix.EADDRINUSE):
		return failed("Choose another one: "+variable, err.Error(), "%s cannot be listened on", listen)
	}
	switch zgproxy := speaksZgproxy(ctx, addr); {
	case zgproxy && d.daemon != nil:
		return passed("the daemon listens on %s", listen)
	case zgproxy:
		return failed("Choose another one with "+variable+", or use that one's ZGPROXY_DATA_DIR.", "It uses another data directory, or another user runs it.", "another zgproxy listens on %s", listen)
	}
	return failed("Choose another one with "+variable+", or stop the program: ss -ltnp 'sport = :"+strconv.Itoa(addr.Port)+"'", "The daemon could not listen there.", "another program has %s", listen)
}

// canBind says why an address could not be listened on. It does not listen: whoever wants the address can have it meanwhile.
func canBind(addr *net.TCPAddr) error {
	family := unix.AF_INET
	var to unix.Sockaddr
	if ip := addr.IP.To4(); ip != nil || addr.IP == nil {
		to = &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(append(ip, 0, 0, 0, 0)[:4])}
	} else {
		family, to = unix.AF_INET6, &unix.SockaddrInet6{Port: addr.Port, Addr: [16]byte(addr.IP.To16())}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was sent
	unix.CloseOnExec(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil { // as the daemon has it
		return err
	}
	return unix.Bind(fd, to)
}

// speaksZgproxy reports whether a zgproxy answers at an address.
func speaksZgproxy(ctx context.Context, addr *net.TCPAddr) bool {
	to := *addr
	if to.IP == nil || to.IP.IsUnspecified() {
		to.IP = net.IPv4(127, 0, 0, 1)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+to.String()+"/", nil)
	if err != nil {
		return false
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10}} // never through a proxy
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close() //nolint:errcheck // read-only
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
	return err == nil && (strings.HasPrefix(string(body), "zgproxy") || resp.Header.Get("X-Zgproxy-Error") != "")
}
