package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// verdicts are all there are, in the order in which they are counted.
var verdicts = []zg.Verdict{
	zg.VerdictVerified, zg.VerdictResponse, zg.VerdictSignerOnly, zg.VerdictInvalid, zg.VerdictReplayed, zg.VerdictUnavailable, zg.VerdictNotSigned, zg.VerdictPending,
}

// receiptsReport is the JSON of "zgproxy receipts list".
type receiptsReport struct {
	Since    time.Time          `json:"since"`
	Until    *time.Time         `json:"until,omitempty"`
	Receipts []zg.AnswerReceipt `json:"receipts"` // the newest first
	More     bool               `json:"more"`     // there are older ones than --limit lets through
}

func receiptsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "receipts",
		Short: "List verification receipts and re-check them",
		Long: `A receipt is the record of one answer: digests of request and answer, the provider's signature over
them, who had to sign, and the fee. It holds no content. Whoever has it can check it without the
network, and whoever has the answer too can check that it is the one that was signed.

The receipts are in the spend store. These commands read it beside a running daemon or without one,
and change nothing.`,
		Example: `  zgproxy receipts list --since 1h
  zgproxy receipts export --out receipts.jsonl && zgproxy receipts verify receipts.jsonl`,
		Args: want(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(receiptsListCommand(), receiptsShowCommand(), receiptsExportCommand(), receiptsVerifyCommand())
	return cmd
}

// receiptsFlags say which receipts are wanted.
type receiptsFlags struct{ since, until, provider, verdict string }

func (f *receiptsFlags) add(cmd *cobra.Command, since string) {
	cmd.Flags().StringVar(&f.since, "since", since, "how far back: a `TIME` such as 24h, 7d or 2026-11-01 (a day, in UTC)")
	cmd.Flags().StringVar(&f.until, "until", "", "up to, and not including, a `TIME` of the same forms")
	cmd.Flags().StringVar(&f.provider, "provider", "", "only those of one `PROVIDER`")
	cmd.Flags().StringVar(&f.verdict, "verdict", "", "only those with one `VERDICT`, such as verified or invalid")
}

// span is a stretch of time; a zero until is no limit.
type span struct{ since, until time.Time }

func (f *receiptsFlags) parse(now time.Time) (when span, filter billing.ReceiptFilter, err error) {
	if when.since, err = parseMoment("since", f.since, now); err != nil {
		return when, filter, usageError{err}
	}
	if f.until != "" {
		if when.until, err = parseMoment("until", f.until, now); err != nil {
			return when, filter, usageError{err}
		}
	}
	if f.provider != "" {
		if filter.Provider, err = parseProvider(f.provider); err != nil {
			return when, filter, err
		}
	}
	if filter.Verdict = zg.Verdict(f.verdict); f.verdict != "" && !slices.Contains(verdicts, filter.Verdict) {
		return when, filter, usageError{fmt.Errorf("--verdict %q: wanted: one of %s", f.verdict, verdictNames())}
	}
	return when, filter, nil
}

func verdictNames() string {
	var names []string
	for _, v := range verdicts {
		names = append(names, string(v))
	}
	return strings.Join(names, ", ")
}

// receiptsOf reads the receipts of the configured data directory, each with the network it is of. Where nothing was ever
// recorded there are none, and missing is billing.ErrNoStore.
func receiptsOf(ctx context.Context, when span, filter billing.ReceiptFilter, missing *error) iter.Seq2[zg.AnswerReceipt, error] {
	return func(yield func(zg.AnswerReceipt, error) bool) {
		err := withStore(ctx, func(r *billing.Reader, cfg config.Config) error {
			for receipt, err := range r.Receipts(ctx, when.since, when.until, filter) {
				if err != nil {
					return err
				}
				receipt.Network, receipt.ChainID = networkOf(cfg)
				if !yield(receipt, nil) {
					return errEnough
				}
			}
			return nil
		})
		switch {
		case errors.Is(err, errEnough):
		case errors.Is(err, billing.ErrNoStore) && missing != nil:
			*missing = err
		case err != nil:
			yield(zg.AnswerReceipt{}, err)
		}
	}
}

var errEnough = errors.New("enough was read")

