package attest

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"go.uber.org/goleak"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	teeSigner = common.HexToAddress("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A") // of the key 32×0x11
	alice     = common.HexToAddress("0xa48f01287233509FD694a22Bf840225062E67836")
	bob       = common.HexToAddress("0x00000000000000000000000000000000000000b0")
)

const (
	resKey      = "3f0b3a34-6f0e-4b3c-9a57-0d3f5c2c9d11"
	requestBody = `{"messages":[{"content":"Hello!","role":"user"}],"model":"qwen-2.5-7b-instruct"}`
	answerBody  = `{"id":"chatcmpl-1","choices":[]}`
)

func key(tb testing.TB, b byte) *ecdsa.PrivateKey {
	tb.Helper()
	k, err := crypto.ToECDSA([]byte(strings.Repeat(string(rune(b)), 32)))
	if err != nil {
		tb.Fatalf("key: %v", err)
	}
	return k
}

// sign is a personal-message signature with v 27 or 28.
func sign(tb testing.TB, k *ecdsa.PrivateKey, text string) []byte {
	tb.Helper()
	sig, err := crypto.Sign(crypto.Keccak256(fmt.Appendf(nil, "\x19Ethereum Signed Message:\n%d%s", len(text), text)), k)
	if err != nil {
		tb.Fatalf("Sign: %v", err)
	}
	sig[64] += 27
	return sig
}

// signed is what a provider with the TEE key says about a text.
func signed(tb testing.TB, text string) zg.Signature {
	tb.Helper()
	return told(text, "0x"+hex.EncodeToString(sign(tb, key(tb, 0x11), text)))
}

// told is a signature as a provider gives it. The address that it names is the right one, and never counts.
func told(text, signature string) zg.Signature {
	return zg.Signature{Text: zg.PeerText(text), Signature: zg.PeerText(signature), SigningAddress: zg.PeerText(teeSigner.Hex()), SigningAlgo: "ecdsa"}
}

func sum(s string) string {
	d := sha256.Sum256([]byte(s))
	return hex.EncodeToString(d[:])
}

// chat is an ordinary exchange with a decentralized provider.
func chat() Exchange {
	return Exchange{
		RequestID: "r1", Provider: alice, BaseURL: "https://p.example", Model: "qwen-2.5-7b-instruct", Type: zg.Chatbot, ResKey: resKey,
		Signer: teeSigner, Signed: true, Request: []byte(requestBody), RequestSHA256: sha256.Sum256([]byte(requestBody)),
		ResponseSHA256: sha256.Sum256([]byte(answerBody)), Complete: true,
	}
}

func chatText() string { return sum(requestBody) + ":" + sum(answerBody) }

// vector is a text signed by independent software.
type vector struct {
	Name, Text, Signature string
	Signer                common.Address
	RequestBody           string   `json:"request_body"`
	ResponseBody          string   `json:"response_body"`
	Images                []string `json:"images_hex"`
}

func vectors(tb testing.TB) map[string]vector {
	tb.Helper()
	var file struct{ Vectors []vector }
	read(tb, "testdata/response_signatures.json", &file)
	out := make(map[string]vector)
	for _, v := range file.Vectors {
		out[v.Name] = v
	}
	if len(out) != 7 {
		tb.Fatalf("%d vectors, want 7", len(out))
	}
	return out
}

func read(tb testing.TB, path string, into any) {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatalf("read: %v", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		tb.Fatalf("decode %s: %v", path, err)
	}
}
