package simchain

import (
	"math"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// No block is final: the node would move it to where reorganisations do not reach, at any time, and one that goes back behind it
// would be the chain's end.
func TestNothingIsFinal(t *testing.T) {
	c, err := Start(Config{Manual: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	for head := uint64(0); head < 100; { // the 32nd, the 64th, and the 96th
		c.Mine()
		if head, err = c.client.BlockNumber(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, tag := range []rpc.BlockNumber{rpc.FinalizedBlockNumber, rpc.SafeBlockNumber} {
		if h, err := c.client.HeaderByNumber(t.Context(), big.NewInt(int64(tag))); err == nil {
			t.Errorf("block %d is %s", h.Number, tag)
		}
	}
	if err := c.Reorg(90); err != nil {
		t.Fatal(err)
	}
	if err := c.Pay(t.Context(), c.owner, common.HexToAddress("0x1234"), zg.OneOG); err != nil {
		t.Error(err)
	}
	var before common.Hash
	for n := range uint64(100) {
		h, err := c.client.HeaderByNumber(t.Context(), new(big.Int).SetUint64(n))
		if err != nil || n > 0 && h.ParentHash != before {
			t.Fatalf("block %d: %v, %v; want one that follows %s", n, h, err, before)
		}
		before = h.Hash()
	}
}

// A chain that makes no blocks any more says so to whoever waits for one.
func TestNoMoreBlocks(t *testing.T) {
	c, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	c.mining.Lock()
	c.backend.time = math.MaxUint64 // the next one would be later
	c.mining.Unlock()
	if err := c.Pay(t.Context(), c.owner, common.HexToAddress("0x1234"), zg.OneOG); err == nil {
		t.Error("it was paid")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
