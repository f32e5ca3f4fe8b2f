package zg

import (
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Why a transaction is not signed, or not taken by a node. They are here because one room finds them out and another
// acts on them.
var (
	ErrNonceTooLow       = errors.New("the nonce is used already")                                                    // look for the receipts of all transactions with it
	ErrNonceGap          = errors.New("a lower nonce is not used yet")                                                // that one has to be mined first
	ErrUnderpriced       = errors.New("the fees are too low at the moment")                                           // replace it with higher ones
	ErrNonceTaken        = errors.New("another transaction with this nonce waits already, and it is offered no less") // wait for that one, unless it is ours
	ErrTipTooLow         = errors.New("the tip is below the node's minimum")                                          // replace it with a higher one
	ErrInsufficientFunds = errors.New("the wallet cannot pay for it and its gas; send some 0G to it")                 // nothing but that helps
	ErrFeeTooHigh        = errors.New("the network's fees are above ZGPROXY_MAX_FEE_PER_GAS")                         // wait, or allow more
	ErrMoreGas           = errors.New("it needs more gas than was shown")                                             // Intent.MaxGas; show and ask again
	ErrNoSignature       = errors.New("it could not be signed")                                                       // by the key, or by whoever has it
	ErrContract          = errors.New("the contract reverted")                                                        // when it was tried, before it was signed
	ErrDecidedOtherwise  = errors.New("the sub-account is not as it was when the transfer was decided; read again")   // Intent.Opening
)

// SignedTx is a transaction whose bytes are fixed: it may be broadcast any number of times and takes effect at most
// once.
type SignedTx struct {
	Hash           common.Hash
	Nonce          uint64
	Raw            []byte
	GasLimit       uint64
	FeeCap, TipCap Neuron // per gas
	Cancels        bool   // it moves nothing and only uses up the nonce
}

// Receipt is the outcome of a mined transaction.
type Receipt struct {
	Hash      common.Hash
	OK        bool // false: mined and reverted
	Block     uint64
	BlockHash common.Hash // tells blocks of one number apart; zero where the node does not say
	GasUsed   uint64
	GasCost   Neuron // what the wallet paid for it
}

// IntentKind is what a transaction of the wallet is for.
type IntentKind string

// The transactions that a user of the network makes.
const (
	IntentTransfer    IntentKind = "transfer"    // ledger → sub-account; opens it where it is missing
	IntentDeposit     IntentKind = "deposit"     // wallet → ledger; opens it where it is missing
	IntentRetrieve    IntentKind = "retrieve"    // sub-accounts → ledger: asks for all of it, and takes what has become free
	IntentRefund      IntentKind = "refund"      // ledger → wallet
	IntentAcknowledge IntentKind = "acknowledge" // the user's consent to a provider's TEE signer
	IntentWithdraw    IntentKind = "withdraw"    // takes that consent back; the sub-account has to be empty
	IntentRevoke      IntentKind = "revoke"      // ends persistent session tokens
	IntentRevokeAll   IntentKind = "revoke_all"  // ends all session tokens, by raising the sub-account's generation
)

// MostRetrieved is how many sub-accounts the ledger contract takes in one retrieval.
const MostRetrieved = 20

// Intent is what a transaction is to do.
type Intent struct {
	Kind     IntentKind
	Provider common.Address   // of all but deposit and refund
	Also     []common.Address // of retrieve: further providers, MostRetrieved with the first
	Amount   Neuron           // of transfer, deposit and refund
	// Opening marks the transfer that opens a sub-account. Signing it fails where there is one, and the other way round:
	// what was decided for one case is not done in the other.
	Opening  bool
	TokenIDs []int // of revoke: 0 to LastTokenID
	// MaxGas is the most gas that the owner was shown; what needs more is not signed. 0: nobody was asked, and the most
	// that such a call can need is the limit.
	MaxGas uint64
}

// Providers are all that it concerns: none, one, or several of a retrieval.
func (in Intent) Providers() []common.Address {
	if in.Provider == (common.Address{}) {
		return nil
	}
	return append([]common.Address{in.Provider}, in.Also...)
}

// MinedTx is a transaction of the wallet as the chain has it, whoever made it.
type MinedTx struct {
	Nonce, Block uint64
	Hash         common.Hash
	At           time.Time      // of the block
	OK           bool           // false: it reverted, and moved nothing
	Kind         IntentKind     // empty: nothing that zgproxy does
	Provider     common.Address // of what concerns one provider
	Amount       Neuron         // of a transfer to a provider for inference, or a deposit into the wallet's own ledger
}
