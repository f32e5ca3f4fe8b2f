package main

import (
	"fmt"
	"maps"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The manual pages are written here and not by cobra's own generator, which goes by way of Markdown: its parser and a YAML
// one would be linked into the program that holds the wallet's key.

// manPages are the pages of a command and of all below it, by their files' names.
func manPages(cmd *cobra.Command) map[string]string {
	pages := map[string]string{manName(cmd) + ".1": manPage(cmd)}
	for _, c := range cmd.Commands() {
		if !shownInManual(c) {
			continue
		}
		maps.Copy(pages, manPages(c))
	}
	return pages
}

func shownInManual(cmd *cobra.Command) bool {
	return cmd.IsAvailableCommand() && !cmd.IsAdditionalHelpTopicCommand()
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage is the page of one command. The same program writes the same page.
func manPage(cmd *cobra.Command) string {
	cmd.InitDefaultHelpFlag()
	build := thisBuild()
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %q 1 %q %q %q\n", strings.ToUpper(manName(cmd)), build.Date, "zgproxy "+build.Version, "zgproxy")
	section := func(title string) { b.WriteString(".SH " + title + "\n") }

	section("NAME")
	b.WriteString(roff(manName(cmd)+" - "+cmd.Short) + "\n")
	section("SYNOPSIS")
	b.WriteString(".B " + roff(cmd.UseLine()) + "\n")
	section("DESCRIPTION")
	about := cmd.Long
	if about == "" {
		about = cmd.Short
	}
	b.WriteString(roffText(about))
	for _, flags := range []struct {
		title string
		set   *pflag.FlagSet
	}{{"OPTIONS", cmd.NonInheritedFlags()}, {"GLOBAL OPTIONS", cmd.InheritedFlags()}} {
		if flags.set.HasAvailableFlags() {
			section(flags.title)
			flags.set.VisitAll(func(f *pflag.Flag) { b.WriteString(manFlag(f)) })
		}
	}
	if cmd.Example != "" {
		section("EXAMPLES")
		b.WriteString(".nf\n" + roff(cmd.Example) + "\n.fi\n")
	}
	var also []string
	if cmd.HasParent() {
		also = append(also, manName(cmd.Parent()))
	}
	for _, c := range cmd.Commands() {
		if shownInManual(c) {
			also = append(also, manName(c))
		}
	}
	if len(also) > 0 {
		section("SEE ALSO")
		for i, name := range also {
			comma := ","
			if i == len(also)-1 {
				comma = ""
			}
			b.WriteString(".BR " + roff(name) + " (1)" + comma + "\n")
		}
	}
	return b.String()
}

func manFlag(f *pflag.Flag) string {
	if f.Hidden || f.Deprecated != "" {
		return ""
	}
	value, about := pflag.UnquoteUsage(f)
	names := `\fB` + roff("--"+f.Name) + `\fR`
	if f.Shorthand != "" {
		names = `\fB` + roff("-"+f.Shorthand) + `\fR, ` + names
	}
	if value != "" {
		names += ` \fI` + roff(value) + `\fR`
	}
	switch f.DefValue {
	case "", "false", "0", "0s", "[]":
	default:
		about += " (default " + f.DefValue + ")"
	}
	return ".TP\n" + names + "\n" + roff(about) + "\n"
}

// roffText is a text of paragraphs. Lines that are indented, as lists and commands are, stay as they are.
func roffText(text string) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		if strings.HasPrefix(paragraph, " ") || strings.Contains(paragraph, "\n ") {
			b.WriteString(".nf\n" + roff(paragraph) + "\n.fi\n")
		} else {
			b.WriteString(roff(paragraph) + "\n")
		}
	}
	return b.String()
}

// roff protects what roff would read as its own: backslashes, minus signs, and lines that begin like a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
