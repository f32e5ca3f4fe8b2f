package zg

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// TextForm is the shape of a signed text: "plain", "images", "centralized" or "model".
type TextForm string

// ByteForm is the form of an answer in which its bytes were found signed. All but the first denote the same JSON value
// as the bytes that were delivered; servers that re-serialise an answer after they signed it need them.
type ByteForm string

// The forms of an answer.
const (
	WireBytes     ByteForm = "wire"      // the body as it came
	ImageBytes    ByteForm = "images"    // the decoded images in it, each separately
	PythonDefault ByteForm = "pydefault" // what Python's json.dumps makes of the document by default
	PythonCompact ByteForm = "pycompact" // the same without white space, other than ASCII as it is
	JCS           ByteForm = "jcs"       // RFC 8785
)

// Judgement is what the signature of one answer showed.
type Judgement struct {
	Verdict  Verdict
	Code     string         // a stable cause; empty: an exact match of everything
	Signer   common.Address // who signed; zero: not known
	Expected common.Address // whose signature counts; zero: nobody's
	Form     TextForm       // of the signed text; empty: none was understood
	Bytes    ByteForm       // in which the response half matched; empty: it did not
	// ReencodedRequest says that not the bytes sent but their canonical form was signed.
	ReencodedRequest bool
	Text, Signature  PeerText // as the provider gave them; empty: it gave none
}

// CodeSignerChanged is the code of every judgement against another signer than the expected one: the chain names that
// one now, but the owner has not accepted it.
const CodeSignerChanged = "signer_changed"

// The codes of answers whose images were signed one by one, and which held more than these.
const (
	CodeUnsignedParts   = "unsigned_parts"   // it is still there
	CodeUnsignedRemoved = "unsigned_removed" // it was taken out before the answer was passed on
)

// Passes reports whether the answer is shown to be the signer's, and the signer is the expected one.
func (j Judgement) Passes() bool {
	return (j.Verdict == VerdictVerified || j.Verdict == VerdictResponse) && j.Code != CodeSignerChanged
}

// Sentence says in words for people what was shown and what was not. The provider of a centralized service relays to a
// cloud vendor: whatever it signs, it never shows which model answered.
func (j Judgement) Sentence(centralized bool) string {
	s := j.Verdict.Sentence()
	if centralized {
		switch j.Verdict {
		case VerdictVerified:
			s = "relay attested: the provider's TEE signer signed exactly this request and this answer as it relayed them; " +
				"that says nothing about which model answered"
		case VerdictResponse:
			s = "relay attested: the provider's TEE signer signed exactly this answer as it relayed it, but not the request; " +
				"that says nothing about which model answered"
		default:
		}
	}
	if why := causes[j.Code]; why != "" {
		s += "; " + why
	}
	return s
}

// Explained reports whether there is a sentence about a code.
func Explained(code string) bool { return causes[code] != "" }

// causes says for each code what it adds to the verdict.
var causes = map[string]string{
	"request_reencoded": "the request was signed in the form in which providers re-serialise it",
	"request_differs":   "the request was signed in a form that is not known, so it is not shown which request this answers",
	"request_not_kept":  "the request was signed in another form than it was sent in and was not kept, so it is not shown which request this answers",
	CodeUnsignedRemoved: "its pictures were signed, and what else the answer held was not and was taken out",
	"seen_before":       "the same was signed for an earlier request, as happens where the same request gets the same answer",

	CodeSignerChanged:    "the signer is not the accepted one, but the chain names it now",
	"signer_unconfirmed": "another signer than the accepted one signed it, and the chain could not be asked whether that is the provider's new one",
	"answer_replayed":    "an answer that has an id of its own came twice, or one that was signed for another request",

	"unknown_text":       "the signed text has no known form",
	"incomplete":         "the answer was not read to its end",
	"response_rewritten": "the model's own enclave signed before the provider changed the answer",
	CodeUnsignedParts:    "its pictures were signed, and what else the answer holds was not",
	"images_not_seen":    "the signature is over images that were not part of the answer",
	"job_ended":          "the job has ended meanwhile, and the signature is over how it ended",

	"bad_signature":     "it is not a valid signature",
	"wrong_signer":      "an unknown signer signed it, which the chain does not name either",
	"unknown_scheme":    "the signed text is of a scheme that was not used",
	"form_mismatch":     "this kind of provider does not sign such texts",
	"model_mismatch":    "it was signed for another model",
	"routing_mismatch":  "the provider names another cloud vendor than the one that it signed",
	"response_mismatch": "what was signed is not this answer",

	"service_unsigned": "the service does not sign its answers, or its signer is not acknowledged on chain",
	"job":              "a job was begun, and providers sign nothing until it is done",
	"direct_endpoint":  "it came from an endpoint of the owner's, which signs nothing",
	"no_key":           "the answer did not say where its signature is kept",

	"no_signature": "the signature did not come in time",
	"fetch_failed": "the provider could not be asked for it or gave something else",
	"bad_key":      "the name under which the provider says it keeps it cannot be asked for",
	"queue_full":   "too many answers were waiting",
	"shutdown":     "zgproxy stopped first",
	"expired":      "zgproxy was stopped for longer than providers keep signatures",
	"timeout":      "it was not known in time whether the answer may be passed on",
}

