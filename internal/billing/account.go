package billing

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// account is where matching one provider's debits with our book stands. It is pure: it is told facts and does sums.
//
// Providers take their fees on chain, many requests at once, and do not say which. So debits settle the oldest closed
// requests, and two differences are kept apart: what was estimated too high is corrected once the provider's own
// figures show it, and what was taken beyond everything we witnessed is drift.
type account struct {
	provider common.Address
	block    uint64    // up to which debits are counted
	balance  zg.Neuron // at that block
	pending  zg.Neuron // on its way back to the ledger, at that block
	before   zg.Neuron // fees of requests from before matching began; they are not matched
	// carried is an allowance for what is not in the book: fees from before it began, and debits that a reorganisation of
	// the chain undid.
	carried   zg.Neuron
	lent      zg.Neuron // of carried: what rests on nothing but a claim of the provider
	debited   zg.Neuron // taken since the book began
	settled   zg.Neuron // of that: matched with requests
	corrected zg.Neuron // what requests were recorded at above what was, or will be, taken for them
	unmatched zg.Neuron // taken, and no request to match it with yet
	// through is the key of a request: those up to it are settled, or were free.
	through  int64
	accepted zg.Neuron // drift that the owner has accepted
	reserve  zg.Neuron // what the provider said it wants left; zero: it never refused
}

// debit counts an amount that was taken.
func (a *account) debit(amount zg.Neuron) {
	a.debited = a.debited.Add(amount)
	a.unmatched = a.unmatched.Add(amount)
}

// carry takes what goes beyond all requests that are still due for something that is not in the book, as far as the
// allowance goes. Requests come first: an allowance that a provider has talked itself into must not make it owed more.
func (a *account) carry(due zg.Neuron) {
	used := a.carried.Min(a.unmatched.Sub(due))
	a.carried, a.unmatched, a.lent = a.carried.Sub(used), a.unmatched.Sub(used), a.lent.Sub(used)
}

// undo takes note of money that came back without a transfer: a debit that a reorganisation undid, or that never was.
func (a *account) undo(amount zg.Neuron) {
	amount = amount.Min(a.debited)
	a.debited = a.debited.Sub(amount)
	unmatched := a.unmatched.Min(amount)
	a.unmatched = a.unmatched.Sub(unmatched)
	// Requests stay matched; the next debit of as much is the same one again.
	a.carried = a.carried.Add(amount.Sub(unmatched))
}

// unsettled is what the closed requests cost that no debit was matched with, less what was corrected. fees is the sum
// of all requests of this provider that are no longer open.
func (a *account) unsettled(fees zg.Neuron) zg.Neuron {
	return fees.Sub(a.before).Sub(a.settled).Sub(a.corrected)
}

// owed is what the provider may still take for requests that we witnessed, no more than it claims itself.
func (a *account) owed(fees, claim zg.Neuron, claimed bool) zg.Neuron {
	owed := a.unsettled(fees).Sub(a.unmatched)
	if claimed {
		owed = owed.Min(claim)
	}
	return owed
}

// drift is how far what the provider has taken and claims goes beyond what we witnessed; held are the bounds of the
// requests under way, which it may have counted already.
func (a *account) drift(fees, held, claim zg.Neuron) zg.Neuron {
	theirs := a.unmatched.Add(claim)
	return theirs.Sub(a.unsettled(fees)).Sub(a.carried).Sub(held)
}

// accept takes drift off: what was taken is matched with nothing any more, and what is only claimed may be taken, as
// long as the provider goes on claiming it.
func (a *account) accept(drift zg.Neuron) {
	taken := a.unmatched.Min(drift)
	a.unmatched = a.unmatched.Sub(taken)
	a.carried, a.lent = a.carried.Add(drift.Sub(taken)), a.lent.Add(drift.Sub(taken))
	a.accepted = a.accepted.Add(drift)
}

// lapse takes back an allowance for a mere claim that turned out not to be owed.
func (a *account) lapse(amount zg.Neuron) {
	amount = amount.Min(a.lent).Min(a.carried)
	a.lent, a.carried = a.lent.Sub(amount), a.carried.Sub(amount)
}

// excess is how far our estimates go beyond what the provider says is left to take. It means something only while no
// request is under way or just finished. What the provider may take for something else can only make it look smaller.
func (a *account) excess(fees, claim zg.Neuron) zg.Neuron {
	return a.unsettled(fees).Sub(a.unmatched).Sub(claim)
}

// due is one closed request that no debit was matched with.
type due struct {
	key       int64
	fee       zg.Neuron // recorded
	expected  zg.Neuron // what will be taken for it: the fee, unless that was corrected
	estimated bool      // and the provider's own figures have not been seen since
	closed    int64     // µs since 1970
	behind    bool      // an older one is a job under way, so that matching is not through with what is older yet
}

// matched is what matching decided about one request.
type matched struct {
	key     int64
	amount  zg.Neuron // taken, or expected to be
	settled bool      // else only corrected
}

// correct takes the provider's own figures for estimates, which are too high by so much in total: the oldest are
// lowered first.
func (a *account) correct(excess zg.Neuron, dues []due) []matched {
	var out []matched
	for i := range dues {
		d := &dues[i]
		if !d.estimated {
			continue
		}
		cut := excess.Min(d.expected)
		excess = excess.Sub(cut)
		a.corrected = a.corrected.Add(cut)
		d.expected, d.estimated = d.expected.Sub(cut), false
		out = append(out, matched{key: d.key, amount: d.expected})
	}
	return out
}

// release takes off what the provider neither takes nor claims any more of requests that were closed before the time
// aged: it deletes some by its own rules, and bills others to nobody. Exact or not, that ends what is due of them.
func (a *account) release(excess zg.Neuron, dues []due, aged int64) (out []matched) {
	for i := range dues {
		d := &dues[i]
		cut := excess.Min(d.expected)
		if cut.IsZero() || d.closed >= aged {
			continue
		}
		excess = excess.Sub(cut)
		a.corrected = a.corrected.Add(cut)
		d.expected = d.expected.Sub(cut)
		out = append(out, matched{key: d.key, amount: d.expected, settled: d.expected.IsZero()})
	}
	return out
}

// match settles requests, the oldest first, with what was taken, and returns those that are left.
//
// Estimates wait for the provider's own figures: matched at its bound, one would swallow what was taken for others. But
// a provider takes everything at once that it has not taken yet; so for a request that was closed long enough before a
// debit, which is before the time aged, nothing will be taken any more, and what is left of it is corrected away.
func (a *account) match(dues []due, aged int64) (out []matched, left []due) {
	for i, d := range dues {
		amount := d.expected
		if a.unmatched.Less(amount) || d.estimated {
			if d.closed >= aged {
				return out, dues[i:]
			}
			amount = amount.Min(a.unmatched)
			a.corrected = a.corrected.Add(d.expected.Sub(amount))
		}
		a.unmatched = a.unmatched.Sub(amount)
		a.settled = a.settled.Add(amount)
		if !d.behind {
			a.through = d.key
		}
		out = append(out, matched{key: d.key, amount: amount, settled: true})
	}
	return out, nil
}
