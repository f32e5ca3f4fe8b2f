package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// What is not a command says so, with the status of a mistake: the library shows the help of the command before it, and all
// seems well to a script.

// strict makes every command that only has others refuse a word that is none of them.
func strict(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		if c.HasSubCommands() && !c.Runnable() {
			c.Args = noSuchCommand
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
		strict(c)
	}
}

func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return usageError{fmt.Errorf("unknown command %q for %q; there are %s", args[0], cmd.CommandPath(), strings.Join(names, ", "))}
}

// helpCommand is the library's, which says nothing wrong of a command that there is not.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		GroupID: groupOther,
		Short:   "Help about any command",
		Long:    `Help provides help for any command in the application.`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var out []cobra.Completion
			if of, _, err := cmd.Root().Find(args); err == nil {
				for _, c := range of.Commands() {
					if c.IsAvailableCommand() {
						out = append(out, cobra.CompletionWithDesc(c.Name(), c.Short))
					}
				}
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := cmd.Root().Find(args)
			if err != nil || of == nil || len(rest) > 0 {
				return usageError{fmt.Errorf("unknown command %q: there is no help for it; see %q", strings.Join(args, " "), "zgproxy --help")}
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}

// officialWords are commands of 0g-compute-cli, and what does the same here.
var officialWords = map[string]string{
	"setup-network": "init", "login": "init --import", "status": "doctor", "show-network": "config",
	"get-account": "account", "get-sub-account": "account", "add-account": "deposit AMOUNT", "retrieve-fund": "retrieve PROVIDER...",
	"router-serve": "serve", "list-providers": "provider list --all", "list-providers-detail": "provider health",
	"get-models": "provider models PROVIDER", "acknowledge-provider": "provider acknowledge PROVIDER", "get-secret": "token create PROVIDER",
	"revoke-token": "token revoke PROVIDER ID...", "revoke-all-tokens": "token revoke-all PROVIDER", "download-report": "provider report PROVIDER",
	"verify": "provider report PROVIDER", "serve": "serve",
}

// translated adds to a complaint about a command what 0g-compute-cli calls so.
func translated(err error, args []string) error {
	words := slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, "-") })
	if !strings.HasPrefix(err.Error(), "unknown command") || len(words) == 0 {
		return err
	}
	word := words[0]
	if word == "inference" && len(words) > 1 {
		word = words[1]
	}
	if is, known := officialWords[word]; known {
		return errors.Join(err, fmt.Errorf("what 0g-compute-cli calls %s is: zgproxy %s", word, is))
	}
	return err
}
