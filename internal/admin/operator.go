package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/go-chi/chi/v5"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// CommandError is why a command was not carried out: a stable code, what happened, and what to do about it.
type CommandError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (p *CommandError) Error() string { return p.Message }

// Address is one that reads in JSON as everywhere else, with its checksum.
type Address struct{ common.Address }

// MarshalText writes the checksum form.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.Hex()), nil }

// Order is a transaction that the operator asks for.
type Order struct {
	Kind     zg.IntentKind    `json:"kind"`
	Provider common.Address   `json:"provider"`
	Also     []common.Address `json:"also,omitempty"` // further providers, of a retrieval
	Amount   zg.Neuron        `json:"amount_neuron"`
	Opening  bool             `json:"opening,omitempty"`
	TokenIDs []int            `json:"token_ids,omitempty"` // of a revocation
	MaxGas   uint64           `json:"max_gas,omitempty"`   // in units of gas: what was shown; more is not signed
}

// Intent is what the transaction is to do.
func (o Order) Intent() zg.Intent {
	return zg.Intent{Kind: o.Kind, Provider: o.Provider, Also: o.Also, Amount: o.Amount, Opening: o.Opening, TokenIDs: o.TokenIDs, MaxGas: o.MaxGas}
}

// TokenOrder is a persistent session token that the operator asks for.
type TokenOrder struct {
	Provider common.Address `json:"provider"`
	ID       *int           `json:"id,omitempty"` // absent: the lowest that is free
	Label    string         `json:"label,omitempty"`
	Expires  *time.Time     `json:"expires_at,omitempty"` // absent: never
}

// Token is what is known of a persistent session token.
type Token struct {
	Provider   Address    `json:"provider"`
	ID         int        `json:"id"`
	Generation uint64     `json:"generation"`
	Label      string     `json:"label"`
	Created    time.Time  `json:"created_at"`
	Expires    *time.Time `json:"expires_at"` // null: never
}

// NewToken is a token that was just made: the only time that it is seen.
type NewToken struct {
	Token
	Secret string `json:"secret"`
	URL    string `json:"url"` // the provider's base URL for it
}

// Acceptance is what the operator accepts of a provider, as it was shown.
type Acceptance struct {
	Drift  zg.Neuron `json:"drift_neuron"` // taken or claimed beyond what was witnessed
	Signer Address   `json:"signer"`       // of the service on chain
	// Pin is what the provider is now; absent: what it was pinned as stays.
	Pin *Pin `json:"pin,omitempty"`
	// Suspension is what was shown, of which code and time count; absent: none was.
	Suspension *Suspension `json:"suspension,omitempty"`
}

// Pin is what a provider is trusted as.
type Pin struct {
	Signer Address    `json:"signer"` // whose signature over answers counts; zero: nobody's
	Source string     `json:"source"` // where that is named: service, target
	URL    string     `json:"url"`
	At     *time.Time `json:"pinned_at,omitempty"` // absent: it is not pinned, but what it is now
}

// Same reports whether two pins name the same provider, whenever that was.
func (p *Pin) Same(o *Pin) bool {
	return p != nil && o != nil && p.Signer == o.Signer && p.Source == o.Source && p.URL == o.URL
}

// Suspension says why a provider gets nothing until the operator accepts it.
type Suspension struct {
	Code      string    `json:"code"`
	Reason    string    `json:"reason"`
	RequestID string    `json:"request_id,omitempty"` // whose answer showed it
	At        time.Time `json:"suspended_at"`
}

// Foreign is what was done elsewhere with the wallet's key, and was not accepted.
type Foreign struct {
	Wallet       Address     `json:"wallet"`
	Since        *time.Time  `json:"since"`              // when the first was noticed; null: there is none
	Count        uint64      `json:"count"`              // of them, also those that are too many to list
	Through      uint64      `json:"through_nonce"`      // the highest nonce of them
	Transferred  zg.Neuron   `json:"transferred_neuron"` // to providers, as far as that is known; it counts against the limits
	Transactions []ForeignTx `json:"transactions"`       // lowest nonce first
}

// ForeignTx is a transaction of the wallet that was not made here.
type ForeignTx struct {
	Nonce    uint64        `json:"nonce"`
	Hash     *common.Hash  `json:"tx_hash"` // null: not found yet, and what follows is not known
	Block    uint64        `json:"block"`
	Time     *time.Time    `json:"block_time"` // of its block
	Kind     zg.IntentKind `json:"kind"`       // empty: nothing that zgproxy does
	Provider *Address      `json:"provider,omitempty"`
	Amount   zg.Neuron     `json:"amount_neuron"`
	Reverted bool          `json:"reverted"` // it moved nothing but the gas
	Gone     bool          `json:"gone"`     // the chain does not have it any more
	Seen     time.Time     `json:"seen_at"`  // when its nonce was found used
}

