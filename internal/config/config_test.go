package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

var update = flag.Bool("update", false, "rewrite the golden files and docs/config.md")

const (
	keyText  = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	provider = "0xa48f01287233509FD694a22Bf840225062E67836"
)

// setenv gives the test an environment with these ZGPROXY_ variables and no others.
func setenv(t *testing.T, vars map[string]string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, Prefix) {
			t.Setenv(name, "")
		}
	}
	t.Setenv("HOME", "/home/somebody")
	t.Setenv("XDG_STATE_HOME", "")
	for name, value := range vars {
		t.Setenv(Prefix+name, value)
	}
}

func mustRead(t *testing.T, vars map[string]string) (Config, Sources) {
	t.Helper()
	setenv(t, vars)
	cfg, sources, err := Read(Flags{})
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return cfg, sources
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got), go test -update rewrites it:\n%s", path, diff)
	}
}

func TestDefaults(t *testing.T) {
	cfg, sources := mustRead(t, nil)
	if got, want := cfg.ListenAddress(), "127.0.0.1:3000"; got != want {
		t.Errorf("ListenAddress = %s, want %s", got, want)
	}
	if got, want := cfg.LowWater.Each.Neuron, zg.OneOG.Mul(2); got != want {
		t.Errorf("LowWater = %s, want %s", got, want)
	}
	if got, want := cfg.MaxFeePerGas.Neuron, zg.NeuronOf(100_000_000_000); got != want {
		t.Errorf("MaxFeePerGas = %s, want %s", got, want)
	}
	if got, want := int64(cfg.MaxBody), int64(32<<20); got != want {
		t.Errorf("MaxBody = %d, want %d", got, want)
	}
	if got, want := cfg.StreamIdle.Std(), 15*time.Minute; got != want {
		t.Errorf("StreamIdle = %s, want %s", got, want)
	}
	if !cfg.AutoFund.IsZero() || cfg.AllowPrivate || cfg.HasKey() {
		t.Errorf("AutoFund, AllowPrivate, HasKey = %s, %v, %v, want none of them", cfg.AutoFund, cfg.AllowPrivate, cfg.HasKey())
	}
	for name, source := range sources {
		if source != SourceDefault {
			t.Errorf("source of %s = %s, want %s", name, source, SourceDefault)
		}
	}
	var out bytes.Buffer
	if err := Print(&out, cfg, sources, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/defaults.golden", out.Bytes())
}

func TestDefaultDataDir(t *testing.T) {
	cfg, _ := mustRead(t, nil)
	if want := "/home/somebody/.local/state/zgproxy"; cfg.DataDir != want {
		t.Errorf("DataDir = %s, want %s", cfg.DataDir, want)
	}
	t.Setenv("XDG_STATE_HOME", "/state")
	cfg, _, err := Load()
	if err != nil || cfg.DataDir != "/state/zgproxy" {
		t.Errorf("DataDir = %s, %v, want /state/zgproxy", cfg.DataDir, err)
	}
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "")
	if _, _, err = Load(); err == nil || !strings.Contains(err.Error(), "ZGPROXY_DATA_DIR") {
		t.Errorf("without a home directory: %v, want a problem that names ZGPROXY_DATA_DIR", err)
	}
}

