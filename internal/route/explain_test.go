package route

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// lines are an Explanation's candidates, one a line.
func lines(e Explanation) string {
	var out []string
	for _, c := range e.Candidates {
		mark := "+"
		if c.Out {
			mark = "-"
		}
		out = append(out, mark+" "+short(c.Label)+" "+c.Model+": "+c.Why)
	}
	return strings.Join(out, "\n")
}

func TestExplain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const million = 300_000_000_000
		third, fourth := common.HexToAddress("0x5"), common.HexToAddress("0x6")
		dir := &zg.Directory{Services: []zg.Service{
			service(cheap, zg.Chatbot, "echo-1", million, 480_000_000_000), service(dear, zg.Chatbot, "echo-1", 2*million, 2*million),
			service(multi, zg.Chatbot, "Echo-1", 3*million, 3*million), service(rogue, zg.Chatbot, "echo-1", 1, 1), service(third, zg.Chatbot, "echo-1", 1, 1),
			service(fourth, zg.Chatbot, "echo-1", million, million),
		}}
		at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
		table := Build(dir, nil, Options{
			Allowed: []common.Address{cheap, dear, multi, third, fourth}, Aliases: map[string]string{"gpt-4o": "echo-1"},
			Suspended: map[common.Address]zg.Suspension{third: {Provider: third, At: at, Reason: "another signer than the pinned one."}},
			Endpoints: []Endpoint{{ID: "local", Models: []string{"echo-1"}}},
		})
		poor := map[common.Address]bool{dear: true}
		b := testBoard(t, BoardConfig{Funded: func(p common.Address) bool { return !poor[p] }})
		q := Query{Model: "gpt-4o"}
		offers, err := table.Find(Query{Type: zg.Chatbot, Model: "gpt-4o"})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range offers {
			switch o.Service.Provider {
			case cheap:
				serve(t, b, 45*time.Millisecond, o)
				pick(t, b, o) // under way
				b.Verdict(cheap, zg.VerdictVerified)
				b.Verdict(cheap, zg.VerdictUnavailable)
				b.Verdict(cheap, zg.VerdictNotSigned)
			case fourth:
				for range 3 {
					pick(t, b, o).Done(Failed, 0)
				}
			}
		}
		e, err := b.Explain(table, q)
		if err != nil || e.Type != zg.Chatbot || e.Alias != "echo-1" || e.Policy != Balanced || e.Reason != "" || strings.Join(e.Resolved, " ") != "echo-1" {
			t.Errorf("Explain = %+v, %v", e, err)
		}
		want := `+ cheap echo-1: 0.3/0.48 0G per million in/out, 45 ms to the first byte, 100 % of recent requests succeeded, 1 under way, 50 % of its answers not shown to be its own
+ dear echo-1: 0.6/0.6 0G per million in/out, not tried yet, its sub-account is too low
+ endpoint:local echo-1: a direct endpoint, neither paid by zgproxy nor verified, not tried yet
- ` + fourth.Hex() + ` echo-1: 3 failures in a row; at 2000-01-01T00:00:00Z one request may show whether it is back
- ` + third.Hex() + ` echo-1: suspended since 2026-11-24T12:00:00Z: another signer than the pinned one
- rogue echo-1: it is not one of ZGPROXY_PROVIDERS`
		if got := lines(e); got != want {
			t.Errorf("candidates:\n%s\nwant\n%s", got, want)
		}
		if c := e.Candidates[0]; c.Cost < 2.5 || c.Cost > 4 || c.Health.State != "ok" || c.Health.Verdicts[zg.VerdictVerified] != 1 {
			t.Errorf("the first candidate is %+v", c)
		}
		if c := e.Candidates[3]; c.Health.State != "down" || c.Health.Until == nil || !c.Health.Until.Equal(time.Now().Add(250*time.Millisecond)) {
			t.Errorf("the one that is down is %+v", c)
		}
		pass(time.Second)
		e, err = b.Explain(table, Query{Model: "echo-1", Pin: fourth.Hex()})
		if err != nil || len(e.Candidates) != 1 || e.Pin != fourth.Hex() || !strings.Contains(e.Candidates[0].Why, "the next request shows whether it is back") {
			t.Errorf("pinned to the one that may be back: %+v, %v", e, err)
		}

		// The error is Find's, and what there is is explained all the same.
		for name, want := range map[Query]struct {
			reason Reason
			lines  string
		}{
			{Model: "eko-1"}:                    {Unknown, ""},
			{Model: "echo-1", Pin: "nobody"}:    {NoPin, ""},
			{Model: "echo-1", Pin: rogue.Hex()}: {NotAllowed, "- rogue echo-1: it is not one of ZGPROXY_PROVIDERS"},
			{Model: "echo-1", Pin: third.Hex()}: {Suspended, "- " + third.Hex() + " echo-1: suspended since 2026-11-24T12:00:00Z: another signer than the pinned one"},
		} {
			e, err := b.Explain(table, name)
			if none, ok := errors.AsType[*NoOffer](err); !ok || none.Reason != want.reason || e.Reason != want.reason || lines(e) != want.lines {
				t.Errorf("Explain(%+v) = %+v, %v; want %+v", name, e, err, want)
			}
			if text, err := json.Marshal(e); err != nil || strings.Contains(string(text), "null") {
				t.Errorf("as JSON: %s, %v", text, err)
			}
		}
		if n := len(b.records); n != 2 {
			t.Errorf("%d records, want those of the two that were asked", n)
		}
	})
}