// withStore reads the spend store of the configured data directory.
func withStore(ctx context.Context, f func(*billing.Reader, config.Config) error) (err error) {
	cfg, _, err := config.Load()
	if err != nil {
		return usageError{err}
	}
	r, err := billing.OpenReadOnly(ctx, cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return f(r, cfg)
}

// networkOf is the configured network with its chain, which needs no complete configuration.
func networkOf(cfg config.Config) (name string, chainID uint64) {
	if n, ok := zg.NetworkNamed(cfg.Network); ok && cfg.ChainID == 0 {
		return cfg.Network, n.ChainID
	}
	return cfg.Network, cfg.ChainID
}

func receiptsListCommand() *cobra.Command {
	var f receiptsFlags
	var limit uint
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the newest receipts",
		Long: `Lists answers and what was shown about each, the newest first. Requests that were refused or are under
way have no receipt. A VERDICT of "-" means that signatures were not being checked.`,
		Example: `  zgproxy receipts list
  zgproxy receipts list --since 7d --verdict invalid
  zgproxy receipts list --json | jq -r '.receipts[] | [.id, .verdict] | @tsv'`,
		Args: want(cobra.NoArgs),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, _ []string) error {
		when, filter, err := f.parse(time.Now())
		if err != nil {
			return err
		}
		filter.NewestFirst = true
		out := receiptsReport{Since: when.since, Receipts: []zg.AnswerReceipt{}}
		if !when.until.IsZero() {
			out.Until = &when.until
		}
		var missing error
		for r, err := range receiptsOf(cmd.Context(), when, filter, &missing) {
			if err != nil {
				return err
			}
			if out.More = limit > 0 && uint(len(out.Receipts)) == limit; out.More {
				break
			}
			out.Receipts = append(out.Receipts, r)
		}
		c := consoleOf(cmd)
		switch {
		case asJSON:
			return writeJSON(c.out, out)
		case missing != nil:
			c.printf("No request has been recorded yet. \"zgproxy serve\" does that; ZGPROXY_DATA_DIR says where.\n")
		case len(out.Receipts) == 0:
			c.printf("No such receipts since %s. Ask for a longer time with --since, such as --since 90d.\n", when.since.Format("2006-01-02 15:04 MST"))
		default:
			printReceipts(c, &out)
		}
		return nil
	})
	f.add(cmd, "24h")
	cmd.Flags().UintVar(&limit, "limit", 50, "show at most `N`; 0: all")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func printReceipts(c console, r *receiptsReport) {
	var t table
	t.head("TIME (UTC)", "REQUEST", "PROVIDER", "MODEL", "VERDICT", "0G")
	counts := make(map[zg.Verdict]int)
	for i := range r.Receipts {
		a := &r.Receipts[i]
		counts[a.Verdict]++
		verdict, fee := orDash(string(a.Verdict)), "-"
		if a.VerdictCode != "" {
			verdict += " (" + a.VerdictCode + ")"
		}
		if cost := a.Cost(); cost != nil {
			fee = short(*cost)
		}
		t.row(a.At.Format(time.DateTime), a.ID, beginning(a.Provider), a.Model, verdict, fee)
	}
	c.printf("%s\n%s\n", &t, countsInWords(counts))
	if r.More {
		c.printf("There are older ones; --limit 0 shows all.\n")
	}
}

// beginning is enough of an address to tell a few of them apart.
func beginning(address string) string {
	if len(address) > 10 {
		return address[:10] + "…"
	}
	return address
}

// countsInWords counts receipts by verdict.
func countsInWords(counts map[zg.Verdict]int) string {
	var parts []string
	for _, v := range inOrder(counts) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[v], orNotChecked(v)))
	}
	return strings.Join(parts, ", ")
}

// inOrder are the verdicts that were counted: the known ones as everywhere, others after them.
func inOrder(counts map[zg.Verdict]int) []zg.Verdict {
	out := slices.DeleteFunc(slices.Clone(verdicts), func(v zg.Verdict) bool { return counts[v] == 0 })
	for _, v := range slices.Sorted(maps.Keys(counts)) {
		if !slices.Contains(verdicts, v) {
			out = append(out, v)
		}
	}
	return out
}

func orNotChecked(v zg.Verdict) string {
	if v == "" {
		return "not checked"
	}
	return string(v)
}

func receiptsShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one receipt",
		Long: `Shows the receipt of one answer, found by the request's id (header X-Request-Id) or by the answer's own
id ("id" in its JSON). --json writes the receipt itself, which "zgproxy receipts verify" reads.`,
		Example: `  zgproxy receipts show req_019ab3c1d2e3f405a1b2c3d4
  zgproxy receipts show chatcmpl-3f1f2f3f-1111-2222-3333-444455556666 --json | zgproxy receipts verify - --body answer.json`,
		Args: want(cobra.ExactArgs(1)),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, args []string) error {
		r, found, err := findReceipt(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if !found {
			return problem(codeNotFound, "zgproxy receipts list shows the newest.", "no answer with the id %q is recorded", args[0])
		}
		c := consoleOf(cmd)
		if asJSON {
			return writeJSON(c.out, r)
		}
		c.printf("%s", receiptInWords(&r))
		return nil
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "the receipt as JSON")
	return cmd
}

// findReceipt looks for the id of a request, and then for that of an answer.
func findReceipt(ctx context.Context, id string) (receipt zg.AnswerReceipt, found bool, err error) {
	err = withStore(ctx, func(r *billing.Reader, cfg config.Config) error {
		if receipt, found, err = r.Receipt(ctx, id); err == nil && !found {
			receipt, found, err = r.ReceiptOfChat(ctx, id)
		}
		receipt.Network, receipt.ChainID = networkOf(cfg)
		return err
	})
	if errors.Is(err, billing.ErrNoStore) {
		return receipt, false, nil
	}
	return receipt, found, err
}

func receiptInWords(r *zg.AnswerReceipt) *table {
	var t table
	row := func(name, value string) {
		if value != "" {
			t.row(name, value)
		}
	}
	row("request", r.ID)
	row("answer", r.ChatID)
	row("time", r.At.Format("2006-01-02 15:04:05.000000 MST"))
	where := fmt.Sprintf("%s (chain %d)", orDash(r.Network), r.ChainID)
	if r.Block > 0 {
		where += fmt.Sprintf(", provider and price as of block %d", r.Block)
	}
	row("network", where)
	row("provider", r.Provider)
	how := ""
	if r.Stream {
		how = ", streamed"
	}
	row("model", fmt.Sprintf("%s (%s, %s%s)", r.Model, r.Type, r.Route, how))
	row("sent", bytesInWords(r.RequestBytes, r.RequestSHA256))
	received := bytesInWords(r.ResponseBytes, r.ResponseSHA256)
	if !r.Complete {
		received += ", not read to its end"
	}
	row("received", received)
	for i, d := range r.ImagesSHA256 {
		row(fmt.Sprintf("image %d", i+1), "SHA-256 "+d)
	}
	verdict := orNotChecked(r.Verdict)
	if r.VerdictCode != "" {
		verdict += " (" + r.VerdictCode + ")"
	}
	row("verdict", verdict)
	if r.Verdict != "" {
		row("", zg.Judgement{Verdict: r.Verdict, Code: r.VerdictCode}.Sentence(r.Centralized))
	}
	if r.VerdictAt != nil {
		row("checked", r.VerdictAt.Format("2006-01-02 15:04:05.000000 MST"))
	}
	row("signed by", r.Signer)
	if r.Expected != r.Signer {
		row("expected", r.Expected)
	}
	row("text", r.SignedText.String())
	row("signature", r.Signature.String())
	if r.Fee != nil {
		row("fee", r.Fee.Og()+" 0G ("+basisInWords(r.FeeBasis, r.FeeReason)+")")
	}
	switch {
	case r.ExpectedFee != nil:
		row("expected", r.ExpectedFee.Og()+" 0G, by the provider's own figures")
	case r.Settled != nil && r.Settled.IsZero() && r.Settlement == "":
		row("taken", "nothing: the provider never took the fee and does not claim it any more")
	case r.Settled != nil:
		row("taken", strings.TrimSuffix(r.Settled.Og()+" 0G by "+r.Settlement, " by "))
	}
	for line := range strings.Lines(r.Said) {
		row("said", strings.TrimSpace(line)+" (nobody vouches for this)")
	}
	return &t
}

// basisInWords says how a fee came about.
func basisInWords(basis zg.FeeBasis, reason string) string {
	if reason == "" {
		return string(basis)
	}
	return string(basis) + ": " + strings.ReplaceAll(reason, "_", " ")
}

func bytesInWords(n int64, digest string) string {
	if digest == "" {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%d bytes, SHA-256 %s", n, digest)
}
