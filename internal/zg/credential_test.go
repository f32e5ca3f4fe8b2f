package zg

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCredentialInTexts(t *testing.T) {
	proof := strings.Repeat("0123456789abcdef", 8) + "1b"
	body := base64.StdEncoding.EncodeToString([]byte(`{"address":"0x00","tokenId":255}|0x` + proof))
	c := CredentialOf("Bearer app-sk-" + body)
	for text, want := range map[string]bool{
		"app-sk-" + body: true, "APP-SK-x": true, `app\u002dsk\u002d` + body: true, `app\\u002dsk-`: true, "app%252Dsk%252D": true, "app&#45;sk&#x2d;": true, `app\x2dsk-`: true,
		body: true, body[60:120]: true, "0x" + proof: true, proof[:60]: true,
		body[:20]: false, proof[:20]: false, "": false, "-": false, "app-sk": false, "task-sk-1": false, `100% \ & %zz \u00`: false,
	} {
		if got := c.In(text); got != want {
			t.Errorf("In(%q) = %v, want %v", text, got, want)
		}
		if clean := c.Clean(text); c.In(clean) && clean != hidden || !want && clean != text {
			t.Errorf("Clean(%q) = %q", text, clean)
		}
	}
	if got := (Credential{}).Clean("cannot read app-sk-abc+/= at all"); got != "cannot read "+hidden+" at all" {
		t.Errorf("cleaned: %q", got)
	}
	if c.CleanError(nil) != "" {
		t.Error("no error says something")
	}
	long := c.CleanError(errors.New("malformed header " + strings.Repeat("x\n", 1<<17) + "Bearer app-sk-" + body))
	if n := utf8.RuneCountInString(long); n > longestCause+1 || strings.ContainsRune(long, '\n') || c.In(long) {
		t.Errorf("a cause of %d characters: %.100q", n, long)
	}
}
