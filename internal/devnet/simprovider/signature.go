package simprovider

import (
	"crypto/ecdsa"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// signedText is what a signature is about. It is signed when somebody asks, which most answers never see.
type signedText struct {
	text  string
	key   *ecdsa.PrivateKey
	alter Alteration
	asked *atomic.Int64 // for the signature
}

// sign is an ordinary personal-message signature over the text itself: 0x, r, s and v 27 or 28.
func (s signedText) sign() (string, error) {
	sig, err := crypto.Sign(accounts.TextHash([]byte(s.text)), s.key)
	if err != nil {
		return "", err
	}
	sig[64] += 27
	return hexutil.Encode(sig), nil
}

// signs reports whether answers are signed at all.
func (p *Provider) signs() bool { return !p.cfg.Unsigned }

// separate reports that the model has an enclave of its own, which signs.
func (p *Provider) separate() bool { return p.cfg.TargetKey != nil && p.cfg.Centralized == nil }

// announcesKey reports whether answers carry a ZG-Res-Key, which only the provider's own signatures have.
func (p *Provider) announcesKey() bool { return !p.separate() }

func (p *Provider) signingKey() *ecdsa.PrivateKey {
	if p.separate() {
		return p.cfg.TargetKey
	}
	return p.cfg.TEEKey
}

// attest makes the signature of this answer available: over the digest of the request as it went to the model, and over
// answer, which is the digest of the whole body or those of the images in it.
func (x *exchange) attest(request, answer string) {
	if !x.p.signs() || x.mute || x.fault.Kind == SignatureMissing {
		return
	}
	x.record.SignedRequest = request
	s := signedText{text: x.p.signatureText(request, answer), key: x.p.signingKey(), alter: x.altered(), asked: new(atomic.Int64)}
	if f := s.alter.Text; f != nil {
		s.text = f(request, answer)
	}
	if s.alter.Key != nil {
		s.key = s.alter.Key
	}
	delay := x.p.cfg.SignatureDelay
	switch x.fault.Kind {
	case SignatureWrongSigner:
		s.key = strangerKey()
	case SignatureOtherBytes:
		s.text = x.p.signatureText(request, digest([]byte("another answer")))
	case SignatureReplayed:
		if last := x.p.lastSigned.Load(); last != nil {
			s = *last
		} else { // nothing to replay yet: a chat that never was
			s.text = x.p.signatureText(digest([]byte("another request")), digest([]byte("another answer")))
		}
	case SignatureLate:
		if delay = x.fault.Delay; delay == 0 {
			delay = time.Second
		}
	case Altered: // not to be served again as if it were good
	default:
		x.p.lastSigned.Store(&s)
	}
	x.p.signatures.put(x.key, s, delay)
	if x.p.separate() { // found under the id that the answer itself carries
		x.p.signatures.put("chatcmpl-"+x.key, s, delay)
	}
}

// signedForm is what of a whole body is signed: the body, unless the fault has another form of it.
func (x *exchange) signedForm(body []byte) []byte {
	if f := x.altered().Form; f != nil {
		return f(body)
	}
	return body
}

func (p *Provider) signatureText(request, answer string) string {
	text := request + ":" + answer
	if c := p.cfg.Centralized; c != nil {
		return text + ":centralized:" + c.Identity + ":" + c.TLSFingerprint
	}
	if p.separate() && p.cfg.TargetModelID {
		return p.cfg.Model + ":" + text
	}
	return text
}

// strangerKey is a key that nobody vouches for.
func strangerKey() *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("a stranger's key")))
	if err != nil {
		panic("simprovider: " + err.Error()) // the digest is a constant and a valid key
	}
	return key
}

// SignatureReply is what a provider says about an answer when it is asked for the signature.
type SignatureReply struct {
	Text             string `json:"text"`
	Signature        string `json:"signature"`
	SigningAddress   string `json:"signing_address"`
	SigningAlgorithm string `json:"signing_algo"`
	ProviderType     string `json:"provider_type,omitempty"`
	ProviderIdentity string `json:"provider_identity,omitempty"`
	TLSFingerprint   string `json:"tls_cert_fingerprint,omitempty"`
}

// serveSignature answers anybody who knows a chat's key.
func (p *Provider) serveSignature(w http.ResponseWriter, r *http.Request, key string) {
	if r.Method != http.MethodGet {
		writeError(w, http.StatusBadRequest, "endpoint not supported")
		return
	}
	s, ok := p.signatures.get(strings.ToLower(key))
	if !ok {
		writeError(w, http.StatusBadRequest, "Chat id not found or expired, chat_id_not_found")
		return
	}
	if f := s.alter.Serve; f != nil && f(w, r, int(s.asked.Add(1))) {
		return
	}
	sig, err := s.sign()
	if err != nil {
		writeError(w, http.StatusInternalServerError, http.StatusText(http.StatusInternalServerError))
		return
	}
	reply := SignatureReply{
		Text: s.text, Signature: sig, SigningAddress: crypto.PubkeyToAddress(s.key.PublicKey).Hex(), SigningAlgorithm: "ecdsa",
	}
	if c := p.cfg.Centralized; c != nil {
		reply.ProviderType, reply.ProviderIdentity, reply.TLSFingerprint = "centralized", c.Identity, c.TLSFingerprint
	}
	if f := s.alter.Reply; f != nil {
		reply = f(reply)
	}
	writeJSON(w, http.StatusOK, reply)
}
