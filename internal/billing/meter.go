package billing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Why a fee is an estimate.
const (
	ReasonNoUsage       = "no_usage"       // the answer did not say what it consumed
	ReasonTruncated     = "truncated"      // it broke off before it could
	ReasonNoAnswer      = "no_answer"      // the provider got the request and nothing came back
	ReasonAbsurd        = "absurd_usage"   // what it said leads to more money than there is
	ReasonAboveBound    = "above_bound"    // what it said leads to more than the request could cost
	ReasonFloatingPrice = "floating_price" // the provider's price is in dollars, and what they are worth changes
	ReasonHighestPrice  = "highest_price"  // only the highest price over the provider's models is known
	ReasonProcessEnded  = "process_ended"  // zgproxy ended while the request was open
)

// freshView is how old the keeper's view may be for a request to be refused because of it.
const freshView = 2 * time.Minute

// fundingWait is when a caller should try again while a top-up is expected.
const fundingWait = 10 * time.Second

// RefusalKind is a bounded category of refusals by the meter.
type RefusalKind string

// The kinds of refusal. In every case nothing was sent to a provider and nothing was spent.
const (
	RefusedPrice   RefusalKind = "price_absurd"         // no amount of money would be enough
	RefusedUnit    RefusalKind = "price_unit_unknown"   // what the price is for is not known
	RefusedAccount RefusalKind = "no_account"           // the wallet has no sub-account with the provider
	RefusedBalance RefusalKind = "insufficient_balance" // the sub-account is below what the provider asks for
	RefusedStore   RefusalKind = "store_unavailable"    // the request cannot be recorded

	// One of the owner's budgets has no room for what the request may cost.
	RefusedTotal         RefusalKind = "budget_fees_total"
	RefusedProviderTotal RefusalKind = "budget_provider_fees_total"
	RefusedDay           RefusalKind = "budget_fees_day"
	RefusedProviderDay   RefusalKind = "budget_provider_fees_day"
)

// absurd is a million million 0G, a thousand times all there is: an amount that is not believed whoever says it. Sums
// of believed amounts stay far below what a Neuron can hold, so they are exact.
var absurd = zg.OneOG.Mul(1_000_000_000_000)

// Refused is a request that was not admitted. Message and Hint are for the caller: what is the matter and what to do.
type Refused struct { //nolint:errname // it is read as "was refused" wherever it is used
	Kind          RefusalKind
	Message, Hint string
	RetryAfter    time.Duration // 0: waiting does not help
	Cause         error         // ErrStore where the store failed
}

func (r *Refused) Error() string {
	if r.Cause != nil {
		return fmt.Sprintf("request refused (%s): %v", r.Kind, r.Cause)
	}
	return fmt.Sprintf("request refused (%s): %s", r.Kind, r.Message)
}

func (r *Refused) Unwrap() error { return r.Cause }

// Order is a request about to be sent to a provider.
type Order struct {
	ID           string // unique; found fast where it begins with req_ and 12 hex digits of milliseconds since 1970
	Route        string
	Key          string // fingerprint of the caller's local key, or empty
	Provider     common.Address
	Type         zg.ServiceType
	Model        string
	Stream       bool
	Price        zg.Price
	Bound        zg.Neuron // the most it can cost, see Bound
	Ask          zg.Neuron // what the provider wants to find in the sub-account for it, see Ask
	RequestBytes int64     // -1: not known yet
	At           time.Time // when it came in; zero: now
	Block        uint64    // of the chain, at which provider, price and signer were read
	Centralized  bool      // the provider relays to a cloud vendor
}

// Outcome is how an exchange with a provider ended.
type Outcome struct {
	Status                        int  // HTTP status of the provider's answer; 0: none
	Reached                       bool // false: certainly nothing reached the provider
	Usage                         zg.Usage
	Complete                      bool // the answer was seen to its end
	Ended                         bool // not that, but it was the provider who ended it: what came is what it bills
	Job                           bool // the answer is that a job was begun, which 202 says too; it is billed when it is done
	RequestSHA256, ResponseSHA256 [32]byte
	RequestBytes, ResponseBytes   int64
	ResKey, ChatID                string
	Images                        [][32]byte // digests of the decoded images of the answer
	FirstByte, Total              time.Duration
	Err                           string     // category of what went wrong, or empty
	Told                          ToldFee    // what the answer says it is charged
	Said                          string     // what headers said that is recorded and means nothing else: NAME=VALUE, one a line
	Verdict                       zg.Verdict // where it is known already
	VerdictCode                   string     // known when Verdict is
}

