package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func decodeSecret(t *testing.T, text string) Secret {
	t.Helper()
	var s Secret
	if err := s.Decode(text); err != nil {
		t.Fatal(err)
	}
	return s
}

// Nothing that formats or encodes a value may show a secret, however deep the secret is buried and whoever holds it.
func TestSecretsNeverPrint(t *testing.T) {
	const word = "hush-hush-0123456789"
	secret := decodeSecret(t, word)
	var list SecretList
	if err := list.Decode(word + ",another-" + word); err != nil {
		t.Fatal(err)
	}
	var endpoint Endpoint
	if err := endpoint.Decode("https://user:" + word + "@rpc.example.com/" + word + "?key=" + word); err != nil {
		t.Fatal(err)
	}
	var nodes NodeURLs
	if err := nodes.Decode(endpoint.Reveal() + ", https://a.example"); err != nil {
		t.Fatal(err)
	}
	type private struct {
		s  Secret
		l  SecretList
		e  Endpoint
		n  NodeURLs
		ps *Secret
	}
	values := []any{
		secret, &secret, list, &list, endpoint, &endpoint, nodes, &nodes,
		[]Secret{secret},
		map[string]Secret{"k": secret},
		Config{PrivateKey: secret, KeystorePassword: Password{secret}, APIKeys: list, RPCURL: nodes},
		&Config{PrivateKey: secret},
		private{secret, list, endpoint, nodes, &secret},
		&private{secret, list, endpoint, nodes, &secret},
		[]any{private{s: secret}},
	}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p", "%t", "% x", "%#x", "%20s", "%c", "%U", "%e", "%b", "%o"} {
			if got := fmt.Sprintf(verb, v); leaks(got, word) {
				t.Errorf("%s of %T leaks: %s", verb, v, got)
			}
		}
		if b, err := json.Marshal(v); err != nil || leaks(string(b), word) {
			t.Errorf("JSON of %T leaks or fails: %s, %v", v, b, err)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
		if leaks(log.String(), word) {
			t.Errorf("slog of %T leaks: %s", v, log.String())
		}
	}
	if b, err := xml.Marshal(secret); err != nil || leaks(string(b), word) {
		t.Errorf("XML leaks or fails: %s, %v", b, err)
	}
	if err := fmt.Errorf("with %w", fmt.Errorf("key %v of %+v", secret, values)); leaks(err.Error(), word) {
		t.Errorf("an error leaks: %v", err)
	}
	if got := secret.Reveal(); got != word {
		t.Errorf("Reveal = %q, want the text", got)
	}
	if got, want := fmt.Sprintf("%v | %v | %v | %v | %v", secret, Secret{}, list, endpoint, nodes),
		"[redacted] |  | [redacted] (2 of them) | https://rpc.example.com/[redacted] | https://rpc.example.com/[redacted],https://a.example"; got != want {
		t.Errorf("printed as %q, want %q", got, want)
	}
}

// leaks looks for the text as it is and as hex, which is what %x would make of it.
func leaks(s, word string) bool {
	return strings.Contains(s, word) || strings.Contains(strings.ToLower(strings.ReplaceAll(s, " ", "")), fmt.Sprintf("%x", word))
}

func TestSecretFromFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		name, text, want string
		mode             os.FileMode
		warns            bool
	}{
		{"plain", "word", "word", 0o600, false},
		{"newline", "word\n", "word", 0o400, false},
		{"windows", "word\r\n", "word", 0o640, false},
		{"two newlines", "word\n\n", "word\n", 0o600, false},
		{"inner spaces", " two words \n", " two words ", 0o600, false},
		{"readable by all", "word", "word", 0o644, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(strings.ReplaceAll(tt.name, " ", "-"), tt.text, tt.mode)
			s := decodeSecret(t, "@"+path)
			if got := s.Reveal(); got != tt.want {
				t.Errorf("Reveal = %q, want %q", got, tt.want)
			}
			if !s.FromFile() {
				t.Error("FromFile = false")
			}
			if warned := s.Warning() != ""; warned != tt.warns {
				t.Errorf("Warning = %q, want one: %v", s.Warning(), tt.warns)
			}
		})
	}
	for name, path := range map[string]string{
		"missing":   filepath.Join(dir, "nothing"),
		"empty":     write("empty", "\n", 0o600),
		"directory": dir,
		"too large": write("large", strings.Repeat("x", maxSecretFile+1), 0o600),
	} {
		var s Secret
		if err := s.Decode("@" + path); err == nil || s.IsSet() {
			t.Errorf("%s: Decode = %v, want an error and no secret", name, err)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v does not name the file", name, err)
		}
	}
}