func TestEveryVariableIsRead(t *testing.T) {
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys")
	if err := os.WriteFile(keys, []byte("# of the team\nfirst-local-key-xyz\n\nsecond-local-key-xyz\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, sources := mustRead(t, map[string]string{
		"NETWORK": "testnet", "RPC_URL": "https://rpc.example.com/my-key, https://rpc.example.org", "CHAIN_ID": "16602",
		"LEDGER_CONTRACT": strings.ToLower(provider), "INFERENCE_CONTRACT": provider,
		"PRIVATE_KEY": "0x" + keyText, "HOST": "0.0.0.0", "PORT": "0", "ADMIN_LISTEN": "off", "DATA_DIR": "/data",
		"PROVIDERS": provider + ", 0xFCAd0B19bB29D4674531d6f115237E16AfCE377c," + strings.ToLower(provider),
		"API_KEYS":  "@" + keys, "ALLOWED_HOSTS": "a.example.com,b", "LOW_WATER": "1.5 0G", "HIGH_WATER": "2000000000000000000 neuron, " + provider + "=4 0G",
		"BUDGET_TRANSFERS_DAY": "7", "BUDGET_TRANSFERS_TOTAL": "none", "BUDGET_PROVIDER_TRANSFERS_DAY": "6", "BUDGET_PROVIDER_TRANSFERS_TOTAL": provider + "=60",
		"BUDGET_FEES_DAY": "0.5 0G", "BUDGET_FEES_TOTAL": "8", "BUDGET_PROVIDER_FEES_DAY": "none, " + provider + " = 0.25 0G", "BUDGET_PROVIDER_FEES_TOTAL": "3," + provider + "=none",
		"WALLET_FLOOR": "0.1", "MAX_RESERVE": "2 0G", "DRIFT_TOLERANCE": "0", "CONFIRMATIONS": "3", "AUTO_FUND": "5 0G", "MAX_FEE_PER_GAS": "0.5gwei", "VERIFY": "enforce", "SIGNER_GRACE": "24h",
		"VERIFY_HOLD": "16MiB", "MEMORY": "2GiB", "DIRECTORY_REFRESH": "2m",
		"KEEPER_INTERVAL": "1h30m", "MAX_BODY": "1500000", "STREAM_IDLE_TIMEOUT": "90s", "SHUTDOWN_GRACE": "0s", "DRAIN_BYTES": "0",
		"DRAIN_TIMEOUT": "0", "ALLOW_PRIVATE_PROVIDERS": "1", "LOG_LEVEL": "debug", "LOG_FORMAT": "json",
	})
	var out bytes.Buffer
	if err := Print(&out, cfg, sources, true); err != nil {
		t.Fatal(err)
	}
	out2 := bytes.ReplaceAll(out.Bytes(), []byte(dir), []byte("DIR"))
	golden(t, "testdata/everything.golden", out2)
	if diff := cmp.Diff([]string{"first-local-key-xyz", "second-local-key-xyz"}, cfg.APIKeys.Reveal()); diff != "" {
		t.Errorf("APIKeys (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"https://rpc.example.com/my-key", "https://rpc.example.org"}, cfg.RPCURL.Reveal()); diff != "" {
		t.Errorf("RPCURL (-want +got):\n%s", diff)
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	setenv(t, map[string]string{
		"NETWORK": "goerli", "RPC_URL": "ftp://user:pa55word@rpc.example.com/", "CHAIN_ID": "0G", "PRIVATE_KEY": "@/nowhere/key",
		"HOST": "0.0.0.0", "PORT": "70000", "ADMIN_LISTEN": "3090", "LOW_WATER": "20G", "HIGH_WATER": "1 0G", "AUTO_FUND": "maybe",
		"PROVIDERS":       "0xA48f01287233509FD694a22Bf840225062E67836",
		"MAX_FEE_PER_GAS": "cheap", "DIRECTORY_REFRESH": "60", "KEEPER_INTERVAL": "1ms", "MAX_BODY": "2GiB", "LOG_LEVEL": "loud",
		"KEYSTORE_PASSWORD": "hunter2hunter2", "ALLOWED_HOSTS": "https://x", "INFERENCE_CONTRACT": keyText,
		"PRIVATEKEY": keyText, "PORT_3000_TCP": "tcp://10.0.0.1:3000", "COLOUR": "blue", "LEDGER_CONTRACT": provider,
	})
	_, _, err := Read(Flags{Port: "http", Providers: []string{"0x12"}})
	if err == nil {
		t.Fatal("Read accepted it")
	}
	golden(t, "testdata/problems.golden", []byte(err.Error()+"\n"))
	for _, secret := range []string{keyText, "pa55word", "hunter2"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error tells the secret %s", secret)
		}
	}
	if _, ok := errors.AsType[ProblemsError](err); !ok {
		t.Errorf("error is a %T, want ProblemsError", err)
	}
}

func TestUnknownVariables(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"PROVIDER", "did you mean ZGPROXY_PROVIDERS?"},
		{"APIKEYS", "did you mean ZGPROXY_API_KEYS?"},
		{"LOWWATER", "did you mean ZGPROXY_LOW_WATER?"},
		{"MAX_TOPUP_PER_DAY", "use ZGPROXY_BUDGET_TRANSFERS_DAY instead"},
		{"BUDGET_FEES", "did you mean ZGPROXY_BUDGET_FEES_DAY?"},
		{"LOGLEVL", "did you mean ZGPROXY_LOG_LEVEL?"},
		{"SERVICE_HOST", "enableServiceLinks"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			setenv(t, map[string]string{tt.name: "some value"})
			_, _, err := Load()
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), Prefix+tt.name+":") {
				t.Errorf("Load: %v, want it to name the variable and say %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "some value") {
				t.Errorf("Load repeats the value of an unknown variable: %v", err)
			}
		})
	}
	setenv(t, map[string]string{"ZZZZZZZZZZ": "1"})
	if _, _, err := Load(); err == nil || strings.Contains(err.Error(), "did you mean") {
		t.Errorf("Load: %v, want a refusal without a far-fetched suggestion", err)
	}
}

