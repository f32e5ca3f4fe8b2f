package admin_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// shortDir is a directory whose path leaves room for a socket, however long the test's name is.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "zg") //nolint:usetesting // T.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func readConfig() admin.Config {
	return admin.Config{
		Gatherer: prometheus.NewRegistry(), Ready: func() []admin.Check { return nil },
		Status:  func() any { return map[string]string{"wallet": "0xabc"} },
		Request: func(context.Context, string) (any, bool, error) { return nil, false, nil },
	}
}

// serveSocket serves the operator's side of a data directory until the test ends.
func serveSocket(t *testing.T, dir string, cfg admin.OperatorConfig) {
	t.Helper()
	l, err := admin.ListenSocket(dir)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: admin.OperatorHandler(cfg), ReadHeaderTimeout: 1e9}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

func explain(err error) *admin.CommandError {
	return &admin.CommandError{Code: "failed", Message: err.Error()}
}

func TestOperatorSocket(t *testing.T) {
	provider := common.HexToAddress("0xa48f01287233509FD694a22Bf840225062E67836")
	dir := shortDir(t)
	var got zg.Intent
	serveSocket(t, dir, admin.OperatorConfig{
		Read: readConfig(), Explain: explain,
		Account: func(_ context.Context, fresh bool) (any, error) { return map[string]bool{"fresh": fresh}, nil },
		Providers: func(context.Context) (any, error) {
			return nil, errors.New("the chain is gone")
		},
		Accept: func(_ context.Context, p common.Address, what admin.Acceptance) error {
			if p != provider || what.Drift != zg.OneOG || what.Signer.Address != provider {
				return fmt.Errorf("%s, %+v", p, what)
			}
			return nil
		},
		Transact: func(_ context.Context, in zg.Intent, notify func(admin.Transaction)) (admin.Transaction, error) {
			got = in
			tx := admin.Transaction{ID: 7, Kind: in.Kind, Amount: in.Amount, State: "signed", Nonce: 3}
			switch in.Kind {
			case zg.IntentRefund:
				return admin.Transaction{}, &admin.CommandError{Code: "contract_refused", Message: "no", Hint: "less"}
			case zg.IntentAcknowledge:
				notify(tx)
				panic(http.ErrAbortHandler) // the daemon ends
			case zg.IntentTransfer, zg.IntentDeposit, zg.IntentRetrieve, zg.IntentWithdraw, zg.IntentRevoke, zg.IntentRevokeAll:
			}
			notify(tx)
			tx.State, tx.Block = "mined", 12
			return tx, nil
		},
	})
	c, err := admin.NewClient(dir)
	if err != nil {
		t.Fatal(err)
	}
	var account struct{ Fresh bool }
	if err := c.Account(t.Context(), true, &account); err != nil || !account.Fresh {
		t.Errorf("Account = %+v, %v", account, err)
	}
	var p *admin.CommandError
	if err := c.Providers(t.Context(), &account); !errors.As(err, &p) || p.Message != "the chain is gone" {
		t.Errorf("Providers: %v, want the daemon's own words", err)
	}
	if err := c.Accept(t.Context(), provider, admin.Acceptance{Drift: zg.OneOG, Signer: admin.Address{Address: provider}}); err != nil {
		t.Errorf("Accept: %v", err)
	}
	if err := c.Accept(t.Context(), provider, admin.Acceptance{}); !errors.As(err, &p) {
		t.Errorf("Accept of something else: %v, want the daemon's refusal", err)
	}

	var states []string
	note := func(tx admin.Transaction) { states = append(states, tx.State) }
	order := admin.Order{Kind: zg.IntentTransfer, Provider: provider, Amount: zg.OneOG, Opening: true}
	tx, err := c.Transact(t.Context(), order, note)
	if err != nil || tx.State != "mined" || tx.Block != 12 || tx.Amount != zg.OneOG || !cmp.Equal(states, []string{"signed"}) {
		t.Errorf("Transact = %+v, %v after %q", tx, err, states)
	}
	if want := (zg.Intent{Kind: zg.IntentTransfer, Provider: provider, Amount: zg.OneOG, Opening: true}); !reflect.DeepEqual(got, want) {
		t.Errorf("the daemon was asked for %+v, want %+v", got, want)
	}
	if _, err := c.Transact(t.Context(), admin.Order{Kind: zg.IntentRefund}, note); !errors.As(err, &p) || p.Code != "contract_refused" || p.Hint != "less" {
		t.Errorf("a refused order: %v", err)
	}
	tx, err = c.Transact(t.Context(), admin.Order{Kind: zg.IntentAcknowledge}, note)
	if err == nil || errors.As(err, &p) || tx.ID != 7 {
		t.Errorf("a daemon that ends under way: %+v, %v; want an error that is nobody's answer, and what was signed", tx, err)
	}
}

