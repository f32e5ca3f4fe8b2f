package simprovider

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"go.uber.org/goleak"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seedKey is a key that depends on nothing but its name.
func seedKey(t *testing.T, name string) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
	if err != nil {
		t.Fatalf("key %s: %v", name, err)
	}
	return key
}

func addressOf(key *ecdsa.PrivateKey) common.Address { return crypto.PubkeyToAddress(key.PublicKey) }

func og(t *testing.T, s string) zg.Neuron {
	t.Helper()
	n, err := zg.ParseOg(s)
	if err != nil {
		t.Fatalf("amount %s: %v", s, err)
	}
	return n
}

func neuron(t *testing.T, s string) zg.Neuron {
	t.Helper()
	n, err := zg.ParseNeuron(s)
	if err != nil {
		t.Fatalf("amount %s: %v", s, err)
	}
	return n
}

// clock is set by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// fakeChain holds sub-accounts of one provider.
type fakeChain struct {
	mu       sync.Mutex
	accounts map[common.Address]zg.SubAccount
	unvouched,
	broken bool
	statuses map[common.Address]uint8 // of the next settlements; absent: what the contract would say
	batches  [][]common.Address
	settled  chan struct{} // gets a value for each settlement, when it has room
	offered  chan struct{} // the same for each reading of the service
}

func newFakeChain() *fakeChain {
	return &fakeChain{accounts: make(map[common.Address]zg.SubAccount), statuses: make(map[common.Address]uint8), settled: make(chan struct{}, 1), offered: make(chan struct{}, 1)}
}

// hold gives user a sub-account with a balance.
func (c *fakeChain) hold(user common.Address, balance zg.Neuron) {
	c.edit(user, func(a *zg.SubAccount) { a.User, a.Balance, a.Acknowledged = user, balance, true })
}

func (c *fakeChain) edit(user common.Address, change func(*zg.SubAccount)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.accounts[user]
	change(&a)
	c.accounts[user] = a
}

func (c *fakeChain) SubAccount(_ context.Context, user, _ common.Address) (zg.SubAccount, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return zg.SubAccount{}, false, io.ErrUnexpectedEOF
	}
	a, ok := c.accounts[user]
	return a, ok, nil
}

func (c *fakeChain) Service(_ context.Context, provider common.Address) (zg.Service, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	signal(c.offered)
	return zg.Service{Provider: provider, TEESignerAcknowledged: !c.unvouched}, nil
}

func (c *fakeChain) Settle(_ context.Context, _, _ *ecdsa.PrivateKey, users []common.Address, fees []zg.Neuron) ([]uint8, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return nil, io.ErrUnexpectedEOF
	}
	c.batches = append(c.batches, users)
	var statuses []uint8
	for i, u := range users {
		status, told := c.statuses[u]
		a := c.accounts[u]
		switch {
		case told && status > 1:
		case a.Balance.Less(fees[i]):
			a.Balance, status = zg.Neuron{}, 1
		default:
			a.Balance = a.Balance.Sub(fees[i])
		}
		c.accounts[u] = a
		statuses = append(statuses, status)
	}
	signal(c.settled)
	return statuses, nil
}

func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// site is a provider under test with one funded wallet.
type site struct {
	*Provider
	t     *testing.T
	chain *fakeChain
	clock *clock
	key   *ecdsa.PrivateKey
	user  common.Address
	token string // Authorization header of the wallet
}

var testPrice = zg.Price{Input: zg.NeuronOf(300_000_000_000), Output: zg.NeuronOf(480_000_000_000)}

// start starts a provider of "echo-1"; change adjusts its configuration first.
func start(t *testing.T, change func(*Config)) *site {
	t.Helper()
	s := &site{t: t, chain: newFakeChain(), clock: &clock{t: time.Unix(1_767_225_600, 0)}, key: seedKey(t, "user")}
	s.user = addressOf(s.key)
	s.chain.hold(s.user, og(t, "10"))
	cfg := Config{
		Key: seedKey(t, "provider"), TEEKey: seedKey(t, "tee"), Type: zg.Chatbot, Model: "echo-1", Price: testPrice,
		Chain: s.chain, AccountCache: -1, Now: s.clock.now,
	}
	if change != nil {
		change(&cfg)
	}
	p, err := Start(cfg)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	s.Provider = p
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	s.token = mint(t, s.key, s.goodToken())
	return s
}

// goodToken is a token that this provider accepts from the site's wallet.
func (s *site) goodToken() sessionToken {
	now := s.clock.now().UnixMilli()
	return sessionToken{
		Address: s.user.Hex(), Provider: s.Address().Hex(), Timestamp: now, ExpiresAt: now + maxEphemeralMS, Nonce: "n", TokenID: 255,
	}
}

