package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/config"
)

// backupReport is the JSON of "zgproxy backup".
type backupReport struct {
	File     string    `json:"file"`         // the copy
	Made     time.Time `json:"made"`         // as of when it is
	Requests int64     `json:"requests"`     // that are in it
	Entries  int64     `json:"transactions"` // in its journal
	Bytes    int64     `json:"bytes"`        // how large it is
}

func backupCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Make a copy of the spend store, while the daemon runs or not",
		Long: `The spend store is what zgproxy knows of money: what requests cost, which transactions were signed, what
your limits have left, whom you trust, and the receipts. This copies all of it as of one moment, with
requests that are under way, into one new file that only you can read (mode 0600). Nothing is stopped
for that. The copy is checked before it gets its name, it is on disk when the command ends, and no
file is ever overwritten.

Keys are not in it: keep a copy of the keystore and its password apart from this. See docs/backup.md for
what a copy does not know, and "zgproxy restore" for putting one back.`,
		Example: `  zgproxy backup /mnt/backups/zgproxy-$(date +%F).db`,
		Args:    want(cobra.ExactArgs(1)),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, args []string) error {
		cfg, _, err := config.Load()
		if err != nil {
			return usageError{err}
		}
		c := consoleOf(cmd)
		made, err := billing.Backup(cmd.Context(), cfg.DataDir, args[0], time.Now())
		switch {
		case errors.Is(err, fs.ErrExist):
			return problem(codeExists, "Name another file, or move that one away.",
				"%q is there already; nothing was written", args[0])
		case err != nil:
			return err
		case asJSON:
			return writeJSON(c.out, backupReport{args[0], made.Made.UTC(), made.Requests, made.Entries, made.Bytes})
		}
		c.printf("%q: %s, %s, %d bytes, as of %s. Keys are not in it.\n", args[0], plural(int(made.Requests), "request"),
			plural(int(made.Entries), "transaction"), made.Bytes, made.Made.UTC().Format(time.RFC3339))
		return nil
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// restoreReport is the JSON of "zgproxy restore".
type restoreReport struct {
	File     string     `json:"file,omitempty"` // the copy
	Made     *time.Time `json:"made"`           // as of when the copy is; null: it does not say
	Restored *time.Time `json:"restored"`       // when it was put back; null: it was not
	Requests int64      `json:"requests"`       // that are in it
	Entries  int64      `json:"transactions"`   // in its journal
	Kept     string     `json:"kept,omitempty"` // where what was replaced lies now
	Accepted bool       `json:"accepted"`       // what a restored store does not know was accepted
}

func restoreCommand() *cobra.Command {
	var f moneyFlags
	var accept bool
	cmd := &cobra.Command{
		Use:   "restore FILE | restore --accept",
		Short: "Put a copy of the spend store back, or accept what it does not know",
		Long: `Puts a copy that "zgproxy backup" made in the place of the spend store. The daemon has to be stopped. The copy
is checked before anything is touched; what it replaces is moved to a directory beside it and never
deleted.

A copy does not know what happened since it was made. So a restored store holds money back: nothing is
topped up until the chain has shown for ten minutes that no transaction is missing, and budgets for fees
count as used up, those by the day for a day, those for the total until you accept it. With --accept you
say that what is missing does not matter: limits then count from what the store knows.`,
		Example: `  zgproxy restore /mnt/backups/zgproxy-2026-11-01.db
  zgproxy restore --accept`,
		Args: want(cobra.MaximumNArgs(1)),
	}
	f.addAsking(cmd)
	cmd.Flags().BoolVar(&accept, "accept", false, "accept what a store that was restored does not know")
	cmd.RunE = explained(&f.json, func(cmd *cobra.Command, args []string) error {
		if accept != (len(args) == 0) {
			return usageError{errors.New("name the copy, or say --accept")}
		}
		cfg, _, err := config.Load()
		if err != nil {
			return usageError{err}
		}
		if accept {
			return f.acceptRestored(cmd.Context(), consoleOf(cmd), cfg.DataDir)
		}
		return f.restore(cmd.Context(), consoleOf(cmd), cfg.DataDir, args[0])
	})
	return cmd
}

func (f *moneyFlags) restore(ctx context.Context, c console, dir, file string) error {
	if _, err := os.Stat(file); err != nil {
		return problem(codeNotFound, "Name a file that zgproxy backup made.", "%q cannot be read: %v", file, err)
	}
	if held, by := billing.LockHolder(dir); held {
		return inUse(by)
	}
	if !f.json {
		c.printf("This replaces the spend store in %s, which is kept beside it, by %q.\n", dir, file)
	}
	if f.dryRun {
		return f.restored(c, restoreReport{File: file})
	}
	if err := f.confirm(ctx, c); err != nil {
		return err
	}
	r, err := billing.Restore(ctx, dir, file, time.Now())
	if errors.Is(err, billing.ErrLocked) {
		return inUse("")
	}
	if err != nil {
		return err
	}
	at := r.At.UTC()
	out := restoreReport{File: file, Restored: &at, Requests: r.Requests, Entries: r.Entries, Kept: r.Kept}
	if !r.Made.IsZero() {
		made := r.Made.UTC()
		out.Made = &made
	}
	if f.json {
		return f.restored(c, out)
	}
	c.printf("Restored: %s, %s", plural(int(r.Requests), "request"), plural(int(r.Entries), "transaction"))
	if out.Made != nil {
		c.printf(", as of %s", out.Made.Format(time.RFC3339))
	}
	c.printf(".\n")
	if r.Kept != "" {
		c.printf("What it replaced is in %s.\n", r.Kept)
	}
	c.printf("It does not know what happened since. Nothing is topped up until the chain has shown that no transaction\n" +
		"is missing, and budgets for fees count as used up for a day. If you know that nothing is missing, or do not\n" +
		"mind: zgproxy restore --accept.\n")
	return nil
}

func (f *moneyFlags) restored(c console, r restoreReport) error {
	if f.json {
		return writeJSON(c.out, r)
	}
	return nil
}

func (f *moneyFlags) acceptRestored(ctx context.Context, c console, dir string) (err error) {
	if f.dryRun {
		return f.restored(c, restoreReport{})
	}
	if held, by := billing.LockHolder(dir); held {
		return inUse(by)
	}
	if !f.json {
		c.printf("What was spent and signed since the copy was made, and is not in it, then does not count against\n" +
			"your limits.\n")
	}
	if err := f.confirm(ctx, c); err != nil {
		return err
	}
	store, err := billing.Open(ctx, dir, billing.StoreOptions{Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	accepted, err := store.AcceptRestored(time.Now())
	switch {
	case err != nil:
		return err
	case f.json:
		return f.restored(c, restoreReport{Accepted: accepted})
	case !accepted:
		c.printf("The spend store was not restored, or that is accepted. There is nothing to accept.\n")
	default:
		c.printf("Accepted. Top-ups go on, and budgets count from what the store knows.\n")
	}
	return nil
}

func inUse(by string) error {
	if by != "" {
		by = " (process " + by + ")"
	}
	return problem(codeInUse, "Stop it first, and start it again afterwards.",
		"the data directory is in use by another zgproxy%s; nothing was done", by)
}
