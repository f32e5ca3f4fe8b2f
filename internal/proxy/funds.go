package proxy

import (
	"net/http"
	"time"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// laggingWait is when to ask a provider again that does not see what is on the chain.
const laggingWait = 10 * time.Second

// fundsError puts a provider's complaint about the sub-account into words that say what to do here. What the wallet has
// read from the chain by itself outranks the provider's words: nobody is told to pay for what has been paid.
func (c *call) fundsError(d zg.RefusalDetail) *APIError {
	provider, who := c.offer.Service.Provider, c.offer.Label
	own := c.srv.cfg.Meter.Standing(provider)
	if e := errNotSeen(d, own, who); e != nil {
		return e
	}
	e := problem(string(d.Class), "")
	hint, wait := c.srv.cfg.Meter.Funding(provider, d.Required.Sub(own.Locked))
	switch d.Class {
	case zg.RefusalBalance:
		e.Message, e.RetryAfter = refusedWords(d.Class, who), wait
		if !d.Required.IsZero() {
			e.Message += " (at least " + d.Required.Og() + " 0G)"
		}
		if own.Known {
			e.Message += "; it holds " + own.Locked.Og() + " 0G, as read from the chain " + ago(own)
		}
		e.Message += ". " + hint
	case zg.RefusalNoAccount:
		e.Message, e.RetryAfter = "There is no sub-account with provider "+who+" yet. "+hint, wait
		if !own.Known {
			e.Message = "Provider " + who + " sees no sub-account of the wallet, and zgproxy has not read the chain lately. " + hint
		}
	default:
		// Providers read the acknowledgement from the chain every ten minutes at least.
		e.Message = "Provider " + who + " has not seen that you acknowledge its signer. A first transfer does that, or: zgproxy provider acknowledge " + who +
			". Where it has been done already, the provider notices within 10 minutes."
	}
	if e.RetryAfter > 0 {
		e.Status = http.StatusTooManyRequests // a top-up is expected, so waiting helps
	}
	return e
}

// errNotSeen is what a refusal comes to where the chain, as the wallet has just read it, shows what the provider says
// is missing; nil: it does not.
func errNotSeen(d zg.RefusalDetail, own billing.Standing, who string) *APIError {
	if !own.Known || !own.Exists {
		return nil
	}
	wait := laggingWait
	var text string
	switch d.Class {
	case zg.RefusalNoAccount:
		text = "Provider " + who + " says that the wallet has no sub-account with it. There is one, with " + own.Locked.Og() + " 0G in it"
	case zg.RefusalBalance:
		if d.Required.IsZero() || own.Locked.Less(d.Required.Add(zg.RefusalRounding)) {
			return nil
		}
		text = "Provider " + who + " says that its sub-account holds too little: it wants " + d.Required.Og() + " 0G. There are " + own.Locked.Og() + " 0G in it"
	case zg.RefusalNotAcknowledged:
		if !own.Acknowledged {
			return nil
		}
		text, wait = "Provider "+who+" says that the wallet does not acknowledge its signer. It does", maxPatience
	default:
		return nil
	}
	e := problem("account_not_seen", text+", as read from the chain "+ago(own)+
		". The provider may lag behind the chain; try again later or use another provider. Nothing was billed, and no payment is needed.")
	e.RetryAfter = wait
	return e
}

func ago(own billing.Standing) string { return own.Age.Round(time.Second).String() + " ago" }
