package chain

import (
	"fmt"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// gas is how much of it a call may be given.
type gas struct {
	// floor is the least that is set, whatever the estimate: the state can change before the call is mined, and too little
	// gas looks like a refusal of the contract. What is not used is not paid.
	floor uint64
	// ceiling is the most that the call can need, with each more for every thing that has piled up (see MaxGas), of which
	// there are piles at most. An estimate above that is wrong, and is not paid for.
	ceiling, each, piles uint64
}

// gasOf has what the calls were estimated at, on the network's own contracts: a transfer to a sub-account that is there
// 117 000 gas, one that opens a sub-account 480 000, and 84 000 more for every 100 bytes that another program may have
// put into the ledger's additional information; a deposit 70 000, one that opens a ledger 196 000; asking for what is
// in a sub-account 237 000, more with refunds that wait already, and 132 000 for every further sub-account, in each of
// which five can wait; a refund 77 000, and of everything some 140 000 for each sub-account that is closed with the
// ledger, of which there may be fifty; an acknowledgement 40 000; a revocation 65 000.
func gasOf(in zg.Intent) gas {
	switch in.Kind {
	case zg.IntentTransfer:
		if in.Opening {
			return gas{floor: 600_000, ceiling: 3_000_000}
		}
		return gas{floor: 150_000, ceiling: 1_000_000}
	case zg.IntentDeposit:
		return gas{floor: 250_000, ceiling: 1_000_000}
	case zg.IntentRetrieve:
		n := uint64(len(in.Also))
		return gas{floor: 300_000 + 150_000*n, ceiling: 1_000_000 * (1 + n), each: 100_000, piles: 5 + 5*n}
	case zg.IntentRefund:
		return gas{floor: 150_000, ceiling: 500_000, each: 500_000, piles: 50}
	case zg.IntentAcknowledge, zg.IntentWithdraw:
		return gas{floor: 60_000, ceiling: 300_000}
	case zg.IntentRevoke, zg.IntentRevokeAll:
		return gas{floor: 80_000, ceiling: 300_000 + 2_000*uint64(len(in.TokenIDs))}
	}
	return gas{}
}

// most is what the call can need when as much has piled up as can.
func (g gas) most() uint64 { return g.ceiling + g.piles*g.each }

// MaxGas is the most gas that a transaction for an intent is to be given, for whoever asks the owner before it is
// signed. Put into Intent.MaxGas it binds Sign. piled is how many things make the call longer: of a refund that empties
// the ledger the sub-accounts, which are closed with it; of a retrieval the refunds that wait in the sub-accounts
// already.
func MaxGas(in zg.Intent, piled int) uint64 {
	g := gasOf(in)
	return min(g.ceiling+g.each*uint64(max(piled, 0)), g.most())
}

// limit is the gas that a call is given: a fifth more than was estimated, as far as it can need, or the owner was
// shown, that much.
func (c *call) limit(estimate uint64) (uint64, error) {
	most, why := c.gas.most(), error(nil)
	if c.most > 0 && c.most < most {
		most, why = c.most, ErrMoreGas
	}
	switch limit := max(estimate+estimate/5, c.gas.floor); {
	case limit <= most:
		return limit, nil
	case estimate <= most:
		return most, nil
	case why != nil:
		return 0, fmt.Errorf("%w: the node estimates %d, and %d were shown", why, estimate, most)
	}
	return 0, fmt.Errorf("the node estimates %d gas, the call cannot need more than %d", estimate, most)
}
