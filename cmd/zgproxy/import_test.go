package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOfficialSettings(t *testing.T) {
	const key = "0x0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	const ledger, inference = "0x2dE54c845Cd948B72D2e32e39586fe89607074E3", "0x47340d900bdFec2BD393c626E12ea0656F938d84"
	for name, tt := range map[string]struct {
		file string
		env  map[string]string
		want officialImport
		key  string
		fail string
	}{
		"its own endpoint": {
			file: `{"rpcEndpoint":"https://evmrpc-testnet.0g.ai","network":"testnet","privateKey":"` + key + `","lastUpdated":"2026"}`,
			want: officialImport{Network: "testnet"}, key: key,
		},
		"another endpoint": {
			file: `{"rpcEndpoint":"https://rpc.example/v1/abc","network":"custom"}`, want: officialImport{RPCURL: "https://rpc.example/v1/abc"},
		},
		"variables go first": {
			file: `{"rpcEndpoint":"https://evmrpc.0g.ai","network":"mainnet","privateKey":"` + key + `"}`,
			env:  map[string]string{"ZG_RPC_ENDPOINT": "http://127.0.0.1:8545", "ZG_PRIVATE_KEY": key[2:], "LEDGER_CA": ledger, "INFERENCE_CA": inference},
			want: officialImport{Network: "devnet", LedgerContract: ledger, InferenceContract: inference}, key: key[2:],
		},
		"nothing":         {file: `{}`, fail: "has not been set up"},
		"no JSON":         {file: key, fail: "is not the configuration"},
		"no key":          {file: `{"privateKey":"hunter2hunter2"}`, fail: "not 64 hex digits"},
		"one contract":    {file: `{}`, env: map[string]string{"LEDGER_CA": ledger}, fail: "belong together"},
		"no address":      {file: `{}`, env: map[string]string{"LEDGER_CA": "x", "INFERENCE_CA": inference}, fail: "not an address"},
		"a file of lists": {file: `[1]`, fail: "is not the configuration"},
	} {
		path := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := officialSettings(path, func(name string) (string, bool) { v, ok := tt.env[name]; return v, ok })
		if tt.fail != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fail) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), key) {
				t.Errorf("%s: %v, want %q", name, err, tt.fail)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got.Network != tt.want.Network || got.RPCURL != tt.want.RPCURL || got.LedgerContract != tt.want.LedgerContract ||
			got.InferenceContract != tt.want.InferenceContract || got.PrivateKey.Reveal() != tt.key || len(got.Found) == 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if _, err := officialSettings(filepath.Join(t.TempDir(), "none"), func(string) (string, bool) { return "", false }); err == nil {
		t.Error("a file that is not there was read")
	}
	t.Setenv("HOME", t.TempDir())
	if _, err := officialSettings("", func(string) (string, bool) { return "", false }); err == nil || !strings.Contains(err.Error(), "has not been set up") {
		t.Errorf("without anything: %v", err)
	}
}
