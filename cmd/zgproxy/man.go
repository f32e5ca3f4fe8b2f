package main

import (
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func manCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "man",
		Short: "Write the manual pages",
		Long: `Writes a manual page for every command, in section 1, to a directory that man looks into, such as
/usr/local/share/man/man1.`,
		Example: `  zgproxy man --dir ~/.local/share/man/man1
  man zgproxy-deposit`,
		Args: want(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // everybody may read them
				return err
			}
			at := time.Unix(0, 0).UTC() // the same pages from the same program
			root := cmd.Root()
			root.DisableAutoGenTag = true
			if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "zgproxy " + thisBuild().Version, Manual: "zgproxy", Date: &at}, dir); err != nil {
				return err
			}
			pages, err := filepath.Glob(filepath.Join(dir, "zgproxy*.1"))
			if err != nil {
				return err
			}
			consoleOf(cmd).printf("%s in %s\n", plural(len(pages), "page"), dir)
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "man1", "the `DIRECTORY` to write to; it is made if it is missing")
	return cmd
}
