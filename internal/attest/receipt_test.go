package attest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// evidence is a receipt with the bodies that belong to it.
type evidence struct {
	receipt           zg.AnswerReceipt
	request, response []byte
}

// receiptOf writes down what a check showed.
func receiptOf(x Exchange, response []byte, r Result) evidence {
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	rec := zg.AnswerReceipt{
		Version: zg.ReceiptVersion, ID: x.RequestID, SignatureID: x.ResKey, At: at, Provider: x.Provider.Hex(), Route: "/v1/chat/completions",
		Type: x.Type, Model: x.Model, Stream: x.Stream, Centralized: x.Centralized, Complete: x.Complete,
		RequestSHA256: hex.EncodeToString(x.RequestSHA256[:]), RequestBytes: int64(len(x.Request)),
		ResponseSHA256: hex.EncodeToString(x.ResponseSHA256[:]), ResponseBytes: int64(len(response)),
		Verdict: r.Verdict, VerdictCode: r.Code, VerdictAt: &at, SignedText: r.Text, Signature: r.Signature, TextForm: r.Form, ByteForm: r.Bytes,
		ReencodedRequest: r.ReencodedRequest,
	}
	for _, d := range x.Images {
		rec.ImagesSHA256 = append(rec.ImagesSHA256, hex.EncodeToString(d[:]))
	}
	if r.Signer != (common.Address{}) {
		rec.Signer = r.Signer.Hex()
	}
	if r.Expected != (common.Address{}) {
		rec.Expected = r.Expected.Hex()
	}
	return evidence{rec, x.Request, response}
}

// with is the chat exchange with other bodies.
func with(request, response string) Exchange {
	x := chat()
	x.Request, x.Response = []byte(request), []byte(response)
	x.RequestSHA256, x.ResponseSHA256 = sha256.Sum256(x.Request), sha256.Sum256(x.Response)
	return x
}

// receipts are of all kinds, each of a check that was really made.
func receipts(tb testing.TB) map[string]evidence {
	tb.Helper()
	out := make(map[string]evidence)
	check := func(name string, x Exchange, text string) {
		out[name] = receiptOf(x, x.Response, Check(x, signed(tb, text)))
	}
	plain := with(requestBody, answerBody)
	check("verified", plain, chatText())
	stream := with(requestBody, "data: {}\n\ndata: [DONE]\n\n")
	stream.Stream = true
	check("stream", stream, sum(requestBody)+":"+sum(string(stream.Response)))
	cloud := plain
	cloud.Centralized = true
	check("cloud", cloud, chatText()+":centralized:openai:"+fingerprint)
	enclave := plain
	enclave.Separated = true
	check("model", enclave, enclave.Model+":"+chatText())
	check("rewritten", enclave, sum(requestBody)+":"+sum("before"))
	check("reserialised", enclave, sum(requestBody)+":"+sum(`{"id": "chatcmpl-1", "choices": []}`))
	check("reencoded", with(`{"n":1.0, "a":"<"}`, answerBody), sum(`{"a":"\u003c","n":1}`)+":"+sum(answerBody))
	check("request differs", plain, sum("other")+":"+sum(answerBody))
	check("mismatch", plain, sum(requestBody)+":"+sum("other"))
	cut := plain
	cut.Complete = false
	check("incomplete", cut, sum(requestBody)+":"+sum("other"))
	check("unknown text", plain, "hello")
	check("scheme", plain, "zg-sig-v1/plain:"+chatText())

	img := []byte{0xff, 0xd8, 0xff, 0xe0}
	images := with(requestBody, `{"created":1,"data":[{"b64_json":"`+base64.StdEncoding.EncodeToString(img)+`"},{"b64_json":"MA=="}]}`)
	images.Type, images.Images = zg.TextToImage, [][32]byte{sha256.Sum256(img), sha256.Sum256([]byte("0"))}
	check("images", images, sum(requestBody)+":"+sum(string(img))+","+sum("0"))

	replayed := Check(plain, signed(tb, chatText()))
	replayed.Verdict, replayed.Code = zg.VerdictReplayed, CodeReplayed
	out["replayed"] = receiptOf(plain, plain.Response, replayed)

	k := key(tb, 0x22)
	other := told(chatText(), hex.EncodeToString(sign(tb, k, chatText())))
	out["wrong signer"] = receiptOf(plain, plain.Response, Check(plain, other))
	out["unconfirmed"] = receiptOf(plain, plain.Response, draft(Check(plain, other)).as(zg.VerdictUnavailable, CodeUnconfirmed))
	out["changed signer"] = receiptOf(plain, plain.Response, checkAgainst(crypto.PubkeyToAddress(k.PublicKey), plain, other, Check))
	out["no signature at all"] = receiptOf(plain, plain.Response, Check(plain, told(chatText(), "0x00")))
	return out
}