// Whoever can reach the listener for the whole machine can only read.
func TestNothingMovesOverTCP(t *testing.T) {
	h := admin.Handler(readConfig())
	for _, path := range []string{"/v1/transactions", "/v1/accounts/0xa48f01287233509FD694a22Bf840225062E67836/accept", "/v1/account", "/v1/status", "/"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(`{"kind":"refund","amount_neuron":"1"}`))
		r.Host = "localhost"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s = %d, want 404 or 405", path, w.Code)
		}
	}
}

func TestSocketIsTheOwnersAlone(t *testing.T) {
	old := syscall.Umask(0) // nothing here depends on it
	defer syscall.Umask(old)
	for name, dir := range map[string]string{"in the data directory": shortDir(t), "elsewhere": filepath.Join(shortDir(t), strings.Repeat("long", 30))} {
		t.Run(name, func(t *testing.T) {
			tmp := shortDir(t)
			t.Setenv("TMPDIR", tmp)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if _, err := admin.NewClient(dir); !errors.Is(err, admin.ErrNoDaemon) {
				t.Fatalf("NewClient without a daemon: %v, want ErrNoDaemon", err)
			}
			path, err := admin.SocketPath(dir)
			if err != nil {
				t.Fatal(err)
			}
			if inside := filepath.Dir(path) == dir; inside != (name == "in the data directory") {
				t.Fatalf("the socket is %s", path)
			}
			// One that a killed daemon left behind is replaced.
			first, err := admin.ListenSocket(dir)
			if err != nil {
				t.Fatal(err)
			}
			second, err := admin.ListenSocket(dir)
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o600 || info.Mode()&os.ModeSocket == 0 {
				t.Errorf("%s: %v, %v; want a socket with mode 0600", path, info.Mode(), err)
			}
			for _, d := range []string{dir, filepath.Dir(path)} {
				entries, err := os.ReadDir(d)
				if err != nil || len(entries) > 1 {
					t.Errorf("%s holds %v, %v; want the socket at most", d, entries, err)
				}
			}
			conn, err := admin.DialSocket(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(conn.Close(), second.Close(), first.Close()); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket is still there (%v)", err)
			}
			if second.Addr().String() != path {
				t.Errorf("the listener says it is at %s", second.Addr())
			}
		})
	}
}

