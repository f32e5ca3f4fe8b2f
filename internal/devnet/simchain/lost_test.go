package simchain

import (
	"context"
	"crypto/ecdsa"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// What an actor has sent is mined even where the pool is emptied under it, with what was sent before it or without.
func TestActorsAreMinedThoughThePoolIsEmptied(t *testing.T) {
	for _, before := range []int{0, 2} {
		c, err := Start(Config{})
		if err != nil {
			t.Fatal(err)
		}
		key, err := crypto.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		to := common.HexToAddress("0x1234")
		if err := c.Fund(t.Context(), crypto.PubkeyToAddress(key.PublicKey), zg.OneOG.Mul(5)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		c.mining.Lock() // nothing is mined now
		for range before {
			tx, err := c.signed(ctx, key, &to, zg.NeuronOf(1).Big(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.client.SendTransaction(ctx, tx); err != nil {
				t.Fatal(err)
			}
			wait(ctx, t, c, tx.Nonce()+1, key)
		}
		ended := make(chan error, 1)
		nonce, err := c.client.PendingNonceAt(ctx, crypto.PubkeyToAddress(key.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- c.Pay(ctx, key, to, zg.OneOG) }()
		wait(ctx, t, c, nonce+1, key)
		c.backend.Rollback()
		c.mining.Unlock()
		if err := <-ended; err != nil {
			t.Errorf("after %d others: %v", before, err)
		}
		balance, err := c.client.BalanceAt(ctx, to, nil)
		if err != nil || zg.OneOG.Big().Cmp(balance) != 0 {
			t.Errorf("after %d others: it has %v, %v; want what was paid, once", before, balance, err)
		}
		cancel()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// wait returns when the pool has all that comes before a nonce.
func wait(ctx context.Context, t *testing.T, c *Chain, nonce uint64, key *ecdsa.PrivateKey) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		next, err := c.client.PendingNonceAt(ctx, crypto.PubkeyToAddress(key.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		if next >= nonce {
			return
		}
		<-tick.C
	}
}
