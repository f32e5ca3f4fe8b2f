package simchain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Reorg replaces the last depth blocks by depth+1 empty ones; what waits is mined before. The transactions of the
// replaced blocks return to the pool and are mined again with the next block, unless DropPending takes them out
// before. Those that are named are forgotten: they are mined again only if somebody sends them again, and what their
// senders signed after them waits for that. Whoever asks the JSON-RPC sees the chain as it was before or as it is
// after, never in between, as of a node.
func (c *Chain) Reorg(depth int, without ...common.Hash) error {
	c.mining.Lock()
	defer c.mining.Unlock()
	c.front.turn.Lock()
	defer c.front.turn.Unlock()
	ctx := context.Background()
	undone, err := c.fork(ctx, depth)
	for range 10 { // transactions that wait are in the way, and actors, which do not use the JSON-RPC, may send more at any time
		if !errors.Is(err, errWaiting) {
			break
		}
		if _, err = c.backend.Commit(); err == nil {
			undone, err = c.fork(ctx, depth)
		}
	}
	if err != nil {
		return err
	}
	head, err := c.client.BlockNumber(ctx)
	if err != nil {
		return fmt.Errorf("read the fork's block: %w", err)
	}
	for range depth + 1 {
		c.backend.Rollback() // keeps the returned transactions out of the new blocks
		if _, err := c.backend.Commit(); err != nil {
			return err
		}
	}
	now, err := c.client.BlockNumber(ctx)
	if err == nil && now <= head+uint64(depth) {
		err = errors.New("the fork did not become the longest chain")
	}
	c.backend.Rollback() // the pool may have just taken back what is to be forgotten
	for _, tx := range undone {
		if !slices.Contains(without, tx.Hash()) {
			_ = c.client.SendTransaction(ctx, tx) // an actor may have overtaken it
		}
	}
	return err
}

// fork goes back by depth blocks and returns the transactions that were in them.
func (c *Chain) fork(ctx context.Context, depth int) (undone types.Transactions, err error) {
	head, err := c.client.BlockNumber(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the head: %w", err)
	}
	if depth < 1 || uint64(depth) > head {
		return nil, fmt.Errorf("a reorg of %d blocks at height %d is not possible", depth, head)
	}
	for n := head - uint64(depth) + 1; n <= head; n++ {
		block, err := c.client.BlockByNumber(ctx, new(big.Int).SetUint64(n))
		if err != nil {
			return nil, fmt.Errorf("read block %d: %w", n, err)
		}
		undone = append(undone, block.Transactions()...)
	}
	parent, err := c.client.HeaderByNumber(ctx, new(big.Int).SetUint64(head-uint64(depth)))
	if err != nil {
		return nil, fmt.Errorf("read the fork's parent: %w", err)
	}
	if err := c.backend.Fork(parent.Hash()); err != nil {
		return nil, fmt.Errorf("fork: %w", err)
	}
	return undone, nil
}

// MinedBy are the hashes of a wallet's transactions in the last depth blocks, oldest first: those that a
// reorganisation of that depth takes out.
func (c *Chain) MinedBy(ctx context.Context, wallet common.Address, depth int) ([]common.Hash, error) {
	head, err := c.client.BlockNumber(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the head: %w", err)
	}
	s, _, err := c.Spending(ctx, wallet, head-min(head, uint64(max(depth, 0))))
	return s.Hashes, err
}
