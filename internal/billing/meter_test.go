package billing

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func TestMeterBooks(t *testing.T) {
	bound := order("", alice).Bound
	exact := Booking{Fee: zg.NeuronOf(13620000000000), Basis: zg.FeeExact}
	estimate := func(reason string) Booking { return Booking{Fee: bound, Basis: zg.FeeEstimated, Reason: reason} }
	free := Booking{Basis: zg.FeeFree}
	claimed := func(b Booking, claim zg.Neuron) Booking { b.Claimed = claim; return b }
	words := func(n uint64) Booking {
		return Booking{Fee: chatPrice.Output.Mul(n), Basis: zg.FeeEstimated, Reason: ReasonNoUsage}
	}
	cut := func(fee zg.Neuron) Booking {
		return Booking{Fee: fee, Basis: zg.FeeEstimated, Reason: ReasonTruncated}
	}
	dear := zg.Usage{Seen: true, InputTokens: 1000, OutputTokens: 1000}
	usage := zg.Usage{Seen: true, InputTokens: 31, OutputTokens: 9}
	floating := chatPrice
	floating.Floating = true
	absurd := zg.Usage{Seen: true, InputTokens: math.MaxUint64, OutputTokens: math.MaxUint64}
	tests := []struct {
		name   string
		price  zg.Price
		stream bool
		out    Outcome
		want   Booking
	}{
		{name: "answered", out: Outcome{Status: 200, Reached: true, Complete: true, Usage: usage}, want: exact},
		{
			name: "at a price in dollars", price: floating, out: Outcome{Status: 200, Reached: true, Complete: true, Usage: usage},
			want: Booking{Fee: exact.Fee, Basis: zg.FeeEstimated, Reason: ReasonFloatingPrice},
		},
		{name: "broke off after its usage", out: Outcome{Status: 200, Reached: true, Usage: usage}, want: exact},
		{name: "no usage", out: Outcome{Status: 200, Reached: true, Complete: true}, want: estimate(ReasonNoUsage)},
		{name: "words of a part", out: Outcome{Status: 200, Reached: true, Complete: true, Usage: zg.Usage{Words: 5}}, want: estimate(ReasonNoUsage)},
		{name: "all words", out: Outcome{Status: 200, Reached: true, Complete: true, Usage: zg.Usage{Words: 5, WordsCounted: true}}, want: words(5)},
		{name: "not a word", out: Outcome{Status: 200, Reached: true, Complete: true, Usage: zg.Usage{WordsCounted: true}}, want: words(0)},
		{name: "more words than the bound", out: Outcome{Status: 200, Reached: true, Complete: true, Usage: zg.Usage{Words: 1e6, WordsCounted: true}}, want: estimate(ReasonNoUsage)},
		{name: "words, and broke off", out: Outcome{Status: 200, Reached: true, Usage: zg.Usage{Words: 5, WordsCounted: true}}, want: estimate(ReasonTruncated)},
		{name: "stream cut, by words", stream: true, out: Outcome{Status: 200, Reached: true, Ended: true, Usage: zg.Usage{Words: 5, WordsCounted: true}}, want: cut(chatPrice.Output.Mul(5))},
		{name: "stream cut, by usage", stream: true, out: Outcome{Status: 200, Reached: true, Ended: true, Usage: usage}, want: cut(exact.Fee)},
		{name: "stream cut, above the bound", stream: true, out: Outcome{Status: 200, Reached: true, Ended: true, Usage: dear}, want: cut(bound)},
		{name: "stream cut, part of its words", stream: true, out: Outcome{Status: 200, Reached: true, Ended: true, Usage: zg.Usage{Words: 5}}, want: cut(bound)},
		{name: "stream and connection broke off", stream: true, out: Outcome{Status: 200, Reached: true, Usage: usage}, want: cut(bound)},
		{name: "above the bound", out: Outcome{Status: 200, Reached: true, Complete: true, Usage: dear}, want: claimed(estimate(ReasonAboveBound), zg.NeuronOf(780_000_000_000_000))},
		{name: "broke off", out: Outcome{Status: 200, Reached: true}, want: estimate(ReasonTruncated)},
		{name: "no answer", out: Outcome{Reached: true}, want: estimate(ReasonNoAnswer)},
		{name: "never reached", out: Outcome{}, want: free},
		{name: "refused", out: Outcome{Status: 429, Reached: true, Complete: true}, want: free},
		{name: "refused with usage", out: Outcome{Status: 500, Reached: true, Complete: true, Usage: usage}, want: free},
		{name: "absurd", price: zg.Price{Input: zg.MaxNeuron}, out: Outcome{Status: 200, Reached: true, Complete: true, Usage: absurd}, want: claimed(estimate(ReasonAbsurd), zg.MaxNeuron)},
	}
	s := openStore(t, t.TempDir())
	m := NewMeter(s, MeterConfig{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := order(tt.name, alice)
			o.Stream = tt.stream
			if tt.price.Input != (zg.Neuron{}) {
				o.Price = tt.price
			}
			if got := mustOpen(t, m, o).Close(tt.out); got != tt.want {
				t.Errorf("booked %+v, want %+v", got, tt.want)
			}
			r := mustRecord(t, s, tt.name)
			if (r.Claimed != nil) != !tt.want.Claimed.IsZero() || (r.Claimed != nil && *r.Claimed != tt.want.Claimed) {
				t.Errorf("the store has the claim %v, want %v", r.Claimed, tt.want.Claimed)
			}
			if r.State != "closed" || r.Fee == nil || *r.Fee != tt.want.Fee || r.Basis != tt.want.Basis || r.Reason != tt.want.Reason {
				t.Errorf("the store has %s, fee %v, %s (%s); want %+v", r.State, r.Fee, r.Basis, r.Reason, tt.want)
			}
		})
	}
}

