package main

import (
	"github.com/zgproxy/zgproxy/internal/zg"
)

// otherServicesBack is the way to get what zgproxy does not move.
const otherServicesBack = "ask with the official program, which lists the providers, and once more when the lock time is over: " +
	"0g-compute-cli retrieve-fund --service fine-tuning"

// otherServices is what the ledger's total has beyond what is available and in sub-accounts for inference: the ledger is one for
// all services of the network, such as fine-tuning. It is only told of, and is in no other figure and no limit.
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
