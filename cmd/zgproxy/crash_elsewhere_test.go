package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// strangers are the transactions of the wallet that another program makes while the daemon lives and dies.
type strangers struct {
	sent      int
	slower    int // the nonce was used by the daemon meanwhile
	deposits  zg.Neuron
	accepted  uint64 // the daemon has said that everything below this nonce is accepted
	acceptees int    // acceptances that were answered
	broken    int    // those that the daemon did not live to answer
	refused   error  // why a daemon that lives on did not answer one

	onRecord foreignRows // as the last check found it
	entries  int         // of the journal, then
	asked    bool        // whether anything was to be accepted since
	held     int         // restarts with something on record that nobody had accepted
}

// accepts has the owner accept what was made elsewhere, in half of the lives that know of something, and returns when
// the daemon has said that it is accepted.
func (c *crashes) accepts(p *process, random *rand.Rand) {
	c.Helper()
	if c.strangers.onRecord.missed > 0 && random.IntN(2) == 0 {
		c.poll("accepted", p, func() error { return c.acceptElsewhere(p) })
	}
}

// others is what happens besides in one life: the owner accepts what was made elsewhere, or more of it is made. It ends
// before the next check.
func (c *crashes) others(p *process, random *rand.Rand) (wait func()) {
	moment := time.NewTimer(time.Duration(random.Int64N(int64(120 * time.Millisecond))))
	ended := make(chan struct{})
	accept, send := c.strangers.onRecord.missed > 0 && random.IntN(2) == 0, random.IntN(3) == 0
	to := c.providers[random.IntN(len(c.providers))].Address()
	random = rand.New(rand.NewPCG(random.Uint64(), 0)) // used beside whoever called this
	go func() {
		defer close(ended)
		<-moment.C
		switch {
		case accept:
			c.strangers.broke(p, c.acceptElsewhere(p))
		case send:
			transferred, deposited, err := c.sendElsewhere(random, to)
			if err != nil {
				c.strangers.slower++ // the daemon was faster with the nonce
				return
			}
			c.strangers.sent++
			c.strangers.deposits = c.strangers.deposits.Add(deposited)
			// That life may know nothing of it yet, and use all of its own room besides; no later one may.
			c.cap = c.cap.Add(transferred)
		}
	}()
	return func() {
		<-ended
		if err := c.strangers.refused; err != nil {
			c.Fatalf("what was made elsewhere could not be accepted: %v\n%s", err, p.said())
		}
	}
}

// broke takes note of an acceptance that was not answered: only a daemon that has died leaves one so.
func (s *strangers) broke(p *process, err error) {
	if err == nil {
		return
	}
	select {
	case <-p.dead:
		s.broken++
	case <-time.After(patience):
		s.refused = err
	}
}

// acceptElsewhere asks a daemon to accept what it shows. Where it answers, that has to hold for ever.
func (c *crashes) acceptElsewhere(p *process) error {
	c.strangers.asked = true
	client, err := admin.NewClient(c.data)
	if err != nil {
		return err
	}
	what, err := client.Foreign(c.Context())
	if err != nil || what.Count == 0 {
		return err
	}
	through := admin.ForeignAcceptance{Through: what.Through, Count: what.Count}
	if err := client.AcceptForeign(c.Context(), through); err != nil {
		return err
	}
	c.strangers.accepted = max(c.strangers.accepted, what.Through+1)
	c.strangers.acceptees++
	return nil
}

// checkElsewhere comes when book and chain agree: nothing that was accepted is forgotten, and while something was not,
// nothing was signed, in whichever life.
func (c *crashes) checkElsewhere(entries int) {
	c.Helper()
	f, err := readForeign(c.Context(), c.db)
	if err != nil {
		c.Fatalf("read what was made elsewhere: %v", err)
	}
	s := &c.strangers
	if f.missed > 0 && uint64(f.lowest) < s.accepted {
		c.Fatalf("nonce %d was accepted, and is not any more", f.lowest)
	}
	if s.onRecord.missed > 0 {
		if s.held++; !s.asked && (entries != s.entries || f.missed < s.onRecord.missed) {
			c.Fatalf("while %d transactions from elsewhere were not accepted, the journal grew from %d to %d entries; "+
				"%d are still not accepted", s.onRecord.missed, s.entries, entries, f.missed)
		}
	}
	s.onRecord, s.entries, s.asked = f, entries, false
}

// acceptAllElsewhere accepts until nothing is left.
func (c *crashes) acceptAllElsewhere(p *process) {
	c.Helper()
	c.poll("accepted", p, func() error {
		if err := c.acceptElsewhere(p); err != nil {
			return err
		}
		f, err := readForeign(c.Context(), c.db)
		if err == nil && f.missed > 0 {
			err = fmt.Errorf("%d are not", f.missed)
		}
		return err
	})
}

// finishElsewhere accepts what is left, and tells of all of it.
func (c *crashes) finishElsewhere(p *process) {
	c.Helper()
	c.acceptAllElsewhere(p)
	s := &c.strangers
	c.Logf("%d transactions were made elsewhere, and moved %s 0G to providers; %d more came too late for their nonce; "+
		"%d restarts with some that nobody had accepted; "+
		"%d times some were accepted, %d more the daemon did not live to say so",
		s.sent, s.onRecord.transfers.Og(), s.slower, s.held, s.acceptees, s.broken)
}
