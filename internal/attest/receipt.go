package attest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Finding is what a receipt shows by itself.
type Finding struct {
	OK        bool       // nothing speaks against it
	Verdict   zg.Verdict // what can be shown from what was given; never more than the receipt states, but for what was not kept then
	Problems  []string   // what speaks against it
	Unchecked []string   // what it states and what was given can neither confirm nor refute
}

// VerifyReceipt checks a receipt without a network: that the signature is the signer's, that the signer is the expected
// one, that what was signed is what the receipt says, and that its verdict follows. The bodies make it say more; nil is
// one that is not given. Whether the chain names the expected signer for the provider is for the reader to ask the
// chain, and what the signature does not cover (fees, times, names) is the word of whoever wrote the receipt.
func VerifyReceipt(r zg.AnswerReceipt, request, response []byte) Finding {
	i := inspection{r: r}
	if r.Version != zg.ReceiptVersion {
		i.problem("the form of the receipt, version %d, is not known", r.Version)
		return i.result(zg.VerdictUnavailable)
	}
	if r.VerdictCode != "" && !zg.Explained(r.VerdictCode) {
		i.problem("the code %q is not known", r.VerdictCode)
	}
	i.request = i.body("request", request, r.RequestSHA256, r.RequestBytes)
	i.response = i.body("answer", response, r.ResponseSHA256, r.ResponseBytes)
	i.images()
	if r.SignedText == "" && r.Signature == "" {
		return i.result(i.unsigned())
	}
	return i.result(i.signed())
}

// inspection is a check of a receipt under way.
type inspection struct {
	r                 zg.AnswerReceipt
	request, response []byte // only if they are the receipt's
	Finding
}

func (i *inspection) problem(format string, args ...any) {
	i.Problems = append(i.Problems, fmt.Sprintf(format, args...))
}

func (i *inspection) unchecked(format string, args ...any) {
	i.Unchecked = append(i.Unchecked, fmt.Sprintf(format, args...))
}

func (i *inspection) result(shown zg.Verdict) Finding {
	i.Verdict, i.OK = shown, len(i.Problems) == 0
	return i.Finding
}

// body compares a body with what the receipt says about it, and returns it if it is the one.
func (i *inspection) body(what string, body []byte, stated string, size int64) []byte {
	switch {
	case stated == "" && i.r.Signature != "":
		i.problem("the receipt holds a signature, but no digest of the %s", what)
		return nil
	case stated != "" && !isDigest(stated):
		i.problem("the digest of the %s is not a digest", what)
		return nil
	case body == nil:
		return nil
	case stated == "":
		i.unchecked("the %s: the receipt holds no digest of it", what)
		return nil
	case what == "answer" && hexDigest(body) != stated && i.onlyImages(body):
		i.unchecked("the answer as it came: what nobody signed was taken out of what was given")
		return nil
	case hexDigest(body) != stated:
		i.problem("the %s that was given is not the one of the receipt", what)
		return nil
	case int64(len(body)) != size:
		i.problem("the receipt says that the %s has %d bytes, but it has %d", what, size, len(body))
	}
	return body
}

// images compares the digests of the images with the images in the answer.
func (i *inspection) images() {
	r := &i.r
	if len(r.ImagesSHA256) == 0 {
		return
	}
	if r.Type != zg.TextToImage && r.Type != zg.ImageEditing {
		i.problem("the receipt lists images, but services of type %s make none", r.Type)
		return
	}
	if i.response == nil {
		if r.ByteForm != zg.ImageBytes {
			i.unchecked("the digests of the images: they are not what was signed")
		}
		return
	}
	if found, ok := imagesOf(i.response); !ok {
		i.unchecked("the digests of the images: the answer does not hold the images themselves")
	} else if !slices.Equal(found, r.ImagesSHA256) {
		i.problem("the digests of the images are not those of the images in the answer")
	}
}

func imagesOf(body []byte) (digests []string, ok bool) {
	var doc struct {
		Data []struct {
			B64 *string `json:"b64_json"`
		}
	}
	if json.Unmarshal(body, &doc) != nil {
		return nil, false
	}
	for _, d := range doc.Data {
		if d.B64 == nil {
			return nil, false
		}
		raw, err := base64.StdEncoding.DecodeString(*d.B64)
		if err != nil {
			return nil, false
		}
		digests = append(digests, hexDigest(raw))
	}
	return digests, true
}

