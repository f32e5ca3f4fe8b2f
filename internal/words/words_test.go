// Package words keeps calques out of what people read: code, comments, help and pages. It is a test and nothing else.
package words

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// calques are words that make a native reader stumble, each with what the field says instead. Only what is wrong
// wherever it stands is here; what depends on its sentence is for a reviewer. Every text that the pattern finds has the
// hint in it, which is quick to look for.
var calques = []struct{ hint, pattern, write string }{
	{"anew", `anew`, "again; encode anew: re-serialise"},
	{"of late", `of late`, "recently, recent"},
	{"for right", `for right`, "nothing: leave it out"},
	{"likewise", `likewise`, "also, the same"},
	{"mend", `mend(s|ed|ing)?`, "fix"},
	{"before", `goes? before (the|a|an) (file|environment|configuration|default|flag)s?`, "takes precedence over"},
	{"blot", `blot(s|ted)? out`, "redacted"},
	{"now and then", `tried (again )?now and then`, "retried periodically"},
	{"at most so", `at most so .?many`, "at most N"},
	{"how `many`", "how `many`", "`N`"},
	{"`when` it ends", "`when` it ends", "`DURATION`"},
	{"unseen", `unseen`, "hidden, unnoticed"},
	{"seldom", `seldom`, "rarely"},
	{"lest", `lest`, "so that … not"},
	{"hence", `[wt]?hence`, "so, therefore, from which"},
	{"what is proposed", `take what is proposed`, "accept the defaults"},
	{"not fit", `(signature|checksum|digest|version|receipt)s? (\w+ ){0,2}(does|did|do) not fit`, "does not match"},
	{"be meant", `may not be meant`, "looks unintended"},
	{"itself", `contradicts? itself`, "conflicting"},
	{"the amount is nothing", `the amount is nothing`, "the amount must be greater than zero"},
}

// patterns are those of calques, in the same order, each as a word of its own.
var patterns = func() []*regexp.Regexp {
	var all []*regexp.Regexp
	for _, c := range calques {
		all = append(all, regexp.MustCompile(`(^|\W)(`+c.pattern+`)(\W|$)`))
	}
	return all
}()

// find is every calque in a text of lower case.
func find(text string, found func(line int, words, write string)) {
	for i, c := range calques {
		if !strings.Contains(text, c.hint) {
			continue
		}
		for n, line := range strings.Split(text, "\n") {
			if m := patterns[i].FindStringSubmatch(line); m != nil {
				found(n+1, m[2], c.write)
			}
		}
	}
}

// read are the files that people read.
var read = []string{".go", ".md", ".txt", ".txtar", ".yml", ".yaml", ".service", ".env", ".tape"}

func TestNothingIsSaidInCalques(t *testing.T) {
	const top, here = "../..", "internal/words/words_test.go"
	files := 0
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			// What others wrote or wrote for us: dependencies, generated bindings, inputs that a fuzzer found.
			if slices.Contains([]string{".git", "node_modules", "bin", "bindings", "fuzz"}, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !slices.Contains(read, filepath.Ext(name)) && d.Name() != "Makefile" && d.Name() != "Dockerfile" ||
			filepath.ToSlash(name) == here {
			return nil
		}
		text, err := os.ReadFile(path) //nolint:gosec // of the repository, which nobody changes meanwhile
		if err != nil {
			return err
		}
		files++
		find(strings.ToLower(string(text)), func(line int, words, write string) {
			t.Errorf("%s:%d: %q: write %s", filepath.ToSlash(name), line, words, write)
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 500 {
		t.Errorf("%d files were read: this looked in the wrong place", files)
	}
}

// A calque is found in a line, a word that only has one in it is not.
func TestCalquesAreFound(t *testing.T) {
	for text, want := range map[string]bool{
		"it is\nread anew.":                   true,
		"mended since":                        true,
		"which goes before the file":          true,
		"how `many`, 1 to 10":                 true,
		"the signature does not fit.":         true,
		"the signature of an answer":          false,
		"recommended, amended, later, latest": false,
		"bodies do not fit into this memory":  false,
	} {
		found := false
		find(text, func(int, string, string) { found = true })
		if found != want {
			t.Errorf("%q: found %v, want %v", text, found, want)
		}
	}
}
