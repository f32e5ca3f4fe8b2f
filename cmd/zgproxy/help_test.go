package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var updateHelp = flag.Bool("update-help", false, "rewrite testdata/help")

// walk calls f with every command that people see.
func walk(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, c := range cmd.Commands() {
		if !c.Hidden && c.Name() != "help" {
			walk(c, f)
		}
	}
}

// The help of every command is as it was looked at last.
func TestHelpTexts(t *testing.T) {
	dir := filepath.Join("testdata", "help")
	if *updateHelp {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	walk(rootCommand(), func(c *cobra.Command) {
		if strings.HasPrefix(c.CommandPath(), "zgproxy completion ") {
			return // the library's own words
		}
		var out bytes.Buffer
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		if code := run(args, &out, &out); code != 0 {
			t.Errorf("%s --help: status %d", c.CommandPath(), code)
		}
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".txt"
		seen[name] = true
		if *updateHelp {
			if err := os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(string(want), out.String()); d != "" {
			t.Errorf("%s --help (go test -run TestHelpTexts -update-help ./cmd/zgproxy, and look at it):\n%s", c.CommandPath(), d)
		}
	})
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !seen[f.Name()] {
			t.Errorf("there is no command for %s", f.Name())
		}
	}
}

// Every command explains itself, and so does every flag.
func TestCommandsExplainThemselves(t *testing.T) {
	names := map[string]string{}
	walk(rootCommand(), func(c *cobra.Command) {
		if strings.Contains(c.Use, "PROVIDER") && c.ValidArgsFunction == nil {
			t.Errorf("%s: shells cannot complete its provider", c.CommandPath())
		}
		path := c.CommandPath()
		if strings.HasPrefix(path, "zgproxy completion") {
			return
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || (!c.Runnable() && !c.HasSubCommands()) {
			t.Errorf("%s: short text %q", path, c.Short)
		}
		if c.HasParent() && (c.Long == "" || c.Example == "") {
			t.Errorf("%s has no long text, or no example", path)
		}
		if c.Parent() == c.Root() && c.GroupID == "" {
			t.Errorf("%s is in no group", path)
		}
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 140 || (n > 108 && !strings.Contains(line, "zgproxy ")) {
				t.Errorf("%s: a line of %d characters: %s", path, n, line)
			}
		}
		for _, name := range append([]string{c.Name()}, c.Aliases...) {
			key := strings.TrimSuffix(path, c.Name()) + name
			if other, twice := names[key]; twice {
				t.Errorf("%s is %s and %s", key, other, path)
			}
			names[key] = path
		}
		for line := range strings.Lines(c.Example) {
			if !strings.Contains(line, "zgproxy") && strings.TrimSpace(line) != "" && !strings.Contains(line, "curl") {
				t.Errorf("%s: an example without the program: %s", path, line)
			}
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
				t.Errorf("%s --%s: usage %q", path, f.Name, f.Usage)
			}
			for _, secret := range []string{"private-key", "secret"} {
				if strings.Contains(f.Name, secret) {
					t.Errorf("%s --%s: secrets are no arguments", path, f.Name)
				}
			}
		})
	})
	// Whatever tells something tells it to programs, too.
	quiet := []string{"zgproxy", "zgproxy serve", "zgproxy healthcheck", "zgproxy man", "zgproxy receipts export", "zgproxy receipts verify"}
	walk(rootCommand(), func(c *cobra.Command) {
		if !c.HasSubCommands() && !strings.HasPrefix(c.CommandPath(), "zgproxy completion") && c.Flags().Lookup("json") == nil && !slices.Contains(quiet, c.CommandPath()) {
			t.Errorf("%s has no --json", c.CommandPath())
		}
	})
}