// Booking is what was recorded for a request. The fee is never above the request's bound.
type Booking struct {
	Fee     zg.Neuron
	Basis   zg.FeeBasis
	Reason  string    // why the fee is an estimate, or that the provider told it
	Claimed zg.Neuron // what the answer's own usage leads to, where that was not believed
}

// MeterConfig is what a Meter needs besides the store. All fields are optional.
type MeterConfig struct {
	View       func() KeeperView // what is known of the sub-accounts; nil: nothing, and unknown never refuses
	Nudge      func()            // asks the keeper to look again; must not block
	Budgets    Budgets           // of which those for fees hold here
	Log        zerolog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time // nil: time.Now
}

// Meter admits requests and records what they cost. It starts nothing and may be used by any number of goroutines.
type Meter struct {
	store   *Store
	cfg     MeterConfig
	metrics *meterMetrics
	names   sync.Map // address → its checksummed text, which is slow to make
	judging sync.Map // id → row whose verdict is being found out
	tolds   onces    // of which providers something about told fees was logged
}

// NewMeter builds a Meter on an open store.
func NewMeter(store *Store, cfg MeterConfig) *Meter {
	if cfg.View == nil {
		cfg.View = func() KeeperView { return KeeperView{} }
	}
	if cfg.Nudge == nil {
		cfg.Nudge = func() {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	m := &Meter{store: store, cfg: cfg, metrics: newMeterMetrics(cfg.Registerer)}
	register(cfg.Registerer, budgetCollector{m})
	return m
}

// Recover records every request that an earlier process left open at its upper bound, and returns how many there were.
// It belongs before the first Open.
func (m *Meter) Recover(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return m.store.abandonOpen(m.cfg.Now())
}

// Open admits a request. When it returns nil, the open record survives the end of the process: the request may be sent,
// and the reservation must be closed. The error is a *Refused, or that of a ctx that had ended before.
func (m *Meter) Open(ctx context.Context, o Order) (*Reservation, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now := m.cfg.Now()
	if refused := m.refusal(&o, now); refused != nil {
		m.metrics.refused.WithLabelValues(string(refused.Kind)).Inc()
		return nil, refused
	}
	if short := m.store.book.admit(o.Provider, o.Bound, now, &m.cfg.Budgets.Fees); short != nil {
		refused := m.overBudget(short)
		m.metrics.refused.WithLabelValues(string(refused.Kind)).Inc()
		return nil, refused
	}
	if o.At.IsZero() || o.At.After(now) {
		o.At = now
	}
	r := &Reservation{meter: m, bound: o.Bound, row: request{
		order: o, opened: micros(o.At), providerText: m.name(o.Provider), bound: o.Bound.String(),
		priceIn: o.Price.Input.String(), priceOut: o.Price.Output.String(),
	}}
	if err := m.store.writer.open(&r.row); err != nil {
		m.store.book.release(o.Provider, o.Bound)
		return nil, m.unrecorded(err)
	}
	return r, nil
}

// unrecorded refuses a request that the store does not take.
func (m *Meter) unrecorded(err error) *Refused {
	m.metrics.refused.WithLabelValues(string(RefusedStore)).Inc()
	if errors.Is(err, ErrDamaged) {
		return &Refused{Kind: RefusedStore, Cause: err, Message: "zgproxy's spend store is damaged, and nothing is spent that cannot be recorded.", Hint: WayBack}
	}
	return &Refused{
		Kind: RefusedStore, Cause: err, RetryAfter: fundingWait,
		Message: "zgproxy cannot record this request, and spends nothing that it cannot record.",
		Hint:    "Check the disk that holds its data directory; the log names the cause.",
	}
}

// refusal says why a request must not be sent, by facts only: what is not known, or not known recently, never refuses.
func (m *Meter) refusal(o *Order, now time.Time) *Refused {
	if _, known := zg.VideoBound(o.Price, 0); o.Type == zg.VideoGeneration && !known {
		return &Refused{
			Kind: RefusedUnit, Message: fmt.Sprintf("What a video of this model costs is not known: provider %s states its price for a unit that zgproxy "+
				"cannot compute with (%q). Nothing was sent.", m.name(o.Provider), string(o.Price.Unit)),
			Hint: "Use another model or provider. Where the unit is \"unread\", the provider's catalogue could not be read: zgproxy provider show " + m.name(o.Provider) + ".",
		}
	}
	if !o.Bound.Less(absurd) {
		return absurdPrice()
	}
	if l, unknown := m.store.feesUnknown(&m.cfg.Budgets.Fees, o, now); unknown {
		return m.restored(l, now)
	}
	view := m.cfg.View()
	if view.ReadAt.IsZero() || now.Sub(view.ReadAt) > freshView {
		return nil
	}
	pv, ok := view.Providers[o.Provider]
	if !ok {
		return nil
	}
	refused, own, missing := m.short(o, &pv, now)
	if refused == nil {
		return nil
	}
	if !own.IsZero() { // nothing is moved for a request that the owner's budgets do not let through anyway
		if short := m.store.book.admit(o.Provider, o.Bound, now, &m.cfg.Budgets.Fees); short != nil {
			return m.overBudget(short)
		}
		m.store.book.release(o.Provider, o.Bound)
		m.store.demands.want(o.Provider, o.Type, own, o.Bound, now)
	}
	m.store.demands.ask(o.Provider, false, now)
	m.cfg.Nudge()
	refused.Hint, refused.RetryAfter = m.Funding(o.Provider, missing)
	return refused
}

func absurdPrice() *Refused {
	return &Refused{
		Kind: RefusedPrice, Message: "The price of this model is absurd: the request could cost more than all the money there is.",
		Hint: "Use another provider.",
	}
}

// name is the checksummed text of a provider's address.
func (m *Meter) name(p common.Address) string {
	if v, ok := m.names.Load(p); ok {
		return v.(string)
	}
	s := p.Hex()
	m.names.Store(p, s)
	return s
}

// SetVerdict records what the signature of an answer showed. It is queued; it does not wait for the store. The first
// one that says something stays: a later one replaces only pending and unavailable.
func (m *Meter) SetVerdict(requestID string, j zg.Judgement) {
	v := &verdict{id: requestID, Judgement: j, at: micros(m.cfg.Now())}
	if j.Expected != (common.Address{}) {
		v.expected = m.name(j.Expected) // there are as many as providers
	}
	switch j.Signer {
	case j.Expected:
		v.signer = v.expected
	case common.Address{}:
	default:
		v.signer = j.Signer.Hex()
	}
	if row, ok := m.judging.LoadAndDelete(requestID); ok {
		v.row = row.(*request)
	}
	_, err := m.store.writer.put(op{verdict: v})
	if err != nil {
		m.cfg.Log.Error().Err(err).Str("request_id", requestID).Msg("a verdict was not recorded")
	}
}

// price is the fee of an exchange. Where the truth is not known it is the upper bound, marked as an estimate. So it is
// where the usage leads above the bound: budgets were checked against the bound, and no answer may move more.
func price(o *Order, out *Outcome) Booking {
	estimate := func(reason string) Booking { return Booking{Fee: o.Bound, Basis: zg.FeeEstimated, Reason: reason} }
	switch {
	case out.Status == 0 && !out.Reached:
		return Booking{Basis: zg.FeeFree}
	case out.Status == 0:
		return estimate(ReasonNoAnswer)
	case out.Status != 200 && (!out.Job || out.Status != 202):
		return Booking{Basis: zg.FeeFree} // providers bill answers with status 200 only, and jobs that they accepted
	}
	fee, ok := zg.Fee(o.Type, o.Price, out.Usage)
	if o.Stream && !out.Complete {
		return cutStream(o, out)
	}
	switch {
	case ok && o.Bound.Less(fee):
		b := estimate(ReasonAboveBound)
		if b.Claimed = fee; !fee.Less(absurd) {
			b.Reason = ReasonAbsurd
		}
		return b
	case ok && o.Price.Floating:
		return Booking{Fee: fee, Basis: zg.FeeEstimated, Reason: ReasonFloatingPrice}
	case ok && o.Price.Highest:
		return Booking{Fee: fee, Basis: zg.FeeEstimated, Reason: ReasonHighestPrice}
	case ok:
		return Booking{Fee: fee, Basis: zg.FeeExact}
	case !out.Complete:
		return estimate(ReasonTruncated)
	}
	b := estimate(ReasonNoUsage)
	if fee, ok := zg.Fallback(o.Type, o.Price, out.Usage); ok {
		b.Fee = fee.Min(o.Bound)
	}
	return b
}

// cutStream is the booking of a stream that broke off. Where the provider ended it, it bills what it has sent: by the
// last usage, or by words where there was none. Where only the connection ended, the provider reads the model's answer
// on and bills all of it, of which a usage on the way says little: then the bound is recorded.
func cutStream(o *Order, out *Outcome) Booking {
	b := Booking{Fee: o.Bound, Basis: zg.FeeEstimated, Reason: ReasonTruncated}
	if !out.Ended {
		return b
	}
	fee, ok := zg.Fee(o.Type, o.Price, out.Usage)
	if !ok {
		fee, ok = zg.Fallback(o.Type, o.Price, out.Usage)
	}
	if ok {
		b.Fee = fee.Min(o.Bound)
	}
	return b
}
