package zg

import (
	"slices"
	"testing"

	"github.com/zgproxy/zgproxy/internal/growth"
)

// Documents that services register and providers state, and single words of theirs.
var (
	documents = []growth.Reader{
		{Name: "ParseServiceInfo", Read: func(text []byte) { ParseServiceInfo(string(text)) }},
		{Name: "ReadVideo", Read: func(text []byte) { ReadVideo(text) }},
	}
	words = []growth.Reader{
		{Name: "ReadFigure", Read: func(text []byte) { ReadFigure(text) }},
		{Name: "EstimateTokens", Read: func(text []byte) { EstimateTokens(string(text)) }},
		{Name: "ParseNeuron and ParseOg", Read: func(text []byte) {
			_, _ = ParseNeuron(string(text))
			_, _ = ParseOg(string(text))
		}},
		{Name: "ValidChatID", Read: func(text []byte) { ValidChatID(string(text)) }},
	}
	documentShapes = slices.Concat(
		growth.In(`{"usage":`, growth.Values, `,"status":"a"}`),
		growth.In(`{"tieredPricing":{"tiers":`, growth.Values, "}}"),
		[]growth.Shape{{Name: "tiers", Open: `{"tieredPricing":{"tiers":[{}`, Unit: `,{"maxInputTokens":1}`, Close: "]}}"}})
	wordShapes = []growth.Shape{
		{Name: "digits", Unit: "1"},
		{Name: "zeros", Unit: "0"},
		{Name: "letters", Unit: "a"},
		{Name: "a fraction", Open: "0.", Unit: "0", Close: "1"},
		{Name: "a fraction of 0G", Open: "0.", Unit: "0", Close: " 0G"},
		{Name: "an exponent", Open: "1e", Unit: "9"},
		{Name: "words", Unit: "a "},
		{Name: "blanks", Unit: " "},
	}
)

// The work for what strangers write grows with its length and no faster, whatever it is.
func TestWorkGrowsWithTheBytes(t *testing.T) {
	for _, r := range documents {
		growth.Check(t, r, documentShapes...)
	}
	for _, r := range words {
		growth.Check(t, r, wordShapes...)
	}
}

// FuzzWork looks for texts whose work grows faster than their length.
func FuzzWork(f *testing.F) {
	growth.Fuzz(f, slices.Concat(documents, words), slices.Concat(documentShapes, wordShapes)...)
}
