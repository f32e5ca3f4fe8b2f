package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// How the commands that use models reach them: as any caller does, over the OpenAI-compatible API. It is that of the running
// daemon, or where none runs, of one in this process for as long as the command takes. So whatever they ask for is recorded,
// within the budgets and verified in any case.

// connectFlags say whose API it is.
type connectFlags struct {
	url, keyFile string
	direct       bool
}

func (f *connectFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.direct, "direct", false, "run in-process instead of using the daemon")
	cmd.Flags().StringVar(&f.url, "url", "", "base `URL` of a zgproxy elsewhere, such as http://host:3000/v1")
	cmd.Flags().StringVar(&f.keyFile, "key-file", "", "a `FILE` with the local key for --url")
	cmd.MarkFlagsMutuallyExclusive("url", "direct")
}

// connection is an API that can be called.
type connection struct {
	base, key string
	http      *http.Client
	records   *admin.Client // nil: elsewhere, so what it records is not seen
	purse     *purse        // nil: the daemon is another process, and moves money as it always does
	close     func() error
}

// connect finds the API, or starts one. c is told what takes long.
func (f *connectFlags) connect(ctx context.Context, c console) (*connection, error) {
	cfg, _, err := loadConfig(config.Flags{})
	if err != nil {
		return nil, usageError{err}
	}
	conn := &connection{http: &http.Client{Transport: &http.Transport{}}, close: func() error { return nil }}
	if f.url != "" {
		conn.base = strings.TrimRight(f.url, "/")
		if f.keyFile != "" {
			var key config.Secret
			if err := key.Decode("@" + f.keyFile); err != nil {
				return nil, usageError{err}
			}
			conn.key = key.Reveal()
		}
		return conn, nil
	}
	if !f.direct {
		client, err := admin.NewClient(cfg.DataDir)
		if err == nil {
			return conn, conn.toDaemon(ctx, client, cfg)
		}
		if !errors.Is(err, admin.ErrNoDaemon) {
			return nil, err
		}
	}
	return conn, conn.beDaemon(ctx, cfg, c)
}

// toDaemon uses the running daemon's API.
func (n *connection) toDaemon(ctx context.Context, client *admin.Client, cfg config.Config) error {
	var status struct {
		API string `json:"api"`
	}
	if err := client.Status(ctx, &status); err != nil {
		return err
	}
	if status.API == "" {
		return problem(codeNoDaemon, "Try again in a moment.", "the daemon does not listen yet")
	}
	n.base, n.records = status.API, client
	if keys := cfg.APIKeys.Reveal(); len(keys) > 0 {
		n.key = keys[0]
	}
	return nil
}

// beDaemon runs the daemon in this process, for this command alone.
func (n *connection) beDaemon(ctx context.Context, cfg config.Config, c console) error {
	if !cfg.HasKey() {
		return usageError{errNoWallet}
	}
	n.key = rand.Text()
	cfg.Host, cfg.Port, cfg.AdminListen, cfg.LogFormat = "127.0.0.1", 0, config.Off, "console"
	if err := cfg.APIKeys.Decode(n.key); err != nil {
		return err
	}
	if cfg.LogLevel != "debug" {
		cfg.LogLevel = "error"
	}
	n.purse = newPurse(func(line string) { c.printf("%s\n", line) })
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	d := inProcess{listening: make(chan net.Addr, 1), ended: make(chan struct{})}
	go func() {
		defer close(d.ended)
		d.err = serveFrom(running, cfg, newLogger(cfg, os.Stderr, isTerminal(os.Stderr)), n.purse, func(api, _ net.Addr) { d.listening <- api })
	}()
	n.close = func() error {
		n.http.CloseIdleConnections()
		end()
		<-d.ended
		if left := n.purse.sum().inWords(); left != "" { // of a request that failed
			n.purse.say(left)
		}
		return d.err
	}
	err := n.opened(ctx, cfg, c, &d)
	if err == nil {
		return nil
	}
	if ended := n.close(); !errors.Is(err, ended) {
		err = errors.Join(err, ended)
	}
	return err
}

// inProcess is the daemon in this process.
type inProcess struct {
	listening chan net.Addr
	ended     chan struct{} // closed when it has ended …
	err       error         // … with this; only to be read after that
}

// tooEarly is what the end of the daemon means that was to be waited for.
func (d *inProcess) tooEarly() error {
	if d.err != nil {
		return d.err
	}
	return errors.New("zgproxy ended before it could be used")
}

const (
	lookEvery   = 50 * time.Millisecond
	openingTime = 2 * time.Minute // a deposit and a first transfer, each confirmed
)

