package growth

import (
	"bytes"
	"slices"
	"testing"
)

var sink int

// The harness tells what grows with the square of the input, in time or in memory, from what does not.
func TestFollowTellsSquares(t *testing.T) {
	for _, tc := range []struct {
		name  string
		read  func([]byte)
		grows bool
	}{
		{"once", func(b []byte) { sink += bytes.Count(b, []byte("x")) }, false},
		{"sorted", func(b []byte) { c := bytes.Clone(b); slices.Sort(c); sink += len(c) }, false},
		{"looks back", func(b []byte) {
			for i := 0; i < len(b); i += 16 {
				sink += bytes.LastIndexByte(b[:i], 'x')
			}
		}, true},
		{"copies again", func(b []byte) {
			for i := 0; i < len(b); i += 64 {
				sink += len(bytes.Clone(b[:i]))
			}
		}, true},
	} {
		s := Shape{Name: "letters", Unit: "abcdefgh"}
		worst, err := follow(Reader{Name: tc.name, Read: tc.read}, s, smallest, usual)
		if (err != nil) != tc.grows {
			t.Errorf("%s: %v, worst %+v", tc.name, err, worst)
		}
	}
}

func TestShapes(t *testing.T) {
	for _, tc := range []struct {
		shape Shape
		size  int
		want  string
	}{
		{Shape{Open: "[", Unit: "1,", Close: "0]"}, 9, "[1,1,1,0]"},
		{Shape{Open: "{", Unit: `"#":#,`, Close: "}"}, 0, `{"1000":1000,}`},
		{Shape{Open: "a"}, 100, "a"},
	} {
		if got := string(tc.shape.Text(tc.size)); got != tc.want {
			t.Errorf("%+v: %s, want %s", tc.shape, got, tc.want)
		}
	}
}
