package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// What a shell proposes for arguments that only the network knows: providers and models. It comes from the daemon, or from
// what a daemon saved, or from the chain if that answers at once. It never asks, never fails and needs no wallet.

// completionPatience is how long somebody waits who has pressed the tabulator key.
const completionPatience = 2 * time.Second

type completer func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective)

// completeProviders proposes addresses of providers, for up to so many arguments.
func completeProviders(most int) completer {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []cobra.Completion
		services, _ := knownServices(cmd.Context())
		for _, svc := range services {
			if a := svc.Provider.Hex(); !slices.Contains(args, a) {
				out = append(out, cobra.CompletionWithDesc(a, oneLine(string(svc.Type)+", "+svc.Model)))
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeModels proposes names of models of some types, or of all, and the owner's aliases.
func completeModels(kinds ...zg.ServiceType) completer {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 && len(kinds) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []cobra.Completion
		seen := map[string]bool{}
		services, cfg := knownServices(cmd.Context())
		for _, svc := range services {
			if name := oneLine(svc.Model); name != "" && !seen[name] && (len(kinds) == 0 || slices.Contains(kinds, svc.Type)) {
				seen[name] = true
				out = append(out, cobra.CompletionWithDesc(name, oneLine(string(svc.Type))))
			}
		}
		for alias, of := range cfg.ModelAliases {
			out = append(out, cobra.CompletionWithDesc(alias, "an alias of "+of))
		}
		slices.Sort(out)
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeWords proposes what a flag may be.
func completeWords(words ...string) completer {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// flag makes a shell propose values for a flag.
func (f completer) flag(cmd *cobra.Command, name string) {
	if err := cmd.RegisterFlagCompletionFunc(name, f); err != nil {
		panic("zgproxy: " + err.Error()) // there is no such flag
	}
}

// knownServices are the services that there are, by whoever tells first; those that are allowed come first. With them comes the
// configuration.
func knownServices(ctx context.Context) ([]zg.Service, config.Config) { //nolint:contextcheck // cobra has none while it completes
	if ctx == nil {
		ctx = context.Background()
	}
	cfg, _, err := loadConfig(config.Flags{})
	if err != nil {
		return nil, config.Config{}
	}
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	services := servicesOfDaemon(ctx, cfg)
	if services == nil {
		services = savedServices(ctx, cfg)
	}
	if services == nil {
		services = servicesOnChain(ctx, cfg)
	}
	slices.SortStableFunc(services, func(a, b zg.Service) int {
		first, second := slices.Contains(cfg.Providers, a.Provider), slices.Contains(cfg.Providers, b.Provider)
		switch {
		case first == second:
			return strings.Compare(string(a.Type)+a.Model, string(b.Type)+b.Model)
		case first:
			return -1
		}
		return 1
	})
	return services, cfg
}

func servicesOfDaemon(ctx context.Context, cfg config.Config) []zg.Service {
	client, err := admin.NewClient(cfg.DataDir)
	if err != nil {
		return nil
	}
	var r providersReport
	if client.Providers(ctx, &r) != nil {
		return nil
	}
	var out []zg.Service
	for _, p := range r.Providers {
		out = append(out, zg.Service{Provider: p.Provider.Address, Type: zg.ServiceType(p.Type), Model: p.Model})
	}
	return out
}

// savedServices are those that a daemon has read last on the same network.
func savedServices(ctx context.Context, cfg config.Config) []zg.Service {
	r, err := billing.OpenReadOnly(ctx, cfg.DataDir)
	if err != nil {
		return nil
	}
	defer func() { _ = r.Close() }() // read only
	var s snapshot[zg.Directory]
	_, found, err := r.LoadSnapshot(ctx, savedDirectory, &s)
	if err != nil || !found || s.Realm.ChainID != cfg.ChainID || s.Realm.Inference != cfg.InferenceContract.Address {
		return nil
	}
	return s.Value.Services
}

func servicesOnChain(ctx context.Context, cfg config.Config) []zg.Service {
	client, err := newChainClient(cfg, common.Address{}, zerolog.Nop(), nil) //nolint:contextcheck // makes no connection
	if err != nil {
		return nil
	}
	dir, err := client.Services(ctx)
	if err != nil {
		return nil
	}
	return dir.Services
}

// completed gives every command what its arguments and flags may be.
func completed(root *cobra.Command) {
	find := func(path string) *cobra.Command {
		cmd, rest, err := root.Find(strings.Fields(path))
		if err != nil || len(rest) > 0 {
			panic("zgproxy: there is no command " + path)
		}
		return cmd
	}
	for path, most := range map[string]int{
		"fund": 1, "retrieve": 50, "token create": 1, "token list": 1, "token revoke": 1, "token revoke-all": 1, "provider show": 1, "provider models": 50,
		"provider health": 50, "provider report": 1, "provider acknowledge": 1, "provider revoke": 1, "provider accept": 1,
	} {
		find(path).ValidArgsFunction = completeProviders(most)
	}
	find("explain").ValidArgsFunction = completeModels()
	for path, kinds := range map[string][]zg.ServiceType{
		"chat": {zg.Chatbot}, "image": {zg.TextToImage, zg.ImageEditing}, "transcribe": {zg.SpeechToText},
	} {
		completeModels(kinds...).flag(find(path), "model")
	}
	var names []string
	for _, t := range zg.ServiceTypes() {
		names = append(names, string(t))
	}
	types := completeWords(names...)
	types.flag(find("models"), "type")
	types.flag(find("explain"), "type")
	for _, path := range []string{"serve", "init", "doctor", "chat"} {
		completeProviders(50).flag(find(path), "provider")
	}
	completeWords(zg.NetworkNames()...).flag(find("init"), "network")
	completeWords(transcriptFormats...).flag(find("transcribe"), "format")
	completeWords("1h", "24h", "7d", "30d").flag(find("usage"), "since")
	completeWords("12h", "7d", "30d", "365d", "never").flag(find("token create"), "expires")
	for _, path := range []string{"deposit", "refund", "account", "version", "config", "models", "wallet new", "wallet address", "wallet balance", "provider list"} {
		if find(path).ValidArgsFunction == nil {
			find(path).ValidArgsFunction = cobra.NoFileCompletions
		}
	}
}
