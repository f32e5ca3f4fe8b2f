package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/chain/bindings"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// errAccounts means that what was read of the sub-accounts is not all of them, each once. Acting on it could open a
// sub-account that is there already.
var errAccounts = errors.New("the list of sub-accounts is not whole")

// Holdings reads everything the wallet has, at one block. The ledger is nil only where the contract says so, and a
// provider is missing from the accounts only where the whole list was read without it. What nothing is decided by may
// be unread where the contract does not say it: how long it holds money that is asked back.
func (c *Client) Holdings(ctx context.Context) (zg.Holdings, error) {
	return c.holdings(ctx, zg.PartLedger, zg.PartAccounts, zg.PartMinimums)
}

// Known reads what can be read of what Holdings does: whoever wants money back is not kept from it by what that does
// not take. Unread says what could not be read, and why.
func (c *Client) Known(ctx context.Context) (zg.Holdings, error) { return c.holdings(ctx) }

func (c *Client) holdings(ctx context.Context, needed ...zg.Part) (zg.Holdings, error) {
	h, err := atAgreed(ctx, c, "what the wallet has", func(ctx context.Context, at head) (h zg.Holdings, err error) {
		ctx, seen := collect(ctx)
		h.Block, h.BlockTime = at.number.Uint64(), at.time
		if err = c.readHoldings(ctx, &h, at, needed); err != nil {
			return zg.Holdings{}, fmt.Errorf("at block %s: %w", at.number, err)
		}
		h.Structs = seen.all()
		return h, nil
	})
	if err == nil {
		c.layouts.note(h.Structs, true)
	}
	return h, err
}

func (c *Client) readHoldings(ctx context.Context, h *zg.Holdings, at head, needed []zg.Part) error {
	ctx = c.together(ctx, c.holdingsAsk(ctx, at.number)...)
	balance, err := c.balance(ctx, at.number)
	if err != nil {
		return fmt.Errorf("read the wallet's balance: %w", err)
	}
	if h.Wallet, err = zg.NeuronFromBig(balance); err != nil {
		return fmt.Errorf("%w: the wallet's balance: %w", ErrRPC, err)
	}
	for _, p := range []struct {
		part zg.Part
		read func() error
	}{
		{zg.PartLedger, func() (err error) { h.Ledger, err = c.ledger(ctx, at.number); return err }},
		{zg.PartAccounts, func() (err error) { h.Accounts, err = c.accounts(ctx, at.number); return err }},
		{zg.PartLockTime, func() (err error) { h.LockTime, err = c.lockTime(ctx, at.number); return err }},
		{zg.PartMinimums, func() error {
			least, err := c.minimums(ctx)
			h.MinLedger, h.MinAccount = least.ledger, least.account
			return err
		}},
	} {
		err := p.read()
		switch {
		case err == nil:
			continue
		// What an endpoint does not say another one may, and they are compared.
		case slices.Contains(needed, p.part), ctx.Err() != nil, errors.Is(err, ErrRPC) && (len(needed) > 0 || len(c.all) > 1):
			return fmt.Errorf("read the %s: %w", p.part, err)
		case errors.Is(err, ErrReverted):
			err = ErrReverted // without the words that nodes have for it
		}
		if h.Unread == nil {
			h.Unread = make(map[zg.Part]string)
		}
		h.Unread[p.part] = err.Error()
	}
	return nil
}

func (c *Client) lockTime(ctx context.Context, block *big.Int) (time.Duration, error) {
	lock, err := read(ctx, c, c.cfg.Inference, c.inf.PackLockTime(), block, c.inf.UnpackLockTime)
	if err != nil {
		return 0, err
	}
	const longest = 10 * 365 * 24 * 3600 // seconds; the contract allows a week
	if !lock.IsInt64() || lock.Int64() > longest {
		return 0, fmt.Errorf("%s seconds are out of range", zg.OneLine(lock.String(), maxMessage))
	}
	return time.Duration(lock.Int64()) * time.Second, nil
}

// holdingsAsk is what holdings asks, but for further pages of sub-accounts.
func (c *Client) holdingsAsk(ctx context.Context, block *big.Int) []question {
	first := c.inf.PackGetAccountsByUser(c.cfg.User, big.NewInt(0), big.NewInt(pageSize))
	all := []question{
		c.owning(block), c.calling(c.cfg.Ledger, c.led.PackGetLedger(c.cfg.User), block), c.calling(c.cfg.Inference, first, block),
		c.calling(c.cfg.Inference, c.inf.PackLockTime(), block),
	}
	if c.own(ctx).fixed.Load() == nil {
		all = append(all, c.calling(c.cfg.Ledger, c.led.PackMINACCOUNTBALANCE(), nil), c.calling(c.cfg.Ledger, c.led.PackMINTRANSFERAMOUNT(), nil))
	}
	return all
}

