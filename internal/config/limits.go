package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// NoLimit is the value of a limit that is absent.
const NoLimit = "none"

// Cap is a limit on money that may be absent; the zero value is none.
type Cap struct {
	Amount
	Set bool
}

// Decode reads "none" or an amount.
func (c *Cap) Decode(s string) error {
	if strings.TrimSpace(s) == NoLimit {
		*c = Cap{}
		return nil
	}
	var a Amount
	if err := a.Decode(s); err != nil {
		return err
	}
	*c = Cap{a, true}
	return nil
}

// String writes "none" or the exact amount in 0G.
func (c Cap) String() string {
	if !c.Set {
		return NoLimit
	}
	return c.Amount.String()
}

// MarshalText writes what String writes.
func (c Cap) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// ProviderCaps is a limit for each provider, with exceptions.
type ProviderCaps struct {
	Each   Cap
	Except map[common.Address]Cap
}

// Decode reads "5 0G", "none, 0xADDR=2 0G" or "0xADDR=2 0G"; without a limit for each there is none.
func (c *ProviderCaps) Decode(s string) error {
	each, _, except, err := decodeEach[Cap](s)
	if err == nil {
		*c = ProviderCaps{each, except}
	}
	return err
}

// String writes what Decode reads, the exceptions in order.
func (c ProviderCaps) String() string { return eachText(c.Each, c.Except) }

// MarshalText writes what String writes.
func (c ProviderCaps) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// ProviderAmounts is an amount for each provider, with exceptions.
type ProviderAmounts struct {
	Each   Amount
	Except map[common.Address]Amount
}

// Decode reads "5 0G" or "5 0G, 0xADDR=2 0G".
func (a *ProviderAmounts) Decode(s string) error {
	each, given, except, err := decodeEach[Amount](s)
	if err != nil {
		return err
	}
	if !given {
		return valueError("the amount for all other providers is missing")
	}
	*a = ProviderAmounts{each, except}
	return nil
}

// For is the amount for one provider.
func (a ProviderAmounts) For(p common.Address) zg.Neuron {
	if own, ok := a.Except[p]; ok {
		return own.Neuron
	}
	return a.Each.Neuron
}

// String writes what Decode reads, the exceptions in order.
func (a ProviderAmounts) String() string { return eachText(a.Each, a.Except) }

// MarshalText writes what String writes.
func (a ProviderAmounts) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// decodeEach reads one value for all and values for single addresses, separated by commas.
func decodeEach[T any, P interface {
	*T
	Decode(s string) error
}](s string) (each T, given bool, except map[common.Address]T, err error) {
	for part := range strings.SplitSeq(s, ",") {
		name, value, single := strings.Cut(part, "=")
		if !single {
			if given {
				return each, given, nil, valueError("there are two values for all providers; put the address and = in front of an exception")
			}
			if err := P(&each).Decode(part); err != nil {
				return each, given, nil, err
			}
			given = true
			continue
		}
		p, err := parseAddress(name)
		if err != nil {
			return each, given, nil, valueError(quoted(strings.TrimSpace(name)) + ": " + err.Error())
		}
		if _, twice := except[p]; twice {
			return each, given, nil, valueError("there are two values for " + p.Hex())
		}
		var v T
		if err := P(&v).Decode(value); err != nil {
			return each, given, nil, valueError(quoted(strings.TrimSpace(value)) + ": " + err.Error())
		}
		if except == nil {
			except = make(map[common.Address]T)
		}
		except[p] = v
	}
	return each, given, except, nil
}

func eachText[T interface{ String() string }](each T, except map[common.Address]T) string {
	var b strings.Builder
	b.WriteString(each.String())
	for _, p := range slices.SortedFunc(maps.Keys(except), common.Address.Cmp) {
		b.WriteString(", " + p.Hex() + "=" + except[p].String())
	}
	return b.String()
}

// Allowance is an amount that zgproxy may move without being asked, or off.
type Allowance struct{ Amount }

// Decode reads "off", "false" or an amount. "true" is refused: it doesn't say how much.
func (a *Allowance) Decode(s string) error {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case Off, "false", "no":
		*a = Allowance{}
		return nil
	case "true", "on", "yes":
		return valueError("say how much: an amount is wanted, the most that may be moved without being asked")
	}
	return a.Amount.Decode(s)
}

// String writes "off" or the exact amount in 0G.
func (a Allowance) String() string {
	if a.IsZero() {
		return Off
	}
	return a.Amount.String()
}

// MarshalText writes what String writes.
func (a Allowance) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Count is a whole number.
type Count uint64

// Decode reads decimal digits.
func (c *Count) Decode(s string) error {
	var n uint64
	t := strings.TrimSpace(s)
	if t == "" || len(t) > 18 || strings.Trim(t, "0123456789") != "" {
		return valueError("not a whole number")
	}
	for _, d := range t {
		n = 10*n + uint64(d-'0')
	}
	*c = Count(n)
	return nil
}
