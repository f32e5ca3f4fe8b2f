package route

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func TestTheDeadAreProbedNotHammered(t *testing.T) {
	for _, policy := range []Policy{Priority, Price, Latency, Balanced} {
		t.Run(string(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := testBoard(t, BoardConfig{Policy: policy})
				dead, x, y := offer("d", 1, 1), offer("e", 2, 2), offer("f", 2, 2)
				x.Priority, y.Priority = 1, 2
				asked := map[*Offer]int{}
				for range 10000 {
					var tried []*Offer
					for {
						l, err := b.Pick(t.Context(), b.Join(), []*Offer{dead, x, y}, tried)
						if err != nil {
							t.Fatalf("Pick: %v", err)
						}
						asked[l.Offer]++
						if l.Offer != dead {
							l.FirstByte(50 * time.Millisecond)
							l.Done(Succeeded, 0)
							break
						}
						l.Done(Failed, 0)
						tried = append(tried, l.Offer)
					}
					pass(5 * time.Millisecond)
				}
				if n := asked[dead]; n < fewestFails || n > 14 {
					t.Errorf("the dead one was asked %d times in 50 s, want a handful", n)
				}
				if (policy == Latency || policy == Balanced) && (asked[x] < 3000 || asked[y] < 3000) {
					t.Errorf("the others were asked %d and %d times, want both about equally", asked[x], asked[y])
				}
			})
		})
	}
}

// Many at once do not all go to the one that was quickest last.
func TestLoadSpreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBoard(t, BoardConfig{})
		offers := []*Offer{offer("a", 1, 1), offer("b", 1, 1), offer("c", 1, 1), offer("d", 1, 1)}
		for _, o := range offers {
			serve(t, b, 100*time.Millisecond, o)
		}
		count := map[*Offer]int{}
		for range 400 {
			count[pick(t, b, offers...).Offer]++
		}
		for _, o := range offers {
			if n := count[o]; n < 80 || n > 120 {
				t.Errorf("%s has %d of 400 requests under way, want about 100", o.Label, n)
			}
		}
	})
}

