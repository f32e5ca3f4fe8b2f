package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// BenchmarkChat is one small chat through the whole of the callers' side, client and provider included.
func BenchmarkChat(b *testing.B) {
	r := newRig(b, good, nil)
	b.ReportAllocs()
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, r.url+"/v1/chat/completions", strings.NewReader(chatBody))
		if err != nil {
			b.Fatal(err)
		}
		req.Header["Content-Type"] = []string{"application/json"}
		resp, err := r.client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			b.Fatal(resp.Status)
		}
	}
}
