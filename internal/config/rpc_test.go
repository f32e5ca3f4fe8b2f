package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNodeURLs(t *testing.T) {
	const a, b = "https://a.example/v1/hush-hush", "http://user:hush-hush@b.example:8545"
	for _, tt := range []struct {
		text    string
		want    []string
		refused string
	}{
		{text: a, want: []string{a}},
		{text: " " + a + " , " + b + ",", want: []string{a, b}},
		{text: a + ",https://a.example/v1/another-key", want: []string{a, "https://a.example/v1/another-key"}},
		{text: a + ",HTTPS://A.example/v1/hush-hush/", refused: "number 2 is there twice"},
		{text: a + "," + b + ",ftp://hush-hush", refused: "number 3 is not an http or https URL"},
		{text: "wss://a.example/hush-hush", refused: "websocket, which is not used; give the http or https URL"},
		{text: a + ",WS://a.example/hush-hush", refused: "number 2 is the URL of a websocket"},
		{text: "hush-hush", refused: "not an http or https URL"},
		{text: " , ", refused: "not an http or https URL"},
	} {
		var n NodeURLs
		err := n.Decode(tt.text)
		if diff := cmp.Diff(tt.want, n.Reveal()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
		if tt.refused == "" && err != nil || tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused)) {
			t.Errorf("%s: %v, want %q", tt.text, err, tt.refused)
		}
		if err != nil && strings.Contains(err.Error(), "hush") || strings.Contains(n.String(), "hush") {
			t.Errorf("%s: a secret is told: %v, %s", tt.text, err, n)
		}
		if len(n.Each()) != len(tt.want) {
			t.Errorf("%s: %d endpoints", tt.text, len(n.Each()))
		}
	}
}
