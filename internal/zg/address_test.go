package zg

import (
	"errors"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	const good = "0x47340d900bdFec2BD393c626E12ea0656F938d84"
	for text, want := range map[string]error{
		good: nil, " " + good + "\n": nil, strings.ToLower(good): nil, "0X" + strings.ToUpper(good[2:]): nil, "0x" + strings.ToUpper(good[2:]): nil,
		"0x47340D900bdFec2BD393c626E12ea0656F938d84": ErrMistyped, good[2:]: ErrNoAddress, good[:41]: ErrNoAddress, good + "0": ErrNoAddress, "": ErrNoAddress,
		"0xg7340d900bdfec2bd393c626e12ea0656f938d84": ErrNoAddress, good + ",0x00": ErrNoAddress,
		"echo-1": ErrNoAddress, "0x" + strings.Repeat("0", 40): ErrZeroAddress,
	} {
		a, err := ParseAddress(text)
		if !errors.Is(err, want) || (err == nil) != (a.Hex() == good) {
			t.Errorf("ParseAddress(%q) = %s, %v; want %v", text, a.Hex(), err, want)
		}
	}
}