// unsigned judges a receipt without text and signature, which shows nothing.
func (i *inspection) unsigned() zg.Verdict {
	r := &i.r
	if r.TextForm != "" || r.ByteForm != "" || r.ReencodedRequest {
		i.problem("the receipt says what was signed, but holds no signature")
	}
	switch {
	case r.Verdict == "", r.Verdict == zg.VerdictPending, r.Verdict == zg.VerdictNotSigned, r.Verdict == zg.VerdictUnavailable && r.Signer == "":
		if r.Signer != "" {
			i.problem("the receipt names a signer, but holds no signature")
		}
		return r.Verdict
	case r.Verdict == zg.VerdictInvalid && (r.VerdictCode == CodeBadSignature || r.VerdictCode == CodeWrongSigner),
		r.Verdict == zg.VerdictSignerOnly && (r.VerdictCode == CodeUnknownText || r.VerdictCode == CodeSignerChanged),
		r.Verdict == zg.VerdictUnavailable && r.VerdictCode == CodeUnconfirmed:
		i.unchecked("the verdict: text and signature were too long to be kept")
		return r.Verdict
	}
	i.problem("the receipt says %s, but holds no signature", r.Verdict)
	return zg.VerdictUnavailable
}

// signed judges a receipt with a signature.
func (i *inspection) signed() zg.Verdict {
	r := &i.r
	signer, err := Recover(r.SignedText, r.Signature)
	if err != nil {
		i.compare(derived{verdict: zg.VerdictInvalid, code: CodeBadSignature})
		if r.Signer != "" {
			i.problem("the receipt names a signer, but the signature is not valid")
		}
		return zg.VerdictInvalid
	}
	if !isAddress(r.Signer, signer) {
		i.problem("the signer is %s and not %q", signer.Hex(), r.Signer)
	}
	if expected := isAddress(r.Expected, signer); expected == strangersCode(r.VerdictCode) {
		if expected {
			i.problem("the signer is the expected one, but the code is %s", r.VerdictCode)
		} else {
			i.problem("the signer is %s and not the expected one, %q", signer.Hex(), r.Expected)
		}
		return zg.VerdictInvalid
	}
	switch r.VerdictCode {
	case CodeWrongSigner:
		i.compare(derived{verdict: zg.VerdictInvalid, code: CodeWrongSigner})
		return zg.VerdictInvalid
	case CodeUnconfirmed:
		i.compare(derived{verdict: zg.VerdictUnavailable, code: CodeUnconfirmed})
		return zg.VerdictUnavailable
	case CodeSignerChanged:
		i.unchecked("that the chain named %s when the answer was judged", signer.Hex())
	}
	d := i.derive()
	i.compare(d)
	return i.shown(d)
}

// strangersCode tells the codes of answers that another than the expected signer signed.
func strangersCode(code string) bool {
	return code == CodeWrongSigner || code == CodeUnconfirmed || code == CodeSignerChanged
}

// derived is what follows from a receipt, with what it states in place of what cannot be checked.
type derived struct {
	verdict   zg.Verdict
	code      string
	form      Form
	bytes     zg.ByteForm
	reencoded bool
	// The answer's form and the request's were taken from the receipt's own word.
	bytesStated, requestStated bool
}

// derive does again what Check did.
func (i *inspection) derive() derived {
	text, err := ParseText(i.r.SignedText)
	switch {
	case errors.Is(err, ErrScheme):
		return derived{verdict: zg.VerdictInvalid, code: CodeUnknownScheme}
	case err != nil:
		return derived{verdict: zg.VerdictSignerOnly, code: CodeUnknownText}
	}
	d := derived{form: text.Form}
	if code := i.contradiction(text); code != "" {
		d.verdict, d.code = zg.VerdictInvalid, code
		return d
	}
	if i.matchResponse(&d, text); d.bytes == "" {
		d.verdict, d.code = i.uncompared()
		return d
	}
	i.matchRequest(&d, text.Request)
	i.besideImages(&d)
	return d
}

// contradiction is that of Check, where a receipt holds what it takes.
func (i *inspection) contradiction(t Text) string {
	r := &i.r
	switch {
	case r.VerdictCode == CodeRoutingMismatch && t.Form == FormCentralized && r.Centralized:
		i.unchecked("that the provider named another vendor beside the signed text")
		return CodeRoutingMismatch
	case r.VerdictCode == CodeFormMismatch && t.Form == FormModel && !r.Centralized:
		i.unchecked("that the model has no enclave of its own")
		return CodeFormMismatch
	case r.VerdictCode == CodeSignerChanged && r.Verdict == zg.VerdictInvalid && t.Form != FormPlain && t.Form != FormImages:
		i.unchecked("what besides the signer was wrong")
		return CodeSignerChanged
	}
	return contradiction(Exchange{Centralized: r.Centralized, Separated: !r.Centralized, Model: r.Model}, t, zg.Signature{})
}

