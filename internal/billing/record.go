package billing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// Record is one request as the store has it.
type Record struct {
	ID             string         `json:"id"`
	OpenedAt       time.Time      `json:"opened_at"`
	ClosedAt       *time.Time     `json:"closed_at,omitempty"`
	State          string         `json:"state"` // open, closed, abandoned, settled
	Basis          zg.FeeBasis    `json:"basis,omitempty"`
	Reason         string         `json:"reason,omitempty"`
	Key            string         `json:"key,omitempty"`
	Route          string         `json:"route"`
	Type           zg.ServiceType `json:"service_type"`
	Provider       string         `json:"provider"`
	Model          string         `json:"model"`
	Stream         bool           `json:"stream"`
	Status         int            `json:"status"`
	Bound          zg.Neuron      `json:"bound_neuron"`
	Fee            *zg.Neuron     `json:"fee_neuron,omitempty"`
	Settled        *zg.Neuron     `json:"settled_neuron,omitempty"` // taken on chain for it, or expected to be
	Settlement     string         `json:"settlement_tx,omitempty"`  // by which transaction
	Claimed        *zg.Neuron     `json:"claimed_neuron,omitempty"` // where the answer's usage leads above the bound
	PriceIn        zg.Neuron      `json:"price_in_neuron"`
	PriceOut       zg.Neuron      `json:"price_out_neuron"`
	InputTokens    int64          `json:"input_tokens"`
	OutputTokens   int64          `json:"output_tokens"`
	CachedTokens   int64          `json:"cached_tokens"`
	Images         int64          `json:"images,omitempty"`
	Seconds        float64        `json:"seconds,omitempty"`
	RequestSHA256  string         `json:"request_sha256,omitempty"`
	ResponseSHA256 string         `json:"response_sha256,omitempty"`
	RequestBytes   int64          `json:"request_bytes"`
	ResponseBytes  int64          `json:"response_bytes"`
	ResKey         string         `json:"res_key,omitempty"`
	ChatID         string         `json:"chat_id,omitempty"`
	FirstByteUs    int64          `json:"first_byte_us"`
	TotalUs        int64          `json:"total_us"`
	Error          string         `json:"error,omitempty"`
	Verdict        zg.Verdict     `json:"verdict,omitempty"`
	VerdictCode    string         `json:"verdict_code,omitempty"`
	Signer         string         `json:"signer,omitempty"`
	VerdictAt      *time.Time     `json:"verdict_at,omitempty"`
	JobUntil       *time.Time     `json:"job_until,omitempty"` // until when its job may run, or ran
	Said           string         `json:"said,omitempty"`      // headers that are recorded and mean nothing else, NAME=VALUE, one a line
}

const selectRequest = `SELECT id, opened_at, closed_at, state, COALESCE(basis, ''), COALESCE(reason, ''), key, route, service_type,
	provider, model, stream, COALESCE(status, 0), bound, fee, claimed, price_in, price_out, COALESCE(input_tokens, 0),
	COALESCE(output_tokens, 0), COALESCE(cached_tokens, 0), COALESCE(images, 0), COALESCE(seconds, 0),
	lower(hex(request_sha256)), lower(hex(response_sha256)), COALESCE(request_bytes, 0), COALESCE(response_bytes, 0),
	COALESCE(res_key, ''), COALESCE(chat_id, ''), COALESCE(first_byte_us, 0), COALESCE(total_us, 0), COALESCE(error, ''),
	COALESCE(verdict, ''), COALESCE(verdict_code, ''), COALESCE(signer, ''), verdict_at, settled, COALESCE(settlement, ''),
	job_until, COALESCE(said, '') FROM requests`

// idTime reads the time out of an id that begins with it: req_ and 12 hex digits of milliseconds since 1970.
func idTime(id string) (us int64, ok bool) {
	hex, ok := strings.CutPrefix(id, "req_")
	if !ok || len(hex) < 12 {
		return 0, false
	}
	ms, err := strconv.ParseInt(hex[:12], 16, 64)
	return ms * 1000, err == nil
}

// nearby is how far the key of a row may be from the time in its id. Only a clock that was set back, or a very busy
// moment, moves it further; then it is looked for everywhere.
const nearby = int64(2 * time.Second / time.Microsecond)

// Request finds one request by its id, the newest of that name. What is still queued is not found yet.
func (s *Store) Request(ctx context.Context, id string) (Record, bool, error) {
	if at, ok := idTime(id); ok {
		r, ok, err := s.request(ctx, `WHERE opened_at BETWEEN ? AND ? AND id = ?`, at-nearby, at+nearby, id)
		if err != nil || ok {
			return r, ok, err
		}
	}
	return s.request(ctx, `WHERE id = ? ORDER BY opened_at DESC LIMIT 1`, id)
}

func (s *Store) request(ctx context.Context, where string, args ...any) (Record, bool, error) {
	var r Record
	var opened int64
	var closed, judged, job sql.NullInt64
	var fee, claimed, settled sql.Null[string]
	err := s.readers.QueryRowContext(ctx, selectRequest+" "+where, args...).Scan(&r.ID, &opened, &closed, &r.State, &r.Basis, &r.Reason,
		&r.Key, &r.Route, &r.Type, &r.Provider, &r.Model, &r.Stream, &r.Status, &r.Bound, &fee, &claimed, &r.PriceIn, &r.PriceOut, &r.InputTokens,
		&r.OutputTokens, &r.CachedTokens, &r.Images, &r.Seconds, &r.RequestSHA256, &r.ResponseSHA256, &r.RequestBytes, &r.ResponseBytes,
		&r.ResKey, &r.ChatID, &r.FirstByteUs, &r.TotalUs, &r.Error, &r.Verdict, &r.VerdictCode, &r.Signer, &judged, &settled, &r.Settlement,
		&job, &r.Said)
	if errors.Is(err, sql.ErrNoRows) {
		return Record{}, false, nil
	}
	if err == nil {
		r.Fee, err = amountOf(fee)
	}
	if err == nil {
		r.Claimed, err = amountOf(claimed)
	}
	if err == nil {
		r.Settled, err = amountOf(settled)
	}
	if err != nil {
		return Record{}, false, fmt.Errorf("read a request: %w", err)
	}
	r.OpenedAt, r.ClosedAt, r.VerdictAt, r.JobUntil = fromMicros(opened), momentOf(closed), momentOf(judged), momentOf(job)
	return r, true, nil
}

func amountOf(s sql.Null[string]) (*zg.Neuron, error) {
	if !s.Valid {
		return nil, nil //nolint:nilnil // absent is a value of its own
	}
	n := new(zg.Neuron)
	return n, n.UnmarshalText([]byte(s.V))
}

func momentOf(us sql.NullInt64) *time.Time {
	if !us.Valid {
		return nil
	}
	t := fromMicros(us.Int64)
	return &t
}
