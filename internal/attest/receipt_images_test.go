package attest

import (
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// A receipt of signed pictures is checked with what stands beside them: by the answer, by what was passed on of it, or
// by neither.
func TestReceiptsOfPicturesAndMore(t *testing.T) {
	picture := base64.StdEncoding.EncodeToString([]byte("a picture"))
	bare := `{"created":1,"data":[{"b64_json":"` + picture + `"}]}`
	more := `{"created":1,"data":[{"b64_json":"` + picture + `","url":"https://elsewhere"}]}`
	exchange := func(body string) Exchange {
		x := chat()
		x.Type, x.ResponseSHA256 = zg.TextToImage, sha256.Sum256([]byte(body))
		x.Images = [][32]byte{sha256.Sum256([]byte("a picture"))}
		return x
	}
	text := sum(requestBody) + ":" + sum("a picture")
	for _, tc := range []struct {
		name            string
		judged          func(*Exchange)
		body, given     string
		want            zg.Verdict
		code            string
		ok              bool
		unchecked       int
		receiptsVerdict zg.Verdict
	}{
		{"nothing but pictures", nil, bare, bare, zg.VerdictVerified, "", true, 0, zg.VerdictVerified},
		{"more, told", func(x *Exchange) { x.Extras = true }, more, more, zg.VerdictSignerOnly, CodeExtras, true, 0, zg.VerdictSignerOnly},
		{"more, told, not given", func(x *Exchange) { x.Extras = true }, more, "", zg.VerdictSignerOnly, CodeExtras, true, 1, zg.VerdictSignerOnly},
		{"more, not told", nil, more, more, zg.VerdictVerified, "", false, 0, zg.VerdictSignerOnly},
		{"taken out, as it came", func(x *Exchange) { x.Removed = true }, more, more, zg.VerdictVerified, CodeUnsignedRemoved, true, 0, zg.VerdictVerified},
		{"taken out, as it was passed on", func(x *Exchange) { x.Removed = true }, more, bare, zg.VerdictVerified, CodeUnsignedRemoved, true, 1, zg.VerdictVerified},
		{"something else", func(x *Exchange) { x.Removed = true }, more, `{"data":[{"b64_json":"YQ=="}]}`, zg.VerdictVerified, CodeUnsignedRemoved, false, 0, zg.VerdictVerified},
		{"not whole", func(x *Exchange) { x.Complete = false }, bare, "", zg.VerdictSignerOnly, CodeIncomplete, true, 1, zg.VerdictSignerOnly},
	} {
		x := exchange(tc.body)
		if tc.judged != nil {
			tc.judged(&x)
		}
		r := Check(x, signed(t, text))
		if r.Verdict != tc.want || r.Code != tc.code {
			t.Errorf("%s: Check = %s %s, want %s %s", tc.name, r.Verdict, r.Code, tc.want, tc.code)
		}
		e := receiptOf(x, []byte(tc.body), r)
		var given []byte
		if tc.given != "" {
			given = []byte(tc.given)
		}
		f := VerifyReceipt(e.receipt, []byte(requestBody), given)
		if f.OK != tc.ok || f.Verdict != tc.receiptsVerdict || len(f.Unchecked) != tc.unchecked {
			t.Errorf("%s: VerifyReceipt = %+v, want %s, OK %v and %d unchecked", tc.name, f, tc.receiptsVerdict, tc.ok, tc.unchecked)
		}
	}
}
