package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/ethereum/go-ethereum/common"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/provider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

var updateScripts = flag.Bool("update-scripts", false, "write into the scripts what the commands say now")

// TestScripts runs what people would type: testdata/script has a file for each command. `zgproxy` in a script is this test
// binary, as a process of its own, in a home directory of its own. Besides what testscript knows there are
//
//	devnet [all-kinds] [testnet] [slow]  a network for the script, which its environment names
//	daemon start|stop               zgproxy serve, until it is ready
//	terminal FILE COMMAND…          a command on a terminal: the file says what to wait for (< text) and what to type (> text)
//	mine [N]                        blocks; one is made every 30 ms in any case
//	later DURATION                  the chain's clock goes on by so much
//	[!] tokened FILE PROVIDER       the provider accepts (or not) the session token in a file
//	secretless FILE DIR             nothing in a directory holds what is in a file
//	insert NAME FILE NEW            NEW is FILE with the value of a variable in place of @NAME@
//	receipt-id FILE                 $RECEIPT is the id of the last request in a file of receipts
//	give FILE AMOUNT                so many 0G for the address that a file holds
//	ask MODEL                       the daemon answers a request for a model
//	shaped COMMAND…                 what was just written is the JSON that docs/json.md promises of the command
func TestScripts(t *testing.T) {
	t.Parallel()
	where, which := "testdata/script", []string(nil)
	if raced { // a command by itself does little beside anything; these have daemons that do much
		where = ""
		for _, name := range []string{"chat", "money", "rest", "token"} {
			which = append(which, filepath.Join("testdata/script", name+".txtar"))
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:   where,
		Files: which,
		Setup: setUpScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"devnet": scriptDevnet, "daemon": scriptDaemon, "terminal": scriptTerminal, "mine": scriptMine, "later": scriptLater,
			"tokened": scriptTokened, "secretless": scriptSecretless, "ask": scriptAsk, "insert": scriptInsert, "give": scriptGive, "receipt-id": scriptReceiptID,
			"shaped": scriptShaped,
		},
		RequireExplicitExec: false,
		RequireUniqueNames:  true,
		UpdateScripts:       *updateScripts,
	})
}

// scriptState is what a script has running.
type scriptState struct {
	net    *devnet.Network
	daemon *running
}

type scriptKey struct{}

// setUpScript gives a script a home with nothing in it.
func setUpScript(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	env.Setenv("HOME", home)
	env.Setenv("XDG_STATE_HOME", filepath.Join(home, "state"))
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
	env.Setenv("ZGPROXY_DATA_DIR", filepath.Join(env.WorkDir, "data"))
	env.Setenv("TERM", "xterm")
	env.Values[scriptKey{}] = &scriptState{}
	return nil
}

func scripted(ts *testscript.TestScript) *scriptState {
	s, ok := ts.Value(scriptKey{}).(*scriptState)
	if !ok {
		ts.Fatalf("no state")
	}
	return s
}

// scriptDevnet starts a network and names its parts in the environment: $ALPHA and so on are its providers, $WALLET the wallet.
func scriptDevnet(ts *testscript.TestScript, neg bool, args []string) {
	s := scripted(ts)
	if neg || s.net != nil {
		ts.Fatalf("one network for a script")
	}
	cfg := devnet.Config{}
	for _, arg := range args {
		switch arg {
		case "all-kinds":
			cfg.AllKinds = true
		case "slow":
			cfg.TokenDelay = 5 * time.Millisecond
		case "testnet":
			cfg.Testnet = true
		default:
			ts.Fatalf("devnet: %q is not known", arg)
		}
	}
	n, err := devnet.Start(context.Background(), cfg)
	ts.Check(err)
	s.net = n
	stop, ended := make(chan struct{}), make(chan struct{})
	go mineUntil(n, stop, ended)
	ts.Defer(func() {
		close(stop)
		<-ended
		ts.Check(n.Close())
	})
	for _, kv := range append(n.Env(), "ZGPROXY_PORT=0", "ZGPROXY_ADMIN_LISTEN=127.0.0.1:0", "ZGPROXY_KEEPER_INTERVAL=100ms", "ZGPROXY_LOG_FORMAT=json", "ZGPROXY_ROUTING=price") {
		name, value, _ := strings.Cut(kv, "=")
		ts.Setenv(name, value)
	}
	for i, name := range []string{"ALPHA", "BETA", "GAMMA", "DELTA", "EPSILON", "ETA", "THETA", "IOTA", "KAPPA", "LAMBDA"} {
		if i < len(n.Providers) {
			ts.Setenv(name, n.Providers[i].Address().Hex())
		}
	}
	ts.Setenv("WALLET", devnet.Wallet().Hex())
	ts.Setenv("FREE_PORT", freePort(ts))
	ts.Setenv("DEVNET_KEY", devnet.WalletKeyHex)
}

