package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// officialImport is what 0g-compute-cli was set up with.
type officialImport struct {
	Network                           string // mainnet, testnet, or empty: neither is known from it
	RPCURL                            string // empty: the network's own
	LedgerContract, InferenceContract string // empty: the network's own
	PrivateKey                        config.Secret
	Found                             []string // what was taken, and from where; no values
}

// officialFile is the configuration of 0g-compute-cli 0.9.0, as far as it concerns us. It holds the key in plain text.
type officialFile struct {
	RPCEndpoint string `json:"rpcEndpoint"`
	Network     string `json:"network"`
	PrivateKey  string `json:"privateKey"`
}

// officialSettings reads what 0g-compute-cli was set up with: its file, ~/.0g-compute-cli/config.json unless another is named,
// and the variables it reads, which go before the file. Nothing of it is changed, and no error repeats a value.
func officialSettings(path string, lookup func(string) (string, bool)) (officialImport, error) {
	var in officialImport
	named := path != ""
	if !named {
		home, err := os.UserHomeDir()
		if err != nil {
			return in, err
		}
		path = filepath.Join(home, ".0g-compute-cli", "config.json")
	}
	file, err := readOfficialFile(path)
	if err != nil && (named || !errors.Is(err, fs.ErrNotExist)) {
		return in, usageError{err}
	}
	var key string
	take := func(into *string, what, value, from string) {
		if value = strings.TrimSpace(value); value != "" {
			*into = value
			in.Found = append(in.Found, what+" from "+from)
		}
	}
	env := func(into *string, what string, names ...string) bool {
		for _, name := range names {
			if value, ok := lookup(name); ok && strings.TrimSpace(value) != "" {
				take(into, what, value, name)
				return true
			}
		}
		return false
	}
	if !env(&in.RPCURL, "the RPC endpoint", "ZG_RPC_ENDPOINT", "RPC_ENDPOINT") {
		take(&in.RPCURL, "the RPC endpoint", file.RPCEndpoint, path)
	}
	if !env(&key, "the key", "ZG_PRIVATE_KEY") {
		take(&key, "the key", file.PrivateKey, path)
	}
	env(&in.LedgerContract, "the ledger contract", "LEDGER_CA")
	env(&in.InferenceContract, "the inference contract", "INFERENCE_CA")
	for _, address := range []string{in.LedgerContract, in.InferenceContract} {
		if _, err := zg.ParseAddress(address); address != "" && err != nil {
			return in, usageError{fmt.Errorf("LEDGER_CA or INFERENCE_CA: %w", err)}
		}
	}
	if (in.LedgerContract == "") != (in.InferenceContract == "") {
		return in, usageError{errors.New("LEDGER_CA and INFERENCE_CA belong together: set both, or neither")}
	}
	for _, n := range zg.Networks() { // its own endpoint is no setting of the owner's
		if strings.TrimRight(in.RPCURL, "/") == n.RPCURL {
			in.Network, in.RPCURL = n.Name, ""
		}
	}
	if n, ok := zg.NetworkNamed(file.Network); ok && in.Network == "" && !n.Simulated {
		in.Network = n.Name
	}
	if key == "" && len(in.Found) == 0 {
		return in, problem(codeNotFound, "Name its file: zgproxy init --import FILE", "0g-compute-cli has not been set up: there is neither %s nor one of its variables", path)
	}
	if key != "" {
		if !looksLikeKey.MatchString(key) {
			return in, usageError{errors.New("what 0g-compute-cli has as the private key is not 64 hex digits")}
		}
		if err := in.PrivateKey.Decode(key); err != nil {
			return in, err
		}
	}
	return in, nil
}

func readOfficialFile(path string) (f officialFile, err error) {
	in, err := os.Open(path) //nolint:gosec // the owner names it
	if err != nil {
		return f, err
	}
	defer in.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return f, fmt.Errorf("read %s: %w", path, err)
	}
	if json.Unmarshal(text, &f) != nil { // its words may repeat the key
		return f, fmt.Errorf("%s is not the configuration of 0g-compute-cli", path)
	}
	return f, nil
}
