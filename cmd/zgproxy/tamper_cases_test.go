package main

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/attest"
	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// What the record can show.
var (
	verified    = shown{Verdict: zg.VerdictVerified}
	otherBytes  = shown{zg.VerdictInvalid, attest.CodeResponseMismatch}
	incomplete  = shown{zg.VerdictSignerOnly, attest.CodeIncomplete}
	noImages    = shown{zg.VerdictSignerOnly, attest.CodeNoImages}
	noText      = shown{zg.VerdictSignerOnly, attest.CodeUnknownText}
	rewritten   = shown{zg.VerdictSignerOnly, attest.CodeRewritten}
	badSig      = shown{zg.VerdictInvalid, attest.CodeBadSignature}
	wrongSigner = shown{zg.VerdictInvalid, attest.CodeWrongSigner}
	otherForm   = shown{zg.VerdictInvalid, attest.CodeFormMismatch}
	otherScheme = shown{zg.VerdictInvalid, attest.CodeUnknownScheme}
	otherRoute  = shown{zg.VerdictInvalid, attest.CodeRoutingMismatch}
	nothingSaid = shown{zg.VerdictUnavailable, attest.CodeNoSignature}
	nonsense    = shown{zg.VerdictUnavailable, attest.CodeFetchFailed}
	badKey      = shown{zg.VerdictUnavailable, attest.CodeBadKey}
	noKey       = shown{zg.VerdictNotSigned, attest.CodeNoKey}
	otherAsked  = shown{zg.VerdictResponse, attest.CodeRequestDiffers}
	notKept     = shown{zg.VerdictResponse, attest.CodeNotKept}
	replayed    = shown{zg.VerdictReplayed, "answer_replayed"}
	seenBefore  = shown{zg.VerdictVerified, "seen_before"}
)

type pieces = func([][]byte) [][]byte

// delivered changes an answer on its way.
func delivered(name, on string, f pieces, is shown) tampering {
	return tampering{name: name, on: on, with: simprovider.Alteration{Pieces: f}, is: is}
}

// endedByError is an answer that an error in it ends.
func endedByError(name, on string, f pieces) tampering {
	c := delivered(name, on, f, incomplete)
	c.ended = true
	return c
}

// endless is an answer whose end never comes.
func endless(name, on string, f pieces) tampering {
	c := delivered(name, on, f, shown{})
	c.broken = true
	return c
}

// halved is a document that ends in the middle, with all that belongs to the end of an answer.
func halved(name, on string, f pieces) tampering {
	c := delivered(name, on, f, incomplete)
	c.halved = true
	return c
}

// edited changes the answer as text.
func edited(f func(string) string) pieces {
	return simprovider.Whole(func(b []byte) []byte { return []byte(f(string(b))) })
}

// pictures changes the list of images.
func pictures(f func([]any) []any) pieces {
	return simprovider.Whole(func(b []byte) []byte {
		var doc map[string]any
		if err := json.Unmarshal(b, &doc); err != nil {
			panic(err) // it is what the provider made
		}
		doc["data"] = f(doc["data"].([]any))
		return mustJSON(doc)
	})
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only called with what can be encoded
	}
	return b
}

const (
	otherAnswer = `{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"evil"},"finish_reason":"stop"}]}`
	otherEvent  = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"evil\"},\"finish_reason\":null}]}\n\n"
	done        = "data: [DONE]\n\n"
)

