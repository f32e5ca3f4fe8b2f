package zg

import (
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Directory is every service registered on chain, read at one block. A Directory is never changed once published, so
// readers share it without locks.
type Directory struct {
	Block    uint64
	ReadAt   time.Time // zero: never read
	Services []Service
	// Structs are as of Holdings.
	Structs map[string]int `json:",omitempty"`
}

// ServiceOf finds a provider's service in a list.
func ServiceOf(services []Service, provider common.Address) (Service, bool) {
	i := slices.IndexFunc(services, func(s Service) bool { return s.Provider == provider })
	if i < 0 {
		return Service{}, false
	}
	return services[i], true
}

// Model is one entry of a provider's live catalogue (GET {url}/v1/models).
type Model struct {
	ID, CanonicalID, Name string
	Type                  ServiceType
	Price                 Price
	Priced                bool // false: the catalogue named no price, the on-chain price holds
	ContextLength         uint64
	MaxCompletionTokens   uint64
	ExpiresAt             time.Time
	Limits                RateLimits
}

// RateLimits is what a provider says it takes from one wallet. Zero: not said.
type RateLimits struct {
	RequestsPerMinute, TokensPerMinute, ImagesPerMinute uint64
}

// Catalog is what one provider says it serves. It is the provider's word, not the chain's.
type Catalog struct {
	Provider common.Address
	ReadAt   time.Time
	Models   []Model
}
