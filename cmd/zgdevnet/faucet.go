package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const faucetUsage = `zgdevnet faucet - money for a new wallet, on the network that zgdevnet runs on this machine

Usage:
  zgdevnet faucet [flags] ADDRESS

Flags:
`

// faucetPatience is how long a block is waited for; one is made within a moment when there is something for it.
const faucetPatience = 30 * time.Second

// faucet gives an address money on a network that runs in another process.
func faucet(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("zgdevnet faucet", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	port := fs.Int("rpc-port", 8545, "`PORT` of the chain's JSON-RPC")
	give := fs.String("amount", "100", "how much, in `0G`; it is worth nothing")
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, _ = io.WriteString(stdout, faucetUsage) // a closed terminal needs no help
		fs.SetOutput(stdout)
		fs.PrintDefaults()
		return 0
	}
	if err == nil && fs.NArg() != 1 {
		err = errors.New("faucet needs one ADDRESS, after the flags")
	}
	amount, bad := zg.ParseOg(*give)
	if err == nil && bad != nil {
		err = fmt.Errorf("--amount: %w", bad)
	}
	to, bad := zg.ParseAddress(fs.Arg(0))
	if err == nil && bad != nil {
		err = fmt.Errorf("%q: %w", fs.Arg(0), bad)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "zgdevnet: %v\nzgdevnet faucet --help explains.\n", err) // stderr gone: nobody to tell
		return exitUsage
	}
	url := "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(*port))
	ctx, cancel := context.WithTimeout(ctx, faucetPatience)
	defer cancel()
	client, err := ethclient.DialContext(ctx, url)
	if err == nil {
		defer client.Close()
		err = pour(ctx, client, types.DynamicFeeTx{To: &to, Value: amount.Big()})
	}
	var has *big.Int
	if err == nil {
		has, err = client.BalanceAt(ctx, to, nil)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "zgdevnet: the network at %s gave nothing: %v\nStart it with zgdevnet, or name its port with --rpc-port.\n", url, err) // as above
		return exitFailure
	}
	now, _ := zg.NeuronFromBig(has) // a balance is never negative, and no more than there is
	if _, err := fmt.Fprintf(stdout, "%s has %s 0G now\n", to.Hex(), now.Og()); err != nil {
		return exitFailure
	}
	return 0
}

// pour sends money of the faucet's, and waits until it is there. Nothing is signed for another chain than a simulated one.
func pour(ctx context.Context, client *ethclient.Client, tx types.DynamicFeeTx) error {
	chain, err := client.ChainID(ctx)
	if err != nil {
		return err
	}
	if !chain.IsUint64() || chain.Uint64() != zg.DevnetChainID {
		return fmt.Errorf("it is chain %s, and not a zgdevnet", chain)
	}
	key := simchain.FaucetKey()
	gwei := big.NewInt(1_000_000_000)
	tx.ChainID, tx.Gas = chain, 21_000
	tx.GasTipCap, tx.GasFeeCap = new(big.Int).Mul(gwei, big.NewInt(4)), new(big.Int).Mul(gwei, big.NewInt(100))
	if tx.Nonce, err = client.PendingNonceAt(ctx, crypto.PubkeyToAddress(key.PublicKey)); err != nil {
		return err
	}
	signed, err := types.SignNewTx(key, types.LatestSignerForChainID(chain), &tx)
	if err != nil {
		return err
	}
	if err := client.SendTransaction(ctx, signed); err != nil {
		return err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		receipt, err := client.TransactionReceipt(ctx, signed.Hash())
		switch {
		case err == nil && receipt.Status != types.ReceiptStatusSuccessful:
			return errors.New("the transaction failed")
		case err == nil:
			return nil
		case !errors.Is(err, ethereum.NotFound) && ctx.Err() == nil:
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
