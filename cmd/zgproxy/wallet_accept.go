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

// walletAcceptReport is the JSON of "zgproxy wallet accept".
type walletAcceptReport struct {
	Wallet   admin.Address `json:"wallet"`
	Accepted admin.Foreign `json:"accepted"` // what was done elsewhere; no transactions: there was nothing to accept
	DryRun   bool          `json:"dry_run"`
}

func walletAcceptCommand() *cobra.Command {
	var f moneyFlags
	cmd := &cobra.Command{
		Use:   "accept",
		Short: "Accept what the wallet has done elsewhere, so that top-ups go on",
		Long: `zgproxy knows every transaction that it makes. When the chain has used a nonce of the wallet that
zgproxy did not, somebody else has the key: another program that you gave it to, a second data
directory, one that was restored from a copy, or a thief. Nothing is topped up then until you have
looked. This shows those transactions (block, hash, and what went to providers) and accepts them.
Nothing is paid by it, and what they moved goes on counting against your limits.

If they are not yours, do not accept them: take your money back with "zgproxy retrieve --all" and
"zgproxy refund --all", and use a new wallet. Two programs that send from one wallet undo each other's
decisions: give each a wallet of its own.`,
		Example: `  zgproxy wallet accept --dry-run
  zgproxy wallet accept`,
		Args: want(cobra.NoArgs),
	}
	f.addAsking(cmd)
	cmd.RunE = explained(&f.json, func(cmd *cobra.Command, _ []string) (err error) {
		op, err := operatorFor()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, op.close()) }()
		return f.acceptForeign(cmd.Context(), consoleOf(cmd), op)
	})
	return cmd
}

// acceptForeign shows what was done elsewhere, asks, and has it accepted.
func (f *moneyFlags) acceptForeign(ctx context.Context, c console, op operator) error {
	what, err := op.foreign(ctx)
	if err != nil {
		return err
	}
	if !f.json && what.Count == 0 {
		c.printf("All transactions of %s were made here, or are accepted. There is nothing to accept.\n", what.Wallet.Hex())
		return nil
	}
	if !f.json {
		c.printf("Transactions of %s that were not made here\n%s\n", what.Wallet.Hex(), foreignTable(&what, time.Now()))
	}
	if what.Count > 0 && !f.dryRun {
		if err := f.confirm(ctx, c); err != nil {
			return err
		}
		if err := op.acceptForeign(ctx, admin.ForeignAcceptance{Through: what.Through, Count: what.Count}); err != nil {
			return err
		}
	}
	if f.json {
		return writeJSON(c.out, walletAcceptReport{what.Wallet, what, f.dryRun})
	}
	if !f.dryRun {
		c.printf("Accepted. Top-ups go on, within what is left of your limits.\n")
	}
	return nil
}

// foreignTable lists what was done elsewhere.
func foreignTable(f *admin.Foreign, now time.Time) *table {
	var t table
	if n := f.Count - uint64(len(f.Transactions)); n > 0 {
		t.row("  nonces below", fmt.Sprintf("%d more, too many to list", n))
	}
	for i := range f.Transactions {
		tx := &f.Transactions[i]
		what := "not found on the chain yet; that its nonce is used is certain"
		if tx.Hash != nil {
			what = foreignInWords(tx) + fmt.Sprintf(", block %d, %s", tx.Block, tx.Hash.Hex())
		}
		if tx.Gone {
			what += "; no longer part of the chain, which may have been reorganised"
		}
		t.row(fmt.Sprintf("  nonce %d", tx.Nonce), what+", noticed "+inWords(now.Sub(tx.Seen))+" ago")
	}
	t.row("  to providers", f.Transferred.Og()+" 0G, as far as that is known; it counts against your limits")
	return &t
}

// foreignInWords says what a transaction did that was made elsewhere.
func foreignInWords(tx *admin.ForeignTx) string {
	what := map[zg.IntentKind]string{
		zg.IntentTransfer: "transfer of " + tx.Amount.Og() + " 0G to a provider", zg.IntentDeposit: "deposit of " + tx.Amount.Og() + " 0G",
		zg.IntentRefund: "refund of " + tx.Amount.Og() + " 0G to the wallet", zg.IntentRetrieve: "retrieve", zg.IntentAcknowledge: "acknowledgement of a provider",
		zg.IntentWithdraw: "acknowledgement taken back", zg.IntentRevoke: "session token revoked", zg.IntentRevokeAll: "session tokens revoked",
	}[tx.Kind]
	if what == "" {
		what = "something that is not zgproxy's business"
	}
	if tx.Provider != nil {
		what += " " + tx.Provider.Hex()
	}
	if tx.Reverted {
		what += ", reverted"
	}
	return what
}