func TestVerifyReceipt(t *testing.T) {
	all := receipts(t)
	want := map[string]struct {
		bare, full zg.Verdict // without and with the bodies
		unchecked  [2]int     // how many statements remain unchecked
	}{
		"verified":            {zg.VerdictVerified, zg.VerdictVerified, [2]int{}},
		"stream":              {zg.VerdictVerified, zg.VerdictVerified, [2]int{}},
		"cloud":               {zg.VerdictVerified, zg.VerdictVerified, [2]int{}},
		"model":               {zg.VerdictVerified, zg.VerdictVerified, [2]int{}},
		"rewritten":           {zg.VerdictSignerOnly, zg.VerdictSignerOnly, [2]int{}},
		"reserialised":        {zg.VerdictSignerOnly, zg.VerdictVerified, [2]int{1, 0}},
		"reencoded":           {zg.VerdictResponse, zg.VerdictVerified, [2]int{1, 0}},
		"request differs":     {zg.VerdictResponse, zg.VerdictResponse, [2]int{}},
		"mismatch":            {zg.VerdictInvalid, zg.VerdictInvalid, [2]int{}},
		"incomplete":          {zg.VerdictSignerOnly, zg.VerdictSignerOnly, [2]int{}},
		"unknown text":        {zg.VerdictSignerOnly, zg.VerdictSignerOnly, [2]int{}},
		"scheme":              {zg.VerdictInvalid, zg.VerdictInvalid, [2]int{}},
		"images":              {zg.VerdictVerified, zg.VerdictVerified, [2]int{1, 0}},
		"replayed":            {zg.VerdictReplayed, zg.VerdictReplayed, [2]int{1, 1}},
		"wrong signer":        {zg.VerdictInvalid, zg.VerdictInvalid, [2]int{}},
		"unconfirmed":         {zg.VerdictUnavailable, zg.VerdictUnavailable, [2]int{}},
		"changed signer":      {zg.VerdictVerified, zg.VerdictVerified, [2]int{1, 1}},
		"no signature at all": {zg.VerdictInvalid, zg.VerdictInvalid, [2]int{}},
	}
	if len(want) != len(all) {
		t.Errorf("%d receipts, want %d", len(all), len(want))
	}
	for name, w := range want {
		e := all[name]
		for i, f := range []Finding{VerifyReceipt(e.receipt, nil, nil), VerifyReceipt(e.receipt, e.request, e.response)} {
			verdict := []zg.Verdict{w.bare, w.full}[i]
			if !f.OK || f.Verdict != verdict || len(f.Problems) != 0 || len(f.Unchecked) != w.unchecked[i] {
				t.Errorf("%s, %d: VerifyReceipt = %+v, want %s and %d unchecked", name, i, f, verdict, w.unchecked[i])
			}
		}
	}
}

// The vectors were signed by independent software.
func TestVerifyReceiptVectors(t *testing.T) {
	all := vectors(t)
	for name, v := range all {
		x := exchangeOf(t, all, v)
		e := receiptOf(x, nil, Check(x, told(v.Text, v.Signature)))
		if f := VerifyReceipt(e.receipt, e.request, nil); !f.OK || f.Verdict != e.receipt.Verdict || (len(f.Unchecked) != 0) != (len(x.Images) > 0) {
			t.Errorf("%s: VerifyReceipt = %+v, want %s", name, f, e.receipt.Verdict)
		}
	}
}

// What no signature covers: the word of whoever wrote the receipt.
var unsignedFields = []string{
	"ID", "ChatID", "SignatureID", "At", "Network", "ChainID", "Provider", "Route", "Type", "Stream", "Complete", "VerdictAt", "Usage", "PriceIn", "PriceOut",
	"Fee", "FeeBasis", "FeeReason", "ExpectedFee", "Said", "Block", "Settled", "Settlement",
}