func bytesAltered() []tampering {
	same := func(p [][]byte) [][]byte { return p }
	all := []tampering{
		{name: "nothing altered", on: "DSITXLCcEeMRU", with: simprovider.Alteration{Pieces: same}, is: verified, but: map[rune]shown{'U': noImages}},
		{name: "cut into other pieces", on: "DSITX", with: simprovider.Alteration{Pieces: simprovider.Whole(func(b []byte) []byte { return b })}, is: verified},
	}
	for _, quarter := range []int{0, 1, 2, 3} {
		for where, at := range map[string]int{"start": 1, "middle": 30, "end": -12} {
			all = append(all, delivered(fmt.Sprintf("flipped at the %s of quarter %d", where, quarter), "DTX", simprovider.Flip(quarter, at), otherBytes))
		}
		all = append(all, delivered(fmt.Sprintf("dropped quarter %d of a text", quarter), "X", simprovider.Drop(quarter), otherBytes))
	}
	for name, at := range map[string][2]int{"first": {0, 100}, "second": {1, 0}, "third": {2, -50}, "last": {3, -30}} {
		all = append(all, delivered("flipped in the "+name+" quarter of images", "I", simprovider.Flip(at[0], at[1]), otherBytes))
	}
	for name, at := range map[string][2]int{
		"name of the first event's field": {0, 0}, "first event": {0, 60}, "content": {1, -40}, "third event": {2, -40}, "name of the end's field": {-3, 0},
		"end": {-3, -10}, "id of the end": {-3, 30}, "usage": {-2, -12}, "name of the usage's field": {-2, 0},
	} {
		all = append(all, delivered("flipped in the "+name, "S", simprovider.Flip(at[0], at[1]), otherBytes))
	}
	return append(
		all,
		endless("flipped in the marker of the end", "S", simprovider.Flip(-1, 7)),
		delivered("flipped in the first line", "L", simprovider.Flip(0, -8), otherBytes),
		delivered("flipped in the last line", "L", simprovider.Flip(-1, 50), otherBytes),
		delivered("flipped outside of the images", "I", simprovider.Flip(0, 2), verified), // nobody signs it

		delivered("dropped head", "DT", simprovider.Drop(0), incomplete),
		delivered("dropped second quarter", "D", simprovider.Drop(1), otherBytes),
		delivered("dropped third quarter", "D", simprovider.Drop(2), otherBytes),
		halved("dropped tail", "DT", simprovider.Drop(3)),
		delivered("dropped first event", "SL", simprovider.Drop(0), otherBytes),
		delivered("dropped event", "SL", simprovider.Drop(2), otherBytes),
		delivered("dropped end", "S", simprovider.Drop(-3), otherBytes),
		delivered("dropped usage", "S", simprovider.Drop(-2), otherBytes),
		delivered("dropped done event", "L", simprovider.Drop(-1), otherBytes),
		endless("dropped marker of the end", "S", simprovider.Drop(-1)),
		delivered("swapped quarters", "DX", simprovider.Swap(1, 2), otherBytes),
		delivered("swapped events", "SL", simprovider.Swap(1, 2), otherBytes),
		delivered("swapped end and usage", "S", simprovider.Swap(-3, -2), otherBytes),
		delivered("swapped usage and marker", "S", simprovider.Swap(-2, -1), otherBytes),
		delivered("repeated", "DSXL", simprovider.Repeat(1), otherBytes),
		delivered("repeated usage", "S", simprovider.Repeat(-2), otherBytes),
		delivered("repeated marker", "S", simprovider.Repeat(-1), otherBytes),

		delivered("inserted event", "S", simprovider.Insert(2, otherEvent), otherBytes),
		delivered("inserted event before the end", "S", simprovider.Insert(-1, otherEvent), otherBytes),
		delivered("inserted comment", "S", simprovider.Insert(1, ": x\n\n"), otherBytes),
		delivered("inserted empty line", "SL", simprovider.Insert(1, "\n"), otherBytes),
		endedByError("inserted error", "S", simprovider.Insert(-1, "data: {\"error\":{\"message\":\"x\"}}\n\n")),
		delivered("inserted space in front", "DSTXL", simprovider.Insert(0, " "), otherBytes),
		delivered("inserted byte order mark", "DS", simprovider.Insert(0, "\ufeff"), otherBytes),
		delivered("inserted space in front of images", "I", simprovider.Insert(0, " "), verified),
		delivered("appended line end", "DSTXL", simprovider.Append("\n"), otherBytes),
		delivered("appended zero byte", "DTX", simprovider.Append("\x00"), otherBytes),
		delivered("appended document", "DT", simprovider.Append("{}"), otherBytes),
		delivered("appended event", "S", simprovider.Append(otherEvent), otherBytes),
		delivered("appended comment", "S", simprovider.Append(": bye\n\n"), otherBytes),
		delivered("appended line end to images", "I", simprovider.Append("\n"), verified),
		delivered("appended document of images", "I", simprovider.Append(`{"data":[{"b64_json":"AAAA"}]}`), otherBytes),

		delivered("cut with marker", "S", simprovider.Cut(3, done), otherBytes),
		delivered("cut to the marker", "S", simprovider.Cut(0, done), otherBytes),
		endless("cut", "S", simprovider.Cut(3, "")),
		endless("cut before the marker", "S", simprovider.Cut(-1, "")),
		endless("cut within the marker", "S", simprovider.Cut(-1, "data: [DO")),
		halved("cut document", "DTI", simprovider.Cut(2, "")),
		delivered("cut and closed", "D", simprovider.Cut(3, `"},"finish_reason":"stop"}]}`), otherBytes),
		delivered("cut text", "XL", simprovider.Cut(2, ""), otherBytes),
		delivered("nothing left", "DTI", edited(func(string) string { return "" }), incomplete),
		delivered("nothing left of a text", "X", edited(func(string) string { return "" }), otherBytes),
		endless("nothing left of a stream", "S", edited(func(string) string { return "" })),

		delivered("another answer", "D", edited(func(string) string { return otherAnswer }), otherBytes),
		delivered("another stream", "S", edited(func(string) string { return otherEvent + done }), otherBytes),
		delivered("another transcript", "T", edited(func(string) string { return `{"text":"evil"}` }), otherBytes),
		delivered("another text", "X", edited(func(string) string { return "evil" }), otherBytes),
		delivered("an error instead", "DT", edited(func(string) string { return `{"error":{"message":"x"}}` }), otherBytes),
		delivered("indented", "DT", edited(indented), otherBytes),
		delivered("indented images", "I", edited(indented), verified),
		delivered("escaped", "D", edited(escaped), otherBytes),
		delivered("with other line ends", "SL", edited(func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }), otherBytes),
		delivered("without spaces", "S", edited(func(s string) string { return strings.ReplaceAll(s, "data: ", "data:") }), otherBytes),
		delivered("in capitals", "X", edited(strings.ToUpper), otherBytes),

		delivered("an image replaced", "I", pictures(func(l []any) []any { l[1] = map[string]any{"b64_json": "AAAA"}; return l }), otherBytes),
		delivered("an image missing", "I", pictures(func(l []any) []any { return l[:1] }), otherBytes),
		delivered("an image more", "I", pictures(func(l []any) []any { return append(l, l[0]) }), otherBytes),
		delivered("images in another order", "I", pictures(func(l []any) []any { l[0], l[1] = l[1], l[0]; return l }), otherBytes),
		delivered("no images", "I", pictures(func([]any) []any { return []any{} }), noImages),
		delivered("images as addresses", "I", pictures(func([]any) []any { return []any{map[string]any{"url": "http://127.0.0.1:1/"}} }), noImages),
		delivered("an image that is none", "I", pictures(func(l []any) []any { l[0] = map[string]any{"b64_json": "###"}; return l }), noImages),
		delivered("images twice, theirs first", "I", edited(func(s string) string { return strings.Replace(s, "{", `{"data":[{"b64_json":"AAAA"}],`, 1) }), otherBytes),
		delivered("images twice, theirs last", "I", edited(func(s string) string { return strings.TrimSuffix(s, "}") + `,"data":[{"b64_json":"AAAA"}]}` }), otherBytes),
		delivered("images twice, theirs disguised", "I", edited(func(s string) string {
			return strings.TrimSuffix(s, "}") + `,"d\u0061ta":[{"b64_json":"AAAA"},{"b64_json":"AAAA"}]}`
		}), otherBytes),
		delivered("an image twice in one place", "I", edited(func(s string) string {
			return strings.Replace(s, `"b64_json":`, `"b64_json":"AAAA","b64_json":`, 1)
		}), noImages),
		delivered("an image twice in one place, theirs disguised", "I", edited(func(s string) string {
			return strings.TrimSuffix(s, `}]}`) + `,"b64_\u006ason":"AAAA"}]}`
		}), noImages),
	)
}

