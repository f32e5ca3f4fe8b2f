package zg

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// obeyed are characters of every kind that a terminal, or whoever reads a line on one, is led astray by.
const obeyed = "\x00\a\b\t\n\v\f\r\x1b\x7f\u0080\u0085\u009b\u009d\u009f\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c" +
	"\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\U000e0001\U000e0041\ue000\U0010ffff\xff\xc3"

func TestPeerTextPrintsClean(t *testing.T) {
	evil := PeerText("a" + obeyed + "b\nverdict  verified\x1b[32m")
	for _, printed := range []string{
		evil.String(), fmt.Sprint(evil), fmt.Sprintf("%s", evil), fmt.Sprintf("%v", evil), fmt.Sprintf("%10s", evil), //nolint:staticcheck // every way to print it
		fmt.Errorf("it says %s", evil).Error(),
	} {
		if i := strings.IndexFunc(printed, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q has %q", printed, printed[i:])
		}
		if !strings.Contains(printed, "verdict  verified") {
			t.Errorf("%q: what can be read was lost", printed)
		}
	}
	if got := PeerText(strings.Repeat("é", LongestText+1)).String(); utf8.RuneCountInString(got) != LongestText+1 || !strings.HasSuffix(got, "…") {
		t.Errorf("%d characters", utf8.RuneCountInString(got))
	}
	valid := PeerText(strings.ToValidUTF8(string(evil), "")) // JSON has no other
	b, err := json.Marshal(valid)
	if err != nil {
		t.Fatal(err)
	}
	var back PeerText
	if err := json.Unmarshal(EscapeJSON(b), &back); err != nil || back != valid {
		t.Errorf("read back %q, %v", string(back), err)
	}
}

func TestTextOfStrangers(t *testing.T) {
	for text, want := range map[string]string{
		"Qwen 3 (日本語) é": "Qwen 3 (日本語) é", "a\r\nb\tc": "a  b c", "a\u00a0b\u2028c": "a b c", "\x1b[31m": "\uFFFD[31m",
		"\u202eevil": "\uFFFDevil", "\xff": "\uFFFD", "\ufffd": "\ufffd", "": "", "0123456789": "0123456789", "0123456789x": "0123456789…",
		"012345678 xyz": "012345678…",
	} {
		most := 10
		if len(want) > 14 {
			most = 100
		}
		if got := OneLine(text, most); got != want {
			t.Errorf("OneLine(%q): %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"a\r\nb\rc\td": "a\nbc\td", "a\u2028b": "a\nb", "👩\u200d🚀 می\u200cخواهم": "👩\u200d🚀 می\u200cخواهم", "\x1b[2J\u202e\xff": "\uFFFD[2J\uFFFD\uFFFD",
	} {
		if got := Lines(text); got != want {
			t.Errorf("Lines(%q): %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"qwen-3": "qwen-3", "名前": "名前", "a\u200bb": "", "a\u202eb": "", "a\nb": "", "a\u009bb": "", "\xff": "", "\ufffd": "", "a\u00a0b": "", "0123456789x": "",
	} {
		if got := Name(text, 10); got != want {
			t.Errorf("Name(%q): %q, want %q", text, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "qwen", obeyed, "\u202e\x1b]0;title\a", "a\r\n\u2028b", "\"\\u001b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		clean := func(what, got, but string) {
			if i := strings.IndexFunc(got, func(r rune) bool { return !unicode.IsPrint(r) && !strings.ContainsRune(but, r) }); i >= 0 || !utf8.ValidString(got) {
				t.Errorf("%s of %q: %q", what, s, got)
			}
		}
		line := OneLine(s, 50)
		clean("OneLine", line, "")
		if utf8.RuneCountInString(line) > 51 || OneLine(line, 51) != line {
			t.Errorf("OneLine of %q: %q", s, line)
		}
		clean("Lines", Lines(s), "\n\t\u200c\u200d")
		if n := Name(s, 50); n != "" && (n != s || OneLine(n, 50) != n) {
			t.Errorf("Name of %q: %q", s, n)
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var was, is string
		escaped := EscapeJSON(b)
		clean("EscapeJSON", string(escaped), "")
		if err := json.Unmarshal(b, &was); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(escaped, &is); err != nil || is != was {
			t.Errorf("EscapeJSON of %q: reads as %q, %v", b, is, err)
		}
	})
}

// What may be shown is decided in text.go. A second opinion elsewhere would be forgotten when this one changes: there
// were three.
func TestOneRuleForTextOfStrangers(t *testing.T) {
	own := regexp.MustCompile(`\bunicode\.(IsPrint|IsControl|IsGraphic|Is|In)\(`)
	seen := 0
	for _, top := range []string{"../../internal", "../../cmd/zgproxy"} {
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "internal/zg/text.go") {
				return err
			}
			text, err := os.ReadFile(path) //nolint:gosec // the sources, which nobody changes meanwhile
			if err != nil {
				return err
			}
			seen++
			if found := own.Find(text); found != nil {
				t.Errorf("%s has a rule of its own for what may be shown: %s", path, found)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 200 {
		t.Errorf("only %d files were looked at", seen)
	}
}
