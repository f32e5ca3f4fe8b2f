package main

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/chain"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// step is one transaction as it is shown before it is made.
type step struct {
	order    admin.Order
	title    string
	from, to string
	changes  []change
	notes    []string // what to know about it
	warnings []string // what looks unintended
	maxGas   zg.Neuron
	revives  bool // it may make revoked session tokens valid again
}

// change is one balance before and after.
type change struct {
	Name   string `json:"name"`
	Before amount `json:"before"`
	After  amount `json:"after"`
}

func moves(name string, before, after zg.Neuron) change {
	return change{name, money(before), money(after)}
}

// withGas adds the most that the gas can cost at the highest fees that the owner allows. What is signed is held to it. piled
// is what makes the call longer, see chain.MaxGas.
func withGas(r *accountReport, s step, piled int) step {
	s.order.MaxGas = chain.MaxGas(s.order.Intent(), piled)
	s.maxGas = r.MaxGas.Mul(s.order.MaxGas)
	spent := s.maxGas
	if s.order.Kind == zg.IntentDeposit {
		spent = spent.Add(s.order.Amount)
	}
	if r.Balance.Neuron.Less(spent) {
		s.warnings = append(s.warnings, fmt.Sprintf("The wallet's balance of %s 0G may not be enough for the gas.", short(r.Balance.Neuron)))
	}
	return s
}

func planDeposit(r *accountReport, n zg.Neuron, force bool) (step, error) {
	s := step{
		order: admin.Order{Kind: zg.IntentDeposit, Amount: n}, title: "Deposit " + n.Og() + " 0G",
		from: "wallet " + r.Wallet.Hex(), to: "its ledger",
	}
	if err := errors.Join(r.takes(zg.PartLedger, zg.PartMinimums), r.paysIn(force)); err != nil {
		return s, err
	}
	var available zg.Neuron
	if r.Ledger != nil {
		available = r.Ledger.Available.Neuron
	} else {
		s.notes = append(s.notes, "The wallet has no ledger yet; this opens it.")
		if least := r.Minimums.Ledger.Neuron; n.Less(least) {
			return s, problem(codeBelowMinimum, "Deposit at least "+least.Og()+" 0G.", "the first deposit opens the ledger, and the contract wants at least %s 0G for it", least.Og())
		}
	}
	if r.Balance.Neuron.Cmp(n) <= 0 {
		return s, problem(codeNotEnough, "Send 0G to the wallet first.", "the wallet has %s 0G, which is not enough for %s 0G and the gas", r.Balance.Og, n.Og())
	}
	s.changes = []change{moves("wallet, before gas", r.Balance.Neuron, r.Balance.Neuron.Sub(n)), moves("ledger, available", available, available.Add(n))}
	if left := r.Balance.Neuron.Sub(n); left.Less(r.Floor.Neuron) {
		s.warnings = append(s.warnings, "This leaves less in the wallet than ZGPROXY_WALLET_FLOOR ("+r.Floor.Og+" 0G), which is there for gas.")
	}
	return withGas(r, r.note(s), 0), nil
}

