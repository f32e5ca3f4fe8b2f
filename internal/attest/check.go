package attest

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Check compares a signature with an exchange: who signed, whether it was these bytes, and whether it was this request.
// It is pure. What the provider states beside text and signature counts for nothing, except that it must not contradict
// them.
//
// Nothing short of a match of signer and answer is called verified. Where an answer cannot be compared, the verdict is
// that somebody trusted signed something; where it can and differs, it is invalid.
func Check(x Exchange, sig zg.Signature) Result { return checkWhile(context.Background(), x, sig) }

// checkWhile is Check that may be cut short: what it returns once ctx has ended means nothing.
func checkWhile(ctx context.Context, x Exchange, sig zg.Signature) Result {
	if r, done := unsigned(x); done {
		return r
	}
	r := draft{Expected: x.Signer}
	tooLong := len(sig.Text) > longestText(x)
	if !tooLong && len(sig.Signature) <= maxSignature {
		r.Text, r.Signature = sig.Text, sig.Signature
	}
	signer, err := Recover(sig.Text, sig.Signature)
	if err != nil {
		return r.as(zg.VerdictInvalid, CodeBadSignature)
	}
	r.Signer = signer
	if signer != x.Signer {
		return r.as(zg.VerdictInvalid, CodeWrongSigner)
	}
	text, err := ParseText(sig.Text)
	switch {
	case errors.Is(err, ErrScheme) && !tooLong:
		return r.as(zg.VerdictInvalid, CodeUnknownScheme)
	case err != nil || tooLong:
		return r.as(zg.VerdictSignerOnly, CodeUnknownText)
	}
	r.Form = text.Form
	if code := contradiction(x, text, sig); code != "" {
		return r.as(zg.VerdictInvalid, code)
	}
	if r.Bytes = sameResponse(ctx, x, text); r.Bytes == "" {
		return r.as(uncompared(x))
	}
	verdict, code := sameRequest(ctx, x, text.Request)
	r.ReencodedRequest = code == CodeReencoded
	if r.Bytes == zg.ImageBytes { // which is all that was signed of the answer
		switch {
		case x.Extras:
			verdict, code = zg.VerdictSignerOnly, CodeExtras
		case x.Removed:
			code = CodeUnsignedRemoved
		}
	}
	return r.as(verdict, code)
}

// longestText is the longest text that can have been signed for an exchange: digests of its request and of each of its
// images, and names. A longer one is of no known form, and is not kept: a receipt is written for every answer, and what
// is in it is the provider's choice.
func longestText(x Exchange) int { return min(maxText, maxNames+65*(2+len(x.Images))) }

// checkAgainst is Check where the chain names another signer by now. Whatever it shows, the owner has not accepted that
// one.
func checkAgainst(signer common.Address, x Exchange, sig zg.Signature, check func(Exchange, zg.Signature) Result) Result {
	expected := x.Signer
	x.Signer = signer
	r := check(x, sig)
	r.Expected, r.Code = expected, CodeSignerChanged
	return r
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
		return Result{Verdict: zg.VerdictNotSigned, Code: CodeNoKey, Expected: x.Signer}, true
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
func differs(stated zg.PeerText, signed string) bool { return stated != "" && string(stated) != signed }

// sameResponse compares the signed digest with that of the body, or the signed digests with those of the images, or,
// where a server of its own may have re-serialised the answer after it was signed, the signed digest with those of the
// other forms.
func sameResponse(ctx context.Context, x Exchange, t Text) zg.ByteForm {
	switch {
	case len(t.Response) == 1 && t.Response[0] == x.ResponseSHA256:
		return zg.WireBytes
	case x.Complete && len(x.Images) > 0 && slices.Equal(t.Response, x.Images):
		return zg.ImageBytes
	case len(t.Response) == 1 && mayBeResigned(x) && sha256.Sum256(x.Response) == x.ResponseSHA256:
		return resigned(ctx, x.Response, t.Response[0])
	}
	return ""
}

// mayBeResigned reports whether other forms of the answer are worth trying.
func mayBeResigned(x Exchange) bool { return x.Separated && !x.Stream && x.Response != nil }

// uncompared says what it means that the response half does not match.
func uncompared(x Exchange) (zg.Verdict, string) {
	switch {
	case !x.Complete:
		return zg.VerdictSignerOnly, CodeIncomplete
	case x.Separated:
		return zg.VerdictSignerOnly, CodeRewritten
	case len(x.Images) == 0 && (x.Type == zg.TextToImage || x.Type == zg.ImageEditing):
		return zg.VerdictSignerOnly, CodeNoImages // the answer holds links to the images that were signed
	case x.Type == zg.VideoGeneration:
		// When a video is done, its provider signs that under the same key, and what it signed of the beginning is gone.
		return zg.VerdictSignerOnly, CodeJobEnded
	}
	return zg.VerdictInvalid, CodeResponseMismatch
}

// sameRequest compares the request half with what was sent, then with the forms in which providers re-serialise it.
func sameRequest(ctx context.Context, x Exchange, signed [32]byte) (zg.Verdict, string) {
	switch {
	case signed == x.RequestSHA256:
		return zg.VerdictVerified, ""
	case x.Request == nil:
		return zg.VerdictResponse, CodeNotKept
	}
	for _, form := range canonicalForms(ctx, x.Request) {
		if signed == sha256.Sum256(form) {
			return zg.VerdictVerified, CodeReencoded
		}
	}
	return zg.VerdictResponse, CodeRequestDiffers
}

// expecting notes whose signature counts, for whoever reads the result without the exchange.
func expecting(x Exchange, r Result) Result {
	if x.Signed {
		r.Expected = x.Signer
	}
	return r
}
