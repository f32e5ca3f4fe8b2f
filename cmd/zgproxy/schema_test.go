package main

import (
	"encoding"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/zg"
)

var updateJSON = flag.Bool("update-json", false, "rewrite docs/json.md")

const schemaFile = "../../docs/json.md"

// shapes are what each command writes with --json.
var shapes = map[string]reflect.Type{
	"account":              reflect.TypeFor[accountReport](),
	"backup":               reflect.TypeFor[backupReport](),
	"chat":                 reflect.TypeFor[chatReport](),
	"config":               reflect.TypeFor[[]config.Setting](),
	"deposit":              reflect.TypeFor[moneyReport](),
	"doctor":               reflect.TypeFor[doctorReport](),
	"explain":              reflect.TypeFor[explainReport](),
	"fund":                 reflect.TypeFor[moneyReport](),
	"image":                reflect.TypeFor[imageReport](),
	"init":                 reflect.TypeFor[setupReport](),
	"models":               reflect.TypeFor[modelsReport](),
	"provider accept":      reflect.TypeFor[acceptReport](),
	"provider acknowledge": reflect.TypeFor[moneyReport](),
	"provider health":      reflect.TypeFor[healthReport](),
	"provider list":        reflect.TypeFor[providersReport](),
	"provider models":      reflect.TypeFor[[]catalogueReport](),
	"provider report":      reflect.TypeFor[attestationReport](),
	"provider revoke":      reflect.TypeFor[moneyReport](),
	"provider show":        reflect.TypeFor[showReport](),
	"receipts list":        reflect.TypeFor[receiptsReport](),
	"receipts show":        reflect.TypeFor[zg.AnswerReceipt](),
	"receipts verify":      reflect.TypeFor[verifyReport](),
	"refund":               reflect.TypeFor[moneyReport](),
	"restore":              reflect.TypeFor[restoreReport](),
	"retrieve":             reflect.TypeFor[moneyReport](),
	"token create":         reflect.TypeFor[admin.NewToken](),
	"token list":           reflect.TypeFor[tokensReport](),
	"token revoke":         reflect.TypeFor[moneyReport](),
	"token revoke-all":     reflect.TypeFor[moneyReport](),
	"transcribe":           reflect.TypeFor[transcriptReport](),
	"usage":                reflect.TypeFor[usageReport](),
	"version":              reflect.TypeFor[buildInfo](),
	"wallet accept":        reflect.TypeFor[walletAcceptReport](),
	"wallet address":       reflect.TypeFor[walletReport](),
	"wallet balance":       reflect.TypeFor[balanceReport](),
	"wallet export":        reflect.TypeFor[exportReport](),
	"wallet import":        reflect.TypeFor[walletReport](),
	"wallet new":           reflect.TypeFor[walletReport](),
}

// docs/json.md has every command that has --json, every field of what it writes, and every code.
func TestJSONIsDocumented(t *testing.T) {
	walk(rootCommand(), func(c *cobra.Command) {
		if _, known := shapes[strings.TrimPrefix(c.CommandPath(), "zgproxy ")]; known != (c.Flags().Lookup("json") != nil) {
			t.Errorf("%s: it has --json or it is in shapes, and not both", c.CommandPath())
		}
	})
	s := schema{t: t, sources: map[string]map[string]*ast.TypeSpec{}, titles: map[reflect.Type]string{}, used: map[string]bool{}}
	got := s.document()
	for key := range fieldWords {
		if !s.used[key] {
			t.Errorf("fieldWords has %q, which no field needs", key)
		}
	}
	if *updateJSON {
		if err := os.WriteFile(schemaFile, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("docs/json.md is out of date (make docs). Fields may be added; one that is gone or renamed breaks a promise:\n%s", d)
	}
}

// The table of exit statuses in docs/cli.md has every code, in the row of its status.
func TestCodesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[int]string{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			continue
		}
		if status, err := strconv.Atoi(strings.TrimSpace(cells[1])); err == nil {
			rows[status] = cells[3]
		}
	}
	known := map[string]bool{}
	for _, c := range codes(t) {
		known[c.code] = true
		if c.meaning == "" {
			t.Errorf("failure.go does not say what %q means", c.code)
		}
		if !strings.Contains(rows[c.status], "`"+c.code+"`") {
			t.Errorf("docs/cli.md lacks %q in the row of status %d", c.code, c.status)
		}
	}
	for status, row := range rows {
		for i, code := range strings.Split(row, "`") {
			if i%2 == 1 && (!known[code] || exitStatus(code) != status) {
				t.Errorf("docs/cli.md has %q in the row of status %d, where it does not belong", code, status)
			}
		}
	}
}

