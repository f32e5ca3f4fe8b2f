package wallet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/rs/zerolog"
)

const (
	secret   = "0x0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	password = "correct horse battery"
)

var address = common.HexToAddress("0xFCAd0B19bB29D4674531d6f115237E16AfCE377c")

func open(tb testing.TB) *Wallet {
	tb.Helper()
	w, err := Open(Config{PrivateKey: secret})
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	return w
}

func TestOpenPrivateKey(t *testing.T) {
	for name, text := range map[string]string{
		"with 0x": secret, "without": secret[2:], "with 0X and capitals": "0X" + strings.ToUpper(secret[2:]), "with a line break": secret + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			w, err := Open(Config{PrivateKey: text})
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			if w.Address() != address {
				t.Errorf("Address = %s, want %s", w.Address(), address)
			}
		})
	}
}

// keystoreFile writes the test key as a keystore encrypted with little effort, after editing its JSON.
func keystoreFile(t *testing.T, edit func(map[string]any)) string {
	t.Helper()
	key, err := crypto.HexToECDSA(secret[2:])
	if err != nil {
		t.Fatalf("key: %v", err)
	}
	text, err := keystore.EncryptKey(&keystore.Key{Address: address, PrivateKey: key}, password, keystore.LightScryptN, keystore.LightScryptP)
	if err != nil {
		t.Fatalf("EncryptKey: %v", err)
	}
	if edit != nil {
		var doc map[string]any
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatalf("decode: %v", err)
		}
		edit(doc)
		if text, err = json.Marshal(doc); err != nil {
			t.Fatalf("encode: %v", err)
		}
	}
	return file(t, string(text))
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("write: %v", err)
	}
	return path
}

func TestOpenKeystore(t *testing.T) {
	w, err := Open(Config{Keystore: keystoreFile(t, nil), KeystorePassword: password})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	if w.Address() != address {
		t.Errorf("Address = %s, want %s", w.Address(), address)
	}
	c := claims{provider: address, nonce: "n", tokenID: 1}
	fromFile, err := w.session(c)
	if err != nil {
		t.Fatalf("session: %v", err)
	}
	fromKey, err := open(t).session(c)
	if err != nil {
		t.Fatalf("session: %v", err)
	}
	if fromFile != fromKey {
		t.Errorf("the key from the keystore signs %s, the bare key %s", fromFile, fromKey)
	}
}

