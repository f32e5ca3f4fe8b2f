package config

import (
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// valueError is a plain sentence about a value; the variable's name and what is allowed are added around it.
type valueError string

func (e valueError) Error() string { return string(e) }

// Amount is an amount of money, written by people in 0G.
type Amount struct{ zg.Neuron }

// Decode reads "1.5", "1.5 0G" or "250 neuron". A unit without a space before it is refused: "20G" could be 2 or 20.
func (a *Amount) Decode(s string) error {
	t := strings.TrimSpace(s)
	if head, ok := strings.CutSuffix(t, "0G"); ok && !strings.HasSuffix(head, " ") {
		return valueError("put a space before the unit 0G, or leave the unit out")
	}
	n, err := zg.ParseOg(t)
	if err != nil {
		return valueError("not an amount of 0G")
	}
	a.Neuron = n
	return nil
}

// String writes the exact amount in 0G.
func (a Amount) String() string { return a.Og() + " 0G" }

// MarshalText writes what String writes.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// GasPrice is an amount per unit of gas.
type GasPrice struct{ zg.Neuron }

const (
	gwei         = 1_000_000_000 // neuron
	gweiDecimals = 9
)

// Decode reads "50gwei", "0.5 gwei", "1000000000 neuron" or a bare whole number of neuron.
func (g *GasPrice) Decode(s string) error {
	t := strings.ToLower(strings.TrimSpace(s))
	number, isGwei := strings.CutSuffix(t, "gwei")
	if !isGwei {
		n, err := zg.ParseNeuron(strings.TrimSpace(strings.TrimSuffix(t, "neuron")))
		if err != nil {
			return valueError("not a gas price")
		}
		g.Neuron = n
		return nil
	}
	whole, frac, point := strings.Cut(strings.TrimSpace(number), ".")
	if len(frac) > gweiDecimals || whole == "" || (point && frac == "") {
		return valueError("not a gas price")
	}
	n, err := zg.ParseNeuron(whole + frac + strings.Repeat("0", gweiDecimals-len(frac)))
	if err != nil {
		return valueError("not a gas price")
	}
	g.Neuron = n
	return nil
}

// String writes whole gwei where that is exact, else neuron.
func (g GasPrice) String() string {
	inGwei := g.MulDiv(1, gwei)
	if inGwei.Mul(gwei).Cmp(g.Neuron) == 0 {
		return inGwei.String() + "gwei"
	}
	return g.Neuron.String() + " neuron"
}

// MarshalText writes what String writes.
func (g GasPrice) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// ByteSize is a number of bytes.
type ByteSize int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"kB", 1e3},
	{"B", 1},
}

// Decode reads "32MiB", "10 MB", "512KiB" or a bare number of bytes.
func (b *ByteSize) Decode(s string) error {
	number, factor := strings.TrimSpace(s), int64(1)
	for _, u := range sizeUnits {
		if head, ok := strings.CutSuffix(number, u.name); ok {
			number, factor = strings.TrimSpace(head), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return valueError("not a size")
	}
	*b = ByteSize(n * factor)
	return nil
}

// String writes the largest binary unit that is exact.
func (b ByteSize) String() string {
	for _, u := range sizeUnits[:3] {
		if b != 0 && int64(b)%u.bytes == 0 {
			return strconv.FormatInt(int64(b)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText writes what String writes.
func (b ByteSize) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// Address is one address; the zero value means that none is set.
type Address struct{ common.Address }

// Decode reads what zg.ParseAddress reads.
func (a *Address) Decode(s string) error {
	v, err := parseAddress(s)
	if err != nil {
		return err
	}
	a.Address = v
	return nil
}

// String writes the checksummed address, or nothing for the zero address.
func (a Address) String() string {
	if a.Address == (common.Address{}) {
		return ""
	}
	return a.Hex()
}

// MarshalText writes what String writes.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// parseAddress is zg.ParseAddress with an error that is about the value.
func parseAddress(s string) (common.Address, error) {
	a, err := zg.ParseAddress(s)
	if err != nil {
		return a, valueError(err.Error())
	}
	return a, nil
}

// AddressList is a set of addresses.
type AddressList []common.Address

// Decode reads addresses separated by commas. Repeated ones count once.
func (l *AddressList) Decode(s string) error {
	var out AddressList
	seen := map[common.Address]bool{}
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		a, err := parseAddress(part)
		if err != nil {
			if part == strings.TrimSpace(s) {
				return err
			}
			return fmt.Errorf("%s: %w", quoted(part), err)
		}
		if !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	*l = out
	return nil
}

// String writes the checksummed addresses separated by commas.
func (l AddressList) String() string {
	hex := make([]string, len(l))
	for i, a := range l {
		hex[i] = a.Hex()
	}
	return strings.Join(hex, ",")
}

// StringsList is a list of words.
type StringsList []string

// Decode reads words separated by commas.
func (l *StringsList) Decode(s string) error {
	*l = nil
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*l = append(*l, part)
		}
	}
	return nil
}

// String writes the words separated by commas.
func (l StringsList) String() string { return strings.Join(l, ",") }

// Endpoint is the URL of a service that may carry a key in its user, path or query: it prints its scheme and host only.
type Endpoint struct{ url func() string }

// Decode reads an http or https URL.
func (e *Endpoint) Decode(s string) error {
	t := strings.TrimSpace(s)
	u, err := url.Parse(t)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return valueError("not an http or https URL") // the parse error would repeat the URL
	}
	e.url = func() string { return t }
	return nil
}

// Reveal gives the whole URL, or "" when none is set.
func (e Endpoint) Reveal() string {
	if e.url == nil {
		return ""
	}
	return e.url()
}

// String writes scheme and host; anything more is replaced by "[redacted]".
func (e Endpoint) String() string {
	u, err := url.Parse(e.Reveal())
	if err != nil || u.Host == "" {
		return ""
	}
	rest := ""
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		rest = "/" + redacted
	}
	return u.Scheme + "://" + u.Host + rest
}

// Format makes every verb of fmt print what String gives.
func (e Endpoint) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, e.String()) } // fmt keeps its own errors

// MarshalText writes what String writes.
func (e Endpoint) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// SignerEndpoint is an Endpoint, or the absolute path of a socket.
type SignerEndpoint struct{ Endpoint }

// Decode reads an http or https URL, or an absolute path.
func (e *SignerEndpoint) Decode(s string) error {
	t := strings.TrimSpace(s)
	if !filepath.IsAbs(t) {
		if e.Endpoint.Decode(t) != nil {
			return valueError("neither an http or https URL nor the absolute path of a socket")
		}
		return nil
	}
	e.url = func() string { return t }
	return nil
}

// String writes scheme and host, or the path.
func (e SignerEndpoint) String() string {
	if path := e.Reveal(); filepath.IsAbs(path) {
		return path
	}
	return e.Endpoint.String()
}

// Format makes every verb of fmt print what String gives.
func (e SignerEndpoint) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, e.String()) } // fmt keeps its own errors

// MarshalText writes what String writes.
func (e SignerEndpoint) MarshalText() ([]byte, error) { return []byte(e.String()), nil }
