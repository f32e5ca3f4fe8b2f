package config

import (
	"testing"
	"time"
)

func TestAmount(t *testing.T) {
	for in, want := range map[string]string{
		"2": "2 0G", "2 0G": "2 0G", "0.000000000000000001": "0.000000000000000001 0G", "250 neuron": "0.00000000000000025 0G", " 10 ": "10 0G",
		"0": "0 0G", "20G": "", "1.50G": "", "0G": "", "-1": "", "1e3": "", "2 OG": "", "1,5": "", "": "", "0.0000000000000000001": "",
	} {
		var a Amount
		switch err := a.Decode(in); {
		case want == "" && err == nil:
			t.Errorf("Decode(%q) = %s, want an error", in, a)
		case want != "" && (err != nil || a.String() != want):
			t.Errorf("Decode(%q) = %s, %v, want %s", in, a, err, want)
		}
	}
}

func TestGasPrice(t *testing.T) {
	for in, want := range map[string]string{
		"50gwei": "50gwei", "50 Gwei": "50gwei", "0.5gwei": "500000000 neuron", "1000000000": "1gwei", "7": "7 neuron", "7 neuron": "7 neuron",
		"1.0000000001gwei": "", "gwei": "", ".5gwei": "", "1.gwei": "", "1.5": "", "-1": "", "": "", "5wei": "",
	} {
		var g GasPrice
		switch err := g.Decode(in); {
		case want == "" && err == nil:
			t.Errorf("Decode(%q) = %s, want an error", in, g)
		case want != "" && (err != nil || g.String() != want):
			t.Errorf("Decode(%q) = %s, %v, want %s", in, g, err, want)
		}
	}
}

func TestByteSize(t *testing.T) {
	for in, want := range map[string]ByteSize{
		"32MiB": 32 << 20, "10 MB": 10_000_000, "1KiB": 1024, "7": 7, "7B": 7, "1GiB": 1 << 30, "0": 0, "2kB": 2000,
		"1.5MiB": -1, "-1": -1, "MiB": -1, "": -1, "1TiB": -1, "9223372036854775807KiB": -1,
	} {
		var b ByteSize
		switch err := b.Decode(in); {
		case want < 0 && err == nil:
			t.Errorf("Decode(%q) = %d, want an error", in, b)
		case want >= 0 && (err != nil || b != want):
			t.Errorf("Decode(%q) = %d, %v, want %d", in, b, err, want)
		}
		var again ByteSize
		if err := again.Decode(b.String()); err != nil || again != b {
			t.Errorf("%d prints as %s, which reads as %d, %v", int64(b), b, int64(again), err)
		}
	}
}

func TestEndpoint(t *testing.T) {
	for in, want := range map[string]string{
		"https://evmrpc.0g.ai":               "https://evmrpc.0g.ai",
		"http://127.0.0.1:8545/":             "http://127.0.0.1:8545",
		"https://rpc.example.com/v1/abc":     "https://rpc.example.com/[redacted]",
		"https://rpc.example.com?key=abc":    "https://rpc.example.com/[redacted]",
		"https://user:word@rpc.example.com/": "https://rpc.example.com/[redacted]",
		"ws://x":                             "", "https://": "", "rpc.example.com": "", "http://a b": "", "file:///etc/passwd": "",
	} {
		var e Endpoint
		switch err := e.Decode(in); {
		case want == "" && err == nil:
			t.Errorf("Decode(%q) = %s, want an error", in, e)
		case want != "" && (err != nil || e.String() != want || e.Reveal() != in):
			t.Errorf("Decode(%q) = %s, %v, want %s", in, e, err, want)
		}
	}
}

func TestDurationPrints(t *testing.T) {
	for d, want := range map[time.Duration]string{
		15 * time.Minute: "15m", 90 * time.Second: "1m30s", time.Hour: "1h", 90 * time.Minute: "1h30m", 0: "0s", 1500 * time.Millisecond: "1.5s",
		10 * time.Second: "10s", time.Hour + time.Second: "1h0m1s", 10 * time.Hour: "10h", 20 * time.Minute: "20m",
	} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%v prints as %s, want %s", d, got, want)
		}
	}
}