func (i *inspection) matchResponse(d *derived, t Text) {
	r := &i.r
	stated := make([]string, 0, len(t.Response))
	for _, digest := range t.Response {
		stated = append(stated, hex.EncodeToString(digest[:]))
	}
	switch {
	case len(stated) == 1 && stated[0] == r.ResponseSHA256:
		d.bytes = zg.WireBytes
	case r.Complete && len(r.ImagesSHA256) > 0 && slices.Equal(stated, r.ImagesSHA256):
		d.bytes = zg.ImageBytes
	case len(stated) != 1 || r.Stream || r.Centralized:
	case i.response != nil:
		d.bytes = resigned(context.Background(), i.response, t.Response[0])
	case slices.Contains(answerForms, r.ByteForm):
		d.bytes, d.bytesStated = r.ByteForm, true
		i.unchecked("that the answer in its form %q is what was signed: that takes the answer", r.ByteForm)
	}
}

// uncompared is that of Check.
func (i *inspection) uncompared() (zg.Verdict, string) {
	r := &i.r
	x := Exchange{Complete: r.Complete, Type: r.Type, Separated: r.VerdictCode == CodeRewritten && !r.Centralized}
	if r.VerdictCode == CodeSignerChanged {
		x.Separated = r.Verdict == zg.VerdictSignerOnly && !r.Centralized
	}
	x.Images = make([][32]byte, len(r.ImagesSHA256)) // only how many there are counts
	return uncompared(x)
}

func (i *inspection) matchRequest(d *derived, signed [32]byte) {
	r := &i.r
	d.verdict, d.code = zg.VerdictVerified, CodeReencoded
	switch {
	case hex.EncodeToString(signed[:]) == r.RequestSHA256:
		d.code = ""
	case i.request != nil && slices.ContainsFunc(canonicalForms(context.Background(), i.request), func(form []byte) bool { return sha256.Sum256(form) == signed }):
		d.reencoded = true
	case i.request == nil && r.ReencodedRequest:
		d.reencoded, d.requestStated = true, true
		i.unchecked("that the re-serialised request is what was signed: that takes the request")
	default:
		d.verdict, d.code = zg.VerdictResponse, CodeRequestDiffers
	}
}

// compare finds what the receipt states and does not follow.
func (i *inspection) compare(d derived) {
	r := &i.r
	if notKept(r, d) {
		return // with the bodies more can be shown than the receipt states
	}
	matched := d.verdict == zg.VerdictVerified || d.verdict == zg.VerdictResponse
	if r.Verdict == zg.VerdictReplayed && matched {
		i.unchecked("that the same was signed for an earlier request")
		d.verdict = zg.VerdictReplayed
		if d.code = CodeReplayed; r.VerdictCode == CodeSignerChanged {
			d.code = CodeSignerChanged
		}
	}
	if r.Verdict != d.verdict {
		i.problem("the verdict is %s and not %q", d.verdict, r.Verdict)
	}
	switch r.VerdictCode {
	case d.code, CodeSignerChanged:
	case CodeSeenBefore:
		if !matched || r.Verdict == zg.VerdictReplayed {
			i.problem("the code is %q and not %q", d.code, r.VerdictCode)
		}
	case CodeNotKept:
		if d.code != CodeRequestDiffers {
			i.problem("the code is %q and not %q", d.code, r.VerdictCode)
		}
	default:
		i.problem("the code is %q and not %q", d.code, r.VerdictCode)
	}
	if r.TextForm != d.form {
		i.problem("the form of the signed text is %q and not %q", d.form, r.TextForm)
	}
	if r.ByteForm != d.bytes {
		i.problem("the form of the answer that was signed is %q and not %q", d.bytes, r.ByteForm)
	}
	if r.ReencodedRequest != d.reencoded {
		i.problem("whether the request was re-serialised is %v and not %v", d.reencoded, r.ReencodedRequest)
	}
}

// notKept tells receipts of answers whose bodies were not kept when they were judged, but are given now.
func notKept(r *zg.AnswerReceipt, d derived) bool {
	if r.TextForm != d.form || r.ReencodedRequest {
		return false
	}
	rewritten := r.Verdict == zg.VerdictSignerOnly && r.VerdictCode == CodeRewritten && r.ByteForm == "" && slices.Contains(answerForms, d.bytes)
	request := r.Verdict == zg.VerdictResponse && r.VerdictCode != CodeRequestDiffers && r.ByteForm == d.bytes && d.reencoded
	return rewritten || request && r.VerdictCode != ""
}

// shown is the verdict without what rests on the receipt's own word.
func (i *inspection) shown(d derived) zg.Verdict {
	switch {
	case d.bytesStated:
		return zg.VerdictSignerOnly
	case i.r.Verdict == zg.VerdictReplayed && (d.verdict == zg.VerdictVerified || d.verdict == zg.VerdictResponse):
		return zg.VerdictReplayed
	case d.requestStated:
		return zg.VerdictResponse
	}
	return d.verdict
}

func hexDigest(b []byte) string {
	d := sha256.Sum256(b)
	return hex.EncodeToString(d[:])
}

func isAddress(s string, addr common.Address) bool {
	return common.IsHexAddress(s) && common.HexToAddress(s) == addr
}