// However many goroutines close a reservation, and with whatever outcome, it is recorded once.
func TestMeterClosesOnce(t *testing.T) {
	s := openStore(t, t.TempDir())
	reg := prometheus.NewRegistry()
	m := NewMeter(s, MeterConfig{Registerer: reg})
	for i := range 20 {
		r := mustOpen(t, m, order(fmt.Sprint(i), alice))
		var mu sync.Mutex
		seen := make(map[Booking]int)
		var wg sync.WaitGroup
		for j := range 8 {
			wg.Go(func() {
				out := answered()
				out.Usage.OutputTokens = uint64(j)
				b := r.Close(out)
				mu.Lock()
				defer mu.Unlock()
				seen[b]++
			})
		}
		wg.Wait()
		if len(seen) != 1 {
			t.Fatalf("eight closes returned %d different bookings: %v", len(seen), seen)
		}
		for b := range seen {
			if rec := mustRecord(t, s, fmt.Sprint(i)); rec.Fee == nil || *rec.Fee != b.Fee {
				t.Errorf("booked %v, stored %v", b.Fee, rec.Fee)
			}
		}
	}
	if sum := s.Book().Provider(alice); sum.Requests != 20 || sum.Open != 0 {
		t.Errorf("the book has %+v, want 20 requests", sum)
	}
}

