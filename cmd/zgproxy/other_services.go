package main

import (
	"github.com/zgproxy/zgproxy/internal/zg"
)

// otherServices is what the ledger's total has beyond what is available and in sub-accounts for inference: the ledger is one for
// all services of the network, such as fine-tuning. It is only told of, and is in no figure and no limit.
func otherServices(h *zg.Holdings) (rest zg.Neuron) {
	if _, unread := h.Unread[zg.PartAccounts]; unread || h.Ledger == nil {
		return zg.Neuron{}
	}
	known := h.Ledger.Available
	for _, a := range h.Accounts {
		known = known.Add(a.Balance)
	}
	return h.Ledger.Total.Sub(known)
}

func otherServicesWarning(h *zg.Holdings) string {
	rest := otherServices(h)
	if rest.IsZero() {
		return ""
	}
	return rest.Og() + " 0G of the ledger's total are in sub-accounts of another service than inference, such as fine-tuning. zgproxy " +
		"neither uses nor moves them. To have them back in the ledger: 0g-compute-cli retrieve-fund --service fine-tuning --provider " +
		"ADDRESS, for each of its providers, once to ask, and again when the lock time is over."
}
