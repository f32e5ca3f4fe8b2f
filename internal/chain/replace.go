package chain

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// gasPlain is what a transfer of the network's own token needs.
const gasPlain = 21_000

// Replace signs the same call at the same nonce with both fees at least a tenth higher, which is what nodes demand of a
// replacement, and at least what the network asks for now. It sends nothing. Only what this wallet has signed before
// can be replaced: whoever can change the record of a transaction can't have another one signed.
func (s *Sender) Replace(ctx context.Context, prev zg.SignedTx) (zg.SignedTx, error) {
	tx, err := s.supplant(ctx, prev, func(old *types.Transaction) *types.DynamicFeeTx {
		return &types.DynamicFeeTx{Nonce: old.Nonce(), To: old.To(), Value: old.Value(), Data: old.Data(), Gas: old.Gas()}
	})
	if err != nil {
		return zg.SignedTx{}, fmt.Errorf("replace: %w", err)
	}
	return tx, nil
}

// Cancel signs a transaction at the same nonce that pays nothing to the wallet itself, with fees as Replace has them.
// It sends nothing. When it is mined, what it replaces can't be any more.
func (s *Sender) Cancel(ctx context.Context, prev zg.SignedTx) (zg.SignedTx, error) {
	tx, err := s.supplant(ctx, prev, func(old *types.Transaction) *types.DynamicFeeTx {
		to := s.client.cfg.User
		return &types.DynamicFeeTx{Nonce: old.Nonce(), To: &to, Value: new(big.Int), Gas: gasPlain}
	})
	if err != nil {
		return zg.SignedTx{}, fmt.Errorf("cancel: %w", err)
	}
	return tx, nil
}

// supplant signs what next makes of a transaction, with fees that let it take that one's place.
func (s *Sender) supplant(ctx context.Context, prev zg.SignedTx, next func(old *types.Transaction) *types.DynamicFeeTx) (zg.SignedTx, error) {
	old, err := s.decode(prev)
	if err != nil {
		return zg.SignedTx{}, err
	}
	if err := s.client.checkChainID(ctx); err != nil {
		return zg.SignedTx{}, err
	}
	feeCap, err := zg.NeuronFromBig(old.GasFeeCap())
	if err != nil {
		return zg.SignedTx{}, err
	}
	tip, err := zg.NeuronFromBig(old.GasTipCap())
	if err != nil {
		return zg.SignedTx{}, err
	}
	base, suggested, err := s.suggestion(ctx)
	if err != nil {
		return zg.SignedTx{}, err
	}
	tip = raised(tip).Max(suggested)
	feeCap, err = s.offer(base, tip, raised(feeCap).Max(base.Add(tip)))
	if err != nil {
		return zg.SignedTx{}, err
	}
	return s.signTx(next(old), feeCap, tip)
}

// cancels reports whether a transaction moves nothing: the wallet sends itself nothing, and calls nobody.
func (s *Sender) cancels(tx *types.Transaction) bool {
	return tx.To() != nil && *tx.To() == s.client.cfg.User && tx.Value().Sign() == 0 && len(tx.Data()) == 0
}

// raised is a tenth more, rounded up.
func raised(fee zg.Neuron) zg.Neuron { return fee.Add(fee.Add(zg.NeuronOf(9)).MulDiv(1, 10)) }
