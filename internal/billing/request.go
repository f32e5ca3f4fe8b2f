package billing

import (
	"database/sql/driver"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// request is one row of the requests table on its way into it. The meter fills in the parts, the writer reads them; the
// queue between the two orders their accesses.
type request struct {
	opened       int64 // key of the row, µs since 1970; set when the open record is queued
	order        Order
	providerText string
	bound        string
	priceIn      string
	priceOut     string
	place        int // of the opening in the writer's work

	closed  int64  // µs since 1970
	grown   string // the bound at the close, where it is not the one of the opening; set with it
	out     Outcome
	booking Booking
	quarter int64    // under which it is counted
	judged  *verdict // where it came in the same group; the writer's
}

const (
	openColumns   = `opened_at, id, key, route, service_type, provider, model, stream, bound, price_in, price_out, request_bytes`
	insertRequest = `INSERT INTO requests (` + openColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (opened_at) DO NOTHING`

	insertClosed = `INSERT INTO requests (` + openColumns + `, closed_at, basis, reason, status, fee, claimed,
	input_tokens, output_tokens, cached_tokens, images, seconds, request_sha256, response_sha256,
	response_bytes, res_key, chat_id, first_byte_us, total_us, error, chain_block, centralized, incomplete, images_sha256, job_until, said,
	verdict, verdict_code, state)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'closed')
	ON CONFLICT (opened_at) DO NOTHING`

	// The usual verdict comes before the row is written: then all of it is one statement.
	insertJudged = `INSERT INTO requests (` + openColumns + `, closed_at, basis, reason, status, fee, claimed,
	input_tokens, output_tokens, cached_tokens, images, seconds, request_sha256, response_sha256,
	response_bytes, res_key, chat_id, first_byte_us, total_us, error, chain_block, centralized, incomplete, images_sha256, job_until, said,
	verdict, verdict_code, signer, verdict_at, expected_signer, signed_text, signature, text_form, byte_form, reencoded, state)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'closed')
	ON CONFLICT (opened_at) DO NOTHING`

	// A verdict may arrive before the close record is written; it is the newer knowledge.
	closeRequest = `UPDATE requests SET request_bytes = ?, closed_at = ?, basis = ?, reason = ?, status = ?, fee = ?, claimed = ?,
	input_tokens = ?, output_tokens = ?, cached_tokens = ?, images = ?, seconds = ?, request_sha256 = ?, response_sha256 = ?,
	response_bytes = ?, res_key = ?, chat_id = ?, first_byte_us = ?, total_us = ?, error = ?,
	chain_block = ?, centralized = ?, incomplete = ?, images_sha256 = ?, job_until = ?, said = ?,
	verdict = COALESCE(verdict, ?), verdict_code = COALESCE(verdict_code, ?), state = 'closed'
	WHERE opened_at = ? AND state = 'open'`
)

// insert writes the row, open or closed, and reports whether there was none under its key.
func (r *request) insert(s *session, closed bool) (bool, error) {
	o := &r.order
	var room [49]any
	values := append(room[:0], r.opened, o.ID, o.Key, o.Route, string(o.Type), r.providerText, o.Model, flag(o.Stream), r.boundWritten(closed), r.priceIn, r.priceOut)
	query := insertRequest
	switch {
	case closed && r.judged != nil:
		values = r.appendClose(values)
		query, values = insertJudged, r.judged.append(values[:len(values)-2]) // in place of the one that was foreseen
	case closed:
		query, values = insertClosed, r.appendClose(values)
	default:
		values = append(values, size(o.RequestBytes))
	}
	n, err := s.exec(query, values...)
	return n == 1, err
}

// boundWritten is the bound that a new row gets.
func (r *request) boundWritten(closed bool) string {
	if closed && r.grown != "" {
		return r.grown
	}
	return r.bound
}

// growRequest lifts the bound of an open row, and never lowers it. Amounts are decimal numbers without leading zeros.
const growRequest = `UPDATE requests SET bound = ?1 WHERE opened_at = ?2 AND state = 'open'
	AND (length(bound) < length(?1) OR (length(bound) = length(?1) AND bound < ?1))`

func (r *request) grow(s *session) error {
	_, err := s.exec(growRequest, r.bound, r.opened)
	return err
}

// update closes an open row, and reports whether it was open, so that its fee is counted once.
func (r *request) update(s *session) (bool, error) {
	var room [40]any
	n, err := s.exec(closeRequest, append(r.appendClose(room[:0]), r.opened)...)
	return n == 1, err
}

// appendClose adds what is known of a request when it is closed.
func (r *request) appendClose(values []any) []any {
	o, u := &r.out, &r.out.Usage
	return append(values, o.RequestBytes, r.closed, string(r.booking.Basis), text(r.booking.Reason), int64(o.Status), r.booking.Fee.String(),
		amount(r.booking.Claimed), count(u.InputTokens), count(u.OutputTokens), count(u.CachedTokens), count(u.Images), seconds(u),
		digest(&o.RequestSHA256), digest(&o.ResponseSHA256), o.ResponseBytes, text(o.ResKey), text(o.ChatID),
		o.FirstByte.Microseconds(), o.Total.Microseconds(), text(o.Err),
		count(r.order.Block), mark(r.order.Centralized), mark(!o.Complete), digests(o.Images),
		moment(r.jobUntil()), text(o.Said), text(string(o.Verdict)), text(o.VerdictCode))
}

// verdict is what the signature of one answer showed, on its way into the store.
type verdict struct {
	id               string
	row              *request // whose it is; nil: not known, and the id is looked for among the newest
	at               int64
	signer, expected string // as texts
	zg.Judgement
}

// The first verdict that says something stays: what was verified, or was not, is not unlearned when somebody looks
// again and finds the signature gone. A verdict without a time was foreseen when the request was closed.
const setVerdict = `UPDATE requests SET verdict = ?, verdict_code = ?, signer = ?, verdict_at = ?, expected_signer = ?,
	signed_text = ?, signature = ?, text_form = ?, byte_form = ?, reencoded = ?
	WHERE opened_at = ? AND (verdict_at IS NULL OR verdict IN ('pending', 'unavailable'))`

func (v *verdict) write(s *session) (err error) {
	var key int64
	if v.row != nil {
		key = v.row.opened
	} else if key, err = s.keyOf(v.id); err != nil || key == 0 {
		return err
	}
	var room [11]any
	_, err = s.exec(setVerdict, append(v.append(room[:0]), key)...)
	return err
}

func (v *verdict) append(values []any) []any {
	return append(values, string(v.Verdict), text(v.Code), text(v.signer), v.at, text(v.expected),
		text(string(v.Text)), text(string(v.Signature)), text(string(v.Form)), text(string(v.Bytes)), mark(v.ReencodedRequest))
}

// keyOf finds the row of a request by its id, the newest of that name; 0: there is none.
func (s *session) keyOf(id string) (key int64, err error) {
	take := func(row []driver.Value) error { key, _ = row[0].(int64); return nil }
	if at, ok := idTime(id); ok {
		err = s.query(`SELECT opened_at FROM requests WHERE opened_at BETWEEN ? AND ? AND id = ? ORDER BY opened_at DESC LIMIT 1`, take, at-nearby, at+nearby, id)
	}
	if err == nil && key == 0 {
		err = s.query(`SELECT opened_at FROM requests WHERE id = ? ORDER BY opened_at DESC LIMIT 1`, take, id)
	}
	return key, err
}

// Absent things are NULL, so that they take no room and read as absent.

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func amount(n zg.Neuron) any {
	if n.IsZero() {
		return nil
	}
	return n.String()
}

// count turns a number that is absent when zero into a column; what does not fit is cut off, it is only for reading.
func count(n uint64) any {
	if n == 0 {
		return nil
	}
	return int64(min(n, 1<<63-1))
}

// size leaves out a length that is not known.
func size(n int64) any {
	if n < 0 {
		return nil
	}
	return n
}

func seconds(u *zg.Usage) any {
	if !u.BySeconds {
		return nil
	}
	return u.Seconds
}

func digest(d *[32]byte) any {
	if *d == ([32]byte{}) {
		return nil
	}
	return d[:]
}

// digests joins them to one value.
func digests(all [][32]byte) any {
	if len(all) == 0 {
		return nil
	}
	joined := make([]byte, 0, len(all)*32)
	for i := range all {
		joined = append(joined, all[i][:]...)
	}
	return joined
}

func address(a common.Address) any {
	if a == (common.Address{}) {
		return nil
	}
	return a.Hex()
}

// mark is a flag that is absent when not set.
func mark(b bool) any {
	if !b {
		return nil
	}
	return int64(1)
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// moment is a time that is absent when zero.
func moment(us int64) any {
	if us == 0 {
		return nil
	}
	return us
}

func micros(t time.Time) int64 { return t.UnixMicro() }

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