// opened waits until the daemon listens and the chain has been read.
func (n *connection) opened(ctx context.Context, cfg config.Config, c console, d *inProcess) error {
	select {
	case at := <-d.listening:
		n.base = "http://" + at.String() + "/v1"
	case <-d.ended:
		return d.tooEarly()
	case <-ctx.Done(): // it may be waiting for a password
		return context.Cause(ctx)
	}
	opening, cancel := context.WithTimeout(ctx, openingTime)
	defer cancel()
	said := ""
	say := func(what string) {
		if c.shown && said != what {
			said = what
			c.printf("%s\n", c.paint(styleDim, what))
		}
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		ready := false
		if n.records == nil {
			if client, err := admin.NewClient(cfg.DataDir); err == nil { // its socket is there a moment after its port
				n.records = client
			}
		}
		if n.records != nil {
			if ok, _, err := n.records.Ready(opening); err == nil {
				ready = ok
			}
		}
		if ready {
			var r accountReport
			if err := n.records.Account(opening, false, &r); err == nil && !r.ReadAt.IsZero() && len(r.Accounts) > 0 {
				return nil // money is moved for the provider of a request only, when that is known
			}
		}
		say("Reading the chain …")
		select {
		case <-d.ended:
			return d.tooEarly()
		case <-opening.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return problem(codeRPC, hintRPC, "the network was not ready in time")
		case <-tick.C:
		}
	}
}

// request makes a call of the API.
func (n *connection) request(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, n.base+path, body)
	if err != nil {
		return nil, usageError{err}
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("TE", "trailers") // the fee of a stream comes behind it
	if n.key != "" {
		req.Header.Set("Authorization", "Bearer "+n.key)
	}
	return req, nil
}

// send makes it and returns an answer that is not an error.
func (n *connection) send(req *http.Request) (*http.Response, error) {
	resp, err := n.http.Do(req)
	if err != nil {
		if req.Context().Err() != nil {
			return nil, context.Cause(req.Context())
		}
		return nil, fmt.Errorf("ask %s: %w", n.base, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("read the refusal: %w", err)
	}
	return nil, refusal(resp, text)
}

// refusal says what an error of the API means.
func refusal(resp *http.Response, text []byte) error {
	var e struct {
		Error apiError `json:"error"`
	}
	message := oneLine(strings.TrimSpace(string(text[:min(len(text), 500)])))
	if json.Unmarshal(text, &e) == nil && e.Error.Message != "" {
		message = oneLine(e.Error.Message)
	}
	var words []string
	if cause := resp.Header.Get("X-Zgproxy-Error"); cause != "" {
		words = append(words, "code "+oneLine(cause))
	}
	if id := resp.Header.Get("X-Request-Id"); id != "" {
		words = append(words, "request "+oneLine(id))
	}
	hint := ""
	if len(words) > 0 {
		hint = "(" + strings.Join(words, ", ") + ")"
	}
	return problem(codeAPI, hint, "%s (status %d)", message, resp.StatusCode)
}

type apiError struct {
	Message string `json:"message"`
	Code    any    `json:"code"`
}

// models lists what is on offer, of one type.
func (n *connection) models(ctx context.Context, kind zg.ServiceType) (list modelsReport, err error) {
	req, err := n.request(ctx, http.MethodGet, "/models?type="+string(kind), "", http.NoBody)
	if err != nil {
		return list, err
	}
	resp, err := n.send(req)
	if err != nil {
		return list, err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if err := json.NewDecoder(io.LimitReader(resp.Body, 16<<20)).Decode(&list); err != nil {
		return list, fmt.Errorf("read the list of models: %w", err)
	}
	return list, nil
}

// knows asks the daemon whether it has a model by a name; the error is what it says where it has none.
func (n *connection) knows(ctx context.Context, name string) error {
	req, err := n.request(ctx, http.MethodGet, "/models/"+url.PathEscape(name), "", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := n.send(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// pickModel is the one that was named, or the only one that there is.
func (n *connection) pickModel(ctx context.Context, named string, kind zg.ServiceType) (string, error) {
	if named != "" {
		return named, nil
	}
	list, err := n.models(ctx, kind)
	if err != nil {
		return "", err
	}
	return onlyModel(&list, kind)
}

// onlyModel is the one of a list, or what to do where there is none or more than one.
func onlyModel(list *modelsReport, kind zg.ServiceType) (string, error) {
	var names []string
	for _, m := range list.Data {
		names = append(names, oneLine(m.ID))
	}
	switch len(names) {
	case 0:
		return "", problem(codeNotFound, "See who serves one: zgproxy provider list --all", "no provider that you allow serves %s", kind)
	case 1:
		return list.Data[0].ID, nil
	}
	return "", problem(codeUsage, "Say which one, with --model: "+strings.Join(names[:min(len(names), 20)], ", ")+".", "there are several models of type %s", kind)
}
