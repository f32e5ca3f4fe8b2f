package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// amount is money in JSON: the exact number of neuron, and 0G beside it for reading.
type amount struct {
	Neuron zg.Neuron `json:"neuron"`
	Og     string    `json:"0g"`
}

func money(n zg.Neuron) amount { return amount{n, n.Og()} }

// accountReport is everything the wallet has, and what is about to happen with it. It is the JSON of "zgproxy account".
type accountReport struct {
	Network   string        `json:"network"`
	Wallet    admin.Address `json:"wallet"`
	Source    string        `json:"source"` // daemon: what it saw last; chain: read for this report
	Block     uint64        `json:"block"`
	BlockTime time.Time     `json:"block_time"`
	ReadAt    time.Time     `json:"read_at"`

	Balance  amount         `json:"balance"`
	Ledger   *ledgerReport  `json:"ledger"` // null: the wallet has none
	Accounts []subReport    `json:"accounts"`
	Minimums minimumsReport `json:"minimums"`
	LockTime int64          `json:"lock_seconds"` // between asking a sub-account's money back and getting it
	Floor    amount         `json:"wallet_floor"` // automatic deposits leave it in the wallet
	MaxGas   zg.Neuron      `json:"max_fee_per_gas_neuron"`
	// Confirmations is how many blocks deep a transaction has to be, its own included, to count as final.
	Confirmations uint64 `json:"confirmations"`

	Limits     []limitReport      `json:"limits"`
	Unfinished *admin.Transaction `json:"unfinished"`        // null: nothing is under way
	Foreign    *admin.Foreign     `json:"foreign"`           // made elsewhere with the wallet's key, and not accepted; null: nothing
	Waiting    *admin.Waiting     `json:"waiting"`           // what of the wallet waits to be mined and was not made here; null: nothing
	Unread     map[string]string  `json:"unread"`            // what could not be read, and is not known, with why
	Changed    []string           `json:"contracts_changed"` // what of the contracts is not as this zgproxy knows it, in words; null: nothing
	Warnings   []string           `json:"warnings"`
}

type ledgerReport struct {
	Available amount `json:"available"`
	Total     amount `json:"total"` // with what is in sub-accounts
	// Other is what is in sub-accounts of other services, such as fine-tuning; absent: none, or that cannot be read.
	Other *amount `json:"other_services,omitempty"`
}

type minimumsReport struct {
	Ledger  amount `json:"ledger"`  // opens a ledger, and is the least that a refund may leave in it
	Account amount `json:"account"` // the smallest first transfer to a provider
}

// limitReport is one of the owner's caps.
type limitReport struct {
	Name     string         `json:"name"` // the variable
	For      string         `json:"for,omitempty"`
	Provider *admin.Address `json:"provider,omitempty"` // absent: all together
	Limit    amount         `json:"limit"`
	Used     amount         `json:"used"`
	Left     amount         `json:"left"` // for requests under way something may be held of it
}

