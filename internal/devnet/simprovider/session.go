package simprovider

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// bearer is what the Authorization header has to begin with, to the letter.
const bearer = "Bearer app-sk-"

const (
	ephemeralID     = 255
	maxEphemeralMS  = 24 * 60 * 60 * 1000
	verifiedFor     = 5 * time.Minute // how long a checked signature is remembered
	maxVerified     = 4096
	signatureLength = crypto.SignatureLength
)

// sessionToken is the signed part of the Authorization header. Numbers that do not fit their types are errors.
type sessionToken struct {
	Address    string `json:"address"`
	Provider   string `json:"provider"`
	Timestamp  int64  `json:"timestamp"` // ms
	ExpiresAt  int64  `json:"expiresAt"` // ms; 0: never
	Nonce      string `json:"nonce"`
	Generation uint64 `json:"generation"`
	TokenID    uint8  `json:"tokenId"`
}

// sessions remembers which headers carried a good signature: recovering a key is the slowest check of all.
type sessions struct {
	now func() time.Time
	mu  sync.Mutex
	ok  map[string]time.Time
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, ok: make(map[string]time.Time)}
}

func (s *sessions) known(header string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.ok[header]
	return ok && s.now().Sub(at) < verifiedFor
}

func (s *sessions) remember(header string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ok) >= maxVerified {
		clear(s.ok)
	}
	s.ok[header] = s.now()
}

// authorize checks the session token of a request in the order real providers do and returns the wallet that signed it.
// Every refusal is a 400, whatever it is about.
func (p *Provider) authorize(ctx context.Context, header http.Header) (common.Address, error) {
	user, message, err := p.checkSession(ctx, header.Get("Authorization"))
	if err != nil {
		return common.Address{}, err
	}
	if message != "" {
		return common.Address{}, refuse("validate session: " + message)
	}
	return user, nil
}

// checkSession returns the wallet, or why its token is refused, or an error when the chain could not be asked.
func (p *Provider) checkSession(ctx context.Context, header string) (user common.Address, message string, err error) {
	none := common.Address{}
	tok, text, sigHex, message := readSession(header)
	if message != "" {
		return none, message, nil
	}
	if !strings.EqualFold(tok.Provider, p.address.Hex()) {
		return none, "session token is for different provider", nil
	}
	if tok.TokenID == ephemeralID {
		if tok.ExpiresAt == 0 {
			return none, "ephemeral token must have an expiration time", nil
		}
		if tok.ExpiresAt-tok.Timestamp > maxEphemeralMS {
			return none, "ephemeral token duration cannot exceed 24 hours", nil
		}
	}
	if tok.ExpiresAt > 0 && p.cfg.Now().Unix() > tok.ExpiresAt/1000 {
		return none, "session token expired", nil
	}
	user = common.HexToAddress(tok.Address)
	account, exists, err := p.accounts.get(ctx, user)
	switch {
	case err != nil:
		return none, "", err
	case !exists: // a token of a wallet without a sub-account has nothing to be revoked by
	case tok.Generation < account.Generation:
		return none, "session token has been revoked (generation expired)", nil
	case tok.Generation > account.Generation:
		return none, "invalid session token (future generation)", nil
	case tok.TokenID != ephemeralID && account.RevokedBitmap != nil && account.RevokedBitmap.Bit(int(tok.TokenID)) == 1:
		return none, "session token has been revoked", nil
	}
	if p.sessions.known(header) {
		return user, "", nil
	}
	if message := checkSignature(text, sigHex, tok.Address); message != "" {
		return none, message, nil
	}
	p.sessions.remember(header)
	return user, "", nil
}

// readSession takes a token apart, or says why it is none.
func readSession(header string) (tok sessionToken, text, sigHex, message string) {
	encoded, ok := strings.CutPrefix(header, bearer)
	if !ok {
		return tok, "", "", "missing or invalid Authorization header"
	}
	payload, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return tok, "", "", "invalid base64 in Authorization header"
	}
	if text, sigHex, ok = strings.Cut(string(payload), "|"); !ok {
		return tok, "", "", "invalid Authorization payload"
	}
	if json.Unmarshal([]byte(text), &tok) != nil {
		return tok, "", "", "invalid session token format in Authorization"
	}
	return tok, text, sigHex, ""
}

// checkSignature says what is wrong with the signature over a token, if anything. It is an Ethereum personal-message
// signature over the 32 bytes of the text's keccak digest, with v 27 or 28.
func checkSignature(text, sigHex, address string) string {
	sig, err := hexutil.Decode(sigHex)
	if err != nil {
		return "invalid signature format"
	}
	if len(sig) != signatureLength {
		return "invalid signature length"
	}
	sig[64] -= 27 // 0 and 1 turn into nonsense here, as they do at real providers
	pub, err := crypto.SigToPub(accounts.TextHash(crypto.Keccak256([]byte(text))), sig)
	if err != nil {
		return "failed to recover public key from signature"
	}
	if !common.IsHexAddress(address) || crypto.PubkeyToAddress(*pub) != common.HexToAddress(address) {
		return "signature verification failed: address mismatch"
	}
	return ""
}
