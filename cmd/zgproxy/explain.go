package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// explainReport is the JSON of "zgproxy explain".
type explainReport struct {
	Source string `json:"source"` // daemon: with what it has measured; chain: nothing has been measured
	route.Explanation
}

func explainCommand() *cobra.Command {
	var q route.Query
	var kind string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain MODEL",
		Short: "Say which provider would serve a model, and why",
		Long: `Says who would get a request for MODEL now, the best first, with what each of them is judged by, and then
those who would get none, with the reason. MODEL is what a caller would write: a model's id, its
canonical id, an alias, or PROVIDER/MODEL. Nothing is sent to anybody.

A running daemon answers with what it has measured. Without one the services are read from the chain,
and nothing has been measured.`,
		Example: `  zgproxy explain qwen3
  zgproxy explain whisper --type speech-to-text
  zgproxy explain qwen3 --json | jq -r '.candidates[0].provider'`,
		Args: want(cobra.ExactArgs(1)),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, args []string) (err error) {
		q.Model, q.Type = args[0], zg.ServiceType(kind)
		op, err := operatorFor()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, op.close()) }()
		var r explainReport
		switch o := op.(type) {
		case *daemonOperator:
			err = o.client.Explain(cmd.Context(), q, &r)
		case *localOperator:
			r, err = o.explain(cmd.Context(), q)
		}
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), r)
		}
		printExplanation(consoleOf(cmd), &r)
		return nil
	})
	cmd.Flags().StringVar(&kind, "type", "", "the `TYPE` of service, such as chatbot or text-to-image; else the one under which the model is known")
	cmd.Flags().StringVar(&q.Pin, "pin", "", "as if only this `PROVIDER` might serve it: an address, or the id of a direct endpoint")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// explain reads the chain and no more: what providers say of themselves is not asked for.
func (o *localOperator) explain(ctx context.Context, q route.Query) (explainReport, error) {
	suspended, err := suspendedIn(ctx, o.cfg.DataDir)
	if err != nil {
		return explainReport{}, err
	}
	_, dir, err := readServices(ctx, o.cfg, common.Address{})
	if err != nil {
		return explainReport{}, err
	}
	return explainRoute("chain", route.NewBoard(route.BoardConfig{Policy: route.Policy(o.cfg.Routing)}), route.Build(&dir, nil, routeOptions(o.cfg, suspended)), q)
}

// explainRoute says who would serve a query. Only where there is nobody at all to speak of it is an error.
func explainRoute(source string, b *route.Board, t *route.Table, q route.Query) (explainReport, error) {
	e, err := b.Explain(t, q)
	if none, ok := errors.AsType[*route.NoOffer](err); ok && len(e.Candidates) == 0 {
		return explainReport{}, noOffer(none)
	}
	return explainReport{Source: source, Explanation: e}, nil
}

// noOffer says that a name stands for nothing that anybody serves.
func noOffer(e *route.NoOffer) error {
	name := strconv.QuoteToGraphic(e.Query.Model)
	if e.Meant != "" {
		name += " (an alias of " + strconv.QuoteToGraphic(e.Meant) + ")"
	}
	some := strings.Join(e.Available[:min(len(e.Available), 10)], ", ")
	switch e.Reason {
	case route.Ambiguous:
		return problem(codeNotFound, "Say which one: "+some+".", "%s stands for several models", name)
	case route.NoPin:
		hint := ""
		if some != "" {
			hint = "These do: " + some + "."
		}
		return problem(codeNotFound, hint, "who was pinned does not offer %s", name)
	case route.NoModel:
		return problem(codeNotFound, "Say which one: "+some+".", "there are several models of type %s", e.Query.Type)
	case route.NoneOfType:
		hint := "See who does: zgproxy provider list --all"
		if e.Elsewhere != "" {
			hint = askElsewhere(e)
		}
		return problem(codeNotFound, hint, "nobody in ZGPROXY_PROVIDERS serves %s", e.Query.Type)
	case route.Unknown, route.NotAllowed, route.Suspended, route.Unsigned:
	}
	hint := "There are: " + some + "."
	switch {
	case e.Elsewhere != "":
		hint = askElsewhere(e)
	case some == "":
		hint = "See what there is: zgproxy provider list --all"
	}
	return problem(codeNotFound, hint, "no provider offers a model of type %s by the name of %s", e.Query.Type, name)
}

func askElsewhere(e *route.NoOffer) string { return fmt.Sprintf("Ask with --type %s.", e.Elsewhere) }

func printExplanation(c console, r *explainReport) {
	head := r.Model
	if r.Alias != "" {
		head += ", an alias of " + r.Alias
	}
	if r.Pin != "" {
		head += ", only by " + r.Pin
	}
	c.printf("%s: %s, by %s\n\n", head, r.Type, r.Policy)
	var t table
	t.head("", "PROVIDER", "MODEL", "COST", "WHY")
	able := 0
	for i := range r.Candidates {
		o := &r.Candidates[i]
		if o.Out {
			t.row("-", o.Label, o.Model, "-", o.Why)
			continue
		}
		able++
		t.row(strconv.Itoa(able), o.Label, o.Model, strconv.FormatFloat(o.Cost, 'g', 3, 64), o.Why)
	}
	c.show(&t)
	switch {
	case able == 0:
		c.printf("\nNobody would get a request now.\n")
	case able > 2 && (r.Policy == route.Balanced || r.Policy == route.Latency):
		c.printf("\nThe better one of two drawn at random gets a request, so that not all go to the first.\n")
	}
	if r.Source == "chain" {
		c.printf("\nNo daemon runs: this is what the chain says, and nothing has been measured yet.\n")
	}
}