func indented(s string) string {
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(s), "", "  "); err != nil {
		panic(err) // it is what the provider made
	}
	return out.String()
}

// escaped writes whatever is not ASCII as JSON escapes, as Python does.
func escaped(s string) string {
	var out strings.Builder
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			out.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

// spaced puts a space behind every comma and colon that is no part of a string.
func spaced(s string) string {
	var out strings.Builder
	inside := false
	for i := range len(s) {
		out.WriteByte(s[i])
		switch c := s[i]; {
		case c == '"' && (i == 0 || s[i-1] != '\\'):
			inside = !inside
		case !inside && (c == ',' || c == ':'):
			out.WriteByte(' ')
		}
	}
	return out.String()
}

// said changes what is said about the signature.
func said(name, on string, f func(simprovider.SignatureReply) simprovider.SignatureReply, is shown) tampering {
	return tampering{name: name, on: on, with: simprovider.Alteration{Reply: f}, is: is}
}

// signature changes the 65 bytes.
func signature(name string, f func([]byte) []byte, is shown) tampering {
	return said("signature "+name, "DSIT", simprovider.Signature(f), is)
}

// written changes how the signature is written.
func written(name string, f func(string) string, is shown) tampering {
	return said("signature "+name, "DSIT", func(r simprovider.SignatureReply) simprovider.SignatureReply {
		r.Signature = f(r.Signature)
		return r
	}, is)
}

// lateOn is where verdicts that take seconds hold up nobody.
const lateOn = "dsIT"

// slowly marks tampering whose verdict takes seconds.
func slowly(cases ...tampering) []tampering {
	for i := range cases {
		cases[i].slow = true
		cases[i].on = strings.NewReplacer("D", "d", "S", "s").Replace(cases[i].on)
	}
	return cases
}

// same signs a text in another way than providers do.
func same(f func(text string) []byte) func(simprovider.SignatureReply) simprovider.SignatureReply {
	return func(r simprovider.SignatureReply) simprovider.SignatureReply {
		sig, err := crypto.Sign(f(r.Text), devnet.TEEKey("slow"))
		if err != nil {
			panic(err) // the key is one and the digest has its length
		}
		sig[64] += 27
		r.Signature = "0x" + hex.EncodeToString(sig)
		return r
	}
}

func signaturesAltered() []tampering {
	order := crypto.S256().Params().N.Bytes()
	set := func(at int, b []byte) func([]byte) []byte {
		return func(sig []byte) []byte { copy(sig[at:at+32], b); return sig }
	}
	none := make([]byte, 32)
	signedBy := func(name string, with simprovider.Alteration) tampering {
		return tampering{name: "signed by " + name, on: lateOn, with: with, is: wrongSigner}
	}
	all := []tampering{
		signature("with v from 0", func(sig []byte) []byte { sig[64] -= 27; return sig }, verified),
		signature("with v 2", simprovider.V(2), badSig),
		signature("with v 26", simprovider.V(26), badSig),
		signature("with v 29", simprovider.V(29), badSig),
		signature("with v 30", simprovider.V(30), badSig),
		signature("with v 37", simprovider.V(37), badSig),
		signature("with v 255", simprovider.V(255), badSig),
		signature("with high s", simprovider.HighS, badSig),
		signature("with r 0", set(0, none), badSig),
		signature("with s 0", set(32, none), badSig),
		signature("with r of the order", set(0, order), badSig),
		signature("with s of the order", set(32, order), badSig),
		signature("of zeros", func(sig []byte) []byte { return make([]byte, len(sig)) }, badSig),
		signature("too short", func(sig []byte) []byte { return sig[:64] }, badSig),
		signature("too long", func(sig []byte) []byte { return append(sig, 0) }, badSig),
		written("in capitals", func(s string) string { return "0x" + strings.ToUpper(s[2:]) }, verified),
		written("without prefix", func(s string) string { return s[2:] }, verified),
		written("with a prefix in capitals", func(s string) string { return "0X" + s[2:] }, badSig),
		written("with two prefixes", func(s string) string { return "0x" + s }, badSig),
		written("in spaces", func(s string) string { return " " + s + " " }, badSig),
		written("of garbage", func(s string) string { return "0x" + strings.Repeat("zz", 65) }, badSig),
		written("half a digit short", func(s string) string { return s[:len(s)-1] }, badSig),
		written("of a prefix alone", func(string) string { return "0x" }, badSig),
		written("of 100 kB", func(s string) string { return s + strings.Repeat("00", 50_000) }, badSig),
		written("missing", func(string) string { return "" }, nonsense),
		said("another signing address", "DSIT", func(r simprovider.SignatureReply) simprovider.SignatureReply {
			r.SigningAddress = devnet.Wallet().Hex()
			return r
		}, verified),
		said("another algorithm", "DSIT", func(r simprovider.SignatureReply) simprovider.SignatureReply {
			r.SigningAlgorithm = "ed25519"
			return r
		}, verified),
		said("no more than needed", "DSIT", func(r simprovider.SignatureReply) simprovider.SignatureReply {
			return simprovider.SignatureReply{Text: r.Text, Signature: r.Signature}
		}, verified),
	}
	return append(all, slowly(
		signedBy("a stranger", simprovider.Alteration{Key: devnet.WalletKey()}),
		signedBy("another provider", simprovider.Alteration{Key: devnet.TEEKey("beta")}),
		signedBy("a stranger who names the signer", simprovider.Alteration{Key: devnet.WalletKey(), Reply: func(r simprovider.SignatureReply) simprovider.SignatureReply {
			r.SigningAddress = crypto.PubkeyToAddress(devnet.TEEKey("slow").PublicKey).Hex()
			return r
		}}),
		tampering{name: "signature of another text", on: lateOn, is: wrongSigner, with: simprovider.Alteration{Reply: func(r simprovider.SignatureReply) simprovider.SignatureReply {
			r.Text = r.Text[65:] + ":" + r.Text[:64]
			return r
		}}},
		tampering{name: "signature of no message", on: "ds", is: wrongSigner, with: simprovider.Alteration{Reply: same(func(text string) []byte {
			return crypto.Keccak256([]byte(text))
		})}},
		tampering{name: "signature of a digest", on: "ds", is: wrongSigner, with: simprovider.Alteration{Reply: same(func(text string) []byte {
			return crypto.Keccak256(fmt.Appendf(nil, "\x19Ethereum Signed Message:\n32%s", crypto.Keccak256([]byte(text))))
		})}},
		tampering{name: "signature with another s", on: lateOn, is: wrongSigner, with: simprovider.Alteration{Reply: simprovider.Signature(func(sig []byte) []byte {
			sig[63] ^= 1
			return sig
		})}},
		tampering{name: "signature with the other v", on: lateOn, is: wrongSigner, with: simprovider.Alteration{Reply: simprovider.Signature(func(sig []byte) []byte {
			sig[64] ^= 27 ^ 28
			return sig
		})}},
		tampering{name: "signature by a stranger as the fault", on: lateOn, kind: simprovider.SignatureWrongSigner, is: wrongSigner},
	)...)
}

// text has another text signed, by the right key.
func text(name, on string, f func(request, answer string) string, is shown) tampering {
	return tampering{name: "text " + name, on: on, with: simprovider.Alteration{Text: f}, is: is}
}

func textsAltered() []tampering {
	const everywhere = "DSIT"
	other := sumOfBytes([]byte("something else"))
	always := func(s string) func(string, string) string { return func(string, string) string { return s } }
	fits := func(format string) func(string, string) string {
		return func(request, answer string) string { return fmt.Sprintf(format, request, answer) }
	}
	return []tampering{
		{
			name: "text with the halves swapped", on: everywhere, with: simprovider.Alteration{Text: func(q, a string) string { return a + ":" + q }},
			is: otherBytes, but: map[rune]shown{'I': noText},
		},
		text("in capitals", everywhere, func(q, a string) string { return strings.ToUpper(q + ":" + a) }, noText),
		text("with the answer in capitals", everywhere, func(q, a string) string { return q + ":" + strings.ToUpper(a) }, noText),
		text("of garbage", everywhere, always("I hereby confirm everything"), noText),
		text("of one digest", everywhere, func(_, a string) string { return a }, noText),
		text("with a line end", everywhere, fits("%s:%s\n"), noText),
		text("with a space", everywhere, fits("%s: %s"), noText),
		text("with prefixes", everywhere, fits("0x%s:0x%s"), noText),
		text("with short digests", everywhere, func(q, a string) string { return q[1:] + ":" + a[1:] }, noText),
		text("with long digests", everywhere, fits("0%s:0%s"), noText),
		text("without answer", everywhere, fits("%s:%.0s"), noText),
		text("without request", everywhere, fits("%.0s:%s"), noText),
		text("with an empty model", everywhere, fits(":%s:%s"), noText),
		text("of other letters", everywhere, always(strings.Repeat("ä", 64)+":"+strings.Repeat("ä", 64)), noText),
		text("of a megabyte", everywhere, always(strings.Repeat("x", 1<<20)), noText),
		text("of nine megabytes", "DT", always(strings.Repeat("x", 9<<20)), nonsense),
		text("that is empty", everywhere, always(""), nonsense),
		text("as JSON", everywhere, fits(`{"request":"%s","response":"%s"}`), noText),

		text("of a sealed request", everywhere, fits("zg-sig-v1/e2ee-ct:%s:%s"), otherScheme),
		text("of a sealed stream", everywhere, fits("zg-sig-v1/e2ee-ct-stream:%s:%s"), otherScheme),
		text("of the reserved scheme", everywhere, fits("zg-sig-v1/plain:%s:%s"), otherScheme),
		text("of a scheme to come", everywhere, fits("zg-sig-v9/x:%s:%s"), otherScheme),
		text("of a cloud", "DSIT", fits("%s:%s:centralized:openai:"+strings.Repeat("ab", 32)), otherForm),
		text("of an enclave", everywhere, fits("echo-1:%s:%s"), otherForm),
		text("of an enclave with colons", everywhere, fits("a:b:%s:%s"), otherForm),
		text("of a cloud with a bad certificate", everywhere, fits("%s:%s:centralized:openai:xyz"), noText),
		text("of a cloud without name", everywhere, fits("%s:%s:centralized::"+strings.Repeat("ab", 32)), noText),

		text("of images", "DST", fits("%s:%[2]s,%[2]s"), otherBytes),
		text("of another answer", everywhere, func(q, _ string) string { return q + ":" + other }, otherBytes),
		text("of two other answers", everywhere, func(q, _ string) string { return q + ":" + other + "," + other }, otherBytes),
		text("of one of two images", "I", func(q, a string) string { return q + ":" + a[:64] }, otherBytes),
		text("of images in another order", "I", func(q, a string) string { return q + ":" + a[65:] + "," + a[:64] }, otherBytes),
		text("of an image more", "I", func(q, a string) string { return q + ":" + a + "," + other }, otherBytes),
		text("of no image", "I", func(q, _ string) string { return q + ":" }, noText),
		{
			name: "text of another request", on: everywhere, with: simprovider.Alteration{Text: func(_, a string) string { return other + ":" + a }},
			is: otherAsked, but: map[rune]shown{'T': notKept},
		},
		{name: "text of another answer as the fault", on: everywhere, kind: simprovider.SignatureOtherBytes, is: otherBytes},
	}
}

// key announces another name for the signature.
func key(name string, f func(string) string, is shown) tampering {
	return tampering{name: "key " + name, on: "DSIT", with: simprovider.Alteration{ResKey: f}, is: is}
}

func keysAltered() []tampering {
	always := func(s string) func(string) string { return func(string) string { return s } }
	const unknown = "11111111-2222-4333-8444-555555555555"
	return append(
		[]tampering{
			{name: "no key", on: "DSITXL", kind: simprovider.SignatureNoKey, is: noKey},
			key("in capitals", strings.ToUpper, verified),
			key("of another directory", always("../../v1/models"), badKey),
			key("of another directory behind it", func(k string) string { return k + "/../x" }, badKey),
			key("with a slash", func(k string) string { return "a/" + k }, badKey),
			key("with a query", func(k string) string { return k + "?x=1" }, badKey),
			key("with a fragment", func(k string) string { return k + "#x" }, badKey),
			key("with an escape", func(k string) string { return "%2e%2e%2f" + k }, badKey),
			key("with a space", func(k string) string { return k[:8] + " " + k[8:] }, badKey),
			key("with dots", always(".."), badKey),
			key("of an address", always("http://127.0.0.1:1/"), badKey),
			key("of 65 letters", always(strings.Repeat("a", 65)), badKey),
			key("of 5000 letters", always(strings.Repeat("a", 5000)), badKey),
			key("of other letters", always("schlüssel-🔑"), badKey),
			key("of a tab", func(k string) string { return k + "\tx" }, badKey),
		},
		slowly(
			key("that is unknown", always(unknown), nothingSaid),
			key("of 64 letters", always(strings.Repeat("a", 64)), nothingSaid),
			key("of the body", func(k string) string { return "chatcmpl-" + k }, nothingSaid),
		)...,
	)
}

// asked answers who asks for the signature in the provider's place.
func asked(name string, f func(w http.ResponseWriter, r *http.Request, n int) bool, is shown) tampering {
	return tampering{name: "asked for it, " + name, on: "DST", with: simprovider.Alteration{Serve: f}, is: is}
}

// replies gives one answer to whoever asks so many times, and then lets the provider answer.
func replies(times, status int, contentType, body string) func(http.ResponseWriter, *http.Request, int) bool {
	return func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n > times {
			return false
		}
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // who has left needs none
		return true
	}
}

