package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// ErrFeeTooHigh means that nothing was signed because it would have offered more per gas than the owner allows.
var ErrFeeTooHigh = errors.New("the network's fees are above ZGPROXY_MAX_FEE_PER_GAS")

// SignFunc signs a transaction for one chain. The key is somewhere else.
type SignFunc func(tx *types.Transaction, chainID *big.Int) (*types.Transaction, error)

// SenderConfig bounds what a transaction may cost.
type SenderConfig struct {
	MaxFeePerGas zg.Neuron // no transaction offers more; zero: nothing is signed
	MinTip       zg.Neuron // zero: 2 gwei, below which the network's nodes refuse
}

// Sender makes this wallet's transactions. One Sender serves a wallet, one transaction at a time, and it keeps nothing
// between calls: nonces come from the chain, and what was signed is kept by the caller.
type Sender struct {
	client *Client
	signer SignFunc
	cfg    SenderConfig
}

// NewSender builds a Sender.
func NewSender(c *Client, sign SignFunc, cfg SenderConfig) *Sender {
	if cfg.MinTip.IsZero() {
		cfg.MinTip = zg.NeuronOf(2_000_000_000)
	}
	return &Sender{client: c, signer: sign, cfg: cfg}
}

// gas is how much of it a call may be given.
type gas struct {
	// floor is the least that is set, whatever the estimate: the state can change before the call is mined, and too little
	// gas looks like a refusal of the contract. What is not used is not paid.
	floor uint64
	// ceiling is the most that the call can need. An estimate above it is wrong, and is not paid for.
	ceiling uint64
}

// A transfer to a sub-account that is there is estimated at 117 000 gas, one that opens a sub-account at 480 000.
var (
	gasTransfer = gas{floor: 150_000, ceiling: 1_000_000}
	gasOpening  = gas{floor: 600_000, ceiling: 3_000_000}
)

// SignTopUp signs a transfer from the ledger to a sub-account with the lowest unused nonce. It sends nothing. The node's
// estimate of the gas is also the last check that the contract would accept it: a refusal is a *RevertError.
func (s *Sender) SignTopUp(ctx context.Context, provider common.Address, amount zg.Neuron) (zg.SignedTx, error) {
	c := s.client
	if amount.IsZero() {
		return zg.SignedTx{}, errors.New("a top-up of nothing")
	}
	name, err := c.ServiceName(ctx)
	if err != nil {
		return zg.SignedTx{}, err
	}
	exists, err := read(ctx, c, c.cfg.Inference, c.inf.PackAccountExists(c.cfg.User, provider), nil, c.inf.UnpackAccountExists)
	if err != nil {
		return zg.SignedTx{}, fmt.Errorf("look for the sub-account: %w", err)
	}
	limit := gasOpening
	if exists {
		limit = gasTransfer
	}
	return s.sign(ctx, c.cfg.Ledger, c.led.PackTransferFund(provider, name, amount.Big()), zg.Neuron{}, limit)
}

// sign signs a call with the lowest unused nonce. Every call of this wallet goes through here.
func (s *Sender) sign(ctx context.Context, to common.Address, data []byte, value zg.Neuron, limit gas) (zg.SignedTx, error) {
	if err := s.client.checkChainID(ctx); err != nil {
		return zg.SignedTx{}, err
	}
	nonce, err := s.Nonce(ctx)
	if err != nil {
		return zg.SignedTx{}, err
	}
	estimate, err := s.estimate(ctx, ethereum.CallMsg{From: s.client.cfg.User, To: &to, Value: value.Big(), Data: data})
	if err != nil {
		return zg.SignedTx{}, err
	}
	if estimate > limit.ceiling {
		return zg.SignedTx{}, fmt.Errorf("the node estimates %d gas, the call cannot need more than %d", estimate, limit.ceiling)
	}
	base, tip, err := s.suggestion(ctx)
	if err != nil {
		return zg.SignedTx{}, err
	}
	return s.signTx(&types.DynamicFeeTx{
		Nonce: nonce, To: &to, Value: value.Big(), Data: data, Gas: max(estimate+estimate/5, limit.floor),
	}, tip.Add(base.Mul(2)), tip)
}

// estimate asks for the gas of a call. Where the node drops the reason of a refusal, the call itself is tried for it.
func (s *Sender) estimate(ctx context.Context, call ethereum.CallMsg) (uint64, error) {
	c := s.client
	units, err := observe(ctx, c, "eth_estimateGas", func(ctx context.Context) (uint64, error) { return c.eth.EstimateGas(ctx, call) })
	if _, ok := errors.AsType[*nodeError](err); ok {
		_, why := observe(ctx, c, "eth_call", func(ctx context.Context) ([]byte, error) { return c.eth.CallContract(ctx, call, nil) })
		if r, ok := DecodeRevert(why); ok {
			err = r
		}
	}
	if err != nil {
		return 0, fmt.Errorf("estimate the gas: %w", err)
	}
	return units, nil
}

