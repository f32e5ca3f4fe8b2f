package zg

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func neuron(tb testing.TB, s string) Neuron {
	tb.Helper()
	n, err := ParseNeuron(s)
	if err != nil {
		tb.Fatalf("ParseNeuron(%q): %v", s, err)
	}
	return n
}

const maxText = "115792089237316195423570985008687907853269984665640564039457584007913129639935"

func TestParseNeuron(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"0", "0"}, {"1", "1"}, {"007", "7"}, {maxText, maxText}, {"1000000000000000000", "1000000000000000000"},
	} {
		if got := neuron(t, tt.in).String(); got != tt.want {
			t.Errorf("ParseNeuron(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
	for _, in := range []string{
		"", " ", "-1", "+1", "1.5", "1e3", "0x10", "1 ", " 1", "1_000", "１", "NaN",
		"115792089237316195423570985008687907853269984665640564039457584007913129639936", strings.Repeat("9", 79), strings.Repeat("0", 79),
	} {
		if n, err := ParseNeuron(in); !errors.Is(err, ErrAmount) {
			t.Errorf("ParseNeuron(%q) = %v, %v; want ErrAmount", in, n, err)
		}
	}
}

func TestParseOg(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"1", "1000000000000000000"},
		{"1.5", "1500000000000000000"},
		{".5", "500000000000000000"},
		{"0.000000000000000001", "1"},
		{"0", "0"},
		{"2 0G", "2000000000000000000"},
		{"20G", "2000000000000000000"},
		{" 1.5 0G ", "1500000000000000000"},
		{"250 neuron", "250"},
		{"250neuron", "250"},
	} {
		n, err := ParseOg(tt.in)
		if err != nil || n.String() != tt.want {
			t.Errorf("ParseOg(%q) = %v, %v; want %s", tt.in, n, err, tt.want)
		}
	}
	for _, in := range []string{
		"", ".", "1.", "-1", "+1", "1,5", "1e18", "1.0000000000000000001", "neuron", "0G", "1.5 neuron", "1..5", "1.5.0", "Inf", "1 OG", "1 ether",
		strings.Repeat("9", 61),
	} {
		if n, err := ParseOg(in); !errors.Is(err, ErrAmount) {
			t.Errorf("ParseOg(%q) = %v, %v; want ErrAmount", in, n, err)
		}
	}
}

func TestNeuronFromBig(t *testing.T) {
	over := new(big.Int).Lsh(big.NewInt(1), 256)
	for _, b := range []*big.Int{nil, big.NewInt(-1), over} {
		if n, err := NeuronFromBig(b); !errors.Is(err, ErrAmount) {
			t.Errorf("NeuronFromBig(%v) = %v, %v; want ErrAmount", b, n, err)
		}
	}
	top := new(big.Int).Sub(over, big.NewInt(1))
	n, err := NeuronFromBig(top)
	if err != nil || n != MaxNeuron {
		t.Errorf("NeuronFromBig(2^256-1) = %v, %v; want MaxNeuron", n, err)
	}
	if b := n.Big(); b.Cmp(top) != 0 {
		t.Errorf("Big = %v, want %v", b, top)
	}
	n.Big().SetInt64(0)
	if n != MaxNeuron {
		t.Error("Big shares memory with the amount")
	}
}

func TestNeuronSaturates(t *testing.T) {
	one, half := NeuronOf(1), Neuron{}
	if got := MaxNeuron.Add(one); got != MaxNeuron {
		t.Errorf("max+1 = %v, want max", got)
	}
	if got := one.Sub(NeuronOf(2)); !got.IsZero() {
		t.Errorf("1-2 = %v, want 0", got)
	}
	if got := MaxNeuron.Mul(2); got != MaxNeuron {
		t.Errorf("max*2 = %v, want max", got)
	}
	if got := MaxNeuron.MulDiv(3, 2); got != MaxNeuron {
		t.Errorf("max*3/2 = %v, want max", got)
	}
	if got := MaxNeuron.MulDiv(2, 4); got != neuron(t, maxText).MulDiv(1, 2) {
		t.Errorf("max*2/4 = %v: the product does not need to fit, only the quotient", got)
	}
	if got := NeuronOf(7).MulDiv(3, 0); got != NeuronOf(21) {
		t.Errorf("7*3/0 = %v, want 21: a missing denominator counts as one", got)
	}
	if !half.IsZero() || half.String() != "0" || half.Og() != "0" {
		t.Errorf("the zero value reads %v, %q", half, half.Og())
	}
}

