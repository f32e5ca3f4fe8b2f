package config

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const other = "0xFCAd0B19bB29D4674531d6f115237E16AfCE377c"

func TestCap(t *testing.T) {
	for in, want := range map[string]string{
		"none": "none", " none ": "none", "0": "0 0G", "2 0G": "2 0G", "250 neuron": "0.00000000000000025 0G", "": "", "off": "", "-1": "", "None": "", "inf": "",
	} {
		var c Cap
		switch err := c.Decode(in); {
		case want == "" && err == nil:
			t.Errorf("Decode(%q) = %s, want an error", in, c)
		case want != "" && (err != nil || c.String() != want):
			t.Errorf("Decode(%q) = %s, %v, want %s", in, c, err, want)
		}
	}
}

func TestAllowance(t *testing.T) {
	for in, want := range map[string]string{
		"off": "off", "false": "off", "OFF": "off", "no": "off", "0": "off", "5": "5 0G", "0.5 0G": "0.5 0G",
		"true": "", "on": "", "yes": "", "none": "", "": "",
	} {
		var a Allowance
		err := a.Decode(in)
		switch {
		case want == "" && err == nil:
			t.Errorf("Decode(%q) = %s, want an error", in, a)
		case want != "" && (err != nil || a.String() != want):
			t.Errorf("Decode(%q) = %s, %v, want %s", in, a, err, want)
		}
		if in == "true" && !strings.Contains(err.Error(), "an amount is wanted") {
			t.Errorf("Decode(true): %v, want it to ask for an amount", err)
		}
	}
}

func TestProviderValues(t *testing.T) {
	for _, tt := range []struct{ in, caps, amounts string }{
		{"5 0G", "5 0G", "5 0G"},
		{"none", "none", ""},
		{"5, " + provider + "=2 0G", "5 0G, " + provider + "=2 0G", "5 0G, " + provider + "=2 0G"},
		{other + " = 1 ," + strings.ToLower(provider) + "=2,5", "5 0G, " + provider + "=2 0G, " + other + "=1 0G", "5 0G, " + provider + "=2 0G, " + other + "=1 0G"},
		{provider + "=2", "none, " + provider + "=2 0G", ""},
		{"5, " + provider + "=none", "5 0G, " + provider + "=none", ""},
		{"5, 6", "", ""},
		{"5,", "", ""},
		{provider + "=1," + strings.ToLower(provider) + "=2,3", "", ""},
		{"5, 0x12=1", "", ""},
		{"5, " + provider, "", ""},
		{"5, " + provider + "=", "", ""},
		{"5, " + provider + "=1=2", "", ""},
		{"", "", ""},
	} {
		var caps ProviderCaps
		if err := caps.Decode(tt.in); (err == nil) != (tt.caps != "") || (err == nil && caps.String() != tt.caps) {
			t.Errorf("as caps, %q reads as %s, %v, want %q", tt.in, caps, err, tt.caps)
		}
		var amounts ProviderAmounts
		if err := amounts.Decode(tt.in); (err == nil) != (tt.amounts != "") || (err == nil && amounts.String() != tt.amounts) {
			t.Errorf("as amounts, %q reads as %s, %v, want %q", tt.in, amounts, err, tt.amounts)
		}
	}
	var a ProviderAmounts
	if err := a.Decode("5, " + provider + "=2"); err != nil {
		t.Fatal(err)
	}
	if got := a.For(common.HexToAddress(provider)); got != zg.OneOG.Mul(2) {
		t.Errorf("For the exception = %v, want 2 0G", got)
	}
	if got := a.For(common.HexToAddress(other)); got != zg.OneOG.Mul(5) {
		t.Errorf("For another = %v, want 5 0G", got)
	}
}

// Whatever a value decodes to prints as something that decodes to the same.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		"5 0G", "none", "off", "true", "1.5", "250 neuron", "5, " + provider + "=2 0G", provider + "=none", "10", "50gwei", "32MiB", "0x", "=", ",", "1e9", "٣",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		type value interface {
			Decode(s string) error
			String() string
		}
		for name, pair := range map[string][2]value{
			"Amount": {new(Amount), new(Amount)}, "Cap": {new(Cap), new(Cap)}, "Allowance": {new(Allowance), new(Allowance)},
			"ProviderCaps": {new(ProviderCaps), new(ProviderCaps)}, "ProviderAmounts": {new(ProviderAmounts), new(ProviderAmounts)},
			"GasPrice": {new(GasPrice), new(GasPrice)}, "ByteSize": {new(ByteSize), new(ByteSize)}, "AddressList": {new(AddressList), new(AddressList)},
		} {
			first, again := pair[0], pair[1]
			if first.Decode(s) != nil || first.String() == "" {
				continue
			}
			if err := again.Decode(first.String()); err != nil || again.String() != first.String() {
				t.Errorf("as %s, %q prints as %q, which reads as %q, %v", name, s, first, again, err)
			}
		}
		var c Count
		if err := c.Decode(s); err == nil && uint64(c) >= 1e18 {
			t.Errorf("%q reads as %d", s, c)
		}
	})
}
