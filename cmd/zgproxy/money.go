package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// moneyFlags are the options that all commands have that move money.
type moneyFlags struct {
	yes, dryRun, json, neuron, all, force, wait, revive bool
}

// add adds the options of a command that makes transactions.
func (f *moneyFlags) add(cmd *cobra.Command, withAmount bool) {
	f.addAsking(cmd)
	cmd.Flags().BoolVar(&f.wait, "wait", false, "wait for transactions of this wallet that other programs have sent")
	if withAmount {
		cmd.Flags().BoolVar(&f.neuron, "neuron", false, "the amount is a whole number of neuron (10^-18 0G)")
	}
}

// addAsking adds those of one that asks before it does something.
func (f *moneyFlags) addAsking(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "show what would happen, and sign nothing")
	cmd.Flags().BoolVar(&f.json, "json", false, "one JSON object; asks nothing, so it needs --yes or --dry-run")
}

// amount reads an exact amount, in 0G unless it says otherwise.
func (f *moneyFlags) amount(text string) (zg.Neuron, error) {
	parse := zg.ParseOg
	if f.neuron {
		parse = zg.ParseNeuron
	}
	n, err := parse(text)
	if err == nil && n.IsZero() {
		err = errors.New("the amount must be greater than zero")
	}
	if err != nil {
		return n, usageError{err}
	}
	return n, nil
}

func parseProvider(text string) (common.Address, error) {
	p, err := zg.ParseAddress(text)
	if err != nil {
		return p, usageError{fmt.Errorf("%q: %w", text, err)}
	}
	return p, nil
}

const moneyLong = `

Before anything is signed you see what will happen and are asked. Without a terminal, --yes is needed.
The transaction goes through the same journal as the daemon's own: it is recorded before it is sent,
sent again until it is mined, and never made twice. While the daemon runs, the daemon makes it.
It never takes the place of a transaction that another program has sent with this wallet: while such a
one waits to be mined you are asked whether to wait for it, and with --yes it takes --wait, too.`

func depositCommand() *cobra.Command {
	var f moneyFlags
	cmd := &cobra.Command{
		Use:   "deposit AMOUNT",
		Short: "Move money from the wallet into its ledger",
		Long: `Moves money from the wallet into its ledger, the main account of the network's contract, which the
first deposit opens. Sub-accounts with providers are funded from there.` + moneyLong,
		Example: `  zgproxy deposit 5
  zgproxy deposit 0.25 --dry-run
  zgproxy deposit 250000000000000000 --neuron --yes`,
		Args: want(cobra.ExactArgs(1)),
	}
	f.add(cmd, true)
	cmd.Flags().BoolVar(&f.force, "force", false, "also into contracts that this zgproxy does not know")
	cmd.RunE = f.run(func(args []string) (plan, error) {
		n, err := f.amount(args[0])
		return func(_ context.Context, _ operator, r *accountReport) ([]step, error) {
			s, err := planDeposit(r, n, f.force)
			return []step{s}, err
		}, err
	})
	return cmd
}

func fundCommand() *cobra.Command {
	var f moneyFlags
	cmd := &cobra.Command{
		Use:     "fund PROVIDER AMOUNT",
		Aliases: []string{"transfer", "transfer-fund"},
		Short:   "Move money from the ledger into the sub-account with a provider",
		Long: `Moves money from the ledger into the sub-account with a provider, which the first transfer opens. What
is in it can be taken by that provider for what it served, and comes back with "zgproxy retrieve".
Providers serve only while about 1 0G is left in it.` + moneyLong,
		Example: `  zgproxy fund 0xa48f01287233509FD694a22Bf840225062E67836 2
  zgproxy provider list`,
		Args: want(cobra.ExactArgs(2)),
	}
	f.add(cmd, true)
	cmd.Flags().BoolVar(&f.force, "force", false, "also an address that is not registered as a provider, with --yes one that has changed, and contracts that this zgproxy does not know")
	cmd.RunE = f.run(func(args []string) (plan, error) {
		p, err := parseProvider(args[0])
		if err != nil {
			return nil, err
		}
		n, err := f.amount(args[1])
		return func(ctx context.Context, op operator, r *accountReport) ([]step, error) {
			now, err := op.provider(ctx, p)
			if err != nil {
				return nil, err
			}
			s, err := planFund(r, now, n, f.force)
			if err == nil && f.yes && !f.force && !f.dryRun {
				err = unasked(&now)
			}
			return []step{s}, err
		}, err
	})
	return cmd
}

// unasked says why a provider is not paid without a question: it is not what the owner knows.
func unasked(p *providerReport) error {
	doubt := p.doubt()
	if doubt == "" {
		return nil
	}
	return problem(codeNotConfirmed, fmt.Sprintf("Look at it: zgproxy provider show %[1]s. If you trust it as it is now: zgproxy provider accept %[1]s. To pay it all the same, repeat this without --yes, or with --force.",
		p.Provider.Hex()), "%s Nothing was moved", doubt)
}

func (r *providersReport) find(p common.Address) providerReport {
	for _, known := range r.Providers {
		if known.Provider.Address == p {
			return known
		}
	}
	return providerReport{Provider: admin.Address{Address: p}}
}

