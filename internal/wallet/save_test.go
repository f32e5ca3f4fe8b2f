package wallet

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A key that is written opens with its password, is private, and never takes another's place.
func TestKeystoreFiles(t *testing.T) {
	dir := t.TempDir()
	made := filepath.Join(dir, "sub", "made.json")
	a, err := New(made, password, Light)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{made, filepath.Dir(made)} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	w, err := Open(Config{Keystore: made, KeystorePassword: password})
	if err != nil || w.Address() != a {
		t.Fatalf("%v, %v; want %s", w, err, a)
	}
	if named, err := Address(made); err != nil || named != a {
		t.Errorf("Address = %s, %v", named, err)
	}
	if _, err := Open(Config{Keystore: made, KeystorePassword: "other"}); !errors.Is(err, ErrPassword) || !errors.Is(err, ErrKey) {
		t.Errorf("with another password: %v", err)
	}
	if _, err := New(made, password, Light); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another: %v", err)
	}
	if _, err := New(filepath.Join(dir, "x"), "", Light); !errors.Is(err, ErrKey) {
		t.Errorf("without a password: %v", err)
	}

	var out bytes.Buffer
	if err := Export(Config{Keystore: made, KeystorePassword: password}, &out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if len(text) != 65 {
		t.Errorf("exported %d bytes", len(text))
	}
	again := filepath.Join(dir, "again.json")
	if got, err := Import(again, "another", Light, Config{PrivateKey: text}); err != nil || got != a {
		t.Errorf("Import = %s, %v", got, err)
	}
	moved := filepath.Join(dir, "moved.json")
	if got, err := Import(moved, "third", Light, Config{Keystore: again, KeystorePassword: "another"}); err != nil || got != a {
		t.Errorf("Import of a keystore = %s, %v", got, err)
	}
	for name, cfg := range map[string]Config{
		"no key": {}, "no digits": {PrivateKey: strings.Repeat("x", 64)}, "zero": {PrivateKey: strings.Repeat("0", 64)}, "a wrong password": {Keystore: again, KeystorePassword: "x"},
		"a signer's": {Signer: "http://127.0.0.1:1", SignerAddress: address}, "two": {PrivateKey: secret, Keystore: again},
	} {
		if err := Export(cfg, &out); err == nil {
			t.Errorf("exported %s", name)
		}
		path := filepath.Join(dir, "not")
		if _, err := Import(path, password, Light, cfg); err == nil {
			t.Errorf("imported %s", name)
		} else if strings.Contains(err.Error(), strings.Repeat("0", 64)) || strings.Contains(err.Error(), "xxxx") {
			t.Errorf("%s: shown in %v", name, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: there is a file: %v", name, err)
		}
	}
}
