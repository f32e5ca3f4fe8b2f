package attest

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/growth"
	"github.com/zgproxy/zgproxy/internal/zg"
)

func reserialiser(form zg.ByteForm) growth.Reader {
	return growth.Reader{Name: "Reserialise as " + string(form), Read: func(text []byte) {
		_, _ = Reserialise(form, text)
	}}
}

var (
	documentReaders = []growth.Reader{
		{Name: "the forms of a request", Read: func(text []byte) { canonicalForms(context.Background(), text) }},
		{Name: "the forms of an answer", Read: func(text []byte) { resigned(context.Background(), text, [32]byte{}) }},
		reserialiser(zg.PythonDefault), reserialiser(zg.PythonCompact), reserialiser(zg.JCS),
		{Name: "VerifyReceipt", Read: func(text []byte) {
			r := zg.AnswerReceipt{
				Version: zg.ReceiptVersion, Type: zg.TextToImage, ImagesSHA256: []string{""},
				ResponseSHA256: hexDigest(text), ResponseBytes: int64(len(text)),
			}
			VerifyReceipt(r, nil, text)
		}},
	}
	textReaders = []growth.Reader{
		{Name: "ParseText", Read: func(text []byte) { _, _ = ParseText(string(text)) }},
		{Name: "Recover", Read: func(text []byte) { _, _ = Recover(string(text), strings.Repeat("11", 65)) }},
		{Name: "Recover a signature", Read: func(text []byte) { _, _ = Recover("", string(text)) }},
		{Name: "QuotedSigner", Read: func(text []byte) { _, _ = QuotedSigner(text) }},
	}
)

func documentShapes() []growth.Shape {
	deep := strings.Repeat(`{"z":0,"a":`, 120)
	return slices.Concat(growth.In(`{"a":`, growth.Values, "}"), growth.Values, []growth.Shape{
		{Name: "a deep string", Open: deep + `"`, Unit: "word", Close: `"` + strings.Repeat("}", 120)},
		{Name: "deep names", Open: deep + `{"":0`, Unit: `,"#":0`, Close: "}" + strings.Repeat("}", 120)},
		{Name: "small deep objects", Open: `{"a":[0`, Unit: "," + deep + "0" + strings.Repeat("}", 120), Close: "]}"},
		{Name: "images", Open: `{"data":[{"b64_json":""}`, Unit: `,{"b64_json":"AAAA"}`, Close: "]}"},
	})
}

var (
	someDigest = strings.Repeat("ab", sha256.Size)
	textShapes = []growth.Shape{
		{Name: "digests", Open: someDigest + ":" + someDigest, Unit: "," + someDigest},
		{Name: "commas", Open: someDigest + ":", Unit: ","},
		{Name: "colons", Unit: ":", Close: someDigest + ":" + someDigest},
		{Name: "a long model", Unit: "m", Close: ":" + someDigest + ":" + someDigest},
		{Name: "an identity", Open: someDigest + ":" + someDigest + ":centralized:", Unit: "i", Close: ":" + someDigest},
		{Name: "zeros", Unit: "\x00"},
		{Name: "digits", Open: "0x", Unit: "11"},
	}
)

// The work of checking what was signed grows with the lengths of text, request and answer and no faster, whatever they
// are.
func TestWorkGrowsWithTheBytes(t *testing.T) {
	for _, r := range documentReaders {
		growth.Check(t, r, documentShapes()...)
	}
	for _, r := range textReaders {
		growth.Check(t, r, textShapes...)
	}
}

// FuzzWork looks for documents and texts whose work grows faster than their length.
func FuzzWork(f *testing.F) {
	growth.Fuzz(f, slices.Concat(documentReaders, textReaders), slices.Concat(documentShapes(), textShapes)...)
}
