package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Pages that say what shows a claim name tests. Each of those is there.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	const top = "../.."
	there := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]+)\(`)
	err := filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // in the repository
		for _, m := range function.FindAllSubmatch(text, -1) {
			there[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(top + "/docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("%v, %v", pages, err)
	}
	name := regexp.MustCompile(`\bTest[A-Z][A-Za-z0-9]+\b`)
	named := 0
	for _, page := range append(pages, top+"/README.md", top+"/SECURITY.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range name.FindAllString(string(text), -1) {
			if named++; !there[n] {
				t.Errorf("%s names %s, which is no test", page, n)
			}
		}
	}
	if named < 50 {
		t.Errorf("%d tests are named; the pages are not what they were", named)
	}
}
