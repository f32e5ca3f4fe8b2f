package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// docs/metrics.md lists every metric that the source creates. What a running daemon then exports has to be on it: see
// checkExported.

var updateMetrics = flag.Bool("update-metrics", false, "write docs/metrics.md again")

const metricsPage = "../../docs/metrics.md"

// metric is one family of the registry.
type metric struct {
	name, kind, help string
	labels           []string
}

func (m metric) row() string {
	labels := "-"
	if len(m.labels) > 0 {
		labels = "`" + strings.Join(m.labels, "`, `") + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", m.name, m.kind, labels, strings.ReplaceAll(m.help, "|", `\|`))
}

const metricsHead = `# Metrics

What the operator's listener exports at ` + "`/metrics`" + ` (` + "`ZGPROXY_ADMIN_LISTEN`" + `, by default http://127.0.0.1:3090/metrics), in the
text format of Prometheus. This page is made from the source (` + "`make docs`" + `), and tests keep it true. The Go runtime's and the
process's own metrics (` + "`go_...`, `process_...`" + `) come with them.

* Amounts are in neuron: 1 0G is 10^18. They are floating-point numbers here, fit for graphs and alerts; the books count in
  integers.
* ` + "`provider`" + ` is a provider's address. A histogram has the usual ` + "`_bucket`, `_sum` and `_count`" + `.
* A metric with labels appears with its first event.
* Alert rules to begin with: [deploy/prometheus/alerts.yml](../deploy/prometheus/alerts.yml).

| name | type | labels | meaning |
| --- | --- | --- | --- |
`

func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	page.WriteString(metricsHead)
	for _, m := range metricsOfSource(t) {
		page.WriteString(m.row())
	}
	got := page.String()
	if *updateMetrics {
		if err := os.WriteFile(metricsPage, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("docs/metrics.md is out of date (make docs):\n%s", d)
	}
}

// checkExported compares what a daemon exports with the page: nothing may be missing there, or be of another type or
// meaning.
func checkExported(t *testing.T, exported string) {
	t.Helper()
	page, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	kinds, found := map[string]string{}, 0
	for line := range strings.Lines(exported) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 4)
		if len(fields) == 4 && fields[1] == "TYPE" {
			kinds[fields[2]] = fields[3]
		}
	}
	for line := range strings.Lines(exported) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 4)
		if len(fields) != 4 || fields[1] != "HELP" || !strings.HasPrefix(fields[2], "zgproxy_") {
			continue
		}
		found++
		begin, end := fmt.Sprintf("| `%s` | %s | ", fields[2], kinds[fields[2]]), " | "+fields[3]+" |"
		if !slices.ContainsFunc(strings.Split(string(page), "\n"), func(row string) bool {
			return strings.HasPrefix(row, begin) && strings.HasSuffix(row, end)
		}) {
			t.Errorf("docs/metrics.md has no row %s...%s", begin, end)
		}
	}
	if found < 20 {
		t.Errorf("%d metrics of ours are exported, which cannot be all:\n%s", found, exported)
	}
}

// metricsOfSource are the metrics that the program's packages create, in order.
func metricsOfSource(t *testing.T) []metric {
	t.Helper()
	all := map[string]metric{}
	files := token.NewFileSet()
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != "../.." && (strings.HasPrefix(e.Name(), ".") ||
			slices.Contains([]string{"devnet", "testdata", "zgbench", "node_modules"}, e.Name())):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if m, ok := metricOf(call); ok {
				if m.name == "" || m.help == "" {
					t.Errorf("%s: the name and the help of a metric are literals", files.Position(call.Pos()))
				}
				if _, twice := all[m.name]; twice {
					t.Errorf("%s: there are two of %s", files.Position(call.Pos()), m.name)
				}
				all[m.name] = m
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var sorted []metric
	for _, name := range slices.Sorted(maps.Keys(all)) {
		sorted = append(sorted, all[name])
	}
	return sorted
}

// metricOf reads a call of one of prometheus' constructors.
func metricOf(call *ast.CallExpr) (metric, bool) {
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return metric{}, false
	}
	if pkg, ok := fun.X.(*ast.Ident); !ok || pkg.Name != "prometheus" {
		return metric{}, false
	}
	if fun.Sel.Name == "NewDesc" && len(call.Args) == 4 {
		m := metric{name: literal(call.Args[0]), help: literal(call.Args[1]), kind: "gauge", labels: literals(call.Args[2])}
		if strings.HasSuffix(m.name, "_total") { // checkExported tells if this is not so
			m.kind = "counter"
		}
		return m, true
	}
	for _, kind := range []string{"Counter", "Gauge", "Histogram", "Summary"} {
		rest, ok := strings.CutPrefix(fun.Sel.Name, "New"+kind)
		if !ok || !slices.Contains([]string{"", "Vec", "Func"}, rest) || len(call.Args) == 0 {
			continue
		}
		m := metric{kind: strings.ToLower(kind)}
		options, _ := call.Args[0].(*ast.CompositeLit)
		if options != nil {
			for _, e := range options.Elts {
				field, _ := e.(*ast.KeyValueExpr)
				if field == nil {
					continue
				}
				switch key, _ := field.Key.(*ast.Ident); key.Name {
				case "Name":
					m.name = literal(field.Value)
				case "Help":
					m.help = literal(field.Value)
				case "ConstLabels":
					m.labels = append(m.labels, literals(field.Value)...)
				}
			}
		}
		if rest == "Vec" && len(call.Args) == 2 {
			m.labels = append(m.labels, literals(call.Args[1])...)
		}
		return m, true
	}
	return metric{}, false
}

// literal is the value of a string, in one piece or in several; empty if it is none.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil {
			return s
		}
	case *ast.BinaryExpr:
		return literal(e.X) + literal(e.Y)
	}
	return ""
}

// literals are the strings of a list, or the keys of a map.
func literals(e ast.Expr) []string {
	list, _ := e.(*ast.CompositeLit)
	if list == nil {
		return nil
	}
	var all []string
	for _, e := range list.Elts {
		if pair, ok := e.(*ast.KeyValueExpr); ok {
			e = pair.Key
		}
		all = append(all, literal(e))
	}
	return all
}
