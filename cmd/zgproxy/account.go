package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/zg"
)

func accountCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "account",
		Aliases: []string{"acc", "get-account"},
		Short:   "Show what the wallet has, where it is, and what is about to happen with it",
		Long: `Shows the wallet's own balance, its ledger (the main account of the network's contract), every
sub-account (what one provider may count on), refunds under way, the limits you set and what is left
of them, and a transaction that is not finished yet.

While the daemon runs, it is asked what it saw last. Without it, the chain is read now, for which the
wallet has to be configured. Nothing is changed either way.

LOCKED is what a provider may count on; it serves only while about 1 0G of that is left. OWED are fees
that it has not taken on chain yet, by the book; DRIFT is what it took or claims beyond that. LASTS is
how long the sub-account lasts at the recent rate without another top-up.`,
		Example: `  zgproxy account
  zgproxy account --json | jq -r '.accounts[] | select(.low) | .provider'`,
		Args: want(cobra.NoArgs),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, _ []string) (err error) {
		op, err := operatorFor()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, op.close()) }()
		r, err := op.account(cmd.Context(), false)
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), r)
		}
		printAccount(consoleOf(cmd), &r)
		return nil
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

const yearSeconds = 365 * 24 * 3600

func printAccount(c console, r *accountReport) {
	age := "read from the chain"
	if r.Source == "daemon" {
		age = "as the daemon saw it " + inWords(time.Since(r.ReadAt)) + " ago"
	}
	c.printf("%s, block %d, %s\n\n", r.Network, r.Block, age)
	var t table
	row := t.row
	row("wallet", r.Wallet.Hex())
	row("  balance", short(r.Balance.Neuron)+" 0G")
	if !r.knows(zg.PartLedger) {
		row("ledger", "cannot be read")
	} else if r.Ledger == nil {
		row("ledger", "none yet; \"zgproxy deposit\" opens it with at least "+short(r.Minimums.Ledger.Neuron)+" 0G")
	} else {
		row("ledger", "")
		row("  available", short(r.Ledger.Available.Neuron)+" 0G")
		row("  total", short(r.Ledger.Total.Neuron)+" 0G, with what is in sub-accounts")
	}
	for i, l := range r.Limits {
		title := ""
		if i == 0 {
			title = "limits"
		}
		name := l.Name
		if l.For != "" {
			name += ", " + l.For
		}
		if l.Provider != nil {
			name += ", " + l.Provider.Hex()
		}
		row(title, fmt.Sprintf("%s: %s of %s 0G left", name, short(l.Left.Neuron), short(l.Limit.Neuron)))
	}
	c.show(&t)

	if len(r.Accounts) > 0 {
		t = table{}
		t.head("PROVIDER", "MODEL", "LOCKED", "OWED", "DRIFT", "LASTS", "ON ITS WAY BACK")
		for i := range r.Accounts {
			s := &r.Accounts[i]
			locked, owed, drift, lasts := "none", "-", "-", "-"
			if s.Exists {
				locked = short(s.Locked.Neuron)
			}
			if s.Owed != nil {
				owed = short(s.Owed.Neuron)
			}
			if s.Drift != nil {
				drift = short(s.Drift.Neuron)
			}
			if s.Runway != nil {
				if lasts = inWords(time.Duration(*s.Runway) * time.Second); *s.Runway > yearSeconds {
					lasts = "over a year"
				}
			}
			row(s.Provider.Hex(), orDash(s.Model), locked, owed, drift, lasts, refundsInWords(s))
		}
		c.printf("\n")
		c.show(&t)
		for i := range r.Accounts {
			if s := &r.Accounts[i]; s.Note != "" {
				c.printf("\n%s (%s)\n  %s\n", s.Provider.Hex(), orDash(s.Model), s.Note)
			}
		}
	}
	if tx := r.Unfinished; tx != nil {
		c.printf("\nNot finished: %s, nonce %d, signed %s ago, %s.\n", transactionInWords(tx), tx.Nonce, inWords(time.Since(tx.Created)), tx.Hash)
		if tx.Trouble != "" {
			c.printf("It does not go on for now: %s.\n", tx.Trouble)
		}
		if r.Source != "daemon" {
			c.printf("%s\n", hintResume)
		}
	}
	for _, w := range r.Warnings {
		c.printf("\n%s\n", w)
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// refundsInWords says what is on its way from a sub-account back to the ledger, and when it is there.
func refundsInWords(s *subReport) string {
	if s.PendingRefund.Neuron.IsZero() {
		return "-"
	}
	ripe, wait := s.ripe()
	waiting := s.PendingRefund.Neuron.Sub(ripe)
	var parts []string
	if !ripe.IsZero() {
		parts = append(parts, short(ripe)+" now")
	}
	if !waiting.IsZero() {
		parts = append(parts, short(waiting)+" in "+inWords(wait))
	}
	return strings.Join(parts, ", ")
}

// tokensInWords names session tokens by their ids.
func tokensInWords(ids []int) string {
	if len(ids) == 1 {
		return "token " + strconv.Itoa(ids[0])
	}
	text := make([]string, len(ids))
	for i, id := range ids {
		text[i] = strconv.Itoa(id)
	}
	return "tokens " + strings.Join(text, ", ")
}

// transactionInWords says what a transaction is for.
func transactionInWords(tx *admin.Transaction) string {
	provider := ""
	if tx.Provider != nil {
		provider = tx.Provider.Hex()
	}
	switch tx.Kind {
	case zg.IntentTransfer:
		return fmt.Sprintf("transfer of %s 0G to the sub-account with %s", tx.Amount.Og(), provider)
	case zg.IntentDeposit:
		return fmt.Sprintf("deposit of %s 0G into the ledger", tx.Amount.Og())
	case zg.IntentRetrieve:
		if n := len(tx.Also); n > 0 {
			return fmt.Sprintf("retrieval from %d sub-accounts, with %s and others", 1+n, provider)
		}
		return "retrieval from the sub-account with " + provider
	case zg.IntentRefund:
		return fmt.Sprintf("refund of %s 0G from the ledger to the wallet", tx.Amount.Og())
	case zg.IntentAcknowledge:
		return "acknowledgement of " + provider
	case zg.IntentWithdraw:
		return "withdrawal of the consent to " + provider
	case zg.IntentRevoke:
		return "revocation of session " + tokensInWords(tx.TokenIDs) + " for " + provider
	case zg.IntentRevokeAll:
		return "revocation of all session tokens for " + provider
	}
	return string(tx.Kind)
}
