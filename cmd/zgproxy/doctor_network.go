package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/chain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

func networkChecks() []check {
	return []check{
		{
			id: "network.rpc", run: checkRPC,
			means: "The RPC endpoint answers, and within two seconds (WARN).",
			todo:  "Try again; if it lasts, set `ZGPROXY_RPC_URL` to another endpoint of the network.",
		},
		{
			id: "network.endpoint", several: true, each: checkEndpoints,
			means: "Only where `ZGPROXY_RPC_URL` has several, once for each: it answers, within two seconds (WARN), serves the configured chain, has the same blocks as " +
				"the others, and its newest block is no more than 30 seconds older (WARN) or younger (WARN) than what another one confirms. WARN where it does not answer and another one does.",
			todo: "Take the one that is named out of `ZGPROXY_RPC_URL`, or put another one in its place. Where two do not have the same blocks, add a third to tell which is right.",
		},
		{
			id: "network.chain_id", needs: []string{"network.rpc"}, run: checkChainID,
			means: "It serves the chain that transactions are signed for.",
			todo:  "Set `ZGPROXY_NETWORK`, or `ZGPROXY_RPC_URL` and `ZGPROXY_CHAIN_ID`, so that they belong together.",
		},
		{
			id: "network.head", needs: []string{"network.chain_id"}, run: checkHead,
			means: "Its newest block is fresh, or new ones come: WARN after two minutes without one, FAIL after an hour.",
			todo:  "Use another endpoint: this one has lost the chain.",
		},
		{
			id: "network.contracts", needs: []string{"network.chain_id"}, run: checkContracts,
			means: "There is a contract at both addresses.",
			todo:  "Unset `ZGPROXY_LEDGER_CONTRACT` and `ZGPROXY_INFERENCE_CONTRACT`, or set both right.",
		},
		{
			id: "network.pair", needs: []string{"network.contracts"}, run: checkPair,
			means: "The two contracts belong together: each names the other.",
			todo:  "Unset `ZGPROXY_LEDGER_CONTRACT` and `ZGPROXY_INFERENCE_CONTRACT`, or set both right.",
		},
		{
			id: "network.rules", needs: []string{"network.pair"}, run: checkRules,
			means: "The contracts' minimums and lock time can be read, and a sub-account is filled to no less than the contract wants (WARN).",
			todo:  "Raise `ZGPROXY_HIGH_WATER`. Where they cannot be read, the contracts may have been upgraded: look for a newer zgproxy.",
		},
		{
			id: "network.gas", needs: []string{"network.chain_id"}, run: checkGas,
			means: "Gas costs less than `ZGPROXY_MAX_FEE_PER_GAS` now: WARN above four fifths of it, FAIL above all of it, when nothing is signed.",
			todo:  "Wait until the network is less busy, or raise `ZGPROXY_MAX_FEE_PER_GAS`.",
		},
		{
			id: "network.services", needs: []string{"network.pair"}, run: checkServices,
			means: "The list of services can be read from the contract, and the contracts are the ones that this zgproxy knows (WARN).",
			todo:  "Try again; if it lasts, use another endpoint, or look for a newer zgproxy.",
		},
	}
}

// contact is what the first words with the RPC endpoint have shown.
type contact struct {
	chainID uint64
	head    chain.Head
	latency time.Duration // of one call over a connection that is there
	err     error
}

var errNoEndpoint = errors.New("there is no endpoint to ask")

// dial asks the endpoint for the first time.
func (d *doctor) dial(ctx context.Context) (c contact) {
	if d.network == nil {
		c.err = errNoEndpoint
		return c
	}
	if c.chainID, c.err = d.network.ServedChain(ctx); c.err != nil {
		return c
	}
	began := time.Now()
	c.head, c.err = d.network.Head(ctx)
	c.latency = time.Since(began)
	return c
}

const slowRPC = 2 * time.Second

