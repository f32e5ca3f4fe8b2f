package proxy

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/route"
)

// sources are the texts of a room's files, tests left out.
func sources(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	must(t, err)
	var out []string
	for _, p := range paths {
		if strings.HasSuffix(p, "_test.go") {
			continue
		}
		text, err := os.ReadFile(p)
		must(t, err)
		out = append(out, string(text))
	}
	return out
}

var (
	literalCode  = regexp.MustCompile(`(?:Code:\s*|problem\()"([a-z_]+)"`)
	assignedCode = regexp.MustCompile(`\.Code\b[^=\n]*[^=!:]= (.*)`)
	quotedWord   = regexp.MustCompile(`"([a-z_]+)"`)
)

// codes are the error codes that a file names: in a literal, in an assignment, or as the first argument of problem.
func codes(text string) []string {
	var out []string
	for _, m := range literalCode.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	for _, m := range assignedCode.FindAllStringSubmatch(text, -1) {
		for _, w := range quotedWord.FindAllStringSubmatch(m[1], -1) {
			out = append(out, w[1])
		}
	}
	return out
}

func TestEveryCodeIsInTheTable(t *testing.T) {
	seen := 0
	for _, f := range sources(t, ".") {
		for _, code := range codes(f) {
			if seen++; strings.HasSuffix(code, "_") {
				continue // the rest follows from a set that is looked at below
			}
			if _, ok := conditions[code]; !ok {
				t.Errorf("%q is not in the table of conditions", code)
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d codes were found in the sources", seen)
	}
	classes := regexp.MustCompile(`Refusal = "([a-z_]+)"`)
	text, err := os.ReadFile("../zg/refusal.go")
	must(t, err)
	found := classes.FindAllStringSubmatch(strings.Join(strings.Fields(string(text)), " "), -1)
	if len(found) < 19 {
		t.Errorf("only %d classes of refusals were found", len(found))
	}
	for _, m := range found {
		if _, ok := conditions[m[1]]; !ok {
			t.Errorf("the class %s is not in the table of conditions", m[1])
		}
	}
	for _, kind := range []billing.RefusalKind{
		billing.RefusedPrice, billing.RefusedAccount, billing.RefusedBalance, billing.RefusedStore, billing.RefusedTotal,
		billing.RefusedProviderTotal, billing.RefusedDay, billing.RefusedProviderDay,
	} {
		if _, ok := conditions[string(kind)]; !ok {
			t.Errorf("the meter's %s is not in the table of conditions", kind)
		}
	}
	for _, cause := range []route.Cause{route.Down, route.Paced, route.Paused} {
		if _, ok := conditions["provider_"+string(cause)]; !ok {
			t.Errorf("the cause %s is not in the table of conditions", cause)
		}
	}
}

// docs/errors.md says of every code what the table says of it, and of no other.
func TestErrorsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/errors.md")
	must(t, err)
	line := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([0-9]+)( or 429)? \\| `([a-z_]+)` \\| (yes|no) \\| .+\\. \\|$")
	documented := map[string]condition{}
	for _, m := range line.FindAllStringSubmatch(string(text), -1) {
		status, err := strconv.Atoi(m[2])
		must(t, err)
		if _, twice := documented[m[1]]; twice {
			t.Errorf("%s is documented twice", m[1])
		}
		if m[3] != "" && status != http.StatusPaymentRequired {
			t.Errorf("%s is %d or 429, only 402 may be", m[1], status)
		}
		documented[m[1]] = condition{status, m[4], m[5] == "yes"}
	}
	if diff := cmp.Diff(conditions, documented, cmp.AllowUnexported(condition{})); diff != "" {
		t.Errorf("docs/errors.md differs from the table (-table +docs):\n%s", diff)
	}
	if !slices.Contains(slices.Collect(maps.Keys(documented)), "unknown_url") {
		t.Error("the table in docs/errors.md was not found")
	}
}
