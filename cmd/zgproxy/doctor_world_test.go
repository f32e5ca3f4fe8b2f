package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	mathbig "math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/openai/openai-go/v3"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// examined runs all checks with a changed environment, and returns how each ended, by id and, of a provider, its number.
func (w *world) examined(t *testing.T, change func(*doctor), env ...string) (map[string]checkReport, string) {
	t.Helper()
	for _, kv := range append(w.variables(), env...) {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	var out bytes.Buffer
	d, err := newDoctor(doctorOptions{timeout: time.Minute}, console{out: &out})
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	d.limit = func() (uint64, error) { return 4096, nil } // whatever this machine allows
	d.free = func(string) (uint64, error) { return smallDisk, nil }
	if change != nil {
		change(d)
	}
	found := make(map[string]checkReport)
	p := doctorPrinter{console: d.console, names: d.names}
	d.run(t.Context(), func(c checkReport) {
		id := c.ID
		if c.Provider != nil {
			id = fmt.Sprintf("%s/%d", id, slices.Index(d.providers, c.Provider.Address))
		}
		found[id] = c
		p.print(c)
	})
	return found, out.String()
}

// differs compares how checks ended with how they did in a healthy world. want has lines of a status and the checks that end
// so now, and no others do.
func differs(t *testing.T, healthy, found map[string]checkReport, said string, want ...string) {
	t.Helper()
	wanted := make(map[string]checkStatus)
	for _, line := range want {
		f := strings.Fields(line)
		for _, id := range f[1:] {
			wanted[id] = checkStatus(f[0])
		}
	}
	for id, was := range healthy {
		is, ok := found[id]
		if !ok {
			t.Errorf("%s is missing", id)
			continue
		}
		status, changes := wanted[id]
		if !changes {
			status = was.Status
		}
		if is.Status != status {
			t.Errorf("%s: %s (%s; %s), want %s", id, is.Status, is.Summary, is.Reason, status)
		}
		if is.Status != checkPass && is.Reason == "" || is.Status == checkFail && is.Fix == "" {
			t.Errorf("%s: no reason, or no fix: %+v", id, is)
		}
		delete(wanted, id)
	}
	if len(wanted) > 0 || t.Failed() {
		t.Errorf("there are no checks %v; it said:\n%s", wanted, said)
	}
}

// possessions is everything that a command could have spent, and what providers have seen.
func (w *world) possessions(t *testing.T) string {
	t.Helper()
	client := w.net.Chain.Client()
	nonce, err := client.PendingNonceAt(t.Context(), devnet.Wallet())
	if err != nil {
		t.Fatal(err)
	}
	balance, err := client.BalanceAt(t.Context(), devnet.Wallet(), nil)
	if err != nil {
		t.Fatal(err)
	}
	available, err := w.net.Chain.Available(t.Context(), devnet.Wallet())
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(nonce, balance, available)
	for _, p := range w.net.Providers {
		w.atRest(p)
		text += fmt.Sprint(" ", w.subAccount(p.Address()), p.Billed(devnet.Wallet()), len(p.Exchanges()))
	}
	return text
}

// expired is a web server whose certificate has ended.
func expired(t *testing.T) *httptest.Server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: mathbig.NewInt(1), NotBefore: time.Unix(1_700_000_000, 0), NotAfter: time.Unix(1_710_000_000, 0), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	s.Config.ErrorLog = quietLogger(zerolog.Nop())
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// TestDoctor examines a world in which one thing after the other is broken, and asserts which checks end otherwise for it,
// and that no others do.
func TestDoctor(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	alpha, beta := w.net.Providers[0], w.net.Providers[1]
	w.env = append(w.env, "ZGPROXY_PROVIDERS="+alpha.Address().Hex()+","+beta.Address().Hex())
	before := w.possessions(t)
	healthy, said := w.examined(t, nil)
	for id, c := range healthy {
		if c.Status == checkWarn || c.Status == checkFail {
			t.Errorf("%s: %+v", id, c)
		}
	}
	if t.Failed() {
		t.Fatalf("a healthy world is not:\n%s", said)
	}
	if now := w.possessions(t); now != before {
		t.Errorf("it had a price: %s before, %s now", before, now)
	}
	if _, err := os.Stat(w.data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data directory was made: %v", err)
	}
	both := func(ids ...string) (out string) {
		for _, id := range ids {
			out += " provider." + id + "/0 provider." + id + "/1"
		}
		return out
	}
	everything := both("registered", "vouched", "signer", "account", "acknowledged", "refund", "url", "dns", "connect", "tls", "clock", "catalogue", "token",
		"claim", "balance", "signature")
	money := " wallet.balance wallet.ledger wallet.available" + both("account", "acknowledged", "refund", "token", "claim", "balance")

	t.Run("configuration", func(t *testing.T) {
		found, said := w.examined(t, nil, "ZGPROXY_LOG_LEVEL=loud")
		differs(t, healthy, found, said, "FAIL machine.configuration")
	})
	t.Run("secrets", func(t *testing.T) {
		key := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(key, []byte(devnet.WalletKeyHex), 0o644); err != nil {
			t.Fatal(err)
		}
		found, said := w.examined(t, nil, "ZGPROXY_PRIVATE_KEY=@"+key)
		differs(t, healthy, found, said, "WARN machine.secrets")
		if strings.Contains(said, devnet.WalletKeyHex) {
			t.Errorf("the key is shown:\n%s", said)
		}
	})
	t.Run("data directory", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		found, said := w.examined(t, nil, "ZGPROXY_DATA_DIR="+file)
		differs(t, healthy, found, said, "FAIL machine.data_dir machine.store", "SKIP wallet.unfinished wallet.nonce wallet.budgets"+both("signer", "claim"))
	})
	t.Run("open directory", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		found, said := w.examined(t, nil, "ZGPROXY_DATA_DIR="+dir)
		differs(t, healthy, found, said, "WARN machine.data_dir")
		if os.Geteuid() != 0 {
			return // only root can give a directory away
		}
		if err := errors.Join(os.Chmod(dir, 0o700), os.Chown(dir, 12345, -1)); err != nil {
			t.Fatal(err)
		}
		found, said = w.examined(t, nil, "ZGPROXY_DATA_DIR="+dir)
		differs(t, healthy, found, said, "WARN machine.data_dir")
		if !strings.Contains(found["machine.data_dir"].Reason, "user 12345") {
			t.Errorf("it does not say whose it is: %+v", found["machine.data_dir"])
		}
	})
	t.Run("schema", func(t *testing.T) {
		for change, want := range map[string][]string{
			"INSERT INTO schema_version (version, name, applied_at) SELECT MAX(version) + 1, 'later', 0 FROM schema_version": {"FAIL machine.store", "SKIP wallet.unfinished wallet.nonce wallet.budgets" + both("signer", "claim")},
			"DELETE FROM schema_version WHERE version = (SELECT MAX(version) FROM schema_version)":                           {"WARN machine.store", "SKIP wallet.unfinished wallet.nonce wallet.budgets" + both("signer", "claim")},
		} {
			dir := t.TempDir()
			store, err := billing.Open(t.Context(), dir, billing.StoreOptions{Log: zerolog.Nop()})
			if err == nil {
				err = store.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			(&world{T: t, data: dir}).inStore(func(ctx context.Context, db *sql.DB) error {
				_, err := db.ExecContext(ctx, change)
				return err
			})
			found, said := w.examined(t, nil, "ZGPROXY_DATA_DIR="+dir)
			differs(t, healthy, found, said, want...)
		}
	})
	t.Run("port", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		stranger := httptest.NewUnstartedServer(http.NotFoundHandler())
		_ = stranger.Listener.Close()
		stranger.Listener = l
		stranger.Start()
		defer stranger.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		found, said := w.examined(t, nil, "ZGPROXY_PORT="+port)
		differs(t, healthy, found, said, "FAIL machine.port")
	})
	t.Run("clock", func(t *testing.T) {
		found, said := w.examined(t, func(d *doctor) { d.now = func() time.Time { return time.Now().Add(2 * time.Hour) } })
		differs(t, healthy, found, said, "FAIL machine.clock", "SKIP"+both("clock"))
	})
	t.Run("RPC", func(t *testing.T) {
		found, said := w.examined(t, nil, "ZGPROXY_RPC_URL=http://127.0.0.1:1/my-key")
		if strings.Contains(said, "my-key") {
			t.Errorf("the endpoint's key is shown:\n%s", said)
		}
		differs(t, healthy, found, said, "FAIL network.rpc", "SKIP machine.clock network.chain_id network.head network.contracts network.pair network.rules "+
			"network.gas network.services wallet.nonce"+money+everything)
	})
	t.Run("chain", func(t *testing.T) {
		w.net.Chain.SetFault(func(method string, _ []byte) *simchain.Fault {
			if method == "eth_chainId" {
				return &simchain.Fault{Result: json.RawMessage(`"0x4"`)}
			}
			return nil
		})
		defer w.net.Chain.SetFault(nil)
		found, said := w.examined(t, nil)
		differs(t, healthy, found, said, "FAIL network.chain_id", "SKIP network.head network.contracts network.pair network.rules network.gas network.services "+
			"wallet.nonce"+money+everything)
	})
	t.Run("contract", func(t *testing.T) {
		found, said := w.examined(t, nil, "ZGPROXY_LEDGER_CONTRACT="+alpha.Address().Hex(), "ZGPROXY_INFERENCE_CONTRACT="+w.net.Chain.Inference().Hex())
		differs(t, healthy, found, said, "FAIL network.contracts", "SKIP network.pair network.rules network.services"+money+everything)
		found, said = w.examined(t, nil, "ZGPROXY_LEDGER_CONTRACT="+w.net.Chain.Inference().Hex(), "ZGPROXY_INFERENCE_CONTRACT="+w.net.Chain.Ledger().Hex())
		differs(t, healthy, found, said, "FAIL network.pair", "SKIP network.rules network.services"+money+everything)
	})
	t.Run("gas", func(t *testing.T) {
		found, said := w.examined(t, nil, "ZGPROXY_MAX_FEE_PER_GAS=1")
		differs(t, healthy, found, said, "FAIL network.gas")
	})
	t.Run("balance", func(t *testing.T) {
		w.net.Chain.SetFault(func(method string, _ []byte) *simchain.Fault {
			if method == "eth_getBalance" {
				return &simchain.Fault{Result: json.RawMessage(`"0x1"`)}
			}
			return nil
		})
		defer w.net.Chain.SetFault(nil)
		found, said := w.examined(t, nil)
		differs(t, healthy, found, said, "WARN wallet.balance")
	})
	t.Run("wallet", func(t *testing.T) {
		key, err := crypto.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.net.Fund(t.Context(), crypto.PubkeyToAddress(key.PublicKey), zg.OneOG); err != nil {
			t.Fatal(err)
		}
		found, said := w.examined(t, nil, "ZGPROXY_PRIVATE_KEY="+hex.EncodeToString(crypto.FromECDSA(key)))
		differs(t, healthy, found, said, "FAIL wallet.ledger"+both("account"), "SKIP wallet.available"+both("acknowledged", "refund", "token", "claim", "balance"))
		found, said = w.examined(t, nil, "ZGPROXY_PRIVATE_KEY=")
		differs(t, healthy, found, said, "FAIL wallet.key", "SKIP wallet.unfinished wallet.nonce"+money)
	})
	t.Run("ledger low", func(t *testing.T) {
		found, said := w.examined(t, nil, "ZGPROXY_HIGH_WATER=500 0G")
		differs(t, healthy, found, said, "WARN wallet.available")
	})
	t.Run("not vouched", func(t *testing.T) {
		if err := w.net.Chain.RevokeSigner(t.Context(), beta.Address()); err != nil {
			t.Fatal(err)
		}
		found, said := w.examined(t, nil)
		differs(t, healthy, found, said, "FAIL provider.vouched/1", "SKIP provider.signer/1 provider.signature/1")
		if err := w.net.Chain.AcknowledgeSigner(t.Context(), beta.Address()); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("signer", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "data")
		s, err := billing.Open(t.Context(), dir, billing.StoreOptions{Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		_, pinErr := s.Pin(zg.Pin{Provider: alpha.Address(), Signer: beta.TEESigner(), Source: zg.SourceService, URL: alpha.URL(), At: time.Now()})
		_, suspendErr := s.Suspend(zg.Suspension{Provider: beta.Address(), Code: zg.SuspendedInvalid, Reason: "It lied.", At: time.Now()})
		if err := errors.Join(pinErr, suspendErr, s.Close()); err != nil {
			t.Fatal(err)
		}
		files := func() (names []string) {
			all, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range all {
				names = append(names, f.Name())
			}
			return names
		}
		was := files()
		found, said := w.examined(t, nil, "ZGPROXY_DATA_DIR="+dir)
		differs(t, healthy, found, said, "FAIL"+both("signer"))
		if now := files(); !slices.Equal(now, was) {
			t.Errorf("the data directory had %v and has %v", was, now)
		}
		if !strings.Contains(said, "It lied.") || !strings.Contains(said, "zgproxy provider accept "+beta.Address().Hex()) {
			t.Errorf("it does not say why, or what to do:\n%s", said)
		}
	})
	if now := w.possessions(t); now != before {
		t.Errorf("it had a price: %s before, %s now", before, now)
	}

	t.Run("owed", func(t *testing.T) {
		beta.Bill(devnet.Wallet(), zg.OneOG)
		defer beta.Forgive(devnet.Wallet())
		found, said := w.examined(t, nil)
		differs(t, healthy, found, said, "FAIL provider.balance/1", "SKIP provider.claim/1")
	})
	// From here on the world stays broken: what a provider is on chain is changed by transactions of its own.
	moved := func(t *testing.T, url string) {
		t.Helper()
		err := w.net.Chain.RegisterService(t.Context(), devnet.ProviderKey("beta"), simchain.ServiceParams{
			ServiceType: string(zg.Chatbot), URL: url, Model: beta.Model(), Verifiability: "TeeML", InputPrice: beta.Price().Input, OutputPrice: beta.Price().Output,
			TEESigner: beta.TEESigner(),
		})
		if err := errors.Join(err, w.net.Chain.AcknowledgeSigner(t.Context(), beta.Address())); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("certificate", func(t *testing.T) {
		moved(t, expired(t).URL)
		found, said := w.examined(t, nil)
		differs(t, healthy, found, said, "FAIL provider.tls/1", "SKIP provider.clock/1 provider.catalogue/1 provider.token/1 provider.claim/1 provider.signature/1")
		if !strings.Contains(found["provider.tls/1"].Reason, "to 2024-03-09") {
			t.Errorf("%+v", found["provider.tls/1"])
		}
	})
	t.Run("token, and a hostile catalogue", func(t *testing.T) {
		front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			if strings.HasPrefix(r.URL.Path, "/v1/user/") {
				rw.WriteHeader(http.StatusBadRequest)
				_, _ = rw.Write([]byte(`{"error":"validate session: session token expired \u001b[2J"}`))
				return
			}
			_, _ = rw.Write([]byte(`{"data":[{"id":"` + beta.Model() + `"},{"id":"x\u001b]0;owned\u0007\n  PASS"}]}`))
		}))
		defer front.Close()
		moved(t, front.URL)
		found, said := w.examined(t, nil)
		differs(t, healthy, found, said, "FAIL provider.token/1", "SKIP provider.claim/1")
		if strings.ContainsAny(said, "\x1b\x07") {
			t.Errorf("a stranger writes to the terminal: %q", said)
		}
	})
	t.Run("unreachable", func(t *testing.T) {
		moved(t, "http://127.0.0.1:1")
		found, said := w.examined(t, nil)
		differs(t, healthy, found, said, "FAIL provider.connect/1", "SKIP provider.tls/1 provider.clock/1 provider.catalogue/1 provider.token/1 provider.claim/1 provider.signature/1")
		found, said = w.examined(t, nil, "ZGPROXY_ALLOW_PRIVATE_PROVIDERS=false")
		private := "provider.dns/%d provider.connect/%d provider.tls/%d provider.clock/%d provider.catalogue/%d provider.token/%d provider.claim/%d provider.signature/%d "
		differs(t, healthy, found, said, "FAIL"+both("url"), "SKIP "+strings.ReplaceAll(private, "%d", "0")+strings.ReplaceAll(private, "%d", "1"))
	})
	t.Run("refund", func(t *testing.T) {
		moved(t, beta.URL())
		if err := w.net.Chain.Retrieve(t.Context(), devnet.WalletKey(), beta.Address()); err != nil {
			t.Fatal(err)
		}
		found, said := w.examined(t, nil)
		differs(t, healthy, found, said, "WARN provider.refund/1", "FAIL provider.balance/1")
	})
	t.Run("consent", func(t *testing.T) {
		// The contract takes a consent back only where the sub-account is empty.
		if err := w.net.Chain.AdvanceTime(25 * time.Hour); err != nil {
			t.Fatal(err)
		}
		taken := w.net.Chain.Retrieve(t.Context(), devnet.WalletKey(), beta.Address())
		if err := errors.Join(taken, w.net.Chain.Acknowledge(t.Context(), devnet.WalletKey(), beta.Address(), false)); err != nil {
			t.Fatal(err)
		}
		found, said := w.examined(t, nil)
		differs(t, healthy, found, said, "FAIL provider.balance/1 provider.acknowledged/1")
	})
	t.Run("gone", func(t *testing.T) {
		if err := w.net.Chain.RemoveService(t.Context(), devnet.ProviderKey("beta")); err != nil {
			t.Fatal(err)
		}
		found, said := w.examined(t, nil)
		differs(t, healthy, found, said, "FAIL provider.registered/1", "SKIP provider.vouched/1 provider.signer/1 provider.account/1 provider.acknowledged/1 "+
			"provider.refund/1 provider.url/1 provider.dns/1 provider.connect/1 provider.tls/1 provider.clock/1 provider.catalogue/1 provider.token/1 provider.claim/1 provider.balance/1 provider.signature/1")
	})
}

