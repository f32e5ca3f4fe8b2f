package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/zgproxy/zgproxy/internal/chain/bindings"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	pageSize = 50   // the contract refuses more
	maxPages = 1000 // of one list, whatever total an endpoint claims
)

// head is the newest block. Only what readings need of it is decoded: nodes of the network add fields of their own.
func (c *Client) head(ctx context.Context) (*types.Header, error) {
	return observe(ctx, c, "eth_getBlockByNumber", func(ctx context.Context) (*types.Header, error) { return c.eth.HeaderByNumber(ctx, nil) })
}

// Services reads all services at one block. Lists shift when a service is removed, so pages of different blocks could
// miss or repeat one.
func (c *Client) Services(ctx context.Context) (zg.Directory, error) {
	head, err := c.head(ctx)
	if err != nil {
		return zg.Directory{}, err
	}
	dir := zg.Directory{Block: head.Number.Uint64(), ReadAt: time.Now()}
	seen := map[common.Address]bool{}
	for offset, page := int64(0), 0; page < maxPages; page++ {
		out, err := c.call(ctx, c.cfg.Inference, c.inf.PackGetAllServices(big.NewInt(offset), big.NewInt(pageSize)), head.Number)
		list, err := unpack(out, err, c.inf.UnpackGetAllServices)
		if err != nil {
			return zg.Directory{}, fmt.Errorf("read the services from %d on: %w", offset, err)
		}
		for _, s := range list.Services {
			if seen[s.Provider] {
				continue
			}
			seen[s.Provider] = true
			svc, err := service(s)
			if err != nil {
				return zg.Directory{}, fmt.Errorf("read the service of %s: %w", s.Provider, err)
			}
			dir.Services = append(dir.Services, svc)
		}
		offset += int64(len(list.Services))
		if len(list.Services) == 0 || list.Total.Cmp(big.NewInt(offset)) <= 0 {
			break
		}
	}
	return dir, nil
}

func service(s bindings.Service) (zg.Service, error) {
	in, err := zg.NeuronFromBig(s.InputPrice)
	if err != nil {
		return zg.Service{}, err
	}
	out, err := zg.NeuronFromBig(s.OutputPrice)
	if err != nil {
		return zg.Service{}, err
	}
	return zg.Service{
		Provider: s.Provider, Type: zg.ServiceType(s.ServiceType), URL: strings.TrimRight(strings.TrimSpace(s.Url), "/"), InputPrice: in, OutputPrice: out,
		UpdatedAt: unix(s.UpdatedAt), Model: s.Model, Verifiability: s.Verifiability, Info: zg.ParseServiceInfo(s.AdditionalInfo),
		TEESigner: s.TeeSignerAddress, TEESignerAcknowledged: s.TeeSignerAcknowledged,
	}, nil
}

// unix is a chain timestamp; one that no clock will ever show reads as zero.
func unix(b *big.Int) time.Time {
	if b == nil || !b.IsInt64() || b.Int64() > 1<<40 || b.Sign() <= 0 {
		return time.Time{}
	}
	return time.Unix(b.Int64(), 0)
}

// Holdings reads everything the wallet has, at one block.
func (c *Client) Holdings(ctx context.Context) (zg.Holdings, error) {
	head, err := c.head(ctx)
	if err != nil {
		return zg.Holdings{}, err
	}
	h := zg.Holdings{Block: head.Number.Uint64(), BlockTime: time.Unix(int64(head.Time), 0), Accounts: map[common.Address]zg.SubAccount{}}
	balance, err := observe(ctx, c, "eth_getBalance", func(ctx context.Context) (*big.Int, error) { return c.eth.BalanceAt(ctx, c.cfg.User, head.Number) })
	if err != nil {
		return zg.Holdings{}, fmt.Errorf("read the wallet's balance: %w", err)
	}
	if h.Wallet, err = zg.NeuronFromBig(balance); err != nil {
		return zg.Holdings{}, err
	}
	if h.Ledger, err = c.ledger(ctx, head.Number); err != nil {
		return zg.Holdings{}, err
	}
	if err := c.accounts(ctx, head.Number, h.Accounts); err != nil {
		return zg.Holdings{}, err
	}
	out, err := c.call(ctx, c.cfg.Inference, c.inf.PackLockTime(), head.Number)
	lock, err := unpack(out, err, c.inf.UnpackLockTime)
	if err != nil {
		return zg.Holdings{}, fmt.Errorf("read the lock time: %w", err)
	}
	if lock.IsInt64() && lock.Int64() < 1<<32 {
		h.LockTime = time.Duration(lock.Int64()) * time.Second
	}
	fixed, err := c.minimums(ctx)
	if err != nil {
		return zg.Holdings{}, err
	}
	if h.MinLedger, err = zg.NeuronFromBig(fixed.ledger); err != nil {
		return zg.Holdings{}, err
	}
	h.MinAccount, err = zg.NeuronFromBig(fixed.account)
	return h, err
}

