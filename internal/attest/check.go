// Package attest checks the signature a provider gives over an answer against the bytes that were sent and received.
//
// Check is a pure function; Queue fetches signatures beside the request path. Nothing here delays an answer, and nothing
// is stored: the verdict is handed to whoever records it.
package attest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Exchange is one answered request.
type Exchange struct {
	RequestID              string
	Provider               common.Address
	BaseURL, Model, ResKey string
	Signer                 common.Address // whose signature counts
	Signed                 bool           // the service signs its answers at all
	Separated, Centralized bool
	Request                []byte // the bytes that were sent, or nil
	RequestSHA256          [32]byte
	ResponseSHA256         [32]byte
	Images                 [][32]byte
	Complete               bool
}

// Result is what was shown.
type Result struct {
	Verdict zg.Verdict
	Code    string // a stable short cause
	Signer  common.Address
	Form    string // how the request half matched: wire or canonical
}

// Check compares a signature with an exchange. The text is read from the right: two digests, or for a cloud-backed
// provider two digests, a type, an identity and a certificate, or for a separate model enclave a model id and two digests.
func Check(x Exchange, sig zg.Signature) Result {
	if sig.SigningAlgo != "" && !strings.EqualFold(sig.SigningAlgo, "ecdsa") {
		return Result{Verdict: zg.VerdictInvalid, Code: "algorithm"}
	}
	signer, err := Recover(sig.Text, sig.Signature)
	if err != nil {
		return Result{Verdict: zg.VerdictInvalid, Code: "bad_signature"}
	}
	res := Result{Signer: signer}
	fail := func(code string) Result { res.Verdict, res.Code = zg.VerdictInvalid, code; return res }
	if signer != x.Signer {
		return fail("wrong_signer")
	}
	req, resp, err := parseText(sig, x)
	if err != nil {
		return fail("bad_text")
	}
	if !responseMatches(resp, x) {
		if x.Separated {
			res.Verdict, res.Code = zg.VerdictSignerOnly, "response_rewritten"
			return res
		}
		return fail("response_mismatch")
	}
	switch {
	case req == hex.EncodeToString(x.RequestSHA256[:]):
		res.Verdict, res.Form = zg.VerdictVerified, "wire"
	case canonicalMatches(req, x.Request):
		res.Verdict, res.Form = zg.VerdictVerified, "canonical"
	default:
		res.Verdict, res.Code = zg.VerdictResponse, "request_reencoded"
	}
	return res
}

func responseMatches(resp string, x Exchange) bool {
	if resp == hex.EncodeToString(x.ResponseSHA256[:]) {
		return true
	}
	if len(x.Images) == 0 {
		return false
	}
	list := make([]string, len(x.Images))
	for i, d := range x.Images {
		list[i] = hex.EncodeToString(d[:])
	}
	return resp == strings.Join(list, ",")
}

func canonicalMatches(req string, body []byte) bool {
	if body == nil {
		return false
	}
	form, err := Canonical(body)
	if err != nil {
		return false
	}
	return req == digest(form)
}

var errText = errors.New("the signed text has no known form")

// parseText splits a signed text into its request and its response half.
func parseText(sig zg.Signature, x Exchange) (req, resp string, err error) {
	if strings.HasPrefix(sig.Text, "zg-sig-") {
		return "", "", fmt.Errorf("%w: scheme %.30q", errText, sig.Text) // sealed requests are not sent by this program
	}
	f := strings.Split(sig.Text, ":")
	switch {
	case len(f) == 2:
		req, resp = f[0], f[1]
	case len(f) == 5 && f[2] == "centralized" && x.Centralized:
		if sig.ProviderType != f[2] || sig.ProviderIdentity != f[3] || sig.TLSCertFingerprint != f[4] {
			return "", "", errText
		}
		req, resp = f[0], f[1]
	case len(f) >= 3 && x.Separated && strings.Join(f[:len(f)-2], ":") == x.Model:
		req, resp = f[len(f)-2], f[len(f)-1]
	default:
		return "", "", errText
	}
	if !isDigest(req) {
		return "", "", errText
	}
	for part := range strings.SplitSeq(resp, ",") {
		if !isDigest(part) {
			return "", "", errText
		}
	}
	return req, resp, nil
}

func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// Recover returns the address whose key signed the text as an Ethereum personal message. High-s signatures, which exist
// for every low-s one, are refused.
func Recover(text, signature string) (common.Address, error) {
	sig, err := hexutil.Decode(signature)
	if err != nil || len(sig) != 65 {
		return common.Address{}, errors.New("the signature is not 65 bytes of hex")
	}
	if sig[64] >= 27 {
		sig[64] -= 27
	}
	if sig[64] > 1 || !crypto.ValidateSignatureValues(sig[64], bigOf(sig[:32]), bigOf(sig[32:64]), true) {
		return common.Address{}, errors.New("the signature's values are out of range")
	}
	hash := crypto.Keccak256(fmt.Appendf(nil, "\x19Ethereum Signed Message:\n%d%s", len(text), text))
	key, err := crypto.SigToPub(hash, sig)
	if err != nil {
		return common.Address{}, fmt.Errorf("recover the signer: %w", err)
	}
	return crypto.PubkeyToAddress(*key), nil
}