// A keystore without a password is not opened unasked, and what needs no key is checked by the address in it. That it is opened
// when asked is in the script.
func TestDoctorKeystore(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	text, err := keystore.EncryptKey(&keystore.Key{Address: devnet.Wallet(), PrivateKey: devnet.WalletKey()}, "open sesame", 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "wallet.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "ZGPROXY_PROVIDERS="+w.net.Providers[0].Address().Hex(), "ZGPROXY_PRIVATE_KEY=", "ZGPROXY_KEYSTORE="+file)
	statuses := func(ask bool) map[string]checkStatus {
		t.Helper()
		found, said := w.examined(t, func(d *doctor) { d.ask = ask })
		if strings.Contains(said, "Password") {
			t.Errorf("it asks:\n%s", said)
		}
		out := make(map[string]checkStatus)
		for _, c := range found {
			out[c.ID] = c.Status
		}
		return out
	}
	if s := statuses(false); s["machine.configuration"] != checkPass || s["wallet.key"] != checkSkip || s["wallet.balance"] != checkPass || s["provider.token"] != checkSkip {
		t.Errorf("a keystore: %v", s)
	}

	// Nor does a signer sign unasked.
	var signed atomic.Int64
	signer := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var call struct {
			ID     json.RawMessage
			Method string
			Params []string
		}
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
			t.Error(err)
		}
		rw.Header().Set("Content-Type", "application/json")
		if call.Method != "eth_sign" {
			_, _ = fmt.Fprintf(rw, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no such method"}}`, call.ID)
			return
		}
		signed.Add(1)
		hash, err := hex.DecodeString(strings.TrimPrefix(call.Params[1], "0x"))
		if err != nil {
			t.Error(err)
		}
		sig, err := crypto.Sign(accounts.TextHash(hash), devnet.WalletKey())
		if err != nil {
			t.Error(err)
		}
		_, _ = fmt.Fprintf(rw, `{"jsonrpc":"2.0","id":%s,"result":"0x%x"}`, call.ID, sig)
	}))
	defer signer.Close()
	w.env = append(w.env, "ZGPROXY_KEYSTORE=", "ZGPROXY_SIGNER="+signer.URL, "ZGPROXY_SIGNER_ADDRESS="+devnet.Wallet().Hex())
	if s := statuses(false); s["wallet.key"] != checkPass || s["wallet.balance"] != checkPass || s["provider.token"] != checkSkip || signed.Load() != 0 {
		t.Errorf("a signer, unasked: %v; it signed %d times", s, signed.Load())
	}
	if s := statuses(true); s["wallet.key"] != checkPass || s["provider.token"] != checkPass || signed.Load() != 1 {
		t.Errorf("a signer, asked: %v; it signed %d times", s, signed.Load())
	}
	signer.Close()
	if s := statuses(false); s["wallet.key"] != checkFail || s["wallet.balance"] != checkPass || s["provider.token"] != checkSkip {
		t.Errorf("a signer that is gone: %v", s)
	}
}

