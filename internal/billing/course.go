package billing

import (
	"errors"
	"fmt"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// rebroadcastEvery is how often the same bytes are sent again: nodes forget transactions.
	rebroadcastEvery = 10 * time.Second
	// foreignGrace is how long a used nonce without a receipt of ours is put down to nodes that are not of one mind.
	foreignGrace = 30 * time.Second
	// behindGrace is how long a nonce that is not used any more is put down to a node that is behind.
	behindGrace = 10 * time.Second
	// maxReplacements is how often the same call is tried with higher fees before it is given up.
	maxReplacements = 6
)

var (
	// errGap means that the chain misses a nonce below ours, and that the journal does not know what belongs there.
	errGap = errors.New("a lower nonce of the wallet is not used, and not by a transaction of ours")
	// errBehind means that a node does not know yet what another has told.
	errBehind = errors.New("the node is behind")
	// errDoubted means that a receipt cannot be true, of a node that is behind, or lies.
	errDoubted = errors.New("the node's receipt does not match the chain")
)

// step is what is to be done next about an entry.
type step int

const (
	stepWait      step = iota // nothing but to look again
	stepSend                  // send the newest transaction
	stepReplace               // sign the same call with higher fees
	stepCancel                // sign something that moves nothing, with higher fees
	stepEnd                   // it is mined, deep enough
	stepSupersede             // its nonce was used by somebody else
)

// sighting is what the chain said of an entry at one moment.
type sighting struct {
	at      time.Time
	receipt *zg.Receipt // of whichever of its transactions was mined; nil: none
	doubted error       // why a receipt that a node gave is not among them; nil: there was no such
	head    uint64      // the newest block; only where there is a receipt
	nonce   uint64      // how many of the wallet's transactions are mined
	gap     error       // what came of looking after a lower nonce that is missing
}

// depth is how many blocks deep the receipt's is, its own included. It is not above the newest one, or it would be
// doubted.
func (s *sighting) depth() uint64 { return s.head - s.receipt.Block + 1 }

// course decides what is done next about one entry, by what is seen of it. It does no I/O and has no clock.
type course struct {
	nonce         uint64
	replaceAfter  time.Duration
	confirmations uint64

	replaced int  // times that the call was signed with higher fees
	cancels  bool // the newest transaction is a cancellation

	tried   time.Time // since when the newest transaction is tried
	sent    time.Time // when it was sent last; zero: not yet
	refusal error     // what a node said to that; nil: it took it
	raise   bool      // its fees were refused, and nothing was done about that yet
	stuck   error     // why it could not be replaced
	taken   time.Time // since when somebody else's transaction waits with its nonce; zero: none does
	missing time.Time // since when a lower nonce is missing; zero: none is
	foreign time.Time // since when its nonce is used, with no receipt of ours; zero: it is not
	mined   bool      // there was a receipt
}

func newCourse(e *Entry, replaceAfter time.Duration, confirmations uint64, now time.Time) *course {
	c := &course{nonce: e.Nonce, replaceAfter: replaceAfter, confirmations: confirmations, tried: now, cancels: e.newest().Cancels}
	for _, tx := range e.Txs[1:] {
		if !tx.Cancels {
			c.replaced++
		}
	}
	return c
}

// blind takes in that the chain could not be asked: what is to be seen for a while is not seen while nobody looks.
func (c *course) blind() { c.foreign, c.missing = time.Time{}, time.Time{} }

// gapped reports whether the chain has been missing a lower nonce for so long that no node which is behind explains it.
func (c *course) gapped(s sighting) bool {
	if s.receipt != nil || s.nonce >= c.nonce {
		c.missing = time.Time{}
		return false
	}
	if c.missing.IsZero() {
		c.missing = s.at
	}
	return s.at.Sub(c.missing) >= behindGrace
}

// next says what to do after a sighting.
func (c *course) next(s sighting) step {
	if s.receipt != nil {
		c.mined, c.foreign = true, time.Time{}
		if s.depth() >= c.confirmations {
			return stepEnd
		}
		return stepWait
	}
	if c.mined {
		// It was mined in a block that is no longer part of the chain: the same bytes have to be sent again.
		c.mined, c.tried, c.sent, c.refusal, c.raise = false, s.at, time.Time{}, nil, false
	}
	if s.nonce <= c.nonce || s.doubted != nil {
		c.foreign = time.Time{}
	}
	if s.nonce > c.nonce {
		switch {
		case s.doubted != nil: // whoever used the nonce, it may have been we
		case c.foreign.IsZero():
			c.foreign = s.at
		case s.at.Sub(c.foreign) >= foreignGrace:
			return stepSupersede
		}
		return stepWait
	}
	// A look can take longer than a transaction is given: what was never sent does not make room for the next, and what
	// cannot be replaced is sent again all the same.
	due := c.sent.IsZero() || s.at.Sub(c.sent) >= rebroadcastEvery
	first := due && (c.sent.IsZero() || c.stuck != nil)
	if s.nonce < c.nonce {
		c.tried = s.at // it can't be mined, whatever it pays
	} else if !first {
		if again := c.replace(s.at); again != stepWait {
			return again
		}
	}
	if due {
		c.sent = s.at
		return stepSend
	}
	return stepWait
}

// replace says whether the newest transaction has to make room for one with higher fees.
func (c *course) replace(now time.Time) step {
	if c.raise {
		c.raise = false
		return stepReplace
	}
	for _, other := range []error{zg.ErrNonceTooLow, zg.ErrNonceGap, zg.ErrInsufficientFunds, errTaken} {
		if errors.Is(c.refusal, other) { // higher fees do not help
			c.tried = now
			return stepWait
		}
	}
	if now.Sub(c.tried) < c.replaceAfter {
		return stepWait
	}
	c.tried = now
	if c.replaced >= maxReplacements && !c.cancels {
		return stepCancel
	}
	return stepReplace
}

// wasSent takes in what came of sending the newest transaction.
func (c *course) wasSent(err error) {
	c.refusal = err
	c.raise = errors.Is(err, zg.ErrUnderpriced) || errors.Is(err, zg.ErrTipTooLow) || errors.Is(err, zg.ErrNonceTaken) && !errors.Is(err, errTaken)
	if err == nil {
		c.stuck = nil
	}
}

// putOff takes in why the newest transaction was not sent, nor replaced.
func (c *course) putOff(now time.Time, why error) {
	c.sent, c.refusal, c.raise = time.Time{}, why, false
	if errors.Is(why, errTaken) {
		c.tried = now // the one that waits has to be mined or forgotten first, whatever ours pays
	}
}

// wasReplaced takes in a new newest transaction.
func (c *course) wasReplaced(tx zg.SignedTx, now time.Time) {
	c.tried, c.sent, c.refusal, c.stuck, c.cancels = now, time.Time{}, nil, nil, tx.Cancels
	if !tx.Cancels {
		c.replaced++
	}
}

// trouble is what keeps the entry from being mined, as far as that is known; nil while all goes well.
func (c *course) trouble(s sighting) error {
	var gap error
	if s.receipt == nil && s.nonce < c.nonce {
		gap = fmt.Errorf("nonce %d waits for nonce %d to be used", c.nonce, s.nonce)
	}
	return errors.Join(s.doubted, gap, s.gap, c.refusal, c.stuck)
}
