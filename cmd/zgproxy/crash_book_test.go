package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// lookAtAll lets the daemon look at every sub-account once. What was asked for before that belongs to earlier times, of
// which only the sum is kept.
func (c *crashes) lookAtAll() {
	c.Helper()
	p := c.spawn()
	c.poll("done looking", p, func() error {
		var looked int
		err := c.db.QueryRowContext(c.Context(), `SELECT COUNT(*) FROM accounts WHERE block > 0`).Scan(&looked)
		if err != nil {
			return err
		}
		if looked < len(c.providers) {
			return fmt.Errorf("%d accounts of %d", looked, len(c.providers))
		}
		return nil
	})
	p.kill()
}

// compareBooks lets every job end and every provider take what it is owed. After all those crashes the book then equals
// the chain: what was cut off is corrected to what it cost.
func (c *crashes) compareBooks() {
	c.Helper()
	c.poll("done with all videos", c.last, func() error {
		if begun, ended := jobsOf(c.films); len(ended) < begun {
			return fmt.Errorf("%d of %d", len(ended), begun)
		}
		return nil
	})
	c.inStore(func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, `UPDATE requests SET job_until = opened_at WHERE job_until IS NOT NULL`)
		return err
	})
	p := c.startAndCheck()
	for _, sim := range c.providers {
		var corrected zg.Neuron
		c.poll("one sum for "+sim.Model(), p, func() (err error) {
			if rest := sim.Unsettled(devnet.Wallet()); !rest.IsZero() {
				return errors.New(rest.Og() + " 0G are not taken yet")
			}
			corrected, err = c.bookEqualsChain(c.db, sim, c.opened[sim.Address()], c.firstBlock)
			return err
		})
		c.Logf("%s: %s neuron billed, taken on chain, and in the book; estimates were %s too high",
			sim.Model(), sim.Billed(devnet.Wallet()), corrected)
	}
	p.kill()
}
