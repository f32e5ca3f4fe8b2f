package zg

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Pin is what a provider was when the owner began to use it, or accepted it last.
type Pin struct {
	Provider common.Address
	Signer   common.Address // whose signature counts; zero: the service signs nothing
	Source   string         // where the signer was read: SourceService or SourceTarget
	URL      string
	At       time.Time
}

// Where the signer of a service is named.
const (
	SourceService = "service" // the service's own signer on chain
	SourceTarget  = "target"  // TargetTeeAddress in the service's additional info: the model's own enclave
)

// Suspension says why a provider gets no new requests and no top-ups until the owner accepts it as it is now.
type Suspension struct {
	Provider  common.Address
	Code      string // stable, see the constants
	Reason    string // a sentence for people
	RequestID string // whose answer showed it; empty: the chain did
	At        time.Time
}

// Outranks reports whether a suspension takes the place of an earlier one: an answer that does not fit counts for more than
// a change on chain, which the owner may have given some grace.
func (s Suspension) Outranks(earlier Suspension) bool {
	return s.Code == SuspendedInvalid && earlier.Code != SuspendedInvalid
}

// Why a provider is suspended.
const (
	SuspendedInvalid = "invalid_answers"     // the signature of an answer did not fit
	SuspendedSigner  = "signer_changed"      // another signer than the pinned one
	SuspendedURL     = "url_changed"         // another address than the pinned one
	SuspendedUnacked = "signer_not_accepted" // the contract's owner no longer vouches for the signer
)

// PinOf reads the pin of a service as it is now.
func PinOf(s Service, at time.Time) Pin {
	p := Pin{Provider: s.Provider, URL: s.URL, Source: SourceService, At: at}
	p.Signer, _ = s.Signer()
	if p.Signer != (common.Address{}) && p.Signer != s.TEESigner {
		p.Source = SourceTarget
	}
	return p
}

// Against compares a pin with the service as it is now and returns why it would be suspended, or "".
func (p Pin) Against(s Service) string {
	signer, signs := s.Signer()
	switch {
	case p.Signer != (common.Address{}) && !s.TEESignerAcknowledged:
		return SuspendedUnacked
	case p.Signer != (common.Address{}) && (!signs || signer != p.Signer):
		return SuspendedSigner
	case p.URL != s.URL:
		return SuspendedURL
	}
	return ""
}
