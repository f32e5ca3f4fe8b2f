package simchain

import (
	"crypto/ecdsa"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// FaucetKey is the key of an account that has money from the first block on and does nothing else, so that whoever sends with
// it from another process is in nobody's way. Everybody knows it.
func FaucetKey() *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("zgproxy devnet faucet")))
	if err != nil {
		panic("simchain: the faucet's key: " + err.Error()) // one digest in 2^128 is no key, and this is one
	}
	return key
}

// fillFaucet gives it its money.
func fillFaucet(alloc types.GenesisAlloc) {
	alloc[crypto.PubkeyToAddress(FaucetKey().PublicKey)] = types.Account{Balance: zg.OneOG.Mul(1_000_000).Big()}
}
