package zg

const (
	// MaxSignedText is how long a signed text may be, in bytes. What is longer is none.
	MaxSignedText = 64 << 10
	// MaxSignedImages is how many images such a text can be over: each is 64 digits and a mark between it and the one
	// before.
	MaxSignedImages = MaxSignedText/65 - 1
)

// Signature is what a provider says about one answer: a text, and the signature over it. The address it names is a hint
// that is never believed; the signer is recovered from the signature.
type Signature struct {
	Text               PeerText `json:"text"`
	Signature          PeerText `json:"signature"`
	SigningAddress     PeerText `json:"signing_address"`
	SigningAlgo        PeerText `json:"signing_algo"`
	ProviderType       PeerText `json:"provider_type"`
	ProviderIdentity   PeerText `json:"provider_identity"`
	TLSCertFingerprint PeerText `json:"tls_cert_fingerprint"`
}
