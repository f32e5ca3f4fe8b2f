package simchain

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/devnet/contracts"
)

// Variant is a version of the contracts. All have the same storage, so that one can take the place of another.
type Variant string

// The variants.
const (
	Usual Variant = ""      // what zgproxy knows
	Grown Variant = "grown" // every struct that is read has two more fields at its end
	Older Variant = "older" // sub-accounts from before session tokens could be revoked, which have two fields less
)

// creation is the code that makes a contract.
func creation(code string, arguments []byte) ([]byte, error) {
	b, err := hex.DecodeString(strings.TrimSpace(code))
	if err != nil {
		return nil, fmt.Errorf("a contract's code: %w", err)
	}
	return append(b, arguments...), nil
}

// proxyOf is the code that makes the proxy of an implementation.
func (c *Chain) proxyOf(implementation common.Address, initialization []byte) ([]byte, error) {
	arguments, err := c.proxyABI.Pack("", implementation, initialization)
	if err != nil {
		return nil, fmt.Errorf("the proxy's arguments: %w", err)
	}
	return creation(contracts.Proxy, arguments)
}

// Upgrade replaces the contracts by a variant, as the network's operators can. What is in them stays.
func (c *Chain) Upgrade(ctx context.Context, v Variant) error {
	ledger, inference := contracts.LedgerManager, contracts.InferenceServing
	switch v {
	case Usual:
	case Grown:
		ledger, inference = contracts.LedgerManagerGrown, contracts.InferenceServingGrown
	case Older:
		inference = contracts.InferenceServingOlder
	default:
		return fmt.Errorf("there is no variant %q", v)
	}
	for _, x := range []struct {
		at        common.Address
		code      string
		arguments []byte
	}{{c.ledger, ledger, c.minimums}, {c.inference, inference, nil}} {
		code, err := creation(x.code, x.arguments)
		if err != nil {
			return err
		}
		receipt, err := c.send(ctx, c.owner, nil, nil, code)
		if err != nil {
			return fmt.Errorf("deploy variant %q: %w", v, err)
		}
		call, err := c.proxyABI.Pack("devnetUpgrade", receipt.ContractAddress)
		if err != nil {
			return fmt.Errorf("upgrade to variant %q: %w", v, err)
		}
		if _, err := c.send(ctx, c.owner, &x.at, nil, call); err != nil {
			return fmt.Errorf("upgrade to variant %q: %w", v, err)
		}
	}
	return nil
}

// Refuse has every call of a function refused with a reason: the bytes of an error, or none at all.
func (c *Chain) Refuse(ctx context.Context, function string, reason []byte) error {
	return c.refuse(ctx, function, true, reason)
}

// Permit ends that.
func (c *Chain) Permit(ctx context.Context, function string) error {
	return c.refuse(ctx, function, false, nil)
}

func (c *Chain) refuse(ctx context.Context, function string, refused bool, reason []byte) error {
	at, method := c.ledger, c.ledgerABI.Methods[function]
	if method.ID == nil {
		at, method = c.inference, c.inf.GetABI().Methods[function]
	}
	if method.ID == nil {
		return fmt.Errorf("neither contract has a function %s", function)
	}
	call, err := c.proxyABI.Pack("devnetRefuse", [4]byte(method.ID), refused, reason)
	if err != nil {
		return fmt.Errorf("refuse %s: %w", function, err)
	}
	if _, err := c.send(ctx, c.owner, &at, nil, call); err != nil {
		return fmt.Errorf("refuse %s: %w", function, err)
	}
	return nil
}
