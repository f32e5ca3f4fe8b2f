package devnet

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
)

// owner is the contract's owner, as far as he acts by himself.
type owner struct {
	mu     sync.Mutex
	delay  time.Duration // 0: he does nothing
	errs   []error
	ends   []context.CancelFunc
	waking sync.WaitGroup
}

// SetAckDelay makes the contract's owner acknowledge a new signer so long after its provider has announced it. Zero,
// which it is at the beginning, leaves that to Chain.AcknowledgeSigner.
func (n *Network) SetAckDelay(d time.Duration) {
	n.owner.mu.Lock()
	defer n.owner.mu.Unlock()
	n.owner.delay = d
}

// Announce is a provider noticing that the chain names another signer than its own: it registers its own, and so loses
// the acknowledgement until the contract's owner gives it again: see SetAckDelay.
func (n *Network) Announce(ctx context.Context, i int, key *ecdsa.PrivateKey) error {
	p := n.Providers[i]
	s, err := n.Chain.Service(ctx, p.Address())
	if err != nil || s.TEESigner == p.TEESigner() {
		return err
	}
	if err := n.Chain.RegisterService(ctx, key, simchain.ServiceParams{
		ServiceType: string(s.Type), URL: s.URL, Model: s.Model, Verifiability: s.Verifiability,
		InputPrice: s.InputPrice, OutputPrice: s.OutputPrice, TEESigner: p.TEESigner(),
	}); err != nil {
		return err
	}
	n.owner.hears(n.Chain, p.Address()) //nolint:contextcheck // he acts after this call
	return nil
}

// hears has the owner acknowledge a provider's signer when his time has come.
func (o *owner) hears(chain *simchain.Chain, provider common.Address) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.delay == 0 {
		return
	}
	ctx, end := context.WithCancel(context.Background())
	o.ends = append(o.ends, end)
	timer := time.NewTimer(o.delay)
	o.waking.Go(func() {
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := chain.AcknowledgeSigner(ctx, provider); err != nil && ctx.Err() == nil {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.errs = append(o.errs, fmt.Errorf("acknowledge the signer of %s: %w", provider, err))
		}
	})
}

// close ends what the owner has still to do, waits, and returns what went wrong.
func (o *owner) close() error {
	o.mu.Lock()
	ends := o.ends
	o.mu.Unlock()
	for _, end := range ends {
		end()
	}
	o.waking.Wait()
	return errors.Join(o.errs...)
}
