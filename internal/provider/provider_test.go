package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/zg"
)

const key = "3f0b3a34-6f0e-4b3c-9a57-0d3f5c2c9d11"

// serve starts a provider and returns its base URL and a client for it.
func serve(tb testing.TB, h http.HandlerFunc) (string, *Client) {
	tb.Helper()
	srv := httptest.NewServer(h)
	c := New(Config{AllowPrivate: true, UserAgent: "test/1"})
	tb.Cleanup(func() { c.Close(); srv.Close() })
	return srv.URL, c
}

// answer is a provider that says the same to everybody.
func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body)) // the client may have seen enough
	}
}

func TestCalls(t *testing.T) {
	var got *http.Request
	base, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		switch {
		case r.URL.Path == "/base/v1/models":
			answer(200, jsonType, catalogueBody)(w, r)
		case strings.HasSuffix(r.URL.Path, "/unsettledfee"):
			answer(200, jsonType, `{"userAddress":"`+strings.ToLower(alice.Hex())+`","unsettledFee":"13620000000000"}`)(w, r)
		default:
			answer(200, jsonType, `{"text":"t","signature":"0xs","signing_address":"a","signing_algo":"ecdsa","provider_type":"centralized","provider_identity":"i","tls_cert_fingerprint":"f","more":1}`)(w, r)
		}
	})
	base += "/base/"
	check := func(path, query, auth string) {
		t.Helper()
		if got.Method != http.MethodGet || got.URL.Path != path || got.URL.RawQuery != query {
			t.Errorf("%s %s, want GET %s?%s", got.Method, got.URL, path, query)
		}
		want := http.Header{"Accept": {"application/json"}, "Accept-Encoding": {"identity"}, "User-Agent": {"test/1"}}
		if auth != "" {
			want["Authorization"] = []string{auth}
		}
		if diff := cmp.Diff(want, got.Header); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
	}

	cat, err := c.Catalog(t.Context(), alice, base)
	if err != nil {
		t.Fatalf("Catalog: %v", err)
	}
	check("/base/v1/models", "", "")
	if diff := cmp.Diff(catalogue(t), cat.Models, compareAmounts); diff != "" || cat.Provider != alice || time.Since(cat.ReadAt) > time.Hour {
		t.Errorf("Catalog of %s at %s (-want +got):\n%s", cat.Provider, cat.ReadAt, diff)
	}

	fee, err := c.UnsettledFee(t.Context(), base, alice, "Bearer app-sk-x")
	if err != nil || fee.String() != "13620000000000" {
		t.Errorf("UnsettledFee = %s, %v; want 13620000000000", fee, err)
	}
	check("/base/v1/user/"+alice.Hex()+"/unsettledfee", "", "Bearer app-sk-x")

	sig, err := c.Signature(t.Context(), base, key, "org/a model&b")
	want := zg.Signature{Text: "t", Signature: "0xs", SigningAddress: "a", SigningAlgo: "ecdsa", ProviderType: "centralized", ProviderIdentity: "i", TLSCertFingerprint: "f"}
	if err != nil || sig != want {
		t.Errorf("Signature = %+v, %v; want %+v", sig, err, want)
	}
	check("/base/v1/proxy/signature/"+key, "model=org%2Fa+model%26b", "")
	if _, err := c.Signature(t.Context(), base, key, ""); err != nil {
		t.Errorf("Signature: %v", err)
	}
	check("/base/v1/proxy/signature/"+key, "", "")
}

