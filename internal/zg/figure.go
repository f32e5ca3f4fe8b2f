package zg

import (
	"bytes"
	"math"
	"strconv"
)

// MaxFigure is where figures saturate: the largest count that a float64 holds exactly. It leads above any bound.
const MaxFigure = 1 << 53

// Figure is a quantity that a provider states: tokens, seconds, images. Providers write the same quantity as a number,
// as a number with a fraction, or in quotes, so all of those are read here, in one place. It is never negative,
// infinite or not a number; what is larger than MaxFigure is MaxFigure.
type Figure struct {
	n         float64
	told, bad bool
}

// ReadFigure reads the text of a JSON value or of a header. Nothing, null and empty quotes mean that nothing is stated.
func ReadFigure(text []byte) Figure {
	text = bytes.TrimSpace(text)
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = bytes.TrimSpace(text[1 : len(text)-1])
	}
	if len(text) == 0 || string(text) == "null" {
		return Figure{}
	}
	bad := Figure{told: true, bad: true}
	if len(bytes.Trim(text, "0123456789.eE+-")) > 0 {
		return bad // ParseFloat takes more than decimal numbers: infinities, hexadecimal
	}
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil && !math.IsInf(n, 0) {
		return bad
	}
	if n < 0 || math.IsNaN(n) {
		return bad
	}
	return Figure{n: math.Min(math.Abs(n), MaxFigure), told: true}
}

// UnmarshalJSON never fails: a value that is no figure is kept as one that says so.
func (f *Figure) UnmarshalJSON(b []byte) error {
	*f = ReadFigure(b)
	return nil
}

// Told reports whether anything is stated, and Bad whether that is something that cannot be a quantity.
func (f Figure) Told() bool { return f.told }

// Bad reports whether what is stated cannot be a quantity.
func (f Figure) Bad() bool { return f.bad }

// Float is the quantity; 0 where none is stated.
func (f Figure) Float() float64 { return f.n }

// Count is the quantity in whole units, rounded up; 0 where none is stated.
func (f Figure) Count() uint64 { return uint64(math.Ceil(f.n)) }