// Whatever is changed in what a signature covers, or in what the receipt says it showed, is found.
func TestVerifyReceiptFindsEveryChange(t *testing.T) {
	all := receipts(t)
	// What is not covered in particular receipts, without the bodies and with them.
	bare := map[string][]string{
		"verified": {"Centralized", "Model"}, "stream": {"Centralized", "Model"}, "cloud": {"Model"}, "model": nil,
		"images": {"Centralized", "Model", "ResponseSHA256"},
	}
	full := map[string][]string{
		"reserialised": {"Model"}, "reencoded": {"Centralized", "Model"}, "request differs": {"Centralized", "Model"},
		"mismatch": {"Centralized", "Model"}, "rewritten": {"Model"},
	}
	for name := range bare {
		full[name] = slices.DeleteFunc(slices.Clone(bare[name]), func(field string) bool { return field == "ResponseSHA256" })
		uncovered := append([]string{"RequestBytes", "ResponseBytes"}, bare[name]...)
		findChanges(t, name, evidence{receipt: all[name].receipt}, uncovered)
	}
	for name, uncovered := range full {
		findChanges(t, name+" with bodies", all[name], uncovered)
	}
}

func findChanges(t *testing.T, name string, e evidence, uncovered []string) {
	t.Helper()
	changes := 0
	for field := range reflect.TypeFor[zg.AnswerReceipt]().Fields() {
		if slices.Contains(unsignedFields, field.Name) || slices.Contains(uncovered, field.Name) {
			continue
		}
		for what, changed := range changesOf(t, e.receipt, field) {
			changes++
			if f := VerifyReceipt(changed, e.request, e.response); f.OK || len(f.Problems) == 0 {
				t.Errorf("%s: %s: VerifyReceipt = %+v, want problems", name, what, f)
			}
		}
	}
	if changes < 300 { // text and signature alone have as many characters
		t.Errorf("%s: only %d changes were tried", name, changes)
	}
}

// changesOf changes one field in many ways: each character, each other word, one more, one less.
func changesOf(t *testing.T, r zg.AnswerReceipt, field reflect.StructField) map[string]zg.AnswerReceipt {
	t.Helper()
	out := make(map[string]zg.AnswerReceipt)
	set := func(v any) {
		changed := r
		reflect.ValueOf(&changed).Elem().FieldByIndex(field.Index).Set(reflect.ValueOf(v).Convert(field.Type))
		if !reflect.DeepEqual(changed, r) {
			out[fmt.Sprintf("%s = %v", field.Name, v)] = changed
		}
	}
	switch v := reflect.ValueOf(r).FieldByIndex(field.Index); {
	case field.Name == "Verdict":
		for _, w := range []zg.Verdict{
			"", "made-up", zg.VerdictPending, zg.VerdictVerified, zg.VerdictResponse, zg.VerdictSignerOnly, zg.VerdictInvalid, zg.VerdictReplayed,
			zg.VerdictUnavailable, zg.VerdictNotSigned,
		} {
			set(w)
		}
	case field.Name == "VerdictCode":
		for _, code := range append(slices.Collect(maps.Values(codesOf(t))), "", "made_up") {
			if code == CodeSeenBefore || code == CodeUnsignedRemoved && r.ByteForm == zg.ImageBytes || code == CodeNotKept && r.VerdictCode == CodeRequestDiffers {
				continue // what one receipt can neither show nor refute
			}
			set(code)
		}
	case field.Name == "TextForm", field.Name == "ByteForm":
		for _, form := range []string{"", "made-up", "plain", "centralized", "model", "wire", "images", "pydefault", "pycompact", "jcs"} {
			set(form)
		}
	case v.Kind() == reflect.String:
		for i := range v.Len() {
			set(flip(v.String(), i))
		}
		set("")
		set(v.String() + "0")
	case v.Kind() == reflect.Bool:
		set(!v.Bool())
	case v.CanInt():
		set(v.Int() + 1)
	case v.Kind() == reflect.Slice: // the images
		images := v.Interface().([]string)
		for i := range images {
			changed := slices.Clone(images)
			changed[i] = flip(changed[i], 9)
			set(changed)
			set(images[:i])
			if images[0] != images[i] {
				set([]string{images[i], images[0]})
			}
		}
		set(append(slices.Clone(images), sum("one more")))
	default:
		t.Fatalf("a field of an unknown kind: %s", field.Name)
	}
	return out
}