// subReport is one provider: one that is allowed, or one with a sub-account, or both.
type subReport struct {
	Provider      admin.Address  `json:"provider"`
	Model         string         `json:"model,omitempty"`
	Type          string         `json:"service_type,omitempty"`
	Allowed       bool           `json:"allowed"` // it is one of ZGPROXY_PROVIDERS
	Registered    bool           `json:"registered"`
	Vouched       bool           `json:"signer_acknowledged"` // by the contract's owner
	Exists        bool           `json:"exists"`              // there is a sub-account
	Acknowledged  bool           `json:"acknowledged"`        // by the wallet
	Locked        amount         `json:"locked"`              // what the provider may count on
	Generation    uint64         `json:"token_generation"`    // of session tokens; those of another one are refused
	Revoked       []int          `json:"revoked_token_ids"`   // of this generation, by the contract
	PendingRefund amount         `json:"pending_refund"`
	Refunds       []refundReport `json:"refunds"`
	Owed          *amount        `json:"owed"`  // by the book: fees not taken on chain yet; null: not known without a daemon
	Drift         *amount        `json:"drift"` // taken or claimed beyond what was witnessed; null: not known without a daemon
	// DriftTaken is what of the drift the chain shows; the rest is claimed only. Null: not known without a daemon.
	DriftTaken *amount    `json:"drift_taken"`
	DriftSince *time.Time `json:"drift_since"` // when the daemon saw it first; null: there is none
	// Watched is claimed beyond what was witnessed, and no drift yet: a settlement may be under way. Null as drift.
	Watched      *amount    `json:"watched"`
	WatchedSince *time.Time `json:"watched_since"` // when that began; null: there is none
	// Unclaimed is recorded, and at rest neither taken nor claimed. Null as drift.
	Unclaimed   *amount       `json:"unclaimed"`
	Signer      admin.Address `json:"signer"`
	OtherSigner bool          `json:"signer_changed"` // it is not the one that was first seen, or accepted
	Pinned      *admin.Pin    `json:"pinned"`         // what it is trusted as; null: nothing yet
	Current     *admin.Pin    `json:"current"`        // what it is now; null: it is not registered
	// Suspended is why it gets neither requests nor money until it is accepted; null: it does.
	Suspended *admin.Suspension `json:"suspended"`
	Held      amount            `json:"held"` // upper bounds of the requests under way
	LowWater  amount            `json:"low_water"`
	HighWater amount            `json:"high_water"`
	Low       bool              `json:"low"`
	Runway    *int64            `json:"runway_seconds,omitempty"` // how long it lasts at the recent rate; absent: nothing is spent, or no daemon runs
	Waiting   string            `json:"waiting,omitempty"`        // what it waits for: until then it serves nobody; it comes back automatically
	Funding   string            `json:"funding,omitempty"`        // why it is low and not topped up: a code, and in words:
	Note      string            `json:"note,omitempty"`
}

type refundReport struct {
	Amount  amount    `json:"amount"`
	AskedAt time.Time `json:"asked_at"`
	FreeAt  time.Time `json:"free_at"`
	Wait    int64     `json:"wait_seconds"` // by the chain's clock; 0: it can be taken
}

// ripe is what can be taken now, and wait how long the next refund takes; 0 if there is none that waits.
func (s *subReport) ripe() (sum zg.Neuron, wait time.Duration) {
	for _, r := range s.Refunds {
		left := time.Duration(r.Wait) * time.Second
		switch {
		case left == 0:
			sum = sum.Add(r.Amount.Neuron)
		case wait == 0 || left < wait:
			wait = left
		}
	}
	return sum, wait
}

// sub finds a provider in the report; the zero value with only its address where it is not in it.
func (r *accountReport) sub(p common.Address) subReport {
	if i := slices.IndexFunc(r.Accounts, func(s subReport) bool { return s.Provider.Address == p }); i >= 0 {
		return r.Accounts[i]
	}
	return subReport{Provider: admin.Address{Address: p}}
}

// balances are what a report is made of, from wherever they are known.
type balances struct {
	source   string
	wallet   common.Address
	readAt   time.Time
	holdings zg.Holdings
	services []zg.Service
	view     map[common.Address]billing.ProviderView // nil: no daemon runs
	book     *billing.Book                           // nil: it could not be read

	suspended map[common.Address]zg.Suspension // for the list of providers

	noServices error // why those could not be read
	// unconfirmed is why it is not known that the contracts belong together; nil: they do.
	unconfirmed error
	changed     []string // what of the contracts is not as it is known, in words
}

