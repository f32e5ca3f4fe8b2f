package zg

import "time"

// Refusal classifies why a provider did not serve a request. It is the bounded set used for retries and metrics.
type Refusal string

// The classes of refusal, read from status and text of a provider's error.
const (
	RefusalNone            Refusal = ""
	RefusalSessionExpired  Refusal = "session_expired"      // mint a new token and retry once
	RefusalSessionRevoked  Refusal = "session_revoked"      // re-read the account's generation, mint, retry once
	RefusalSessionFuture   Refusal = "session_future"       // the provider's cached generation is behind; wait up to 10 minutes
	RefusalSession         Refusal = "session_invalid"      // any other refusal of the token: our fault or a wrong provider address
	RefusalNoAccount       Refusal = "no_account"           // the provider sees no sub-account
	RefusalNotAcknowledged Refusal = "not_acknowledged"     // the user has not acknowledged the provider's signer
	RefusalSigner          Refusal = "signer_not_vouched"   // the contract owner has not acknowledged the signer
	RefusalBalance         Refusal = "insufficient_balance" // the sub-account is below the provider's gate
	RefusalModel           Refusal = "model_not_supported"  // never retry: five of these ban the wallet for an hour
	RefusalEndpoint        Refusal = "endpoint_not_supported"
	RefusalModelExpired    Refusal = "model_expired"
	RefusalBanned          Refusal = "wallet_banned" // too many unknown models
	RefusalRate            Refusal = "rate_limited"
	RefusalConcurrency     Refusal = "too_many_concurrent"
	RefusalTokenBudget     Refusal = "token_budget_exceeded"
	RefusalTooLarge        Refusal = "request_too_large"
	RefusalBusy            Refusal = "provider_busy"  // 503
	RefusalUpstream        Refusal = "upstream_error" // any other 5xx
	RefusalRequest         Refusal = "bad_request"    // any other 4xx: the caller's fault
)

// RefusalRounding is what the amounts of a refusal may be off by: providers round them to six decimals of 0G.
var RefusalRounding = NeuronOf(1_000_000_000_000)

// RefusalDetail is what could be learned from the text of a refusal.
type RefusalDetail struct {
	Class      Refusal
	Message    string        // the provider's own words, if it could be read; may be empty
	RetryAfter time.Duration // 0: not said
	// Inner says that the words are about the inside of the provider (its database, its RPC server), not for callers.
	Inner bool
	// Doubtful says of RefusalUpstream that the failure may be about the request after all, so that it is no evidence
	// against the provider.
	Doubtful bool
	// Of RefusalBalance: what the provider demands and the three parts of it, rounded by the provider to 6 decimals of 0G.
	Required, Reserve, Unsettled, RequestFee Neuron
}
