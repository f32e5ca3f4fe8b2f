package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/provider"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// What providers say of themselves is asked of them directly, as the daemon does; it is not paid and needs no token.

// catalogueReport is what one provider says it serves.
type catalogueReport struct {
	Provider admin.Address    `json:"provider"`
	URL      string           `json:"url"`
	Millis   int64            `json:"took_ms"`
	Error    string           `json:"error,omitempty"`
	Models   []catalogueModel `json:"models"`
}

// catalogueModel is one model, in the provider's own words.
type catalogueModel struct {
	ID          string    `json:"id"`
	Canonical   string    `json:"canonical_id,omitempty"`
	Name        string    `json:"name,omitempty"`
	Type        string    `json:"service_type,omitempty"`
	Context     uint64    `json:"context_length,omitempty"`
	MaxOutput   uint64    `json:"max_completion_tokens,omitempty"`
	Priced      bool      `json:"priced"` // else the prices on chain hold
	InputPrice  zg.Neuron `json:"input_price_neuron"`
	OutputPrice zg.Neuron `json:"output_price_neuron"`
	Unit        string    `json:"price_unit,omitempty"` // of video, as the catalogue names it
	price       zg.Price
	Requests    uint64     `json:"requests_per_minute,omitempty"`
	Expires     *time.Time `json:"expires_at,omitempty"`
}

// askCatalogue asks one provider. Its failure is part of the report.
func askCatalogue(ctx context.Context, peers *provider.Client, p *providerReport) catalogueReport {
	out := catalogueReport{Provider: p.Provider, URL: p.URL, Models: []catalogueModel{}}
	began := time.Now()
	c, err := peers.Catalog(ctx, p.Provider.Address, p.URL)
	out.Millis = time.Since(began).Milliseconds()
	if err != nil {
		out.Error = oneLine(err.Error())
		return out
	}
	for _, m := range c.Models {
		k := catalogueModel{
			ID: oneLine(m.ID), Canonical: oneLine(m.CanonicalID), Name: oneLine(m.Name), Type: string(m.Type), Context: m.ContextLength, MaxOutput: m.MaxCompletionTokens,
			Priced: m.Priced, InputPrice: m.Price.Input, OutputPrice: m.Price.Output, Requests: m.Limits.RequestsPerMinute,
			Unit: string(m.Price.Unit), price: m.Price,
		}
		if !m.ExpiresAt.IsZero() {
			at := m.ExpiresAt.UTC()
			k.Expires = &at
		}
		out.Models = append(out.Models, k)
	}
	return out
}

// look is what the commands that look at providers have: whom to ask, what there is, and which of that is meant.
type look struct {
	op     operator
	peers  *provider.Client
	all    providersReport
	chosen []providerReport
}

// lookAt runs f with those providers that are meant: the ones that were named, else those that are allowed.
func lookAt(ctx context.Context, args []string, f func(look) error) (err error) {
	cfg, _, err := loadConfig(config.Flags{})
	if err != nil {
		return usageError{err}
	}
	op, err := operatorWith(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, op.close()) }()
	r, err := op.providers(ctx)
	if err != nil {
		return err
	}
	var chosen []providerReport
	for _, arg := range args {
		p, err := parseProvider(arg)
		if err != nil {
			return err
		}
		found := r.find(p)
		if !found.Registered {
			return problem(codeNotRegistered, "See who is: zgproxy provider list --all", "%s is not registered on chain as a provider", p.Hex())
		}
		chosen = append(chosen, found)
	}
	if len(args) == 0 {
		for _, p := range r.Providers {
			if p.Allowed {
				chosen = append(chosen, p)
			}
		}
	}
	if len(chosen) == 0 {
		return problem(codeUsage, "Name one, or see who there is: zgproxy provider list --all", "ZGPROXY_PROVIDERS names nobody")
	}
	peers := provider.New(provider.Config{AllowPrivate: cfg.AllowPrivate, UserAgent: userAgent()})
	defer peers.Close()
	return f(look{op, peers, r, chosen})
}

// ask asks those that are meant, a few at a time.
func (l look) ask(ctx context.Context) []catalogueReport {
	out := make([]catalogueReport, len(l.chosen))
	var g errgroup.Group
	g.SetLimit(8)
	for i := range l.chosen {
		p := &l.chosen[i]
		g.Go(func() error {
			if !p.Registered {
				out[i] = catalogueReport{Provider: p.Provider, Error: "it is not registered on chain", Models: []catalogueModel{}}
				return nil
			}
			out[i] = askCatalogue(ctx, l.peers, p)
			return nil
		})
	}
	_ = g.Wait() // none of them fails
	return out
}

