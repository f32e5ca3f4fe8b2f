// Package route decides which provider serves a request: it joins the on-chain directory, the providers' catalogues and
// the owner's direct endpoints into a table of model names, and keeps a board of how each of them has done lately.
//
// It does no I/O, starts nothing and keeps nothing on disk. A Table is immutable; a Board is shared by all tables that
// follow one another, and its methods may be called from any goroutine. Nothing here spends: what a request may cost is
// the meter's business.
package route

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Offer is one model of one provider, or of one direct endpoint: what a request can be sent to.
type Offer struct {
	Service       zg.Service // of a direct endpoint only Type, URL and Model
	Model         string     // the provider's own id for it, the only one that is ever sent
	Canonical     string     // the id that several providers share for the same model, or empty
	Price         zg.Price
	ContextLength uint64 // tokens; 0: not known
	MaxTokens     uint64 // most output tokens of one answer; 0: not known
	Limits        zg.RateLimits
	ExpiresAt     time.Time // from then on the provider refuses it; zero: not said
	Allowed       bool      // the owner consents to pay this provider, or has configured this endpoint
	Block         uint64    // of the chain, at which the service was read
	Signed        bool      // somebody's signature over its answers counts
	Verifiable    bool      // and there are answers of this type that such a signature can cover
	Suspension    *zg.Suspension
	Endpoint      string // id of the direct endpoint; empty: a provider of the network
	Label         string // provider address, or "endpoint:" and the id; for headers, metrics and logs
	Priority      int    // place in the owner's order, 0 first; below 0: a direct endpoint that comes before all providers
}

// Endpoint is a direct OpenAI-compatible endpoint of the owner's: unpaid by us and unverified.
type Endpoint struct {
	ID       string // without a slash, and not an address
	URL      string // base URL that ends in /v1 or the like, without a trailing slash
	Models   []string
	Priority int
}

// Options are the owner's decisions about providers.
type Options struct {
	Allowed   []common.Address // in the owner's order
	Suspended map[common.Address]zg.Suspension
	Enforce   bool              // what signs nothing gets no requests
	Aliases   map[string]string // further names of models: name → the model meant, or PIN/MODEL
	Endpoints []Endpoint
	Now       func() time.Time // nil: time.Now
}

// Query is what a request asks for.
type Query struct {
	Type  zg.ServiceType
	Model string // as the caller named it; empty: the only one there is
	// Pin is the one provider that may serve it: an address, or the id of an endpoint, with or without "endpoint:" before
	// it. Empty: any. A model written as PIN/MODEL pins too.
	Pin string
}
