package wallet

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Token mints a persistent session token: "app-sk-" and the rest, as others put it behind "Bearer ". Whoever has it may
// spend what is in the sub-account, until it expires or is revoked on chain. It is not kept anywhere.
func (w *Wallet) Token(t zg.Token) (string, error) {
	var nonce [16]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return "", fmt.Errorf("make a nonce for a session token: %w", err)
	}
	return w.token(t, hex.EncodeToString(nonce[:]))
}

func (w *Wallet) token(t zg.Token, nonce string) (string, error) {
	if t.ID < 0 || t.ID > zg.LastTokenID {
		return "", fmt.Errorf("a persistent session token has an id from 0 to %d", zg.LastTokenID)
	}
	if !t.ExpiresAt.IsZero() && !t.ExpiresAt.After(t.CreatedAt) {
		return "", errors.New("a session token that has expired when it is made")
	}
	expires := int64(0)
	if !t.ExpiresAt.IsZero() {
		expires = t.ExpiresAt.UnixMilli()
	}
	bearer, err := w.session(claims{
		provider: t.Provider, timestamp: t.CreatedAt.Truncate(time.Millisecond).UnixMilli(), expiresAt: expires, nonce: nonce,
		generation: t.Generation, tokenID: uint8(t.ID),
	})
	if err != nil {
		return "", err
	}
	return bearer[len("Bearer "):], nil
}
