package chain

import (
	"bytes"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// raise adds to word i of an answer.
func raise(data []byte, i int, by int64) []byte {
	v := new(big.Int).SetBytes(data[i*word : (i+1)*word])
	return setWord(data, i, v.Add(v, big.NewInt(by)))
}

// splice puts words in place of n words from word i on.
func splice(data []byte, i, n int, words ...byte) []byte {
	return slices.Concat(data[:i*word], words, data[(i+n)*word:])
}

// An Account with fields appended, with a Refund that has one more, or from before the last two were there, is read as
// far as it is known: by offset, and as strictly as ever.
func TestGrownAnswers(t *testing.T) {
	v := readRecorded(t).Returns["getAccount"]
	args := outputs[[4]byte(v.Calldata)]
	const head, refunds, info, end = 1, 6, 7, 12 // words: of the struct, the two offsets in it, and behind its head
	field := bytes.Repeat([]byte{0xee}, word)
	shifted := func(by int64) []byte { return raise(raise(v.Answer, refunds, by), info, by) }
	note := slices.Concat(field, number(13*word), field) // a number and an offset; the text is behind everything else
	olderKnown := bytes.Clone(v.Answer)
	clear(olderKnown[(head+9)*word : end*word])
	for name, tc := range map[string]struct {
		data  []byte
		known []byte
		grown map[string]int
	}{
		"as known":        {v.Answer, v.Answer, map[string]int{"Account": 0, "Refund": 0}},
		"a field more":    {splice(shifted(word), end, 0, field...), v.Answer, map[string]int{"Account": 1, "Refund": 0}},
		"a refund's more": {splice(raise(v.Answer, info, word), 17, 0, field...), v.Answer, map[string]int{"Account": 0, "Refund": 1}},
		"two fields less": {splice(shifted(-2*word), head+9, 2), olderKnown, map[string]int{"Account": -2, "Refund": 0}},
		"a number and a text more": {
			append(splice(shifted(3*word), end, 0, note...), slices.Concat(number(5), []byte("hello"), make([]byte, 27))...),
			v.Answer,
			map[string]int{"Account": 3, "Refund": 0},
		},
	} {
		known, grown, err := narrow(args, tc.data)
		if err != nil || !bytes.Equal(known, tc.known) || !cmp.Equal(grown, tc.grown) {
			t.Errorf("%s: read as %x, grown %v, %v", name, known, grown, err)
		}
		if (checkLayout(args, tc.data) == nil) != (name == "as known") {
			t.Errorf("%s: the strict check takes it for known, or the known for new", name)
		}
		whole := len(tc.data)
		if name == "a number and a text more" {
			whole -= 2 * word // what is not known may end where it will
		}
		for cut := range whole {
			if _, grown, err := narrow(args, tc.data[:cut]); err == nil {
				t.Errorf("%s: taken for one that has grown by %v when cut to %d of %d bytes", name, grown, cut, whole)
			}
		}
	}
	for name, data := range map[string][]byte{
		"seventeen fields more":     splice(shifted(17*word), end, 0, bytes.Repeat(field, 17)...),
		"one field less":            splice(shifted(-word), head+10, 1),
		"three fields less":         splice(shifted(-3*word), head+8, 3),
		"half a field more":         splice(shifted(word/2), end, 0, field[:word/2]...),
		"a gap behind the refunds":  splice(raise(shifted(word), info, word), end, 0, slices.Concat(field, field)...),
		"a word behind what is new": append(splice(shifted(word), end, 0, field...), field[:7]...),
	} {
		known, grown, err := narrow(args, data)
		if name == "a word behind what is new" { // it may be of the new field
			if err != nil || !bytes.Equal(known, v.Answer) {
				t.Errorf("%s: %x, %v", name, known, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s: read as %x, grown %v", name, known, grown)
		}
	}
}
