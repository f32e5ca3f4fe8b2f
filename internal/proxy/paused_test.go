package proxy

import (
	"net/http"
	"strings"
	"testing"
)

// What a provider refused for is told while it is left alone because of it, not only to the request that met the
// refusal.
func TestAPausedProviderTellsWhy(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		status     int
		code, says string
	}{
		{"a revoke not seen", `{"error":"validate session: invalid session token (future generation)"}`, 503, "session_future", "within 10 minutes"},
		{"a signer", `{"error":"validate request: service not acknowledge the tee signer"}`, 503, "signer_not_vouched", "not acknowledged on chain"},
		{"a ban", `{"error":"rate limit exceeded: too many invalid model requests, please try again in 59m"}`, 429, "wallet_banned", "unknown models"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status := http.StatusBadRequest
			if tc.status == http.StatusTooManyRequests {
				status = tc.status
			}
			c := newChain3(t, reallyClassified, refuses(status, tc.body))
			c.chat(chatBody)
			for range 2 {
				resp, text := c.chat(chatBody)
				if resp.StatusCode != tc.status || resp.Header.Get("X-Zgproxy-Error") != "provider_"+tc.code || resp.Header.Get("Retry-After") == "" ||
					!strings.Contains(text, tc.says) || !strings.Contains(text, "Nothing was sent") || strings.Contains(text, "billed") {
					t.Errorf("answered %d %v %s", resp.StatusCode, resp.Header, text)
				}
			}
			if c.counts() != "1 0 0" {
				t.Errorf("asked %s, want it left alone", c.counts())
			}
		})
	}
}

// A reason ends with the pause that it was for: one that only has enough to do has no other told of it.
func TestAPauseWithoutAReason(t *testing.T) {
	c := newChain3(t, reallyClassified, refuses(http.StatusServiceUnavailable, `{"error":"overloaded, please wait 20 seconds"}`))
	c.chat(chatBody)
	if resp, text := c.chat(chatBody); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("X-Zgproxy-Error") != "provider_paused" {
		t.Errorf("answered %d %v %s", resp.StatusCode, resp.Header, text)
	}
}
