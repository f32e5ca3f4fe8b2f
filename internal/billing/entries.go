package billing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// EntryState is where an entry of the journal stands.
type EntryState string

// The states of an entry. Only EntrySigned is unfinished, and at most one entry of a wallet is in it.
const (
	EntrySigned     EntryState = "signed"     // it may be sent any number of times and takes effect at most once
	EntryMined      EntryState = "mined"      // it has taken effect
	EntryReverted   EntryState = "reverted"   // it cost gas and moved nothing
	EntrySuperseded EntryState = "superseded" // another transaction used the nonce, so it can never happen
	EntryCancelled  EntryState = "cancelled"  // a transaction of ours that moves nothing used the nonce in its place
)

// Origin is who wanted a transaction.
type Origin string

// All count against the owner's budgets; only what happens automatically is refused for them.
const (
	OriginAuto    Origin = "auto"    // the keeper
	OriginHand    Origin = "hand"    // a command of the owner
	OriginForeign Origin = "foreign" // somebody elsewhere with the same key; no entry of the journal has it
)

// Entry is one thing that the wallet signed, with everything that was sent for it.
type Entry struct {
	ID        int64
	Intent    zg.Intent
	Origin    Origin
	Nonce     uint64
	State     EntryState
	CreatedAt time.Time
	EndedAt   time.Time // zero: not ended
	Reason    string
	Sent      bool          // a node has taken one of its transactions
	Txs       []zg.SignedTx // oldest first; all have the same nonce
	// Of the transaction that was mined. An entry that has these and has not ended waits for blocks on top of that one.
	Block   uint64
	Hash    common.Hash
	GasCost zg.Neuron
	Depth   uint64 // while it waits for those: how many blocks deep it is, its own included. Not recorded, so 0 in what is read
	// Trouble is why nothing is known of it at the moment, or what keeps it from being mined; empty: nothing. Not recorded
	// either.
	Trouble string
	// Earlier means that it is not what was ordered, but what has to end before that is signed. Not recorded either.
	Earlier bool
}

// trouble takes in what keeps an entry from going on; nil: nothing. Whoever waits for it is told when that is another
// thing.
func (e *Entry) trouble(err error, notify func(Entry)) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != e.Trouble {
		e.Trouble = text
		notify(*e)
	}
}

// newest is the transaction that is sent; the others are only looked for.
func (e *Entry) newest() zg.SignedTx { return e.Txs[len(e.Txs)-1] }

// MarshalZerologObject puts into a line of the log what it is about.
func (e *Entry) MarshalZerologObject(ev *zerolog.Event) {
	ev.Str("kind", string(e.Intent.Kind)).Str("origin", string(e.Origin))
	if e.Intent.Provider != (common.Address{}) {
		ev.Str("provider", e.Intent.Provider.Hex())
	}
	if also := e.Intent.Also; len(also) > 0 {
		ev.Str("also", listed(also))
	}
	if ids := e.Intent.TokenIDs; len(ids) > 0 {
		ev.Ints("token_ids", ids)
	}
	if !e.Intent.Amount.IsZero() {
		ev.Stringer("amount_neuron", e.Intent.Amount)
	}
}

