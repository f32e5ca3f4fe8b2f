package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/chain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

func ogs(tb testing.TB, s string) zg.Neuron {
	tb.Helper()
	n, err := zg.ParseOg(s)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// holding is a wallet with 100 0G, 10 of them in its ledger, of which 4 are in one sub-account; refunds of 0.1 0G wait in it
// for so many hours each.
func holding(tb testing.TB, hours ...int) (*accountReport, common.Address) {
	tb.Helper()
	p := common.HexToAddress("0xa48f01287233509FD694a22Bf840225062E67836")
	r := &accountReport{
		Wallet: admin.Address{Address: common.HexToAddress("0x11")}, Balance: money(ogs(tb, "90")), Ledger: &ledgerReport{Available: money(ogs(tb, "6")), Total: money(ogs(tb, "10"))},
		Minimums: minimumsReport{money(ogs(tb, "3")), money(ogs(tb, "1"))}, LockTime: 86400, MaxGas: zg.NeuronOf(1_000_000_000),
	}
	sub := subReport{Provider: admin.Address{Address: p}, Exists: true, Allowed: true, Registered: true, Vouched: true, Acknowledged: true, Locked: money(ogs(tb, "4"))}
	for _, h := range hours {
		sub.Refunds = append(sub.Refunds, refundReport{Amount: money(ogs(tb, "0.1")), Wait: int64(h) * 3600})
		sub.PendingRefund = money(sub.PendingRefund.Neuron.Add(ogs(tb, "0.1")))
	}
	sub.Locked = money(ogs(tb, "4").Sub(sub.PendingRefund.Neuron))
	r.Accounts = []subReport{sub}
	return r, p
}

func retrieveOne(r *accountReport, p common.Address) (step, error) {
	steps, err := planRetrieve(r, p)
	if err != nil {
		return step{}, err
	}
	return steps[0], nil
}

func TestPlans(t *testing.T) {
	vouched := func(p common.Address) providerReport {
		return providerReport{Provider: admin.Address{Address: p}, Registered: true, Vouched: true}
	}
	for name, tt := range map[string]struct {
		hours []int
		plan  func(r *accountReport, p common.Address) (step, error)
		code  string // of the refusal
		says  string // in it, or in the step
	}{
		"all but the gas": {nil, func(r *accountReport, _ common.Address) (step, error) { return planDeposit(r, ogs(t, "90"), false) }, codeNotEnough, "not enough"},
		"hardly enough for gas": {nil, func(r *accountReport, _ common.Address) (step, error) {
			return planDeposit(r, ogs(t, "89.9999"), false)
		}, "", "may not be enough for the gas"},
		"first deposit": {nil, func(r *accountReport, _ common.Address) (step, error) {
			r.Ledger = nil
			return planDeposit(r, ogs(t, "3"), false)
		}, "", "0 → 3"},
		"first deposit too small": {nil, func(r *accountReport, _ common.Address) (step, error) {
			r.Ledger = nil
			return planDeposit(r, ogs(t, "2.99"), false)
		}, codeBelowMinimum, "at least 3 0G"},
		"fund": {nil, func(r *accountReport, p common.Address) (step, error) {
			return planFund(r, vouched(p), ogs(t, "2"), false)
		}, "", "4 → 6"},
		"fund too much": {nil, func(r *accountReport, p common.Address) (step, error) {
			return planFund(r, vouched(p), ogs(t, "6.5"), false)
		}, codeNotEnough, "zgproxy deposit 0.5"},
		"fund a draining": {[]int{3}, func(r *accountReport, p common.Address) (step, error) {
			return planFund(r, vouched(p), ogs(t, "6.1"), false)
		}, "", "6 → 0"},
		"fund without a vouched signer": {nil, func(r *accountReport, p common.Address) (step, error) {
			return planFund(r, providerReport{Provider: admin.Address{Address: p}, Registered: true}, ogs(t, "2"), false)
		}, "", "does not vouch"},
		"fund what stays too little": {nil, func(r *accountReport, p common.Address) (step, error) {
			r.Accounts[0].Owed = &amount{Neuron: ogs(t, "3.5")}
			return planFund(r, vouched(p), ogs(t, "0.5"), false)
		}, "", "only while about 1 0G"},
		"fund without a ledger": {nil, func(r *accountReport, p common.Address) (step, error) {
			r.Ledger = nil
			return planFund(r, vouched(p), ogs(t, "5"), false)
		}, codeNoLedger, "zgproxy deposit 5"},
		"fund itself": {nil, func(r *accountReport, _ common.Address) (step, error) {
			return planFund(r, vouched(r.Wallet.Address), ogs(t, "2"), true)
		}, codeUsage, "cannot be"},
		"retrieve": {nil, retrieveOne, "", "free in 24 h"},
		"retrieve what has become free, and the rest": {[]int{0, 5}, retrieveOne, "", "6 → 6.1"},
		"retrieve with five waiting":                  {[]int{5, 4, 3, 2, 6}, retrieveOne, codeRefunds, "next is free in 2 h"},
		"retrieve with five, one of them free":        {[]int{5, 4, 3, 0, 6}, retrieveOne, "", "paid out now"},
		"retrieve nothing": {nil, func(r *accountReport, p common.Address) (step, error) {
			r.Accounts[0].Locked = money(zg.Neuron{})
			return retrieveOne(r, p)
		}, codeNothing, "there is nothing"},
		"refund":                 {nil, func(r *accountReport, _ common.Address) (step, error) { return planRefund(r, ogs(t, "3"), false) }, "", "90 → 93"},
		"refund too much":        {nil, func(r *accountReport, _ common.Address) (step, error) { return planRefund(r, ogs(t, "6.5"), false) }, codeNotEnough, "retrieve --all"},
		"refund leaving a crumb": {nil, func(r *accountReport, _ common.Address) (step, error) { return planRefund(r, ogs(t, "5"), false) }, codeBelowMinimum, "at most 3 0G"},
		"refund leaving a crumb of little": {nil, func(r *accountReport, _ common.Address) (step, error) {
			r.Ledger.Available = money(ogs(t, "3"))
			return planRefund(r, ogs(t, "1"), false)
		}, codeBelowMinimum, "everything with --all"},
		"refund all": {nil, func(r *accountReport, _ common.Address) (step, error) { return planRefund(r, zg.Neuron{}, true) }, "", "stays open"},
		"refund the last": {nil, func(r *accountReport, _ common.Address) (step, error) {
			r.Ledger.Total = r.Ledger.Available
			return planRefund(r, zg.Neuron{}, true)
		}, "", "closes the ledger"},
		"acknowledge nobody": {nil, func(r *accountReport, _ common.Address) (step, error) {
			s, _, err := planAcknowledge(r, common.HexToAddress("0x22"))
			return s, err
		}, codeNoAccount, "zgproxy fund 0x"},
	} {
		t.Run(name, func(t *testing.T) {
			r, p := holding(t, tt.hours...)
			s, err := tt.plan(r, p)
			var text string
			if err == nil {
				text = strings.Join(append(s.notes, s.warnings...), "\n")
				for _, c := range s.changes {
					text += "\n" + c.Before.Og + " → " + c.After.Og
				}
				if s.maxGas.IsZero() || s.title == "" || s.from == "" || s.to == "" || s.order.Kind == "" {
					t.Errorf("the step says too little: %+v", s)
				}
			} else {
				refused := explain(err)
				text = refused.Message + "\n" + refused.Hint
				if refused.Code != tt.code {
					t.Errorf("code %q, want %q", refused.Code, tt.code)
				}
			}
			if (err == nil) != (tt.code == "") || !strings.Contains(text, tt.says) {
				t.Errorf("%v, saying %q; want %q and %q", err, text, tt.code, tt.says)
			}
		})
	}
}

func TestProgressSaysEverythingOnce(t *testing.T) {
	hash := func(n byte) common.Hash { return common.Hash{n} }
	var p progress
	var lines, waits []string
	for _, tx := range []admin.Transaction{
		{State: "signed", Nonce: 4, Versions: 1, Hash: hash(1)},
		{State: "signed", Nonce: 4, Versions: 1, Hash: hash(1), Trouble: "HTTP status 429"},
		{State: "signed", Nonce: 4, Versions: 1, Hash: hash(1), Sent: true},
		{State: "signed", Nonce: 4, Versions: 1, Hash: hash(1), Sent: true, Trouble: "HTTP status 429"},
		{State: "signed", Nonce: 4, Versions: 1, Hash: hash(1), Sent: true},
		{State: "signed", Nonce: 4, Versions: 2, Hash: hash(2), Sent: true},
		{State: "signed", Nonce: 4, Versions: 2, Hash: hash(1), Sent: true, Block: 9},
		{State: "signed", Nonce: 4, Versions: 2, Hash: hash(1), Sent: true, Block: 9, Depth: 2},
		{State: "signed", Nonce: 4, Versions: 2, Hash: hash(2), Sent: true, Block: 11, Depth: 3}, // the chain was reorganised
		{State: "mined", Nonce: 4, Versions: 2, Hash: hash(2), Sent: true, Block: 11},
	} {
		if line := p.next(tx); line != "" {
			word, _, _ := strings.Cut(line, " 0x")
			lines = append(lines, word)
		}
		waits = append(waits, p.waitsFor(10))
	}
	const deep = "waiting until it is 10 blocks deep"
	if d := cmp.Diff([]string{
		"sending", "trying again", "waiting for a block", "trying again", "waiting for a block", "waiting for a block", deep + ", 1 by now", deep + ", 2 by now", deep + ", 3 by now", deep + ", 3 by now",
	}, waits); d != "" {
		t.Errorf("what it waits for:\n%s", d)
	}
	if got, want := strings.Join(lines, "; "), "signed; it does not go on for now: HTTP status 429; zgproxy goes on trying; sent; not mined in time; signed again with higher fees:; mined in block 9; mined in block 11"; got != want {
		t.Errorf("progress = %q, want %q", got, want)
	}
}

func TestExplain(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code string
		exit int
	}{
		{fmt.Errorf("%w: %w", billing.ErrNotSigned, &chain.RevertError{Name: "LedgerNotExists", Hint: "deposit first"}), codeContract, exitRefused},
		{fmt.Errorf("%w: %w", billing.ErrNotSigned, chain.ErrFeeTooHigh), codeFeeTooHigh, exitRefused},
		{fmt.Errorf("%w: %w", billing.ErrNotSigned, zg.ErrInsufficientFunds), codeNotEnough, exitRefused},
		{fmt.Errorf("%w: %w", billing.ErrNotSigned, zg.ErrDecidedOtherwise), codeChanged, exitFailure},
		{billing.ErrForeignNonce, codeForeignNonce, exitFailure},
		{chain.ErrWrongNetwork, codeWrongNetwork, exitUsage},
		{fmt.Errorf("x: %w", chain.ErrRPC), codeRPC, exitFailure},
		{usageError{errors.New("x")}, codeUsage, exitUsage},
		{errors.New("x"), codeFailed, exitFailure},
	} {
		if p := explain(tt.err); p.Code != tt.code || exitStatus(p.Code) != tt.exit {
			t.Errorf("explain(%v) = %s, status %d; want %s, %d", tt.err, p.Code, exitStatus(p.Code), tt.code, tt.exit)
		}
	}
	if p := explain(&chain.RevertError{Name: "LedgerNotExists", Hint: "deposit first"}); p.Hint != "deposit first" || strings.Contains(p.Message, "deposit") {
		t.Errorf("the hint of a refusal is said twice, or not at all: %+v", p)
	}
	for state, code := range map[billing.EntryState]string{billing.EntryReverted: codeReverted, billing.EntrySuperseded: codeForeignNonce, billing.EntryCancelled: codeNotFinal} {
		if err := ended(&admin.Transaction{State: string(state)}); err == nil || explain(err).Code != code {
			t.Errorf("a transaction that ended %s: %v, want %s", state, err, code)
		}
	}
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "no time", 59*time.Second + 1: "60 s", time.Minute: "1 min", 119 * time.Minute: "119 min", 2 * time.Hour: "2 h", 22*time.Hour + 1: "23 h",
		48 * time.Hour: "2 days", 50*time.Hour + time.Second: "2 days 3 h",
	} {
		if got := inWords(d); got != want {
			t.Errorf("inWords(%v) = %q, want %q", d, got, want)
		}
	}
	for in, want := range map[string]string{
		"0": "0", "1.5": "1.5", "1.123456": "1.123456", "1.1234567": "1.123456…", "1.0000001": "1…", "0.0000001": "0.0000001", "100.100000000000000001": "100.1…",
	} {
		if got := short(ogs(t, in)); got != want {
			t.Errorf("short(%s) = %q, want %q", in, got, want)
		}
	}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"24h": now.Add(-24 * time.Hour), "7d": now.AddDate(0, 0, -7), "2026-11-01": time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), "2026-11-01T06:00:00Z": time.Date(2026, 11, 1, 6, 0, 0, 0, time.UTC),
	} {
		if got, err := parseMoment("since", in, now); err != nil || !got.Equal(want) {
			t.Errorf("parseMoment(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "-1h", "7", "d", "-7d", "99999999d", "2026-13-01"} {
		if got, err := parseMoment("since", in, now); err == nil {
			t.Errorf("parseMoment(%q) = %v, want an error", in, got)
		}
	}
}

func TestUsageTable(t *testing.T) {
	rows := []billing.Usage{
		{Day: "2026-11-01", Model: "qwen", Requests: 12, InputTokens: 3400, OutputTokens: 900, Fees: ogs(t, "0.002"), Booked: ogs(t, "0.002"), Estimated: 1, EstimatedFees: ogs(t, "0.0001")},
		{Day: "2026-11-02", Model: "a-longer-name", Requests: 1, Images: 3, Fees: ogs(t, "0.009"), Booked: ogs(t, "0.009")},
	}
	by := []string{"day", "model"}
	for _, tt := range []struct {
		shown bool
		want  string
	}{
		{false, `
  DAY         MODEL          REQUESTS    IN  OUT  IMAGES     0G             NEURON  EST
  2026-11-01  qwen                 12  3400  900       0  0.002   2000000000000000   5%
  2026-11-02  a-longer-name         1     0    0       3  0.009   9000000000000000   0%
  total                            13  3400  900       3  0.011  11000000000000000   1%
`},
		{true, `
  DAY         MODEL          REQUESTS    IN  OUT  IMAGES     0G             NEURON  EST
  2026-11-01  qwen                 12  3400  900       0  0.002   2000000000000000   5% ████
  2026-11-02  a-longer-name         1     0    0       3  0.009   9000000000000000   0% ████████████████████
  total                            13  3400  900       3  0.011  11000000000000000   1%
`},
	} {
		var out strings.Builder
		if err := writeUsageTable(console{out: &out, shown: tt.shown}, by, rows); err != nil {
			t.Fatal(err)
		}
		if got := "\n" + out.String(); got != tt.want {
			t.Errorf("shown %v:%s\nwant:%s", tt.shown, got, tt.want)
		}
	}
	var out strings.Builder
	cut := []billing.Usage{{Day: "2026-11-01", Model: "qwen", Requests: 1, Fees: ogs(t, "0.002"), Booked: ogs(t, "0.05")}}
	if err := writeUsageTable(console{out: &out}, by, cut); err != nil || !strings.Contains(out.String(), "NEURON  BOOKED\n") ||
		!strings.Contains(out.String(), "2000000000000000    0.05\n") {
		t.Errorf("where the provider's figures tell better than what was booked (%v):\n%s", err, out.String())
	}
	out.Reset()
	if err := writeUsageCSV(&out, by, rows[:1]); err != nil {
		t.Fatal(err)
	}
	if want := "day,model,requests,open,free,estimated,input_tokens,cached_tokens,output_tokens,images,seconds,fees_neuron,fees_0g,estimated_fees_neuron,booked_fees_neuron\n" +
		"2026-11-01,qwen,12,0,0,1,3400,0,900,0,0,2000000000000000,0.002,100000000000000,2000000000000000\n"; out.String() != want {
		t.Errorf("CSV:\n%s\nwant:\n%s", out.String(), want)
	}
}
