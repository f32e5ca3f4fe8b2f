package billing

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// ReceiptFilter says which receipts are wanted. The zero value means all of them, the oldest first.
type ReceiptFilter struct {
	Provider    common.Address // zero: of any
	Verdict     zg.Verdict     // empty: whatever was shown
	NewestFirst bool
}

// receiptPage is how many requests are looked at in one reading of the store, and chatSearch how many of the newest
// ones when an answer is looked for by its own id.
const (
	receiptPage = 2000
	chatSearch  = 1_000_000
)

const selectReceipt = `SELECT opened_at, id, state, route, service_type, provider, model, stream, price_in, price_out, fee, COALESCE(basis, ''), COALESCE(reason, ''),
	COALESCE(input_tokens, 0), COALESCE(output_tokens, 0), COALESCE(cached_tokens, 0), COALESCE(images, 0), COALESCE(seconds, 0),
	request_sha256, response_sha256, COALESCE(request_bytes, 0), COALESCE(response_bytes, 0), COALESCE(res_key, ''), COALESCE(chat_id, ''),
	COALESCE(verdict, ''), COALESCE(verdict_code, ''), COALESCE(signer, ''), verdict_at, settled, COALESCE(settlement, ''),
	COALESCE(chain_block, 0), centralized IS NOT NULL, incomplete IS NOT NULL, images_sha256, COALESCE(expected_signer, ''),
	COALESCE(signed_text, ''), COALESCE(signature, ''), COALESCE(text_form, ''), COALESCE(byte_form, ''), reencoded IS NOT NULL,
	COALESCE(said, '') FROM requests`

// scanReceipt makes a receipt of one row of selectReceipt. Network and chain are for whoever knows them.
func scanReceipt(scan func(...any) error) (r zg.AnswerReceipt, err error) {
	var key int64
	var state string
	var fee, settled sql.Null[string]
	var request, response, images []byte
	var judged sql.NullInt64
	var incomplete bool
	var settlement string
	var u zg.ReceiptUsage
	if err := scan(&key, &r.ID, &state, &r.Route, &r.Type, &r.Provider, &r.Model, &r.Stream, &r.PriceIn, &r.PriceOut, &fee, &r.FeeBasis, &r.FeeReason,
		&u.InputTokens, &u.OutputTokens, &u.CachedTokens, &u.Images, &u.Seconds, &request, &response, &r.RequestBytes, &r.ResponseBytes,
		&r.SignatureID, &r.ChatID, &r.Verdict, &r.VerdictCode, &r.Signer, &judged, &settled, &settlement, &r.Block, &r.Centralized, &incomplete,
		&images, &r.Expected, &r.SignedText, &r.Signature, &r.TextForm, &r.ByteForm, &r.ReencodedRequest,
		&r.Said); err != nil {
		return r, err
	}
	if r.Fee, err = amountOf(fee); err != nil {
		return r, err
	}
	taken := &r.ExpectedFee
	if state == "settled" { // before that, it is only what is expected
		taken, r.Settlement = &r.Settled, settlement
	}
	if *taken, err = amountOf(settled); err != nil {
		return r, err
	}
	r.Version, r.At, r.VerdictAt = zg.ReceiptVersion, fromMicros(key), momentOf(judged)
	r.Complete = state != "open" && !incomplete
	r.RequestSHA256, r.ResponseSHA256 = hex.EncodeToString(request), hex.EncodeToString(response)
	for d := range slices.Chunk(images, 32) {
		r.ImagesSHA256 = append(r.ImagesSHA256, hex.EncodeToString(d))
	}
	if r.SignatureID == "" && r.Verdict != "" && r.Verdict != zg.VerdictNotSigned {
		r.SignatureID = r.ChatID // a separate model enclave signs under the answer's own id
	}
	if u != (zg.ReceiptUsage{}) {
		r.Usage = &u
	}
	return r, nil
}