func TestWhatHoldsAProviderBackIsSaid(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(t *testing.T, b *Board, o *Offer)
		want string
	}{
		{"it does not know its model", func(t *testing.T, b *Board, o *Offer) {
			t.Helper()
			pick(t, b, o).Done(Unsupported, 0)
		}, "does not know this model; not asked again before 2000-01-01T01:00:00Z"},
		{"it refuses us", func(t *testing.T, b *Board, o *Offer) {
			t.Helper()
			pick(t, b, o).Done(Refused, 0)
		}, "refused us; not asked again before 2000-01-01T00:00:30Z"},
		{"it has enough to do", func(t *testing.T, b *Board, o *Offer) {
			t.Helper()
			pick(t, b, o).Done(Limited, time.Minute)
		}, "enough to do; left alone until 2000-01-01T00:01:00Z"},
		{"its requests at a time", func(t *testing.T, b *Board, o *Offer) {
			t.Helper()
			pick(t, b, o)
			pick(t, b, o).Done(Crowded, 0)
		}, "1 under way, and it takes no more at a time"},
		{"its requests a minute", func(t *testing.T, b *Board, o *Offer) {
			t.Helper()
			o.Limits.RequestsPerMinute = 1
			pick(t, b, o)
		}, "its limit of 1 a minute is used up until 2000-01-01T00:01:00Z"},
		{"its remainder", func(t *testing.T, b *Board, o *Offer) {
			t.Helper()
			pick(t, b, o).Allowance(Allowance{Limit: 3})
		}, "its limit on requests is used up until 2000-01-01T00:00:20Z"},
		{"a probe", func(t *testing.T, b *Board, o *Offer) {
			t.Helper()
			for range 3 {
				pick(t, b, o).Done(Failed, 0)
			}
			pass(time.Second)
			pick(t, b, o)
		}, "3 failures in a row; a request is under way that shows whether it is back"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, o := testBoard(t, BoardConfig{}), offer("a", 1, 1)
				tc.do(t, b, o)
				e, err := b.Explain(tableOf(o), Query{Type: zg.Chatbot, Model: "m"})
				if err != nil || len(e.Candidates) != 1 || !e.Candidates[0].Out || !strings.Contains(e.Candidates[0].Why, tc.want) {
					t.Errorf("Explain = %+v, %v; want %q", e, err, tc.want)
				}
			})
		})
	}
}

func TestExplainFindsTheType(t *testing.T) {
	dir := testDirectory()
	dir.Services = append(dir.Services, service(multi, zg.TextToImage, "echo-1", 0, 1), service(multi, zg.Embedding, "vector-1", 1, 0), service(multi, zg.SpeechToText, "hear-1", 5, 1))
	table := Build(dir, nil, Options{Allowed: everybody, Endpoints: []Endpoint{{ID: "local", Models: []string{"tiny", "vector-1"}}}})
	b := testBoard(t, BoardConfig{Policy: Priority})
	for model, want := range map[string]struct {
		kind zg.ServiceType
		why  string
	}{
		"paint-1":  {zg.TextToImage, "place 1 in the owner's order, 0.000000000000000007 0G an image, not tried yet"},
		"vector-1": {zg.Embedding, "place 0 in"},
		"hear-1":   {zg.SpeechToText, "0.000000000000000005 0G a second"},
		"echo-1":   {zg.Chatbot, "place 0 in"},
		"tiny":     {zg.Chatbot, "a direct endpoint"},
	} {
		e, err := b.Explain(table, Query{Model: model})
		if err != nil || e.Type != want.kind || !strings.Contains(e.Candidates[0].Why, want.why) {
			t.Errorf("Explain(%s) = %+v, %v; want %+v", model, e, err, want)
		}
	}
	if e, err := b.Explain(table, Query{Model: "nothing"}); err == nil || e.Type != zg.Chatbot {
		t.Errorf("Explain(nothing) = %+v, %v", e, err)
	}
}
