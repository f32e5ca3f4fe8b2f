package config

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// What the environment does not set comes from the file, and is not in the process's environment afterwards.
func TestEnvFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	path := filepath.Join(dir, "zgproxy", "env")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	key := strings.Repeat("5", 64)
	write("# by hand\n\nZGPROXY_PORT=4000\n; more\nexport ZGPROXY_NETWORK = 'testnet'\nZGPROXY_HOST=\"127.0.0.2\"\nZGPROXY_ROUTING=\nZGPROXY_PRIVATE_KEY="+key+"\n", 0o644)
	setenv(t, map[string]string{"HOST": "127.0.0.3"})
	cfg, sources, err := Read(Flags{})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Port != 4000 || cfg.Network != "testnet" || cfg.Host != "127.0.0.3" || cfg.Routing != "balanced" || cfg.PrivateKey.Reveal() != key {
		t.Errorf("%d %s %s %s", cfg.Port, cfg.Network, cfg.Host, cfg.Routing)
	}
	for variable, want := range map[string]Source{
		"ZGPROXY_PORT": SourceEnvFile, "ZGPROXY_HOST": SourceEnv, "ZGPROXY_ROUTING": SourceDefault, "ZGPROXY_PRIVATE_KEY": SourceEnvFile,
	} {
		if sources[variable] != want {
			t.Errorf("the source of %s is %q, want %q", variable, sources[variable], want)
		}
	}
	for _, variable := range []string{"ZGPROXY_PORT", "ZGPROXY_PRIVATE_KEY"} {
		if _, set := os.LookupEnv(variable); set {
			t.Errorf("%s is in the environment", variable)
		}
	}
	warned := strings.Join(cfg.Warnings(), "\n")
	if !strings.Contains(warned, "ZGPROXY_PRIVATE_KEY: every user of this machine can read the file") || strings.Contains(warned, key) {
		t.Errorf("warnings: %s", warned)
	}
	write("ZGPROXY_PRIVATE_KEY="+key+"\n", 0o600)
	if cfg, _, err := Read(Flags{}); err != nil || strings.Contains(strings.Join(cfg.Warnings(), " "), "PRIVATE_KEY") {
		t.Errorf("of a private file: %v, %v", cfg.Warnings(), err)
	}

	// Another one, or none.
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("ZGPROXY_PORT=5000\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(EnvFileVariable, other)
	if cfg, _, err := Read(Flags{}); err != nil || cfg.Port != 5000 || cfg.PrivateKey.IsSet() {
		t.Errorf("port %d, %v", cfg.Port, err)
	}
	t.Setenv(EnvFileVariable, Off)
	if cfg, _, err := Read(Flags{}); err != nil || cfg.Port != 3000 {
		t.Errorf("port %d, %v", cfg.Port, err)
	}
	t.Setenv(EnvFileVariable, other+"x")
	if _, _, err := Read(Flags{}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("of a file that is not there: %v", err)
	}
}

func TestEnvFileProblems(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	const secret = "5c5c5c5c"
	text := "ZGPROXY_PORT\nZG_PRIVATE_KEY=" + secret + "\nZGPROXY_PRIVAT_KEY=" + secret + "\nZGPROXY_HOST=::1\nZGPROXY_HOST=::1\nZGPROXY_ENV_FILE=x\nZGPROXY_PORT=many\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(EnvFileVariable, path)
	_, _, err := Read(Flags{})
	if err == nil {
		t.Fatal("no problem")
	}
	for _, want := range []string{
		":1: a line is NAME=value", ":2: only variables of the configuration", ":3: there is no such variable", "did you mean ZGPROXY_PRIVATE_KEY?",
		":5: ZGPROXY_HOST is here twice", ":6: only variables", `ZGPROXY_PORT="many"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("it shows a secret:\n%v", err)
	}
}

func TestPasswordFromADescriptor(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("correct horse\n"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var p, again Password
	fd, err := syscall.Dup(int(r.Fd())) // r closes its own
	if err != nil {
		t.Fatal(err)
	}
	text := "fd:" + strconv.Itoa(fd)
	if err := p.Decode(text); err != nil || p.Reveal() != "correct horse" || !p.FromFile() {
		t.Errorf("%q, %v", p.Reveal(), err)
	}
	if err := again.Decode(text); err != nil || again.Reveal() != p.Reveal() {
		t.Errorf("for the second time: %q, %v", again.Reveal(), err)
	}
	for _, wrong := range []string{"fd:", "fd:x", "fd:-1", "fd:60000"} {
		if err := new(Password).Decode(wrong); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
	if got := p.String(); got != redacted {
		t.Errorf("it prints %s", got)
	}
}

func FuzzEnvFile(f *testing.F) {
	f.Add("ZGPROXY_PORT=1\n# x\n'")
	f.Fuzz(func(t *testing.T, text string) {
		values, problems := parseEnvFile([]byte(text))
		for name, value := range values {
			if position(name) == len(fields()) || value == "" || strings.ContainsAny(value, "\n") {
				t.Errorf("%q=%q", name, value)
			}
		}
		for _, p := range problems {
			_ = p.String()
		}
	})
}

func TestSignerEndpoint(t *testing.T) {
	for text, shown := range map[string]string{
		"http://127.0.0.1:8550": "http://127.0.0.1:8550", "/run/clef.ipc": "/run/clef.ipc", "https://vault.example/v1/key?token=abc": "https://vault.example/[redacted]",
	} {
		var e SignerEndpoint
		if err := e.Decode(text); err != nil || e.String() != shown || e.Reveal() != text {
			t.Errorf("%s: %s, %v", text, e, err)
		}
	}
	for _, wrong := range []string{"clef.ipc", "ws://localhost", "http://"} {
		if err := new(SignerEndpoint).Decode(wrong); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
}
