package proxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/billing"
)

func TestWhatSoundSaysItCosts(t *testing.T) {
	for _, tt := range []struct {
		values  []string
		seconds float64
		seen    bool
	}{
		{nil, 0, false},
		{[]string{""}, 0, false},
		{[]string{"1.6"}, 1.6, true},
		{[]string{`"1.6"`}, 1.6, true},
		{[]string{" 2 "}, 2, true},
		{[]string{"0"}, 0, true},
		{[]string{"1e400"}, 1 << 53, true}, // above any bound
		{[]string{strings.Repeat("9", 5000)}, 1 << 53, true},
		{[]string{"-1"}, 0, false},
		{[]string{"NaN"}, 0, false},
		{[]string{"+Inf"}, 0, false},
		{[]string{"infinity"}, 0, false},
		{[]string{"0x10"}, 0, false},
		{[]string{"0x1p4"}, 0, false},
		{[]string{"1_0"}, 0, false},
		{[]string{"1.6s"}, 0, false},
		{[]string{"1.6", "1.6"}, 0, false},
		{[]string{"1.6, 1.6"}, 0, false},
	} {
		var out billing.Outcome
		h := http.Header{toldFee: {"17"}}
		if tt.values != nil {
			h[http.CanonicalHeaderKey("X-0G-Audio-Duration-Seconds")] = tt.values
		}
		audioOutcome(&out, h)
		if u := out.Usage; u.Seen != tt.seen || u.BySeconds != tt.seen || u.Seconds != tt.seconds {
			t.Errorf("%.30q: %+v", tt.values, u)
		}
		if !out.Told.Seen || out.Told.Bad || out.Told.Fee.String() != "17" {
			t.Errorf("told %+v", out.Told)
		}
	}
	var out billing.Outcome
	audioOutcome(&out, http.Header{http.CanonicalHeaderKey("X-0G-Fee"): {"1", "2"}})
	if !out.Told.Seen || !out.Told.Bad {
		t.Errorf("told twice: %+v", out.Told)
	}
}
