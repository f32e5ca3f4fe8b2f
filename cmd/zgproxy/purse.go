package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/route"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// purse is how the daemon in a command's own process may move money. The owner has asked for one answer, not for all of the
// sub-accounts to be looked after: so only who serves the request gets any, and each transaction is told as it happens.
type purse struct {
	say func(line string)

	mu     sync.Mutex
	opened map[common.Address]bool // who may be funded
	nudge  func()                  // has the keeper look again
	said   map[int64]*progress
	moved  []admin.Transaction // what has ended, oldest first …
	summed int                 // … and how many of it a sum was given of
}

func newPurse(say func(string)) *purse {
	return &purse{say: say, opened: make(map[common.Address]bool), said: make(map[int64]*progress), nudge: func() {}}
}

// attach gives the purse to a keeper that is about to be built, and takes what nudges it.
func (p *purse) attach(cfg *billing.KeeperConfig, nudge func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nudge = nudge
	cfg.MayFund, cfg.Notify = p.mayFund, p.notify
}

func (p *purse) mayFund(provider common.Address) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened[provider]
}

// open lets a provider be funded from now on.
func (p *purse) open(provider common.Address) {
	p.mu.Lock()
	p.opened[provider] = true
	nudge := p.nudge
	p.mu.Unlock()
	nudge()
}

// notify tells of a transaction: what was signed, and what it came to.
func (p *purse) notify(e billing.Entry) {
	tx := transactionOf(e)
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := p.said[tx.ID]
	if seen == nil {
		seen = new(progress)
		p.said[tx.ID] = seen
		p.say(fmt.Sprintf("Moving money: %s, transaction %s.", transactionInWords(&tx), tx.Hash))
	}
	if tx.Ended == nil || slices.ContainsFunc(p.moved, func(other admin.Transaction) bool { return other.ID == tx.ID }) {
		return
	}
	p.moved = append(p.moved, tx)
	how := "is confirmed"
	if tx.State != string(billing.EntryMined) {
		how = "moved nothing (" + orDash(tx.Reason) + ")"
	}
	p.say(fmt.Sprintf("Transaction %s %s; its gas was %s 0G.", tx.Hash, how, tx.GasCost.Og()))
}

// sum is what has ended since the last sum.
func (p *purse) sum() *movedReport {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := p.moved[p.summed:]
	p.summed = len(p.moved)
	return movedBy(since)
}

// all is what has ended since the command began.
func (p *purse) all() *movedReport {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return movedBy(p.moved)
}

// fund sees to it that the provider that a request would go to can serve it: where nobody who serves it has enough in his
// sub-account, the best of them gets money. It does nothing where the daemon is another process.
func (n *connection) fund(ctx context.Context, kind zg.ServiceType, model, pin string) error {
	if n.purse == nil {
		return nil
	}
	var e explainReport
	if err := n.records.Explain(ctx, route.Query{Type: kind, Model: model, Pin: pin}, &e); err != nil {
		return nil //nolint:nilerr // the answer to the request says what is the matter, and is not more than that
	}
	var r accountReport
	if err := n.records.Account(ctx, false, &r); err != nil {
		return err
	}
	best := common.Address{}
	for i := range e.Candidates {
		c := &e.Candidates[i]
		if c.Out || !common.IsHexAddress(c.Label) {
			if !c.Out {
				return nil // an endpoint of the owner's, which is not paid here
			}
			continue
		}
		who := common.HexToAddress(c.Label)
		if s := r.sub(who); serves(&s) {
			return nil
		} else if best == (common.Address{}) && s.Funding == "" {
			best = who
		}
	}
	if best == (common.Address{}) {
		return nil // nobody can be funded, and the answer to the request says why
	}
	s := r.sub(best)
	n.purse.say(fmt.Sprintf("The sub-account with %s is too low to be served. It is filled up to %s 0G, within your limits; no other provider gets money.",
		best, short(s.HighWater.Neuron)))
	n.purse.open(best)
	return n.untilFunded(ctx, best, serves)
}

// serves reports whether a provider would serve by what its sub-account holds.
func serves(s *subReport) bool {
	return s.Allowed && s.Exists && s.Acknowledged && zg.OneOG.Less(s.Locked.Neuron)
}

// untilFunded waits until a sub-account is as it should be, or is held up.
func (n *connection) untilFunded(ctx context.Context, who common.Address, enough func(*subReport) bool) error {
	ctx, cancel := context.WithTimeout(ctx, openingTime)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		var r accountReport
		if err := n.records.Account(ctx, false, &r); err == nil && r.Unfinished == nil {
			if s := r.sub(who); s.Funding != "" || enough(&s) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// served lets the provider that has served be topped up as it would be by a daemon, waits for that, and adds to the outcome
// what was moved. Whatever is not finished by then is recorded, and the next zgproxy sees it through.
func (n *connection) served(ctx context.Context, o *requestOutcome) {
	if n.purse == nil {
		return
	}
	if common.IsHexAddress(o.Provider) {
		who := common.HexToAddress(o.Provider)
		n.purse.open(who)
		if err := n.untilFunded(ctx, who, func(s *subReport) bool { return !s.Low }); err != nil {
			n.purse.say("A top-up is not finished; the next zgproxy sees it through: zgproxy account shows it.")
		}
	}
	o.Moved = n.purse.sum()
}

// movedReport is what a command has moved besides the fee.
type movedReport struct {
	Transfers    amount              `json:"transfers"` // to providers
	Deposits     amount              `json:"deposits"`  // from the wallet into the ledger
	Gas          amount              `json:"gas"`       // of all of them
	Transactions []admin.Transaction `json:"transactions"`
}

func movedBy(txs []admin.Transaction) *movedReport {
	m := &movedReport{Transactions: append([]admin.Transaction{}, txs...)}
	var transfers, deposits, gas zg.Neuron
	for i := range txs {
		tx := &txs[i]
		gas = gas.Add(tx.GasCost)
		switch {
		case tx.State != string(billing.EntryMined):
		case tx.Kind == zg.IntentTransfer:
			transfers = transfers.Add(tx.Amount)
		case tx.Kind == zg.IntentDeposit:
			deposits = deposits.Add(tx.Amount)
		}
	}
	m.Transfers, m.Deposits, m.Gas = money(transfers), money(deposits), money(gas)
	return m
}

// inWords is what was moved, in a line; empty where nothing was.
func (m *movedReport) inWords() string {
	if m == nil || len(m.Transactions) == 0 {
		return ""
	}
	text := "Moved besides: " + m.Transfers.Og + " 0G to providers"
	if !m.Deposits.Neuron.IsZero() {
		text += ", " + m.Deposits.Og + " 0G from the wallet into the ledger"
	}
	return text + "; gas " + m.Gas.Og + " 0G."
}