// scriptShaped reads what the last command wrote as what it is said to write, and nothing else: shaped COMMAND…
func scriptShaped(ts *testscript.TestScript, neg bool, args []string) {
	shape, known := shapes[strings.Join(args, " ")]
	if neg || !known {
		ts.Fatalf("shaped COMMAND…")
	}
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	dec.DisallowUnknownFields()
	ts.Check(dec.Decode(reflect.New(shape).Interface()))
	if dec.More() {
		ts.Fatalf("more than one value")
	}
}

// problemCode is one of the codes in failure.go.
type problemCode struct {
	code, meaning string
	status        int
}

func codes(t *testing.T) []problemCode {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "failure.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var out []problemCode
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 || !strings.HasPrefix(v.Names[0].Name, "code") {
			return true
		}
		value, ok := v.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		code, err := strconv.Unquote(value.Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, problemCode{code, strings.TrimSpace(v.Comment.Text()), exitStatus(code)})
		return true
	})
	if len(out) == 0 {
		t.Fatal("no codes in failure.go")
	}
	return out
}

// schema writes the page. What a field means is its comment in the source.
type schema struct {
	t       *testing.T
	sources map[string]map[string]*ast.TypeSpec // by import path, by name
	titles  map[reflect.Type]string
	used    map[string]bool // of fieldWords
	queue   []reflect.Type
}

func (s *schema) document() string {
	var b strings.Builder
	b.WriteString(`# JSON

What the commands write with ` + "`--json`" + `. This page is made from the program (` + "`make docs`" + `), and a test keeps it true.

* **Fields are only added.** None is taken away, renamed or given another meaning. Ignore what you do not know.
* The standard output has one value and nothing else. An error is one, too; its status is in the table below.
* Money is a string of neuron (1 0G is 10^18), because no JSON number holds it. ` + "`0g`" + ` beside it is for reading.
* Times are RFC 3339. Addresses have their checksum. A field that *may be absent* is left out where there is nothing to say.

## Commands

| command | writes |
| --- | --- |
`)
	for _, command := range slices.Sorted(maps.Keys(shapes)) {
		fmt.Fprintf(&b, "| `zgproxy %s` | %s |\n", command, s.name(shapes[command]))
	}
	b.WriteString("\n`zgproxy receipts export` writes a receipt a line. `zgproxy doctor` and `zgproxy provider health` write their report also when they end with status 1.\n")
	problem := reflect.TypeFor[admin.CommandError]()
	fmt.Fprintf(&b, "\n## Errors\n\n`{\"error\": …}`, in which there is a %s. Go by `code` and the status; message and hint are for people, and may change.\n\n", s.name(problem))
	b.WriteString("| status | code | meaning |\n| --- | --- | --- |\n")
	all := codes(s.t)
	slices.SortStableFunc(all, func(a, b problemCode) int { return a.status - b.status })
	for _, c := range all {
		fmt.Fprintf(&b, "| %d | `%s` | %s |\n", c.status, c.code, c.meaning)
	}
	b.WriteString("\n## Objects\n")
	for len(s.queue) > 0 {
		next := s.queue[0]
		s.queue = s.queue[1:]
		s.object(&b, next)
	}
	return b.String()
}

func (s *schema) object(b *strings.Builder, t reflect.Type) {
	fmt.Fprintf(b, "\n### %s\n\n%s| field | type | meaning |\n| --- | --- | --- |\n", s.titles[t], s.about(t))
	s.fields(b, t, t)
}

// fields writes those of t, which is outer or embedded in it.
func (s *schema) fields(b *strings.Builder, outer, t reflect.Type) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && name == "":
			s.fields(b, outer, f.Type)
			continue
		case name == "":
			s.t.Errorf("%s.%s has no name in JSON", t, f.Name)
		}
		meaning := s.comment(t, f.Name)
		if meaning == "" {
			meaning = s.words(s.titles[outer], name)
		}
		if strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero") {
			meaning = strings.TrimSuffix("may be absent; "+meaning, "; ")
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, s.name(f.Type), meaning)
	}
}

