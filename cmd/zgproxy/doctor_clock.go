package main

import (
	"context"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	slightSkew = time.Minute
	// At this one, a token that is renewed an hour before its end is refused before it is renewed.
	graveSkew = time.Hour
)

func checkClock(ctx context.Context, d *doctor, _ *patient) finding {
	c := d.contact(ctx)
	if c.err != nil {
		return because("network.rpc", checkFail)
	}
	block := c.head.Time
	if c.chainID == zg.DevnetChainID || d.cfg.ChainID == zg.DevnetChainID {
		block = time.Time{} // a simulated chain has a time of its own
	}
	date, at := d.date.last()
	return judgeClock(date, at, block, d.now())
}

// judgeClock compares our clock with the date of an answer, which came when our clock said at, and with the newest block.
// Zero times are not known. A block is never from the future, but may be old.
func judgeClock(date, at, block, now time.Time) finding {
	const fix = "timedatectl set-ntp true"
	skew := at.Sub(date)
	of := "the RPC endpoint's"
	switch {
	case date.IsZero() && block.IsZero():
		return skipped("the RPC endpoint does not say what time it is")
	case date.IsZero():
		if skew = now.Sub(block); skew > slightSkew {
			return skipped("the RPC endpoint does not say what time it is, and its newest block is %s old", inWords(skew))
		}
		of = "the newest block's"
	case now.Before(block) && block.Sub(now) > skew.Abs():
		skew, of = now.Sub(block), "the newest block's"
	}
	return judgeSkew(skew, of, fix)
}

// judgeSkew judges how far our clock is ahead of another one.
func judgeSkew(skew time.Duration, of, fix string) finding {
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	off := skew.Abs().Round(time.Second)
	switch {
	case off >= graveSkew:
		return failed(fix, "Session tokens and certificates are judged by the time: providers refuse what seems to have ended.", "it is %s %s %s", inWords(off), direction, of)
	case off >= slightSkew:
		return warned(fix, "Session tokens and certificates are judged by the time.", "it is %s %s %s", inWords(off), direction, of)
	}
	return passed("within %s of %s", inWords(max(off, time.Second)), of)
}
