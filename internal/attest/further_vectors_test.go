package attest

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// All of what follows was made by other software with one key.
var furtherSigner = common.HexToAddress("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A")

const (
	centralizedTranscript = "0x27e4ebfc33bdea28e060b9b2717328967cee32924187244741c8da20add661e617f2fa4242db5cb47f4a50c3b15c386a6d61d6953ee478ae8a0d96f13b03c8531c"
	sealedText            = "0x6ac01453a8f3fbb211f612c79563409265d2700b676e21e426161ebcd9734e086eb5c6bb03811437d04dd75504d7766dfedbb60308a2931276e175ecff67eead1b"
	routingProof          = "0x408ac31f7f5b7bfe9b5dd6820c781b4a787e99b74e185fa0adfa2d0332f933762ba0888c4b2e0ede50866d046596a218b124adf217f444e804f5fc4a67706c3c1b"
	quoteSignature        = "0xcc2595f0475f02e9a55196201f31178ab7f859b3a87959ff1509950ec2e20a7268ce249cf91504539639245d83f92ae63aa7b1cd882b25a256249f4f19707dc41b"
)

// A transcript that a provider relays from a vendor is signed like any other answer that is relayed.
func TestCentralizedTranscriptIsVerified(t *testing.T) {
	request := "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b--\r\n"
	answer := `{"text":"hello","usage":{"type":"duration","seconds":3}}`
	text := sum(request) + ":" + sum(answer) + ":centralized:openai:" + strings.Repeat("ef", 32)
	if !strings.HasPrefix(text, "ca1a418c3ce104697212f211ba100e8964b961506f1972a966129cbe48f81a38:c4b018e9d428bce8341857ffd4ce2ea363ac48a9eb87f6e176e3bdf61228a5cc:") {
		t.Errorf("text = %s", text)
	}
	x := Exchange{
		Provider: alice, Type: zg.SpeechToText, ResKey: resKey, Signer: furtherSigner, Signed: true, Centralized: true, Complete: true,
		Request: []byte(request), RequestSHA256: sha256.Sum256([]byte(request)), ResponseSHA256: sha256.Sum256([]byte(answer)),
	}
	sig := told(text, centralizedTranscript)
	if r := Check(x, sig); r.Verdict != zg.VerdictVerified || r.Form != FormCentralized {
		t.Errorf("Check = %+v", r)
	}
	x.ResponseSHA256[0] ^= 1
	if r := Check(x, sig); r.Verdict == zg.VerdictVerified {
		t.Errorf("another answer: %+v", r)
	}
}

// A text over a sealed exchange is none over one that was not sealed, whoever signed it; its proof of routing is signed
// too.
func TestSealedTextIsNoProofOfAnOpenAnswer(t *testing.T) {
	pair := sum("req") + ":" + sum("resp")
	for text, signature := range map[string]string{"zg-sig-v1/e2ee-ct:" + pair: sealedText, pair + ":centralized:openai:" + strings.Repeat("ef", 32): routingProof} {
		if got, err := Recover(text, signature); err != nil || got != furtherSigner {
			t.Errorf("%s: signed by %s, %v", text, got, err)
		}
	}
	x := Exchange{
		Provider: alice, Type: zg.Chatbot, ResKey: resKey, Signer: furtherSigner, Signed: true, Centralized: true, Complete: true,
		Request: []byte("req"), RequestSHA256: sha256.Sum256([]byte("req")), ResponseSHA256: sha256.Sum256([]byte("resp")),
	}
	if r := Check(x, told("zg-sig-v1/e2ee-ct:"+pair, sealedText)); r.Verdict != zg.VerdictInvalid || r.Code != CodeUnknownScheme {
		t.Errorf("Check = %+v", r)
	}
}

// The two layouts in which a quote names its signer, and the signature over the document that a quote comes in.
func TestQuotesOfOtherSoftware(t *testing.T) {
	for _, words := range []string{
		"43122ca60c1c7409e395808d81bb892cf36c312cb20cf1e08621b453bb48e10519e7e376e7c213b7e7e7e46cc70a5dd086daff2a000000010000000000000000",
		"307831394537453337364537433231334237453765376534366363373041356444303836444166663241" + strings.Repeat("00", 22),
	} {
		raw, err := hex.DecodeString(words)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := QuotedSigner(quoteOf(4, 0, raw)); err != nil || got != furtherSigner {
			t.Errorf("%s: %s, %v", words, got, err)
		}
	}
	digest := crypto.Keccak256([]byte(`{"quote":"04000200","report_data":"AA=="}`))
	if got := hex.EncodeToString(digest); got != "ce466a4be1d586e49a1a3840393b9a6d40fb156703ed6f4da503880f5ac78e1d" {
		t.Errorf("digest = %s", got)
	}
	if got, err := Recover(string(digest), quoteSignature); err != nil || got != furtherSigner {
		t.Errorf("signed by %s, %v", got, err)
	}
}
