package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
)

// checkStatus is how a check ended.
type checkStatus string

// The ends of a check. They are part of what --json promises.
const (
	checkPass checkStatus = "PASS"
	checkWarn checkStatus = "WARN" // it works, and something should be seen to
	checkFail checkStatus = "FAIL"
	checkSkip checkStatus = "SKIP" // it could not be checked, or there is nothing to check
)

// checkReport is one check of "zgproxy doctor".
type checkReport struct {
	ID       string          `json:"id"`
	Group    string          `json:"group"`
	Provider *admin.Address  `json:"provider,omitempty"` // only in the group provider
	Endpoint *endpointReport `json:"endpoint,omitempty"` // only of network.endpoint
	Status   checkStatus     `json:"status"`
	Summary  string          `json:"summary"` // what was found
	Reason   string          `json:"reason"`  // why that is not well, or why it was not checked; empty: all is well
	Fix      string          `json:"fix"`     // what to do, a command where there is one; empty: nothing
	TookMS   int64           `json:"took_ms"`
}

// endpointReport is what one of several RPC endpoints has shown when it was asked separately.
type endpointReport struct {
	Name    string     `json:"name"`          // its host, with a number where another one has the same
	ChainID uint64     `json:"chain_id"`      // 0: it could not be asked
	Block   uint64     `json:"block"`         // its newest; 0: it could not be asked
	At      *time.Time `json:"block_time"`    // null: it could not be asked
	Behind  uint64     `json:"behind_blocks"` // how far that is behind the newest one that another endpoint confirms
	Answer  int64      `json:"answer_ms"`     // of one call over a connection that is there
}

// doctorReport is the JSON of "zgproxy doctor".
type doctorReport struct {
	Checks  []checkReport `json:"checks"`
	Summary doctorSummary `json:"summary"`
	OK      bool          `json:"ok"` // the exit status is 0
}

type doctorSummary struct {
	Pass int `json:"pass"`
	Warn int `json:"warn"`
	Fail int `json:"fail"`
	Skip int `json:"skip"`
}

func (r *doctorReport) add(c checkReport) {
	r.Checks = append(r.Checks, c)
	switch c.Status {
	case checkPass:
		r.Summary.Pass++
	case checkWarn:
		r.Summary.Warn++
	case checkFail:
		r.Summary.Fail++
	case checkSkip:
		r.Summary.Skip++
	}
}

// doctorOptions is what the command line says.
type doctorOptions struct {
	json, strict, ask, table bool
	providers                []string
	timeout                  time.Duration
}

func doctorCommand() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything from the clock to the provider's signer, and say what to do",
		Long: `Checks this machine, the network, the wallet and every provider that you allow, one thing at a time, and
says of each whether it is well (PASS), should be seen to (WARN), does not work (FAIL), or could not be
checked (SKIP), with the reason and what to do about it. What depends on a check that failed is skipped.

Nothing is spent and no transaction is signed. Providers are asked only for what is free: their catalogue,
what you owe them, for which a session token is signed, and the signature of an answer that you had from
them in the last 20 minutes. Nothing is written but a file in the data directory that is removed at once.
The daemon may run or not.

A keystore without a password is opened only with --ask, which asks for it; without, what needs the key is
skipped and the rest goes by the address in the file. A signer (ZGPROXY_SIGNER) signs a session
token only with --ask, since somebody may have to approve it.

The status is 0 where nothing failed, 1 where something did or the time of --timeout was over before all
was checked, and 2 when the command line cannot work. With --strict a WARN counts as a FAIL.
docs/doctor.md has all checks; so has --table.`,
		Example: `  zgproxy doctor
  zgproxy doctor --provider 0xa48f01287233509FD694a22Bf840225062E67836
  zgproxy doctor --json | jq -r '.checks[] | select(.status == "FAIL") | "\(.id): \(.fix)"'`,
		Args: want(cobra.NoArgs),
	}
	cmd.RunE = explained(&o.json, func(cmd *cobra.Command, _ []string) error {
		if o.table {
			return writeCheckTable(cmd.OutOrStdout())
		}
		d, err := newDoctor(o, consoleOf(cmd))
		if err != nil {
			return err
		}
		return d.examine(cmd.Context(), o)
	})
	cmd.Flags().BoolVar(&o.json, "json", false, "one JSON object, when all is checked")
	cmd.Flags().BoolVar(&o.strict, "strict", false, "end with status 1 also where there is a WARN")
	cmd.Flags().BoolVar(&o.ask, "ask", false, "ask for the keystore's password where it is not configured, and the signer for a token")
	cmd.Flags().BoolVar(&o.table, "table", false, "every check, as a Markdown document; nothing is checked")
	cmd.Flags().StringArrayVar(&o.providers, "provider", nil, "only this provider, allowed or not; an `ADDRESS`, may be repeated")
	cmd.Flags().DurationVar(&o.timeout, "timeout", time.Minute, "the most that all checks together may take")
	cmd.MarkFlagsMutuallyExclusive("table", "json")
	return cmd
}

var (
	errNoTime   = usageError{errors.New("--timeout has to be longer than nothing")}
	errAskJSON  = usageError{errors.New("--ask goes with a terminal, and not with --json")}
	errTimeOver = errors.New("the time of --timeout is over")
)

