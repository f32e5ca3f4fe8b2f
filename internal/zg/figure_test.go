package zg

import (
	"encoding/json"
	"testing"
)

func TestFigure(t *testing.T) {
	for _, tt := range []struct {
		text  string
		float float64
		count uint64
		told  bool
		bad   bool
	}{
		{`206.34`, 206.34, 207, true, false},
		{`"206.34"`, 206.34, 207, true, false},
		{`" 7 "`, 7, 7, true, false},
		{`31`, 31, 31, true, false},
		{`31.0`, 31, 31, true, false},
		{`"31"`, 31, 31, true, false},
		{`1e3`, 1000, 1000, true, false},
		{`0`, 0, 0, true, false},
		{`-0.0`, 0, 0, true, false},
		{`null`, 0, 0, false, false},
		{`""`, 0, 0, false, false},
		{`9007199254740993`, MaxFigure, MaxFigure, true, false},
		{`1e400`, MaxFigure, MaxFigure, true, false},
		{`"1e400"`, MaxFigure, MaxFigure, true, false},
		{`-1`, 0, 0, true, true},
		{`-1e400`, 0, 0, true, true},
		{`"-3"`, 0, 0, true, true},
		{`"NaN"`, 0, 0, true, true},
		{`"Infinity"`, 0, 0, true, true},
		{`"0x10"`, 0, 0, true, true},
		{`"1_000"`, 0, 0, true, true},
		{`"12s"`, 0, 0, true, true},
		{`true`, 0, 0, true, true},
		{`{}`, 0, 0, true, true},
		{`[1]`, 0, 0, true, true},
	} {
		var f Figure
		if err := json.Unmarshal([]byte(tt.text), &f); err != nil {
			t.Fatal(err)
		}
		if f.Float() != tt.float || f.Count() != tt.count || f.Told() != tt.told || f.Bad() != tt.bad {
			t.Errorf("%s: %v %d told %v bad %v", tt.text, f.Float(), f.Count(), f.Told(), f.Bad())
		}
	}
	if f := ReadFigure(nil); f.Told() || f.Bad() {
		t.Error("nothing is stated, and a figure was read")
	}
}
