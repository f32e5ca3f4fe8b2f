package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
)

// What a provider that fails says is told in zgproxy's words, and what it says of the request in its own. None of it is taken
// for the wallet's account, and what is about the request does not make a provider count as down.
func TestRefusalsOfARealProvidersKind(t *testing.T) {
	w := newWorld(t, devnet.Config{})
	w.env = append(w.env, "ZGPROXY_VERIFY=observe")
	w.inProcess()
	for _, tc := range []struct {
		name   string
		fault  simprovider.Fault
		status int
		code   string
		says   string
	}{
		{"a database", simprovider.Fault{Kind: simprovider.BrokerFailure}, http.StatusBadGateway, "provider_upstream_error", "nothing was billed"},
		{"a chain unread", simprovider.Fault{Kind: simprovider.AccountUnread, Source: "client"}, http.StatusBadGateway, "provider_upstream_error", "nothing was billed"},
		{"by its own word", simprovider.Fault{Kind: simprovider.BrokerFailure, Source: "broker", Body: "something of its own"}, http.StatusBadGateway, "provider_upstream_error", "nothing was billed"},
		{"a vendor's balance", simprovider.Fault{Kind: simprovider.VendorError, Source: "client"}, http.StatusBadGateway, "provider_bad_request", ""},
		{"a validation error", simprovider.Fault{Kind: simprovider.ValidationError, Source: "client"}, http.StatusUnprocessableEntity, "provider_bad_request", "body.temperature: Input should be"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, p := range w.net.Providers {
				p.SetFault(tc.fault)
			}
			resp, body := w.post("/v1/chat/completions", "application/json", []byte(`{"model":"echo-1","messages":[{"role":"user","content":"hi"}]}`))
			text := string(body)
			if resp.StatusCode != tc.status || resp.Header.Get("X-Zgproxy-Error") != tc.code || !strings.Contains(text, tc.says) || resp.Header.Get("Zg-Failure-Source") != "" {
				t.Errorf("%d %s %s", resp.StatusCode, resp.Header.Get("X-Zgproxy-Error"), text)
			}
			for _, inner := range []string{"Deadlock", "rpc.example.com", "of its own"} {
				if strings.Contains(text, inner) {
					t.Errorf("%q in %s", inner, text)
				}
			}
		})
	}
}
