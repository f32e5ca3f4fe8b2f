package wallet

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

var (
	provider = common.HexToAddress("0xa48f01287233509FD694a22Bf840225062E67836")
	other    = common.HexToAddress("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A")
	errRPC   = errors.New("the node does not answer")
)

func generation(g uint64) func(context.Context, common.Address) (uint64, error) {
	return func(context.Context, common.Address) (uint64, error) { return g, nil }
}

// parsed is the message in a bearer.
type parsed struct {
	Address, Provider, Nonce string
	Timestamp, ExpiresAt     int64
	Generation               uint64
	TokenID                  uint8
}

func parse(t *testing.T, bearer string) parsed {
	t.Helper()
	encoded, ok := strings.CutPrefix(bearer, "Bearer app-sk-")
	if !ok {
		t.Fatalf("bearer %q has another prefix", bearer)
	}
	payload, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	message, _, _ := strings.Cut(string(payload), "|")
	var p parsed
	if err := json.Unmarshal([]byte(message), &p); err != nil {
		t.Fatalf("decode %s: %v", message, err)
	}
	return p
}

// Tokens are byte for byte those that two independent implementations made of the same fields.
func TestSessionVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/session_tokens.json")
	if err != nil {
		t.Fatalf("read vectors: %v", err)
	}
	var file struct {
		PrivateKey string `json:"private_key"`
		Vectors    []struct{ Name, Message, Authorization string }
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatalf("decode vectors: %v", err)
	}
	if len(file.Vectors) != 2 {
		t.Fatalf("%d vectors, want 2", len(file.Vectors))
	}
	w, err := Open(Config{PrivateKey: file.PrivateKey})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	for _, v := range file.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			p := parse(t, v.Authorization)
			got, err := w.session(claims{
				provider: common.HexToAddress(p.Provider), timestamp: p.Timestamp, expiresAt: p.ExpiresAt, nonce: p.Nonce,
				generation: p.Generation, tokenID: p.TokenID,
			})
			if err != nil {
				t.Fatalf("session: %v", err)
			}
			if got != v.Authorization {
				t.Errorf("session = %s\nwant      %s", got, v.Authorization)
			}
			if p.TokenID == ephemeralID {
				return
			}
			token := zg.Token{Provider: common.HexToAddress(p.Provider), ID: int(p.TokenID), Generation: p.Generation, CreatedAt: time.UnixMilli(p.Timestamp)}
			if p.ExpiresAt != 0 {
				token.ExpiresAt = time.UnixMilli(p.ExpiresAt)
			}
			if got, err := w.token(token, p.Nonce); err != nil || "Bearer "+got != v.Authorization {
				t.Errorf("token = %s, %v\nwant    %s", got, err, v.Authorization)
			}
		})
	}
}

