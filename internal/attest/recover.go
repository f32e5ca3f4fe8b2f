package attest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// ErrSignature means that a signature is none, or not in its one accepted form.
var ErrSignature = errors.New("not a valid signature")

// maxSignature is how much of a signature is kept, however wrong it is.
const maxSignature = 256

// Recover returns the address whose key signed the text as an Ethereum personal message: the signature is over the text
// itself, not over a digest of it. The last of its 65 bytes may be 27, 28, 0 or 1. Every signature has a twin with a
// high s, which is refused.
func Recover[S ~string](text, signature S) (common.Address, error) {
	sig, err := hex.DecodeString(strings.TrimPrefix(string(signature), "0x"))
	if err != nil || len(sig) != crypto.SignatureLength {
		return common.Address{}, fmt.Errorf("%w: it is not %d bytes in hexadecimal", ErrSignature, crypto.SignatureLength)
	}
	v := &sig[crypto.RecoveryIDOffset]
	if *v >= 27 {
		*v -= 27
	}
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:64])
	if !crypto.ValidateSignatureValues(*v, r, s, true) {
		return common.Address{}, fmt.Errorf("%w: its values are out of range", ErrSignature)
	}
	hash := crypto.Keccak256(fmt.Appendf(nil, "\x19Ethereum Signed Message:\n%d", len(text)), []byte(text))
	public, err := crypto.Ecrecover(hash, sig)
	if err != nil {
		return common.Address{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return common.BytesToAddress(crypto.Keccak256(public[1:])[12:]), nil
}
