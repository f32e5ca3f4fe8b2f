// Package attest says what a provider's response signature shows about one answer: whether the key that the chain names
// signed these very bytes. Check is a pure function; Queue fetches signatures beside the request path and hands each
// result to whoever records it.
//
// It never delays an answer of itself (Judge waits as long as its caller lets it), never believes an address that a
// provider states, and knows nothing of the hardware behind a key: of a quote it reads the signer's name. Whoever
// builds a Queue runs its loop with Run. Nothing is durable here: what is still waiting when a process is killed has no
// verdict, and what was signed before is known again only as far as Remember is told.
package attest

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Exchange is one answered request, as far as its signature is concerned.
type Exchange struct {
	RequestID string
	At        time.Time // when the answer was given, for whoever takes the result
	Provider  common.Address
	BaseURL   string         // of the provider
	Model     string         // the provider's own id, as it was sent
	Type      zg.ServiceType // tells image services, whose signatures are over images instead of the body
	ResKey    string         // what the signature is found under; empty: the answer carried no key

	Signer      common.Address // whose signature counts: the signer that the owner accepted
	Signed      bool           // the service signs its answers at all
	Separated   bool           // the model's own enclave signs, before the provider has rewritten the answer
	Centralized bool           // the provider relays to a cloud vendor and signs which one

	Stream         bool   // the answer is a stream, which no server re-serialises
	Request        []byte // the bytes sent, not to be changed any more; nil: not kept
	Response       []byte // the whole body as delivered, not to be changed either; nil: not kept
	RequestSHA256  [32]byte
	ResponseSHA256 [32]byte   // of the body as it came over the wire
	Images         [][32]byte // digests of the decoded images, in order, if the answer held any
	Extras         bool       // the answer holds more than the images that a client may show
	Removed        bool       // it does, and that is taken out before anybody gets it where only the images were signed
	Complete       bool       // the answer was read to its end
}

// Result is what a signature showed.
type Result = zg.Judgement

// The stable short causes of results. They are stored and may be counted. An exact match of everything has none.
const (
	CodeReencoded = "request_reencoded" // verified: the signer signed the canonical form of the request that was sent

	// verified or response-verified: the images were signed, and what else the answer held was not and was taken out
	CodeUnsignedRemoved = zg.CodeUnsignedRemoved

	CodeRequestDiffers = "request_differs"  // response-verified: the request was signed in a form that is not known
	CodeNotKept        = "request_not_kept" // response-verified: not as sent, and the request was not kept to try its other forms

	// verified or response-verified: the same was signed for an earlier request, as it may be where equal requests have
	// equal answers
	CodeSeenBefore = "seen_before"

	// any verdict about a signature: judged against the signer that the chain names now instead of the expected one
	CodeSignerChanged = zg.CodeSignerChanged

	CodeReplayed = "answer_replayed" // replayed: the same was signed for an earlier request, and no two answers are alike

	CodeUnknownText = "unknown_text"       // signer-only: the signed text has no known form
	CodeIncomplete  = "incomplete"         // signer-only: not all of the answer was seen
	CodeRewritten   = "response_rewritten" // signer-only: the model's enclave signed before the provider rewrote the answer
	CodeNoImages    = "images_not_seen"    // signer-only: the signature is over images that were not part of the answer
	CodeExtras      = zg.CodeUnsignedParts // signer-only: the images were signed, and what else the answer holds was not
	CodeJobEnded    = "job_ended"          // signer-only: the signature is over how a job ended, not over the answer that began it

	CodeBadSignature     = "bad_signature"     // invalid: not a signature, or not in its one valid form
	CodeWrongSigner      = "wrong_signer"      // invalid: somebody else signed, and the chain has just been asked
	CodeUnknownScheme    = "unknown_scheme"    // invalid: the text is of a scheme that this exchange did not use
	CodeFormMismatch     = "form_mismatch"     // invalid: this kind of provider does not sign such texts
	CodeModelMismatch    = "model_mismatch"    // invalid: signed for another model
	CodeRoutingMismatch  = "routing_mismatch"  // invalid: the reply names another vendor than the signed text
	CodeResponseMismatch = "response_mismatch" // invalid: not these bytes

	CodeUnsigned = "service_unsigned" // not-signed: the service does not sign, or nobody vouches for its signer
	CodeNoKey    = "no_key"           // not-signed: the answer carried no key

	CodeNoSignature = "no_signature"       // unavailable: it did not come in time
	CodeFetchFailed = "fetch_failed"       // unavailable: the provider gave something else, or must not be asked
	CodeBadKey      = "bad_key"            // unavailable: the key cannot be part of a URL
	CodeUnconfirmed = "signer_unconfirmed" // unavailable: somebody else signed, and the chain could not be asked whether that is the new signer
	CodeQueueFull   = "queue_full"         // unavailable: too many others were waiting
	CodeShutdown    = "shutdown"           // unavailable: the process ended first
	CodeExpired     = "expired"            // unavailable: the process ended first, and the provider no longer keeps the signature
	CodeTimeout     = "timeout"            // unavailable: whoever waited for the verdict did so no longer
)
