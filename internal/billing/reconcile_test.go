package billing

import (
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// books is a store with requests of one provider, and what that provider does on chain.
type books struct {
	*Store
	tb    testing.TB
	meter *Meter
	next  int
	block uint64
	quick bool      // checks at the end only
	held  zg.Neuron // in the sub-account
	log   []zg.Settlement
	now   time.Time
}

func newBooks(tb testing.TB) *books {
	tb.Helper()
	s := openStore(tb, tb.TempDir())
	b := &books{Store: s, tb: tb, block: 10, held: og(tb, "100"), now: time.Now()}
	b.meter = NewMeter(s, MeterConfig{Now: func() time.Time { return b.now }})
	return b
}

// exact has a request closed whose answer says what it used; the fee is 13,620,000,000,000 neuron.
func (b *books) exact() string { return b.request(answered()) }

// estimated has one closed at its bound, because the answer broke off.
func (b *books) estimated() string { return b.request(Outcome{Status: 200, Reached: true}) }

func (b *books) request(out Outcome) string {
	b.tb.Helper()
	b.next++
	id := fmt.Sprintf("req-%d", b.next)
	mustOpen(b.tb, b.meter, order(id, alice)).Close(out)
	return id
}

// take is a debit by the provider.
func (b *books) take(amount zg.Neuron) {
	b.block++
	b.held = b.held.Sub(amount)
	b.log = append(b.log, zg.Settlement{Provider: alice, Amount: amount, Block: b.block, Tx: common.Hash{byte(b.block >> 8), byte(b.block)}})
}

// look matches what there is.
func (b *books) look(change func(*reading)) account {
	b.tb.Helper()
	b.block++
	r := reading{block: b.block, now: zg.Standing{Balance: b.held}, told: true, debits: b.log}
	if change != nil {
		change(&r)
	}
	all, err := b.settle(map[common.Address]reading{alice: r}, b.now)
	if err != nil {
		b.tb.Fatalf("settle: %v", err)
	}
	if !b.quick {
		check(b.tb, b.Store)
	}
	return all[alice]
}

func (b *books) fees() zg.Neuron { return b.Book().Provider(alice).Fees }

var fee = zg.NeuronOf(13_620_000_000_000)

func TestDebitsSettleTheOldest(t *testing.T) {
	b := newBooks(t)
	b.look(nil)
	first, second, third := b.exact(), b.exact(), b.exact()
	b.take(fee.Mul(2))
	a := b.look(nil)
	if a.owed(b.fees(), zg.Neuron{}, false) != fee || !a.unmatched.IsZero() {
		t.Errorf("owed %s, unmatched %s; want one fee and nothing", a.owed(b.fees(), zg.Neuron{}, false), a.unmatched)
	}
	tx := b.log[0].Tx.Hex()
	for id, want := range map[string]string{first: "settled", second: "settled", third: "closed"} {
		r := mustRecord(t, b.Store, id)
		if r.State != want || (want == "settled") != (r.Settled != nil && *r.Settled == fee && r.Settlement == tx) {
			t.Errorf("%s is %s, settled %v by %s; want %s", id, r.State, r.Settled, r.Settlement, want)
		}
	}
	// The same events again, in a wider range, count nothing twice.
	again := b.look(nil)
	if again.debited != fee.Mul(2) || again.settled != fee.Mul(2) {
		t.Errorf("seen again: debited %s, settled %s; want both 2 fees", again.debited, again.settled)
	}
	b.take(fee)
	if a = b.look(nil); !a.drift(b.fees(), zg.Neuron{}, zg.Neuron{}).IsZero() || !a.unsettled(b.fees()).IsZero() {
		t.Errorf("in the end %s is unsettled, drift %s; want nothing", a.unsettled(b.fees()), a.drift(b.fees(), zg.Neuron{}, zg.Neuron{}))
	}
}

// A request that is still open is older than those after it, so these wait.
func TestDebitsWaitForOpenRequests(t *testing.T) {
	b := newBooks(t)
	b.look(nil)
	slow := mustOpen(t, b.meter, order("slow", alice))
	b.exact()
	b.take(fee)
	if a := b.look(nil); a.unmatched != fee || !a.owed(b.fees(), zg.Neuron{}, false).IsZero() {
		t.Errorf("unmatched %s, owed %s; want one fee and nothing", a.unmatched, a.owed(b.fees(), zg.Neuron{}, false))
	}
	slow.Close(answered())
	b.take(fee)
	if a := b.look(nil); !a.unmatched.IsZero() || a.settled != fee.Mul(2) {
		t.Errorf("afterwards unmatched %s, settled %s; want nothing and 2 fees", a.unmatched, a.settled)
	}
}

func TestEstimatesAreCorrectedWhenTheProviderSaysSo(t *testing.T) {
	b := newBooks(t)
	b.look(nil)
	b.exact()
	id := b.estimated()
	b.exact()
	truth := zg.NeuronOf(777)
	claim := fee.Mul(2).Add(truth)
	a := b.look(func(r *reading) { r.claim, r.claimed = claim, true })
	if !a.corrected.IsZero() {
		t.Errorf("corrected %s while it was not quiet", a.corrected)
	}
	a = b.look(func(r *reading) { r.claim, r.claimed, r.quiet = claim, true, true })
	if got := a.unsettled(b.fees()); got != claim {
		t.Errorf("unsettled %s, want what the provider says, %s", got, claim)
	}
	b.take(claim)
	a = b.look(nil)
	if !a.unmatched.IsZero() || !a.unsettled(b.fees()).IsZero() {
		t.Errorf("unmatched %s, unsettled %s; want nothing", a.unmatched, a.unsettled(b.fees()))
	}
	if r := mustRecord(t, b.Store, id); r.State != "settled" || r.Settled == nil || *r.Settled != truth || *r.Fee != r.Bound {
		t.Errorf("the estimate is %s, settled for %v, fee %v; want settled for %s and the fee as booked", r.State, r.Settled, r.Fee, truth)
	}
}

func TestExactFeesAreNotCorrectedByAClaim(t *testing.T) {
	b := newBooks(t)
	b.look(nil)
	b.exact()
	a := b.look(func(r *reading) { r.claimed, r.quiet = true, true })
	if a.unsettled(b.fees()) != fee || !a.corrected.IsZero() {
		t.Errorf("unsettled %s, corrected %s; want one fee and nothing", a.unsettled(b.fees()), a.corrected)
	}
}

func TestDriftIsWhatGoesBeyondTheBook(t *testing.T) {
	b := newBooks(t)
	b.look(nil)
	b.exact()
	b.take(fee.Mul(5))
	a := b.look(nil)
	if got := a.drift(b.fees(), zg.Neuron{}, fee); got != fee.Mul(5) {
		t.Errorf("drift %s, want the 4 fees taken too many and the one claimed", got)
	}
	if got := a.drift(b.fees(), fee.Mul(2), zg.Neuron{}); got != fee.Mul(2) {
		t.Errorf("drift %s with two fees' worth of requests under way, want 2 fees", got)
	}
	if _, err := b.Accept(alice, Acceptance{Drift: fee.Mul(5)}); err != nil {
		t.Fatal(err)
	}
	b.exact()
	a = b.look(nil)
	if got := a.drift(b.fees(), zg.Neuron{}, fee.Mul(2)); !got.IsZero() || a.owed(b.fees(), zg.Neuron{}, false) != fee || a.accepted != fee.Mul(5) {
		t.Errorf("accepted: drift %s, owed %s, %+v; want no drift and the new fee", got, a.owed(b.fees(), zg.Neuron{}, false), a)
	}
	b.take(fee.Mul(3))
	a = b.look(nil)
	if got := a.drift(b.fees(), zg.Neuron{}, zg.Neuron{}); got != fee {
		t.Errorf("drift %s after one fee more than was accepted, want that", got)
	}
}

// What was owed when matching began is no drift, as far as the account could pay it.
func TestWhatWasOwedBefore(t *testing.T) {
	b := newBooks(t)
	b.held = fee.Mul(10)
	b.look(func(r *reading) { r.claim, r.claimed = zg.MaxNeuron, true })
	b.exact()
	b.take(fee.Mul(10))
	a := b.look(nil)
	if a.carried != fee || !a.unmatched.IsZero() || !a.unsettled(b.fees()).IsZero() {
		t.Errorf("carried %s, unmatched %s, unsettled %s; want our own fee settled and the rest taken off the allowance", a.carried, a.unmatched, a.unsettled(b.fees()))
	}
}

func TestRequestsTooOldAreNotWaitedFor(t *testing.T) {
	b := newBooks(t)
	b.look(nil)
	old := b.exact() // never taken: the provider forgot it
	b.now = b.now.Add(3 * time.Hour)
	b.exact()
	b.take(fee)
	// The old one is settled first: nobody can say which of the two the debit was for.
	a := b.look(nil)
	if mustRecord(t, b.Store, old).State != "settled" || a.unsettled(b.fees()) != fee {
		t.Fatalf("unsettled %s, want one fee", a.unsettled(b.fees()))
	}
	b.now = b.now.Add(3 * time.Hour)
	b.exact()
	b.take(zg.NeuronOf(5))
	if a = b.look(nil); a.corrected != fee.Sub(zg.NeuronOf(5)) || a.unsettled(b.fees()) != fee {
		t.Errorf("corrected %s, unsettled %s; want the rest of the request that is too old, and the new one", a.corrected, a.unsettled(b.fees()))
	}
	// A debit that empties the account took what there was; the rest is still wanted.
	b.now = b.now.Add(3 * time.Hour)
	b.take(b.held)
	b.held = zg.Neuron{}
	if a = b.look(nil); a.unsettled(b.fees()) != (zg.Neuron{}) || a.corrected != fee.Sub(zg.NeuronOf(5)) {
		t.Errorf("after a debit of everything: unsettled %s, corrected %s", a.unsettled(b.fees()), a.corrected)
	}
}

// A reorganisation moves a debit to another block, where other events are before it. That is the same debit.
func TestDebitMoves(t *testing.T) {
	b := newBooks(t)
	b.look(nil)
	b.exact()
	b.take(fee)
	b.look(nil)
	b.block++
	moved := b.log[0]
	moved.Block = b.block
	b.log = []zg.Settlement{moved}
	if a := b.look(nil); a.debited != fee || !a.unmatched.IsZero() {
		t.Errorf("debited %s, unmatched %s; want one fee and nothing", a.debited, a.unmatched)
	}
}

// Debits that a reorganisation undid are mined again by the same transactions, and count again: else the allowance for
// them would stay, and hide as much of a theft.
func TestDebitsUndoneAndMinedAgain(t *testing.T) {
	for name, tt := range map[string]struct{ from, to, amount uint64 }{ // debits of 1, 2 and 3 fees, from and to, and what they come to
		"the last": {2, 3, 3}, "the last two": {1, 3, 5}, "one in the middle": {1, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBooks(t)
			b.look(nil)
			for n := range uint64(3) {
				for range n + 1 {
					b.exact()
				}
				b.take(fee.Mul(n + 1))
				b.look(nil)
			}
			b.held = b.held.Add(fee.Mul(tt.amount))
			a := b.look(func(r *reading) { r.told, r.debits = false, nil })
			if a.debited != fee.Mul(6-tt.amount) || a.carried != fee.Mul(tt.amount) {
				t.Errorf("undone: debited %s, carried %s", a.debited, a.carried)
			}
			gone := b.log[tt.from:tt.to]
			for i := range gone {
				b.block++
				gone[i].Block = b.block
			}
			b.held = b.held.Sub(fee.Mul(tt.amount))
			a = b.look(nil)
			if a.debited != fee.Mul(6) || !a.carried.IsZero() || !a.unmatched.IsZero() || a.settled != fee.Mul(6) {
				t.Errorf("mined again: debited %s, carried %s, unmatched %s, settled %s; want six fees, nothing, nothing, six",
					a.debited, a.carried, a.unmatched, a.settled)
			}
			b.take(fee)
			if a = b.look(nil); a.drift(b.fees(), zg.Neuron{}, zg.Neuron{}) != fee {
				t.Errorf("what is taken for nothing afterwards is no drift: %+v", a)
			}
		})
	}
}

