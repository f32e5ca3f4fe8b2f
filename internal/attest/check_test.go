package attest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const fingerprint = "abababababababababababababababababababababababababababababababab"

// exchangeOf is the exchange that a vector is about. The centralized vectors are over the bodies of the first.
func exchangeOf(t *testing.T, all map[string]vector, v vector) Exchange {
	t.Helper()
	bodies := v
	if v.RequestBody == "" {
		bodies = all["R1-decentralized-nonstream"]
	}
	x := chat()
	x.Request = []byte(bodies.RequestBody)
	x.RequestSHA256, x.ResponseSHA256 = sha256.Sum256(x.Request), sha256.Sum256([]byte(bodies.ResponseBody))
	x.Centralized = strings.Contains(v.Text, ":centralized:")
	for _, img := range v.Images {
		raw, err := hex.DecodeString(img)
		if err != nil {
			t.Fatalf("image: %v", err)
		}
		x.Images = append(x.Images, sha256.Sum256(raw))
		x.Type = zg.TextToImage
	}
	return x
}

func TestVectors(t *testing.T) {
	all := vectors(t)
	for name, want := range map[string]Result{
		"R1-decentralized-nonstream": {Verdict: zg.VerdictVerified, Form: FormPlain, Bytes: zg.WireBytes},
		"R2-decentralized-stream":    {Verdict: zg.VerdictVerified, Form: FormPlain, Bytes: zg.WireBytes},
		"R3-centralized":             {Verdict: zg.VerdictVerified, Form: FormCentralized, Bytes: zg.WireBytes},
		"R4-images":                  {Verdict: zg.VerdictVerified, Form: FormImages, Bytes: zg.ImageBytes},
		"R5-e2ee-toplevel":           {Verdict: zg.VerdictInvalid, Code: CodeUnknownScheme},
		"R5b-e2ee-nested-routing":    {Verdict: zg.VerdictInvalid, Code: CodeResponseMismatch, Form: FormCentralized},
		"KAT-check":                  {Verdict: zg.VerdictInvalid, Code: CodeUnknownScheme},
	} {
		t.Run(name, func(t *testing.T) {
			v, ok := all[name]
			if !ok {
				t.Fatal("no such vector")
			}
			if got, err := Recover(v.Text, v.Signature); err != nil || got != v.Signer || got != teeSigner {
				t.Errorf("Recover = %s, %v; want %s", got, err, v.Signer)
			}
			want.Signer, want.Expected, want.Text, want.Signature = teeSigner, teeSigner, zg.PeerText(v.Text), zg.PeerText(v.Signature)
			got := Check(exchangeOf(t, all, v), told(v.Text, v.Signature))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Check (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	other := sum("something else")
	cloud := func(x *Exchange) { x.Centralized = true }
	enclave := func(x *Exchange) { x.Separated = true }
	images := func(x *Exchange) {
		x.Type, x.Images = zg.TextToImage, [][32]byte{sha256.Sum256([]byte("0")), sha256.Sum256([]byte("1"))}
	}
	for _, tt := range []struct {
		name    string
		edit    func(*Exchange)
		text    string
		state   func(*zg.Signature)
		verdict zg.Verdict
		code    string
		form    Form
	}{
		{"as it should be", nil, chatText(), nil, zg.VerdictVerified, "", FormPlain},

		{"service that does not sign", func(x *Exchange) { x.Signed = false }, chatText(), nil, zg.VerdictNotSigned, CodeUnsigned, ""},
		{"nobody's signature counts", func(x *Exchange) { x.Signer = common.Address{} }, chatText(), nil, zg.VerdictNotSigned, CodeUnsigned, ""},
		{"no key", func(x *Exchange) { x.ResKey = "" }, chatText(), nil, zg.VerdictNotSigned, CodeNoKey, ""},

		{"one byte of the answer differs", func(x *Exchange) { x.ResponseSHA256 = sha256.Sum256([]byte(answerBody[:31] + "]")) }, chatText(), nil, zg.VerdictInvalid, CodeResponseMismatch, FormPlain},
		{"one bit of the digest differs", func(x *Exchange) { x.ResponseSHA256[31] ^= 1 }, chatText(), nil, zg.VerdictInvalid, CodeResponseMismatch, FormPlain},
		{"another chat's text", nil, other + ":" + sum("another answer"), nil, zg.VerdictInvalid, CodeResponseMismatch, FormPlain},
		{"halves swapped", nil, sum(answerBody) + ":" + sum(requestBody), nil, zg.VerdictInvalid, CodeResponseMismatch, FormPlain},
		{"another request, same answer", nil, other + ":" + sum(answerBody), nil, zg.VerdictResponse, CodeRequestDiffers, FormPlain},
		{"request not kept", func(x *Exchange) { x.Request = nil }, other + ":" + sum(answerBody), nil, zg.VerdictResponse, CodeNotKept, FormPlain},
		{"request not kept, digest matches", func(x *Exchange) { x.Request = nil }, chatText(), nil, zg.VerdictVerified, "", FormPlain},
		{"request without a canonical form", func(x *Exchange) { x.Request = []byte(`{"a":1,"a":2}`) }, other + ":" + sum(answerBody), nil, zg.VerdictResponse, CodeRequestDiffers, FormPlain},
		{
			"re-serialised request", func(x *Exchange) {
				x.Request = []byte(`{"n":1.0, "a":"<"}`)
				x.RequestSHA256 = sha256.Sum256(x.Request)
			},
			sum(`{"a":"\u003c","n":1}`) + ":" + sum(answerBody), nil, zg.VerdictVerified, CodeReencoded, FormPlain,
		},
		{
			"re-serialised request with the usage option", func(x *Exchange) { x.Request = []byte(`{"stream":true}`) },
			sum(`{"stream":true,"stream_options":{"include_usage":true}}`) + ":" + sum(answerBody), nil, zg.VerdictVerified, CodeReencoded, FormPlain,
		},

		{"cut off", func(x *Exchange) { x.Complete, x.ResponseSHA256 = false, sha256.Sum256(nil) }, chatText(), nil, zg.VerdictSignerOnly, CodeIncomplete, FormPlain},
		{"cut off after the last byte", func(x *Exchange) { x.Complete = false }, chatText(), nil, zg.VerdictVerified, "", FormPlain},

		{"lying signing_address", nil, chatText(), func(s *zg.Signature) { s.SigningAddress = zg.PeerText(bob.Hex()) }, zg.VerdictVerified, "", FormPlain},
		{"lying signing_algo", nil, chatText(), func(s *zg.Signature) { s.SigningAlgo = "ed25519" }, zg.VerdictVerified, "", FormPlain},

		{"named scheme that is not known", nil, "zg-sig-v9/x:" + chatText(), nil, zg.VerdictInvalid, CodeUnknownScheme, ""},
		{"named scheme of sealed requests", nil, "zg-sig-v1/e2ee-ct:" + chatText(), nil, zg.VerdictInvalid, CodeUnknownScheme, ""},
		{"named scheme that is reserved", enclave, "zg-sig-v1/plain:" + chatText(), nil, zg.VerdictInvalid, CodeUnknownScheme, ""},
		{"named scheme, model named alike", func(x *Exchange) { x.Separated, x.Model = true, "zg-sig-m" }, "zg-sig-m:" + chatText(), nil, zg.VerdictInvalid, CodeUnknownScheme, ""},
		{"text of no form", nil, "hello", nil, zg.VerdictSignerOnly, CodeUnknownText, ""},
		{"empty text", nil, "", nil, zg.VerdictSignerOnly, CodeUnknownText, ""},

		{"cloud", cloud, chatText() + ":centralized:openai:" + fingerprint, nil, zg.VerdictVerified, "", FormCentralized},
		{"cloud, stated alike", cloud, chatText() + ":centralized:openai:" + fingerprint, func(s *zg.Signature) {
			s.ProviderType, s.ProviderIdentity, s.TLSCertFingerprint = "centralized", "openai", zg.PeerText(fingerprint)
		}, zg.VerdictVerified, "", FormCentralized},
		{"cloud, other type stated", cloud, chatText() + ":centralized:openai:" + fingerprint, func(s *zg.Signature) { s.ProviderType = "decentralized" }, zg.VerdictInvalid, CodeRoutingMismatch, FormCentralized},
		{"cloud, other vendor stated", cloud, chatText() + ":centralized:openai:" + fingerprint, func(s *zg.Signature) { s.ProviderIdentity = "minimax" }, zg.VerdictInvalid, CodeRoutingMismatch, FormCentralized},
		{"cloud, other certificate stated", cloud, chatText() + ":centralized:openai:" + fingerprint, func(s *zg.Signature) { s.TLSCertFingerprint = zg.PeerText(other) }, zg.VerdictInvalid, CodeRoutingMismatch, FormCentralized},
		{"cloud, other bytes", cloud, sum(requestBody) + ":" + other + ":centralized:openai:" + fingerprint, nil, zg.VerdictInvalid, CodeResponseMismatch, FormCentralized},
		{"cloud, but not on chain", nil, chatText() + ":centralized:openai:" + fingerprint, nil, zg.VerdictInvalid, CodeFormMismatch, FormCentralized},
		{"cloud that signs plainly", cloud, chatText(), nil, zg.VerdictVerified, "", FormPlain},

		{"enclave of its own", enclave, chatText(), nil, zg.VerdictVerified, "", FormPlain},
		{"enclave that names the model", enclave, "qwen-2.5-7b-instruct:" + chatText(), nil, zg.VerdictVerified, "", FormModel},
		{"model with colons", func(x *Exchange) { x.Separated, x.Model = true, "org/m:free:1" }, "org/m:free:1:" + chatText(), nil, zg.VerdictVerified, "", FormModel},
		{"enclave that names another model", enclave, "qwen:" + chatText(), nil, zg.VerdictInvalid, CodeModelMismatch, FormModel},
		{"model named where there is no enclave", nil, "qwen-2.5-7b-instruct:" + chatText(), nil, zg.VerdictInvalid, CodeFormMismatch, FormModel},
		{"enclave whose answer was rewritten", enclave, sum(requestBody) + ":" + other, nil, zg.VerdictSignerOnly, CodeRewritten, FormPlain},

		{"images", images, sum(requestBody) + ":" + sum("0") + "," + sum("1"), nil, zg.VerdictVerified, "", FormImages},
		{"images in another order", images, sum(requestBody) + ":" + sum("1") + "," + sum("0"), nil, zg.VerdictInvalid, CodeResponseMismatch, FormImages},
		{"images missing", images, sum(requestBody) + ":" + sum("0"), nil, zg.VerdictInvalid, CodeResponseMismatch, FormPlain},
		{"more images", images, sum(requestBody) + ":" + sum("0") + "," + sum("1") + "," + sum("1"), nil, zg.VerdictInvalid, CodeResponseMismatch, FormImages},
		{"images signed as a body", images, chatText(), nil, zg.VerdictVerified, "", FormPlain},
		{"one image", func(x *Exchange) { x.Images = [][32]byte{sha256.Sum256([]byte("0"))} }, sum(requestBody) + ":" + sum("0"), nil, zg.VerdictVerified, "", FormPlain},
		{"links to images", func(x *Exchange) { x.Type = zg.ImageEditing }, sum(requestBody) + ":" + sum("0"), nil, zg.VerdictSignerOnly, CodeNoImages, FormPlain},
		{"a video that is done", func(x *Exchange) { x.Type = zg.VideoGeneration }, sum(requestBody) + ":" + other, nil, zg.VerdictSignerOnly, CodeJobEnded, FormPlain},
		{"a body among images", nil, chatText() + "," + sum("1"), nil, zg.VerdictInvalid, CodeResponseMismatch, FormImages},
		{"images for a chat", nil, sum(requestBody) + ":" + sum("0") + "," + sum("1"), nil, zg.VerdictInvalid, CodeResponseMismatch, FormImages},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x, sig := chat(), signed(t, tt.text)
			if tt.edit != nil {
				tt.edit(&x)
			}
			if tt.state != nil {
				tt.state(&sig)
			}
			want := Result{
				Verdict: tt.verdict, Code: tt.code, Form: tt.form, Signer: teeSigner, Expected: x.Signer, Text: sig.Text, Signature: sig.Signature,
				ReencodedRequest: tt.code == CodeReencoded,
			}
			switch tt.verdict {
			case zg.VerdictNotSigned:
				want = Result{Verdict: tt.verdict, Code: tt.code}
				if x.Signed {
					want.Expected = x.Signer
				}
			case zg.VerdictVerified, zg.VerdictResponse:
				want.Bytes = zg.WireBytes
				if len(x.Images) > 0 && tt.text != chatText() {
					want.Bytes = zg.ImageBytes
				}
			default:
			}
			if diff := cmp.Diff(want, Check(x, sig)); diff != "" {
				t.Errorf("Check (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWrongSigner(t *testing.T) {
	stranger := key(t, 0x22)
	sig := told(chatText(), hex.EncodeToString(sign(t, stranger, chatText())))
	want := Result{
		Verdict: zg.VerdictInvalid, Code: CodeWrongSigner, Signer: crypto.PubkeyToAddress(stranger.PublicKey), Expected: teeSigner,
		Text: sig.Text, Signature: sig.Signature,
	}
	if got := Check(chat(), sig); got != want {
		t.Errorf("Check = %+v, want %+v", got, want)
	}

	// One changed byte of the text is another text, which somebody unknown signed.
	for i := range len(chatText()) {
		text := []byte(chatText())
		text[i] ^= 1
		sig := signed(t, chatText())
		sig.Text = zg.PeerText(text)
		if got := Check(chat(), sig); got.Verdict != zg.VerdictInvalid {
			t.Fatalf("Check with byte %d changed = %+v, want invalid", i, got)
		}
	}
}

func TestRecover(t *testing.T) {
	good := sign(t, key(t, 0x11), "text")
	with := func(edit func(sig []byte)) string {
		sig := append([]byte(nil), good...)
		edit(sig)
		return "0x" + hex.EncodeToString(sig)
	}
	for name, s := range map[string]string{
		"v 27 or 28": with(func([]byte) {}), "v 0 or 1": with(func(s []byte) { s[64] -= 27 }), "no 0x": with(func([]byte) {})[2:],
		"capitals": "0x" + strings.ToUpper(with(func([]byte) {})[2:]),
	} {
		if got, err := Recover("text", s); err != nil || got != teeSigner {
			t.Errorf("%s: Recover = %s, %v; want %s", name, got, err, teeSigner)
		}
	}

	high := func(s []byte) {
		flipped := new(big.Int).Sub(crypto.S256().Params().N, new(big.Int).SetBytes(s[32:64]))
		flipped.FillBytes(s[32:64])
		s[64] ^= 7 // 27 ↔ 28: the twin has the other parity
	}
	order := crypto.S256().Params().N.Bytes()
	for name, s := range map[string]string{
		"empty": "", "0x only": "0x", "no hex": "0x" + strings.Repeat("zz", 65), "64 bytes": with(func([]byte) {})[:130], "66 bytes": with(func([]byte) {}) + "00",
		"odd": with(func([]byte) {})[:131], "two prefixes": "0x" + with(func([]byte) {}), "white space": " " + with(func([]byte) {}),
		"v 2": with(func(s []byte) { s[64] = 2 }), "v 26": with(func(s []byte) { s[64] = 26 }), "v 29": with(func(s []byte) { s[64] = 29 }),
		"v 255": with(func(s []byte) { s[64] = 255 }), "r of zero": with(func(s []byte) { clear(s[:32]) }), "s of zero": with(func(s []byte) { clear(s[32:64]) }),
		"r too large": with(func(s []byte) { copy(s, order) }), "s too large": with(func(s []byte) { copy(s[32:], order) }), "high s": with(high),
	} {
		if got, err := Recover("text", s); err == nil || got != (common.Address{}) {
			t.Errorf("%s: Recover = %s, %v; want an error", name, got, err)
		}
		want := Result{Verdict: zg.VerdictInvalid, Code: CodeBadSignature, Expected: teeSigner, Text: zg.PeerText(chatText()), Signature: zg.PeerText(s)}
		if got := Check(chat(), told(chatText(), s)); got != want {
			t.Errorf("%s: Check = %+v, want %+v", name, got, want)
		}
	}
	// The twin is a signature of the same key by itself: only its form is refused.
	twin := append([]byte(nil), good...)
	high(twin)
	twin[64] -= 27
	hash := crypto.Keccak256([]byte("\x19Ethereum Signed Message:\n4text"))
	if pub, err := crypto.SigToPub(hash, twin); err != nil || crypto.PubkeyToAddress(*pub) != teeSigner {
		t.Errorf("the twin recovers to %v, %v; the test of high s proves nothing", pub, err)
	}
}

// What a provider may make us keep is bounded; the verdict is found all the same.
func TestCheckKeepsLittle(t *testing.T) {
	most := longestText(chat())
	long := strings.Repeat("x", most+1)
	for name, tt := range map[string]struct {
		sig  zg.Signature
		want Result
	}{
		"long text":      {signed(t, long), Result{Verdict: zg.VerdictSignerOnly, Code: CodeUnknownText, Signer: teeSigner, Expected: teeSigner}},
		"long signature": {told(chatText(), long), Result{Verdict: zg.VerdictInvalid, Code: CodeBadSignature, Expected: teeSigner}},
	} {
		if diff := cmp.Diff(tt.want, Check(chat(), tt.sig)); diff != "" {
			t.Errorf("%s: Check (-want +got):\n%s", name, diff)
		}
	}
	atMost := signed(t, long[:most])
	if got := Check(chat(), atMost); got.Text != atMost.Text || got.Signature != atMost.Signature {
		t.Errorf("Check of a text of %d bytes keeps %d bytes, want all", most, len(got.Text))
	}
	// A scheme's name in front of it changes nothing: the receipt could not show it.
	scheme := Check(chat(), signed(t, schemePrefix+long))
	if scheme.Code != CodeUnknownText || scheme.Text != "" {
		t.Errorf("Check of a long text with a scheme: %s, %d bytes kept", scheme.Code, len(scheme.Text))
	}
	// However many images there were, their digests are not too long.
	pictures := chat()
	pictures.Type, pictures.Images = zg.TextToImage, make([][32]byte, zg.MaxSignedImages)
	zeros := strings.Repeat("0", 64)
	text := hex.EncodeToString(pictures.RequestSHA256[:]) + ":" + zeros + strings.Repeat(","+zeros, zg.MaxSignedImages-1)
	if got := Check(pictures, signed(t, text)); got.Verdict != zg.VerdictVerified || string(got.Text) != text {
		t.Errorf("Check of %d images: %s %s, %d bytes kept", zg.MaxSignedImages, got.Verdict, got.Code, len(got.Text))
	}
}

// A model's own enclave may have signed a document in the form in which its server writes JSON.
func TestCheckReserialised(t *testing.T) {
	const (
		body      = `{"id":"chatcmpl-1","b":"é","a":1.50,"n":1}`
		pydefault = `{"id": "chatcmpl-1", "b": "\u00e9", "a": 1.5, "n": 1}`
		pycompact = `{"id":"chatcmpl-1","b":"é","a":1.5,"n":1}`
		jcs       = `{"a":1.5,"b":"é","id":"chatcmpl-1","n":1}`
	)
	enclave := func(body string) Exchange {
		x := chat()
		x.Separated, x.Response, x.ResponseSHA256 = true, []byte(body), sha256.Sum256([]byte(body))
		return x
	}
	for form, text := range map[zg.ByteForm]string{zg.WireBytes: body, zg.PythonDefault: pydefault, zg.PythonCompact: pycompact, zg.JCS: jcs} {
		for _, prefix := range []string{"", "qwen-2.5-7b-instruct:"} {
			sig := signed(t, prefix+sum(requestBody)+":"+sum(text))
			if got := Check(enclave(body), sig); got.Verdict != zg.VerdictVerified || got.Code != "" || got.Bytes != form {
				t.Errorf("%s: Check = %+v, want verified", form, got)
			}
		}
	}
	// Where two forms are the same bytes, the first counts.
	if got := Check(enclave(`{"a":1}`), signed(t, sum(requestBody)+":"+sum(`{"a":1}`))); got.Bytes != zg.WireBytes {
		t.Errorf("Check = %+v, want the bytes as they came", got)
	}
	if got := Check(enclave(` {"a":1}`), signed(t, sum(requestBody)+":"+sum(`{"a":1}`))); got.Bytes != zg.PythonCompact {
		t.Errorf("Check = %+v, want the first of the forms", got)
	}

	sig := signed(t, sum(requestBody)+":"+sum(pydefault))
	for name, tt := range map[string]struct {
		edit    func(*Exchange)
		verdict zg.Verdict
		code    string
	}{
		"no enclave of its own": {func(x *Exchange) { x.Separated = false }, zg.VerdictInvalid, CodeResponseMismatch},
		"a stream":              {func(x *Exchange) { x.Stream = true }, zg.VerdictSignerOnly, CodeRewritten},
		"not kept":              {func(x *Exchange) { x.Response = nil }, zg.VerdictSignerOnly, CodeRewritten},
		"another body kept":     {func(x *Exchange) { x.ResponseSHA256[0] ^= 1 }, zg.VerdictSignerOnly, CodeRewritten},
		"another value":         {func(x *Exchange) { *x = enclave(`{"id":"chatcmpl-1","b":"é","a":1.5,"n":2}`) }, zg.VerdictSignerOnly, CodeRewritten},
		"a name twice":          {func(x *Exchange) { *x = enclave(`{"a":1,` + body[1:]) }, zg.VerdictSignerOnly, CodeRewritten},
		"broken off":            {func(x *Exchange) { *x = enclave(body[:20]); x.Complete = false }, zg.VerdictSignerOnly, CodeIncomplete},
	} {
		x := enclave(body)
		tt.edit(&x)
		if got := Check(x, sig); got.Verdict != tt.verdict || got.Code != tt.code || got.Bytes != "" {
			t.Errorf("%s: Check = %+v, want %s %s", name, got, tt.verdict, tt.code)
		}
	}
}

func TestParseText(t *testing.T) {
	a, b, c := sum("a"), sum("b"), sum("c")
	d := func(s string) [32]byte { return sha256.Sum256([]byte(s)) }
	for text, want := range map[string]Text{
		a + ":" + b:              {Form: FormPlain, Request: d("a"), Response: [][32]byte{d("b")}},
		a + ":" + b + "," + c:    {Form: FormImages, Request: d("a"), Response: [][32]byte{d("b"), d("c")}},
		"m:" + a + ":" + b:       {Form: FormModel, Model: "m", Request: d("a"), Response: [][32]byte{d("b")}},
		"o:m:1:2:" + a + ":" + b: {Form: FormModel, Model: "o:m:1:2", Request: d("a"), Response: [][32]byte{d("b")}},
		a + ":" + b + ":centralized:openai:" + c: {
			Form: FormCentralized, Request: d("a"), Response: [][32]byte{d("b")}, Identity: "openai", Fingerprint: c,
		},
		"x:y:centralized:" + a + ":" + b: {Form: FormModel, Model: "x:y:centralized", Request: d("a"), Response: [][32]byte{d("b")}},
	} {
		got, err := ParseText(text)
		if err != nil {
			t.Errorf("ParseText(%s): %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseText(%s) (-want +got):\n%s", text, diff)
		}
	}
	for _, text := range []string{
		"", ":", a, a + ":", ":" + b, a + ":" + b + ":", ":" + a + ":" + b, a + ":" + b + ",", a + ":," + b, a + "," + b + ":" + c, a[1:] + ":" + b, a + "0:" + b,
		strings.ToUpper(a) + ":" + b, "0x" + a + ":" + b, a + ":" + b[:63] + "g", a + ": " + b, a + ":" + b + "\n",
		a + ":" + b + ":centralized::" + c, a + ":" + b + ":centralized:openai:" + c[1:], a + ":" + b + ":centralized:openai", a + ":" + b + ":other:openai:" + c,
		a + ":" + b + strings.Repeat(","+b, maxText/65),
	} {
		if got, err := ParseText(text); err == nil {
			t.Errorf("ParseText(%.200q) = %+v, want an error", text, got)
		}
	}
}

// What is accepted can be written in one way only.
func FuzzParseText(f *testing.F) {
	f.Add(chatText())
	f.Add(chatText() + "," + sum("x"))
	f.Add("a:b:" + chatText())
	f.Add(chatText() + ":centralized:openai:" + fingerprint)
	f.Fuzz(func(t *testing.T, s string) {
		text, err := ParseText(s)
		if err != nil {
			return
		}
		var parts []string
		for _, d := range text.Response {
			parts = append(parts, hex.EncodeToString(d[:]))
		}
		again := hex.EncodeToString(text.Request[:]) + ":" + strings.Join(parts, ",")
		switch text.Form {
		case FormModel:
			again = text.Model + ":" + again
		case FormCentralized:
			again += ":centralized:" + text.Identity + ":" + text.Fingerprint
		case FormPlain, FormImages:
		}
		if again != s {
			t.Errorf("ParseText(%q) reads as %q", s, again)
		}
	})
}

func BenchmarkRecover(b *testing.B) {
	sig := signed(b, chatText())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Recover(sig.Text, sig.Signature); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	body := bytes.Repeat([]byte("lorem ipsum dolo"), 1<<16)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		sha256.Sum256(body)
	}
}

func BenchmarkCheck(b *testing.B) {
	x, sig := chat(), signed(b, chatText())
	b.ReportAllocs()
	for b.Loop() {
		if got := Check(x, sig); got.Verdict != zg.VerdictVerified {
			b.Fatalf("Check = %+v", got)
		}
	}
}
