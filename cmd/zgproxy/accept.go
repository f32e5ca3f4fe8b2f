package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// acceptReport is the JSON of "zgproxy provider accept".
type acceptReport struct {
	Provider admin.Address    `json:"provider"`
	Accepted admin.Acceptance `json:"accepted"`
	Before   *admin.Pin       `json:"before"` // what it was trusted as; null: nothing yet
	DryRun   bool             `json:"dry_run"`
	// Taken is what of the accepted drift the chain shows; the rest is claimed only, and lapses when it is not claimed any more.
	Taken *amount    `json:"drift_taken"`
	Since *time.Time `json:"drift_since"` // when the daemon saw it first; null: there is none
	// Watched is claimed beyond that and not accepted: a settlement may be under way.
	Watched      *amount    `json:"watched"`
	WatchedSince *time.Time `json:"watched_since"` // null: nothing is watched
}

func acceptCommand() *cobra.Command {
	var f moneyFlags
	cmd := &cobra.Command{
		Use:   "accept PROVIDER",
		Short: "Accept a provider as it is now, so that it gets requests and top-ups again",
		Long: `zgproxy stops topping up a provider that has taken or claims more than was witnessed here (drift), or
that signs with another key than before. It suspends one whose signature did not match its answer, or
whose signer or URL is another one than when you began to use it: a suspended provider gets neither
requests nor money. This accepts all of it as it is now: what was taken is put down to the owner's
decision, signer and URL are those that count from now on, and the suspension ends. Nothing is paid
by it.

Look before you accept: ask the provider, compare "zgproxy usage" with what it says, and after a wrong
signature look at the receipt (zgproxy receipts show REQUEST). The daemon has to run, because it knows
what there is to accept.`,
		Example: `  zgproxy account
  zgproxy provider accept 0xa48f01287233509FD694a22Bf840225062E67836`,
		Args: want(cobra.ExactArgs(1)),
	}
	f.addAsking(cmd)
	cmd.RunE = explained(&f.json, func(cmd *cobra.Command, args []string) (err error) {
		p, err := parseProvider(args[0])
		if err != nil {
			return err
		}
		op, err := operatorFor()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, op.close()) }()
		if local, ok := op.(*localOperator); ok {
			return local.accept(cmd.Context(), p, admin.Acceptance{})
		}
		return f.accept(cmd.Context(), consoleOf(cmd), op, p)
	})
	return cmd
}

// accept shows what there is to accept, asks, and has it accepted.
func (f *moneyFlags) accept(ctx context.Context, c console, op operator, p common.Address) error {
	r, sub, err := lookedAt(ctx, op, p)
	if err != nil {
		return err
	}
	what := admin.Acceptance{Drift: sub.Drift.Neuron, Signer: sub.Signer, Pin: sub.Current, Suspension: sub.Suspended}
	if !f.json {
		c.printf("Accept %s as it is, on %s\n%s\n", p.Hex(), r.Network, toAccept(&sub, time.Now()))
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
		return writeJSON(c.out, acceptReport{
			admin.Address{Address: p},
			what, sub.Pinned, f.dryRun,
			sub.DriftTaken, sub.DriftSince, sub.Watched, sub.WatchedSince,
		})
	}
	if !f.dryRun {
		c.printf("Accepted. %s\n", map[bool]string{true: "It gets requests and top-ups again.", false: "Top-ups go on."}[sub.Suspended != nil])
	}
	return nil
}

// lookPatience bounds the wait for the first look of a daemon that has just started.
const lookPatience = 30 * time.Second

// lookedAt is what the daemon knows of a provider, when it has looked at it.
func lookedAt(ctx context.Context, op operator, p common.Address) (accountReport, subReport, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lookPatience, problem(codeRPC, "Ask zgproxy doctor.", "the daemon has not read the account with %s from the chain yet", p.Hex()))
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := op.account(ctx, false)
		sub := r.sub(p)
		switch {
		case err != nil:
			return r, sub, err
		case sub.Drift != nil:
			return r, sub, nil
		case !sub.Allowed:
			return r, sub, problem(codeNotRegistered, "The daemon looks after those in ZGPROXY_PROVIDERS.", "%s is not looked after", p.Hex())
		}
		select {
		case <-ctx.Done():
			return r, sub, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// driftInWords says what of the drift was taken, what is only claimed, and since when.
func driftInWords(sub *subReport, now time.Time) string {
	text := sub.Drift.Og + " 0G taken or claimed beyond what was witnessed"
	if sub.Drift.Neuron.IsZero() || sub.DriftTaken == nil {
		return text
	}
	text += fmt.Sprintf(": %s 0G taken, %s 0G only claimed", sub.DriftTaken.Og, sub.Drift.Neuron.Sub(sub.DriftTaken.Neuron).Og())
	if sub.DriftSince != nil {
		text += ", seen first " + inWords(now.Sub(*sub.DriftSince)) + " ago"
	}
	if sub.DriftTaken.Neuron.Less(sub.Drift.Neuron) {
		text += "; what is only claimed lapses when it is not claimed any more"
	}
	return text
}

// watchedInWords says what is claimed too much and not accepted now, and why it may be in order.
func watchedInWords(sub *subReport, now time.Time) string {
	text := sub.Watched.Og + " 0G claimed beyond that"
	if sub.WatchedSince != nil {
		text += ", for " + inWords(now.Sub(*sub.WatchedSince))
	}
	return text + "; a settlement may be under way: the chain shows what was taken before the provider stops claiming it. Not accepted, and it stops no top-up"
}

// toAccept lists what is accepted of a provider: what it was, and what it is.
func toAccept(sub *subReport, now time.Time) *table {
	var t table
	if s := sub.Suspended; s != nil {
		t.row("  suspended", inWords(now.Sub(s.At))+" ago: "+s.Reason)
		if s.RequestID != "" {
			t.row("  request", s.RequestID+", see zgproxy receipts show "+s.RequestID)
		}
	}
	t.row("  drift", driftInWords(sub, now))
	if sub.Watched != nil && !sub.Watched.Neuron.IsZero() {
		t.row("  watched", watchedInWords(sub, now))
	}
	signer := sub.Signer.Hex()
	if sub.OtherSigner {
		signer += ", which is another one than before"
	}
	t.row("  signer", signer)
	before, after := sub.Pinned, sub.Current
	switch {
	case after == nil:
		t.row("  registered", "no; what it was trusted as stays")
	case before == nil:
		t.row("  answers", "signed by "+signerInWords(after))
		t.row("  URL", orDash(after.URL))
	default:
		t.row("  answers", "signed by "+changeInWords(signerInWords(before), signerInWords(after)))
		t.row("  URL", changeInWords(orDash(before.URL), orDash(after.URL)))
	}
	return &t
}

func signerInWords(p *admin.Pin) string {
	switch {
	case p.Signer.Address == (common.Address{}):
		return "nobody"
	case p.Source == zg.SourceTarget:
		return p.Signer.Hex() + " (the model's own enclave)"
	}
	return p.Signer.Hex()
}

func changeInWords(before, after string) string {
	if before == after {
		return after + ", as before"
	}
	return before + " → " + after
}
