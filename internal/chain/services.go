package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/zgproxy/zgproxy/internal/chain/bindings"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	pageSize = 50  // the contract refuses more
	maxPages = 100 // of one list, whatever total an endpoint claims
)

// head is what readings need of the newest block.
type head struct {
	number  *big.Int
	hash    json.RawMessage // as it was said; only compared
	time    time.Time
	baseFee zg.Neuron // per gas
}

// head reads the newest block.
func (c *Client) head(ctx context.Context) (head, error) {
	h, err := c.block(ctx, "latest")
	if err != nil {
		return h, fmt.Errorf("read the newest block: %w", err)
	}
	return h, nil
}

// block reads a block by its number in hex, or its name. Nothing else of it is decoded: nodes of the network add fields
// of their own to blocks, and may leave out what other networks have.
func (c *Client) block(ctx context.Context, which string) (head, error) {
	type block struct {
		Number    *hexutil.Uint64 `json:"number"`
		Hash      json.RawMessage `json:"hash"`
		Timestamp *hexutil.Uint64 `json:"timestamp"`
		BaseFee   *hexutil.Big    `json:"baseFeePerGas"`
	}
	b, err := observe(ctx, c, "eth_getBlockByNumber", func(ctx context.Context) (b *block, err error) {
		err = c.rpc.CallContext(ctx, &b, "eth_getBlockByNumber", which, false)
		return b, err
	})
	if err != nil {
		return head{}, err
	}
	if b == nil || b.Number == nil || b.Timestamp == nil {
		return head{}, fmt.Errorf("%w: it does not have block %s", ErrRPC, which)
	}
	h := head{number: new(big.Int).SetUint64(uint64(*b.Number)), hash: b.Hash, time: unix(new(big.Int).SetUint64(uint64(*b.Timestamp)))}
	if b.BaseFee != nil {
		if h.baseFee, err = zg.NeuronFromBig(b.BaseFee.ToInt()); err != nil {
			return head{}, fmt.Errorf("%w: base fee: %w", ErrRPC, err)
		}
	}
	return h, nil
}

// errEndless means that a list does not end where it said it would.
var errEndless = errors.New("the list does not end where it should")

// pages reads a list of the inference contract page by page. next reads the page at an offset and returns its length
// and the length of the whole list.
func pages(next func(offset int64) (items int, total *big.Int, err error)) error {
	offset := int64(0)
	for range maxPages {
		n, total, err := next(offset)
		if err != nil {
			return fmt.Errorf("from entry %d on: %w", offset, err)
		}
		offset += int64(n)
		switch {
		case total.Cmp(big.NewInt(offset)) <= 0:
			return nil
		case n == 0 || n > pageSize:
			return fmt.Errorf("%w: a page of %d after which %d of %s are read", errEndless, n, offset, zg.OneLine(total.String(), maxMessage))
		}
	}
	return fmt.Errorf("%w: it goes on after %d pages", errEndless, maxPages)
}

// Services reads all services at one block. Removing a service moves the last one into its place, so that pages of
// different blocks could miss or repeat one; what is repeated all the same counts once.
func (c *Client) Services(ctx context.Context) (zg.Directory, error) {
	began := time.Now()
	dir, err := atAgreed(ctx, c, "the services", c.services)
	if err == nil {
		dir.ReadAt = began
		c.layouts.note(dir.Structs, true)
	}
	return dir, err
}

func (c *Client) services(ctx context.Context, at head) (zg.Directory, error) {
	ctx, structs := collect(ctx)
	dir := zg.Directory{Block: at.number.Uint64()}
	seen := map[common.Address]bool{}
	err := pages(func(offset int64) (int, *big.Int, error) {
		page, err := read(ctx, c, c.cfg.Inference, c.inf.PackGetAllServices(big.NewInt(offset), big.NewInt(pageSize)), at.number, c.inf.UnpackGetAllServices)
		if err != nil {
			return 0, nil, err
		}
		for _, s := range page.Services {
			if seen[s.Provider] {
				continue
			}
			seen[s.Provider] = true
			svc, err := service(s)
			if err != nil {
				return 0, nil, fmt.Errorf("service of %s: %w", s.Provider, err)
			}
			dir.Services = append(dir.Services, svc)
		}
		return len(page.Services), page.Total, nil
	})
	if err != nil {
		return zg.Directory{}, fmt.Errorf("read the services at block %d: %w", dir.Block, err)
	}
	dir.Structs = structs.all()
	return dir, nil
}

// The longest texts that are taken from a service, in bytes. Anybody can register anything of any length. What no
// honest provider would register reads as empty: that makes the service useless and hurts nobody else's.
const (
	maxURL  = 2048
	maxName = 256      // a model, a kind of service
	maxInfo = 64 << 10 // the contract allows 4096
)

func service(s bindings.Service) (zg.Service, error) {
	in, err := zg.NeuronFromBig(s.InputPrice)
	if err != nil {
		return zg.Service{}, err
	}
	out, err := zg.NeuronFromBig(s.OutputPrice)
	if err != nil {
		return zg.Service{}, err
	}
	svc := zg.Service{
		Provider: s.Provider, Type: zg.ServiceType(zg.Name(s.ServiceType, maxName)), URL: strings.TrimRight(strings.TrimSpace(zg.Name(s.Url, maxURL)), "/"),
		InputPrice: in, OutputPrice: out, UpdatedAt: unix(s.UpdatedAt), Model: zg.Name(s.Model, maxName), Verifiability: zg.Name(s.Verifiability, maxName),
		TEESigner: s.TeeSignerAddress, TEESignerAcknowledged: s.TeeSignerAcknowledged,
	}
	if len(s.AdditionalInfo) <= maxInfo {
		svc.Info = zg.ParseServiceInfo(s.AdditionalInfo)
	}
	return svc, nil
}

// unix is a chain timestamp in seconds; one that no clock will ever show reads as zero.
func unix(b *big.Int) time.Time {
	if !b.IsInt64() || b.Int64() <= 0 || b.Int64() > 1<<40 {
		return time.Time{}
	}
	return time.Unix(b.Int64(), 0)
}
