package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/zgproxy/zgproxy/internal/devnet"
	"github.com/zgproxy/zgproxy/internal/devnet/simchain"
	"github.com/zgproxy/zgproxy/internal/devnet/simprovider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// enclaves make providers those that have them. old are programs that sign no transcript of a relay.
func enclaves(e zg.Enclave, old bool) func(string, *simprovider.Config, *simchain.ServiceParams) {
	return func(name string, p *simprovider.Config, s *simchain.ServiceParams) {
		p.UnsignedText, p.UnsignedRelay = true, old
		switch e {
		case zg.ModelEnclave:
			p.TargetKey = devnet.TEEKey("model of " + name)
			s.AdditionalInfo = fmt.Sprintf(`{"TargetSeparated":true,"TargetTeeAddress":"%s"}`, crypto.PubkeyToAddress(p.TargetKey.PublicKey))
		case zg.RelayEnclave:
			p.Centralized = &simprovider.Centralized{Identity: "openai", TLSFingerprint: strings.Repeat("ef", 32)}
			s.AdditionalInfo = `{"TargetSeparated":true,"ProviderType":"centralized"}`
		case zg.NoEnclave:
			p.Unsigned = true
			s.AdditionalInfo = `{"ProviderType":"standard"}`
		case zg.OwnEnclave:
		}
	}
}

// wanted are all services, and those forms of them that they do not have because observing is enough for them.
func wanted() []service {
	pictures := `"prompt":"the sea","response_format":"url"`
	return append(append([]service{}, services...),
		service{name: "pictures by URL", model: "picture-1", path: "/v1/images/generations", json: `{"model":"picture-1",` + pictures + `}`},
		service{name: "edits by URL", model: "retouch-1", path: "/v1/images/edits", json: `{"model":"retouch-1","image":"cGljdHVyZQ==",` + pictures + `}`},
		service{name: "edits by URL, a form", model: "retouch-1", path: "/v1/images/edits", form: []field{
			{"image", "a.png", "picture"}, {"prompt", "", "more sea"}, {"model", "", "retouch-1"}, {"response_format", "", "url"},
		}},
		service{name: "transcript, text, told behind the file", model: "speech-1", path: "/v1/audio/transcriptions", form: []field{
			{"model", "", "speech-1"}, {"file", "a.wav", sound}, {"response_format", "", "text"},
		}},
	)
}

// format is the response_format that a service asks for.
func (s service) format() string {
	for _, f := range s.form {
		if f.name == "response_format" {
			return f.value
		}
	}
	if _, rest, ok := strings.Cut(s.json, `"response_format":"`); ok {
		format, _, _ := strings.Cut(rest, `"`)
		return format
	}
	return ""
}

// Where only what is verified is handed out, everything there is to ask for is either verified or refused before anything of
// it reaches a provider, as zg.CoverageTable says, whatever enclave the provider has.
func TestEnforcePaysForNothingThatCannotPass(t *testing.T) {
	for _, tc := range []struct {
		name string
		of   zg.Enclave
		old  bool
	}{
		{"own", zg.OwnEnclave, false},
		{"model's", zg.ModelEnclave, false},
		{"centralized", zg.RelayEnclave, false},
		{"centralized, an older program", zg.RelayEnclave, true},
		{"standard", zg.NoEnclave, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, devnet.Config{AllKinds: true, Change: enclaves(tc.of, tc.old)})
			w.env = append(w.env, "ZGPROXY_VERIFY=enforce")
			w.inProcess()
			keyless := map[string]bool{}
			for _, s := range wanted() {
				messages := s.path == "/v1/messages"
				t.Run(s.name, func(t *testing.T) {
					p := w.provider(s.model)
					row := zg.CoverageOf(p.Type(), s.path, s.twice != "", s.format())
					want := row.By(tc.of)
					if want == zg.MayCover && tc.of == zg.RelayEnclave && !tc.old {
						want = zg.Covered
					}
					contentType, body := "application/json", s.json
					if s.form != nil {
						contentType, body = form(t, s.form...)
					}
					before, billed := w.received(), p.Billed(devnet.Wallet())
					a := w.ask(t, http.MethodPost, w.daemon.api+s.path, contentType, body)
					switch {
					case want == zg.Covered:
						if rec := w.record(a.header.Get("X-Request-Id"), true); a.status != http.StatusOK || rec.Verdict != zg.VerdictVerified {
							t.Errorf("%d %.300q, verdict %s", a.status, a.body, rec.Verdict)
						}
						return
					case want == zg.MayCover && !keyless[s.model]:
						if keyless[s.model] = true; !strings.Contains(string(a.body), "answer_not_verified") {
							t.Errorf("%d %.300q, want an answer that is withheld", a.status, a.body)
						}
						return
					}
					code := "provider_unsigned"
					switch {
					case row.Never() && row.Instead == "":
						code = "operation_unsigned"
					case row.Never():
						code = "format_unsigned"
						if !strings.Contains(string(a.body), "response_format="+row.Instead) {
							t.Errorf("the refusal names no other form: %s", a.body)
						}
					}
					if (a.status != http.StatusBadRequest && a.status != http.StatusForbidden) || (!messages && !strings.Contains(string(a.body), code)) {
						t.Errorf("%d %.300q, want %s", a.status, a.body, code)
					}
					if messages && tc.of == zg.ModelEnclave && !strings.Contains(string(a.body), "POST /v1/chat/completions") {
						t.Errorf("the refusal names no other way: %s", a.body)
					}
					if now := p.Billed(devnet.Wallet()); w.received() != before || now != billed || a.header.Get("X-Zgproxy-Fee") != "" {
						t.Errorf("%d requests reached providers, which bill %s more; fee %q", w.received()-before, now.Sub(billed), a.header.Get("X-Zgproxy-Fee"))
					}
				})
			}
		})
	}
}

// A provider that can be verified serves where a cheaper one cannot.
func TestEnforceGoesToWhoCanBeVerified(t *testing.T) {
	w := newWorld(t, devnet.Config{Change: func(name string, p *simprovider.Config, s *simchain.ServiceParams) {
		if name == "alpha" {
			enclaves(zg.NoEnclave, false)(name, p, s)
		}
	}})
	w.env = append(w.env, "ZGPROXY_VERIFY=enforce")
	w.inProcess()
	a := w.ask(t, http.MethodPost, w.daemon.api+"/v1/chat/completions", "application/json", services[0].json)
	if want := w.net.Providers[2].Address().Hex(); a.status != http.StatusOK || a.header.Get("X-Zgproxy-Provider") != want {
		t.Errorf("%d by %s: %s, want %s", a.status, a.header.Get("X-Zgproxy-Provider"), a.body, want)
	}
	if got := len(w.net.Providers[0].Exchanges()); got != 0 {
		t.Errorf("%d requests reached the one that signs nothing", got)
	}
}
