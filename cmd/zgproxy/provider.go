package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/chain"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// providersReport is the JSON of "zgproxy provider list".
type providersReport struct {
	Network   string           `json:"network"`
	Source    string           `json:"source"` // daemon, chain
	Block     uint64           `json:"block"`
	Wallet    bool             `json:"wallet"` // it is known what the wallet has with each of them
	Providers []providerReport `json:"providers"`
}

// providerReport is one provider: one that is registered, or one that is allowed all the same.
type providerReport struct {
	Provider      admin.Address `json:"provider"`
	Allowed       bool          `json:"allowed"` // it is one of ZGPROXY_PROVIDERS
	Registered    bool          `json:"registered"`
	Type          string        `json:"service_type"`
	Model         string        `json:"model"`
	InputPrice    zg.Neuron     `json:"input_price_neuron"`  // per token; for speech per second or token
	OutputPrice   zg.Neuron     `json:"output_price_neuron"` // per token, image, second of audio, or unit of video
	Verifiability string        `json:"verifiability"`
	Signer        admin.Address `json:"signer"`
	ModelSigner   admin.Address `json:"model_signer"`        // of the model's own enclave, if it has one; else all zeros
	Vouched       bool          `json:"signer_acknowledged"` // by the contract's owner
	Account       bool          `json:"account"`             // the wallet has a sub-account with it …
	Acknowledged  bool          `json:"acknowledged"`        // … and has acknowledged it
	Locked        amount        `json:"locked"`              // what it may count on
	URL           string        `json:"url"`
	Suspended     string        `json:"suspended,omitempty"` // why it gets nothing until it is accepted
	Waiting       string        `json:"waiting,omitempty"`   // what it waits for: until then it serves nobody; it comes back automatically
	Changed       string        `json:"changed,omitempty"`   // before it is paid: what of it is not as it was accepted (signer_changed, url_changed)
}

// listProviders lists every service, and the allowed providers that have none.
func listProviders(cfg config.Config, b balances) providersReport {
	out := providersReport{Network: cfg.Network, Source: b.source, Block: b.holdings.Block, Wallet: b.wallet != (common.Address{}), Providers: []providerReport{}}
	add := func(p common.Address, svc zg.Service, registered bool) {
		account, exists := b.holdings.Accounts[p]
		var model common.Address
		if svc.Info.Separated() {
			model = svc.Info.TargetTEEAddress
		}
		out.Providers = append(out.Providers, providerReport{
			Provider: admin.Address{Address: p}, Allowed: slices.Contains(cfg.Providers, p), Registered: registered, Type: string(svc.Type), Model: svc.Model,
			InputPrice: svc.InputPrice, OutputPrice: svc.OutputPrice, Verifiability: svc.Verifiability, Signer: admin.Address{Address: svc.TEESigner}, ModelSigner: admin.Address{Address: model}, Vouched: svc.TEESignerAcknowledged,
			Account: exists, Acknowledged: account.Acknowledged, Locked: money(account.Locked()), URL: svc.URL,
			Suspended: b.suspended[p].Reason,
		})
		if registered {
			out.Providers[len(out.Providers)-1].Waiting = svc.WaitingFor()
		}
	}
	for _, svc := range b.services {
		add(svc.Provider, svc, true)
	}
	for _, p := range cfg.Providers {
		if _, listed := zg.ServiceOf(b.services, p); !listed {
			add(p, zg.Service{}, false)
		}
	}
	slices.SortFunc(out.Providers, func(a, b providerReport) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Model, b.Model), a.Provider.Cmp(b.Provider.Address))
	})
	return out
}

// providerNow is one provider as it is on chain now, with what of it is not as the owner knows it by its pin.
func providerNow(ctx context.Context, cfg config.Config, c *chain.Client, b balances, p common.Address, pin zg.Pin) (providerReport, error) {
	s, registered, err := c.Service(ctx, p, 0)
	if err != nil {
		return providerReport{}, err
	}
	b.services = nil
	if registered {
		b.services = []zg.Service{s}
	}
	all := listProviders(cfg, b)
	out := all.find(p)
	if code := pin.Against(s); registered && pin.Provider == p && code != zg.SuspendedUnacked {
		out.Changed = code
	}
	return out, nil
}

// doubt says why the provider may not be what the owner takes it for; or empty.
func (p *providerReport) doubt() string {
	switch {
	case p.Suspended != "":
		return "It is suspended: " + p.Suspended
	case p.Changed == zg.SuspendedSigner:
		return "It signs with another key than the one that was first seen, or accepted."
	case p.Changed == zg.SuspendedURL:
		return "It is at another URL than the one that was first seen, or accepted: " + orDash(p.URL) + "."
	}
	return ""
}

