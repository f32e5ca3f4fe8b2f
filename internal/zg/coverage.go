package zg

import "slices"

// Coverage is how far a provider's signature can cover an answer, as far as that is known before anything is sent.
type Coverage string

// The coverages.
const (
	Covered     Coverage = "yes"   // it signs such answers
	MayCover    Coverage = "some"  // some providers of this kind do, and only an answer shows which
	NeverCovers Coverage = "never" // what is paid for it can never be verified
)

// Enclave is where the key is that signs a provider's answers.
type Enclave string

// The enclaves.
const (
	OwnEnclave   Enclave = "own"         // the provider's, which holds the model too
	ModelEnclave Enclave = "model's"     // the model's, which the provider only passes answers on from
	RelayEnclave Enclave = "centralized" // the provider's, before a cloud vendor
	NoEnclave    Enclave = "standard"    // none
)

// Enclave tells which of them a service has.
func (i ServiceInfo) Enclave() Enclave {
	switch {
	case i.Standard():
		return NoEnclave
	case i.Centralized():
		return RelayEnclave
	case i.Separated():
		return ModelEnclave
	}
	return OwnEnclave
}

// CoverageRow is what can be verified of one kind of answer.
type CoverageRow struct {
	Types   []ServiceType
	Path    string   // of the request; empty: all that no earlier row has
	Job     bool     // what is begun, and comes later
	Formats []string // values of response_format, "" for none; nil: all that no earlier row has
	Own     Coverage
	Model   Coverage
	Relay   Coverage
	Instead string // the response_format to ask for instead; empty: there is none
}

// coverage is the one table of what can be verified, of which the first row that fits counts. docs/verification.md has
// it for people. Providers announce a key for what they sign themselves, and nothing that a separate enclave has signed
// is found but under an id in the answer: pictures, transcripts and decisions have none. Nobody has shown that a
// model's server signs answers in Anthropic's dialect under theirs, and what is paid for has to be known before.
var coverage = []CoverageRow{
	{Types: []ServiceType{TextToImage, ImageEditing, VideoGeneration}, Job: true, Own: NeverCovers, Model: NeverCovers, Relay: NeverCovers},
	{Types: []ServiceType{Chatbot}, Path: "/v1/messages", Own: Covered, Model: NeverCovers, Relay: Covered},
	{Types: []ServiceType{Chatbot}, Own: Covered, Model: Covered, Relay: Covered},
	{Types: []ServiceType{Embedding}, Own: Covered, Model: MayCover, Relay: Covered},
	{Types: []ServiceType{Decisions}, Own: Covered, Model: NeverCovers, Relay: Covered},
	{Types: []ServiceType{TextToImage, ImageEditing}, Formats: []string{"", "b64_json"}, Own: Covered, Model: NeverCovers, Relay: Covered},
	{Types: []ServiceType{TextToImage, ImageEditing}, Own: NeverCovers, Model: NeverCovers, Relay: NeverCovers, Instead: "b64_json"},
	{Types: []ServiceType{SpeechToText}, Formats: []string{"", "json", "verbose_json"}, Own: Covered, Model: NeverCovers, Relay: MayCover},
	{Types: []ServiceType{SpeechToText}, Own: NeverCovers, Model: NeverCovers, Relay: NeverCovers, Instead: "json"},
	{Types: []ServiceType{AudioGeneration, VideoGeneration}, Own: NeverCovers, Model: NeverCovers, Relay: NeverCovers},
}

// CoverageTable is all that can be asked for. Do not change it.
func CoverageTable() []CoverageRow { return coverage }

// CoverageOf finds the row for what is asked for, at a path of ours. What is not known is never covered.
func CoverageOf(kind ServiceType, path string, job bool, format string) CoverageRow {
	for _, r := range coverage {
		if r.Job == job && (r.Path == "" || r.Path == path) && slices.Contains(r.Types, kind) && (r.Formats == nil || slices.Contains(r.Formats, format)) {
			return r
		}
	}
	return CoverageRow{Own: NeverCovers, Model: NeverCovers, Relay: NeverCovers}
}

// By is how far the row's answers are covered by who has such an enclave.
func (r CoverageRow) By(e Enclave) Coverage {
	switch e {
	case OwnEnclave:
		return r.Own
	case ModelEnclave:
		return r.Model
	case RelayEnclave:
		return r.Relay
	case NoEnclave:
	}
	return NeverCovers
}

// Never reports whether nobody's signature covers it.
func (r CoverageRow) Never() bool {
	return r.Own == NeverCovers && r.Model == NeverCovers && r.Relay == NeverCovers
}

// Verifiable reports whether anything that the service answers can be verified.
func (s Service) Verifiable() bool {
	if _, signs := s.Signer(); !signs {
		return false
	}
	for _, r := range coverage {
		if slices.Contains(r.Types, s.Type) && r.By(s.Info.Enclave()) != NeverCovers {
			return true
		}
	}
	return false
}
