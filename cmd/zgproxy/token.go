package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/wallet"
	"github.com/zgproxy/zgproxy/internal/zg"
)

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "token",
		Aliases: []string{"tokens"},
		Short:   "Make and revoke session tokens, for programs that talk to a provider themselves",
		Long: `Session tokens ("app-sk-...") let a program use a provider directly, without zgproxy: whoever has one can
spend what is in the wallet's sub-account with that provider, and nothing else. Requests made with one
are not seen by zgproxy: they are in no budget, not verified, and show up as drift.

zgproxy needs none of these for its own requests.`,
		Example: `  zgproxy token create 0xa48f01287233509FD694a22Bf840225062E67836 --expires 7d --label ci
  zgproxy token list`,
	}
	cmd.AddCommand(tokenCreateCommand(), tokenListCommand(), tokenRevokeCommand(), tokenRevokeAllCommand())
	return cmd
}

// minter makes persistent session tokens.
type minter struct {
	wallet   *wallet.Wallet
	store    *billing.Store
	name     string // of the wallet, in the store
	services []zg.Service
}

// make makes one for the sub-account as it is on chain. Its id is on record before it exists.
func (m minter) make(h zg.Holdings, o admin.TokenOrder, now time.Time) (admin.NewToken, error) {
	account, ok := h.Accounts[o.Provider]
	if !ok {
		return admin.NewToken{}, problem(codeNoAccount, "zgproxy fund "+o.Provider.Hex()+" "+h.MinAccount.Max(zg.OneOG.Mul(2)).Og()+" opens one.",
			"the wallet has no sub-account with %s, so a token would be of no use", o.Provider.Hex())
	}
	t := zg.Token{Provider: o.Provider, ID: -1, Generation: account.Generation, Label: o.Label, CreatedAt: now}
	if o.ID != nil {
		if t.ID = *o.ID; t.ID < 0 || t.ID > zg.LastTokenID {
			return admin.NewToken{}, problem(codeUsage, "", "a token has an id from 0 to %d", zg.LastTokenID)
		}
	}
	if o.Expires != nil {
		if t.ExpiresAt = *o.Expires; !t.ExpiresAt.After(now) {
			return admin.NewToken{}, problem(codeUsage, "", "a token that has expired is of no use")
		}
	}
	t, err := m.store.TakeToken(m.name, t, account.RevokedBitmap)
	if err != nil {
		return admin.NewToken{}, err
	}
	secret, err := m.wallet.Token(t)
	if err != nil {
		return admin.NewToken{}, err
	}
	made := admin.NewToken{Token: tokenReportOf(t), Secret: secret}
	if svc, ok := zg.ServiceOf(m.services, o.Provider); ok {
		made.URL = strings.TrimRight(svc.URL, "/") + "/v1/proxy"
	}
	return made, nil
}

func tokenReportOf(t zg.Token) admin.Token {
	out := admin.Token{Provider: admin.Address{Address: t.Provider}, ID: t.ID, Generation: t.Generation, Label: t.Label, Created: t.CreatedAt.UTC()}
	if !t.ExpiresAt.IsZero() {
		at := t.ExpiresAt.UTC()
		out.Expires = &at
	}
	return out
}

// tokenRecords is a spend store, or one that is only read.
type tokenRecords interface {
	Tokens(ctx context.Context, wallet string) ([]zg.Token, error)
}

func recordedTokens(ctx context.Context, r tokenRecords, name string) ([]admin.Token, error) {
	all, err := r.Tokens(ctx, name)
	out := make([]admin.Token, 0, len(all))
	for _, t := range all {
		out = append(out, tokenReportOf(t))
	}
	return out, err
}

// revokedIDs are the bits that are set.
func revokedIDs(bitmap *big.Int) []int {
	out := []int{}
	for id := 0; bitmap != nil && id < bitmap.BitLen(); id++ {
		if bitmap.Bit(id) == 1 {
			out = append(out, id)
		}
	}
	return out
}