// foreignReport is what was done elsewhere, for commands.
func foreignReport(w common.Address, f billing.Foreign) admin.Foreign {
	out := admin.Foreign{
		Wallet: admin.Address{Address: w}, Count: f.Count(), Through: f.Through(), Transferred: f.Transferred(), Transactions: []admin.ForeignTx{},
	}
	if !f.Since.IsZero() {
		out.Since = &f.Since
	}
	for i := range f.Txs {
		t := &f.Txs[i]
		tx := admin.ForeignTx{Nonce: t.Nonce, Seen: t.SeenAt, Gone: t.Gone, Block: t.Block}
		if t.Named() {
			hash, at := t.Hash, t.At
			tx.Hash, tx.Time, tx.Kind, tx.Amount, tx.Reverted = &hash, &at, t.Kind, t.Amount, !t.OK
			if t.Provider != (common.Address{}) {
				tx.Provider = &admin.Address{Address: t.Provider}
			}
		}
		out.Transactions = append(out.Transactions, tx)
	}
	return out
}

// foreignWarning is one line about what was done elsewhere; empty where there is nothing.
func foreignWarning(f billing.Foreign) string {
	if f.Count() == 0 {
		return ""
	}
	which := ""
	for i := range f.Txs {
		if t := &f.Txs[i]; t.Named() {
			which = fmt.Sprintf(", the last one found in block %d, %s", t.Block, t.Hash.Hex())
		}
	}
	return fmt.Sprintf("The wallet has made %d transactions that are not from here, up to nonce %d%s; %s 0G of it went to providers and count against the limits. "+
		"Nothing is topped up until you accept them: zgproxy wallet accept. If they are not yours, somebody else has the key.",
		f.Count(), f.Through(), which, f.Transferred().Og())
}

// foreign is what was done elsewhere, compared with the chain now where it can be reached.
func (d *daemon) foreign(ctx context.Context) (admin.Foreign, error) {
	f, err := d.journal.Survey(ctx)
	if err != nil {
		d.log.Warn().Err(err).Msg("the wallet's nonce cannot be read; the operator is shown what is on record")
		if f, err = d.store.Foreign(ctx, walletName(d.cfg, d.wallet.Address())); err != nil {
			return admin.Foreign{}, err
		}
	}
	return foreignReport(d.wallet.Address(), f), nil
}

// acceptForeign accepts what was done elsewhere, as it was shown.
func (d *daemon) acceptForeign(_ context.Context, what admin.ForeignAcceptance) error {
	if err := d.store.AcceptForeign(walletName(d.cfg, d.wallet.Address()), what.Through, what.Count, time.Now()); err != nil {
		return err
	}
	d.log.Warn().Uint64("transactions", what.Count).Uint64("highest_nonce", what.Through).Msg("the operator accepts what was done elsewhere with the wallet")
	d.keeper.Ask()
	return nil
}

func (o *daemonOperator) foreign(ctx context.Context) (admin.Foreign, error) {
	return o.client.Foreign(ctx)
}

func (o *daemonOperator) acceptForeign(ctx context.Context, what admin.ForeignAcceptance) error {
	return o.client.AcceptForeign(ctx, what)
}

func (o *localOperator) foreign(ctx context.Context) (admin.Foreign, error) {
	if _, err := o.readOwn(ctx, false); err != nil { // on the right network
		return admin.Foreign{}, err
	}
	if err := o.openStore(ctx); err != nil {
		return admin.Foreign{}, err
	}
	f, err := o.journal.Survey(ctx)
	return foreignReport(o.wallet.Address(), f), err
}

func (o *localOperator) acceptForeign(_ context.Context, what admin.ForeignAcceptance) error {
	return o.store.AcceptForeign(walletName(o.cfg, o.wallet.Address()), what.Through, what.Count, time.Now())
}