func TestEmptyCountsAsUnset(t *testing.T) {
	cfg, sources := mustRead(t, map[string]string{"PORT": "", "AUTO_FUND": "", "LOW_WATER": "", "NO_SUCH_THING": "", "PRIVATE_KEY": ""})
	if cfg.Port != 3000 || cfg.LowWater.Each.Neuron != zg.OneOG.Mul(2) || cfg.HasKey() {
		t.Errorf("Port, LowWater, HasKey = %d, %s, %v, want the defaults", cfg.Port, cfg.LowWater, cfg.HasKey())
	}
	if got := sources["ZGPROXY_PORT"]; got != SourceDefault {
		t.Errorf("source of PORT = %s, want %s", got, SourceDefault)
	}
}

// A variable of another program with our variable's bare name must not be ours.
func TestBareNamesAreIgnored(t *testing.T) {
	setenv(t, nil)
	for _, f := range fields() {
		t.Setenv(strings.TrimPrefix(f.variable, Prefix), "not ours")
	}
	got, _, err := Read(Flags{})
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	if got.Host != "127.0.0.1" || got.Port != 3000 || got.HasKey() {
		t.Errorf("Host, Port, HasKey = %s, %d, %v: taken from variables without the prefix", got.Host, got.Port, got.HasKey())
	}
}

func TestFlagsGoFirst(t *testing.T) {
	setenv(t, map[string]string{"HOST": "0.0.0.0", "PORT": "1"})
	cfg, sources, err := Read(Flags{Host: "localhost", Port: "8080", Providers: []string{provider, provider}})
	if err != nil {
		t.Fatalf("Read: %v", err) // the environment's host alone would be refused
	}
	if got := cfg.ListenAddress(); got != "localhost:8080" {
		t.Errorf("ListenAddress = %s, want localhost:8080", got)
	}
	if len(cfg.Providers) != 1 || cfg.Providers.String() != provider {
		t.Errorf("Providers = %s, want %s once", cfg.Providers, provider)
	}
	for _, name := range []string{"ZGPROXY_HOST", "ZGPROXY_PORT", "ZGPROXY_PROVIDERS"} {
		if sources[name] != SourceFlag {
			t.Errorf("source of %s = %s, want %s", name, sources[name], SourceFlag)
		}
	}
}

