package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// lookupTimeout bounds how long the chain is waited for. Without it one can go on.
const lookupTimeout = 15 * time.Second

// read reads services and the wallet's balance from the chain.
func (s *setup) read(ctx context.Context) (zg.Holdings, error) {
	cfg, err := s.config()
	if err != nil {
		return zg.Holdings{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	client, dir, err := readServices(ctx, cfg, s.address)
	if err != nil {
		return zg.Holdings{}, err
	}
	s.services = dir.Services
	return client.Holdings(ctx) // of nobody where there is no wallet yet: what the contracts want of everybody
}

// config is what the answers so far amount to.
func (s *setup) config() (config.Config, error) {
	var text strings.Builder
	for _, kv := range s.env {
		if kv[0] != config.Prefix+"KEYSTORE_PASSWORD" { // its file is not there yet
			fmt.Fprintf(&text, "%s=%s\n", kv[0], kv[1])
		}
	}
	cfg, sources, err := config.FromText(text.String())
	if err != nil {
		return cfg, usageError{err}
	}
	return cfg, cfg.FillNetwork(sources)
}

// yours is what the wallet has with a provider already; empty: nothing.
func yours(accounts map[common.Address]zg.SubAccount, p common.Address) string {
	if a, ok := accounts[p]; ok && !a.Balance.IsZero() {
		return short(a.Balance) + " 0G"
	}
	return ""
}

func (s *setup) chooseProviders(ctx context.Context, _ officialImport) error {
	s.c.printf("%s\n", s.c.paint(styleDim, "Reading the chain …"))
	h, err := s.read(ctx)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		s.held = nil
		s.warn("the chain cannot be read now: %v", err)
	case s.address != (common.Address{}):
		s.c.printf("In the wallet: %s 0G", short(h.Wallet))
		if h.Ledger != nil {
			s.c.printf(", and in its ledger %s 0G, %s of it available", short(h.Ledger.Total), short(h.Ledger.Available))
		}
		s.c.printf(".\n")
	}
	if err == nil {
		s.held = &h
	}
	var list []zg.Service
	for _, svc := range s.services {
		if svc.TEESignerAcknowledged {
			list = append(list, svc)
		}
	}
	slices.SortFunc(list, func(a, b zg.Service) int {
		return strings.Compare(string(a.Type)+"\x00"+a.Model+a.Provider.Hex(), string(b.Type)+"\x00"+b.Model+b.Provider.Hex())
	})
	if len(s.flags.providers) == 0 && !s.flags.yes && len(list) > 0 {
		s.c.printf("\n%s\n", s.c.paint(styleHead, "The providers that may be paid. Anybody can register; choose those that you know, or that you are ready to try."))
		var t table
		t.whole = true
		with := slices.ContainsFunc(list, func(svc zg.Service) bool { return yours(h.Accounts, svc.Provider) != "" })
		heads := []any{"", "PROVIDER", "TYPE", "MODEL", "PRICE IN 0G"}
		if with {
			heads = append(heads, "YOURS IN IT")
		}
		t.head(heads...)
		for i, svc := range list {
			p := providerReport{Type: string(svc.Type), Registered: true, InputPrice: svc.InputPrice, OutputPrice: svc.OutputPrice}
			cells := []any{strconv.Itoa(i + 1), svc.Provider.Hex(), oneLine(p.Type), oneLine(svc.Model), p.price()}
			if with {
				cells = append(cells, yours(h.Accounts, svc.Provider))
			}
			t.row(cells...)
		}
		s.c.show(&t)
	}
	parse := func(a string) (out []common.Address, err error) {
		for word := range strings.FieldsFuncSeq(a, func(r rune) bool { return r == ',' || r == ' ' }) {
			if n, err := strconv.Atoi(word); err == nil && len(word) < 5 {
				if n < 1 || n > len(list) {
					return nil, fmt.Errorf("numbers are from 1 to %d", len(list))
				}
				out = append(out, list[n-1].Provider)
				continue
			}
			p, err := parseProvider(word)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
		return out, nil
	}
	answer, err := s.ask(ctx, "Which (numbers or addresses, separated by commas; nothing for none yet)", "", strings.Join(s.flags.providers, ","), func(a string) error {
		_, err := parse(a)
		return err
	})
	if err != nil {
		return err
	}
	chosen, err := parse(answer)
	if err != nil {
		return err
	}
	var names []string
	for i, p := range chosen { // in the order in which they were named: it is that of ZGPROXY_ROUTING=priority
		if slices.Contains(chosen[:i], p) {
			continue
		}
		names = append(names, p.Hex())
		s.report.Providers = append(s.report.Providers, admin.Address{Address: p})
		if _, ok := zg.ServiceOf(s.services, p); !ok && len(s.services) > 0 {
			s.warn("%s is not registered as a provider", p.Hex())
		}
	}
	if len(names) > 0 {
		s.set("PROVIDERS", strings.Join(names, ","))
	}
	s.c.printf("\n")
	return nil
}
