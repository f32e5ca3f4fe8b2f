package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// evilLine has characters of every kind that a terminal obeys instead of showing them, or that make a line read as another
// one.
const evilLine = "EVIL\x1b[32m\x1b]0;title\a\b\u009b2J\u202e\u2066\u200b\u200f\u00ad\ufeff\x7f\U000e0041."

// evilText begins lines of its own besides.
const evilText = evilLine + "\nFORGED verdict  verified\r\nFORGED\u2028FORGED\u0085FORGED\v\fFORGED"

// evilJSON is that as a string of a JSON document.
func evilJSON(t *testing.T) string {
	t.Helper()
	b, err := json.Marshal(evilText)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// obeyed finds what must not be in anything that is printed: characters that are not only seen, but for ends of lines,
// tabs and clearing the line of what is under way; and a line that begins as somebody else wanted it to.
func obeyed(text string) string {
	for line := range strings.Lines(strings.ReplaceAll(text, "\r\x1b[K", "")) {
		line = strings.TrimSuffix(line, "\n")
		if i := strings.IndexFunc(line, func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }); i >= 0 {
			return fmt.Sprintf("%+.200q, from byte %d on", line, i)
		}
		if strings.HasPrefix(strings.TrimSpace(line), "FORGED") {
			return fmt.Sprintf("%+.200q", line)
		}
	}
	return ""
}

// seenOn is a terminal that keeps what it is told.
type seenOn struct{ bytes.Buffer }

func (*seenOn) IsTerminal() bool { return true }

// walkers gives every command what its usage line asks for.
type walkers struct {
	*world
	words map[string]string   // by the words of usage lines
	flags map[string][]string // that a command cannot do without, by its path
	told  map[string]bool     // commands that have repeated words of strangers
	left  []string            // commands that are left out
	full  bool                // every command that works is run once more, with an output that cannot be written
}

// fullDevice is what /dev/full is.
type fullDevice struct{}

func (fullDevice) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
}

// notWalked are commands that do not end by themselves, and those whose output is the library's own.
var notWalked = map[string]string{
	"serve":                 "its log is looked at instead",
	"completion bash":       "a script of the library's",
	"completion fish":       "a script of the library's",
	"completion powershell": "a script of the library's",
	"completion zsh":        "a script of the library's",
}

// arguments are what the usage line of a command asks for. A word that is not known fails the test: whoever writes a
// new command says here what strangers may put into it.
func (w *walkers) arguments(c *cobra.Command) (args []string) {
	w.Helper()
	for _, word := range strings.Fields(c.Use)[1:] {
		if word == "|" {
			break
		}
		word = strings.Trim(word, "[].")
		path := strings.TrimPrefix(c.CommandPath(), "zgproxy ")
		value, ok := w.words[path+" "+word]
		if !ok {
			value, ok = w.words[word]
		}
		if !ok {
			w.Errorf("%s: nothing is known for %s", c.CommandPath(), word)
		}
		args = append(args, value)
	}
	return args
}

// walk runs every command there is, each in several ways, on a terminal and with --json.
func (w *walkers) walk(when string) {
	w.Helper()
	walk(rootCommand(), func(c *cobra.Command) {
		path := strings.TrimPrefix(c.CommandPath(), "zgproxy ")
		if notWalked[path] != "" || !c.HasParent() || slices.Contains(w.left, path) {
			return
		}
		args := append(append(strings.Fields(path), w.flags[path]...), w.arguments(c)...)
		w.looks(when, path, args)
		for _, flag := range []string{"json", "all", "ready", "csv", "table"} {
			if c.Flags().Lookup(flag) != nil {
				w.looks(when, path, append(slices.Clip(args), "--"+flag))
			}
		}
	})
	for _, path := range []string{"provider show", "explain", "chat --model"} {
		w.looks(when, path, append(append([]string{cobra.ShellCompRequestCmd}, strings.Fields(path)...), ""))
	}
}

// looks runs a command and looks at all that it says.
func (w *walkers) looks(when, path string, args []string) {
	w.Helper()
	var out, beside seenOn
	code := run(args, &out, &beside)
	for stream, text := range map[string]string{"stdout": out.String(), "stderr": beside.String()} {
		if found := obeyed(text); found != "" {
			w.Errorf("%s: zgproxy %+q, status %d: %s has %s", when, args, code, stream, found)
		}
		if strings.Contains(text, "EVIL") {
			w.told[path] = true
		}
	}
	if w.full && code == 0 && out.Len() > 0 {
		var said seenOn
		code := run(args, fullDevice{}, &said)
		if code != exitFailure || !strings.Contains(said.String(), "no space left on device") {
			w.Errorf("zgproxy %+q into a full device: status %d, %s", args, code, said.String())
		}
	}
	if args[len(args)-1] == "--json" && !json.Valid(out.Bytes()) {
		w.Errorf("%s: zgproxy %+q, status %d: not JSON: %.500q", when, args, code, out.String())
	}
}

