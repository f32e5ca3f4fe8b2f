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
	most  uint64 // gas that the owner was shown; 0: nobody was shown anything
}

// Sign signs what an intent says with the lowest unused nonce. It sends nothing. The node's estimate of the gas is also
// the last check that the contract would accept it: a refusal is a *RevertError. Nothing is signed that would do
// something else than what was decided (ErrDecidedOtherwise), that needs more gas than the owner was shown
// (ErrMoreGas), or that the wallet cannot pay for (ErrInsufficientFunds).
func (s *Sender) Sign(ctx context.Context, in zg.Intent) (zg.SignedTx, error) {
	c, err := s.call(ctx, in)
	if err != nil {
		return zg.SignedTx{}, err
	}
	c.gas, c.most = gasOf(in), in.MaxGas
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
	if len(in.Also) > 0 && (in.Kind != zg.IntentRetrieve || len(in.Also) >= zg.MostRetrieved) {
		return call{}, fmt.Errorf("a %s from %d providers", in.Kind, 1+len(in.Also))
	}
	switch in.Kind {
	case zg.IntentTransfer:
		return s.transfer(ctx, in)
	case zg.IntentDeposit:
		return call{to: c.cfg.Ledger, value: in.Amount, data: c.led.PackDepositFund()}, nil
	case zg.IntentRetrieve:
		name, err := c.ServiceName(ctx)
		if err != nil {
			return call{}, err
		}
		return call{to: c.cfg.Ledger, data: c.led.PackRetrieveFund(in.Providers(), name)}, nil
	case zg.IntentRefund:
		return call{to: c.cfg.Ledger, data: c.led.PackRefund(in.Amount.Big())}, nil
	case zg.IntentAcknowledge:
		return call{to: c.cfg.Inference, data: c.inf.PackAcknowledgeTEESigner(in.Provider, true)}, nil
	case zg.IntentWithdraw:
		return call{to: c.cfg.Inference, data: c.inf.PackAcknowledgeTEESigner(in.Provider, false)}, nil
	case zg.IntentRevoke:
		return s.revoke(in)
	case zg.IntentRevokeAll:
		return call{to: c.cfg.Inference, data: c.inf.PackRevokeAllTokens(in.Provider)}, nil
	}
	return call{}, fmt.Errorf("there is no transaction for %q", in.Kind)
}

func (s *Sender) revoke(in zg.Intent) (call, error) {
	ids := make([]uint8, len(in.TokenIDs))
	for i, id := range in.TokenIDs {
		if id < 0 || id > zg.LastTokenID {
			return call{}, fmt.Errorf("a session token has an id from 0 to %d, not %d", zg.LastTokenID, id)
		}
		ids[i] = uint8(id)
	}
	c := s.client
	switch len(ids) {
	case 0:
		return call{}, fmt.Errorf("a %s of no token", in.Kind)
	case 1:
		return call{to: c.cfg.Inference, data: c.inf.PackRevokeToken(in.Provider, ids[0])}, nil
	}
	return call{to: c.cfg.Inference, data: c.inf.PackRevokeTokens(in.Provider, ids)}, nil
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
	return call{to: c.cfg.Ledger, data: c.led.PackTransferFund(in.Provider, name, in.Amount.Big())}, nil
}
