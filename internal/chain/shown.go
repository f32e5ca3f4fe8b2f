package chain

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// EndpointState is what one of several endpoints has shown, for people: nothing is decided by it.
type EndpointState struct {
	Name    string
	Block   uint64 // its newest, as far as it has shown; 0: it has shown none
	Foreign bool   // it has served another chain, and is not asked any more
	Apart   string // about what it says something else than the others agree on; empty: nothing
	Silent  string // why it did not answer when all were asked last; empty: it did
	Lags    bool   // it was left out then because its newest block is too old
}

// Ill says what is the matter with it; empty: nothing is known to be.
func (s *EndpointState) Ill() string {
	switch {
	case s.Foreign:
		return "it serves another chain, and is not used until zgproxy is restarted"
	case s.Silent != "":
		return "it did not answer when all were asked last: " + s.Silent
	case s.Lags:
		return fmt.Sprintf("it is behind (block %d), and is left out of what decides about money until it has caught up", s.Block)
	case s.Apart != "":
		return "it says something else than the others agree on about " + s.Apart + ", and is not believed"
	}
	return ""
}

// Endpoints are what several endpoints have shown, in their order; nil where there is one only.
func (c *Client) Endpoints() []EndpointState {
	if len(c.all) == 1 {
		return nil
	}
	out := make([]EndpointState, len(c.all))
	for i, e := range c.all {
		out[i] = EndpointState{Name: e.name, Block: e.newest.Load(), Foreign: e.foreign.Load()}
		if about := e.apart.Load(); about != nil {
			out[i].Apart = *about
		}
		if s := e.shown.Load(); s != nil {
			out[i].Silent, out[i].Lags = s.silent, s.lags
		}
	}
	return out
}

// shown is how an endpoint did when all were asked for their newest block.
type shown struct {
	silent string // why it has not answered
	lags   bool
}

// noteShown keeps how each endpoint did, for people; kept are the replies of those that do not lag.
func (c *Client) noteShown(replies, kept []reply[head]) {
	for _, e := range c.all {
		of := func(r reply[head]) bool { return r.from == e }
		var s shown
		switch i := slices.IndexFunc(replies, of); {
		case i < 0:
			s.silent = fmt.Sprintf("no answer within %s of another one's", c.patience)
		case errors.Is(replies[i].err, ErrWrongNetwork):
		case replies[i].err != nil:
			s.silent = zg.OneLine(replies[i].err.Error(), maxMessage)
		default:
			s.lags = !slices.ContainsFunc(kept, of)
		}
		e.shown.Store(&s)
	}
}
