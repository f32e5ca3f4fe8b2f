package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// What one transaction does for several at once: money comes back from up to zg.MostRetrieved sub-accounts, and session tokens
// for a provider are revoked together.

// liveRefunds is how many refunds of one sub-account the contract lets wait.
const liveRefunds = 5

const warnRetrieved = "From now on %s nothing, and it can still take what it is owed. A transfer to it meanwhile cancels the refund."

// planRetrieve gets money back from sub-accounts, and fails where one of them has nothing to give.
func planRetrieve(r *accountReport, providers ...common.Address) ([]step, error) {
	if err := r.takes(zg.PartAccounts); err != nil {
		return nil, err
	}
	var subs []subReport
	for _, p := range providers {
		sub := r.sub(p)
		if err := r.retrievable(&sub); err != nil {
			return nil, err
		}
		subs = append(subs, sub)
	}
	return r.retrieve(subs), nil
}

// planRetrieveAll retrieves from every sub-account where there is something to do.
func planRetrieveAll(r *accountReport) ([]step, error) {
	if err := r.takes(zg.PartAccounts); err != nil {
		return nil, err
	}
	var subs []subReport
	var later []string
	var soonest time.Duration
	for i := range r.Accounts {
		sub := &r.Accounts[i]
		if r.retrievable(sub) == nil {
			subs = append(subs, *sub)
			continue
		}
		if _, wait := sub.ripe(); wait > 0 {
			later = append(later, fmt.Sprintf("%s is left out: %s 0G are on their way back already, the next in %s.", sub.Provider.Hex(), short(sub.PendingRefund.Neuron), inWords(wait)))
			if soonest == 0 || wait < soonest {
				soonest = wait
			}
		}
	}
	switch {
	case len(subs) > 0:
		steps := r.retrieve(subs)
		steps[0].notes = append(steps[0].notes, later...)
		return steps, nil
	case soonest > 0:
		return nil, problem(codeNothing, "Run the same command again then.", "everything is on its way back already; the next part is free in %s", inWords(soonest))
	}
	return nil, problem(codeNothing, "", "there is nothing in any sub-account")
}

// retrievable says why there is nothing to get from a sub-account now.
func (r *accountReport) retrievable(sub *subReport) error {
	p := sub.Provider.Hex()
	if !sub.Exists {
		return problem(codeNoAccount, "zgproxy account lists the sub-accounts.", "the wallet has no sub-account with %s", p)
	}
	if !r.knows(zg.PartLockTime) { // nor whether anything is free
		return nil
	}
	ripe, wait := sub.ripe()
	locked, waiting := sub.Locked.Neuron, 0
	for _, f := range sub.Refunds {
		if f.Wait > 0 {
			waiting++
		}
	}
	switch {
	case ripe.IsZero() && locked.IsZero() && waiting > 0:
		return problem(codeNothing, "Run the same command again then.", "%s 0G are on their way back from %s already, and free in %s", short(sub.PendingRefund.Neuron), p, inWords(wait))
	case ripe.IsZero() && locked.IsZero():
		return problem(codeNothing, "", "there is nothing in the sub-account with %s", p)
	case waiting >= liveRefunds && !locked.IsZero():
		return problem(codeRefunds, "Wait for one to become free, or cancel the newest with zgproxy fund.",
			"%d refunds from %s wait already, and the contract allows no more; the next is free in %s", waiting, p, inWords(wait))
	}
	return nil
}

// retrieve takes sub-accounts together, as many as the contract allows. What a step shows is what the steps before it leave.
func (r *accountReport) retrieve(subs []subReport) []step {
	var available zg.Neuron
	if r.Ledger != nil {
		available = r.Ledger.Available.Neuron
	}
	var steps []step
	for some := range slices.Chunk(subs, zg.MostRetrieved) {
		s, paid := r.retrieveTogether(some, available)
		available = available.Add(paid)
		steps = append(steps, s)
	}
	return steps
}

