package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/billing"
)

// Set by the linker in release builds; otherwise what the Go toolchain recorded is used.
var (
	version string
	commit  string
	date    string
)

// buildInfo is what "zgproxy version" tells.
type buildInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	Date    string `json:"-"`                         // the day of the commit, for the manual; empty if it is not known
	NoStore bool   `json:"records_nothing,omitempty"` // a build for benchmarks
}

func thisBuild() buildInfo {
	b := buildInfo{
		Version: version, Commit: commit, Date: date, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		NoStore: billing.RecordsNothing,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if b.Version == "" {
			b.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && b.Commit == "":
				b.Commit = s.Value
			case s.Key == "vcs.time" && b.Date == "":
				b.Date, _, _ = strings.Cut(s.Value, "T")
			}
		}
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "devel"
	}
	if b.Commit == "" {
		b.Commit = "unknown"
	}
	return b
}

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and Go version",
		Long:  `Prints which zgproxy this is: its version, the commit it was built from, and the Go version that built it.`,
		Example: `  zgproxy version
  zgproxy version --json | jq -r .commit`,
		Args: want(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := thisBuild()
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), b)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "zgproxy %s\ncommit  %s\ngo      %s %s/%s\n", b.Version, b.Commit, b.Go, b.OS, b.Arch)
			if err == nil && b.NoStore {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "store   none: this build is for benchmarks and records no request")
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func userAgent() string { return "zgproxy/" + thisBuild().Version }
