package zg

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The page has the table that the code decides by, line for line.
func TestCoverageIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/verification.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, r := range CoverageTable() {
		var types, formats []string
		for _, k := range r.Types {
			types = append(types, string(k))
		}
		for _, f := range r.Formats {
			if f == "" {
				formats = append(formats, "none")
				continue
			}
			formats = append(formats, "`"+f+"`")
		}
		asked := strings.Join(types, ", ")
		if r.Path != "" {
			asked += " at `" + r.Path + "`"
		}
		if r.Job {
			asked += " as a job"
		}
		instead := ""
		if r.Instead != "" {
			instead = "`" + r.Instead + "`"
		}
		which := strings.Join(formats, ", ")
		if which == "" {
			which = "any other"
		}
		fmt.Fprintf(&want, "| %s | %s | %s | %s | %s | never | %s |\n", asked, which, r.Own, r.Model, r.Relay, instead)
	}
	if !strings.Contains(string(page), want.String()) {
		t.Errorf("docs/verification.md does not have this table:\n%s", want.String())
	}
}

func TestCoverage(t *testing.T) {
	for _, tc := range []struct {
		kind    ServiceType
		job     bool
		format  string
		own     Coverage
		instead string
	}{
		{Chatbot, false, "", Covered, ""},
		{Chatbot, true, "", NeverCovers, ""}, // nobody offers it
		{TextToImage, false, "", Covered, ""},
		{TextToImage, false, "url", NeverCovers, "b64_json"},
		{TextToImage, true, "b64_json", NeverCovers, ""},
		{ImageEditing, false, "URL", NeverCovers, "b64_json"},
		{SpeechToText, false, "verbose_json", Covered, ""},
		{SpeechToText, false, "srt", NeverCovers, "json"},
		{SpeechToText, false, "what comes next", NeverCovers, "json"},
		{AudioGeneration, false, "", NeverCovers, ""},
		{"something new", false, "", NeverCovers, ""},
	} {
		r := CoverageOf(tc.kind, "", tc.job, tc.format)
		if r.By(OwnEnclave) != tc.own || r.Instead != tc.instead || r.By(NoEnclave) != NeverCovers || r.Never() != (tc.own == NeverCovers) {
			t.Errorf("%s, job %t, %q: %+v", tc.kind, tc.job, tc.format, r)
		}
	}
	for path, want := range map[string]Coverage{"/v1/chat/completions": Covered, "/v1/messages": NeverCovers} {
		if r := CoverageOf(Chatbot, path, false, ""); r.By(ModelEnclave) != want || r.By(OwnEnclave) != Covered || r.By(RelayEnclave) != Covered || r.Never() {
			t.Errorf("%s: %+v", path, r)
		}
	}
	separate := ServiceInfo{TargetSeparated: true}
	relay := ServiceInfo{TargetSeparated: true, ProviderType: "centralized"}
	for _, tc := range []struct {
		s    Service
		want bool
	}{
		{Service{Type: SpeechToText}, true},
		{Service{Type: SpeechToText, Info: separate}, false},
		{Service{Type: SpeechToText, Info: relay}, true},
		{Service{Type: Chatbot, Info: separate}, true},
		{Service{Type: Chatbot, Info: ServiceInfo{ProviderType: "standard"}}, false},
		{Service{Type: VideoGeneration}, false},
	} {
		tc.s.Verifiability, tc.s.TEESigner, tc.s.TEESignerAcknowledged = "TeeML", [20]byte{1}, true
		if got := tc.s.Verifiable(); got != tc.want {
			t.Errorf("%s of a service %q: %t, want %t", tc.s.Type, tc.s.Info.Enclave(), got, tc.want)
		}
	}
}
