package chain

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// call is what a transaction does.
type call struct {
	to    common.Address
	value zg.Neuron
	data  []byte
	gas   gas
}

// gas is how much of it a call may be given.
type gas struct {
	// floor is the least that is set, whatever the estimate: the state can change before the call is mined, and too little
	// gas looks like a refusal of the contract. What is not used is not paid.
	floor uint64
	// ceiling is the most that the call can need. An estimate above it is wrong, and is not paid for.
	ceiling uint64
}

// What the calls were estimated at, on the network's own contracts: a transfer to a sub-account that is there 117 000 gas,
// one that opens a sub-account 480 000; a deposit 70 000, one that opens a ledger 196 000; asking for what is in a
// sub-account 237 000, more with refunds that wait already; a refund 77 000, and of everything some 140 000 for each
// sub-account that goes with the ledger, of which there may be fifty; an acknowledgement 40 000; a revocation 59 000.
var (
	gasTransfer    = gas{floor: 150_000, ceiling: 1_000_000}
	gasOpening     = gas{floor: 600_000, ceiling: 3_000_000}
	gasDeposit     = gas{floor: 250_000, ceiling: 1_000_000}
	gasRetrieve    = gas{floor: 300_000, ceiling: 1_500_000}
	gasRefund      = gas{floor: 150_000, ceiling: 10_000_000}
	gasAcknowledge = gas{floor: 60_000, ceiling: 300_000}
	gasRevoke      = gas{floor: 80_000, ceiling: 300_000}
)

// Sign signs what an intent says with the lowest unused nonce. It sends nothing. The node's estimate of the gas is also the
// last check that the contract would accept it: a refusal is a *RevertError. Nothing is signed that would do something
// else than what was decided (ErrDecidedOtherwise), nor what the wallet cannot pay for (ErrInsufficientFunds).
func (s *Sender) Sign(ctx context.Context, in zg.Intent) (zg.SignedTx, error) {
	c, err := s.call(ctx, in)
	if err != nil {
		return zg.SignedTx{}, err
	}
	return s.sign(ctx, c)
}

// call turns an intent into the call of a contract.
func (s *Sender) call(ctx context.Context, in zg.Intent) (call, error) {
	c := s.client
	switch in.Kind {
	case zg.IntentTransfer, zg.IntentDeposit, zg.IntentRefund:
		if in.Amount.IsZero() {
			return call{}, fmt.Errorf("a %s of nothing", in.Kind)
		}
	case zg.IntentRetrieve, zg.IntentAcknowledge, zg.IntentWithdraw, zg.IntentRevoke, zg.IntentRevokeAll:
		if in.Provider == (common.Address{}) {
			return call{}, fmt.Errorf("a %s without a provider", in.Kind)
		}
	}
	switch in.Kind {
	case zg.IntentTransfer:
		return s.transfer(ctx, in)
	case zg.IntentDeposit:
		return call{to: c.cfg.Ledger, value: in.Amount, data: c.led.PackDepositFund(), gas: gasDeposit}, nil
	case zg.IntentRetrieve:
		name, err := c.ServiceName(ctx)
		if err != nil {
			return call{}, err
		}
		return call{to: c.cfg.Ledger, data: c.led.PackRetrieveFund([]common.Address{in.Provider}, name), gas: gasRetrieve}, nil
	case zg.IntentRefund:
		return call{to: c.cfg.Ledger, data: c.led.PackRefund(in.Amount.Big()), gas: gasRefund}, nil
	case zg.IntentAcknowledge:
		return call{to: c.cfg.Inference, data: c.inf.PackAcknowledgeTEESigner(in.Provider, true), gas: gasAcknowledge}, nil
	case zg.IntentWithdraw:
		return call{to: c.cfg.Inference, data: c.inf.PackAcknowledgeTEESigner(in.Provider, false), gas: gasAcknowledge}, nil
	case zg.IntentRevoke:
		return call{to: c.cfg.Inference, data: c.inf.PackRevokeToken(in.Provider, in.TokenID), gas: gasRevoke}, nil
	case zg.IntentRevokeAll:
		return call{to: c.cfg.Inference, data: c.inf.PackRevokeAllTokens(in.Provider), gas: gasRevoke}, nil
	}
	return call{}, fmt.Errorf("there is no transaction for %q", in.Kind)
}

func (s *Sender) transfer(ctx context.Context, in zg.Intent) (call, error) {
	c := s.client
	name, err := c.ServiceName(ctx)
	if err != nil {
		return call{}, err
	}
	exists, err := read(ctx, c, c.cfg.Inference, c.inf.PackAccountExists(c.cfg.User, in.Provider), nil, c.inf.UnpackAccountExists)
	if err != nil {
		return call{}, fmt.Errorf("look for the sub-account: %w", err)
	}
	switch {
	case exists && in.Opening:
		return call{}, fmt.Errorf("%w: there is one with %s already", ErrDecidedOtherwise, in.Provider)
	case !exists && !in.Opening:
		return call{}, fmt.Errorf("%w: there is none with %s any more", ErrDecidedOtherwise, in.Provider)
	}
	limit := gasTransfer
	if in.Opening {
		limit = gasOpening
	}
	return call{to: c.cfg.Ledger, data: c.led.PackTransferFund(in.Provider, name, in.Amount.Big()), gas: limit}, nil
}
