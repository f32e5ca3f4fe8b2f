// Command zgproxy is an OpenAI-compatible endpoint on your machine for the 0G Compute Network: it chooses a provider,
// signs and pays with your wallet, streams the answer through untouched and keeps the book.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program but for the process's own exit.
func run(args []string, stdout, stderr io.Writer) int {
	// The first signal asks for an orderly end; from then on the default holds again, so that a second one ends at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	return exitWith(err, stderr)
}

// The groups of commands in the help.
const (
	groupRun   = "run"
	groupSee   = "see"
	groupMove  = "move"
	groupOther = "other"
)

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "zgproxy",
		Short: "An OpenAI-compatible endpoint on your machine for the 0G Compute Network",
		Long: `zgproxy puts the 0G Compute Network behind an OpenAI-compatible endpoint on your machine.

Point any OpenAI client at http://127.0.0.1:3000/v1. For each request zgproxy chooses a provider
that you allow, signs with your wallet, streams the answer through byte for byte, books the fee
and keeps the provider's sub-account funded within your limits.

Configuration is read from the environment (ZGPROXY_...): see "zgproxy config --help".`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Running:"}, &cobra.Group{ID: groupSee, Title: "Looking:"}, &cobra.Group{ID: groupMove, Title: "Moving money by hand:"}, &cobra.Group{ID: groupOther, Title: "Other:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupRun, serveCommand(), configCommand(), healthcheckCommand())
	add(groupSee, accountCommand(), usageCommand(), receiptsCommand(), providerCommand())
	add(groupMove, depositCommand(), fundCommand(), retrieveCommand(), refundCommand())
	add(groupOther, versionCommand())
	root.SetHelpCommandGroupID(groupOther)
	return root
}