// setsUp has init ask on a real terminal whom it may pay, and leaves.
func (w *walkers) setsUp() {
	w.Helper()
	self, err := os.Executable()
	if err != nil {
		w.Fatal(err)
	}
	cmd := exec.CommandContext(w.Context(), self, "init", "--light", "--network", "devnet", "--out", filepath.Join(w.TempDir(), "env"))
	cmd.Env = append(w.variables(), asDaemon+"=1", "HOME="+w.TempDir(), "NO_COLOR=1", "ZGPROXY_PRIVATE_KEY=", "ZGPROXY_PROVIDERS=")
	screen, err := startOnTerminal(cmd, 160)
	if err != nil {
		w.Fatal(err)
	}
	defer screen.close()
	defer func() { _ = cmd.Process.Kill() }() // it should have ended
	for _, play := range [][2]string{
		{"Choose 1-", "1\n"},
		{"New password", "correct horse battery\n"},
		{"Repeat password:", "correct horse battery\n"},
		{"Choose 1-", "2\n"},
		{"EVIL-1", ""},
		{"Which (numbers or addresses", "nine\n"},
		{"Which (numbers or addresses", "\x03"},
	} {
		if err := screen.wait(play[0], patience); err != nil {
			w.Fatalf("%v\n%s", err, screen)
		}
		if _, err := io.WriteString(screen.tty, play[1]); err != nil {
			w.Fatal(err)
		}
	}
	if err := <-screen.ended; err == nil {
		w.Error("init on a terminal ended well, though it was left")
	}
	<-screen.read
	if found := obeyed(strings.ReplaceAll(string(screen.raw), "\r\n", "\n")); found != "" {
		w.Errorf("init on a terminal: %s", found)
	}
}

// wicked makes all text of a receipt a stranger's.
func wicked(r zg.AnswerReceipt) zg.AnswerReceipt {
	v := reflect.ValueOf(&r).Elem()
	for _, f := range v.Fields() {
		if f.Kind() == reflect.String {
			f.SetString(evilText)
		}
	}
	return r
}

