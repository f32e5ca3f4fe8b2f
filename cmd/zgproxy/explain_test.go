package main

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// explain runs "zgproxy explain" in this process.
func (w *world) explain(args ...string) outcome {
	w.Helper()
	for _, kv := range w.variables() {
		name, value, _ := strings.Cut(kv, "=")
		w.Setenv(name, value)
	}
	var stdout, stderr bytes.Buffer
	root := rootCommand()
	root.SetArgs(append([]string{"explain"}, args...))
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	code := 0
	if err := root.ExecuteContext(w.Context()); err != nil {
		code = exitWith(err, &stderr)
	}
	return outcome{code, stdout.String(), stderr.String()}
}

func (w *world) saysOf(o outcome, code int, says ...string) {
	w.Helper()
	all := o.stdout + o.stderr
	if o.code != code {
		w.Errorf("status %d, want %d:\n%s", o.code, code, all)
	}
	for _, s := range says {
		if !strings.Contains(all, s) {
			w.Errorf("it does not say %q:\n%s", s, all)
		}
	}
}

func TestExplainWithoutADaemon(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	alpha := w.net.Providers[0].Address()
	w.saysOf(w.explain("ECHO-1"), 0, "ECHO-1: chatbot, by price", alpha.Hex(), "not tried yet", "nothing has been measured yet")
	w.saysOf(w.explain("picture-1"), 0, "picture-1: text-to-image", "0G an image")
	w.saysOf(w.explain("picture-1", "--type", "chatbot"), 1, `no provider offers a model of type chatbot by the name of "picture-1"`, "--type text-to-image")
	w.saysOf(w.explain("eko-1"), 1, "There are: echo-1, lorem-1.")
	w.saysOf(w.explain("echo-1", "--pin", "nobody"), 1, "who was pinned does not offer", alpha.Hex())
	w.saysOf(w.explain("echo-1", "--type", "no-such"), 1, "nobody in ZGPROXY_PROVIDERS serves no-such", "--type chatbot")
	w.saysOf(w.explain(), 2, "accepts 1 arg(s)")

	r := decode[explainReport](w, w.explain("echo-1", "--pin", strings.ToLower(alpha.Hex()), "--json"))
	if r.Source != "chain" || r.Type != zg.Chatbot || r.Pin != alpha.Hex() || len(r.Candidates) != 1 || r.Candidates[0].Label != alpha.Hex() || r.Candidates[0].Health.State != "untried" {
		t.Errorf("explain --json = %+v", r)
	}
	if e := decode[errorReport](w, w.explain("eko-1", "--json")); e.Error.Code != codeNotFound {
		t.Errorf("explain --json of nothing = %+v", e)
	}
}

// With a daemon the answer is what that one has measured.
func TestExplainWithADaemon(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	one, two, three := common.HexToAddress("0x1"), common.HexToAddress("0x2"), common.HexToAddress("0x3")
	var dir zg.Directory
	for i, p := range []common.Address{one, two, three} {
		price, err := zg.ParseOg([]string{"0.0000003", "0.0000004", "0.0000005"}[i])
		if err != nil {
			t.Fatal(err)
		}
		dir.Services = append(dir.Services, zg.Service{Provider: p, Type: zg.Chatbot, URL: "http://127.0.0.1:1", Model: "echo-1", InputPrice: price, OutputPrice: price, TEESignerAcknowledged: true})
	}
	board := route.NewBoard(route.BoardConfig{})
	table := route.Build(&dir, nil, route.Options{
		Allowed: []common.Address{one, two, three}, Aliases: map[string]string{"gpt-4o": "echo-1", "old": "gone"},
	})
	offers, err := table.Find(route.Query{Type: zg.Chatbot, Model: "echo-1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range offers {
		lease, err := board.Pick(t.Context(), board.Join(), []*route.Offer{o}, nil)
		if err != nil {
			t.Fatal(err)
		}
		switch o.Service.Provider {
		case one:
			lease.FirstByte(45 * time.Millisecond)
			lease.Done(route.Succeeded, 0)
		case two:
			lease.Done(route.Limited, time.Hour)
		}
	}
	read := admin.Config{Explain: func(q route.Query) (any, error) { return explainRoute("daemon", board, table, q) }}
	if err := os.MkdirAll(w.data, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := admin.ListenSocket(w.data)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: admin.OperatorHandler(admin.OperatorConfig{Read: read, Explain: explain}), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(srv.Close(), <-ended); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})

	o := w.explain("gpt-4o")
	w.saysOf(o, 0, "gpt-4o, an alias of echo-1: chatbot, by balanced", "0.3/0.3 0G per million in/out, 45 ms to the first byte, 100 % of recent requests succeeded", "it has enough to do; left alone until")
	if strings.Contains(o.stdout, "nothing has been measured") || strings.Index(o.stdout, two.Hex()) < strings.Index(o.stdout, three.Hex()) {
		t.Errorf("who is held back comes last, and what was measured counts:\n%s", o.stdout)
	}
	w.saysOf(w.explain("echo-1", "--pin", two.Hex()), 0, "Nobody would get a request now.")
	w.saysOf(w.explain("old"), 1, `"old" (an alias of "gone")`, "There are: echo-1.")
	if r := decode[explainReport](w, w.explain("echo-1", "--json")); r.Source != "daemon" || len(r.Candidates) != 3 || !r.Candidates[2].Out || r.Candidates[2].Health.Until == nil {
		t.Errorf("explain --json = %+v", r)
	}
}
