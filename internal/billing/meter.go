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
	ReasonNoUsage      = "no_usage"      // the answer did not say what it consumed
	ReasonTruncated    = "truncated"     // it broke off before it could
	ReasonNoAnswer     = "no_answer"     // the provider got the request and nothing came back
	ReasonAbsurd       = "absurd_usage"  // what it said leads to more money than there is
	ReasonAboveBound   = "above_bound"   // what it said leads to more than the request could cost
	ReasonHighestPrice = "highest_price" // only the highest price over the provider's models is known
	ReasonProcessEnded = "process_ended" // zgproxy ended while the request was open
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

// absurd is a million million 0G, a thousand times all there is: an amount that is not believed whoever says it. Sums of
// believed amounts stay far below what a Neuron can hold, so they are exact.
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
	Verdict                       zg.Verdict // where it is known already
	VerdictCode                   string     // likewise
}

// Booking is what was booked for a request. The fee is never above the request's bound.
type Booking struct {
	Fee     zg.Neuron
	Basis   zg.FeeBasis
	Reason  string    // why the fee is an estimate
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

// Meter admits requests and books what they cost. It starts nothing and may be used by any number of goroutines.
type Meter struct {
	store   *Store
	cfg     MeterConfig
	metrics *meterMetrics
	names   sync.Map // address → its checksummed text, which is slow to make
	judging sync.Map // id → row whose verdict is being found out
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

// Recover books every request that an earlier process left open at its upper bound, and returns how many there were. It
// belongs before the first Open.
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
	view := m.cfg.View()
	if view.ReadAt.IsZero() || now.Sub(view.ReadAt) > freshView {
		return nil
	}
	pv, ok := view.Providers[o.Provider]
	if !ok {
		return nil
	}
	// The provider serves while what is locked covers the fees it has not taken yet and its reserve. How much that is shows
	// when it refuses, which costs nothing; where it has not just done so, nothing is refused that it may serve. A caller
	// that waits as it was told gets through to the provider again.
	gate := zg.NeuronOf(1)
	if now.Sub(pv.ReserveAt) < fundingWait {
		gate = gate.Max(pv.Reserve)
	}
	if pv.UnsettledKnown {
		gate = gate.Add(pv.Unsettled)
	}
	locked := pv.Account.Locked()
	if pv.Exists && !locked.Less(gate) {
		return nil
	}
	m.cfg.Nudge()
	r := &Refused{Kind: RefusedBalance, Message: fmt.Sprintf(
		"The sub-account with provider %s holds %s 0G; the provider serves from %s 0G, so %s 0G are missing.",
		m.name(o.Provider), locked.Og(), gate.Og(), gate.Sub(locked).Og())}
	if !pv.Exists {
		r.Kind, r.Message = RefusedAccount, fmt.Sprintf("There is no sub-account with provider %s yet.", m.name(o.Provider))
	}
	r.Hint, r.RetryAfter = m.Funding(o.Provider)
	return r
}

func absurdPrice() *Refused {
	return &Refused{
		Kind: RefusedPrice, Message: "The price of this model is absurd: the request could cost more than all the money there is.",
		Hint: "Use another provider.",
	}
}

// Funding says what has to happen before a provider whose sub-account is missing or low serves again, and how long to wait
// where that is nothing but waiting.
func (m *Meter) Funding(p common.Address) (hint string, wait time.Duration) {
	view := m.cfg.View()
	if view.ReadAt.IsZero() {
		return "zgproxy has not read the wallet's accounts yet; it tops up what is low when it has.", fundingWait
	}
	pv := view.Providers[p]
	if pv.Reason == "" {
		wait = fundingWait
	}
	return pv.Hint(p), wait
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

// SetVerdict records what the signature of an answer showed. It is queued; it does not wait for the store. The first one that
// says something stays: a later one replaces only pending and unavailable.
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

// Reservation is an admitted request that has to be closed.
type Reservation struct {
	meter *Meter
	once  sync.Once
	row   request

	mu     sync.Mutex
	bound  zg.Neuron // what is held: as the order says, or more
	closed bool
}

// ErrReservationClosed means that a request was booked already, so nothing more can be sent for it.
var ErrReservationClosed = errors.New("the request is booked already")

// Grow holds more for a request whose size shows only while it is sent: what comes next may be handed on when it returns nil,
// and whatever happens then, no more than this bound is booked, and no less abandoned. The error is a *Refused, with which
// what was held before stays, or ErrReservationClosed. A bound that is not above the one in force changes nothing.
func (r *Reservation) Grow(bound zg.Neuron) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, o := r.meter, &r.row.order
	switch {
	case r.closed:
		return ErrReservationClosed
	case !r.bound.Less(bound):
		return nil
	case !bound.Less(absurd):
		return absurdPrice()
	}
	if short := m.store.book.extend(o.Provider, r.bound, bound, m.cfg.Now(), &m.cfg.Budgets.Fees); short != nil {
		refused := m.overBudget(short)
		m.metrics.refused.WithLabelValues(string(refused.Kind)).Inc()
		return refused
	}
	// The row itself may be in the writer's hands.
	grown := &request{
		opened: r.row.opened, order: r.row.order, providerText: r.row.providerText, bound: bound.String(), priceIn: r.row.priceIn, priceOut: r.row.priceOut,
	}
	if err := m.store.writer.grow(grown); err != nil {
		m.store.book.shrink(o.Provider, bound, r.bound)
		return m.unrecorded(err)
	}
	r.bound = bound
	return nil
}

// final ends the growing and returns the order with the bound that is in force.
func (r *Reservation) final() Order {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.row.order
	if r.closed = true; o.Bound != r.bound {
		o.Bound, r.row.grown = r.bound, r.bound.String()
	}
	return o
}

// Close books what the request cost and returns it. It counts once: later calls return the first booking. It never waits
// for the disk: the close record is queued, and Store.Flush and Store.Err tell what became of it.
func (r *Reservation) Close(out Outcome) Booking {
	r.once.Do(func() {
		m, o := r.meter, r.final()
		b := price(&o, &out)
		now := m.cfg.Now()
		r.row.out, r.row.booking, r.row.closed, r.row.quarter = out, b, micros(now), m.store.book.quarter(now)
		m.store.book.close(o.Provider, o.Bound, b.Fee, r.row.quarter)
		m.metrics.booked(r.row.providerText, o.Model, &out.Usage, b)
		if !b.Claimed.IsZero() {
			m.metrics.above.Inc()
			m.cfg.Log.Warn().Str("request_id", o.ID).Str("provider", r.row.providerText).Str("model", o.Model).
				Str("reason", b.Reason).Stringer("claimed_neuron", b.Claimed).Stringer("bound_neuron", o.Bound).
				Msg("an answer's usage leads above the upper bound; the bound is booked")
		}
		if out.ChatID != "" {
			m.store.recent.add(out.ChatID, r.row.opened)
		}
		if out.Verdict == zg.VerdictPending {
			m.judging.Store(o.ID, &r.row)
		}
		if _, err := m.store.writer.put(op{close: &r.row}); err != nil {
			m.cfg.Log.Error().Err(err).Str("request_id", o.ID).Msg("a request was closed after the store; it will be booked at its bound")
		}
		if pv, ok := m.cfg.View().Providers[o.Provider]; ok && pv.Reason == "" &&
			pv.Headroom.Less(m.store.book.Provider(o.Provider).Fees.Sub(pv.FeesAtRead)) {
			m.cfg.Nudge() // what was spent since the last look may have taken the sub-account below its mark
		}
	})
	return r.row.booking
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

// cutStream is the booking of a stream that broke off. Where the provider ended it, it bills what it has sent: by the last
// usage, or by words where there was none. Where only the connection ended, the provider reads the model's answer on and
// bills all of it, of which a usage on the way says little: then the bound is booked.
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
