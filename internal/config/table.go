package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Setting is one variable with its effective value, safe to print.
type Setting struct {
	Variable string `json:"variable"`
	Value    string `json:"value"` // secrets: "[redacted]", or empty while not set
	Source   Source `json:"source"`
}

// Redacted lists the effective configuration in the order of the manual, without any secret.
func (c Config) Redacted(sources Sources) []Setting {
	v := reflect.ValueOf(c)
	var out []Setting
	for _, f := range fields() {
		source := sources[f.variable]
		if source == "" {
			source = SourceDefault
		}
		out = append(out, Setting{f.variable, text(v.Field(f.index).Interface()), source})
	}
	return out
}

func text(value any) string {
	if s, ok := value.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprint(value)
}

// Print writes the effective configuration without any secret, with the source of each value: for people, or as JSON.
func Print(w io.Writer, c Config, sources Sources, asJSON bool) error {
	settings := c.Redacted(sources)
	if asJSON {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(settings); err != nil {
			return err
		}
		_, err := w.Write(zg.EscapeJSON(b.Bytes()))
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range settings {
		value := s.Value
		if value == "" {
			value = "-"
		}
		if _, err := fmt.Fprintf(tw, "%s\t%s\t%s\n", s.Variable, value, s.Source); err != nil {
			return err
		}
	}
	return tw.Flush()
}

// Table writes docs/config.md: every variable with its default, meaning and an example.
func Table(w io.Writer) error {
	var b strings.Builder
	b.WriteString(`# Configuration

zgproxy is configured by variables, of the environment or of a file. This page is generated from the program
(` + "`zgproxy config --table`" + `); ` + "`zgproxy config`" + ` prints the values in force, without secrets, and where each came from.

* A variable that is set to the empty string counts as not set.
* A variable that begins with ` + "`" + Prefix + "`" + ` and is not listed here is refused at start, and so is a value that cannot be
  read. All problems are reported together.
* Where the meaning says "secret", the value may be ` + "`@`" + ` and the path of a file. One line end at the end of the file is ignored,
  and so is a byte order mark; UTF-16 is refused. Keys that callers present are of printable ASCII.
* Amounts are in 0G: ` + "`1.5`" + `, ` + "`1.5 0G`" + `, or ` + "`250 neuron`" + ` (1 0G = 10^18 neuron). Durations: ` + "`90s`, `5m`, `1h30m`" + `. Sizes: ` + "`8MiB`" + `.
* What the environment does not set is taken from a file of lines ` + "`ZGPROXY_NAME=value`" + `: the one that ` + "`--env-file`" + ` or
  ` + "`ZGPROXY_ENV_FILE`" + ` names (` + "`off`" + `: none), else ` + "`zgproxy/env`" + ` in ` + "`$XDG_CONFIG_HOME`" + ` or ` + "`~/.config`" + `, if it is there. ` + "`zgproxy init`" + ` writes it.
* ` + "`serve --provider ADDRESS`" + ` (repeatable), ` + "`--host`" + ` and ` + "`--port`" + ` go before the environment.
`)
	group := ""
	for _, f := range fields() {
		if g := f.Tag.Get("group"); g != group {
			group = g
			fmt.Fprintf(&b, "\n## %s\n\n| variable | default | meaning | example |\n| --- | --- | --- | --- |\n", g)
		}
		def := "none"
		if d := f.Tag.Get("default"); d != "" {
			def = "`" + d + "`"
		} else if s := f.Tag.Get("shown"); s != "" {
			def = s
		}
		meaning := f.Tag.Get("desc")
		switch reflect.New(f.Type).Interface().(type) {
		case *Secret, *SecretList, *Password:
			meaning = "Secret. " + meaning
		}
		if words := f.oneOf(); len(words) > 0 {
			meaning += " One of `" + strings.Join(words, "`, `") + "`."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | `%s` |\n", f.variable, cell(def), cell(meaning), cell(f.Tag.Get("example")))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cell keeps a text inside its table cell.
func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