func checkRPC(ctx context.Context, d *doctor, _ *patient) finding {
	c, count := d.contact(ctx), len(d.cfg.RPCURL.Each())
	switch {
	case errors.Is(c.err, errNoEndpoint):
		return failed("Set ZGPROXY_NETWORK or ZGPROXY_RPC_URL.", c.err.Error(), "%q is not the URL of an endpoint", d.cfg.RPCURL.String())
	case c.err != nil && count > 1:
		return failed("Look at what network.endpoint says of each of them.", c.err.Error(), "none of %d endpoints can be used", count)
	case c.err != nil:
		return failed("Try again; if it lasts, set ZGPROXY_RPC_URL to another endpoint of the network.", c.err.Error(), "%s cannot be asked", d.cfg.RPCURL)
	case c.latency > slowRPC:
		return warned("Set ZGPROXY_RPC_URL to an endpoint that is nearer.", "Every top-up asks it a dozen times.", "%s answers in %s", d.cfg.RPCURL, inMilliseconds(c.latency))
	case count > 1:
		return passed("%d endpoints, together they answer in %s", count, inMilliseconds(c.latency))
	}
	return passed("%s answers in %s", d.cfg.RPCURL, inMilliseconds(c.latency))
}

// inMilliseconds is a short time, of at least one.
func inMilliseconds(d time.Duration) string {
	return fmt.Sprintf("%d ms", max(1, d.Round(time.Millisecond).Milliseconds()))
}

func checkChainID(ctx context.Context, d *doctor, _ *patient) finding {
	if c := d.contact(ctx); c.chainID != d.cfg.ChainID {
		return failed("Set ZGPROXY_NETWORK to the network that is meant, and unset ZGPROXY_CHAIN_ID; or set another ZGPROXY_RPC_URL.",
			"What is signed for one chain is not valid on the other.", "the endpoint serves chain %d, configured is %d", c.chainID, d.cfg.ChainID)
	}
	return passed("chain %d", d.cfg.ChainID)
}

const (
	staleHead = 2 * time.Minute
	lostHead  = time.Hour
)

func checkHead(ctx context.Context, d *doctor, _ *patient) finding {
	d.block = d.contact(ctx).head
	if d.cfg.ChainID == zg.DevnetChainID {
		return passed("block %d of a simulated chain, which makes blocks when there is something for them", d.block.Number)
	}
	now, at := d.date.last() // by the endpoint's own clock, so that ours may be wrong
	if now.IsZero() {
		now = d.now()
	} else {
		now = now.Add(d.now().Sub(at))
	}
	age := now.Sub(d.block.Time)
	if age <= staleHead {
		return passed("block %d, %s old", d.block.Number, inWords(max(age, time.Second)))
	}
	// Ours may be wrong after all, or blocks may be rare: does it move?
	later, err := d.awaitBlock(ctx)
	switch {
	case err != nil:
		return failed("Use another ZGPROXY_RPC_URL.", err.Error(), "its newest block cannot be read")
	case later > d.block.Number:
		return passed("block %d, and new ones come", later)
	case age >= lostHead:
		return failed("Use another ZGPROXY_RPC_URL.", "The endpoint has lost the chain: what it says of your money is out of date.", "its newest block, %d, is %s old", d.block.Number, inWords(age))
	}
	return warned("Use another ZGPROXY_RPC_URL if it lasts.", "The endpoint is behind, or the network makes no blocks.", "its newest block, %d, is %s old", d.block.Number, inWords(age))
}

// awaitBlock waits a few seconds for a newer block, and returns the newest.
func (d *doctor) awaitBlock(ctx context.Context) (uint64, error) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for range 8 {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
		h, err := d.network.Head(ctx)
		if err != nil || h.Number > d.block.Number {
			return h.Number, err
		}
	}
	return d.block.Number, nil
}