// suggestion is the base fee of the newest block, and the tip that the node suggests but at least the configured minimum.
func (s *Sender) suggestion(ctx context.Context) (base, tip zg.Neuron, err error) {
	c := s.client
	suggested, err := observe(ctx, c, "eth_maxPriorityFeePerGas", c.eth.SuggestGasTipCap)
	if err != nil {
		return base, tip, fmt.Errorf("ask for the tip: %w", err)
	}
	if tip, err = zg.NeuronFromBig(suggested); err != nil {
		return base, tip, fmt.Errorf("%w: tip: %w", ErrRPC, err)
	}
	at, err := c.head(ctx)
	if err != nil {
		return base, tip, err
	}
	return at.baseFee, tip.Max(s.cfg.MinTip), nil
}

// signTx puts fees into a transaction, within the owner's limit, and has it signed.
func (s *Sender) signTx(inner *types.DynamicFeeTx, feeCap, tip zg.Neuron) (zg.SignedTx, error) {
	if s.cfg.MaxFeePerGas.Less(feeCap) {
		return zg.SignedTx{}, fmt.Errorf("%w: %s neuron per gas are needed, %s are allowed", ErrFeeTooHigh, feeCap, s.cfg.MaxFeePerGas)
	}
	chainID := new(big.Int).SetUint64(s.client.cfg.ChainID)
	inner.ChainID, inner.GasFeeCap, inner.GasTipCap = chainID, feeCap.Big(), tip.Big()
	tx, err := s.signer(types.NewTx(inner), chainID)
	if err != nil {
		return zg.SignedTx{}, fmt.Errorf("sign: %w", err)
	}
	if err := s.signedByUs(tx); err != nil {
		return zg.SignedTx{}, fmt.Errorf("sign: %w", err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return zg.SignedTx{}, fmt.Errorf("encode the transaction: %w", err)
	}
	return zg.SignedTx{Hash: tx.Hash(), Nonce: inner.Nonce, Raw: raw, GasLimit: inner.Gas, FeeCap: feeCap, TipCap: tip}, nil
}

// signedByUs verifies that a transaction carries this wallet's signature for this chain.
func (s *Sender) signedByUs(tx *types.Transaction) error {
	from, err := types.Sender(types.LatestSignerForChainID(new(big.Int).SetUint64(s.client.cfg.ChainID)), tx)
	if err != nil {
		return fmt.Errorf("recover the signer of the transaction: %w", err)
	}
	if from != s.client.cfg.User {
		return fmt.Errorf("the transaction is signed by %s, the wallet is %s", from, s.client.cfg.User)
	}
	return nil
}

// Replace signs the same call at the same nonce with both fees at least a tenth higher, which is what nodes demand of a
// replacement, and at least what the network asks for now. It sends nothing. Only what this wallet has signed before can
// be replaced: whoever can change the record of a transaction can't have another one signed.
func (s *Sender) Replace(ctx context.Context, prev zg.SignedTx) (zg.SignedTx, error) {
	old, err := s.decode(prev)
	if err != nil {
		return zg.SignedTx{}, fmt.Errorf("replace: %w", err)
	}
	if err := s.client.checkChainID(ctx); err != nil {
		return zg.SignedTx{}, err
	}
	feeCap, err := zg.NeuronFromBig(old.GasFeeCap())
	if err != nil {
		return zg.SignedTx{}, fmt.Errorf("replace: %w", err)
	}
	tip, err := zg.NeuronFromBig(old.GasTipCap())
	if err != nil {
		return zg.SignedTx{}, fmt.Errorf("replace: %w", err)
	}
	base, suggested, err := s.suggestion(ctx)
	if err != nil {
		return zg.SignedTx{}, err
	}
	tip = raised(tip).Max(suggested)
	feeCap = raised(feeCap).Max(tip.Add(base.Mul(2)))
	return s.signTx(&types.DynamicFeeTx{Nonce: old.Nonce(), To: old.To(), Value: old.Value(), Data: old.Data(), Gas: old.Gas()}, feeCap, tip)
}

// raised is a tenth more, rounded up.
func raised(fee zg.Neuron) zg.Neuron { return fee.Add(fee.Add(zg.NeuronOf(9)).MulDiv(1, 10)) }

// decode reads the bytes of a transaction, which must be those that its hash names and signed by this wallet.
func (s *Sender) decode(tx zg.SignedTx) (*types.Transaction, error) {
	decoded := new(types.Transaction)
	if err := decoded.UnmarshalBinary(tx.Raw); err != nil {
		return nil, fmt.Errorf("decode transaction %s: %w", tx.Hash, err)
	}
	if decoded.Hash() != tx.Hash {
		return nil, fmt.Errorf("decode transaction %s: the bytes are those of %s", tx.Hash, decoded.Hash())
	}
	return decoded, s.signedByUs(decoded)
}
