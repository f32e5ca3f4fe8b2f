package simprovider

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// alter is a fault that tampers.
func alter(a Alteration) Fault { return Fault{Kind: Altered, Alter: &a} }

// What is delivered changes, what is signed does not.
func TestAlteredPieces(t *testing.T) {
	s := start(t, nil)
	n := 0
	for _, more := range []string{"", streamed} {
		honest := s.post(chatPath, chatBody("echo-1", "one two three", more)).must(t).body
		n++
		s.last(n) // on record only after its client has read it
		for name, f := range map[string]func([][]byte) [][]byte{
			"flip": Flip(1, 10), "flip from the end": Flip(-1, -4), "drop": Drop(1), "swap": Swap(0, -1), "repeat": Repeat(2), "insert": Insert(1, "x"),
			"append": Append("\n"), "cut": Cut(2, "data: [DONE]\n\n"), "whole": Whole(func(b []byte) []byte { return append(b, b...) }),
		} {
			s.SetFault(alter(Alteration{Pieces: f}))
			a := s.post(chatPath, chatBody("echo-1", "one two three", more)).must(t)
			n++
			e := s.last(n)
			if a.body == honest || e.ResponseSHA256 != hexSum(a.body) || e.ResponseBytes != int64(len(a.body)) {
				t.Errorf("%s: %q, on record as %+v; want another answer than %q", name, a.body, e, honest)
			}
			text, signer := s.signature(e.ResKey)
			if request, answer, _ := strings.Cut(text, ":"); request != e.SignedRequest || answer == e.ResponseSHA256 || signer != s.Signer() {
				t.Errorf("%s: %s signed %s; want what was made, not what was delivered", name, signer, text)
			}
		}
		s.SetFault(alter(Alteration{Pieces: func(p [][]byte) [][]byte { return p }}))
		a := s.post(chatPath, chatBody("echo-1", "one two three", more)).must(t)
		n++
		if text, _ := s.signature(s.last(n).ResKey); !strings.HasSuffix(text, hexSum(a.body)) {
			t.Errorf("signed %s, want the digest of %q", text, a.body)
		}
		s.SetFault(Fault{})
	}
}

func TestAlteredSignature(t *testing.T) {
	s := start(t, nil)
	stranger := seedKey(t, "stranger")
	s.SetFault(alter(Alteration{
		Key: stranger, ResKey: strings.ToUpper, Form: func([]byte) []byte { return []byte("form") },
		Text: func(request, answer string) string { return answer + ":" + request },
		Reply: func(r SignatureReply) SignatureReply {
			r.SigningAddress = common.Address{}.Hex()
			return r
		},
		Serve: func(w http.ResponseWriter, _ *http.Request, n int) bool {
			if n == 1 {
				w.WriteHeader(http.StatusTeapot)
			}
			return n == 1
		},
	}))
	a := s.post(chatPath, chatBody("echo-1", "one", "")).must(t)
	e := s.last(1)
	if key := a.header.Get("ZG-Res-Key"); key != strings.ToUpper(key) || key != e.ResKey || key == "" {
		t.Errorf("key %q on record as %q, want it in capitals", key, e.ResKey)
	}
	path := "/v1/proxy/signature/" + e.ResKey
	s.get(path).wants(t, http.StatusTeapot, "")
	s.get(path).wants(t, http.StatusOK, `"signing_address":"0x0000000000000000000000000000000000000000"`)
	if text, signer := s.signature(e.ResKey); text != hexSum("form")+":"+e.RequestSHA256 || signer != addressOf(stranger) {
		t.Errorf("%s signed %s", signer, text)
	}
	s.SetFault(alter(Alteration{ResKey: func(string) string { return "" }}))
	if got := s.post(chatPath, chatBody("echo-1", "one", "")).must(t).header; got["Zg-Res-Key"] != nil {
		t.Errorf("headers = %v, want no key", got)
	}
}

// The twin of a signature is of the same signer.
func TestHighS(t *testing.T) {
	s := signedText{text: "text", key: strangerKey()}
	sig, err := s.sign()
	if err != nil {
		t.Fatal(err)
	}
	twin := Signature(HighS)(SignatureReply{Signature: sig}).Signature
	if twin == sig || recoverText(t, "text", twin) != recoverText(t, "text", sig) {
		t.Errorf("the twin of %s is %s", sig, twin)
	}
	if got := Signature(V(29))(SignatureReply{Signature: sig}).Signature; !strings.HasSuffix(got, "1d") || len(got) != len(sig) {
		t.Errorf("with v 29: %s", got)
	}
}

func TestAnswerReplayed(t *testing.T) {
	s := start(t, nil)
	s.SetFault(Fault{Kind: AnswerReplayed})
	if a := s.post(chatPath, chatBody("echo-1", "one", "")).must(t); !strings.Contains(a.body, `"one"`) {
		t.Errorf("with nothing to replay: %s", a.body)
	}
	s.SetFault(Fault{Kind: AnswerKept})
	first := s.post(chatPath, chatBody("echo-1", "one", streamed)).must(t)
	s.SetFault(Fault{Kind: AnswerReplayed})
	again := s.post(chatPath, chatBody("echo-1", "two", streamed)).must(t)
	if again.body != first.body || again.header.Get("ZG-Res-Key") != first.header.Get("ZG-Res-Key") {
		t.Errorf("replayed %q under %s, want %q under %s", again.body, again.header.Get("ZG-Res-Key"), first.body, first.header.Get("ZG-Res-Key"))
	}
	if text, _ := s.signature(again.header.Get("ZG-Res-Key")); text != s.last(2).SignedRequest+":"+hexSum(again.body) {
		t.Errorf("signed %s", text)
	}
}

func TestRawAnswer(t *testing.T) {
	s := start(t, nil)
	s.SetFault(Fault{Kind: Raw, Raw: &RawAnswer{ContentType: "text/event-stream", Pieces: [][]byte{[]byte("da"), []byte("ta: x\r\n")}}})
	a := s.post(chatPath, chatBody("echo-1", "one", "")).must(t)
	e := s.last(1)
	if a.body != "data: x\r\n" || a.header.Get("Content-Type") != "text/event-stream" || !e.Fee.IsZero() {
		t.Errorf("answer %q of type %s for %s", a.body, a.header.Get("Content-Type"), e.Fee)
	}
	if text, _ := s.signature(e.ResKey); text != e.RequestSHA256+":"+hexSum(a.body) {
		t.Errorf("signed %s", text)
	}

	p := start(t, func(cfg *Config) { cfg.Type, cfg.Model = zg.TextToImage, "pictures" })
	for body, signed := range map[string]string{
		`{"data":[{"b64_json":"YQ=="},{"b64_json":"Yg=="}]}`: hexSum("a") + "," + hexSum("b"),
		`{"data":[{"b64_json":"YQ"}]}`:                       hexSum(`{"data":[{"b64_json":"YQ"}]}`),
		`{"data":[{"url":"x"}]}`:                             hexSum(`{"data":[{"url":"x"}]}`),
	} {
		p.SetFault(Fault{Kind: Raw, Raw: &RawAnswer{ContentType: "application/json", Pieces: [][]byte{[]byte(body)}}})
		a := p.post("/images/generations", `{"model":"pictures","prompt":"x"}`).must(t)
		if text, _ := p.signature(a.header.Get("ZG-Res-Key")); a.body != body || !strings.HasSuffix(text, ":"+signed) {
			t.Errorf("%s: signed %s, want %s", a.body, text, signed)
		}
	}
}
