package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
)

// acceptReport is the JSON of "zgproxy provider accept".
type acceptReport struct {
	Provider admin.Address    `json:"provider"`
	Accepted admin.Acceptance `json:"accepted"`
	DryRun   bool             `json:"dry_run"`
}

func acceptCommand() *cobra.Command {
	var f moneyFlags
	cmd := &cobra.Command{
		Use:   "accept PROVIDER",
		Short: "Take what a provider took, and its signer, for right, so that top-ups go on",
		Long: `zgproxy stops topping up a provider that has taken or claims more than was witnessed here (drift), or
that signs with another key than before. This accepts both as they are now: what was taken is put down
to the owner's decision, and top-ups go on. Nothing is paid by it.

Look before you accept: ask the provider, and compare "zgproxy usage" with what it says. The daemon has
to run, because it knows what there is to accept.`,
		Example: `  zgproxy account
  zgproxy provider accept 0xa48f01287233509FD694a22Bf840225062E67836`,
		Args: want(cobra.ExactArgs(1)),
	}
	f.add(cmd, false)
	cmd.RunE = explained(&f.json, func(cmd *cobra.Command, args []string) (err error) {
		p, err := parseProvider(args[0])
		if err != nil {
			return err
		}
		ctx, c := cmd.Context(), consoleOf(cmd)
		op, err := operatorFor()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, op.close()) }()
		if local, ok := op.(*localOperator); ok {
			return local.accept(ctx, p, admin.Acceptance{})
		}
		r, err := op.account(ctx, false)
		if err != nil {
			return err
		}
		sub := r.sub(p)
		if sub.Drift == nil {
			return problem(codeNotRegistered, "The daemon looks after those in ZGPROXY_PROVIDERS.", "%s is not looked after", p.Hex())
		}
		what := admin.Acceptance{Drift: sub.Drift.Neuron, Signer: sub.Signer}
		if !f.json {
			c.printf("Accept %s as it is, on %s\n", p.Hex(), r.Network)
			c.printf("  drift   %s 0G taken or claimed beyond what was witnessed\n", sub.Drift.Og)
			signer := sub.Signer.Hex()
			if sub.OtherSigner {
				signer += ", which is another one than before"
			}
			c.printf("  signer  %s\n\n", signer)
		}
		if !f.dryRun {
			if err := f.confirm(ctx, c); err != nil {
				return err
			}
			if err := op.accept(ctx, p, what); err != nil {
				return err
			}
		}
		if f.json {
			return writeJSON(c.out, acceptReport{admin.Address{Address: p}, what, f.dryRun})
		}
		if !f.dryRun {
			c.printf("Accepted. Top-ups go on.\n")
		}
		return nil
	})
	return cmd
}
