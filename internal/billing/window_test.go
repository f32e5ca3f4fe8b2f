package billing

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// A provider steals in the very time in which a settlement is expected to be claimed still, again and again, whatever
// it claims meanwhile: it takes what is owed and claims it on, takes some more before the watched time is over, drops
// its claim and raises it. As soon as it has taken more than was witnessed nothing is moved to it any more. So what it
// can steal in all is what is in the sub-account when it begins to.
func TestTheftWhileASettlementIsWatched(t *testing.T) {
	caught, watched := 0, 0
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			n := newNetwork(t)
			n.set(alice, "3")
			n.claim("0")
			s := openStore(t, t.TempDir())
			k, stop := n.run(s, KeeperConfig{DriftTolerance: og(t, "0.01")}, alice)
			advance(time.Minute)
			locked := func() (l zg.Neuron) {
				n.with(func() { l = n.accounts[alice].Balance })
				return l
			}
			taken, fees := zg.Neuron{}, zg.Neuron{}
			take := func(amount zg.Neuron) {
				there := locked()
				amount = amount.Min(there)
				taken = taken.Add(amount)
				n.set(alice, there.Sub(amount).Og())
			}
			tenths := func(least, n int) zg.Neuron { return zg.OneOG.MulDiv(uint64(least+random.IntN(n)), 10) }
			var before zg.Neuron // in the sub-account when more was taken than was witnessed
			moved := 0
			for round := range 60 {
				if !fees.Less(taken) && locked().Sub(fees.Sub(taken)).Sub(zg.OneOG) != (zg.Neuron{}) {
					fee := tenths(1, 6)
					spend(t, s, fmt.Sprint(round), fee.Og())
					fees = fees.Add(fee)
				}
				advance(time.Minute) // what was spent is seen, and topped up
				due := fees.Sub(taken)
				there, made := locked(), n.moved()
				switch random.IntN(6) {
				case 0, 1:
					take(due)
					n.claim(due.Og()) // and claims it on
				case 2:
					take(due.MulDiv(1, 2))
					n.claim(due.Add(tenths(0, 5)).Og())
				case 3:
					n.claim(due.Add(tenths(0, 9)).Og())
				case 4:
					n.claim("0")
				case 5:
					if round > 10 {
						more := due.Add(tenths(0, 8))
						take(more)
						n.claim(more.Og()) // as if all of it were under way
					}
				}
				// One look sees it, or several, and at times the watched time is just not over.
				advance([]time.Duration{time.Minute, 3 * time.Minute, settlementTime - 20*time.Second}[random.IntN(3)])
				if !k.View().Providers[alice].Watched.IsZero() {
					watched++
				}
				switch stolen := fees.Less(taken); {
				case stolen && before.IsZero():
					before, moved = there, made // not even the look that sees it moves anything
					if n.moved() != made {
						t.Errorf("seed %d, round %d: it was topped up after %s were stolen", seed, round, taken.Sub(fees).Og())
					}
					if r := k.View().Providers[alice]; r.DriftTaken != taken.Sub(fees) {
						t.Errorf("seed %d: %s were stolen, %s of it seen", seed, taken.Sub(fees).Og(), r.DriftTaken.Og())
					}
				case stolen && n.moved() != moved:
					t.Errorf("seed %d, round %d: %s 0G were stolen, and more was moved", seed, round, taken.Sub(fees).Og())
					moved = n.moved()
				}
			}
			if most := before; most.Less(taken.Sub(fees)) {
				t.Errorf("seed %d: %s 0G were stolen; there were %s when it began", seed, taken.Sub(fees).Og(), most.Og())
			}
			if !before.IsZero() {
				caught++
			}
			stopped(t, stop)
		})
	}
	if caught < 3 || watched < 15 {
		t.Errorf("%d thefts and %d looks at which a claim was watched: this shows nothing", caught, watched)
	}
}
