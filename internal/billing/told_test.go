package billing

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// What a provider says it charges is recorded to the neuron where that is within the bound, and compared with its
// usage.
func TestToldFees(t *testing.T) {
	n := zg.NeuronOf
	tests := []struct {
		name    string
		told    []string
		seconds float64 // below zero: not told
		highest bool
		status  int // 0: 200
		fee     zg.Neuron
		basis   zg.FeeBasis
		reason  string
		outcome string
		claimed zg.Neuron
	}{
		{name: "none", seconds: 1.6, fee: n(20), basis: zg.FeeExact},
		{name: "as the length has it", told: []string{"20"}, seconds: 1.6, fee: n(20), basis: zg.FeeExact, reason: ReasonTold, outcome: "booked"},
		{name: "no length", told: []string{"20"}, seconds: -1, fee: n(20), basis: zg.FeeExact, reason: ReasonTold, outcome: "booked"},
		{name: "less than the length has it", told: []string{"7"}, seconds: 1.6, fee: n(7), basis: zg.FeeExact, reason: ReasonToldDisagrees, outcome: "disagrees"},
		{name: "more than the length has it", told: []string{"33"}, seconds: 1.6, fee: n(33), basis: zg.FeeExact, reason: ReasonToldDisagrees, outcome: "disagrees"},
		{name: "nothing", told: []string{"0"}, seconds: 1.6, fee: n(0), basis: zg.FeeExact, reason: ReasonToldDisagrees, outcome: "disagrees"},
		{name: "the bound itself", told: []string{"2000"}, seconds: -1, fee: n(2000), basis: zg.FeeExact, reason: ReasonTold, outcome: "booked"},
		{name: "above the bound", told: []string{"2001"}, seconds: 1.6, fee: n(2000), basis: zg.FeeEstimated, reason: ReasonAboveBound, outcome: "above_bound", claimed: n(2001)},
		{name: "all the money there is", told: []string{strings.Repeat("9", 77)}, seconds: 1.6, fee: n(2000), basis: zg.FeeEstimated, reason: ReasonAbsurd, outcome: "above_bound", claimed: amountOfText(t, strings.Repeat("9", 77))},
		{name: "longer than sound gets", told: []string{"1200"}, seconds: 130, fee: n(1200), basis: zg.FeeExact, reason: ReasonTold, outcome: "booked"},
		{name: "below the highest price", told: []string{"7"}, seconds: 1.6, highest: true, fee: n(7), basis: zg.FeeExact, reason: ReasonTold, outcome: "booked"},
		{name: "above the highest price", told: []string{"21"}, seconds: 1.6, highest: true, fee: n(21), basis: zg.FeeExact, reason: ReasonToldDisagrees, outcome: "disagrees"},
		{name: "a refusal", told: []string{"20"}, seconds: 1.6, status: 400, basis: zg.FeeFree},

		{name: "words", told: []string{"much"}, seconds: 1.6, fee: n(20), basis: zg.FeeExact, reason: ReasonToldUnreadable, outcome: "unreadable"},
		{name: "below zero", told: []string{"-20"}, seconds: 1.6, fee: n(20), basis: zg.FeeExact, reason: ReasonToldUnreadable, outcome: "unreadable"},
		{name: "a fraction", told: []string{"20.5"}, seconds: 1.6, fee: n(20), basis: zg.FeeExact, reason: ReasonToldUnreadable, outcome: "unreadable"},
		{name: "an exponent", told: []string{"2e1"}, seconds: 1.6, fee: n(20), basis: zg.FeeExact, reason: ReasonToldUnreadable, outcome: "unreadable"},
		{name: "hexadecimal", told: []string{"0x14"}, seconds: 1.6, fee: n(20), basis: zg.FeeExact, reason: ReasonToldUnreadable, outcome: "unreadable"},
		{name: "empty", told: []string{""}, seconds: 1.6, fee: n(20), basis: zg.FeeExact, reason: ReasonToldUnreadable, outcome: "unreadable"},
		{name: "two in one", told: []string{"20, 20"}, seconds: 1.6, fee: n(20), basis: zg.FeeExact, reason: ReasonToldUnreadable, outcome: "unreadable"},
		{name: "twice", told: []string{"20", "20"}, seconds: 1.6, fee: n(20), basis: zg.FeeExact, reason: ReasonToldUnreadable, outcome: "unreadable"},
		{name: "more than 256 bits", told: []string{strings.Repeat("9", 78)}, seconds: 1.6, fee: n(20), basis: zg.FeeExact, reason: ReasonToldUnreadable, outcome: "unreadable"},
		{name: "digits without end", told: []string{strings.Repeat("1", 100_000)}, seconds: 1.6, fee: n(20), basis: zg.FeeExact, reason: ReasonToldUnreadable, outcome: "unreadable"},
		{name: "unreadable, and no length", told: []string{"?"}, seconds: -1, fee: n(2000), basis: zg.FeeEstimated, reason: ReasonNoUsage, outcome: "unreadable"},
		{name: "unreadable, at the highest price", told: []string{"?"}, seconds: 1.6, highest: true, fee: n(20), basis: zg.FeeEstimated, reason: ReasonHighestPrice, outcome: "unreadable"},
	}
	s := openStore(t, t.TempDir())
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			var log bytes.Buffer
			m := NewMeter(s, MeterConfig{Registerer: reg, Log: zerolog.New(&log)})
			for again := range 2 {
				o := order(fmt.Sprintf("%d-%d", i, again), alice)
				o.Type, o.Price, o.Bound = zg.AudioGeneration, zg.Price{Output: n(10), Highest: tt.highest}, n(2000)
				out := Outcome{Status: 200, Reached: true, Complete: true, Told: ReadToldFee(tt.told)}
				if tt.status > 0 {
					out.Status = tt.status
				}
				if tt.seconds >= 0 {
					out.Usage = zg.Usage{Seen: true, BySeconds: true, Seconds: tt.seconds}
				}
				want := Booking{Fee: tt.fee, Basis: tt.basis, Reason: tt.reason, Claimed: tt.claimed}
				if got := mustOpen(t, m, o).Close(out); got != want {
					t.Errorf("booked %+v, want %+v", got, want)
				}
				if err := s.Flush(); err != nil {
					t.Fatal(err)
				}
				r, ok, err := s.Receipt(t.Context(), o.ID)
				if err != nil || !ok || r.FeeReason != tt.reason || r.Fee == nil || *r.Fee != tt.fee {
					t.Errorf("receipt: %+v, %v; want where the fee comes from", r, err)
				}
			}
			want := ""
			if tt.outcome != "" {
				want = fmt.Sprintf("# HELP zgproxy_told_fees_total Answers that stated their fee in neuron, by what became of it: booked, disagrees (booked; the usage leads to another), above_bound, unreadable.\n"+
					"# TYPE zgproxy_told_fees_total counter\nzgproxy_told_fees_total{outcome=%q,provider=%q} 2\n", tt.outcome, alice.Hex())
			}
			if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "zgproxy_told_fees_total"); err != nil {
				t.Error(err)
			}
			lines := 0
			if tt.outcome != "" && tt.outcome != "booked" {
				lines = 1
			}
			if got := strings.Count(log.String(), "logged once"); got != lines {
				t.Errorf("logged %d times, want %d: %s", got, lines, log.String())
			}
		})
	}
}

func amountOfText(t *testing.T, s string) zg.Neuron {
	t.Helper()
	n, err := zg.ParseNeuron(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