// A directory that somebody else could have made is not used.
func TestSocketRefusesSharedDirectory(t *testing.T) {
	tmp := shortDir(t)
	t.Setenv("TMPDIR", tmp)
	dir := filepath.Join(tmp, strings.Repeat("long", 30))
	path, err := admin.SocketPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.ListenSocket(dir); err == nil || !strings.Contains(err.Error(), "alone") {
		t.Errorf("ListenSocket: %v, want a refusal", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := admin.NewClient(dir); !errors.Is(err, admin.ErrNoDaemon) {
		t.Errorf("NewClient: %v, want it not to talk to whoever listens there", err)
	}
	t.Setenv("TMPDIR", filepath.Join(tmp, strings.Repeat("long", 30)))
	if _, err := admin.SocketPath(dir); err == nil {
		t.Error("a path that no socket can have is no error")
	}
}

func TestExplainOverTheSocket(t *testing.T) {
	dir := shortDir(t)
	cfg := readConfig()
	cfg.Explain = func(q route.Query) (any, error) {
		switch q.Model {
		case "nothing":
			return nil, &admin.CommandError{Code: "not_found", Message: "no such model", Hint: "ask for another"}
		case "broken":
			return nil, errors.New("no table")
		}
		return q, nil
	}
	serveSocket(t, dir, admin.OperatorConfig{Read: cfg, Explain: explain})
	c, err := admin.NewClient(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := route.Query{Model: "a/b &c=d", Type: zg.Chatbot, Pin: "endpoint:x"}
	var got route.Query
	if err := c.Explain(t.Context(), want, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Explain = %+v, %v; want %+v to arrive whole", got, err, want)
	}
	for model, want := range map[string]admin.CommandError{
		"nothing": {Code: "not_found", Message: "no such model", Hint: "ask for another"}, "broken": {Code: "failed", Message: "no table"},
	} {
		err := c.Explain(t.Context(), route.Query{Model: model}, &got)
		if p, ok := errors.AsType[*admin.CommandError](err); !ok || *p != want {
			t.Errorf("Explain(%s): %v, want %+v", model, err, want)
		}
	}
	if code, _, _ := get(t, admin.Handler(readConfig()), "localhost", "/v1/explain?model=x"); code != http.StatusNotFound {
		t.Errorf("where nothing can be explained: %d, want 404", code)
	}
}

// Tokens are made and listed on the socket, and the order arrives as it was given.
func TestTokensOnTheSocket(t *testing.T) {
	dir := t.TempDir()
	l, err := admin.ListenSocket(dir)
	if err != nil {
		t.Fatal(err)
	}
	provider := common.HexToAddress("0x1642fb09FEd2EaEF358f1FAaF8D01015f584392E")
	made := admin.Token{Provider: admin.Address{Address: provider}, ID: 9, Generation: 2, Label: "ci", Created: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)}
	var got admin.TokenOrder
	srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: admin.OperatorHandler(admin.OperatorConfig{
		Read: admin.Config{Gatherer: prometheus.NewRegistry()}, Tokens: func(context.Context) ([]admin.Token, error) { return []admin.Token{made}, nil },
		MakeToken: func(_ context.Context, o admin.TokenOrder) (admin.NewToken, error) {
			if got = o; o.Label == "none" {
				return admin.NewToken{}, &admin.CommandError{Code: "no_account", Message: "no"}
			}
			return admin.NewToken{Token: made, Secret: "app-sk-x", URL: "u"}, nil
		},
		Explain: func(err error) *admin.CommandError {
			var p *admin.CommandError
			if !errors.As(err, &p) {
				t.Errorf("another error: %v", err)
			}
			return p
		},
	})}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	defer func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	c, err := admin.NewClient(dir)
	if err != nil {
		t.Fatal(err)
	}
	id, expires := 9, made.Created.Add(time.Hour)
	token, err := c.MakeToken(t.Context(), admin.TokenOrder{Provider: provider, ID: &id, Label: "ci", Expires: &expires})
	if err != nil || token.Secret != "app-sk-x" || token.ID != 9 || token.Provider.Address != provider {
		t.Errorf("%+v, %v", token, err)
	}
	if got.Provider != provider || *got.ID != 9 || got.Label != "ci" || !got.Expires.Equal(expires) {
		t.Errorf("ordered: %+v", got)
	}
	if list, err := c.Tokens(t.Context()); err != nil || len(list) != 1 || list[0].ID != 9 || list[0].Expires != nil {
		t.Errorf("%+v, %v", list, err)
	}
	var refused *admin.CommandError
	if _, err := c.MakeToken(t.Context(), admin.TokenOrder{Label: "none"}); !errors.As(err, &refused) || refused.Code != "no_account" {
		t.Errorf("refused: %v", err)
	}
}