// examine makes all checks, shows them, and returns the error that ends the program where all is not well.
func (d *doctor) examine(ctx context.Context, o doctorOptions) error {
	defer d.close()
	if err := d.askForPassword(ctx); err != nil {
		return err
	}
	began := time.Now()
	bounded, cancel := context.WithTimeoutCause(ctx, o.timeout, errTimeOver)
	defer cancel()
	r := doctorReport{Checks: []checkReport{}}
	p := doctorPrinter{console: d.console, names: d.names}
	d.run(bounded, func(c checkReport) {
		r.add(c)
		if !o.json {
			p.print(c)
		}
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.OK = r.Summary.Fail == 0 && (!o.strict || r.Summary.Warn == 0) && !d.cut.Load() // what was not looked at is not well
	if o.json {
		if err := writeJSON(d.console.out, r); err != nil {
			return err
		}
	} else {
		p.end(&r, time.Since(began))
	}
	if !r.OK {
		return &failedError{problem(codeUnwell, "", "%s failed, %s", plural(r.Summary.Fail, "check"), plural(r.Summary.Warn, "warning")), true} // the report has told what
	}
	return nil
}

// doctorPrinter shows checks to people as they come.
type doctorPrinter struct {
	console  console
	names    map[common.Address]string // models of the providers
	group    string
	provider common.Address
}

// The titles of the groups, in their order.
var doctorGroups = []struct{ id, title string }{
	{groupMachine, "This machine"}, {groupNetwork, "Network"}, {groupWallet, "Wallet"}, {groupProvider, "Providers"},
}

func (p *doctorPrinter) print(r checkReport) {
	c := p.console
	var of common.Address
	if r.Provider != nil {
		of = r.Provider.Address
	}
	if r.Group != p.group || of != p.provider {
		if p.group != "" {
			c.printf("\n")
		}
		p.group, p.provider = r.Group, of
		c.printf("%s\n", c.paint(styleHead, p.title(r.Group, of)))
	}
	_, name, _ := strings.Cut(r.ID, ".")
	summary := sprintf("%s", r.Summary)
	if r.Status == checkPass || r.Status == checkSkip {
		summary = c.coloured(styleDim, summary)
	}
	name = strings.ReplaceAll(name, "_", " ")
	if r.Endpoint != nil {
		summary = sprintf("%s: %s", r.Endpoint.Name, summary)
	}
	c.printf("  %s  %-14s  %s\n", c.paint(r.Status.style(), string(r.Status)), name, summary)
	if r.Reason != "" && r.Reason != r.Summary {
		c.printf("        %s\n", r.Reason)
	}
	if r.Fix != "" {
		c.printf("        Fix: %s\n", r.Fix)
	}
}

func (p *doctorPrinter) title(group string, of common.Address) string {
	if of != (common.Address{}) {
		title := "Provider " + of.Hex()
		if name := p.names[of]; name != "" {
			title += " (" + oneLine(name) + ")"
		}
		return title
	}
	for _, g := range doctorGroups {
		if g.id == group {
			return g.title
		}
	}
	return group
}

func (s checkStatus) style() string {
	switch s {
	case checkPass:
		return styleGood
	case checkWarn:
		return styleWarn
	case checkFail:
		return styleBad
	case checkSkip:
	}
	return styleDim
}

func (p *doctorPrinter) end(r *doctorReport, took time.Duration) {
	c, s := p.console, r.Summary
	count := func(n int, status checkStatus) styled {
		text := fmt.Sprintf("%d %s", n, status)
		if n == 0 {
			return c.paint(styleDim, text)
		}
		return c.paint(status.style(), text)
	}
	c.printf("\n%s in %s: %s, %s, %s, %s\n", plural(len(r.Checks), "check"), inWords(took), count(s.Pass, checkPass), count(s.Warn, checkWarn),
		count(s.Fail, checkFail), count(s.Skip, checkSkip))
	p.again(r)
}

// again repeats what failed, with what to do: it has scrolled out of sight by now.
func (p *doctorPrinter) again(r *doctorReport) {
	c := p.console
	if r.Summary.Fail == 0 {
		return
	}
	c.printf("\n%s\n", c.paint(styleHead, "What failed:"))
	for i := range r.Checks {
		f := &r.Checks[i]
		if f.Status != checkFail {
			continue
		}
		of := ""
		if f.Provider != nil {
			of = " (" + f.Provider.Hex() + ")"
		}
		c.printf("  %s%s: %s\n", f.ID, of, f.Summary)
		if f.Fix != "" {
			c.printf("        Fix: %s\n", f.Fix)
		}
	}
}

// writeCheckTable writes docs/doctor.md.
func writeCheckTable(w io.Writer) error {
	var b strings.Builder
	b.WriteString(`# What zgproxy doctor checks

<!-- Generated by "zgproxy doctor --table". -->

` + "`zgproxy doctor`" + ` makes these checks in this order, those of a provider for each that you allow. What depends on a check that failed is
skipped, and says so. Nothing is spent, no transaction is signed, and nothing is written but a file in the data directory that is
removed at once.

The exit status is 0 where nothing failed, and 1 where something did or the time of ` + "`--timeout`" + ` was over before all was checked;
a WARN counts only with ` + "`--strict`" + `. With ` + "`--json`" + ` there is
one object: ` + "`checks`" + `, each with ` + "`id`, `group`, `provider` (of providers only), `endpoint` (of `network.endpoint` only), `status` (`PASS`, `WARN`, `FAIL`, `SKIP`), `summary`, `reason`,\n`fix`" + ` and ` + "`took_ms`; `summary` with `pass`, `warn`, `fail` and `skip`; and `ok`" + `, which says whether the exit status is 0.

| Check | What it means | What to do |
|---|---|---|
`)
	for _, c := range allChecks() {
		b.WriteString(c.row() + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// row is the check in docs/doctor.md.
func (c *check) row() string { return "| `" + c.id + "` | " + c.means + " | " + c.todo + " |" }