// Every failure says what is wrong and repeats nothing of a key or password, or of what may be one.
func TestOpenRefusesWithoutTelling(t *testing.T) {
	bare := secret[2:]
	for _, tt := range []struct {
		name, want string
		cfg        Config
	}{
		{"nothing", "neither", Config{}},
		{"a password alone", "neither", Config{KeystorePassword: password}},
		{"both", "only one", Config{PrivateKey: secret, Keystore: "key.json", KeystorePassword: password}},
		{"short", "64 hexadecimal", Config{PrivateKey: secret[:65]}},
		{"long", "64 hexadecimal", Config{PrivateKey: secret + "0"}},
		{"no hex", "not a hexadecimal digit", Config{PrivateKey: strings.Replace(secret, "f", "Z", 1)}},
		{"zero", "range", Config{PrivateKey: strings.Repeat("0", 64)}},
		{"above the order", "range", Config{PrivateKey: strings.Repeat("f", 64)}},
		{"no such file", "no such file", Config{Keystore: filepath.Join(t.TempDir(), bare)}},
		{"a directory", "directory", Config{Keystore: t.TempDir()}},
		{"key in place of a path", "no such file", Config{Keystore: bare}},
		{"bare key in the file", "not an encrypted key", Config{Keystore: file(t, bare)}},
		{"file of another kind", "not an encrypted key", Config{Keystore: file(t, `{"version":3,"id":"`+bare+`","crypto":{}}`)}},
		{"too large", "not an encrypted key", Config{Keystore: file(t, strings.Repeat(" ", maxKeystore+1))}},
		{"wrong password", "password does not open", Config{Keystore: keystoreFile(t, nil), KeystorePassword: password + "!"}},
		{"no password", "password does not open", Config{Keystore: keystoreFile(t, nil)}},
		{"old version", "version 3", Config{Keystore: keystoreFile(t, func(d map[string]any) { d["version"] = "1" }), KeystorePassword: password}},
		{"another address", "another address", Config{
			Keystore: keystoreFile(t, func(d map[string]any) { d["address"] = strings.Repeat("1", 40) }), KeystorePassword: password,
		}},
		{"parameters the library panics on", "not an encrypted key", Config{
			Keystore: keystoreFile(t, func(d map[string]any) {
				d["crypto"].(map[string]any)["kdfparams"].(map[string]any)["salt"] = 7
			}), KeystorePassword: password,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := Open(tt.cfg)
			if !errors.Is(err, ErrKey) || w != nil {
				t.Fatalf("Open = %v, %v; want ErrKey", w, err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open: %q, want it to say %q", err, tt.want)
			}
			text := strings.ToLower(err.Error())
			for i := range len(bare) - 5 {
				if strings.Contains(text, bare[i:i+6]) {
					t.Fatalf("the error repeats digits of the key: %q", err)
				}
			}
			for word := range strings.FieldsSeq(password) {
				if strings.Contains(text, word) {
					t.Errorf("the error repeats the password: %q", err)
				}
			}
		})
	}
}

// However a wallet, its configuration or its sessions are printed, neither key nor token shows.
func TestNothingShows(t *testing.T) {
	w := open(t)
	s := NewSessions(w, SessionsConfig{Generation: generation(0)})
	bearer, err := s.Bearer(t.Context(), provider)
	if err != nil {
		t.Fatalf("Bearer: %v", err)
	}
	cfg := Config{PrivateKey: secret, KeystorePassword: password}
	type holder struct {
		Wallet   *Wallet
		Value    Wallet
		Sessions *Sessions
		wallet   *Wallet
		value    Wallet
		sessions *Sessions
	}
	all := holder{w, *w, s, w, *w, s}
	d := new(big.Int).SetBytes(common.FromHex(secret))
	forbidden := []string{secret[2:20], d.String()[:12], fmt.Sprint(d.Bits()[0]), password, bearer[20:60], strings.Trim(fmt.Sprintf("%d", []byte(secret[2:10])), "[]")}

	var printed []string
	for _, v := range []any{w, *w, cfg, &cfg, s, all, &all, []any{w}, map[string]any{"w": w}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%08.3f", "%t", "%T %v"} {
			if _, plain := v.(Config); plain && verb == "%p" {
				continue // %p of a struct goes past every method; vet refuses it
			}
			args := []any{v}
			if verb == "%T %v" {
				args = append(args, v)
			}
			printed = append(printed, fmt.Sprintf(verb, args...))
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("json.Marshal(%T): %v", v, err)
		}
		var log bytes.Buffer
		lg := zerolog.New(&log)
		lg.Info().Interface("v", v).Any("a", v).Msg(fmt.Sprint(v))
		printed = append(printed, string(text), log.String())
	}
	for _, text := range printed {
		for _, f := range forbidden {
			if strings.Contains(strings.ToLower(text), strings.ToLower(f)) {
				t.Errorf("printed %s, which holds %q", text, f)
			}
		}
	}
	want := "wallet(" + address.Hex() + ")"
	for _, got := range []string{fmt.Sprintf("%v", w), fmt.Sprintf("%+v", *w), fmt.Sprintf("%#v", w), fmt.Sprintf("%s", w), w.String()} {
		if got != want {
			t.Errorf("printed %s, want %s", got, want)
		}
	}
	if got, err := json.Marshal(w); err != nil || string(got) != `"`+want+`"` {
		t.Errorf("json.Marshal = %s, %v; want %q", got, err, want)
	}
}

func TestSignTx(t *testing.T) {
	w := open(t)
	to := provider
	chain := big.NewInt(16661)
	tx := types.NewTx(&types.DynamicFeeTx{ChainID: chain, Nonce: 3, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(2), Gas: 21000, To: &to, Value: big.NewInt(5)})
	signed, err := w.SignTx(tx, chain)
	if err != nil {
		t.Fatalf("SignTx: %v", err)
	}
	from, err := types.Sender(types.LatestSignerForChainID(chain), signed)
	if err != nil || from != w.Address() {
		t.Errorf("Sender = %s, %v; want %s", from, err, w.Address())
	}
	again, err := w.SignTx(tx, chain)
	if err != nil || again.Hash() != signed.Hash() {
		t.Errorf("signed again: %v, %v; want the same bytes", again, err)
	}
	legacy, err := w.SignTx(types.NewTx(&types.LegacyTx{Nonce: 1, GasPrice: big.NewInt(1), Gas: 21000, To: &to}), chain)
	if err != nil || !legacy.Protected() || legacy.ChainId().Cmp(chain) != 0 {
		t.Errorf("a legacy transaction is signed for chain %v, err %v; want it bound to %v", legacy.ChainId(), err, chain)
	}

	if _, err := w.SignTx(tx, big.NewInt(16602)); !errors.Is(err, types.ErrInvalidChainId) {
		t.Errorf("SignTx for another chain: %v, want ErrInvalidChainId", err)
	}
	for _, id := range []*big.Int{nil, new(big.Int), big.NewInt(-1)} {
		if _, err := w.SignTx(tx, id); !errors.Is(err, ErrChainID) {
			t.Errorf("SignTx for chain %v: %v, want ErrChainID", id, err)
		}
	}
}
