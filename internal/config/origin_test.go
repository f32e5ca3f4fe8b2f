package config

import (
	"strings"
	"testing"
)

// Origins are compared letter by letter with what browsers send, so they are read into that form.
func TestOriginsAsBrowsersWriteThem(t *testing.T) {
	for given, want := range map[string]string{
		"https://chat.example.com": "https://chat.example.com", "HTTPS://Chat.Example.COM/": "https://chat.example.com",
		"https://chat.example.com:443": "https://chat.example.com", "http://chat.example.com:80": "http://chat.example.com",
		"https://chat.example.com:80": "https://chat.example.com:80", "http://localhost:8080": "http://localhost:8080", "http://127.0.0.1:8080": "http://127.0.0.1:8080",
		"http://[::1]:8080": "http://[::1]:8080", "http://[0:0:0:0:0:0:0:1]": "http://[::1]",
		// The samples of RFC 3492 and of registries.
		"https://bücher.example": "https://xn--bcher-kva.example", "https://BÜCHER.example:443": "https://xn--bcher-kva.example", "https://münchen.de": "https://xn--mnchen-3ya.de",
		"https://例え.テスト": "https://xn--r8jz45g.xn--zckzah", "https://почемужеонинеговорятпорусски.example": "https://xn--b1abfaaepdrnnbgefbadotcwatmq2g4l.example",
		"https://他们为什么不说中文.example": "https://xn--ihqwcrb4cv8a8dqg056pqjye.example", "https://δοκιμή.example": "https://xn--jxalpdlp.example",
		"https://xn--bcher-kva.example": "https://xn--bcher-kva.example", "https://straße.example": "https://xn--strae-oqa.example",
		"app://obsidian.md": "app://obsidian.md", "tauri://localhost": "tauri://localhost", "http://tauri.localhost": "http://tauri.localhost",
		"vscode-webview://1kqsp0tjhnvnm5scd6e7rbbdnmm8k2v2s4vbkqh0o7j3pqeh5l0s": "vscode-webview://1kqsp0tjhnvnm5scd6e7rbbdnmm8k2v2s4vbkqh0o7j3pqeh5l0s",
		"chrome-extension://abcdefghijklmnopabcdefghijklmnop":                   "chrome-extension://abcdefghijklmnopabcdefghijklmnop", "moz-extension://0b8a1f60-8f5f-4b1a-9f3e-2f4a3a2c1d00": "moz-extension://0b8a1f60-8f5f-4b1a-9f3e-2f4a3a2c1d00",
		"null": "null", "file://": "file://", " https://a.example , https://a.example:443,, null": "https://a.example,null", "": "",
	} {
		var l OriginList
		if err := l.Decode(given); err != nil || l.String() != want {
			t.Errorf("%q: %q, %v, want %q", given, l, err, want)
		}
	}
	for given, says := range map[string]string{
		"*": "wildcard", "https://*.example.com": "wildcard", "chat.example.com": "not an origin", "localhost:8080": "not an origin", "https://": "not an origin",
		"https://a.example/chat": "not an origin", "https://a.example?x": "not an origin", "https://a.example#x": "not an origin", "https://user@a.example": "not an origin",
		"https://a.example:0": "not an origin", "https://a.example:99999": "not an origin", "https://a b.example": "not an origin",
		"https://ａ.example": "xn--", "https://bu\u0308cher.example": "xn--", "https://a\u200db.example": "xn--", "https://a%41.example": "not an origin", "nul": "not an origin",
	} {
		var l OriginList
		if err := l.Decode("https://good.example," + given); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %q, %v, want an error that says %q", given, l, err, says)
		}
	}
}

// A page that has no origin can be any page.
func TestOriginsOfNobodyNeedKeys(t *testing.T) {
	for _, origin := range []string{"null", "file://"} {
		setenv(t, map[string]string{"ALLOWED_ORIGINS": origin})
		if _, _, err := Read(Flags{}); err == nil || !strings.Contains(err.Error(), "any web page can have this origin") {
			t.Errorf("%s without keys: %v", origin, err)
		}
		cfg, _ := mustRead(t, map[string]string{"ALLOWED_ORIGINS": origin, "API_KEYS": "a-key-of-16-letters"})
		if cfg.AllowedOrigins.String() != origin {
			t.Errorf("%s with keys: %q", origin, cfg.AllowedOrigins)
		}
	}
}