func retrieveCommand() *cobra.Command {
	var f moneyFlags
	cmd := &cobra.Command{
		Use:     "retrieve PROVIDER... | --all",
		Aliases: []string{"retrieve-fund"},
		Short:   "Get what is in sub-accounts back into the ledger, in two steps",
		Long: `Asks for everything back that is in the sub-account with a provider. The contract holds it for its lock
time (a day on the network), so that the provider can take what it is owed; the same command then gets
it into the ledger. Amounts cannot be chosen. Up to twenty sub-accounts share one transaction.` + moneyLong,
		Example: `  zgproxy retrieve 0xa48f01287233509FD694a22Bf840225062E67836
  zgproxy retrieve --all`,
		Args: want(func(cmd *cobra.Command, args []string) error {
			if f.all {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.MinimumNArgs(1)(cmd, args)
		}),
	}
	f.add(cmd, false)
	cmd.Flags().BoolVar(&f.all, "all", false, "from every sub-account where there is something")
	cmd.RunE = f.run(func(args []string) (plan, error) {
		var providers []common.Address
		for _, arg := range args {
			p, err := parseProvider(arg)
			if err != nil {
				return nil, err
			}
			if !slices.Contains(providers, p) {
				providers = append(providers, p)
			}
		}
		return func(_ context.Context, _ operator, r *accountReport) ([]step, error) {
			if f.all {
				return planRetrieveAll(r)
			}
			return planRetrieve(r, providers...)
		}, nil
	})
	return cmd
}

func refundCommand() *cobra.Command {
	var f moneyFlags
	cmd := &cobra.Command{
		Use:   "refund AMOUNT | --all",
		Short: "Move money from the ledger back to the wallet",
		Long: `Moves money that is available in the ledger back to the wallet. The contract wants either nothing or at
least its minimum left there. What is in sub-accounts has to be retrieved first.` + moneyLong,
		Example: `  zgproxy refund 1.5
  zgproxy refund --all`,
		Args: want(func(cmd *cobra.Command, args []string) error {
			if f.all {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		}),
	}
	f.add(cmd, true)
	cmd.Flags().BoolVar(&f.all, "all", false, "everything that is available")
	cmd.Flags().BoolVar(&f.revive, "revive-tokens", false, "with --yes also where revoked session tokens become valid again")
	cmd.RunE = f.run(func(args []string) (plan, error) {
		var n zg.Neuron
		var err error
		if !f.all {
			n, err = f.amount(args[0])
		}
		return func(_ context.Context, _ operator, r *accountReport) ([]step, error) {
			s, err := planRefund(r, n, f.all)
			if err == nil && s.revives && !f.revive && !f.dryRun && (f.yes || f.json) {
				err = problem(codeNotConfirmed, "First: zgproxy token revoke-all, for each of them. Or say so: --revive-tokens.",
					"this closes sub-accounts, and with them the contract forgets which session tokens are revoked; they would be valid again. Nothing was moved")
			}
			return []step{s}, err
		}, err
	})
	return cmd
}

func acknowledgeCommand() *cobra.Command {
	var f moneyFlags
	cmd := &cobra.Command{
		Use:   "acknowledge PROVIDER",
		Short: "Give the wallet's consent to a provider again",
		Long: `Tells the contract that the wallet consents to a provider. The first transfer to it does so by itself, so
this is needed only where the consent was taken back.` + moneyLong,
		Example: `  zgproxy provider acknowledge 0xa48f01287233509FD694a22Bf840225062E67836`,
		Args:    want(cobra.ExactArgs(1)),
	}
	f.add(cmd, false)
	cmd.RunE = f.run(func(args []string) (plan, error) {
		p, err := parseProvider(args[0])
		return func(_ context.Context, _ operator, r *accountReport) ([]step, error) {
			s, needed, err := planAcknowledge(r, p)
			if err != nil || !needed {
				return nil, err
			}
			return []step{s}, nil
		}, err
	})
	return cmd
}

func withdrawCommand() *cobra.Command {
	var f moneyFlags
	cmd := &cobra.Command{
		Use:   "revoke PROVIDER",
		Short: "Take the wallet's consent to a provider back",
		Long: `Tells the contract that the wallet no longer consents to a provider, which then takes no more fees and
serves nothing. The contract allows that only when the sub-account is empty: retrieve what is in it
first. The next transfer to it gives the consent again.` + moneyLong,
		Example: `  zgproxy retrieve 0xa48f01287233509FD694a22Bf840225062E67836   # today, and again tomorrow
  zgproxy provider revoke 0xa48f01287233509FD694a22Bf840225062E67836`,
		Args: want(cobra.ExactArgs(1)),
	}
	f.add(cmd, false)
	cmd.RunE = f.run(func(args []string) (plan, error) {
		p, err := parseProvider(args[0])
		return func(_ context.Context, _ operator, r *accountReport) ([]step, error) {
			s, needed, err := planWithdraw(r, p)
			if err != nil || !needed {
				return nil, err
			}
			return []step{s}, nil
		}, err
	})
	return cmd
}
