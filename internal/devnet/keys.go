package devnet

import (
	"crypto/ecdsa"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// WalletKeyHex is the private key of the devnet's wallet. Everybody who reads this knows it: it is worth nothing, and
// whatever is sent to its address on another chain is lost.
const WalletKeyHex = "3009c4c9bbd5c5d145ec048724fdc12f810f57363d7739477fa454467d2652f4"

// walletSeed is what WalletKeyHex is derived from.
const walletSeed = "zgproxy devnet wallet"

// WalletKey is WalletKeyHex as a key.
func WalletKey() *ecdsa.PrivateKey { return seedKey(walletSeed) }

// Wallet is the address of WalletKey.
func Wallet() common.Address { return crypto.PubkeyToAddress(WalletKey().PublicKey) }

// ProviderKey is the key of the account of the provider with this name. It is as public as WalletKeyHex.
func ProviderKey(name string) *ecdsa.PrivateKey { return seedKey("zgproxy devnet provider " + name) }

// TEEKey is the key with which the provider with this name signs. No enclave keeps it, and it is as public as
// WalletKeyHex.
func TEEKey(name string) *ecdsa.PrivateKey { return seedKey("zgproxy devnet tee " + name) }

// seedKey is the key that is the digest of a seed: the same on every machine.
func seedKey(seed string) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte(seed)))
	if err != nil {
		panic("devnet: " + seed + ": " + err.Error()) // one digest in 2^128 is no key; none of ours
	}
	return key
}
