package devnet_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// ask sends a chat with a session token of the wallet.
func ask(t *testing.T, p *simprovider.Provider) (status int, body string) {
	t.Helper()
	now := time.Now().UnixMilli()
	text := fmt.Sprintf(`{"address":"%s","provider":"%s","timestamp":%d,"expiresAt":%d,"nonce":"n","generation":0,"tokenId":255}`,
		devnet.Wallet(), p.Address(), now, now+60_000)
	sig, err := crypto.Sign(accounts.TextHash(crypto.Keccak256([]byte(text))), devnet.WalletKey())
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	sig[64] += 27
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL()+"/v1/proxy/chat/completions",
		strings.NewReader(fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"hello"}]}`, p.Model())))
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	r.Header.Set("Authorization", "Bearer app-sk-"+base64.StdEncoding.EncodeToString([]byte(text+"|0x"+hex.EncodeToString(sig))))
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatalf("ask: %v", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return resp.StatusCode, string(b)
}

// From an empty chain to an answer that is paid for on chain.
func TestNetwork(t *testing.T) {
	n, err := devnet.Start(t.Context(), devnet.Config{})
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	models := make(map[string]int)
	opened, err := zg.ParseOg("1.5")
	if err != nil {
		t.Fatalf("amount: %v", err)
	}
	for _, p := range n.Providers {
		models[p.Model()]++
		service, err := n.Chain.Service(t.Context(), p.Address())
		if err != nil {
			t.Fatalf("Service: %v", err)
		}
		if service.URL != p.URL() || service.Type != p.Type() || service.Model != p.Model() || service.TEESigner != p.Signer() ||
			!service.TEESignerAcknowledged || service.InputPrice != p.Price().Input || service.OutputPrice != p.Price().Output {
			t.Errorf("service of %s = %+v", p.Model(), service)
		}
		account, ok, err := n.Chain.SubAccount(t.Context(), devnet.Wallet(), p.Address())
		if err != nil || !ok || account.Balance != opened || !account.Acknowledged {
			t.Errorf("sub-account at %s = %+v, %v, %v; want 1.5 0G", p.Model(), account, ok, err)
		}
	}
	if models["echo-1"] != 2 || models["lorem-1"] != 1 || models["picture-1"] != 1 || models["speech-1"] != 1 {
		t.Errorf("models = %v", models)
	}

	p := n.Providers[0]
	if status, body := ask(t, p); status != http.StatusOK || !strings.Contains(body, `"content":"hello"`) {
		t.Fatalf("answer = %d %s", status, body)
	}
	fee := p.Unsettled(devnet.Wallet())
	if err := p.Settle(t.Context()); err != nil || fee.IsZero() || !p.Unsettled(devnet.Wallet()).IsZero() {
		t.Fatalf("Settle of %s: %v, owed %s afterwards", fee, err, p.Unsettled(devnet.Wallet()))
	}
	account, _, err := n.Chain.SubAccount(t.Context(), devnet.Wallet(), p.Address())
	if err != nil || account.Balance != opened.Sub(fee) {
		t.Errorf("balance = %s, %v, want 1.5 0G less %s", account.Balance, err, fee)
	}
}

func TestTestnetMinimums(t *testing.T) {
	n, err := devnet.Start(t.Context(), devnet.Config{Testnet: true})
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	user := devnet.ProviderKey("a customer")
	if err := n.Fund(t.Context(), crypto.PubkeyToAddress(user.PublicKey), zg.OneOG); err != nil {
		t.Fatalf("Fund: %v", err)
	}
	if err := n.Chain.Deposit(t.Context(), user, zg.OneOG.MulDiv(1, 10)); err != nil {
		t.Errorf("Deposit of 0.1 0G: %v", err)
	}
	if err := n.Chain.Transfer(t.Context(), user, n.Providers[0].Address(), zg.OneOG.MulDiv(1, 100)); err != nil {
		t.Errorf("Transfer of 0.01 0G: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestEnv(t *testing.T) {
	n, err := devnet.Start(t.Context(), devnet.Config{})
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	env := strings.Join(n.Env(), "\n")
	for _, want := range []string{
		"ZGPROXY_NETWORK=devnet\n", "ZGPROXY_RPC_URL=" + n.Chain.URL() + "\n", "ZGPROXY_PRIVATE_KEY=" + devnet.WalletKeyHex + "\n",
		"ZGPROXY_PROVIDERS=" + n.Providers[0].Address().Hex() + ",", n.Providers[4].Address().Hex(),
	} {
		if !strings.Contains(env, want) {
			t.Errorf("Env = %s\nwant %s in it", env, want)
		}
	}
	if err := n.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// The keys are the same on every machine, and the constant is the one in use.
func TestKeys(t *testing.T) {
	if got := hex.EncodeToString(crypto.FromECDSA(devnet.WalletKey())); got != devnet.WalletKeyHex {
		t.Errorf("WalletKey = %s, want %s", got, devnet.WalletKeyHex)
	}
	if got, want := devnet.Wallet().Hex(), "0xe27AdFCcDc27BcC5a22ef346363279A6edebC660"; got != want {
		t.Errorf("Wallet = %s, want %s", got, want)
	}
	if devnet.ProviderKey("alpha").Equal(devnet.TEEKey("alpha")) || devnet.ProviderKey("alpha").Equal(devnet.ProviderKey("beta")) {
		t.Error("two seeds have one key")
	}
}

// What has been started is ended when a later part cannot be.
func TestStartFailsWhole(t *testing.T) {
	n, err := devnet.Start(t.Context(), devnet.Config{})
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	taken := strings.TrimPrefix(n.Chain.URL(), "http://")
	if again, err := devnet.Start(t.Context(), devnet.Config{RPCListen: taken}); err == nil {
		t.Errorf("a second network on %s: no error (%v)", taken, again.Close())
	}
	var port int
	if _, err := fmt.Sscanf(n.Providers[1].URL(), "http://127.0.0.1:%d", &port); err != nil {
		t.Fatalf("port: %v", err)
	}
	if again, err := devnet.Start(t.Context(), devnet.Config{ProviderPort: port - 1}); err == nil {
		t.Errorf("providers on a taken port: no error (%v)", again.Close())
	}
	if err := n.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// Each further kind and each twin has a service on chain, and a sub-account that its dearest request may be asked with.
func TestAllKindsAndTwins(t *testing.T) {
	n, err := devnet.Start(t.Context(), devnet.Config{AllKinds: true, Twins: 2, Limits: simprovider.Limits{RequestsPerMinute: 7}})
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	kinds := make(map[zg.ServiceType]int)
	prices := make(map[zg.Neuron]int) // of echo-1
	for _, p := range n.Providers {
		kinds[p.Type()]++
		if p.Model() == "echo-1" {
			prices[p.Price().Input]++
		}
		account, ok, err := n.Chain.SubAccount(t.Context(), devnet.Wallet(), p.Address())
		least := zg.OneOG.Add(p.Price().Output.Mul(120))
		if err != nil || !ok || account.Balance.Less(least) {
			t.Errorf("sub-account at %s = %s, %v, %v; want %s at least", p.Model(), account.Balance, ok, err, least)
		}
	}
	for _, kind := range []zg.ServiceType{zg.Embedding, zg.ImageEditing, zg.AudioGeneration, zg.VideoGeneration, zg.Decisions} {
		if kinds[kind] != 1 {
			t.Errorf("%d providers of %s, want one", kinds[kind], kind)
		}
	}
	if len(n.Providers) != 12 || len(prices) != 4 {
		t.Errorf("%d providers, %d prices of echo-1; want 12 and 4", len(n.Providers), len(prices))
	}
	twin := n.Providers[11]
	if status, body := ask(t, twin); status != http.StatusOK || !strings.Contains(body, "hello") {
		t.Errorf("answer of a twin = %d %s", status, body)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(twin.URL() + "/v1/models")
	if err != nil {
		t.Fatalf("catalogue: %v", err)
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // read to its end
	if err != nil || !strings.Contains(string(b), `"requests_per_minute":7`) {
		t.Errorf("catalogue = %s, %v; want the limit", b, err)
	}
}