// Waiting is what of the wallet waits to be mined and was not made here.
type Waiting struct {
	Wallet Address    `json:"wallet"`
	Count  uint64     `json:"count"`           // 0: nothing waits, or not any more for a few blocks
	From   uint64     `json:"from_nonce"`      // the lowest nonce of them
	Since  *time.Time `json:"since,omitempty"` // when the daemon saw them first; absent: none were seen, or no daemon runs
}

// ForeignAcceptance is which of it the operator accepts, as it was shown.
type ForeignAcceptance struct {
	Through uint64 `json:"through_nonce"`
	Count   uint64 `json:"count"`
}

// Transaction is one entry of the journal, as commands show it.
type Transaction struct {
	ID       int64         `json:"id"`
	Kind     zg.IntentKind `json:"kind"`
	Provider *Address      `json:"provider,omitempty"`
	Also     []Address     `json:"also,omitempty"` // further providers, of a retrieval from several
	Amount   zg.Neuron     `json:"amount_neuron"`
	TokenIDs []int         `json:"token_ids,omitempty"` // of a revocation
	Origin   string        `json:"origin"`              // auto, hand
	State    string        `json:"state"`               // signed, mined, reverted, superseded, cancelled
	Reason   string        `json:"reason,omitempty"`
	Nonce    uint64        `json:"nonce"`
	Hash     common.Hash   `json:"tx_hash"`           // of the mined one, else of the newest
	Sent     bool          `json:"sent"`              // a node has taken it
	Versions int           `json:"versions"`          // how many were signed for the same nonce, with higher fees each time
	Block    uint64        `json:"block"`             // 0: not mined
	Depth    uint64        `json:"depth,omitempty"`   // while it is waited for: how many blocks deep it is, its own included
	Earlier  bool          `json:"earlier,omitempty"` // it is not the one that was ordered, but has to end before that one is signed
	Trouble  string        `json:"trouble,omitempty"` // while it is under way: why nothing is known of it, or it is not taken
	GasCost  zg.Neuron     `json:"gas_neuron"`        // paid for it
	MaxGas   zg.Neuron     `json:"gas_max_neuron"`    // the most it can cost as signed last
	Created  time.Time     `json:"created_at"`
	Ended    *time.Time    `json:"ended_at,omitempty"`
}

// event is one line of the answer to an order. The last one has Done or Error.
type event struct {
	Transaction *Transaction  `json:"transaction,omitempty"`
	Done        bool          `json:"done,omitempty"`
	Error       *CommandError `json:"error,omitempty"`
}

// OperatorConfig is what the operator can see and do on the socket. All fields are required.
type OperatorConfig struct {
	Read Config // what the listener for everybody on the machine shows, too
	// Account is what the wallet has, JSON; fresh: read from the chain now instead of what the keeper saw last.
	Account   func(ctx context.Context, fresh bool) (any, error)
	Providers func(ctx context.Context) (any, error)
	// Provider is one of them, JSON, as it is on chain now.
	Provider func(ctx context.Context, provider common.Address) (any, error)
	// Transact sees a transaction through and tells every step of it. When ctx ends after the signature, it goes on
	// without.
	Transact func(ctx context.Context, in zg.Intent, notify func(Transaction)) (Transaction, error)
	// Accept accepts a provider as it is: drift, signer, address and suspension. What has changed since it was shown is
	// not accepted.
	Accept func(ctx context.Context, provider common.Address, what Acceptance) error
	// Foreign is what was done elsewhere with the wallet and not accepted; AcceptForeign accepts it as it was shown.
	Foreign       func(ctx context.Context) (Foreign, error)
	AcceptForeign func(ctx context.Context, what ForeignAcceptance) error
	// Waiting is what waits to be mined and was not made here, as of now.
	Waiting   func(ctx context.Context) (Waiting, error)
	Tokens    func(ctx context.Context) ([]Token, error)
	MakeToken func(ctx context.Context, o TokenOrder) (NewToken, error)
	Explain   func(error) *CommandError // how an error reads for the operator
}