func TestNeuronJSON(t *testing.T) {
	type wallet struct{ N Neuron }
	b, err := json.Marshal(wallet{MaxNeuron})
	if err != nil || string(b) != `{"N":"`+maxText+`"}` {
		t.Errorf("Marshal = %s, %v", b, err)
	}
	var w wallet
	if err := json.Unmarshal(b, &w); err != nil || w.N != MaxNeuron {
		t.Errorf("Unmarshal = %v, %v", w.N, err)
	}
	w.N = NeuronOf(5)
	for _, in := range []string{`{"N":"1.5"}`, `{"N":5}`, `{"N":""}`} {
		if err := json.Unmarshal([]byte(in), &w); err == nil || w.N != NeuronOf(5) {
			t.Errorf("Unmarshal(%s): err %v, amount %v; want an error and no change", in, err, w.N)
		}
	}
}

func TestNeuronSQL(t *testing.T) {
	v, err := MaxNeuron.Value()
	if err != nil || v != maxText {
		t.Errorf("Value = %v, %v", v, err)
	}
	for _, src := range []any{maxText, []byte(maxText)} {
		var n Neuron
		if err := n.Scan(src); err != nil || n != MaxNeuron {
			t.Errorf("Scan(%T) = %v, %v", src, n, err)
		}
	}
	for _, src := range []any{int64(5), 1.5, nil, "x"} {
		n := NeuronOf(5)
		if err := n.Scan(src); !errors.Is(err, ErrAmount) || n != NeuronOf(5) {
			t.Errorf("Scan(%v) = %v, %v; want ErrAmount and no change", src, n, err)
		}
	}
}

// anyNeuron draws amounts of every size, the ends of the range more often than chance would.
func anyNeuron() *rapid.Generator[Neuron] {
	return rapid.Custom(func(t *rapid.T) Neuron {
		raw := rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, "bytes")
		n, err := NeuronFromBig(new(big.Int).SetBytes(raw))
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "mirror") {
			return MaxNeuron.Sub(n)
		}
		return n
	})
}

var bigMax = MaxNeuron.Big()

func clamp(b *big.Int) *big.Int {
	switch {
	case b.Sign() < 0:
		return new(big.Int)
	case b.Cmp(bigMax) > 0:
		return bigMax
	}
	return b
}

// The arithmetic is that of big integers, held within the range.
func TestNeuronArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyNeuron().Draw(t, "a"), anyNeuron().Draw(t, "b")
		k, den := rapid.Uint64().Draw(t, "k"), rapid.Uint64().Draw(t, "den")
		x, y, f := a.Big(), b.Big(), new(big.Int).SetUint64(k)
		same := func(name string, got Neuron, want *big.Int) {
			if got.Big().Cmp(clamp(want)) != 0 {
				t.Fatalf("%s of %v and %v (k %d, den %d) = %v, want %v", name, a, b, k, den, got, want)
			}
		}
		same("sum", a.Add(b), new(big.Int).Add(x, y))
		same("difference", a.Sub(b), new(big.Int).Sub(x, y))
		same("product", a.Mul(k), new(big.Int).Mul(x, f))
		product := new(big.Int).Mul(x, f)
		same("fraction", a.MulDiv(k, den), product.Div(product, new(big.Int).SetUint64(max(den, 1))))
		if a.Cmp(b) != x.Cmp(y) || a.Less(b) != (x.Cmp(y) < 0) || a.Min(b).Add(a.Max(b)) != a.Add(b) || a.Max(b).Less(a.Min(b)) {
			t.Fatalf("%v and %v are not ordered as their numbers are", a, b)
		}
		if want, _ := new(big.Float).SetInt(x).Float64(); math.Abs(a.Float()-want) > want*1e-9 {
			t.Fatalf("Float of %v = %g, want about %g", a, a.Float(), want)
		}
	})
}

func TestNeuronTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := anyNeuron().Draw(t, "n")
		if back, err := ParseNeuron(n.String()); err != nil || back != n {
			t.Fatalf("ParseNeuron(%s) = %v, %v", n, back, err)
		}
		og := n.Og()
		if back, err := ParseOg(og); err != nil || back != n {
			t.Fatalf("ParseOg(%s) = %v, %v; want %v", og, back, err, n)
		}
		if strings.Contains(og, ".") && strings.HasSuffix(og, "0") {
			t.Fatalf("Og() = %q has trailing zeros", og)
		}
	})
}

// Whatever is read as an amount of 0G is the number that a rational parser reads in the same text.
func FuzzParseOg(f *testing.F) {
	for _, s := range []string{"1", "1.5", "0.000000000000000001", "2 0G", "250 neuron", ".5", "1.", "-1", "1e3", maxText} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseOg(s)
		if err != nil {
			if !errors.Is(err, ErrAmount) {
				t.Fatalf("ParseOg(%q) fails with %v, want ErrAmount", s, err)
			}
			return
		}
		digits, unit := strings.TrimSpace(s), OneOG.Big()
		if d, ok := strings.CutSuffix(digits, "neuron"); ok {
			digits, unit = d, big.NewInt(1)
		}
		want, ok := new(big.Rat).SetString(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(digits), "0G")))
		if !ok {
			t.Fatalf("ParseOg(%q) = %v, but the text is no number", s, n)
		}
		if want.Mul(want, new(big.Rat).SetInt(unit)).Cmp(new(big.Rat).SetInt(n.Big())) != 0 {
			t.Fatalf("ParseOg(%q) = %v, want %v", s, n, want)
		}
		if back, err := ParseOg(n.Og()); err != nil || back != n {
			t.Fatalf("ParseOg(%q) = %v, %v; want %v", n.Og(), back, err, n)
		}
	})
}

// FuzzNeuron compares the arithmetic with big.Int, cut off at both ends of the range.
func FuzzNeuron(f *testing.F) {
	f.Add([]byte{}, []byte{1}, uint64(1), uint64(0))
	f.Add(bytes.Repeat([]byte{0xff}, 32), []byte{1}, uint64(math.MaxUint64), uint64(1))
	f.Add(bytes.Repeat([]byte{0xff}, 32), bytes.Repeat([]byte{0x80}, 32), uint64(3), uint64(7))
	f.Add([]byte{0x0d, 0xe0, 0xb6, 0xb3, 0xa7, 0x64, 0, 0}, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, uint64(1<<63), uint64(1<<63))
	f.Fuzz(func(t *testing.T, a, b []byte, num, den uint64) {
		x, y := new(big.Int).SetBytes(a[:min(len(a), 32)]), new(big.Int).SetBytes(b[:min(len(b), 32)])
		n, err := NeuronFromBig(x)
		m, err2 := NeuronFromBig(y)
		if err != nil || err2 != nil {
			t.Fatalf("%v, %v are not taken: %v, %v", x, y, err, err2)
		}
		k, d := new(big.Int).SetUint64(num), new(big.Int).SetUint64(max(den, 1))
		product := new(big.Int).Mul(x, k)
		for name, pair := range map[string]struct {
			got  Neuron
			want *big.Int
		}{
			"Add":    {n.Add(m), new(big.Int).Add(x, y)},
			"Sub":    {n.Sub(m), new(big.Int).Sub(x, y)},
			"Mul":    {n.Mul(num), product},
			"MulDiv": {n.MulDiv(num, den), new(big.Int).Div(product, d)},
		} {
			if want := clamp(pair.want); pair.got.Big().Cmp(want) != 0 {
				t.Errorf("%s of %v, %v, %d, %d = %v, want %v", name, x, y, num, den, pair.got, want)
			}
		}
		if n.Less(m) != (x.Cmp(y) < 0) || n.Cmp(m) != x.Cmp(y) {
			t.Errorf("%v and %v compare as %d", x, y, n.Cmp(m))
		}
		if again, err := ParseOg(n.Og()); err != nil || again != n {
			t.Errorf("%v prints as %s, which reads as %v, %v", n, n.Og(), again, err)
		}
		if again, err := ParseNeuron(n.String()); err != nil || again != n {
			t.Errorf("%v reads back as %v, %v", n, again, err)
		}
	})
}