func TestMeterRefusals(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	account := func(balance, pending string) zg.SubAccount {
		return zg.SubAccount{Balance: og(t, balance), PendingRefund: og(t, pending), Acknowledged: true}
	}
	view := func(pv ProviderView) KeeperView {
		pv.Reserve, pv.ReserveAt = zg.OneOG, start.Add(-5*time.Second)
		return KeeperView{ReadAt: start, Providers: map[common.Address]ProviderView{alice: pv}}
	}
	unlearned := func(pv ProviderView) KeeperView {
		v := view(pv)
		pv.Reserve, pv.ReserveAt = zg.OneOG, start.Add(-11*time.Second)
		v.Providers[alice] = pv
		return v
	}
	tests := []struct {
		name  string
		view  KeeperView
		bound zg.Neuron
		later time.Duration
		want  RefusalKind
		retry bool
		hint  string
	}{
		{name: "nothing known"},
		{name: "other provider known", view: KeeperView{ReadAt: start, Providers: map[common.Address]ProviderView{bob: {}}}},
		{name: "exactly 1 0G", view: view(ProviderView{Exists: true, Account: account("1", "0")})},
		{name: "one neuron less", view: view(ProviderView{Planned: true, Exists: true, Account: account("0.999999999999999999", "0")}), want: RefusedBalance, retry: true, hint: "top-up is expected"},
		{name: "less, and no refusal lately", view: unlearned(ProviderView{Exists: true, Account: account("0.5", "0")})},
		{name: "nothing, and no refusal lately", view: unlearned(ProviderView{Planned: true, Exists: true}), want: RefusedBalance, retry: true},
		{name: "less than it claims, and no refusal lately", view: unlearned(ProviderView{Planned: true, Exists: true, Account: account("0.5", "0"), Unsettled: og(t, "0.5"), UnsettledKnown: true}), want: RefusedBalance, retry: true},
		{name: "too old to say", view: view(ProviderView{Exists: true}), later: 2*time.Minute + 1},
		{name: "just not too old", view: view(ProviderView{Planned: true, Exists: true}), later: 2 * time.Minute, want: RefusedBalance, retry: true},
		{name: "unsettled fees count", view: view(ProviderView{Planned: true, Exists: true, Account: account("1.5", "0"), Unsettled: og(t, "0.500000000000000001"), UnsettledKnown: true}), want: RefusedBalance, retry: true},
		{name: "unknown fees do not", view: view(ProviderView{Exists: true, Account: account("1.5", "0"), Unsettled: og(t, "9")})},
		{name: "a refund under way does not count as balance", view: view(ProviderView{Exists: true, Account: account("5", "4.5"), Reason: refusalDraining}), want: RefusedBalance, hint: "refund"},
		{name: "no account", view: view(ProviderView{Reason: refusalAutoFund}), want: RefusedAccount, hint: "ZGPROXY_AUTO_FUND"},
		{name: "no account, being opened", view: view(ProviderView{Planned: true}), want: RefusedAccount, retry: true},
		{
			name: "too little, and nothing planned", want: RefusedBalance, hint: "zgproxy fund " + alice.Hex() + " 0.51",
			view: view(ProviderView{Exists: true, Account: account("2.5", "0"), Unsettled: og(t, "2.001"), UnsettledKnown: true}),
		},
		{
			name: "a settlement is under way", want: RefusedBalance, retry: true, hint: "settlement",
			view: view(ProviderView{Exists: true, Account: account("2.5", "0"), Unsettled: og(t, "2.001"), UnsettledKnown: true, Watched: og(t, "2")}),
		},
		{name: "absurd price", bound: zg.MaxNeuron, want: RefusedPrice},
		{name: "a price just as absurd", bound: og(t, "1000000000000"), want: RefusedPrice},
	}
	s := openStore(t, t.TempDir())
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			nudged := 0
			m := NewMeter(s, MeterConfig{
				View: func() KeeperView { return tt.view }, Nudge: func() { nudged++ }, Now: func() time.Time { return start.Add(tt.later) },
			})
			o := order(fmt.Sprint(i), alice)
			if !tt.bound.IsZero() {
				o.Bound = tt.bound
			}
			r, err := m.Open(t.Context(), o)
			if tt.want == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				r.Close(answered())
				return
			}
			var refused *Refused
			if !errors.As(err, &refused) || refused.Kind != tt.want {
				t.Fatalf("Open = %v, want a refusal of kind %s", err, tt.want)
			}
			if (refused.RetryAfter > 0) != tt.retry || !strings.Contains(refused.Hint, tt.hint) || refused.Message == "" {
				t.Errorf("refusal %+v; want retry %v and a hint with %q", refused, tt.retry, tt.hint)
			}
			if tt.want != RefusedPrice && nudged == 0 {
				t.Error("the keeper was not asked to look again")
			}
			if _, ok, err := s.Request(t.Context(), o.ID); ok || err != nil {
				t.Errorf("a refused request is in the store: %v, %v", ok, err)
			}
		})
	}
}

// What a video costs is not guessed where the unit of its price is not known.
func TestMeterRefusesUnknownUnits(t *testing.T) {
	s := openStore(t, t.TempDir())
	m := NewMeter(s, MeterConfig{})
	for i, tt := range []struct {
		kind  zg.ServiceType
		price zg.Price
		sent  bool
	}{
		{zg.VideoGeneration, zg.Price{Output: og(t, "0.1"), Unit: "video_frame"}, false},
		{zg.VideoGeneration, zg.Price{Output: og(t, "0.1"), Unit: "unread"}, false},
		{zg.VideoGeneration, zg.Price{Output: og(t, "0.1"), Unit: zg.UnitClip}, false}, // and no list of clips
		{zg.VideoGeneration, zg.Price{Output: og(t, "0.1"), Unit: zg.UnitSecond}, true},
		{zg.VideoGeneration, zg.Price{Output: og(t, "0.1")}, true},
		{zg.Chatbot, zg.Price{Output: og(t, "0.1"), Unit: "video_frame"}, true}, // a unit of video only
	} {
		o := order(fmt.Sprint(i), alice)
		o.Type, o.Price = tt.kind, tt.price
		r, err := m.Open(t.Context(), o)
		if tt.sent {
			if err != nil {
				t.Errorf("%s at %+v: %v", tt.kind, tt.price, err)
				continue
			}
			r.Close(answered())
			continue
		}
		var refused *Refused
		if !errors.As(err, &refused) || refused.Kind != RefusedUnit || !strings.Contains(refused.Message, string(tt.price.Unit)) {
			t.Errorf("%s at %+v: %v, want it refused for its unit", tt.kind, tt.price, err)
		}
	}
}