// freePort finds one that no connection is given by itself, so that it is still free a moment later.
func freePort(ts *testscript.TestScript) string {
	for range 100 {
		port := strconv.Itoa(20_000 + rand.IntN(10_000))
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue // somebody has it
		}
		ts.Check(l.Close())
		return port
	}
	ts.Fatalf("no port is free")
	return ""
}

// mineUntil makes blocks: the simulated node takes note of one block when the next one is made.
func mineUntil(n *devnet.Network, stop <-chan struct{}, ended chan<- struct{}) {
	defer close(ended)
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			n.Chain.Mine()
		}
	}
}

// scriptDaemon starts the daemon with the script's environment, or ends it.
func scriptDaemon(ts *testscript.TestScript, neg bool, args []string) {
	s := scripted(ts)
	if neg || len(args) != 1 {
		ts.Fatalf("daemon start|stop")
	}
	switch args[0] {
	case "start":
		logs := &logBuffer{listening: make(chan [2]string, 1)}
		d, err := startChild(append(scriptEnv(ts), asDaemon+"=1"), logs)
		ts.Check(err)
		s.daemon = d
		ts.Defer(func() {
			d.kill()
			ts.Logf("daemon log:\n%s", logs)
		})
		ts.Check(poll(10*time.Millisecond, patience, nil, d.ready))
		ts.Setenv("API", d.api+"/v1")
	case "stop":
		ts.Check(s.daemon.stop())
	default:
		ts.Fatalf("daemon start|stop")
	}
}

// scriptEnv is the environment that the script's commands have.
func scriptEnv(ts *testscript.TestScript) []string {
	names := []string{"HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "PATH", "TMPDIR", "TERM", "NO_COLOR"}
	for f := range reflect.TypeFor[config.Config]().Fields() {
		names = append(names, f.Tag.Get("envconfig"))
	}
	var out []string
	for _, name := range names {
		if value := ts.Getenv(name); value != "" {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// scriptTerminal runs a command on a terminal, and plays who sits there by a file: after "< text" has appeared, "> text" is
// typed, with "^C" and "^D" for those keys. What appeared is in the file `screen`, without colours; with ! the command has to fail.
func scriptTerminal(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("terminal FILE COMMAND…")
	}
	cmd := exec.CommandContext(context.Background(), args[1], args[2:]...)
	if path, err := exec.LookPath(args[1]); err == nil {
		cmd.Path = path
	}
	cmd.Dir, cmd.Env = ts.MkAbs("."), scriptEnv(ts)
	screen, err := startOnTerminal(cmd, 160)
	ts.Check(err)
	fail := func(format string, more ...any) {
		_ = cmd.Process.Kill() // it may have ended
		ts.Fatalf("%s\n--- the screen:\n%s", fmt.Sprintf(format, more...), screen)
	}
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		line = strings.TrimSuffix(line, "\n")
		switch verb, text, _ := strings.Cut(line, " "); verb {
		case "<":
			if err := screen.wait(text, patience); err != nil {
				fail("%v", err)
			}
		case ">":
			text = strings.NewReplacer("^C", "\x03", "^D", "\x04", "^[", "\x1b", "^?", "\x7f").Replace(text)
			if !strings.HasSuffix(text, "\x03") && !strings.HasSuffix(text, "\x04") {
				text += "\n"
			}
			if _, err := io.WriteString(screen.tty, text); err != nil {
				fail("type %q: %v", text, err)
			}
		case "", "#":
		default:
			fail("%s: %q is neither < nor >", args[0], line)
		}
	}
	select {
	case err = <-screen.ended:
	case <-time.After(patience):
		fail("it does not end")
	}
	screen.close()
	ts.Check(os.WriteFile(ts.MkAbs("screen"), []byte(screen.String()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("screen.raw"), screen.raw, 0o600))
	ts.Logf("[screen]\n%s", screen)
	if (err != nil) != neg {
		ts.Fatalf("it ended with %v", err)
	}
}

// screen is what appeared on a terminal.
type screen struct {
	mu    sync.Mutex
	text  []byte
	raw   []byte // with colours and all
	tty   *os.File
	ended chan error    // how the command ended
	read  chan struct{} // closed when all of it has been read

	cut  []byte        // the beginning of a control sequence whose rest has not come yet
	seen int           // up to which wait has found what it waited for
	more chan struct{} // something has been added
}

var (
	controls   = regexp.MustCompile("\x1b\\[[0-9;?]*[a-zA-Z]|\r")
	controlCut = regexp.MustCompile("\x1b(\\[[0-9;?]*)?$")
)

// startOnTerminal starts a command on a terminal of so many columns.
func startOnTerminal(cmd *exec.Cmd, columns uint16) (*screen, error) {
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 60, Cols: columns})
	if err != nil {
		return nil, err
	}
	s := &screen{more: make(chan struct{}, 1), tty: tty, ended: make(chan error, 1), read: make(chan struct{})}
	go func() {
		defer close(s.read)
		_, _ = io.Copy(s, tty) // ends with an error when the command has
	}()
	go func() { s.ended <- cmd.Wait() }()
	return s, nil
}

// close waits for the last of it.
func (s *screen) close() {
	<-s.read
	_ = s.tty.Close() // nobody is behind it any more
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	s.raw = append(s.raw, p...)
	shown := append(s.cut, p...)
	s.cut = bytes.Clone(controlCut.Find(shown))
	shown = shown[:len(shown)-len(s.cut)]
	s.text = append(s.text, controls.ReplaceAll(shown, nil)...)
	s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}

// wait returns when a text has appeared after the one that was waited for before.
func (s *screen) wait(text string, patience time.Duration) error {
	late := time.After(patience)
	for {
		s.mu.Lock()
		i := strings.Index(string(s.text[s.seen:]), text)
		if i >= 0 {
			s.seen += i + len(text)
		}
		s.mu.Unlock()
		if i >= 0 {
			return nil
		}
		select {
		case <-s.more:
		case err := <-s.ended:
			s.ended <- err
			select { // what was written last may still be on its way
			case <-s.more:
			case <-time.After(patience / 10):
				return fmt.Errorf("it ended (%w) and did not say %q", err, text)
			}
		case <-late:
			return fmt.Errorf("it does not say %q", text)
		}
	}
}

func scriptMine(ts *testscript.TestScript, _ bool, args []string) {
	n := 1
	if len(args) > 0 {
		var err error
		n, err = strconv.Atoi(args[0])
		ts.Check(err)
	}
	for range n {
		scripted(ts).net.Chain.Mine()
	}
}

func scriptLater(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("later DURATION")
	}
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	ts.Check(scripted(ts).net.Chain.AdvanceTime(d))
}

