package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// moneyReport is the JSON of every command that moves money.
type moneyReport struct {
	DryRun       bool                `json:"dry_run"`
	Steps        []stepReport        `json:"steps"`
	Transactions []admin.Transaction `json:"transactions"`
	Account      *accountReport      `json:"account"` // afterwards; null: nothing was done, or it could not be read
}

type stepReport struct {
	Kind     zg.IntentKind   `json:"kind"`
	Provider *admin.Address  `json:"provider,omitempty"`
	Also     []admin.Address `json:"also,omitempty"` // further providers, of a retrieval from several
	Amount   zg.Neuron       `json:"amount_neuron"`
	TokenIDs []int           `json:"token_ids,omitempty"` // of a revocation
	From     string          `json:"from"`
	To       string          `json:"to"`
	Changes  []change        `json:"changes"`
	Notes    []string        `json:"notes"`
	Warnings []string        `json:"warnings"`
	MaxGas   zg.Neuron       `json:"gas_max_neuron"`
}

func (s *step) report() stepReport {
	r := stepReport{
		Kind: s.order.Kind, Also: addressList(s.order.Also), Amount: s.order.Amount, TokenIDs: s.order.TokenIDs, From: s.from, To: s.to, Changes: append([]change{}, s.changes...),
		Notes: append([]string{}, s.notes...), Warnings: append([]string{}, s.warnings...), MaxGas: s.maxGas,
	}
	if s.order.Provider != (common.Address{}) {
		r.Provider = &admin.Address{Address: s.order.Provider}
	}
	return r
}

// plan says which transactions are to be made, for what the wallet has.
type plan func(ctx context.Context, op operator, r *accountReport) ([]step, error)

// run is what all of these commands do: read the arguments, look, plan, show, ask, do, look again.
func (f *moneyFlags) run(parse func(args []string) (plan, error)) func(*cobra.Command, []string) error {
	return explained(&f.json, func(cmd *cobra.Command, args []string) (err error) {
		ctx, c := cmd.Context(), consoleOf(cmd)
		plan, err := parse(args)
		if err != nil {
			return err
		}
		op, err := operatorFor()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, op.close()) }()
		if err := f.othersFirst(ctx, c, op); err != nil {
			return err
		}
		before, err := op.account(ctx, true)
		if err != nil {
			return err
		}
		steps, err := plan(ctx, op, &before)
		if err != nil {
			return err
		}
		out := moneyReport{DryRun: f.dryRun, Steps: []stepReport{}, Transactions: []admin.Transaction{}}
		for _, s := range steps {
			out.Steps = append(out.Steps, s.report())
		}
		if !f.json {
			showSteps(c, &before, steps)
		}
		if len(steps) > 0 && !f.dryRun {
			if err := f.confirm(ctx, c); err != nil {
				return err
			}
			if out.Transactions, err = f.carryOut(ctx, c, op, steps, before.Confirmations); err != nil {
				return err
			}
			after, err := op.account(ctx, true)
			if err == nil {
				out.Account = &after
			}
			if !f.json {
				showAfter(c, &after, err)
			}
		}
		if f.json {
			return writeJSON(c.out, out)
		}
		return nil
	})
}

// confirm asks, unless that was answered beforehand.
func (f *moneyFlags) confirm(ctx context.Context, c console) error {
	switch {
	case f.yes:
		return nil
	case f.json:
		return problem(codeNotConfirmed, "Repeat it with --yes, or look with --dry-run.", "--json asks nothing, so nothing was moved")
	case !c.asks:
		return problem(codeNotConfirmed, "Repeat it with --yes.", "there is no terminal to ask on, so nothing was moved")
	case c.ask(ctx, "Go ahead?"):
		return nil
	}
	return problem(codeNotConfirmed, "", "nothing was moved")
}

func showSteps(c console, r *accountReport, steps []step) {
	if tx := r.Unfinished; tx != nil {
		c.printf("Not finished yet, and seen through first: %s (nonce %d).\n\n", transactionInWords(tx), tx.Nonce)
	}
	if f := r.Foreign; f != nil {
		c.printf("Note: %s of this wallet were not made here, and nothing is topped up until you accept them: zgproxy wallet accept.\n\n",
			plural(int(min(f.Count, 1<<30)), "transaction"))
	}
	if len(steps) == 0 {
		c.printf("Nothing to do: it is already done.\n")
	}
	for _, s := range steps {
		c.printf("%s, on %s\n", s.title, r.Network)
		var t table
		t.row("  from", s.from)
		t.row("  to", s.to)
		for _, ch := range s.changes {
			t.row("  "+ch.Name, ch.Before.Og+" → "+ch.After.Og+" 0G")
		}
		t.row("  gas", "at most "+short(s.maxGas)+" 0G at the highest fees you allow, usually far less")
		c.show(&t)
		for _, n := range s.notes {
			c.printf("  %s\n", n)
		}
		for _, w := range s.warnings {
			c.printf("  Note: %s\n", w)
		}
		c.printf("\n")
	}
}

