package simprovider

import (
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Tokens made with other software are accepted.
func TestSessionTokenVectors(t *testing.T) {
	v := vectors[struct {
		PrivateKey string `json:"private_key"`
		Tokens     []struct{ Name, Message, Authorization string }
	}](t, "session_tokens.json")
	if len(v.Tokens) != 2 {
		t.Fatalf("%d vectors, want 2", len(v.Tokens))
	}
	for _, vector := range v.Tokens {
		t.Run(vector.Name, func(t *testing.T) {
			tok := decode[sessionToken](t, vector.Message)
			s := start(t, func(c *Config) { c.Address = common.HexToAddress(tok.Provider) })
			user := common.HexToAddress(tok.Address)
			s.chain.hold(user, og(t, "2"))
			s.chain.edit(user, func(a *zg.SubAccount) { a.Generation, a.RevokedBitmap = tok.Generation, bit(8) })
			s.token = vector.Authorization
			s.get("/v1/user/"+tok.Address+"/unsettledfee").wants(t, http.StatusOK, `"unsettledFee":"0"`)

			key, err := crypto.ToECDSA(common.FromHex(v.PrivateKey))
			if err != nil {
				t.Fatalf("key: %v", err)
			}
			if got := mintText(t, key, vector.Message); got != vector.Authorization {
				t.Errorf("mint = %s, want the vector", got)
			}
		})
	}
}

// A header with every flaw is refused for the first; fixing one after the other shows the order of the checks.
func TestSessionRefusalsInOrder(t *testing.T) {
	s := start(t, nil)
	s.chain.edit(s.user, func(a *zg.SubAccount) { a.Generation, a.RevokedBitmap = 4, bit(7) })
	now := s.clock.now().UnixMilli()
	s.clock.advance(900 * time.Millisecond)
	stranger := seedKey(t, "stranger")

	worst := sessionToken{Address: s.user.Hex(), Provider: stranger.X.String(), Timestamp: now - 2*maxEphemeralMS, TokenID: 255, Generation: 3}
	wrongProvider := worst
	noExpiry := wrongProvider
	noExpiry.Provider = strings.ToLower(s.Address().Hex())
	tooLong := noExpiry
	tooLong.ExpiresAt = now - 2000
	expired := tooLong
	expired.Timestamp = now - 3000
	oldGeneration := expired
	oldGeneration.ExpiresAt, oldGeneration.TokenID = now, 7 // the second it expires in still counts
	futureGeneration := oldGeneration
	futureGeneration.Generation = 5
	revoked := futureGeneration
	revoked.Generation = 4
	live := revoked
	live.TokenID = 6
	text := string(encode(live))

	good := mint(t, s.key, live)
	for _, step := range []struct{ name, header, want string }{
		{"none", "", "missing or invalid Authorization header"},
		{"prefix in another case", strings.Replace(good, "Bearer", "bearer", 1), "missing or invalid Authorization header"},
		{"base64 without padding", strings.TrimRight(bearerOf("x"), "="), "invalid base64 in Authorization header"},
		{"no bar", bearerOf("x"), "invalid Authorization payload"},
		{"no JSON", bearerOf("x|y"), "invalid session token format in Authorization"},
		{"quoted number", mintText(t, s.key, strings.Replace(text, `"tokenId":6`, `"tokenId":"6"`, 1)), "invalid session token format in Authorization"},
		{"id out of range", mintText(t, s.key, strings.Replace(text, `"tokenId":6`, `"tokenId":256`, 1)), "invalid session token format in Authorization"},
		{"other provider", mint(t, stranger, wrongProvider), "session token is for different provider"},
		{"ephemeral for ever", mint(t, stranger, noExpiry), "ephemeral token must have an expiration time"},
		{"ephemeral too long", mint(t, stranger, tooLong), "ephemeral token duration cannot exceed 24 hours"},
		{"expired", mint(t, stranger, expired), "session token expired"},
		{"old generation", mint(t, stranger, oldGeneration), "session token has been revoked (generation expired)"},
		{"future generation", mint(t, stranger, futureGeneration), "invalid session token (future generation)"},
		{"revoked", mint(t, stranger, revoked), `session token has been revoked"`},
		{"signature is no hex", bearerOf(text + "|0xzz"), "invalid signature format"},
		{"signature without 0x", bearerOf(text + "|" + strings.Repeat("11", 65)), "invalid signature format"},
		{"signature too short", bearerOf(text + "|0x1122"), "invalid signature length"},
		{"v of 0", bearerOf(text + "|0x" + strings.Repeat("11", 64) + "00"), "failed to recover public key from signature"},
		{"signed by another", mint(t, stranger, live), "signature verification failed: address mismatch"},
		{"good", good, ""},
	} {
		s.token = step.header
		if step.header == "" {
			s.token = "none"
		}
		a := s.get("/v1/user/" + s.user.Hex() + "/unsettledfee")
		if step.want == "" {
			a.wants(t, http.StatusOK, "unsettledFee")
			continue
		}
		t.Run(step.name, func(t *testing.T) {
			a.wants(t, http.StatusBadRequest, `{"error":"validate session: `)
			a.wants(t, http.StatusBadRequest, step.want)
		})
	}
}

func TestSessionOfAnotherWalletCannotAsk(t *testing.T) {
	s := start(t, nil)
	s.get("/v1/user/"+addressOf(seedKey(t, "other")).Hex()+"/unsettledfee").wants(t, http.StatusForbidden, "you can only query your own unsettled fee")
	s.get("/v1/user/"+strings.ToLower(s.user.Hex())+"/unsettledfee").wants(t, http.StatusOK, s.user.Hex())
}

// A remembered signature spares recovering the key, never the other checks.
func TestRememberedSessionStillExpiresAndIsRevoked(t *testing.T) {
	s := start(t, nil)
	fee := "/v1/user/" + s.user.Hex() + "/unsettledfee"
	s.get(fee).must(t)
	s.chain.edit(s.user, func(a *zg.SubAccount) { a.Generation = 1 })
	s.get(fee).wants(t, http.StatusBadRequest, "generation expired")
	s.chain.edit(s.user, func(a *zg.SubAccount) { a.Generation = 0 })
	s.get(fee).must(t)
	s.clock.advance(24*time.Hour + time.Second)
	s.get(fee).wants(t, http.StatusBadRequest, "session token expired")
}

func TestAccountCacheDelaysRevocation(t *testing.T) {
	s := start(t, func(c *Config) { c.AccountCache = 10 * time.Minute })
	s.post(chatPath, chatBody("echo-1", "hi", "")).must(t)
	s.chain.edit(s.user, func(a *zg.SubAccount) { a.Generation = 1 })
	s.post(chatPath, chatBody("echo-1", "hi", "")).must(t)
	tok := s.goodToken()
	tok.Generation = 1
	s.token = mint(t, s.key, tok)
	s.post(chatPath, chatBody("echo-1", "hi", "")).wants(t, http.StatusBadRequest, "future generation")
	s.clock.advance(10 * time.Minute)
	s.post(chatPath, chatBody("echo-1", "hi", "")).must(t)
}

func TestWalletWithoutSubAccount(t *testing.T) {
	s := start(t, nil)
	s.key = seedKey(t, "newcomer")
	s.user = addressOf(s.key)
	tok := s.goodToken()
	tok.Generation = 9 // nothing to compare it with
	s.token = mint(t, s.key, tok)
	s.get("/v1/user/" + s.user.Hex() + "/unsettledfee").must(t)
	s.post(chatPath, chatBody("echo-1", "hi", "")).wants(t, http.StatusBadRequest, "get account from contract, account not exist")
}

// Texts and signatures made with other software come out byte for byte.
func TestResponseSignatureVectors(t *testing.T) {
	v := vectors[struct {
		TEEKey     string `json:"tee_private_key"`
		Signatures []struct {
			Name, Text, Signature, Signer string
			Request                       string   `json:"request_body"`
			Response                      string   `json:"response_body"`
			Images                        []string `json:"images_hex"`
		}
	}](t, "response_signatures.json")
	if len(v.Signatures) != 4 {
		t.Fatalf("%d vectors, want 4", len(v.Signatures))
	}
	key, err := crypto.ToECDSA(common.FromHex(v.TEEKey))
	if err != nil {
		t.Fatalf("key: %v", err)
	}
	plain := v.Signatures[0]
	for _, vector := range v.Signatures {
		t.Run(vector.Name, func(t *testing.T) {
			p := &Provider{cfg: Config{TEEKey: key}}
			if strings.HasPrefix(vector.Name, "R3") {
				p.cfg.Centralized = &Centralized{Identity: "openai", TLSFingerprint: strings.Repeat("ab", 32)}
				vector.Request, vector.Response = plain.Request, plain.Response
			}
			half := digest([]byte(vector.Response))
			if vector.Images != nil {
				var halves []string
				for _, i := range vector.Images {
					b, err := hex.DecodeString(i)
					if err != nil {
						t.Fatalf("image: %v", err)
					}
					halves = append(halves, digest(b))
				}
				half = strings.Join(halves, ",")
			}
			text := p.signatureText(digest([]byte(vector.Request)), half)
			if text != vector.Text {
				t.Errorf("text = %s, want %s", text, vector.Text)
			}
			sig, err := signedText{text: text, key: p.signingKey()}.sign()
			if err != nil || sig != vector.Signature {
				t.Errorf("signature = %s, %v, want %s", sig, err, vector.Signature)
			}
			if got := p.Signer().Hex(); got != vector.Signer {
				t.Errorf("Signer = %s, want %s", got, vector.Signer)
			}
		})
	}
}
