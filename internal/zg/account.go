package zg

import (
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// SubAccount is the money one user has set aside for one provider (the contract's Account struct).
type SubAccount struct {
	User, Provider common.Address
	// Nonce is the highest settlement nonce used; it survives deletion.
	Nonce *big.Int
	// Balance includes PendingRefund.
	Balance, PendingRefund Neuron
	Refunds                []Refund // live refunds only
	Acknowledged           bool
	// Generation must be repeated by every session token; raising it revokes all earlier ones.
	Generation    uint64
	RevokedBitmap *big.Int
}

// Refund is money on its way back to the ledger, free once the contract's lock time has passed since CreatedAt.
type Refund struct {
	Index     uint64
	Amount    Neuron
	CreatedAt time.Time
}

// Locked is the usable part of the sub-account: what the provider may count on.
func (a SubAccount) Locked() Neuron { return a.Balance.Sub(a.PendingRefund) }

// Ledger is a user's main account: Total = Available + the balances of all sub-accounts.
type Ledger struct {
	User             common.Address
	Available, Total Neuron
}

// Holdings is everything a wallet has on chain, read at one block.
type Holdings struct {
	Block      uint64
	BlockTime  time.Time
	Wallet     Neuron // native balance of the wallet itself; pays for gas
	Ledger     *Ledger
	Accounts   map[common.Address]SubAccount // by provider
	LockTime   time.Duration                 // between asking for a refund and getting it
	MinLedger  Neuron                        // opens a ledger, and the floor after a partial refund
	MinAccount Neuron                        // smallest first transfer to a new sub-account
	// Unread is why a part could not be read, which is empty then and not known. What depends on it is not done.
	Unread map[Part]string `json:",omitempty"`
	// Structs are those of the contracts that were seen, by name, with how many fields each has more than are known.
	Structs map[string]int `json:",omitempty"`
}

// Part is what of a wallet's holdings is read by itself, so that what does not need it can go on without.
type Part string

// The parts.
const (
	PartLedger   Part = "ledger"
	PartAccounts Part = "sub-accounts"
	PartLockTime Part = "lock time"
	PartMinimums Part = "minimums"
	PartServices Part = "services" // of a directory, not of holdings
	// PartContracts is whether the two contracts belong together, which whoever connects asks.
	PartContracts Part = "link between the contracts"
)

// Settlement is one debit of a sub-account by its provider.
type Settlement struct {
	Provider common.Address
	Amount   Neuron
	Block    uint64
	Tx       common.Hash
	// Index is its place among the wallet's debits in its transaction. Unlike the place of the event in its block, it
	// stays the same where a reorganisation moves the transaction to another block.
	Index int
}

// Movements are what the contracts' events tell about the wallet's sub-accounts in a range of blocks.
type Movements struct {
	Settlements []Settlement // in the order they happened
	// Last is, for every sub-account that changed, what it held after the last change.
	Last map[common.Address]Standing
}

// Standing is what a sub-account holds, and how much of that is on its way back.
type Standing struct{ Balance, PendingRefund Neuron }