// stageEntry records what was signed. When it returns nil, the record is on disk, synced. It fails while another entry
// of the wallet is unfinished, and for a provider that is suspended by now where nobody has asked for it by hand:
// signing takes a while, and only here nothing comes between looking and recording.
func (s *Store) stageEntry(wallet string, in zg.Intent, origin Origin, tx zg.SignedTx, now time.Time) (Entry, error) {
	e := Entry{Intent: in, Origin: origin, Nonce: tx.Nonce, State: EntrySigned, CreatedAt: now, Txs: []zg.SignedTx{tx}}
	provider := ""
	if in.Provider != (common.Address{}) {
		provider = in.Provider.Hex()
	}
	err := s.writer.do(true, func(db *session) (err error) {
		if origin == OriginAuto && provider != "" {
			t, err := db.trust(in.Provider)
			if err != nil {
				return err
			}
			if t.suspension.Provider != (common.Address{}) {
				return fmt.Errorf("%w: %w", ErrNotSigned, errSuspended)
			}
		}
		e.ID, err = db.insert(`INSERT INTO journal (wallet, kind, origin, provider, also, amount, opening, token_ids, nonce, state, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			wallet, string(in.Kind), string(origin), provider, listed(in.Also), in.Amount.String(), bit(in.Opening), listed(in.TokenIDs), int64(tx.Nonce), string(EntrySigned), micros(now))
		if err != nil {
			return err
		}
		return insertTx(db, e.ID, tx)
	})
	if err != nil {
		return Entry{}, fmt.Errorf("record what was signed: %w", err)
	}
	return e, nil
}

// addTx records a replacement. When it returns nil, the record is on disk, synced.
func (s *Store) addTx(id int64, tx zg.SignedTx) error {
	if err := s.writer.do(true, func(db *session) error { return insertTx(db, id, tx) }); err != nil {
		return fmt.Errorf("record a replacement: %w", err)
	}
	return nil
}

func insertTx(db *session, id int64, tx zg.SignedTx) error {
	_, err := db.exec(`INSERT INTO journal_txs (hash, entry_id, raw, fee_cap, tip_cap, gas_limit, cancels) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		tx.Hash.Hex(), id, tx.Raw, tx.FeeCap.String(), tx.TipCap.String(), int64(tx.GasLimit), bit(tx.Cancels))
	return err
}

// listed writes a list into one column.
func listed[T any](list []T) string {
	text := make([]string, len(list))
	for i, v := range list {
		text[i] = fmt.Sprint(v)
	}
	return strings.Join(text, " ")
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// noteBroadcast records when a transaction was first sent.
func (s *Store) noteBroadcast(hash common.Hash, now time.Time) error {
	err := s.writer.do(false, func(db *session) error {
		_, err := db.exec(`UPDATE journal_txs SET broadcast_at = ? WHERE hash = ? AND broadcast_at IS NULL`, micros(now), hash.Hex())
		return err
	})
	if err != nil {
		return fmt.Errorf("record a broadcast: %w", err)
	}
	return nil
}

// noteReceipt records where an entry was mined, or with nil that it is not mined any more. Should the record be lost
// with the machine, the next start reads the receipt again.
func (s *Store) noteReceipt(id int64, r *zg.Receipt) error {
	err := s.writer.do(false, func(db *session) error { return writeReceipt(db, id, r) })
	if err != nil {
		return fmt.Errorf("record a receipt: %w", err)
	}
	return nil
}

func writeReceipt(db *session, id int64, r *zg.Receipt) error {
	// What has not taken effect is missed in no balance.
	if _, err := db.exec(`UPDATE journal SET was_block = CASE WHEN ? THEN NULL ELSE COALESCE(
			(SELECT block FROM journal_txs WHERE entry_id = ?2 AND block IS NOT NULL AND cancels = 0 AND state IN ('signed', 'mined')), was_block) END
		WHERE id = ?2`, bit(r != nil), id); err != nil {
		return err
	}
	if _, err := db.exec(`UPDATE journal_txs SET block = NULL, gas_cost = NULL WHERE entry_id = ? AND block IS NOT NULL`, id); err != nil || r == nil {
		return err
	}
	_, err := db.exec(`UPDATE journal_txs SET block = ?, gas_cost = ? WHERE hash = ? AND entry_id = ?`,
		int64(r.Block), r.GasCost.String(), r.Hash.Hex(), id)
	return err
}

// endEntry records how an entry ended that was in the state from; r is the receipt of the transaction that was mined,
// if one was. Should the record be lost with the machine, the next start reads the receipt again.
func (s *Store) endEntry(id int64, from, to EntryState, reason string, r *zg.Receipt, now time.Time) error {
	err := s.writer.do(false, func(db *session) error { return db.end(id, from, to, reason, r, now) })
	if err != nil {
		return fmt.Errorf("record the end of a transaction: %w", err)
	}
	return nil
}

func (db *session) end(id int64, from, to EntryState, reason string, r *zg.Receipt, now time.Time) error {
	changed, err := db.exec(`UPDATE journal SET state = ?, ended_at = ?, reason = ? WHERE id = ? AND state = ?`,
		string(to), micros(now), text(reason), id, string(from))
	if err != nil || changed == 0 { // an end that is recorded stays
		return err
	}
	return writeReceipt(db, id, r)
}

// reopenEntry records that an entry which had ended has not: what it was mined in is no longer part of the chain.
func (s *Store) reopenEntry(id int64) error {
	err := s.writer.do(true, func(db *session) error {
		if err := writeReceipt(db, id, nil); err != nil { // by the state that it had
			return err
		}
		_, err := db.exec(`UPDATE journal SET state = 'signed', ended_at = NULL, reason = NULL WHERE id = ?`, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("record that a transaction is not mined any more: %w", err)
	}
	return nil
}

// Entries returns the newest entries of the journal, newest first.
func (s *Store) Entries(ctx context.Context, limit int) ([]Entry, error) {
	return s.entries(ctx, `ORDER BY id DESC LIMIT ?`, limit)
}

// ours are the entries of one wallet on one chain, and those from before it was recorded whose they are.
const ours = `WHERE wallet IN ('', ?)`

// unfinished is the entry that has been signed and not ended, if there is one.
func (s *Store) unfinished(ctx context.Context, wallet string) (Entry, bool, error) {
	return s.oneEntry(ctx, ours+` AND state = 'signed' ORDER BY id LIMIT 1`, wallet)
}

// newestEntry is the id of the entry that was made last, whatever became of it; 0: there is none.
func (s *Store) newestEntry(ctx context.Context, wallet string) (id int64, err error) {
	if err := s.readers.QueryRowContext(ctx, `SELECT COALESCE(MAX(id), 0) FROM journal `+ours, wallet).Scan(&id); err != nil {
		return 0, fmt.Errorf("read the newest transaction: %w", err)
	}
	return id, nil
}

// entryAt is the entry with a nonce, if there is one.
func (s *Store) entryAt(ctx context.Context, wallet string, nonce uint64) (Entry, bool, error) {
	return s.oneEntry(ctx, ours+` AND nonce = ? ORDER BY id DESC LIMIT 1`, wallet, int64(nonce))
}

// lastEntry is the ended entry with the highest nonce below one, if there is one: it was mined in no later block than
// what comes after it.
func (s *Store) lastEntry(ctx context.Context, wallet string, below uint64) (Entry, bool, error) {
	return s.oneEntry(ctx, ours+` AND nonce < ? AND state IN ('mined', 'reverted', 'cancelled') ORDER BY nonce DESC LIMIT 1`, wallet, int64(min(below, 1<<62)))
}

// entriesFrom are the entries with a nonce and all higher ones, lowest first.
func (s *Store) entriesFrom(ctx context.Context, wallet string, nonce uint64) ([]Entry, error) {
	return s.entries(ctx, ours+` AND nonce >= ? ORDER BY nonce`, wallet, int64(nonce))
}

func (s *Store) oneEntry(ctx context.Context, where string, args ...any) (Entry, bool, error) {
	all, err := s.entries(ctx, where, args...)
	if err != nil || len(all) == 0 {
		return Entry{}, false, err
	}
	return all[0], true, nil
}

func (s *Store) entries(ctx context.Context, where string, args ...any) (_ []Entry, err error) {
	//nolint:gosec // the condition is a constant of this file; values are bound
	rows, err := s.readers.QueryContext(ctx, `SELECT id, kind, origin, provider, also, amount, opening, token_ids, nonce, state, created_at, ended_at, COALESCE(reason, '') FROM journal `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var out []Entry
	for rows.Next() {
		var e Entry
		var provider, also, tokens string
		var created int64
		var ended sql.NullInt64
		if err := rows.Scan(&e.ID, &e.Intent.Kind, &e.Origin, &provider, &also, &e.Intent.Amount, &e.Intent.Opening, &tokens, &e.Nonce, &e.State, &created, &ended, &e.Reason); err != nil {
			return nil, fmt.Errorf("read the journal: %w", err)
		}
		e.Intent.Provider, e.CreatedAt, e.EndedAt = common.HexToAddress(provider), fromMicros(created), fromMicros(ended.Int64)
		for p := range strings.FieldsSeq(also) {
			e.Intent.Also = append(e.Intent.Also, common.HexToAddress(p))
		}
		for text := range strings.FieldsSeq(tokens) {
			id, err := strconv.Atoi(text)
			if err != nil {
				return nil, fmt.Errorf("read the journal: the tokens of entry %d: %w", e.ID, err)
			}
			e.Intent.TokenIDs = append(e.Intent.TokenIDs, id)
		}
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	for i := range out {
		if err := s.entryTxs(ctx, &out[i]); err != nil {
			return nil, fmt.Errorf("read the transactions of the journal: %w", err)
		}
	}
	return out, nil
}

func (s *Store) entryTxs(ctx context.Context, e *Entry) (err error) {
	rows, err := s.readers.QueryContext(ctx,
		`SELECT hash, raw, fee_cap, tip_cap, gas_limit, cancels, broadcast_at IS NOT NULL, block, COALESCE(gas_cost, '0') FROM journal_txs WHERE entry_id = ? ORDER BY rowid`, e.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var hash string
		var sent bool
		var block sql.NullInt64
		var cost zg.Neuron
		tx := zg.SignedTx{Nonce: e.Nonce}
		if err := rows.Scan(&hash, &tx.Raw, &tx.FeeCap, &tx.TipCap, &tx.GasLimit, &tx.Cancels, &sent, &block, &cost); err != nil {
			return err
		}
		tx.Hash = common.HexToHash(hash)
		e.Txs = append(e.Txs, tx)
		e.Sent = e.Sent || sent
		if block.Valid {
			e.Block, e.Hash, e.GasCost = uint64(block.Int64), tx.Hash, cost
		}
	}
	return rows.Err()
}

// highestNonce is the highest nonce that the wallet has ever signed with; false if there is none.
func (s *Store) highestNonce(ctx context.Context, wallet string) (uint64, bool, error) {
	var n sql.NullInt64
	if err := s.readers.QueryRowContext(ctx, `SELECT MAX(nonce) FROM journal `+ours, wallet).Scan(&n); err != nil {
		return 0, false, fmt.Errorf("read the highest nonce: %w", err)
	}
	return uint64(n.Int64), n.Valid, nil
}

// lastBlock is the block of the newest receipt of what has ended. No older state of the chain may be acted on: it would
// show a sub-account without the money that it has.
func (s *Store) lastBlock(ctx context.Context, wallet string) (uint64, error) {
	var block int64
	err := s.readers.QueryRowContext(ctx, `SELECT COALESCE(MAX(block), 0) FROM journal_txs JOIN journal ON journal.id = entry_id `+ours+` AND state != 'signed'`, wallet).Scan(&block)
	if err != nil {
		return 0, fmt.Errorf("read the block of the last receipt: %w", err)
	}
	return uint64(block), nil
}