// price says what a provider charges, in units that compare.
func (p *providerReport) price() string {
	million := func(n zg.Neuron) string { return short(n.Mul(1_000_000)) }
	switch zg.ServiceType(p.Type) {
	case zg.TextToImage, zg.ImageEditing:
		return short(p.OutputPrice) + " an image"
	case zg.SpeechToText:
		return short(p.InputPrice) + " a second, " + million(p.OutputPrice) + " out per 1M"
	case zg.Embedding:
		return million(p.InputPrice) + " in per 1M"
	case zg.AudioGeneration:
		return short(p.OutputPrice) + " a second"
	case zg.VideoGeneration: // only its catalogue says whether that is a second, a clip or a token
		return short(p.OutputPrice) + " a unit of video"
	case zg.Chatbot, zg.Decisions:
	}
	if !p.Registered {
		return "-"
	}
	return million(p.InputPrice) + " in, " + million(p.OutputPrice) + " out per 1M"
}

func providerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "provider",
		Aliases: []string{"providers"},
		Short:   "List providers, look at them, and consent to them",
		Long: `Providers sell inference. zgproxy uses and pays only those in ZGPROXY_PROVIDERS; anybody can register
on chain, so look at a provider before you put it there.`,
		Example: `  zgproxy provider list --all
  zgproxy provider show 0xa48f01287233509FD694a22Bf840225062E67836
  zgproxy provider health`,
		Args: want(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		providerListCommand(), providerShowCommand(), providerModelsCommand(), providerHealthCommand(), providerReportCommand(),
		acknowledgeCommand(), withdrawCommand(), acceptCommand(),
	)
	return cmd
}

func providerListCommand() *cobra.Command {
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the providers you allow, or all that are registered on chain",
		Long: `Lists the providers in ZGPROXY_PROVIDERS with what they offer, or with --all everyone who is registered
on chain. Prices are those on chain, in 0G: per million tokens, per image, per second of audio, or per
unit of video, which is a second, a clip or a token: "zgproxy models" shows which.

SIGNER says whether the contract's owner vouches for the provider's signer; until then the provider is
waiting and serves nobody. An upgrade looks like that for a while, and ends by itself. A suspended
provider gets neither requests nor money until you accept it. LOCKED is what is in your sub-account
with it.`,
		Example: `  zgproxy provider list
  zgproxy provider list --all
  zgproxy provider list --all --json | jq -r '.providers[] | select(.service_type == "chatbot") | .model'`,
		Args: want(cobra.NoArgs),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, _ []string) (err error) {
		op, err := operatorFor()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, op.close()) }()
		r, err := op.providers(cmd.Context())
		if err != nil {
			return err
		}
		registered := len(r.Providers)
		if !all {
			r.Providers = slices.DeleteFunc(r.Providers, func(p providerReport) bool { return !p.Allowed })
		}
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), r)
		}
		c := consoleOf(cmd)
		if len(r.Providers) == 0 {
			c.printf("ZGPROXY_PROVIDERS names nobody. %s on %s: zgproxy provider list --all\n", plural(registered, "provider"), r.Network)
			return nil
		}
		printProviders(c, r.Providers)
		return nil
	})
	cmd.Flags().BoolVar(&all, "all", false, "everyone who is registered on chain")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func printProviders(c console, list []providerReport) {
	var t table
	t.head("PROVIDER", "TYPE", "MODEL", "PRICE IN 0G", "SIGNER", "LOCKED", "URL")
	for i := range list {
		p := &list[i]
		signer, locked := "waiting", "none"
		switch {
		case p.Suspended != "":
			signer = "suspended"
		case !p.Registered:
			signer = "not registered"
		case p.Vouched:
			signer = "ok"
		}
		if p.Account {
			locked = short(p.Locked.Neuron)
		}
		t.row(p.Provider.Hex(), orDash(p.Type), orDash(p.Model), p.price(), signer, locked, orDash(p.URL))
	}
	c.show(&t)
	for i := range list {
		if p := &list[i]; p.Suspended == "" && p.Allowed && p.Waiting != "" {
			c.printf("\n%s is waiting: %s.\n  It comes back automatically; other providers of its model serve meanwhile.\n", p.Provider.Hex(), p.Waiting)
		} else if p.Suspended != "" {
			c.printf("\n%s is suspended: %s\n  If you trust it as it is now: zgproxy provider accept %s\n", p.Provider.Hex(), p.Suspended, p.Provider.Hex())
		}
	}
}
