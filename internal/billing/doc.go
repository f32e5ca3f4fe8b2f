// Package billing is the book of what requests cost and the funding of the accounts they are paid from.
//
// It has four parts. The Store keeps every request and every top-up in SQLite. The Book is its sum in memory. The Meter
// admits a request (reserve) and records what it cost (close). The Keeper reads the wallet's holdings and tops up the
// sub-accounts that run low.
//
// It never talks to a provider or to the chain of its own accord: it reads and sends through the small interfaces of
// keeper.go. It never holds a key, never sees prompts or answers, and never counts money in floats. Providers take
// their fees on chain; nothing here pays them.
//
// The store's writer goroutine runs from Open to Store.Close. Keeper.Run is run by whoever wires the daemon. Nothing
// else is started.
//
// What is durable: when Meter.Open returns, the open record survives kill -9 of the process; it is in the open log, a
// file beside the database, and no commit is waited for. SQLite has it within 100 ms, or when Store.Flush returns. A
// close record is in SQLite about 50 ms after Reservation.Close; if the process dies before, the next start records the
// request at its bound. Nothing of a request is synced to disk: what the machine loses in a power cut, the book loses.
// A signed top-up is on disk, synced, before it is broadcast for the first time; a pin and a suspension are when the
// call returns. A verdict is queued like a close: what a killed process loses of it is found pending by the next one.
package billing
