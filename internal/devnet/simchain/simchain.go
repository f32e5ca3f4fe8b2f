// Package simchain is a simulated chain with the devnet's contracts on it, served over real JSON-RPC on a loopback port.
//
// It is a test server: Start runs everything, Close ends everything and waits. It holds nothing of value and its keys are
// public. Hooks let tests stop mining, lose transactions, reorganise the chain, and delay, change or refuse answers.
package simchain

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/zgproxy/zgproxy/internal/chain/bindings"
	"github.com/zgproxy/zgproxy/internal/devnet/contracts"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// DefaultChainID is that of local test chains.
const DefaultChainID = zg.DevnetChainID

// The owner deploys the contracts. Its key is the first of the widely known test accounts, so that the contracts stand
// where tools for local chains look for them: the addresses follow from the owner's and the nonce.
const (
	ownerKey       = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
	ledgerNonce    = 2
	inferenceNonce = 6
)

// Before them the code is deployed that they run.
const (
	ledgerCodeNonce    = 0
	inferenceCodeNonce = 1
)

// blockEvery is how often a block is made when there is something to put into it, heartbeat when there is not.
const (
	blockEvery = 20 * time.Millisecond
	heartbeat  = 2 * time.Second
)

// Config says how the chain differs from the usual one. The zero Config has mainnet's minimums.
type Config struct {
	ChainID               uint64        // 0: DefaultChainID
	Listen                string        // TCP address of the JSON-RPC; empty: any free port of 127.0.0.1
	MinLedger, MinAccount zg.Neuron     // zero: 3 and 1 0G
	LockTime              time.Duration // 0: 24 hours
	Manual                bool          // no automatic blocks; Mine makes them
}

// Chain is a running chain.
type Chain struct {
	backend           *backend
	client            *ethclient.Client
	chainID           *big.Int
	ledger, inference common.Address
	owner             *ecdsa.PrivateKey
	front             *front
	server            *http.Server
	url               string
	dir               string // of the node's socket
	led               *bindings.LedgerManager
	inf               *bindings.InferenceServing
	ledgerABI         abi.ABI
	proxyABI          abi.ABI
	minimums          []byte // the ledger's constructor arguments

	mining sync.Mutex // one block at a time
	paused bool       // by mining
	stop   chan struct{}
	done   sync.WaitGroup

	sending sync.Mutex // one sender at a time, so that nonces follow each other
	nonce   uint64     // last settlement nonce; by sending
}

