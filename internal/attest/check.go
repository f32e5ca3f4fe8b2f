package attest

import (
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Check compares a signature with an exchange: who signed, whether it was these bytes, and whether it was this request. It
// is pure. What the provider states beside text and signature counts for nothing, except that it must not contradict them.
//
// Nothing short of a match of signer and answer is called verified. Where an answer cannot be compared, the verdict is that
// somebody trusted signed something; where it can and differs, it is invalid.
func Check(x Exchange, sig zg.Signature) Result {
	if r, done := unsigned(x); done {
		return r
	}
	signer, err := Recover(sig.Text, sig.Signature)
	if err != nil {
		return Result{Verdict: zg.VerdictInvalid, Code: CodeBadSignature}
	}
	r := draft{Signer: signer}
	if signer != x.Signer {
		return r.as(zg.VerdictInvalid, CodeWrongSigner)
	}
	text, err := ParseText(sig.Text)
	switch {
	case errors.Is(err, ErrScheme):
		return r.as(zg.VerdictInvalid, CodeUnknownScheme)
	case err != nil:
		return r.as(zg.VerdictSignerOnly, CodeUnknownText)
	}
	r.Form = text.Form
	if code := contradiction(x, text, sig); code != "" {
		return r.as(zg.VerdictInvalid, code)
	}
	if !sameResponse(x, text) {
		return r.as(uncompared(x))
	}
	return r.as(sameRequest(x, text.Request))
}

// draft is a result on its way.
type draft Result

func (d draft) as(v zg.Verdict, code string) Result {
	d.Verdict, d.Code = v, code
	return Result(d)
}

// unsigned tells exchanges without a signature to look for.
func unsigned(x Exchange) (Result, bool) {
	switch {
	case !x.Signed || x.Signer == common.Address{}:
		return Result{Verdict: zg.VerdictNotSigned, Code: CodeUnsigned}, true
	case x.ResKey == "":
		return Result{Verdict: zg.VerdictNotSigned, Code: CodeNoKey}, true
	}
	return Result{}, false
}

// contradiction finds texts that this provider would not have signed for this exchange.
func contradiction(x Exchange, t Text, sig zg.Signature) string {
	switch t.Form {
	case FormCentralized:
		if !x.Centralized {
			return CodeFormMismatch
		}
		if differs(sig.ProviderType, typeCentralized) || differs(sig.ProviderIdentity, t.Identity) ||
			differs(sig.TLSCertFingerprint, t.Fingerprint) {
			return CodeRoutingMismatch
		}
	case FormModel:
		if !x.Separated {
			return CodeFormMismatch
		}
		if t.Model != x.Model {
			return CodeModelMismatch
		}
	case FormPlain, FormImages:
	}
	return ""
}

// differs compares what was stated, if anything, with what was signed.
func differs(stated, signed string) bool { return stated != "" && stated != signed }

// sameResponse compares the signed digest with that of the body, or the signed digests with those of the images.
func sameResponse(x Exchange, t Text) bool {
	if len(t.Response) == 1 && t.Response[0] == x.ResponseSHA256 {
		return true
	}
	return len(x.Images) > 0 && slices.Equal(t.Response, x.Images)
}

// uncompared says what it means that the response half does not match.
func uncompared(x Exchange) (zg.Verdict, string) {
	switch {
	case !x.Complete:
		return zg.VerdictSignerOnly, CodeIncomplete
	case x.Separated:
		return zg.VerdictSignerOnly, CodeRewritten
	case len(x.Images) == 0 && (x.Type == zg.TextToImage || x.Type == zg.ImageEditing):
		return zg.VerdictSignerOnly, CodeNoImages // the answer holds links to the images that were signed
	}
	return zg.VerdictInvalid, CodeResponseMismatch
}

// sameRequest compares the request half with what was sent, then with the forms in which providers encode it anew.
func sameRequest(x Exchange, signed [32]byte) (zg.Verdict, string) {
	switch {
	case signed == x.RequestSHA256:
		return zg.VerdictVerified, ""
	case x.Request == nil:
		return zg.VerdictResponse, CodeNotKept
	}
	for _, form := range canonicalForms(x.Request) {
		if signed == sha256.Sum256(form) {
			return zg.VerdictVerified, CodeReencoded
		}
	}
	return zg.VerdictResponse, CodeRequestDiffers
}
