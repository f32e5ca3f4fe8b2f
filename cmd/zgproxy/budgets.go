package main

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/config"
)

// budgets are the owner's limits in the words of the billing room.
func budgets(cfg config.Config) billing.Budgets {
	return billing.Budgets{
		Fees: billing.Budget{
			Day: capOf(cfg.BudgetFeesDay), Total: capOf(cfg.BudgetFeesTotal),
			ProviderDay: providerCaps(cfg.BudgetProviderFeesDay), ProviderTotal: providerCaps(cfg.BudgetProviderFeesTotal),
		},
		Transfers: billing.Budget{
			Day: capOf(cfg.BudgetTransfersDay), Total: capOf(cfg.BudgetTransfersTotal),
			ProviderDay: providerCaps(cfg.BudgetProviderTransfersDay), ProviderTotal: providerCaps(cfg.BudgetProviderTransfersTotal),
		},
	}
}

func capOf(c config.Cap) billing.Cap {
	if !c.Set {
		return billing.Cap{}
	}
	return billing.CapOf(c.Neuron)
}

func providerCaps(c config.ProviderCaps) billing.ProviderCaps {
	out := billing.ProviderCaps{Each: capOf(c.Each), Except: make(map[common.Address]billing.Cap, len(c.Except))}
	for p, own := range c.Except {
		out.Except[p] = capOf(own)
	}
	return out
}