// Without events the balance tells of debits; what it takes back is no drift.
func TestBalanceTellsWhereEventsDoNot(t *testing.T) {
	b := newBooks(t)
	b.look(nil)
	b.exact()
	untold := func(r *reading) { r.told, r.debits = false, nil }
	b.held = b.held.Sub(fee.Mul(3))
	a := b.look(untold)
	if a.settled != fee || a.unmatched != fee.Mul(2) {
		t.Errorf("settled %s, unmatched %s; want 1 and 2 fees", a.settled, a.unmatched)
	}
	b.held = b.held.Add(fee.Mul(3)) // the chain was reorganised
	a = b.look(untold)
	if !a.unmatched.IsZero() || a.carried != fee || !a.debited.IsZero() {
		t.Errorf("undone: unmatched %s, carried %s, debited %s; want nothing, one fee, nothing", a.unmatched, a.carried, a.debited)
	}
	b.held = b.held.Sub(fee) // it is taken again
	a = b.look(untold)
	if !a.unmatched.IsZero() || !a.carried.IsZero() || a.debited != fee {
		t.Errorf("again: unmatched %s, carried %s, debited %s; want nothing, nothing, one fee", a.unmatched, a.carried, a.debited)
	}
	// A transfer of ours is not taken for a debit that was undone, and hides none.
	b.held = b.held.Add(og(t, "1")).Sub(fee)
	a = b.look(func(r *reading) { untold(r); r.ours = og(t, "1") })
	if a.unmatched != fee || a.debited != fee.Mul(2) {
		t.Errorf("beside a top-up: unmatched %s, debited %s; want one and two fees", a.unmatched, a.debited)
	}
	// Beside a refund nothing can be told.
	b.held = b.held.Sub(fee)
	a = b.look(func(r *reading) { untold(r); r.now.PendingRefund = fee })
	if a.debited != fee.Mul(2) {
		t.Errorf("beside a refund: debited %s, want no change", a.debited)
	}
}