// scriptTokened asks a provider, with a session token and nothing else.
func scriptTokened(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("tokened FILE PROVIDER")
	}
	token := strings.TrimSpace(ts.ReadFile(args[0]))
	for _, p := range scripted(ts).net.Providers {
		if p.Address().Hex() != args[1] {
			continue
		}
		client := provider.New(provider.Config{AllowPrivate: true})
		defer client.Close()
		ts.Check(poll(50*time.Millisecond, patience, nil, func() error { // it believes for a second what it has read
			_, err := client.UnsettledFee(context.Background(), p.URL(), devnet.Wallet(), "Bearer "+token)
			if (err != nil) != neg {
				return fmt.Errorf("the provider says %v", err) //nolint:errorlint // there may be none
			}
			return nil
		}))
		return
	}
	ts.Fatalf("no such provider")
}

func scriptSecretless(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("secretless FILE DIR")
	}
	secret := strings.TrimSpace(ts.ReadFile(args[0]))
	found := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(args[1]), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		found++
		text, err := os.ReadFile(path) //nolint:gosec // the script's own directory
		if err == nil && (strings.Contains(string(text), secret) || strings.Contains(string(text), secret[len(secret)-40:])) {
			ts.Fatalf("%s holds it", path)
		}
		return err
	}))
	if found == 0 {
		ts.Fatalf("there is nothing in %s", args[1])
	}
}

func scriptReceiptID(ts *testscript.TestScript, _ bool, args []string) {
	ids := regexp.MustCompile(`req_[0-9a-f]{28}`).FindAllString(ts.ReadFile(args[0]), -1)
	if len(ids) == 0 {
		ts.Fatalf("there is none in %s", args[0])
	}
	ts.Setenv("RECEIPT", ids[len(ids)-1])
}

func scriptGive(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("give FILE AMOUNT")
	}
	n, err := zg.ParseOg(args[1])
	ts.Check(err)
	ts.Check(scripted(ts).net.Fund(context.Background(), common.HexToAddress(strings.TrimSpace(ts.ReadFile(args[0]))), n))
}

func scriptInsert(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("insert NAME FILE NEW")
	}
	text := strings.ReplaceAll(ts.ReadFile(args[1]), "@"+args[0]+"@", ts.Getenv(args[0]))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(text), 0o600))
}

func scriptAsk(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("ask MODEL")
	}
	ts.Check(poll(10*time.Millisecond, patience, nil, func() error {
		body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"hello"}]}`, args[0])
		resp, err := httpClient.Post(ts.Getenv("API")+"/chat/completions", "application/json", strings.NewReader(body))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%d %s", resp.StatusCode, answer)
		}
		return err
	}))
}

// Every command has a script in which it is used.
func TestEveryCommandHasAScript(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	walk(rootCommand(), func(c *cobra.Command) {
		path := c.CommandPath()
		if c.HasSubCommands() || path == "zgproxy serve" || strings.HasPrefix(path, "zgproxy completion ") && path != "zgproxy completion bash" {
			return // serve is "daemon start"
		}
		if !regexp.MustCompile(`(?m)^(! )?(terminal \S+ )?` + path + `( |$)`).MatchString(all.String()) {
			t.Errorf("no script uses %s", path)
		}
	})
}
