package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
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
			pages := manPages(cmd.Root())
			for name, page := range pages {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(page), 0o644); err != nil { //nolint:gosec // as above
					return err
				}
			}
			consoleOf(cmd).printf("%s in %s\n", plural(len(pages), "page"), dir)
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "man1", "the `DIRECTORY` to write to; it is made if it is missing")
	return cmd
}
