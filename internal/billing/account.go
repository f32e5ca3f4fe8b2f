package billing

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// account is where matching one provider's debits with our book stands. It is pure: it is told facts and does sums.
//
// Providers take their fees on chain, many requests at once, and do not say which. So debits settle the oldest closed
// requests, and two differences are kept apart: what was estimated too high is corrected once the provider's own figures
// show it, and what was taken beyond everything we witnessed is drift.
type account struct {
	provider common.Address
	block    uint64    // up to which debits are counted
	balance  zg.Neuron // at that block
	pending  zg.Neuron // on its way back to the ledger, at that block
	before   zg.Neuron // fees of requests from before matching began; they are not matched
	// carried is an allowance for what is not in the book: fees from before it began, and debits that a reorganisation of
	// the chain undid.
	carried   zg.Neuron
	debited   zg.Neuron // taken since the book began
	settled   zg.Neuron // of that: matched with requests
	corrected zg.Neuron // what requests were booked at above what was, or will be, taken for them
	unmatched zg.Neuron // taken, and no request to match it with yet
	// through is the key of a request: those up to it are settled, or were free.
	through  int64
	accepted zg.Neuron // drift that the owner has accepted
	reserve  zg.Neuron // what the provider said it wants left; zero: it never refused
	signer   common.Address
}

// locked is what the provider could count on at the account's block.
func (a *account) locked() zg.Neuron { return a.balance.Sub(a.pending) }

// debit counts an amount that was taken.
func (a *account) debit(amount zg.Neuron) {
	a.debited = a.debited.Add(amount)
	used := a.carried.Min(amount)
	a.carried = a.carried.Sub(used)
	a.unmatched = a.unmatched.Add(amount.Sub(used))
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

// unsettled is what the closed requests cost that no debit was matched with, less what was corrected. fees is the sum of
// all requests of this provider that are no longer open.
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
	ours := a.unsettled(fees).Add(a.carried).Add(held).Add(a.accepted)
	return theirs.Sub(ours)
}

// excess is how far our estimates go beyond what the provider says is left to take. It means something only while no
// request is under way or just finished.
func (a *account) excess(fees, claim zg.Neuron) zg.Neuron {
	return a.unsettled(fees).Add(a.carried).Sub(a.unmatched).Sub(claim)
}

// due is one closed request that no debit was matched with.
type due struct {
	key       int64
	fee       zg.Neuron // booked
	expected  zg.Neuron // what will be taken for it: the fee, unless that was corrected
	estimated bool
	closed    int64 // µs since 1970
}

// matched is what matching decided about one request.
type matched struct {
	key     int64
	amount  zg.Neuron // taken, or expected to be
	settled bool      // else only corrected
}

// correct lowers estimates, the oldest first, by what they are too high in total.
func (a *account) correct(excess zg.Neuron, dues []due) []matched {
	var out []matched
	for i := range dues {
		d := &dues[i]
		cut := excess.Min(d.expected)
		if !d.estimated || cut.IsZero() {
			continue
		}
		excess = excess.Sub(cut)
		a.corrected = a.corrected.Add(cut)
		d.expected = d.expected.Sub(cut)
		out = append(out, matched{key: d.key, amount: d.expected})
	}
	return out
}

// match settles requests, the oldest first, with what was taken. A provider takes everything at once that it has not taken
// yet; so a request that was closed long enough before a debit, which is before the time aged, will not be taken for any
// more, and what is left of it is corrected away.
func (a *account) match(dues []due, aged int64) []matched {
	var out []matched
	for _, d := range dues {
		amount := d.expected
		if a.unmatched.Less(amount) {
			if d.closed >= aged {
				break
			}
			amount = a.unmatched
			a.corrected = a.corrected.Add(d.expected.Sub(amount))
		}
		a.unmatched = a.unmatched.Sub(amount)
		a.settled = a.settled.Add(amount)
		a.through = d.key
		out = append(out, matched{key: d.key, amount: amount, settled: true})
	}
	return out
}
