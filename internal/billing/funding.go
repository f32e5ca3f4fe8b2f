package billing

import (
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Why a sub-account that is low is not topped up. The set is bounded: it labels a metric.
const (
	refusalRestored     = "store_restored" // from a copy that may not know all transactions
	refusalForeign      = "foreign_transactions"
	refusalWaiting      = "transactions_waiting" // of others; it ends by itself
	refusalContracts    = "contracts_changed"
	refusalStuck        = "transaction_stuck" // one of ours has not been mined for a while, and no other is made before
	refusalSuspended    = "provider_suspended"
	refusalAutoFund     = "auto_fund_off"
	refusalAutoFundCap  = "auto_fund_cap"
	refusalService      = "service_gone"
	refusalUnread       = "service_unread" // at the moment; it is read again at every look
	refusalSigner       = "signer_not_acknowledged"
	refusalSignerChange = "signer_changed"
	refusalConsent      = "not_acknowledged"
	refusalDraining     = "pending_refund"
	refusalDrift        = "drift"
	refusalReserve      = "reserve_too_high"
	refusalNoLedger     = "no_ledger"
	refusalLedger       = "ledger_low"
	refusalWallet       = "wallet_low"
	refusalEndpoint     = "endpoint_failed"  // when it was to be topped up, a short while ago; it is tried again
	refusalSigning      = "signing_failed"   // tried again, too
	refusalReverted     = "reverted"         // tried again, too
	refusalCancelled    = "cancelled"        // tried again, too: it was not mined in time
	refusalGas          = "gas_low"          // tried again, too: the wallet could not pay for gas
	refusalFees         = "fees_too_high"    // tried again, too: gas cost more than the owner allows
	refusalContract     = "contract_refuses" // tried again, too: the contract would have refused it, so it was not signed
	// Of a single request, which the sub-account is not low for: it costs more than can be moved.
	refusalRequest = "request_too_dear"

	// Followed by the name of a limit, such as day or provider_total.
	refusalBudget = "budget_transfers_"
)

// hintFor tells a caller, or the operator behind it, what to do about a sub-account that is low. Each names a command
// or a variable that fixes it.
func hintFor(reason string, p common.Address) string {
	switch reason {
	case "":
		return "It is not low, so no top-up is due."
	case refusalRestored:
		return "The spend store was restored from a copy, and transactions may be missing in it, so nothing is topped up. It resumes automatically when the chain has " +
			"shown for " + settleFor.String() + " that none is missing; if some are, stop zgproxy and run zgproxy restore --accept."
	case refusalForeign:
		return "The wallet has made transactions that are not from here, so nothing is topped up. If they are yours: zgproxy wallet accept. If not, someone else has your key."
	case refusalWaiting:
		return "Transactions of the wallet that were not made here wait to be mined, and a top-up now could take the place of one. It resumes automatically when they are through. zgproxy account lists them."
	case refusalContracts:
		return "The network's contracts are not the ones that this zgproxy knows: structs of theirs have other fields, and what that means for money is not known. " +
			"So nothing is topped up automatically; balances can still be used and withdrawn (zgproxy retrieve, zgproxy refund). Look for a newer zgproxy, " +
			"or move money yourself: zgproxy fund " + p.Hex() + " 3 --force."
	case refusalStuck:
		return "A transaction of the wallet has not been mined for a while, and no other is made before it. What keeps it: zgproxy account."
	case refusalSuspended:
		return fmt.Sprintf("The provider is suspended. If you trust it as it is now: zgproxy provider accept %s.", p)
	case refusalAutoFund:
		return fmt.Sprintf("Open it with a first transfer (zgproxy fund %s 3), or let zgproxy do that by setting ZGPROXY_AUTO_FUND to an amount.", p)
	case refusalAutoFundCap:
		return fmt.Sprintf("What ZGPROXY_AUTO_FUND still allows is not enough for it to be of use; raise it, or move the money yourself (zgproxy deposit 5, zgproxy fund %s 3).", p)
	case refusalService:
		return "The provider is no longer registered; use another one."
	case refusalUnread:
		return "What the provider is on chain cannot be read at the moment, so it gets no money; it is read again and again. If it lasts, look at the RPC endpoint: zgproxy doctor."
	case refusalEndpoint:
		return "The chain's endpoint failed when it was to be topped up; it is tried again in a moment. If it lasts, look at the RPC endpoint: zgproxy doctor."
	case refusalSigner:
		return "The provider waits until the contract's owner vouches for its signer, and refuses every request until then; it comes back automatically. Use another provider meanwhile."
	case refusalSignerChange:
		return fmt.Sprintf("The provider signs with another key than before. If you trust it: zgproxy provider accept %s.", p)
	case refusalConsent:
		return fmt.Sprintf("Its acknowledgement was taken back, so zgproxy does not fund it. To give it again: zgproxy provider acknowledge %s.", p)
	case refusalDraining:
		return fmt.Sprintf("A refund from it is under way, so zgproxy does not fund it. To go on using it, cancel the refund with a transfer: zgproxy fund %s 3.", p)
	case refusalDrift:
		return fmt.Sprintf("The provider has taken or claims more than what was witnessed here, and a settlement under way does not explain it. Look at zgproxy account; if it is in order: zgproxy provider accept %s.", p)
	case refusalReserve:
		return "The provider wants more left in its sub-account than ZGPROXY_MAX_RESERVE; raise that, or use another provider."
	case refusalNoLedger:
		return "The wallet has no ledger yet; open one with zgproxy deposit 5, or let zgproxy do that by setting ZGPROXY_AUTO_FUND to an amount."
	case refusalLedger:
		return "The ledger has too little left for a top-up: zgproxy deposit 5, or let zgproxy do that by setting ZGPROXY_AUTO_FUND to an amount."
	case refusalWallet:
		return "The wallet itself has too little left for a deposit above ZGPROXY_WALLET_FLOOR; send 0G to it."
	case refusalGas:
		return "The wallet cannot pay for gas; send some 0G to it."
	case refusalFees:
		return "Gas costs more at the moment than ZGPROXY_MAX_FEE_PER_GAS allows, so nothing is signed; it is retried, less and less often. If it lasts, raise that."
	case refusalSigning:
		return "A top-up could not be signed. It is retried, less and less often; zgproxy account says more."
	case refusalContract:
		return "A top-up was not signed because the contract would refuse it. It is retried, less and less often; zgproxy account says what the contract said."
	case refusalReverted:
		return "A top-up was made, and the contract refused it: it cost gas and moved nothing. It is retried, less and less often; zgproxy account names the transaction."
	case refusalCancelled:
		return "A top-up was not mined in time and was cancelled: it moved nothing. It is retried, less and less often. " +
			"If fees have risen, raise ZGPROXY_MAX_FEE_PER_GAS; zgproxy account names the transaction."
	}
	for _, l := range limits {
		if reason == refusalBudget+string(l) {
			return fmt.Sprintf("The limit %s is used up; raise it, or move the money yourself (zgproxy fund %s 1).", transferVariable(l), p)
		}
	}
	return "It is not topped up (" + reason + "); it is looked at again and again. zgproxy account says more."
}

// transferVariable is the environment variable that sets a limit in the budget of transfers.
func transferVariable(l Limit) string { return "ZGPROXY_BUDGET_" + strings.ToUpper(transferBudget(l)) }

// transferBudget is the limit's name in the budget of transfers, as metrics have it.
func transferBudget(l Limit) string {
	if name, ok := strings.CutPrefix(string(l), "provider_"); ok {
		return "provider_transfers_" + name
	}
	return "transfers_" + string(l)
}

// facts are everything a funding decision about one provider depends on.
type facts struct {
	provider   common.Address
	missing    bool // the store was restored, and transactions may be missing in it
	foreign    bool // somebody else has sent from the wallet, which nobody has accepted
	waiting    bool // somebody else's transactions of the wallet wait to be mined
	changed    bool // the contracts are not the ones that are known
	suspended  bool // it gets nothing until the owner accepts it
	account    zg.SubAccount
	exists     bool
	owed       zg.Neuron // fees not taken on chain yet, no more of them than we witnessed
	held       zg.Neuron // upper bounds of the requests under way
	drift      bool      // it has taken or claims more than that, beyond the tolerance
	reserve    zg.Neuron // what the provider wants left; zero: not known
	maxReserve zg.Neuron
	service    zg.Service
	registered bool
	unread     bool   // it could not be read at the block of the accounts
	untrusted  string // what of it is not what the owner knows: the code of a suspension, or ""
	low, high  zg.Neuron
	demand     zg.Neuron      // what a request costs that waits for money; zero: none does …
	demandKind zg.ServiceType // … and what kind it is of
	ledger     *zg.Ledger
	minLedger  zg.Neuron // smallest deposit that opens a ledger
	minAccount zg.Neuron // smallest first transfer
	spare      zg.Neuron // of the wallet, above its floor

	room      zg.Neuron // what the budgets leave for transfers …
	roomLimit Limit     // … and the limit that leaves the least
	autoFund  bool      // sub-accounts and the ledger may be opened, and the ledger filled …
	openRoom  zg.Neuron // … by first transfers of so much more
	fillRoom  zg.Neuron // … and deposits of so much more
	blocked   string    // why not to try yet: the last try failed a short while ago …
	failed    Failed    // … and how; or why something of this is not known
}

// spendable is what is left of the sub-account once everything owed and under way is paid.
func (f *facts) spendable() zg.Neuron { return f.account.Locked().Sub(f.owed).Sub(f.held) }

// water are the marks between which the sub-account is kept. A provider that wants more left than usual lifts both, as
// far as the owner goes along with that.
func (f *facts) water() (low, high zg.Neuron) {
	between := f.high.Sub(f.low)
	low = f.low.Max(f.reserve.Min(f.maxReserve).Add(between.MulDiv(1, 2)))
	if f.reserve.IsZero() {
		low = f.low
	}
	return low, f.high.Max(low.Add(between))
}

// need is what has to be there, above what is owed, for the request that waits: what it costs and what the provider
// wants left.
func (f *facts) need() zg.Neuron { return f.reserve.Min(f.maxReserve).Max(zg.OneOG).Add(f.demand) }

// decide returns what to do. An intent without a kind and with a reason means that money is needed and must not be
// moved; without a reason, that none is needed.
//
// Requests under way make a top-up come earlier, never larger: a transfer lifts the sub-account to the high-water mark
// above what is owed, and no bound that a provider's price leads to can lift it beyond.
func (f *facts) decide() (in zg.Intent, refusal string) {
	low, high := f.water()
	if f.exists && !f.spendable().Less(low) {
		return in, ""
	}
	want := high.Add(f.owed).Sub(f.account.Locked())
	// Below half the distance between the marks a transfer is not worth its gas; more will be due soon.
	step := high.Sub(low).MulDiv(1, 2).Max(zg.NeuronOf(1))
	if !f.exists {
		// What opens it is locked for a day or more, and below the low-water mark it would be low at once: that serves a
		// request or two, or with exactly what providers want left none.
		want = want.Max(f.minAccount)
		step = step.Max(f.minAccount).Max(low)
	}
	if want.Less(step) {
		return in, ""
	}
	if refusal = f.forbidden(); refusal != "" {
		return in, refusal
	}
	amount := want.Min(f.room)
	if amount.Less(step) {
		return in, refusalBudget + string(f.roomLimit)
	}
	if !f.exists {
		if amount = amount.Min(f.openRoom); amount.Less(step) {
			return in, refusalAutoFundCap
		}
	}
	if f.ledger != nil && !f.ledger.Available.Less(step) {
		return zg.Intent{Kind: zg.IntentTransfer, Provider: f.provider, Amount: amount.Min(f.ledger.Available), Opening: !f.exists}, ""
	}
	return f.deposit(amount, step)
}

// outcome is what to do, with why not where that is nothing.
func (f *facts) outcome(pv *ProviderView) (in zg.Intent) {
	in, pv.Reason = f.decide()
	in, pv.Demand = f.serve(in, pv.Reason)
	pv.Failed = Failed{}
	for _, reason := range []string{pv.Reason, pv.Demand.Reason} {
		if reason != "" && (reason == f.blocked || reason == refusalUnread) {
			pv.Failed = f.failed
		}
	}
	return in
}

// forbidden says why no money goes to the provider, whatever there is.
func (f *facts) forbidden() string {
	switch {
	case f.foreign:
		return refusalForeign
	case f.missing:
		return refusalRestored
	case f.waiting:
		return refusalWaiting
	case f.changed:
		return refusalContracts
	case f.suspended:
		return refusalSuspended
	case !f.exists && !f.autoFund:
		return refusalAutoFund
	case f.unread:
		return refusalUnread
	case !f.registered:
		return refusalService
	case !f.service.TEESignerAcknowledged, f.untrusted == zg.SuspendedUnacked:
		return refusalSigner
	case f.untrusted == zg.SuspendedSigner:
		return refusalSignerChange
	case f.untrusted != "":
		return refusalSuspended
	case f.exists && !f.account.Acknowledged:
		// A transfer would give the consent again that the owner has taken back.
		return refusalConsent
	case !f.account.PendingRefund.IsZero():
		// The owner is taking the money out; a transfer would cancel that.
		return refusalDraining
	case f.drift:
		return refusalDrift
	case f.maxReserve.Less(f.reserve):
		return refusalReserve
	}
	return f.blocked
}

// available is what the ledger has that is in no sub-account; zero where there is none.
func (f *facts) available() zg.Neuron {
	if f.ledger == nil {
		return zg.Neuron{}
	}
	return f.ledger.Available
}

// deposit fills the ledger so far that a transfer of an amount, or at least of a step, is possible next.
func (f *facts) deposit(amount, step zg.Neuron) (in zg.Intent, refusal string) {
	low, available, least := refusalLedger, f.available(), zg.Neuron{}
	if f.ledger == nil {
		low, least = refusalNoLedger, f.minLedger
	}
	if !f.autoFund {
		return in, low
	}
	least = least.Max(step.Sub(available))
	need := amount.Sub(available).Max(least)
	if need = need.Min(f.fillRoom); need.Less(least) {
		return in, refusalAutoFundCap
	}
	if need = need.Min(f.spare); need.Less(least) {
		return in, refusalWallet
	}
	return zg.Intent{Kind: zg.IntentDeposit, Amount: need}, ""
}
