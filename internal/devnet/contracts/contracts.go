// Package contracts holds the devnet's own ledger and inference contracts, compiled. They have the outward behaviour of
// the network's contracts (calls, errors, events, minimums) and insides of their own; compile.mjs makes the artefacts.
//
// Each stands behind a proxy, as on the network, so that it can be replaced by a variant while everything goes on.
package contracts

import _ "embed" // the artefacts

// Creation code in hex, to be followed by the encoded constructor arguments.
var (
	//go:embed artefacts/LedgerManager.bin
	LedgerManager string
	//go:embed artefacts/InferenceServing.bin
	InferenceServing string
	// Proxy runs the code of another contract, at an address of its own.
	//go:embed artefacts/Proxy.bin
	Proxy string
	//go:embed artefacts/Proxy.abi
	ProxyABI string
)

// Variants of both, with the same storage: what an upgrade of the network's contracts may look like.
var (
	//go:embed artefacts/LedgerManagerGrown.bin
	LedgerManagerGrown string
	//go:embed artefacts/InferenceServingGrown.bin
	InferenceServingGrown string
	//go:embed artefacts/InferenceServingOlder.bin
	InferenceServingOlder string
)
