package simchain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// mineAlways makes a block soon after there is a transaction for it, an empty one after that, because only then the pool
// takes note of the first, and now and then another, so that time moves.
func (c *Chain) mineAlways() {
	tick := time.NewTicker(blockEvery)
	defer tick.Stop()
	last, again := time.Now(), false
	for {
		select {
		case <-c.stop:
			return
		case <-tick.C:
		}
		pending, err := c.waiting(context.Background())
		if err != nil {
			continue // the node is being closed
		}
		c.mining.Lock()
		if !c.paused && (pending > 0 || again || time.Since(last) > heartbeat) {
			c.backend.Commit()
			last, again = time.Now(), pending > 0
		}
		c.mining.Unlock()
	}
}

// waiting is how many transactions could be mined now. The pending block would tell as well, but that is up to two seconds
// old.
func (c *Chain) waiting(ctx context.Context) (uint64, error) {
	var status struct {
		Pending hexutil.Uint64 `json:"pending"`
	}
	err := c.client.Client().CallContext(ctx, &status, "txpool_status")
	return uint64(status.Pending), err
}

// Pause stops automatic blocks.
func (c *Chain) Pause() { c.setPaused(true) }

// Resume starts them again.
func (c *Chain) Resume() { c.setPaused(false) }

func (c *Chain) setPaused(p bool) {
	c.mining.Lock()
	defer c.mining.Unlock()
	c.paused = p
}

// Mine makes a block now.
func (c *Chain) Mine() common.Hash {
	c.mining.Lock()
	defer c.mining.Unlock()
	return c.backend.Commit()
}

// AdvanceTime lets the chain's clock jump forward by mining a block that much later. Transactions that wait are mined
// first: the clock can only jump in an empty block.
func (c *Chain) AdvanceTime(d time.Duration) error {
	c.mining.Lock()
	defer c.mining.Unlock()
	c.backend.Commit()
	if err := c.backend.AdjustTime(d); err != nil {
		return fmt.Errorf("advance the chain's clock: %w", err)
	}
	return nil
}

// DropPending forgets the transactions that wait, as a node does that is restarted.
func (c *Chain) DropPending() {
	c.mining.Lock()
	defer c.mining.Unlock()
	c.backend.Rollback()
}

// Reorg replaces the last depth blocks by depth+1 empty ones; what waits is mined before. The transactions of the replaced
// blocks return to the pool and are mined again with the next block, unless DropPending takes them out before.
func (c *Chain) Reorg(depth int) error {
	c.mining.Lock()
	defer c.mining.Unlock()
	ctx := context.Background()
	undone, err := c.fork(ctx, depth)
	for range 10 { // transactions that wait are in the way, and more of them may arrive at any time
		if err == nil || !strings.Contains(err.Error(), "pending block dirty") {
			break
		}
		c.backend.Commit()
		undone, err = c.fork(ctx, depth)
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
		c.backend.Commit()
	}
	now, err := c.client.BlockNumber(ctx)
	if err == nil && now <= head+uint64(depth) {
		err = errors.New("the fork did not become the longest chain")
	}
	for _, tx := range undone {
		// Whether the pool has them again, or has just been told to forget them, depends on how fast it was.
		_ = c.client.SendTransaction(ctx, tx) // known, or overtaken
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

// SetMinTip makes the JSON-RPC refuse transactions with a lower tip, in the words of the network's nodes. Zero ends that.
func (c *Chain) SetMinTip(tip zg.Neuron) { c.front.setMinTip(tip) }

// Active is how many requests to the JSON-RPC are under way. A client that has ended may have left one behind, with a
// transaction in it: only at zero nothing arrives any more.
func (c *Chain) Active() int { return int(c.front.active.Load()) }

// SetFault decides the fate of every call to the JSON-RPC from now on. A nil function, or one that returns nil, lets calls
// through.
func (c *Chain) SetFault(f func(method string, params []byte) *Fault) { c.front.setFault(f) }

// RefuseShare makes the JSON-RPC answer that many of 100 requests with 429, as public endpoints do; 0 ends that. Which ones follows
// from the seed and the order in which they come.
func (c *Chain) RefuseShare(percent int, seed uint64) {
	c.front.mu.Lock()
	defer c.front.mu.Unlock()
	c.front.refuse, c.front.random = percent, rand.New(rand.NewPCG(seed, 0)) // #nosec G404 -- nothing is secret here
}

// Requests are how many requests the JSON-RPC has had, and how many of them it has refused because of RefuseShare.
func (c *Chain) Requests() (all, refused int64) {
	return c.front.requests.Load(), c.front.refused.Load()
}