// retrieveTogether is one transaction; paid is what it brings into the ledger at once, as far as that can be known.
func (r *accountReport) retrieveTogether(subs []subReport, available zg.Neuron) (s step, paid zg.Neuron) {
	first := subs[0].Provider
	s = step{
		order: admin.Order{Kind: zg.IntentRetrieve, Provider: first.Address}, title: "Retrieve what is in the sub-account with " + first.Hex(),
		from: "sub-account with " + first.Hex(), to: "ledger of " + r.Wallet.Hex(),
	}
	if len(subs) > 1 {
		s.title = fmt.Sprintf("Retrieve what is in %d sub-accounts, in one transaction", len(subs))
		s.from = fmt.Sprintf("sub-accounts with %d providers", len(subs))
	}
	timed := r.knows(zg.PartLockTime)
	var asked zg.Neuron
	piled := 0
	for i := range subs {
		sub := &subs[i]
		name, back := "sub-account", "on its way back"
		if len(subs) > 1 {
			name, back = "sub-account with "+sub.Provider.Hex(), "on its way back from "+sub.Provider.Hex()
		}
		if i > 0 {
			s.order.Also = append(s.order.Also, sub.Provider.Address)
		}
		locked, pending := sub.Locked.Neuron, sub.PendingRefund.Neuron
		asked, piled = asked.Add(locked), piled+len(sub.Refunds)
		if !locked.IsZero() || !timed {
			s.changes = append(s.changes, moves(name, locked, zg.Neuron{}))
		}
		if !timed {
			s.changes = append(s.changes, moves(back+", at most", pending, pending.Add(locked)))
			continue
		}
		ripe, _ := sub.ripe()
		paid = paid.Add(ripe)
		s.changes = append(s.changes, moves(back, pending, pending.Sub(ripe).Add(locked)))
	}
	if !paid.IsZero() && r.Ledger != nil {
		s.changes = append(s.changes, moves("ledger, available", available, available.Add(paid)))
		s.notes = append(s.notes, paid.Og()+" 0G were asked back earlier and are paid out now.")
	}
	switch {
	case !timed:
		s.notes = append(s.notes, "How long the contract holds it cannot be read: what was asked back long enough ago is paid out now, and for the rest "+
			"run the same command again later, a day on the network.")
	case !asked.IsZero():
		s.notes = append(s.notes, fmt.Sprintf("%s 0G are asked back now. They are free in %s: run the same command again then.", asked.Og(), inWords(time.Duration(r.LockTime)*time.Second)))
	}
	if !timed || !asked.IsZero() {
		who := "the provider serves"
		if len(subs) > 1 {
			who = "each of the providers that money is asked back from serves"
		}
		s.warnings = append(s.warnings, fmt.Sprintf(warnRetrieved, who))
	}
	return withGas(r, r.note(s), piled), paid
}

// planRevoke ends persistent session tokens, all in one transaction. There is nothing to do where all are revoked already.
func planRevoke(r *accountReport, provider common.Address, ids []int) ([]step, error) {
	sub := r.sub(provider)
	if err := r.takes(zg.PartAccounts); err != nil {
		return nil, err
	}
	if !sub.Exists {
		return nil, problem(codeNoAccount, "zgproxy account lists the sub-accounts.", "the wallet has no sub-account with %s, so there are no tokens for it", provider.Hex())
	}
	var already []int
	ids = slices.DeleteFunc(slices.Clone(ids), func(id int) bool {
		gone := slices.Contains(sub.Revoked, id)
		if gone {
			already = append(already, id)
		}
		return gone
	})
	if len(ids) == 0 {
		return nil, nil
	}
	s := step{
		order: admin.Order{Kind: zg.IntentRevoke, Provider: provider, TokenIDs: ids},
		title: fmt.Sprintf("Revoke session %s for %s", tokensInWords(ids), provider.Hex()), from: "wallet " + r.Wallet.Hex(), to: "the inference contract",
		notes: []string{providersForget},
	}
	if len(already) > 0 {
		s.notes = append(s.notes, "Revoked already: "+tokensInWords(already)+".")
	}
	return []step{withGas(r, s, 0)}, nil
}