// carryOut makes the transactions one after the other, and stops at the first that fails.
func (f *moneyFlags) carryOut(ctx context.Context, c console, op operator, steps []step, confirmations uint64) ([]admin.Transaction, error) {
	done := []admin.Transaction{}
	for _, s := range steps {
		var progress progress
		now, stop := func(string) {}, func() {}
		if !f.json && !f.wait { // until it is signed: another transaction of ours may have its turn, or whoever signs may be asked
			now, stop = c.working("waiting for its turn and its signature")
		}
		tx, err := f.transact(ctx, c, op, s.order, func(tx admin.Transaction) {
			switch line := progress.next(tx); {
			case f.json:
			case line == "":
				now(progress.waitsFor(confirmations))
			default:
				stop()
				c.printf("%s\n", line)
				now, stop = c.working(progress.waitsFor(confirmations))
			}
		})
		stop()
		if err != nil {
			return done, unfinished(ctx, tx, err)
		}
		done = append(done, tx)
		if !f.json {
			c.printf("confirmed, for %s 0G of gas\n", short(tx.GasCost))
		}
	}
	return done, nil
}

// unfinished says what stands when a transaction was not seen through to its end.
func unfinished(ctx context.Context, tx admin.Transaction, err error) error {
	switch {
	case ctx.Err() != nil && tx.ID != 0:
		return problem(codeInterrupted, hintResume, "interrupted after transaction %s was signed", tx.Hash)
	case ctx.Err() != nil:
		return problem(codeInterrupted, "zgproxy account shows whether one is under way.", "interrupted before a transaction was seen to be signed")
	}
	p := explain(err)
	if tx.ID != 0 && tx.State == string(billing.EntrySigned) && p.Hint == "" {
		p = &admin.CommandError{Code: p.Code, Message: p.Message, Hint: hintResume}
	}
	return p
}

// progress turns the states of a transaction into lines, each of which is said once.
type progress struct {
	versions int
	sent     bool
	block    uint64
	depth    uint64
	trouble  string          // at the moment
	troubles map[string]bool // that were told
	earlier  int64           // the transaction that is seen through first; 0: it is the ordered one's turn
}

// once is a line that is said once.
func (p *progress) once(trouble, format string) string {
	if trouble == "" || p.troubles[trouble] {
		return ""
	}
	if p.troubles == nil {
		p.troubles = make(map[string]bool)
	}
	p.troubles[trouble] = true
	return fmt.Sprintf(format, trouble)
}

// before tells of a transaction that has to end before the ordered one is signed.
func (p *progress) before(tx admin.Transaction) string {
	if p.earlier != tx.ID {
		p.earlier = tx.ID
		return fmt.Sprintf("first an earlier transaction has to end: %s (nonce %d, signed %s ago)", transactionInWords(&tx), tx.Nonce, inWords(time.Since(tx.Created)))
	}
	return p.once(tx.Trouble, "the earlier one does not go on for now: %s")
}

func (p *progress) next(tx admin.Transaction) string {
	if tx.State == string(billing.EntrySigned) { // what has ended is not looked at any more
		p.depth = tx.Depth
	}
	if tx.Earlier {
		return p.before(tx)
	}
	p.trouble, p.earlier = tx.Trouble, 0
	switch {
	case tx.Block != 0 && tx.Block != p.block:
		p.block = tx.Block
		return fmt.Sprintf("mined in block %d", tx.Block)
	case tx.Trouble != "" && !p.troubles[tx.Trouble]:
		return p.once(tx.Trouble, "it does not go on for now: %s; zgproxy goes on trying")
	case tx.State != string(billing.EntrySigned) || tx.Block != 0:
		return "" // said already, or the last line
	case p.versions == 0:
		p.versions = tx.Versions
		return fmt.Sprintf("signed %s (nonce %d)", tx.Hash, tx.Nonce)
	case tx.Versions > p.versions:
		p.versions = tx.Versions
		return fmt.Sprintf("not mined in time; signed again with higher fees: %s", tx.Hash)
	case tx.Sent && !p.sent:
		p.sent = true
		return "sent"
	}
	return ""
}

// waitsFor says what has to happen next.
func (p *progress) waitsFor(confirmations uint64) string {
	switch {
	case p.earlier != 0:
		return "waiting for the earlier transaction"
	case p.trouble != "" && p.block == 0:
		return "trying again"
	case p.block != 0 && confirmations > 1:
		return fmt.Sprintf("waiting until it is %d blocks deep, %d by now", confirmations, max(p.depth, 1))
	case p.block != 0:
		return "waiting for the end"
	case p.sent:
		return "waiting for a block"
	}
	return "sending"
}

func showAfter(c console, r *accountReport, err error) {
	if err != nil {
		c.printf("\nThe balances cannot be read at the moment (%v); zgproxy account shows them later.\n", err)
		return
	}
	c.printf("\nwallet %s 0G", short(r.Balance.Neuron))
	if r.Ledger != nil {
		c.printf(", ledger %s 0G available of %s 0G", short(r.Ledger.Available.Neuron), short(r.Ledger.Total.Neuron))
	} else if r.knows(zg.PartLedger) {
		c.printf(", no ledger")
	}
	c.printf(" (block %d)\n", r.Block)
}
