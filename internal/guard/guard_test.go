package guard_test

import (
	"testing"

	"github.com/zgproxy/zgproxy/internal/guard"
)

func TestHostsAllow(t *testing.T) {
	hosts := guard.NewHosts("Proxy.internal", "zgproxy:3000")
	for host, want := range map[string]bool{
		"localhost": true, "localhost:3000": true, "LOCALHOST.:3000": true, "127.0.0.1:3000": true, "[::1]:3000": true, "::1": true,
		"192.168.1.7": true, "proxy.internal:3000": true, "zgproxy": true, "zgproxy:9": true,
		"": false, ":3000": false, "evil.example": false, "127.0.0.1.evil.example:3000": false, "localhost.evil.example": false, "1.2.3": false,
	} {
		if got := hosts.Allow(host); got != want {
			t.Errorf("Allow(%q) = %v, want %v", host, got, want)
		}
	}
}