func TestMeterContextEnded(t *testing.T) {
	s := openStore(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := NewMeter(s, MeterConfig{})
	if _, err := m.Open(ctx, order("a", alice)); !errors.Is(err, context.Canceled) {
		t.Errorf("Open = %v, want the context's error", err)
	}
	if _, err := m.Recover(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Recover = %v, want the context's error", err)
	}
	if sum := s.Book().Provider(alice); sum != (Sum{}) {
		t.Errorf("the book has %+v, want nothing", sum)
	}
}

// Rows have different keys even when the clock stands still or goes back.
func TestMeterClock(t *testing.T) {
	s := openStore(t, t.TempDir())
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := NewMeter(s, MeterConfig{Now: func() time.Time { return now }})
	for i := range 5 {
		now = now.Add(-time.Duration(i) * time.Minute)
		o := order(fmt.Sprint(i), alice)
		o.At = now.Add(time.Hour) // not to be believed
		mustOpen(t, m, o).Close(answered())
	}
	var last time.Time
	for i := range 5 {
		r := mustRecord(t, s, fmt.Sprint(i))
		if !r.OpenedAt.After(last) {
			t.Errorf("request %d was opened at %v, not after %v", i, r.OpenedAt, last)
		}
		last = r.OpenedAt
	}
}

func TestMeterNudgesBelowMark(t *testing.T) {
	s := openStore(t, t.TempDir())
	fee := zg.NeuronOf(13620000000000)
	nudged := 0
	pv := ProviderView{Exists: true, Account: zg.SubAccount{Balance: og(t, "5")}, Headroom: fee.Mul(2)}
	m := NewMeter(s, MeterConfig{Nudge: func() { nudged++ }, View: func() KeeperView {
		return KeeperView{ReadAt: time.Now(), Providers: map[common.Address]ProviderView{alice: pv}}
	}})
	for i, want := range []int{0, 0, 1} {
		mustOpen(t, m, order(fmt.Sprint(i), alice)).Close(answered())
		if nudged != want {
			t.Fatalf("after %d requests nudged %d times, want %d", i+1, nudged, want)
		}
	}
	pv.Reason = refusalDrift
	mustOpen(t, m, order("more", alice)).Close(answered())
	if nudged != 1 {
		t.Error("nudged although the keeper knows and may not top up")
	}
}

func TestMeterMetrics(t *testing.T) {
	s := openStore(t, t.TempDir())
	reg := prometheus.NewRegistry()
	m := NewMeter(s, MeterConfig{Registerer: reg})
	out := answered()
	out.Usage.CachedTokens = 7
	low := order("above", alice)
	low.Bound = zg.NeuronOf(1)
	if b := mustOpen(t, m, low).Close(out); b.Fee != zg.NeuronOf(1) || b.Basis != zg.FeeEstimated {
		t.Errorf("a fee above the bound was booked as %+v, want the bound", b)
	}
	mustOpen(t, m, order("free", alice)).Close(Outcome{})
	want := fmt.Sprintf(`
# HELP zgproxy_fees_above_bound_total Requests whose fee was higher than the upper bound computed before they were sent.
# TYPE zgproxy_fees_above_bound_total counter
zgproxy_fees_above_bound_total 1
# HELP zgproxy_fees_neuron_total Fees recorded, in neuron (10^-18 0G), by what they were computed from.
# TYPE zgproxy_fees_neuron_total counter
zgproxy_fees_neuron_total{basis="estimated",model="qwen",provider="%[1]s"} 1
# HELP zgproxy_tokens_total Tokens that answers reported. Cached tokens are part of the input tokens.
# TYPE zgproxy_tokens_total counter
zgproxy_tokens_total{direction="cached",model="qwen",provider="%[1]s"} 7
zgproxy_tokens_total{direction="input",model="qwen",provider="%[1]s"} 31
zgproxy_tokens_total{direction="output",model="qwen",provider="%[1]s"} 9
`, alice.Hex())
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "zgproxy_fees_above_bound_total", "zgproxy_fees_neuron_total", "zgproxy_tokens_total"); err != nil {
		t.Error(err)
	}
}
