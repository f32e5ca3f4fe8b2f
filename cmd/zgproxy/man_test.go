package main

import (
	"os/exec"
	"strings"
	"testing"
)

func TestManualPages(t *testing.T) {
	t.Parallel()
	pages := manPages(rootCommand())
	for name, parts := range map[string][]string{
		"zgproxy.1": {
			".TH \"ZGPROXY\" 1 ", ".SH NAME\nzgproxy \\- An OpenAI",
			".BR zgproxy\\-serve (1),\n", "\\fB\\-\\-env\\-file\\fR \\fIFILE\\fR",
		},
		"zgproxy-deposit.1": {
			".SH SYNOPSIS\n.B zgproxy deposit", ".SH OPTIONS\n.TP\n", ".SH GLOBAL OPTIONS",
			".SH EXAMPLES\n.nf\n  zgproxy deposit 5",
			".SH SEE ALSO\n.BR zgproxy (1)\n",
		},
		"zgproxy-man.1": {"(default man1)"},
	} {
		for _, want := range parts {
			if !strings.Contains(pages[name], want) {
				t.Errorf("%s: %q is missing in\n%s", name, want, pages[name])
			}
		}
	}
	for name, page := range pages {
		for line := range strings.Lines(page) {
			if word, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(line, ".") &&
				!strings.Contains(" .TH .SH .B .BR .TP .PP .nf .fi ", " "+word+" ") {
				t.Errorf("%s: the line %q reads as a request", name, line)
			}
		}
	}
}

func TestRoff(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`a\b --x`: `a\eb \-\-x`, "one\n.two\n'three": "one\n\\&.two\n\\&'three",
	} {
		if got := roff(text); got != want {
			t.Errorf("roff(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestNoMarkdown keeps parsers that only a generator of pages needs out of the program that holds the wallet's key.
func TestNoMarkdown(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for _, name := range []string{"cobra/doc", "md2man", "blackfriday", "yaml"} {
		if strings.Contains(string(out), name) {
			t.Errorf("the daemon links %s", name)
		}
	}
}