// When the time is over, what is left is skipped and told, and the whole is not called well.
func TestDoctorTimeIsOver(t *testing.T) {
	t.Setenv(config.EnvFileVariable, config.Off)
	t.Setenv("ZGPROXY_DATA_DIR", filepath.Join(t.TempDir(), "data"))
	t.Setenv("ZGPROXY_PROVIDERS", devnet.Wallet().Hex())
	var out bytes.Buffer
	o := doctorOptions{json: true, timeout: 1}
	d, err := newDoctor(o, console{out: &out})
	if err != nil {
		t.Fatal(err)
	}
	failed, ok := errors.AsType[*failedError](d.examine(t.Context(), o))
	if !ok || failed.problem.Code != codeUnwell {
		t.Fatalf("it ends with %v", failed)
	}
	var r doctorReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	all := len(slices.DeleteFunc(allChecks(), func(c check) bool { return c.several }))
	if r.OK || r.Summary.Skip != all || len(r.Checks) != all || !strings.Contains(r.Checks[0].Reason, "--timeout") {
		t.Errorf("ok %v, %+v", r.OK, r.Summary)
	}
}

// Beside the daemon it reads what the daemon has written, and the signature of an answer.
func TestDoctorBesideTheDaemon(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.inProcess()
	client := w.client()
	if _, err := client.Chat.Completions.New(t.Context(), openai.ChatCompletionNewParams{
		Model: "echo-1", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hello")},
	}); err != nil {
		t.Fatal(err)
	}
	before := w.received()
	var r doctorReport
	w.eventually("booked", func() error {
		r = decode[doctorReport](w, w.must(args("doctor --json")))
		if !slices.ContainsFunc(r.Checks, func(c checkReport) bool { return c.ID == "provider.signature" && c.Status == checkPass }) {
			return errors.New("no signature was checked")
		}
		return nil
	})
	var order []string
	for _, c := range r.Checks {
		if c.Provider != nil && !slices.Contains(order, c.Provider.Hex()) {
			order = append(order, c.Provider.Hex())
		} else if c.Provider != nil && order[len(order)-1] != c.Provider.Hex() {
			t.Errorf("the checks of %s are not together", c.Provider)
		}
		if c.Status == checkFail || c.Status == checkWarn || ((c.ID == "machine.daemon" || c.ID == "machine.instance") && c.Status != checkPass) {
			t.Errorf("%+v", c)
		}
	}
	for i, p := range w.net.Providers {
		if len(order) != len(w.net.Providers) || order[i] != p.Address().Hex() {
			t.Fatalf("the providers come as %v", order)
		}
	}
	if !r.OK || r.Summary.Fail != 0 || r.Summary.Pass+r.Summary.Warn+r.Summary.Skip != len(r.Checks) || w.received() != before {
		t.Errorf("%+v ok %v; %d requests before, %d now", r.Summary, r.OK, before, w.received())
	}
	port := strings.TrimPrefix(w.daemon.api, "http://127.0.0.1:")
	w.env = append(w.env, "ZGPROXY_PORT="+port, "ZGPROXY_ADMIN_LISTEN="+strings.TrimPrefix(w.daemon.admin, "http://"))
	w.must(args("doctor"), "the daemon listens on 127.0.0.1:"+port, "0 FAIL")

	env := w.env
	// Without the key, the daemon is asked whose it is.
	w.env = append(slices.Clone(env), "ZGPROXY_PRIVATE_KEY=")
	w.must(args("doctor"), "only the daemon has the key, of "+devnet.Wallet().Hex(), "PASS  balance", "because wallet.key was skipped", "0 FAIL")
	w.env = append(slices.Clone(env), "ZGPROXY_DATA_DIR="+filepath.Join(t.TempDir(), "data"))
	w.expect(exitFailure, args("doctor"), "another zgproxy listens on 127.0.0.1:"+port)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	w.env = append(slices.Clone(env), "ZGPROXY_ADMIN_LISTEN="+free)
	w.must(args("doctor"), "the daemon runs and does not listen on "+free, "1 WARN, 0 FAIL")
	w.env = env

	w.env = append(w.env, "ZGPROXY_WALLET_FLOOR=5000 0G")
	w.must(args("doctor"), "1 WARN, 0 FAIL")
	w.expect(exitFailure, args("doctor --strict"), "1 WARN, 0 FAIL")
	w.env = append(w.env, "ZGPROXY_MAX_FEE_PER_GAS=1")
	if r := decode[doctorReport](w, w.expect(exitFailure, args("doctor --json --provider "+w.net.Providers[0].Address().Hex()))); r.OK || r.Summary.Fail != 1 {
		t.Errorf("%+v", r.Summary)
	}
	w.expect(exitUsage, args("doctor --provider nobody"), "not an address")
	w.expect(exitUsage, args("doctor --timeout 0s"), "--timeout")
	w.expect(exitUsage, args("doctor --ask"), "--ask")

	// What the store has is compared with what the providers say now.
	w.env = env
	if err := w.daemon.stop(); err != nil {
		t.Fatal(err)
	}
	alpha := w.net.Providers[0]
	was, said := w.examined(t, nil)
	if was["provider.signature/0"].Status != checkPass || was["provider.claim/0"].Status != checkPass {
		t.Fatalf("it said:\n%s", said)
	}
	alpha.Bill(devnet.Wallet(), zg.OneOG.MulDiv(2, 10))
	found, said := w.examined(t, nil)
	differs(t, was, found, said, "WARN provider.claim/0")
	alpha.Forgive(devnet.Wallet())
	s, err := billing.Open(t.Context(), w.data, billing.StoreOptions{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	stranger := w.net.Providers[1].TEESigner()
	other := zg.Pin{Provider: alpha.Address(), Signer: stranger, Source: zg.SourceService, Settler: stranger, URL: alpha.URL(), At: time.Now()}
	_, err = s.Accept(alpha.Address(), billing.Acceptance{Pin: other})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	found, said = w.examined(t, nil)
	// It signs with what was accepted before the other.
	differs(t, was, found, said, "WARN provider.signer/0", "FAIL provider.signature/0")
	if err := w.net.Restart(0); err != nil { // it forgets its signatures
		t.Fatal(err)
	}
	found, said = w.examined(t, nil)
	differs(t, was, found, said, "WARN provider.signer/0 provider.signature/0")
}