func report(cfg config.Config, b balances) accountReport {
	h := b.holdings
	out := accountReport{
		Network: cfg.Network, Wallet: admin.Address{Address: b.wallet}, Source: b.source, Block: h.Block, BlockTime: h.BlockTime.UTC(), ReadAt: b.readAt.UTC(),
		Balance: money(h.Wallet), Accounts: []subReport{}, LockTime: int64(h.LockTime / time.Second),
		Minimums: minimumsReport{money(h.MinLedger), money(h.MinAccount)}, MaxGas: cfg.MaxFeePerGas.Neuron, Confirmations: uint64(cfg.Confirmations), Floor: money(cfg.WalletFloor.Neuron),
		Limits: []limitReport{}, Warnings: []string{},
	}
	out.noteUnread(b)
	if h.Ledger != nil {
		out.Ledger = &ledgerReport{Available: money(h.Ledger.Available), Total: money(h.Ledger.Total)}
	}
	if rest := otherServices(&h); !rest.IsZero() {
		other := money(rest)
		out.Ledger.Other = &other
		out.Warnings = append(out.Warnings, other.Og+" 0G of the ledger's total are in sub-accounts of another service than inference, such as fine-tuning. "+
			"zgproxy neither uses nor moves them. To have them back in the ledger, "+otherServicesBack+".")
	}
	all := maps.Collect(maps.All(h.Accounts))
	for _, p := range cfg.Providers {
		if _, ok := all[p]; !ok {
			all[p] = zg.SubAccount{}
		}
	}
	for p, account := range all {
		_, exists := h.Accounts[p]
		out.Accounts = append(out.Accounts, subAccount(cfg, b, p, account, exists))
	}
	slices.SortFunc(out.Accounts, func(a, b subReport) int {
		if a.Allowed != b.Allowed {
			if a.Allowed {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(a.Model, b.Model), a.Provider.Cmp(b.Provider.Address))
	})
	return out
}

func subAccount(cfg config.Config, b balances, p common.Address, account zg.SubAccount, exists bool) subReport {
	s := subReport{
		Provider: admin.Address{Address: p}, Allowed: slices.Contains(cfg.Providers, p), Exists: exists, Acknowledged: account.Acknowledged,
		Locked: money(account.Locked()), PendingRefund: money(account.PendingRefund), Refunds: []refundReport{},
		LowWater: money(cfg.LowWater.For(p)), HighWater: money(cfg.HighWater.For(p)), Held: money(zg.Neuron{}),
	}
	s.Generation, s.Revoked = account.Generation, revokedIDs(account.RevokedBitmap)
	if svc, ok := zg.ServiceOf(b.services, p); ok {
		s.Registered, s.Model, s.Type, s.Vouched = true, svc.Model, string(svc.Type), svc.TEESignerAcknowledged
		s.Signer = admin.Address{Address: svc.TEESigner}
		s.Current = pinReport(zg.PinOf(svc, time.Time{}))
		s.Waiting = svc.WaitingFor()
	}
	for _, r := range account.Refunds {
		free := r.CreatedAt.Add(b.holdings.LockTime)
		s.Refunds = append(s.Refunds, refundReport{
			Amount: money(r.Amount), AskedAt: r.CreatedAt.UTC(), FreeAt: free.UTC(), Wait: int64(max(0, free.Sub(b.holdings.BlockTime)) / time.Second),
		})
	}
	left := account.Locked()
	if b.book != nil {
		s.Held = money(b.book.Provider(p).Held)
		left = left.Sub(s.Held.Neuron)
	}
	hint := ""
	if v, ok := b.view[p]; ok {
		hint = v.Hint(p)
		owed, drift := money(v.Owed), money(v.Drift)
		taken, watched, unclaimed := money(v.DriftTaken), money(v.Watched), money(v.Unclaimed)
		s.Owed, s.Drift, s.Funding = &owed, &drift, v.Reason
		s.DriftTaken, s.DriftSince, s.Watched, s.WatchedSince = &taken, timeOrNil(v.DriftSince), &watched, timeOrNil(v.WatchedSince)
		s.Unclaimed = &unclaimed
		s.LowWater, s.HighWater = money(v.LowWater), money(v.HighWater) // with the reserve it has asked for
		left = left.Sub(v.Owed)
	}
	s.Low = left.Less(s.LowWater.Neuron)
	s.Note = note(&s, hint, b.view != nil)
	return s
}

// timeOrNil is nil for the zero time.
func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// note says in words what is going to happen to a sub-account, or what keeps it from happening; hint says it where it is low
// and not topped up.
func note(s *subReport, hint string, daemon bool) string {
	switch {
	case !s.Allowed:
		return "It is not in ZGPROXY_PROVIDERS: never used, and never topped up."
	case s.Funding != "":
		return hint
	case !s.Registered:
		return "It is not registered on chain, so it serves nobody."
	case !s.Vouched:
		return "The contract's owner does not vouch for its signer, so it refuses requests."
	case !s.PendingRefund.Neuron.IsZero():
		return "Money is on its way back to the ledger; it is not topped up meanwhile."
	case !s.Exists:
		return "There is no sub-account yet; the first transfer to it opens one."
	case !s.Acknowledged:
		return "It is not acknowledged by the wallet; a transfer does that."
	case s.Low && daemon:
		return "It is low; a top-up to " + short(s.HighWater.Neuron) + " 0G is expected."
	case s.Low:
		return "It is low; zgproxy serve tops it up to " + short(s.HighWater.Neuron) + " 0G."
	}
	return ""
}
