package zg

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Links between the pages lead to files and headings that are there, and CONTRIBUTING.md names files that are there.
func TestPagesLeadSomewhere(t *testing.T) {
	pages := readPages(t)
	link := regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"`)
	found := 0
	for name, text := range pages {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target := m[1] + m[2]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			found++
			if why := leads(pages, name, target); why != "" {
				t.Errorf("%s: the link %s %s", name, target, why)
			}
		}
	}
	if found < 100 {
		t.Errorf("%d links were found; the pages are not read as they were", found)
	}
	named := regexp.MustCompile("`((?:cmd|internal|docs|deploy|tools|\\.ci|\\.github)/[^` *…]*)`")
	for _, m := range named.FindAllStringSubmatch(pages["CONTRIBUTING.md"], -1) {
		if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
			t.Errorf("CONTRIBUTING.md names %s: %v", m[1], err)
		}
	}
}

// readPages has the repository's pages by their paths from its top, without what is in fences: links are none there.
func readPages(t *testing.T) map[string]string {
	t.Helper()
	fence := regexp.MustCompile("(?ms)^ *```.*?^ *```")
	pages := make(map[string]string)
	top := os.DirFS("../..")
	err := fs.WalkDir(top, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", "node_modules", "bin", "testdata"}, d.Name()) {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".md" {
			return nil
		}
		text, err := fs.ReadFile(top, name)
		pages[name] = fence.ReplaceAllString(string(text), "")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// leads says what is wrong with a link of a page, if anything.
func leads(pages map[string]string, page, target string) string {
	file, heading, _ := strings.Cut(target, "#")
	to := page
	if file != "" {
		to = path.Join(path.Dir(page), file)
		if _, err := fs.Stat(os.DirFS("../.."), to); err != nil {
			return "leads to no file: " + err.Error()
		}
	}
	if heading == "" {
		return ""
	}
	for line := range strings.Lines(pages[to]) {
		if title := strings.TrimLeft(line, "#"); title != line && anchor(title) == heading {
			return ""
		}
	}
	return "leads to no heading of " + to
}

// anchor is what GitHub makes of a heading.
func anchor(title string) string {
	title = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`).ReplaceAllString(title, "$1")
	title = regexp.MustCompile(`[^\p{L}\p{N}_ -]`).ReplaceAllString(strings.ToLower(title), "")
	return strings.ReplaceAll(strings.TrimSpace(title), " ", "-")
}

// A page that has gone wrong is seen.
func TestLinksThatLeadNowhere(t *testing.T) {
	pages := map[string]string{"README.md": "# One heading, `code`\n\nText.\n", "docs/README.md": "## Other\n"}
	for target, ok := range map[string]bool{
		"#one-heading-code": true, "#one": false, "docs/none.md": false,
		"docs/README.md": true, "docs/README.md#other": true, "docs/README.md#two": false,
	} {
		if why := leads(pages, "README.md", target); (why == "") != ok {
			t.Errorf("%s: %q", target, why)
		}
	}
}