// No more is read, kept or told of an answer than it can hold: whoever writes it decides how long it is.
func TestAnswersAreBounded(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, tt := range []struct {
		name, body string
		status     int
		want       error
	}{
		{"text", `{"text":"` + long(maxSignature) + `","signature":"s"}`, 200, ErrAnswer},
		{"something else", `{"text":"t","signature":"s","x":"` + long(maxSignature) + `"}`, 200, ErrAnswer},
		{"a page", "<html>" + long(2*maxSignature), 404, ErrNoSignature},
	} {
		base, c := serve(t, answer(tt.status, jsonType, tt.body))
		if _, err := c.Signature(t.Context(), base, "key", ""); !errors.Is(err, tt.want) || len(err.Error()) > 1000 {
			t.Errorf("a signature with a long %s: %.300v, want %v", tt.name, err, tt.want)
		}
	}
	base, c := serve(t, answer(200, jsonType, `{"userAddress":"`+alice.Hex()+`","unsettledFee":"5","x":"`+long(maxFee)+`"}`))
	if _, err := c.UnsettledFee(t.Context(), base, alice, ""); !errors.Is(err, ErrAnswer) {
		t.Errorf("a long answer about a fee: %v, want %v", err, ErrAnswer)
	}
	most := `{"text":"` + long(zg.MaxSignedText) + `","signature":"s"}`
	base, c = serve(t, answer(200, jsonType, most))
	if sig, err := c.Signature(t.Context(), base, "key", ""); err != nil || len(sig.Text) != zg.MaxSignedText {
		t.Errorf("a text of %d bytes: %d, %v", zg.MaxSignedText, len(sig.Text), err)
	}
}

// A transport that cannot read an answer quotes it.
func TestQuotedAnswersAreCutOff(t *testing.T) {
	for name, head := range map[string]string{
		"status line": "HTTP/1.1 \x1b[2J" + strings.Repeat("x", 128<<10) + "\r\n\r\n",
		"header":      "HTTP/1.1 200 OK\r\n\x1b[2J" + strings.Repeat("x", 128<<10) + "\r\n\r\n",
	} {
		base, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = conn.Write([]byte(head)) // whoever reads it may have given up
			_ = conn.Close()
		})
		_, err := c.Catalog(t.Context(), alice, base)
		if err == nil || len(err.Error()) > 1500 || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("a long %s: %d bytes: %.2000q", name, len(fmt.Sprint(err)), fmt.Sprint(err))
		}
	}
}

func TestUnsettledFeeFailures(t *testing.T) {
	good := `{"userAddress":"` + alice.Hex() + `","unsettledFee":"%s"}`
	for _, tt := range []struct {
		name   string
		status int
		ctype  string
		body   string
		want   error
		class  zg.Refusal
	}{
		{"somebody else's", 200, jsonType, strings.Replace(fmt.Sprintf(good, "5"), alice.Hex(), bob.Hex(), 1), ErrAnswer, ""},
		{"nobody's", 200, jsonType, `{"unsettledFee":"5"}`, ErrAnswer, ""},
		{"no fee", 200, jsonType, `{"userAddress":"` + alice.Hex() + `"}`, ErrAnswer, ""},
		{"a number", 200, jsonType, strings.Replace(good, `"%s"`, `5`, 1), ErrAnswer, ""},
		{"a float", 200, jsonType, fmt.Sprintf(good, "5.0"), ErrAnswer, ""},
		{"an exponent", 200, jsonType, fmt.Sprintf(good, "5e18"), ErrAnswer, ""},
		{"negative", 200, jsonType, fmt.Sprintf(good, "-5"), ErrAnswer, ""},
		{"empty", 200, jsonType, fmt.Sprintf(good, ""), ErrAnswer, ""},
		{"too wide", 200, jsonType, fmt.Sprintf(good, strings.Repeat("9", 78)), ErrAnswer, ""},
		{"an error with 200", 200, jsonType, `{"error":"x"}`, ErrAnswer, ""},
		{"a list", 200, jsonType, `[]`, ErrAnswer, ""},
		{"page", 200, "text/html", `<html>`, ErrNotSupported, ""},
		{"text", 200, "text/plain", `hello`, ErrNotSupported, ""},
		{"JSON that calls itself a page", 200, "text/html", fmt.Sprintf(good, "5"), ErrNotSupported, ""},
		{"forbidden page", 403, "text/html", `<html>`, ErrNotSupported, ""},
		{"not found", 404, "text/plain", `404 page not found`, ErrNotSupported, ""},
		{"forbidden", 403, jsonType, `{"error":"you can only query your own unsettled fee"}`, ErrNotSupported, ""},
		{"bad request page", 400, "text/html", `<html>`, ErrNotSupported, ""},
		{"created", 201, jsonType, fmt.Sprintf(good, "5"), ErrNotSupported, ""},
		{"token expired", 400, jsonType, `{"error":"validate session: session token expired"}`, nil, zg.RefusalSessionExpired},
		{"token revoked", 400, jsonType, `{"error":"validate session: session token has been revoked"}`, nil, zg.RefusalSessionRevoked},
		{"token told", 400, jsonType, `{"error":"validate session: session token expired: app\u002dsk-secret"}`, nil, zg.RefusalSession},
		{"token told, with 200", 200, jsonType, `{"userAddress":"app-sk-secret","unsettledFee":"5"}`, ErrAnswer, ""},
		{"slow down", 429, "text/html", `<html>`, nil, zg.RefusalRate},
		{"down", 502, "text/html", `<html>`, nil, zg.RefusalUpstream},
		{"busy", 503, jsonType, `{"error":"x"}`, nil, zg.RefusalBusy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base, c := serve(t, answer(tt.status, tt.ctype, tt.body))
			fee, err := c.UnsettledFee(t.Context(), base, alice, "Bearer app-sk-secret")
			if err == nil || !fee.IsZero() {
				t.Fatalf("UnsettledFee = %s, %v; want an error", fee, err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error repeats the token: %v", err)
			}
			if tt.want != nil {
				if !errors.Is(err, tt.want) {
					t.Errorf("UnsettledFee: %v, want %v", err, tt.want)
				}
				return
			}
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Detail.Class != tt.class || errors.Is(err, ErrNotSupported) {
				t.Errorf("UnsettledFee: %v, want a refusal of class %s", err, tt.class)
			}
		})
	}
}