// planFund moves money from the ledger to a sub-account. Whoever forces it may pay somebody who sells nothing.
func planFund(r *accountReport, p providerReport, n zg.Neuron, force bool) (step, error) {
	provider := p.Provider.Address
	sub := r.sub(provider)
	s := step{
		order: admin.Order{Kind: zg.IntentTransfer, Provider: provider, Amount: n, Opening: !sub.Exists},
		title: "Fund the sub-account with " + provider.Hex() + " with " + n.Og() + " 0G", from: "ledger of " + r.Wallet.Hex(), to: "its sub-account with " + provider.Hex(),
	}
	if err := errors.Join(r.takes(zg.PartLedger, zg.PartAccounts, zg.PartMinimums), r.paysIn(force)); err != nil {
		return s, err
	}
	if p.Model != "" {
		s.to += " (" + p.Model + ")"
	}
	switch {
	case provider == r.Wallet.Address || provider == common.Address{}:
		return s, problem(codeUsage, "", "%s cannot be a provider of this wallet", provider.Hex())
	case !p.Registered && !force:
		return s, problem(codeNotRegistered, "Check the address (zgproxy provider list --all), or say --force.",
			"%s is not registered on chain as a provider; money sent to it would only be locked there", provider.Hex())
	case r.Ledger == nil:
		return s, problem(codeNoLedger, fmt.Sprintf("zgproxy deposit %s", r.Minimums.Ledger.Neuron.Max(n).Og()), "the wallet has no ledger to pay from yet")
	case !sub.Exists && n.Less(r.Minimums.Account.Neuron):
		return s, problem(codeBelowMinimum, "Fund it with at least "+r.Minimums.Account.Og+" 0G.",
			"this opens the sub-account, and the contract wants at least %s 0G for it", r.Minimums.Account.Og)
	}
	available := r.Ledger.Available.Neuron
	takes := n.Sub(sub.PendingRefund.Neuron) // a refund under way is cancelled first
	if available.Less(takes) {
		return s, problem(codeNotEnough, "zgproxy deposit "+takes.Sub(available).Og(), "the ledger has %s 0G available, and %s 0G are needed", available.Og(), takes.Og())
	}
	after := sub.Locked.Neuron.Add(n)
	s.changes = []change{moves("ledger, available", available, available.Sub(takes)), moves("sub-account", sub.Locked.Neuron, after)}
	if back := sub.PendingRefund.Neuron; !back.IsZero() {
		s.changes = append(s.changes, moves("on its way back", back, back.Sub(n)))
		s.warnings = append(s.warnings, "Money is on its way back from this sub-account. The transfer cancels that first, up to its amount, and takes only the rest from the ledger.")
	}
	if !sub.Exists {
		s.notes = append(s.notes, "This opens the sub-account and acknowledges the provider.")
	}
	if p.Registered && !p.Vouched {
		s.warnings = append(s.warnings, "The contract's owner does not vouch for this provider's signer: it refuses requests.")
	}
	if doubt := p.doubt(); doubt != "" {
		s.warnings = append(s.warnings, doubt)
	}
	if !sub.Allowed {
		s.warnings = append(s.warnings, "It is not in ZGPROXY_PROVIDERS: zgproxy sends it no requests.")
	}
	if owed := sub.owed(); after.Less(owed.Add(zg.OneOG).Add(zg.NeuronOf(1))) {
		s.warnings = append(s.warnings, "Providers serve only while about 1 0G is left beyond what they are owed; this leaves less.")
	}
	return withGas(r, r.note(s), 0), nil
}

func (s *subReport) owed() zg.Neuron {
	if s.Owed == nil {
		return zg.Neuron{}
	}
	return s.Owed.Neuron
}

func planRefund(r *accountReport, n zg.Neuron, all bool) (step, error) {
	s := step{from: "ledger of " + r.Wallet.Hex(), to: "wallet " + r.Wallet.Hex()}
	if err := r.takes(zg.PartLedger); err != nil {
		return s, err
	}
	if r.Ledger == nil {
		return s, problem(codeNoLedger, "", "the wallet has no ledger, so there is nothing to take back")
	}
	available, total, least := r.Ledger.Available.Neuron, r.Ledger.Total.Neuron, r.Minimums.Ledger.Neuron // zero: unread
	if all {
		n = available
	}
	elsewhere := total.Sub(available)
	rest := available.Sub(n)
	switch {
	case all && n.IsZero() && r.Ledger.Other != nil && r.Ledger.Other.Neuron == elsewhere:
		return s, problem(codeNothing, "To get them, "+otherServicesBack+".", "nothing is available in the ledger; %s 0G are in sub-accounts of another service", short(elsewhere))
	case all && n.IsZero() && !elsewhere.IsZero():
		return s, problem(codeNothing, "Get that first: zgproxy retrieve --all", "nothing is available in the ledger; %s 0G are in sub-accounts", short(elsewhere))
	case n.IsZero():
		return s, problem(codeNothing, "", "there is nothing in the ledger")
	case available.Less(n):
		hint := "Ask for less, or --all."
		if !elsewhere.IsZero() {
			hint = fmt.Sprintf("Ask for less, or get what is in sub-accounts (%s 0G) first: zgproxy retrieve --all", short(elsewhere))
		}
		return s, problem(codeNotEnough, hint, "the ledger has only %s 0G available", available.Og())
	case !rest.IsZero() && rest.Less(least):
		hint := "Take everything with --all."
		if least.Less(available) {
			hint = fmt.Sprintf("Take at most %s 0G, or everything with --all.", available.Sub(least).Og())
		}
		return s, problem(codeBelowMinimum, hint, "this would leave %s 0G in the ledger, and the contract wants nothing or at least %s 0G left there", rest.Og(), least.Og())
	}
	s.order, s.title = admin.Order{Kind: zg.IntentRefund, Amount: n}, "Refund "+n.Og()+" 0G"
	s.changes = []change{moves("ledger, available", available, rest), moves("wallet, before gas", r.Balance.Neuron, r.Balance.Neuron.Add(n))}
	closed := 0
	switch {
	case n == total:
		closed = len(r.Accounts)
		revived, unknown := r.revived()
		if s.revives = unknown || len(revived) > 0; unknown {
			closed = mostAccounts
			s.warnings = append(s.warnings, "The sub-accounts cannot be read. If session tokens of theirs are revoked, the contract forgets that with them, "+
				"and they would be valid again.")
		}
		s.warnings = append(s.warnings, "Nothing is left then, so the contract closes the ledger and its empty sub-accounts.")
		for _, p := range revived {
			s.warnings = append(s.warnings, "With the sub-account the contract forgets which session tokens are revoked; they would be valid again. First: zgproxy token revoke-all "+p.Hex())
		}
	case rest.IsZero():
		s.notes = append(s.notes, fmt.Sprintf("The ledger stays open: %s 0G are in sub-accounts.", short(elsewhere)))
	}
	return withGas(r, r.note(s), closed), nil
}

