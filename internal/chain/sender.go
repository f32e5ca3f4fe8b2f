package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// What a node says of a transaction, by class.
var (
	ErrFeeTooHigh        = errors.New("the network's fees are above ZGPROXY_MAX_FEE_PER_GAS")
	ErrNonceTooLow       = errors.New("the nonce is used already")
	ErrUnderpriced       = errors.New("the fees are too low to replace the transaction that waits")
	ErrTipTooLow         = errors.New("the tip is below the node's minimum")
	ErrInsufficientFunds = errors.New("the wallet cannot pay for gas")
)

// SignFunc signs a transaction for one chain. The key is somewhere else.
type SignFunc func(tx *types.Transaction, chainID *big.Int) (*types.Transaction, error)

// SenderConfig bounds what a transaction may cost.
type SenderConfig struct {
	MaxFeePerGas zg.Neuron // no transaction offers more; zero: nothing is signed
	MinTip       zg.Neuron // zero: 2 gwei, below which the network's nodes refuse
}

// Sender makes this wallet's transactions. One Sender serves a wallet, and it keeps nothing between calls.
type Sender struct {
	client *Client
	sign   SignFunc
	cfg    SenderConfig
}

// NewSender builds a Sender.
func NewSender(c *Client, sign SignFunc, cfg SenderConfig) *Sender {
	if cfg.MinTip.IsZero() {
		cfg.MinTip = zg.NeuronOf(2_000_000_000)
	}
	return &Sender{client: c, sign: sign, cfg: cfg}
}

// The least gas that is set for a transfer. An estimate can be too low when the state changes before it is mined, and too
// little gas looks like a refusal of the contract.
const (
	gasExisting = 150_000
	gasOpening  = 600_000
)

// SignTopUp signs a transfer from the ledger to a sub-account with the lowest unused nonce, and sends nothing. The node's
// estimate is also the last check that the contract will accept it.
func (s *Sender) SignTopUp(ctx context.Context, provider common.Address, amount zg.Neuron) (zg.SignedTx, error) {
	name, err := s.client.ServiceName(ctx)
	if err != nil {
		return zg.SignedTx{}, err
	}
	out, err := s.client.call(ctx, s.client.cfg.Inference, s.client.inf.PackAccountExists(s.client.cfg.User, provider), nil)
	exists, err := unpack(out, err, s.client.inf.UnpackAccountExists)
	if err != nil {
		return zg.SignedTx{}, fmt.Errorf("look for the sub-account: %w", err)
	}
	floor := uint64(gasOpening)
	if exists {
		floor = gasExisting
	}
	return s.signNew(ctx, s.client.cfg.Ledger, s.client.led.PackTransferFund(provider, name, amount.Big()), nil, floor)
}

// signNew signs a call with the lowest unused nonce.
func (s *Sender) signNew(ctx context.Context, to common.Address, data []byte, value *big.Int, gasFloor uint64) (zg.SignedTx, error) {
	c := s.client
	// The endpoint may serve another chain today than yesterday; a signature would be valid there.
	if err := c.checkChainID(ctx); err != nil {
		return zg.SignedTx{}, err
	}
	nonce, err := s.Nonce(ctx)
	if err != nil {
		return zg.SignedTx{}, err
	}
	gas, err := observe(ctx, c, "eth_estimateGas", func(ctx context.Context) (uint64, error) {
		return c.eth.EstimateGas(ctx, ethereum.CallMsg{From: c.cfg.User, To: &to, Value: value, Data: data})
	})
	if err != nil {
		return zg.SignedTx{}, fmt.Errorf("estimate the gas: %w", err)
	}
	const absurdGas = 10_000_000
	if gas > absurdGas {
		return zg.SignedTx{}, fmt.Errorf("the node estimates %d gas, which no call of ours needs", gas)
	}
	feeCap, tip, err := s.fees(ctx)
	if err != nil {
		return zg.SignedTx{}, err
	}
	return s.signTx(&types.DynamicFeeTx{
		ChainID: s.chainID(), Nonce: nonce, To: &to, Value: value, Data: data, Gas: max(gas+gas/5, gasFloor), GasFeeCap: feeCap.Big(), GasTipCap: tip.Big(),
	})
}

func (s *Sender) chainID() *big.Int { return new(big.Int).SetUint64(s.client.cfg.ChainID) }

// fees are what the node suggests, within the owner's limit.
func (s *Sender) fees(ctx context.Context) (feeCap, tip zg.Neuron, err error) {
	c := s.client
	suggested, err := observe(ctx, c, "eth_maxPriorityFeePerGas", c.eth.SuggestGasTipCap)
	if err != nil {
		return feeCap, tip, fmt.Errorf("ask for the tip: %w", err)
	}
	if tip, err = zg.NeuronFromBig(suggested); err != nil {
		return feeCap, tip, err
	}
	tip = tip.Max(s.cfg.MinTip)
	head, err := c.head(ctx)
	if err != nil {
		return feeCap, tip, fmt.Errorf("read the base fee: %w", err)
	}
	base := zg.Neuron{}
	if head.BaseFee != nil {
		if base, err = zg.NeuronFromBig(head.BaseFee); err != nil {
			return feeCap, tip, err
		}
	}
	feeCap = tip.Add(base.Mul(2))
	if s.cfg.MaxFeePerGas.Less(tip.Add(base)) {
		return feeCap, tip, fmt.Errorf("%w: %s neuron per gas are needed, the limit is %s", ErrFeeTooHigh, tip.Add(base), s.cfg.MaxFeePerGas)
	}
	return feeCap.Min(s.cfg.MaxFeePerGas), tip, nil
}