// Receipt finds the receipt of a request by its id, the newest of that name. What is still queued is not found yet.
func (s *Store) Receipt(ctx context.Context, id string) (zg.AnswerReceipt, bool, error) {
	if at, ok := idTime(id); ok {
		r, ok, err := s.receipt(ctx, `WHERE opened_at BETWEEN ? AND ? AND id = ?`, at-nearby, at+nearby, id)
		if err != nil || ok {
			return r, ok, err
		}
	}
	return s.receipt(ctx, `WHERE id = ? ORDER BY opened_at DESC LIMIT 1`, id)
}

// ReceiptOfChat finds a receipt by the answer's own id, the newest of that name. Answers given by this process lately
// are found at once; others are searched for, as far back as that takes about a second.
func (s *Store) ReceiptOfChat(ctx context.Context, chatID string) (zg.AnswerReceipt, bool, error) {
	if chatID == "" {
		return zg.AnswerReceipt{}, false, nil
	}
	if key, ok := s.recent.key(chatID); ok {
		if err := s.Flush(); err != nil { // it may be queued
			return zg.AnswerReceipt{}, false, err
		}
		if r, ok, err := s.receipt(ctx, `WHERE opened_at = ? AND chat_id = ?`, key, chatID); err != nil || ok {
			return r, ok, err
		}
	}
	return s.receipt(ctx, `WHERE opened_at = (SELECT opened_at FROM (SELECT opened_at, chat_id FROM requests ORDER BY opened_at DESC LIMIT ?)
		WHERE chat_id = ? LIMIT 1)`, chatSearch, chatID)
}

func (s *Store) receipt(ctx context.Context, where string, args ...any) (zg.AnswerReceipt, bool, error) {
	r, err := scanReceipt(s.readers.QueryRowContext(ctx, selectReceipt+" "+where, args...).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return zg.AnswerReceipt{}, false, nil
	}
	if err != nil {
		return zg.AnswerReceipt{}, false, fmt.Errorf("read a receipt: %w", err)
	}
	return r, true, nil
}

// Receipts are those of the answers given since a moment and before another; a zero until is no limit. Requests without
// an answer have none. The store is read page by page, and between two pages nothing is held: a slow reader is in
// nobody's way. An error ends the sequence.
func (s *Store) Receipts(ctx context.Context, since, until time.Time, f ReceiptFilter) iter.Seq2[zg.AnswerReceipt, error] {
	return func(yield func(zg.AnswerReceipt, error) bool) {
		span := keys{micros(since), 1<<63 - 1}
		if !until.IsZero() {
			span.to = micros(until)
		}
		for span.from < span.to {
			page, rest, err := s.page(ctx, span, f.NewestFirst)
			var all []zg.AnswerReceipt
			if err == nil && page.from < page.to {
				all, err = s.receiptsOf(ctx, page, f)
			}
			if err != nil {
				yield(zg.AnswerReceipt{}, err)
				return
			}
			for i := range all {
				if !yield(all[i], nil) {
					return
				}
			}
			span = rest
		}
	}
}

// keys is a range of the table: from included, to not.
type keys struct{ from, to int64 }

// page takes a page from one end of a range; the rest is empty where it was the last one.
func (s *Store) page(ctx context.Context, span keys, newestFirst bool) (page, rest keys, err error) {
	query := `SELECT MIN(opened_at), MAX(opened_at) FROM (SELECT opened_at FROM requests WHERE opened_at >= ? AND opened_at < ? ORDER BY opened_at LIMIT ?)`
	if newestFirst {
		query = strings.Replace(query, "ORDER BY opened_at", "ORDER BY opened_at DESC", 1)
	}
	var first, last sql.NullInt64
	if err := s.readers.QueryRowContext(ctx, query, span.from, span.to, receiptPage).Scan(&first, &last); err != nil {
		return page, rest, fmt.Errorf("read receipts: %w", err)
	}
	if !first.Valid {
		return keys{}, keys{}, nil
	}
	page = keys{first.Int64, last.Int64 + 1}
	if newestFirst {
		return page, keys{span.from, page.from}, nil
	}
	return page, keys{page.to, span.to}, nil
}

