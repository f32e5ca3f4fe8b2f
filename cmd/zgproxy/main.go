// Command zgproxy is an OpenAI-compatible endpoint on your machine for the 0G Compute Network: it chooses a provider,
// signs and pays with your wallet, streams the answer through untouched and keeps the book.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/private"
)

func main() {
	os.Exit(alone(os.Args[1:], os.Stdout, os.Stderr))
}

// alone is run in a process that does nothing else, whose memory nobody gets to see.
func alone(args []string, stdout, stderr io.Writer) int {
	if err := private.Memory(); err != nil { // it works without; whoever confines processes that far knows why
		_, _ = fmt.Fprintf(stderr, "zgproxy: the process's memory is not as well protected as it could be: %v\n", err)
	}
	return run(args, stdout, stderr)
}

// run is the whole program but for the process's own exit.
func run(args []string, stdout, stderr io.Writer) int {
	// The first signal asks for an orderly end; from then on the default holds again, so that a second one ends at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	out, beside := outputTo(stdout), outputTo(stderr)
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(beside)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = unwritten(out.failure())
	}
	if err == nil {
		return 0
	}
	if isCommandLine(err) {
		err = usageError{translated(err, args)}
		if slices.Contains(args, "--json") { // the flag may not have been read
			failed := &failedError{problem: explain(err)}
			failed.told = writeJSON(out, map[string]*admin.CommandError{"error": failed.problem}) == nil
			err = failed
		}
	}
	return exitWith(err, beside)
}

// The groups of commands in the help.
const (
	groupRun   = "run"
	groupUse   = "use"
	groupSee   = "see"
	groupMove  = "move"
	groupKeys  = "keys"
	groupOther = "other"
)

func rootCommand() *cobra.Command {
	cobra.EnableCommandSorting = false // the order below is that of use
	root := &cobra.Command{
		Use:   "zgproxy",
		Short: "An OpenAI-compatible endpoint on your machine for the 0G Compute Network",
		Long: `zgproxy puts the 0G Compute Network behind an OpenAI-compatible endpoint on your machine.

Point any OpenAI client at http://127.0.0.1:3000/v1. For each request zgproxy chooses a provider
that you allow, signs with your wallet, streams the answer through byte for byte, records the fee
and keeps the provider's sub-account funded within your limits.

Begin with "zgproxy init". Configuration is read from the environment (ZGPROXY_...) and from the file that
init writes: see "zgproxy config --help".`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return noEmptyFlags(cmd) },
	}
	root.PersistentFlags().Func("env-file", "the `FILE` of variables to read for what the environment does not set, or off (instead of ZGPROXY_ENV_FILE)", func(path string) error {
		return os.Setenv(config.EnvFileVariable, path)
	})
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Setting up and running:"},
		&cobra.Group{ID: groupUse, Title: "Using models:"},
		&cobra.Group{ID: groupSee, Title: "Looking:"},
		&cobra.Group{ID: groupMove, Title: "Moving money by hand:"},
		&cobra.Group{ID: groupKeys, Title: "Keys and tokens:"},
		&cobra.Group{ID: groupOther, Title: "Other:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	// A line for each command, so that changes of one do not touch another's.
	add(groupRun,
		initCommand(),
		serveCommand(),
		doctorCommand(),
		configCommand(),
		healthcheckCommand(),
		backupCommand(),
		restoreCommand(),
	)
	add(groupUse,
		modelsCommand(),
		chatCommand(),
		imageCommand(),
		transcribeCommand(),
	)
	add(groupSee,
		accountCommand(),
		usageCommand(),
		receiptsCommand(),
		explainCommand(),
		providerCommand(),
	)
	add(groupMove,
		depositCommand(),
		fundCommand(),
		retrieveCommand(),
		refundCommand(),
	)
	add(groupKeys,
		walletCommand(),
		tokenCommand(),
	)
	add(groupOther,
		versionCommand(),
		manCommand(),
	)
	root.SetHelpCommandGroupID(groupOther)
	root.SetCompletionCommandGroupID(groupOther)
	root.SetHelpCommand(helpCommand())
	root.InitDefaultCompletionCmd()
	root.Version = thisBuild().Version
	root.SetVersionTemplate("zgproxy {{.Version}}\n")
	strict(root)
	completed(root)
	return root
}
