package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// ErrTooFar means that the events of so many blocks are not read: it would take minutes, and nodes forget old ones.
var ErrTooFar = errors.New("too many blocks to read the events of")

// errEvents means that the events of a range do not fit together, or are not what was asked for.
var errEvents = errors.New("the events are not whole")

const (
	blocksPerCall = 5000   // nodes refuse much larger ranges
	blocksAtMost  = 250000 // a day and more of the network's blocks
)

// The events that tell of a debit: the ledger says how much was taken from a user, and right after it, in the same
// transaction, the inference contract says which sub-account it was and what that holds since. Top-ups, refunds and
// opening give the second one only.
var (
	fundSpent      = crypto.Keccak256Hash([]byte("FundSpent(address,address,uint256)"))
	balanceUpdated = crypto.Keccak256Hash([]byte("BalanceUpdated(address,address,uint256,uint256)"))
)

// Movements reads what happened to the wallet's sub-accounts from one block to another, both included. It is all or
// nothing: an answer that does not fit together is an error.
func (c *Client) Movements(ctx context.Context, from, to uint64) (zg.Movements, error) {
	return agreed(ctx, c, c.upTo(ctx, to), "the events of sub-accounts", func(ctx context.Context) (zg.Movements, error) {
		return c.movements(ctx, from, to)
	})
}

func (c *Client) movements(ctx context.Context, from, to uint64) (zg.Movements, error) {
	m := zg.Movements{Last: map[common.Address]zg.Standing{}}
	if to < from {
		return m, nil
	}
	if to-from >= blocksAtMost {
		return m, fmt.Errorf("%w: %d to %d", ErrTooFar, from, to)
	}
	for at := from; at <= to; at += blocksPerCall {
		end := min(at+blocksPerCall-1, to)
		logs, err := observe(ctx, c, "eth_getLogs", func(ctx context.Context) ([]types.Log, error) {
			return c.eth.FilterLogs(ctx, ethereum.FilterQuery{
				FromBlock: new(big.Int).SetUint64(at), ToBlock: new(big.Int).SetUint64(end),
				Addresses: []common.Address{c.cfg.Ledger, c.cfg.Inference},
				Topics:    [][]common.Hash{{fundSpent, balanceUpdated}, {common.BytesToHash(c.cfg.User[:])}},
			})
		})
		if err == nil {
			err = c.follow(&m, logs, at, end)
		}
		if err != nil {
			return zg.Movements{}, fmt.Errorf("read the events of blocks %d to %d: %w", at, end, err)
		}
	}
	return m, nil
}

// follow reads events in the order they happened.
func (c *Client) follow(m *zg.Movements, logs []types.Log, from, to uint64) error {
	var spent *zg.Neuron // taken, from a sub-account that the next event names
	var block uint64
	var index int64 = -1
	var tx common.Hash
	for i := range logs {
		l := &logs[i]
		switch {
		case l.Removed || l.BlockNumber < from || l.BlockNumber > to || l.BlockNumber < block:
			return fmt.Errorf("%w: one of block %d", errEvents, l.BlockNumber)
		case l.BlockNumber == block && int64(l.Index) <= index:
			return fmt.Errorf("%w: number %d after %d in block %d", errEvents, l.Index, index, block)
		case len(l.Topics) < 2 || l.Topics[1] != common.BytesToHash(c.cfg.User[:]):
			return fmt.Errorf("%w: one of another wallet", errEvents)
		case spent != nil && l.TxHash != tx:
			return fmt.Errorf("%w: a debit without a sub-account in %s", errEvents, tx)
		}
		block, index, tx = l.BlockNumber, int64(l.Index), l.TxHash
		switch {
		case l.Topics[0] == fundSpent && l.Address == c.cfg.Ledger && spent == nil:
			amount, err := c.spent(l)
			if err != nil {
				return err
			}
			spent = amount
		case l.Topics[0] == balanceUpdated && l.Address == c.cfg.Inference:
			provider, standing, err := c.standing(l)
			if err != nil {
				return err
			}
			m.Last[provider] = standing
			if spent != nil {
				place := 0
				if n := len(m.Settlements); n > 0 && m.Settlements[n-1].Tx == tx {
					place = m.Settlements[n-1].Index + 1
				}
				m.Settlements = append(m.Settlements, zg.Settlement{Provider: provider, Amount: *spent, Block: block, Tx: tx, Index: place})
				spent = nil
			}
		default:
			return fmt.Errorf("%w: an unexpected one of %s", errEvents, l.Address)
		}
	}
	if spent != nil {
		return fmt.Errorf("%w: a debit without a sub-account in %s", errEvents, tx)
	}
	return nil
}

// spent is how much was taken; nil where it was for another service than inference.
func (c *Client) spent(l *types.Log) (*zg.Neuron, error) {
	if len(l.Topics) != 3 || len(l.Data) != 32 {
		return nil, fmt.Errorf("%w: %w", errEvents, ErrLayout)
	}
	e, err := c.led.UnpackFundSpentEvent(l)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errEvents, zg.CleanError(err, maxMessage))
	}
	if e.Service != c.cfg.Inference {
		return nil, nil //nolint:nilnil // not ours to count
	}
	amount, err := zg.NeuronFromBig(e.Amount)
	return &amount, err
}

func (c *Client) standing(l *types.Log) (provider common.Address, s zg.Standing, err error) {
	if len(l.Topics) != 3 || len(l.Data) != 64 {
		return provider, s, fmt.Errorf("%w: %w", errEvents, ErrLayout)
	}
	e, err := c.inf.UnpackBalanceUpdatedEvent(l)
	if err != nil {
		return provider, s, fmt.Errorf("%w: %w", errEvents, zg.CleanError(err, maxMessage))
	}
	if s.Balance, err = zg.NeuronFromBig(e.Amount); err != nil {
		return provider, s, err
	}
	s.PendingRefund, err = zg.NeuronFromBig(e.PendingRefund)
	return e.Provider, s, err
}