func (s *Store) receiptsOf(ctx context.Context, page keys, f ReceiptFilter) ([]zg.AnswerReceipt, error) {
	where, args := ` WHERE opened_at >= ? AND opened_at < ? AND status = 200 AND state != 'open'`, []any{page.from, page.to}
	if f.Provider != (common.Address{}) {
		where, args = where+` AND provider = ?`, append(args, f.Provider.Hex())
	}
	if f.Verdict != "" {
		where, args = where+` AND verdict = ?`, append(args, string(f.Verdict))
	}
	where += ` ORDER BY opened_at`
	if f.NewestFirst {
		where += ` DESC`
	}
	return s.readReceipts(ctx, where, args...)
}

func (s *Store) readReceipts(ctx context.Context, where string, args ...any) (out []zg.AnswerReceipt, err error) {
	rows, err := s.readers.QueryContext(ctx, selectReceipt+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read receipts: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r, err := scanReceipt(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("read receipts: %w", err)
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read receipts: %w", err)
	}
	return out, nil
}

// PendingVerdicts are the receipts of answers since a moment whose signature nobody has looked at yet, the oldest
// first: after a restart they are checked from what the receipt has. An orderly end has given them up with the code
// shutdown; a kill has left them pending. What is still queued is missing.
func (s *Store) PendingVerdicts(ctx context.Context, since time.Time) ([]zg.AnswerReceipt, error) {
	return s.readReceipts(ctx, ` WHERE opened_at >= ? AND (verdict = 'pending' OR verdict = 'unavailable' AND verdict_code = 'shutdown')
		ORDER BY opened_at`, micros(since))
}

// SignedText is a text that a provider's signer has signed for an answer.
type SignedText struct {
	Signer    common.Address // who signed it
	Text      string
	RequestID string
	Verdict   zg.Verdict
	At        time.Time // of the request
}

// SignedSince are the texts that were shown to be signed for requests since a moment, the newest of them up to a limit,
// in the order of the requests. It is what tells an answer that is given again from a new one.
func (s *Store) SignedSince(ctx context.Context, since time.Time, limit int) (out []SignedText, err error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT opened_at, signer, signed_text, id, verdict FROM requests
		WHERE opened_at >= ? AND signed_text IS NOT NULL AND signer IS NOT NULL AND verdict IN ('verified', 'response-verified', 'replayed')
		ORDER BY opened_at DESC LIMIT ?`, micros(since), limit)
	if err != nil {
		return nil, fmt.Errorf("read what was signed: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var t SignedText
		var at int64
		var signer string
		if err := rows.Scan(&at, &signer, &t.Text, &t.RequestID, &t.Verdict); err != nil {
			return nil, fmt.Errorf("read what was signed: %w", err)
		}
		t.At, t.Signer = fromMicros(at), common.HexToAddress(signer)
		out = append(out, t)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read what was signed: %w", err)
	}
	slices.Reverse(out)
	return out, nil
}

// Receipt is that of the store read.
func (r *Reader) Receipt(ctx context.Context, id string) (zg.AnswerReceipt, bool, error) {
	return r.store.Receipt(ctx, id)
}

// ReceiptOfChat is that of the store read.
func (r *Reader) ReceiptOfChat(ctx context.Context, chatID string) (zg.AnswerReceipt, bool, error) {
	return r.store.ReceiptOfChat(ctx, chatID)
}

// Receipts are those of the store read.
func (r *Reader) Receipts(ctx context.Context, since, until time.Time, f ReceiptFilter) iter.Seq2[zg.AnswerReceipt, error] {
	return r.store.Receipts(ctx, since, until, f)
}
