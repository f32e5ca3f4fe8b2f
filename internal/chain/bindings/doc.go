// Package bindings packs and unpacks calls of the ledger and inference contracts. All of it but this file is generated
// from the ABI of the devnet's contracts, which is that of the network's.
package bindings

//go:generate go tool -modfile=../../../tools/go.mod abigen --v2 --abi ../../devnet/contracts/artefacts/LedgerManager.abi --pkg bindings --type LedgerManager --out ledger.go
//go:generate go tool -modfile=../../../tools/go.mod abigen --v2 --abi ../../devnet/contracts/artefacts/InferenceServing.abi --pkg bindings --type InferenceServing --out inference.go
