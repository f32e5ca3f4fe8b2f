package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ourPrefix begins the names of zgproxy's variables. Neither those of the caller's environment nor the file of variables
// that the caller may have must reach the demo: it would run on a real wallet.
const ourPrefix = "ZGPROXY_"

// place is where a demonstration lives: a directory of its own, and two ports.
type place struct {
	dir             string
	port, adminPort int
}

func (p place) log() string     { return filepath.Join(p.dir, "zgproxy.log") }
func (p place) data() string    { return filepath.Join(p.dir, "data") }
func (p place) envFile() string { return filepath.Join(p.dir, "env") }
func (p place) api() string     { return "http://" + loopback(p.port) }
func (p place) admin() string   { return "http://" + loopback(p.adminPort) }

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// newPlace makes the directory, and in it the file of variables that both the daemon and commands beside it read.
func newPlace(o options, network []string) (place, error) {
	dir, err := os.MkdirTemp("", "zgproxy-demo-")
	if err != nil {
		return place{}, fmt.Errorf("make a directory for the demo: %w", err)
	}
	p := place{dir: dir, port: o.port, adminPort: o.adminPort}
	lines := append(slices.Clone(network),
		"ZGPROXY_DATA_DIR="+p.data(), "ZGPROXY_HOST=127.0.0.1", "ZGPROXY_PORT="+strconv.Itoa(p.port),
		"ZGPROXY_ADMIN_LISTEN="+loopback(p.adminPort), "ZGPROXY_LOG_FORMAT=console")
	for _, kv := range o.set { // in place of ours: a variable that is there twice is refused
		name, _, _ := strings.Cut(kv, "=")
		lines = slices.DeleteFunc(lines, func(have string) bool { return strings.HasPrefix(have, name+"=") })
		lines = append(lines, kv)
	}
	const head = "# Written by zgdevnet demo. The key is public and its money is worth nothing.\n"
	text := head + strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile(p.envFile(), []byte(text), 0o600); err != nil {
		return place{}, errors.Join(fmt.Errorf("write the settings of the demo: %w", err), os.RemoveAll(dir))
	}
	return p, nil
}

// clear removes what means nothing once the network has gone. The log stays.
func (p place) clear() error {
	return errors.Join(os.RemoveAll(p.data()), os.Remove(p.envFile()))
}

// choosePorts replaces ports that another program holds by free ones, and says so. They are held together until all are
// chosen, so that none is chosen twice.
func (o *options) choosePorts(ctx context.Context, out io.Writer) (err error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			err = errors.Join(err, l.Close())
		}
	}()
	for _, c := range []struct {
		port *int
		what string
	}{
		{&o.rpcPort, "the chain"},
		{&o.port, "zgproxy"},
		{&o.adminPort, "zgproxy's operator side"},
	} {
		l, taken, err := listenNear(ctx, *c.port)
		if err != nil {
			return fmt.Errorf("find a port for %s: %w", c.what, err)
		}
		held = append(held, l)
		chosen := l.Addr().(*net.TCPAddr).Port
		if taken {
			// A closed terminal ends the demo by signal.
			_, _ = fmt.Fprintf(out, "Port %d is in use by another program; %s listens on %d instead.\n", *c.port, c.what, chosen)
		}
		*c.port = chosen
	}
	return nil
}

// listenNear listens on a port, or on any free one if that is taken.
func listenNear(ctx context.Context, port int) (l net.Listener, taken bool, err error) {
	var lc net.ListenConfig
	l, err = lc.Listen(ctx, "tcp", loopback(port))
	if errors.Is(err, syscall.EADDRINUSE) {
		l, err = lc.Listen(ctx, "tcp", loopback(0))
		return l, true, err
	}
	return l, false, err
}

// ours are the names of zgproxy's variables in an environment, in order.
func ours(environ []string) []string {
	var names []string
	for _, kv := range environ {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, ourPrefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// withoutOurs is an environment without zgproxy's variables.
func withoutOurs(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(kv string) bool { return strings.HasPrefix(kv, ourPrefix) })
}

// command is how the daemon is reached from the caller's shell, whose own variables would take precedence over the
// file.
func (d demonstration) command(environ []string) string {
	var b strings.Builder
	if names := ours(environ); len(names) > 0 {
		b.WriteString("env -u " + strings.Join(names, " -u ") + " ")
	}
	b.WriteString(quoted(d.binary) + " --env-file " + quoted(d.place.envFile()))
	return b.String()
}

// quoted is a word as a shell reads it.
func quoted(word string) string {
	if strings.IndexFunc(word, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@,", r)
	}) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

const demoNext = `
Both keep running. Paste any of these into another terminal, in this directory:

  @COMMAND@ account
  @COMMAND@ usage
  @COMMAND@ chat

  curl -N @API@/v1/chat/completions -H 'Content-Type: application/json' \
    -d '{"model":"@MODEL@","stream":true,"messages":[{"role":"user","content":"Hello, 0G!"}]}'

  # Python: pip install openai
  from openai import OpenAI
  client = OpenAI(base_url="@API@/v1", api_key="unused")
  print(client.chat.completions.create(model="@MODEL@",
        messages=[{"role": "user", "content": "Hello!"}]).choices[0].message.content)

  // JavaScript: npm install openai
  import OpenAI from "openai";
  const client = new OpenAI({ baseURL: "@API@/v1", apiKey: "unused" });
  console.log((await client.chat.completions.create({ model: "@MODEL@",
        messages: [{ role: "user", content: "Hello!" }] })).choices[0].message.content);

Models     @API@/v1/models
Operator   @ADMIN@ (/v1/status, /metrics, /readyz)
Data       @DATA@
Settings   @ENV@
Log        @LOG@
Ctrl-C ends both; of the files, only the log stays.
`

// next is what the caller can do now.
func (d demonstration) next(environ []string) string {
	return strings.NewReplacer("@COMMAND@", d.command(environ), "@API@", d.place.api(), "@ADMIN@", d.place.admin(),
		"@MODEL@", d.model, "@DATA@", d.place.data(), "@ENV@", d.place.envFile(), "@LOG@", d.place.log()).Replace(demoNext)
}