// showReport is the JSON of "zgproxy provider show".
type showReport struct {
	Network   string          `json:"network"`
	Block     uint64          `json:"block"`
	Provider  providerReport  `json:"provider"`
	Account   *subReport      `json:"account"` // null: no wallet is configured
	Catalogue catalogueReport `json:"catalogue"`
}

func providerShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show PROVIDER",
		Short: "Show everything about one provider: its service, your account with it, what it says it serves",
		Long: `Shows what a provider has registered on chain, what your wallet has with it, what it is trusted as, and
what its own catalogue says. Anybody can look; only for the account a wallet is needed.`,
		Example: `  zgproxy provider show 0xa48f01287233509FD694a22Bf840225062E67836
  zgproxy provider show 0xa48f01287233509FD694a22Bf840225062E67836 --json`,
		Args: want(cobra.ExactArgs(1)),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, args []string) error {
		return lookAt(cmd.Context(), args, func(l look) error {
			p := &l.chosen[0]
			out := showReport{Network: l.all.Network, Block: l.all.Block, Provider: *p, Catalogue: askCatalogue(cmd.Context(), l.peers, p)}
			if l.all.Wallet {
				r, err := l.op.account(cmd.Context(), false)
				if err != nil {
					return err
				}
				sub := r.sub(p.Provider.Address)
				out.Account = &sub
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), out)
			}
			printProvider(consoleOf(cmd), &out)
			return nil
		})
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func printProvider(c console, r *showReport) {
	p := &r.Provider
	var t table
	t.row("provider", p.Provider.Hex())
	t.row("  service", p.Type+", "+p.Model)
	t.row("  price", p.price()+" 0G")
	t.row("  URL", oneLine(p.URL))
	t.row("  verifiable", orDash(oneLine(p.Verifiability)))
	vouched := "the contract's owner vouches for it"
	if !p.Vouched {
		vouched = "waiting: " + p.Waiting + ", so it serves nobody; it comes back automatically"
	}
	t.row("  signer", p.Signer.Hex()+": "+vouched)
	allowed := "yes, it is in ZGPROXY_PROVIDERS"
	if !p.Allowed {
		allowed = "no: it gets no requests until it is in ZGPROXY_PROVIDERS"
	}
	t.row("  allowed", allowed)
	if a := r.Account; a != nil {
		t.row("account", "")
		if !a.Exists {
			t.row("  none yet", "the first transfer opens it")
		} else {
			t.row("  locked", a.Locked.Og+" 0G")
			t.row("  on its way back", refundsInWords(a))
			t.row("  acknowledged", map[bool]string{true: "yes", false: "no"}[a.Acknowledged])
			t.row("  session tokens", fmt.Sprintf("generation %d, %d revoked", a.Generation, len(a.Revoked)))
		}
		if a.Pinned != nil {
			t.row("  trusted as", signerInWords(a.Pinned)+" at "+oneLine(a.Pinned.URL))
		}
		if a.Suspended != nil {
			t.row("  suspended", a.Suspended.Reason)
		}
	}
	c.printf("%s\n", &t)
	printCatalogue(c, &r.Catalogue, p)
}

func printCatalogue(c console, r *catalogueReport, p *providerReport) {
	if r.Error != "" {
		c.printf("Its catalogue cannot be read: %s\n", r.Error)
		return
	}
	var t table
	t.head("MODEL", "TYPE", "CONTEXT", "PRICE IN 0G", "REQUESTS A MINUTE")
	for i := range r.Models {
		m := &r.Models[i]
		priced := *p
		if priced.Type = m.Type; priced.Type == "" {
			priced.Type = p.Type
		}
		if m.Priced {
			priced.InputPrice, priced.OutputPrice = m.InputPrice, m.OutputPrice
		}
		price := priced.price()
		if m.Priced && zg.ServiceType(priced.Type) == zg.VideoGeneration {
			price = videoWords(m.price)
		}
		t.row(m.ID, orDash(m.Type), numberOrDash(m.Context), price, numberOrDash(m.Requests))
	}
	c.show(&t)
}

// videoWords is the price of a video with what it is for.
func videoWords(p zg.Price) string {
	low, high, per := p.VideoPrice()
	if low == high {
		return short(low) + " " + per
	}
	return short(low) + " to " + short(high) + " " + per
}