func TestPersistentTokens(t *testing.T) {
	w := open(t)
	now := time.Now()
	one, err := w.Token(zg.Token{Provider: provider, ID: 3, Generation: 2, CreatedAt: now, ExpiresAt: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if p := parse(t, "Bearer "+one); p.TokenID != 3 || p.Generation != 2 || p.ExpiresAt-p.Timestamp != time.Hour.Milliseconds() {
		t.Errorf("%+v", p)
	}
	if two, err := w.Token(zg.Token{Provider: provider, ID: 3, Generation: 2, CreatedAt: now}); err != nil || one == two {
		t.Errorf("two tokens are alike, or %v", err)
	}
	for name, wrong := range map[string]zg.Token{
		"chosen by nobody": {Provider: provider, ID: -1, CreatedAt: now},
		"ephemeral":        {Provider: provider, ID: ephemeralID, CreatedAt: now},
		"expired":          {Provider: provider, CreatedAt: now, ExpiresAt: now},
	} {
		if got, err := w.Token(wrong); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestForgottenTokenIsMintedAnew(t *testing.T) {
	r := &reads{}
	s := NewSessions(open(t), SessionsConfig{Generation: r.Generation})
	s.Forget(provider) // there is none yet
	before, err := s.Bearer(t.Context(), provider)
	if err != nil {
		t.Fatal(err)
	}
	r.generation.Store(1)
	if again, err := s.Bearer(t.Context(), provider); err != nil || again != before {
		t.Errorf("another token without need: %v", err)
	}
	s.Forget(provider)
	after, err := s.Bearer(t.Context(), provider)
	if err != nil || after == before || parse(t, after).Generation != 1 {
		t.Errorf("after forgetting: %+v, %v", parse(t, after), err)
	}
}

// clock is an injected clock.
type clock struct{ atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.Load()) }
func (c *clock) advance(d time.Duration) { c.Add(int64(d)) }

// reads is a chain that counts how often it is asked.
type reads struct {
	n          atomic.Int64
	generation atomic.Uint64
	fail       atomic.Bool
}

func (r *reads) Generation(context.Context, common.Address) (uint64, error) {
	r.n.Add(1)
	if r.fail.Load() {
		return 0, errRPC
	}
	return r.generation.Load(), nil
}

func (r *reads) want(t *testing.T, n int64) {
	t.Helper()
	if got := r.n.Load(); got != n {
		t.Errorf("the generation was read %d times, want %d", got, n)
	}
}

func newSessions(t *testing.T) (*Sessions, *clock, *reads) {
	t.Helper()
	c, r := newClock(), &reads{}
	return NewSessions(open(t), SessionsConfig{Generation: r.Generation, Now: c.now}), c, r
}

func bearer(t *testing.T, s *Sessions, p common.Address) string {
	t.Helper()
	b, err := s.Bearer(t.Context(), p)
	if err != nil {
		t.Fatalf("Bearer: %v", err)
	}
	return b
}

func TestBearerClaims(t *testing.T) {
	s, c, r := newSessions(t)
	r.generation.Store(7)
	p := parse(t, bearer(t, s, provider))
	if p.Address != address.Hex() || p.Provider != provider.Hex() {
		t.Errorf("token of %s for %s, want %s for %s", p.Address, p.Provider, address, provider)
	}
	if p.Generation != 7 || p.TokenID != 255 {
		t.Errorf("generation %d, token id %d; want 7 and 255", p.Generation, p.TokenID)
	}
	if raw, err := hex.DecodeString(p.Nonce); err != nil || len(raw) != 16 {
		t.Errorf("nonce %q, want 32 hex digits", p.Nonce)
	}
	if p.Timestamp != c.now().UnixMilli() {
		t.Errorf("timestamp %d, want %d", p.Timestamp, c.now().UnixMilli())
	}
	if lasts := p.ExpiresAt - p.Timestamp; lasts > 86_400_000 || lasts < 86_000_000 {
		t.Errorf("the token lasts %d ms, want nearly and at most 86400000", lasts)
	}
	if q := parse(t, bearer(t, s, other)); q.Provider != other.Hex() || q.Nonce == p.Nonce {
		t.Errorf("another provider's token is %+v, want one of its own", q)
	}
}

func TestLifetimeIsCapped(t *testing.T) {
	s := NewSessions(open(t), SessionsConfig{Generation: generation(0), Lifetime: 48 * time.Hour})
	if p := parse(t, bearer(t, s, provider)); p.ExpiresAt-p.Timestamp != 86_400_000 {
		t.Errorf("the token lasts %d ms, want 86400000", p.ExpiresAt-p.Timestamp)
	}
}

func TestBearerIsCachedAndRenewed(t *testing.T) {
	s, c, r := newSessions(t)
	first := bearer(t, s, provider)
	c.advance(22*time.Hour + 58*time.Minute)
	if bearer(t, s, provider) != first {
		t.Error("the token changed although more than an hour was left")
	}
	r.want(t, 1)
	c.advance(2 * time.Minute)
	r.generation.Store(1)
	second := bearer(t, s, provider)
	if second == first || parse(t, second).Generation != 1 {
		t.Errorf("with less than an hour left the token is %+v, want a new one of generation 1", parse(t, second))
	}
	r.want(t, 2)
}

func TestUnreadableGeneration(t *testing.T) {
	s, c, r := newSessions(t)
	r.fail.Store(true)
	if b, err := s.Bearer(t.Context(), provider); !errors.Is(err, errRPC) || b != "" {
		t.Fatalf("Bearer = %q, %v; want the error of the chain", b, err)
	}
	r.fail.Store(false)
	first := bearer(t, s, provider)
	r.want(t, 2)

	r.fail.Store(true)
	c.advance(23*time.Hour + 30*time.Minute)
	for range 3 {
		if bearer(t, s, provider) != first {
			t.Error("an unexpired token is not used any more")
		}
	}
	r.want(t, 3) // not again with every request
	c.advance(renewPause)
	if bearer(t, s, provider) != first {
		t.Error("an unexpired token is not used any more")
	}
	r.want(t, 4)

	c.advance(30 * time.Minute)
	if b, err := s.Bearer(t.Context(), provider); !errors.Is(err, errRPC) {
		t.Errorf("Bearer after expiry = %q, %v; want the error of the chain", b, err)
	}
	r.fail.Store(false)
	if bearer(t, s, provider) == first {
		t.Error("the expired token is used again")
	}
}

func TestReject(t *testing.T) {
	s, _, r := newSessions(t)
	first := bearer(t, s, provider)
	for _, c := range []zg.Refusal{zg.RefusalSessionFuture, zg.RefusalSession, zg.RefusalBalance, zg.RefusalNone} {
		s.Reject(provider, first, c)
	}
	s.Reject(other, first, zg.RefusalSessionRevoked)
	s.Reject(provider, first+"x", zg.RefusalSessionRevoked)
	if bearer(t, s, provider) != first {
		t.Error("the token was dropped although it was not the one refused, or not for being expired or revoked")
	}
	r.want(t, 1)

	r.generation.Store(4)
	s.Reject(provider, first, zg.RefusalSessionRevoked)
	second := bearer(t, s, provider)
	if second == first || parse(t, second).Generation != 4 {
		t.Errorf("after a revocation the token is %+v, want a new one of generation 4", parse(t, second))
	}
	s.Reject(provider, first, zg.RefusalSessionRevoked) // late news about the old one
	if bearer(t, s, provider) != second {
		t.Error("the refusal of a replaced token dropped its successor")
	}
	r.want(t, 2)
	s.Reject(provider, second, zg.RefusalSessionExpired)
	if bearer(t, s, provider) == second {
		t.Error("an expired token is used again")
	}
}

func BenchmarkBearer(b *testing.B) {
	s := NewSessions(open(b), SessionsConfig{Generation: generation(0)})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Bearer(context.Background(), provider); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkMint(b *testing.B) {
	s := NewSessions(open(b), SessionsConfig{Generation: generation(0)})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.mint(b.Context(), provider); err != nil {
			b.Fatal(err)
		}
	}
}

func newToken() zg.Token { return zg.Token{Provider: provider, CreatedAt: time.Now()} }
