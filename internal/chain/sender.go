package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Why nothing was signed, besides what the contract or the endpoint says.
var (
	ErrFeeTooHigh       = zg.ErrFeeTooHigh       // it would have offered more per gas than the owner allows
	ErrMoreGas          = zg.ErrMoreGas          // it needs more gas than the owner was shown
	ErrDecidedOtherwise = zg.ErrDecidedOtherwise // it was decided on another state of the sub-account
)

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

// sign signs a call with the lowest unused nonce. Every call of this wallet goes through here.
func (s *Sender) sign(ctx context.Context, c call) (zg.SignedTx, error) {
	if err := s.client.checkChainID(ctx); err != nil {
		return zg.SignedTx{}, err
	}
	nonce, err := s.Nonce(ctx)
	if err != nil {
		return zg.SignedTx{}, err
	}
	estimate, err := s.estimate(ctx, ethereum.CallMsg{From: s.client.cfg.User, To: &c.to, Value: c.value.Big(), Data: c.data})
	if err != nil {
		return zg.SignedTx{}, err
	}
	limit, err := c.limit(estimate)
	if err != nil {
		return zg.SignedTx{}, err
	}
	base, tip, err := s.suggestion(ctx)
	if err != nil {
		return zg.SignedTx{}, err
	}
	feeCap, err := s.offer(base, tip, base.Add(tip)) // before the balance is compared with what such a fee would come to
	if err != nil {
		return zg.SignedTx{}, err
	}
	if err := s.affords(ctx, c.value.Add(feeCap.Mul(limit))); err != nil {
		return zg.SignedTx{}, err
	}
	return s.signTx(&types.DynamicFeeTx{Nonce: nonce, To: &c.to, Value: c.value.Big(), Data: c.data, Gas: limit}, feeCap, tip)
}

// affords checks that the wallet holds what a transaction may take from it. Nodes refuse one that it could not pay,
// which would then be signed, recorded and stuck.
func (s *Sender) affords(ctx context.Context, most zg.Neuron) error {
	c := s.client
	balance, err := observe(ctx, c, "eth_getBalance", func(ctx context.Context) (*big.Int, error) { return c.eth.BalanceAt(ctx, c.cfg.User, nil) })
	if err != nil {
		return fmt.Errorf("read the wallet's balance: %w", err)
	}
	if has, err := zg.NeuronFromBig(balance); err != nil {
		return fmt.Errorf("%w: the wallet's balance: %w", ErrRPC, err)
	} else if has.Less(most) {
		return fmt.Errorf("%w: it has %s 0G and up to %s 0G are needed", ErrInsufficientFunds, has.Og(), most.Og())
	}
	return nil
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
		return 0, fmt.Errorf("estimate the gas: %w", notAfforded(err))
	}
	return units, nil
}

// suggestion is the base fee of the newest block, and the tip that the node suggests but at least the configured
// minimum. Of several endpoints the one in the middle counts, of two the one that suggests less.
func (s *Sender) suggestion(ctx context.Context) (base, tip zg.Neuron, err error) {
	c := s.client
	q, err := c.agree(ctx)
	if err != nil {
		return base, tip, err
	}
	suggested, err := middle(ctx, c, q.of, func(ctx context.Context) (*big.Int, error) {
		return observe(ctx, c, "eth_maxPriorityFeePerGas", c.eth.SuggestGasTipCap)
	})
	if err != nil {
		return base, tip, fmt.Errorf("ask for the tip: %w", err)
	}
	if tip, err = zg.NeuronFromBig(suggested); err != nil {
		return base, tip, fmt.Errorf("%w: tip: %w", ErrRPC, err)
	}
	return q.at.baseFee, tip.Max(s.cfg.MinTip), nil
}

// offer is the most that a transaction offers per gas: the tip and twice the base fee, which can double within six
// blocks and is charged as it then is, or the owner's limit where that is less. What fits the limit now is signed:
// least, which is what the next block charges or what a replacement has to offer.
func (s *Sender) offer(base, tip, least zg.Neuron) (zg.Neuron, error) {
	if err := s.allowed(least); err != nil {
		return zg.Neuron{}, err
	}
	return tip.Add(base.Mul(2)).Max(least).Min(s.cfg.MaxFeePerGas), nil
}

// allowed checks a fee per gas against the owner's limit.
func (s *Sender) allowed(feeCap zg.Neuron) error {
	if s.cfg.MaxFeePerGas.Less(feeCap) {
		return fmt.Errorf("%w: %s neuron per gas are needed, %s are allowed", ErrFeeTooHigh, feeCap, s.cfg.MaxFeePerGas)
	}
	return nil
}

// signTx puts fees into a transaction, within the owner's limit, and has it signed.
func (s *Sender) signTx(inner *types.DynamicFeeTx, feeCap, tip zg.Neuron) (zg.SignedTx, error) {
	if err := s.allowed(feeCap); err != nil {
		return zg.SignedTx{}, err
	}
	chainID := new(big.Int).SetUint64(s.client.cfg.ChainID)
	inner.ChainID, inner.GasFeeCap, inner.GasTipCap = chainID, feeCap.Big(), tip.Big()
	tx, err := s.signer(types.NewTx(inner), chainID)
	if err != nil {
		return zg.SignedTx{}, fmt.Errorf("%w: %w", zg.ErrNoSignature, err)
	}
	if err := s.signedByUs(tx); err != nil {
		return zg.SignedTx{}, fmt.Errorf("%w: %w", zg.ErrNoSignature, err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return zg.SignedTx{}, fmt.Errorf("encode the transaction: %w", err)
	}
	return zg.SignedTx{
		Hash: tx.Hash(), Nonce: inner.Nonce, Raw: raw, GasLimit: inner.Gas, FeeCap: feeCap, TipCap: tip, Cancels: s.cancels(tx),
	}, nil
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