func numberOrDash(n uint64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func providerModelsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "models [PROVIDER...]",
		Short: "List what providers say they serve",
		Long: `Asks providers for their catalogues: their models with context length, price and limits, in their own
words. Without an argument it asks those that you allow. Nothing is paid.`,
		Example: `  zgproxy provider models
  zgproxy provider models 0xa48f01287233509FD694a22Bf840225062E67836 --json | jq '.[].models[].id'`,
		Args: want(cobra.ArbitraryArgs),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, args []string) error {
		return lookAt(cmd.Context(), args, func(l look) error {
			all := l.ask(cmd.Context())
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), all)
			}
			c := consoleOf(cmd)
			for i := range all {
				if i > 0 {
					c.printf("\n")
				}
				c.printf("%s, %s\n", all[i].Provider.Hex(), orDash(oneLine(all[i].URL)))
				printCatalogue(c, &all[i], &l.chosen[i])
			}
			return nil
		})
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON array, an object for each provider")
	return cmd
}

// healthReport is the JSON of "zgproxy provider health".
type healthReport struct {
	Network   string           `json:"network"`
	Healthy   bool             `json:"healthy"`
	Providers []providerHealth `json:"providers"`
}

type providerHealth struct {
	Provider admin.Address `json:"provider"`
	Model    string        `json:"model"`
	Healthy  bool          `json:"healthy"`
	Millis   int64         `json:"took_ms"` // to its catalogue
	Problems []string      `json:"problems"`
}

func providerHealthCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "health [PROVIDER...]",
		Short: "Say whether providers would serve: reachable, vouched for, acknowledged, funded",
		Long: `Looks at what has to be right before a provider serves a request: it is registered and vouched for, its
URL answers, it is acknowledged and funded, and not suspended. Without an argument it looks at those
that you allow. Nothing is paid. The status is 1 when one of them would not serve.

"zgproxy doctor" looks closer, and at your own side too.`,
		Example: `  zgproxy provider health
  zgproxy provider health --json | jq -r '.providers[] | select(.healthy | not) | .provider'`,
		Args: want(cobra.ArbitraryArgs),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, args []string) error {
		return lookAt(cmd.Context(), args, func(l look) error {
			out := healthReport{Network: l.all.Network, Healthy: true, Providers: []providerHealth{}}
			for i, c := range l.ask(cmd.Context()) {
				h := healthOf(&l.chosen[i], &c, l.all.Wallet)
				out.Healthy = out.Healthy && h.Healthy
				out.Providers = append(out.Providers, h)
			}
			if asJSON {
				if err := writeJSON(cmd.OutOrStdout(), out); err != nil {
					return err
				}
			} else {
				printHealth(consoleOf(cmd), &out)
			}
			if !out.Healthy {
				return &failedError{problem: problem(codeUnhealthy, "", "not every provider would serve"), told: asJSON}
			}
			return nil
		})
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// healthOf lists what keeps a provider from serving. wallet says whether it is known what the wallet has with it.
func healthOf(p *providerReport, c *catalogueReport, wallet bool) providerHealth {
	h := providerHealth{Provider: p.Provider, Model: p.Model, Millis: c.Millis, Problems: []string{}}
	bad := func(wrong bool, text string) {
		if wrong {
			h.Problems = append(h.Problems, text)
		}
	}
	bad(!p.Registered, "it is not registered on chain")
	bad(p.Suspended != "", "it is suspended: "+p.Suspended)
	if p.Registered {
		bad(!p.Vouched, "it is waiting: "+zg.WaitingForSigner)
		bad(c.Error != "", c.Error)
		bad(c.Error == "" && len(c.Models) == 0, "its catalogue is empty")
	}
	if wallet && p.Registered {
		bad(!p.Account, "there is no sub-account with it (zgproxy fund)")
		bad(p.Account && !p.Acknowledged, "the wallet has not acknowledged it (zgproxy provider acknowledge)")
		bad(p.Account && !zg.OneOG.Less(p.Locked.Neuron), "there is not more than 1 0G for it (zgproxy fund)")
	}
	h.Healthy = len(h.Problems) == 0
	return h
}

func printHealth(c console, r *healthReport) {
	var t table
	t.head("PROVIDER", "MODEL", "CATALOGUE", "")
	for i := range r.Providers {
		h := &r.Providers[i]
		state := c.paint(styleGood, "ok")
		if !h.Healthy {
			state = c.paint(styleBad, strings.Join(h.Problems, "; "))
		}
		t.row(h.Provider.Hex(), orDash(h.Model), fmt.Sprintf("%d ms", h.Millis), state)
	}
	c.show(&t)
}