func TestNetworkFillsWhatIsUnset(t *testing.T) {
	cfg, sources := mustRead(t, map[string]string{"NETWORK": "devnet", "CHAIN_ID": "7"})
	if !cfg.AllowPrivate || sources["ZGPROXY_ALLOW_PRIVATE_PROVIDERS"] != SourceNetwork {
		t.Errorf("AllowPrivate on devnet = %v from %s", cfg.AllowPrivate, sources["ZGPROXY_ALLOW_PRIVATE_PROVIDERS"])
	}
	n, _ := zg.NetworkNamed("devnet")
	if err := cfg.FillNetwork(sources); err != nil {
		t.Fatal(err)
	}
	if cfg.ChainID != 7 || sources["ZGPROXY_CHAIN_ID"] != SourceEnv {
		t.Errorf("ChainID = %d from %s, want the operator's", cfg.ChainID, sources["ZGPROXY_CHAIN_ID"])
	}
	if cfg.RPCURL.String() != "http://127.0.0.1:8545" || sources["ZGPROXY_RPC_URL"] != SourceNetwork || cfg.LedgerContract.Address != n.Ledger {
		t.Errorf("RPCURL = %s from %s, LedgerContract = %s", cfg.RPCURL, sources["ZGPROXY_RPC_URL"], cfg.LedgerContract)
	}
	cfg, _ = mustRead(t, map[string]string{"NETWORK": "devnet", "ALLOW_PRIVATE_PROVIDERS": "false"})
	if cfg.AllowPrivate {
		t.Error("the operator's no was overruled on devnet")
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name string
		vars map[string]string
		want string // variable that is named; empty: accepted
	}{
		{"loopback v6", map[string]string{"HOST": "::1"}, ""},
		{"wide with keys", map[string]string{"HOST": "0.0.0.0", "API_KEYS": "a-long-enough-local-key"}, ""},
		{"wide without keys", map[string]string{"HOST": "192.0.2.1"}, ""},
		{"host with port", map[string]string{"HOST": "127.0.0.1:80"}, "HOST"},
		{"admin without a host", map[string]string{"ADMIN_LISTEN": ":3090"}, ""},
		{"admin port taken", map[string]string{"ADMIN_LISTEN": ":3000"}, "ADMIN_LISTEN"},
		{"any two free ports", map[string]string{"PORT": "0", "ADMIN_LISTEN": "127.0.0.1:0"}, ""},
		{"admin nonsense", map[string]string{"ADMIN_LISTEN": "no:port:here"}, "ADMIN_LISTEN"},
		{"two keys", map[string]string{"PRIVATE_KEY": keyText, "KEYSTORE": "/k", "KEYSTORE_PASSWORD": "p"}, "KEYSTORE"},
		{"short key", map[string]string{"PRIVATE_KEY": keyText[:62]}, "PRIVATE_KEY"},
		{"keystore", map[string]string{"KEYSTORE": "/k", "KEYSTORE_PASSWORD": "p"}, ""},
		{"keystore alone", map[string]string{"KEYSTORE": "/k"}, ""},
		{"signer", map[string]string{"SIGNER": "http://127.0.0.1:8550", "SIGNER_ADDRESS": provider}, ""},
		{"signer of nobody", map[string]string{"SIGNER": "/run/clef.ipc"}, "SIGNER_ADDRESS"},
		{"address of no signer", map[string]string{"SIGNER_ADDRESS": provider}, "SIGNER_ADDRESS"},
		{"signer and keystore", map[string]string{"SIGNER": "/run/clef.ipc", "SIGNER_ADDRESS": provider, "KEYSTORE": "/k"}, "SIGNER"},
		{"equal water", map[string]string{"LOW_WATER": "3", "HIGH_WATER": "3.0"}, "HIGH_WATER"},
		{"funding nothing", map[string]string{"AUTO_FUND": "1", "BUDGET_TRANSFERS_DAY": "0"}, "BUDGET_TRANSFERS_DAY"},
		{"no top-ups at all", map[string]string{"BUDGET_TRANSFERS_DAY": "0"}, ""},
		{"funding without saying how much", map[string]string{"AUTO_FUND": "true"}, "AUTO_FUND"},
		{"not funding", map[string]string{"AUTO_FUND": "false"}, ""},
		{"an exception", map[string]string{"PROVIDERS": provider, "LOW_WATER": "1.5, " + provider + "=2.5 0G", "BUDGET_PROVIDER_FEES_DAY": provider + "=1"}, ""},
		{"an exception's water", map[string]string{"PROVIDERS": provider, "LOW_WATER": "1.5, " + provider + "=3 0G"}, "HIGH_WATER"},
		{"an exception for nobody", map[string]string{"BUDGET_PROVIDER_FEES_DAY": provider + "=1"}, "BUDGET_PROVIDER_FEES_DAY"},
		{"a provider's budget above that of all", map[string]string{"BUDGET_FEES_DAY": "1", "BUDGET_PROVIDER_FEES_DAY": "2"}, ""},
		{"no confirmation", map[string]string{"CONFIRMATIONS": "0"}, "CONFIRMATIONS"},
		{"many confirmations", map[string]string{"CONFIRMATIONS": "1001"}, "CONFIRMATIONS"},
		{"no gas", map[string]string{"MAX_FEE_PER_GAS": "0"}, "MAX_FEE_PER_GAS"},
		{"one contract", map[string]string{"LEDGER_CONTRACT": provider}, "INFERENCE_CONTRACT"},
		{"zero address", map[string]string{"PROVIDERS": "0x0000000000000000000000000000000000000000"}, "PROVIDERS"},
		{"negative time", map[string]string{"SHUTDOWN_GRACE": "-1s"}, "SHUTDOWN_GRACE"},
		{"negative size", map[string]string{"DRAIN_BYTES": "-1"}, "DRAIN_BYTES"},
		{"size overflow", map[string]string{"DRAIN_BYTES": "9223372036854775807GiB"}, "DRAIN_BYTES"},
		{"spaces in a key", map[string]string{"API_KEYS": "a b"}, "API_KEYS"},
		{"commas only", map[string]string{"API_KEYS": ","}, "API_KEYS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			setenv(t, tt.vars)
			_, _, err := Read(Flags{})
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("Read: %v, want it accepted", err)
			case tt.want != "":
				ps, ok := errors.AsType[ProblemsError](err)
				if !ok || len(ps) != 1 || ps[0].Variable != Prefix+tt.want {
					t.Errorf("Read: %v, want one problem of %s%s", err, Prefix, tt.want)
				}
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(keyText+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{
		"PRIVATE_KEY": "@" + file, "PROVIDERS": provider, "NETWORK": "testnet", "RPC_URL": "https://rpc.example.com",
	}
	cfg, _ := mustRead(t, vars)
	if got := cfg.Warnings(); len(got) != 0 {
		t.Errorf("Warnings of a careful configuration = %q, want none", got)
	}
	// #nosec G302 -- a careless operator
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	vars["RPC_URL"], vars["ADMIN_LISTEN"], vars["LOW_WATER"] = "https://rpc.example.org,http://rpc.example.com/key", ":3090", "0.5"
	vars["API_KEYS"], vars["ALLOW_PRIVATE_PROVIDERS"], vars["MAX_FEE_PER_GAS"], vars["PROVIDERS"] = "short", "true", "1gwei", ""
	cfg, _ = mustRead(t, vars)
	got := strings.Join(cfg.Warnings(), "\n")
	for _, want := range []string{
		"PRIVATE_KEY: every user", "RPC_URL: ", "ADMIN_LISTEN: ", "LOW_WATER: ", "API_KEYS: ", "ALLOW_PRIVATE_PROVIDERS: ",
		"MAX_FEE_PER_GAS: ", "PROVIDERS: no provider",
	} {
		if !strings.Contains(got, Prefix+want) {
			t.Errorf("Warnings lack %s%s:\n%s", Prefix, want, got)
		}
	}
	if strings.Contains(got, "/key ") || strings.Contains(got, "short") || strings.Contains(got, keyText) {
		t.Errorf("Warnings tell a secret:\n%s", got)
	}
}

func TestFieldsAreDocumented(t *testing.T) {
	for _, f := range fields() {
		if !strings.HasPrefix(f.variable, Prefix) {
			t.Errorf("%s: the tag envconfig %q lacks the prefix", f.Name, f.variable)
		}
		for _, tag := range []string{"desc", "example", "group"} {
			if f.Tag.Get(tag) == "" {
				t.Errorf("%s: no tag %s", f.variable, tag)
			}
		}
		if f.Tag.Get("allowed") == "" && f.Tag.Get("oneof") == "" {
			t.Errorf("%s: neither tag allowed nor oneof", f.variable)
		}
		f.defaultValue() // panics when the default cannot be read
		switch f.Type {
		case reflect.TypeFor[Duration]():
			if outside(f, Duration(time.Hour), (*Duration).Decode) {
				t.Errorf("%s: bad bounds", f.variable)
			}
		case reflect.TypeFor[Count]():
			if outside(f, Count(10), (*Count).Decode) {
				t.Errorf("%s: bad bounds", f.variable)
			}
		case reflect.TypeFor[ByteSize]():
			if outside(f, ByteSize(1<<20), (*ByteSize).Decode) {
				t.Errorf("%s: bad bounds", f.variable)
			}
		}
		// Examples have to work; those of files cannot be tried.
		if example := f.Tag.Get("example"); !strings.HasPrefix(example, "@") {
			t.Run(f.variable, func(t *testing.T) {
				setenv(t, map[string]string{strings.TrimPrefix(f.variable, Prefix): example})
				if _, _, err := Load(); err != nil {
					t.Errorf("its example is refused: %v", err)
				}
			})
		}
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	if err := Table(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "../../docs/config.md", out.Bytes())
}

func TestPrintJSON(t *testing.T) {
	cfg, sources := mustRead(t, map[string]string{"PRIVATE_KEY": keyText})
	var out bytes.Buffer
	if err := Print(&out, cfg, sources, true); err != nil {
		t.Fatal(err)
	}
	var settings []Setting
	if err := json.Unmarshal(out.Bytes(), &settings); err != nil {
		t.Fatal(err)
	}
	if len(settings) != len(fields()) {
		t.Errorf("%d settings are printed, want %d", len(settings), len(fields()))
	}
	for _, s := range settings {
		if s.Variable == "ZGPROXY_PRIVATE_KEY" && (s.Value != redacted || s.Source != SourceEnv) {
			t.Errorf("private key prints as %+v", s)
		}
	}
}

func TestWarningAboutAWideListener(t *testing.T) {
	for _, tt := range []struct {
		vars map[string]string
		want bool
	}{
		{map[string]string{"HOST": "0.0.0.0"}, true},
		{map[string]string{"HOST": "0.0.0.0", "API_KEYS": "a-long-enough-local-key"}, false},
		{map[string]string{"HOST": "127.0.0.1"}, false},
		{map[string]string{"HOST": "localhost"}, false},
	} {
		cfg, _ := mustRead(t, tt.vars)
		if got := strings.Contains(strings.Join(cfg.Warnings(), "\n"), Prefix+"HOST: "); got != tt.want {
			t.Errorf("%v: warned about the host = %v, want %v", tt.vars, got, tt.want)
		}
	}
}