// words are what a field means that the source does not explain.
func (s *schema) words(object, name string) string {
	for _, key := range []string{object + "." + name, name} {
		if text, ok := fieldWords[key]; ok {
			s.used[key] = true
			return text
		}
	}
	s.t.Errorf("%s.%s has no meaning: comment it in the source, or put it into fieldWords", object, name)
	return ""
}

// name is a type in words. Objects get a section of their own.
func (s *schema) name(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[zg.Neuron]():
		return "neuron"
	case t == reflect.TypeFor[admin.Address]():
		return "address"
	case t == reflect.TypeFor[time.Time]():
		return "time"
	case t == reflect.TypeFor[json.RawMessage]():
		return "any value"
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) && t.Kind() != reflect.Pointer:
		return "string"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.name(t.Elem()) + " or null"
	case reflect.Slice, reflect.Array:
		return "array of " + s.name(t.Elem())
	case reflect.Map:
		return "object of " + s.name(t.Elem()) + ", by " + s.name(t.Key())
	case reflect.Bool:
		return "bool"
	case reflect.String:
		return "string"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Interface:
		return "any value"
	case reflect.Struct:
		return s.link(t)
	default:
		return "integer"
	}
}

func (s *schema) link(t reflect.Type) string {
	title, known := s.titles[t]
	if !known {
		title = strings.TrimSuffix(t.Name(), "Report")
		for i := 1; i < len(title); i++ { // subReport and the like are sections of their own
			if title[i] >= 'A' && title[i] <= 'Z' && title[i-1] >= 'a' {
				title = title[:i] + "-" + title[i:]
				i++
			}
		}
		title = strings.ToLower(title)
		for other, used := range s.titles {
			if used == title { // the one that comes later is told by its room
				title = strings.ToLower(path.Base(t.PkgPath())) + "-" + title
			}
			if s.titles[other] == title {
				s.t.Errorf("%s and %s are both called %s", other, t, title)
			}
		}
		s.titles[t] = title
		s.queue = append(s.queue, t)
	}
	return "[" + title + "](#" + title + ")"
}

// about is what the source says about a type, without its name in the program.
func (s *schema) about(t reflect.Type) string {
	decl, ok := s.source(t.PkgPath())[t.Name()]
	if !ok {
		return ""
	}
	text, named := strings.CutPrefix(strings.Join(strings.Fields(decl.Doc.Text()), " "), t.Name()+" is ")
	if !named || text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "\n\n"
}

// comment is what the source says about a field, in one line.
func (s *schema) comment(t reflect.Type, field string) string {
	decl, ok := s.source(t.PkgPath())[t.Name()]
	if !ok {
		s.t.Errorf("the source of %s is not found", t)
		return ""
	}
	fields, ok := decl.Type.(*ast.StructType)
	if !ok {
		s.t.Errorf("%s is no struct in the source", t)
		return ""
	}
	for _, f := range fields.Fields.List {
		for _, name := range f.Names {
			if name.Name == field {
				text := strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " ")
				text = strings.TrimSuffix(strings.TrimPrefix(text, field+" is "), ".")
				return strings.ReplaceAll(text, "|", `\|`)
			}
		}
	}
	return ""
}

func (s *schema) source(pkg string) map[string]*ast.TypeSpec {
	if types, ok := s.sources[pkg]; ok {
		return types
	}
	types := map[string]*ast.TypeSpec{}
	s.sources[pkg] = types
	files, err := filepath.Glob(filepath.Join("../..", strings.TrimPrefix(pkg, "github.com/zgproxy/zgproxy"), "*.go"))
	if err != nil || len(files) == 0 {
		s.t.Errorf("no source of %s (%v)", pkg, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			s.t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			g, ok := n.(*ast.GenDecl)
			if !ok {
				return true
			}
			for _, spec := range g.Specs {
				if d, ok := spec.(*ast.TypeSpec); ok {
					if d.Doc == nil {
						d.Doc = g.Doc
					}
					types[d.Name.Name] = d
				}
			}
			return true
		})
	}
	return types
}
