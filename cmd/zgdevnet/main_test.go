package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"testing"
)

// running is a network that prints to a pipe; end stops it and returns its status and what it said on stderr.
func running(t *testing.T, args ...string) (out *bufio.Reader, end func() (int, string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var stderr bytes.Buffer
	status := make(chan int, 1)
	go func() {
		code := run(ctx, append([]string{"--rpc-port", "0"}, args...), w, &stderr)
		_ = w.Close() // never fails
		status <- code
	}()
	t.Cleanup(cancel)
	return bufio.NewReader(r), func() (int, string) {
		cancel()
		return <-status, stderr.String()
	}
}

func TestJSON(t *testing.T) {
	out, end := running(t, "--json", "--pace", "0", "--settle-every", "0")
	var r report
	if err := json.NewDecoder(out).Decode(&r); err != nil {
		code, stderr := end()
		t.Fatalf("decode: %v; status %d, stderr %s", err, code, stderr)
	}
	if r.ChainID != 31337 || len(r.Providers) != 5 || len(r.Env) != 4 || r.Providers[0].InputPrice.String() != "300000000000" ||
		!strings.HasPrefix(r.RPCURL, "http://127.0.0.1:") || r.Wallet == "" || r.Ledger == r.Inference {
		t.Errorf("report = %+v", r)
	}
	// A new wallet gets money, and nobody else's nonces are touched.
	port := r.RPCURL[strings.LastIndex(r.RPCURL, ":")+1:]
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"faucet", "--rpc-port", port, "--amount", "2.5", "0x00000000000000000000000000000000000000A1"}, 0, "has 2.5 0G now"},
		{[]string{"faucet", "--rpc-port", port, "0x00000000000000000000000000000000000000a1"}, 0, "has 102.5 0G now"},
		{[]string{"faucet", "--rpc-port", port, "0x00"}, exitUsage, "not an address"},
		{[]string{"faucet"}, exitUsage, "needs one ADDRESS"},
	} {
		var said bytes.Buffer
		if code := run(t.Context(), tt.args, &said, &said); code != tt.code || !strings.Contains(said.String(), tt.says) {
			t.Errorf("%v: status %d, %q; want %d and %q", tt.args, code, said.String(), tt.code, tt.says)
		}
	}
	if code, stderr := end(); code != 0 || stderr != "" {
		t.Errorf("status %d, stderr %q; want a quiet end", code, stderr)
	}
}

func TestText(t *testing.T) {
	out, end := running(t, "--minimums", "testnet", "--all-kinds", "--twins", "1")
	var text strings.Builder
	for {
		line, err := out.ReadString('\n')
		text.WriteString(line)
		if err != nil || strings.HasPrefix(line, "Ctrl-C") {
			break
		}
	}
	for _, want := range []string{
		"minimums of testnet", "0.3 in, 0.48 out per million tokens", "0.1 in, 0.4 out per million tokens", "0.003 per picture", "0.0001 per second",
		"vectors-1  0.02 per million tokens", "retouch-1  0.004 per picture", "voice-1    0.0002 per second", "film-1     0.002 a second, times a ratio", "judge-1    0.05 in, 0.2 out",
		"0.31 in, 0.496 out per million tokens",
		"\nexport ZGPROXY_NETWORK=devnet\n", "\nexport ZGPROXY_PROVIDERS=0x", "worth nothing",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing in\n%s", want, text.String())
		}
	}
	if code, stderr := end(); code != 0 {
		t.Errorf("status %d, stderr %q", code, stderr)
	}
}

func TestTakenPort(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer func() { _ = l.Close() }() // nothing was accepted
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatalf("port: %v", err)
	}
	for _, args := range [][]string{{"--rpc-port", port}, {"--providers-port-base", port}} {
		out, end := running(t, args...)
		_, _ = io.Copy(io.Discard, out) // ends with the program
		if code, stderr := end(); code != exitFailure || !strings.Contains(stderr, "Another program listens there") || !strings.Contains(stderr, port) {
			t.Errorf("%v: status %d, stderr %q; want the taken port named", args, code, stderr)
		}
	}
}

func TestCommandLine(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--help"}, 0, "-rpc-port PORT"},
		{[]string{"demo", "-h"}, 0, "zgdevnet demo [flags] ./zgproxy"},
		{[]string{"--nonsense"}, exitUsage, "-nonsense"},
		{[]string{"extra"}, exitUsage, `unknown argument "extra"`},
		{[]string{"demo"}, exitUsage, "path of the zgproxy binary"},
		{[]string{"demo", "--json", "x"}, exitUsage, "do not go together"},
		{[]string{"--minimums", "none"}, exitUsage, "neither mainnet nor testnet"},
		{[]string{"--rpc-port", "65536"}, exitUsage, "65536 is no port"},
		{[]string{"--providers-port-base", "65535"}, exitUsage, "leaves no room"},
		{[]string{"--pace", "-1s"}, exitUsage, "cannot be negative"},
		{[]string{"--set", "ZGPROXY_ROUTING=price"}, exitUsage, "--set is for the demo"},
		{[]string{"demo", "--set", "HOME=/tmp", "x"}, exitUsage, "ZGPROXY_NAME=VALUE"},
		{[]string{"demo", "--port", "65536", "x"}, exitUsage, "between 0 and 65535"},
		{[]string{"--twins", "21"}, exitUsage, "not between 0 and 20"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), tt.args, &out, &out); code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%v: status %d, output %q; want %d with %q", tt.args, code, out.String(), tt.code, tt.want)
		}
	}
}
