package zg

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/holiman/uint256"
)

// Decimals is the number of decimal places of 0G: 1 0G = 10^18 neuron.
const Decimals = 18

// ErrAmount is wrapped by every failure to read an amount of money.
var ErrAmount = errors.New("not an amount")

// Neuron is a non-negative amount of money in the network's smallest unit, 10^-18 0G (a uint256 on chain).
//
// The zero value is zero. Values are copied freely and never share memory. Sums and products that leave the 256-bit
// range saturate at MaxNeuron, which is above every cap anybody can set, so an absurd price can be refused but never
// wraps round to a small one.
type Neuron struct{ v uint256.Int }

// MaxNeuron is the largest amount, 2^256-1. A computed amount that equals it is to be read as "absurd".
var MaxNeuron = Neuron{v: *new(uint256.Int).SetAllOne()}

// OneOG is 1 0G.
var OneOG = Neuron{v: *uint256.NewInt(1_000_000_000_000_000_000)}

// NeuronOf returns n neuron.
func NeuronOf(n uint64) Neuron { return Neuron{v: *uint256.NewInt(n)} }

// NeuronFromBig converts an unsigned chain integer. It fails on nil, negative or wider than 256 bits.
func NeuronFromBig(b *big.Int) (Neuron, error) {
	if b == nil || b.Sign() < 0 {
		return Neuron{}, fmt.Errorf("%w: %v is negative or missing", ErrAmount, b)
	}
	v, overflow := uint256.FromBig(b)
	if overflow {
		return Neuron{}, fmt.Errorf("%w: more than 256 bits", ErrAmount)
	}
	return Neuron{v: *v}, nil
}

// ParseNeuron reads a decimal integer number of neuron, digits only: no sign, no spaces, no exponent.
func ParseNeuron(s string) (Neuron, error) {
	if s == "" || len(s) > 78 || strings.Trim(s, "0123456789") != "" {
		return Neuron{}, fmt.Errorf("%w: %.80q is not a whole number of neuron", ErrAmount, s)
	}
	var n Neuron
	if err := n.v.SetFromDecimal(s); err != nil {
		return Neuron{}, fmt.Errorf("%w: %.80q: %w", ErrAmount, s, err)
	}
	return n, nil
}

// ParseOg reads an exact decimal number of 0G such as "1.5" or "0.000000000000000001", optionally followed by "0G" or
// "neuron" ("250 neuron"). More than 18 decimal places are refused rather than rounded.
func ParseOg(s string) (Neuron, error) {
	t := strings.TrimSpace(s)
	if u, ok := strings.CutSuffix(t, "neuron"); ok {
		return ParseNeuron(strings.TrimSpace(u))
	}
	t = strings.TrimSpace(strings.TrimSuffix(t, "0G"))
	whole, frac, hasPoint := strings.Cut(t, ".")
	if len(frac) > Decimals {
		return Neuron{}, fmt.Errorf("%w: %.80q has more than %d decimal places", ErrAmount, s, Decimals)
	}
	if (whole == "" && frac == "") || (hasPoint && frac == "") {
		return Neuron{}, fmt.Errorf("%w: %.80q is not a number of 0G", ErrAmount, s)
	}
	n, err := ParseNeuron(whole + frac + strings.Repeat("0", Decimals-len(frac)))
	if err != nil {
		return Neuron{}, fmt.Errorf("%w: %.80q is not a number of 0G (example: 1.5)", ErrAmount, s)
	}
	return n, nil
}

// Big returns a fresh big.Int, for the ABI.
func (n Neuron) Big() *big.Int { return n.v.ToBig() }

// Float returns an approximation for metrics and pages, where exactness is not needed. Never compute money with it.
func (n Neuron) Float() float64 { return n.v.Float64() }

// IsZero reports whether the amount is zero.
func (n Neuron) IsZero() bool { return n.v.IsZero() }

// Cmp compares: -1 if n < m, 0 if equal, +1 if n > m.
func (n Neuron) Cmp(m Neuron) int { return n.v.Cmp(&m.v) }

// Less reports n < m.
func (n Neuron) Less(m Neuron) bool { return n.v.Lt(&m.v) }

// Add returns n+m, saturating at MaxNeuron.
func (n Neuron) Add(m Neuron) Neuron {
	var r Neuron
	if _, overflow := r.v.AddOverflow(&n.v, &m.v); overflow {
		return MaxNeuron
	}
	return r
}

// Sub returns n-m, or zero when m is larger: what is left is never negative. Use Cmp first where the shortfall matters.
func (n Neuron) Sub(m Neuron) Neuron {
	var r Neuron
	if _, underflow := r.v.SubOverflow(&n.v, &m.v); underflow {
		return Neuron{}
	}
	return r
}

// Mul returns n*k, saturating at MaxNeuron.
func (n Neuron) Mul(k uint64) Neuron {
	var r Neuron
	if _, overflow := r.v.MulOverflow(&n.v, uint256.NewInt(k)); overflow {
		return MaxNeuron
	}
	return r
}

// MulDiv returns floor(n*num/den) with the product kept in 512 bits, saturating at MaxNeuron. A den of zero counts as
// one, the way the network's published multipliers are read.
func (n Neuron) MulDiv(num, den uint64) Neuron {
	if den == 0 {
		den = 1
	}
	var r Neuron
	if _, overflow := r.v.MulDivOverflow(&n.v, uint256.NewInt(num), uint256.NewInt(den)); overflow {
		return MaxNeuron
	}
	return r
}

// Min returns the smaller of the two.
func (n Neuron) Min(m Neuron) Neuron {
	if m.Less(n) {
		return m
	}
	return n
}

// Max returns the larger of the two.
func (n Neuron) Max(m Neuron) Neuron {
	if n.Less(m) {
		return m
	}
	return n
}

// String returns the decimal number of neuron, without a unit.
func (n Neuron) String() string { return n.v.Dec() }

// Og returns the exact decimal number of 0G without trailing zeros and without a unit: "1.5", "0.00000001362", "0".
func (n Neuron) Og() string {
	d := n.v.Dec()
	if len(d) <= Decimals {
		d = strings.Repeat("0", Decimals+1-len(d)) + d
	}
	whole, frac := d[:len(d)-Decimals], strings.TrimRight(d[len(d)-Decimals:], "0")
	if frac == "" {
		return whole
	}
	return whole + "." + frac
}

// MarshalText writes the decimal number of neuron: money in JSON is a string, never a float.
func (n Neuron) MarshalText() ([]byte, error) { return []byte(n.v.Dec()), nil }

// UnmarshalText reads what MarshalText writes.
func (n *Neuron) UnmarshalText(b []byte) error {
	v, err := ParseNeuron(string(b))
	if err == nil {
		*n = v
	}
	return err
}

// Value stores the amount as decimal text: SQLite's integers have 64 bits.
func (n Neuron) Value() (driver.Value, error) { return n.v.Dec(), nil }

// Scan reads the decimal text that Value stores.
func (n *Neuron) Scan(src any) error {
	switch s := src.(type) {
	case string:
		return n.UnmarshalText([]byte(s))
	case []byte:
		return n.UnmarshalText(s)
	}
	return fmt.Errorf("%w: the store holds a %T where decimal text belongs", ErrAmount, src)
}