// ledger is nil where the contract says, by the one revert that means it, that the wallet has none.
func (c *Client) ledger(ctx context.Context, block *big.Int) (*zg.Ledger, error) {
	out, err := c.call(ctx, c.cfg.Ledger, c.led.PackGetLedger(c.cfg.User), block)
	l, err := unpack(out, err, c.led.UnpackGetLedger)
	if isRevert(err, "LedgerNotExists") {
		return nil, nil //nolint:nilnil // there is none, and that is known
	}
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	available, err := zg.NeuronFromBig(l.AvailableBalance)
	if err != nil {
		return nil, err
	}
	total, err := zg.NeuronFromBig(l.TotalBalance)
	return &zg.Ledger{User: l.User, Available: available, Total: total}, err
}

func (c *Client) accounts(ctx context.Context, block *big.Int, into map[common.Address]zg.SubAccount) error {
	for offset, page := int64(0), 0; page < maxPages; page++ {
		out, err := c.call(ctx, c.cfg.Inference, c.inf.PackGetAccountsByUser(c.cfg.User, big.NewInt(offset), big.NewInt(pageSize)), block)
		list, err := unpack(out, err, c.inf.UnpackGetAccountsByUser)
		if err != nil {
			return fmt.Errorf("read the sub-accounts: %w", err)
		}
		for _, a := range list.Accounts {
			if a.User != c.cfg.User {
				return fmt.Errorf("read the sub-accounts: the answer holds one of %s", a.User)
			}
			acct, err := subAccount(a)
			if err != nil {
				return fmt.Errorf("read the sub-account with %s: %w", a.Provider, err)
			}
			into[a.Provider] = acct
		}
		offset += int64(len(list.Accounts))
		if len(list.Accounts) == 0 || list.Total.Cmp(big.NewInt(offset)) <= 0 {
			return nil
		}
	}
	return errors.New("read the sub-accounts: there is no end of them")
}

func subAccount(a bindings.Account) (zg.SubAccount, error) {
	balance, err := zg.NeuronFromBig(a.Balance)
	if err != nil {
		return zg.SubAccount{}, err
	}
	pending, err := zg.NeuronFromBig(a.PendingRefund)
	if err != nil {
		return zg.SubAccount{}, err
	}
	if !a.Generation.IsUint64() || !a.ValidRefundsLength.IsUint64() || a.ValidRefundsLength.Uint64() > uint64(len(a.Refunds)) {
		return zg.SubAccount{}, errors.New("its counters are out of range")
	}
	out := zg.SubAccount{
		User: a.User, Provider: a.Provider, Nonce: a.Nonce, Balance: balance, PendingRefund: pending, Acknowledged: a.Acknowledged,
		Generation: a.Generation.Uint64(), RevokedBitmap: a.RevokedBitmap,
	}
	for _, r := range a.Refunds[:a.ValidRefundsLength.Uint64()] { // slots behind these are left over from paid refunds
		amount, err := zg.NeuronFromBig(r.Amount)
		if err != nil {
			return zg.SubAccount{}, err
		}
		out.Refunds = append(out.Refunds, zg.Refund{Index: r.Index.Uint64(), Amount: amount, CreatedAt: unix(r.CreatedAt)})
	}
	return out, nil
}

func (c *Client) minimums(ctx context.Context) (*minimums, error) {
	if m := c.fixed.Load(); m != nil {
		return m, nil
	}
	out, err := c.call(ctx, c.cfg.Ledger, c.led.PackMINACCOUNTBALANCE(), nil)
	ledger, err := unpack(out, err, c.led.UnpackMINACCOUNTBALANCE)
	if err != nil {
		return nil, fmt.Errorf("read the least deposit: %w", err)
	}
	out, err = c.call(ctx, c.cfg.Ledger, c.led.PackMINTRANSFERAMOUNT(), nil)
	account, err := unpack(out, err, c.led.UnpackMINTRANSFERAMOUNT)
	if err != nil {
		return nil, fmt.Errorf("read the least transfer: %w", err)
	}
	m := &minimums{ledger, account}
	c.fixed.Store(m)
	return m, nil
}

// Generation is the token generation of the wallet's sub-account with a provider; 0 where there is no sub-account.
func (c *Client) Generation(ctx context.Context, provider common.Address) (uint64, error) {
	out, err := c.call(ctx, c.cfg.Inference, c.inf.PackGetAccount(c.cfg.User, provider), nil)
	a, err := unpack(out, err, c.inf.UnpackGetAccount)
	if isRevert(err, "AccountNotExists") {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the sub-account with %s: %w", provider, err)
	}
	if !a.Generation.IsUint64() {
		return 0, fmt.Errorf("read the sub-account with %s: its generation is out of range", provider)
	}
	return a.Generation.Uint64(), nil
}