func signaturesServed() []tampering {
	const (
		always = 1 << 20
		asJSON = "application/json"
		page   = "<html><h1>502 Bad Gateway</h1></html>"
		gone   = `{"error":"Chat id not found or expired, chat_id_not_found"}`
	)
	redirect := func(to string) func(http.ResponseWriter, *http.Request, int) bool {
		return func(w http.ResponseWriter, r *http.Request, n int) bool {
			target := to
			if target == "" {
				target = r.URL.Path + "/"
			}
			if n > 1 && to == "" {
				return false
			}
			http.Redirect(w, r, target, http.StatusTemporaryRedirect) //nolint:gosec // a wrong one is the point
			return true
		}
	}
	all := []tampering{
		asked("a page", replies(always, 200, "text/html", page), nonsense),
		asked("a page as JSON", replies(always, 200, asJSON, page), nonsense),
		asked("forbidden", replies(always, 403, "text/html", page), nonsense),
		asked("refused", replies(always, 400, asJSON, `{"error":"endpoint not supported"}`), nonsense),
		asked("unauthorized", replies(always, 401, asJSON, `{"error":"token"}`), nonsense),
		asked("no content", replies(always, 204, asJSON, ""), nonsense),
		asked("nothing", replies(always, 200, asJSON, ""), nonsense),
		asked("an empty object", replies(always, 200, asJSON, "{}"), nonsense),
		asked("null", replies(always, 200, asJSON, "null"), nonsense),
		asked("a list", replies(always, 200, asJSON, "[]"), nonsense),
		asked("null fields", replies(always, 200, asJSON, `{"text":null,"signature":null,"signing_address":null,"signing_algo":null}`), nonsense),
		asked("numbers", replies(always, 200, asJSON, `{"text":1,"signature":2}`), nonsense),
		asked("cut off", replies(always, 200, asJSON, `{"text":"`), nonsense),
		asked("no signature", replies(always, 200, asJSON, `{"text":"x"}`), nonsense),
		asked("no text", replies(always, 200, asJSON, `{"signature":"0x00"}`), nonsense),
		asked("garbage", replies(always, 200, asJSON, `{"text":"x","signature":"y"}`), badSig),
		asked("nine megabytes", replies(always, 200, asJSON, `{"pad":"`+strings.Repeat("x", 9<<20)+`"}`), nonsense),
		asked("sent elsewhere", redirect("http://127.0.0.1:1/"), nonsense),
		asked("sent in circles", func(w http.ResponseWriter, r *http.Request, _ int) bool {
			http.Redirect(w, r, r.URL.Path, http.StatusFound) //nolint:gosec // to where it is
			return true
		}, nonsense),
		asked("sent next door", redirect(""), verified),
		asked("as plain text", func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Header().Set("X-Odd", "yes")
			return false
		}, verified),
		asked("compressed", func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, `{"text":"x","signature":"y"}`) // who has left needs none
			_ = z.Close()                                            // as above
			return true
		}, nonsense),
	}
	all = append(all, slowly(
		asked("500 twice", replies(2, 500, asJSON, `{"error":"Internal Server Error"}`), verified),
		asked("503 four times", replies(4, 503, "text/html", page), verified),
		asked("too many requests once", replies(1, 429, asJSON, `{"error":"slow down"}`), verified),
		asked("too slow once", replies(1, 408, asJSON, "{}"), verified),
		asked("not found once", replies(1, 404, asJSON, gone), verified),
		asked("not found once in the older way", replies(1, 400, asJSON, gone), verified),
		asked("not found once with status 200", replies(1, 200, asJSON, gone), verified),
		asked("500 always", replies(always, 500, asJSON, "{}"), nothingSaid),
		asked("502 always", replies(always, 502, "text/html", page), nothingSaid),
		asked("not found", replies(always, 404, asJSON, gone), nothingSaid),
		asked("cut once", func(_ http.ResponseWriter, _ *http.Request, n int) bool {
			if n == 1 {
				panic(http.ErrAbortHandler)
			}
			return false
		}, verified),
		asked("cut always", func(http.ResponseWriter, *http.Request, int) bool { panic(http.ErrAbortHandler) }, nothingSaid),
	)...)
	hang := asked("no answer", func(_ http.ResponseWriter, r *http.Request, _ int) bool { <-r.Context().Done(); return true }, nothingSaid)
	hang.on = "d"
	return append(all, slowly(hang)...)
}

