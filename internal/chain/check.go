package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// ErrWrongNetwork means that the endpoint serves something else than what is configured. Waiting does not help.
var ErrWrongNetwork = errors.New("the RPC endpoint does not serve the configured network")

// ErrUnconfirmed means that the contracts are there, and do not say whether they belong together: they may have been
// replaced. Money is not paid into them. What takes money out of them needs no such word.
var ErrUnconfirmed = errors.New("the contracts do not say whether they belong together")

// unconfirmed adds ErrUnconfirmed where there is a contract, but no answer of one that is known.
func unconfirmed(err error) error {
	if errors.Is(err, ErrNoContract) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnconfirmed, err)
}

// CheckChain compares the chain id only, for what takes no contract.
func (c *Client) CheckChain(ctx context.Context) error { return c.checkChainID(ctx) }

// Check compares what the endpoint serves with the configuration: the chain id, that the two contracts belong
// together, and that the ledger knows the inference contract by a name. A mismatch is ErrWrongNetwork and says what
// was found, what is configured and which variables to look at; it is ErrUnconfirmed, too, where nothing else was
// found. An endpoint that can't be asked is ErrRPC.
func (c *Client) Check(ctx context.Context) error {
	if err := c.checkChainID(ctx); err != nil {
		return err
	}
	ctx = c.together(ctx, c.calling(c.cfg.Inference, c.inf.PackLedgerAddress(), nil),
		c.calling(c.cfg.Ledger, c.led.PackGetServiceInfo(c.cfg.Inference), nil))
	ledger, err := read(ctx, c, c.cfg.Inference, c.inf.PackLedgerAddress(), nil, c.inf.UnpackLedgerAddress)
	if foreign(err) {
		return fmt.Errorf("%w: %s does not answer as an inference contract does; set ZGPROXY_NETWORK or ZGPROXY_INFERENCE_CONTRACT: %w",
			ErrWrongNetwork, c.cfg.Inference, unconfirmed(err))
	}
	if err != nil {
		return fmt.Errorf("ask the inference contract for its ledger: %w", err)
	}
	if ledger != c.cfg.Ledger {
		return fmt.Errorf("%w: inference contract %s belongs to ledger %s, configured is %s; set ZGPROXY_NETWORK or ZGPROXY_LEDGER_CONTRACT",
			ErrWrongNetwork, c.cfg.Inference, ledger, c.cfg.Ledger)
	}
	_, err = c.ServiceName(ctx)
	return err
}

// checkChainID is repeated before every signature: an endpoint may serve another chain today than yesterday, and what
// is signed for that chain would be valid there. Of several endpoints those that serve another chain are not used any
// more; one has to serve the configured one.
func (c *Client) checkChainID(ctx context.Context) error {
	if len(c.all) == 1 {
		return c.servesChain(ctx)
	}
	replies := everywhere(ctx, c, c.all, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.checkChainAt(ctx, c.own(ctx), c.servesChain)
	})
	for _, r := range replies {
		if r.err == nil {
			return nil
		}
	}
	return failure(replies)
}

// graver is which of the errors of two endpoints tells of all of them: that one serves another chain says nothing about
// the configuration while another cannot be asked.
func graver(a, b error) error {
	if a == nil || errors.Is(a, ErrWrongNetwork) && !errors.Is(b, ErrWrongNetwork) {
		return b
	}
	return a
}

// servesChain asks an endpoint which chain it serves.
func (c *Client) servesChain(ctx context.Context) error {
	id, err := observe(ctx, c, "eth_chainId", c.eth.ChainID)
	if err != nil {
		return fmt.Errorf("ask for the chain id: %w", err)
	}
	return c.isOurs(id)
}

// chainOnce is servesChain with one try, which ends as the call before which it is asked would.
func (c *Client) chainOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.CallTimeout)
	defer cancel()
	id, err := c.eth.ChainID(ctx)
	if err != nil {
		return err
	}
	return c.isOurs(id)
}

func (c *Client) isOurs(id *big.Int) error {
	if !id.IsUint64() || id.Uint64() != c.cfg.ChainID {
		return fmt.Errorf("%w: it serves chain %s, configured is %d; set ZGPROXY_NETWORK or ZGPROXY_CHAIN_ID, or another ZGPROXY_RPC_URL", ErrWrongNetwork, zg.OneLine(id.String(), maxMessage), c.cfg.ChainID)
	}
	return nil
}

// foreign reports answers that the contract meant would not give to a question that it always answers.
func foreign(err error) bool {
	_, refused := errors.AsType[*RevertError](err)
	return refused || refusedByCode(err) || errors.Is(err, ErrNoContract) || errors.Is(err, ErrLayout)
}

// ServiceName is the name under which the ledger knows the inference contract, such as inference-v1.0. Transfers need
// it. It is asked for once. A ledger that does not know the contract, or leads elsewhere under that name, is
// ErrWrongNetwork.
func (c *Client) ServiceName(ctx context.Context) (string, error) {
	return agreed(ctx, c, c.order(ctx), "the name of the inference contract", c.serviceName)
}

func (c *Client) serviceName(ctx context.Context) (string, error) {
	e := c.own(ctx)
	if name := e.service.Load(); name != nil {
		return *name, nil
	}
	info, err := read(ctx, c, c.cfg.Ledger, c.led.PackGetServiceInfo(c.cfg.Inference), nil, c.led.UnpackGetServiceInfo)
	if foreign(err) {
		return "", fmt.Errorf("%w: %s does not answer as a ledger does; set ZGPROXY_NETWORK or ZGPROXY_LEDGER_CONTRACT: %w",
			ErrWrongNetwork, c.cfg.Ledger, unconfirmed(err))
	}
	if err != nil {
		return "", fmt.Errorf("read the service's name: %w", err)
	}
	const fix = "set ZGPROXY_NETWORK, or ZGPROXY_LEDGER_CONTRACT and ZGPROXY_INFERENCE_CONTRACT"
	if info.FullName == "" {
		return "", fmt.Errorf("%w: ledger %s does not know inference contract %s; %s", ErrWrongNetwork, c.cfg.Ledger, c.cfg.Inference, fix)
	}
	// A transfer goes wherever the name leads.
	found, err := read(ctx, c, c.cfg.Ledger, c.led.PackGetServiceAddressByName(info.FullName), nil, c.led.UnpackGetServiceAddressByName)
	if err != nil {
		return "", fmt.Errorf("look up the service's name: %w", err)
	}
	if found != c.cfg.Inference {
		return "", fmt.Errorf("%w: in ledger %s the name %q leads to %s, configured is inference contract %s; %s",
			ErrWrongNetwork, c.cfg.Ledger, zg.OneLine(info.FullName, maxMessage), found, c.cfg.Inference, fix)
	}
	e.service.Store(&info.FullName)
	return info.FullName, nil
}
