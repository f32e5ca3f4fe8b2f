package attest

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// The cases were recorded from Python 3.11 and, for the third form, from V8. An empty form is one that must be refused:
// Python writes what is not JSON there, cannot encode it, or another number comes out.
func TestReserialiseRecorded(t *testing.T) {
	var cases []struct{ In, PyDefault, PyCompact, JCS string }
	read(t, "testdata/reserialised.json", &cases)
	if len(cases) < 20 {
		t.Fatalf("%d cases, want all", len(cases))
	}
	for _, c := range cases {
		for form, want := range map[zg.ByteForm]string{zg.PythonDefault: c.PyDefault, zg.PythonCompact: c.PyCompact, zg.JCS: c.JCS} {
			got, err := Reserialise(form, []byte(c.In))
			if want == "" {
				if !errors.Is(err, ErrForm) || got != nil {
					t.Errorf("%s of %s = %s, %v; want ErrForm", form, c.In, got, err)
				}
				continue
			}
			if err != nil || string(got) != want {
				t.Errorf("%s of %s = %s, %v; want %s", form, c.In, got, err, want)
			}
		}
	}
}

// RFC 8785, sections 3.2.2 to 3.2.4.
func TestJCSExamples(t *testing.T) {
	for in, want := range map[string]string{
		`{
		  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
		  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
		  "literals": [null, true, false]
		}`: `{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
		`{
		  "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
		  "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
		}`: `{"\r":"Carriage Return","1":"One","` + "\u0080" + `":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign",` +
			`"😀":"Emoji: Grinning Face","` + "\ufb33" + `":"Hebrew Letter Dalet With Dagesh"}`,
	} {
		if got, err := Reserialise(zg.JCS, []byte(in)); err != nil || string(got) != want {
			t.Errorf("JCS of %s\n = %s, %v\nwant %s", in, got, err, want)
		}
	}
}

// RFC 8785, appendix B.
func TestJCSNumbers(t *testing.T) {
	for bits, want := range map[uint64]string{
		0x0000000000000000: "0", 0x8000000000000000: "0", 0x0000000000000001: "5e-324", 0x8000000000000001: "-5e-324",
		0x7fefffffffffffff: "1.7976931348623157e+308", 0xffefffffffffffff: "-1.7976931348623157e+308",
		0x4340000000000000: "9007199254740992", 0xc340000000000000: "-9007199254740992", 0x4430000000000000: "295147905179352830000",
		0x44b52d02c7e14af5: "9.999999999999997e+22", 0x44b52d02c7e14af6: "1e+23", 0x44b52d02c7e14af7: "1.0000000000000001e+23",
		0x444b1ae4d6e2ef4e: "999999999999999700000", 0x444b1ae4d6e2ef4f: "999999999999999900000", 0x444b1ae4d6e2ef50: "1e+21",
		0x3eb0c6f7a0b5ed8c: "9.999999999999997e-7", 0x3eb0c6f7a0b5ed8d: "0.000001", 0x41b3de4355555553: "333333333.3333332",
		0x41b3de4355555554: "333333333.33333325", 0x41b3de4355555555: "333333333.3333333", 0x41b3de4355555556: "333333333.3333334",
		0x41b3de4355555557: "333333333.33333343", 0xbecbf647612f3696: "-0.0000033333333333333333", 0x43143ff3c1cb0959: "1424953923781206.2",
	} {
		if got := string(appendECMA(nil, math.Float64frombits(bits))); got != want {
			t.Errorf("%016x = %s, want %s", bits, got, want)
		}
		if got, err := Reserialise(zg.JCS, []byte(want)); err != nil || string(got) != want {
			t.Errorf("JCS of %s = %s, %v; want no change", want, got, err)
		}
	}
}

func TestReserialiseRefuses(t *testing.T) {
	deep := strings.Repeat("[", maxAnswerDepth) + "1" + strings.Repeat("]", maxAnswerDepth)
	for _, form := range answerForms {
		for _, in := range []string{
			``, ` `, `x`, `{`, `{"a":1,}`, `[1] 2`, `NaN`, `[Infinity]`, `[01]`, "\ufeff{}", "[\"\xff\"]", "[\"\xed\xa0\x80\"]", "[\"\n\"]",
			`{"a":1,"a":1}`, `{"a":1,"b":2,"\u0061":3}`, `{"":1,"":2}`, `[{"x":{"é":1,"\u00e9":2}}]`, `{"\ud83d\ude00":1,"😀":2}`,
			`[1e309]`, `[-1.8e308]`, "[" + deep + "]",
		} {
			if got, err := Reserialise(form, []byte(in)); !errors.Is(err, ErrForm) || got != nil {
				t.Errorf("%s of %.60q = %.60q, %v; want ErrForm", form, in, got, err)
			}
		}
		if got, err := Reserialise(form, []byte(deep)); err != nil || string(got) != deep {
			t.Errorf("%s at the greatest depth = %.60q, %v", form, got, err)
		}
	}
	long := strings.Repeat("9", maxIntegerDigits)
	for in, want := range map[string]bool{long: true, "-" + long: true, long + "9": false, "-" + long + "9": false} {
		if _, err := Reserialise(zg.PythonDefault, []byte(in)); (err == nil) != want {
			t.Errorf("an integer of %d bytes: %v, want accepted: %v", len(in), err, want)
		}
	}
	if _, err := Reserialise(zg.WireBytes, []byte(`{}`)); !errors.Is(err, ErrForm) {
		t.Errorf("a form that is none: %v, want ErrForm", err)
	}
}

// What is written can be read by encoding/json, is the same value, and does not change when it is written again.
func FuzzReserialise(f *testing.F) {
	f.Add([]byte(answerBody))
	f.Add([]byte(`{"b":[1.0,1e2,-0,-0.0,1e16,1e-5,123456789012345678901234567890],"a":"\ud83d\ude00\u007f é"}`))
	f.Add([]byte(`[9007199254740993,295147905179352830000,1e21,1E-7]`))
	f.Add([]byte(`{"\ud800":1,"\udc00":2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		halves := bytes.Contains(body, []byte(`\u`))
		for _, form := range answerForms {
			got, err := Reserialise(form, body)
			if err != nil {
				continue
			}
			if diff := cmp.Diff(value(t, body, halves), value(t, got, halves)); diff != "" {
				t.Errorf("%s of %q is another value (-want +got):\n%s", form, body, diff)
			}
			again, err := Reserialise(form, got)
			if err != nil || !bytes.Equal(again, got) {
				t.Errorf("%s of %q = %q, %v; want no change", form, got, again, err)
			}
		}
	})
}

// value reads a document with integers written out and all other numbers as floats. encoding/json would make one
// character of all halves of surrogate pairs; where there may be some, they are read as the text of their escapes.
func value(t *testing.T, body []byte, halves bool) any {
	t.Helper()
	if halves {
		whole, err := Reserialise(zg.PythonDefault, body) // joins those that belong together; tested against Python
		if err != nil {
			t.Fatalf("read %q: %v", body, err)
		}
		body = []byte(strings.NewReplacer(`\\`, `\\`, `\ud`, `\\ud`).Replace(string(whole)))
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode %q: %v", body, err)
	}
	return numbers(v)
}

func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = numbers(v[name])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case json.Number:
		f, _ := v.Float64()
		if i, ok := new(big.Int).SetString(v.String(), 10); ok && f != 0 && string(appendECMA(nil, f)) != v.String() {
			if exact, _ := new(big.Float).SetFloat64(f).Int(nil); exact.Cmp(i) != 0 {
				return i.String()
			}
		}
		return f + 0 // zero has no sign here
	}
	return v
}

func BenchmarkReserialise(b *testing.B) {
	body := []byte(`{"id":"chatcmpl-1","choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("lorem ipsum ", 8000) + `"}}],"usage":{"total_tokens":40,"cost":1e-05}}`)
	for _, form := range answerForms {
		b.Run(string(form), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Reserialise(form, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
