package zg

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// TextForm is the shape of a signed text: "plain", "images", "centralized" or "model".
type TextForm string

// ByteForm is the form of an answer in which its bytes were found signed. All but the first denote the same JSON value
// as the bytes that were delivered; servers that encode an answer anew after they signed it need them.
type ByteForm string

// The forms of an answer.
const (
	WireBytes     ByteForm = "wire"      // the body as it came
	ImageBytes    ByteForm = "images"    // the decoded images in it, each by itself
	PythonDefault ByteForm = "pydefault" // what Python's json.dumps makes of the document by default
	PythonCompact ByteForm = "pycompact" // likewise without white space, other than ASCII as it is
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
	Text, Signature  string // as the provider gave them; empty: it gave none
}

// ReceiptVersion is that of AnswerReceipt's form.
const ReceiptVersion = 1

// AnswerReceipt is the record of one exchange that can be checked by anybody, later and without a network: it holds no content.
// Digests are SHA-256, as 64 lower-case hexadecimal digits.
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
	SignedText       string     `json:"signed_text,omitempty"`
	Signature        string     `json:"signature,omitempty"`
	TextForm         TextForm   `json:"text_form,omitempty"`
	ByteForm         ByteForm   `json:"byte_form,omitempty"`
	ReencodedRequest bool       `json:"reencoded_request,omitempty"`

	Usage      *ReceiptUsage `json:"usage,omitempty"`
	PriceIn    Neuron        `json:"price_in_neuron"`
	PriceOut   Neuron        `json:"price_out_neuron"`
	Fee        *Neuron       `json:"fee_neuron,omitempty"`
	FeeBasis   FeeBasis      `json:"fee_basis,omitempty"`
	Block      uint64        `json:"block,omitempty"` // of the chain, at which provider, price and signer were read
	Settled    *Neuron       `json:"settled_neuron,omitempty"`
	Settlement string        `json:"settlement_tx,omitempty"`
}

// ReceiptUsage is what an answer said it used.
type ReceiptUsage struct {
	InputTokens  uint64  `json:"input_tokens,omitempty"`
	OutputTokens uint64  `json:"output_tokens,omitempty"`
	CachedTokens uint64  `json:"cached_tokens,omitempty"`
	Images       uint64  `json:"images,omitempty"`
	Seconds      float64 `json:"seconds,omitempty"`
}
