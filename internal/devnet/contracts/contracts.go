// Package contracts holds the devnet's own ledger and inference contracts, compiled. They have the outward behaviour of
// the network's contracts (calls, errors, events, minimums) and insides of their own; compile.mjs makes the artefacts.
package contracts

import _ "embed" // the artefacts

// Creation code in hex, to be followed by the encoded constructor arguments.
var (
	//go:embed artefacts/LedgerManager.bin
	LedgerManager string
	//go:embed artefacts/InferenceServing.bin
	InferenceServing string
)
