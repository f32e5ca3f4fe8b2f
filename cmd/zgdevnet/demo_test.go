package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zgproxy/zgproxy/internal/devnet"
)

// asDevnet makes this test binary behave as zgdevnet.
const asDevnet = "ZG_TEST_RUN_AS_DEVNET"

func TestMain(m *testing.M) {
	if os.Getenv(asDevnet) != "" {
		main()
	}
	status := m.Run()
	if dir := builtIn; dir != "" {
		_ = os.RemoveAll(dir) // it is in the directory for what is temporary
	}
	os.Exit(status)
}

var builtIn string // the directory of the program that builtProxy has made

// builtProxy is a zgproxy made of this source.
var builtProxy = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "zgproxy-built-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	path := filepath.Join(dir, "zgproxy")
	out, err := exec.CommandContext(context.Background(), "go", "build", "-o", path, "../zgproxy").CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

// demoCommand is a demo in an environment of its own. In it are settings that would break the demo, if it heeded them.
func demoCommand(t *testing.T, flags ...string) *exec.Cmd {
	t.Helper()
	binary, err := builtProxy()
	if err != nil {
		t.Fatalf("build zgproxy: %v", err)
	}
	home := t.TempDir()
	temporary, err := os.MkdirTemp("", "zgd") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(temporary); err != nil {
			t.Error(err)
		}
	})
	config := filepath.Join(home, ".config", "zgproxy")
	if err := os.MkdirAll(config, 0o700); err != nil {
		t.Fatal(err)
	}
	file := "ZGPROXY_NETWORK=mainnet\nZGPROXY_RPC_URL=http://127.0.0.1:1\nZGPROXY_PRIVATE_KEY=no key\nnonsense\n"
	if err := os.WriteFile(filepath.Join(config, "env"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(append([]string{"demo", "--settle-every", "0"}, flags...), "./zgproxy")
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Dir = filepath.Dir(binary)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + temporary, asDevnet + "=1"}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	return cmd
}

// takenPort is a port that another program holds.
func takenPort(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // nothing was accepted
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

var (
	replacedPort = regexp.MustCompile(`(?m)^Port ([0-9]+) is in use by another program; .* listens on ([0-9]+) instead\.$`)
	shownCommand = regexp.MustCompile(`(?m)^  (.* account)$`)
	shownAPI     = regexp.MustCompile(`(?m)^Models +(\S+)/v1/models$`)
	shownData    = regexp.MustCompile(`(?m)^Data +(\S+)$`)
	shownLog     = regexp.MustCompile(`(?m)^Log +(\S+)$`)
)

func TestDemo(t *testing.T) {
	t.Parallel()
	ports := []string{takenPort(t), takenPort(t), takenPort(t)}
	cmd := demoCommand(t, "--rpc-port", ports[0], "--port", ports[1], "--admin-port", ports[2],
		"--set", "ZGPROXY_LOG_FORMAT=json")
	cmd.Env = append(cmd.Env, "ZGPROXY_RPC_URL=http://127.0.0.1:1", "ZGPROXY_PROVIDERS=nobody")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadString('\n')
		shown.WriteString(line)
		if err != nil {
			t.Fatalf("the demo ended: %v, %v\n%s%s", err, cmd.Wait(), &shown, &stderr)
		}
		if strings.HasPrefix(line, "Ctrl-C ends both") {
			break
		}
	}
	text := shown.String()
	find := func(what *regexp.Regexp) string {
		t.Helper()
		found := what.FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("%s is missing in\n%s", what, text)
		}
		return found[1]
	}

	replaced := replacedPort.FindAllStringSubmatch(text, -1)
	for i, port := range ports {
		if len(replaced) != len(ports) || replaced[i][1] != port || replaced[i][2] == port {
			t.Fatalf("port %s is in use, which is not said:\n%s", port, text)
		}
	}
	if !strings.HasSuffix(find(shownAPI), ":"+replaced[1][2]) {
		t.Errorf("the models are not on port %s:\n%s", replaced[1][2], text)
	}
	for _, want := range []string{
		"The demo ignores ZGPROXY_PROVIDERS, ZGPROXY_RPC_URL in the environment", "verdict  verified",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}

	account := exec.CommandContext(t.Context(), "sh", "-c", find(shownCommand))
	account.Dir, account.Env = cmd.Dir, cmd.Env
	if out, err := account.CombinedOutput(); err != nil || !strings.Contains(string(out), devnet.Wallet().Hex()) {
		t.Errorf("%s: %v\n%s", find(shownCommand), err, out)
	}

	if err := cmd.Cancel(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	if err = errors.Join(err, cmd.Wait()); err != nil {
		t.Fatalf("the demo did not end well: %v\n%s%s", err, rest, &stderr)
	}
	log, err := os.ReadFile(find(shownLog))
	if err != nil || !bytes.HasPrefix(log, []byte("{")) || !strings.Contains(string(rest), find(shownLog)) {
		t.Errorf("the log is not kept, or not as --set wants it, or not told: %v\n%s\n%s", err, log, rest)
	}
	if _, err := os.Stat(find(shownData)); !os.IsNotExist(err) {
		t.Errorf("the data directory is still there: %v", err)
	}
}

func TestQuoted(t *testing.T) {
	for word, want := range map[string]string{
		"./bin/zgproxy": "./bin/zgproxy", "/a b/env": "'/a b/env'", "it's": `'it'\''s'`, "$HOME": "'$HOME'",
	} {
		if got := quoted(word); got != want {
			t.Errorf("quoted(%q) = %s, want %s", word, got, want)
		}
	}
}
