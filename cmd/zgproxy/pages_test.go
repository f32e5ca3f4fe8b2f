package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command that the pages for newcomers tell them to type is there, with the flags that they name.
func TestPagesNameCommandsThatExist(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	// In a fence, behind a prompt or not; in a code span, also over the end of a line.
	const run = `(?:\./bin/|\./)?zgproxy `
	named := regexp.MustCompile("(?m)^ *(?:\\$ )?" + run + "([^\n#|;>&]+)|`" + run + "([^`]+)`")
	found := 0
	for _, page := range append(pages, "../../README.md", "../../SECURITY.md", "../../CONTRIBUTING.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(inCode(string(text)), -1) {
			found++
			if err := typed(strings.Fields(m[1] + m[2])); err != nil {
				t.Errorf("%s: zgproxy %s%s: %v", filepath.Base(page), m[1], m[2], err)
			}
		}
	}
	if found < 150 {
		t.Errorf("%d commands were found; the pages are not read as they were", found)
	}
	for _, wrong := range []string{"frobnicate", "provider frobnicate 0x1", "fund 0x1 2 --frobnicate"} {
		if typed(strings.Fields(wrong)) == nil {
			t.Errorf("zgproxy %s is taken for a command", wrong)
		}
	}
}

// inCode leaves out of a page the prose: lines outside of fences count by their code spans only.
func inCode(page string) string {
	var out strings.Builder
	for i, part := range strings.Split(page, "```") {
		if i%2 == 1 {
			out.WriteString(part)
			continue
		}
		for j, span := range strings.Split(part, "`") {
			if j%2 == 1 {
				out.WriteString("\n`" + strings.Join(strings.Fields(span), " ") + "`\n")
			}
		}
	}
	return out.String()
}

// typed says what is wrong with a command line, as far as that can be told without its values.
func typed(words []string) error {
	for i, word := range words {
		if before, more := strings.CutSuffix(word, ","); more { // "image, transcribe": the first of them
			words = append(slices.Clone(words[:i]), before)
			break
		}
	}
	cmd, rest, err := rootCommand().Find(words)
	if err != nil {
		return err
	}
	if plain := regexp.MustCompile(`^[a-z][a-z-]*$`); cmd.HasSubCommands() && len(rest) > 0 && plain.MatchString(rest[0]) {
		return fmt.Errorf("%s has no %q", cmd.CommandPath(), rest[0])
	}
	for _, word := range rest {
		name, isFlag := strings.CutPrefix(strings.TrimRight(word, "."), "--")
		name, _, _ = strings.Cut(name, "=")
		if isFlag && name != "help" && name != "version" && !has(cmd, name) {
			return fmt.Errorf("%s has no flag --%s", cmd.CommandPath(), name)
		}
	}
	return nil
}

func has(cmd *cobra.Command, flag string) bool {
	return cmd.Flags().Lookup(flag) != nil || cmd.InheritedFlags().Lookup(flag) != nil
}
