package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/provider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// What attestation reports name is compared with the chain, each with the signer that it is about.
func TestProviderReport(t *testing.T) {
	x := &tamperer{world: newWorld(t, devnet.Config{}), providers: map[string]*simprovider.Provider{}}
	key := devnet.TEEKey("model")
	target := crypto.PubkeyToAddress(key.PublicKey)
	x.add("enclave", fmt.Sprintf(`{"TargetSeparated":true,"TargetTeeAddress":%q}`, target.Hex()),
		func(cfg *simprovider.Config) { cfg.TargetKey = key })
	peers := provider.New(provider.Config{AllowPrivate: true})
	defer peers.Close()
	plain, apart, other := x.lorem(), x.net.Providers[len(x.net.Providers)-1], admin.Address{Address: common.HexToAddress("0x77")}
	of := func(p *simprovider.Provider) providerReport {
		r := providerReport{URL: p.URL(), Model: p.Model(), Signer: admin.Address{Address: p.TEESigner()}}
		if p == apart {
			r.ModelSigner.Address = p.Signer()
		}
		return r
	}
	changed := func(r providerReport, f func(*providerReport)) providerReport { f(&r); return r }
	for name, tt := range map[string]struct {
		of   providerReport
		kind string
		want string // "": there is none, and that is all right
	}{
		"its own enclave":              {of(plain), "provider", "fits"},
		"its own, the model's apart":   {of(apart), "provider", "fits"},
		"the model's":                  {of(apart), "model", "fits"},
		"no model's":                   {of(plain), "model", ""},
		"a model's that has to be":     {changed(of(plain), func(r *providerReport) { r.ModelSigner = other }), "model", "does not offer this"},
		"another signer on chain":      {changed(of(plain), func(r *providerReport) { r.Signer = other }), "provider", "differs"},
		"another model's signer":       {changed(of(apart), func(r *providerReport) { r.ModelSigner = other }), "model", "differs"},
		"a model's for the provider's": {changed(of(apart), func(r *providerReport) { r.ModelSigner = r.Signer }), "model", "differs"},
		"nobody there":                 {changed(of(plain), func(r *providerReport) { r.URL = "http://127.0.0.1:1" }), "provider", "refused"},
		"a URL that is none":           {changed(of(plain), func(r *providerReport) { r.URL = "ftp://x" }), "provider", "not a usable URL"},
	} {
		t.Run(name, func(t *testing.T) {
			e, body := askEvidence(t.Context(), peers, &tt.of, tt.kind)
			switch tt.want {
			case "":
				if e != nil || body != nil {
					t.Errorf("%+v, want none", e)
				}
			case "fits", "differs":
				if e == nil || e.Error != "" || e.Fits != (tt.want == "fits") || e.Named.Address == (common.Address{}) || e.Bytes != len(body) || !strings.Contains(string(body), "simulated") {
					t.Errorf("%+v, want that it %s", e, tt.want)
				}
			default:
				if e == nil || body != nil || e.Fits || !strings.Contains(e.Error, tt.want) {
					t.Errorf("%+v, want %q", e, tt.want)
				}
			}
		})
	}
	// The address of a model's enclave counts where there is one, and not where the provider relays to a vendor.
	for info, want := range map[string]common.Address{
		`{"TargetSeparated":true,"TargetTeeAddress":"` + target.Hex() + `"}`:                              target,
		`{"TargetSeparated":false,"TargetTeeAddress":"` + target.Hex() + `"}`:                             {},
		`{"TargetSeparated":true,"ProviderType":"centralized","TargetTeeAddress":"` + target.Hex() + `"}`: {},
	} {
		listed := listProviders(config.Config{}, balances{services: []zg.Service{{Info: zg.ParseServiceInfo(info)}}})
		if got := listed.Providers[0].ModelSigner.Address; got != want {
			t.Errorf("%s: the model's signer is %s, want %s", info, got, want)
		}
	}
	dir := t.TempDir()
	x.must([]string{"provider", "report", apart.Address().Hex(), "--dir", dir}, "of the model's enclave", target.Hex()+", as on chain", "genuine was not checked")
	for _, kind := range []string{"provider-", "model-"} {
		if text, err := os.ReadFile(filepath.Join(dir, kind+apart.Address().Hex()+".json")); err != nil || !strings.Contains(string(text), "simulated") {
			t.Errorf("%s: %.100s, %v", kind, text, err)
		}
	}
	for name, text := range map[string]string{
		"no JSON": "hello", "no quote": "{}", "no hexadecimal": `{"quote":"zz"}`, "too short": `{"quote":"0xabcd"}`, "of another kind": `{"quote":7}`, "a list": `[]`,
	} {
		if signer, err := signerIn([]byte(text)); err == nil {
			t.Errorf("%s: names %s", name, signer)
		}
	}
}
