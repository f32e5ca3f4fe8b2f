package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/provider"
	"github.com/zgproxy/zgproxy/internal/proxy"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// modelsReport is the JSON of "zgproxy models": that of GET /v1/models.
type modelsReport struct {
	Object string        `json:"object"`
	Data   []proxy.Model `json:"data"`
}

func modelsCommand() *cobra.Command {
	var kind string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "models",
		Aliases: []string{"model"},
		Short:   "List the models that can be used, who serves them, and at which price",
		Long: `Lists the models of the providers that you allow, with who serves each, prices in 0G, how the provider
does, and what its answers were shown to be. Where you allow nobody, everything on offer is listed.

A running daemon answers with what it has measured. Without one, the services are read from the chain and
the providers asked for their catalogues; no wallet is needed, and nothing has been measured.`,
		Example: `  zgproxy models
  zgproxy models --type text-to-image
  zgproxy models --json | jq -r '.data[].id'`,
		Args: want(cobra.NoArgs),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, _ []string) (err error) {
		cfg, _, err := loadConfig(config.Flags{})
		if err != nil {
			return usageError{err}
		}
		op, err := operatorWith(cfg)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, op.close()) }()
		var r modelsReport
		switch o := op.(type) {
		case *daemonOperator:
			n := &connection{http: &http.Client{}}
			if err := n.toDaemon(cmd.Context(), o.client, cfg); err != nil {
				return err
			}
			if r, err = n.models(cmd.Context(), zg.ServiceType(kind)); err != nil {
				return err
			}
		case *localOperator:
			if r, err = o.models(cmd.Context(), zg.ServiceType(kind)); err != nil {
				return err
			}
		}
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), r)
		}
		printModels(consoleOf(cmd), &r)
		return nil
	})
	cmd.Flags().StringVar(&kind, "type", "", "only those of this `TYPE`, such as chatbot or text-to-image")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// models reads the chain and asks the providers that are allowed.
func (o *localOperator) models(ctx context.Context, kind zg.ServiceType) (modelsReport, error) {
	_, dir, err := readServices(ctx, o.cfg, common.Address{})
	if err != nil {
		return modelsReport{}, err
	}
	suspended, err := suspendedIn(ctx, o.cfg.DataDir)
	if err != nil {
		return modelsReport{}, err
	}
	peers := provider.New(provider.Config{AllowPrivate: o.cfg.AllowPrivate, UserAgent: userAgent()})
	defer peers.Close()
	// Where nobody is allowed, everybody is asked. Of who does not answer, the prices on chain hold, and the one model.
	catalogs := provider.NewCatalogs(peers, func() (list []provider.Target) {
		for _, svc := range dir.Services {
			if len(o.cfg.Providers) == 0 || slices.Contains(o.cfg.Providers, svc.Provider) {
				list = append(list, provider.Target{Provider: svc.Provider, BaseURL: svc.URL})
			}
		}
		return list
	}, provider.CatalogsConfig{Log: zerolog.Nop()})
	catalogs.Refresh(ctx)
	board := route.NewBoard(route.BoardConfig{Policy: route.Policy(o.cfg.Routing)})
	return modelsReport{"list", proxy.Models(board, route.Build(&dir, catalogs.Snapshot(), routeOptions(o.cfg, suspended)), kind)}, nil
}

func printModels(c console, r *modelsReport) {
	if len(r.Data) == 0 {
		c.printf("There is none. ZGPROXY_PROVIDERS names whom you allow; zgproxy provider list --all shows who there is.\n")
		return
	}
	var t table
	t.head("MODEL", "TYPE", "PROVIDER", "PRICE IN 0G", "CONTEXT", "ANSWERS", "STATE")
	for _, m := range r.Data {
		for i, o := range m.X0G {
			name := oneLine(m.ID)
			if i > 0 {
				name = ""
			}
			t.row(name, string(o.Type), oneLine(o.Provider), offeredPrice(&o), numberOrDash(o.ContextLength), answersInWords(&o), stateInWords(&o))
		}
	}
	c.show(&t)
}

func offeredPrice(o *proxy.Offered) string {
	switch {
	case o.Unpaid:
		return "-"
	case o.ImagePrice != "":
		return o.ImagePrice + " an image"
	case o.Type == zg.VideoGeneration:
		return videoPrice(o)
	case o.SecondPrice != "" && o.InputPrice == "":
		return o.SecondPrice + " a second"
	case o.Type == zg.SpeechToText:
		return o.SecondPrice + " a second, " + o.OutputPrice + " out per 1M"
	}
	return o.InputPrice + " in, " + o.OutputPrice + " out per 1M"
}

// videoPrice is the price of a video with its unit, which differs between providers.
func videoPrice(o *proxy.Offered) string {
	most := ""
	for _, row := range o.VideoPrices {
		if row.Price != o.VideoPrices[0].Price {
			most = "up to "
		}
	}
	switch {
	case o.ClipPrice != "":
		return most + o.ClipPrice + " a clip"
	case o.TokenPrice != "":
		return most + o.TokenPrice + " per 1M tokens of video"
	case o.UnitPrice != "":
		return fmt.Sprintf("%s%s a unit that is not known (%s)", most, o.UnitPrice, oneLine(o.Unit))
	case o.Unit == "":
		return o.SecondPrice + " a second, times a ratio by its size"
	}
	return most + o.SecondPrice + " a second"
}

// answersInWords says what can be shown about its answers, and what was.
func answersInWords(o *proxy.Offered) string {
	if !o.Signed {
		return "not signed"
	}
	text := "signed"
	if o.Centralized {
		text = "signed by a relay"
	}
	var good, bad uint64
	for v, n := range o.Health.Verdicts {
		switch v {
		case zg.VerdictVerified, zg.VerdictResponse:
			good += n
		case zg.VerdictInvalid, zg.VerdictReplayed:
			bad += n
		case zg.VerdictPending, zg.VerdictSignerOnly, zg.VerdictUnavailable, zg.VerdictNotSigned: // nothing was shown
		}
	}
	if good+bad > 0 {
		text += fmt.Sprintf(", %d verified", good)
	}
	if bad > 0 {
		text += fmt.Sprintf(", %d NOT", bad)
	}
	return text
}

func stateInWords(o *proxy.Offered) string {
	if o.Waiting != "" {
		return "waiting: " + o.Waiting
	}
	if o.Suspended != "" {
		return "suspended: " + strings.ReplaceAll(o.Suspended, "_", " ")
	}
	return o.Health.State
}