// flip makes another digit of a digit, and another letter of a letter.
func flip(s string, i int) string {
	b := []byte(s)
	switch b[i] {
	case '9', 'f', 'F':
		b[i]--
	default:
		b[i]++
	}
	return string(b)
}

func TestVerifyReceiptProblems(t *testing.T) {
	all := receipts(t)
	for name, tt := range map[string]struct {
		of      string
		edit    func(e *evidence)
		verdict zg.Verdict
		problem string
	}{
		"version":               {"verified", func(e *evidence) { e.receipt.Version = 2 }, zg.VerdictUnavailable, "version 2"},
		"another request":       {"verified", func(e *evidence) { e.request = []byte(`{}`) }, zg.VerdictVerified, "the request that was given"},
		"another answer":        {"verified", func(e *evidence) { e.response = []byte(`{}`) }, zg.VerdictVerified, "the answer that was given"},
		"digest in capitals":    {"verified", func(e *evidence) { e.receipt.ResponseSHA256 = strings.ToUpper(e.receipt.ResponseSHA256) }, zg.VerdictInvalid, "not a digest"},
		"size":                  {"verified", func(e *evidence) { e.receipt.ResponseBytes-- }, zg.VerdictVerified, "has 31 bytes"},
		"signature taken out":   {"verified", func(e *evidence) { e.receipt.SignedText, e.receipt.Signature = "", "" }, zg.VerdictUnavailable, "holds no signature"},
		"another's expectation": {"verified", func(e *evidence) { e.receipt.Expected = bob.Hex() }, zg.VerdictInvalid, "not the expected one"},
		"invalid made verified": {"mismatch", func(e *evidence) { e.receipt.Verdict, e.receipt.VerdictCode = zg.VerdictVerified, "" }, zg.VerdictInvalid, "the verdict is invalid"},
		"stranger made verified": {"wrong signer", func(e *evidence) {
			e.receipt.Verdict, e.receipt.VerdictCode = zg.VerdictVerified, ""
		}, zg.VerdictInvalid, "not the expected one"},
		"an image changed": {"images", func(e *evidence) {
			e.receipt.ImagesSHA256 = []string{e.receipt.ImagesSHA256[0], sum("1")}
		}, zg.VerdictInvalid, "those of the images in the answer"},
	} {
		e := all[tt.of]
		tt.edit(&e)
		f := VerifyReceipt(e.receipt, e.request, e.response)
		if f.OK || f.Verdict != tt.verdict || !strings.Contains(strings.Join(f.Problems, "\n"), tt.problem) {
			t.Errorf("%s: VerifyReceipt = %+v, want %s and %q", name, f, tt.verdict, tt.problem)
		}
	}
}

// A receipt without a signature shows nothing and hides nothing.
func TestVerifyReceiptWithoutSignature(t *testing.T) {
	for _, r := range []Result{
		{Verdict: zg.VerdictNotSigned, Code: CodeUnsigned},
		{Verdict: zg.VerdictNotSigned, Code: CodeNoKey, Expected: teeSigner},
		{Verdict: zg.VerdictUnavailable, Code: CodeNoSignature, Expected: teeSigner},
		{Verdict: zg.VerdictPending},
		{},
	} {
		e := receiptOf(chat(), []byte(answerBody), r)
		if f := VerifyReceipt(e.receipt, e.request, e.response); !f.OK || f.Verdict != r.Verdict {
			t.Errorf("VerifyReceipt of %+v = %+v, want nothing shown", r, f)
		}
		for _, edit := range []func(*zg.AnswerReceipt){
			func(r *zg.AnswerReceipt) { r.Verdict = zg.VerdictVerified }, func(r *zg.AnswerReceipt) { r.Verdict = zg.VerdictSignerOnly },
			func(r *zg.AnswerReceipt) { r.TextForm = FormPlain }, func(r *zg.AnswerReceipt) { r.ByteForm = zg.WireBytes },
			func(r *zg.AnswerReceipt) { r.Signer = bob.Hex() }, func(r *zg.AnswerReceipt) { r.SignedText = zg.PeerText(chatText()) },
			func(r *zg.AnswerReceipt) { r.RequestSHA256 = sum("other") },
		} {
			changed := e.receipt
			edit(&changed)
			if f := VerifyReceipt(changed, e.request, e.response); f.OK {
				t.Errorf("VerifyReceipt of %+v = %+v, want problems", changed, f)
			}
		}
	}
	// What was too long to be kept cannot be shown.
	e := receiptOf(chat(), nil, Check(chat(), signed(t, strings.Repeat("x", maxText+1))))
	if f := VerifyReceipt(e.receipt, nil, nil); !f.OK || f.Verdict != zg.VerdictSignerOnly || len(f.Unchecked) != 1 {
		t.Errorf("VerifyReceipt of a long text = %+v", f)
	}
}

