package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// asDaemon makes the test binary run as zgproxy itself, so that tests can kill a real process.
const asDaemon = "ZG_TEST_RUN_AS_DAEMON"

func TestMain(m *testing.M) {
	self := func() { os.Exit(alone(os.Args[1:], os.Stdout, os.Stderr)) }
	if os.Getenv(asDaemon) != "" {
		self()
	}
	testscript.Main(leakChecked{m}, map[string]func(){"zgproxy": self})
}

// leakChecked runs the tests and then looks for goroutines that are left.
type leakChecked struct{ m *testing.M }

func (c leakChecked) Run() int {
	code := c.m.Run()
	if code != 0 {
		return code
	}
	err := goleak.Find( // the simulated chain of the tests leaves these behind
		goleak.IgnoreTopFunction("github.com/ethereum/go-ethereum/core.(*txSenderCacher).cache"),
		goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"),
		goleak.IgnoreTopFunction("github.com/ethereum/go-ethereum/metrics.(*meterArbiter).tick"),
	)
	if err != nil {
		fmt.Fprintf(os.Stderr, "goroutines are left: %v\n", err)
		return 1
	}
	return 0
}

// httpClient is the tests' own, so that its connections can be closed before goroutines are counted. An answer that never
// ends is a failure that names its test, not one of all of them.
var httpClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 2 * patience}

// world is a devnet with a daemon in front of it.
type world struct {
	*testing.T
	net    *devnet.Network
	env    []string
	data   string
	daemon *running
}

// running is a daemon that listens.
type running struct {
	api, admin string
	log        *logBuffer
	pid        int          // child only
	stop       func() error // asks it to end and waits
	wait       func() error // child only: waits until it ends by itself
	kill       func()       // child only: SIGKILL
}

// newWorld starts a devnet. Tests change env before they start a daemon.
func newWorld(t *testing.T, cfg devnet.Config) *world {
	t.Helper()
	n, err := devnet.Start(t.Context(), cfg)
	if err != nil {
		t.Fatalf("start devnet: %v", err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close devnet: %v", err)
		}
	})
	return &world{T: t, net: n, env: n.Env(), data: filepath.Join(t.TempDir(), "data")}
}

// inProcess runs the daemon in this process.
func (w *world) inProcess() *running {
	w.Helper()
	cfg := w.configured()
	ctx, cancel := context.WithCancel(context.Background())
	logs := &logBuffer{}
	ended := make(chan error, 1)
	type addrs struct{ api, operator net.Addr }
	ready := make(chan addrs, 1)
	go func() {
		ended <- serve(ctx, cfg, newLogger(cfg, logs, false), func(api, operator net.Addr) { ready <- addrs{api, operator} })
	}()
	var a addrs
	select {
	case a = <-ready:
	case err := <-ended:
		cancel()
		w.Fatalf("serve: %v\n%s", err, logs)
	}
	var once sync.Once
	var result error
	d := &running{api: "http://" + a.api.String(), admin: "http://" + a.operator.String(), log: logs}
	d.stop = func() error {
		once.Do(func() {
			cancel()
			select {
			case result = <-ended:
			case <-time.After(patience):
				var stacks bytes.Buffer
				_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1) // to memory
				result = fmt.Errorf("it does not end\n%s", &stacks)
			}
			httpClient.CloseIdleConnections()
		})
		return result
	}
	w.Cleanup(func() {
		if err := d.stop(); err != nil {
			w.Errorf("the daemon ended with %v", err)
		}
		if w.Failed() {
			w.Logf("daemon log:\n%s", logs)
		}
	})
	w.daemon = d
	w.waitReady()
	return d
}

// environment is held while a configuration is read from it: tests that run at the same time have different ones.
var environment sync.Mutex

// configured reads the configuration that the world's variables make, and leaves the environment as it was.
// (T.Setenv is not for parallel tests.)
func (w *world) configured() config.Config {
	w.Helper()
	environment.Lock()
	defer environment.Unlock()
	for _, kv := range w.variables() {
		name, value, _ := strings.Cut(kv, "=")
		before, set := os.LookupEnv(name)
		if err := os.Setenv(name, value); err != nil {
			w.Fatal(err)
		}
		defer func() {
			err := os.Unsetenv(name)
			if set {
				err = os.Setenv(name, before)
			}
			if err != nil {
				w.Error(err)
			}
		}()
	}
	cfg, _, err := loadConfig(config.Flags{})
	if err != nil {
		w.Fatalf("configuration: %v", err)
	}
	return cfg
}