func (s *Sender) signTx(inner *types.DynamicFeeTx) (zg.SignedTx, error) {
	tx, err := s.sign(types.NewTx(inner), s.chainID())
	if err != nil {
		return zg.SignedTx{}, fmt.Errorf("sign: %w", err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return zg.SignedTx{}, fmt.Errorf("encode the transaction: %w", err)
	}
	feeCap, err := zg.NeuronFromBig(inner.GasFeeCap)
	if err != nil {
		return zg.SignedTx{}, err
	}
	tip, err := zg.NeuronFromBig(inner.GasTipCap)
	return zg.SignedTx{Hash: tx.Hash(), Nonce: inner.Nonce, Raw: raw, GasLimit: inner.Gas, FeeCap: feeCap, TipCap: tip}, err
}

// Replace signs the same call at the same nonce with both fees at least a tenth higher, which is what nodes demand of a
// replacement, and at least what the network asks for now. It sends nothing.
func (s *Sender) Replace(ctx context.Context, prev zg.SignedTx) (zg.SignedTx, error) {
	old := new(types.Transaction)
	if err := old.UnmarshalBinary(prev.Raw); err != nil {
		return zg.SignedTx{}, fmt.Errorf("decode the transaction to replace: %w", err)
	}
	if err := s.client.checkChainID(ctx); err != nil {
		return zg.SignedTx{}, err
	}
	feeCap, tip, err := s.fees(ctx)
	if err != nil {
		return zg.SignedTx{}, err
	}
	bump := func(n zg.Neuron) zg.Neuron { return n.MulDiv(11, 10).Add(zg.NeuronOf(1)) }
	tip = tip.Max(bump(prev.TipCap))
	feeCap = feeCap.Max(bump(prev.FeeCap)).Max(tip)
	if s.cfg.MaxFeePerGas.Less(feeCap) {
		return zg.SignedTx{}, fmt.Errorf("%w: a replacement needs %s neuron per gas, the limit is %s", ErrFeeTooHigh, feeCap, s.cfg.MaxFeePerGas)
	}
	return s.signTx(&types.DynamicFeeTx{
		ChainID: s.chainID(), Nonce: old.Nonce(), To: old.To(), Value: old.Value(), Data: old.Data(), Gas: old.Gas(), GasFeeCap: feeCap.Big(), GasTipCap: tip.Big(),
	})
}

// Broadcast sends a transaction's bytes as they are. That the node knows it already is no error.
func (s *Sender) Broadcast(ctx context.Context, tx zg.SignedTx) error {
	decoded := new(types.Transaction)
	if err := decoded.UnmarshalBinary(tx.Raw); err != nil {
		return fmt.Errorf("decode the transaction: %w", err)
	}
	_, err := observe(ctx, s.client, "eth_sendRawTransaction", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.client.eth.SendTransaction(ctx, decoded)
	})
	return classifySend(err)
}

// sendErrors are the words of different nodes for the same refusal.
var sendErrors = []struct {
	part string
	err  error
}{
	{"already known", nil},
	{"already imported", nil},
	{"nonce too low", ErrNonceTooLow},
	{"replacement transaction underpriced", ErrUnderpriced},
	{"price below minimum", ErrTipTooLow},
	{"tip needed", ErrTipTooLow},
	{"transaction underpriced", ErrTipTooLow},
	{"insufficient funds", ErrInsufficientFunds},
}

func classifySend(err error) error {
	if err == nil {
		return nil
	}
	text := strings.ToLower(err.Error())
	for _, c := range sendErrors {
		if !strings.Contains(text, c.part) {
			continue
		}
		if c.err == nil {
			return nil
		}
		return fmt.Errorf("%w: %w", c.err, err)
	}
	return err
}

// Receipt is the outcome of a transaction, nil without an error while it is not mined.
func (s *Sender) Receipt(ctx context.Context, hash common.Hash) (*zg.Receipt, error) {
	r, err := observe(ctx, s.client, "eth_getTransactionReceipt", func(ctx context.Context) (*types.Receipt, error) {
		r, err := s.client.eth.TransactionReceipt(ctx, hash)
		if errors.Is(err, ethereum.NotFound) || (err != nil && strings.Contains(err.Error(), "indexing is in progress")) {
			return nil, nil //nolint:nilnil // not mined is an answer
		}
		return r, err
	})
	if err != nil || r == nil {
		return nil, err
	}
	if r.TxHash != hash || r.BlockNumber == nil || !r.BlockNumber.IsUint64() {
		return nil, fmt.Errorf("the receipt is of transaction %s, not of %s", r.TxHash, hash)
	}
	out := &zg.Receipt{Hash: hash, OK: r.Status == types.ReceiptStatusSuccessful, Block: r.BlockNumber.Uint64(), GasUsed: r.GasUsed}
	if r.EffectiveGasPrice != nil {
		price, err := zg.NeuronFromBig(r.EffectiveGasPrice)
		if err != nil {
			return nil, err
		}
		out.GasCost = price.Mul(r.GasUsed)
	}
	return out, nil
}

// Nonce is the number of the wallet's mined transactions: the lowest nonce that is not used up.
func (s *Sender) Nonce(ctx context.Context) (uint64, error) {
	return observe(ctx, s.client, "eth_getTransactionCount", func(ctx context.Context) (uint64, error) {
		return s.client.eth.NonceAt(ctx, s.client.cfg.User, nil)
	})
}
