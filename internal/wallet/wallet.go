// Package wallet is the only room with a key. It opens the key once, signs session tokens and transactions with it, and
// gives it to nobody: the key is reachable through a closure only, so that no printing, encoding or reflection of a
// Wallet shows more than its address. Or the key is elsewhere, and a signer that the owner has named signs; what that
// gives back is checked to be what was asked for.
//
// It never logs, talks to nobody but that signer, and starts no goroutines. Session tokens live in memory and are
// minted again after a restart; the keystore files that it writes are durable when the call returns.
package wallet

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

var (
	// ErrKey is wrapped by every failure to open a wallet. No error of this package holds key or password material.
	ErrKey = errors.New("the wallet cannot be opened")
	// ErrChainID means that a transaction was to be signed without naming the one chain it is for.
	ErrChainID = errors.New("a transaction is signed for one chain with a positive id")
)

// Config names the source of the key: PrivateKey, or Keystore with its password, or Signer with the wallet's address.
// Exactly one of them must be set. However it is printed or encoded, a Config shows only which source that is.
type Config struct {
	// PrivateKey is 64 hexadecimal digits, with or without 0x.
	PrivateKey string
	// Keystore is the path of an encrypted key in JSON, version 3, as go-ethereum and others write it.
	Keystore         string
	KeystorePassword string
	// Signer is an http or https URL, or the path of a socket, behind which somebody signs for SignerAddress:
	// go-ethereum's clef, or what answers eth_signTransaction and eth_sign, as Web3Signer does.
	Signer        string
	SignerAddress common.Address
}

func (c Config) sources() int {
	n := 0
	for _, s := range []string{c.PrivateKey, c.Keystore, c.Signer} {
		if s != "" {
			n++
		}
	}
	return n
}

// String says where the key comes from.
func (c Config) String() string {
	switch {
	case c.sources() > 1:
		return "wallet.Config(more than one key)"
	case c.PrivateKey != "":
		return "wallet.Config(private key)"
	case c.Keystore != "":
		return "wallet.Config(keystore)"
	case c.Signer != "":
		return "wallet.Config(signer)"
	}
	return "wallet.Config(no key)"
}

// Format writes String, whatever the verb and flags.
func (c Config) Format(f fmt.State, _ rune) { show(f, c.String()) }

// MarshalText writes String, so that JSON and logs do too.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Wallet signs with one key. It is safe for concurrent use. However it is printed, only its address shows.
type Wallet struct {
	address common.Address
	// The key is known to these functions alone, or not even to them.
	message     func(hash []byte) ([]byte, error) // r, s and v (27 or 28) over the personal message that 32 bytes are
	transaction func(tx *types.Transaction, chainID *big.Int) (*types.Transaction, error)
}

// Open reads the key from its one source. It fails with ErrKey when there is no source, more than one, or none that
// holds a valid key. Opening a keystore takes about a second of computing, by design of its encryption. A signer is
// asked who it is, which needs nobody's approval.
func Open(cfg Config) (*Wallet, error) {
	switch {
	case cfg.sources() > 1:
		return nil, fmt.Errorf("%w: several of a private key, a keystore and a signer are configured, and only one can be meant", ErrKey)
	case cfg.PrivateKey != "":
		return fromHex(cfg.PrivateKey)
	case cfg.Keystore != "":
		return fromKeystore(cfg.Keystore, cfg.KeystorePassword)
	case cfg.Signer != "":
		return fromSigner(cfg.Signer, cfg.SignerAddress)
	}
	return nil, fmt.Errorf("%w: neither a private key nor a keystore nor a signer is configured", ErrKey)
}

func fromHex(text string) (*Wallet, error) {
	secret, err := secretOf(text)
	if err != nil {
		return nil, err
	}
	return fromBytes(secret)
}

// secretOf reads the 32 bytes of a private key.
func secretOf(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if t, ok := strings.CutPrefix(text, "0x"); ok {
		text = t
	} else if t, ok := strings.CutPrefix(text, "0X"); ok {
		text = t
	}
	// What decoders say about bad digits repeats them, so their errors are not wrapped.
	if len(text) != 64 {
		return nil, fmt.Errorf("%w: the private key is not 64 hexadecimal digits long", ErrKey)
	}
	secret, err := hex.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: the private key holds something that is not a hexadecimal digit", ErrKey)
	}
	return secret, nil
}

// fromBytes makes the wallet of a 32-byte secret and wipes the secret.
func fromBytes(secret []byte) (*Wallet, error) {
	defer clear(secret)
	key, err := crypto.ToECDSA(secret)
	if err != nil {
		return nil, fmt.Errorf("%w: the private key is not in the range of secp256k1", ErrKey)
	}
	return &Wallet{
		address: crypto.PubkeyToAddress(key.PublicKey),
		message: func(hash []byte) ([]byte, error) {
			sig, err := crypto.Sign(accounts.TextHash(hash), key)
			if err == nil {
				sig[crypto.RecoveryIDOffset] += 27
			}
			return sig, err
		},
		transaction: func(tx *types.Transaction, chainID *big.Int) (*types.Transaction, error) {
			return types.SignTx(tx, types.LatestSignerForChainID(chainID), key) // refuses one that was made for another chain
		},
	}, nil
}

// Address is the wallet's address.
func (w *Wallet) Address() common.Address { return w.address }

// SignTx signs a transaction for the chain with this id and no other. It returns a signed copy; tx stays as it is.
func (w *Wallet) SignTx(tx *types.Transaction, chainID *big.Int) (*types.Transaction, error) {
	if chainID == nil || chainID.Sign() <= 0 {
		return nil, fmt.Errorf("sign a transaction: %w", ErrChainID)
	}
	signed, err := w.transaction(tx, chainID)
	if err != nil {
		return nil, fmt.Errorf("sign a transaction: %w", err)
	}
	return signed, nil
}

// String shows the address only.
func (w Wallet) String() string { return "wallet(" + w.address.Hex() + ")" }

// Format writes String, whatever the verb and flags.
func (w Wallet) Format(f fmt.State, _ rune) { show(f, w.String()) }

// MarshalText writes String, so that JSON and logs do too.
func (w Wallet) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

func show(f fmt.State, s string) { _, _ = io.WriteString(f, s) } // fmt's own buffer takes everything