// Matching goes on where more requests are due than fit into one transaction, and where a crash left it.
func TestMatchingInManySteps(t *testing.T) {
	b := newBooks(t)
	b.look(nil)
	const n = 2*duesAtOnce + 17
	for range n {
		b.exact()
	}
	b.take(fee.Mul(n))
	if a := b.look(nil); a.settled != fee.Mul(n) || !a.unmatched.IsZero() {
		t.Errorf("settled %s, unmatched %s; want all of it", a.settled, a.unmatched)
	}
}

// Whatever the order of requests, debits and claims: an honest provider is never said to have drifted, and in the end
// every neuron it took is matched.
func TestHonestProvidersNeverDrift(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBooks(t)
		b.quick = true
		b.look(func(r *reading) { r.claimed = true })
		var owed zg.Neuron // by the provider's own count
		honest := func(quiet bool) {
			a := b.look(func(r *reading) { r.claim, r.claimed, r.quiet = owed, true, quiet })
			if d := a.drift(b.fees(), zg.Neuron{}, owed); !d.IsZero() {
				rt.Fatalf("drift %s of an honest provider", d)
			}
		}
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0:
				b.exact()
				owed = owed.Add(fee)
			case 1:
				b.estimated()
				bound := order("", alice).Bound
				owed = owed.Add(bound.MulDiv(rapid.Uint64Range(0, 1000).Draw(rt, "of its bound"), 1000))
			case 2:
				if !owed.IsZero() {
					b.take(owed)
					owed = zg.Neuron{}
				}
			case 3:
				honest(false)
			case 4:
				honest(true)
			}
		}
		honest(true)
		if !owed.IsZero() {
			b.take(owed)
			owed = zg.Neuron{}
		}
		honest(true)
		a := b.look(nil)
		if !a.unmatched.IsZero() || !a.unsettled(b.fees()).IsZero() || a.settled != a.debited {
			rt.Fatalf("in the end unmatched %s, unsettled %s, settled %s of %s taken", a.unmatched, a.unsettled(b.fees()), a.settled, a.debited)
		}
	})
}