func TestCatalogFailures(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		ctype  string
		body   string
		want   error
	}{
		{"not published", 404, "text/html", "<html>", ErrNotSupported},
		{"denied", 403, jsonType, `{}`, ErrNotSupported},
		{"page", 200, "text/html", "<html>", ErrNotSupported},
		{"other JSON", 200, jsonType, `{"models":[]}`, ErrAnswer},
		{"endless", 200, jsonType, `{"data":[` + strings.Repeat(" ", maxAnswer) + `]}`, ErrAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base, c := serve(t, answer(tt.status, tt.ctype, tt.body))
			if cat, err := c.Catalog(t.Context(), alice, base); !errors.Is(err, tt.want) || len(cat.Models) != 0 {
				t.Errorf("Catalog = %v, %v; want %v", cat, err, tt.want)
			}
		})
	}
}

func TestSignatureFailures(t *testing.T) {
	for _, tt := range []struct {
		name   string
		key    string
		status int
		ctype  string
		body   string
		want   error // nil: a refusal
		retry  bool
	}{
		{"missing, 400", key, 400, jsonType, `{"error":"Chat id not found or expired, chat_id_not_found"}`, ErrNoSignature, true},
		{"missing, 404", key, 404, jsonType, `{"error":{"code":"chat_id_not_found"}}`, ErrNoSignature, true},
		{"missing, page", key, 404, "text/html", `<html>`, ErrNoSignature, true},
		{"missing, 200", key, 200, jsonType, `{"error":"chat_id_not_found"}`, ErrNoSignature, true},
		{"another 400", key, 400, jsonType, `{"error":"endpoint not supported"}`, nil, false},
		{"forbidden", key, 403, "text/html", `<html>`, nil, false},
		{"slow down", key, 429, jsonType, `{"error":"Rate limit exceeded"}`, nil, true},
		{"down", key, 502, "text/html", `<html>`, nil, true},
		{"no JSON", key, 200, "text/html", `<html>`, ErrAnswer, false},
		{"no signature", key, 200, jsonType, `{"text":"t"}`, ErrAnswer, false},
		{"no text", key, 200, jsonType, `{"signature":"0x"}`, ErrAnswer, false},
		{"key that leaves the path", "../../v1/models", 200, jsonType, `{"text":"t","signature":"s"}`, ErrAnswer, false},
		{"no key", "", 200, jsonType, `{"text":"t","signature":"s"}`, ErrAnswer, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base, c := serve(t, answer(tt.status, tt.ctype, tt.body))
			sig, err := c.Signature(t.Context(), base, tt.key, "m")
			if err == nil || sig != (zg.Signature{}) {
				t.Fatalf("Signature = %+v, %v; want an error", sig, err)
			}
			var refused *RefusedError
			if want := tt.want; (want != nil && !errors.Is(err, want)) || (want == nil && !errors.As(err, &refused)) {
				t.Errorf("Signature: %v, want %v", err, want)
			}
			if got := Retryable(err); got != tt.retry {
				t.Errorf("Retryable(%v) = %v, want %v", err, got, tt.retry)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	if Retryable(nil) {
		t.Error("Retryable(nil) = true")
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c := New(Config{AllowPrivate: true})
	if _, err := c.Signature(t.Context(), gone.URL, key, ""); err == nil || !Retryable(err) {
		t.Errorf("Signature of a server that is down: %v; want an error worth another try", err)
	}

	hang := make(chan struct{})
	base, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	defer close(hang)
	slow := New(Config{AllowPrivate: true, Timeout: time.Millisecond})
	defer slow.Close()
	if _, err := slow.Signature(t.Context(), base, key, ""); err == nil || !Retryable(err) {
		t.Errorf("Signature of a server that hangs: %v; want an error worth another try", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Signature(ctx, base, key, ""); !errors.Is(err, context.Canceled) || Retryable(err) {
		t.Errorf("Signature after cancelling: %v; want context.Canceled and no other try", err)
	}
	guarded := New(Config{})
	if _, err := guarded.Signature(t.Context(), base, key, ""); !errors.Is(err, ErrPrivateAddress) || Retryable(err) {
		t.Errorf("Signature from this machine: %v; want ErrPrivateAddress and no other try", err)
	}
}

func TestBaseURLs(t *testing.T) {
	for base, want := range map[string]string{
		"https://p.example":        "https://p.example/v1/models",
		"https://p.example/":       "https://p.example/v1/models",
		"http://p.example:8080/a/": "http://p.example:8080/a/v1/models",
		"https://p.example/a%20b":  "https://p.example/a%20b/v1/models",
	} {
		if got, err := endpoint(base, "/v1/models", nil); err != nil || got != want {
			t.Errorf("endpoint(%s) = %s, %v; want %s", base, got, err, want)
		}
	}
	for _, base := range []string{
		"", "p.example", "//p.example", "ftp://p.example", "file:///etc/passwd", "https://", "https://user:pw@p.example", "https://p.example?x=1",
		"https://p.example#x", "https://p.example/\x00", "https://[::1", "https://:443",
	} {
		if got, err := endpoint(base, "/v1/models", nil); !errors.Is(err, ErrURL) || Retryable(err) {
			t.Errorf("endpoint(%q) = %s, %v; want ErrURL", base, got, err)
		} else if strings.Contains(err.Error(), "pw") {
			t.Errorf("the error repeats a password: %v", err)
		}
	}
}

// A redirect within the server is followed; one to elsewhere would carry token and trust along.
func TestRedirects(t *testing.T) {
	elsewhere, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the redirect was followed to %s", r.URL) })
	hops := 0
	base, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/models/"):
			answer(200, jsonType, `{"data":[]}`)(w, r)
		case r.URL.Path == "/v1/models":
			http.Redirect(w, r, "/v1/models/", http.StatusMovedPermanently)
		case strings.HasPrefix(r.URL.Path, "/loop"):
			hops++
			http.Redirect(w, r, "/loop", http.StatusFound)
		default:
			http.Redirect(w, r, elsewhere+"/v1/elsewhere", http.StatusTemporaryRedirect)
		}
	})
	if _, err := c.Catalog(t.Context(), alice, base); err != nil {
		t.Errorf("Catalog behind a redirect within the server: %v", err)
	}
	if _, err := c.UnsettledFee(t.Context(), base, alice, "Bearer x"); !errors.Is(err, errRedirect) || Retryable(err) {
		t.Errorf("UnsettledFee behind a redirect to another server: %v, want errRedirect", err)
	}
	if _, err := c.Catalog(t.Context(), alice, base+"/loop"); !errors.Is(err, errRedirect) || hops != 4 {
		t.Errorf("Catalog behind a loop: %v after %d hops, want errRedirect after 4", err, hops)
	}
}
