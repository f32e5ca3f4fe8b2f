package simchain

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// mineAlways makes a block soon after there is a transaction for it, an empty one after that, because only then the pool
// takes note of the first, and occasionally another, so that time moves.
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
			_, _ = c.backend.Commit() // why there is none is told to whoever waits for it: see mined
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

// Mine makes a block now, and returns the newest one.
func (c *Chain) Mine() common.Hash {
	hash, _ := c.mine() // why there is none is told to whoever waits for it: see mined
	return hash
}

func (c *Chain) mine() (common.Hash, error) {
	c.mining.Lock()
	defer c.mining.Unlock()
	return c.backend.Commit()
}

// AdvanceTime lets the chain's clock jump forward by mining a block that much later. Transactions that wait are mined
// first: the clock can only jump in an empty block.
func (c *Chain) AdvanceTime(d time.Duration) error {
	c.mining.Lock()
	defer c.mining.Unlock()
	if _, err := c.backend.Commit(); err != nil {
		return err
	}
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
