package main

import (
	"strings"

	"rsc.io/qr"

	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// What somebody has to know once, at the end of the set-up: the local key, and how money gets into the wallet.

// tellKey shows the key that callers have to present. On a terminal only: what goes elsewhere is kept in logs.
func (s *setup) tellKey() {
	switch {
	case s.localKey == "":
	case s.c.shown:
		s.c.printf("\nThe local key, which your programs present as their API key (it is in %s, and not shown again):\n  %s\n", s.out, s.localKey)
	default:
		s.c.printf("\nThe local key, which your programs present as their API key, is in %s.\n", s.out)
	}
}

// wanted is what the wallet needs so that requests can be served: what opens a ledger, or fills the sub-accounts with those who
// were chosen, and what stays for gas.
func (s *setup) wanted(cfg *config.Config) zg.Neuron {
	var fill, least zg.Neuron
	for _, p := range cfg.Providers {
		fill = fill.Add(cfg.HighWater.For(p))
	}
	if len(cfg.Providers) == 0 {
		fill = cfg.HighWater.Each.Neuron
	}
	if s.held != nil {
		least = s.held.MinLedger
	}
	return fill.Max(least).Add(cfg.WalletFloor.Neuron)
}

// tellFunding says how to pay into the wallet, unless it is known to have enough.
func (s *setup) tellFunding(cfg *config.Config) {
	needed := s.wanted(cfg)
	if s.held != nil && !s.create {
		has := s.held.Wallet
		if s.held.Ledger != nil {
			has = has.Add(s.held.Ledger.Total)
		}
		if !has.Less(needed) {
			return
		}
	}
	n, _ := zg.NetworkNamed(s.report.Network)
	s.c.printf("\nSend 0G of %s (chain %d) to the wallet; %s 0G are enough to begin with:\n  %s\n", n.Name, cfg.ChainID, short(needed), s.address.Hex())
	if s.c.shown {
		s.c.printf("%s", styled(qrCode(s.address.Hex())))
	}
	if n.Faucet != "" {
		s.c.printf("It is given away: %s %s\n", n.Faucet, s.address.Hex())
	}
	s.c.printf("It stays yours: what is not spent comes back with zgproxy retrieve and zgproxy refund.\n")
}

// qrCode draws a text for a camera that looks at a terminal, two rows of it in each line: light on dark as most terminals are
// would be read by few, so the light parts are drawn. Empty: the text is too long for one.
func qrCode(text string) string {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return ""
	}
	const quiet = 2                                           // light modules around it
	light := func(x, y int) bool { return !code.Black(x, y) } // outside of it nothing is black
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString("  ")
		for x := -quiet; x < code.Size+quiet; x++ {
			upper, lower := light(x, y), light(x, y+1) && y+1 < code.Size+quiet
			switch {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