func tokenCreateCommand() *cobra.Command {
	var expires, label string
	var asJSON bool
	id := -1
	cmd := &cobra.Command{
		Use:     "create PROVIDER",
		Aliases: []string{"new", "get-secret"},
		Short:   "Make a session token for a provider, and print it once",
		Long: `Makes a session token with which a program can use a provider directly: the provider's URL with /v1/proxy
behind it is an OpenAI-compatible base URL, the token its API key.

The token alone goes to the standard output, everything else to the standard error. It is not kept: who
loses it makes another one. Up to 255 can be told apart and revoked one by one, until all are revoked.`,
		Example: `  zgproxy token create 0xa48f01287233509FD694a22Bf840225062E67836 --label ci > token
  zgproxy token create 0xa48f01287233509FD694a22Bf840225062E67836 --expires never --json`,
		Args: want(cobra.ExactArgs(1)),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, args []string) (err error) {
		o := admin.TokenOrder{Label: label}
		if o.Provider, err = parseProvider(args[0]); err != nil {
			return err
		}
		if cmd.Flags().Changed("id") {
			if id < 0 || id > zg.LastTokenID {
				return usageError{fmt.Errorf("a token has an id from 0 to %d", zg.LastTokenID)}
			}
			o.ID = &id
		}
		if expires != "never" {
			d, err := parseSpan(expires)
			if err != nil {
				return usageError{fmt.Errorf("--expires: %w", err)}
			}
			at := time.Now().Add(d)
			o.Expires = &at
		}
		op, err := operatorFor()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, op.close()) }()
		made, err := op.makeToken(cmd.Context(), o)
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), made)
		}
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), made.Secret); err != nil {
			return fmt.Errorf("the token was not written (make another one; zgproxy token revoke %s %d ends this one): %w", made.Provider.Hex(), made.ID, err)
		}
		until := "It never expires."
		if made.Expires != nil {
			until = "It expires in " + inWords(time.Until(*made.Expires)) + "."
		}
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "\nToken %d for %s. %s It is shown only now.\nWhoever has it can spend what is in the sub-account. Base URL: %s\nTo end it: zgproxy token revoke %s %d\n",
			made.ID, made.Provider.Hex(), until, orDash(made.URL), made.Provider.Hex(), made.ID) // advice
		return nil
	})
	f := cmd.Flags()
	f.StringVar(&expires, "expires", "30d", "expires after a `DURATION` such as 12h or 30d, or never")
	f.IntVar(&id, "id", -1, "its `NUMBER`, 0 to 254; else the lowest that is free")
	f.StringVar(&label, "label", "", "a `WORD` to know it by in the list")
	f.BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// parseSpan reads a duration, or a number of days.
func parseSpan(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(n) * 24 * time.Hour
		if n > 36500 {
			err = errors.New("too long")
		}
	}
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is neither a duration such as 12h or 30d nor never", s)
	}
	return d, nil
}

// tokensReport is the JSON of "zgproxy token list".
type tokensReport struct {
	Network string        `json:"network"`
	Wallet  admin.Address `json:"wallet"`
	Block   uint64        `json:"block"`
	Tokens  []tokenReport `json:"tokens"`
}

// tokenReport is a token that was made here, or one that the contract has as revoked.
type tokenReport struct {
	admin.Token
	Recorded bool   `json:"recorded"` // it was made here; else only its id is known
	State    string `json:"state"`    // active, expired, revoked, old_generation, no_account
}

func tokenListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list [PROVIDER]",
		Aliases: []string{"ls"},
		Short:   "List the session tokens that were made, and which are revoked",
		Long: `Lists the session tokens that were made with "zgproxy token create" in this data directory, and how they
stand by the contract. Tokens that other programs made are unknown to everybody; of those only the
ones that are revoked can be seen.`,
		Example: `  zgproxy token list
  zgproxy token list --json | jq -r '.tokens[] | select(.state == "active") | .id'`,
		Args: want(cobra.MaximumNArgs(1)),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, args []string) (err error) {
		var only common.Address
		if len(args) == 1 {
			if only, err = parseProvider(args[0]); err != nil {
				return err
			}
		}
		op, err := operatorFor()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, op.close()) }()
		r, err := op.account(cmd.Context(), true)
		if err != nil {
			return err
		}
		if err := r.takes(zg.PartAccounts); err != nil {
			return err
		}
		made, err := op.tokens(cmd.Context())
		if err != nil {
			return err
		}
		out := listTokens(&r, made, time.Now())
		if only != (common.Address{}) {
			out.Tokens = slices.DeleteFunc(out.Tokens, func(t tokenReport) bool { return t.Provider.Address != only })
		}
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), out)
		}
		c := consoleOf(cmd)
		if len(out.Tokens) == 0 {
			c.printf("No token was made here, and none is revoked. zgproxy token create makes one.\n")
			return nil
		}
		var t table
		t.head("PROVIDER", "ID", "STATE", "LABEL", "MADE", "EXPIRES")
		for _, k := range out.Tokens {
			label, at, ends := k.Label, k.Created.Format(time.DateTime), "never"
			if k.Expires != nil {
				ends = k.Expires.Format(time.DateTime)
			}
			if !k.Recorded {
				label, at, ends = "(not made here)", "-", "-"
			}
			t.row(k.Provider.Hex(), strconv.Itoa(k.ID), strings.ReplaceAll(k.State, "_", " "), orDash(label), at, ends)
		}
		c.show(&t)
		return nil
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// listTokens says how the tokens stand by the contract.
func listTokens(r *accountReport, made []admin.Token, now time.Time) tokensReport {
	out := tokensReport{Network: r.Network, Wallet: r.Wallet, Block: r.Block, Tokens: []tokenReport{}}
	known := map[common.Address][]int{}
	for _, t := range made {
		sub := r.sub(t.Provider.Address)
		state := "active"
		switch {
		case !sub.Exists:
			state = "no_account"
		case t.Generation != sub.Generation:
			state = "old_generation"
		case slices.Contains(sub.Revoked, t.ID):
			state = "revoked"
		case t.Expires != nil && !t.Expires.After(now):
			state = "expired"
		}
		if t.Generation == sub.Generation {
			known[t.Provider.Address] = append(known[t.Provider.Address], t.ID)
		}
		out.Tokens = append(out.Tokens, tokenReport{t, true, state})
	}
	for i := range r.Accounts {
		sub := &r.Accounts[i]
		for _, id := range sub.Revoked {
			if !slices.Contains(known[sub.Provider.Address], id) {
				out.Tokens = append(out.Tokens, tokenReport{admin.Token{Provider: sub.Provider, ID: id, Generation: sub.Generation}, false, "revoked"})
			}
		}
	}
	slices.SortStableFunc(out.Tokens, func(a, b tokenReport) int {
		return cmp.Or(a.Provider.Cmp(b.Provider.Address), cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.ID, b.ID))
	})
	return out
}

func tokenRevokeCommand() *cobra.Command {
	var f moneyFlags
	cmd := &cobra.Command{
		Use:   "revoke PROVIDER ID...",
		Short: "Revoke session tokens by their ids",
		Long: `Tells the contract that session tokens of these ids are not to be accepted any more, whoever made them.
That cannot be undone; an id that is revoked is not used again until all tokens are revoked. All ids are
revoked in one transaction.` + moneyLong,
		Example: `  zgproxy token revoke 0xa48f01287233509FD694a22Bf840225062E67836 0
  zgproxy token revoke 0xa48f01287233509FD694a22Bf840225062E67836 1 2 3 --yes`,
		Args: want(cobra.MinimumNArgs(2)),
	}
	f.add(cmd, false)
	cmd.RunE = f.run(func(args []string) (plan, error) {
		p, err := parseProvider(args[0])
		if err != nil {
			return nil, err
		}
		var ids []int
		for _, arg := range args[1:] {
			id, err := strconv.ParseUint(arg, 10, 8)
			if err != nil || id > zg.LastTokenID {
				return nil, usageError{fmt.Errorf("%q is not the id of a token (0 to %d; zgproxy token list shows them)", arg, zg.LastTokenID)}
			}
			if !slices.Contains(ids, int(id)) {
				ids = append(ids, int(id))
			}
		}
		return func(_ context.Context, _ operator, r *accountReport) ([]step, error) { return planRevoke(r, p, ids) }, nil
	})
	return cmd
}

func tokenRevokeAllCommand() *cobra.Command {
	var f moneyFlags
	cmd := &cobra.Command{
		Use:   "revoke-all PROVIDER",
		Short: "Revoke every session token for a provider, the daemon's own too",
		Long: `Begins a new generation of session tokens for a provider: all that were made so far, here or elsewhere,
are refused from then on, and all ids are free again. The daemon makes itself a new one.` + moneyLong,
		Example: `  zgproxy token revoke-all 0xa48f01287233509FD694a22Bf840225062E67836`,
		Args:    want(cobra.ExactArgs(1)),
	}
	f.add(cmd, false)
	cmd.RunE = f.run(func(args []string) (plan, error) {
		p, err := parseProvider(args[0])
		return func(_ context.Context, _ operator, r *accountReport) ([]step, error) {
			s, err := planRevokeAll(r, p)
			return []step{s}, err
		}, err
	})
	return cmd
}
