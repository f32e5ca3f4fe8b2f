package simchain

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Spending is what a wallet's mined transactions did, as the blocks tell it.
type Spending struct {
	Transactions int // mined, the failed ones included: so many nonces were used up
	Failed       int
	Transfers    zg.Neuron                    // from the ledger to sub-accounts
	By           map[common.Address]zg.Neuron // the same by provider
	Deposits     zg.Neuron                    // from the wallet into its ledger
	Gas          zg.Neuron
	Hashes       []common.Hash
}

// Spending reads what a wallet sent in the blocks after one, and returns the newest block it has read.
func (c *Chain) Spending(ctx context.Context, wallet common.Address, after uint64) (Spending, uint64, error) {
	s := Spending{By: make(map[common.Address]zg.Neuron)}
	head, err := c.client.BlockNumber(ctx)
	if err != nil {
		return s, after, fmt.Errorf("read the head: %w", err)
	}
	signer := types.LatestSignerForChainID(c.chainID)
	for n := after + 1; n <= head; n++ {
		block, err := c.client.BlockByNumber(ctx, new(big.Int).SetUint64(n))
		if err != nil {
			return s, after, fmt.Errorf("read block %d: %w", n, err)
		}
		for _, tx := range block.Transactions() {
			if from, err := types.Sender(signer, tx); err != nil || from != wallet {
				continue
			}
			receipt, err := c.client.TransactionReceipt(ctx, tx.Hash())
			if err != nil {
				return s, after, fmt.Errorf("read the receipt of %s: %w", tx.Hash(), err)
			}
			if err := s.count(c, wallet, tx, receipt); err != nil {
				return s, after, err
			}
		}
	}
	return s, head, nil
}

func (s *Spending) count(c *Chain, wallet common.Address, tx *types.Transaction, receipt *types.Receipt) error {
	s.Transactions++
	s.Hashes = append(s.Hashes, tx.Hash())
	price, err := zg.NeuronFromBig(receipt.EffectiveGasPrice)
	if err != nil {
		return fmt.Errorf("gas price of %s: %w", tx.Hash(), err)
	}
	s.Gas = s.Gas.Add(price.Mul(receipt.GasUsed))
	if receipt.Status != types.ReceiptStatusSuccessful {
		s.Failed++
		return nil
	}
	value, err := zg.NeuronFromBig(tx.Value())
	if err != nil {
		return fmt.Errorf("value of %s: %w", tx.Hash(), err)
	}
	if tx.To() == nil || *tx.To() != wallet { // what comes back to the wallet itself is none
		s.Deposits = s.Deposits.Add(value)
	}
	abi := c.ledgerABI
	method, err := abi.MethodById(tx.Data())
	if tx.To() == nil || *tx.To() != c.ledger || err != nil || method.Name != "transferFund" {
		return nil //nolint:nilerr // another call, or none
	}
	args, err := method.Inputs.Unpack(tx.Data()[4:])
	if err != nil {
		return fmt.Errorf("decode %s: %w", tx.Hash(), err)
	}
	provider, _ := args[0].(common.Address)
	raw, _ := args[2].(*big.Int)
	amount, err := zg.NeuronFromBig(raw)
	if err != nil {
		return fmt.Errorf("amount of %s: %w", tx.Hash(), err)
	}
	s.Transfers = s.Transfers.Add(amount)
	s.By[provider] = s.By[provider].Add(amount)
	return nil
}

// Available is what a user's ledger has left for transfers.
func (c *Chain) Available(ctx context.Context, user common.Address) (zg.Neuron, error) {
	out, err := c.call(ctx, c.ledger, c.led.PackGetLedger(user))
	if err != nil {
		return zg.Neuron{}, err
	}
	l, err := c.led.UnpackGetLedger(out)
	if err != nil {
		return zg.Neuron{}, err
	}
	return zg.NeuronFromBig(l.AvailableBalance)
}