func (w *world) variables() []string {
	return append([]string{
		"ZGPROXY_ENV_FILE=off", "ZGPROXY_PORT=0", "ZGPROXY_ADMIN_LISTEN=127.0.0.1:0", "ZGPROXY_DATA_DIR=" + w.data, "ZGPROXY_KEEPER_INTERVAL=100ms", "ZGPROXY_LOG_FORMAT=json",
		"ZGPROXY_ROUTING=price", // so that it is known who answers; tests of the choice itself set another
	}, w.env...)
}

// child runs the daemon as a process of its own.
func (w *world) child() *running {
	w.Helper()
	return w.childWith(0)
}

// childWith runs it with so many descriptors; 0: as many as this process may have.
func (w *world) childWith(files int) *running {
	w.Helper()
	d, err := w.tryChildWith(files)
	if err != nil {
		w.Fatalf("start the daemon: %v", err)
	}
	w.daemon = d
	w.waitReady()
	return d
}

// tryChild starts the process and waits until it listens or has ended; then the error is what it said.
func (w *world) tryChild() (*running, error) {
	w.Helper()
	return w.tryChildWith(0)
}

func (w *world) tryChildWith(files int) (*running, error) {
	w.Helper()
	logs := &logBuffer{listening: make(chan [2]string, 1)}
	d, err := startChildWith(files, append(w.variables(), asDaemon+"=1", "HOME="+w.TempDir()), logs)
	if err != nil {
		return nil, err
	}
	w.Cleanup(func() {
		d.kill()
		if w.Failed() {
			w.Logf("daemon log:\n%s", logs)
		}
	})
	return d, nil
}

// startChild runs zgproxy serve as a process of its own, in an environment, until it listens or has ended.
func startChild(env []string, logs *logBuffer) (*running, error) { return startChildWith(0, env, logs) }