// mint signs a token.
func mint(t *testing.T, key *ecdsa.PrivateKey, tok sessionToken) string {
	t.Helper()
	return mintText(t, key, string(encode(tok)))
}

func mintText(t *testing.T, key *ecdsa.PrivateKey, text string) string {
	t.Helper()
	sig, err := crypto.Sign(accounts.TextHash(crypto.Keccak256([]byte(text))), key)
	if err != nil {
		t.Fatalf("sign token: %v", err)
	}
	sig[64] += 27
	return bearerOf(text + "|" + hexutil.Encode(sig))
}

func bearerOf(payload string) string {
	return "Bearer app-sk-" + base64.StdEncoding.EncodeToString([]byte(payload))
}

// answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	body   string
	err    error // of reading
}

// client keeps no connections, so that nothing outlives a test, follows no redirects and asks for no compression.
func client() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (s *site) request(ctx context.Context, method, path, contentType, body string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatalf("request %s: %v", path, err)
	}
	r.Header.Set("Authorization", s.token)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func (s *site) do(r *http.Request) answer {
	s.t.Helper()
	resp, err := client().Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or broken already
	b, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(b), err: err}
}

func (s *site) post(path, body string) answer {
	s.t.Helper()
	return s.do(s.request(s.t.Context(), http.MethodPost, "/v1/proxy"+path, "application/json", body))
}

func (s *site) get(path string) answer {
	s.t.Helper()
	return s.do(s.request(s.t.Context(), http.MethodGet, path, "", ""))
}

const chatPath = "/chat/completions"

func chatBody(model, text, more string) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}]%s}`, model, text, more)
}

const streamed = `,"stream":true,"stream_options":{"include_usage":true}`

// must fails unless the answer is a 200 that arrived whole.
func (a answer) must(t *testing.T) answer {
	t.Helper()
	if a.err != nil || a.status != http.StatusOK {
		t.Fatalf("answer = %d %.300q, %v; want a whole 200", a.status, a.body, a.err)
	}
	return a
}

// wants fails unless the answer has the status and contains the text.
func (a answer) wants(t *testing.T, status int, text string) {
	t.Helper()
	if a.err != nil || a.status != status || !strings.Contains(a.body, text) {
		t.Errorf("answer = %d %.300q, %v; want %d with %q", a.status, a.body, a.err, status, text)
	}
}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("decode %.300q: %v", text, err)
	}
	return v
}

// Exchanges are the provider's records once no request is under way: whoever has an answer may be earlier than its
// record.
func (s *site) Exchanges() []Exchange {
	s.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	hanging := time.After(3 * time.Minute)
	for s.Active() != 0 {
		select {
		case <-tick.C:
		case <-hanging:
			s.t.Fatal("the requests do not end")
		}
	}
	return s.Provider.Exchanges()
}

func (s *site) last(n int) Exchange {
	s.t.Helper()
	all, err := s.WaitExchanges(s.t.Context(), n)
	if err != nil {
		s.t.Fatalf("wait for %d exchanges: %v", n, err)
	}
	return all[n-1]
}

func hexSum(b string) string {
	sum := sha256.Sum256([]byte(b))
	return hex.EncodeToString(sum[:])
}

// signature fetches and checks a signature against the signer the chain would name.
func (s *site) signature(key string) (text string, signer common.Address) {
	s.t.Helper()
	reply := decode[SignatureReply](s.t, s.get("/v1/proxy/signature/"+key).must(s.t).body)
	return reply.Text, recoverText(s.t, reply.Text, reply.Signature)
}

func recoverText(t *testing.T, text, sigHex string) common.Address {
	t.Helper()
	sig, err := hexutil.Decode(sigHex)
	if err != nil || len(sig) != 65 || sig[64] < 27 {
		t.Fatalf("signature %q: %v; want 65 bytes with v 27 or 28", sigHex, err)
	}
	sig[64] -= 27
	pub, err := crypto.SigToPub(accounts.TextHash([]byte(text)), sig)
	if err != nil {
		t.Fatalf("recover: %v", err)
	}
	return crypto.PubkeyToAddress(*pub)
}

func vectors[T any](t *testing.T, name string) (v T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatalf("vectors: %v", err)
	}
	return decode[T](t, string(bytes.TrimSpace(b)))
}

func bit(i int) *big.Int { return new(big.Int).Lsh(big.NewInt(1), uint(i)) }
