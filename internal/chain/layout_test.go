package chain

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"

	"github.com/zgproxy/zgproxy/internal/chain/bindings"
)

// setWord replaces word i of an answer.
func setWord(data []byte, i int, v *big.Int) []byte {
	out := bytes.Clone(data)
	v.FillBytes(out[i*word : (i+1)*word])
	return out
}

func TestLayoutOfRecordedAnswers(t *testing.T) {
	for name, v := range readRecorded(t).Returns {
		args := outputs[[4]byte(v.Calldata)]
		if err := checkLayout(args, v.Answer); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for cut := range v.Answer {
			if checkLayout(args, v.Answer[:cut]) == nil {
				t.Errorf("%s: accepted when cut to %d of %d bytes", name, cut, len(v.Answer))
			}
		}
		if checkLayout(args, append(bytes.Clone(v.Answer), make([]byte, word)...)) == nil {
			t.Errorf("%s: accepted with a word behind its end", name)
		}
	}
}

func TestLayoutRefusesWhatTheDecoderTakes(t *testing.T) {
	v := readRecorded(t).Returns["getAccount"]
	args := outputs[[4]byte(v.Calldata)]
	huge := new(big.Int).Lsh(big.NewInt(1), 255)
	dirty := new(big.Int).Lsh(big.NewInt(1), 200)
	old := func(i int) *big.Int { return new(big.Int).SetBytes(v.Answer[i*word : (i+1)*word]) }
	for name, data := range map[string][]byte{
		"tuple at an odd offset":        setWord(v.Answer, 0, big.NewInt(0x40)),
		"tuple at a huge offset":        setWord(v.Answer, 0, huge),
		"user with dirty high bytes":    setWord(v.Answer, 1, new(big.Int).Add(old(1), dirty)),
		"refunds overlapping the head":  setWord(v.Answer, 6, new(big.Int)),
		"refunds one word further":      setWord(v.Answer, 6, new(big.Int).Add(old(6), big.NewInt(word))),
		"acknowledged is 2":             setWord(v.Answer, 8, big.NewInt(2)),
		"acknowledged has a high bit":   setWord(v.Answer, 8, huge),
		"2^255 refunds":                 setWord(v.Answer, 12, huge),
		"a refund more than there is":   setWord(v.Answer, 12, big.NewInt(2)),
		"text longer than the answer":   setWord(v.Answer, 17, big.NewInt(1)),
		"text of 2^255 bytes":           setWord(v.Answer, 17, huge),
		"processed of a refund is a 77": setWord(v.Answer, 16, big.NewInt(77)),
		"no data":                       {},
	} {
		if err := checkLayout(args, data); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if known, grown, err := narrow(args, data); err == nil {
			t.Errorf("%s: taken for a struct that has grown by %v: %x", name, grown, known)
		}
	}
	text := readRecorded(t).Returns["getService"]
	if at := bytes.Index(text.Answer, []byte("chatbot\x00")); at < 0 {
		t.Error("no text with unused bytes behind it")
	} else {
		dirty := bytes.Clone(text.Answer)
		dirty[at+word-1] = 1
		if checkLayout(outputs[[4]byte(text.Calldata)], dirty) == nil {
			t.Error("a text with something in its unused bytes: accepted")
		}
	}
	if err := checkLayout(args, setWord(v.Answer, 4, huge)); err != nil {
		t.Errorf("a large number is refused: %v", err)
	}
}

// A few offsets that all lead to one large element describe an answer many times its size. The decoder would build it.
func TestLayoutRefusesAmplification(t *testing.T) {
	inf := bindings.NewInferenceServing()
	args := outputs[[4]byte(inf.PackGetAllServices(new(big.Int), new(big.Int)))]
	honest, err := args.Pack([]bindings.Service{{
		InputPrice: new(big.Int), OutputPrice: new(big.Int), UpdatedAt: new(big.Int), Model: string(make([]byte, 1<<16)),
	}}, big.NewInt(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := checkLayout(args, honest); err != nil {
		t.Fatalf("the honest answer is refused: %v", err)
	}
	const copies = 200
	hostile := setWord(honest[:3*word], 2, big.NewInt(copies))
	for range copies {
		hostile = append(hostile, make([]byte, word)...)
		big.NewInt(copies * word).FillBytes(hostile[len(hostile)-word:])
	}
	hostile = append(hostile, honest[4*word:]...)
	if page, err := inf.UnpackGetAllServices(hostile); err != nil || len(page.Services) != copies {
		t.Fatalf("the attack does not reach the decoder: %d services, %v", len(page.Services), err)
	}
	if err := checkLayout(args, hostile); err == nil {
		t.Error("accepted")
	}
	if _, _, err := narrow(args, hostile); err == nil {
		t.Error("taken for a struct that has grown")
	}
}

// Whatever passes is decoded without an error, and encoding what was decoded gives the same bytes.
func FuzzLayout(f *testing.F) {
	kinds := []abi.Arguments{}
	for name, v := range readRecorded(f).Returns {
		args := outputs[[4]byte(v.Calldata)]
		if len(args) == 0 {
			f.Fatalf("%s has no outputs", name)
		}
		f.Add(uint8(len(kinds)), []byte(v.Answer))
		kinds = append(kinds, args)
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		args := kinds[int(kind)%len(kinds)]
		known, grown, err := narrow(args, data)
		if err == nil {
			if _, err := args.Unpack(known); err != nil || checkLayout(args, known) != nil {
				t.Fatalf("read as %x, which cannot be decoded: %v", known, err)
			}
		}
		if checkLayout(args, data) != nil {
			return
		}
		for name, more := range grown {
			if more != 0 {
				t.Fatalf("exactly as known, and %s is said to have %d fields more", name, more)
			}
		}
		if err != nil || !bytes.Equal(known, data) {
			t.Fatalf("exactly as known, and read as %x, %v", known, err)
		}
		values, err := args.Unpack(data)
		if err != nil {
			t.Fatalf("passed, but cannot be decoded: %v", err)
		}
		again, err := args.Pack(values...)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("encoded again: %x, %v; was %x", again, err, data)
		}
	})
}
