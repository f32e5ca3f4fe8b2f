package simchain

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/miner"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

// backend is a node with the whole chain in memory that makes a block when it is told to.
//
// It is what go-ethereum's ethclient/simulated is, with one difference: no block is ever final. There every 32nd is, and once a
// minute the node moves what is final to where reorganisations do not reach. One that goes back behind such a block leaves a
// node that never makes a block again.
type backend struct {
	stack *node.Node
	eth   *eth.Ethereum
	time  uint64 // of the newest block, on whatever branch: so no two blocks have the same state
}

// newBackend starts a node with a genesis block, and an IPC endpoint as the way to reach it.
func newBackend(chainID *big.Int, alloc types.GenesisAlloc, socket string) (*backend, error) {
	setup := node.DefaultConfig
	setup.DataDir, setup.IPCPath = "", socket
	setup.P2P = p2p.Config{NoDiscovery: true}

	rules := *params.AllDevChainProtocolChanges
	rules.ChainID = chainID
	all := core.SystemContractAllocs()
	maps.Copy(all, alloc)
	cfg := ethconfig.Defaults
	cfg.NetworkId = chainID.Uint64()
	cfg.Genesis = &core.Genesis{Config: &rules, GasLimit: cfg.Miner.GasCeil, Alloc: all}
	cfg.SyncMode = ethconfig.FullSync
	cfg.TxPool.NoLocals = true
	cfg.LogNoHistory = true // events are looked for in the blocks themselves

	stack, err := node.New(&setup)
	if err != nil {
		return nil, fmt.Errorf("make a node: %w", err)
	}
	b := &backend{stack: stack}
	if b.eth, err = eth.New(stack, &cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("make a chain: %w", err), stack.Close())
	}
	stack.RegisterAPIs([]rpc.API{{Namespace: "eth", Service: filters.NewFilterAPI(filters.NewFilterSystem(b.eth.APIBackend, filters.Config{}))}})
	if err := stack.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the node: %w", err), stack.Close())
	}
	b.eth.SetSynced()
	b.time = b.eth.BlockChain().CurrentBlock().Time
	return b, nil
}

// Close ends the node and waits.
func (b *backend) Close() error { return b.stack.Close() }

// Commit makes a block of what waits, and returns the newest one, which is the one before where that failed.
func (b *backend) Commit() (common.Hash, error) {
	err := b.seal(uint64(max(0, time.Now().Unix())))
	return b.eth.BlockChain().CurrentBlock().Hash(), err
}

// AdjustTime makes an empty block that much later than the one before.
func (b *backend) AdjustTime(d time.Duration) error {
	if b.waits() {
		return errors.New("the clock can only jump in an empty block")
	}
	return b.seal(b.eth.BlockChain().CurrentBlock().Time + uint64(max(0, d)/time.Second))
}

// seal makes a block with a time, or one second after the last.
func (b *backend) seal(at uint64) error {
	chain := b.eth.BlockChain()
	if err := b.eth.TxPool().Sync(); err != nil { // what was sent can be mined now
		return fmt.Errorf("bring the pool up to date: %w", err)
	}
	var random common.Hash
	if _, err := rand.Read(random[:]); err != nil {
		return fmt.Errorf("random bytes for a block: %w", err)
	}
	block, _, err := b.eth.Miner().BuildTestingPayload(&miner.BuildPayloadArgs{ // unlike BuildPayload it says what goes wrong
		Parent: chain.CurrentBlock().Hash(), Timestamp: max(at, b.time+1), Random: random,
		Withdrawals: types.Withdrawals{}, BeaconRoot: new(common.Hash),
	}, nil, false, nil)
	if err != nil {
		return fmt.Errorf("make a block: %w", err)
	}
	if _, err := chain.InsertChain(types.Blocks{block}); err != nil {
		return fmt.Errorf("take a block: %w", err)
	}
	b.time = block.Time()
	return nil
}

// waits reports whether there is something that could be mined.
func (b *backend) waits() bool {
	_, n := b.eth.TxPool().Pending(txpool.PendingFilter{})
	return n > 0
}

// Rollback forgets the transactions that wait.
func (b *backend) Rollback() { b.eth.TxPool().Clear() }

// errWaiting means that transactions wait, and would return to a pool that has them already.
var errWaiting = errors.New("transactions wait")

// Fork makes an earlier block the newest one.
func (b *backend) Fork(parent common.Hash) error {
	if err := b.eth.TxPool().Sync(); err != nil {
		return fmt.Errorf("bring the pool up to date: %w", err)
	}
	if b.waits() {
		return errWaiting
	}
	block := b.eth.BlockChain().GetBlockByHash(parent)
	if block == nil {
		return fmt.Errorf("there is no block %s", parent)
	}
	_, err := b.eth.BlockChain().SetCanonical(block)
	return err
}