// Whatever strangers put on chain, into catalogues, errors, signed texts, signatures and receipts: no command prints
// anything of it that a terminal would obey, and none lets them begin a line. And none ends as if all was well when what
// it says cannot be written.
func TestNoCommandObeysStrangers(t *testing.T) {
	if raced {
		t.Skip("one command after the other: there is nothing at the same time to watch")
	}
	change := func(name string, p *simprovider.Config, on *simchain.ServiceParams) {
		p.Also = map[string]zg.Price{evilText: p.Price, "\u202eEVIL": p.Price}
		if name == "gamma" {
			p.Canonical = "\u2066" + evilLine
			on.AdditionalInfo = `{"ProviderType":` + evilJSON(t) + `}`
		}
	}
	w := &walkers{world: newWorld(t, devnet.Config{Change: change}), told: map[string]bool{}}
	alpha, beta := w.net.Providers[0], w.net.Providers[1]
	t.Setenv("NO_COLOR", "1") // what is ours and what is a stranger's look the same otherwise

	// On chain, where the last one has something to show everywhere.
	var strangers []string
	for i, s := range []simchain.ServiceParams{
		{
			ServiceType: evilText, URL: "http://127.0.0.1:1/" + evilText, Model: evilText, Verifiability: evilText,
			AdditionalInfo: evilText,
		},
		{ServiceType: "chatbot", URL: alpha.URL(), Model: "\u202e" + "1-ohce", Verifiability: "TeeML\u009b"},
		{ServiceType: "chatbot", URL: "http://127.0.0.1:1/\u202eEVIL", Model: "EVIL-1", Verifiability: "TeeML"},
	} {
		key := devnet.ProviderKey(fmt.Sprint("stranger-", i))
		s.InputPrice, s.OutputPrice, s.TEESigner = zg.NeuronOf(1), zg.NeuronOf(1), alpha.TEESigner()
		who := crypto.PubkeyToAddress(key.PublicKey)
		err := w.net.Fund(t.Context(), who, zg.OneOG.Mul(200))
		err = errors.Join(err, w.net.Chain.RegisterService(t.Context(), key, s))
		if err = errors.Join(err, w.net.Chain.AcknowledgeSigner(t.Context(), who)); err != nil {
			t.Fatal(err)
		}
		strangers = append(strangers, who.Hex())
	}
	for i, kv := range w.env {
		if strings.HasPrefix(kv, "ZGPROXY_PROVIDERS=") {
			w.env[i] += "," + strings.Join(strangers, ",")
		}
	}
	w.env = append(w.env, "ZGPROXY_LOG_FORMAT=console", "ZGPROXY_LOG_LEVEL=debug", "ZGPROXY_DIRECTORY_REFRESH=1h")
	d := w.inProcess()

	// In what is signed, in a signature, and in an error.
	alpha.SetFault(simprovider.Fault{Kind: simprovider.Altered, N: 1, Alter: &simprovider.Alteration{
		Text: func(string, string) string { return evilText },
	}})
	beta.SetFault(simprovider.Fault{Kind: simprovider.Altered, N: 1, Alter: &simprovider.Alteration{
		Reply: func(r simprovider.SignatureReply) simprovider.SignatureReply {
			r.Signature, r.SigningAddress, r.ProviderIdentity = evilText, evilText, evilText
			return r
		},
	}})
	var ids []string
	for _, model := range []string{"echo-1", "lorem-1"} {
		asked := `{"model":"` + model + `","messages":[{"role":"user","content":"lorem:5"}]}`
		resp, body := w.post("/v1/chat/completions", "application/json", []byte(asked))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", resp.Status, body)
		}
		id := resp.Header.Get("X-Request-Id")
		w.record(id, true)
		ids = append(ids, id)
	}
	alpha.SetFault(simprovider.Fault{Kind: simprovider.Reply, Status: 422, Body: `{"error":` + evilJSON(t) + `}`})
	beta.SetFault(simprovider.Fault{Kind: simprovider.ControlRefused, Body: `{"error":` + evilJSON(t) + `}`})

	// In receipts, one with nothing else in it.
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	r, _, _ := signedReceipt(t, key, 1)
	file, audio := filepath.Join(t.TempDir(), "receipts.jsonl"), filepath.Join(t.TempDir(), "audio.wav")
	lines := receiptLine(t, wicked(r)) + receiptLine(t, r) + "{" + evilText + "\n"
	if err := errors.Join(os.WriteFile(file, []byte(lines), 0o600), os.WriteFile(audio, []byte("audio"), 0o600)); err != nil {
		t.Fatal(err)
	}
	w.words = map[string]string{
		"PROVIDER": strangers[2], "AMOUNT": "1", "MODEL": "EVIL-1", "PROMPT": evilLine,
		"receipts show ID": ids[0], "token revoke ID": "3", "receipts verify FILE": file, "wallet import FILE": file,
		"backup FILE": file, "restore FILE": file, // a file that is there, and no copy
		"transcribe FILE": audio, "provider report PROVIDER": beta.Address().Hex(),
	}
	w.flags = map[string][]string{
		"chat": {"--model", "echo-1"}, "transcribe": {"--model", "speech-1"}, "doctor": {"--timeout", "20s"},
		"image":           {"--model", "picture-1", "--force", "--out", filepath.Join(t.TempDir(), "picture.png")},
		"provider report": {"--dir", t.TempDir(), "--force"},
		"wallet export":   {"--out", filepath.Join(t.TempDir(), "key")},
		"wallet import":   {"--out", filepath.Join(t.TempDir(), "wallet.json")},
		"wallet new":      {"--out", filepath.Join(t.TempDir(), "new.json")},
		"man":             {"--dir", t.TempDir()},
		"init":            {"--out", filepath.Join(t.TempDir(), "env"), "--network", "devnet"},
	}
	for _, kv := range append(w.variables(), "ZGPROXY_ADMIN_LISTEN="+strings.TrimPrefix(d.admin, "http://")) {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	w.walk("beside a daemon")
	w.setsUp()
	w.looks("beside a daemon", "receipts show", []string{"receipts", "show", ids[1]})
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	if found := obeyed(d.log.String()); found != "" {
		t.Errorf("the daemon's log has %s", found)
	}
	alpha.SetFault(simprovider.Fault{})
	w.full = true
	w.walk("without a daemon")
	w.full = false
	w.net.Chain.SetFault(func(string, []byte) *simchain.Fault {
		return &simchain.Fault{Error: &simchain.RPCError{Code: -32000, Message: evilText, Data: evilText}}
	})
	w.left = []string{"chat", "image", "transcribe"} // they wait until the chain can be read
	w.walk("without the chain")

	// Else all of this would prove nothing.
	for _, path := range []string{
		"account", "chat", "doctor", "explain", "provider list", "provider show", "provider models", "provider health",
		"provider report", "receipts list", "receipts show", "receipts export", "receipts verify", "models", "wallet balance",
		"deposit",
	} {
		if !w.told[path] {
			t.Errorf("%s has not said anything that strangers wrote", path)
		}
	}
	if !strings.Contains(d.log.String(), "EVIL") {
		t.Error("the daemon's log has nothing that strangers wrote")
	}
}