func startChildWith(files int, env []string, logs *logBuffer) (*running, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	listening := logs.listening
	cmd := exec.CommandContext(context.Background(), self, "serve")
	if files > 0 {
		cmd = exec.CommandContext(context.Background(), "/bin/sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" serve`, files), self)
	}
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = logs, logs
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var once sync.Once
	var result error
	wait := func() error {
		once.Do(func() {
			select {
			case result = <-ended:
			case <-time.After(patience):
				_ = cmd.Process.Signal(syscall.SIGQUIT) // its log says where it is
				result = errors.Join(errors.New("it does not end"), <-ended)
			}
		})
		return result
	}
	d := &running{
		log:  logs,
		pid:  cmd.Process.Pid,
		wait: wait,
		stop: func() error { _ = cmd.Process.Signal(syscall.SIGTERM); return wait() },
		kill: func() { _ = cmd.Process.Kill(); _ = wait() },
	}
	select {
	case at := <-listening:
		d.api, d.admin = strings.TrimSuffix(at[0], "/v1"), at[1]
		return d, nil
	case err := <-ended:
		return nil, fmt.Errorf("%w: %s", err, logs)
	}
}

// ready is nil as soon as /readyz says 200.
func (d *running) ready() error {
	if code, body := fetch(context.Background(), d.admin+"/readyz"); code != http.StatusOK {
		return fmt.Errorf("%d %s", code, body)
	}
	return nil
}

// waitReady asks /readyz until it says 200.
func (w *world) waitReady() {
	w.Helper()
	w.eventually("ready", w.daemon.ready)
}

// eventually polls until f returns nil.
func (w *world) eventually(what string, f func() error) {
	w.Helper()
	if err := poll(10*time.Millisecond, patience, nil, f); err != nil {
		w.Fatalf("not %s: %v\n%s", what, err, w.daemon.log)
	}
}

// poll asks until f returns nil, or dead is closed. Patience is only there so that a broken program fails instead of hanging.
func poll(every, patience time.Duration, dead <-chan struct{}, f func() error) error {
	deadline := time.After(patience)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-deadline:
			return err
		case <-dead:
			return fmt.Errorf("the daemon ended: %w", err)
		case <-tick.C:
		}
	}
}

func (w *world) get(url string) (int, string) {
	w.Helper()
	return fetch(w.Context(), url)
}

// fetch returns status and body; 0 and the error where there is none.
func fetch(ctx context.Context, url string) (int, string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err.Error()
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

// post sends a raw body and returns the whole answer.
var errNotLookedAt = errors.New("it has not been looked at yet")

// report is what zgproxy account says, by the daemon.
func (w *world) report() accountReport {
	w.Helper()
	client, err := admin.NewClient(w.data)
	if err != nil {
		w.Fatal(err)
	}
	r, err := (&daemonOperator{client}).account(w.Context(), false)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// accept accepts a provider as it is, as zgproxy provider accept does, if the daemon knows by now how it is. It may
// change at that very moment: then nothing is accepted.
func (w *world) accept(p common.Address) error {
	client, err := admin.NewClient(w.data)
	if err != nil {
		return err
	}
	op := &daemonOperator{client}
	r, err := op.account(w.Context(), false)
	if err != nil {
		return err
	}
	sub := r.sub(p)
	if sub.Drift == nil {
		return errNotLookedAt
	}
	return op.accept(w.Context(), p, admin.Acceptance{Drift: sub.Drift.Neuron, Signer: sub.Signer, Pin: sub.Current, Suspension: sub.Suspended})
}

func (w *world) post(path, contentType string, body []byte) (*http.Response, []byte) {
	w.Helper()
	resp, err := w.send(w.Context(), path, contentType, body)
	if err != nil {
		w.Fatalf("POST %s: %v", path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatalf("POST %s: read: %v", path, err)
	}
	return resp, answer
}

// send sends a raw body, with further headers given as names and values, and returns as soon as the answer's header is there.
func (w *world) send(ctx context.Context, path, contentType string, body []byte, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.daemon.api+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return httpClient.Do(req)
}

// tryPost sends a JSON body and returns as soon as the answer's header is there.
func (w *world) tryPost(ctx context.Context, path, body string) (*http.Response, error) {
	return w.send(ctx, path, "application/json", []byte(body))
}

// client is the official OpenAI client pointed at the daemon, without retries so that every error is seen.
func (w *world) client() openai.Client {
	return openai.NewClient(option.WithBaseURL(w.daemon.api+"/v1/"), option.WithAPIKey("unused"), option.WithMaxRetries(0), option.WithHTTPClient(httpClient))
}

// record is what the operator's side tells about one request.
type record struct {
	ID             string         `json:"id"`
	State          string         `json:"state"`
	Basis          string         `json:"basis"`
	Reason         string         `json:"reason"`
	Provider       common.Address `json:"provider"`
	Model          string         `json:"model"`
	Fee            zg.Neuron      `json:"fee_neuron"`
	Bound          zg.Neuron      `json:"bound_neuron"`
	Settled        *zg.Neuron     `json:"settled_neuron"` // taken, or expected to be
	InputTokens    uint64         `json:"input_tokens"`
	OutputTokens   uint64         `json:"output_tokens"`
	Images         uint64         `json:"images"`
	Status         int            `json:"status"`
	ResponseSHA256 string         `json:"response_sha256"`
	RequestSHA256  string         `json:"request_sha256"`
	ResKey         string         `json:"res_key"`
	Verdict        zg.Verdict     `json:"verdict"`
	Error          string         `json:"error"`
	JobUntil       time.Time      `json:"job_until"`
}

// record waits until the request is closed (and checked, when verdict is set) and returns it.
func (w *world) record(id string, verdict bool) record {
	w.Helper()
	var rec record
	w.eventually("booked: "+id, func() error {
		code, body := w.get(w.daemon.admin + "/v1/requests/" + id)
		rec = record{}
		if code != http.StatusOK {
			return fmt.Errorf("%d %s", code, body)
		}
		if err := json.Unmarshal([]byte(body), &rec); err != nil {
			return err
		}
		if rec.State == "open" || (verdict && (rec.Verdict == "" || rec.Verdict == zg.VerdictPending)) {
			return fmt.Errorf("still %s, verdict %q", rec.State, rec.Verdict)
		}
		return nil
	})
	return rec
}

// logBuffer keeps what the daemon logs and catches the line that says where it listens.
type logBuffer struct {
	mu        sync.Mutex
	text      bytes.Buffer
	listening chan [2]string
	pending   []byte
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Write(p)
	b.pending = append(b.pending, p...)
	for {
		line, rest, ok := bytes.Cut(b.pending, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		b.pending = rest
		var at struct{ Message, API, Operator string }
		if b.listening != nil && json.Unmarshal(line, &at) == nil && at.Message == "listening" {
			b.listening <- [2]string{at.API, at.Operator}
			b.listening = nil // no further line is looked at
		}
	}
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