// With bodies that were not kept when the answer was judged, more can be shown than the receipt states.
func TestVerifyReceiptShowsMore(t *testing.T) {
	x := with(`{"n":1.0}`, answerBody)
	x.Separated = true
	sig := signed(t, sum(`{"n":1}`)+":"+sum(`{"id": "chatcmpl-1", "choices": []}`))
	unkept := x
	unkept.Response = nil
	e := receiptOf(x, x.Response, Check(unkept, sig))
	if e.receipt.VerdictCode != CodeRewritten {
		t.Fatalf("Check = %+v, want %s", e.receipt, CodeRewritten)
	}
	if f := VerifyReceipt(e.receipt, e.request, e.response); !f.OK || f.Verdict != zg.VerdictVerified {
		t.Errorf("VerifyReceipt = %+v, want verified", f)
	}
	if f := VerifyReceipt(e.receipt, nil, nil); !f.OK || f.Verdict != zg.VerdictSignerOnly {
		t.Errorf("VerifyReceipt without bodies = %+v, want signer-only", f)
	}

	unkept = x
	unkept.Request = nil
	e = receiptOf(x, x.Response, Check(unkept, sig))
	if e.receipt.VerdictCode != CodeNotKept {
		t.Fatalf("Check = %+v, want %s", e.receipt, CodeNotKept)
	}
	if f := VerifyReceipt(e.receipt, e.request, e.response); !f.OK || f.Verdict != zg.VerdictVerified {
		t.Errorf("VerifyReceipt = %+v, want verified", f)
	}
}

// Nothing in a receipt makes the check fail in another way than by saying so.
func FuzzVerifyReceipt(f *testing.F) {
	e := receipts(f)["verified"]
	f.Add(string(e.receipt.SignedText), string(e.receipt.Signature), e.receipt.ResponseSHA256, string(e.receipt.Verdict), "", "plain", "wire", e.request, e.response)
	f.Add("m:"+string(e.receipt.SignedText), "0x", "", "replayed", CodeSignerChanged, "model", "jcs", []byte(nil), []byte(`{"a":1.0}`))
	f.Fuzz(func(t *testing.T, text, signature, digest, verdict, code, form, byteForm string, request, response []byte) {
		r := e.receipt
		r.SignedText, r.Signature, r.ResponseSHA256, r.Verdict, r.VerdictCode = zg.PeerText(text), zg.PeerText(signature), digest, zg.Verdict(verdict), code
		r.TextForm, r.ByteForm = zg.TextForm(form), zg.ByteForm(byteForm)
		got := VerifyReceipt(r, request, response)
		if got.OK != (len(got.Problems) == 0) {
			t.Errorf("VerifyReceipt = %+v", got)
		}
		if got.Verdict == zg.VerdictVerified && (text != string(e.receipt.SignedText) || digest != e.receipt.ResponseSHA256) {
			t.Errorf("VerifyReceipt = %+v of what the signer has not signed", got)
		}
	})
}

func BenchmarkVerifyReceipt(b *testing.B) {
	all := receipts(b)
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if f := VerifyReceipt(all["verified"].receipt, nil, nil); !f.OK {
				b.Fatal(f)
			}
		}
	})
	b.Run("1MiB", func(b *testing.B) {
		answer := bytes.Repeat([]byte("x"), 1<<20)
		x := with(requestBody, string(answer))
		e := receiptOf(x, answer, Check(x, signed(b, sum(requestBody)+":"+sum(string(answer)))))
		b.SetBytes(1 << 20)
		b.ReportAllocs()
		for b.Loop() {
			if f := VerifyReceipt(e.receipt, e.request, e.response); !f.OK {
				b.Fatal(f)
			}
		}
	})
}