func checkContracts(ctx context.Context, d *doctor, _ *patient) finding {
	for _, c := range []struct {
		name, variable string
		at             common.Address
	}{
		{"ledger", "ZGPROXY_LEDGER_CONTRACT", d.cfg.LedgerContract.Address}, {"inference", "ZGPROXY_INFERENCE_CONTRACT", d.cfg.InferenceContract.Address},
	} {
		switch has, err := d.network.HasCode(ctx, c.at); {
		case err != nil:
			return failed(hintRPC, err.Error(), "it is not known whether there is a contract at %s", c.at)
		case !has:
			return failed("Unset ZGPROXY_LEDGER_CONTRACT and ZGPROXY_INFERENCE_CONTRACT, or set "+c.variable+" right.",
				"What is not a contract answers nothing, and keeps what is sent to it.", "there is no %s contract at %s", c.name, c.at)
		}
	}
	return passed("both are there")
}

func checkPair(ctx context.Context, d *doctor, _ *patient) finding {
	if err := d.network.Check(ctx); err != nil {
		return failed("Unset ZGPROXY_LEDGER_CONTRACT and ZGPROXY_INFERENCE_CONTRACT, or set both to contracts that belong together.", err.Error(), "they do not belong together, or one is another contract")
	}
	name, err := d.network.ServiceName(ctx)
	if err != nil {
		return failed(hintRPC, err.Error(), "the ledger does not name the inference contract")
	}
	return passed("they belong together, as %s", name)
}

func checkRules(ctx context.Context, d *doctor, _ *patient) finding {
	var err error
	if d.rules, err = d.network.Holdings(ctx); err != nil { // nobody has anything, and the rules hold for everybody
		return failed("Try again; if it lasts, look for a newer zgproxy.", err.Error(), "the contracts' rules cannot be read")
	}
	r := d.rules
	text := fmt.Sprintf("a ledger opens with %s 0G, a sub-account with %s 0G, a refund takes %s", short(r.MinLedger), short(r.MinAccount), inWords(r.LockTime))
	for _, p := range d.cfg.Providers {
		if high := d.cfg.HighWater.For(p); high.Less(r.MinAccount) {
			return warned("ZGPROXY_HIGH_WATER='"+r.MinAccount.Og()+" 0G' or more", text+".", "ZGPROXY_HIGH_WATER is %s 0G for %s, less than opens a sub-account", short(high), p)
		}
	}
	return passed("%s", text)
}

func checkGas(ctx context.Context, d *doctor, _ *patient) finding {
	now, err := d.network.FeePerGas(ctx)
	if err != nil {
		return failed(hintRPC, err.Error(), "the price of gas cannot be read")
	}
	most := d.cfg.MaxFeePerGas.Neuron
	text := fmt.Sprintf("a transaction costs %s neuron per gas now, and ZGPROXY_MAX_FEE_PER_GAS is %s", now, most)
	switch {
	case most.Less(now):
		return failed("Wait until the network is less busy, or raise ZGPROXY_MAX_FEE_PER_GAS.", "Nothing is signed at that price, so nothing is topped up.", "%s", text)
	case most.MulDiv(4, 5).Less(now):
		return warned("Raise ZGPROXY_MAX_FEE_PER_GAS.", "A little more, and nothing is signed any more.", "%s", text)
	}
	return passed("%s", text)
}

func checkServices(ctx context.Context, d *doctor, _ *patient) finding {
	dir, err := d.network.Services(ctx)
	if err != nil {
		return failed(hintRPC, err.Error(), "the services cannot be read")
	}
	d.services = dir.Services
	for _, p := range d.providers {
		if s, ok := zg.ServiceOf(d.services, p); ok {
			d.names[p] = s.Model
		}
	}
	if w := changedWarning(d.network.Changed()); w != "" {
		return warned("Look for a newer zgproxy.", w, "%s registered, by contracts that this zgproxy does not know", plural(len(dir.Services), "service"))
	}
	return passed("%s registered", plural(len(dir.Services), "service"))
}
