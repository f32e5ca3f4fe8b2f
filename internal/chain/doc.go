// Package chain reads and writes the ledger and inference contracts: block-pinned readings of services and accounts,
// the directory of services in the background, and this wallet's transactions.
//
// It never decides to spend, it signs and sends exactly what it is told; and it never takes a failure for an absence:
// that a ledger or a sub-account does not exist is only ever the contract's own word. It holds no key. Directory.Run is
// a loop that the daemon runs; everything else happens in the caller's goroutine. Nothing is stored: a signed
// transaction is durable where the caller puts it.
package chain