func TestPolicies(t *testing.T) {
	const ms = time.Millisecond
	type state struct {
		in, out   uint64
		priority  int
		endpoint  string
		firstByte time.Duration
		fails     int // of ten
		under     int // way
		unfunded  bool
		invalid   bool
	}
	for _, tc := range []struct {
		name   string
		policy Policy
		x, y   state // x has to be chosen
	}{
		{"priority: the owner's first", Priority, state{in: 9, firstByte: 900 * ms, fails: 2}, state{in: 1, priority: 1, firstByte: ms}},
		{"priority: an endpoint by its place", Priority, state{endpoint: "e", priority: 1}, state{priority: 2}},
		{"priority: of equals the provider", Priority, state{in: 5}, state{endpoint: "e"}},
		{"price: three of input for one of output", Price, state{in: 1, out: 6, firstByte: 900 * ms}, state{in: 2, out: 4, firstByte: ms}},
		{"price: of equals the quicker", Price, state{in: 1, out: 4, firstByte: 10 * ms}, state{in: 2, out: 1, firstByte: 20 * ms}},
		{"price: an endpoint's is not known", Price, state{in: 5, out: 5}, state{endpoint: "e"}},
		{"price: an endpoint that goes first", Price, state{endpoint: "e", priority: -1}, state{in: 5, out: 5}},
		{"latency: the quicker", Latency, state{in: 900, firstByte: 10 * ms}, state{in: 1, firstByte: 20 * ms}},
		{"latency: what was never tried", Latency, state{}, state{firstByte: 20 * ms}},
		{"balanced: the cheaper", Balanced, state{in: 1, out: 1, firstByte: 10 * ms}, state{in: 2, out: 2, firstByte: 10 * ms}},
		{"balanced: the cheaper though a bit slower", Balanced, state{in: 1, out: 1, firstByte: 100 * ms}, state{in: 2, out: 2, firstByte: 10 * ms}},
		{"balanced: the quicker though a bit dearer", Balanced, state{in: 11, out: 11, firstByte: 100 * ms}, state{in: 10, out: 10, firstByte: 500 * ms}},
		{"balanced: the more reliable", Balanced, state{in: 2, out: 2, firstByte: 10 * ms}, state{in: 1, out: 1, firstByte: 10 * ms, fails: 4}},
		{"balanced: the idler", Balanced, state{in: 1, firstByte: 10 * ms}, state{in: 1, firstByte: 10 * ms, under: 1}},
		{"balanced: the one that is funded", Balanced, state{in: 3, firstByte: 10 * ms}, state{in: 1, firstByte: 10 * ms, unfunded: true}},
		{"balanced: the one whose signatures match", Balanced, state{in: 3, firstByte: 10 * ms}, state{in: 1, firstByte: 10 * ms, invalid: true}},
		{"balanced: free or nearly", Balanced, state{firstByte: 10 * ms}, state{in: 1, firstByte: 10 * ms}},
		{"balanced: free is not worth any wait", Balanced, state{in: 1, firstByte: 10 * ms}, state{firstByte: 4000 * ms}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				poor := map[common.Address]bool{}
				b := testBoard(t, BoardConfig{Policy: tc.policy, Funded: func(p common.Address) bool { return !poor[p] }})
				make1 := func(name string, s state) *Offer {
					o := offer(name, s.in, s.out)
					if o.Priority = s.priority; s.endpoint != "" {
						o = &Offer{Service: zg.Service{Type: zg.Chatbot}, Model: "m", Allowed: true, Endpoint: s.endpoint, Label: "endpoint:" + s.endpoint, Priority: s.priority}
					}
					poor[o.Service.Provider] = s.unfunded
					if s.firstByte > 0 {
						for i := range 10 {
							l := pick(t, b, o)
							l.FirstByte(s.firstByte)
							if result := Succeeded; i%2 == 1 && i/2 < s.fails {
								l.Done(Failed, 0)
							} else {
								l.Done(result, 0)
							}
						}
					}
					for range s.under {
						pick(t, b, o)
					}
					if s.invalid {
						b.Verdict(o.Service.Provider, zg.VerdictInvalid)
					}
					return o
				}
				x, y := make1("a", tc.x), make1("b", tc.y)
				for i := range 20 {
					offers := []*Offer{x, y}
					if i%2 == 0 {
						offers = []*Offer{y, x}
					}
					e, err := b.Explain(tableOf(offers...), Query{Type: zg.Chatbot, Model: "m"})
					if err != nil || e.Candidates[0].Offer != x || e.Candidates[1].Offer != y {
						t.Fatalf("Explain = %+v, %v; want the first one to come first", e, err)
					}
					l := pick(t, b, offers...)
					if l.Offer != x {
						t.Fatalf("Pick %d chose the second, with x = %+v and y = %+v", i, b.Health(x), b.Health(y))
					}
					l.Done(Neutral, 0)
				}
			})
		})
	}
}

// tableOf is a table of offers that are there already.
func tableOf(offers ...*Offer) *Table {
	return &Table{kinds: indexes(offers), offers: offers}
}

// What was slow or failed once is forgotten by and by.
func TestOldMeasurementsFade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, slow, other := testBoard(t, BoardConfig{}), offer("a", 1, 1), offer("b", 1, 1)
		for range 20 {
			serve(t, b, 5*time.Second, slow)
		}
		pick(t, b, slow).Done(Failed, 0)
		low := b.Health(slow).SuccessRate
		tries := 0
		for range 1800 { // half an hour
			l := pick(t, b, slow, other)
			if l.Offer == slow {
				tries++
			}
			l.FirstByte(map[*Offer]time.Duration{slow: 5 * time.Second, other: 100 * time.Millisecond}[l.Offer])
			l.Done(Succeeded, 0)
			pass(time.Second)
		}
		if tries < 1 || tries > 10 {
			t.Errorf("the slow one was tried %d times in half an hour, want a few", tries)
		}
		if got := b.Health(slow).SuccessRate; got <= low || got > 1 {
			t.Errorf("its success rate is %g, was %g right after the failure", got, low)
		}
	})
}
