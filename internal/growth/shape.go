package growth

import (
	"bytes"
	"strconv"
	"strings"
)

// Shape is a text of any size that is made to cost its reader as much as it can: a beginning, something again and
// again, and an end.
type Shape struct {
	Name string
	Open string
	// Unit is repeated. Each # in it is another number in every repetition, so that names differ.
	Unit  string
	Close string
}

// Text is the shape with about so many bytes; beginning, end and one repetition it has at any size.
func (s Shape) Text(size int) []byte {
	var b bytes.Buffer
	b.Grow(size + len(s.Open) + len(s.Unit) + len(s.Close))
	b.WriteString(s.Open)
	parts := strings.Split(s.Unit, "#")
	for n := 0; n == 0 || (s.Unit != "" && b.Len()+len(s.Unit)+len(s.Close) <= size); n++ {
		for i, part := range parts {
			if i > 0 {
				b.WriteString(strconv.FormatInt(int64(n)+36*36*36, 36))
			}
			b.WriteString(part)
		}
	}
	b.WriteString(s.Close)
	return b.Bytes()
}

// In puts shapes of JSON values into a place of a larger document.
func In(open string, shapes []Shape, end string) []Shape {
	out := make([]Shape, len(shapes))
	for i, s := range shapes {
		out[i] = Shape{s.Name + " in " + open + "…", open + s.Open, s.Unit, s.Close + end}
	}
	return out
}

// Values are JSON values, and some that are none.
var Values = []Shape{
	{"a string", `"`, "word ", `"`},
	{"escapes", `"`, `\n`, `"`},
	{"escaped quotes", `"`, `\"`, `"`},
	{"escaped backslashes", `"`, `\\`, `"`},
	{"escaped characters", `"`, `\u4f60\u597d`, `"`},
	{"surrogate pairs", `"`, `\ud83d\ude00`, `"`},
	{"half pairs", `"`, `\ud83d`, `"`},
	{"other scripts", `"`, "你好 ", `"`},
	{"broken UTF-8", `"`, "\xe4\xbd", `"`},
	{"nested lists", "", "[", ""},
	{"nested objects", "", `{"a":`, ""},
	{"closing brackets", "", "]", ""},
	{"a list of numbers", "[0", ",1", "]"},
	{"a list of odd numbers", "[0", ",1.00000000000000011102230246251565404e-7", "]"},
	{"a list of strings", `[""`, `,""`, "]"},
	{"a list of lists", "[[]", ",[]", "]"},
	{"a list of objects", "[{}", `,{"url":"b","b64_json":""}`, "]"},
	{"one long number", "", "1", ""},
	{"one long fraction", "0.", "0", "1"},
	{"names", `{"":0`, `,"#":0`, "}"},
	{"names in falling order", `{"":0`, `,"z#":0,"a#":0`, "}"},
	{"one name", `{"a":0`, `,"a":0`, "}"},
	{"long names", `{"":0`, `,"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn#":0`, "}"},
	{"escaped names", `{"":0`, `,"\u0061#\n":0`, "}"},
	{"objects in objects", `{"":0`, `,"b#":{"z":{"a":0},"a":[{"b":1,"a":0}]}`, "}"},
	{"blanks", "", " ", "0"},
	{"lines", "", "\n", "0"},
	{"blanks in a list", "[0", "  ,  0", "]"},
	{"colons", "", ":", ""},
	{"quotes", "", `"`, ""},
	{"backslashes", "", `\`, ""},
	{"commas", "[", ",", "]"},
	{"an unfinished string", `"`, "a", ""},
}