func others() []tampering {
	reply := func(name string, f func(*simprovider.SignatureReply), is shown) tampering {
		return said("of a cloud, "+name, "Cc", func(r simprovider.SignatureReply) simprovider.SignatureReply { f(&r); return r }, is)
	}
	form := func(name string, f func([]byte) []byte, p pieces, is shown) tampering {
		return tampering{name: "signed as " + name, on: "E", with: simprovider.Alteration{Form: f, Pieces: p}, is: is}
	}
	python := func(b []byte) []byte { return []byte(escaped(spaced(string(b)))) }
	sorted := func(b []byte) []byte {
		var doc map[string]any
		if err := json.Unmarshal(b, &doc); err != nil {
			panic(err) // it is what the provider made
		}
		return mustJSON(doc)
	}
	fp := strings.Repeat("cd", 32)
	all := []tampering{
		{name: "of another chat", on: "DSIT", kind: simprovider.SignatureReplayed, is: otherBytes},
		{name: "compressed", on: "DSITX", kind: simprovider.Gzip, is: verified},
		{name: "given twice", on: "DS", kind: simprovider.AnswerReplayed, kept: true, again: true, is: replayed},
		{name: "given twice to different requests", on: "DSI", kind: simprovider.AnswerReplayed, kept: true, is: replayed},
		{name: "asked for twice", on: "IX", kind: simprovider.AnswerReplayed, kept: true, again: true, is: seenBefore},

		reply("another vendor", func(r *simprovider.SignatureReply) { r.ProviderIdentity = "anthropic" }, otherRoute),
		reply("another certificate", func(r *simprovider.SignatureReply) { r.TLSFingerprint = fp }, otherRoute),
		reply("another type", func(r *simprovider.SignatureReply) { r.ProviderType = "decentralized" }, otherRoute),
		reply("nothing stated", func(r *simprovider.SignatureReply) { r.ProviderType, r.ProviderIdentity, r.TLSFingerprint = "", "", "" }, verified),
		text("of an enclave from a cloud", "Cc", func(q, a string) string { return "cloud:" + q + ":" + a }, otherForm),
		text("of a cloud with another vendor than stated", "Cc", func(q, a string) string { return q + ":" + a + ":centralized:anthropic:" + strings.Repeat("ab", 32) }, otherRoute),
		text("of a cloud with another certificate than stated", "Cc", func(q, a string) string { return q + ":" + a + ":centralized:openai:" + fp }, otherRoute),
		delivered("flipped, of a cloud", "C", simprovider.Flip(1, 30), otherBytes),
		delivered("flipped in a stream, of a cloud", "c", simprovider.Flip(1, -40), otherBytes),

		delivered("flipped, of an enclave", "EM", simprovider.Flip(1, 30), rewritten),
		delivered("flipped in a stream, of an enclave", "e", simprovider.Flip(1, -40), rewritten),
		text("of another model", "M", func(q, a string) string { return "ns:other:" + q + ":" + a }, shown{zg.VerdictInvalid, attest.CodeModelMismatch}),
		text("without the model", "M", func(q, a string) string { return q + ":" + a }, verified),
		text("with the model", "E", func(q, a string) string { return "enclave:" + q + ":" + a }, verified),
		text("with another model", "E", func(q, a string) string { return "cloud:" + q + ":" + a }, shown{zg.VerdictInvalid, attest.CodeModelMismatch}),
		text("of a cloud from an enclave", "Ee", func(q, a string) string { return q + ":" + a + ":centralized:openai:" + fp }, otherForm),
		form("Python writes it", python, nil, verified),
		form("Python writes it briefly", nil, edited(spaced), verified),
		form("sorted", sorted, nil, verified),
		form("another document", func([]byte) []byte { return []byte(otherAnswer) }, nil, rewritten),
		form("Python writes it, then flipped", python, simprovider.Flip(1, 30), rewritten),
		form("Python writes it, then with a name twice", python, edited(func(s string) string {
			return strings.Replace(s, "{", `{"object":"chat.completion",`, 1)
		}), rewritten),
	}
	signers := slowly(
		tampering{name: "signed by the provider instead of the enclave", on: "Ee", with: simprovider.Alteration{Key: devnet.TEEKey("enclave")}, is: wrongSigner},
		tampering{name: "signed by the enclave instead of the provider", on: "C", with: simprovider.Alteration{Key: devnet.TEEKey("model")}, is: wrongSigner},
		tampering{name: "late", on: lateOn, kind: simprovider.SignatureLate, wait: 300 * time.Millisecond, is: verified},
		tampering{name: "too late", on: lateOn, kind: simprovider.SignatureLate, wait: time.Minute, is: nothingSaid},
		tampering{name: "never", on: lateOn, kind: simprovider.SignatureMissing, is: nothingSaid},
	)
	return append(all, signers...)
}
