package chain

import (
	"bytes"
	"cmp"
	"context"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// Probe is what one endpoint shows when it is asked separately, and how that compares with the others.
type Probe struct {
	Name    string
	Err     error         // why it cannot be asked; nil: it answered
	ChainID uint64        // 0: not known
	Head    Head          // zero: not known
	Took    time.Duration // for one call over a connection that is there
	// Behind and Ahead are how far its newest block is from the newest that another one confirms, and Age how much older
	// or, below zero, younger that makes it. Only endpoints of the configured chain are compared.
	Behind, Ahead uint64
	Age           time.Duration
	// Differs means that it has another block Compared, which all of them have, than more than half of them.
	Differs  bool
	Compared uint64

	hash []byte
}

// Lags reports whether it is left out of what decides about money until it has caught up.
func (p *Probe) Lags(now time.Time) bool { return p.Age > lagMost && now.Sub(p.Head.Time) > lagMost }

// Leads reports whether it claims blocks so far ahead that nothing confirms them.
func (p *Probe) Leads() bool { return p.Age < -lagMost }

// Probe asks every endpoint separately, all at the same time, whatever others say or have shown before. Nothing of it
// is remembered.
func (c *Client) Probe(ctx context.Context) []Probe {
	out := make([]Probe, len(c.all))
	c.probeAll(func(i int, e *endpoint) { out[i] = c.probe(at(ctx, e), e) })
	var ours []*Probe
	for i := range out {
		if p := &out[i]; p.Err == nil && p.ChainID == c.cfg.ChainID {
			ours = append(ours, p)
		}
	}
	if len(ours) < 2 {
		return out
	}
	measure(ours)
	lowest := slices.MinFunc(ours, func(a, b *Probe) int { return cmp.Compare(a.Head.Number, b.Head.Number) }).Head.Number
	c.probeAll(func(i int, e *endpoint) {
		p := &out[i]
		if p.Compared = lowest; !slices.Contains(ours, p) || p.Head.Number == lowest {
			return
		}
		p.hash = nil
		if h, err := c.block(at(ctx, e), hexutil.EncodeBig(new(big.Int).SetUint64(lowest))); err == nil {
			p.hash = h.hash
		}
	})
	judgeHashes(ours)
	return out
}

func (c *Client) probeAll(f func(int, *endpoint)) {
	var all sync.WaitGroup
	for i, e := range c.all {
		all.Go(func() { f(i, e) })
	}
	all.Wait()
}

func (c *Client) probe(ctx context.Context, e *endpoint) (p Probe) {
	p.Name = e.name
	if p.ChainID, p.Err = c.ServedChain(ctx); p.Err != nil {
		return p
	}
	began := time.Now()
	h, err := c.head(ctx)
	if p.Took, p.Err = time.Since(began), err; err != nil {
		return p
	}
	p.Head, p.hash = Head{Number: h.number.Uint64(), Time: h.time}, h.hash
	return p
}

// measure compares newest blocks, as where money is decided.
func measure(ours []*Probe) {
	sorted := slices.Clone(ours)
	slices.SortFunc(sorted, func(a, b *Probe) int { return cmp.Compare(b.Head.Number, a.Head.Number) })
	newest := sorted[confirmed(len(sorted))].Head
	for _, p := range ours {
		switch n := p.Head.Number; {
		case n < newest.Number:
			p.Behind = newest.Number - n
		case n > newest.Number:
			p.Ahead = n - newest.Number
		}
		p.Age = newest.Time.Sub(p.Head.Time)
	}
}

// judgeHashes finds out who has another block than more than half of those that have one.
func judgeHashes(ours []*Probe) {
	having := slices.DeleteFunc(slices.Clone(ours), func(p *Probe) bool { return p.hash == nil })
	for _, p := range having {
		same := 0
		for _, other := range having {
			if bytes.EqualFold(p.hash, other.hash) {
				same++
			}
		}
		p.Differs = 2*same <= len(having)
	}
}