// OperatorHandler returns the handler of the socket. It does what Handler does, and moves money: whoever may open the
// socket is the operator. It must never be served on TCP, where a web page could reach it.
//
//	GET  /v1/account              what the wallet has; ?fresh=1 reads the chain
//	GET  /v1/providers            the services registered on chain
//	GET  /v1/providers/{provider}  one of them, read now
//	POST /v1/transactions         an Order; the answer is one JSON line per step, the last with "done" or "error"
//	POST /v1/accounts/{provider}/accept  an Acceptance
//	GET  /v1/foreign              what was done elsewhere with the wallet and not accepted
//	POST /v1/foreign/accept       a ForeignAcceptance
//	GET  /v1/waiting              what waits to be mined and was not made here
//	GET  /v1/tokens               the persistent session tokens that were made
//	POST /v1/tokens               a TokenOrder; the answer is the token, which is not kept
func OperatorHandler(cfg OperatorConfig) http.Handler {
	mux := chi.NewRouter()
	fail := func(w http.ResponseWriter, err error) {
		write(w, http.StatusInternalServerError, event{Error: cfg.Explain(err)})
	}
	answer := func(w http.ResponseWriter, v any, err error) {
		if err != nil {
			fail(w, err)
			return
		}
		write(w, http.StatusOK, v)
	}
	mux.Get("/v1/account", func(w http.ResponseWriter, r *http.Request) {
		v, err := cfg.Account(r.Context(), r.URL.Query().Get("fresh") != "")
		answer(w, v, err)
	})
	mux.Get("/v1/providers", func(w http.ResponseWriter, r *http.Request) {
		v, err := cfg.Providers(r.Context())
		answer(w, v, err)
	})
	mux.Get("/v1/providers/{provider}", func(w http.ResponseWriter, r *http.Request) {
		if p, ok := provider(w, r); ok {
			v, err := cfg.Provider(r.Context(), p)
			answer(w, v, err)
		}
	})
	mux.Post("/v1/accounts/{provider}/accept", func(w http.ResponseWriter, r *http.Request) {
		var what Acceptance
		if p, ok := provider(w, r); ok && readOrder(w, r, &what) {
			err := cfg.Accept(r.Context(), p, what)
			answer(w, what, err)
		}
	})
	mux.Get("/v1/foreign", func(w http.ResponseWriter, r *http.Request) {
		f, err := cfg.Foreign(r.Context())
		answer(w, f, err)
	})
	mux.Post("/v1/foreign/accept", func(w http.ResponseWriter, r *http.Request) {
		var what ForeignAcceptance
		if readOrder(w, r, &what) {
			err := cfg.AcceptForeign(r.Context(), what)
			answer(w, what, err)
		}
	})
	mux.Get("/v1/waiting", func(w http.ResponseWriter, r *http.Request) {
		waiting, err := cfg.Waiting(r.Context())
		answer(w, waiting, err)
	})
	mux.Get("/v1/tokens", func(w http.ResponseWriter, r *http.Request) {
		list, err := cfg.Tokens(r.Context())
		answer(w, list, err)
	})
	mux.Post("/v1/tokens", func(w http.ResponseWriter, r *http.Request) {
		var o TokenOrder
		if readOrder(w, r, &o) {
			made, err := cfg.MakeToken(r.Context(), o)
			answer(w, made, err)
		}
	})
	mux.Post("/v1/transactions", func(w http.ResponseWriter, r *http.Request) {
		var o Order
		if !readOrder(w, r, &o) {
			return
		}
		transact(w, r, cfg, o.Intent())
	})
	mux.Mount("/", Handler(cfg.Read))
	return mux
}

// provider reads the address in the path, and answers itself where it is none.
func provider(w http.ResponseWriter, r *http.Request) (common.Address, bool) {
	p, err := zg.ParseAddress(chi.URLParam(r, "provider"))
	if err != nil {
		write(w, http.StatusBadRequest, event{Error: &CommandError{Code: "usage", Message: err.Error()}})
		return common.Address{}, false
	}
	return p, true
}

// readOrder reads a body, and answers itself where it cannot be read.
func readOrder(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		write(w, http.StatusBadRequest, event{Error: &CommandError{Code: "usage", Message: "the order cannot be read: " + err.Error()}})
		return false
	}
	return true
}

// transact streams the steps. The orderer may leave at any time: what is signed by then is in the journal and goes on.
func transact(w http.ResponseWriter, r *http.Request, cfg OperatorConfig, in zg.Intent) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	say := func(e event) {
		if out.Encode(e) == nil {
			_ = flush.Flush() // the orderer left
		}
	}
	tx, err := cfg.Transact(r.Context(), in, func(t Transaction) { say(event{Transaction: &t}) })
	if err != nil {
		p, ok := errors.AsType[*CommandError](err)
		if !ok {
			p = cfg.Explain(err)
		}
		last := event{Error: p}
		if tx.ID != 0 {
			last.Transaction = &tx
		}
		say(last)
		return
	}
	say(event{Transaction: &tx, Done: true})
}
