package main

import (
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/config"
)

func configCommand() *cobra.Command {
	var flags config.Flags
	var table, asJSON bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the effective configuration, or every variable there is",
		Long: `Prints the configuration that "zgproxy serve" would run with, secrets hidden, and where each value
comes from: default, environment, file, flag or network.

With --table it prints every variable with its default and meaning, as Markdown.`,
		Example: `  zgproxy config
  ZGPROXY_NETWORK=testnet zgproxy config --json
  zgproxy config --table > docs/config.md`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if table {
				return config.Table(cmd.OutOrStdout())
			}
			cfg, sources, err := loadConfig(flags)
			if err != nil {
				return usageError{err}
			}
			return config.Print(cmd.OutOrStdout(), cfg, sources, asJSON)
		},
	}
	addServeFlags(cmd, &flags)
	cmd.Flags().BoolVar(&table, "table", false, "every variable, as a Markdown document")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	cmd.MarkFlagsMutuallyExclusive("table", "json")
	return cmd
}