// ReceiptVersion is that of AnswerReceipt's form.
const ReceiptVersion = 1

// AnswerReceipt is the record of one exchange that can be checked by anybody, later and without a network: it holds no
// content. Digests are SHA-256, as 64 lower-case hexadecimal digits.
type AnswerReceipt struct {
	Version     int         `json:"version"`
	ID          string      `json:"id"`                     // of the request
	ChatID      string      `json:"chat_id,omitempty"`      // the answer's own id
	SignatureID string      `json:"signature_id,omitempty"` // under which the provider kept the signature
	At          time.Time   `json:"at"`
	Network     string      `json:"network,omitempty"`
	ChainID     uint64      `json:"chain_id,omitempty"`
	Provider    string      `json:"provider"`
	Route       string      `json:"route"`
	Type        ServiceType `json:"service_type"`
	Model       string      `json:"model"`
	Stream      bool        `json:"stream"`
	Centralized bool        `json:"centralized,omitempty"` // the provider relays to a cloud vendor: the relay is attested, not the model
	Complete    bool        `json:"complete"`              // the answer was read to its end

	RequestSHA256  string   `json:"request_sha256,omitempty"` // of the bytes sent
	RequestBytes   int64    `json:"request_bytes"`
	ResponseSHA256 string   `json:"response_sha256,omitempty"` // of the body as it came
	ResponseBytes  int64    `json:"response_bytes"`
	ImagesSHA256   []string `json:"images_sha256,omitempty"` // of the decoded images, in order

	Verdict          Verdict    `json:"verdict,omitempty"`
	VerdictCode      string     `json:"verdict_code,omitempty"`
	VerdictAt        *time.Time `json:"verdict_at,omitempty"`
	Signer           string     `json:"signer,omitempty"` // recovered from the signature
	Expected         string     `json:"expected_signer,omitempty"`
	SignedText       PeerText   `json:"signed_text,omitempty"`
	Signature        PeerText   `json:"signature,omitempty"`
	TextForm         TextForm   `json:"text_form,omitempty"`
	ByteForm         ByteForm   `json:"byte_form,omitempty"`
	ReencodedRequest bool       `json:"reencoded_request,omitempty"`

	Usage     *ReceiptUsage `json:"usage,omitempty"`
	PriceIn   Neuron        `json:"price_in_neuron"`
	PriceOut  Neuron        `json:"price_out_neuron"`
	Fee       *Neuron       `json:"fee_neuron,omitempty"`
	FeeBasis  FeeBasis      `json:"fee_basis,omitempty"`
	FeeReason string        `json:"fee_reason,omitempty"` // why it is an estimate, or that the provider told it
	Block     uint64        `json:"block,omitempty"`      // of the chain, at which provider, price and signer were read
	// ExpectedFee is what the provider's own figures come to, where they tell better than what was recorded and nothing
	// was taken yet. What was recorded stays.
	ExpectedFee *Neuron `json:"expected_fee_neuron,omitempty"`
	Settled     *Neuron `json:"settled_neuron,omitempty"` // taken on chain for it
	Settlement  string  `json:"settlement_tx,omitempty"`
	// Said is what headers of the answer said that are recorded and mean nothing else, NAME=VALUE, one a line. Nobody
	// vouches for it.
	Said string `json:"said,omitempty"`
}

// Cost is what the answer costs as far as it is known: what was taken for it, or else what is expected to be, or else
// what was recorded.
func (r *AnswerReceipt) Cost() *Neuron {
	switch {
	case r.Settled != nil:
		return r.Settled
	case r.ExpectedFee != nil:
		return r.ExpectedFee
	}
	return r.Fee
}

// ReceiptUsage is what an answer said it used.
type ReceiptUsage struct {
	InputTokens  uint64  `json:"input_tokens,omitempty"`
	OutputTokens uint64  `json:"output_tokens,omitempty"`
	CachedTokens uint64  `json:"cached_tokens,omitempty"`
	Images       uint64  `json:"images,omitempty"`
	Seconds      float64 `json:"seconds,omitempty"`
}
