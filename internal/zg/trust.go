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
	// Settler is the service's own signer on chain, with which the provider settles. It is Signer, unless the model has an
	// enclave of its own or the service signs nothing. Zero: not known, in a pin of an older store.
	Settler common.Address
	URL     string
	At      time.Time
}

// SameSigners reports whether two pins name the same signers, wherever the provider was.
func (p Pin) SameSigners(o Pin) bool {
	return p.Signer == o.Signer && p.Source == o.Source && p.Settler == o.Settler
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
	// Signer is, of SuspendedStranger, who signed the answer.
	Signer common.Address
}

// Outranks reports whether a suspension takes the place of an earlier one: an answer that does not match counts for
// more than one whose signer is not known, and that for more than a change on chain, which the owner may have given
// some grace.
func (s Suspension) Outranks(earlier Suspension) bool { return s.rank() > earlier.rank() }

func (s Suspension) rank() int {
	switch s.Code {
	case SuspendedInvalid:
		return 2
	case SuspendedStranger:
		return 1
	}
	return 0
}

// Shown reports that an answer showed it, so that there is no grace.
func (s Suspension) Shown() bool { return s.rank() > 0 }

// Why a provider is suspended.
const (
	SuspendedInvalid  = "invalid_answers"     // the signature of an answer did not match
	SuspendedStranger = "signer_unknown"      // an answer was signed by somebody whom the chain does not name
	SuspendedSigner   = "signer_changed"      // another signer than the pinned one
	SuspendedURL      = "url_changed"         // another address than the pinned one
	SuspendedUnacked  = "signer_not_accepted" // the contract's owner does not vouch for the signer: the provider waits
)

// WaitingFor says what a registered provider waits for, or "": until its signer is acknowledged it serves nobody.
func (s *Service) WaitingFor() string {
	if s.TEESignerAcknowledged {
		return ""
	}
	return WaitingForSigner
}

// WaitingForSigner says in words what a provider waits for that is SuspendedUnacked.
const WaitingForSigner = "the chain has not acknowledged its signer yet"

// PinOf reads the pin of a service as it is now.
func PinOf(s Service, at time.Time) Pin {
	p := Pin{Provider: s.Provider, URL: s.URL, Source: SourceService, Settler: s.TEESigner, At: at}
	p.Signer, _ = s.Signer()
	if p.Signer != (common.Address{}) && p.Signer != s.TEESigner {
		p.Source = SourceTarget
	}
	return p
}

// MayReturn reports whether a provider with this pin and suspension, which is empty where there is none, can come back
// by itself at a URL: nothing but a change of signer stands against it.
func (p Pin) MayReturn(url string, why Suspension) bool {
	none := common.Address{}
	return p.Provider != none && p.URL == url && (why.Provider == none || why.Code == SuspendedSigner)
}

// Against compares a pin with the service as it is now and returns why it would be suspended, or "".
func (p Pin) Against(s Service) string {
	signer, signs := s.Signer()
	switch {
	case !s.TEESignerAcknowledged: // it refuses everybody, whatever it signs
		return SuspendedUnacked
	case p.Signer != (common.Address{}) && (!signs || signer != p.Signer):
		return SuspendedSigner
	case p.Settler != (common.Address{}) && s.TEESigner != p.Settler:
		return SuspendedSigner
	case p.URL != s.URL:
		return SuspendedURL
	}
	return ""
}