// Start runs a chain with the contracts deployed.
func Start(cfg Config) (_ *Chain, err error) {
	if cfg.ChainID == 0 {
		cfg.ChainID = DefaultChainID
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.MinLedger.IsZero() {
		cfg.MinLedger = zg.OneOG.Mul(3)
	}
	if cfg.MinAccount.IsZero() {
		cfg.MinAccount = zg.OneOG
	}
	if cfg.LockTime == 0 {
		cfg.LockTime = 24 * time.Hour
	}
	owner, err := crypto.HexToECDSA(ownerKey)
	if err != nil {
		return nil, fmt.Errorf("the owner's key: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for JSON-RPC: %w", err)
	}
	log.SetDefault(log.NewLogger(log.DiscardHandler())) // the node's own log is of no use here
	ownerAddr := crypto.PubkeyToAddress(owner.PublicKey)
	c := &Chain{
		owner: owner, chainID: new(big.Int).SetUint64(cfg.ChainID), url: "http://" + listener.Addr().String(), stop: make(chan struct{}),
		ledger: crypto.CreateAddress(ownerAddr, ledgerNonce), inference: crypto.CreateAddress(ownerAddr, inferenceNonce),
		led: bindings.NewLedgerManager(), inf: bindings.NewInferenceServing(),
	}
	c.ledgerABI = c.led.GetABI()
	if c.proxyABI, err = abi.JSON(strings.NewReader(contracts.ProxyABI)); err != nil {
		return nil, errors.Join(fmt.Errorf("the proxy's ABI: %w", err), listener.Close())
	}
	if c.dir, err = os.MkdirTemp("", "zgchain"); err != nil {
		return nil, errors.Join(fmt.Errorf("make a directory for the node's socket: %w", err), listener.Close())
	}
	socket := filepath.Join(c.dir, "node.ipc")
	alloc := types.GenesisAlloc{ownerAddr: {Balance: zg.OneOG.Mul(1_000_000_000).Big()}}
	fillFaucet(alloc)
	if c.backend, err = newBackend(c.chainID, alloc, socket); err != nil {
		return nil, errors.Join(err, listener.Close(), os.RemoveAll(c.dir))
	}
	rpcClient, err := rpc.Dial(socket)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reach the node: %w", err), c.backend.Close(), listener.Close(), os.RemoveAll(c.dir))
	}
	c.client = ethclient.NewClient(rpcClient)
	c.front = newFront(rpcClient, types.LatestSignerForChainID(c.chainID))
	c.server = &http.Server{Handler: c.front, ReadHeaderTimeout: 10 * time.Second}
	c.done.Go(func() { _ = c.server.Serve(listener) }) // ends with ErrServerClosed
	if !cfg.Manual {
		c.done.Go(c.mineAlways)
	}
	if err := c.deploy(cfg); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// deploy puts the contracts where tools expect them.
func (c *Chain) deploy(cfg Config) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	self := crypto.PubkeyToAddress(c.owner.PublicKey)
	c.minimums = c.led.PackConstructor(cfg.MinLedger.Big(), cfg.MinAccount.Big())
	ledgerCode, err := creation(contracts.LedgerManager, c.minimums)
	if err != nil {
		return err
	}
	inferenceCode, err := creation(contracts.InferenceServing, nil)
	if err != nil {
		return err
	}
	ledger, err := c.proxyOf(crypto.CreateAddress(self, ledgerCodeNonce), c.led.PackInitialize())
	if err != nil {
		return err
	}
	inference, err := c.proxyOf(crypto.CreateAddress(self, inferenceCodeNonce), c.inf.PackInitialize(c.ledger, big.NewInt(int64(cfg.LockTime/time.Second))))
	if err != nil {
		return err
	}
	for nonce := range uint64(inferenceNonce + 1) {
		to, data := &self, []byte(nil)
		if code := map[uint64][]byte{
			ledgerCodeNonce: ledgerCode, inferenceCodeNonce: inferenceCode, ledgerNonce: ledger, inferenceNonce: inference,
		}[nonce]; code != nil {
			to, data = nil, code
		}
		if _, err := c.send(ctx, c.owner, to, nil, data); err != nil {
			return fmt.Errorf("deploy: %w", err)
		}
	}
	_, err = c.send(ctx, c.owner, &c.ledger, nil, c.led.PackRegisterService("inference", "v1.0", c.inference, "devnet"))
	if err != nil {
		return fmt.Errorf("register the inference contract: %w", err)
	}
	return nil
}

// URL is the address of the JSON-RPC.
func (c *Chain) URL() string { return c.url }

// ChainID is the chain's id.
func (c *Chain) ChainID() uint64 { return c.chainID.Uint64() }

// Ledger is the address of the ledger contract.
func (c *Chain) Ledger() common.Address { return c.ledger }

// Inference is the address of the inference contract.
func (c *Chain) Inference() common.Address { return c.inference }

// Client reaches the node itself, past the hooks of SetFault.
func (c *Chain) Client() *ethclient.Client { return c.client }

// Close ends the chain and waits.
func (c *Chain) Close() error {
	close(c.stop)
	err := c.server.Close()
	c.done.Wait()
	c.mining.Lock()
	defer c.mining.Unlock()
	c.client.Close()
	return errors.Join(err, c.backend.Close(), os.RemoveAll(c.dir))
}
