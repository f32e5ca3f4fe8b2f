package zg

import (
	"strings"
	"testing"
)

var allVerdicts = []Verdict{
	VerdictPending, VerdictVerified, VerdictResponse, VerdictSignerOnly, VerdictInvalid, VerdictReplayed, VerdictUnavailable, VerdictNotSigned,
}

func TestPasses(t *testing.T) {
	for _, v := range append(allVerdicts, "", "made-up") {
		for _, code := range []string{"", "request_reencoded", "request_differs", "seen_before", CodeSignerChanged} {
			want := (v == VerdictVerified || v == VerdictResponse) && code != CodeSignerChanged
			if got := (Judgement{Verdict: v, Code: code}).Passes(); got != want {
				t.Errorf("%s, %s: Passes = %v, want %v", v, code, got, want)
			}
		}
	}
}

// There is a sentence for each verdict and each code, and none calls a relay's model attested.
func TestSentence(t *testing.T) {
	seen := make(map[string]bool)
	for _, v := range allVerdicts {
		plain := Judgement{Verdict: v}.Sentence(false)
		if plain == "" || plain == Verdict("made-up").Sentence() || seen[plain] {
			t.Errorf("%s: Sentence = %q, want one of its own", v, plain)
		}
		seen[plain] = true
		for code, cause := range causes {
			if got := (Judgement{Verdict: v, Code: code}).Sentence(false); got != plain+"; "+cause {
				t.Errorf("%s, %s: Sentence = %q", v, code, got)
			}
		}
		relay := Judgement{Verdict: v}.Sentence(true)
		if (v == VerdictVerified || v == VerdictResponse) != strings.HasPrefix(relay, "relay attested: ") || strings.Contains(relay, "model attested") {
			t.Errorf("%s: Sentence of a relay = %q", v, relay)
		}
	}
	if got := (Judgement{Verdict: VerdictVerified}).Sentence(true); !strings.HasSuffix(got, "says nothing about which model answered") {
		t.Errorf("Sentence of a verified relay = %q", got)
	}
	if got := (Judgement{Verdict: VerdictVerified, Code: "made_up"}).Sentence(false); got != VerdictVerified.Sentence() {
		t.Errorf("Sentence with an unknown code = %q", got)
	}
	for code, cause := range causes {
		if !Explained(code) || strings.HasSuffix(cause, ".") || strings.ToLower(cause[:1]) != cause[:1] {
			t.Errorf("%s: %q does not fit behind a semicolon", code, cause)
		}
	}
}
