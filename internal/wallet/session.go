package wallet

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

const (
	bearerPrefix = "Bearer app-sk-" // matched to the letter by providers
	ephemeralID  = 255              // token id of tokens that end within a day; 0 to 254 are revocable one by one
)

// claims is what a session token says.
type claims struct {
	provider             common.Address
	timestamp, expiresAt int64 // ms since 1970; an expiresAt of 0 means never, which ephemeral tokens may not say
	nonce                string
	generation           uint64 // of the sub-account; a provider refuses any other
	tokenID              uint8
}

// session mints a session token: the whole value of an Authorization header.
//
// The signed message is JSON without white space and with its keys in this order. It is not what is signed: that is the
// Ethereum personal-message digest of the 32 raw bytes of the message's keccak256. v has to be 27 or 28. The header
// carries message, "|" and signature in padded standard base64.
func (w *Wallet) session(c claims) (string, error) {
	message := fmt.Appendf(nil, `{"address":"%s","provider":"%s","timestamp":%d,"expiresAt":%d,"nonce":"%s","generation":%d,"tokenId":%d}`,
		w.address.Hex(), c.provider.Hex(), c.timestamp, c.expiresAt, c.nonce, c.generation, c.tokenID)
	sig, err := w.message(crypto.Keccak256(message))
	if err != nil {
		return "", fmt.Errorf("sign a session token: %w", err)
	}
	payload := append(message, "|0x"...)
	payload = hex.AppendEncode(payload, sig)
	return bearerPrefix + base64.StdEncoding.EncodeToString(payload), nil
}