// mostAccounts is how many sub-accounts the contract lets a wallet have.
const mostAccounts = 50

// planAcknowledge has nothing to do where the wallet's consent is there already.
func planAcknowledge(r *accountReport, provider common.Address) (_ step, needed bool, _ error) {
	sub := r.sub(provider)
	s := step{
		order: admin.Order{Kind: zg.IntentAcknowledge, Provider: provider}, title: "Acknowledge " + provider.Hex(), from: "wallet " + r.Wallet.Hex(), to: "the inference contract",
		notes: []string{"No money moves but the gas. The next transfer to it would do the same."},
	}
	if err := r.takes(zg.PartAccounts); err != nil {
		return s, false, err
	}
	if !sub.Exists {
		return s, false, problem(codeNoAccount, "zgproxy fund "+provider.Hex()+" "+r.Minimums.Account.Neuron.Max(zg.OneOG.Mul(2)).Og()+" opens one, and acknowledges it.",
			"the wallet has no sub-account with %s", provider.Hex())
	}
	return withGas(r, s, 0), !sub.Acknowledged, nil
}

// planWithdraw takes the wallet's consent back. The contract wants the sub-account to be empty for it.
func planWithdraw(r *accountReport, provider common.Address) (_ step, needed bool, _ error) {
	sub := r.sub(provider)
	s := step{
		order: admin.Order{Kind: zg.IntentWithdraw, Provider: provider}, title: "Take back the consent to " + provider.Hex(), from: "wallet " + r.Wallet.Hex(), to: "the inference contract",
		notes: []string{"No money moves but the gas. It can take no more fees then, and refuses requests. The next transfer to it gives the consent again."},
	}
	if err := r.takes(zg.PartAccounts); err != nil {
		return s, false, err
	}
	if sub.Allowed {
		s.warnings = append(s.warnings, "It is in ZGPROXY_PROVIDERS: take it out there, too.")
	}
	switch left := sub.Locked.Neuron.Add(sub.PendingRefund.Neuron); {
	case !sub.Exists || !sub.Acknowledged:
		return s, false, nil
	case !left.IsZero():
		return s, false, problem(codeNotEmpty, "Get it back first: zgproxy retrieve "+provider.Hex()+", and again a day later.",
			"there are %s 0G in the sub-account with %s, and the contract keeps the consent as long as there is anything", short(left), provider.Hex())
	}
	return withGas(r, s, 0), true, nil
}

const providersForget = "No money moves but the gas. A provider may take up to 10 minutes to notice."

// planRevokeAll ends all session tokens, the daemon's own too.
func planRevokeAll(r *accountReport, provider common.Address) (step, error) {
	sub := r.sub(provider)
	s := step{
		order: admin.Order{Kind: zg.IntentRevokeAll, Provider: provider}, title: "Revoke all session tokens for " + provider.Hex(), from: "wallet " + r.Wallet.Hex(), to: "the inference contract",
		notes: []string{
			fmt.Sprintf("Generation %d ends, %d begins: every token made so far is refused, whoever made it.", sub.Generation, sub.Generation+1),
			providersForget,
		},
		warnings: []string{"The daemon makes new tokens for itself. Until the provider has noticed, it refuses those, and with them requests."},
	}
	if err := r.takes(zg.PartAccounts); err != nil {
		return s, err
	}
	if !sub.Exists {
		return s, problem(codeNoAccount, "zgproxy account lists the sub-accounts.", "the wallet has no sub-account with %s, so there are no tokens for it", provider.Hex())
	}
	return withGas(r, s, 0), nil
}