// ledger is nil where the contract says, by the one refusal that means it, that the wallet has none.
func (c *Client) ledger(ctx context.Context, block *big.Int) (*zg.Ledger, error) {
	l, err := read(ctx, c, c.cfg.Ledger, c.led.PackGetLedger(c.cfg.User), block, c.led.UnpackGetLedger)
	if notThere(err, ledgerNotExists, c.cfg.User) {
		return nil, nil //nolint:nilnil // there is none, and that is known
	}
	if err != nil {
		return nil, err
	}
	if l.User != c.cfg.User {
		return nil, fmt.Errorf("the answer is the ledger of %s", l.User)
	}
	available, err := zg.NeuronFromBig(l.AvailableBalance)
	if err != nil {
		return nil, err
	}
	total, err := zg.NeuronFromBig(l.TotalBalance)
	if err != nil {
		return nil, err
	}
	return &zg.Ledger{User: l.User, Available: available, Total: total}, nil
}

func (c *Client) accounts(ctx context.Context, block *big.Int) (map[common.Address]zg.SubAccount, error) {
	all := map[common.Address]zg.SubAccount{}
	var whole *big.Int
	err := pages(func(offset int64) (int, *big.Int, error) {
		page, err := read(ctx, c, c.cfg.Inference, c.inf.PackGetAccountsByUser(c.cfg.User, big.NewInt(offset), big.NewInt(pageSize)), block, c.inf.UnpackGetAccountsByUser)
		if err != nil {
			return 0, nil, err
		}
		for _, a := range page.Accounts {
			if a.User != c.cfg.User {
				return 0, nil, fmt.Errorf("%w: it holds one of %s", errAccounts, a.User)
			}
			if all[a.Provider], err = subAccount(a); err != nil {
				return 0, nil, fmt.Errorf("with %s: %w", a.Provider, err)
			}
		}
		whole = page.Total
		return len(page.Accounts), page.Total, nil
	})
	if err != nil {
		return nil, err
	}
	if whole.Cmp(big.NewInt(int64(len(all)))) != 0 {
		return nil, fmt.Errorf("%w: %d different ones of %s", errAccounts, len(all), zg.OneLine(whole.String(), maxMessage))
	}
	return all, nil
}

func subAccount(a bindings.Account) (zg.SubAccount, error) {
	out := zg.SubAccount{User: a.User, Provider: a.Provider, Nonce: a.Nonce, Acknowledged: a.Acknowledged, RevokedBitmap: a.RevokedBitmap}
	var err error
	if out.Balance, err = zg.NeuronFromBig(a.Balance); err != nil {
		return zg.SubAccount{}, err
	}
	if out.PendingRefund, err = zg.NeuronFromBig(a.PendingRefund); err != nil {
		return zg.SubAccount{}, err
	}
	if !a.Generation.IsUint64() || !a.ValidRefundsLength.IsUint64() || a.ValidRefundsLength.Uint64() > uint64(len(a.Refunds)) {
		return zg.SubAccount{}, errors.New("its counters are out of range")
	}
	out.Generation = a.Generation.Uint64()
	for _, r := range a.Refunds[:a.ValidRefundsLength.Uint64()] { // slots behind these are left over from paid refunds
		amount, err := zg.NeuronFromBig(r.Amount)
		if err != nil {
			return zg.SubAccount{}, err
		}
		if !r.Index.IsUint64() {
			return zg.SubAccount{}, errors.New("a refund's index is out of range")
		}
		out.Refunds = append(out.Refunds, zg.Refund{Index: r.Index.Uint64(), Amount: amount, CreatedAt: unix(r.CreatedAt)})
	}
	return out, nil
}

// minimums are constants of the ledger. They differ between networks, which is why they are asked for.
type minimums struct{ ledger, account zg.Neuron }

func (c *Client) minimums(ctx context.Context) (minimums, error) {
	e := c.own(ctx)
	if m := e.fixed.Load(); m != nil {
		return *m, nil
	}
	var m minimums
	for _, x := range []struct {
		what     string
		calldata []byte
		unpack   func([]byte) (*big.Int, error)
		into     *zg.Neuron
	}{
		{"least deposit", c.led.PackMINACCOUNTBALANCE(), c.led.UnpackMINACCOUNTBALANCE, &m.ledger},
		{"least first transfer", c.led.PackMINTRANSFERAMOUNT(), c.led.UnpackMINTRANSFERAMOUNT, &m.account},
	} {
		n, err := read(ctx, c, c.cfg.Ledger, x.calldata, nil, x.unpack)
		if err != nil {
			return minimums{}, fmt.Errorf("%s: %w", x.what, err)
		}
		if *x.into, err = zg.NeuronFromBig(n); err != nil {
			return minimums{}, fmt.Errorf("%s: %w", x.what, err)
		}
	}
	e.fixed.Store(&m)
	return m, nil
}

// Generation is the token generation of the wallet's sub-account with a provider; 0 where there is no sub-account.
func (c *Client) Generation(ctx context.Context, provider common.Address) (uint64, error) {
	a, err := read(ctx, c, c.cfg.Inference, c.inf.PackGetAccount(c.cfg.User, provider), nil, c.inf.UnpackGetAccount)
	switch {
	case notThere(err, accountNotExists, c.cfg.User, provider):
		return 0, nil
	case err != nil:
	case a.User != c.cfg.User || a.Provider != provider:
		err = fmt.Errorf("the answer is the sub-account of %s with %s", a.User, a.Provider)
	case !a.Generation.IsUint64():
		err = errors.New("its generation is out of range")
	default:
		return a.Generation.Uint64(), nil
	}
	return 0, fmt.Errorf("read the sub-account with %s: %w", provider, err)
}
